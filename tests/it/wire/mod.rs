//! Ring 1: the clients against byte transcripts and hostile servers, over a pipe in memory.

mod ahead;
mod hostile;
mod identifiers;
mod peer;
mod pop3;
mod script;
mod secure;
mod smtp;
mod transcript;
mod wrong_port;

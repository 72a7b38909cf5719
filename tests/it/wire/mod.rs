//! Ring 1: the IMAP client against byte transcripts and hostile servers, over a pipe in memory.

mod ahead;
mod hostile;
mod identifiers;
mod peer;
mod secure;
mod transcript;

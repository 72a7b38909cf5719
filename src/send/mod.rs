//! Queued mail → mail server: never lost, never silently doubled.
//!
//! A mark is committed before the last line of a mail goes out. What dies before it is sent again;
//! what dies after it is *in doubt* until the server's answer, or the Sent folder, or a person
//! settles it.

mod ahead;
pub mod cycle;
mod deliver;
pub mod doubt;
mod filing;
mod imap_sent;
pub mod judge;
pub mod net_sinks;
mod outbox;
pub mod policy;
mod prepare;
pub mod sink;
mod smtp_sink;
mod verify;

//! Raw bytes → [`ReceivedMessage`](crate::model::message::ReceivedMessage), a mail to be sent → raw bytes,
//! and how the bytes are kept.
//!
//! Pure and total: hostile bytes end in a message, a note or a [`Malformed`], never in unbounded work.
//! The parser itself is somebody else's code, so the callers still run it behind `catch_unwind` on a
//! blocking thread.

mod body;
pub mod compose;
#[cfg(test)]
mod compose_hostile_tests;
#[cfg(test)]
mod compose_tests;
mod header;
#[cfg(test)]
mod hostile_tests;
mod keep;
mod key;
mod limits;
mod parse;
mod received;
#[cfg(test)]
mod tests;
mod text;

pub use header::message_id;
pub use keep::{Damaged, compress, digest, expand};
pub use limits::{Limits, Malformed};
pub use parse::parse;
pub use received::received_at;

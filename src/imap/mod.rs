//! An IMAP client (RFC 3501 and RFC 9051) that reads the Inbox; looks sent mail up, and keeps it; and
//! deletes from the Inbox what it is told to.
//!
//! It knows the protocol and its dialects, not the product: no retries, no classification. Below it
//! stands async-imap, of which only `run_command` and `read_response` are used (its own commands
//! take NO, BYE and a lost connection for success), and [`crate::net::guard`] below that.
//!
//! async-imap writes every command, passwords included, to the `log` crate at level trace. Nothing
//! in this program listens to `log`, and nothing may: `tracing-log` is banned in `deny.toml`.

mod change;
pub mod connect;
mod date;
pub mod error;
mod event;
mod fetch;
mod folders;
mod idle;
mod quirks;
pub mod session;
mod wire;

pub use folders::{FolderName, Folders};
pub use idle::Idle;

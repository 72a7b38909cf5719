//! The catalogue of faults: each is injected into a running daemon with healthy mailboxes beside it,
//! and its code, scope, schedule, alert, explanation and end are compared with what they must be.
//!
//! `cargo test --test it faults:: -- --nocapture` prints it as a table; `tests/run` does so with the faults
//! of the machine, which need a process of their own ([`real::machine`](super::real)).

mod catalogue;
mod crowd;
mod listing;
mod observe;
mod reaching;
mod reading;
mod row;
mod sending;
pub mod server;
pub mod table;
pub mod talk;
mod world;

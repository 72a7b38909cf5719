//! The vocabulary: plain data every other module speaks in.
//!
//! Nothing here does I/O, waits, or reads a clock. Names follow the grammar of the crate's
//! documentation: a *View* was observed, a *Plan* or *Verdict* was decided, a *Report* was done.

pub mod activity;
pub mod alert;
pub mod audit;
pub mod authority;
pub mod care;
pub mod catalogue;
pub mod cursor;
pub mod failure;
pub mod ids;
pub mod lease;
pub mod lockout;
pub mod locks;
pub mod mailbox;
pub mod maildrop;
pub mod message;
pub mod outbox;
pub mod presence;
pub mod profile;
pub mod record;
pub mod report;
pub mod room;
pub mod rules;
#[cfg(test)]
pub(crate) mod samples;
pub mod standing;
pub mod testing;
pub mod timestamp;
pub mod uid;
pub mod view;

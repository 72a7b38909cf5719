//! When what runs: the agenda and the back-off decide, the driver starts, waits and writes.
//!
//! Not here: what a cycle does. No input of the schedule changes *what* a cycle does, only *when*.

pub mod agenda;
pub mod alarm;
pub mod backoff;
pub mod breaker;
pub mod care;
pub mod caretaker;
pub mod concern;
mod daemons;
pub mod driver;
pub mod duty;
pub mod heard;
pub mod incident;
pub mod jitter;
mod journal;
pub mod leap;
pub mod limits;
pub mod line;
pub mod machine;
mod notify;
mod pace;
pub mod progress;
pub mod reading;
pub mod sending;
pub mod stale;
pub mod storm;
pub mod strain;
pub mod summary;
pub mod testing;
mod turns;
pub mod waits;

//! When what runs: the agenda and the back-off decide, the driver starts, waits and writes.
//!
//! Not here: what a cycle does. No input of the schedule changes *what* a cycle does, only *when*.

pub mod agenda;
pub mod backoff;
pub mod driver;
mod flight;
pub mod jitter;
mod journal;
pub mod limits;
pub mod progress;
mod turns;

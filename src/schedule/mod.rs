//! When what runs: the agenda and the back-off decide, the driver starts, waits and writes.
//!
//! Not here: what a cycle does. No input of the schedule changes *what* a cycle does, only *when*.
//!
//! | to find out | read |
//! |---|---|
//! | who may start now | `agenda`, with `turns` (fairness and limits), `duty`, `jitter` |
//! | what the end of a cycle means for its mailbox | `backoff` with `waits`; `concern`: or was it the profile's password; `care`, `pace`: what the next cycles take care of |
//! | … and for its server | `heard` → `agenda::evidence` → `breaker` (a server that is down), `storm` (one that refuses everybody) |
//! | whether it is this machine | `machine`, `strain` (out of descriptors or ports), `leap` (somebody set the clock); `daemons`: the alerts about it |
//! | what is done about it all | `driver`, the only loop; `line`: what it runs, `reading` and `sending`; `limits`: log-ins a second |
//! | what people are told | `alarm` (at the end of a cycle), `caretaker` with `stale`, `incident` and `notify` (by the database alone), `journal` (the log), `progress`, `summary` |
//! | how a mailbox is tested | `testing`, beside the schedule |

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
pub mod unwanted;
pub mod waits;

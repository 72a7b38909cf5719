//! mailsyncd: the server-side e-mail synchronization daemon.

pub mod base;
pub mod model;
pub mod receive;

//! What the tests run against.

pub mod certificates;
pub mod dovecot;
pub mod golden;
pub mod process;

//! What the tests run against.

pub mod certificates;
pub mod dovecot;
pub mod process;

//! Mail server → recorded activity.

pub mod batch;
pub mod cycle;
pub mod fetch;
pub mod imap_source;
pub mod judge;
pub mod plan;
pub mod policy;
pub mod prepare;
pub mod reconcile;
pub mod record;
pub mod source;
mod watch;
pub mod windows;

//! Mail server → recorded activity.

pub mod batch;
pub mod budget;
pub mod credentials;
pub mod cycle;
pub mod fetch;
pub mod imap_source;
pub mod judge;
pub mod plan;
pub mod policy;
pub mod prepare;
pub mod reconcile;
pub mod record;
pub mod slots;
pub mod source;
pub mod stored;
mod watch;
pub mod windows;

//! Mail server → recorded activity.

pub mod again;
pub mod batch;
pub mod cleanup;
pub mod cycle;
pub mod fetch;
mod imap_listing;
pub mod imap_source;
pub mod judge;
pub mod kept;
pub mod maildrop;
pub mod plan;
pub mod policy;
pub mod pop3_source;
pub mod prepare;
pub mod preview;
pub mod ready;
pub mod reconcile;
pub mod record;
mod requests;
pub mod source;
pub mod sources;
mod unlisted;
mod watch;
pub mod windows;

//! Mail server → recorded activity.

pub mod batch;
pub mod budget;
pub mod credentials;
pub mod judge;
pub mod plan;
pub mod policy;
pub mod slots;
pub mod source;
pub mod windows;

//! Mail server → recorded activity.

pub mod slots;
pub mod source;

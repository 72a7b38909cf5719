//! Mail server → recorded activity.

pub mod source;

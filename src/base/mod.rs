//! The few things everything may use.

pub mod clock;

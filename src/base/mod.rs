//! The few things everything may use.

pub mod clock;
pub mod telemetry;

//! The few things everything may use.

pub mod chain;
pub mod clock;
pub mod hints;
pub mod host;
pub mod keyring;
pub mod login;
pub mod marker;
pub mod metrics;
pub mod retry;
pub mod secret;
pub mod tasks;
pub mod telemetry;

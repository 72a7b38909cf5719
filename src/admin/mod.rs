//! Use cases on request: what the command line asks for, and what the daemon does with its files.

pub mod alerts;
pub mod approval;
pub mod audit;
pub mod changes;
mod decided;
pub mod declared;
pub mod edit;
pub mod error;
#[cfg(test)]
mod fixtures;
pub mod import;
pub mod messages;
pub mod owners;
pub mod passwords;
pub mod presence;
pub mod probing;
pub mod rotate;
pub mod secrets;
pub mod selection;
pub mod send;
pub mod status;
pub mod testing;
pub mod views;
pub mod why;

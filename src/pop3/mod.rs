//! A POP3 client (RFC 1939, 2449, 2595, 3206, 5034): it lists a maildrop, reads it, and deletes
//! what it is told to.
//!
//! It knows the protocol, not the product: no retries, no classification, and no opinion of what
//! may be deleted. Everything received goes through [`crate::net::lines`], which bounds it.

mod capabilities;
pub mod connect;
pub mod error;
pub mod session;
mod wire;

pub use capabilities::Capabilities;

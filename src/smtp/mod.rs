//! An SMTP submission client (RFC 5321, RFC 6409): logs in and hands over mail.
//!
//! It knows the protocol, not the product: no retries, no classification. A mail goes in three
//! steps, so that the caller can write down what it is about to do between them: [`Session::begin`]
//! names sender and recipients, [`Session::body`] transfers everything up to the final dot,
//! [`Session::finish`] sends the dot. Before the dot every error is harmless; after it only the
//! reply tells whether the mail was taken.
//!
//! [`Session::begin`]: session::Session::begin
//! [`Session::body`]: session::Session::body
//! [`Session::finish`]: session::Session::finish

mod auth;
pub mod capability;
pub mod connect;
mod envelope;
pub mod error;
pub mod reply;
pub mod session;
mod stuffing;
mod wire;

pub use envelope::{Envelope, is_sendable};

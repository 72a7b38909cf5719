//! The way to a mail server, one stage at a time: each is timed and told of as it ends.
//!
//! The cycles take the same way in one go, see `imap::connect`, `pop3::connect` and `smtp::connect`;
//! these are its steps. Nothing is tried twice here: whoever tests wants to see what happens.

pub mod endpoint;
pub mod reading;
pub mod sending;
mod steps;

pub use steps::Steps;

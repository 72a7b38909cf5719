//! Reaching a server: names, addresses, TLS, deadlines, and a guard against what comes back.

pub mod error;

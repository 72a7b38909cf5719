//! An IMAP client (RFC 3501 and RFC 9051) that reads the Inbox and nothing else.
//!
//! It knows the protocol and its dialects, not the product: no retries, no classification.

pub mod error;

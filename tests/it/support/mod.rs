//! What the tests run against.

pub mod certificates;
pub mod chaos;
pub mod cli;
pub mod configuration;
pub mod counting_smtp;
pub mod daemon;
#[allow(dead_code, reason = "every ring uses its part of it")]
pub mod databases;
pub mod dovecot;
pub mod golden;
pub mod mail;
pub mod pop3_server;
#[allow(dead_code, reason = "every ring uses its part of it")]
pub mod postfix;
pub mod postgres;
pub mod process;
pub mod random;
pub mod records;
#[allow(dead_code, reason = "every ring uses its part of it")]
pub mod sim_inbox;
#[allow(dead_code, reason = "every ring uses its part of it")]
pub mod sim_post;
#[allow(dead_code, reason = "every ring uses its part of it")]
pub mod sim_server;

//! The integration tests, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its words are for people"
)]

mod architecture;
mod cli;
mod composed;
mod config;
mod corpus;
mod cut_off;
mod cycle;
mod driver;
mod faults;
mod lifecycle;
mod monitoring;
mod real;
mod sending;
mod sim;
mod store;
mod support;
mod telling;
mod wire;

//! Use cases on request: what the command line asks for, and what the daemon does with its files.

pub mod changes;

//! The operations, written once and compiled for each database: `Db` and `Conn` are what the
//! including module says they are. Each runs inside a transaction of its caller.

use super::{Conn, Db, PADDED, run, text, written};

pub mod activities;
pub mod alerts;
pub mod around;
pub mod audit;
pub mod check;
pub mod claim;
pub mod commit;
pub mod doors;
pub mod inbox;
pub mod insert;
pub mod leases;
pub mod lockout;
pub mod locks;
pub mod maildrop;
pub mod mails;
pub mod outbox;
pub mod records;
pub mod retry;
pub mod secrets;
pub mod settle;
pub mod stuck;
pub mod tables;
pub mod testing;
pub mod views;

/// What every operation answers.
type Result<T> = std::result::Result<T, crate::store::error::StoreError>;

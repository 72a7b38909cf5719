//! Ring 2: the store, over both databases.

mod alerts;
mod around;
mod audit;
mod claim;
mod copies;
mod decided;
mod fixtures;
mod fresh;
mod listed;
mod lockout;
mod locks;
mod migrating;
mod opening;
mod outbox;
mod receiving;
mod records;
mod schedule;
mod secrets;
mod sql_door;
mod statements;
mod testing;
mod tidying;
mod together;
mod views;
mod writing;

//! Ring 2: the store, over both databases.

mod fixtures;
mod migrating;
mod opening;
mod receiving;
mod records;
mod schedule;
mod statements;
mod views;
mod writing;

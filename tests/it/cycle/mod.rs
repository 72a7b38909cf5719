//! Ring 2: receive cycles against a simulated server and real SQL.

mod cases;
pub mod database;
mod deletion;
mod maildrop;
mod maildrop_stop;
mod retry;
pub mod stop;
mod torn_listing;
mod unreadable;
mod world;

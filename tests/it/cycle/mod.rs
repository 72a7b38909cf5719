//! Ring 2: receive cycles against a simulated server and real SQL.

mod cases;
mod database;
mod deletion;
mod maildrop;
mod maildrop_stop;
mod stop;
mod unreadable;
mod world;

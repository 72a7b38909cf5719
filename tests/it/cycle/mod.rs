//! Ring 2: receive cycles against a simulated server and real SQL.

mod cases;
mod database;
mod stop;
mod unreadable;
mod world;

//! Ring 2: send cycles against a scripted server and real SQL.

mod cases;
mod server;
mod stop;
mod world;

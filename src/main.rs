//! The program: see the library.

use std::process::ExitCode;

use mailsyncd::cli;

fn main() -> ExitCode {
    match cli::parse() {
        Ok(arguments) => cli::execute(arguments),
        Err(status) => status,
    }
}

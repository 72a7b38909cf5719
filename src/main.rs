//! The program: see the library.

use std::{path::Path, process::ExitCode};

use mailsyncd::{
    cli::{self, Fault},
    daemon,
    schedule::agenda::Mode,
};

fn main() -> ExitCode {
    match cli::parse() {
        Ok(arguments) => cli::execute(arguments, run),
        Err(status) => status,
    }
}

fn run(config: &Path, once: bool) -> Result<ExitCode, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("mailsyncd").enable_all().build()?;
    let mode = if once { Mode::Once } else { Mode::Daemon };
    match runtime.block_on(daemon::run(config, mode)) {
        Ok(summary) if once && (summary.failures > 0 || summary.unfinished > 0) => Ok(ExitCode::FAILURE),
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) if error.is_configuration() => Err(Fault::usage(error)),
        Err(error) => Err(Fault::failed(error)),
    }
}

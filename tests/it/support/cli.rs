//! The program run as a person would, and what it printed.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// What a run of the program did.
pub struct Ran {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }
}

/// The program with `arguments`, in `directory`, without any environment of ours.
pub fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailsyncd"));
    command.args(arguments).current_dir(directory).env_clear();
    command
}

/// Runs the program with `input` as its standard input.
pub fn run(directory: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut command = program(directory, arguments);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

//! Child processes that end with the test, whatever becomes of it; and waiting without sleeping blindly.

use std::{
    ffi::OsStr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A generous limit for anything that happens on a loaded machine.
pub const LONG: Duration = Duration::from_secs(90);

/// A user to run something as: its name, uid and gid.
#[derive(Clone, Debug)]
pub struct Account {
    pub user: String,
    pub group: String,
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// Who runs the tests; for root the account `nobody`, since servers refuse to run as root.
    pub fn unprivileged() -> Self {
        let ask = |args: &[&str]| run(Command::new("id").args(args));
        let user = if ask(&["-u"]) == "0" { "nobody".to_owned() } else { ask(&["-un"]) };
        let group = ask(&["-gn", &user]);
        let number = |flag| ask(&[flag, &user]).parse().unwrap();
        Self { uid: number("-u"), gid: number("-g"), user, group }
    }

    /// A command that runs `program` as this account and gets `signal` if the test's thread ends.
    pub fn command(&self, program: impl AsRef<OsStr>, signal: &str) -> Command {
        let mut command = Command::new("setpriv");
        if is_root() {
            command.args(["--reuid", &self.user, "--regid", &self.group, "--clear-groups"]);
        }
        command.args(["--pdeathsig", signal, "--"]).arg(program);
        command
    }

    /// Gives `path` to this account.
    pub fn own(&self, path: &Path) {
        if is_root() {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).unwrap();
        }
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    run(Command::new("id").arg("-u")) == "0"
}

/// A process group that is killed when this is dropped.
pub struct Group {
    child: Child,
}

impl Group {
    /// Starts `command` as the leader of a group of its own.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.process_group(0).stdin(Stdio::null()).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")) }
    }

    /// Sends the leader a signal, by name.
    pub fn signal(&self, name: &str) {
        send_signal(name, &self.child.id().to_string());
    }

    /// Kills everything in the group at once, without warning.
    pub fn kill(&mut self) {
        send_signal("KILL", &format!("-{}", self.child.id()));
        self.child.wait().unwrap();
    }

    /// The exit status, if the leader has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until the leader ends.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        wait_for(limit, "a process to end", || self.ended())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn send_signal(name: &str, target: &str) {
    // Fails where everything has ended already, which is as well.
    let _ = Command::new("kill").args(["-s", name, "--", target]).stderr(Stdio::null()).status();
}

/// Runs `command`, which must succeed, and returns what it printed, trimmed.
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs `command` to its end.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Asks again and again until there is an answer.
pub fn wait_for<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until `condition` holds.
pub fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(limit, what, || condition().then_some(()));
}

/// Whether all of `programs` are installed. `tests/run` installs them and sets
/// `REQUIRE_REAL_SERVERS`; then a missing one fails the test instead of skipping it.
pub fn installed(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !is_installed(program)).collect();
    if missing.is_empty() {
        return true;
    }
    skip(&format!("not installed: {missing:?} (tests/run installs them)"));
    false
}

/// Says that a test is skipped, and why; fails where nothing may be skipped.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("REQUIRE_REAL_SERVERS").is_none(), "may not be skipped, but {reason}");
    println!("skipped: {reason}");
}

fn is_installed(program: &str) -> bool {
    let command = format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}");
    Command::new("sh").args(["-c", &command]).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A port on 127.0.0.1 that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

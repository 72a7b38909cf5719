//! The real binary, run as a person or systemd runs it: configuration, child processes, logs.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    configuration::password_file,
    dovecot::Dovecot,
    process::{Account, Group, LONG, output, run, wait_for},
};

pub use super::configuration::{Configuration, Mailbox, Profile};

/// The program under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_mailsyncd");

/// A directory with a configuration, a database and at most one daemon.
pub struct Daemon {
    dir: TempDir,
    pub configuration: Configuration,
    /// How many files its processes may have open; `None` for as many as the tests may.
    pub open_files: Option<u32>,
    /// A program and its arguments that its processes run within, such as another view of the file system.
    pub within: Vec<String>,
    running: Option<Group>,
}

impl Daemon {
    /// A daemon on SQLite that knows nothing yet.
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let database = format!("sqlite:{}", dir.path().join("mailsyncd.db").display());
        Self::in_dir(dir, database)
    }

    /// The same on a PostgreSQL database.
    pub fn on_postgres(url: &str) -> Self {
        Self::in_dir(TempDir::new().unwrap(), url.to_owned())
    }

    fn in_dir(dir: TempDir, database: String) -> Self {
        let configuration = Configuration {
            database,
            authority: None,
            sections: BTreeMap::from([
                ("log", "format = \"json\"\nlevel = \"debug\"\n".to_owned()),
                ("limits", "logins_per_host_per_second = 1000\n".to_owned()),
            ]),
            profiles: Vec::new(),
            mailboxes: Vec::new(),
            more: String::new(),
        };
        Self { dir, configuration, open_files: None, within: Vec::new(), running: None }
    }

    /// Adds a profile for `server` and trusts its authority.
    pub fn with_server(mut self, server: &Dovecot) -> Self {
        self.configuration.authority = Some(server.authority().to_owned());
        self.with_profile(Profile::of(server))
    }

    /// Adds a profile.
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.configuration.profiles.push(profile);
        self
    }

    /// Adds a mailbox on the newest profile.
    pub fn with_mailbox(mut self, address: &str, password: &str) -> Self {
        let profile = self.configuration.profiles.last().expect("a profile first").name.clone();
        self.configuration.mailboxes.push(Mailbox {
            address: address.into(),
            profile,
            password: Some(password.into()),
            more: String::new(),
        });
        self
    }

    /// The same without a password file.
    pub fn with_mailbox_of_stored_password(self, address: &str) -> Self {
        let mut daemon = self.with_mailbox(address, "");
        daemon.configuration.mailboxes.last_mut().unwrap().password = None;
        daemon
    }

    /// A file beside the configuration.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the configuration and its password files.
    pub fn write_configuration(&self) {
        self.write_configuration_to(self.dir.path(), &|_| ());
    }

    /// The same to another directory, for `account` to read.
    pub fn write_configuration_for(&self, dir: &Path, account: &Account) {
        self.write_configuration_to(dir, &|file| account.own(file));
    }

    fn write_configuration_to(&self, dir: &Path, own: &dyn Fn(&Path)) {
        let file = dir.join("mailsyncd.toml");
        fs::write(&file, self.configuration.text(dir)).unwrap();
        own(&file);
        for mailbox in &self.configuration.mailboxes {
            let Some(password) = &mailbox.password else { continue };
            let file = password_file(dir, &mailbox.address);
            write_secret(&file, password);
            own(&file);
        }
    }

    /// A command of the program with this configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let limited = self.open_files.map(|files| ["prlimit".to_owned(), format!("--nofile={files}:")]);
        let before = limited.into_iter().flatten().chain(self.within.iter().cloned());
        let mut words = before.chain(["setpriv".to_owned()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command.args(["--pdeathsig", "KILL", "--", BINARY, "--config"]).arg(self.path("mailsyncd.toml"));
        command.args(arguments);
        command
    }

    /// Runs a command to its end.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.write_configuration();
        output(&mut self.command(arguments))
    }

    /// Runs a command to its end with `input` on its standard input.
    pub fn cli_with_input(&self, arguments: &[&str], input: &str) -> Output {
        self.write_configuration();
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed and answers with one JSON document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text_of(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// `run --once`; its log goes where the daemon's goes.
    pub fn once(&mut self) -> ExitStatus {
        self.spawn(&["run", "--once"]);
        let status = self.running.as_mut().unwrap().wait(LONG);
        self.running = None;
        status
    }

    /// `run --once`, which must succeed.
    pub fn once_well(&mut self) {
        let status = self.once();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Starts the daemon.
    pub fn start(&mut self) {
        self.spawn(&["run"]);
    }

    fn spawn(&mut self, arguments: &[&str]) {
        assert!(self.running.is_none(), "one at a time");
        self.write_configuration();
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.command(arguments);
        self.running = Some(Group::spawn(command.stdout(log.try_clone().unwrap()).stderr(log)));
    }

    /// The daemon's process.
    pub fn process(&mut self) -> &mut Group {
        self.running.as_mut().expect("the daemon was not started")
    }

    /// Ends the daemon with SIGTERM.
    pub fn stop(&mut self) -> ExitStatus {
        self.process().signal("TERM");
        let status = self.process().wait(LONG);
        self.running = None;
        status
    }

    /// Ends the daemon with SIGKILL.
    pub fn kill(&mut self) {
        self.process().kill();
        self.running = None;
    }

    /// Everything logged so far, of all runs.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until the log has a line with all of `words`; the daemon must be alive.
    pub fn wait_for_log(&mut self, words: &[&str]) {
        wait_for(LONG, &format!("{words:?} in the log"), || {
            let log = self.log();
            let found = log.lines().any(|line| words.iter().all(|word| line.contains(word)));
            assert!(found || self.process().ended().is_none(), "the daemon ended:\n{log}");
            found.then_some(())
        });
    }

    /// Rows of a query, made with the tools that any CRM's people have.
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let mut command = match self.configuration.database.strip_prefix("sqlite:") {
            Some(file) => {
                let mut command = Command::new("sqlite3");
                command.args(["-batch", "-cmd", ".timeout 60000", "-separator", "\u{1f}", file]);
                command
            }
            None => {
                let mut command = Command::new("psql");
                command.args(["-X", "-A", "-t", "-F", "\u{1f}", &self.configuration.database, "-c"]);
                command
            }
        };
        // A statement may begin with a comment, which must not look like an option.
        let answer = run(command.arg(format!("\n{sql}")));
        answer.lines().map(|line| line.split('\u{1f}').map(str::to_owned).collect()).collect()
    }

    /// The one number that a query answers with.
    pub fn count(&self, sql: &str) -> u64 {
        self.query(sql)[0][0].parse().unwrap()
    }

    /// How many activities there are.
    pub fn activities(&self) -> u64 {
        self.count("SELECT count(*) FROM email_activities")
    }

    /// Waits until there are `count` activities; the daemon must be alive.
    pub fn wait_for_activities(&mut self, count: u64) {
        wait_for(LONG, &format!("{count} activities"), || {
            assert!(self.process().ended().is_none(), "the daemon ended:\n{}", self.log());
            (self.activities_so_far() >= count).then_some(())
        });
    }

    /// The same, 0 where there is no database yet.
    pub fn activities_so_far(&self) -> u64 {
        if self.has_tables() { self.activities() } else { 0 }
    }

    /// Lets the leases of killed daemons run out at once, as a minute's wait would. On SQLite the
    /// next daemon need not wait: the lock of the file tells it that the last one is dead.
    pub fn expire_leases(&self) {
        if !self.configuration.database.starts_with("sqlite:") && self.has_tables() {
            self.query("UPDATE mailboxes SET lease_expires = '2000-01-01' WHERE lease_expires IS NOT NULL");
        }
    }

    fn has_tables(&self) -> bool {
        match self.configuration.database.strip_prefix("sqlite:") {
            Some(file) => {
                Path::new(file).exists()
                    && self.count("SELECT count(*) FROM sqlite_schema WHERE name = 'email_activities'") == 1
            }
            None => self.count("SELECT count(*) FROM pg_class WHERE relname = 'email_activities'") == 1,
        }
    }

    /// Message-IDs recorded, each with how many activities have it.
    pub fn recorded(&self) -> BTreeMap<String, usize> {
        let rows = self.query("SELECT message_id, count(*) FROM email_activities GROUP BY message_id");
        rows.into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect()
    }

    /// What `mailbox show --json` says.
    pub fn mailbox(&self, address: &str) -> Value {
        self.json(&["mailbox", "show", address])
    }
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: &Path, secret: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = fs::remove_file(path);
    let mut file = File::options().create_new(true).write(true).mode(0o400).open(path).unwrap();
    std::io::Write::write_all(&mut file, secret.as_bytes()).unwrap();
}

/// Everything a command printed.
pub fn text_of(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// How long a daemon may take to end after SIGTERM: the unit's `TimeoutStopSec`.
pub const STOP_LIMIT: Duration = Duration::from_secs(45);

//! One private PostgreSQL for the whole test process, and a fresh database for each test.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::process::{Group, LONG};

/// The running server: how to reach it, and the pipe whose end ends it.
struct Server {
    port: u16,
    /// The watching shell. Its standard input is a pipe that the system closes with this process,
    /// however it ends; then the shell stops the server and removes its files.
    _watch: Child,
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The address of a fresh, empty database; `None`, said on standard output, where there is no
/// PostgreSQL here.
///
/// # Panics
/// `REQUIRE_REAL_SERVERS` is set and there is none.
pub fn fresh_database() -> Option<String> {
    let Some(server) = SERVER.get_or_init(start) else {
        assert!(!required(), "PostgreSQL is required (REQUIRE_REAL_SERVERS) but not installed");
        println!("skipped: no PostgreSQL");
        return None;
    };
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let created = Command::new(programs().expect("found before").join("psql"))
        .args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "postgres", "-qc"])
        .arg(format!("CREATE DATABASE {name}"))
        .output()
        .expect("psql starts");
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    Some(format!("postgres://postgres@127.0.0.1:{}/{name}", server.port))
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test run, not of the program")]
fn required() -> bool {
    std::env::var("REQUIRE_REAL_SERVERS").is_ok_and(|value| value == "1")
}

/// Debian's directory of server programs, the newest version.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let versions = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    versions.filter(|bin| bin.join("initdb").exists()).max()
}

/// A command that runs as `postgres` where we are root: the server refuses root.
fn unprivileged(program: &Path, is_root: bool) -> Command {
    if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// A server that a test may stop and start; its files are removed with it.
pub struct OwnServer {
    place: Place,
    process: Option<Group>,
}

impl OwnServer {
    /// Starts one with an empty database; `None`, said, where there is no PostgreSQL here.
    pub fn start() -> Option<Self> {
        let Some(place) = Place::new() else {
            assert!(!required(), "PostgreSQL is required (REQUIRE_REAL_SERVERS) but not installed");
            println!("skipped: no PostgreSQL");
            return None;
        };
        let mut server = Self { place, process: None };
        server.go_on();
        Some(server)
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.place.port)
    }

    /// Stops it as its administrator does: connections are ended (57P01).
    pub fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal("INT");
        process.wait(LONG);
    }

    /// Starts it again.
    pub fn go_on(&mut self) {
        let server = self.place.server();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT"]);
        if !self.place.is_root {
            command.arg(server.get_program());
        }
        command.args(server.get_args()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(Group::spawn(&mut command));
        wait_until_ready(&self.place.programs, self.place.port, &self.place.home);
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
        let _ = std::fs::remove_dir_all(&self.place.home);
    }
}

/// Where a server's files and port are.
struct Place {
    programs: PathBuf,
    home: PathBuf,
    port: u16,
    is_root: bool,
}

impl Place {
    /// With an empty cluster in it.
    fn new() -> Option<Self> {
        let programs = programs()?;
        let home = tempfile::tempdir().expect("a directory for PostgreSQL").keep();
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).expect("permissions");
        let made = unprivileged(&programs.join("initdb"), is_root)
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(home.join("data"))
            .current_dir(&home)
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        Some(Self { programs, home, port, is_root })
    }

    /// The server.
    fn server(&self) -> Command {
        let mut server = unprivileged(&self.programs.join("postgres"), self.is_root);
        server
            .arg("-D")
            .arg(self.home.join("data"))
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300"])
            .args(["-c", "unix_socket_directories=", "-c", "log_min_messages=fatal"]);
        server
    }
}

fn start() -> Option<Server> {
    let place = Place::new()?;
    let (server, home, port) = (place.server(), &place.home, place.port);
    let words: Vec<String> = std::iter::once(server.get_program())
        .chain(server.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    // QUIT: the files are removed anyway. `cat` returns when our end of the pipe is gone.
    let script = format!(
        "{} >'{home}/log' 2>&1 & server=$!; echo started; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf '{home}'",
        words.join(" "),
        home = home.display()
    );
    let mut watch = Command::new("sh")
        .args(["-c", &script])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    let mut line = String::new();
    let output = watch.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("sh speaks");
    wait_until_ready(&place.programs, port, home);
    Some(Server { port, _watch: watch })
}

fn wait_until_ready(programs: &Path, port: u16, home: &Path) {
    let begun = Instant::now();
    loop {
        let ready = Command::new(programs.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
            .status()
            .expect("pg_isready starts");
        if ready.success() {
            return;
        }
        let log = || std::fs::read_to_string(home.join("log")).unwrap_or_default();
        assert!(begun.elapsed() < Duration::from_secs(60), "PostgreSQL does not start: {}", log());
        std::thread::yield_now();
    }
}

//! The daemon under its systemd unit's restrictions; this test plays systemd's part.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::{ANNA, assert_recorded_once, ready};
use crate::support::{
    daemon::{BINARY, Daemon},
    dovecot::Dovecot,
    mail,
    process::{Account, Group, LONG, installed, is_root, run, skip, wait_until},
};

/// What the service must not be able to do, and what it must; prints one word each.
const PROBE: &str = r#"
import mmap, os, socket, sys
place = sys.argv[1]
def attempt(name, action):
    try:
        action()
        print(name)
    except OSError:
        pass
attempt("writes-configuration", lambda: open(place + "/mailsyncd.toml", "a"))
attempt("writes-etc", lambda: open("/etc/mailsyncd-probe", "w"))
attempt("writes-state", lambda: open(place + "/state/probe", "w"))
attempt("sees-homes", lambda: os.listdir("/root"))
attempt("sees-kernel", lambda: open("/proc/version"))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("internet", lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
attempt("writable-code", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
attempt("gives-away", lambda: os.chown(place + "/state/probe", 0, 0))
attempt("set-user-id", lambda: os.chmod(place + "/state/probe", 0o4755))
attempt("low-port", lambda: socket.socket().bind(("127.0.0.1", 1)) if os.getuid() == 0 else None)
print("user", os.getuid(), "umask", oct(os.umask(0)))
"#;

/// The service's own places: configuration, state, credentials.
struct Service {
    dir: TempDir,
    account: Account,
}

impl Service {
    fn new() -> Self {
        let service = Self { dir: TempDir::new().unwrap(), account: Account::unprivileged() };
        fs::set_permissions(service.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for place in ["state", "run", "credentials"] {
            fs::create_dir(service.path(place)).unwrap();
            service.account.own(&service.path(place));
        }
        service
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `program` as the unit would run it.
    fn command(&self, program: &Path) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "/usr/bin/python3"]);
        command.arg(root.join("tests/it/support/as_unit.py")).arg(root.join("deploy/systemd/mailsyncd.service"));
        command.args(["--user", &self.account.user, "--directory"]).arg(self.dir.path()).arg("--").arg(program);
        command
    }
}

fn restrictable() -> bool {
    if !ready() || !installed(&["systemd-analyze", "gcc", "/usr/bin/python3"]) {
        return false;
    }
    if !is_root() {
        skip("mounts and users can be changed by root only");
    }
    is_root()
}

#[test]
fn the_restrictions_are_real() {
    if !restrictable() {
        return;
    }
    let service = Service::new();
    fs::write(service.path("mailsyncd.toml"), "").unwrap();
    let mut probe = service.command(Path::new("/usr/bin/python3"));
    let answer = run(probe.args(["-c", PROBE]).arg(service.dir.path()));
    let expected = format!("writes-state\ninternet\nlow-port\nuser {} umask 0o77", service.account.uid);
    assert_eq!(answer, expected);
}

#[test]
fn the_daemon_works_under_its_unit_and_tells_systemd_so() {
    if !restrictable() {
        return;
    }
    let service = Service::new();
    let server = Dovecot::start();
    server.set_password(ANNA, "anna's password");
    server.deliver(ANNA, &mail::small("1@sample.example"));
    let mut daemon = Daemon::new().with_server(&server).with_mailbox(ANNA, "anna's password");
    daemon.configuration.database = format!("sqlite:{}", service.path("state/mailsyncd.db").display());
    daemon.configuration.authority = Some(service.path("ca.pem"));
    fs::copy(server.authority(), service.path("ca.pem")).unwrap();
    fs::copy(BINARY, service.path("mailsyncd")).unwrap();
    daemon.configuration.sections.insert("metrics", "listen = \"127.0.0.1:0\"\n".into());
    daemon.write_configuration_for(service.dir.path(), &service.account);

    let socket = UnixDatagram::bind(service.path("run/notify")).unwrap();
    fs::set_permissions(service.path("run/notify"), fs::Permissions::from_mode(0o777)).unwrap();
    let mut told = Told { socket, heard: String::new() };
    let log = fs::File::create(service.path("log")).unwrap();
    let mut command = service.command(&service.path("mailsyncd"));
    command.arg("--config").arg(service.path("mailsyncd.toml")).arg("run");
    command.env("NOTIFY_SOCKET", service.path("run/notify")).env("WATCHDOG_USEC", "2000000");
    let mut process = Group::spawn(command.stdout(log.try_clone().unwrap()).stderr(log));
    let words = || fs::read_to_string(service.path("log")).unwrap();

    for word in ["READY=1", "STATUS=", "WATCHDOG=1"] {
        told.wait_for(word, &mut process, &words);
    }
    wait_until(LONG, "the first mail", || daemon.activities_so_far() == 1);
    wait_until(LONG, "health", || readiness(&words()).ends_with("\r\n\r\nok\n"));
    process.signal("HUP");
    for word in ["RELOADING=1", "READY=1"] {
        told.wait_for(word, &mut process, &words);
    }
    server.deliver(ANNA, &mail::small("2@sample.example"));
    wait_until(LONG, "the second mail", || daemon.activities_so_far() == 2);
    process.signal("TERM");
    told.wait_for("STOPPING=1", &mut process, &words);
    let status = process.wait(LONG);
    assert!(status.success(), "{status}\n{}", words());
    assert_recorded_once(&server, &[ANNA], &daemon);
    let mode = fs::metadata(service.path("state/mailsyncd.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the database is nobody else's business");
}

/// What the daemon that logged this answers to whoever asks whether it is ready.
fn readiness(log: &str) -> String {
    let line = log.lines().find(|line| line.contains("metrics and health are shown")).unwrap_or_default();
    let address = line.split("127.0.0.1:").nth(1).unwrap_or_default();
    let port = address.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let mut answer = String::new();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens");
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// systemd's end of the notify socket.
struct Told {
    socket: UnixDatagram,
    heard: String,
}

impl Told {
    /// Waits for `word`, among what has not been waited for yet.
    fn wait_for(&mut self, word: &str, service: &mut Group, log: &dyn Fn() -> String) {
        self.socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut buffer = [0; 4096];
        wait_until(LONG, word, || {
            let ended = service.ended();
            let received = self.socket.recv(&mut buffer);
            if let Ok(count) = received {
                self.heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
                self.heard.push('\n');
            }
            let found = self.heard.find(word);
            if let Some(at) = found {
                self.heard.drain(..at + word.len());
            }
            // Whoever has ended may have said more before than was read so far.
            let silent = ended.is_some() && received.is_err();
            assert!(found.is_some() || !silent, "{ended:?} instead of {word}, logged:\n{}", log());
            found.is_some()
        });
    }
}

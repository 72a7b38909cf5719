//! A private Dovecot on free loopback ports, with a temporary Maildir store.

mod configuration;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use self::configuration::{CONFIG, RELAY};
use super::{
    certificates::{self, Certificate, Files},
    process::{Account, Group, LONG, free_port, output, run, wait_for},
};

/// How the server offers TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// On ports of its own and by STARTTLS, which is required before a log-in.
    Required,
    /// Not at all.
    Off,
}

/// A running server. It ends when this is dropped, or when the test dies.
pub struct Dovecot {
    dir: TempDir,
    account: Account,
    certificates: Files,
    tls: Tls,
    /// Port for STARTTLS and plain connections.
    pub imap: u16,
    /// Port for implicit TLS.
    pub imaps: u16,
    /// Port for POP3 with STLS, and for plain connections.
    pub pop3: u16,
    /// Port for POP3 with implicit TLS.
    pub pop3s: u16,
    /// Port for submission, and the one of the server that mail is relayed to.
    relay: Option<(u16, u16)>,
    /// Further lines of its configuration.
    more: String,
    process: Option<Group>,
}

static DELIVERED: AtomicU64 = AtomicU64::new(0);

impl Dovecot {
    /// The server most tests want: a good certificate, TLS required.
    pub fn start() -> Self {
        Self::start_with(Certificate::Good, Tls::Required)
    }

    /// A server with its own store, without users.
    pub fn start_with(certificate: Certificate, tls: Tls) -> Self {
        let dir = TempDir::new().unwrap();
        let account = Account::unprivileged();
        let certificates = certificates::make(dir.path(), certificate);
        for inner in ["run", "state", "mail"] {
            fs::create_dir(dir.path().join(inner)).unwrap();
            account.own(&dir.path().join(inner));
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for file in ["users", "log"] {
            File::create(dir.path().join(file)).unwrap();
            account.own(&dir.path().join(file));
        }
        let (imap, imaps, pop3, pop3s) = (0, 0, 0, 0);
        let (relay, more, process) = (None, String::new(), None);
        let mut server = Self { dir, account, certificates, tls, imap, imaps, pop3, pop3s, relay, more, process };
        // Somebody may take a port between our look and the server's start: then others are tried.
        let up = (0..5).any(|_| {
            (server.imap, server.imaps) = (free_port(), free_port());
            (server.pop3, server.pop3s) = (free_port(), free_port());
            server.try_start()
        });
        assert!(up, "dovecot does not start:\n{}", server.log());
        server
    }

    /// Starts a stopped server on the same ports and the same store.
    pub fn restart(&mut self) {
        self.process = None;
        // A process of the killed server may still answer at its socket for a moment; Dovecot then
        // says "Socket already exists". Another directory has none.
        let up = (0..5).any(|_| {
            let run = self.dir.path().join("run");
            fs::remove_dir_all(&run).unwrap();
            fs::create_dir(&run).unwrap();
            self.account.own(&run);
            self.try_start()
        });
        assert!(up, "dovecot does not start again:\n{}", self.log());
    }

    /// Starts the server again, so that it takes mail for submission as well, with STARTTLS, and relays
    /// it to the server at `port`. Returns its own port for that.
    pub fn relay_to(&mut self, port: u16) -> u16 {
        let submission = free_port();
        self.relay = Some((submission, port));
        self.restart();
        wait_for(LONG, "submission to answer", || TcpStream::connect(("127.0.0.1", submission)).ok());
        submission
    }

    /// Starts again with `lines` at the end of its configuration.
    pub fn reconfigure(&mut self, lines: &str) {
        self.kill();
        self.more = lines.to_owned();
        self.restart();
    }

    /// Kills the server and all its sessions with SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    fn try_start(&mut self) -> bool {
        fs::write(self.config_file(), self.config()).unwrap();
        let mut command = self.account.command("/usr/sbin/dovecot", "TERM");
        let mut group = Group::spawn(command.arg("-F").arg("-c").arg(self.config_file()).current_dir(self.dir.path()));
        let up = wait_for(LONG, "dovecot to answer", || match greets(self.imap) {
            true => Some(true),
            false => group.ended().map(|_| false),
        });
        self.process = up.then_some(group);
        up
    }

    fn config_file(&self) -> PathBuf {
        self.dir.path().join("dovecot.conf")
    }

    fn config(&self) -> String {
        let ssl = match self.tls {
            Tls::Required => "required",
            Tls::Off => "no",
        };
        let relay = self.relay.map_or(String::new(), |(submission, relay)| {
            RELAY.replace("@SUBMISSION@", &submission.to_string()).replace("@RELAY@", &relay.to_string())
        });
        format!("{CONFIG}{relay}")
            .replace("@DIR@", self.dir.path().to_str().unwrap())
            .replace("@USER@", &self.account.user)
            .replace("@GROUP@", &self.account.group)
            .replace("@SSL@", ssl)
            .replace("@CERTIFICATE@", self.certificates.certificate.to_str().unwrap())
            .replace("@KEY@", self.certificates.key.to_str().unwrap())
            .replace("@IMAP@", &self.imap.to_string())
            .replace("@IMAPS@", &self.imaps.to_string())
            .replace("@POP3@", &self.pop3.to_string())
            .replace("@POP3S@", &self.pop3s.to_string())
            + &self.more
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// How many log-ins have succeeded so far.
    pub fn logins(&self) -> usize {
        self.log().lines().filter(|line| line.contains("imap-login: Info: Login: ")).count()
    }

    /// How many log-ins over POP3 have succeeded so far.
    pub fn pop3_logins(&self) -> usize {
        self.log().lines().filter(|line| line.contains("pop3-login: Info: Login: ")).count()
    }

    /// Where other servers ask who may log in.
    pub fn auth_socket(&self) -> PathBuf {
        self.dir.path().join("run/auth-others")
    }

    /// The directory of all users' mail.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("mail")
    }

    /// Whom all mail belongs to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The certificate of the authority that clients are to trust.
    pub fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    /// Adds a user with an empty Inbox, or gives a user another password.
    pub fn set_password(&self, user: &str, password: &str) {
        let file = self.dir.path().join("users");
        let mut lines = fs::read_to_string(&file).unwrap();
        let (uid, gid) = (self.account.uid, self.account.gid);
        let home = self.dir.path().join("mail").join(user);
        lines.push_str(&format!("{user}:{{PLAIN}}{password}:{uid}:{gid}::{}\n", home.display()));
        let newest: BTreeMap<&str, &str> = lines.lines().map(|line| (line.split(':').next().unwrap(), line)).collect();
        let text: String = newest.values().map(|line| format!("{line}\n")).collect();
        // The server reads the file while it is replaced: never half of it.
        let new = file.with_extension("new");
        fs::write(&new, text).unwrap();
        self.account.own(&new);
        fs::rename(&new, &file).unwrap();
        for part in ["", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"] {
            let inner = home.join(part);
            fs::create_dir_all(&inner).unwrap();
            self.account.own(&inner);
        }
    }

    /// Puts a message into a user's Inbox, as a delivery agent does: whole or not at all.
    pub fn deliver(&self, user: &str, message: &[u8]) {
        self.deliver_at(user, message, None);
    }

    /// The same, with an INTERNALDATE of its own.
    pub fn deliver_at(&self, user: &str, message: &[u8], received: Option<SystemTime>) {
        let number = DELIVERED.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number:08}.{}.test", std::process::id());
        let tmp = self.maildir(user).join("tmp").join(&name);
        let mut file = File::create(&tmp).unwrap();
        file.write_all(message).unwrap();
        if let Some(time) = received {
            file.set_modified(time).unwrap();
        }
        self.account.own(&tmp);
        fs::rename(&tmp, self.maildir(user).join("new").join(&name)).unwrap();
    }

    /// The directory of a user's Inbox.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.dir.path().join("mail").join(user).join("Maildir")
    }

    /// The files of all messages in a user's Inbox.
    pub fn messages(&self, user: &str) -> Vec<PathBuf> {
        let folders = ["new", "cur"].map(|folder| self.maildir(user).join(folder));
        let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
    }

    /// The Message-IDs in a user's Inbox, without brackets, each with how often it is there.
    pub fn message_ids(&self, user: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for path in self.messages(user) {
            let text = fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&text);
            let line = text.lines().find_map(|line| line.strip_prefix("Message-ID: "));
            let id = line.unwrap_or_else(|| panic!("no Message-ID in {}", path.display()));
            *found.entry(id.trim().trim_matches(['<', '>']).to_owned()).or_default() += 1;
        }
        found
    }

    /// The Message-IDs in a user's Inbox while it may change: what goes meanwhile may be left out.
    pub fn message_ids_now(&self, user: &str) -> BTreeSet<String> {
        let texts = self.messages(user).into_iter().filter_map(|path| fs::read(path).ok());
        let id = |text: Vec<u8>| {
            let text = String::from_utf8_lossy(&text).into_owned();
            let line = text.lines().find_map(|line| line.strip_prefix("Message-ID: "))?;
            Some(line.trim().trim_matches(['<', '>']).to_owned())
        };
        texts.filter_map(id).collect()
    }

    /// Runs `doveadm` on a user's mailbox, as `["expunge", "-u", user, …]`.
    pub fn doveadm(&self, args: &[&str]) -> String {
        run(self.account.command("doveadm", "KILL").arg("-c").arg(self.config_file()).args(args))
    }

    /// Expunges messages by their sequence numbers, as `1:5`, or `1:*`.
    pub fn expunge(&self, user: &str, numbers: &str) {
        self.doveadm(&["expunge", "-u", user, "mailbox", "INBOX", numbers]);
    }

    /// Gives a user's Inbox another UIDVALIDITY, as a restored or rebuilt server does.
    pub fn bump_uid_validity(&mut self, user: &str) {
        self.kill();
        let list = self.maildir(user).join("dovecot-uidlist");
        let text = fs::read_to_string(&list).expect("the Inbox was never opened");
        let (header, rest) = text.split_once('\n').unwrap();
        let words = header.split(' ').map(|word| match word.strip_prefix('V') {
            Some(number) => format!("V{}", number.parse::<u32>().unwrap() + 1),
            None => word.to_owned(),
        });
        let header = words.collect::<Vec<_>>().join(" ");
        fs::write(&list, format!("{header}\n{rest}")).unwrap();
        for entry in fs::read_dir(self.maildir(user)).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("dovecot.index") {
                fs::remove_file(path).unwrap();
            }
        }
        self.restart();
    }

    /// Whether openssl agrees that the certificate is good for `localhost`; for the tests of the tests.
    pub fn openssl_verdict(&self) -> String {
        let output = output(
            Command::new("openssl")
                .args(["s_client", "-verify_hostname", "localhost", "-verify_return_error", "-CAfile"])
                .arg(self.authority())
                .args(["-connect", &format!("127.0.0.1:{}", self.imaps)]),
        );
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut start = [0; 4];
    stream.read_exact(&mut start).is_ok_and(|()| &start == b"* OK")
}

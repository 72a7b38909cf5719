//! A private Postfix on free loopback ports that takes mail for submission: whoever may log in to a
//! [`Dovecot`] may send, mail to its users goes to their Inboxes, all other mail is thrown away.

use std::{
    fs,
    io::Read,
    net::TcpStream,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    certificates::{self, Certificate, Files},
    dovecot::Dovecot,
    process::{Group, LONG, free_port, installed, is_root, run, skip, wait_for},
};

/// Whether Postfix can run here: it can as root only.
pub fn ready() -> bool {
    if !installed(&["postfix", "smtp-sink", "dovecot", "setpriv"]) {
        return false;
    }
    if !is_root() {
        skip("Postfix runs as root only");
    }
    is_root()
}

/// A running server. It ends when this is dropped, or when the test dies.
///
/// Nobody at `sample.example` whose name begins with `unknown` exists. A mail's sender must be who
/// logged in.
pub struct Postfix {
    dir: TempDir,
    certificates: Files,
    services: String,
    /// Port for STARTTLS, which is required.
    pub submission: u16,
    /// Port for implicit TLS.
    pub submissions: u16,
    process: Option<Group>,
}

impl Postfix {
    /// The server most tests want.
    pub fn start(dovecot: &Dovecot) -> Self {
        Self::start_with(dovecot, Certificate::Good, "")
    }

    /// A server that puts a copy of every mail into its sender's Sent folder, as Gmail and Exchange
    /// Online do.
    pub fn start_with_sent_copies(dovecot: &Dovecot) -> Self {
        Self::start_with(dovecot, Certificate::Good, "sender_bcc_maps = regexp:@DIR@/copies\n")
    }

    /// A server with more lines in its `main.cf`.
    pub fn start_with(dovecot: &Dovecot, certificate: Certificate, settings: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let certificates = certificates::make(dir.path(), certificate);
        make_queue(dir.path());
        let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        file("recipients", RECIPIENTS);
        file("copies", COPIES);
        file("owners", OWNERS);
        file("deliver", DELIVER);
        fs::set_permissions(dir.path().join("deliver"), fs::Permissions::from_mode(0o755)).unwrap();
        let services = SERVICES
            .replace("@DIR@", dir.path().to_str().unwrap())
            .replace("@STORE@", dovecot.store().to_str().unwrap())
            .replace("@USER@", &dovecot.account().user);
        let config = format!("{CONFIG}{settings}")
            .replace("@DIR@", dir.path().to_str().unwrap())
            .replace("@AUTH@", dovecot.auth_socket().to_str().unwrap())
            .replace("@CERTIFICATE@", certificates.certificate.to_str().unwrap())
            .replace("@KEY@", certificates.key.to_str().unwrap());
        file("main.cf", &config);
        let mut server = Self { dir, certificates, services, submission: 0, submissions: 0, process: None };
        // Somebody may take a port between our look and the server's start: then others are tried.
        let up = (0..5).any(|_| {
            (server.submission, server.submissions) = (free_port(), free_port());
            server.try_start()
        });
        assert!(up, "postfix does not start:\n{}", server.log());
        server
    }

    fn try_start(&mut self) -> bool {
        let services = self
            .services
            .replace("@SUBMISSION@", &self.submission.to_string())
            .replace("@SUBMISSIONS@", &self.submissions.to_string());
        fs::write(self.dir.path().join("master.cf"), services).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "/usr/lib/postfix/sbin/master", "-d", "-c"]).arg(self.dir.path());
        let mut group = Group::spawn(&mut command);
        let up = wait_for(LONG, "postfix to answer", || match greets(self.submission) {
            true => Some(true),
            false => group.ended().map(|_| false),
        });
        self.process = up.then_some(group);
        up
    }

    /// Kills the server and all its conversations with SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// How many mails it has taken so far.
    pub fn taken(&self) -> usize {
        self.log().lines().filter(|line| line.contains("/qmgr[") && line.contains("(queue active)")).count()
    }

    /// The certificate of the authority that clients are to trust.
    pub fn authority(&self) -> &Path {
        &self.certificates.authority
    }
}

/// The queue, as Postfix wants it owned.
fn make_queue(dir: &Path) {
    let id = |name| run(Command::new("id").args(["-u", name])).parse().unwrap();
    let postfix = id("postfix");
    let group = run(Command::new("getent").args(["group", "postdrop"])).split(':').nth(2).unwrap().parse().unwrap();
    let make = |path: PathBuf, owner: u32, mode: u32| {
        fs::create_dir(&path).unwrap();
        let group = matches!(mode, 0o710 | 0o730).then_some(group);
        chown(&path, Some(owner), group).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    make(dir.join("data"), postfix, 0o700);
    let queue = dir.join("queue");
    make(queue.clone(), 0, 0o755);
    make(queue.join("pid"), 0, 0o755);
    make(queue.join("maildrop"), postfix, 0o730);
    make(queue.join("public"), postfix, 0o710);
    let ours = "active bounce corrupt defer deferred flush hold incoming private saved trace";
    for inner in ours.split(' ') {
        make(queue.join(inner), postfix, 0o700);
    }
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut start = [0; 3];
    stream.read_exact(&mut start).is_ok_and(|()| &start == b"220")
}

/// `smtp-sink`: a server that takes everything, or fails as it is told.
pub struct Sink {
    /// Where it listens, without TLS.
    pub port: u16,
    dumps: TempDir,
    _process: Group,
}

impl Sink {
    /// Starts it with these options, as `["-f", "RCPT"]`.
    pub fn start(options: &[&str]) -> Self {
        let account = super::process::Account::unprivileged();
        let dumps = TempDir::new().unwrap();
        account.own(dumps.path());
        for _ in 0..5 {
            let port = free_port();
            let mut command = account.command("/usr/sbin/smtp-sink", "KILL");
            command.args(["-m", "1000", "-d", "%M."]).args(options).arg(format!("inet:127.0.0.1:{port}")).arg("1000");
            let mut process = Group::spawn(command.current_dir(dumps.path()));
            let up = wait_for(LONG, "smtp-sink to listen", || match TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Some(true),
                Err(_) => process.ended().map(|_| false),
            });
            if up {
                return Self { port, dumps, _process: process };
            }
        }
        panic!("smtp-sink does not start: {options:?}");
    }

    /// The mails it took, with its own fields before them (`X-Mail-Args`, `X-Rcpt-Args`).
    pub fn taken(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dumps.path()).unwrap();
        let texts = entries.map(|entry| fs::read(entry.unwrap().path()).unwrap());
        texts
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .filter(|text| text.contains("X-Rcpt-Args"))
            .collect()
    }
}

const RECIPIENTS: &str = "\
if !/^unknown/
/@sample\\.example$/ exists
endif
";

/// Puts a mail into a Maildir, whole or not at all. Postfix's own agent would have to be told all users.
const DELIVER: &str = "\
#!/bin/sh
case $2 in
sent+*) into=$1/${2#sent+}/Maildir/.Sent ;;
*) into=$1/$2/Maildir ;;
esac
mkdir -p \"$into/tmp\" \"$into/new\" \"$into/cur\" || exit 75
name=$(date +%s.%N).$$
cat >\"$into/tmp/$name\" && mv \"$into/tmp/$name\" \"$into/new/$name\" || exit 75
";

const COPIES: &str = "/^([^@]+@sample\\.example)$/ sent+$1\n";

const OWNERS: &str = "/^(.+)$/ $1\n";

const CONFIG: &str = "\
compatibility_level = 3.6
queue_directory = @DIR@/queue
data_directory = @DIR@/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = @DIR@/log
maillog_file_prefixes = /
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.sample.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = sample.example
virtual_mailbox_maps = regexp:@DIR@/recipients
virtual_transport = maildir
maildir_destination_recipient_limit = 1
default_transport = discard:outside
smtpd_tls_cert_file = @CERTIFICATE@
smtpd_tls_key_file = @KEY@
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = @AUTH@
smtpd_sender_login_maps = regexp:@DIR@/owners
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
";

const SERVICES: &str = "\
127.0.0.1:@SUBMISSION@ inet n - n - - smtpd
127.0.0.1:@SUBMISSIONS@ inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
maildir unix - n n - - pipe flags=DR user=@USER@ argv=@DIR@/deliver @STORE@ ${recipient}
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";

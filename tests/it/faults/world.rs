//! A daemon in this process, on a clock that is moved by hand, among servers that are well or not.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use mailsyncd::{
    admin::declared::reconcile,
    base::clock::Clock,
    config::Config,
    daemon::Daemon,
    model::{
        ids::{ActivityId, MailboxId, ProfileId},
        mailbox::{Mailbox, Workload},
        message::{Party, PartyRole},
        outbox::{NewContent, NewMail},
        timestamp::Timestamp,
    },
    net::tls::TlsClient,
    schedule::agenda::Mode,
    store::{Role, Store},
};
use sqlx::SqlitePool;
use tempfile::TempDir;

use super::{
    row::{Inject, Language, Row},
    server::{Identity, Server, Trouble},
    talk,
};
use crate::support::{
    certificates::{Certificate, acceptor, make},
    daemon::write_secret,
};

pub const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// From one poll to the next.
pub const INTERVAL: Duration = Duration::from_secs(1_800);
/// How far the clock moves at a time.
pub const STEP: Duration = Duration::from_secs(60);
/// So long, in real time, a mailbox that is due may wait for its poll, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// Who waits for a silent server does not keep the clock for longer, in real time.
const SILENCE: Duration = Duration::from_millis(200);

/// A row with its server and its two mailboxes: `bad`, whom the fault concerns, and `good`, who is at
/// the same server.
pub struct Place {
    pub row: Row,
    pub server: Server,
    pub bad: String,
    pub good: String,
    pub profile: String,
    /// What goes wrong by the configuration, does now.
    misconfigured: bool,
}

pub struct World {
    pub store: Store,
    pub config: Arc<Config>,
    pub clock: Clock,
    pub places: Vec<Place>,
    /// A server that is always well; mail is read there where the row is about sending.
    well: Server,
    daemon: Daemon,
    authorities: Vec<PathBuf>,
    dir: TempDir,
    /// The way in for any CRM's people.
    pub sql: SqlitePool,
    /// Mailboxes that were due and not polled in time.
    pub late: BTreeMap<String, Timestamp>,
}

impl World {
    /// A daemon that has polled every mailbox once.
    pub async fn start(rows: Vec<Row>) -> Self {
        let dir = TempDir::new().unwrap();
        let mut authorities = Vec::new();
        let well = Server::start(talk::imap, Identity::default());
        let places: Vec<Place> = (0..)
            .zip(rows)
            .map(|(number, row)| {
                let identity = identity(&dir, number, &row, &mut authorities);
                Place {
                    server: Server::start(row.language.talk(), identity),
                    bad: format!("bad{number}@sample.example"),
                    good: format!("good{number}@sample.example"),
                    profile: format!("p{number}"),
                    misconfigured: false,
                    row,
                }
            })
            .collect();
        for place in &places {
            for address in [&place.bad, &place.good] {
                write_secret(&dir.path().join(address), "secret");
            }
        }
        write(&dir, &places, &well, &authorities, true);
        let config = load(&dir);
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let (store, _) = Store::open_and_migrate(&url, Role::Daemon).await.unwrap();
        let (tls, clock) = (TlsClient::new(&authorities).unwrap(), Clock::manual(START));
        let daemon = Daemon::start(load(&dir), tls, store.clone(), clock.clone(), Mode::Daemon).await.unwrap();
        let config = Arc::new(config);
        let sql = SqlitePool::connect(&url).await.unwrap();
        let late = BTreeMap::new();
        let mut world = Self { store, config, clock, places, well, daemon, authorities, dir, sql, late };
        let begin = Instant::now();
        while world.mailboxes().await.values().any(|mailbox| mailbox.incoming.last_success_at.is_none()) {
            assert!(begin.elapsed() < PATIENCE, "healthy mailboxes are not polled");
            world.step(STEP, |_| true).await;
        }
        world
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// All mailboxes, by address.
    pub async fn mailboxes(&self) -> BTreeMap<String, Mailbox> {
        let records = self.store.records().await.unwrap();
        records.mailboxes.into_iter().map(|(mailbox, _)| (mailbox.email_address.clone(), mailbox)).collect()
    }

    pub async fn profiles(&self) -> BTreeMap<String, ProfileId> {
        self.store.profiles().await.unwrap().into_iter().map(|profile| (profile.name, profile.id)).collect()
    }

    /// Every fault appears, and every mailbox has something to do.
    pub async fn inject(&mut self) {
        for place in &mut self.places {
            let trouble = place.row.inject.trouble(place.row.to_all());
            place.server.put_into(trouble).await;
            place.misconfigured = matches!(place.row.inject, Inject::Host(_));
            if matches!(place.row.inject, Inject::NoPassword) {
                fs::remove_file(self.dir.path().join(&place.bad)).unwrap();
            }
        }
        self.go_on("during").await;
    }

    /// Every cause is gone.
    pub async fn heal(&mut self) {
        for place in &mut self.places {
            place.server.put_into(Trouble::None).await;
            place.misconfigured = false;
            if matches!(place.row.inject, Inject::NoPassword) {
                write_secret(&self.dir.path().join(&place.bad), "secret");
            }
        }
        self.go_on("after").await;
    }

    async fn go_on(&mut self, subject: &str) {
        write(&self.dir, &self.places, &self.well, &self.authorities, false);
        reconcile(&self.store, &load(&self.dir), &self.clock).await.unwrap();
        self.well.deliver();
        for place in &self.places {
            place.server.deliver();
        }
        let mailboxes = self.mailboxes().await;
        for place in self.places.iter().filter(|place| place.row.language == Language::Smtp) {
            let times = if subject == "during" { place.row.mails } else { 1 };
            for (address, times) in [(&place.bad, times), (&place.good, 1)] {
                for _ in 0..times {
                    self.queue(&mailboxes[address], &format!("{subject} {address}")).await;
                }
            }
        }
        self.daemon.hints().records();
    }

    async fn queue(&self, mailbox: &Mailbox, subject: &str) -> ActivityId {
        let to = Party { role: PartyRole::To, address: "a@there.example".into(), display_name: String::new() };
        let mail = NewMail {
            id: ActivityId::generate(self.now()),
            mailbox: mailbox.id,
            send_as: None,
            subject: subject.to_owned(),
            text: Some("Text".to_owned()),
            html: None,
            parties: vec![to],
            content: NewContent::Draft(Vec::new()),
            answers: None,
            send_after: None,
            idempotency_key: None,
        };
        self.store.queue_mail(&mail, self.now()).await.unwrap()
    }

    /// Moves the clock, and waits until those mailboxes that must be punctual have been polled.
    pub async fn step(&mut self, by: Duration, punctual: impl Fn(&str) -> bool) {
        let (progress, begin) = (self.daemon.progress().clone(), Instant::now());
        self.clock.set(self.now().plus(by));
        let (now, turns) = (self.now(), progress.turns());
        self.daemon.hints().records();
        let is_quiet = || progress.turns() > turns && progress.snapshot().running == 0;
        let mut asked: BTreeMap<MailboxId, String> = BTreeMap::new();
        loop {
            if !is_quiet() && begin.elapsed() < SILENCE {
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            }
            let due = |mailbox: &Mailbox| mailbox.state(Workload::Incoming).next_due_at.is_some_and(|due| due <= now);
            let waiting: Vec<String> = self
                .mailboxes()
                .await
                .into_values()
                .filter(|mailbox| due(mailbox) && punctual(&mailbox.email_address))
                .filter(|mailbox| !self.late.contains_key(&mailbox.email_address))
                .map(|mailbox| asked.entry(mailbox.id).or_insert(mailbox.email_address).clone())
                .collect();
            if waiting.is_empty() {
                return;
            }
            if begin.elapsed() > PATIENCE {
                for address in waiting {
                    self.late.entry(address).or_insert(now);
                }
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the daemon.
    pub async fn end(self) {
        self.daemon.end().await.unwrap();
    }
}

fn identity(dir: &TempDir, number: usize, row: &Row, authorities: &mut Vec<PathBuf>) -> Identity {
    let mut of = |kind: Certificate| {
        let place = dir.path().join(format!("{number}-{kind:?}"));
        fs::create_dir(&place).unwrap();
        let files = make(&place, kind);
        authorities.push(files.authority.clone());
        acceptor(&files)
    };
    let bad = if let Inject::Certificate(kind) = &row.inject { Some(of(*kind)) } else { None };
    let good = (row.security != "none").then(|| of(Certificate::Good));
    Identity { good, bad, at_once: row.security == "tls" }
}

fn load(dir: &TempDir) -> Config {
    Config::load(&dir.path().join("mailsyncd.toml")).unwrap()
}

/// The configuration; at the `first` time every mailbox is enabled by it.
fn write(dir: &TempDir, places: &[Place], well: &Server, authorities: &[PathBuf], first: bool) {
    let mut ports: Vec<u16> = places.iter().map(|place| place.server.port).collect();
    ports.push(well.port);
    let seconds = INTERVAL.as_secs();
    let mut text = format!(
        "[database]\nurl = \"sqlite:test.db\"\n[network]\nallowed_ports = {ports:?}\nallow_cleartext = true\n\
         extra_ca_files = {authorities:?}\n[limits]\nconnections_per_host = 500\nlogins_per_host_per_second = 10000\n"
    );
    for place in places {
        let Place { row, server, profile, misconfigured, .. } = place;
        let host = match &row.inject {
            Inject::Host(host) if *misconfigured => host,
            _ => "localhost",
        };
        // Only where a server falls silent something waits for the end of the time; elsewhere a busy machine may take it.
        let silent = format!("{:?}", row.inject);
        let timeout = if silent.contains("Stalls") || silent.contains("Ignore") { "1s" } else { "15s" };
        let server_type = if row.language == Language::Pop3 { "pop3_smtp" } else { "imap_smtp" };
        let at = |host: &str, port: u16, security: &str| {
            format!("{{ host = \"{host}\", port = {port}, security = \"{security}\" }}")
        };
        let (own, outgoing) = (at(host, server.port, row.security), row.language == Language::Smtp);
        write!(
            text,
            "[[profile]]\nname = \"{profile}\"\nserver_type = \"{server_type}\"\nauthenticate_using = \"mailbox\"\n\
             minimum_polling_interval = \"{seconds}s\"\nconnection_timeout = \"{timeout}\"\n"
        )
        .unwrap();
        if outgoing {
            writeln!(text, "in_doubt = \"hold\"\nincoming = {}\noutgoing = {own}", at("localhost", well.port, "none"))
                .unwrap();
        } else {
            writeln!(text, "incoming = {own}").unwrap();
        }
        for address in [&place.bad, &place.good] {
            let (enabled, sends) = (["", "enabled = true"][usize::from(first)], ["none", "server_side_sync"]);
            writeln!(
                text,
                "[[queue]]\nname = \"{address}\"\nemail_address = \"{address}\"\n\
                 [[mailbox]]\nemail_address = \"{address}\"\nowner = \"queue:{address}\"\nprofile = \"{profile}\"\n\
                 password_file = \"{address}\"\noutgoing = \"{}\"\napproved = true\n{enabled}",
                sends[usize::from(outgoing)]
            )
            .unwrap();
        }
    }
    fs::write(dir.path().join("mailsyncd.toml"), text).unwrap();
}

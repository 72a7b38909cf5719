//! Very many mailboxes at one server that all fail at a time: the real driver, agenda, guards and
//! database, a simulated server, and a clock that is moved by hand.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use mailsyncd::{
    base::{clock::Clock, hints::Hints, tasks::Tasks},
    means::budget::Budget,
    model::{
        audit::Actor,
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::{MailboxId, NodeId},
        mailbox::{Mailbox, Workload},
        record::{CredentialSource, RecordChange},
        rules::Limits,
        timestamp::Timestamp,
    },
    schedule::{
        agenda::Mode,
        driver::{Driver, Settings},
        limits::LoginRate,
        progress::Progress,
        reading::Reading,
        summary::Summary,
    },
    store::{Role, Store},
};
use sqlx::SqlitePool;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::support::{
    records::{mailbox, profile},
    sim_server::{Fault, SimServer, Step},
};

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// As in `records::profile`.
const INTERVAL: Duration = Duration::from_secs(300);
/// In real time, for what must happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

struct Crowd {
    store: Store,
    sql: SqlitePool,
    clock: Clock,
    hints: Hints,
    progress: Progress,
    trouble: Arc<Mutex<Option<Failure>>>,
    /// When who came to log in.
    log_ins: Arc<Mutex<Vec<(Timestamp, String)>>>,
    stop: CancellationToken,
    driver: JoinHandle<Result<Summary, Failure>>,
    _settings: watch::Sender<Settings>,
    _dir: TempDir,
}

impl Crowd {
    /// So many mailboxes, all of them polled.
    async fn start(count: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let (store, _) = Store::open_and_migrate(&url, Role::Daemon).await.unwrap();
        let sql = SqlitePool::connect(&url).await.unwrap();
        let profile = profile("crowd", "crowd.example", START);
        let mut changes = vec![RecordChange::PutProfile(profile.clone(), CredentialSource::Stored)];
        changes.extend((0..count).map(|number| {
            let mailbox = mailbox(&format!("m{number}@crowd.example"), profile.id, START);
            RecordChange::PutMailbox(Box::new(mailbox), CredentialSource::Stored)
        }));
        store.apply(&changes, &Actor::Configuration, START).await.unwrap();
        let (clock, trouble, log_ins) = (Clock::manual(START), Arc::default(), Arc::default());
        let server = SimServer::new();
        server.direct(director(clock.clone(), Arc::clone(&trouble), Arc::clone(&log_ins)));
        let limits = Limits { logins_per_host_per_second: 100_000, ..Limits::default() };
        let settings = watch::Sender::new(Settings { limits, ..Settings::default() });
        let (hints, progress, stop) = (Hints::new(), Progress::default(), CancellationToken::new());
        let reading = Reading {
            store: store.clone(),
            clock: clock.clone(),
            budget: Budget::new(1 << 24),
            sources: Arc::new(server),
        };
        let driver = Driver {
            store: store.clone(),
            lines: vec![Arc::new(reading)],
            clock: clock.clone(),
            logins: LoginRate::new(100_000),
            node: NodeId::generate(START),
            mode: Mode::Daemon,
            settings: settings.subscribe(),
            hints: hints.clone(),
            progress: progress.clone(),
            stop_within: MINUTE,
        };
        let driver = Tasks::new().spawn("driver", driver.run(stop.clone()));
        let mut crowd =
            Self { store, sql, clock, hints, progress, trouble, log_ins, stop, driver, _settings: settings, _dir: dir };
        let begin = Instant::now();
        while crowd.progress.snapshot().mailboxes < count {
            assert!(begin.elapsed() < PATIENCE, "not scheduled");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        crowd.go_on(6 * MINUTE, Duration::from_secs(5)).await;
        assert_eq!(crowd.not_polled_since(START).await, 0, "healthy mailboxes are polled");
        crowd
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn fail(&self, trouble: Option<Failure>) {
        *lock(&self.trouble) = trouble;
    }

    /// Lets time pass; after each step all that is due has been done.
    async fn go_on(&mut self, time: Duration, step: Duration) {
        let end = self.now().plus(time);
        while self.now() < end {
            self.clock.set(self.now().plus(step));
            let (turns, begin) = (self.progress.turns(), Instant::now());
            // Nobody has this mailbox: the schedule turns, and looks at its clock.
            self.hints.mailbox(MailboxId::generate(self.now()));
            while self.progress.turns() == turns || self.progress.snapshot().running > 0 {
                assert!(begin.elapsed() < PATIENCE, "the schedule does not come to rest");
                tokio::task::yield_now().await;
            }
        }
    }

    async fn mailboxes(&self) -> Vec<Mailbox> {
        let records = self.store.records().await.unwrap();
        records.mailboxes.into_iter().map(|(mailbox, _)| mailbox).collect()
    }

    async fn not_polled_since(&self, time: Timestamp) -> usize {
        let polled = |mailbox: &Mailbox| mailbox.incoming.last_success_at > Some(time);
        self.mailboxes().await.iter().filter(|mailbox| !polled(mailbox)).count()
    }

    async fn assert_none_disabled(&self) {
        let disabled = self.mailboxes().await.iter().filter(|mailbox| !mailbox.incoming.enabled).count();
        assert_eq!(disabled, 0, "disabled mailboxes");
    }

    /// Alerts of all times: what about, code, whether it is open.
    async fn alerts(&self) -> Vec<(String, String, bool)> {
        let query = "SELECT subject_kind, code, closed_at IS NULL FROM alerts";
        sqlx::query_as(query).fetch_all(&self.sql).await.unwrap()
    }

    fn log_ins(&self, since: Timestamp) -> Vec<(Timestamp, String)> {
        lock(&self.log_ins).iter().filter(|(at, _)| *at > since).cloned().collect()
    }

    async fn end(self) {
        self.stop.cancel();
        self.driver.await.unwrap().unwrap();
    }
}

fn director(
    clock: Clock,
    trouble: Arc<Mutex<Option<Failure>>>,
    log_ins: Arc<Mutex<Vec<(Timestamp, String)>>>,
) -> impl FnMut(&str, Step, &mut crate::support::sim_server::SimInbox) -> Option<Fault> {
    move |address, step, _| {
        if step != Step::LogIn {
            return None;
        }
        lock(&log_ins).push((clock.now(), address.to_owned()));
        lock(&trouble).clone().map(Fault::Refuse)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most of `times`, which ascend, that lie within `window`.
fn most_within(window: Duration, times: &[Timestamp]) -> usize {
    let from =
        |(first, start): (usize, &Timestamp)| times[first..].iter().take_while(|at| at.since(*start) < window).count();
    times.iter().enumerate().map(from).max().unwrap_or(0)
}

#[tokio::test]
async fn a_server_that_refuses_everybody_disables_nobody() {
    let mut crowd = Crowd::start(500).await;
    let begin = crowd.now();
    let refusal = "NO [AUTHENTICATIONFAILED] Authentication failed.";
    crowd.fail(Some(Failure::new(FailureCode::AuthRejected, Scope::Mailbox, Persistence::UntilConfirmed, refusal)));
    crowd.go_on(20 * MINUTE, Duration::from_secs(5)).await;
    crowd.assert_none_disabled().await;
    let open: Vec<_> = crowd.alerts().await.into_iter().filter(|(.., open)| *open).collect();
    let holds = crowd.store.holds(Workload::Incoming).await.unwrap();
    println!("open alerts {}, log-ins refused {}, {holds:?}", open.len(), crowd.log_ins(begin).len());
    assert!(open.len() == 1 && open[0].0 == "profile", "one alert, of the profile: {} are open", open.len());

    let healed = crowd.now();
    crowd.fail(None);
    crowd.go_on(3 * HOUR, Duration::from_secs(15)).await;
    crowd.assert_none_disabled().await;
    assert_eq!(crowd.not_polled_since(healed).await, 0, "all are polled again");
    assert!(crowd.alerts().await.iter().all(|(.., open)| !open), "{:?}", crowd.alerts().await);
    let mut each: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for (at, address) in crowd.log_ins(begin).into_iter().filter(|(at, _)| *at <= healed) {
        each.entry(address).or_default().push(at);
    }
    let most = each.values().map(|times| most_within(HOUR, times)).max().unwrap_or(0);
    println!("{} of 500 came to be refused, the keenest {most} times", each.len());
    assert!((1..=4).contains(&most), "{most} log-ins within an hour");
    crowd.end().await;
}

#[tokio::test]
async fn a_host_that_is_away_for_two_hours_costs_nobody_anything() {
    const COUNT: usize = 2_000;
    let mut crowd = Crowd::start(COUNT).await;
    let begin = crowd.now();
    crowd.fail(Some(Failure::new(
        FailureCode::HostUnreachable,
        Scope::Profile,
        Persistence::Transient,
        "connection refused",
    )));
    crowd.go_on(MINUTE, Duration::from_secs(1)).await;
    let (opened, noticed) = (crowd.now(), crowd.log_ins(begin).len());
    crowd.go_on(2 * HOUR - MINUTE, Duration::from_secs(5)).await;
    let probes: Vec<Timestamp> = crowd.log_ins(opened).into_iter().map(|(at, _)| at).collect();
    println!("{noticed} attempts in the first minute, {} probes after it", probes.len());
    assert!(noticed <= 50, "{noticed} attempts before the host counts as down");
    assert!((20..=40).contains(&probes.len()), "{} probes", probes.len());
    assert_eq!(most_within(Duration::from_secs(15), &probes), 1, "one probe at a time: {probes:?}");
    crowd.assert_none_disabled().await;
    let blamed = crowd.mailboxes().await.iter().filter(|mailbox| mailbox.incoming.transient_failures > 0).count();
    assert_eq!(blamed, 0, "mailboxes that spent any of their patience");
    let alerts = crowd.alerts().await;
    assert!(alerts.len() == 1 && alerts[0].0 == "profile" && alerts[0].2, "one alert: {alerts:?}");

    let back = crowd.now();
    crowd.fail(None);
    while crowd.log_ins(back).is_empty() {
        assert!(crowd.now() < back.plus(INTERVAL), "nobody looked whether it is back");
        crowd.go_on(Duration::from_secs(5), Duration::from_secs(5)).await;
    }
    let seen = crowd.now();
    crowd.go_on(back.plus(2 * INTERVAL).since(seen), Duration::from_secs(1)).await;
    assert_eq!(crowd.not_polled_since(back).await, 0, "all are polled within two intervals of its return");
    let log_ins: Vec<Timestamp> = crowd.log_ins(seen).into_iter().map(|(at, _)| at).collect();
    let most = most_within(Duration::from_secs(1), &log_ins);
    println!("back for {} s when it was seen; then at most {most} log-ins a second", seen.since(back).as_secs());
    assert!(log_ins.len() >= COUNT - 1 && most <= 50, "{most} log-ins a second");
    assert!(crowd.alerts().await.iter().all(|(.., open)| !open));
    crowd.end().await;
}

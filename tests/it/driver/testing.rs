//! Who runs tests, with scripted servers: limits, attempts, stops, deaths, and who decides otherwise.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use mailsyncd::{
    base::{clock::Clock, hints::Hints, tasks::Tasks},
    model::{
        audit::Actor,
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::{MailboxId, NodeId, RunId},
        mailbox::{Approval, Mailbox, TestStatus, Workload, WorkloadState},
        record::{CredentialSource, RecordChange},
        testing::{ClaimedTest, Stage, StageReport, TestRequest, TestResult, TestRun},
    },
    schedule::{
        driver::Settings,
        testing::{
            Extent, Testing,
            decide::{Attempt, open_workloads},
            trial::Trial,
        },
    },
    store::{Role, Store},
};
use tempfile::TempDir;
use tokio::{
    sync::{
        mpsc::UnboundedSender,
        watch::{self, Sender},
    },
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::NOW;
use crate::support::records::{mailbox, profile};

/// How an attempt ends.
#[derive(Clone)]
enum Play {
    Fails(Failure),
    Panics,
}

/// Servers that play what was written for each mailbox; what has no play works. An attempt tells one
/// stage, then waits until the gate is open for it.
struct Scripted {
    plays: Mutex<BTreeMap<String, VecDeque<Play>>>,
    /// Those whose attempts wait; `true` in [`Scripted::gate`] lets none wait.
    held: Mutex<Vec<String>>,
    gate: Sender<()>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Log-in names of all attempts, in order.
    attempts: Vec<String>,
    under_way: BTreeMap<String, usize>,
    most: usize,
    most_at_a_host: usize,
}

/// Counts an attempt for as long as it lives.
struct UnderWay {
    servers: Arc<Scripted>,
    host: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.servers.seen.lock().unwrap().under_way.get_mut(&self.host).unwrap() -= 1;
    }
}

impl Scripted {
    fn begin(self: &Arc<Self>, test: &ClaimedTest) -> UnderWay {
        let host = test.profile.as_ref().unwrap().incoming.host.to_lowercase();
        let mut seen = self.seen.lock().unwrap();
        seen.attempts.push(test.mailbox.username.clone());
        *seen.under_way.entry(host.clone()).or_default() += 1;
        seen.most = seen.most.max(seen.under_way.values().sum());
        seen.most_at_a_host = seen.most_at_a_host.max(seen.under_way[&host]);
        UnderWay { servers: Arc::clone(self), host }
    }

    fn hold(&self, addresses: &[&str]) {
        *self.held.lock().unwrap() = addresses.iter().map(ToString::to_string).collect();
        self.gate.send_replace(());
    }

    fn plays(&self, address: &str, plays: impl IntoIterator<Item = Play>) {
        self.plays.lock().unwrap().insert(address.to_owned(), plays.into_iter().collect());
    }

    fn attempts(&self) -> usize {
        self.seen.lock().unwrap().attempts.len()
    }

    fn under_way(&self) -> usize {
        self.seen.lock().unwrap().under_way.values().sum()
    }
}

impl Trial for Scripted {
    fn attempt(
        self: Arc<Self>,
        test: ClaimedTest,
        _organization: String,
        told: UnboundedSender<StageReport>,
    ) -> BoxFuture<'static, Attempt> {
        async move {
            let _under_way = self.begin(&test);
            let stage = StageReport { workload: Workload::Incoming, stage: Stage::Dns, milliseconds: 1, failure: None };
            told.send(stage).unwrap();
            let mut gate = self.gate.subscribe();
            let address = test.mailbox.email_address.clone();
            gate.wait_for(|()| !self.held.lock().unwrap().contains(&address)).await.unwrap();
            let play = self.plays.lock().unwrap().get_mut(&address).and_then(VecDeque::pop_front);
            let result = match play {
                None => Ok(()),
                Some(Play::Fails(failure)) => Err(failure),
                Some(Play::Panics) => panic!("as it was written"),
            };
            let of = |workload| open_workloads(&test).contains(&workload).then(|| result.clone());
            Attempt { incoming: of(Workload::Incoming), outgoing: of(Workload::Outgoing), preview: None }
        }
        .boxed()
    }
}

struct World {
    store: Store,
    clock: Clock,
    servers: Arc<Scripted>,
    mailboxes: BTreeMap<String, Mailbox>,
    settings: Sender<Settings>,
    _dir: TempDir,
}

/// Tests that run, until they are ended.
struct Runner {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Runner {
    async fn end(self) {
        self.stop.cancel();
        self.ended.await.unwrap();
    }
}

impl Deref for World {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl World {
    /// `each` mailboxes at each of `hosts`, `a0@HOST` and so on, approved and not enabled, all to be tested.
    async fn new(hosts: &[&str], each: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let (store, _) = Store::open_and_migrate(&url, Role::Daemon).await.unwrap();
        let (mut changes, mut mailboxes) = (Vec::new(), BTreeMap::new());
        for host in hosts {
            let profile = profile(host, host, NOW);
            changes.push(RecordChange::PutProfile(profile.clone(), CredentialSource::Stored));
            for number in 0..each {
                let made = mailbox(&format!("a{number}@{host}"), profile.id, NOW);
                let mailbox = Mailbox { incoming: WorkloadState::default(), ..made };
                changes.push(RecordChange::PutMailbox(Box::new(mailbox.clone()), CredentialSource::Stored));
                mailboxes.insert(mailbox.email_address.clone(), mailbox);
            }
        }
        let servers = Scripted {
            plays: Mutex::default(),
            held: Mutex::default(),
            gate: watch::Sender::new(()),
            seen: Mutex::default(),
        };
        let world = Self {
            store,
            clock: Clock::manual(NOW),
            servers: Arc::new(servers),
            mailboxes,
            settings: watch::Sender::new(Settings::default()),
            _dir: dir,
        };
        world.apply(&changes).await;
        for address in world.mailboxes.keys() {
            world.ask(address).await;
        }
        world
    }

    async fn apply(&self, changes: &[RecordChange]) {
        self.store.apply(changes, &Actor::Configuration, self.clock.now()).await.unwrap();
    }

    fn id(&self, address: &str) -> MailboxId {
        self.mailboxes[address].id
    }

    async fn ask(&self, address: &str) {
        let run = RunId::generate(self.clock.now());
        self.apply(&[RecordChange::QueueTest(self.id(address), run, TestRequest::default())]).await;
    }

    fn start(&self, extent: Extent) -> Runner {
        let testing = Testing {
            store: self.store.clone(),
            trial: Arc::clone(&self.servers),
            clock: self.clock.clone(),
            node: NodeId::generate(NOW),
            settings: self.settings.subscribe(),
            hints: Hints::new(),
        };
        let stop = CancellationToken::new();
        Runner { ended: Tasks::new().spawn("tests", testing.run(extent, stop.clone())), stop }
    }

    async fn run(&self, address: &str) -> TestRun {
        self.tests(&[self.id(address)], self.clock.now()).await.unwrap().pop().unwrap()
    }

    /// Waits until the test of `address` is so.
    async fn until(&self, address: &str, what: &str, is: impl Fn(&TestRun) -> bool) -> TestRun {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let run = self.run(address).await;
            if is(&run) {
                return run;
            }
            assert!(Instant::now() < patience, "{address} is not {what}: {run:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn over(&self, address: &str) -> TestRun {
        self.until(address, "over", |run| run.finished_at.is_some()).await
    }

    async fn seen(&self, what: &str, is: impl Fn(&Scripted) -> bool) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !is(&self.servers) {
            assert!(Instant::now() < patience, "{what}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn state(&self, address: &str) -> WorkloadState {
        let records = self.records().await.unwrap();
        records.mailboxes.into_iter().find(|(mailbox, _)| mailbox.email_address == address).unwrap().0.incoming
    }
}

fn busy() -> Play {
    Play::Fails(Failure::new(FailureCode::HostUnreachable, Scope::Profile, Persistence::Transient, "no answer"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_shows_while_its_test_is_under_way_and_the_end_enables() {
    let world = World::new(&["one.example"], 1).await;
    let address = "a0@one.example";
    world.servers.hold(&[address]);
    let runner = world.start(Extent::All);
    let shown = world.until(address, "seen with its stage", |run| !run.stages.is_empty()).await;
    assert_eq!((shown.running, shown.attempts, shown.finished_at), (true, 1, None));
    assert!(!world.state(address).await.enabled);
    world.servers.hold(&[]);
    let over = world.over(address).await;
    assert!(over.went_well() && over.stages.len() == 1 && over.results.incoming == Some(TestResult::Success));
    let state = world.state(address).await;
    assert_eq!((state.enabled, state.test_status), (true, TestStatus::Success));
    runner.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_follows_when_it_is_due_and_the_fifth_is_the_last() {
    let world = World::new(&["one.example", "two.example"], 1).await;
    let (address, other) = ("a0@one.example", "a0@two.example");
    world.servers.plays(address, [busy(), Play::Panics, busy(), busy(), busy()]);
    let runner = world.start(Extent::All);
    world.over(other).await;
    for (attempts, wait) in (1..).zip([10, 30, 60, 300]) {
        let run = world.until(address, "tried", |run| run.attempts == attempts && !run.running).await;
        let next = run.next_attempt_at.unwrap();
        assert_eq!(next.since(world.clock.now()).as_secs(), wait);
        // A second before, another test passes and this one waits.
        world.clock.set(next.minus(Duration::from_secs(1)));
        world.ask(other).await;
        world.over(other).await;
        assert_eq!(world.run(address).await.attempts, attempts);
        world.clock.set(next);
    }
    let over = world.over(address).await;
    assert!(matches!(over.results.incoming, Some(TestResult::Failure(_))) && over.attempts == 5, "{over:?}");
    let state = world.state(address).await;
    assert_eq!((state.enabled, state.test_status), (false, TestStatus::Failure));
    runner.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_run_at_once_three_at_a_host_and_a_slow_one_holds_nobody() {
    // Two profiles of one host: their names differ, the server is the same.
    let hosts = ["one.example", "ONE.example", "two.example", "three.example", "four.example", "five.example"];
    let world = World::new(&hosts, 3).await;
    let all: Vec<&str> = world.mailboxes.keys().map(String::as_str).collect();
    world.servers.hold(&all);
    let runner = world.start(Extent::All);
    world.seen("ten are under way", |servers| servers.under_way() == 10).await;
    let (at_one, elsewhere): (Vec<&str>, Vec<&str>) =
        all.iter().partition(|address| address.to_lowercase().ends_with("@one.example"));
    world.servers.hold(&at_one);
    for address in elsewhere {
        assert!(world.over(address).await.went_well());
    }
    world.seen("three of one host are under way", |servers| servers.under_way() == 3).await;
    world.servers.hold(&at_one[..1]);
    for address in &at_one[1..] {
        assert!(world.over(address).await.went_well());
    }
    {
        let seen = world.servers.seen.lock().unwrap();
        assert_eq!((seen.most, seen.most_at_a_host, seen.attempts.len()), (10, 3, all.len()));
    }
    assert!(world.run(at_one[0]).await.running);
    world.servers.hold(&[]);
    world.over(at_one[0]).await;
    runner.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stop_cuts_counts_for_nothing_and_is_done_by_the_next() {
    let world = World::new(&["one.example"], 1).await;
    let address = "a0@one.example";
    world.servers.hold(&[address]);
    let runner = world.start(Extent::All);
    world.until(address, "under way", |run| !run.stages.is_empty()).await;
    runner.end().await;
    let cut = world.run(address).await;
    assert_eq!((cut.attempts, cut.running, cut.finished_at), (0, false, None));
    assert_eq!(world.servers.under_way(), 0);
    world.servers.hold(&[]);
    let runner = world.start(Extent::All);
    assert_eq!(world.over(address).await.attempts, 1);
    runner.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_lose_their_tests_and_what_kills_five_times_is_not_tried_again() {
    let world = World::new(&["one.example", "two.example"], 1).await;
    let (once, often) = ("a0@one.example", "a0@two.example");
    let lease = Duration::from_secs(30);
    for (address, deaths) in [(once, 1), (often, 5)] {
        for _ in 0..deaths {
            let dead = NodeId::generate(NOW);
            assert!(world.claim_test(dead, world.id(address), world.clock.now(), lease).await.unwrap().is_some());
            assert!(world.run(address).await.running);
            world.clock.set(world.clock.now().plus(lease));
            assert!(!world.run(address).await.running, "nobody is at it any more");
        }
    }
    let runner = world.start(Extent::All);
    assert!(world.over(once).await.went_well());
    let over = world.over(often).await;
    assert!(
        matches!(&over.results.incoming, Some(TestResult::Failure(why)) if why.code == FailureCode::InternalError),
        "{over:?}"
    );
    assert_eq!((world.servers.attempts(), world.state(often).await.enabled), (1, false));
    assert_eq!(world.status(NOW, Duration::ZERO).await.unwrap().open_alerts, 2);
    runner.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_decides_otherwise_while_a_test_is_under_way_wins() {
    let world = World::new(&["one.example", "two.example", "three.example"], 1).await;
    let [off, rejected, renamed] = ["a0@one.example", "a0@two.example", "a0@three.example"];
    world.servers.hold(&[off, rejected, renamed]);
    let runner = world.start(Extent::All);
    for address in [off, rejected, renamed] {
        world.until(address, "under way", |run| !run.stages.is_empty()).await;
    }
    let other = Mailbox { username: "other".to_owned(), ..world.mailboxes[renamed].clone() };
    world
        .apply(&[
            RecordChange::DisableIncoming(world.id(off)),
            RecordChange::SetApproval(world.id(rejected), Approval::Rejected),
            RecordChange::PutMailbox(Box::new(other), CredentialSource::Stored),
        ])
        .await;
    world.servers.hold(&[]);
    assert!(world.over(renamed).await.went_well());
    for address in [off, rejected] {
        let over = world.over(address).await;
        assert!(over.refused.is_some() && !world.state(address).await.enabled, "{over:?}");
    }
    assert!(world.state(renamed).await.enabled);
    let attempts = world.servers.seen.lock().unwrap().attempts.clone();
    assert_eq!((attempts.len(), attempts.last().map(String::as_str)), (4, Some("other")));
    runner.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_approval_is_not_tried() {
    let world = World::new(&["one.example"], 2).await;
    let (pending, fine) = ("a0@one.example", "a1@one.example");
    world.apply(&[RecordChange::SetApproval(world.id(pending), Approval::Pending)]).await;
    world.start(Extent::Once).ended.await.unwrap();
    assert_eq!(world.run(pending).await.refused.as_deref(), Some("it waits for approval: mailsyncd mailbox approve"));
    assert!(!world.state(pending).await.enabled && world.state(fine).await.enabled);
    assert_eq!(world.servers.attempts(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_run_gives_each_one_attempt_and_some_are_for_some_alone() {
    let world = World::new(&["one.example"], 3).await;
    let [a, b, c] = ["a0@one.example", "a1@one.example", "a2@one.example"];
    world.servers.plays(
        a,
        [Play::Fails(Failure {
            retry_after: Some(Duration::from_secs(5)),
            ..Failure::new(FailureCode::LoginThrottled, Scope::Mailbox, Persistence::Throttled, "later")
        })],
    );
    let only = world.start(Extent::Only([world.id(b)].into()));
    world.over(b).await;
    only.end().await;
    assert_eq!((world.run(a).await.attempts, world.run(c).await.attempts), (0, 0));
    world.start(Extent::Once).ended.await.unwrap();
    let (again, over) = (world.run(a).await, world.run(c).await);
    assert_eq!((again.attempts, again.next_attempt_at), (1, Some(NOW.plus(Duration::from_secs(5)))));
    assert!(over.went_well() && !world.state(a).await.enabled);
}

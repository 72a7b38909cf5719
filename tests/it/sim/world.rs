//! The simulated world: servers, weather, time.

mod daemon;

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::{Either, select};
use mailsyncd::{
    base::clock::Clock,
    means::{Context, account::Account, budget::Budget},
    model::{
        audit::Actor,
        ids::{MailboxId, NodeId, ProfileId},
        lease::{Claimed, LEASE_TTL, Settlement},
        mailbox::{SyncMethod, Workload},
        outbox::InDoubt,
        profile::{AuthenticateUsing, Endpoint, ServerProfile},
        record::{CredentialSource, RecordChange},
        report::{CycleReport, Report, SendReport},
        rules::{FailureRules, Limits, Polling, ReceiveRules, SendRules},
        timestamp::Timestamp,
    },
    receive::{
        cycle::receive,
        policy::{ReceivePolicy, Steps},
        source::Sources,
    },
    schedule::{
        agenda::{Agenda, Command, Event, Mode, ProfileTerms, Refreshed},
        alarm,
        backoff::{Ending, Outcome, Traffic, settle},
        concern::concern,
        duty::{Duty, Side},
        heard::{Heard, PROVEN_FOR},
    },
    send::{
        cycle::send,
        policy::{SendPolicy, SendSteps},
    },
    store::{Role, Store},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{chance::Chance, post::Written, weather::Weather};
use crate::support::{
    records,
    sim_post::SimPost,
    sim_server::{SimServer, hops},
};

pub const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
const PROFILES: usize = 4;
const HOSTS: usize = 3;
const MAILBOXES: usize = 14;
const REFRESH: Duration = Duration::from_secs(60);
const OUTBOX_LOOK: Duration = Duration::from_secs(15);
const RENEWAL: Duration = Duration::from_secs(20);

pub struct Inbox {
    pub id: MailboxId,
    pub address: String,
    pub profile: ProfileId,
}

struct Run {
    ends: Timestamp,
    claimed: Claimed,
}

pub struct World {
    pub chance: Chance,
    pub server: SimServer,
    pub post: SimPost,
    pub context: Context,
    pub agenda: Agenda,
    pub limits: Limits,
    pub profiles: BTreeMap<ProfileId, ServerProfile>,
    pub inboxes: Vec<Inbox>,
    pub checks: super::checks::Checks,
    pub written: Vec<Written>,
    /// How the mails that were written stand at the end.
    pub post_tally: String,
    weather: Arc<Mutex<Weather>>,
    running: BTreeMap<Duty, Run>,
    node: NodeId,
    nodes: u128,
    next_change: Timestamp,
    next_refresh: Timestamp,
    next_outbox_look: Timestamp,
    next_renewal: Timestamp,
    paused_until: Option<Timestamp>,
    _dir: TempDir,
}

/// What comes next; earlier variants first where two come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Renewal,
    End(Duty),
    Wake,
    Refresh,
    OutboxLook,
    Resume,
    Change,
}

impl World {
    pub async fn new(seed: u64) -> Self {
        let dir = TempDir::new().unwrap();
        let url = format!("sqlite:{}", dir.path().join("sim.db").display());
        let (store, _) = Store::open_and_migrate(&url, Role::Daemon).await.unwrap();
        let mut chance = Chance::new(seed);
        let (mut profiles, mut inboxes, mut changes) = (BTreeMap::new(), Vec::new(), Vec::new());
        for number in 0..PROFILES {
            let mut profile = records::profile(&format!("p{number}"), &host(number), START);
            profile.id = ProfileId(Uuid::from_u128(number as u128 + 1));
            // Mail is handed to another host than it is read from, of the same few.
            let host = host(number + 1);
            profile.outgoing = Some(Endpoint { host, ..profile.incoming.clone() });
            profile.in_doubt = Some([InDoubt::Verify, InDoubt::Retry, InDoubt::Hold][number % 3]);
            profile.minimum_polling_interval = *chance.pick(&[60, 300, 600, 900].map(Duration::from_secs));
            if number % 2 == 1 {
                profile.authenticate_using = AuthenticateUsing::Profile;
                profile.maximum_concurrent_connections = 1 + chance.below(2) as u16;
            }
            changes.push(RecordChange::PutProfile(profile.clone(), CredentialSource::Stored));
            profiles.insert(profile.id, profile);
        }
        for number in 0..MAILBOXES {
            let profile = ProfileId(Uuid::from_u128((number % PROFILES) as u128 + 1));
            let address = format!("m{number}@{}", host(number % PROFILES));
            let mut mailbox = records::mailbox(&address, profile, START);
            mailbox.id = MailboxId(Uuid::from_u128(0x100 + number as u128));
            mailbox.outgoing_method = SyncMethod::ServerSideSync;
            mailbox.outgoing.enabled = true;
            inboxes.push(Inbox { id: mailbox.id, address, profile });
            changes.push(RecordChange::PutMailbox(Box::new(mailbox), CredentialSource::Stored));
        }
        store.apply(&changes, &Actor::Configuration, START).await.unwrap();
        let limits = Limits {
            connections: 2 + chance.below(4) as u32,
            connections_per_host: 1 + chance.below(3) as u32,
            ..Limits::default()
        };
        let weather = Arc::new(Mutex::new(Weather::new(seed)));
        let server = SimServer::new();
        let director = Arc::clone(&weather);
        server.direct(move |address, step, _| lock(&director).at(address, step));
        let post = SimPost::new();
        let director = Arc::clone(&weather);
        post.direct(move |address, step| lock(&director).at_post(address, step));
        let clock = Clock::manual(START);
        let mut world = Self {
            chance,
            server,
            post,
            context: Context { store, clock, budget: Budget::new(1 << 20), stop: CancellationToken::new() },
            agenda: Agenda::new(Mode::Daemon, limits.clone(), Polling::default()),
            limits,
            profiles,
            inboxes,
            checks: super::checks::Checks::default(),
            written: Vec::new(),
            post_tally: String::new(),
            weather,
            running: BTreeMap::new(),
            node: NodeId(Uuid::from_u128(1)),
            nodes: 1,
            next_change: START,
            next_refresh: START.plus(REFRESH),
            next_outbox_look: START,
            next_renewal: START.plus(RENEWAL),
            paused_until: None,
            _dir: dir,
        };
        world.refresh().await;
        world
    }

    pub fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    pub fn store(&self) -> &Store {
        &self.context.store
    }

    pub fn weather(&self) -> MutexGuard<'_, Weather> {
        lock(&self.weather)
    }

    pub fn inbox_of(&self, mailbox: MailboxId) -> &Inbox {
        self.inboxes.iter().find(|inbox| inbox.id == mailbox).unwrap()
    }

    /// What runs, and for whom.
    pub fn running(&self) -> impl Iterator<Item = (Duty, &Inbox)> {
        self.running.keys().map(|duty| (*duty, self.inbox_of(duty.mailbox)))
    }

    pub fn runs(&self, duty: Duty) -> bool {
        self.running.contains_key(&duty)
    }

    pub fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// The next thing happens. Looks into the outbox come on top: there are many.
    pub async fn step(&mut self) {
        while self.happen().await == Next::OutboxLook {}
    }

    async fn happen(&mut self) -> Next {
        let wake = self.agenda.next_wake().map(|at| (at, Next::Wake));
        let end = self.running.iter().map(|(duty, run)| (run.ends, Next::End(*duty))).min();
        let resume = self.paused_until.map(|at| (at, Next::Resume));
        let change = (!self.weather().calm).then_some((self.next_change, Next::Change));
        let periodic = [
            (self.next_refresh, Next::Refresh),
            (self.next_outbox_look, Next::OutboxLook),
            (self.next_renewal, Next::Renewal),
        ];
        let (at, next) = [wake, end, resume, change].into_iter().flatten().chain(periodic).min().unwrap();
        assert!(at >= self.now() || next == Next::Change, "{next:?} lies in the past");
        self.context.clock.set(at.max(self.now()));
        match next {
            Next::Renewal => {
                self.next_renewal = self.now().plus(RENEWAL);
                self.store().renew(self.node, self.now(), LEASE_TTL).await.unwrap();
            }
            Next::End(duty) => self.end(duty).await,
            Next::Wake => self.tell(Event::Woke).await,
            Next::Refresh => {
                self.refresh().await;
                self.check_claimable().await;
            }
            Next::OutboxLook => {
                self.next_outbox_look = self.now().plus(OUTBOX_LOOK);
                self.refresh_line(Workload::Outgoing).await;
            }
            Next::Resume => {
                self.paused_until = None;
                self.tell(Event::Resumed).await;
            }
            Next::Change => {
                self.next_change = self.now().plus(self.chance.millis(1_000..30_000));
                self.change().await;
            }
        }
        self.check_nobody_starves();
        next
    }

    pub async fn refresh(&mut self) {
        self.next_refresh = self.now().plus(REFRESH);
        self.refresh_line(Workload::Incoming).await;
    }

    async fn refresh_line(&mut self, workload: Workload) {
        let entries = self.store().schedule_entries(workload).await.unwrap();
        let holds = self.store().holds(workload).await.unwrap();
        let profiles = self.store().profiles().await.unwrap();
        let let_in = self.store().let_in(workload, self.now().minus(PROVEN_FOR)).await.unwrap();
        let let_in: BTreeMap<ProfileId, usize> = let_in.into_iter().map(|(id, count)| (id, count as usize)).collect();
        let terms = |profile: &ServerProfile| {
            ProfileTerms::of(workload, profile, let_in.get(&profile.id).copied().unwrap_or(0))
        };
        let profiles = profiles.iter().filter_map(terms).collect();
        if workload == Workload::Outgoing {
            self.checks.looked(&entries, self.now(), |duty| self.running.contains_key(&duty));
        }
        self.tell(Event::Refreshed(Refreshed { workload, entries, profiles, holds })).await;
    }

    /// Faults end; everything must be well within the time that the longest postponement takes.
    pub async fn calm(&mut self) {
        self.weather().calm = true;
        let addresses: Vec<String> = self.inboxes.iter().map(|inbox| inbox.address.clone()).collect();
        for address in addresses {
            self.heal(&address);
        }
        for inbox in &self.inboxes {
            let enable = [RecordChange::EnableIncoming(inbox.id), RecordChange::EnableOutgoing(inbox.id)];
            self.store().apply(&enable, &Actor::Configuration, self.now()).await.unwrap();
        }
        let (since, end) = (self.now(), self.now().plus(Duration::from_secs(80 * 60)));
        while self.now() < end {
            self.step().await;
        }
        while !self.running.is_empty() {
            let duty = *self.running.keys().next().unwrap();
            self.end(duty).await;
            self.agenda.on(Event::Stopping, self.now());
        }
        self.check_the_end(since).await;
    }
}

fn host(profile: usize) -> String {
    format!("h{}.example", profile % HOSTS)
}

fn lock(weather: &Mutex<Weather>) -> MutexGuard<'_, Weather> {
    weather.lock().unwrap_or_else(PoisonError::into_inner)
}

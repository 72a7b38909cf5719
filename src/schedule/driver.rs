//! The only loop: carries out what the agenda says, and tells it what happened.
//!
//! Every turn settles the cycles that ended since the last one and claims those that start, each in
//! one batch: under load the batches grow by themselves, without load nothing waits.

mod holds;
mod look;
mod trouble;
mod turn;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinError},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    agenda::{Agenda, Command, Event, Mode},
    daemons::Spell,
    duty::{Duty, Side},
    journal::{self, CycleName},
    leap::{Clocks, Leap},
    limits::LoginRate,
    line::{Ended, Line},
    progress::Progress,
    summary::Summary,
};
use crate::{
    base::{clock::Clock, hints::Hints, tasks::Tasks},
    config::Config,
    means::stored,
    model::{
        activity::Fence,
        failure::{Failure, FailureCode},
        ids::{MailboxId, NodeId, ProfileId},
        lease::{LEASE_TTL, Settlement},
        mailbox::{Workload, WorkloadState},
        presence::Pause,
        profile::ServerProfile,
        report::Report,
        rules::{AlertRules, FailureRules, Limits, Polling, ReceiveRules, SendRules},
        timestamp::Timestamp,
    },
    receive::policy::Steps,
    send::policy::SendSteps,
    store::Store,
};

/// How often the database is read again: what no hint told of is found then.
const REFRESH: Duration = Duration::from_secs(60);
/// How often the database is asked for polls that somebody wants, and a turn is certain.
const TICK: Duration = Duration::from_secs(1);
/// How often leases are renewed: three times within their life.
const RENEWAL: Duration = Duration::from_secs(20);

/// What the configuration says about schedule and cycles.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How much runs at a time.
    pub limits: Limits,
    /// When mailboxes are polled.
    pub polling: Polling,
    /// How failures are met.
    pub failures: FailureRules,
    /// Of what people are told.
    pub alerts: AlertRules,
    /// What is read of mail.
    pub receive: Arc<ReceiveRules>,
    /// How much of it at a time.
    pub steps: Steps,
    /// How mail is sent.
    pub sending: SendRules,
    /// How much of it at a time.
    pub send_steps: SendSteps,
    /// Who synchronizes, as test mails name it.
    pub organization: String,
}

impl Settings {
    /// What `config` says.
    pub fn of(config: &Config) -> Self {
        Self {
            limits: config.limits.clone(),
            polling: config.polling.clone(),
            failures: config.failures.clone(),
            alerts: config.alerts.clone(),
            receive: Arc::new(config.receive.clone()),
            steps: Steps::default(),
            sending: config.sending.clone(),
            send_steps: SendSteps::default(),
            organization: config.email_settings.organization.clone(),
        }
    }
}

/// Everything the schedule works with.
pub struct Driver {
    /// The database.
    pub store: Store,
    /// What is run, one line for each workload; a workload without one is not scheduled.
    pub lines: Vec<Arc<dyn Line>>,
    /// The time.
    pub clock: Clock,
    /// This daemon among those that share the database.
    pub node: NodeId,
    /// Again and again, or once.
    pub mode: Mode,
    /// The configuration; a change takes effect at once.
    pub settings: watch::Receiver<Settings>,
    /// Who wants what looked at.
    pub hints: Hints,
    /// Permits to log in, shared with whoever else does.
    pub logins: LoginRate,
    /// Where it reports what it is at.
    pub progress: Progress,
    /// How long running cycles may take to end after a stop; then they are cut.
    pub stop_within: Duration,
}

impl Driver {
    /// Runs the schedule until `stop`, or, where it runs once, until every mailbox is up to date and
    /// every mail that is due was tried.
    ///
    /// After `stop` nothing starts; cycles end after their batch, or are cut after `stop_within`.
    /// All leases are given back.
    ///
    /// # Errors
    /// Only with [`Mode::Once`]: the daemon's own trouble, for example the database, ended it early.
    /// Otherwise trouble is waited out.
    pub async fn run(self, stop: CancellationToken) -> Result<Summary, Failure> {
        let Self { store, lines, clock, node, mode, settings, hints, logins, progress, stop_within } = self;
        let now_set = Arc::new(settings.borrow().clone());
        let running = Running {
            agenda: Agenda::new(mode, now_set.limits.clone(), now_set.polling.clone()),
            logins,
            settings: now_set,
            lines: lines.into_iter().map(|line| (line.workload(), line)).collect(),
            store,
            clocks: Clocks::new(clock.now(), clock.steady()),
            clock,
            node,
            mode,
            progress,
            cycle_stop: CancellationToken::new(),
            tasks: Tasks::new(),
            flights: FuturesUnordered::new(),
            aloft: BTreeMap::new(),
            profiles: BTreeMap::new(),
            let_in: BTreeMap::new(),
            to_claim: Vec::new(),
            to_settle: Vec::new(),
            to_write: VecDeque::new(),
            requested: BTreeSet::new(),
            next_outbox_look: Instant::now(),
            trouble: None,
            spell: None,
            leapt: None,
            leapt_at: None,
            machine: None,
            troubles: 0,
            stopping: None,
            stop_within,
            summary: Summary::default(),
        };
        running.run(stop, settings, hints).await
    }
}

/// A cycle under way.
struct Aloft {
    fence: Fence,
    state: WorkloadState,
    name: CycleName,
    profile: Arc<ServerProfile>,
    began: Timestamp,
    abort: AbortHandle,
}

/// The end of a cycle (or of an attempt to start one), to be written.
struct Landed {
    settlement: Settlement,
    event: Event,
    /// It failed for its server; to be told, unless its profile is held for that.
    unreached: Option<Box<Unreached>>,
}

/// A cycle that failed for its server.
struct Unreached {
    side: Side,
    name: CycleName,
    profile: Arc<ServerProfile>,
    report: Report,
    took: Duration,
}

/// The daemon's own trouble.
struct Trouble {
    since: Timestamp,
    failure: Failure,
    next_look: Instant,
}

impl Trouble {
    fn pause(&self) -> Pause {
        Pause { since: self.since, code: self.failure.code, text: self.failure.text.clone() }
    }
}

type Flight = BoxFuture<'static, (Duty, Result<Ended, JoinError>)>;

struct Running {
    agenda: Agenda,
    settings: Arc<Settings>,
    lines: BTreeMap<Workload, Arc<dyn Line>>,
    logins: LoginRate,
    store: Store,
    clock: Clock,
    node: NodeId,
    mode: Mode,
    progress: Progress,
    /// Tells the cycles that the end has begun.
    cycle_stop: CancellationToken,
    tasks: Tasks,
    flights: FuturesUnordered<Flight>,
    aloft: BTreeMap<Duty, Aloft>,
    profiles: BTreeMap<ProfileId, Arc<ServerProfile>>,
    /// How many mailboxes of each side worked within the last day.
    let_in: BTreeMap<Side, usize>,
    /// Started by the agenda, not claimed yet.
    to_claim: Vec<Duty>,
    /// Ended, not written yet.
    to_settle: Vec<Landed>,
    /// Holds and releases, not written yet.
    to_write: VecDeque<Command>,
    trouble: Option<Trouble>,
    /// What the database has still to be told of it.
    spell: Option<Spell>,
    /// The clock, as it was last looked at.
    clocks: Clocks,
    /// That it was set, and nobody was told yet.
    leapt: Option<Leap>,
    /// When it was last set forward.
    leapt_at: Option<Timestamp>,
    /// What is wrong with this machine.
    machine: Option<FailureCode>,
    /// When the outbox is looked into next.
    next_outbox_look: Instant,
    /// Polls that somebody wants and that no cycle has answered yet.
    requested: BTreeSet<(MailboxId, Timestamp)>,
    /// Troubles without a cycle between them that went well.
    troubles: u32,
    /// When cycles are cut, once the end has begun.
    stopping: Option<Instant>,
    stop_within: Duration,
    summary: Summary,
}

impl Running {
    async fn run(
        mut self,
        stop: CancellationToken,
        mut settings: watch::Receiver<Settings>,
        hints: Hints,
    ) -> Result<Summary, Failure> {
        let mut ticks = [TICK, RENEWAL, REFRESH].map(|period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
            ticks
        });
        let [tick, renewal, refresh] = &mut ticks;
        let mut may_change = true;
        self.look_at_the_disk().await;
        self.refresh().await;
        loop {
            self.turn().await;
            if self.is_over() {
                break;
            }
            let next_wake = self.next_wake();
            tokio::select! {
                () = stop.cancelled(), if self.stopping.is_none() => self.stop(),
                Some((duty, ended)) = self.flights.next() => self.land_all(duty, ended),
                hinted = hints.wait() => {
                    if hinted.records {
                        self.refresh().await;
                    }
                    let polls = hinted.mailboxes.into_iter().map(|mailbox| Duty::new(Workload::Incoming, mailbox));
                    polls.for_each(|duty| self.tell(Event::Hinted(duty)));
                }
                () = sleep_until(next_wake) => self.wake().await,
                _ = tick.tick() => {
                    self.look_at_the_clock();
                    self.tell_of_the_clock().await;
                    self.look_at_the_disk().await;
                    self.look_for_damage();
                    self.tell_late().await;
                    self.look_for_requests().await;
                }
                _ = renewal.tick() => self.renew().await,
                _ = refresh.tick() => self.refresh().await,
                changed = settings.changed(), if may_change => match changed {
                    Ok(()) => self.change(settings.borrow_and_update().clone()),
                    Err(_) => may_change = false,
                },
            }
        }
        self.end().await
    }

    fn is_over(&self) -> bool {
        let landed = self.flights.is_empty() && (self.to_settle.is_empty() || self.trouble.is_some());
        landed && (self.stopping.is_some() || (self.mode == Mode::Once && self.agenda.is_empty()))
    }

    /// Writes what ended, claims what starts, until nothing is left to do or the database fails.
    async fn turn(&mut self) {
        while self.trouble.is_none()
            && !(self.to_write.is_empty() && self.to_settle.is_empty() && self.to_claim.is_empty())
        {
            self.write_holds().await;
            self.settle().await;
            self.claim().await;
        }
        if self.machine != self.agenda.trouble() {
            self.machine = self.agenda.trouble();
            journal::machine(self.machine);
        }
        let (agenda, trouble, now) = (&self.agenda, &self.trouble, self.clock.now());
        self.progress.turned(|snapshot| {
            snapshot.mailboxes = agenda.scheduled(Workload::Incoming);
            snapshot.outboxes = agenda.scheduled(Workload::Outgoing);
            snapshot.running = agenda.running();
            snapshot.held = agenda.held().len();
            let ill = trouble.as_ref().map(|trouble| trouble.failure.code).or(agenda.trouble());
            if snapshot.paused.as_ref().map(|pause| pause.code) != ill {
                let machine = || agenda.trouble().map(|code| Pause { since: now, code, text: agenda.trouble_words() });
                snapshot.paused = trouble.as_ref().map(Trouble::pause).or_else(machine);
            }
            let strained = agenda.strained_since();
            if snapshot.strained.as_ref().map(|pause| pause.since) != strained {
                journal::strained(strained.is_some());
                let code = FailureCode::ResourcesExhausted;
                snapshot.strained = strained.map(|since| Pause { since, code, text: code.text().to_owned() });
            }
        });
    }

    fn tell(&mut self, event: Event) {
        for command in self.agenda.on(event, self.clock.now()) {
            match &command {
                Command::Start(duty) => {
                    self.to_claim.push(*duty);
                    continue;
                }
                Command::Hold(side, hold) => {
                    if let Some(profile) = self.profiles.get(&side.profile) {
                        journal::held(*side, profile, hold);
                    }
                }
                Command::Release(side) => {
                    if let Some(profile) = self.profiles.get(&side.profile) {
                        journal::released(*side, profile);
                    }
                }
                Command::TakeBack(..) => {}
            }
            self.to_write.push_back(command);
        }
    }

    async fn renew(&mut self) {
        if self.aloft.is_empty() || self.trouble.is_some() {
            return;
        }
        if let Err(error) = self.store.renew(self.node, self.clock.now(), LEASE_TTL).await {
            self.fail(&error);
        }
    }

    fn change(&mut self, settings: Settings) {
        if settings.limits.logins_per_host_per_second != self.settings.limits.logins_per_host_per_second {
            self.logins.set(settings.limits.logins_per_host_per_second);
        }
        self.next_outbox_look = self.next_outbox_look.min(Instant::now() + settings.sending.outbox_poll);
        self.settings = Arc::new(settings);
        self.tell(Event::LimitsChanged(self.settings.limits.clone(), self.settings.polling.clone()));
    }

    async fn end(mut self) -> Result<Summary, Failure> {
        self.tasks.close_and_wait().await;
        if let Err(error) = self.store.release_node(self.node).await {
            journal::unreleased(&stored::failure(&error));
        }
        self.summary.left_out += self.agenda.skipped();
        if self.mode == Mode::Once {
            self.summary.unfinished = self.agenda.len();
        }
        match (self.mode, self.trouble) {
            (Mode::Once, Some(trouble)) => Err(trouble.failure),
            (Mode::Once, None) | (Mode::Daemon, _) => Ok(self.summary),
        }
    }
}

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    model::failure::{Failure, FailureCode, Persistence, Scope},
    schedule::backoff::hold_after,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn mailbox(number: usize) -> MailboxId {
    MailboxId(Uuid::from_u128(number as u128 + 1))
}

fn profile(number: usize) -> ProfileId {
    ProfileId(Uuid::from_u128(number as u128 + 1))
}

fn terms(number: usize, host: &str) -> ProfileTerms {
    ProfileTerms { id: profile(number), host: host.to_owned(), interval: 5 * MINUTE, together: None }
}

fn entry(number: usize, of: usize, due: Option<Timestamp>) -> ScheduleEntry {
    ScheduleEntry { mailbox: mailbox(number), profile: profile(of), due }
}

fn limits(connections: u32, per_host: u32) -> Limits {
    Limits { connections, connections_per_host: per_host, ..Limits::default() }
}

fn down() -> Outcome {
    let text = "connection refused";
    Outcome::ProfileFailed(Failure::new(FailureCode::HostUnreachable, Scope::Profile, Persistence::Transient, text))
}

/// An agenda, a clock, and cycles that take a while.
struct World {
    agenda: Agenda,
    now: Timestamp,
    running: BTreeSet<(Timestamp, MailboxId)>,
    starts: Vec<(Timestamp, MailboxId)>,
    holds: BTreeMap<ProfileId, ProfileHold>,
    took: Duration,
}

impl World {
    fn new(mode: Mode, limits: Limits) -> Self {
        let agenda = Agenda::new(mode, limits, Polling::default());
        let (running, starts, holds) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        Self { agenda, now: START, running, starts, holds, took: SECOND }
    }

    fn on(&mut self, event: Event) {
        for command in self.agenda.on(event, self.now) {
            match command {
                Command::Start(mailbox) => {
                    assert!(self.running.iter().all(|(_, running)| *running != mailbox), "started twice");
                    self.running.insert((self.now.plus(self.took), mailbox));
                    self.starts.push((self.now, mailbox));
                }
                Command::Hold(profile, hold) => drop(self.holds.insert(profile, hold)),
                Command::Release(profile) => assert!(self.holds.remove(&profile).is_some()),
            }
        }
        assert_eq!(self.agenda.running() as usize, self.running.len());
    }

    fn refresh(&mut self, entries: Vec<ScheduleEntry>, profiles: Vec<ProfileTerms>) {
        let holds = self.holds.clone().into_iter().collect();
        self.on(Event::Refreshed(Refreshed { entries, profiles, holds }));
    }

    /// The next thing happens, if it does until `end`.
    fn step(&mut self, end: Timestamp, outcome: &mut impl FnMut(&Self, MailboxId) -> Outcome) -> bool {
        let ends = self.running.first().map(|(at, _)| *at);
        let Some(at) = [ends, self.agenda.next_wake()].into_iter().flatten().min().filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        assert!(at >= self.now, "woken for the past");
        self.now = at;
        match self.running.first().copied() {
            Some((ended, mailbox)) if ended == at => {
                self.running.pop_first();
                let outcome = outcome(self, mailbox);
                self.on(Event::Finished(mailbox, outcome));
            }
            _ => self.on(Event::Woke),
        }
        true
    }

    fn run(&mut self, span: Duration, mut outcome: impl FnMut(&Self, MailboxId) -> Outcome) {
        let end = self.now.plus(span);
        while self.step(end, &mut outcome) {}
    }

    fn polled(&self, mailbox: MailboxId) -> Outcome {
        let interval = self.agenda.interval(mailbox, Traffic::Quiet);
        Outcome::Polled { due: self.now.plus(interval), traffic: Traffic::Quiet }
    }

    fn starts_of(&self, mailbox: MailboxId) -> Vec<Timestamp> {
        self.starts.iter().filter(|(_, started)| *started == mailbox).map(|(at, _)| *at).collect()
    }
}

#[test]
fn the_interval_counts_from_the_end_of_a_poll() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.took = 2 * MINUTE;
    world.refresh(vec![entry(0, 0, Some(START))], vec![terms(0, "a")]);
    world.run(60 * MINUTE, World::polled);
    let starts = world.starts_of(mailbox(0));
    assert_eq!(starts.len(), 9);
    assert!(starts.windows(2).all(|pair| pair[1].since(pair[0]) == 7 * MINUTE), "{starts:?}");
}

#[test]
fn the_first_polls_after_a_start_are_spread_over_two_minutes() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let due = [None, Some(START.minus(30 * MINUTE))];
    let entries = (0..2_000).map(|n| entry(n, n % 3, due[n % 2])).collect();
    world.refresh(entries, (0..3).map(|n| terms(n, "a")).collect());
    world.run(120 * SECOND, World::polled);
    let mut each_second = [0; 120];
    for (at, _) in &world.starts {
        each_second[at.since(START).as_secs() as usize] += 1;
    }
    assert_eq!(world.starts.len(), 2_000);
    assert!(each_second.iter().all(|count| (2..45).contains(count)), "{each_second:?}");
}

#[test]
fn the_spread_is_no_wider_than_the_interval_nor_than_a_few_mailboxes_need() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let short = ProfileTerms { interval: 10 * SECOND, ..terms(0, "a") };
    world.refresh((0..500).map(|n| entry(n, 0, None)).collect(), vec![short]);
    world.took = 60 * MINUTE;
    world.run(10 * SECOND, World::polled);
    assert_eq!(world.starts.len(), 50, "the host's limit");

    let mut world = World::new(Mode::Daemon, Limits::default());
    world.refresh((0..3).map(|n| entry(n, 0, None)).collect(), vec![terms(0, "a")]);
    world.run(3 * SECOND, World::polled);
    assert_eq!(world.starts.len(), 3);
}

#[test]
fn a_mailbox_that_is_not_due_keeps_its_time_and_a_new_one_starts_at_once() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let due = START.plus(77 * SECOND);
    world.refresh(vec![entry(0, 0, Some(due))], vec![terms(0, "a")]);
    world.run(10 * SECOND, World::polled);
    world.refresh(vec![entry(0, 0, Some(due)), entry(1, 0, None)], vec![terms(0, "a")]);
    assert_eq!(world.starts, [(world.now, mailbox(1))]);
    world.run(80 * SECOND, World::polled);
    assert_eq!(world.starts_of(mailbox(0)), [due]);
}

#[test]
fn once_starts_everything_at_once_and_ends() {
    let mut world = World::new(Mode::Once, limits(500, 500));
    let entries = (0..300).map(|n| entry(n, 0, Some(START.plus(n as u32 * MINUTE)))).collect();
    world.refresh(entries, vec![terms(0, "a")]);
    assert_eq!(world.running.len(), 300);
    let mut rounds = BTreeMap::new();
    world.run(60 * MINUTE, |world, mailbox| {
        let round = rounds.entry(mailbox).or_insert(0);
        *round += 1;
        if *round < 3 { Outcome::More(world.now) } else { world.polled(mailbox) }
    });
    assert!(world.agenda.is_empty() && world.agenda.next_wake().is_none());
    assert_eq!(world.starts.len(), 900);
    assert_eq!(world.agenda.skipped(), 0);
    world.refresh(vec![entry(0, 0, None)], vec![terms(0, "a")]);
    assert!(world.agenda.is_empty(), "what was done does not come back");
}

#[test]
fn once_probes_a_profile_that_is_down_and_leaves_its_other_mailboxes_out() {
    let mut world = World::new(Mode::Once, limits(500, 500));
    let Outcome::ProfileFailed(failure) = down() else { unreachable!() };
    world.holds.insert(profile(0), hold_after(None, &failure, START));
    world.refresh((0..40).map(|n| entry(n, n % 2, None)).collect(), vec![terms(0, "a"), terms(1, "b")]);
    assert_eq!(world.running.len(), 21, "one probe, and all of the other profile");
    world.run(60 * MINUTE, |world, mailbox| {
        let held = mailbox.0.as_u128() % 2 == 1;
        if held { down() } else { world.polled(mailbox) }
    });
    assert!(world.agenda.is_empty());
    assert_eq!((world.starts.len(), world.agenda.skipped()), (21, 19));
}

#[test]
fn once_outlives_the_lease_of_a_dead_node_and_gives_up_on_a_live_one() {
    for (claimable_after, expected) in [(58 * SECOND, 0), (60 * MINUTE, 1)] {
        let mut agenda = Agenda::new(Mode::Once, Limits::default(), Polling::default());
        let refreshed = Refreshed { entries: vec![entry(0, 0, None)], profiles: vec![terms(0, "a")], holds: vec![] };
        let mut now = START;
        let mut commands = agenda.on(Event::Refreshed(refreshed), now);
        while !agenda.is_empty() {
            let start = Command::Start(mailbox(0));
            let event = match commands.contains(&start) {
                true if now.since(START) < claimable_after => Event::ClaimLost(mailbox(0)),
                true => Event::Finished(mailbox(0), Outcome::Polled { due: now, traffic: Traffic::Quiet }),
                false => {
                    now = agenda.next_wake().unwrap();
                    Event::Woke
                }
            };
            commands = agenda.on(event, now);
        }
        assert_eq!(agenda.skipped(), expected);
    }
}

#[test]
fn a_held_profile_sends_one_probe_at_a_time_and_is_released_with_spread() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.refresh((0..2_000).map(|n| entry(n, 0, None)).collect(), vec![terms(0, "a")]);
    world.run(120 * MINUTE, |_, _| down());
    let after_the_first: Vec<_> = world.starts.iter().filter(|(at, _)| at.since(START) > 30 * SECOND).collect();
    assert!((8..=14).contains(&after_the_first.len()), "{after_the_first:?}");
    assert!(after_the_first.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= 30 * SECOND));
    assert_eq!(world.agenda.held(), [profile(0)]);
    assert_eq!(world.holds[&profile(0)].until.since(world.now).as_secs() / 900, 0);

    let (back, before) = (world.now, world.starts.len());
    world.run(15 * MINUTE + 125 * SECOND, World::polled);
    let polled: BTreeSet<_> = world.starts[before..].iter().map(|(_, mailbox)| *mailbox).collect();
    assert_eq!(polled.len(), 2_000, "all polled within the spread");
    assert!(world.holds.is_empty() && world.agenda.held().is_empty());
    let mut each_second = BTreeMap::new();
    for (at, _) in &world.starts[before..] {
        *each_second.entry(at.since(back).as_secs()).or_insert(0) += 1;
    }
    assert!(each_second.values().all(|count| *count < 50), "{each_second:?}");
}

#[test]
fn stragglers_of_a_profile_that_went_down_do_not_lengthen_its_hold_and_do_not_end_it() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.refresh((0..10).map(|n| entry(n, 0, Some(START.plus(MINUTE)))).collect(), vec![terms(0, "a")]);
    world.now = START.plus(MINUTE);
    world.on(Event::Woke);
    assert_eq!(world.running.len(), 10);
    let mut first = 0;
    world.run(20 * SECOND, |world, mailbox| {
        first += 1;
        if first < 9 { down() } else { world.polled(mailbox) }
    });
    assert_eq!(world.holds[&profile(0)].failures, 0);
    assert_eq!(world.starts.len(), 10);
}

#[test]
fn each_probe_is_another_mailbox_and_any_word_from_the_host_ends_the_hold() {
    let mut world = World::new(Mode::Daemon, limits(1, 1));
    world.refresh((0..4).map(|n| entry(n, 0, Some(START.plus(MINUTE)))).collect(), vec![terms(0, "a")]);
    let mut probes = Vec::new();
    world.run(30 * MINUTE, |world, mailbox| {
        if probes.len() < 4 {
            probes.push(mailbox);
            down()
        } else {
            Outcome::Postponed(world.now.plus(5 * MINUTE))
        }
    });
    assert_eq!(probes.iter().collect::<BTreeSet<_>>().len(), 4, "{probes:?}");
    assert!(world.holds.is_empty());
}

#[test]
fn a_hold_that_another_node_ended_is_over_and_one_it_began_is_respected() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let entries: Vec<_> = (0..4).map(|n| entry(n, 0, Some(START))).collect();
    let hold = ProfileHold {
        since: START,
        until: START.plus(10 * MINUTE),
        failures: 4,
        code: FailureCode::DnsFailed,
        text: String::new(),
    };
    world.holds.insert(profile(0), hold);
    world.refresh(entries.clone(), vec![terms(0, "a")]);
    world.run(9 * MINUTE, World::polled);
    assert!(world.starts.is_empty());
    world.holds.clear();
    world.refresh(entries, vec![terms(0, "a")]);
    world.run(5 * SECOND, World::polled);
    assert_eq!(world.starts.len(), 4);
}

#[test]
fn a_hint_shortens_the_wait_but_not_below_the_minimum_nor_a_postponement() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.refresh(vec![entry(0, 0, Some(START.plus(SECOND)))], vec![terms(0, "a")]);
    world.run(MINUTE, World::polled);
    assert_eq!(world.starts.len(), 1);
    world.on(Event::Hinted(mailbox(0)));
    assert_eq!(world.starts.len(), 2, "at once: the last poll is long over");
    world.on(Event::Hinted(mailbox(0)));
    world.run(30 * SECOND, World::polled);
    let starts = world.starts_of(mailbox(0));
    assert_eq!(starts.len(), 3, "a hint during the poll is kept");
    assert_eq!(starts[2].since(starts[1]), SECOND + 5 * SECOND, "the cycle and push_minimum");

    world.on(Event::Hinted(mailbox(0)));
    world.run(2 * SECOND, |world, _| Outcome::Postponed(world.now.plus(10 * MINUTE)));
    let before = world.starts.len();
    world.run(9 * MINUTE, World::polled);
    world.on(Event::Hinted(mailbox(0)));
    assert_eq!(world.starts.len(), before);
    world.run(2 * MINUTE, World::polled);
    assert_eq!(world.starts.len(), before + 1);
}

#[test]
fn idle_mailboxes_are_polled_less_often_only_where_that_is_allowed() {
    for (idle_maximum, longest) in [(None, 5 * MINUTE), (Some(30 * MINUTE), 30 * MINUTE)] {
        let mut world = World::new(Mode::Daemon, Limits::default());
        world.on(Event::LimitsChanged(Limits::default(), Polling { idle_maximum, ..Polling::default() }));
        world.refresh(vec![entry(0, 0, Some(START.plus(SECOND)))], vec![terms(0, "a")]);
        world.run(8 * 60 * MINUTE, World::polled);
        let starts = world.starts_of(mailbox(0));
        let gaps: Vec<_> = starts.windows(2).map(|pair| pair[1].since(pair[0]) - SECOND).collect();
        assert_eq!(gaps[0], 5 * MINUTE);
        assert_eq!(*gaps.last().unwrap(), longest);
        assert!(gaps.is_sorted());
        assert_eq!(world.agenda.interval(mailbox(0), Traffic::Busy), 5 * MINUTE);
    }
}

#[test]
fn a_large_profile_does_not_keep_a_small_one_waiting() {
    let mut world = World::new(Mode::Daemon, limits(10, 10));
    let later = START.plus(MINUTE);
    let mut entries: Vec<_> = (0..1_000).map(|n| entry(n, 0, Some(later))).collect();
    entries.extend((1_000..1_005).map(|n| entry(n, 1, Some(later))));
    world.refresh(entries, vec![terms(0, "a"), terms(1, "b")]);
    world.run(MINUTE + SECOND, World::polled);
    let small = world.starts.iter().filter(|(_, started)| *started >= mailbox(1_000)).count();
    assert_eq!(small, 5, "all five among the first ten");
}

#[test]
fn more_goes_behind_those_that_were_due_before() {
    let mut world = World::new(Mode::Daemon, limits(1, 1));
    let due = START.plus(MINUTE);
    world.refresh((0..5).map(|n| entry(n, 0, Some(due))).collect(), vec![terms(0, "a")]);
    world.run(MINUTE + 9 * SECOND, |world, _| Outcome::More(world.now));
    let order: Vec<_> = world.starts.iter().map(|(_, started)| *started).collect();
    assert_eq!(order[..5], order[5..10]);
    assert_eq!(order[..5].iter().collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn profiles_waiting_for_one_host_all_get_their_turns() {
    let mut world = World::new(Mode::Daemon, limits(500, 2));
    let due = START.plus(MINUTE);
    let entries = (0..90).map(|n| entry(n, n % 30, Some(due))).collect();
    world.refresh(entries, (0..30).map(|n| terms(n, "one")).collect());
    world.run(MINUTE + 15 * SECOND, |world, _| Outcome::More(world.now));
    let profiles: BTreeSet<_> = world.starts[..30].iter().map(|(_, id)| (id.0.as_u128() - 1) % 30).collect();
    assert_eq!(profiles.len(), 30);
}

#[test]
fn nothing_starts_while_paused_or_stopping() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.on(Event::Paused);
    world.refresh((0..5).map(|n| entry(n, 0, Some(START.plus(SECOND)))).collect(), vec![terms(0, "a")]);
    world.now = START.plus(MINUTE);
    world.on(Event::Woke);
    assert!(world.starts.is_empty() && world.agenda.next_wake().is_none());
    world.on(Event::Resumed);
    assert_eq!(world.starts.len(), 5);
    world.on(Event::Stopping);
    world.on(Event::Resumed);
    world.run(60 * MINUTE, World::polled);
    assert_eq!((world.starts.len(), world.running.len()), (5, 0));
}

#[test]
fn a_mailbox_that_is_gone_from_the_database_is_not_started_again() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.refresh((0..3).map(|n| entry(n, 0, Some(START.plus(SECOND)))).collect(), vec![terms(0, "a")]);
    world.run(SECOND, World::polled);
    assert_eq!(world.running.len(), 3);
    world.refresh(vec![entry(2, 0, Some(START.plus(SECOND)))], vec![terms(0, "a")]);
    assert_eq!(world.agenda.len(), 3, "two of them still run");
    world.run(10 * SECOND, |world, id| if id == mailbox(0) { Outcome::Disabled } else { world.polled(id) });
    let due = world.now.plus(5 * MINUTE);
    world.refresh(vec![entry(2, 0, Some(due))], vec![terms(0, "a")]);
    assert_eq!(world.agenda.len(), 1);
    world.refresh(vec![], vec![]);
    assert!(world.agenda.is_empty() && world.agenda.next_wake().is_none());
}

#[test]
fn a_due_time_that_somebody_else_set_is_taken_over() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let (due, sooner) = (START.plus(60 * MINUTE), START.plus(MINUTE));
    world.refresh(vec![entry(0, 0, Some(due)), entry(1, 0, Some(sooner))], vec![terms(0, "a")]);
    world.refresh(vec![entry(0, 0, Some(sooner)), entry(1, 0, Some(due))], vec![terms(0, "a")]);
    assert_eq!(world.agenda.next_wake(), Some(sooner));
    world.run(2 * MINUTE, World::polled);
    assert_eq!(world.starts, [(sooner, mailbox(0))]);
}

#[test]
fn a_shorter_interval_takes_effect_on_those_that_wait() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let daily = ProfileTerms { interval: 24 * 60 * MINUTE, ..terms(0, "a") };
    let entries: Vec<_> = (0..10).map(|n| entry(n, 0, Some(START.plus(20 * 60 * MINUTE)))).collect();
    world.refresh(entries.clone(), vec![daily]);
    world.refresh(entries, vec![terms(0, "a")]);
    world.run(5 * MINUTE, World::polled);
    assert_eq!(world.starts.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>().len(), 10);
}

#[test]
fn a_clock_that_is_set_back_leaves_nobody_waiting_for_the_future() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let entries: Vec<_> = (0..20).map(|n| entry(n, n % 2, Some(START.plus(n as u32 * SECOND)))).collect();
    world.refresh(entries, vec![terms(0, "a"), terms(1, "b")]);
    world.run(4 * MINUTE, |world, mailbox| match mailbox.0.as_u128() % 2 {
        0 => down(),
        _ => world.polled(mailbox),
    });
    assert_eq!(world.agenda.held(), [profile(1)]);
    let before = world.starts.len();
    world.now = START.minus(48 * 60 * MINUTE);
    world.on(Event::Woke);
    world.run(5 * MINUTE, World::polled);
    let polled =
        |of: usize| world.starts[before..].iter().filter(|(_, id)| (id.0.as_u128() as usize - 1) % 2 == of).count();
    assert!(polled(0) >= 10, "{}", polled(0));
    world.run(12 * MINUTE, World::polled);
    assert!(world.agenda.held().is_empty());
}

#[test]
fn an_entry_costs_far_less_than_four_kilobytes_and_ten_thousand_are_quick() {
    // What the B-trees need at their worst: half-filled nodes.
    let keyed = size_of::<MailboxId>() + size_of::<Entry>() + size_of::<(Timestamp, MailboxId)>();
    assert!(keyed * 2 < 300, "{keyed} bytes for an entry in its trees");

    let entries: Vec<_> = (0..10_000).map(|n| entry(n, n % 20, Some(START.plus(n as u32 * SECOND)))).collect();
    let profiles: Vec<_> = (0..20).map(|n| terms(n, &format!("host{n}"))).collect();
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.refresh(entries.clone(), profiles.clone());
    assert_eq!(world.agenda.timeline.len() + world.running.len(), 10_000);
    world.refresh(entries, profiles);
    assert_eq!(world.agenda.timeline.len() + world.running.len(), 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens: limits hold, every due mailbox starts, none starts before its time.
    #[test]
    fn limits_hold_and_nobody_starves(
        shape in (1_usize..60, 1_usize..6, 1_usize..4),
        most in (1_u32..12, 1_u32..8, prop::option::of(1_u32..4)),
        fates in prop::collection::vec(0_u8..20, 1..200),
    ) {
        let ((mailboxes, profiles, hosts), (connections, per_host, together)) = (shape, most);
        let mut world = World::new(Mode::Daemon, limits(connections, per_host));
        let terms = |n: usize| ProfileTerms { together, ..terms(n, &format!("host{}", n % hosts)) };
        let entries = (0..mailboxes).map(|n| entry(n, n % profiles, None)).collect();
        world.refresh(entries, (0..profiles).map(terms).collect());
        let of = |id: &MailboxId| (id.0.as_u128() as usize - 1) % profiles;
        let mut earliest: BTreeMap<MailboxId, Timestamp> = BTreeMap::new();
        let (mut round, mut seen) = (0, 0);
        let end = START.plus(60 * MINUTE);
        loop {
            let more = world.step(end, &mut |world, id| {
                round += 1;
                match fates[round % fates.len()] {
                    0 => down(),
                    1 => Outcome::Interrupted,
                    2 | 3 => Outcome::More(world.now),
                    4 => Outcome::Postponed(world.now.plus(10 * MINUTE)),
                    _ => world.polled(id),
                }
            });
            let now = world.now;
            for (at, id) in &world.starts[seen..] {
                prop_assert!(earliest.get(id).is_none_or(|earliest| earliest <= at), "before its time");
            }
            seen = world.starts.len();
            for (id, entry) in &world.agenda.entries {
                if entry.phase == Phase::Waiting { earliest.insert(*id, entry.due.min(now.plus(10 * MINUTE))); }
            }
            let running: Vec<usize> = world.running.iter().map(|(_, id)| of(id)).collect();
            prop_assert!(running.len() <= connections as usize);
            for host in 0..hosts {
                prop_assert!(running.iter().filter(|of| *of % hosts == host).count() <= per_host as usize);
            }
            for profile in 0..profiles {
                let count = running.iter().filter(|of| **of == profile).count();
                prop_assert!(count <= together.unwrap_or(u32::MAX) as usize);
            }
            // A free slot and a due mailbox that may take it never wait for each other.
            let room = world.agenda.turns.start_next(now).is_none();
            prop_assert!(room, "a slot was left free");
            if !more { break }
        }
        world.run(180 * MINUTE, World::polled);
        let last = world.now.minus(60 * MINUTE);
        for number in 0..mailboxes {
            let polled = world.starts_of(mailbox(number)).into_iter().any(|at| at > last);
            prop_assert!(polled, "mailbox {number} starved");
        }
    }
}

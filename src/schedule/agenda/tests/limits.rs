//! Limits and fair turns.

use proptest::prelude::*;

use super::*;

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
    let profiles: BTreeSet<_> = world.starts[..30].iter().map(|(_, duty)| number(*duty) % 30).collect();
    assert_eq!(profiles.len(), 30);
}

#[test]
fn a_host_that_finds_us_too_many_gets_half_as_many_and_then_slowly_more() {
    let mut world = World::new(Mode::Daemon, limits(500, 16));
    let crowded = || {
        let text = "Too many connections";
        let failure = Failure::new(FailureCode::TooManyConnections, Scope::Profile, Persistence::Throttled, text);
        Outcome::ProfileFailed(Failure { retry_after: Some(MINUTE), ..failure })
    };
    let often = ProfileTerms { interval: SECOND, ..terms(0, "a") };
    world.refresh((0..40).map(|n| entry(n, 0, Some(START.plus(SECOND)))).collect(), vec![often]);
    world.run(5 * SECOND, World::polled);
    assert_eq!(world.running.len(), 16);
    // Those that run are told so, too: but once it is known, it is known.
    world.run(MINUTE, |_, _| crowded());
    let mut most = Vec::new();
    for _ in 0..40 {
        world.run(SECOND, World::polled);
        most.push(world.running.len());
    }
    assert!(most.iter().any(|running| (1..=2).contains(running)), "{most:?}");
    assert!(most.last().is_some_and(|running| *running == 16), "{most:?}");
}

#[test]
fn an_entry_costs_far_less_than_four_kilobytes_and_ten_thousand_are_quick() {
    // What the B-trees need at their worst: half-filled nodes.
    let keyed = size_of::<Duty>() + size_of::<Entry>() + size_of::<(Timestamp, Duty)>();
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
        let outboxes = (0..mailboxes).map(|n| entry(n, n % profiles, Some(START))).collect();
        let sending = |n: usize| ProfileTerms { together, ..sending(n, &format!("host{}", (n + 1) % hosts)) };
        world.refresh_outbox(outboxes, (0..profiles).map(sending).collect());
        let host_of = |duty: &Duty| match duty.workload {
            Workload::Incoming => number(*duty) % profiles % hosts,
            Workload::Outgoing => (number(*duty) % profiles + 1) % hosts,
        };
        let of = |duty: &Duty| Side::new(duty.workload, profile(number(*duty) % profiles));
        let mut earliest: BTreeMap<Duty, Timestamp> = BTreeMap::new();
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
                    _ => world.went_well(id),
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
            let running: Vec<Duty> = world.running.iter().map(|(_, duty)| *duty).collect();
            prop_assert!(running.len() <= connections as usize);
            for host in 0..hosts {
                prop_assert!(running.iter().filter(|duty| host_of(duty) == host).count() <= per_host as usize);
            }
            for side in running.iter().map(of) {
                let count = running.iter().filter(|duty| of(duty) == side).count();
                prop_assert!(count <= together.unwrap_or(u32::MAX) as usize);
            }
            // A free slot and a due mailbox that may take it never wait for each other.
            let room = world.agenda.turns.start_next(now).is_none();
            prop_assert!(room, "a slot was left free");
            if !more { break }
        }
        world.run(180 * MINUTE, World::went_well);
        prop_assert_eq!(world.agenda.scheduled(Workload::Outgoing), 0, "mail is left");
        let last = world.now.minus(60 * MINUTE);
        for number in 0..mailboxes {
            let polled = world.starts_of(mailbox(number)).into_iter().any(|at| at > last);
            prop_assert!(polled, "mailbox {number} starved");
        }
    }
}

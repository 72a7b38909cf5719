//! When a mailbox is polled.

use super::*;

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
fn once_outlives_the_lease_of_a_dead_node_and_gives_up_on_a_live_one() {
    for (claimable_after, expected) in [(58 * SECOND, 0), (60 * MINUTE, 1)] {
        let mut agenda = Agenda::new(Mode::Once, Limits::default(), Polling::default());
        let refreshed = Refreshed {
            workload: Workload::Incoming,
            entries: vec![entry(0, 0, None)],
            profiles: vec![terms(0, "a")],
            holds: vec![],
        };
        let mut now = START;
        let mut commands = agenda.on(Event::Refreshed(refreshed), now);
        while !agenda.is_empty() {
            let start = Command::Start(mailbox(0));
            let event = match commands.contains(&start) {
                true if now.since(START) < claimable_after => Event::ClaimLost(mailbox(0)),
                true => ended(mailbox(0), Outcome::Polled { due: now, traffic: Traffic::Quiet }),
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
        assert_eq!(world.agenda.interval(mailbox_id(0), Traffic::Busy), 5 * MINUTE);
    }
}

/// A mailbox that must go slowly has more in an interval: that is for another run; what is due in a moment is not.
#[test]
fn a_single_run_does_not_wait_for_who_must_go_slowly() {
    let mut world = World::new(Mode::Once, limits(500, 500));
    world.refresh(vec![entry(0, 0, None), entry(1, 0, None)], vec![terms(0, "a")]);
    let mut delayed = false;
    world.run(60 * MINUTE, |world, duty| match number(duty) {
        0 => Outcome::More(world.now.plus(5 * MINUTE)),
        _ if delayed => world.polled(duty),
        _ => {
            delayed = true;
            Outcome::More(world.now.plus(30 * SECOND))
        }
    });
    assert_eq!((world.starts_of(mailbox(0)).len(), world.starts_of(mailbox(1)).len()), (1, 2));
    assert_eq!((world.agenda.len(), world.agenda.skipped()), (0, 1));
}

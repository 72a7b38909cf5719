//! Mail that is to be sent.

use super::*;

#[test]
fn an_outbox_is_known_while_it_holds_mail_and_no_longer() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let (now, later) = (START.minus(60 * MINUTE), START.plus(2 * MINUTE));
    let entries = vec![entry(0, 0, Some(now)), entry(1, 0, Some(later))];
    world.refresh_outbox(entries, vec![sending(0, "a")]);
    assert_eq!(world.starts, [(START, outbox(0))], "no spread, no waiting");
    world.run(MINUTE, World::went_well);
    assert_eq!(world.agenda.scheduled(Workload::Outgoing), 1);
    world.run(2 * MINUTE, World::went_well);
    assert_eq!(world.starts[1..], [(later, outbox(1))]);
    assert!(world.agenda.is_empty() && world.agenda.next_wake().is_none());

    world.refresh_outbox(vec![entry(0, 0, Some(now))], vec![sending(0, "a")]);
    assert_eq!(world.starts_of(outbox(0)), [START, world.now]);
}

#[test]
fn all_outboxes_of_a_start_begin_at_once_within_the_limits() {
    let mut world = World::new(Mode::Daemon, limits(500, 7));
    world.refresh_outbox(
        (0..300).map(|n| entry(n, n % 3, Some(START))).collect(),
        (0..3).map(|n| sending(n, "a")).collect(),
    );
    assert_eq!(world.running.len(), 7);
    world.run(300 / 7 * SECOND + SECOND, World::went_well);
    assert_eq!(world.starts.len(), 300);
}

#[test]
fn an_outbox_with_more_mail_goes_on_at_once_and_a_postponed_one_waits() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let refresh = |world: &mut World, due| world.refresh_outbox(vec![entry(0, 0, Some(due))], vec![sending(0, "a")]);
    refresh(&mut world, START);
    let until = START.plus(10 * MINUTE);
    world.run(
        5 * SECOND,
        |world, _| if world.starts.len() < 3 { Outcome::More(world.now) } else { Outcome::Postponed(until) },
    );
    assert_eq!(world.starts.len(), 3);
    // The store names no time before a postponement's end.
    refresh(&mut world, until);
    world.run(9 * MINUTE, World::went_well);
    assert_eq!(world.starts.len(), 3);
    world.run(2 * MINUTE, World::went_well);
    assert_eq!(world.starts[3..], [(until, outbox(0))]);
}

#[test]
fn a_server_that_takes_no_mail_stops_no_reading_and_the_other_way_round() {
    for broken in [Workload::Incoming, Workload::Outgoing] {
        let mut world = World::new(Mode::Daemon, Limits::default());
        let due = START.plus(SECOND);
        world.refresh((0..5).map(|n| entry(n, 0, Some(due))).collect(), vec![terms(0, "a")]);
        let outboxes: Vec<_> = (0..5).map(|n| entry(n, 0, Some(due))).collect();
        for _ in 0..20 {
            world.refresh_outbox(outboxes.clone(), vec![sending(0, "b")]);
            world.run(MINUTE, |world, duty| if duty.workload == broken { down() } else { world.went_well(duty) });
        }
        assert_eq!(world.agenda.held(), [Side::new(broken, profile(0))]);
        let starts = |workload| world.starts.iter().filter(|(_, duty)| duty.workload == workload).count();
        let (well, ill) = match broken {
            Workload::Incoming => (starts(Workload::Outgoing), starts(Workload::Incoming)),
            Workload::Outgoing => (starts(Workload::Incoming), starts(Workload::Outgoing)),
        };
        assert!(well >= 15 && ill <= 5 + 7, "{broken:?}: {well} and {ill} starts");
    }
}

#[test]
fn reading_and_sending_share_the_slots_and_take_turns() {
    let mut world = World::new(Mode::Daemon, limits(10, 10));
    let due = START.plus(MINUTE);
    world.refresh((0..1_000).map(|n| entry(n, n % 4, Some(due))).collect(), (0..4).map(|n| terms(n, "a")).collect());
    world.refresh_outbox((0..20).map(|n| entry(n, 0, Some(due))).collect(), vec![sending(0, "b")]);
    let mut most = 0;
    world.run(MINUTE + 11 * SECOND, |world, duty| {
        most = most.max(world.running.len());
        world.went_well(duty)
    });
    assert_eq!(most, 9, "and the one that ends");
    let sent = world.starts.iter().filter(|(_, duty)| duty.workload == Workload::Outgoing).count();
    assert_eq!(sent, 20, "every fifth turn is its own");
}

#[test]
fn once_ends_when_all_is_read_and_sent_and_leaves_what_is_for_later() {
    let mut world = World::new(Mode::Once, Limits::default());
    world.refresh(vec![entry(0, 0, Some(START.plus(60 * MINUTE)))], vec![terms(0, "a")]);
    let entries = vec![entry(0, 0, Some(START)), entry(1, 0, Some(START.plus(SECOND)))];
    world.refresh_outbox(entries, vec![sending(0, "b")]);
    let mut rounds = 0;
    world.run(60 * MINUTE, |world, duty| {
        rounds += 1;
        if duty == outbox(0) && rounds < 4 { Outcome::More(world.now) } else { world.went_well(duty) }
    });
    assert!(world.agenda.is_empty());
    assert_eq!((world.starts_of(mailbox(0)).len(), world.starts_of(outbox(0)).len()), (1, rounds - 1));
    assert!(rounds >= 4 && world.starts_of(outbox(1)).is_empty());
}

//! Profiles that are held, and their probes.

use super::*;

#[test]
fn once_probes_a_profile_that_is_down_and_leaves_its_other_mailboxes_out() {
    let mut world = World::new(Mode::Once, limits(500, 500));
    let Outcome::ProfileFailed(failure) = down() else { unreachable!() };
    world.holds.insert(side(0), hold_after(None, &failure, START));
    world.refresh((0..40).map(|n| entry(n, n % 2, None)).collect(), vec![terms(0, "a"), terms(1, "b")]);
    assert_eq!(world.running.len(), 21, "one probe, and all of the other profile");
    world.run(60 * MINUTE, |world, mailbox| {
        let held = number(mailbox).is_multiple_of(2);
        if held { down() } else { world.polled(mailbox) }
    });
    assert!(world.agenda.is_empty());
    assert_eq!((world.starts.len(), world.agenda.skipped()), (21, 19));
}

#[test]
fn a_held_profile_sends_one_probe_at_a_time_and_is_released_with_spread() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.refresh((0..2_000).map(|n| entry(n, 0, None)).collect(), vec![terms(0, "a")]);
    world.run(120 * MINUTE, |_, _| down());
    let after_the_first: Vec<_> = world.starts.iter().filter(|(at, _)| at.since(START) > 30 * SECOND).collect();
    assert!((20..=28).contains(&after_the_first.len()), "{after_the_first:?}");
    assert!(after_the_first.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= 30 * SECOND));
    assert_eq!(world.agenda.held(), [side(0)]);
    assert_eq!(world.holds[&side(0)].until.since(world.now).as_secs() / 900, 0);

    let (back, before) = (world.now, world.starts.len());
    world.run(10 * MINUTE, World::polled);
    let polled: BTreeSet<_> = world.starts[before..].iter().map(|(_, mailbox)| *mailbox).collect();
    assert_eq!(polled.len(), 2_000, "all polled within two intervals");
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
    assert_eq!(world.holds[&side(0)].failures, 0);
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
    world.holds.insert(side(0), hold);
    world.refresh(entries.clone(), vec![terms(0, "a")]);
    world.run(9 * MINUTE, World::polled);
    assert!(world.starts.is_empty());
    world.holds.clear();
    world.refresh(entries, vec![terms(0, "a")]);
    world.run(5 * SECOND, World::polled);
    assert_eq!(world.starts.len(), 4);
}

#[test]
fn all_profiles_of_a_server_wait_together_with_one_probe_among_them_all() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let other_port = ProfileTerms { peer: Peer { host: "a".to_owned(), port: 995 }, ..terms(5, "a") };
    let mut profiles: Vec<_> = (0..5).map(|n| terms(n, "a")).collect();
    profiles.push(other_port);
    world.refresh((0..60).map(|n| entry(n, n % 6, Some(START.plus(SECOND)))).collect(), profiles);
    let healthy = |duty: Duty| number(duty) % 6 == 5;
    world.run(120 * MINUTE, |world, duty| if healthy(duty) { world.polled(duty) } else { down() });
    assert_eq!(world.agenda.held(), (0..5).map(side).collect::<Vec<_>>());
    let untils: BTreeSet<_> = world.holds.values().map(|hold| hold.until).collect();
    assert_eq!(untils.len(), 1, "one time for all");
    let late = |at: &Timestamp| at.since(START) > 30 * SECOND;
    let probes: Vec<_> = world.starts.iter().filter(|(at, duty)| late(at) && !healthy(*duty)).collect();
    assert!((20..=28).contains(&probes.len()), "{}", probes.len());
    assert!(probes.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= 30 * SECOND), "two probes at a time");
    let others = world.starts.iter().filter(|(_, duty)| healthy(*duty)).count();
    assert!(others >= 10 * 20, "the other port of the host is another server: {others}");

    let before = world.starts.len();
    world.run(10 * MINUTE, World::polled);
    let polled: BTreeSet<_> = world.starts[before..].iter().map(|(_, duty)| *duty).collect();
    assert_eq!(polled.len(), 60);
    assert!(world.holds.is_empty() && world.agenda.held().is_empty());
}

#[test]
fn a_mailbox_that_alone_does_not_reach_a_server_waits_half_a_minute_and_holds_nobody() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let often = ProfileTerms { interval: 10 * SECOND, ..terms(0, "a") };
    world.refresh((0..10).map(|n| entry(n, 0, Some(START.plus(SECOND)))).collect(), vec![often]);
    world.run(30 * SECOND, World::polled);
    world.run(10 * MINUTE, |world, duty| if duty == mailbox(3) { down() } else { world.polled(duty) });
    assert!(world.holds.is_empty());
    let starts = world.starts_of(mailbox(3));
    let waits: Vec<_> = starts[starts.len() - 5..].windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(waits.iter().all(|wait| (30 * SECOND..36 * SECOND).contains(wait)), "{waits:?}");
}

#[test]
fn what_is_about_one_profile_holds_no_other_and_ends_for_it_alone() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let blocked = || {
        let code = FailureCode::AuthMethodBlocked;
        Outcome::ProfileFailed(Failure::new(code, Scope::Profile, Persistence::Permanent, "BasicAuthBlocked"))
    };
    let entries: Vec<_> = (0..20).map(|n| entry(n, n % 2, Some(START.plus(SECOND)))).collect();
    world.refresh(entries, vec![terms(0, "a"), terms(1, "a")]);
    let first = |duty: Duty| number(duty).is_multiple_of(2);
    world.run(20 * MINUTE, |world, duty| if first(duty) { blocked() } else { world.polled(duty) });
    assert_eq!(world.agenda.held(), [side(0)]);
    // Then the server goes down, too, and comes back: the profile's own trouble is still there.
    world.run(60 * MINUTE, |_, _| down());
    assert_eq!(world.agenda.held(), [side(0), side(1)]);
    assert_eq!(world.holds[&side(0)].code, FailureCode::AuthMethodBlocked);
    world.run(60 * MINUTE, |world, duty| if first(duty) { blocked() } else { world.polled(duty) });
    assert_eq!(world.agenda.held(), [side(0)]);
    world.run(180 * MINUTE, World::polled);
    assert!(world.agenda.held().is_empty());
}

#[test]
fn a_probe_that_never_asked_the_server_ends_no_hold() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    world.refresh((0..4).map(|n| entry(n, 0, Some(START.plus(SECOND)))).collect(), vec![terms(0, "a")]);
    world.run(10 * SECOND, |_, _| down());
    assert_eq!(world.agenda.held(), [side(0)]);
    while world.running.is_empty() {
        assert!(world.step(START.plus(10 * MINUTE), &mut World::polled));
    }
    let (_, probe) = world.running.pop_first().unwrap();
    world.on(Event::Finished(probe, Outcome::Postponed(world.now.plus(60 * MINUTE)), Heard::Nothing));
    assert_eq!(world.agenda.held(), [side(0)]);
    assert_eq!(world.running.len(), 1, "another one tries");
    world.run(5 * SECOND, World::polled);
    assert!(world.agenda.held().is_empty());
}

#[test]
fn when_the_machine_is_well_again_all_servers_are_tried_at_once() {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let hosts = ["a", "b", "c", "d", "e"];
    let profiles = hosts.iter().enumerate().map(|(number, host)| terms(number, host)).collect();
    world.refresh((0..50).map(|n| entry(n, n % 5, Some(START.plus(SECOND)))).collect(), profiles);
    world.run(5 * SECOND, World::polled);
    assert_eq!(world.agenda.trouble(), None);
    world.run(60 * MINUTE, |_, _| down());
    assert_eq!(world.agenda.trouble(), Some(FailureCode::NetworkDown));
    assert_eq!(world.agenda.held().len(), 5);
    while world.agenda.held().len() == 5 {
        assert!(world.step(world.now.plus(15 * MINUTE), &mut World::polled), "a probe within a quarter of an hour");
    }
    assert_eq!(world.agenda.trouble(), None);
    world.run(5 * SECOND, World::polled);
    assert!(world.agenda.held().is_empty(), "{:?}", world.agenda.held());
}

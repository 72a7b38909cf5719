//! What changes while mailboxes wait.

use super::*;

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
    world.run(4 * MINUTE, |world, mailbox| match number(mailbox) % 2 {
        1 => down(),
        _ => world.polled(mailbox),
    });
    assert_eq!(world.agenda.held(), [side(1)]);
    let before = world.starts.len();
    world.now = START.minus(48 * 60 * MINUTE);
    world.on(Event::Woke);
    world.run(5 * MINUTE, World::polled);
    let polled = |of: usize| world.starts[before..].iter().filter(|(_, duty)| number(*duty) % 2 == of).count();
    assert!(polled(0) >= 10, "{}", polled(0));
    world.run(12 * MINUTE, World::polled);
    assert!(world.agenda.held().is_empty());
}

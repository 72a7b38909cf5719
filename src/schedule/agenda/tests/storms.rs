//! A server that refuses everybody.

use super::*;

fn refused(code: FailureCode) -> Failure {
    Failure::new(code, Scope::Mailbox, Persistence::UntilConfirmed, "no")
}

/// The end of a cycle that was refused: as the driver makes it, whether there is a storm or not.
fn refusal(world: &World, duty: Duty, code: FailureCode) -> (Outcome, Heard) {
    let storm = world.agenda.is_in_a_storm(Side::new(duty.workload, profile(0)));
    let failure = refused(code);
    let failure = match storm {
        true => Failure { scope: Scope::Profile, code: FailureCode::AuthMassRefused, ..failure },
        false => failure,
    };
    let outcome = match storm {
        true => Outcome::ProfileFailed(failure.clone()),
        false => Outcome::Postponed(world.now.plus(5 * MINUTE)),
    };
    (outcome, Heard::Failed { failure, proven: true })
}

fn many(count: usize) -> World {
    let mut world = World::new(Mode::Daemon, Limits::default());
    let terms = ProfileTerms { let_in: count, ..terms(0, "a") };
    world.refresh((0..count).map(|n| entry(n, 0, Some(START.plus(SECOND)))).collect(), vec![terms]);
    world
}

/// Runs for `span` with every cycle refused; returns how many there were.
fn storm(world: &mut World, span: Duration, code: FailureCode) -> usize {
    let (end, before) = (world.now.plus(span), world.starts.len());
    loop {
        let ends = world.running.first().map(|(at, _)| *at);
        let next = [ends, world.agenda.next_wake()].into_iter().flatten().min().filter(|at| *at <= end);
        let Some(at) = next else { break };
        world.now = at;
        match world.running.first().copied() {
            Some((ends, duty)) if ends == at => {
                world.running.pop_first();
                let (outcome, heard) = refusal(world, duty, code);
                world.on(Event::Finished(duty, outcome, heard));
            }
            _ => world.on(Event::Woke),
        }
    }
    world.now = end;
    world.starts.len() - before
}

#[test]
fn a_server_that_refuses_everybody_costs_no_mailbox_anything_and_few_log_ins() {
    let mut world = many(500);
    storm(&mut world, 60 * SECOND, FailureCode::AuthRejected);
    assert_eq!(world.holds[&side(0)].code, FailureCode::AuthMassRefused);
    let codes: &[FailureCode] = &[FailureCode::AuthRejected, FailureCode::AuthUnclear];
    assert_eq!(world.taken_back.len(), 1);
    assert_eq!((world.taken_back[0].0, world.taken_back[0].1), (side(0), codes));
    let began = world.starts.len();
    // What started before it was seen ends in it; then one canary after the other, and never two.
    assert!(began <= 160, "{began} log-ins before it was seen");
    let canaries = storm(&mut world, 6 * 60 * MINUTE, FailureCode::AuthRejected);
    assert!((3..=6).contains(&canaries), "{canaries}");
    assert!(world.agenda.is_in_a_storm(side(0)));
    // The database says that all are due: what was taken back is there again.
    let terms = ProfileTerms { let_in: 500, ..terms(0, "a") };
    world.refresh((0..500).map(|n| entry(n, 0, Some(world.now))).collect(), vec![terms]);
    let before = world.starts.len();
    world.run(2 * 60 * MINUTE + 5 * MINUTE, World::polled);
    assert!(world.holds.is_empty());
    let polled: BTreeSet<_> = world.starts[before..].iter().map(|(_, duty)| *duty).collect();
    assert_eq!(polled.len(), 500, "the canary that was let in freed all");
}

#[test]
fn a_few_wrong_passwords_are_no_storm() {
    let mut world = many(100);
    world.run(6 * 60 * MINUTE, |world, duty| world.polled(duty));
    for number in 0..8 {
        let duty = mailbox(number);
        while !world.running.iter().any(|(_, running)| *running == duty) {
            assert!(world.step(world.now.plus(60 * MINUTE), &mut World::polled));
        }
        world.running.retain(|(_, running)| *running != duty);
        let (outcome, heard) = refusal(&world, duty, FailureCode::AuthRejected);
        world.on(Event::Finished(duty, outcome, heard));
    }
    assert!(world.holds.is_empty() && world.taken_back.is_empty());
}

#[test]
fn a_refusal_of_the_profiles_own_password_is_the_profiles() {
    let mut world = many(50);
    world.run(SECOND, World::polled);
    let failure = Failure { scope: Scope::Profile, ..refused(FailureCode::AuthRejected) };
    world.run(3 * 60 * MINUTE, |_, _| Outcome::ProfileFailed(failure.clone()));
    assert_eq!(world.holds[&side(0)].code, FailureCode::AuthRejected);
    let late = |at: Timestamp| at.since(START) > MINUTE;
    let probes = world.starts.iter().filter(|(at, _)| late(*at)).count();
    assert!((2..=4).contains(&probes), "15, 30, 60 minutes: {probes}");
}

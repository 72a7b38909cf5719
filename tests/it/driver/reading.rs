//! Reading alone.

use mailsyncd::model::audit::Actor;

use super::*;

#[tokio::test]
async fn once_brings_every_mailbox_up_to_date_through_its_batch_limit() {
    let world = World::new(&three_profiles(), 40).await;
    world.mailboxes.keys().for_each(|address| world.deliver(address, 20));
    let summary = world.once().await;
    assert_eq!((summary.recorded, summary.failures, summary.left_out), (800, 0, 0));
    assert!(summary.cycles >= 160, "six messages a cycle: {summary:?}");
    let again = world.once().await;
    assert_eq!((again.recorded, again.cycles), (0, 40));
    world.assert_released().await;
}

#[tokio::test]
async fn a_mailbox_that_fails_or_panics_is_postponed_and_the_others_go_on() {
    let world = World::new(&three_profiles(), 6).await;
    world.mailboxes.keys().for_each(|address| world.deliver(address, 2));
    world.server.direct(|address, step, _| match (address, step) {
        ("m1@example.org", Step::LogIn) => {
            Some(refusal(FailureCode::AuthRejected, Scope::Mailbox, Persistence::UntilConfirmed))
        }
        ("m2@example.org", Step::Open) => panic!("on purpose"),
        ("m3@example.org", Step::LogIn) => {
            Some(refusal(FailureCode::AuthExpired, Scope::Mailbox, Persistence::Permanent))
        }
        _ => None,
    });
    let summary = world.once().await;
    assert_eq!((summary.recorded, summary.failures), (6, 3));
    let refused = world.state("m1@example.org").await;
    assert_eq!((refused.failure_code, refused.confirmations), (Some(FailureCode::AuthRejected), 1));
    assert!(refused.enabled && refused.postponed_until > Some(NOW));
    let panicked = world.state("m2@example.org").await;
    assert_eq!(panicked.failure_code, Some(FailureCode::InternalError));
    assert!(panicked.last_error.unwrap().contains("on purpose"));
    let expired = world.state("m3@example.org").await;
    assert!(!expired.enabled && expired.next_due_at.is_none());

    world.server.obey();
    let again = world.once().await;
    assert_eq!((again.cycles, again.left_out), (3, 2), "postponed ones are left out, the disabled one is not listed");
    world.assert_released().await;
}

#[tokio::test]
async fn a_host_that_is_down_costs_one_hold_and_no_mailbox() {
    let world = World::new(&[profile("a", "a.example", NOW)], 30).await;
    world.mailboxes.keys().for_each(|address| world.deliver(address, 1));
    world.server.direct(|_, step, _| {
        (step == Step::LogIn).then(|| refusal(FailureCode::HostUnreachable, Scope::Profile, Persistence::Transient))
    });
    let driver = world.start(Mode::Daemon);
    world
        .wait("a hold", async |world| {
            world.clock.set(world.clock.now().plus(Duration::from_millis(20)));
            !world.store.holds(Workload::Incoming).await.unwrap().is_empty()
        })
        .await;
    let (_, hold) = world.store.holds(Workload::Incoming).await.unwrap().remove(0);
    assert_eq!((hold.code, hold.failures), (FailureCode::HostUnreachable, 0));
    world.clock.set(hold.until);
    world
        .wait("the probe fails", async |world| world.store.holds(Workload::Incoming).await.unwrap()[0].1.failures == 1)
        .await;

    world.server.obey();
    let (_, hold) = world.store.holds(Workload::Incoming).await.unwrap().remove(0);
    world.clock.set(hold.until);
    world.wait("the hold ends", async |world| world.store.holds(Workload::Incoming).await.unwrap().is_empty()).await;
    world.clock.set(world.clock.now().plus(Duration::from_secs(120)));
    for address in world.mailboxes.keys() {
        world.wait("all are polled", async |world| world.state(address).await.last_success_at.is_some()).await;
        assert_eq!(world.state(address).await.transient_failures, 0);
    }
    world.stop.cancel();
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_daemon_polls_again_follows_hints_and_requests_and_stops() {
    let world = World::new(&three_profiles(), 3).await;
    let driver = world.start(Mode::Daemon);
    world.wait("scheduled", async |world| world.progress.snapshot().mailboxes == 3).await;
    world.clock.set(NOW.plus(Duration::from_secs(10)));
    let (first, second) = ("m0@example.org", "m1@example.org");
    let success = async |world: &World| world.state(first).await.last_success_at.is_some();
    world.wait("a first poll", success).await;
    world.wait("a first poll", async |world| world.state(second).await.last_success_at.is_some()).await;

    // Later than push_minimum, earlier than the interval.
    world.clock.set(NOW.plus(Duration::from_secs(60)));
    world.hints.mailbox(world.mailboxes[first]);
    world.polled(first, 1).await;
    assert_eq!(world.store.request_polls(&[world.mailboxes[second]], world.clock.now()).await.unwrap(), 1);
    world.polled(second, 1).await;
    world.wait("the request is gone", async |world| world.store.requested_polls().await.unwrap().is_empty()).await;

    world.clock.set(NOW.plus(Duration::from_secs(400)));
    world.polled(first, 2).await;
    assert!(world.progress.turns() > 3);
    world.stop.cancel();
    let summary = driver.await.unwrap().unwrap();
    assert!(summary.cycles >= 7 && summary.failures == 0, "{summary:?}");
    world.assert_released().await;
}

#[tokio::test]
async fn a_person_who_asks_need_not_wait_for_a_postponement_or_the_next_pass() {
    let world = World::new(&three_profiles(), 2).await;
    let (refused, disabled) = ("m0@example.org", "m1@example.org");
    world.server.direct(|address, step, _| {
        let persistence =
            if address == "m0@example.org" { Persistence::UntilConfirmed } else { Persistence::Permanent };
        (step == Step::LogIn).then(|| refusal(FailureCode::AuthRejected, Scope::Mailbox, persistence))
    });
    world.once().await;
    let ids = [world.mailboxes[refused], world.mailboxes[disabled]];
    let driver = world.start(Mode::Daemon);
    world.wait("the first is scheduled", async |world| world.progress.snapshot().mailboxes == 1).await;

    world.server.obey();
    world.store.request_polls(&ids[..1], world.clock.now()).await.unwrap();
    world.wait("the first is read", async |world| world.state(refused).await.last_success_at.is_some()).await;

    // A new password does this.
    let begun = std::time::Instant::now();
    world.store.apply(&[RecordChange::EnableIncoming(ids[1])], &Actor::Configuration, world.clock.now()).await.unwrap();
    world.store.request_polls(&ids[1..], world.clock.now()).await.unwrap();
    world.wait("the second is read", async |world| world.state(disabled).await.last_success_at.is_some()).await;
    assert!(begun.elapsed() < Duration::from_secs(40), "only the pass of every minute found it");
    world.stop.cancel();
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_end_and_gives_its_lease_back() {
    let mut world = World::new(&three_profiles(), 3).await;
    world.stop_within = Duration::from_millis(200);
    world.server.direct(|address, step, _| {
        (address == "m1@example.org" && step == Step::Open).then_some(Fault::Stall(u32::MAX))
    });
    let driver = world.start(Mode::Once);
    world
        .wait("one cycle left", async |world| {
            let snapshot = world.progress.snapshot();
            snapshot.running == 1 && snapshot.mailboxes == 1
        })
        .await;
    world.stop.cancel();
    let summary = driver.await.unwrap().unwrap();
    assert_eq!(
        (summary.failures, summary.unfinished),
        (0, 1),
        "a stop is no failure, but nobody shall think all is read"
    );
    assert_eq!(world.state("m1@example.org").await.failure_code, None);
    assert_eq!(world.server.inbox("m1@example.org", |inbox| inbox.connections), 0);
    world.assert_released().await;
}

#[tokio::test]
async fn without_a_database_nothing_starts_and_the_loop_goes_on() {
    let world = World::new(&three_profiles(), 3).await;
    let driver = world.start(Mode::Daemon);
    world.wait("scheduled", async |world| world.progress.snapshot().mailboxes == 3).await;
    world.store.close().await;
    world.wait("paused", async |world| world.progress.snapshot().paused.is_some()).await;
    let turns = world.progress.turns();
    world.clock.set(NOW.plus(Duration::from_secs(600)));
    world.wait("it turns on", async |world| world.progress.turns() > turns + 1).await;
    let log_ins: BTreeSet<u32> =
        world.mailboxes.keys().map(|address| world.server.inbox(address, |inbox| inbox.log_ins)).collect();
    assert_eq!(log_ins, BTreeSet::from([0]));
    world.stop.cancel();
    driver.await.unwrap().unwrap();

    let once = world.start(Mode::Once).await.unwrap();
    assert_eq!(once.unwrap_err().code, FailureCode::DatabaseUnavailable);
}

/// Not a benchmark, only a guard against what grows with the square of the mailboxes.
#[tokio::test]
async fn two_thousand_quiet_mailboxes_are_polled_in_large_batches() {
    let world = World::new(&three_profiles(), 2_000).await;
    world.once().await;
    let start = std::time::Instant::now();
    let summary = world.once().await;
    println!("{:?} for each of {} polls", start.elapsed() / 2_000, summary.cycles);
    assert_eq!((summary.cycles, summary.recorded, summary.failures), (2_000, 0, 0));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    world.assert_released().await;
}

#[tokio::test]
async fn the_care_that_a_server_asks_for_outlives_a_restart_and_ends_with_good_cycles() {
    let world = World::new(&[profile("a", "a.example", NOW)], 1).await;
    let address = "m0@example.org";
    // Only who was read before is looked at.
    world.deliver(address, 1);
    world.once().await;
    let mut minutes = 0;
    for (code, persistence, halvings, damaged) in [
        (FailureCode::ServerThrottled, Persistence::Throttled, 1, false),
        (FailureCode::ServerThrottled, Persistence::Throttled, 2, false),
        (FailureCode::MailboxCorrupt, Persistence::Transient, 2, true),
        (FailureCode::ConnectionLost, Persistence::Transient, 2, true),
    ] {
        world.server.direct(move |_, step, _| (step == Step::Look).then(|| refusal(code, Scope::Mailbox, persistence)));
        minutes += 24 * 60;
        world.clock.set(NOW.plus(Duration::from_secs(60 * minutes)));
        world.once().await;
        let care = world.state(address).await.care;
        assert_eq!((care.halvings, care.damaged), (halvings, damaged), "{code}");
    }
    world.server.obey();
    for halvings in [1, 0] {
        minutes += 24 * 60;
        world.clock.set(NOW.plus(Duration::from_secs(60 * minutes)));
        world.once().await;
        let care = world.state(address).await.care;
        assert_eq!((care.halvings, care.damaged), (halvings, false));
    }
    assert!(world.state(address).await.care.is_none());
}

//! A clock that somebody sets.

use mailsyncd::model::lease::Settlement;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_clock_that_is_set_forward_uses_nobody_s_patience_up() {
    let world = World::new(&three_profiles(), 1).await;
    let address = "m0@example.org";
    world.settings.send_modify(|settings| settings.failures.maximum_transient = 2);
    world.server.direct(|_, step, _| {
        (step == Step::LogIn).then(|| refusal(FailureCode::ServerFault, Scope::Mailbox, Persistence::Transient))
    });
    let driver = world.start(Mode::Daemon);
    world.wait("scheduled", async |world| world.progress.snapshot().mailboxes == 1).await;
    world.clock.set(NOW.plus(Duration::from_secs(2)));
    world.wait("a failure", async |world| world.state(address).await.transient_failures == 1).await;

    let leapt = NOW.plus(3 * DAY);
    world.clock.leap(leapt);
    world.wait("another failure", async |world| world.state(address).await.transient_failures == 2).await;
    let state = world.state(address).await;
    assert!(state.enabled && state.failing_since == Some(leapt), "{state:?}");
    let told = async |world: &World| {
        let alerts = world.store.alerts(&AlertFilter::default()).await.unwrap();
        alerts.iter().any(|alert| alert.alert.code == "clock-wrong" && alert.alert.text.contains("forward by 259"))
    };
    world.wait("somebody is told", async |world| told(world).await).await;

    // A day that has passed counts.
    world.clock.set(leapt.plus(DAY));
    world.wait("the end of patience", async |world| !world.state(address).await.enabled).await;
    world.stop.cancel();
    driver.await.unwrap().unwrap();
}

/// The clock runs three days ahead while mailboxes fail, and is set right again.
#[tokio::test]
async fn what_was_postponed_by_a_clock_that_ran_ahead_is_tried_once_it_is_set_right() {
    let world = World::new(&three_profiles(), 2).await;
    let (late, asked) = ("m0@example.org", "m1@example.org");
    let times = world.settings.borrow().failures.transient_backoff;
    world.server.direct(move |address, step, _| {
        let mut fault = Failure::new(FailureCode::ServerFault, Scope::Mailbox, Persistence::Transient, "no");
        if address == asked {
            fault = Failure::new(FailureCode::ServerThrottled, Scope::Mailbox, Persistence::Throttled, "slowly");
            fault.retry_after = Some(Duration::from_secs(4 * 3_600));
        }
        (step == Step::LogIn).then_some(Fault::Refuse(fault))
    });
    let driver = world.start(Mode::Daemon);
    world.wait("scheduled", async |world| world.progress.snapshot().mailboxes == 2).await;
    let ahead = NOW.plus(3 * DAY);
    world.clock.leap(ahead);
    world
        .wait("a failure of each", async |world| {
            let failed = [world.state(late).await, world.state(asked).await];
            failed.iter().all(|state| state.postponed_until.is_some_and(|until| until >= ahead.plus(times)))
        })
        .await;
    world.server.direct(|_, _, _| None);
    let right = NOW.plus(Duration::from_secs(60));
    world.clock.leap(right);
    world
        .wait("it is seen", async |world| {
            let alerts = world.store.alerts(&AlertFilter::default()).await.unwrap();
            alerts.iter().any(|alert| alert.alert.text.contains("set back"))
        })
        .await;
    // Within an interval of the moment in which that is seen.
    for address in [late, asked] {
        world
            .wait(address, async |world| {
                world.clock.set(world.clock.now().plus(Duration::from_secs(5)));
                world.state(address).await.last_success_at.is_some()
            })
            .await;
    }
    assert!(world.clock.now() < right.plus(DAY), "{}", world.clock.now());
    world.stop.cancel();
    driver.await.unwrap().unwrap();
}

/// A daemon that starts when the clock has been set right already, and one that another had postponed by a right clock.
#[tokio::test]
async fn what_a_clock_that_ran_ahead_left_behind_keeps_no_daemon_waiting() {
    let world = World::new(&three_profiles(), 3).await;
    let ahead = NOW.plus(30 * DAY);
    let (polled, failed, waits) = ("m0@example.org", "m1@example.org", "m2@example.org");
    let hour = NOW.plus(Duration::from_secs(3_000));
    let postponed = |until: Timestamp| WorkloadState {
        enabled: true,
        transient_failures: 9,
        postponed_until: Some(until),
        next_due_at: Some(until),
        failure_code: Some(FailureCode::ServerFault),
        failing_since: Some(NOW.minus(DAY)),
        ..WorkloadState::default()
    };
    let due = WorkloadState { enabled: true, next_due_at: Some(ahead), ..WorkloadState::default() };
    for (address, state) in [(polled, due), (failed, postponed(ahead)), (waits, postponed(hour))] {
        put_state(&world, address, state).await;
    }
    let driver = world.start(Mode::Daemon);
    world.wait("scheduled", async |world| world.progress.snapshot().mailboxes == 3).await;
    world.clock.set(NOW.plus(Duration::from_secs(301)));
    for address in [polled, failed] {
        world.wait(address, async |world| world.state(address).await.last_success_at.is_some()).await;
    }
    assert_eq!(world.state(waits).await, postponed(hour));
    world.stop.cancel();
    driver.await.unwrap().unwrap();
}

/// As a cycle of an earlier daemon left it.
async fn put_state(world: &World, address: &str, state: WorkloadState) {
    let (node, ids, ttl) = (NodeId::generate(NOW), [world.mailboxes[address]], Duration::from_secs(60));
    let claimed = world.store.claim(Workload::Incoming, node, &ids, NOW, ttl).await.unwrap().remove(0);
    let settlement = Settlement { fence: claimed.fence, state, alerts: Vec::new() };
    world.store.settle(&[settlement], NOW).await.unwrap();
}

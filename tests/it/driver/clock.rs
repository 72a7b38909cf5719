//! A clock that somebody sets.

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

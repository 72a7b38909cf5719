//! Sending beside reading.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn once_reads_everything_and_empties_every_outbox() {
    let world = World::new(&three_profiles(), 12).await;
    let mut mails = Vec::new();
    for address in world.mailboxes.keys() {
        world.deliver(address, 4);
        for number in 0..5 {
            mails.push(world.queue(address, &format!("mail-{number}")).await);
        }
    }
    world.settings.send_modify(|settings| {
        settings.send_steps = SendSteps { mails: 2, maximum_mails: 3, ..SendSteps::default() };
    });
    let summary = world.once().await;
    assert_eq!((summary.recorded, summary.sent, summary.failures), (48, 60, 0));
    assert_eq!((summary.deferred, summary.failed, summary.in_doubt, summary.left_out), (0, 0, 0, 0));
    for mail in mails {
        assert_eq!(world.status(mail).await, ActivityStatus::Sent);
    }
    let taken = world.post.taken();
    assert!(taken.len() == 60 && taken.iter().all(|mail| mail.told && mail.recipients.len() == 2));
    assert_eq!(world.post.connections(), 0);
    assert_eq!(world.once().await.sent, 0);
    world.assert_released().await;
}

#[tokio::test]
async fn a_server_that_takes_no_mail_holds_no_reading_up() {
    let world = World::new(&[sending_profile("a")], 6).await;
    world.post.direct(|_, step| {
        let failure = Failure::new(FailureCode::HostUnreachable, Scope::Profile, Persistence::Transient, "no");
        (step == PostStep::LogIn).then_some(PostFault::Fail(failure))
    });
    let driver = world.start(Mode::Daemon);
    for address in world.mailboxes.keys() {
        world.deliver(address, 1);
        world.queue(address, "mail").await;
    }
    let held = async |world: &World| !world.store.holds(Workload::Outgoing).await.unwrap().is_empty();
    world.wait("sending is held", held).await;
    let (_, hold) = world.store.holds(Workload::Outgoing).await.unwrap().remove(0);
    for minute in 1..=6 {
        world.clock.set(NOW.plus(minute * MINUTE));
        for address in world.mailboxes.keys() {
            let since = world.clock.now().minus(6 * MINUTE);
            let read = async |world: &World| world.state(address).await.last_success_at > Some(since);
            world.wait("all are read", read).await;
        }
    }
    assert_eq!(world.store.holds(Workload::Incoming).await.unwrap(), []);
    let attempts: usize = world.mailboxes.keys().map(|address| world.post.times(address, PostStep::LogIn)).sum();
    assert!(attempts <= 6 + 6, "{attempts} log-ins at a server that is down");

    world.post.obey();
    world.clock.set(hold.until.plus(20 * MINUTE));
    world.wait("the mail is sent", async |world| world.post.taken().len() == 6).await;
    world.wait("the hold is over", async |world| !held(world).await).await;
    for address in world.mailboxes.keys() {
        let sent = async |world: &World| world.mailbox(address).await.outgoing.last_success_at.is_some();
        world.wait("and that is written", sent).await;
        assert_eq!(world.mailbox(address).await.outgoing.transient_failures, 0);
    }
    world.stop.cancel();
    driver.await.unwrap().unwrap();
    world.assert_released().await;
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_read_sends_and_one_that_cannot_send_is_read() {
    let world = World::new(&three_profiles(), 2).await;
    let (unread, unsent) = ("m0@example.org", "m1@example.org");
    world.server.direct(|address, step, _| {
        let refused = address == "m0@example.org" && step == Step::LogIn;
        refused.then(|| refusal(FailureCode::AuthRejected, Scope::Mailbox, Persistence::UntilConfirmed))
    });
    world.post.direct(|address, step| {
        let failure = Failure::new(FailureCode::AuthExpired, Scope::Mailbox, Persistence::Permanent, "no");
        (address == "m1@example.org" && step == PostStep::LogIn).then_some(PostFault::Fail(failure))
    });
    let (sent, kept) = (world.queue(unread, "one").await, world.queue(unsent, "two").await);
    world.deliver(unsent, 1);
    let summary = world.once().await;
    assert_eq!((summary.recorded, summary.sent, summary.failures), (1, 1, 2));
    assert_eq!(world.status(sent).await, ActivityStatus::Sent);
    assert_eq!(world.status(kept).await, ActivityStatus::PendingSend, "the mail is not to blame");
    let (unread, unsent) = (world.mailbox(unread).await, world.mailbox(unsent).await);
    assert!(unread.incoming.postponed_until.is_some() && unread.outgoing.postponed_until.is_none());
    assert_eq!((unread.incoming.confirmations, unread.outgoing.confirmations), (1, 0));
    assert!(unsent.incoming.enabled && !unsent.outgoing.enabled);
    assert_eq!(unsent.outgoing.failure_code, Some(FailureCode::AuthExpired));
    world.assert_released().await;
}

#[tokio::test]
async fn mail_is_found_without_a_hint_and_a_changed_setting_counts_at_once() {
    let world = World::new(&three_profiles(), 3).await;
    world.settings.send_modify(|settings| settings.sending.outbox_poll = Duration::from_secs(3_600));
    let driver = world.start(Mode::Daemon);
    world.wait("scheduled", async |world| world.progress.snapshot().mailboxes == 3).await;
    world.queue("m0@example.org", "one").await;
    // A reload reads everything.
    world.hints.records();
    world.wait("the first is sent", async |world| world.post.taken().len() == 1).await;
    world.settings.send_modify(|settings| settings.sending.outbox_poll = Duration::from_millis(100));
    world.queue("m0@example.org", "two").await;
    world.queue("m2@example.org", "three").await;
    world.wait("the others are sent", async |world| world.post.taken().len() == 3).await;
    world.wait("nothing is left", async |world| world.progress.snapshot().outboxes == 0).await;
    world.stop.cancel();
    let summary = driver.await.unwrap().unwrap();
    assert_eq!((summary.sent, summary.failures), (3, 0));
}

#[tokio::test]
async fn a_stop_lets_the_mail_in_hand_end_and_begins_no_other() {
    let world = World::new(&three_profiles(), 1).await;
    let (first, second) = (world.queue("m0@example.org", "one").await, world.queue("m0@example.org", "two").await);
    let stop = world.stop.clone();
    world.post.direct(move |_, step| {
        if step == PostStep::Finish {
            stop.cancel();
        }
        None
    });
    world.start(Mode::Daemon).await.unwrap().unwrap();
    assert_eq!(world.post.taken().len(), 1);
    let mut statuses = [world.status(first).await, world.status(second).await];
    statuses.sort_by_key(|status| status.to_string());
    assert_eq!(statuses, [ActivityStatus::PendingSend, ActivityStatus::Sent]);
    world.assert_released().await;
}

#[tokio::test]
async fn a_stop_cuts_a_server_that_does_not_answer_and_its_mail_is_in_doubt() {
    let mut world = World::new(&three_profiles(), 1).await;
    world.stop_within = Duration::from_millis(200);
    let mail = world.queue("m0@example.org", "one").await;
    world.post.direct(|_, step| (step == PostStep::Finish).then_some(PostFault::Stall(u32::MAX)));
    let driver = world.start(Mode::Daemon);
    world.wait("the last line is sent", async |world| world.post.times("m0@example.org", PostStep::Finish) == 1).await;
    world.stop.cancel();
    driver.await.unwrap().unwrap();
    assert_eq!(world.status(mail).await, ActivityStatus::Sending);
    world.assert_released().await;

    // Nobody knows whether it was taken: it is looked for, and neither sent again nor forgotten.
    world.post.obey();
    let mut world = world;
    world.stop = CancellationToken::new();
    world.clock.set(NOW.plus(2 * MINUTE));
    let driver = world.start(Mode::Daemon);
    for (minutes, looks) in [(4, 1), (8, 2), (30, 3)] {
        let looked = async |world: &World| world.post.times("m0@example.org", PostStep::Find) >= looks;
        world
            .wait("it is looked for", async |world| {
                world.clock.set(world.clock.now().plus(Duration::from_secs(1)));
                looked(world).await
            })
            .await;
        world.clock.set(NOW.plus(minutes * MINUTE).max(world.clock.now()));
    }
    let settled = async |world: &World| world.status(mail).await == ActivityStatus::Held;
    world.wait("a person decides: nothing shows that this server files what it takes", settled).await;
    assert!(world.post.taken().is_empty());
    world.stop.cancel();
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_dead_node_was_sending_is_taken_up_though_other_mail_waits_for_tomorrow() {
    let world = World::new(&three_profiles(), 1).await;
    let mailbox = world.mailboxes["m0@example.org"];
    let mail = world.queue("m0@example.org", "one").await;
    let ttl = Duration::from_secs(60);
    let dead = world.store.claim(Workload::Outgoing, NodeId::generate(NOW), &[mailbox], NOW, ttl).await.unwrap();
    let claimed = world.store.claim_mails(dead[0].fence, NOW, 10, 1 << 20).await.unwrap().mails;
    assert_eq!(claimed.len(), 1);
    world.queue_after("m0@example.org", "two", NOW.plus(24 * 60 * MINUTE)).await;
    world.clock.set(NOW.plus(2 * MINUTE));
    assert_eq!(world.once().await.sent, 1);
    assert_eq!(world.status(mail).await, ActivityStatus::Sent);
}

/// The server says no to every sender.
fn refuses_senders(world: &World) {
    world.post.direct(|_, step| {
        let failure = Failure::new(FailureCode::SenderRefused, Scope::Message, Persistence::Permanent, "not as him");
        (step == PostStep::Begin).then_some(PostFault::Refuse(Refusal { reply: None, failure }))
    });
}

#[tokio::test]
async fn three_refused_senders_stop_a_mailbox_though_restarts_lie_between_them() {
    let world = World::new(&[sending_profile("a")], 1).await;
    let address = "m0@example.org";
    for refused in 1..=3 {
        refuses_senders(&world);
        let mail = world.queue(address, "mail").await;
        let summary = world.once().await;
        assert_eq!((summary.failed, summary.failures), (1, u64::from(refused == 3)), "{refused}");
        assert_eq!(world.status(mail).await, ActivityStatus::Failed);
        let state = world.mailbox(address).await.outgoing;
        assert_eq!(state.failure_code, (refused == 3).then_some(FailureCode::SenderRefused), "{refused}");
    }
    let state = world.mailbox(address).await.outgoing;
    assert!(state.enabled && state.postponed_until > Some(NOW), "{state:?}");
    let alerts = world.store.alerts(&AlertFilter::default()).await.unwrap();
    let of_mailbox = alerts.iter().filter(|alert| alert.alert.subject == address);
    assert_eq!(of_mailbox.map(|alert| alert.alert.code.as_str()).collect::<Vec<_>>(), ["sender-refused"]);

    // One that is taken ends the row.
    world.post.obey();
    world.clock.set(NOW.plus(10 * MINUTE));
    world.queue(address, "mail").await;
    assert_eq!(world.once().await.sent, 1);
    refuses_senders(&world);
    world.queue(address, "mail").await;
    assert_eq!(world.once().await.failures, 0);
    assert_eq!(world.mailbox(address).await.outgoing.care.senders_refused, 1);
}

#[tokio::test]
async fn who_sent_too_fast_sends_slowly_also_after_a_restart() {
    let world = World::new(&[sending_profile("a")], 1).await;
    let address = "m0@example.org";
    world.post.direct(|_, step| {
        let failure = Failure::new(FailureCode::SendingThrottled, Scope::Mailbox, Persistence::Throttled, "slowly");
        (step == PostStep::Begin).then_some(PostFault::Fail(failure))
    });
    world.queue(address, "mail").await;
    world.once().await;
    world.post.obey();
    world.clock.set(NOW.plus(60 * MINUTE));
    world.queue(address, "mail").await;
    let begin = std::time::Instant::now();
    assert_eq!(world.once().await.sent, 2);
    assert!(begin.elapsed() > Duration::from_secs(2), "28 a minute");
    assert!(world.mailbox(address).await.outgoing.care.is_slow(world.clock.now()));
}

//! Messages that were set aside and are tried again, because somebody asked for it.

use std::{collections::BTreeSet, sync::Arc};

use mailsyncd::{
    model::{
        audit::Actor,
        cursor::InFlight,
        failure::{Failure, FailureCode},
        rules::ReceiveRules,
        uid::Uid,
    },
    store::{AlertFilter, RetryRequest, SetAsideRow},
};

use super::{
    cases::{counts, everywhere},
    maildrop::Maildrop,
    stop::survives,
    world::{NOW, World},
};
use crate::support::sim_server::failure;

/// Longer than the limit of a world.
fn large(world: &World) -> String {
    format!("{}{}", world.mail("large"), "line of text\r\n".repeat(1_000))
}

/// The limit is raised so far that it fits.
fn raise_limit(world: &mut World) {
    world.policy.rules = Arc::new(ReceiveRules { maximum_message_size: 100_000, ..ReceiveRules::default() });
}

async fn ask(world: &World) -> Vec<SetAsideRow> {
    let request = RetryRequest { mailboxes: BTreeSet::from([world.mailbox]), ..RetryRequest::default() };
    world.context.store.request_retries(&request, &Actor::Configuration, NOW).await.unwrap()
}

async fn aside(world: &World) -> Vec<SetAsideRow> {
    world.context.store.set_aside(Some(world.mailbox)).await.unwrap()
}

async fn open_alerts(world: &World) -> Vec<String> {
    let filter = AlertFilter { mailbox: Some(world.address.clone()), ..AlertFilter::default() };
    let alerts = world.context.store.alerts(&filter).await.unwrap();
    alerts.into_iter().map(|detail| detail.alert.code.to_string()).collect()
}

#[tokio::test]
async fn what_was_too_large_is_recorded_once_it_fits() {
    everywhere(async |world| {
        world.deliver(&["one"]);
        let mail = large(world);
        world.inbox(|inbox| inbox.deliver(mail, NOW));
        world.deliver(&["three"]);
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 1));
        assert_eq!(open_alerts(world).await, ["message-too-large"]);

        // Not by itself: somebody has to ask, and as long as it does not fit it stays where it is.
        assert_eq!(ask(world).await.len(), 1);
        assert!(aside(world).await[0].retry_requested_at.is_some());
        assert_eq!(counts(&world.good_cycle().await), (0, 0, 0, 1));
        assert_eq!(aside(world).await[0].retry_requested_at, None);
        raise_limit(world);
        assert!(!world.good_cycle().await.did_something());

        ask(world).await;
        world.deliver(&["four"]);
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 0));
        let expected = ["1 recorded one", "2 recorded large", "3 recorded three", "4 recorded four"];
        assert_eq!(world.present().await, expected);
        assert_eq!(open_alerts(world).await, Vec::<String>::new());
        assert!(!world.good_cycle().await.did_something());
        assert_eq!(world.inbox(|inbox| inbox.message(2).fetched), 1);
        assert!(ask(world).await.is_empty(), "nothing is set aside any more");
    })
    .await;
}

#[tokio::test]
async fn the_same_in_a_maildrop() {
    everywhere(async |world| {
        let mail = large(world);
        raise_limit(world);
        let limit = world.policy.rules.clone();
        world.policy.rules = Arc::new(ReceiveRules { maximum_message_size: 10_000, ..ReceiveRules::default() });
        let maildrop = Maildrop::of(world);
        maildrop.deliver(&["one"]);
        maildrop.change(|drop| drop.deliver("name of large", mail));
        maildrop.deliver(&["three"]);
        assert_eq!(counts(&maildrop.good_visit().await), (2, 0, 0, 1));
        maildrop.world.policy.rules = limit;
        maildrop.change(|drop| drop.messages.remove(0));
        ask(maildrop.world).await;
        assert_eq!(counts(&maildrop.good_visit().await), (1, 0, 0, 0));
        let expected = ["1 recorded one", "2 recorded large", "3 recorded three"];
        assert_eq!(maildrop.world.present().await, expected);
        assert!(!maildrop.good_visit().await.did_something());
    })
    .await;
}

#[tokio::test]
async fn what_is_gone_stays_set_aside_and_says_so() {
    everywhere(async |world| {
        let mail = large(world);
        world.inbox(|inbox| inbox.deliver(mail, NOW));
        world.deliver(&["two"]);
        world.good_cycle().await;
        raise_limit(world);
        world.inbox(|inbox| inbox.expunge(1));
        for _ in 0..2 {
            ask(world).await;
            assert_eq!(counts(&world.good_cycle().await), (0, 0, 0, 1));
            let rows = aside(world).await;
            assert_eq!(rows[0].failure_code, FailureCode::MessageTooLarge);
            let words = &rows[0].failure_detail;
            assert!(words.ends_with("; tried again: it is gone from the server"), "{words}");
            assert_eq!(words.matches("tried again").count(), 1, "{words}");
            assert_eq!(open_alerts(world).await, ["message-too-large"]);
        }
        assert!(!world.good_cycle().await.did_something());
    })
    .await;
}

/// Delivers a message whose listed size is not the true one: it is fetched, found too large, and kept.
fn deliver_unexpected(world: &World) {
    let mail = large(world);
    world.inbox(|inbox| {
        let uid = inbox.deliver(mail, NOW);
        inbox.message(uid).claimed_size = Some(100);
    });
}

#[tokio::test]
async fn what_is_kept_is_read_from_there_wherever_the_message_is() {
    everywhere(async |world| {
        deliver_unexpected(world);
        world.deliver(&["two"]);
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 1));
        assert!(aside(world).await[0].source_sha256.is_some());
        ask(world).await;
        assert_eq!(counts(&world.good_cycle().await), (0, 0, 0, 1), "as large as before");
        assert!(aside(world).await[0].source_sha256.is_some());

        raise_limit(world);
        world.inbox(|inbox| inbox.expunge(1));
        world.inbox(|inbox| inbox.renumber(2));
        assert_eq!(counts(&world.good_cycle().await), (0, 1, 0, 0));
        assert!(!world.good_cycle().await.did_something());
        ask(world).await;
        let before = world.cursor().await;
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 0));
        assert_eq!(world.ledger().await, ["1.0/1 recorded large", "1.0/2 recorded two", "2.1/1 recorded copy two"]);
        assert_eq!(world.cursor().await, before, "its number is none of this numbering");
        assert_eq!(open_alerts(world).await, Vec::<String>::new());
        assert!(!world.good_cycle().await.did_something());
    })
    .await;
}

#[tokio::test]
async fn what_was_never_read_under_an_older_number_is_looked_for_under_none() {
    everywhere(async |world| {
        let mail = large(world);
        world.inbox(|inbox| inbox.deliver(mail, NOW));
        world.good_cycle().await;
        raise_limit(world);
        world.inbox(|inbox| inbox.renumber(2));
        ask(world).await;
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 1));
        assert_eq!(world.ledger().await, ["1.0/1 set_aside message-too-large", "2.1/1 recorded large"]);
        let words = &aside(world).await[0].failure_detail;
        assert!(words.contains("read under its new number"), "{words}");
    })
    .await;
}

#[tokio::test]
async fn what_ends_every_visit_is_given_up_and_delays_no_other() {
    for code in [FailureCode::ConnectionLost, FailureCode::Timeout, FailureCode::ProtocolViolation] {
        everywhere(async |world| {
            let mail = large(world);
            world.inbox(|inbox| inbox.deliver(mail, NOW));
            world.good_cycle().await;
            raise_limit(world);
            world.inbox(|inbox| {
                inbox.message(1).breaks = Some(Failure { text: "the server's words".into(), ..failure(code) });
            });
            ask(world).await;
            for new in ["two", "three", "four"] {
                world.deliver(&[new]);
                let report = world.cycle().await;
                assert_eq!(report.failure.as_ref().map(|failure| failure.code), Some(code), "{report:?}");
                assert_eq!(report.recorded, 1, "new mail waits for nothing");
            }
            world.good_cycle().await;
            assert!(!world.good_cycle().await.did_something(), "it is not tried a fourth time");
            let rows = aside(world).await;
            assert_eq!((rows.len(), rows[0].retry_requested_at), (1, None));
            assert_eq!(world.inbox(|inbox| inbox.message(1).fetched), 3);

            // Who asks again gives it as many attempts again.
            world.inbox(|inbox| inbox.message(1).breaks = None);
            ask(world).await;
            assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 0));
        })
        .await;
    }
}

#[tokio::test]
async fn what_kills_the_parser_again_is_not_read_for_ever() {
    everywhere(async |world| {
        deliver_unexpected(world);
        world.good_cycle().await;
        raise_limit(world);
        ask(world).await;
        let (uid, store) = (Uid::new(1).unwrap(), &world.context.store);
        for attempts in 1..=3 {
            let claimed = world.claim().await;
            let numbering = claimed.cursor.unwrap().numbering();
            store.begin_retry(claimed.fence, numbering, uid).await.unwrap();
            let marker = InFlight { first: uid, last: uid, attempts };
            store.mark_in_flight(claimed.fence, Some(marker)).await.unwrap();
        }
        assert_eq!(counts(&world.good_cycle().await), (0, 0, 0, 1));
        let rows = aside(world).await;
        assert_eq!(rows[0].failure_code, FailureCode::MessagePoison);
        assert!(rows[0].source_sha256.is_some(), "the source is not lost on the way");
        assert_eq!(open_alerts(world).await, ["message-poison"]);
        assert_eq!(world.marker().await, None);
        assert!(!world.good_cycle().await.did_something());
    })
    .await;
}

/// Asked for: one to be fetched, one that is kept, one that fails again, one that is gone.
async fn asked_again(world: &mut World) {
    let (mail, malformed) = (large(world), format!("{}\r\n\r\n", "Subject: x\r\n".repeat(3_000)).into_bytes());
    world.deliver(&["one"]);
    world.inbox(|inbox| inbox.deliver(mail.clone(), NOW));
    let mut other = mail.replace("large", "other");
    deliver_unexpected(world);
    world.inbox(|inbox| {
        inbox.deliver(malformed, NOW);
        inbox.deliver(std::mem::take(&mut other), NOW);
    });
    world.good_cycle().await;
    world.inbox(|inbox| inbox.expunge(5));
    raise_limit(world);
    world.deliver(&["six"]);
    assert_eq!(ask(world).await.len(), 4);
}

#[tokio::test]
async fn trying_again_survives_a_cut_anywhere() {
    survives("asked again", asked_again).await;
}

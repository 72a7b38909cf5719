//! Numbers that a server takes back, gives out again or shows late.

use super::*;

#[tokio::test]
async fn a_new_uid_validity_links_what_is_known_without_fetching_it() {
    everywhere(async |world| {
        world.deliver(&["one", "two", "three"]);
        let plain = world.plain_mail("plain");
        world.inbox(|inbox| inbox.deliver(plain, NOW));
        world.good_cycle().await;
        world.inbox(|inbox| {
            inbox.expunge(1);
            inbox.renumber(9);
        });
        world.deliver(&["five"]);
        let report = world.good_cycle().await;
        assert_eq!(report.started_over, Some("uid_validity_changed"));
        assert_eq!(counts(&report), (1, 3, 0, 0));
        let fetched = world.inbox(|inbox| inbox.messages.values().map(|m| m.fetched).collect::<Vec<_>>());
        assert_eq!(fetched, [1, 1, 2, 1], "only the mail without Message-ID was fetched again");
        let expected = ["1 recorded copy two", "2 recorded copy three", "3 recorded copy plain", "4 recorded five"];
        assert_eq!(world.present().await, expected);
        assert_eq!(world.ledger().await.len(), 8, "the old rows stay");
        assert_eq!(world.activities().await.len(), 5);
        assert!(world.good_cycle().await.started_over.is_none());
        assert!(world.cursor().await[0].starts_with("9 1 4 4 "), "{:?}", world.cursor().await);
    })
    .await;
}

#[tokio::test]
async fn uids_given_out_again_are_noticed() {
    everywhere(async |world| {
        world.deliver(&["one", "two", "three"]);
        world.good_cycle().await;
        world.inbox(|inbox| {
            inbox.expunge(1);
            inbox.expunge(2);
            inbox.renumber_silently();
        });
        world.deliver(&["four"]);
        let report = world.good_cycle().await;
        assert_eq!((report.started_over, counts(&report)), (Some("uid_next_decreased"), (1, 1, 0, 0)));
        assert_eq!(world.present().await, ["1 recorded copy three", "2 recorded four"]);
        assert_eq!(world.activities().await.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_never_keeps_uids_is_given_up_and_gets_another_chance() {
    everywhere(async |world| {
        world.deliver(&["one"]);
        world.good_cycle().await;
        for uid_validity in 2..=6 {
            world.inbox(|inbox| inbox.renumber(uid_validity));
            assert!(world.good_cycle().await.started_over.is_some());
        }
        world.inbox(|inbox| inbox.renumber(7));
        let failure = world.cycle().await.failure.unwrap();
        assert_eq!((failure.code, failure.scope), (FailureCode::UidsNotKept, Scope::Mailbox));
        assert_eq!(failure.persistence, Persistence::Permanent);
        assert_eq!(world.ledger().await.len(), 6);

        world.deliver(&["two"]);
        assert_eq!(counts(&world.good_cycle().await), (1, 1, 0, 0));
        assert_eq!(world.activities().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn without_uid_next_everything_is_found_once() {
    everywhere(async |world| {
        world.inbox(|inbox| inbox.shown_uid_next = UidNext::Absent);
        for expected in 1..=3 {
            world.deliver(&[["one", "two", "three"][expected - 1]]);
            assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 0));
            assert!(!world.good_cycle().await.did_something());
            assert_eq!(world.present().await.len(), expected);
        }
        assert!(world.cursor().await[0].starts_with("1 0 3 3 "), "the cursor does not run ahead");
    })
    .await;
}

#[tokio::test]
async fn a_message_that_shows_late_is_found() {
    everywhere(async |world| {
        world.deliver(&["one", "late", "three"]);
        world.inbox(|inbox| inbox.message(2).hidden = true);
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 0));
        world.inbox(|inbox| inbox.message(2).hidden = false);
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 0));
        assert_eq!(world.present().await, ["1 recorded one", "2 recorded late", "3 recorded three"]);

        // One that shows while another goes away changes no number at all.
        world.deliver(&["later", "five"]);
        world.inbox(|inbox| inbox.message(4).hidden = true);
        world.good_cycle().await;
        world.inbox(|inbox| {
            inbox.message(4).hidden = false;
            inbox.expunge(1);
        });
        assert!(!world.good_cycle().await.did_something());
        world.context.clock.set(NOW.plus(Duration::from_secs(3_600)));
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_shows_far_below_is_found_by_the_count() {
    everywhere(async |world| {
        world.deliver(&["late", "two"]);
        world.inbox(|inbox| {
            inbox.message(1).hidden = true;
            inbox.next_uid = 2_000;
        });
        world.deliver(&["far"]);
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 0));
        world.inbox(|inbox| inbox.message(1).hidden = false);
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 0));
        assert_eq!(world.present().await, ["1 recorded late", "2 recorded two", "2000 recorded far"]);

        // Also when new mail comes at the same time.
        world.inbox(|inbox| {
            let late = inbox.messages[&1].clone();
            let raw = String::from_utf8(late.raw.clone()).unwrap().replace("late", "later");
            inbox.messages.insert(7, SimMessage { uid: 7, raw: raw.into_bytes(), ..late });
        });
        world.deliver(&["new"]);
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 0));
        assert_eq!(world.activities().await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_message_deleted_before_it_could_be_read_is_noted() {
    everywhere(async |world| {
        world.deliver(&["one", "two", "three"]);
        world.server.direct(|_, step, inbox| {
            if step == Step::Request {
                inbox.expunge(2);
            }
            None
        });
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 1, 0));
        assert_eq!(world.present().await, ["1 recorded one", "2 ignored vanished", "3 recorded three"]);
        world.server.obey();
        world.good_cycle().await;
        assert!(!world.good_cycle().await.did_something());
    })
    .await;
}

#[tokio::test]
async fn a_message_that_vanished_and_is_there_again_is_recorded() {
    everywhere(async |world| {
        world.deliver(&["one", "flickering", "three"]);
        world.server.direct(|_, step, inbox| {
            inbox.message(2).hidden |= step == Step::Request;
            inbox.message(2).mute = inbox.message(2).hidden;
            None
        });
        world.good_cycle().await;
        assert_eq!(world.present().await[1], "2 ignored vanished");
        world.server.obey();
        world.inbox(|inbox| (inbox.message(2).hidden, inbox.message(2).mute) = (false, false));
        world.context.clock.set(NOW.plus(Duration::from_secs(3_600)));
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 0));
        assert_eq!(world.present().await[1], "2 recorded flickering");
        assert!(!world.good_cycle().await.did_something());
    })
    .await;
}

#[tokio::test]
async fn a_message_never_given_is_set_aside_and_one_given_at_last_is_recorded() {
    everywhere(async |world| {
        world.deliver(&["one", "mute", "shy", "four", "five"]);
        world.inbox(|inbox| {
            inbox.message(2).mute = true;
            inbox.message(3).mute = true;
        });
        let mut repeated = 0;
        world.server.direct(move |_, step, inbox| {
            // The third time that the shy one is listed, it speaks.
            repeated += usize::from(step == Step::List);
            inbox.message(3).mute = repeated < 5;
            None
        });
        assert_eq!(counts(&world.good_cycle().await), (4, 0, 0, 1));
        let expected = [
            "1 recorded one",
            "2 set_aside message-unanswered",
            "3 recorded shy",
            "4 recorded four",
            "5 recorded five",
        ];
        assert_eq!(world.present().await, expected);
    })
    .await;
}

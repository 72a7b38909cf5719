//! One scenario a test, each on both databases.

mod numbers;

use std::{pin::pin, time::Duration};

use mailsyncd::{
    base::tasks::Tasks,
    model::{
        failure::{FailureCode, Persistence, Scope},
        report::CycleReport,
    },
    receive::{cycle::receive, policy::Steps},
};

use super::{
    database::on_both,
    stop::stop_after,
    world::{NOW, START, World, leave},
};
use crate::support::sim_server::{Fault, SimMessage, Step, UidNext, failure};

/// Runs the scenario in a world of its own on each database.
pub async fn everywhere(scenario: impl AsyncFn(&mut World)) {
    for database in on_both().await {
        scenario(&mut World::new(&database).await).await;
        assert_eq!(database.store.check().await.unwrap(), Vec::<String>::new(), "the database contradicts itself");
    }
}

pub fn counts(report: &CycleReport) -> (u64, u64, u64, u64) {
    (report.recorded, report.linked, report.ignored, report.set_aside)
}

#[tokio::test]
async fn mail_becomes_activities_once() {
    everywhere(async |world| {
        world.deliver(&["one", "two", "three"]);
        let plain = world.plain_mail("plain");
        world.inbox(|inbox| {
            inbox.deliver(plain, NOW);
            inbox.message(4).internal_date = None;
        });
        let report = world.good_cycle().await;
        assert_eq!((counts(&report), report.more), ((4, 0, 0, 0), false));
        assert_eq!(report.bytes, world.inbox(|inbox| inbox.messages.values().map(|m| m.raw.len() as u64).sum::<u64>()));
        let expected = ["1 recorded one", "2 recorded two", "3 recorded three", "4 recorded plain"];
        assert_eq!(world.present().await, expected);
        assert_eq!(world.activities().await.len(), 4);
        assert!(world.activities().await.iter().all(|row| row.ends_with("parties 2 attachments 0")));

        let again = world.good_cycle().await;
        assert!(!again.did_something(), "{again:?}");
        assert_eq!(world.inbox(|inbox| inbox.times(Step::Open)), 1, "a look was enough");
    })
    .await;
}

#[tokio::test]
async fn an_empty_inbox_is_looked_at_and_no_more() {
    everywhere(async |world| {
        assert!(!world.good_cycle().await.did_something());
        assert!(!world.good_cycle().await.did_something());
        assert_eq!(world.inbox(|inbox| (inbox.times(Step::Open), inbox.times(Step::Request))), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn one_mail_in_two_mailboxes_is_one_activity() {
    everywhere(async |world| {
        let other = World::beside(world).await;
        let mail = world.mail("shared");
        let with_trace = format!("Received: from elsewhere\r\n{mail}");
        world.inbox(|inbox| {
            inbox.deliver(mail.clone(), NOW);
            inbox.deliver(mail, NOW);
        });
        other.inbox(|inbox| inbox.deliver(with_trace, NOW));
        assert_eq!(counts(&world.good_cycle().await), (1, 1, 0, 0));
        assert_eq!(counts(&other.good_cycle().await), (0, 1, 0, 0));
        assert_eq!(world.activities().await, ["shared parties 2 attachments 0"]);
        assert_eq!(world.present().await, ["1 recorded shared", "2 recorded copy shared"]);
        assert_eq!(other.present().await, ["1 recorded copy shared"]);
    })
    .await;
}

#[tokio::test]
async fn a_message_id_alone_does_not_make_two_mails_one() {
    everywhere(async |world| {
        let mail = world.mail("one");
        let forged = mail.replace("Text of", "Other text of");
        world.inbox(|inbox| {
            inbox.deliver(mail, NOW);
            inbox.deliver(forged, NOW);
        });
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_set_aside_and_passed() {
    everywhere(async |world| {
        world.deliver(&["one"]);
        world.inbox(|inbox| {
            inbox.deliver("x".repeat(10_001), NOW);
            inbox.deliver("A:\r\n".repeat(2_100), NOW);
            inbox.deliver("x".repeat(10_002), NOW);
            inbox.message(4).claimed_size = Some(9);
        });
        world.deliver(&["five"]);
        let report = world.good_cycle().await;
        assert_eq!(counts(&report), (2, 0, 0, 3));
        let expected = [
            "1 recorded one",
            "2 set_aside message-too-large",
            "3 set_aside message-unparsable",
            "4 set_aside message-too-large",
            "5 recorded five",
        ];
        assert_eq!(world.present().await, expected);
        assert_eq!(world.inbox(|inbox| inbox.message(2).fetched), 0, "not even fetched");
        let rows = world.context.store.set_aside(Some(world.mailbox)).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.source_sha256.is_some()).collect::<Vec<_>>(), [false, true, true]);
    })
    .await;
}

#[tokio::test]
async fn mail_before_the_starting_point_waits_until_that_moves_back() {
    everywhere(async |world| {
        let (older, old) = (world.mail("older"), world.mail("old"));
        world.inbox(|inbox| {
            inbox.deliver(older, START.minus(Duration::from_secs(100)));
            inbox.deliver(old, START.minus(Duration::from_secs(50)));
        });
        world.deliver(&["new"]);
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 2, 0));
        assert_eq!(world.inbox(|inbox| inbox.message(1).fetched), 0);

        world.policy.starting_point = START.minus(Duration::from_secs(50));
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 0));
        let expected = ["1 ignored before_starting_point", "2 recorded old", "3 recorded new"];
        assert_eq!(world.present().await, expected);

        // Forward and back again, with mail in between.
        world.policy.starting_point = NOW.plus(Duration::from_secs(60));
        world.deliver(&["between"]);
        assert_eq!(counts(&world.good_cycle().await), (0, 0, 1, 0));
        world.policy.starting_point = START.minus(Duration::from_secs(200));
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 0));
        assert!(!world.good_cycle().await.did_something());
        assert_eq!(world.activities().await.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_message_of_unknown_size_is_fetched_within_the_limits() {
    everywhere(async |world| {
        let small = world.mail("small");
        world.inbox(|inbox| {
            for raw in [small, "x".repeat(10_001), "x".repeat(30_000)] {
                let uid = inbox.deliver(raw, NOW);
                inbox.message(uid).claimed_size = Some(0);
            }
        });
        world.deliver(&["four"]);
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 2));
        let expected =
            ["1 recorded small", "2 set_aside message-too-large", "3 set_aside message-too-large", "4 recorded four"];
        assert_eq!(world.present().await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_cycle_stops_at_its_limits_and_goes_on() {
    everywhere(async |world| {
        world.deliver(&["one", "two", "three", "four", "five"]);
        world.policy.steps = Steps { maximum_batches: 1, ..world.policy.steps };
        let mut rows = Vec::new();
        for more in [true, true, false] {
            let report = world.good_cycle().await;
            assert_eq!(report.more, more);
            rows.push(world.present().await.len());
        }
        assert_eq!(rows, [2, 4, 5]);
        assert!(!world.good_cycle().await.did_something());

        world.deliver(&["six", "seven", "eight"]);
        world.context.stop.cancel();
        let report = world.good_cycle().await;
        assert_eq!((report.more, counts(&report)), (true, (0, 0, 0, 0)));
    })
    .await;
}

#[tokio::test]
async fn a_cycle_stops_when_its_time_is_up() {
    everywhere(async |world| {
        world.deliver(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]);
        let (clock, limit) = (world.context.clock.clone(), world.policy.steps.time_limit);
        world.server.direct(move |_, step, _| {
            if step == Step::Receive {
                clock.set(NOW.plus(limit));
            }
            None
        });
        let report = world.good_cycle().await;
        assert!(report.more && report.recorded >= 2, "{report:?}");
        world.server.obey();
        assert!(!world.good_cycle().await.more);
        assert_eq!(world.activities().await.len(), 12);
    })
    .await;
}

#[tokio::test]
async fn a_broken_connection_keeps_what_was_committed() {
    for step in [Step::Look, Step::Open, Step::List, Step::Request, Step::Receive] {
        for fault in [Fault::DropBefore, Fault::DropAfter, Fault::Stall(3)] {
            everywhere(async |world| {
                world.deliver(&["zero"]);
                world.good_cycle().await;
                world.deliver(&["one", "two", "three", "four", "five"]);
                let (fault, mut left) = (fault.clone(), i32::from(step == Step::Receive));
                let code = if let Fault::Stall(_) = fault { FailureCode::Timeout } else { FailureCode::ConnectionLost };
                world.server.direct(move |_, at, _| {
                    left -= i32::from(at == step);
                    (at == step && left < 0).then(|| fault.clone())
                });
                let report = world.cycle().await;
                assert_eq!(report.failure.as_ref().map(|failure| failure.code), Some(code), "{step:?}");
                if step == Step::Receive {
                    assert_eq!(report.recorded, 2, "the batch received before is kept");
                }
                world.server.obey();
                world.good_cycle().await;
                assert_eq!(world.activities().await.len(), 6);
                assert_eq!(world.present().await.len(), 6);
            })
            .await;
        }
    }
}

#[tokio::test]
async fn the_servers_words_for_a_refusal_come_through() {
    everywhere(async |world| {
        let refusal = failure(FailureCode::InboxUnavailable);
        let expected = refusal.clone();
        world.server.direct(move |_, step, _| (step == Step::Open).then(|| Fault::Refuse(refusal.clone())));
        assert_eq!(world.cycle().await.failure, Some(expected));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_kills_the_process_is_set_aside_unparsed() {
    everywhere(async |world| {
        world.deliver(&["one", "poison", "three"]);
        // Each death comes while the poison is being parsed: the marker stands, for what comes next too, and
        // nothing is committed.
        for marker in ["1 3 1", "2 2 2", "2 2 3"] {
            let (claimed, source) = (world.claim().await, world.source());
            let mut cycle = pin!(receive(&world.context, &claimed, &world.policy, source, leave));
            while world.marker().await.as_deref() != Some(marker) {
                let ended = stop_after(cycle.as_mut(), 1).await;
                assert!(ended.is_none(), "never saw {marker}");
            }
        }
        assert_eq!(counts(&world.good_cycle().await), (1, 0, 0, 1));
        let expected = ["1 recorded one", "2 set_aside message-poison", "3 recorded three"];
        assert_eq!(world.present().await, expected);
        let rows = world.context.store.set_aside(Some(world.mailbox)).await.unwrap();
        assert!(rows[0].source_sha256.is_some(), "its source is kept");
    })
    .await;
}

#[tokio::test]
async fn a_lost_lease_writes_nothing() {
    everywhere(async |world| {
        world.deliver(&["one", "two", "three"]);
        let stale = world.claim().await;
        world.claim().await;
        let report = receive(&world.context, &stale, &world.policy, world.source(), leave).await;
        assert_eq!(report.failure.unwrap().scope, Scope::Mailbox);
        assert_eq!(world.ledger().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_message_the_database_refuses_does_not_stop_the_others() {
    everywhere(async |world| {
        world.deliver(&["one", "cursed", "three"]);
        world.policy.steps.batch_messages = 10;
        world.database.refuse_subjects_with("cursed").await;
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 1));
        let expected = ["1 recorded one", "2 set_aside internal-error", "3 recorded three"];
        assert_eq!(world.present().await, expected);
        assert!(!world.good_cycle().await.did_something());
    })
    .await;
}

#[tokio::test]
async fn a_fault_of_the_database_is_not_blamed_on_the_messages() {
    everywhere(async |world| {
        world.deliver(&["one", "two", "three"]);
        world.database.execute("ALTER TABLE email_parties RENAME TO elsewhere").await;
        let failure = world.cycle().await.failure.unwrap();
        assert_eq!((failure.code, failure.scope), (FailureCode::InternalError, Scope::Mailbox));
        assert_eq!(world.ledger().await, Vec::<String>::new());
        assert_eq!(world.marker().await, None, "nothing died");

        world.database.execute("ALTER TABLE elsewhere RENAME TO email_parties").await;
        assert_eq!(counts(&world.good_cycle().await), (3, 0, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_small_budget_only_slows_down() {
    everywhere(async |world| {
        world.context.budget = mailsyncd::means::budget::Budget::new(1);
        world.deliver(&["one", "two", "three", "four", "five"]);
        let mut other = World::new(&world.database).await;
        other.context.budget = world.context.budget.clone();
        other.deliver(&["one", "two", "three", "four", "five"]);
        let (first, second) = futures::join!(world.good_cycle(), other.good_cycle());
        assert_eq!((first.recorded, second.recorded), (5, 5));
    })
    .await;
}

#[tokio::test]
async fn a_cycle_runs_as_a_task() {
    for database in on_both().await {
        let world = World::new(&database).await;
        world.deliver(&["one"]);
        let report = Tasks::new().spawn("cycle", async move { world.good_cycle().await }).await.unwrap();
        assert_eq!(report.recorded, 1);
    }
}

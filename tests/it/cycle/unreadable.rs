//! Messages that a server does not give in a form that can be read: each breaks the conversation in
//! which it is asked for, and none may keep the others from being recorded.

use mailsyncd::model::failure::{Failure, FailureCode};

use super::{
    cases::{counts, everywhere},
    world::World,
};
use crate::support::sim_server::{Step, failure};

/// From now on the conversation breaks where message `uid` is asked for.
fn break_at(world: &World, uid: u32, code: FailureCode) {
    world.inbox(|inbox| {
        inbox.message(uid).breaks = Some(Failure { text: "the server's words".into(), ..failure(code) })
    });
}

async fn failing_cycle(world: &World, code: FailureCode) -> (u64, u64, u64, u64) {
    let report = world.cycle().await;
    assert_eq!(report.failure.as_ref().map(|failure| failure.code), Some(code), "{report:?}");
    counts(&report)
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_set_aside_after_three_attempts() {
    let codes = [
        FailureCode::ProtocolViolation,
        FailureCode::CommandRefused,
        FailureCode::ServerFault,
        FailureCode::MailboxCorrupt,
    ];
    for code in codes {
        everywhere(async |world| {
            world.deliver(&["one", "two", "three", "poison", "five", "six", "seven"]);
            break_at(world, 4, code);
            assert_eq!(failing_cycle(world, code).await, (2, 0, 0, 0));
            assert_eq!(world.marker().await.as_deref(), Some("3 7 1"), "everything that was asked for is suspect");
            assert_eq!(failing_cycle(world, code).await, (1, 0, 0, 0));
            assert_eq!(world.marker().await.as_deref(), Some("4 4 2"), "asked for alone");
            assert_eq!(failing_cycle(world, code).await, (0, 0, 0, 1));
            assert_eq!(world.marker().await, None);
            assert_eq!(counts(&world.good_cycle().await), (3, 0, 0, 0));

            let poison = "4 set_aside message-unanswered";
            assert_eq!(world.present().await[3], poison);
            assert_eq!(world.activities().await.len(), 6);
            assert_eq!(world.inbox(|inbox| inbox.message(4).fetched), 3);
            let aside = world.context.store.set_aside(Some(world.mailbox)).await.unwrap();
            assert!(aside[0].failure_detail.contains("the server's words"), "{:?}", aside[0].failure_detail);
            assert!(!world.good_cycle().await.did_something());
        })
        .await;
    }
}

#[tokio::test]
async fn several_unreadable_messages_hold_up_nothing_for_ever() {
    everywhere(async |world| {
        world.policy.steps.batch_messages = 5;
        world.deliver(&["bad", "two", "bad too", "four", "five", "six", "bad again"]);
        for uid in [1, 3, 7] {
            break_at(world, uid, FailureCode::ProtocolViolation);
        }
        let mut cycles = 0;
        while world.cycle().await.failure.is_some() {
            cycles += 1;
            assert!(cycles <= 9, "three attempts each");
        }
        assert_eq!(world.activities().await.len(), 4);
        assert_eq!(world.context.store.set_aside(Some(world.mailbox)).await.unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_can_be_read_at_last_is_recorded() {
    everywhere(async |world| {
        world.deliver(&["one", "shy", "three"]);
        break_at(world, 2, FailureCode::ServerFault);
        failing_cycle(world, FailureCode::ServerFault).await;
        failing_cycle(world, FailureCode::ServerFault).await;
        world.inbox(|inbox| inbox.message(2).breaks = None);
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 0));
        assert_eq!(world.marker().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_blamed_on_no_message() {
    everywhere(async |world| {
        world.deliver(&["one", "two"]);
        break_at(world, 2, FailureCode::ConnectionLost);
        for _ in 0..5 {
            assert_eq!(failing_cycle(world, FailureCode::ConnectionLost).await, (0, 0, 0, 0));
            assert_eq!(world.marker().await, None);
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_turns_up_late_or_is_given_only_alone_is_set_aside_too() {
    everywhere(async |world| {
        world.deliver(&["late", "two", "three"]);
        world.inbox(|inbox| inbox.message(1).hidden = true);
        world.good_cycle().await;
        break_at(world, 1, FailureCode::ProtocolViolation);
        world.inbox(|inbox| inbox.message(1).hidden = false);
        for _ in 0..3 {
            failing_cycle(world, FailureCode::ProtocolViolation).await;
        }
        assert!(world.good_cycle().await.failure.is_none());
        assert_eq!(world.present().await[0], "1 set_aside message-unanswered");

        // Silent among others; asked for alone it breaks the conversation.
        world.deliver(&["four", "five"]);
        world.inbox(|inbox| inbox.message(5).mute = true);
        break_at(world, 5, FailureCode::ProtocolViolation);
        let mut asked = 0;
        world.server.direct(move |_, step, inbox| {
            asked += usize::from(step == Step::Receive);
            inbox.message(5).mute = asked <= 1;
            None
        });
        for _ in 0..3 {
            failing_cycle(world, FailureCode::ProtocolViolation).await;
        }
        world.good_cycle().await;
        let expected = ["4 recorded four", "5 set_aside message-unanswered"];
        assert_eq!(world.present().await[3..], expected);
    })
    .await;
}

#[tokio::test]
async fn one_whose_header_cannot_be_read_does_not_stop_a_start_over() {
    everywhere(async |world| {
        world.deliver(&["one", "bad", "three"]);
        world.good_cycle().await;
        world.inbox(|inbox| inbox.renumber(2));
        break_at(world, 2, FailureCode::ProtocolViolation);
        let mut cycles = 0;
        while world.cycle().await.failure.is_some() {
            cycles += 1;
            assert!(cycles <= 3, "{:?}", world.marker().await);
        }
        assert_eq!(world.present().await[1], "2 set_aside message-unanswered");
        assert_eq!(world.activities().await.len(), 3);
    })
    .await;
}

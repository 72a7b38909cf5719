//! Recorded mail is deleted from its server where that is wanted, and no other mail ever.

use std::time::Duration;

use mailsyncd::{
    base::clock::Clock,
    model::failure::{Failure, FailureCode, Persistence, Scope},
};

use super::{
    cases::{counts, everywhere},
    maildrop::Maildrop,
    world::World,
};
use crate::support::{pop3_server::AtQuit, sim_server::Step};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

fn later(clock: &Clock, by: Duration) {
    clock.set(clock.now().plus(by));
}

fn uids(world: &World) -> Vec<u32> {
    world.inbox(|inbox| inbox.messages.keys().copied().collect())
}

/// What the ledger says of the copies on the server, by number.
async fn copies(world: &World) -> Vec<String> {
    world.database.rows(COPIES, &world.mailbox.to_string()).await
}

const COPIES: &str = "SELECT CAST(uid AS TEXT) || ' ' || coalesce(server_copy, '-') FROM inbox_ledger \
    WHERE CAST(mailbox AS TEXT) = $1 ORDER BY generation, uid";

const ALERTS: &str = "SELECT code || ' ' || CAST(count AS TEXT) || CASE WHEN closed_at IS NULL THEN '' ELSE ' closed' END \
    FROM alerts WHERE CAST(subject AS TEXT) = $1 ORDER BY id";

#[tokio::test]
async fn over_imap_only_what_was_recorded_long_enough_ago_is_deleted() {
    everywhere(async |world| {
        world.deliver(&["stays"]);
        world.good_cycle().await;
        world.policy.delete_after = Some(DAY);
        world.deliver(&["one", "two"]);
        let large = "x".repeat(11_000);
        world.inbox(|inbox| inbox.deliver(large, super::world::NOW));
        assert_eq!(counts(&world.good_cycle().await), (2, 0, 0, 1));
        later(&world.context.clock, DAY - HOUR);
        world.deliver(&["three"]);
        assert_eq!(world.good_cycle().await.deleted, 0);
        assert_eq!(uids(world), [1, 2, 3, 4, 5]);
        later(&world.context.clock, HOUR);
        // Nothing new: deletion needs no new mail.
        assert_eq!(world.good_cycle().await.deleted, 2);
        assert_eq!(uids(world), [1, 4, 5], "what was recorded before, or set aside, or just now, stays");
        assert_eq!(copies(world).await, ["1 -", "2 gone", "3 gone", "4 -", "5 due"]);
        assert!(!world.good_cycle().await.did_something());
        world.policy.delete_after = None;
        later(&world.context.clock, DAY);
        world.good_cycle().await;
        assert_eq!(uids(world), [1, 4, 5], "nobody wants it any more");
    })
    .await;
}

#[tokio::test]
async fn from_a_damaged_mailbox_nothing_is_deleted_and_nothing_is_forgotten() {
    everywhere(async |world| {
        world.policy.delete_after = Some(HOUR);
        world.policy.deletes_nothing = true;
        world.deliver(&["one"]);
        world.good_cycle().await;
        later(&world.context.clock, 2 * HOUR);
        assert_eq!(world.good_cycle().await.deleted, 0);
        assert_eq!(uids(world), [1]);
        world.policy.deletes_nothing = false;
        assert_eq!(world.good_cycle().await.deleted, 1, "what came meanwhile is deleted later");
        assert!(uids(world).is_empty());
    })
    .await;
}

#[tokio::test]
async fn another_message_under_a_recorded_number_is_not_deleted() {
    everywhere(async |world| {
        world.policy.delete_after = Some(HOUR);
        world.deliver(&["one", "two", "three"]);
        world.good_cycle().await;
        let other = world.mail("two").replace("Message-ID: <two", "Message-ID: <owt");
        world.inbox(|inbox| {
            inbox.message(2).raw = other.into_bytes();
            inbox.expunge(3);
        });
        later(&world.context.clock, HOUR);
        assert_eq!(world.good_cycle().await.deleted, 1);
        assert_eq!(uids(world), [2]);
        // The folder is rebuilt: the numbers of before mean nothing.
        world.deliver(&["four"]);
        world.good_cycle().await;
        world.inbox(|inbox| inbox.renumber(2));
        later(&world.context.clock, HOUR);
        let report = world.good_cycle().await;
        assert_eq!((report.started_over.is_some(), report.deleted), (true, 0));
        assert_eq!(uids(world), [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn where_nothing_can_be_deleted_mail_stays_and_one_alert_says_so() {
    everywhere(async |world| {
        world.policy.delete_after = Some(HOUR);
        world.deliver(&["one"]);
        world.good_cycle().await;
        let refused = Failure::new(FailureCode::DeletionRefused, Scope::Mailbox, Persistence::Permanent, "no UIDPLUS");
        world.inbox(|inbox| inbox.undeletable = Some(refused));
        later(&world.context.clock, HOUR);
        for _ in 0..3 {
            world.deliver(&["more"]);
            let report = world.good_cycle().await;
            assert_eq!(report.deleted, 0);
        }
        assert_eq!(uids(world), [1, 2, 3, 4]);
        let alerts = async |world: &World| world.database.rows(ALERTS, &world.mailbox.to_string()).await;
        assert_eq!(alerts(world).await, ["deletion-refused 3"]);
        world.inbox(|inbox| inbox.undeletable = None);
        assert_eq!(world.good_cycle().await.deleted, 1);
        assert_eq!(alerts(world).await, ["deletion-refused 3 closed"]);
        // A mailbox without the wish is not even asked.
        assert_eq!(world.inbox(|inbox| inbox.times(Step::Delete)), 4);
    })
    .await;
}

#[tokio::test]
async fn over_pop3_the_goodbye_decides_and_the_next_listing_tells() {
    everywhere(async |world| {
        world.policy.delete_after = Some(HOUR);
        let clock = world.context.clock.clone();
        let maildrop = Maildrop::of(world);
        maildrop.deliver(&["one", "two"]);
        assert_eq!(maildrop.good_visit().await.deleted, 0);
        later(&clock, HOUR);
        for at_quit in [AtQuit::BreaksBefore, AtQuit::Refuses] {
            maildrop.change(|maildrop| maildrop.at_quit = at_quit);
            maildrop.commands();
            assert_eq!(maildrop.good_visit().await.deleted, 2);
            let commands = maildrop.commands();
            assert_eq!(&commands[3..], ["LIST", "UIDL", "TOP", "TOP", "DELE", "DELE", "QUIT"], "{at_quit:?}");
            assert_eq!(maildrop.change(|maildrop| maildrop.messages.len()), 2);
            assert_eq!(copies(maildrop.world).await, ["1 pending", "2 pending"]);
        }
        maildrop.change(|maildrop| maildrop.at_quit = AtQuit::BreaksAfter);
        maildrop.good_visit().await;
        assert_eq!(maildrop.change(|maildrop| maildrop.messages.len()), 0);
        assert_eq!(copies(maildrop.world).await, ["1 pending", "2 pending"]);
        maildrop.change(|maildrop| maildrop.at_quit = AtQuit::Deletes);
        maildrop.deliver(&["three"]);
        assert_eq!(counts(&maildrop.good_visit().await), (1, 0, 0, 0));
        assert_eq!(copies(maildrop.world).await, ["1 gone", "2 gone", "3 due"]);
        assert_eq!(maildrop.world.activities().await.len(), 3);
        later(&clock, HOUR);
        assert_eq!(maildrop.good_visit().await.deleted, 1);
        assert!(!maildrop.good_visit().await.did_something());
        assert_eq!(copies(maildrop.world).await, ["1 gone", "2 gone", "3 gone"]);
    })
    .await;
}

#[tokio::test]
async fn over_pop3_another_message_under_a_recorded_name_is_not_deleted() {
    everywhere(async |world| {
        world.policy.delete_after = Some(HOUR);
        let clock = world.context.clock.clone();
        let maildrop = Maildrop::of(world);
        // Names that are mere numbers, given again as soon as they are free; and no TOP either.
        maildrop.change(|maildrop| maildrop.top = false);
        maildrop.deliver_as("1", "aaa");
        maildrop.deliver_as("2", "bbb");
        maildrop.good_visit().await;
        maildrop.change(|maildrop| maildrop.messages.clear());
        maildrop.deliver_as("1", "ccc");
        later(&clock, HOUR);
        assert_eq!(maildrop.good_visit().await.deleted, 0);
        assert_eq!(maildrop.change(|maildrop| maildrop.messages.len()), 1);
        assert_eq!(counts(&maildrop.good_visit().await), (1, 0, 0, 0), "it is a new message");
        later(&clock, HOUR);
        assert_eq!(maildrop.good_visit().await.deleted, 1);
        assert_eq!(maildrop.world.activities().await.len(), 3);
    })
    .await;
}

//! Cursors, commits and the ledger.

use std::collections::BTreeSet;

use mailsyncd::{
    model::{
        activity::{Committed, Fence, IgnoreReason, Verdict},
        cursor::{InFlight, ListedMessage},
        failure::FailureCode,
        ids::ActivityId,
        mailbox::{Mailbox, Workload},
        uid::UidValidity,
    },
    store::{KnownVerdict, Store, StoreError},
};

use super::fixtures::*;
use crate::support::databases::databases;

async fn one_mailbox(store: &Store) -> (Mailbox, Fence) {
    let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
    let fence = claim(store, mailbox.id, at(0)).await;
    store.start_cursor(fence, &cursor(0)).await.unwrap();
    (mailbox, fence)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_recorded_once_however_often_it_is_run() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence) = one_mailbox(store).await;
        let mut aside = entry(3, Verdict::SetAside(failure(FailureCode::MessageUnparsable)));
        aside.source = Some(source(3, 30));
        let ignored = entry(4, Verdict::Ignore(IgnoreReason::BeforeStartingPoint));
        let batch = commit(vec![record(1, 1), record(2, 2), aside, ignored], 4);
        let done = store.commit_batch(fence, &batch, at(1)).await.unwrap();
        assert_eq!(done, Committed { recorded: 2, linked: 0, ignored: 1, set_aside: 1 });
        let again = store.commit_batch(fence, &batch, at(2)).await.unwrap();
        assert_eq!(again, Committed::default());
        let uids = store.ledger_uids(mailbox.id, &cursor(0), 2, 9).await.unwrap();
        assert_eq!(uids, BTreeSet::from([uid(2), uid(3), uid(4)]));
        assert_eq!(store.status(at(2), HOUR).await.unwrap().activities, 2);
        assert_eq!(store.set_aside(Some(mailbox.id)).await.unwrap().len(), 1);
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
        let facts = store.facts(&[key(1), key(2), key(77)]).await.unwrap();
        assert_eq!(facts.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from([key(1), key(2)]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_mail_through_two_mailboxes_is_one_activity() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["a@example.org", "b@example.org"]).await;
        let (a, b) = (claim(store, boxes[0].id, at(0)).await, claim(store, boxes[1].id, at(0)).await);
        // In opposite orders, at once, over and over: one activity each, two ledger rows, no deadlock.
        for round in 0..20u32 {
            let first = round * 10 + 1;
            let mails: Vec<u64> = (0..10).map(|mail| u64::from(round * 10 + mail)).collect();
            let entries =
                |mails: Vec<u64>| (first..).zip(mails).map(|(number, mail)| record(number, mail)).collect::<Vec<_>>();
            let ours = commit(entries(mails.clone()), first + 9);
            let theirs = commit(entries(mails.into_iter().rev().collect()), first + 9);
            let (x, y) = tokio::join!(store.commit_batch(a, &ours, at(1)), store.commit_batch(b, &theirs, at(1)));
            let (x, y) = (x.unwrap(), y.unwrap());
            assert_eq!((x.recorded + y.recorded, x.linked + y.linked), (10, 10), "{x:?} {y:?}");
        }
        let list = store.activities(&mailsyncd::store::ActivityFilter { limit: 1_000, ..Default::default() }).await;
        let list = list.unwrap();
        assert_eq!(list.len(), 200);
        for row in list.iter().take(5) {
            let seen = store.activity(row.id).await.unwrap().unwrap().seen_in;
            let seen: BTreeSet<String> = seen.into_iter().map(|seen| seen.mailbox).collect();
            assert_eq!(seen.len(), 2);
        }
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_batch_may_have_a_mail_twice_and_links() {
    for database in databases().await {
        let store = &database.store;
        let (_, fence) = one_mailbox(store).await;
        let done = store.commit_batch(fence, &commit(vec![record(1, 5), record(2, 5)], 2), at(1)).await.unwrap();
        assert_eq!((done.recorded, done.linked), (1, 1));
        let id = store.facts(&[key(5)]).await.unwrap()[&key(5)];
        let linked = commit(vec![entry(3, Verdict::Link(id))], 3);
        assert_eq!(store.commit_batch(fence, &linked, at(1)).await.unwrap().linked, 1);
        let numbers: Vec<u32> =
            store.activity(id).await.unwrap().unwrap().seen_in.iter().map(|seen| seen.uid.get()).collect();
        assert_eq!(numbers, [1, 2, 3]);
        // A link to nowhere: nothing of its batch is written.
        let nowhere = commit(vec![record(4, 6), entry(5, Verdict::Link(ActivityId::generate(at(9))))], 5);
        let refused = store.commit_batch(fence, &nowhere, at(1)).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
        assert!(store.facts(&[key(6)]).await.unwrap().is_empty());
        // The commit after a failed one goes through.
        assert_eq!(store.commit_batch(fence, &commit(vec![record(4, 6)], 4), at(1)).await.unwrap().recorded, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_of_hostile_text_comes_back() {
    for database in databases().await {
        let store = &database.store;
        let (_, fence) = one_mailbox(store).await;
        let mut entries: Vec<_> = (1..=333).map(|number| record(number, u64::from(number))).collect();
        if let Verdict::Record(activity) = &mut entries[0].verdict {
            activity.message.subject = "a\0b'; DROP TABLE mailboxes; --".into();
            activity.message.html = None;
            activity.message.parties[0].display_name = "\u{202e}\0".into();
        }
        assert_eq!(store.commit_batch(fence, &commit(entries, 333), at(1)).await.unwrap().recorded, 333);
        let id = store.facts(&[key(1)]).await.unwrap()[&key(1)];
        let detail = store.activity(id).await.unwrap().unwrap();
        assert_eq!(detail.row.subject, "a\u{fffd}b'; DROP TABLE mailboxes; --");
        assert_eq!(detail.body_html, None);
        assert_eq!(detail.parties[0].party.display_name, "\u{202e}\u{fffd}");
        assert_eq!(store.source(id).await.unwrap().unwrap(), source(1, 40));
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fenced_write_fails_without_the_lease() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, stale) = one_mailbox(store).await;
        let fence = claim(store, mailbox.id, at(61)).await;
        assert_eq!(fence.epoch, stale.epoch + 1);
        let lost = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::LeaseLost)), "{result:?}");
        lost(store.start_cursor(stale, &cursor(0)).await);
        lost(store.save_cursor(stale, &cursor(0)).await);
        lost(store.mark_in_flight(stale, None).await);
        lost(store.commit_batch(stale, &commit(vec![record(1, 1)], 1), at(62)).await.map(|_| ()));
        assert!(store.facts(&[key(1)]).await.unwrap().is_empty());
        store.commit_batch(fence, &commit(vec![record(1, 1)], 1), at(62)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_moves_only_by_a_commit_and_never_back() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence) = one_mailbox(store).await;
        store.commit_batch(fence, &commit(vec![record(5, 5)], 5), at(1)).await.unwrap();
        let refused = store.save_cursor(fence, &cursor(6)).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
        let mut saved = cursor(5);
        saved.exists = 17;
        saved.compared_at = Some(at(3));
        store.save_cursor(fence, &saved).await.unwrap();
        // An older commit that is run again leaves the cursor where it is.
        store.commit_batch(fence, &commit(vec![record(3, 3)], 3), at(1)).await.unwrap();
        let marker = InFlight { first: uid(6), last: uid(9), attempts: 2 };
        store.mark_in_flight(fence, Some(marker)).await.unwrap();
        saved.in_flight = Some(marker);
        let node = mailsyncd::model::ids::NodeId::generate(at(0));
        let claimed = store
            .claim(Workload::Incoming, node, &[mailbox.id], at(100), std::time::Duration::from_secs(1))
            .await
            .unwrap();
        assert_eq!(claimed[0].cursor.as_ref(), Some(&saved));
        let fence = claimed[0].fence;
        saved.generation = 1;
        saved.uid_validity = UidValidity::new(u32::MAX).unwrap();
        saved.last_uid = 0;
        saved.in_flight = None;
        store.start_cursor(fence, &saved).await.unwrap();
        let claimed = store
            .claim(Workload::Incoming, node, &[mailbox.id], at(200), std::time::Duration::from_secs(1))
            .await
            .unwrap();
        assert_eq!(claimed[0].cursor.as_ref(), Some(&saved));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_skipped_may_be_recorded_later() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence) = one_mailbox(store).await;
        let skip = |number| entry(number, Verdict::Ignore(IgnoreReason::BeforeStartingPoint));
        let vanished = entry(4, Verdict::Ignore(IgnoreReason::Vanished));
        let batch = commit(vec![skip(1), skip(2), skip(3), vanished], 4);
        assert_eq!(store.commit_batch(fence, &batch, at(1)).await.unwrap().ignored, 4);
        assert_eq!(store.commit_batch(fence, &batch, at(1)).await.unwrap(), Committed::default());
        let since = |time| store.skipped_since(mailbox.id, &batch.cursor, time);
        assert_eq!(since(at(2)).await.unwrap(), [uid(2), uid(3)]);
        let late = commit(vec![record(2, 2), record(4, 4)], 4);
        // What vanished may be there again; it is the only row that does not count as one.
        let known = store.ledger_uids(mailbox.id, &batch.cursor, 1, 4).await.unwrap();
        assert_eq!(known.into_iter().collect::<Vec<_>>(), [uid(1), uid(2), uid(3)]);
        assert_eq!(store.commit_batch(fence, &late, at(2)).await.unwrap().recorded, 2);
        assert_eq!(store.commit_batch(fence, &late, at(2)).await.unwrap(), Committed::default());
        assert_eq!(since(at(2)).await.unwrap(), [uid(3)]);
        assert_eq!(store.ledger_uids(mailbox.id, &batch.cursor, 1, 4).await.unwrap().len(), 4);
        // A real verdict is final.
        assert_eq!(
            store.commit_batch(fence, &commit(vec![skip(2), record(4, 5)], 4), at(3)).await.unwrap(),
            Committed::default()
        );
        assert!(store.facts(&[key(5)]).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_known_again_after_a_start_over() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence) = one_mailbox(store).await;
        let aside = entry(2, Verdict::SetAside(failure(FailureCode::MessageTooLarge)));
        let skipped = entry(3, Verdict::Ignore(IgnoreReason::BeforeStartingPoint));
        store.commit_batch(fence, &commit(vec![record(1, 1), aside, skipped], 3), at(1)).await.unwrap();
        let mut new = cursor(0);
        new.generation = 1;
        store.start_cursor(fence, &new).await.unwrap();
        let listed = |number: u32, like: u32| ListedMessage {
            uid: uid(number),
            size: 1_000 + u64::from(like),
            internal_date: Some(at(i64::from(like))),
            uidl: None,
        };
        let other_size = ListedMessage { size: 1, ..listed(14, 1) };
        let dateless = ListedMessage { internal_date: None, ..listed(15, 1) };
        let all = [listed(11, 1), listed(12, 2), listed(13, 3), other_size, dateless];
        let copies = store.known_copies(mailbox.id, &new, &all).await.unwrap();
        assert_eq!(copies.iter().map(|copy| copy.uid.get()).collect::<Vec<_>>(), [11, 12, 13]);
        assert_eq!(copies[0].message_id.as_deref(), Some("1@example.org"));
        assert_eq!((copies[0].key, copies[0].verdict.clone()), (Some(key(1)), KnownVerdict::Recorded));
        assert_eq!(copies[0].activity, store.facts(&[key(1)]).await.unwrap().get(&key(1)).copied());
        let words = KnownVerdict::SetAside { code: FailureCode::MessageTooLarge, detail: "the words".into() };
        assert_eq!(copies[1].verdict, words);
        assert_eq!(copies[2].verdict, KnownVerdict::Ignored(IgnoreReason::BeforeStartingPoint));
        // Rows of the present generation are no copies.
        assert!(store.known_copies(mailbox.id, &cursor(0), &all).await.unwrap().is_empty());
    }
}

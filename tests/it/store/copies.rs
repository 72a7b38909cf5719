//! Messages as they lie on their servers: names in a maildrop, and copies that are to be deleted.

use mailsyncd::{
    model::{
        activity::{BatchCommit, Fence, IgnoreReason, LedgerEntry, Verdict},
        audit::Actor,
        cursor::Cursor,
        failure::FailureCode,
        mailbox::Mailbox,
        maildrop::{CopyState, DueCopy, Uidl, UidlName},
        uid::{Uid, UidValidity},
    },
    store::{Store, StoreError},
};

use super::fixtures::*;
use crate::support::databases::databases;

fn maildrop_cursor(last_uid: u32) -> Cursor {
    Cursor { uid_validity: UidValidity::FIRST_MAILDROP, ..cursor(last_uid) }
}

fn named(mut entry: LedgerEntry, name: u64, rank: u32) -> LedgerEntry {
    entry.uidl = Some(Uidl { name: UidlName(hash(name).0), rank });
    entry
}

async fn one_maildrop(store: &Store) -> (Mailbox, Fence) {
    let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
    let fence = claim(store, mailbox.id, at(0)).await;
    store.start_cursor(fence, &maildrop_cursor(0)).await.unwrap();
    (mailbox, fence)
}

fn batch(entries: Vec<LedgerEntry>, last_uid: u32, delete: bool) -> BatchCommit {
    BatchCommit { entries, delete, again: None, cursor: maildrop_cursor(last_uid) }
}

/// What is known of the maildrop: number, name, rank and size.
async fn known(store: &Store, mailbox: &Mailbox) -> Vec<(u32, u64, u32, u64)> {
    let names: Vec<_> = (0..20).map(|number| (UidlName(hash(number).0), number)).collect();
    let name = |uidl: Uidl| names.iter().find(|(hash, _)| *hash == uidl.name).unwrap().1;
    let known = store.maildrop(mailbox.id).await.unwrap().expect("a maildrop").known;
    let mut known: Vec<_> =
        known.into_iter().map(|mail| (mail.uid.get(), name(mail.uidl), mail.uidl.rank, mail.size)).collect();
    known.sort_unstable();
    known
}

async fn due(store: &Store, mailbox: &Mailbox, cursor: &Cursor, seconds: i64) -> Vec<u32> {
    let due = store.due_copies(mailbox.id, cursor, at(seconds), 10).await.unwrap();
    due.into_iter().map(|copy| copy.uid.get()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maildrop_is_known_by_its_names_until_they_are_gone() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence) = one_maildrop(store).await;
        let aside = entry(3, Verdict::SetAside(failure(FailureCode::MessageTooLarge)));
        let skipped = entry(4, Verdict::Ignore(IgnoreReason::BeforeStartingPoint));
        let vanished = entry(5, Verdict::Ignore(IgnoreReason::Vanished));
        let entries = vec![
            named(record(1, 1), 11, 0),
            named(record(2, 2), 11, 1),
            named(aside, 13, 0),
            named(skipped, 14, 0),
            named(vanished, 15, 0),
        ];
        let commit = batch(entries, 5, false);
        store.commit_batch(fence, &commit, at(1)).await.unwrap();
        store.commit_batch(fence, &commit, at(1)).await.unwrap();
        let all = [(1, 11, 0, 1_001), (2, 11, 1, 1_002), (3, 13, 0, 1_003), (4, 14, 0, 1_004)];
        assert_eq!(known(store, &mailbox).await, all);
        let maildrop = store.maildrop(mailbox.id).await.unwrap().unwrap();
        assert_eq!((maildrop.uid_validity, maildrop.last_uid), (UidValidity::FIRST_MAILDROP, 5));
        assert!(!maildrop.starts_over);

        store.mark_copies(fence, &maildrop_cursor(5), &[uid(1), uid(4)], CopyState::Gone).await.unwrap();
        assert_eq!(known(store, &mailbox).await, [(2, 11, 1, 1_002), (3, 13, 0, 1_003)]);
        // The name of what is gone, and of what vanished, may be given again; one that is there may not.
        let again = batch(vec![named(record(6, 6), 11, 0), named(record(7, 7), 15, 0)], 7, false);
        assert_eq!(store.commit_batch(fence, &again, at(2)).await.unwrap().recorded, 2);
        assert_eq!(known(store, &mailbox).await.len(), 4);
        let twice = batch(vec![named(record(8, 8), 13, 0)], 8, false);
        assert!(store.commit_batch(fence, &twice, at(2)).await.is_err());
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maildrop_is_that_of_the_cursor() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence) = one_maildrop(store).await;
        store.commit_batch(fence, &batch(vec![named(record(1, 1), 11, 0)], 1, false), at(1)).await.unwrap();
        let next = UidValidity::FIRST_MAILDROP.next_maildrop();
        let renamed = Cursor { uid_validity: next, generation: 1, starts_over: 1, ..cursor(0) };
        store.start_cursor(fence, &renamed).await.unwrap();
        let maildrop = store.maildrop(mailbox.id).await.unwrap().unwrap();
        assert_eq!((maildrop.uid_validity, maildrop.last_uid, maildrop.starts_over), (next, 0, true));
        assert!(maildrop.known.is_empty());
        // Its names may come back under another generation, as after a visit to IMAP.
        let back = BatchCommit { cursor: Cursor { last_uid: 1, ..renamed }, ..batch(Vec::new(), 0, false) };
        let again = BatchCommit { entries: vec![named(record(1, 1), 11, 0)], ..back };
        assert_eq!(store.commit_batch(fence, &again, at(2)).await.unwrap().linked, 1);
        let over_imap = Cursor { generation: 2, ..cursor(0) };
        store.start_cursor(fence, &over_imap).await.unwrap();
        assert_eq!(store.maildrop(mailbox.id).await.unwrap(), None);
        let other = with_other_mailbox(store).await;
        assert_eq!(store.maildrop(other).await.unwrap(), None);
    }
}

async fn with_other_mailbox(store: &Store) -> mailsyncd::model::ids::MailboxId {
    let profile = profile("other");
    let mailbox = mailbox("other@example.org", &profile);
    let put_profile =
        mailsyncd::model::record::RecordChange::PutProfile(profile, mailsyncd::model::record::CredentialSource::Stored);
    store.apply(&[put_profile, put(&mailbox)], &Actor::Configuration, at(0)).await.unwrap();
    mailbox.id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_recorded_to_be_deleted_is_due_and_only_in_time() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence) = one_maildrop(store).await;
        // Recorded before anybody wanted it deleted: it stays.
        store.commit_batch(fence, &batch(vec![named(record(1, 1), 11, 0)], 1, false), at(1)).await.unwrap();
        let id = store.facts(&[key(1)]).await.unwrap()[&key(1)];
        let aside = entry(4, Verdict::SetAside(failure(FailureCode::MessageTooLarge)));
        let skipped = entry(5, Verdict::Ignore(IgnoreReason::BeforeStartingPoint));
        let entries = vec![record(2, 2), entry(3, Verdict::Link(id)), aside, skipped];
        store.commit_batch(fence, &batch(entries, 5, true), at(10)).await.unwrap();
        store.commit_batch(fence, &batch(vec![record(6, 6)], 6, true), at(20)).await.unwrap();
        let cursor = maildrop_cursor(6);
        assert!(due(store, &mailbox, &cursor, 9).await.is_empty());
        assert_eq!(due(store, &mailbox, &cursor, 10).await, [2, 3]);
        assert_eq!(due(store, &mailbox, &cursor, 20).await, [2, 3, 6]);
        let first = store.due_copies(mailbox.id, &cursor, at(20), 1).await.unwrap();
        let expected =
            DueCopy { uid: uid(2), size: 1_002, internal_date: Some(at(2)), message_id: Some("2@example.org".into()) };
        assert_eq!(first, [expected]);

        store.mark_copies(fence, &cursor, &[uid(2)], CopyState::Pending).await.unwrap();
        assert_eq!(due(store, &mailbox, &cursor, 20).await, [2, 3, 6]);
        store.mark_copies(fence, &cursor, &[uid(2), uid(6)], CopyState::Gone).await.unwrap();
        assert_eq!(due(store, &mailbox, &cursor, 20).await, [3]);
        // Numbers of another generation name other messages.
        assert!(due(store, &mailbox, &Cursor { generation: 1, ..cursor.clone() }, 20).await.is_empty());
        // What was skipped, and recorded after all, is due from then on.
        store.commit_batch(fence, &batch(vec![record(5, 5)], 6, true), at(30)).await.unwrap();
        assert_eq!(due(store, &mailbox, &cursor, 30).await, [3, 5]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_marked_by_the_holder_of_the_lease_alone() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, stale) = one_maildrop(store).await;
        store.commit_batch(stale, &batch(vec![named(record(1, 1), 11, 0)], 1, true), at(1)).await.unwrap();
        claim(store, mailbox.id, at(61)).await;
        let marked = store.mark_copies(stale, &maildrop_cursor(1), &[Uid::MAX, uid(1)], CopyState::Gone).await;
        assert!(matches!(marked, Err(StoreError::LeaseLost)), "{marked:?}");
        assert_eq!(known(store, &mailbox).await.len(), 1);
    }
}

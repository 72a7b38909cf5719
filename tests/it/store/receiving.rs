//! Cursors, commits and the ledger.

use std::collections::BTreeSet;

use mailsyncd::{
    model::{
        activity::{Committed, Fence, IgnoreReason, Verdict},
        cursor::{InFlight, ListedMessage},
        failure::FailureCode,
        ids::ActivityId,
        mailbox::Mailbox,
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
        let ignored = entry(4, Verdict::Ignore(IgnoreReason::Vanished));
        let batch = commit(vec![record(1, 1), record(2, 2), aside, ignored], 4);
        let done = store.commit_batch(fence, &batch, at(1)).await.unwrap();
        assert_eq!(done, Committed { recorded: 2, linked: 0, ignored: 1, set_aside: 1 });
        let again = store.commit_batch(fence, &batch, at(2)).await.unwrap();
        assert_eq!(again, Committed::default());
        let uids = store.ledger_uids(mailbox.id, &cursor(0), 2, 9).await.unwrap();
        assert_eq!(uids, BTreeSet::from([uid(2), uid(3), uid(4)]));
        assert_eq!(store.status(at(2)).await.unwrap().activities, 2);
        assert_eq!(store.set_aside(Some(mailbox.id)).await.unwrap().len(), 1);
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
        let facts = store.facts(&[key(1), key(2), key(77)]).await.unwrap();
        assert_eq!(facts.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from([key(1), key(2)]));
    }
}

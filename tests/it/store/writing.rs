//! Many writers at once, and callers who go away.

use futures::FutureExt;
use mailsyncd::{
    model::activity::{Fence, Verdict},
    model::ids::ActivityId,
    store::{Store, StoreError},
};

use super::fixtures::*;
use crate::support::databases::databases;

async fn fences(store: &Store, count: usize) -> Vec<Fence> {
    let addresses: Vec<String> = (0..count).map(|number| format!("{number}@example.org")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut fences = Vec::new();
    for mailbox in with_mailboxes(store, &addresses).await {
        fences.push(claim(store, mailbox.id, at(0)).await);
    }
    fences
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writes_at_once_only_the_bad_ones_fail() {
    for database in databases().await {
        let store = &database.store;
        let fences = fences(store, 30).await;
        let batches: Vec<_> = (0..30u64)
            .map(|turn| match turn % 3 {
                // Fails at its last step, after it has written.
                0 => commit(vec![record(1, turn), entry(2, Verdict::Link(ActivityId::generate(at(0))))], 2),
                _ => commit(vec![record(1, turn)], 1),
            })
            .collect();
        let stale = |fence: &Fence, turn: u64| Fence { epoch: fence.epoch - i64::from(turn % 3 == 1), ..*fence };
        let writes = fences.iter().zip(&batches).zip(0u64..).map(|((fence, batch), turn)| {
            let fence = stale(fence, turn);
            async move { store.commit_batch(fence, batch, at(1)).await }
        });
        for (turn, result) in futures::future::join_all(writes).await.into_iter().enumerate() {
            match turn % 3 {
                0 => assert!(matches!(result, Err(StoreError::Conflict { .. })), "{turn}: {result:?}"),
                1 => assert!(matches!(result, Err(StoreError::LeaseLost)), "{turn}: {result:?}"),
                _ => assert_eq!(result.unwrap().recorded, 1),
            }
        }
        let keys: Vec<_> = (0..30).map(key).collect();
        let there: Vec<_> = store.facts(&keys).await.unwrap().into_keys().collect();
        let mut wanted: Vec<_> = (0..30).filter(|turn| turn % 3 == 2).map(key).collect();
        wanted.sort();
        assert_eq!(there, wanted);
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_write_happened_or_did_not() {
    for database in databases().await {
        let store = &database.store;
        let fences = fences(store, 1).await;
        let fence = fences[0];
        let mut last = 0;
        // Cut after 0, 1, 2 … polls, until one ends by itself.
        for polls in 0..10_000u32 {
            let number = polls + 1;
            last = number;
            let batch = commit(vec![record(number, u64::from(number))], number);
            let mut write = Box::pin(store.commit_batch(fence, &batch, at(1)));
            let mut done = false;
            for _ in 0..polls {
                // Wakes when there is something to poll for, as a runtime would.
                if futures::future::poll_fn(|context| {
                    let ready = write.poll_unpin(context);
                    std::task::Poll::Ready(ready.is_ready())
                })
                .await
                {
                    done = true;
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(write);
            if done {
                break;
            }
            // Whatever became of it, running it again completes it, exactly once.
            store.commit_batch(fence, &batch, at(2)).await.unwrap();
        }
        assert!(last > 1);
        let keys: Vec<_> = (1..=last).map(|number| key(u64::from(number))).collect();
        assert_eq!(store.facts(&keys).await.unwrap().len(), last as usize);
        assert_eq!(store.status(at(3), HOUR).await.unwrap().activities, u64::from(last));
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_for_the_next_who_opens() {
    for database in databases().await {
        let fences = fences(&database.store, 1).await;
        let batch = commit(vec![record(1, 1)], 1);
        database.store.commit_batch(fences[0], &batch, at(1)).await.unwrap();
        database.store.mark_in_flight(fences[0], None).await.unwrap();
        // A reader in another connection sees it at once.
        let other = Store::open(&database.url, mailsyncd::store::Role::Tool).await.unwrap();
        assert_eq!(other.facts(&[key(1)]).await.unwrap().len(), 1);
        database.store.close().await;
        assert!(matches!(database.store.records().await, Err(StoreError::Closed)));
        assert_eq!(other.status(at(2), HOUR).await.unwrap().activities, 1);
    }
}

//! Leases, due times, holds.

use std::{collections::BTreeMap, time::Duration};

use mailsyncd::model::{
    audit::Actor,
    failure::FailureCode,
    ids::{MailboxId, NodeId},
    lease::{ProfileHold, Settlement},
    mailbox::{Approval, Mailbox, SyncMethod, Workload, WorkloadState},
    record::{CredentialSource, RecordChange},
};

use super::fixtures::*;
use crate::support::databases::databases;

const TTL: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_claimers_one_gets_each_mailbox() {
    for database in databases().await {
        let addresses: Vec<String> = (0..200).map(|number| format!("{number}@example.org")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let ids: Vec<MailboxId> =
            with_mailboxes(&database.store, &addresses).await.iter().map(|mailbox| mailbox.id).collect();
        let claimers = (0..8u64).map(|turn| {
            let (store, mut ids) = (database.store.clone(), ids.clone());
            // Everybody wants everything, each in an order of its own.
            ids.rotate_left(usize::try_from(turn * 25).unwrap());
            async move {
                let node = NodeId::generate(at(0));
                let mut mine = Vec::new();
                for some in ids.chunks(20) {
                    mine.extend(store.claim(Workload::Incoming, node, some, at(0), TTL).await.unwrap());
                }
                mine
            }
        });
        let mut holders: BTreeMap<MailboxId, usize> = BTreeMap::new();
        for claimed in futures::future::join_all(claimers).await.into_iter().flatten() {
            assert_eq!((claimed.fence.epoch, claimed.fence.mailbox), (1, claimed.mailbox.id));
            *holders.entry(claimed.mailbox.id).or_default() += 1;
        }
        assert_eq!(holders.len(), 200);
        assert!(holders.values().all(|count| *count == 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_ends_by_time_settling_or_release() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        let (a, b) = (NodeId::generate(at(0)), NodeId::generate(at(0)));
        let take =
            async |node, now| store.claim(Workload::Incoming, node, &[mailbox.id], at(now), TTL).await.unwrap().pop();
        let first = take(a, 0).await.unwrap().fence;
        assert_eq!(take(b, 59).await, None);
        store.renew(a, at(40), TTL).await.unwrap();
        assert_eq!(take(b, 99).await, None);
        let second = take(b, 100).await.unwrap().fence;
        assert_eq!(second.epoch, 2);
        // What the first holder ends with is not written, and does not free the second's lease.
        let mut after = state();
        after.enabled = false;
        store.settle(&[Settlement { fence: first, state: after.clone(), alerts: Vec::new() }], at(101)).await.unwrap();
        assert_eq!(take(a, 101).await, None);
        after.failure_code = Some(FailureCode::AuthRejected);
        after.last_error = Some("NO [AUTHENTICATIONFAILED] no".into());
        after.next_due_at = Some(at(500));
        after.failing_since = Some(at(99));
        after.transient_failures = 3;
        after.confirmations = 1;
        after.postponed_until = Some(at(600));
        after.last_success_at = Some(at(50));
        store.settle(&[Settlement { fence: second, state: after.clone(), alerts: Vec::new() }], at(102)).await.unwrap();
        let third = take(a, 103).await.unwrap();
        assert_eq!(third.mailbox.incoming, after);
        store.release_node(b).await.unwrap();
        assert_eq!(take(b, 104).await, None);
        store.release_node(a).await.unwrap();
        assert_eq!(take(b, 104).await.unwrap().fence.epoch, 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_may_run_is_scheduled() {
    for database in databases().await {
        let store = &database.store;
        let (runs, retired) = (profile("runs"), profile("retired"));
        let variant = |address: &str, change: &dyn Fn(&mut Mailbox)| {
            let mut mailbox = mailbox(address, &runs);
            change(&mut mailbox);
            mailbox
        };
        let due = variant("due@x", &|mailbox| {
            mailbox.incoming.next_due_at = Some(at(10));
            mailbox.incoming.postponed_until = Some(at(20));
        });
        let fresh = variant("fresh@x", &|mailbox| mailbox.approval = Approval::Empty);
        let others = [
            variant("inactive@x", &|mailbox| mailbox.active = false),
            variant("pending@x", &|mailbox| mailbox.approval = Approval::Pending),
            variant("rejected@x", &|mailbox| mailbox.approval = Approval::Rejected),
            variant("method@x", &|mailbox| mailbox.incoming_method = SyncMethod::None),
            variant("disabled@x", &|mailbox| mailbox.incoming.enabled = false),
            variant("homeless@x", &|mailbox| mailbox.profile = None),
            variant("of-retired@x", &|mailbox| mailbox.profile = Some(retired.id)),
        ];
        let mut changes = vec![
            RecordChange::PutProfile(runs.clone(), CredentialSource::Stored),
            RecordChange::PutProfile(retired.clone(), CredentialSource::Stored),
            RecordChange::RetireProfile(retired.id),
        ];
        changes.extend(others.iter().chain([&due, &fresh]).map(put));
        store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
        let entries: BTreeMap<MailboxId, _> = store
            .schedule_entries(Workload::Incoming)
            .await
            .unwrap()
            .into_iter()
            .map(|entry| (entry.mailbox, entry))
            .collect();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[&due.id].due, entries[&due.id].profile), (Some(at(20)), runs.id));
        assert_eq!(entries[&fresh.id].due, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_for_a_poll_is_seen_until_it_is_answered() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["a@x", "b@x", "c@x"]).await;
        let nobody = MailboxId::generate(at(7));
        assert_eq!(store.request_polls(&[boxes[1].id], at(1)).await.unwrap(), 1);
        assert_eq!(store.request_polls(&[boxes[0].id, nobody], at(2)).await.unwrap(), 1);
        assert_eq!(store.requested_polls().await.unwrap(), [(boxes[1].id, at(1)), (boxes[0].id, at(2))]);
        let fence = claim(store, boxes[1].id, at(3)).await;
        assert_eq!(store.requested_polls().await.unwrap(), [(boxes[0].id, at(2))]);

        let later = Some(at(900));
        let state = WorkloadState { postponed_until: later, next_due_at: later, ..boxes[1].incoming.clone() };
        store.settle(&[Settlement { fence, state, alerts: Vec::new() }], at(4)).await.unwrap();
        store.request_polls(&[boxes[1].id], at(5)).await.unwrap();
        let entries = store.schedule_entries(Workload::Incoming).await.unwrap();
        let entry = entries.iter().find(|entry| entry.mailbox == boxes[1].id).unwrap();
        assert_eq!(entry.due, Some(at(5)), "who asks does not wait");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_are_held_and_freed() {
    for database in databases().await {
        let store = &database.store;
        let profile = profile("example");
        store
            .apply(&[RecordChange::PutProfile(profile.clone(), CredentialSource::Stored)], &Actor::Configuration, at(0))
            .await
            .unwrap();
        let mut hold = ProfileHold {
            since: at(1),
            until: at(31),
            failures: 1,
            code: FailureCode::HostUnreachable,
            text: "connection refused".into(),
        };
        store.put_hold(Workload::Incoming, profile.id, &hold, &[], at(1)).await.unwrap();
        hold.failures = 2;
        store.put_hold(Workload::Incoming, profile.id, &hold, &[], at(1)).await.unwrap();
        assert_eq!(store.holds(Workload::Incoming).await.unwrap(), [(profile.id, hold.clone())]);
        // A reload of the configuration does not forget it.
        store
            .apply(&[RecordChange::PutProfile(profile.clone(), CredentialSource::Stored)], &Actor::Configuration, at(2))
            .await
            .unwrap();
        assert_eq!(store.holds(Workload::Incoming).await.unwrap().len(), 1);
        let (outgoing, text) = (Workload::Outgoing, "no route to host".to_owned());
        store.put_hold(outgoing, profile.id, &ProfileHold { text, ..hold.clone() }, &[], at(2)).await.unwrap();
        let held = store.status(at(3), HOUR).await.unwrap().held_profiles;
        let told: Vec<_> = held.iter().map(|held| (held.workload, held.hold.text.as_str())).collect();
        assert_eq!(told, [(Workload::Incoming, "connection refused"), (outgoing, "no route to host")]);
        // Another server is tried at once; what was not changed waits on.
        let mut moved = profile.clone();
        moved.incoming.port += 1;
        store
            .apply(&[RecordChange::PutProfile(moved, CredentialSource::Stored)], &Actor::Configuration, at(4))
            .await
            .unwrap();
        assert_eq!(store.holds(Workload::Incoming).await.unwrap()[0].1.until, at(4));
        assert_eq!(store.holds(outgoing).await.unwrap()[0].1.until, at(31));
        store.clear_hold(Workload::Incoming, profile.id, &[], at(5)).await.unwrap();
        assert_eq!(store.holds(Workload::Incoming).await.unwrap(), []);
    }
}

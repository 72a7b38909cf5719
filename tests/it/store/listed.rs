//! The views of mailboxes.

use std::{collections::BTreeSet, time::Duration};

use mailsyncd::{
    model::{
        audit::Actor,
        failure::FailureCode,
        ids::{MailboxId, ProfileId},
        lease::ProfileHold,
        mailbox::{Approval, Mailbox, SyncMethod, Workload, WorkloadState},
        profile::ServerProfile,
        record::{CredentialSource, RecordChange},
        view::View,
    },
    store::Store,
};

use super::fixtures::*;
use crate::support::databases::databases;

const STALE: Duration = Duration::from_secs(3_600);

type Change = fn(&mut Mailbox);

/// A mailbox made so is in these views besides `active` (where it is active), at two hours.
const CASES: &[(&str, Change, &[View])] = &[
    ("new", |_| {}, &[View::Stale]),
    ("well", |mailbox| mailbox.incoming.last_success_at = Some(at(7_000)), &[]),
    ("long ago but not due", |mailbox| mailbox.incoming.next_due_at = Some(at(7_201)), &[]),
    ("long ago and due", |mailbox| mailbox.incoming.next_due_at = Some(at(7_200)), &[View::Stale]),
    (
        "long ago and failing",
        |mailbox| {
            mailbox.incoming = WorkloadState {
                failure_code: Some(FailureCode::Timeout),
                postponed_until: Some(at(9_000)),
                next_due_at: Some(at(9_000)),
                ..state()
            };
        },
        &[View::Stale, View::Postponed],
    ),
    (
        "postponement over",
        |mailbox| {
            mailbox.incoming.last_success_at = Some(at(7_000));
            mailbox.incoming.postponed_until = Some(at(7_200));
        },
        &[],
    ),
    (
        "sending postponed",
        |mailbox| {
            mailbox.incoming.last_success_at = Some(at(7_000));
            mailbox.outgoing.postponed_until = Some(at(7_201));
        },
        &[View::Postponed],
    ),
    (
        "sending postponed, but off",
        |mailbox| {
            mailbox.incoming.last_success_at = Some(at(7_000));
            mailbox.outgoing.postponed_until = Some(at(7_201));
            mailbox.outgoing_method = SyncMethod::None;
        },
        &[],
    ),
    ("pending", |mailbox| mailbox.approval = Approval::Pending, &[View::PendingApproval]),
    ("rejected", |mailbox| mailbox.approval = Approval::Rejected, &[]),
    ("reading not enabled", |mailbox| mailbox.incoming.enabled = false, &[View::Disabled]),
    (
        "sending not enabled",
        |mailbox| {
            mailbox.incoming.last_success_at = Some(at(7_000));
            mailbox.outgoing.enabled = false;
        },
        &[View::Disabled],
    ),
    (
        "neither wanted nor enabled",
        |mailbox| {
            (mailbox.incoming_method, mailbox.outgoing_method) = (SyncMethod::None, SyncMethod::None);
            (mailbox.incoming.enabled, mailbox.outgoing.enabled) = (false, false);
        },
        &[],
    ),
    (
        "inactive",
        |mailbox| {
            mailbox.active = false;
            mailbox.approval = Approval::Pending;
            mailbox.incoming.postponed_until = Some(at(9_000));
        },
        &[],
    ),
];

async fn put_all(store: &Store, profile: &ServerProfile, names: &str) -> Vec<Mailbox> {
    let mut changes = vec![RecordChange::PutProfile(profile.clone(), CredentialSource::Stored)];
    let mut mailboxes = Vec::new();
    for (name, change, _) in CASES {
        let mut made = mailbox(&format!("{name}{names}@example.org"), profile);
        change(&mut made);
        changes.push(put(&made));
        mailboxes.push(made);
    }
    store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
    mailboxes
}

fn names(ids: &BTreeSet<MailboxId>, all: &[Mailbox]) -> Vec<String> {
    all.iter().filter(|mailbox| ids.contains(&mailbox.id)).map(|mailbox| mailbox.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mailbox_is_in_the_views_that_it_should_be_in() {
    for database in databases().await {
        let store = &database.store;
        let all = put_all(store, &profile("example"), "").await;
        let now = at(7_200);
        for view in View::ALL.into_iter().filter(|view| *view != View::Mine) {
            let expected: Vec<String> = CASES
                .iter()
                .zip(&all)
                .filter(|((_, _, views), made)| if view == View::Active { made.active } else { views.contains(&view) })
                .map(|(_, made)| made.name.clone())
                .collect();
            let found = store.view(view, now, STALE).await.unwrap();
            assert_eq!(names(&found, &all), expected, "{}", view.name());
            let counts = store.view_counts(now, STALE).await.unwrap().named();
            let count = counts.iter().find(|(name, _)| *name == view.name()).unwrap().1;
            assert_eq!(count, expected.len() as u64, "{}", view.name());
        }
        assert!(store.view(View::Mine, now, STALE).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_interval_makes_stale_later_and_a_hold_is_seen() {
    for database in databases().await {
        let store = &database.store;
        let slow = ServerProfile { minimum_polling_interval: Duration::from_secs(2_401), ..profile("slow") };
        let all = put_all(store, &slow, "").await;
        let found = store.view(View::Stale, at(7_203), STALE).await.unwrap();
        assert!(found.is_empty(), "three intervals are not over: {:?}", names(&found, &all));
        assert!(!store.view(View::Stale, at(7_204), STALE).await.unwrap().is_empty());

        let held = async || names(&store.view(View::Held, at(7_200), STALE).await.unwrap(), &all);
        assert_eq!(held().await, [""; 0]);
        put_hold(store, Workload::Outgoing, slow.id).await;
        let sending = held().await;
        assert!(sending.contains(&"well@example.org".to_owned()) && sending.len() == 8, "{sending:?}");
        put_hold(store, Workload::Incoming, slow.id).await;
        let both = held().await;
        assert!(both.contains(&"sending postponed, but off@example.org".to_owned()), "{both:?}");
    }
}

async fn put_hold(store: &Store, workload: Workload, profile: ProfileId) {
    let (code, text) = (FailureCode::HostUnreachable, "refused".to_owned());
    let hold = ProfileHold { since: at(1), until: at(2), failures: 0, code, text };
    store.put_hold(workload, profile, &hold, &[], at(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_test_is_seen() {
    for database in databases().await {
        let store = &database.store;
        let all = with_mailboxes(store, &["a@example.org", "b@example.org", "c@example.org"]).await;
        for (column, mailbox) in [("incoming_test_status", &all[0]), ("outgoing_test_status", &all[2])] {
            database.execute(&format!("UPDATE mailboxes SET {column} = 'failure' WHERE id = '{}'", mailbox.id)).await;
        }
        let failed = store.view(View::TestAndEnableFailed, at(1), STALE).await.unwrap();
        assert_eq!(names(&failed, &all), ["a@example.org", "c@example.org"]);
    }
}

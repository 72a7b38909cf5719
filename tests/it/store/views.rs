//! What people are shown.

use std::time::Duration;

use mailsyncd::{
    model::{
        activity::{ActivityStatus, IgnoreReason, Verdict},
        alert::{AlertSubject, NewAlert, Severity},
        audit::Actor,
        failure::FailureCode,
        ids::{ActivityId, MailboxId},
        lease::{ProfileHold, Settlement},
        mailbox::{Workload, WorkloadState},
        message::PartyRole,
        outbox::RecipientState,
        record::{CredentialSource, RecordChange},
    },
    store::{ActivityFilter, LateMailbox},
};

use super::fixtures::*;
use crate::support::databases::{TestDatabase, databases};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activities_are_listed_and_shown() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["a@example.org", "b@example.org"]).await;
        let (a, b) = (claim(store, boxes[0].id, at(0)).await, claim(store, boxes[1].id, at(0)).await);
        let mails = (1..=3).map(|number| record(number, u64::from(number))).collect();
        store.commit_batch(a, &commit(mails, 3), at(10)).await.unwrap();
        store.commit_batch(b, &commit(vec![record(1, 2), record(2, 4)], 2), at(11)).await.unwrap();
        let subjects = async |filter: ActivityFilter| {
            let rows = store.activities(&filter).await.unwrap();
            rows.into_iter().map(|row| row.subject).collect::<Vec<_>>()
        };
        let all = ActivityFilter::default();
        assert_eq!(subjects(all.clone()).await, ["subject 4", "subject 3", "subject 2", "subject 1"]);
        assert_eq!(subjects(ActivityFilter { limit: 1, ..all.clone() }).await, ["subject 4"]);
        assert_eq!(subjects(ActivityFilter { since: Some(at(3)), ..all.clone() }).await, ["subject 4", "subject 3"]);
        let of_b = ActivityFilter { mailbox: Some("b@example.org".into()), ..all };
        assert_eq!(subjects(of_b).await, ["subject 4", "subject 2"]);

        let id = store.facts(&[key(2)]).await.unwrap()[&key(2)];
        let detail = store.activity(id).await.unwrap().unwrap();
        assert_eq!((detail.row.sender.as_str(), detail.row.mailbox.as_str()), ("from@example.org", "a@example.org"));
        assert_eq!(
            (detail.row.received_at, detail.row.created_at, detail.sent_at),
            (Some(at(2)), at(10), Some(at(-5)))
        );
        assert_eq!(detail.references, ["a@example.org", "b@example.org"]);
        assert_eq!(
            detail.parties.iter().map(|row| row.party.role).collect::<Vec<_>>(),
            [PartyRole::From, PartyRole::To, PartyRole::Cc]
        );
        let (shown, kept) = (&detail.attachments[0], activity(2).attachments[0].attachment.clone());
        assert_eq!((shown.part, &shown.file_name, shown.size), (Some(kept.part), &kept.file_name, Some(kept.size)));
        assert_eq!(shown.sha256, Some(kept.sha256.to_string()));
        assert!(detail.delivery.is_none(), "it was received");
        assert_eq!(detail.attachments[0].blocked.as_deref(), Some("its type is blocked"));
        assert_eq!((detail.source_size, detail.source_sha256), (Some(40), Some(hash(2).to_string())));
        assert_eq!(detail.seen_in.len(), 2);
        assert_eq!(store.activity(ActivityId::generate(at(0))).await.unwrap(), None);
    }
}

/// A mail in the outbox, as a program without our help inserts it.
async fn insert(
    database: &TestDatabase,
    mailbox: MailboxId,
    status: &str,
    subject: &str,
    created_at: i64,
) -> ActivityId {
    let id = ActivityId::generate(at(created_at));
    let created_at = at(created_at);
    let (id_text, mailbox) = (id.to_string(), mailbox.to_string());
    database
        .execute(&format!(
            "INSERT INTO email_activities (id, mailbox, direction, status, subject, created_at) VALUES ('{id_text}', \
             '{mailbox}', 'outgoing', '{status}', '{subject}', '{created_at}')"
        ))
        .await;
    database
        .execute(&format!(
            "INSERT INTO email_parties (activity, position, role, address, result, reply_code, enhanced_code, \
             reply_text) VALUES ('{id_text}', 0, 'to', '{subject}@example.org', 'refused', 550, '5.1.1', 'who?')"
        ))
        .await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outgoing_mail_is_listed_among_the_other_and_shown() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["a@example.org", "b@example.org"]).await;
        let fence = claim(store, boxes[0].id, at(0)).await;
        let mails = (1..=3).map(|number| record(number, u64::from(number))).collect();
        store.commit_batch(fence, &commit(mails, 3), at(10)).await.unwrap();
        insert(&database, boxes[0].id, "pending_send", "later", 20).await;
        let held = insert(&database, boxes[1].id, "held", "between", 2).await;
        let subjects = async |filter: ActivityFilter| {
            let rows = store.activities(&filter).await.unwrap();
            rows.into_iter().map(|row| row.subject).collect::<Vec<_>>()
        };
        let all = ActivityFilter::default();
        let listed = subjects(all.clone()).await;
        assert_eq!((&listed[..2], listed.len()), (&["later".to_owned(), "subject 3".to_owned()][..], 5));
        assert_eq!(subjects(ActivityFilter { limit: 1, ..all.clone() }).await, ["later"]);
        assert_eq!(subjects(ActivityFilter { since: Some(at(3)), ..all.clone() }).await, ["later", "subject 3"]);
        let of_b = ActivityFilter { mailbox: Some("b@example.org".into()), ..all.clone() };
        assert_eq!(subjects(of_b).await, ["between"]);
        let status = |status| ActivityFilter { status: Some(status), ..all.clone() };
        assert_eq!(subjects(status(ActivityStatus::Held)).await, ["between"]);
        assert_eq!(subjects(status(ActivityStatus::Received)).await, ["subject 3", "subject 2", "subject 1"]);
        assert_eq!(subjects(status(ActivityStatus::Sent)).await, [""; 0]);

        let detail = store.activity(held).await.unwrap().unwrap();
        assert_eq!((detail.row.sender.as_str(), detail.row.received_at), ("b@example.org", None));
        assert_eq!(detail.delivery.unwrap().attempts, 0);
        let party = &detail.parties[0];
        assert_eq!((party.result, party.reply_code), (Some(RecipientState::Refused), Some(550)));
        assert_eq!((party.enhanced_code.as_deref(), party.reply_text.as_deref()), (Some("5.1.1"), Some("who?")));
        let outbox = store.status(at(30), HOUR).await.unwrap().outbox;
        assert_eq!((outbox.pending, outbox.held, outbox.oldest_pending), (1, 1, Some(at(20))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_alerts_are_shown_with_the_names_of_their_subjects() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["a@example.org"]).await;
        let alert = |subject, severity, text: &str| {
            let code = FailureCode::MailRefused;
            NewAlert { subject, severity, code, text: text.to_owned(), workload: None }
        };
        let profile = boxes[0].profile.unwrap();
        let activity = ActivityId::generate(at(1));
        store.raise_alert(&alert(AlertSubject::Profile(profile), Severity::Warning, "one"), at(1)).await.unwrap();
        store.raise_alert(&alert(AlertSubject::Mailbox(boxes[0].id), Severity::Error, "two"), at(2)).await.unwrap();
        store.raise_alert(&alert(AlertSubject::Mailbox(boxes[0].id), Severity::Error, "two"), at(3)).await.unwrap();
        store.raise_alert(&alert(AlertSubject::Activity(activity), Severity::Error, "gone"), at(4)).await.unwrap();
        store.close_alert(AlertSubject::Activity(activity), FailureCode::MailRefused, at(5)).await.unwrap();
        let status = store.status(at(9), HOUR).await.unwrap();
        let shown: Vec<(&str, u64)> = status.alerts.iter().map(|alert| (alert.subject.as_str(), alert.count)).collect();
        assert_eq!((shown[0], shown.len(), status.open_alerts), (("a@example.org", 2), 2, 2));
        assert_eq!((status.alerts[1].kind.as_str(), status.alerts[1].code.as_str()), ("profile", "mail-refused"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_counts() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["ok@x", "failing@x", "disabled@x", "running@x"]).await;
        let mut changed = state();
        changed.last_success_at = Some(at(5));
        for (index, mailbox) in boxes.iter().enumerate().take(3) {
            if index == 1 {
                changed.failure_code = Some(FailureCode::Timeout);
                changed.postponed_until = Some(at(100));
                changed.failing_since = Some(at(9));
            }
            changed.enabled = index != 2;
            let fence = claim(store, mailbox.id, at(0)).await;
            store.settle(&[Settlement { fence, state: changed.clone(), alerts: Vec::new() }], at(1)).await.unwrap();
        }
        let fence = claim(store, boxes[3].id, at(0)).await;
        let aside = entry(2, Verdict::SetAside(failure(FailureCode::MessagePoison)));
        let ignored = entry(3, Verdict::Ignore(IgnoreReason::Vanished));
        store.commit_batch(fence, &commit(vec![record(1, 1), aside, ignored], 3), at(8)).await.unwrap();
        database
            .execute(&format!(
                "INSERT INTO daemons (node, version, started_at, seen_at, key_ids, machine) SELECT lease_owner, '1', '{0}', '{0}', \
                 '', '' FROM mailboxes WHERE lease_owner IS NOT NULL",
                at(5)
            ))
            .await;
        let status = store.status(at(10), HOUR).await.unwrap();
        let counts = &status.mailboxes;
        assert_eq!((counts.total, counts.active, counts.enabled, counts.running), (4, 4, 3, 1));
        assert_eq!((counts.failing, counts.postponed, counts.disabled_by_failure), (1, 1, 1));
        assert_eq!((counts.never_succeeded, counts.oldest_success), (1, Some(at(5))));
        assert_eq!((status.activities, status.set_aside, status.profiles), (1, 1, 1));
        assert_eq!((status.last_recorded_at, status.schema_version >= 2), (Some(at(8)), true));
        let troubled: Vec<&str> = status.troubled.iter().map(|row| row.mailbox.as_str()).collect();
        assert_eq!(troubled, ["disabled@x", "failing@x"]);
        let aside = store.set_aside(None).await.unwrap();
        assert_eq!((aside[0].mailbox.as_str(), aside[0].failure_code), ("running@x", FailureCode::MessagePoison));
        assert_eq!(store.set_aside(Some(boxes[0].id)).await.unwrap(), []);
        assert_eq!(serde_json::to_value(&status).unwrap()["mailboxes"]["running"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_names_late_mailboxes() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["ok@x", "old@x", "never@x", "failing@x", "quiet@x", "disabled@x"]).await;
        let mut slow = profile("slow");
        slow.minimum_polling_interval = Duration::from_secs(7_200);
        let on_slow = mailbox("slow@x", &slow);
        let slow_id = slow.id;
        store
            .apply(
                &[RecordChange::PutProfile(slow, CredentialSource::Stored), put(&on_slow)],
                &Actor::Configuration,
                at(0),
            )
            .await
            .unwrap();
        let read =
            |seconds, due| WorkloadState { last_success_at: Some(at(seconds)), next_due_at: Some(at(due)), ..state() };
        let timeout = WorkloadState {
            failure_code: Some(FailureCode::Timeout),
            last_error: Some("no answer".into()),
            failing_since: Some(at(200)),
            ..read(100, 9_000)
        };
        let states = [
            (boxes[0].id, read(1_000, 1_300)),
            (boxes[1].id, read(300, 600)),
            (boxes[3].id, timeout),
            // A quiet mailbox may be polled less often than its profile says.
            (boxes[4].id, read(100, 9_000)),
            (boxes[5].id, WorkloadState { enabled: false, ..read(100, 400) }),
            (on_slow.id, read(1, 7_201)),
        ];
        for (mailbox, state) in states {
            let fence = claim(store, mailbox, at(0)).await;
            store.settle(&[Settlement { fence, state, alerts: Vec::new() }], at(1)).await.unwrap();
        }
        let row = |late: &LateMailbox| {
            let words = late.words.clone().unwrap_or_default();
            (late.mailbox.clone(), late.since, late.failure_code.map(FailureCode::name), words)
        };
        let late = |mailbox: &str, since, code, words: &str| (mailbox.to_owned(), at(since), code, words.to_owned());
        let status = store.status(at(4_000), HOUR).await.unwrap();
        let expected = [
            late("never@x", 0, None, ""),
            late("failing@x", 100, Some("timeout"), "no answer"),
            late("old@x", 300, None, ""),
        ];
        assert_eq!(status.late.iter().map(row).collect::<Vec<_>>(), expected);
        assert_eq!(status.mailboxes.late, 3);
        // Who wants to know sooner; three intervals it takes all the same.
        let minutes = Duration::from_secs(600);
        let sooner = async |seconds| store.status(at(seconds), minutes).await.unwrap().mailboxes.late;
        assert_eq!((sooner(800).await, sooner(1_201).await), (0, 3));

        let hold = ProfileHold {
            since: at(2),
            until: at(90_000),
            failures: 9,
            code: FailureCode::HostUnreachable,
            text: "refused".into(),
        };
        store.put_hold(Workload::Incoming, slow_id, &hold, &[], at(2)).await.unwrap();
        let status = store.status(at(3 * 7_200 + 1), HOUR).await.unwrap();
        assert!(!status.late.iter().any(|late| late.mailbox == "slow@x"), "{:?}", status.late);
        let status = store.status(at(3 * 7_200 + 2), HOUR).await.unwrap();
        let slow = status.late.iter().find(|late| late.mailbox == "slow@x").map(row);
        assert_eq!(slow, Some(late("slow@x", 1, Some("host-unreachable"), "refused")));
    }
}

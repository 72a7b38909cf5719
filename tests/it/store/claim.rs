//! Mails that are composed before they are claimed, and the identifiers that the database gives.

use std::sync::Arc;

use mailsyncd::{
    model::{
        mailbox::Mailbox,
        outbox::{MailVerdict, OutboxContent, OutboxMail},
    },
    store::{Store, StoreError},
};

use super::{
    fixtures::*,
    outbox::{claim_all, composed, lease, mail, rows, settled},
};
use crate::support::databases::{TestDatabase, databases};

async fn due(store: &Store, mailbox: &Mailbox) -> Arc<[OutboxMail]> {
    store.due_mails(mailbox.id, at(9), 10, 1 << 20).await.unwrap().into()
}

async fn outbox(database: &TestDatabase) -> Vec<String> {
    let query = "SELECT subject || ' ' || status || ' ' || CAST(delivery_attempts AS TEXT) || ' ' || \
                 coalesce(message_id, '-') FROM email_activities ORDER BY created_at";
    rows(database, query).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_write_claims_what_is_still_due_and_the_same_with_its_bytes() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        let subjects = ["sent", "corrected", "canceled", "delayed", "invalid"];
        for (second, subject) in (0..).zip(subjects) {
            store.queue_mail(&mail(&mailbox, subject), at(second)).await.unwrap();
        }
        let fence = lease(store, mailbox.id, at(9)).await;
        let before = due(store, &mailbox).await;
        assert_eq!(outbox(&database).await, subjects.map(|it| format!("{it} pending_send 0 -")), "nothing is written");
        let made: Vec<_> = (1..).zip(&before[..4]).map(|(number, mail)| composed(mail.activity, number)).collect();
        for (of, change) in [
            ("corrected", "subject = 'corrected.'"),
            ("canceled", "status = 'canceled'"),
            ("delayed", "send_after = '2100-01-01T00:00:00.000000Z'"),
        ] {
            database.execute(&format!("UPDATE email_activities SET {change} WHERE subject = '{of}'")).await;
        }
        let claimed = store.claim_composed(fence, at(9), before.clone(), &made).await.unwrap();
        let mut wanted = vec![before[0].activity, before[4].activity];
        wanted.sort();
        let mut found = claimed.clone();
        found.sort();
        assert_eq!(found, wanted);
        assert_eq!(
            outbox(&database).await,
            [
                "sent sending 1 1@example.org",
                "corrected. pending_send 0 -",
                "canceled canceled 0 -",
                "delayed pending_send 0 -",
                "invalid sending 1 -",
            ]
        );
        let contents = "SELECT a.subject FROM email_attachments t JOIN email_activities a ON a.id = t.activity WHERE \
                        t.content IS NULL";
        assert_eq!(rows(&database, contents).await, ["sent"], "the contents live on in the bytes");
        // A second claim of the same finds none of them.
        assert_eq!(store.claim_composed(fence, at(9), before.clone(), &made).await.unwrap(), []);
        store.mark_dot(fence, before[0].activity, &[], at(10)).await.unwrap();
        store.settle_mail(fence, &settled(before[0].activity, MailVerdict::Sent(None)), at(10)).await.unwrap();
        // What is due looks as what is claimed.
        let [corrected] = &due(store, &mailbox).await[..] else { panic!("one is due") };
        assert_eq!(claim_all(store, fence, at(9)).await, std::slice::from_ref(corrected));
        assert!(matches!(&corrected.content, OutboxContent::Draft(draft) if draft.subject == "corrected."));
        assert_eq!(corrected.attempts, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_claims_nothing() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        store.queue_mail(&mail(&mailbox, "x"), at(0)).await.unwrap();
        let zombie = lease(store, mailbox.id, at(1)).await;
        let found = due(store, &mailbox).await;
        lease(store, mailbox.id, at(100)).await;
        let lost = store.claim_composed(zombie, at(101), found.clone(), &[composed(found[0].activity, 1)]).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");
        assert_eq!(outbox(&database).await, ["x pending_send 0 -"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_gives_identifiers_that_begin_with_the_time() {
    for database in databases().await {
        let mailbox = with_mailboxes(&database.store, &["a@example.org"]).await.remove(0);
        let begun = uuid::Timestamp::now(uuid::NoContext).to_unix().0;
        let insert = format!(
            "INSERT INTO email_activities (direction, status, mailbox, subject) VALUES ('outgoing', 'draft', '{}', 'x')",
            mailbox.id
        );
        database.execute(&insert).await;
        database.execute(&insert).await;
        let ids = rows(&database, "SELECT CAST(id AS TEXT) FROM email_activities").await;
        for id in &ids {
            let id = uuid::Uuid::parse_str(id).unwrap();
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            let (seconds, _) = id.get_timestamp().unwrap().to_unix();
            assert!((begun - 1..=begun + 60).contains(&seconds), "{seconds}, begun {begun}");
        }
        assert_ne!(ids[0], ids[1]);
    }
}

//! Marks and ends of many mails at once: each has its own answer.

use futures::future::join_all;
use mailsyncd::{
    model::{
        activity::Fence,
        ids::ActivityId,
        outbox::{MailVerdict, RecipientResult, RecipientState, ServerReply},
    },
    store::StoreError,
};

use super::{
    fixtures::*,
    outbox::{claim_all, composed, lease, mail, rows, settled},
};
use crate::support::databases::{TestDatabase, databases};

const MAILS: u32 = 40;

/// From now on the database refuses every change of this mail.
async fn refuse(database: &TestDatabase, activity: ActivityId) {
    let trigger = if database.url.starts_with("sqlite") {
        format!(
            "CREATE TRIGGER refuse BEFORE UPDATE ON email_activities WHEN old.id = '{activity}' \
             BEGIN SELECT RAISE(ABORT, 'on purpose'); END"
        )
    } else {
        database
            .execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN RAISE EXCEPTION ''on purpose''; END'",
            )
            .await;
        format!(
            "CREATE TRIGGER refuse BEFORE UPDATE ON email_activities FOR EACH ROW WHEN (old.id = '{activity}') \
             EXECUTE FUNCTION refuse()"
        )
    };
    database.execute(&trigger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_mails_written_at_once_each_has_its_own_answer() {
    for database in databases().await {
        let store = &database.store;
        let addresses: Vec<String> = (0..MAILS).map(|number| format!("{number}@example.org")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let mut mails: Vec<(Fence, ActivityId)> = Vec::new();
        for (number, mailbox) in (0u64..).zip(with_mailboxes(store, &addresses).await) {
            let id = store.queue_mail(&mail(&mailbox, "one"), at(0)).await.unwrap();
            let fence = lease(store, mailbox.id, at(1)).await;
            assert_eq!(claim_all(store, fence, at(1)).await[0].activity, id);
            store.put_composed(fence, &[composed(id, number)]).await.unwrap();
            if number % 4 == 3 {
                store.mark_dot(fence, id, &[], at(1)).await.unwrap();
            }
            mails.push((fence, id));
        }
        let [(_, broken), ..] = mails[7..] else { panic!("more mails") };
        refuse(&database, broken).await;
        let reply = ServerReply { code: 250, enhanced: Some("2.1.5".into()), text: "a \"word\"\0".into() };
        let accepted = [RecipientResult { position: 0, state: Some(RecipientState::Accepted), reply: Some(reply) }];
        let writes = (0u32..).zip(&mails).map(|(turn, (fence, id))| {
            let (stale, accepted) = (Fence { epoch: fence.epoch - 1, ..*fence }, accepted.clone());
            async move {
                match turn % 4 {
                    0 => store.mark_dot(*fence, *id, &accepted, at(2)).await,
                    1 => store.mark_dot(stale, *id, &accepted, at(2)).await,
                    2 => store.settle_mail(stale, &settled(*id, MailVerdict::Sent(None)), at(2)).await,
                    _ => {
                        let mut end = settled(*id, MailVerdict::Sent(None));
                        end.recipients = accepted.to_vec();
                        store.settle_mail(*fence, &end, at(2)).await
                    }
                }
            }
        });
        for (turn, ((_, id), result)) in (0u32..).zip(mails.iter().zip(join_all(writes).await)) {
            match turn % 4 {
                _ if *id == broken => assert!(
                    matches!(result, Err(StoreError::Conflict { .. } | StoreError::Sql(_))),
                    "{turn}: {result:?}"
                ),
                1 | 2 => assert!(matches!(result, Err(StoreError::LeaseLost)), "{turn}: {result:?}"),
                _ => result.unwrap(),
            }
        }
        let counts = "SELECT status || ' ' || CAST(count(*) AS TEXT) || ' ' || CAST(count(dot_at) AS TEXT) FROM \
                      email_activities GROUP BY status ORDER BY status";
        assert_eq!(rows(&database, counts).await, ["sending 31 11", "sent 9 9"]);
        let told = "SELECT DISTINCT result || ' ' || CAST(reply_code AS TEXT) || ' ' || enhanced_code || ' ' || \
                    reply_text FROM email_parties WHERE result IS NOT NULL";
        assert_eq!(rows(&database, told).await, ["accepted 250 2.1.5 a \"word\"\u{fffd}"]);
        let events = "SELECT CAST(count(*) AS TEXT) FROM events WHERE kind = 'activity.sent'";
        assert_eq!(rows(&database, events).await, ["9"]);
        let parties = "SELECT CAST(count(*) AS TEXT) FROM email_parties WHERE result IS NOT NULL";
        assert_eq!(rows(&database, parties).await, ["19"]);
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

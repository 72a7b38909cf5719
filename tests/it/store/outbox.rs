//! Mail on its way out.

mod people;
mod waiting;

use std::time::Duration;

use mailsyncd::{
    model::{
        activity::{ActivityStatus, Fence, NewSource, SourceEncoding},
        audit::Actor,
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::{ActivityId, MailboxId, NodeId},
        mailbox::{Approval, Mailbox, SyncMethod, Workload},
        message::{Party, PartyRole},
        outbox::{
            Composed, MailSettlement, MailVerdict, NewContent, NewMail, OutboxAttachment, OutboxContent, OutboxMail,
            RecipientResult, RecipientState, Recovered, ServerReply,
        },
        record::RecordChange,
        timestamp::Timestamp,
    },
    store::{Store, StoreError},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::fixtures::*;
use crate::support::databases::{TestDatabase, databases, sqlite};

const TTL: Duration = Duration::from_secs(60);

pub fn party(role: PartyRole, address: &str) -> Party {
    Party { role, address: address.into(), display_name: String::new() }
}

pub fn mail(mailbox: &Mailbox, subject: &str) -> NewMail {
    NewMail {
        id: ActivityId::generate(at(0)),
        mailbox: mailbox.id,
        send_as: None,
        subject: subject.into(),
        text: Some("the text".into()),
        html: None,
        parties: vec![party(PartyRole::To, "to@example.com"), party(PartyRole::Bcc, "bcc@example.com")],
        content: NewContent::Draft(vec![OutboxAttachment {
            file_name: "a.txt".into(),
            content_type: "text/plain".into(),
            content_id: None,
            content: b"attached".to_vec(),
        }]),
        answers: None,
        send_after: None,
        idempotency_key: None,
    }
}

pub async fn lease(store: &Store, mailbox: MailboxId, now: Timestamp) -> Fence {
    let node = NodeId::generate(now);
    let claimed = store.claim(Workload::Outgoing, node, &[mailbox], now, TTL).await.unwrap();
    assert_eq!(claimed.len(), 1, "the lease is free");
    claimed[0].fence
}

pub async fn claim_all(store: &Store, fence: Fence, now: Timestamp) -> Vec<OutboxMail> {
    store.claim_mails(fence, now, 100, 1 << 20).await.unwrap().mails
}

pub fn composed(activity: ActivityId, number: u64) -> Composed {
    let source =
        NewSource { sha256: hash(number), size: 5, encoding: SourceEncoding::None, bytes: b"bytes".to_vec().into() };
    Composed { activity, message_id: format!("{number}@example.org"), source }
}

fn broken(code: FailureCode) -> Failure {
    Failure::new(code, Scope::Message, Persistence::Transient, "the words")
}

pub fn settled(activity: ActivityId, verdict: MailVerdict) -> MailSettlement {
    MailSettlement { activity, verdict, recipients: Vec::new(), reply: Some("250 2.0.0 queued as 1".into()) }
}

/// What a query answers, as text, cells joined by `|`, NULL as `-`.
pub async fn rows(database: &TestDatabase, query: &str) -> Vec<String> {
    let query = AssertSqlSafe(query.to_owned());
    if database.url.starts_with("sqlite") {
        let mut conn = SqliteConnection::connect(&database.url).await.unwrap();
        sqlx::query_scalar(query).fetch_all(&mut conn).await.unwrap()
    } else {
        let mut conn = PgConnection::connect(&database.url).await.unwrap();
        sqlx::query_scalar(query).fetch_all(&mut conn).await.unwrap()
    }
}

/// Columns of the row of a mail.
async fn cells(database: &TestDatabase, activity: ActivityId, columns: &[&str]) -> String {
    let cells = columns.iter().map(|column| format!("coalesce(CAST({column} AS TEXT), '-')")).collect::<Vec<_>>();
    let query = format!("SELECT {} FROM email_activities WHERE id = '{activity}'", cells.join(" || '|' || "));
    rows(database, &query).await.remove(0)
}

async fn status(database: &TestDatabase, activity: ActivityId) -> String {
    cells(database, activity, &["status"]).await
}

/// The open alerts: severity, code and count.
async fn open_alerts(database: &TestDatabase) -> Vec<String> {
    let query = "SELECT severity || ' ' || code || ' ' || CAST(count AS TEXT) FROM alerts WHERE closed_at IS NULL";
    rows(database, query).await
}

/// A mailbox, its lease, and a mail that is claimed and composed.
async fn under_way(database: &TestDatabase) -> (Mailbox, Fence, ActivityId) {
    let store = &database.store;
    let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
    let id = store.queue_mail(&mail(&mailbox, "one"), at(0)).await.unwrap();
    let fence = lease(store, mailbox.id, at(1)).await;
    assert_eq!(claim_all(store, fence, at(1)).await[0].activity, id);
    store.put_composed(fence, &[composed(id, 1)]).await.unwrap();
    (mailbox, fence, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_claimed_once_with_all_that_belongs_to_it() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        let recorded = claim(store, mailbox.id, at(0)).await;
        store.commit_batch(recorded, &commit(vec![record(1, 1)], 1), at(0)).await.unwrap();
        let answered = store.facts(&[key(1)]).await.unwrap()[&key(1)];
        let mut first = mail(&mailbox, "one");
        first.answers = Some(answered);
        first.send_as = Some("Sales@Example.Org".into());
        let mut later = mail(&mailbox, "later");
        later.send_after = Some(at(100));
        store.queue_mail(&first, at(1)).await.unwrap();
        store.queue_mail(&later, at(2)).await.unwrap();
        let second = store.queue_mail(&mail(&mailbox, "two"), at(3)).await.unwrap();

        let fence = lease(store, mailbox.id, at(4)).await;
        let claims = futures::future::join_all((0..8).map(|_| store.claim_mails(fence, at(4), 100, 1 << 20))).await;
        let claimed: Vec<OutboxMail> = claims.into_iter().flat_map(|claimed| claimed.unwrap().mails).collect();
        assert_eq!(claimed.iter().map(|mail| mail.activity).collect::<Vec<_>>(), [first.id, second]);
        let OutboxMail { attempts, queued_at, sender, parties, content, .. } = &claimed[0];
        assert_eq!((*attempts, *queued_at, sender.as_str()), (1, at(4), "Sales@Example.Org"));
        assert_eq!(parties.iter().map(|it| &it.party).collect::<Vec<_>>(), first.parties.iter().collect::<Vec<_>>());
        let OutboxContent::Draft(draft) = content else { panic!("{content:?}") };
        assert_eq!((draft.subject.as_str(), draft.text.as_deref()), ("one", Some("the text")));
        assert_eq!(draft.in_reply_to.as_deref(), Some("1@example.org"));
        assert_eq!(draft.references, ["a@example.org", "b@example.org", "1@example.org"]);
        assert_eq!(draft.attachments[0].content, b"attached");

        let due = store.schedule_entries(Workload::Outgoing).await.unwrap();
        assert_eq!(due.len(), 1);
        let late = claim_all(store, fence, at(100)).await;
        assert_eq!((late.len(), late[0].activity, late[0].queued_at), (1, later.id, at(100)));
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_is_bounded_by_number_and_bytes() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        for number in 0..6 {
            let mut mail = mail(&mailbox, "x");
            let content = vec![7; 1_000];
            let file =
                OutboxAttachment { content, file_name: "x".into(), content_type: "a/b".into(), content_id: None };
            mail.content = NewContent::Draft(vec![file]);
            store.queue_mail(&mail, at(number)).await.unwrap();
        }
        let fence = lease(store, mailbox.id, at(9)).await;
        assert_eq!(store.claim_mails(fence, at(9), 2, 1 << 20).await.unwrap().mails.len(), 2);
        assert_eq!(store.claim_mails(fence, at(9), 9, 2_500).await.unwrap().mails.len(), 2);
        assert_eq!(store.claim_mails(fence, at(9), 9, 1).await.unwrap().mails.len(), 1, "one, however large");
        assert_eq!(store.claim_mails(fence, at(9), 9, 1).await.unwrap().mails.len(), 1);
        assert_eq!(store.claim_mails(fence, at(9), 9, 1).await.unwrap().mails, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_written_once_and_live_in_the_source() {
    for database in databases().await {
        let store = &database.store;
        let (_, fence, id) = under_way(&database).await;
        // The same again is no change, other bytes are refused.
        store.put_composed(fence, &[composed(id, 1)]).await.unwrap();
        let other = store.put_composed(fence, &[composed(id, 2)]).await.unwrap_err();
        assert!(matches!(&other, StoreError::Conflict { what } if what.contains("other bytes")), "{other}");
        let retry = MailVerdict::RetryAt(at(50), broken(FailureCode::Timeout));
        store.settle_mail(fence, &settled(id, retry), at(2)).await.unwrap();
        assert_eq!(cells(&database, id, &["message_id", "failure_code"]).await, "1@example.org|timeout");
        let contents = "SELECT CAST(size AS TEXT) FROM email_attachments WHERE content IS NULL";
        assert_eq!(rows(&database, contents).await, ["8"]);
        assert_eq!(claim_all(store, fence, at(49)).await, []);
        let again = claim_all(store, fence, at(50)).await.remove(0);
        assert_eq!((again.attempts, again.content), (2, OutboxContent::Composed(composed(id, 1))));
        let late = store.put_composed(fence, &[composed(id, 3)]).await.unwrap_err();
        assert!(matches!(late, StoreError::Conflict { .. }), "{late}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_writes_nothing() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, zombie, id) = under_way(&database).await;
        let fence = lease(store, mailbox.id, at(100)).await;
        assert_eq!(fence.epoch, zombie.epoch + 1);
        let lost = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::LeaseLost)), "{result:?}");
        let sent = settled(id, MailVerdict::Sent(None));
        for taken in [false, true] {
            if taken {
                let recovered = store.recover_outbox(fence, at(101)).await.unwrap();
                assert_eq!(recovered, Recovered { pending: 1, doubtful: 0 });
                assert_eq!(claim_all(store, fence, at(101)).await.len(), 1);
            }
            lost(store.mark_dot(zombie, id, &[], at(102)).await);
            lost(store.settle_mail(zombie, &sent, at(102)).await);
            lost(store.put_composed(zombie, &[composed(id, 9)]).await);
            lost(store.claim_mails(zombie, at(102), 9, 9).await.map(|_| ()));
            lost(store.recover_outbox(zombie, at(102)).await.map(|_| ()));
        }
        // A lease for reading is none for sending.
        let reading = claim(store, mailbox.id, at(100)).await;
        assert_eq!(reading.workload, Workload::Incoming);
        store.mark_dot(fence, id, &[], at(103)).await.unwrap();
        store.settle_mail(fence, &sent, at(104)).await.unwrap();
        assert_eq!(status(&database, id).await, "sent");
        lost(store.mark_dot(fence, id, &[], at(105)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_died_before_its_last_line_is_pending_and_after_it_in_doubt() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence, dotted) = under_way(&database).await;
        store.mark_dot(fence, dotted, &[], at(10)).await.unwrap();
        store.mark_dot(fence, dotted, &[], at(10)).await.unwrap();
        let open = store.queue_mail(&mail(&mailbox, "two"), at(1)).await.unwrap();
        assert_eq!(claim_all(store, fence, at(11)).await.len(), 1);

        let due = store.schedule_entries(Workload::Outgoing).await.unwrap();
        assert!(due[0].due <= Some(at(1)), "a dead claim is due at once: {due:?}");
        let next = lease(store, mailbox.id, at(100)).await;
        assert_eq!(store.recover_outbox(next, at(100)).await.unwrap(), Recovered { pending: 1, doubtful: 1 });
        let why = "SELECT failure_code || ': ' || failure_detail FROM email_activities WHERE dot_at IS NOT NULL";
        let why = rows(&database, why).await.remove(0);
        assert!(why.starts_with("delivery-in-doubt: the program ended"), "{why}");
        assert_eq!(store.recover_outbox(next, at(100)).await.unwrap(), Recovered::default());
        assert_eq!(claim_all(store, next, at(100)).await.iter().map(|mail| mail.activity).collect::<Vec<_>>(), [open]);
        assert_eq!(store.doubtful_mails(next, at(69)).await.unwrap(), []);
        let doubtful = store.doubtful_mails(next, at(70)).await.unwrap().remove(0);
        assert_eq!((doubtful.activity, doubtful.dot_at, doubtful.verifications), (dotted, at(10), 0));
        assert_eq!((doubtful.message_id.as_str(), doubtful.parties.len()), ("1@example.org", 2));
        assert_eq!(open_alerts(&database).await, ["warning delivery-in-doubt 1"]);

        let again =
            MailVerdict::InDoubt { verify_at: at(300), verifications: 1, failure: broken(FailureCode::Timeout) };
        store.settle_mail(next, &settled(dotted, again), at(100)).await.unwrap();
        assert_eq!(open_alerts(&database).await, ["warning delivery-in-doubt 2"]);
        assert_eq!(store.doubtful_mails(next, at(299)).await.unwrap(), []);
        // The next holder keeps to what was planned.
        let third = lease(store, mailbox.id, at(200)).await;
        assert_eq!(store.recover_outbox(third, at(200)).await.unwrap().doubtful, 0);
        assert_eq!(store.doubtful_mails(third, at(299)).await.unwrap(), []);
        let doubtful = store.doubtful_mails(third, at(300)).await.unwrap();
        assert_eq!((doubtful.len(), doubtful[0].verifications), (1, 1));
        store.settle_mail(third, &settled(dotted, MailVerdict::Sent(None)), at(301)).await.unwrap();
        assert_eq!(open_alerts(&database).await, Vec::<String>::new());
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_says_what_became_of_everybody() {
    for database in databases().await {
        let store = &database.store;
        let (_, fence, id) = under_way(&database).await;
        store.mark_dot(fence, id, &[], at(2)).await.unwrap();
        let refusal = ServerReply { code: 550, enhanced: Some("5.1.1".into()), text: "no such user".into() };
        let result = |position, state, reply: Option<&ServerReply>| RecipientResult {
            position,
            state: Some(state),
            reply: reply.cloned(),
        };
        let mut settlement = settled(id, MailVerdict::Sent(Some(broken(FailureCode::RecipientsRefused))));
        settlement.recipients =
            vec![result(0, RecipientState::Accepted, None), result(1, RecipientState::Refused, Some(&refusal))];
        store.settle_mail(fence, &settlement, at(3)).await.unwrap();
        let row = cells(&database, id, &["status", "server_reply", "failure_code"]).await;
        assert_eq!(row, "sent|250 2.0.0 queued as 1|recipients-refused");
        let results = "SELECT result || '|' || coalesce(CAST(reply_code AS TEXT) || enhanced_code || reply_text, '-') \
                       FROM email_parties ORDER BY position";
        assert_eq!(rows(&database, results).await, ["accepted|-", "refused|5505.1.1no such user"]);
        assert_eq!(open_alerts(&database).await, ["warning recipients-refused 1"]);
        // Written, and the answer lost: it is written again, and is as it was.
        store.settle_mail(fence, &settlement, at(5)).await.unwrap();
        assert_eq!(open_alerts(&database).await, ["warning recipients-refused 1"]);
        let events = "SELECT CAST(count(*) AS TEXT) FROM events WHERE kind = 'activity.sent'";
        assert_eq!(rows(&database, events).await, ["1"]);
        let failed = settled(id, MailVerdict::Failed(broken(FailureCode::MailRefused)));
        let other = store.settle_mail(fence, &failed, at(5)).await.unwrap_err();
        let words = other.to_string();
        assert!(matches!(other, StoreError::IllegalMove { from: ActivityStatus::Sent, .. }), "{words}");
        assert!(words.contains("is sent") && words.contains("cannot become failed"), "{words}");
        let later = Fence { epoch: fence.epoch + 1, ..fence };
        let lost = store.settle_mail(later, &settlement, at(6)).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_returned_has_no_attempt_and_a_refused_one_no_doubt() {
    for database in databases().await {
        let store = &database.store;
        let (_, fence, id) = under_way(&database).await;
        store.settle_mail(fence, &settled(id, MailVerdict::Returned), at(2)).await.unwrap();
        assert_eq!(claim_all(store, fence, at(2)).await[0].attempts, 1);
        store.mark_dot(fence, id, &[], at(3)).await.unwrap();
        let retry = MailVerdict::RetryAt(at(60), broken(FailureCode::ServerThrottled));
        store.settle_mail(fence, &settled(id, retry), at(4)).await.unwrap();
        assert_eq!(store.schedule_entries(Workload::Outgoing).await.unwrap()[0].due, Some(at(60)));
        assert_eq!(claim_all(store, fence, at(60)).await[0].attempts, 2);
        let failed = settled(id, MailVerdict::Failed(broken(FailureCode::MailRefused)));
        store.settle_mail(fence, &failed, at(61)).await.unwrap();
        assert_eq!(status(&database, id).await, "failed");
        assert_eq!(store.schedule_entries(Workload::Outgoing).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_claims_to_be_sent_without_proof_is_found() {
    for database in databases().await {
        let (_, _, id) = under_way(&database).await;
        let update = |change: &str| format!("UPDATE email_activities SET {change} WHERE id = '{id}' RETURNING status");
        rows(&database, &update("status = 'sent', message_id = NULL")).await;
        let found = database.store.check().await.unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("nothing shows that a server took it"), "{found:?}");
        assert!(found[1].contains("composed by half"), "{found:?}");
    }
}

/// SQLite keeps as text whatever a program calls so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_unreadable_mail_does_not_keep_the_others() {
    let database = sqlite().await;
    let store = &database.store;
    let mailbox = with_mailboxes(store, &["a@x"]).await.remove(0);
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(store.queue_mail(&mail(&mailbox, "s"), at(number)).await.unwrap());
    }
    let bad =
        format!("UPDATE email_activities SET body_text = CAST(x'66ff' AS TEXT) WHERE id = '{}' RETURNING id", ids[1]);
    rows(&database, &bad).await;
    let fence = lease(store, mailbox.id, at(5)).await;
    let claimed: Vec<_> = claim_all(store, fence, at(5)).await.iter().map(|mail| mail.activity).collect();
    assert_eq!(claimed, [ids[0], ids[2]]);
    let row = cells(&database, ids[1], &["status", "failure_code", "failure_detail"]).await;
    assert!(row.starts_with("failed|mail-invalid|it cannot be read"), "{row}");
    assert_eq!(open_alerts(&database).await, ["error mail-invalid 1"]);
}

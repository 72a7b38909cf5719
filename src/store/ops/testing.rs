//! Test & Enable: what is asked for, who runs it, what comes out, and what becomes of it where somebody
//! decides otherwise meanwhile.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Conn, Db, Result, alerts, lockout, text};
use crate::{
    model::{
        ids::{MailboxId, NodeId, RunId},
        mailbox::{Approval, Mailbox, TestStatus, Workload},
        record::{RecordChange, SecretOwner},
        testing::{
            Change, ClaimedTest, Enabling, StageReport, TestRequest, TestResult, TestResults, TestRun, TestSettlement,
        },
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Ids, MailText, Time},
        names::Named,
        rows::{MailboxRow, ProfileRow, TestRow, json},
        snapshot::Snapshot,
        sql::{self, Sql},
    },
};

/// Asks for a test, in place of the one before.
pub async fn queue(
    conn: &mut Conn,
    mailbox: MailboxId,
    (run, request): (RunId, TestRequest),
    who: &str,
    now: Timestamp,
) -> Result<()> {
    lockout::forgive(conn, &[mailbox], now).await?;
    sqlx::query::<Db>(text(sql::QUEUE_TEST))
        .bind(Id(mailbox.0))
        .bind(Id(run.0))
        .bind(Time(now))
        .bind(who)
        .bind(request.round_trip)
        .bind(request.dry_run)
        .bind(json(&Vec::<StageReport>::new())?)
        .bind(json(&TestResults::default())?)
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Mailboxes that a test may enable yet.
pub async fn open(conn: &mut Conn) -> Result<BTreeSet<MailboxId>> {
    let open: Vec<Id> = sqlx::query_scalar::<Db, Id>(text(sql::OPEN_TESTS)).fetch_all(conn).await?;
    Ok(open.into_iter().map(|id| MailboxId(id.0)).collect())
}

/// After a record was written: the later command wins. Who disables, removes or rejects a mailbox calls
/// its test off; where what is tested is not what it was, the test starts over, and is refused then if
/// it may not be run any more.
pub async fn follow(
    conn: &mut Conn,
    change: &RecordChange,
    (before, after): (&Snapshot, &Snapshot),
    now: Timestamp,
) -> Result<()> {
    match change {
        RecordChange::DisableIncoming(id) | RecordChange::DisableOutgoing(id) => {
            call_off(conn, *id, "it was disabled meanwhile", now).await
        }
        RecordChange::SetApproval(id, Approval::Rejected) => {
            call_off(conn, *id, "it was rejected meanwhile", now).await
        }
        RecordChange::RetireMailbox(id) => call_off(conn, *id, "it was removed meanwhile", now).await,
        RecordChange::PutMailbox(..)
        | RecordChange::SetApproval(..)
        | RecordChange::PutProfile(..)
        | RecordChange::RetireProfile(_) => match (before, after) {
            (Snapshot::Mailbox(before), Snapshot::Mailbox(after)) if before != after => {
                start_over(conn, sql::START_TEST_OVER, after.0.id.0, now).await
            }
            (Snapshot::Profile(before), Snapshot::Profile(after)) if before != after => {
                start_over(conn, sql::START_TESTS_OVER, after.0.id.0, now).await
            }
            _ => Ok(()),
        },
        RecordChange::PutOwner(_)
        | RecordChange::RetireOwner(_)
        | RecordChange::EnableIncoming(_)
        | RecordChange::EnableOutgoing(_)
        | RecordChange::QueueTest(..)
        | RecordChange::DismissAlert(_) => Ok(()),
    }
}

/// After a password of `owner` was entered: what was tried with another one starts over.
pub async fn entered(conn: &mut Conn, owner: SecretOwner, now: Timestamp) -> Result<()> {
    match owner {
        SecretOwner::Mailbox(id) => start_over(conn, sql::START_TEST_OVER, id.0, now).await,
        SecretOwner::Profile(id) => start_over(conn, sql::START_TESTS_OVER, id.0, now).await,
    }
}

async fn call_off(conn: &mut Conn, mailbox: MailboxId, why: &str, now: Timestamp) -> Result<()> {
    let statement = sqlx::query::<Db>(text(sql::CALL_OFF_TEST)).bind(Id(mailbox.0)).bind(Time(now)).bind(why);
    statement.execute(conn).await?;
    Ok(())
}

async fn start_over(conn: &mut Conn, statement: Sql, id: Uuid, now: Timestamp) -> Result<()> {
    let statement = sqlx::query::<Db>(text(statement)).bind(Id(id)).bind(Time(now));
    let (stages, results) = (json(&Vec::<StageReport>::new())?, json(&TestResults::default())?);
    statement.bind(stages).bind(results).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::tests`].
pub async fn tests(conn: &mut Conn, mailboxes: &[MailboxId], now: Timestamp) -> Result<Vec<TestRun>> {
    let ids = Ids(mailboxes.iter().map(|id| Id(id.0)).collect());
    let rows = sqlx::query_as::<Db, TestRow>(text(sql::TESTS)).bind(ids).fetch_all(conn).await?;
    rows.into_iter().map(|row| row.run(now)).collect()
}

/// See [`crate::store::Store::due_tests`].
pub async fn due_tests(conn: &mut Conn, now: Timestamp) -> Result<Vec<(MailboxId, Option<String>)>> {
    type Row = (Id, Option<String>);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::DUE_TESTS)).bind(Time(now)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(mailbox, host)| (MailboxId(mailbox.0), host)).collect())
}

/// Takes the lease of a test that is due; what its attempts before found to work is kept.
pub async fn claim_test(
    conn: &mut Conn,
    node: NodeId,
    mailbox: MailboxId,
    now: Timestamp,
    expires: Timestamp,
) -> Result<Option<ClaimedTest>> {
    let Some(mut run) = tests(conn, &[mailbox], now).await?.pop() else { return Ok(None) };
    run.stages.retain(|stage| run.results.of(stage.workload) == Some(&TestResult::Success));
    let taken = sqlx::query::<Db>(text(sql::CLAIM_TEST))
        .bind(Id(mailbox.0))
        .bind(Id(node.0))
        .bind(Time(now))
        .bind(Time(expires))
        .bind(json(&run.stages)?)
        .execute(&mut *conn)
        .await?;
    let Some(record) = self::mailbox(conn, mailbox).await?.filter(|_| taken.rows_affected() > 0) else {
        return Ok(None);
    };
    let profile = match record.profile {
        Some(id) => {
            let row = sqlx::query_as::<Db, ProfileRow>(text(sql::PROFILE)).bind(Id(id.0)).fetch_optional(conn).await?;
            row.map(|row| row.record().map(|(profile, _)| profile)).transpose()?
        }
        None => None,
    };
    run.attempts = run.attempts.saturating_add(1);
    run.running = true;
    Ok(Some(ClaimedTest { run, mailbox: record, profile, node }))
}

async fn mailbox(conn: &mut Conn, id: MailboxId) -> Result<Option<Mailbox>> {
    let row = sqlx::query_as::<Db, MailboxRow>(text(sql::MAILBOX)).bind(Id(id.0)).fetch_optional(conn).await?;
    row.map(MailboxRow::mailbox).transpose()
}

/// See [`crate::store::Store::renew_tests`].
pub async fn renew_tests(conn: &mut Conn, node: NodeId, expires: Timestamp) -> Result<()> {
    sqlx::query::<Db>(text(sql::RENEW_TESTS)).bind(Id(node.0)).bind(Time(expires)).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::release_tests`].
pub async fn release_tests(conn: &mut Conn, node: NodeId) -> Result<()> {
    sqlx::query::<Db>(text(sql::RELEASE_TESTS)).bind(Id(node.0)).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::note_stages`].
pub async fn note_stages(
    conn: &mut Conn,
    (mailbox, run, node): (MailboxId, RunId, NodeId),
    stages: Vec<StageReport>,
) -> Result<()> {
    sqlx::query::<Db>(text(sql::NOTE_STAGES))
        .bind(Id(mailbox.0))
        .bind(Id(run.0))
        .bind(Id(node.0))
        .bind(json(&stages)?)
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::add_test_mail`].
pub async fn add_test_mail(
    conn: &mut Conn,
    (mailbox, run, node): (MailboxId, RunId, NodeId),
    message_id: String,
    now: Timestamp,
) -> Result<()> {
    sqlx::query::<Db>(text(sql::ADD_TEST_MAIL))
        .bind(&message_id)
        .bind(Id(mailbox.0))
        .bind(Time(now))
        .execute(&mut *conn)
        .await?;
    sqlx::query::<Db>(text(sql::NOTE_TEST_MAIL))
        .bind(Id(mailbox.0))
        .bind(Id(run.0))
        .bind(Id(node.0))
        .bind(&message_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::note_test_mail_sent`].
pub async fn note_sent(
    conn: &mut Conn,
    (mailbox, run, node): (MailboxId, RunId, NodeId),
    now: Timestamp,
) -> Result<()> {
    sqlx::query::<Db>(text(sql::NOTE_SENT))
        .bind(Id(mailbox.0))
        .bind(Id(run.0))
        .bind(Id(node.0))
        .bind(Time(now))
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::test_mails`].
pub async fn test_mails(conn: &mut Conn, message_ids: &[String]) -> Result<Vec<(String, Timestamp)>> {
    let mut found = Vec::new();
    for id in message_ids {
        let made: Option<Time> =
            sqlx::query_scalar::<Db, Time>(text(sql::TEST_MAIL)).bind(id).fetch_optional(&mut *conn).await?;
        found.extend(made.map(|made| (id.clone(), made.0)));
    }
    Ok(found)
}

/// See [`crate::store::Store::settle_test`].
pub async fn settle_test(conn: &mut Conn, settlement: TestSettlement, now: Timestamp) -> Result<bool> {
    let TestSettlement { mailbox, run, node, next_attempt_at, results, stages, preview, refused, .. } = settlement;
    let written = sqlx::query::<Db>(text(sql::SETTLE_TEST))
        .bind(Id(mailbox.0))
        .bind(Id(run.0))
        .bind(Id(node.0))
        .bind(next_attempt_at.map(Time))
        .bind(json(&results)?)
        .bind(json(&stages)?)
        .bind(preview.as_ref().map(json).transpose()?)
        .bind(refused)
        .bind(next_attempt_at.is_none().then_some(Time(now)))
        .execute(&mut *conn)
        .await?;
    if written.rows_affected() == 0 {
        return Ok(false);
    }
    for enabling in settlement.enabling {
        enable(conn, mailbox, enabling, now).await?;
    }
    alerts::change(conn, settlement.alerts, now).await?;
    Ok(true)
}

async fn enable(conn: &mut Conn, mailbox: MailboxId, enabling: Enabling, now: Timestamp) -> Result<()> {
    let Enabling { workload, status, change } = enabling;
    let (told, enabled, failed) = match workload {
        Workload::Incoming => (sql::TEST_STATUS_INCOMING, sql::ENABLE_INCOMING, sql::FAIL_INCOMING),
        Workload::Outgoing => (sql::TEST_STATUS_OUTGOING, sql::ENABLE_OUTGOING, sql::FAIL_OUTGOING),
    };
    sqlx::query::<Db>(text(told))
        .bind(Id(mailbox.0))
        .bind(Time(now))
        .bind(TestStatus::word(status))
        .execute(&mut *conn)
        .await?;
    match change {
        Some(Change::Enable) => {
            sqlx::query::<Db>(text(enabled)).bind(Id(mailbox.0)).bind(Time(now)).execute(conn).await?;
        }
        Some(Change::Disable(failure)) => {
            sqlx::query::<Db>(text(failed))
                .bind(Id(mailbox.0))
                .bind(Time(now))
                .bind(failure.code.name())
                .bind(MailText(&failure.text))
                .execute(conn)
                .await?;
        }
        None => {}
    }
    Ok(())
}

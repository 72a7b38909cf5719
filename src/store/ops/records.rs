//! Profiles, users, queues and mailboxes.

use uuid::Uuid;

use super::{Conn, Db, Result, alerts, audit, locks, secrets, testing, text};
use crate::{
    model::{
        ids::MailboxId,
        mailbox::{Approval, Mailbox, MailboxKind, WorkloadState},
        profile::ServerProfile,
        record::{CredentialSource, Owner, RecordChange, Records},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Time},
        error::StoreError,
        names::{Named, state_word},
        rows::{MailboxRow, OwnerRow, ProfileRow, credential_columns, json},
        snapshot::{Basis, Kind, Snapshot, subject},
        sql::{self, Sql},
    },
};

/// See [`crate::store::Store::profiles`].
pub async fn profiles(conn: &mut Conn) -> Result<Vec<ServerProfile>> {
    let rows = sqlx::query_as::<Db, ProfileRow>(text(sql::PROFILES)).fetch_all(conn).await?;
    rows.into_iter().map(|row| Ok(row.record()?.0)).collect()
}

/// See [`crate::store::Store::records`].
pub async fn records(conn: &mut Conn) -> Result<Records> {
    let profiles = sqlx::query_as::<Db, ProfileRow>(text(sql::PROFILES)).fetch_all(&mut *conn).await?;
    let users = sqlx::query_as::<Db, OwnerRow>(text(sql::USERS)).fetch_all(&mut *conn).await?;
    let queues = sqlx::query_as::<Db, OwnerRow>(text(sql::QUEUES)).fetch_all(&mut *conn).await?;
    let mailboxes = sqlx::query_as::<Db, MailboxRow>(text(sql::MAILBOXES)).fetch_all(&mut *conn).await?;
    let passwords = secrets::passwords(&mut *conn).await?;
    let tested = testing::open(conn).await?;
    let users = users.into_iter().map(|row| row.record(MailboxKind::User));
    let queues = queues.into_iter().map(|row| row.record(MailboxKind::Queue));
    Ok(Records {
        profiles: profiles.into_iter().map(ProfileRow::record).collect::<Result<_>>()?,
        owners: users.chain(queues).collect::<Result<_>>()?,
        mailboxes: mailboxes.into_iter().map(MailboxRow::record).collect::<Result<_>>()?,
        passwords,
        tested,
    })
}

/// Writes the changes and an audit row for each, locks the passwords that would reach others, and sees to
/// the tests and alerts that are open.
/// None of it where somebody changed one of the records after it was as `basis` has it.
pub async fn apply(
    conn: &mut Conn,
    changes: Vec<RecordChange>,
    mut basis: Basis,
    who: String,
    now: Timestamp,
) -> Result<()> {
    for change in &changes {
        let (what, kind, id) = subject(change);
        lock(conn, kind, id).await?;
        let before = snapshot(conn, kind, id).await?;
        if let Some(what) = basis.overtaken(id, before.as_ref()) {
            return Err(StoreError::Overtaken { what });
        }
        write(conn, change, &who, now).await?;
        let Some(after) = snapshot(conn, kind, id).await? else {
            return Err(StoreError::Conflict { what: format!("{what}: there is no record {id}") });
        };
        let was = before.as_ref().map(json).transpose()?;
        audit::add(conn, (&who, what), id, (was, Some(json(&after)?)), now).await?;
        if let Some(before) = before {
            locks::follow(conn, &before, &after, &who, now).await?;
            testing::follow(conn, change, (&before, &after), now).await?;
            alerts::follow(conn, change, (&before, &after), now).await?;
        }
    }
    Ok(())
}

/// Keeps other writers from a record: what is read of it next is what is changed.
async fn lock(conn: &mut Conn, kind: Kind, id: Uuid) -> Result<()> {
    let statements: &[Sql] = match kind {
        Kind::Profile => &[sql::LOCK_PROFILE],
        Kind::User => &[sql::LOCK_USER],
        Kind::Queue => &[sql::LOCK_QUEUE],
        Kind::Owner => &[sql::LOCK_USER, sql::LOCK_QUEUE],
        Kind::Mailbox => &[sql::LOCK_MAILBOX],
        Kind::Alert => &[],
    };
    for statement in statements {
        sqlx::query::<Db>(text(*statement)).bind(Id(id)).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn snapshot(conn: &mut Conn, kind: Kind, id: Uuid) -> Result<Option<Snapshot>> {
    match kind {
        Kind::Profile => Ok(profile(conn, id).await?.map(|record| Snapshot::Profile(Box::new(record)))),
        Kind::User => owner(conn, sql::USER, MailboxKind::User, id).await,
        Kind::Queue => owner(conn, sql::QUEUE, MailboxKind::Queue, id).await,
        Kind::Owner => match owner(conn, sql::USER, MailboxKind::User, id).await? {
            Some(user) => Ok(Some(user)),
            None => owner(conn, sql::QUEUE, MailboxKind::Queue, id).await,
        },
        Kind::Alert => Ok(alerts::snapshot(conn, id).await?.map(|alert| Snapshot::Alert(Box::new(alert)))),
        Kind::Mailbox => {
            let row = sqlx::query_as::<Db, MailboxRow>(text(sql::MAILBOX)).bind(Id(id)).fetch_optional(conn).await?;
            row.map(|row| Ok(Snapshot::Mailbox(Box::new(row.record()?)))).transpose()
        }
    }
}

/// One profile with the source of its password.
pub async fn profile(conn: &mut Conn, id: Uuid) -> Result<Option<(ServerProfile, CredentialSource)>> {
    let row = sqlx::query_as::<Db, ProfileRow>(text(sql::PROFILE)).bind(Id(id)).fetch_optional(conn).await?;
    row.map(ProfileRow::record).transpose()
}

async fn owner(conn: &mut Conn, statement: Sql, kind: MailboxKind, id: Uuid) -> Result<Option<Snapshot>> {
    let row = sqlx::query_as::<Db, OwnerRow>(text(statement)).bind(Id(id)).fetch_optional(conn).await?;
    row.map(|row| Ok(Snapshot::Owner(row.record(kind)?))).transpose()
}

async fn write(conn: &mut Conn, change: &RecordChange, who: &str, now: Timestamp) -> Result<()> {
    let (statements, id): (&[Sql], Uuid) = match change {
        RecordChange::PutProfile(profile, source) => return put_profile(conn, profile, source, now).await,
        RecordChange::PutOwner(owner) => return put_owner(conn, owner, now).await,
        RecordChange::PutMailbox(mailbox, source) => return put_mailbox(conn, mailbox, source, now).await,
        RecordChange::SetApproval(id, approval) => return set_approval(conn, *id, *approval, now).await,
        RecordChange::QueueTest(id, run, request) => {
            return testing::queue(conn, *id, (*run, *request), who, now).await;
        }
        RecordChange::RetireProfile(id) => (&[sql::RETIRE_PROFILE], id.0),
        RecordChange::RetireOwner(id) => (&[sql::RETIRE_USER, sql::RETIRE_QUEUE], id.0),
        RecordChange::EnableIncoming(id) => (&[sql::ENABLE_INCOMING], id.0),
        RecordChange::DisableIncoming(id) => (&[sql::DISABLE_INCOMING], id.0),
        RecordChange::EnableOutgoing(id) => (&[sql::ENABLE_OUTGOING], id.0),
        RecordChange::DisableOutgoing(id) => (&[sql::DISABLE_OUTGOING], id.0),
        RecordChange::RetireMailbox(id) => (&[sql::RETIRE_MAILBOX], id.0),
        RecordChange::DismissAlert(id) => (&[sql::DISMISS_ALERT, sql::ACKNOWLEDGE, sql::ACKNOWLEDGE_OUTGOING], id.0),
    };
    for statement in statements {
        sqlx::query::<Db>(text(*statement)).bind(Id(id)).bind(Time(now)).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn put_profile(
    conn: &mut Conn,
    profile: &ServerProfile,
    source: &CredentialSource,
    now: Timestamp,
) -> Result<()> {
    let (source, name) = credential_columns(source);
    let outgoing = profile.outgoing.as_ref();
    sqlx::query::<Db>(text(sql::PUT_PROFILE))
        .bind(Id(profile.id.0))
        .bind(&profile.name)
        .bind(&profile.description)
        .bind(profile.server_type.word())
        .bind(profile.authenticate_using.word())
        .bind(profile.username.as_deref())
        .bind(source)
        .bind(name)
        .bind(&profile.incoming.host)
        .bind(i64::from(profile.incoming.port))
        .bind(profile.incoming.security.word())
        .bind(profile.incoming.auth.word())
        .bind(profile.process_email_from.map(Time))
        .bind(profile.minimum_polling_interval.as_secs_f64())
        .bind(i64::from(profile.maximum_concurrent_connections))
        .bind(profile.connection_timeout.as_secs_f64())
        .bind(profile.is_default)
        .bind(state_word(profile.active))
        .bind(profile.managed_by.as_deref())
        .bind(outgoing.map(|endpoint| &endpoint.host))
        .bind(outgoing.map(|endpoint| i64::from(endpoint.port)))
        .bind(outgoing.map(|endpoint| endpoint.security.word()))
        .bind(outgoing.map(|endpoint| endpoint.auth.word()))
        .bind(profile.save_to_sent)
        .bind(profile.in_doubt.map(Named::word))
        .bind(profile.owner.as_deref())
        .bind(Time(now))
        .bind(Time(now))
        .execute(conn)
        .await?;
    Ok(())
}

async fn put_owner(conn: &mut Conn, owner: &Owner, now: Timestamp) -> Result<()> {
    let statement = if owner.kind == MailboxKind::Queue { sql::PUT_QUEUE } else { sql::PUT_USER };
    sqlx::query::<Db>(text(statement))
        .bind(Id(owner.id.0))
        .bind(&owner.name)
        .bind(&owner.email_address)
        .bind(owner.external_id.as_deref())
        .bind(owner.filter_method.word())
        .bind(state_word(owner.active))
        .bind(owner.managed_by.as_deref())
        .bind(Time(now))
        .bind(Time(now))
        .execute(conn)
        .await?;
    Ok(())
}

async fn put_mailbox(conn: &mut Conn, mailbox: &Mailbox, source: &CredentialSource, now: Timestamp) -> Result<()> {
    let (source, name) = credential_columns(source);
    let statement = sqlx::query::<Db>(text(sql::PUT_MAILBOX))
        .bind(Id(mailbox.id.0))
        .bind(&mailbox.name)
        .bind(&mailbox.email_address)
        .bind(mailbox.kind.word())
        .bind(mailbox.owner.map(|id| Id(id.0)))
        .bind(mailbox.profile.map(|id| Id(id.0)))
        .bind(&mailbox.username)
        .bind(source)
        .bind(name)
        .bind(mailbox.incoming_method.word())
        .bind(mailbox.process_email_received_after.map(Time))
        .bind(mailbox.approval.word())
        .bind(state_word(mailbox.active))
        .bind(mailbox.managed_by.as_deref());
    let statement = bind_state(statement, &mailbox.incoming)
        .bind(mailbox.outgoing_method.word())
        .bind(mailbox.delete_after_processing);
    let declared = mailbox.declared_enabled.map(Named::word);
    let statement = bind_state(statement, &mailbox.outgoing).bind(declared).bind(Time(now)).bind(Time(now));
    statement.execute(&mut *conn).await?;
    sqlx::query::<Db>(text(sql::CLEAR_GRANTS)).bind(Id(mailbox.id.0)).execute(&mut *conn).await?;
    for address in &mailbox.may_send_as {
        sqlx::query::<Db>(text(sql::ADD_GRANT)).bind(Id(mailbox.id.0)).bind(address).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn set_approval(conn: &mut Conn, id: MailboxId, approval: Approval, now: Timestamp) -> Result<()> {
    let statement = sqlx::query::<Db>(text(sql::SET_APPROVAL)).bind(Id(id.0)).bind(Time(now)).bind(approval.word());
    statement.execute(conn).await?;
    Ok(())
}

/// A statement with its parameters so far.
type Statement<'q> = sqlx::query::Query<'q, Db, <Db as sqlx::Database>::Arguments>;

/// Binds the nine columns of a workload's state.
pub fn bind_state<'q>(statement: Statement<'q>, state: &'q WorkloadState) -> Statement<'q> {
    statement
        .bind(state.enabled)
        .bind(state.postponed_until.map(Time))
        .bind(i64::from(state.transient_failures))
        .bind(i64::from(state.confirmations))
        .bind(state.failing_since.map(Time))
        .bind(state.failure_code.map(|code| code.name()))
        .bind(state.last_error.as_deref())
        .bind(state.last_success_at.map(Time))
        .bind(state.next_due_at.map(Time))
}

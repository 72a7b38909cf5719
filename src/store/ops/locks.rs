//! Stored passwords that wait to be entered again: see [`crate::model::locks`].

use uuid::Uuid;

use super::{Conn, Db, Result, alerts, audit, records::profile, secrets::named, text};
use crate::{
    model::{
        alert::{AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::{MailboxId, ProfileId},
        locks::{passwords_locked, reach_others},
        profile::{Endpoint, ServerProfile},
        record::SecretOwner,
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Time},
        rows::narrow,
        snapshot::Snapshot,
        sql::{self, Sql},
    },
};

/// After a record was written: locks what would reach others now.
pub async fn follow(conn: &mut Conn, before: &Snapshot, after: &Snapshot, who: &str, now: Timestamp) -> Result<()> {
    match (before, after) {
        (Snapshot::Profile(before), Snapshot::Profile(after)) => {
            let (old, new) = (&before.0, &after.0);
            let locked = if reach_others(&old.endpoints(), &new.endpoints()) {
                lock(conn, sql::LOCK_SECRETS, new.id.0, who, now).await?
            } else {
                0
            };
            settle_alert(conn, new.id, locked > 0, now).await
        }
        (Snapshot::Mailbox(before), Snapshot::Mailbox(after)) if before != after => {
            let (old, new) = (&before.0, &after.0);
            if old.profile != new.profile {
                let (was, is) = (of(conn, old.profile).await?, of(conn, new.profile).await?);
                if reach_others(&endpoints(was.as_ref()), &endpoints(is.as_ref())) {
                    lock(conn, sql::LOCK_SECRET, new.id.0, who, now).await?;
                }
            }
            match old.profile {
                Some(profile) => settle_alert(conn, profile, false, now).await,
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

async fn of(conn: &mut Conn, id: Option<ProfileId>) -> Result<Option<ServerProfile>> {
    let Some(id) = id else { return Ok(None) };
    Ok(profile(conn, id.0).await?.map(|(profile, _)| profile))
}

fn endpoints(profile: Option<&ServerProfile>) -> Vec<&Endpoint> {
    profile.map_or_else(Vec::new, ServerProfile::endpoints)
}

/// Locks by `statement` what is not locked yet; returns how many.
async fn lock(conn: &mut Conn, statement: Sql, id: Uuid, who: &str, now: Timestamp) -> Result<usize> {
    type Row = (Id, String);
    let statement = sqlx::query_as::<Db, Row>(text(statement)).bind(Id(id)).bind(Time(now));
    let locked: Vec<Row> = statement.fetch_all(&mut *conn).await?;
    let count = locked.len();
    for (owner, key_id) in locked {
        let change = (Some(named(&key_id, None)), Some(named(&key_id, Some(now))));
        audit::add(conn, (who, "secret.lock"), owner.0, change, now).await?;
    }
    Ok(count)
}

/// After a password of `owner` was entered: what waits for it goes on, and it is missing no more.
pub async fn entered(conn: &mut Conn, owner: SecretOwner, now: Timestamp) -> Result<()> {
    let (subject, profile) = match owner {
        SecretOwner::Profile(profile) => {
            let statement = sqlx::query::<Db>(text(sql::PROBE_AT_ONCE));
            statement.bind(Id(profile.0)).bind(Time(now)).execute(&mut *conn).await?;
            (AlertSubject::Profile(profile), Some(profile))
        }
        SecretOwner::Mailbox(mailbox) => (AlertSubject::Mailbox(mailbox), profile_of(conn, mailbox).await?),
    };
    alerts::close(conn, subject, FailureCode::CredentialsMissing, now).await?;
    match profile {
        Some(profile) => settle_alert(conn, profile, false, now).await,
        None => Ok(()),
    }
}

async fn profile_of(conn: &mut Conn, mailbox: MailboxId) -> Result<Option<ProfileId>> {
    let statement = sqlx::query_scalar::<Db, Option<Id>>(text(sql::PROFILE_OF_MAILBOX)).bind(Id(mailbox.0));
    Ok(statement.fetch_optional(conn).await?.flatten().map(|id| ProfileId(id.0)))
}

/// The profile's alert tells how many passwords were locked; where none is locked any more that
/// somebody waits for, it is closed.
async fn settle_alert(conn: &mut Conn, profile: ProfileId, more: bool, now: Timestamp) -> Result<()> {
    let (subject, code) = (AlertSubject::Profile(profile), FailureCode::CredentialsLocked);
    let statement = sqlx::query_scalar::<Db, i64>(text(sql::LOCKED_OF_PROFILE)).bind(Id(profile.0));
    let locked = narrow("count", statement.fetch_one(&mut *conn).await?)?;
    if locked == 0 {
        return alerts::close(conn, subject, code, now).await;
    }
    if !more {
        return Ok(());
    }
    let text = format!("it names another server now: {} until entered again", passwords_locked(locked));
    alerts::raise(conn, NewAlert { subject, severity: Severity::Error, code, text, workload: None }, now).await
}

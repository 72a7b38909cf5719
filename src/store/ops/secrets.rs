//! Sealed secrets, and where passwords come from.

use super::{Conn, Db, Result, audit, locks, testing, text};
use crate::{
    model::{
        ids::{MailboxId, ProfileId},
        record::{CredentialSource, KeptSecret, Resealed, SealedSecret, SecretOwner, StoredPassword},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Json, Time},
        error::StoreError,
        rows::credentials,
        sql,
    },
};

fn columns(owner: SecretOwner) -> (&'static str, Id) {
    match owner {
        SecretOwner::Mailbox(id) => ("mailbox", Id(id.0)),
        SecretOwner::Profile(id) => ("profile", Id(id.0)),
    }
}

/// Whose a row is, by its first two columns.
pub fn owner_of(kind: &str, id: Id) -> Result<SecretOwner> {
    match kind {
        "mailbox" => Ok(SecretOwner::Mailbox(MailboxId(id.0))),
        "profile" => Ok(SecretOwner::Profile(ProfileId(id.0))),
        _ => Err(StoreError::unreadable("owner_kind", kind)),
    }
}

/// See [`crate::store::Store::put_secret`].
pub async fn put_secret(
    conn: &mut Conn,
    owner: SecretOwner,
    sealed: SealedSecret,
    who: String,
    now: Timestamp,
) -> Result<()> {
    type Row = (String, Option<Time>);
    let (kind, id) = columns(owner);
    let before = sqlx::query_as::<Db, Row>(text(sql::SECRET_KEY)).bind(kind).bind(id);
    let before: Option<Row> = before.fetch_optional(&mut *conn).await?;
    let was = before.map(|(key_id, locked_at)| named(&key_id, locked_at.map(|at| at.0)));
    let is = named(&sealed.key_id, None);
    sqlx::query::<Db>(text(sql::PUT_SECRET))
        .bind(kind)
        .bind(id)
        .bind(sealed.key_id)
        .bind(sealed.data_key)
        .bind(sealed.ciphertext)
        .bind(Time(now))
        .execute(&mut *conn)
        .await?;
    audit::add(conn, (&who, "secret.set"), id.0, (was, Some(is)), now).await?;
    testing::entered(conn, owner, now).await?;
    locks::entered(conn, owner, now).await
}

/// What the audit log says of a secret.
pub fn named(key_id: &str, locked_at: Option<Timestamp>) -> Json {
    let mut said = serde_json::json!({ "key_id": key_id });
    if let (Some(said), Some(at)) = (said.as_object_mut(), locked_at) {
        said.insert("locked_at".to_owned(), at.to_string().into());
    }
    Json(said.to_string())
}

/// See [`crate::store::Store::secret`].
pub async fn secret(conn: &mut Conn, owner: SecretOwner) -> Result<KeptSecret> {
    type Row = (String, Vec<u8>, Vec<u8>, Option<Time>);
    let (kind, id) = columns(owner);
    let row: Option<Row> =
        sqlx::query_as::<Db, Row>(text(sql::SECRET)).bind(kind).bind(id).fetch_optional(conn).await?;
    Ok(match row {
        None => KeptSecret::Nothing,
        Some((.., Some(since))) => KeptSecret::Locked { since: since.0 },
        Some((key_id, data_key, ciphertext, None)) => KeptSecret::Sealed(SealedSecret { key_id, data_key, ciphertext }),
    })
}

/// Which there are.
pub async fn passwords(conn: &mut Conn) -> Result<Vec<StoredPassword>> {
    type Row = (String, Id, Option<Time>);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::SECRETS)).fetch_all(conn).await?;
    let password =
        |(kind, id, locked): Row| Ok(StoredPassword { owner: owner_of(&kind, id)?, locked_at: locked.map(|at| at.0) });
    rows.into_iter().map(password).collect()
}

/// See [`crate::store::Store::credential_source`].
pub async fn credential_source(conn: &mut Conn, owner: SecretOwner) -> Result<CredentialSource> {
    type Row = (String, Option<String>);
    let (_, id) = columns(owner);
    let statement = match owner {
        SecretOwner::Mailbox(_) => sql::MAILBOX_CREDENTIALS,
        SecretOwner::Profile(_) => sql::PROFILE_CREDENTIALS,
    };
    let row: Option<Row> = sqlx::query_as::<Db, Row>(text(statement)).bind(id).fetch_optional(conn).await?;
    let (source, name) = row.ok_or_else(|| StoreError::Conflict { what: format!("no record {}", id.0) })?;
    credentials(&source, name)
}

/// See [`crate::store::Store::secrets_under_others`].
pub async fn secrets_under_others(
    conn: &mut Conn,
    key_id: &str,
    after: Option<SecretOwner>,
    limit: u32,
) -> Result<Vec<(SecretOwner, SealedSecret)>> {
    type Row = (String, Id, String, Vec<u8>, Vec<u8>);
    let (kind, id) = after.map_or(("", Id(uuid::Uuid::nil())), columns);
    let statement = sqlx::query_as::<Db, Row>(text(sql::SECRETS_UNDER_OTHERS));
    let rows = statement.bind(key_id).bind(kind).bind(id).bind(i64::from(limit)).fetch_all(conn).await?;
    let secret = |(kind, id, key_id, data_key, ciphertext): Row| {
        Ok((owner_of(&kind, id)?, SealedSecret { key_id, data_key, ciphertext }))
    };
    rows.into_iter().map(secret).collect()
}

/// See [`crate::store::Store::reseal`].
pub async fn reseal(conn: &mut Conn, secrets: Vec<Resealed>, who: String, now: Timestamp) -> Result<u64> {
    let mut done = 0;
    for Resealed { owner, before, after } in secrets {
        let (kind, id) = columns(owner);
        let (was, is) = (named(&before.key_id, None), named(&after.key_id, None));
        let updated = sqlx::query::<Db>(text(sql::RESEAL_SECRET))
            .bind(kind)
            .bind(id)
            .bind(before.key_id)
            .bind(before.data_key)
            .bind(after.key_id)
            .bind(after.data_key)
            .bind(after.ciphertext)
            .bind(Time(now))
            .execute(&mut *conn)
            .await?;
        if updated.rows_affected() == 0 {
            continue;
        }
        done += 1;
        audit::add(conn, (&who, "secret.reseal"), id.0, (Some(was), Some(is)), now).await?;
    }
    Ok(done)
}

/// See [`crate::store::Store::secrets_by_key`].
pub async fn secrets_by_key(conn: &mut Conn) -> Result<Vec<(String, u64)>> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as::<Db, (String, i64)>(text(sql::SECRETS_BY_KEY)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(key_id, secrets)| (key_id, secrets.unsigned_abs())).collect())
}

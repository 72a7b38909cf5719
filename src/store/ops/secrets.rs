//! Sealed secrets, and where passwords come from.

use super::{Conn, Db, Result, text};
use crate::{
    model::{
        ids::{MailboxId, ProfileId},
        record::{CredentialSource, Resealed, SealedSecret, SecretOwner},
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

/// See [`crate::store::Store::put_secret`].
pub async fn put_secret(conn: &mut Conn, owner: SecretOwner, sealed: SealedSecret, now: Timestamp) -> Result<()> {
    let (kind, id) = columns(owner);
    sqlx::query::<Db>(text(sql::PUT_SECRET))
        .bind(kind)
        .bind(id)
        .bind(sealed.key_id)
        .bind(sealed.data_key)
        .bind(sealed.ciphertext)
        .bind(Time(now))
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::secret`].
pub async fn secret(conn: &mut Conn, owner: SecretOwner) -> Result<Option<SealedSecret>> {
    type Row = (String, Vec<u8>, Vec<u8>);
    let (kind, id) = columns(owner);
    let row: Option<Row> =
        sqlx::query_as::<Db, Row>(text(sql::SECRET)).bind(kind).bind(id).fetch_optional(conn).await?;
    Ok(row.map(|(key_id, data_key, ciphertext)| SealedSecret { key_id, data_key, ciphertext }))
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
        let owner = match kind.as_str() {
            "mailbox" => SecretOwner::Mailbox(MailboxId(id.0)),
            "profile" => SecretOwner::Profile(ProfileId(id.0)),
            _ => return Err(StoreError::unreadable("owner_kind", kind)),
        };
        Ok((owner, SealedSecret { key_id, data_key, ciphertext }))
    };
    rows.into_iter().map(secret).collect()
}

/// See [`crate::store::Store::reseal`].
pub async fn reseal(conn: &mut Conn, secrets: Vec<Resealed>, who: String, now: Timestamp) -> Result<u64> {
    let named = |sealed: &SealedSecret| Json(serde_json::json!({ "key_id": sealed.key_id }).to_string());
    let mut done = 0;
    for Resealed { owner, before, after } in secrets {
        let (kind, id) = columns(owner);
        let (was, is) = (named(&before), named(&after));
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
        sqlx::query::<Db>(text(sql::ADD_AUDIT))
            .bind(Time(now))
            .bind(&who)
            .bind("secret.reseal")
            .bind(id)
            .bind(was)
            .bind(is)
            .execute(&mut *conn)
            .await?;
    }
    Ok(done)
}

/// See [`crate::store::Store::secrets_by_key`].
pub async fn secrets_by_key(conn: &mut Conn) -> Result<Vec<(String, u64)>> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as::<Db, (String, i64)>(text(sql::SECRETS_BY_KEY)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(key_id, secrets)| (key_id, secrets.unsigned_abs())).collect())
}

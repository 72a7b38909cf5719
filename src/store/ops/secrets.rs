//! Sealed secrets, and where passwords come from.

use super::{Conn, Db, Result, text};
use crate::{
    model::{
        record::{CredentialSource, SealedSecret, SecretOwner},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Time},
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

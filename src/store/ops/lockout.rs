//! Log-ins that were refused.

use super::{Conn, Db, Result, leases, text};
use crate::{
    model::{
        failure::FailureCode,
        ids::{MailboxId, ProfileId},
        lockout::{Mark, REMEMBERED, RefusedLogIn},
        mailbox::Workload,
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Ids, Time},
        sql,
    },
};

/// See [`crate::store::Store::refused_accounts`].
pub async fn accounts(conn: &mut Conn) -> Result<Vec<(String, String)>> {
    type Row = (String, String);
    Ok(sqlx::query_as::<Db, Row>(text(sql::REFUSED_ACCOUNTS)).fetch_all(conn).await?)
}

/// See [`crate::store::Store::refused_log_ins`].
pub async fn log_ins(conn: &mut Conn, host: String, username: String) -> Result<Vec<RefusedLogIn>> {
    type Row = (Time, Vec<u8>);
    let statement = sqlx::query_as::<Db, Row>(text(sql::REFUSED_LOG_INS)).bind(username).bind(host);
    let rows = statement.fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(at, mark)| RefusedLogIn { at: at.0, mark: Mark(mark) }).collect())
}

/// See [`crate::store::Store::note_refused`].
pub async fn note(conn: &mut Conn, host: String, username: String, refused: RefusedLogIn) -> Result<()> {
    let RefusedLogIn { at, mark } = refused;
    let old = sqlx::query::<Db>(text(sql::FORGET_OLD_REFUSALS)).bind(Time(at.minus(REMEMBERED)));
    old.execute(&mut *conn).await?;
    let statement = sqlx::query::<Db>(text(sql::NOTE_REFUSED)).bind(host).bind(username);
    statement.bind(Time(at)).bind(mark.0).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::forget_refused`].
pub async fn forget(conn: &mut Conn, host: String, username: String) -> Result<()> {
    sqlx::query::<Db>(text(sql::FORGET_REFUSALS)).bind(username).bind(host).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::let_in`].
pub async fn let_in(conn: &mut Conn, workload: Workload, since: Timestamp) -> Result<Vec<(ProfileId, u64)>> {
    type Row = (Id, i64);
    let statement = leases::of(workload, sql::LET_IN, sql::LET_IN_OUTGOING);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(statement).bind(Time(since)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(id, count)| (ProfileId(id.0), count.unsigned_abs())).collect())
}

/// See [`crate::store::Store::take_back`].
pub async fn take_back(
    conn: &mut Conn,
    workload: Workload,
    profile: ProfileId,
    codes: Vec<FailureCode>,
    since: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let alerts = leases::of(workload, sql::TAKE_BACK_ALERTS, sql::TAKE_BACK_ALERTS_OUTGOING);
    let charges = leases::of(workload, sql::TAKE_BACK, sql::TAKE_BACK_OUTGOING);
    for (code, statement) in codes.iter().flat_map(|code| [(code, alerts), (code, charges)]) {
        sqlx::query::<Db>(statement)
            .bind(Id(profile.0))
            .bind(Time(now))
            .bind(code.name())
            .bind(Time(since))
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Somebody wants it tried again: passwords that were refused count as new ones, and profiles that wait
/// because of them are tried.
pub async fn forgive(conn: &mut Conn, mailboxes: &[MailboxId], now: Timestamp) -> Result<()> {
    let ids = Ids(mailboxes.iter().map(|id| Id(id.0)).collect());
    sqlx::query::<Db>(text(sql::FORGIVE)).bind(&ids).bind(Vec::<u8>::new()).execute(&mut *conn).await?;
    for statement in [sql::RETRY_REFUSED, sql::RETRY_REFUSED_OUTGOING] {
        sqlx::query::<Db>(text(statement)).bind(&ids).bind(Time(now)).execute(&mut *conn).await?;
    }
    Ok(())
}

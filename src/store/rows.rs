//! Rows as they come out of the database, and what they become.

mod json;
mod records;
mod testing;

use std::time::Duration;

use sqlx::FromRow;

use json::from_json;
pub use json::json;
pub use records::{MailboxRow, OwnerRow, ProfileRow, credential_columns, credentials};
pub use testing::TestRow;

use super::{
    codec::{Hash, Id, Time},
    error::StoreError,
};
use crate::model::{
    cursor::{Cursor, InFlight},
    failure::FailureCode,
    lease::ProfileHold,
    uid::{Uid, UidValidity},
};

/// A column's number as the narrower type it was written from.
pub fn narrow<T: TryFrom<i64>>(column: &str, value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::unreadable(column, value))
}

/// A UID out of a column.
pub fn uid(value: i64) -> Result<Uid, StoreError> {
    Uid::new(narrow("uid", value)?).ok_or_else(|| StoreError::unreadable("uid", value))
}

/// A failure code out of a column.
pub fn failure_code(word: &str) -> Result<FailureCode, StoreError> {
    word.parse().map_err(|()| StoreError::unreadable("failure code", word))
}

/// Seconds out of a column, to the microsecond.
pub fn span(column: &str, seconds: f64) -> Result<Duration, StoreError> {
    let span = Duration::try_from_secs_f64(seconds).map_err(|_| StoreError::unreadable(column, seconds))?;
    let nanos = span.as_nanos() + 500;
    Ok(Duration::from_micros(u64::try_from(nanos / 1_000).unwrap_or(u64::MAX)))
}

/// Of `mailboxes`, with the number of a lease.
#[derive(FromRow)]
pub struct LeasedRow {
    /// The mailbox.
    #[sqlx(flatten)]
    pub mailbox: MailboxRow,
    /// The lease's number.
    pub lease_epoch: i64,
}

/// The row of `inbox_cursors` of a mailbox, if there is one.
#[derive(FromRow)]
pub struct CursorRow {
    uid_validity: Option<i64>,
    generation: Option<i64>,
    last_uid: Option<i64>,
    message_count: Option<i64>,
    compared_at: Option<Time>,
    starting_point: Option<Time>,
    starts_over: Option<i64>,
    in_flight_first: Option<i64>,
    in_flight_last: Option<i64>,
    in_flight_attempts: Option<i64>,
}

impl CursorRow {
    /// The cursor.
    pub fn cursor(&self) -> Result<Option<Cursor>, StoreError> {
        let (
            Some(uid_validity),
            Some(generation),
            Some(last_uid),
            Some(exists),
            Some(starting_point),
            Some(starts_over),
        ) = (
            self.uid_validity,
            self.generation,
            self.last_uid,
            self.message_count,
            self.starting_point,
            self.starts_over,
        )
        else {
            return Ok(None);
        };
        let in_flight = match (self.in_flight_first, self.in_flight_last, self.in_flight_attempts) {
            (Some(first), Some(last), Some(attempts)) => Some(InFlight {
                first: uid(first)?,
                last: uid(last)?,
                attempts: narrow("in_flight_attempts", attempts)?,
            }),
            _ => None,
        };
        Ok(Some(Cursor {
            uid_validity: UidValidity::new(narrow("uid_validity", uid_validity)?)
                .ok_or_else(|| StoreError::unreadable("uid_validity", uid_validity))?,
            generation: narrow("generation", generation)?,
            last_uid: narrow("last_uid", last_uid)?,
            exists: narrow("message_count", exists)?,
            compared_at: self.compared_at.map(|time| time.0),
            starting_point: starting_point.0,
            starts_over: narrow("starts_over", starts_over)?,
            in_flight,
        }))
    }
}

/// The hold of a profile.
#[derive(FromRow)]
pub struct HoldRow {
    hold_since: Time,
    hold_until: Time,
    hold_failures: i64,
    hold_code: String,
    hold_text: String,
}

impl HoldRow {
    /// The hold.
    pub fn hold(self) -> Result<ProfileHold, StoreError> {
        Ok(ProfileHold {
            since: self.hold_since.0,
            until: self.hold_until.0,
            failures: narrow("hold_failures", self.hold_failures)?,
            code: failure_code(&self.hold_code)?,
            text: self.hold_text,
        })
    }
}

/// A row of the ledger that may be the same message under an older number.
#[derive(FromRow)]
pub struct CopyRow {
    /// INTERNALDATE.
    pub internal_date: Time,
    /// As listed then.
    pub size: i64,
    /// Without brackets.
    pub message_id: Option<String>,
    /// Its key.
    pub message_key: Option<Hash>,
    /// `recorded`, `ignored` or `set_aside`.
    pub verdict: String,
    /// Why ignored.
    pub reason: Option<String>,
    /// What it became.
    pub activity: Option<Id>,
    /// Why set aside.
    pub failure_code: Option<String>,
    /// The words for it.
    pub failure_detail: Option<String>,
    /// Where its bytes are, if they were kept.
    pub source: Option<Hash>,
}

//! Calls of the store within a cycle: repeated while it is busy, their errors as failures.

use std::future::Future;

use crate::{
    base::{
        chain::Chain,
        retry::{Retries, retry},
    },
    model::failure::{Failure, FailureCode, Persistence, Scope},
    store::StoreError,
};

/// Calls the store until it is no longer busy, within reason.
///
/// # Errors
/// As the call's last one.
///
/// # Cancel safety
/// As safe as the call is.
pub async fn patiently<T, F>(call: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    retry(Retries::DATABASE, |error| matches!(error, StoreError::Busy(_)), call).await
}

/// What an error of the store means for a cycle.
///
/// Where the database is ill, the daemon stops starting cycles. A lost lease concerns only this
/// cycle: whoever holds it now goes on. A refused statement is a defect of ours with this mailbox's
/// mail, which must not stop the others.
pub fn failure(error: &StoreError) -> Failure {
    use StoreError as E;
    let (code, scope) = match error {
        E::DiskFull(_) => (FailureCode::DiskFull, Scope::Daemon),
        E::Damaged { .. } => (FailureCode::DatabaseDamaged, Scope::Daemon),
        E::LeaseLost => (FailureCode::DatabaseUnavailable, Scope::Mailbox),
        E::Conflict { .. }
        | E::Overtaken { .. }
        | E::IllegalMove { .. }
        | E::Unsendable { .. }
        | E::Sql(_)
        | E::Unsupported { .. } => (FailureCode::InternalError, Scope::Mailbox),
        E::Busy(_)
        | E::Unavailable(_)
        | E::Closed
        | E::Corrupt { .. }
        | E::AlreadyRunning { .. }
        | E::NotOurs { .. }
        | E::NewerSchema { .. }
        | E::Outdated { .. }
        | E::Missing { .. }
        | E::BadUrl { .. }
        | E::NoDirectory { .. }
        | E::Exists { .. }
        | E::Io { .. } => (FailureCode::DatabaseUnavailable, Scope::Daemon),
    };
    Failure::new(code, scope, Persistence::Transient, &Chain(error).to_string())
}

/// Whether the content of a message may be to blame, so that the others should be tried without it.
pub fn blames_content(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict { .. } | StoreError::Sql(_))
}

//! What a [`Store`] knows of log-ins that servers refused. An account is a host, in lower case, and a login.

use super::*;
use crate::model::{failure::FailureCode, lockout::RefusedLogIn};

impl Store {
    /// Accounts with a refused log-in: host and login.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn refused_accounts(&self) -> Result<Vec<(String, String)>, StoreError> {
        read!(self, lockout::accounts())
    }

    /// The refused log-ins of an account since the last that was not, as far as remembered.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn refused_log_ins(&self, host: &str, username: &str) -> Result<Vec<RefusedLogIn>, StoreError> {
        read!(self, lockout::log_ins(host.to_owned(), username.to_owned()))
    }

    /// Notes that a server refused an account; forgets what is long ago.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn note_refused(&self, host: &str, username: &str, refused: &RefusedLogIn) -> Result<(), StoreError> {
        write!(
            self,
            Lazy,
            0,
            lockout::note(host = host.to_owned(), username = username.to_owned(), refused = refused.clone())
        )
    }

    /// Forgets the refused log-ins of an account: it was let in.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn forget_refused(&self, host: &str, username: &str) -> Result<(), StoreError> {
        write!(self, Lazy, 0, lockout::forget(host = host.to_owned(), username = username.to_owned()))
    }

    /// How many mailboxes of each profile got through a cycle of `workload` since then.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn let_in(&self, workload: Workload, since: Timestamp) -> Result<Vec<(ProfileId, u64)>, StoreError> {
        read!(self, lockout::let_in(workload, since))
    }

    /// Takes back what mailboxes of a profile were charged for failures with `codes` that began since then: what it
    /// disabled is enabled, what was raised about them is over, and all are due now.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn take_back(
        &self,
        workload: Workload,
        profile: ProfileId,
        codes: &[FailureCode],
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        write!(
            self,
            Durable,
            0,
            lockout::take_back(
                workload = workload,
                profile = profile,
                codes = codes.to_vec(),
                since = since,
                now = now
            )
        )
    }
}

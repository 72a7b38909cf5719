//! What a [`Store`] can do about its audit log.

use super::*;

impl Store {
    /// What was changed, by whom, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        read!(self, audit::list(filter))
    }
}

//! What is asked of the audit log, and what it answers.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::model::timestamp::Timestamp;

/// Which changes.
#[derive(Clone, Debug)]
pub struct AuditFilter {
    /// Only changes to these; `None`: to anything.
    pub subjects: Option<BTreeSet<Uuid>>,
    /// Only from then on.
    pub since: Timestamp,
    /// At most so many.
    pub limit: u32,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// Its place in the order of all.
    pub sequence: i64,
    /// When it was made.
    pub at: Timestamp,
    /// By whom: `cli:LOGIN`, or `config` for what the files declare.
    pub who: String,
    /// What was done, as `mailbox.put`.
    pub what: String,
    /// To which record.
    pub subject: Uuid,
    /// How it was; `None` where it is new.
    pub before: Option<Value>,
    /// How it is since. Of secrets only the identifier of the key.
    pub after: Option<Value>,
}

//! Rows of Test & Enable.

use sqlx::FromRow;

use super::{
    super::{
        codec::{Id, Time},
        error::StoreError,
    },
    from_json, narrow,
};
use crate::model::{
    ids::{MailboxId, RunId},
    testing::{TestMail, TestRequest, TestRun},
    timestamp::Timestamp,
};

/// Of `mailbox_tests`.
#[derive(FromRow)]
pub struct TestRow {
    mailbox: Id,
    run: Id,
    requested_at: Time,
    requested_by: String,
    round_trip: bool,
    dry_run: bool,
    attempts: i64,
    next_attempt_at: Option<Time>,
    lease_expires: Option<Time>,
    stages: String,
    results: String,
    preview: Option<String>,
    message_id: Option<String>,
    sent_at: Option<Time>,
    refused: Option<String>,
    finished_at: Option<Time>,
}

impl TestRow {
    /// The test at `now`.
    pub fn run(self, now: Timestamp) -> Result<TestRun, StoreError> {
        let sent_at = self.sent_at.map(|time| time.0);
        Ok(TestRun {
            mailbox: MailboxId(self.mailbox.0),
            run: RunId(self.run.0),
            request: TestRequest { round_trip: self.round_trip, dry_run: self.dry_run },
            requested_at: self.requested_at.0,
            requested_by: self.requested_by,
            attempts: narrow("attempts", self.attempts)?,
            next_attempt_at: self.next_attempt_at.map(|time| time.0),
            running: self.lease_expires.is_some_and(|expires| expires.0 > now),
            stages: from_json("stages", &self.stages)?,
            results: from_json("results", &self.results)?,
            preview: self.preview.as_deref().map(|text| from_json("preview", text)).transpose()?,
            mail: self.message_id.map(|message_id| TestMail { message_id, sent_at }),
            refused: self.refused,
            finished_at: self.finished_at.map(|time| time.0),
        })
    }
}

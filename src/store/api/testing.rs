//! What a [`Store`] can do for Test & Enable. A test is asked for by [`RecordChange::QueueTest`].

use super::*;
use crate::model::{
    ids::RunId,
    testing::{ClaimedTest, StageReport, TestRun, TestSettlement},
};

/// Who writes about which test: nothing is written where the lease is lost, or another test of the
/// mailbox was asked for.
pub type TestFence = (MailboxId, RunId, NodeId);

impl Store {
    /// The last test of each of `mailboxes` that had one, as it stands at `now`, in no order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn tests(&self, mailboxes: &[MailboxId], now: Timestamp) -> Result<Vec<TestRun>, StoreError> {
        read!(self, testing::tests(mailboxes, now))
    }

    /// Mailboxes whose test is due and that nobody is at, with the host that they read from in lower case,
    /// longest due first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn due_tests(&self, now: Timestamp) -> Result<Vec<(MailboxId, Option<String>)>, StoreError> {
        read!(self, testing::due_tests(now))
    }

    /// Takes the lease of a test until `now + ttl`, and counts the attempt; `None` where it is not due
    /// any more, or somebody else has it. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn claim_test(
        &self,
        node: NodeId,
        mailbox: MailboxId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<ClaimedTest>, StoreError> {
        let expires = now.plus(ttl);
        write!(self, Lazy, 0, testing::claim_test(node = node, mailbox = mailbox, now = now, expires = expires))
    }

    /// How far the mail of a mailbox is recorded; `None` before the first cycle.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn cursor(&self, mailbox: MailboxId) -> Result<Option<Cursor>, StoreError> {
        read!(self, inbox::cursor(mailbox))
    }

    /// Prolongs the leases of all tests of `node` to `now + ttl`. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn renew_tests(&self, node: NodeId, now: Timestamp, ttl: Duration) -> Result<(), StoreError> {
        let expires = now.plus(ttl);
        write!(self, Lazy, 0, testing::renew_tests(node = node, expires = expires))
    }

    /// Gives back the leases of all tests of `node`: as if these attempts had not been begun. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn release_tests(&self, node: NodeId) -> Result<(), StoreError> {
        write!(self, Lazy, 0, testing::release_tests(node = node))
    }

    /// Writes which stages of the attempt are over, for whoever watches. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn note_stages(&self, fence: TestFence, stages: &[StageReport]) -> Result<(), StoreError> {
        write!(self, Lazy, 0, testing::note_stages(fence = fence, stages = stages.to_vec()))
    }

    /// Remembers the Message-ID of a test mail before it is sent, so that it is known when it is read,
    /// however often and wherever. Durable.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn add_test_mail(&self, fence: TestFence, message_id: &str, now: Timestamp) -> Result<(), StoreError> {
        let id = message_id;
        write!(self, Durable, 0, testing::add_test_mail(fence = fence, message_id = id.to_owned(), now = now))
    }

    /// Notes that the server took the test mail: no further attempt sends one. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn note_test_mail_sent(&self, fence: TestFence, now: Timestamp) -> Result<(), StoreError> {
        write!(self, Lazy, 0, testing::note_sent(fence = fence, now = now))
    }

    /// Those of `message_ids` (without brackets) that are of test mails, and when each was made.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn test_mails(&self, message_ids: &[String]) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        Ok(read!(self, testing::test_mails(message_ids))?.into_iter().collect())
    }

    /// Writes the end of an attempt: what it says, what it enables or disables, its alerts.
    /// `false`: the lease is lost, another test was asked for, or somebody decided otherwise meanwhile; then
    /// nothing is written. Durable.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn settle_test(&self, settlement: &TestSettlement, now: Timestamp) -> Result<bool, StoreError> {
        write!(self, Durable, 0, testing::settle_test(settlement = settlement.clone(), now = now))
    }
}

//! Hints to the schedule: "look at this mailbox", "read the records again".
//!
//! A hint carries no data and may be lost: the periodic pass is the truth. Many hints before one
//! look are one.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::model::ids::MailboxId;

/// What was hinted at since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hinted {
    /// Mailboxes that have new mail, or that somebody wants polled.
    pub mailboxes: BTreeSet<MailboxId>,
    /// Whether the records changed.
    pub records: bool,
}

impl Hinted {
    fn is_empty(&self) -> bool {
        self.mailboxes.is_empty() && !self.records
    }
}

/// Takes hints from anywhere and gives them to the schedule. Clones share one set; it holds each
/// mailbox once, however often it is hinted at.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    hinted: Mutex<Hinted>,
    notify: Notify,
}

impl Hints {
    /// No hints yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// This mailbox is worth a poll.
    pub fn mailbox(&self, mailbox: MailboxId) {
        self.change(|hinted| {
            hinted.mailboxes.insert(mailbox);
        });
    }

    /// Profiles or mailboxes changed.
    pub fn records(&self) {
        self.change(|hinted| hinted.records = true);
    }

    /// Waits until there is a hint and takes all there are.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait(&self) -> Hinted {
        loop {
            let notified = self.inner.notify.notified();
            let hinted = self.take();
            if !hinted.is_empty() {
                return hinted;
            }
            notified.await;
        }
    }

    fn take(&self) -> Hinted {
        std::mem::take(&mut *self.inner.hinted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Hinted)) {
        change(&mut self.inner.hinted.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.notify.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::model::timestamp::Timestamp;

    #[tokio::test]
    async fn many_hints_are_one_and_a_dropped_wait_loses_none() {
        let hints = Hints::new();
        let mailbox = MailboxId::generate(Timestamp::EPOCH);
        assert!(hints.wait().now_or_never().is_none());
        for _ in 0..1_000 {
            hints.mailbox(mailbox);
        }
        hints.records();
        let hinted = hints.wait().await;
        assert_eq!(hinted, Hinted { mailboxes: BTreeSet::from([mailbox]), records: true });
        assert!(hints.wait().now_or_never().is_none());
        drop(hints.wait());
        hints.mailbox(mailbox);
        assert!(hints.wait().await.mailboxes.contains(&mailbox));
    }
}

//! A connection that waits in IDLE between polls and hints when the Inbox changes. It only hints:
//! what a poll finds is the truth, and a lost hint costs no more than the polling interval.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    base::{hints::Hints, tasks::Tasks},
    imap::Idle,
    model::ids::MailboxId,
};

use super::imap_source::ImapSource;

/// RFC 2177 asks for a new IDLE at least every 29 minutes; some routers forget a connection sooner.
const RENEW_EVERY: Duration = Duration::from_secs(9 * 60);

/// A source that is being watched.
#[derive(Debug)]
pub struct Watcher {
    stop: CancellationToken,
    source: oneshot::Receiver<ImapSource>,
}

impl Watcher {
    /// Begins to watch `source`.
    pub fn start(tasks: &Tasks, source: ImapSource, mailbox: MailboxId, hints: Hints) -> Self {
        let stop = CancellationToken::new();
        let (give_back, back) = oneshot::channel();
        let stopped = stop.clone();
        tasks.spawn("watch", async move {
            if let Some(source) = watch(source, &stopped, mailbox, &hints).await {
                // Nobody may be waiting any more; then the connection is closed by being dropped.
                let _ = give_back.send(source);
            }
        });
        Self { stop, source: back }
    }

    /// Ends the watch and gives the source back, if its connection is still good. Takes a round trip.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub async fn recall(self) -> Option<ImapSource> {
        self.stop.cancel();
        self.source.await.ok()
    }
}

/// Watches until `stop`; `None` where the connection broke.
async fn watch(
    mut source: ImapSource,
    stop: &CancellationToken,
    mailbox: MailboxId,
    hints: &Hints,
) -> Option<ImapSource> {
    while !stop.is_cancelled() {
        // What arrives between this look and IDLE is announced by IDLE itself.
        if source.open_again().await.ok()? {
            hints.mailbox(mailbox);
        }
        let session = source.session();
        session.idle().await.ok()?;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                seen = session.wait(RENEW_EVERY) => match seen.ok()? {
                    Idle::Changed => hints.mailbox(mailbox),
                    Idle::TimedOut => break,
                },
            }
        }
        session.done().await.ok()?;
    }
    Some(source)
}

//! [`MailSource`] over IMAP: connections, whose password opens them, and what becomes of them
//! between polls.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    base::{
        clock::Clock,
        hints::Hints,
        retry::{Retries, retry},
        tasks::Tasks,
    },
    classify,
    imap::{
        connect::{self, NetSession, Timeouts},
        error::ImapError,
    },
    means::{account::Account, network::Network, slots::Slot},
    model::{
        cursor::{FetchedMessage, FolderView, ListedMessage},
        failure::{Failure, FailureCode, Persistence, Scope, clean},
        ids::MailboxId,
        timestamp::Timestamp,
        uid::{Uid, UidSet},
    },
};

use super::{
    source::{Deletion, MailSource, Opened, Sources},
    unlisted::Unlisted,
    watch::Watcher,
};

/// A connection is kept for the next poll if that comes within this time.
const KEEP_FOR: Duration = Duration::from_secs(120);
/// What a parked connection may be late before it is closed: its mailbox was disabled or removed.
const KEEP_AFTER: Duration = Duration::from_secs(60);

/// Hands out IMAP connections, one for each mailbox at a time.
#[derive(Clone)]
pub struct ImapSources {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    network: Network,
    /// Messages that are not to be listed.
    pub(super) unlisted: Unlisted,
    /// Whether parked connections watch their Inbox.
    push: AtomicBool,
    parked: Mutex<BTreeMap<MailboxId, Parked>>,
    hints: Hints,
    tasks: Tasks,
    pub(super) clock: Clock,
}

struct Parked {
    account: Account,
    waiting: Waiting,
    /// After this it is closed; `None` while it is watched.
    until: Option<Timestamp>,
}

enum Waiting {
    Idle(Box<ImapSource>),
    Watched(Watcher),
}

/// One logged-in connection.
pub struct ImapSource {
    pub(super) session: NetSession,
    slot: Slot,
    pub(super) account: Account,
    pub(super) shared: Arc<Shared>,
    /// It lay parked and was not used since: the server may have closed it meanwhile.
    rested: bool,
    /// What was seen last.
    pub(super) seen: Option<FolderView>,
}

impl std::fmt::Debug for ImapSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImapSource").field("mailbox", &self.account.address).finish_non_exhaustive()
    }
}

impl ImapSources {
    /// No connection yet. Background work runs in `tasks`; changes that IDLE shows go to `hints`.
    pub fn new(network: Network, hints: Hints, tasks: Tasks, clock: Clock) -> Self {
        let (parked, push) = (Mutex::new(BTreeMap::new()), AtomicBool::new(false));
        let shared = Arc::new(Shared {
            network: network.clone(),
            unlisted: Unlisted::default(),
            push,
            parked,
            hints,
            tasks,
            clock,
        });
        let parking = Arc::downgrade(&shared);
        network.slots().evict_by(move |mailbox| {
            if let Some(shared) = parking.upgrade() {
                shared.close_parked(mailbox);
            }
        });
        Self { shared }
    }

    /// Whether connections parked from now on watch their Inbox.
    pub fn set_push(&self, push: bool) {
        self.shared.push.store(push, Ordering::Relaxed);
    }

    /// Closes parked connections whose mailbox was not polled again in time.
    pub fn sweep(&self) {
        let now = self.shared.clock.now();
        let late: Vec<MailboxId> = self
            .shared
            .parked()
            .iter()
            .filter(|(_, parked)| parked.until.is_some_and(|until| until < now))
            .map(|(mailbox, _)| *mailbox)
            .collect();
        late.into_iter().for_each(|mailbox| self.shared.close_parked(mailbox));
    }

    /// Logs out of all parked connections, in the background.
    pub fn close_all(&self) {
        let all: Vec<MailboxId> = self.shared.parked().keys().copied().collect();
        all.into_iter().for_each(|mailbox| self.shared.close_parked(mailbox));
    }

    /// After a failure to connect: connections that rest take what those that work are short of.
    pub(super) fn make_room(&self, failure: &Failure) {
        if failure.code == FailureCode::ResourcesExhausted {
            self.close_all();
        }
    }

    /// Open connections, parked ones too.
    pub fn open_connections(&self) -> usize {
        self.shared.network.slots().open()
    }
}

impl Shared {
    fn parked(&self) -> MutexGuard<'_, BTreeMap<MailboxId, Parked>> {
        // Each change of the map is one call, so a panic elsewhere leaves it whole.
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unpark(&self, mailbox: MailboxId) -> Option<Parked> {
        let parked = self.parked().remove(&mailbox)?;
        self.network.slots().unparked(mailbox);
        Some(parked)
    }

    fn close_parked(&self, mailbox: MailboxId) {
        let Some(parked) = self.unpark(mailbox) else { return };
        self.tasks.spawn("log out", async move {
            let source = match parked.waiting {
                Waiting::Idle(source) => Some(*source),
                Waiting::Watched(watcher) => watcher.recall().await,
            };
            if let Some(source) = source {
                source.close().await;
            }
        });
    }

    /// Connects and logs in, in the slot given.
    pub(super) async fn connect(&self, account: &Account) -> Result<NetSession, Failure> {
        let (log_in, ports) = (self.network.log_in(account).await?, self.network.ports());
        let credentials = connect::Credentials { username: &account.username, password: log_in.password() };
        let timeouts = Timeouts::new(account.timeout);
        let connect = || connect::open(&account.endpoint, credentials, &ports, self.network.tls(), timeouts);
        let connected = retry(Retries::CONNECT, is_momentary, connect).await;
        log_in.ended(connected.map_err(failure)).await
    }
}

impl Sources for ImapSources {
    type Source = ImapSource;

    fn is_parked(&self, mailbox: MailboxId) -> bool {
        self.shared.parked().contains_key(&mailbox)
    }

    async fn take(&self, account: &Account) -> Result<ImapSource, Failure> {
        if let Some(parked) = self.shared.unpark(account.mailbox) {
            let same = parked.account == *account;
            let source = match parked.waiting {
                Waiting::Idle(source) => Some(*source),
                Waiting::Watched(watcher) => watcher.recall().await,
            };
            match source {
                Some(source) if same => return Ok(source),
                Some(source) => source.close().await,
                None => {}
            }
        }
        let slot = self.shared.network.slot(account).await;
        let session = self.shared.connect(account).await.inspect_err(|failure| self.make_room(failure))?;
        Ok(ImapSource {
            session,
            slot,
            account: account.clone(),
            shared: Arc::clone(&self.shared),
            rested: false,
            seen: None,
        })
    }

    async fn park(&self, account: &Account, mut source: ImapSource, next_poll_in: Duration) {
        source.rested = true;
        let push = self.shared.push.load(Ordering::Relaxed) && source.session.offers_idle().await.unwrap_or(false);
        if !push && next_poll_in > KEEP_FOR {
            self.shared.tasks.spawn("log out", source.close());
            return;
        }
        let key = source.slot.key().clone();
        let until = (!push).then(|| self.shared.clock.now().plus(next_poll_in + KEEP_AFTER));
        let waiting = if push {
            Waiting::Watched(Watcher::start(&self.shared.tasks, source, account.mailbox, self.shared.hints.clone()))
        } else {
            Waiting::Idle(Box::new(source))
        };
        self.shared.parked().insert(account.mailbox, Parked { account: account.clone(), waiting, until });
        // Last: who is told that it may be closed must find it.
        self.shared.network.slots().parked(account.mailbox, key);
    }
}

impl ImapSource {
    /// Opens the Inbox and tells whether it changed since it was last seen.
    ///
    /// # Errors
    /// The connection is dead.
    pub async fn open_again(&mut self) -> Result<bool, ImapError> {
        let view = self.session.examine().await?;
        let changed = self.seen.replace(view.clone()).is_none_or(|seen| differ(&seen, &view));
        Ok(changed)
    }

    /// The conversation.
    pub fn session(&mut self) -> &mut NetSession {
        &mut self.session
    }

    /// Deletes `uids` and nothing else, or moves them to the Trash; `false` where neither can be done.
    async fn expunge_or_move(&mut self, uids: &UidSet) -> Result<bool, ImapError> {
        let before = self.seen.as_ref().map(|seen| seen.uid_validity);
        let view = self.session.select().await?;
        if before.is_some_and(|before| before != view.uid_validity) {
            return Err(ImapError::Protocol("the UIDVALIDITY changed from one look to the next".to_owned()));
        }
        if self.session.delete(uids).await? {
            return Ok(true);
        }
        match self.session.folders().await?.trash {
            Some(trash) => self.session.move_to(uids, &trash).await,
            None => Ok(false),
        }
    }

    async fn view(&mut self) -> Result<FolderView, ImapError> {
        let view = self.session.status().await?;
        self.seen = Some(view.clone());
        Ok(view)
    }

    /// Logs out; a server that does not answer is left without.
    async fn close(self) {
        if let Err(error) = self.session.logout().await {
            tracing::debug!(mailbox = %self.account.address, error = %error, "log-out failed");
        }
    }
}

/// Whether two looks tell of different folders. EXAMINE may leave out the UIDNEXT that STATUS gives.
fn differ(before: &FolderView, now: &FolderView) -> bool {
    let uid_next = before.uid_next.zip(now.uid_next).is_some_and(|(before, now)| before != now);
    uid_next || before.exists != now.exists || before.uid_validity != now.uid_validity
}

/// What a server that restarts or is busy says for a moment, before any secret was sent.
fn is_momentary(error: &ImapError) -> bool {
    match error {
        ImapError::Net(error) => error.is_momentary(),
        ImapError::Eof { during } => *during == "greeting",
        _ => false,
    }
}

/// Whether the connection is simply gone, as after the server's time for idle connections.
fn is_gone(error: &ImapError) -> bool {
    match error {
        ImapError::Bye(_) | ImapError::Eof { .. } | ImapError::Net(_) => true,
        ImapError::Rejected { .. }
        | ImapError::Greeting(_)
        | ImapError::Timeout { .. }
        | ImapError::Protocol(_)
        | ImapError::Limit(_)
        | ImapError::Security(_)
        | ImapError::LoginDisabled
        | ImapError::Credentials => false,
    }
}

fn refused(words: &str) -> Deletion {
    Deletion::Refused(Failure::new(FailureCode::DeletionRefused, Scope::Mailbox, Persistence::Permanent, words))
}

fn failure(error: ImapError) -> Failure {
    classify::imap::failure(&error)
}

impl MailSource for ImapSource {
    async fn look(&mut self) -> Result<FolderView, Failure> {
        let rested = std::mem::take(&mut self.rested);
        match self.view().await {
            // Servers end connections that rest too long (RFC 9051 §5.4): no fault of anybody.
            Err(error) if rested && is_gone(&error) => {
                self.session = self.shared.connect(&self.account).await?;
                self.view().await.map_err(failure)
            }
            seen => seen.map_err(failure),
        }
    }

    fn notice(&mut self) -> Option<String> {
        self.session.take_notice().map(|words| clean(&words, Failure::TEXT_LIMIT))
    }

    async fn open(&mut self, ahead: &UidSet) -> Result<Opened, Failure> {
        self.open_ahead(ahead).await
    }

    async fn list(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, Failure> {
        self.list_all(uids).await
    }

    async fn message_ids(&mut self, uids: &UidSet) -> Result<Vec<(Uid, Option<String>)>, Failure> {
        self.session.message_ids(uids).await.map_err(failure)
    }

    async fn request(&mut self, batch: &[ListedMessage]) -> Result<(), Failure> {
        self.session.request(batch).await.map_err(failure)
    }

    async fn receive(&mut self) -> Result<Vec<FetchedMessage>, Failure> {
        self.session.receive().await.map_err(failure)
    }

    async fn delete(&mut self, uids: &UidSet) -> Result<Deletion, Failure> {
        match self.expunge_or_move(uids).await {
            Ok(true) => Ok(Deletion::Done),
            Ok(false) => Ok(refused("the server has neither UIDPLUS nor a folder to move deleted mail to (MOVE)")),
            Err(error) => {
                let is_refusal = matches!(error, ImapError::Rejected { .. });
                let failure = failure(error);
                // What is said of the mailbox is not about the deletion.
                match failure.code {
                    FailureCode::MailboxCorrupt => Err(failure),
                    _ if is_refusal => Ok(refused(&failure.text)),
                    _ => Err(failure),
                }
            }
        }
    }
}

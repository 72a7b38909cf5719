//! A mail server in memory that keeps the rules of RFC 9051 about UIDs, unless it is told to break
//! them. It reads no clock; whoever uses it decides what happens between the steps of a conversation.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use mailsyncd::{
    means::account::Account,
    model::{
        cursor::{FetchedMessage, FolderView, ListedMessage},
        failure::{Failure, FailureCode, Persistence, Scope},
        uid::{Uid, UidSet},
    },
    receive::source::{Deletion, MailSource, Opened, Sources},
};

pub use super::sim_inbox::{Fault, SimInbox, SimMessage, Step, UidNext};

/// Looks at every step that begins, may change the Inbox, and says what goes wrong.
pub type Director = Box<dyn FnMut(&str, Step, &mut SimInbox) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    inboxes: BTreeMap<String, SimInbox>,
    director: Option<Director>,
    parked: BTreeMap<String, SimSource>,
}

/// The server; clones are the same one.
#[derive(Clone, Default)]
pub struct SimServer {
    state: Arc<Mutex<State>>,
}

impl SimServer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Does something to the Inbox of `address`, which is made where there is none.
    pub fn inbox<T>(&self, address: &str, change: impl FnOnce(&mut SimInbox) -> T) -> T {
        change(self.lock().inboxes.entry(address.to_owned()).or_default())
    }

    /// From now on `director` is asked at every step.
    pub fn direct(&self, director: impl FnMut(&str, Step, &mut SimInbox) -> Option<Fault> + Send + 'static) {
        self.lock().director = Some(Box::new(director));
    }

    /// No more faults.
    pub fn obey(&self) {
        self.lock().director = None;
    }

    /// A logged-in source, whatever the director thinks of log-ins.
    pub fn source(&self, address: &str) -> SimSource {
        self.inbox(address, |inbox| {
            inbox.log_ins += 1;
            inbox.connections += 1;
        });
        SimSource {
            server: self.clone(),
            address: address.to_owned(),
            opened: false,
            dead: false,
            asked: VecDeque::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, address: &str, step: Step) -> Option<Fault> {
        let State { inboxes, director, .. } = &mut *self.lock();
        let inbox = inboxes.entry(address.to_owned()).or_default();
        inbox.steps.push(step);
        director.as_mut().and_then(|director| director(address, step, inbox))
    }
}

impl Sources for SimServer {
    type Source = SimSource;

    async fn take(&self, account: &Account) -> Result<SimSource, Failure> {
        let parked = self.lock().parked.remove(&account.address);
        if let Some(parked) = parked {
            return Ok(parked);
        }
        let address = &account.address;
        perform(self, address, Step::LogIn, || self.source(address)).await
    }

    async fn park(&self, account: &Account, source: SimSource, next_poll_in: Duration) {
        assert!(!source.dead, "a dead source was parked");
        assert!(source.asked.is_empty(), "a source with requests outstanding was parked");
        if next_poll_in <= Duration::from_secs(60) {
            // Dropped only when the server is free again: closing a connection is counted there.
            let replaced = self.lock().parked.insert(account.address.clone(), source);
            drop(replaced);
        }
    }
}

/// One step with an await point before and after its effect, and the fault that it meets.
async fn perform<T>(server: &SimServer, address: &str, step: Step, effect: impl FnOnce() -> T) -> Result<T, Failure> {
    let fault = server.fault(address, step);
    hops(1).await;
    match fault {
        Some(Fault::DropBefore) => return Err(failure(FailureCode::ConnectionLost)),
        Some(Fault::Refuse(failure)) => return Err(failure),
        Some(Fault::Stall(polls)) => {
            hops(polls).await;
            return Err(failure(FailureCode::Timeout));
        }
        Some(Fault::DropAfter) | None => {}
    }
    let value = effect();
    hops(1).await;
    if let Some(Fault::DropAfter) = fault {
        return Err(failure(FailureCode::ConnectionLost));
    }
    Ok(value)
}

pub fn failure(code: FailureCode) -> Failure {
    Failure::new(code, Scope::Mailbox, Persistence::Transient, "simulated")
}

/// So many await points.
pub async fn hops(mut left: u32) {
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A connection to [`SimServer`]. It panics where its user breaks the contract of [`MailSource`].
pub struct SimSource {
    server: SimServer,
    address: String,
    opened: bool,
    dead: bool,
    asked: VecDeque<Vec<Uid>>,
}

impl SimSource {
    async fn step<T>(&mut self, step: Step, effect: impl FnOnce(&mut SimInbox) -> T) -> Result<T, Failure> {
        assert!(!self.dead, "{step:?} on a source that failed before");
        let (server, address) = (self.server.clone(), self.address.clone());
        // Until the step has ended well: who drops it in the middle must drop the source.
        self.dead = true;
        let result = perform(&server, &address, step, || server.inbox(&address, effect)).await;
        self.dead = result.is_err();
        result
    }

    fn must_be_idle(&self, step: Step) {
        assert!(self.opened, "{step:?} before open");
        assert!(self.asked.is_empty(), "{step:?} with requests outstanding");
    }
}

impl Drop for SimSource {
    fn drop(&mut self) {
        self.server.inbox(&self.address, |inbox| inbox.connections -= 1);
    }
}

impl MailSource for SimSource {
    async fn look(&mut self) -> Result<FolderView, Failure> {
        self.step(Step::Look, |inbox| inbox.view()).await
    }

    async fn open(&mut self, ahead: &UidSet) -> Result<Opened, Failure> {
        self.opened = true;
        let view = self.step(Step::Open, |inbox| inbox.view()).await?;
        Ok(Opened { view, listed: Some(self.list(ahead).await?) })
    }

    async fn list(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, Failure> {
        self.must_be_idle(Step::List);
        self.step(Step::List, |inbox| {
            let listed = inbox.visible().map(|message| ListedMessage {
                uid: Uid::new(message.uid).unwrap(),
                size: message.claimed_size.unwrap_or(message.raw.len() as u64),
                internal_date: message.internal_date,
                uidl: None,
            });
            listed.filter(|message| uids.contains(message.uid)).collect()
        })
        .await
    }

    async fn message_ids(&mut self, uids: &UidSet) -> Result<Vec<(Uid, Option<String>)>, Failure> {
        self.must_be_idle(Step::MessageIds);
        let answer = self.step(Step::MessageIds, |inbox| {
            let asked = inbox.visible().filter(|message| uids.contains(Uid::new(message.uid).unwrap()));
            let answer = asked.map(|message| match &message.breaks {
                Some(failure) => Err(failure.clone()),
                None => Ok((Uid::new(message.uid).unwrap(), message_id(&message.raw))),
            });
            answer.collect::<Result<Vec<_>, _>>()
        });
        let answer = answer.await?;
        self.dead = answer.is_err();
        answer
    }

    async fn request(&mut self, batch: &[ListedMessage]) -> Result<(), Failure> {
        assert!(self.opened, "request before open");
        assert!(self.asked.len() < 4, "more than four requests outstanding");
        assert!(!batch.is_empty(), "a request for nothing");
        self.asked.push_back(batch.iter().map(|message| message.uid).collect());
        self.step(Step::Request, |_| ()).await
    }

    async fn receive(&mut self) -> Result<Vec<FetchedMessage>, Failure> {
        let uids = self.asked.pop_front().expect("receive without a request");
        let answer = self.step(Step::Receive, |inbox| {
            let mut answer = Vec::new();
            for uid in uids {
                if let Some(message) = inbox.messages.get_mut(&uid.get()).filter(|message| !message.mute) {
                    message.fetched += 1;
                    if let Some(failure) = &message.breaks {
                        return Err(failure.clone());
                    }
                    answer.push(FetchedMessage { uid, received: None, raw: message.raw.clone() });
                }
            }
            Ok(answer)
        });
        let answer = answer.await?;
        self.dead = answer.is_err();
        answer
    }

    async fn delete(&mut self, uids: &UidSet) -> Result<Deletion, Failure> {
        self.must_be_idle(Step::Delete);
        self.step(Step::Delete, |inbox| match &inbox.undeletable {
            Some(failure) => Deletion::Refused(failure.clone()),
            None => {
                let gone: Vec<u32> = uids.iter().map(Uid::get).collect();
                inbox.messages.retain(|uid, _| !gone.contains(uid));
                Deletion::Done
            }
        })
        .await
    }
}

fn message_id(raw: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let header = text.split("\r\n\r\n").next().unwrap_or("");
    let field = header.lines().find_map(|line| line.strip_prefix("Message-ID: <"))?;
    field.strip_suffix('>').map(str::to_owned)
}

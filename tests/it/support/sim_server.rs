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
        timestamp::Timestamp,
        uid::{Uid, UidSet, UidValidity},
    },
    receive::source::{Deletion, MailSource, Opened, Sources},
};

/// The steps of a conversation, as the menu of faults sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    LogIn,
    Look,
    Open,
    List,
    MessageIds,
    Request,
    Receive,
    Delete,
}

/// What goes wrong at a step.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection breaks before the step has an effect.
    DropBefore,
    /// The connection breaks after the effect, before the answer.
    DropAfter,
    /// Nothing happens for so many polls; then the source's own deadline strikes.
    Stall(u32),
    /// The server refuses.
    Refuse(Failure),
}

/// What UIDNEXT the server shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UidNext {
    #[default]
    True,
    /// 163.com and Winmail leave it out.
    Absent,
    /// A wrong one.
    Wrong(u32),
}

#[derive(Clone, Debug)]
pub struct SimMessage {
    pub uid: u32,
    pub raw: Vec<u8>,
    pub internal_date: Option<Timestamp>,
    /// RFC822.SIZE where it is not the truth.
    pub claimed_size: Option<u64>,
    /// Not listed yet: a clustered server shows it late.
    pub hidden: bool,
    /// Listed, but never given.
    pub mute: bool,
    /// What happens to a conversation in which it is asked for.
    pub breaks: Option<Failure>,
    /// How often its content was given.
    pub fetched: u32,
}

/// One Inbox.
#[derive(Clone, Debug)]
pub struct SimInbox {
    pub uid_validity: u32,
    pub next_uid: u32,
    pub shown_uid_next: UidNext,
    pub messages: BTreeMap<u32, SimMessage>,
    /// Why nothing can be deleted.
    pub undeletable: Option<Failure>,
    /// Live connections.
    pub connections: u32,
    pub log_ins: u32,
    /// Every step that was begun.
    pub steps: Vec<Step>,
}

impl Default for SimInbox {
    fn default() -> Self {
        Self {
            uid_validity: 1,
            next_uid: 1,
            shown_uid_next: UidNext::True,
            messages: BTreeMap::new(),
            undeletable: None,
            connections: 0,
            log_ins: 0,
            steps: Vec::new(),
        }
    }
}

impl SimInbox {
    /// A new message; its UID.
    pub fn deliver(&mut self, raw: impl Into<Vec<u8>>, internal_date: Timestamp) -> u32 {
        let uid = self.next_uid;
        self.next_uid += 1;
        let message = SimMessage {
            uid,
            raw: raw.into(),
            internal_date: Some(internal_date),
            claimed_size: None,
            hidden: false,
            mute: false,
            breaks: None,
            fetched: 0,
        };
        self.messages.insert(uid, message);
        uid
    }

    pub fn message(&mut self, uid: u32) -> &mut SimMessage {
        self.messages.get_mut(&uid).unwrap_or_else(|| panic!("no message {uid}"))
    }

    pub fn expunge(&mut self, uid: u32) {
        self.messages.remove(&uid);
    }

    /// The folder is rebuilt: the same messages in the same order, new UIDs, a new UIDVALIDITY.
    pub fn renumber(&mut self, uid_validity: u32) {
        self.uid_validity = uid_validity;
        self.renumber_silently();
    }

    /// The same without telling: against the RFC, UIDs are given out again.
    pub fn renumber_silently(&mut self) {
        let messages = std::mem::take(&mut self.messages);
        self.messages =
            (1..).zip(messages.into_values()).map(|(uid, message)| (uid, SimMessage { uid, ..message })).collect();
        self.next_uid = u32::try_from(self.messages.len()).unwrap() + 1;
    }

    pub fn times(&self, step: Step) -> usize {
        self.steps.iter().filter(|begun| **begun == step).count()
    }

    fn visible(&self) -> impl Iterator<Item = &SimMessage> {
        self.messages.values().filter(|message| !message.hidden)
    }

    fn view(&self) -> FolderView {
        let uid_next = match self.shown_uid_next {
            UidNext::True => Uid::new(self.next_uid),
            UidNext::Absent => None,
            UidNext::Wrong(uid) => Uid::new(uid),
        };
        let exists = u32::try_from(self.visible().count()).unwrap();
        FolderView { uid_validity: UidValidity::new(self.uid_validity).unwrap(), uid_next, exists }
    }
}

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

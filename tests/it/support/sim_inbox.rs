//! An Inbox in memory, and what can go wrong with it.

use std::collections::BTreeMap;

use mailsyncd::model::{
    cursor::FolderView,
    failure::Failure,
    timestamp::Timestamp,
    uid::{Uid, UidValidity},
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

    /// What is listed.
    pub fn visible(&self) -> impl Iterator<Item = &SimMessage> {
        self.messages.values().filter(|message| !message.hidden)
    }

    /// What SELECT shows.
    pub fn view(&self) -> FolderView {
        let uid_next = match self.shown_uid_next {
            UidNext::True => Uid::new(self.next_uid),
            UidNext::Absent => None,
            UidNext::Wrong(uid) => Uid::new(uid),
        };
        let exists = u32::try_from(self.visible().count()).unwrap();
        FolderView { uid_validity: UidValidity::new(self.uid_validity).unwrap(), uid_next, exists }
    }
}

//! Records as they are at one moment, and whether they are still so when something is done about them.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::AlertDetail;
use crate::model::{
    mailbox::{Approval, Mailbox, MailboxKind},
    profile::ServerProfile,
    record::{CredentialSource, Owner, RecordChange, Records},
};

/// In which table a record is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A profile.
    Profile,
    /// A user.
    User,
    /// A queue.
    Queue,
    /// A user or a queue: whichever has the identifier.
    Owner,
    /// A mailbox.
    Mailbox,
    /// An alert.
    Alert,
}

/// What a change is called in the audit log, and which record it is of.
pub fn subject(change: &RecordChange) -> (&'static str, Kind, Uuid) {
    match change {
        RecordChange::PutProfile(profile, _) => ("profile.put", Kind::Profile, profile.id.0),
        RecordChange::RetireProfile(id) => ("profile.retire", Kind::Profile, id.0),
        RecordChange::PutOwner(owner) if owner.kind == MailboxKind::Queue => ("queue.put", Kind::Queue, owner.id.0),
        RecordChange::PutOwner(owner) => ("user.put", Kind::User, owner.id.0),
        RecordChange::RetireOwner(id) => ("owner.retire", Kind::Owner, id.0),
        RecordChange::PutMailbox(mailbox, _) => ("mailbox.put", Kind::Mailbox, mailbox.id.0),
        RecordChange::EnableIncoming(id) => ("mailbox.enable_incoming", Kind::Mailbox, id.0),
        RecordChange::DisableIncoming(id) => ("mailbox.disable_incoming", Kind::Mailbox, id.0),
        RecordChange::EnableOutgoing(id) => ("mailbox.enable_outgoing", Kind::Mailbox, id.0),
        RecordChange::DisableOutgoing(id) => ("mailbox.disable_outgoing", Kind::Mailbox, id.0),
        RecordChange::RetireMailbox(id) => ("mailbox.retire", Kind::Mailbox, id.0),
        RecordChange::SetApproval(id, Approval::Approved) => ("mailbox.approve", Kind::Mailbox, id.0),
        RecordChange::SetApproval(id, Approval::Rejected) => ("mailbox.reject", Kind::Mailbox, id.0),
        RecordChange::SetApproval(id, _) => ("mailbox.withdraw_approval", Kind::Mailbox, id.0),
        RecordChange::QueueTest(id, ..) => ("mailbox.test", Kind::Mailbox, id.0),
        RecordChange::DismissAlert(id) => ("alert.dismiss", Kind::Alert, id.0),
    }
}

/// A record as it is at the moment, as it goes into the audit log. Records hold no secrets, only where
/// they come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Snapshot {
    /// A profile.
    Profile(Box<(ServerProfile, CredentialSource)>),
    /// A user or a queue.
    Owner(Owner),
    /// A mailbox.
    Mailbox(Box<(Mailbox, CredentialSource)>),
    /// An alert.
    Alert(Box<AlertDetail>),
}

impl Snapshot {
    /// Without what the daemon writes down of its own accord: how a mailbox fares.
    fn settings(mut self) -> Self {
        if let Self::Mailbox(pair) = &mut self {
            let mailbox = &mut pair.0;
            (mailbox.incoming, mailbox.outgoing, mailbox.test_completed_at) = Default::default();
        }
        self
    }

    /// What a person calls it.
    fn name(&self) -> String {
        match self {
            Self::Profile(pair) => format!("profile {}", pair.0.name),
            Self::Owner(owner) => owner.name.clone(),
            Self::Mailbox(pair) => format!("mailbox {}", pair.0.email_address),
            Self::Alert(alert) => format!("alert {}", alert.id.0),
        }
    }
}

/// The records that changes are of, as they were when the changes were decided on; of a new one nothing.
#[derive(Clone, Debug, Default)]
pub struct Basis(BTreeMap<Uuid, Option<Snapshot>>);

impl Basis {
    /// Of `changes` that were decided on `records`.
    pub fn new(changes: &[RecordChange], records: &Records) -> Self {
        let mut basis: BTreeMap<Uuid, Option<Snapshot>> =
            changes.iter().map(|change| (subject(change).2, None)).collect();
        let mut put = |id: Uuid, snapshot: &dyn Fn() -> Snapshot| {
            if let Some(place) = basis.get_mut(&id) {
                *place = Some(snapshot());
            }
        };
        for pair in &records.profiles {
            put(pair.0.id.0, &|| Snapshot::Profile(Box::new(pair.clone())));
        }
        for owner in &records.owners {
            put(owner.id.0, &|| Snapshot::Owner(owner.clone()));
        }
        for pair in &records.mailboxes {
            put(pair.0.id.0, &|| Snapshot::Mailbox(Box::new(pair.clone())));
        }
        Self(basis)
    }

    /// Before the first change of the record `id`, which is `now`: whether, and of whom, somebody else has
    /// changed the settings since. What comes after that is our own change.
    pub fn overtaken(&mut self, id: Uuid, now: Option<&Snapshot>) -> Option<String> {
        let then = self.0.remove(&id)?;
        let named = now.or(then.as_ref()).map_or_else(|| id.to_string(), Snapshot::name);
        (then.map(Snapshot::settings) != now.cloned().map(Snapshot::settings)).then_some(named)
    }
}

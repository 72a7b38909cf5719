//! Records out of what is declared of them.

use super::differences::{approval_text, endpoint};
use crate::{
    config::DeclaredMailbox,
    model::{
        ids::{MailboxId, OwnerId, ProfileId},
        mailbox::{Approval, DeclaredEnabled, Mailbox, SyncMethod, WorkloadState},
        profile::ServerProfile,
        timestamp::Timestamp,
    },
};

/// Where a mailbox belongs.
#[derive(Clone, Copy, Debug)]
pub struct MailboxPlace {
    /// To whom.
    pub owner: Option<OwnerId>,
    /// On which profile.
    pub profile: Option<ProfileId>,
}

/// A new profile, in a line.
pub fn new_profile(profile: &ServerProfile) -> String {
    let outgoing = profile.outgoing.as_ref().map(|outgoing| format!(", sending through {}", endpoint(outgoing)));
    format!("new, {}{}", endpoint(&profile.incoming), outgoing.unwrap_or_default())
}

/// The mailbox. What `before` has of state stays.
pub fn mailbox_record(
    declared: &DeclaredMailbox,
    before: Option<&Mailbox>,
    place: MailboxPlace,
    approval_required: bool,
    now: Timestamp,
) -> Mailbox {
    Mailbox {
        id: before.map_or_else(|| MailboxId::generate(now), |mailbox| mailbox.id),
        name: declared.name.clone(),
        email_address: declared.email_address.clone(),
        kind: declared.kind(),
        owner: place.owner,
        profile: place.profile,
        username: declared.username.clone(),
        incoming_method: declared.incoming,
        outgoing_method: declared.outgoing,
        delete_after_processing: declared.delete_after_processing,
        may_send_as: declared.may_send_as.clone(),
        process_email_received_after: declared.process_email_received_after,
        approval: approval(declared.approved, approval_required, before.map(|mailbox| mailbox.approval)),
        active: true,
        managed_by: Some(declared.place.managed_by()),
        declared_enabled: declared.enabled,
        test_completed_at: before.and_then(|mailbox| mailbox.test_completed_at),
        incoming: before.map_or_else(|| new_state(declared, true), |mailbox| mailbox.incoming.clone()),
        outgoing: before.map_or_else(|| new_state(declared, sends(declared)), |mailbox| mailbox.outgoing.clone()),
    }
}

/// A new mailbox, in a line. `of_itself`: nobody had to approve it.
pub fn new_mailbox(mailbox: &Mailbox, of_itself: bool) -> String {
    let approval = if of_itself { "approved of itself (exchange_online)" } else { approval_text(mailbox.approval) };
    let enabled = if mailbox.incoming.enabled { "enabled" } else { "not enabled" };
    let sends = if mailbox.outgoing_method == SyncMethod::ServerSideSync { ", sends" } else { "" };
    format!("new, {approval}, {enabled}{sends}")
}

/// What the file says of approval wins; where it says nothing, people's decisions stay.
pub const fn approval(declared: Option<bool>, required: bool, before: Option<Approval>) -> Approval {
    match (declared, before) {
        (Some(true), _) => Approval::Approved,
        (Some(false) | None, Some(Approval::Rejected)) => Approval::Rejected,
        (None, Some(Approval::Approved)) => Approval::Approved,
        (Some(false), _) => Approval::Pending,
        (None, _) if required => Approval::Pending,
        (None, _) => Approval::Empty,
    }
}

fn sends(declared: &DeclaredMailbox) -> bool {
    declared.outgoing == SyncMethod::ServerSideSync
}

fn new_state(declared: &DeclaredMailbox, used: bool) -> WorkloadState {
    WorkloadState { enabled: used && declared.enabled == Some(DeclaredEnabled::True), ..WorkloadState::default() }
}

//! Approving and rejecting mailboxes.

use serde::Serialize;

use super::{
    decided::decided,
    error::AdminError,
    selection::{Selection, select_of},
    testing::declared,
};
use crate::{
    base::clock::Clock,
    config::Config,
    model::{
        audit::Actor,
        authority::{Deployment, Roles, SelfApproval, Whose, may_approve},
        ids::RunId,
        mailbox::{Approval, DeclaredEnabled, Mailbox},
        record::{RecordChange, Records},
        testing::TestRequest,
        timestamp::Timestamp,
    },
    store::Store,
};

/// What was decided about one mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// Its address.
    pub mailbox: String,
    /// Whether it is approved now, or was before.
    pub approval: Approval,
    /// Whether that is new.
    pub changed: bool,
    /// Whether it is tested now, as its file says `enabled = "test"`.
    pub tested: bool,
    /// Why nothing was decided.
    pub refused: Option<String>,
}

/// Approves or rejects mailboxes, and changes nothing else of them. Who works on the machine has every
/// role, and is named in the audit log. One that its file approves or does not is left to its file.
///
/// # Errors
/// A mailbox that is named is not there, `roles` do not suffice, or the database did not answer; then
/// nothing was changed.
pub async fn decide(
    store: &Store,
    config: &Config,
    (selection, roles): (&Selection, Roles),
    decision: Approval,
    actor: &Actor,
    clock: &Clock,
) -> Result<Vec<Decided>, AdminError> {
    // The stricter deployment; nobody's mailbox is the machine's.
    may_approve(roles, Deployment::Online, Whose::Others, SelfApproval::Forbidden).map_err(AdminError::NotAllowed)?;
    let now = clock.now();
    let on = |records: &Records| Ok(decide_each(config, select_of(records, selection)?, decision, now));
    Ok(decided(store, actor, now, on).await?.1)
}

/// What becomes of each mailbox.
fn decide_each(
    config: &Config,
    mailboxes: Vec<Mailbox>,
    decision: Approval,
    now: Timestamp,
) -> (Vec<RecordChange>, Vec<Decided>) {
    let (mut all, mut changes) = (Vec::new(), Vec::new());
    for mailbox in mailboxes {
        let refused = declared(config, &mailbox, |file| file.approved.is_some())
            .map(|place| format!("its file says whether it is approved: {place}"));
        let changed = refused.is_none() && mailbox.approval != decision;
        let tested = changed && decision == Approval::Approved && waits_for_test(&mailbox);
        if changed {
            changes.push(RecordChange::SetApproval(mailbox.id, decision));
        }
        if tested {
            changes.push(RecordChange::QueueTest(mailbox.id, RunId::generate(now), TestRequest::default()));
        }
        let approval = if changed { decision } else { mailbox.approval };
        all.push(Decided { mailbox: mailbox.email_address, approval, changed, tested, refused });
    }
    (changes, all)
}

/// Whether its file wants it tested once, which could not be before.
fn waits_for_test(mailbox: &Mailbox) -> bool {
    mailbox.declared_enabled == Some(DeclaredEnabled::Test) && mailbox.test_completed_at.is_none()
}

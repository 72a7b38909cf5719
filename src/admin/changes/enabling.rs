//! What a file's `enabled` does: once, when the file says so anew.
//!
//! `enabled = true` and `enabled = "test"` are about a mailbox as it is declared, not about every start
//! of the daemon. A mailbox that a permanent failure or a person disabled stays disabled until its
//! declaration changes in what decides whether it works (the key itself, profile, log-in name, place of
//! the password, whether it is read and sends), it comes back or is approved; or until somebody runs
//! Test & Enable. `enabled = false` always holds.

use std::collections::BTreeSet;

use crate::{
    config::DeclaredMailbox,
    model::{
        ids::{MailboxId, RunId},
        mailbox::{Approval, DeclaredEnabled, Mailbox, TestStatus, Workload, WorkloadState},
        record::{CredentialSource, RecordChange},
        testing::{TestRequest, uses},
        timestamp::Timestamp,
    },
};

/// Both workloads, and what is said of each.
const WORKLOADS: [(Workload, &str); 2] = [(Workload::Incoming, ""), (Workload::Outgoing, "sending ")];

type Changes = Vec<(RecordChange, String)>;

/// For a mailbox that is made now, which is enabled or not from its first row on.
pub(super) fn of_new(declared: &DeclaredMailbox, mailbox: &Mailbox, now: Timestamp) -> Changes {
    match declared.enabled {
        Some(DeclaredEnabled::Test) => test(mailbox, now).into_iter().collect(),
        Some(DeclaredEnabled::True | DeclaredEnabled::False) | None => Vec::new(),
    }
}

/// For a mailbox that was there before.
pub(super) fn of_known(
    declared: &DeclaredMailbox,
    before: &(Mailbox, CredentialSource),
    after: &(Mailbox, CredentialSource),
    tested: &BTreeSet<MailboxId>,
    now: Timestamp,
) -> Changes {
    let mailbox = &after.0;
    match declared.enabled {
        Some(DeclaredEnabled::True) if is_new(before, after) => {
            let off =
                WORKLOADS.iter().filter(|(workload, _)| uses(mailbox, *workload) && !mailbox.state(*workload).enabled);
            off.map(|(workload, what)| {
                let why = mailbox.state(*workload).failure_code;
                let why = why.map_or_else(String::new, |code| format!(" (it was disabled: {code})"));
                (enable(*workload, mailbox), format!("{what}enabled{why}"))
            })
            .collect()
        }
        Some(DeclaredEnabled::Test) if is_new(before, after) => test(mailbox, now).into_iter().collect(),
        Some(DeclaredEnabled::False) => switch_off(mailbox, tested),
        Some(DeclaredEnabled::True | DeclaredEnabled::Test) | None => Vec::new(),
    }
}

/// Disables what is enabled, or would be by a test that is open, and forgets what failed.
pub fn switch_off(mailbox: &Mailbox, tested: &BTreeSet<MailboxId>) -> Changes {
    switch_off_of(mailbox, &WORKLOADS.map(|(workload, _)| workload), tested)
}

/// Disables those of `workloads` that are enabled, or would be by a test that is open: those of `tested`;
/// of those that are not, it is forgotten that they failed.
pub fn switch_off_of(mailbox: &Mailbox, workloads: &[Workload], tested: &BTreeSet<MailboxId>) -> Changes {
    let called_off = if tested.contains(&mailbox.id) { ", and its test is called off" } else { "" };
    let mut wanted = WORKLOADS.iter().filter(|(workload, _)| workloads.contains(workload));
    let off = wanted.clone().filter_map(|(workload, what)| {
        let text = match mailbox.state(*workload) {
            state if state.enabled => format!("{what}disabled{called_off}"),
            WorkloadState { failure_code: Some(code), .. } => {
                format!("{what}stays disabled, and not because of a failure ({code}){called_off}")
            }
            state if state.test_status == TestStatus::Failure => {
                format!("{what}stays disabled, and its failed test is forgotten{called_off}")
            }
            _ => return None,
        };
        Some((disable(*workload, mailbox), text))
    });
    let off: Changes = off.collect();
    if !off.is_empty() || called_off.is_empty() {
        return off;
    }
    let would_be = wanted.find(|(workload, _)| uses(mailbox, *workload));
    would_be
        .map(|(workload, _)| (disable(*workload, mailbox), "its test is called off".to_owned()))
        .into_iter()
        .collect()
}

/// Whether the file says it of something that it did not say it of before.
fn is_new(before: &(Mailbox, CredentialSource), after: &(Mailbox, CredentialSource)) -> bool {
    let approved = |mailbox: &Mailbox| matches!(mailbox.approval, Approval::Approved | Approval::Empty);
    let ((old, old_source), (new, new_source)) = (before, after);
    old.declared_enabled != new.declared_enabled
        || !old.active
        || (!approved(old) && approved(new))
        || old.profile != new.profile
        || old.username != new.username
        || old_source != new_source
        || old.email_address != new.email_address
        || (old.incoming_method, old.outgoing_method) != (new.incoming_method, new.outgoing_method)
}

/// Asks for a test, where the mailbox may be tested: else its approval will.
fn test(mailbox: &Mailbox, now: Timestamp) -> Option<(RecordChange, String)> {
    let change = RecordChange::QueueTest(mailbox.id, RunId::generate(now), TestRequest::default());
    matches!(mailbox.approval, Approval::Approved | Approval::Empty).then(|| (change, "will be tested".to_owned()))
}

const fn enable(workload: Workload, mailbox: &Mailbox) -> RecordChange {
    match workload {
        Workload::Incoming => RecordChange::EnableIncoming(mailbox.id),
        Workload::Outgoing => RecordChange::EnableOutgoing(mailbox.id),
    }
}

const fn disable(workload: Workload, mailbox: &Mailbox) -> RecordChange {
    match workload {
        Workload::Incoming => RecordChange::DisableIncoming(mailbox.id),
        Workload::Outgoing => RecordChange::DisableOutgoing(mailbox.id),
    }
}

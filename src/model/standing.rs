//! What a change to a mailbox means for the alerts that tell how it fares. Pure.
//!
//! Such an alert asks somebody to act. Of a mailbox that somebody switched off, rejected or removed, or
//! wants neither to read nor to send, nothing is asked; once it is wanted again, it is told again what
//! disabled it: no mailbox stands still in silence.

use super::{
    alert::{AlertChange, AlertSubject, NewAlert, Severity},
    failure::FailureCode,
    mailbox::{Approval, Mailbox, Workload},
    record::RecordChange,
    testing::uses,
};

/// What follows from a change that took a mailbox from `before` to `after`.
pub fn after_change(change: &RecordChange, before: &Mailbox, after: &Mailbox) -> Vec<AlertChange> {
    let of = |workload| match (is_wanted(before, workload), is_wanted(after, workload)) {
        _ if is_switched(change, workload) => Some(over(after, workload)),
        (true, false) => Some(over(after, workload)),
        (false, true) => stands_still(after, workload),
        (true, true) | (false, false) => None,
    };
    let both = || [Workload::Incoming, Workload::Outgoing].into_iter();
    let ended = both().any(|workload| works(before, workload) && !works(after, workload));
    both().filter_map(of).chain(ended.then(|| not_connected(after))).collect()
}

/// Whether it runs.
fn works(mailbox: &Mailbox, workload: Workload) -> bool {
    mailbox.state(workload).enabled && is_wanted(mailbox, workload)
}

/// That it was tested and enabled is true no more.
const fn not_connected(mailbox: &Mailbox) -> AlertChange {
    AlertChange::Close(AlertSubject::Mailbox(mailbox.id), FailureCode::MailboxConnected)
}

/// Whether it would run if it were enabled.
fn is_wanted(mailbox: &Mailbox, workload: Workload) -> bool {
    mailbox.active && matches!(mailbox.approval, Approval::Empty | Approval::Approved) && uses(mailbox, workload)
}

/// Whether somebody enables or disables it, which forgets its failures.
const fn is_switched(change: &RecordChange, workload: Workload) -> bool {
    match workload {
        Workload::Incoming => matches!(change, RecordChange::EnableIncoming(_) | RecordChange::DisableIncoming(_)),
        Workload::Outgoing => matches!(change, RecordChange::EnableOutgoing(_) | RecordChange::DisableOutgoing(_)),
    }
}

const fn over(mailbox: &Mailbox, workload: Workload) -> AlertChange {
    AlertChange::Over { subject: AlertSubject::Mailbox(mailbox.id), workload, but: None }
}

/// What a failure disabled.
fn stands_still(mailbox: &Mailbox, workload: Workload) -> Option<AlertChange> {
    let state = mailbox.state(workload);
    let code = state.failure_code.filter(|_| !state.enabled)?;
    Some(AlertChange::Raise(NewAlert {
        subject: AlertSubject::Mailbox(mailbox.id),
        severity: Severity::Error,
        code,
        text: state.last_error.clone().unwrap_or_default(),
        workload: Some(workload),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        mailbox::{SyncMethod, WorkloadState},
        record::CredentialSource,
        samples,
        timestamp::Timestamp,
    };

    fn at_work() -> Mailbox {
        let mut mailbox = samples::mailbox("a@x", Timestamp::EPOCH);
        mailbox.approval = Approval::Approved;
        mailbox.incoming_method = SyncMethod::ServerSideSync;
        mailbox.outgoing_method = SyncMethod::None;
        mailbox.incoming = WorkloadState {
            enabled: false,
            failure_code: Some(FailureCode::AuthExpired),
            last_error: Some("expired".to_owned()),
            ..WorkloadState::default()
        };
        mailbox
    }

    fn but(change: impl FnOnce(&mut Mailbox)) -> Mailbox {
        let mut mailbox = at_work();
        change(&mut mailbox);
        mailbox
    }

    fn told(change: &AlertChange) -> String {
        match change {
            AlertChange::Raise(alert) => {
                let workload = alert.workload.unwrap().name();
                format!("{workload} {} {}: {}", alert.severity.name(), alert.code, alert.text)
            }
            AlertChange::Over { workload, but: None, .. } => format!("{} over", workload.name()),
            AlertChange::Close(_, FailureCode::MailboxConnected) => "not connected".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_runs_no_more_is_connected_no_more() {
        let enabled = but(|it| it.incoming = WorkloadState { enabled: true, ..WorkloadState::default() });
        let id = enabled.id;
        let rejected = Mailbox { approval: Approval::Rejected, ..enabled.clone() };
        let removed = Mailbox { active: false, ..enabled.clone() };
        let disabled = Mailbox { incoming: WorkloadState::default(), ..enabled.clone() };
        let cases = [
            ("rejected", RecordChange::SetApproval(id, Approval::Rejected), &enabled, &rejected, true),
            ("removed", RecordChange::RetireMailbox(id), &enabled, &removed, true),
            ("disabled", RecordChange::DisableIncoming(id), &enabled, &disabled, true),
            ("disabled again", RecordChange::DisableIncoming(id), &disabled, &disabled, false),
            ("approved", RecordChange::SetApproval(id, Approval::Approved), &rejected, &enabled, false),
            ("enabled", RecordChange::EnableIncoming(id), &disabled, &enabled, false),
        ];
        for (name, change, before, after, expected) in cases {
            let found = after_change(&change, before, after).iter().any(|change| told(change) == "not connected");
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn nothing_is_asked_of_what_is_not_wanted() {
        let put = |mailbox: &Mailbox| RecordChange::PutMailbox(Box::new(mailbox.clone()), CredentialSource::Stored);
        let works = at_work();
        let rejected = but(|it| it.approval = Approval::Rejected);
        let pending = but(|it| it.approval = Approval::Pending);
        let removed = but(|it| it.active = false);
        let unread = but(|it| it.incoming_method = SyncMethod::None);
        let sends = but(|it| it.outgoing_method = SyncMethod::ServerSideSync);
        let fresh = but(|it| it.incoming = WorkloadState::default());
        let enabled = but(|it| it.incoming.enabled = true);
        let unapproved = Mailbox { approval: Approval::Pending, ..fresh.clone() };
        let failing = Mailbox { approval: Approval::Pending, ..enabled.clone() };
        let (over, stands) = ("incoming over", "incoming error auth-expired: expired");
        let id = works.id;
        let cases = [
            ("rejected", RecordChange::SetApproval(id, Approval::Rejected), &works, &rejected, Some(over)),
            ("approved", RecordChange::SetApproval(id, Approval::Approved), &rejected, &works, Some(stands)),
            ("approved, and it works", RecordChange::SetApproval(id, Approval::Approved), &unapproved, &fresh, None),
            ("approved, and is tried", RecordChange::SetApproval(id, Approval::Approved), &failing, &enabled, None),
            ("another address", put(&pending), &works, &pending, Some(over)),
            ("from one no to another", put(&rejected), &pending, &rejected, None),
            ("removed", RecordChange::RetireMailbox(id), &works, &removed, Some(over)),
            ("back again", put(&works), &removed, &works, Some(stands)),
            ("not read", put(&unread), &works, &unread, Some(over)),
            ("read again", put(&works), &unread, &works, Some(stands)),
            ("sends too", put(&sends), &works, &sends, None),
            ("disabled", RecordChange::DisableIncoming(id), &works, &fresh, Some(over)),
            ("enabled", RecordChange::EnableIncoming(id), &works, &fresh, Some(over)),
            ("sending disabled", RecordChange::DisableOutgoing(id), &works, &works, Some("outgoing over")),
            ("sending enabled", RecordChange::EnableOutgoing(id), &works, &works, Some("outgoing over")),
        ];
        for (name, change, before, after, expected) in cases {
            let found: Vec<String> = after_change(&change, before, after).iter().map(told).collect();
            assert_eq!(found, Vec::from_iter(expected), "{name}");
        }
    }
}

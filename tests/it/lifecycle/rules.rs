//! What `semantics.md` forbids, as one pure function over what a step found, did and left.

use std::collections::{BTreeMap, BTreeSet};

use mailsyncd::{
    model::{
        failure::{Failure, Persistence, Scope},
        ids::{MailboxId, ProfileId},
        mailbox::{Approval, Mailbox, MailboxKind, SyncMethod, Workload, WorkloadState},
        profile::ServerType,
    },
    schedule::duty::Duty,
    store::AlertDetail,
};

pub const WORKLOADS: [Workload; 2] = [Workload::Incoming, Workload::Outgoing];

/// The database, as far as the rules speak of it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub mailboxes: BTreeMap<MailboxId, Mailbox>,
    pub profiles: BTreeMap<ProfileId, (ServerType, bool)>,
    pub scheduled: BTreeSet<Duty>,
    pub open_alerts: Vec<AlertDetail>,
    pub audit_rows: usize,
}

/// How a cycle ended, and the state that it had begun with.
#[derive(Clone, Debug)]
pub struct CycleEnd {
    pub duty: Duty,
    pub began_with: WorkloadState,
    /// `None`: it was complete.
    pub failure: Option<Failure>,
}

/// What a step was, and so may do.
#[derive(Clone, Debug, Default)]
pub struct Did {
    /// Administrative changes that were made.
    pub changes: usize,
    /// A cycle that was begun.
    pub began: Option<Duty>,
    pub ended: Option<CycleEnd>,
    /// What a test found to work, and was to enable.
    pub proven: BTreeSet<Duty>,
    /// What a test found not to work for good, and was to disable.
    pub disproven: BTreeSet<Duty>,
    /// What a file enables.
    pub enabled_by_file: BTreeSet<Duty>,
    /// What a person switched off.
    pub switched_off: BTreeSet<Duty>,
    /// Whether a person, or what a person wrote into a file, may disable.
    pub by_person: bool,
    /// Whether a person asked to try again: confirmations are not spent any more.
    pub tried_again: bool,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Snapshot<'s> {
    pub before: &'s Facts,
    pub did: &'s Did,
    pub after: &'s Facts,
    /// Whether somebody must approve mailboxes of this kind.
    pub approval_required: fn(MailboxKind) -> bool,
}

/// What is wrong with a step; `None`: nothing that is forbidden.
pub fn forbidden(snapshot: &Snapshot<'_>) -> Option<String> {
    let Snapshot { before, did, after, .. } = snapshot;
    if after.audit_rows < before.audit_rows + did.changes {
        let (was, is, changes) = (before.audit_rows, after.audit_rows, did.changes);
        return Some(format!("{changes} changes, but audit_log went from {was} rows to {is}"));
    }
    let mut seen = BTreeSet::new();
    let doubled = after.open_alerts.iter().find(|it| !seen.insert((&it.alert.subject, &it.alert.code)));
    if let Some(doubled) = doubled {
        return Some(format!("two open alerts {} of {}", doubled.alert.code, doubled.alert.subject));
    }
    let is_moved = |(id, profile): (&ProfileId, &(ServerType, bool))| {
        before.profiles.get(id).is_some_and(|was| was.0 != profile.0)
    };
    if after.profiles.iter().any(is_moved) {
        return Some("a profile changed its protocol".to_owned());
    }
    after.mailboxes.values().find_map(|mailbox| {
        let wrong = of_mailbox(snapshot, mailbox)
            .or_else(|| WORKLOADS.into_iter().find_map(|workload| of_workload(snapshot, mailbox, workload)));
        wrong.map(|wrong| format!("{}: {wrong}", mailbox.email_address))
    })
}

fn of_mailbox(snapshot: &Snapshot<'_>, mailbox: &Mailbox) -> Option<String> {
    let is_forward = mailbox.kind == MailboxKind::Forward;
    if is_forward && (mailbox.owner.is_some() || mailbox.outgoing_method != SyncMethod::None) {
        return Some("a forward mailbox has an owner or sends".to_owned());
    }
    if mailbox.delete_after_processing && mailbox.kind == MailboxKind::User {
        return Some("mail of a user is deleted after processing".to_owned());
    }
    let was = snapshot.before.mailboxes.get(&mailbox.id)?;
    let readdressed = !was.email_address.eq_ignore_ascii_case(&mailbox.email_address);
    let required = (snapshot.approval_required)(mailbox.kind);
    (readdressed && required && mailbox.approval != Approval::Pending)
        .then(|| format!("its address was {}, and it is {:?}", was.email_address, mailbox.approval))
}

/// Why a workload is not wanted; it is not about failures.
fn unwanted(mailbox: &Mailbox, workload: Workload) -> Option<&'static str> {
    let method = match workload {
        Workload::Incoming => mailbox.incoming_method,
        Workload::Outgoing => mailbox.outgoing_method,
    };
    match mailbox.approval {
        _ if !mailbox.active => Some("it is inactive"),
        Approval::Pending => Some("it is not approved"),
        Approval::Rejected => Some("it is rejected"),
        _ if method == SyncMethod::None => Some("its method is none"),
        Approval::Empty | Approval::Approved => None,
    }
}

/// Why semantics.md §2 does not let the workload run; it is not about its due time.
fn stopped(facts: &Facts, mailbox: &Mailbox, workload: Workload) -> Option<&'static str> {
    let on = mailbox.profile.and_then(|id| facts.profiles.get(&id));
    let enabled = mailbox.state(workload).enabled;
    let rest = if enabled { None } else { Some("it is not enabled") };
    let rest = rest.or_else(|| (!on.is_some_and(|profile| profile.1)).then_some("its profile is not there"));
    unwanted(mailbox, workload).or(rest)
}

fn of_workload(snapshot: &Snapshot<'_>, mailbox: &Mailbox, workload: Workload) -> Option<String> {
    let Snapshot { before, did, after, .. } = snapshot;
    let duty = Duty::new(workload, mailbox.id);
    let (name, state) = (workload.name(), mailbox.state(workload));
    if let Some(why) = stopped(after, mailbox, workload) {
        if after.scheduled.contains(&duty) {
            return Some(format!("{name} is scheduled, but {why}"));
        }
        if did.began == Some(duty) {
            return Some(format!("{name} is run, but {why}"));
        }
    }
    let default = WorkloadState::default();
    let known = before.mailboxes.get(&mailbox.id);
    let was = known.map_or(&default, |mailbox| mailbox.state(workload));
    let proven = did.proven.contains(&duty);
    let end = did.ended.as_ref().filter(|end| end.duty == duty);
    let overruled = known.is_some_and(|known| unwanted(known, workload).is_some() || !was.enabled);
    let kept = WorkloadState { last_success_at: state.last_success_at, ..was.clone() };
    if end.is_some() && overruled && *state != kept {
        return Some(format!("{name} was stopped while it ran, and its end made {was:?} {state:?}"));
    }
    let complete = end.is_some_and(|end| end.failure.is_none()) && !overruled;
    let failure = end.and_then(|end| end.failure.as_ref());
    if state.enabled && !was.enabled && !proven && !did.enabled_by_file.contains(&duty) {
        return Some(format!("{name} was enabled without a test or a file"));
    }
    let by_failure = did.disproven.contains(&duty)
        || failure.is_some_and(|it| it.scope == Scope::Mailbox && it.persistence != Persistence::Throttled);
    if !state.enabled && was.enabled && !by_failure && !did.by_person {
        return Some(format!("{name} was disabled by nothing that may"));
    }
    if !state.enabled && was.enabled && by_failure && state.failure_code.is_none() {
        return Some(format!("{name} was disabled by a failure, and nothing says by which"));
    }
    if let Some((end, failure)) = end.zip(failure)
        && (failure.scope != Scope::Mailbox || failure.persistence == Persistence::Throttled)
        && !overruled
        && budget(state) != budget(&end.began_with)
    {
        return Some(format!("{name}: {} ({:?}) spent budget", failure.code, failure.scope));
    }
    if (complete || proven) && (budget(state) != (0, 0) || state.failure_code.is_some()) {
        let (counters, code) = (budget(state), state.failure_code);
        return Some(format!("{name} works, and its counters are {counters:?}, its code {code:?}"));
    }
    let forgiven = complete || proven || did.by_person || did.enabled_by_file.contains(&duty);
    let transient = state.transient_failures < was.transient_failures;
    let confirmations = state.confirmations < was.confirmations && !did.tried_again;
    if (transient || confirmations) && !forgiven {
        return Some(format!("{name}: counters went from {:?} to {:?}", budget(was), budget(state)));
    }
    alerts(snapshot, mailbox, duty, complete || proven)
}

const fn budget(state: &WorkloadState) -> (u32, u32) {
    (state.transient_failures, state.confirmations)
}

/// A person is asked to act where a failure disabled what is wanted, and not where nothing is to be done.
fn alerts(snapshot: &Snapshot<'_>, mailbox: &Mailbox, duty: Duty, works: bool) -> Option<String> {
    let (name, state) = (duty.workload.name(), mailbox.state(duty.workload));
    let is_its = |it: &&AlertDetail| it.alert.subject == mailbox.email_address && it.workloads.contains(&duty.workload);
    let mut its = snapshot.after.open_alerts.iter().filter(is_its);
    let quiet = match unwanted(mailbox, duty.workload) {
        Some(why) => Some(why),
        None if works => Some("it works"),
        None if snapshot.did.switched_off.contains(&duty) => Some("a person switched it off"),
        None => None,
    };
    if let Some(why) = quiet {
        return its.next().map(|it| format!("{name}: {why}, and the alert {} is open", it.alert.code));
    }
    let code = state.failure_code.filter(|_| !state.enabled)?;
    let told = its.any(|it| it.alert.severity == "error");
    (!told).then(|| format!("{name} was disabled for {code}, and no error alert is open"))
}

//! Which workloads stand still for too long, whatever the cause: the last net under everything that
//! is told otherwise. Pure.

use std::{collections::BTreeMap, time::Duration};

use super::duty::Duty;
use crate::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::MailboxId,
        mailbox::Workload,
        rules::{AlertRules, Polling},
        timestamp::Timestamp,
    },
    store::Stale,
};

/// A mailbox is stale only after so many of its intervals.
const INTERVALS: u32 = 3;
/// After a start, and after a mailbox was enabled again, work has this long to catch up.
const GRACE: Duration = Duration::from_secs(600);

/// Since when each workload was found stale, as long as it is.
pub type Found = BTreeMap<Duty, Timestamp>;

/// What is to be raised and closed. `stale` is what the database says of those without a success for
/// `stale_after`, `open` the alerts about that; `found` is brought up to date.
pub fn changes(
    stale: Vec<Stale>,
    open: &[(MailboxId, FailureCode)],
    found: &mut Found,
    (rules, polling): (&AlertRules, &Polling),
    now: Timestamp,
) -> Vec<AlertChange> {
    let stale: BTreeMap<Duty, Stale> = stale
        .into_iter()
        .filter(|stale| now.since(stale.since) >= patience(stale, rules, polling))
        .map(|stale| (Duty::new(stale.workload, stale.mailbox), stale))
        .collect();
    found.retain(|duty, _| stale.contains_key(duty));
    let over = open.iter().filter(|(mailbox, code)| {
        let of = |workload| code_of(workload) == *code && stale.contains_key(&Duty::new(workload, *mailbox));
        !of(Workload::Incoming) && !of(Workload::Outgoing)
    });
    let mut changes: Vec<AlertChange> =
        over.map(|(mailbox, code)| AlertChange::Close(AlertSubject::Mailbox(*mailbox), *code)).collect();
    for (duty, stale) in stale {
        let since = *found.entry(duty).or_insert(now);
        let is_new = stale.alerted_at.is_none() && now.since(since) >= GRACE.min(rules.stale_after);
        let is_still = stale.alerted_at.is_some_and(|last| now.since(last) >= rules.stale_after);
        if is_new || is_still {
            changes.push(AlertChange::Raise(alert(duty, &stale)));
        }
    }
    changes
}

const fn code_of(workload: Workload) -> FailureCode {
    match workload {
        Workload::Incoming => FailureCode::MailboxStale,
        Workload::Outgoing => FailureCode::OutboxStale,
    }
}

fn patience(stale: &Stale, rules: &AlertRules, polling: &Polling) -> Duration {
    let interval = match stale.workload {
        Workload::Incoming => stale.interval.max(polling.idle_maximum.unwrap_or_default()),
        Workload::Outgoing => Duration::ZERO,
    };
    rules.stale_after.max(interval.saturating_mul(INTERVALS))
}

/// Where nothing is known to have failed, somebody must look: that is what this net is for.
fn alert(duty: Duty, stale: &Stale) -> NewAlert {
    let severity = if stale.code.is_some() { Severity::Warning } else { Severity::Error };
    let what = match duty.workload {
        Workload::Incoming => format!("not read since {}", stale.since.to_the_second()),
        Workload::Outgoing => format!("{} mails wait, the first since {}", stale.mails, stale.since.to_the_second()),
    };
    let why = match (stale.code, &stale.words) {
        (Some(code), Some(words)) => format!("{code}: {words}"),
        (Some(code), None) => code.name().to_owned(),
        (None, _) => "no failure is known".to_owned(),
    };
    NewAlert {
        subject: AlertSubject::Mailbox(duty.mailbox),
        severity,
        code: code_of(duty.workload),
        text: format!("{what}; {why}"),
        // The next success closes it at once.
        workload: Some(duty.workload),
    }
}

#[cfg(test)]
#[path = "stale_tests.rs"]
mod tests;

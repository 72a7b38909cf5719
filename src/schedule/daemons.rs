//! What the troubles of daemons and their machines mean for alerts. Pure.
//!
//! All daemons write down what is the matter with them. One open alert for each code tells of all that
//! have it, machine by machine; whichever daemon looks next, raises it, counts it and closes it. So it
//! ends too where the daemon that had the trouble is dead: who is not heard of has none. Mere
//! information is left alone: it tells of what happened once.
//!
//! While the database takes no writes, nobody can be told there: the log and the health page say it. When
//! it is back, a [`Spell`] becomes the alert that there should have been, closed already.

use std::{collections::BTreeMap, time::Duration};

use super::leap::Leap;
use crate::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        presence::{Pause, Presence},
        timestamp::Timestamp,
    },
    store::DaemonAlert,
};

/// A trouble that goes on is counted again so often.
const AGAIN: Duration = Duration::from_secs(900);
/// A database that is away for less needs nobody: it restarts, or another one takes its place.
const DATABASE_MAY_BE_AWAY: Duration = Duration::from_secs(60);
/// After so long without another one a spell is over: one that ends and begins again is one.
const QUIET: Duration = Duration::from_secs(15);
/// Machines that are named.
const MOST_MACHINES: usize = 5;

/// What is to be raised and closed, by what all `daemons` say of themselves and what is `known`.
pub fn changes(daemons: &[Presence], known: &[DaemonAlert], now: Timestamp) -> Vec<AlertChange> {
    let mut troubles: BTreeMap<FailureCode, Vec<(&str, &Pause)>> = BTreeMap::new();
    for Presence { heartbeat, .. } in daemons.iter().filter(|daemon| daemon.is_alive(now)) {
        if let Some(pause) = heartbeat.pause.as_ref().filter(|pause| now.since(pause.since) >= patience(pause.code)) {
            troubles.entry(pause.code).or_default().push((&heartbeat.machine, pause));
        }
    }
    let open = || known.iter().filter(|alert| alert.is_open);
    let over = open().filter(|alert| !troubles.contains_key(&alert.code));
    let mut changes: Vec<AlertChange> =
        over.map(|alert| AlertChange::Close(AlertSubject::Daemon, alert.code)).collect();
    for (code, mut machines) in troubles {
        machines.sort_by_key(|(machine, pause)| (*machine, pause.since));
        let text = words(&machines);
        let known = open().find(|alert| alert.code == code);
        if known.is_none_or(|alert| alert.text != text || now.since(alert.last_seen) >= AGAIN) {
            changes.push(raise(code, text));
        }
    }
    changes
}

/// A time during which the database took no writes, and could not be told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spell {
    /// How it began.
    first: Pause,
    /// When it ended, if it has.
    ended: Option<Timestamp>,
}

impl Spell {
    /// What a pause makes of the spell before it.
    pub fn begin(before: Option<Self>, pause: &Pause) -> Option<Self> {
        let new = || Self { first: pause.clone(), ended: None };
        let is_meant = matches!(pause.code, FailureCode::DatabaseUnavailable | FailureCode::DiskFull);
        before.map(|spell| Self { ended: None, ..spell }).or_else(|| is_meant.then(new))
    }

    /// The database takes writes again.
    pub fn end(&mut self, now: Timestamp) {
        self.ended = Some(now);
    }

    /// Whether it is over, for good.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ended.is_some_and(|ended| now.since(ended) >= QUIET)
    }

    /// When it began.
    pub const fn since(&self) -> Timestamp {
        self.first.since
    }

    /// What is to be written of it, and as of when, on this `machine`; nothing, where an alert was open
    /// since it began: then the database took that.
    pub fn told(&self, machine: &str, known: &[DaemonAlert]) -> Vec<(AlertChange, Timestamp)> {
        let Self { first: pause, ended: Some(ended) } = self else { return Vec::new() };
        let is_told = known.iter().any(|alert| alert.code == pause.code);
        if is_told || ended.since(pause.since) < patience(pause.code) {
            return Vec::new();
        }
        let raise = raise(pause.code, words(&[(machine, pause)]));
        vec![(raise, pause.since), (AlertChange::Close(AlertSubject::Daemon, pause.code), *ended)]
    }
}

/// Somebody set the clock of `machine`. That is over at once, and stays to be read.
pub fn leapt(machine: &str, leap: Leap) -> NewAlert {
    let (subject, code) = (AlertSubject::Daemon, FailureCode::ClockWrong);
    NewAlert { subject, severity: Severity::Information, code, text: format!("{machine}: {leap}"), workload: None }
}

/// How long a trouble lasts before people are told.
const fn patience(code: FailureCode) -> Duration {
    match code {
        FailureCode::DatabaseUnavailable => DATABASE_MAY_BE_AWAY,
        _ => Duration::ZERO,
    }
}

fn raise(code: FailureCode, text: String) -> AlertChange {
    // Where descriptors run short, work goes on, only less of it at a time.
    let severity = if code == FailureCode::ResourcesExhausted { Severity::Warning } else { Severity::Error };
    AlertChange::Raise(NewAlert { subject: AlertSubject::Daemon, severity, code, text, workload: None })
}

/// Where, since when, and what.
fn words(machines: &[(&str, &Pause)]) -> String {
    let of =
        |(machine, pause): &(&str, &Pause)| format!("{machine}, since {}: {}", pause.since.to_the_second(), pause.text);
    let named: Vec<String> = machines.iter().take(MOST_MACHINES).map(of).collect();
    let more = match machines.len().saturating_sub(MOST_MACHINES) {
        0 => String::new(),
        more => format!("; and on {more} more"),
    };
    named.join("; ") + &more
}

#[cfg(test)]
#[path = "daemons_tests.rs"]
mod tests;

//! Daemons that share a database, as they last wrote themselves down there.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{failure::FailureCode, ids::NodeId, timestamp::Timestamp};

/// How often a running daemon writes itself down.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// One that has not for so long does not run, or cannot write.
pub const SILENT_AFTER: Duration = Duration::from_secs(30);
/// The clocks of two machines, and of one that is being set right, are no further apart.
pub const AHEAD_AT_MOST: Duration = Duration::from_secs(5 * 60);

/// What a daemon says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which daemon.
    pub node: NodeId,
    /// Its version.
    pub version: String,
    /// Name of the machine it runs on; empty where the daemon is of an older release.
    pub machine: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Identifiers of the keys it opens stored passwords with, the one it seals with first.
    pub key_ids: Vec<String>,
    /// Why it starts nothing, or less than it should.
    pub pause: Option<Pause>,
}

/// A daemon that is in trouble of its own: the database, the disk, its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub code: FailureCode,
    /// The words for it.
    pub text: String,
}

impl Pause {
    /// Whether work goes on as far as it can: the database takes what is done.
    pub const fn is_partial(&self) -> bool {
        use FailureCode::{ClockWrong, DnsDown, NetworkDown, ResourcesExhausted};
        matches!(self.code, ResourcesExhausted | DnsDown | NetworkDown | ClockWrong)
    }
}

/// A daemon in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// What it said.
    pub heartbeat: Heartbeat,
    /// When.
    pub seen_at: Timestamp,
}

impl Presence {
    /// Whether it was heard of lately.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        is_lately(self.seen_at, now)
    }
}

/// Whether what was seen at that time is a sign of life. What a clock that ran ahead wrote down is none until then: who
/// lives has written again since it was set right.
pub fn is_lately(seen_at: Timestamp, now: Timestamp) -> bool {
    now.since(seen_at) < SILENT_AFTER && seen_at.since(now) <= AHEAD_AT_MOST
}

/// Whether anybody does the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DaemonState {
    /// Somebody does.
    Running,
    /// Somebody does, but all machines that do are in trouble.
    Strained(Pause),
    /// All that run are in trouble of their own.
    Paused(Pause),
    /// One ran and did not say that it ended.
    Silent {
        /// When it was last heard of.
        since: Timestamp,
    },
    /// One ran, did not say that it ended, and surely runs no more.
    Died {
        /// When it was last heard of.
        since: Timestamp,
    },
    /// None runs.
    Absent,
}

impl fmt::Display for DaemonState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("runs"),
            Self::Strained(Pause { since, code, text }) => {
                write!(f, "runs, but not as it should since {}: {code}: {text}", since.to_the_second())
            }
            Self::Paused(Pause { since, code, text }) => {
                write!(f, "starts nothing since {}: {code}: {text}", since.to_the_second())
            }
            Self::Silent { since } => write!(
                f,
                "has not been heard of since {}: it died, or the database takes no writes",
                since.to_the_second()
            ),
            Self::Died { since } => {
                write!(f, "does not run: it died, and was last heard of at {}", since.to_the_second())
            }
            Self::Absent => f.write_str("does not run"),
        }
    }
}

impl DaemonState {
    /// Whether nobody does the work, as far as is known.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Died { .. } | Self::Absent)
    }
}

/// What is left of daemons of which it is known that none runs.
pub fn none_runs(all: &[Presence]) -> DaemonState {
    let last = all.iter().map(|presence| presence.seen_at).max();
    last.map_or(DaemonState::Absent, |since| DaemonState::Died { since })
}

/// Whether anybody does the work, judged by all who ever said they do.
pub fn daemon_state(all: &[Presence], now: Timestamp) -> DaemonState {
    let alive = || all.iter().filter(|presence| presence.is_alive(now));
    if alive().any(|presence| presence.heartbeat.pause.is_none()) {
        return DaemonState::Running;
    }
    let pauses = || alive().filter_map(|presence| presence.heartbeat.pause.as_ref());
    if let Some(pause) = pauses().find(|pause| pause.is_partial()) {
        return DaemonState::Strained(pause.clone());
    }
    if let Some(pause) = pauses().next() {
        return DaemonState::Paused(pause.clone());
    }
    let last = all.iter().map(|presence| presence.seen_at).max();
    last.map_or(DaemonState::Absent, |since| DaemonState::Silent { since })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn presence(seen_at: i64, paused: bool) -> Presence {
        let pause = Pause { since: at(1), code: FailureCode::DiskFull, text: "no space".to_owned() };
        let heartbeat = Heartbeat {
            node: NodeId::generate(at(0)),
            version: "1".to_owned(),
            machine: "one".to_owned(),
            started_at: at(0),
            key_ids: Vec::new(),
            pause: paused.then_some(pause),
        };
        Presence { heartbeat, seen_at: at(seen_at) }
    }

    #[test]
    fn one_that_works_is_enough_and_silence_is_told_from_absence() {
        let now = at(1_000);
        let mut strained = presence(995, true);
        strained.heartbeat.pause.as_mut().unwrap().code = FailureCode::ResourcesExhausted;
        let cases = [
            (vec![], "Absent"),
            (vec![presence(995, false)], "Running"),
            (vec![presence(995, true), presence(990, false)], "Running"),
            (vec![presence(995, true), presence(900, false)], "Paused"),
            (vec![presence(971, false)], "Running"),
            (vec![presence(995, true), strained], "Strained"),
            (vec![presence(970, false), presence(930, true)], "Silent { since: Timestamp(970000000) }"),
            (vec![presence(1_000 + 300, false)], "Running"),
            (vec![presence(1_000 + 301, false)], "Silent { since: Timestamp(1301000000) }"),
        ];
        for (all, expected) in cases {
            let found = format!("{:?}", daemon_state(&all, now));
            assert!(found.starts_with(expected), "{expected}: {found}");
        }
    }
}

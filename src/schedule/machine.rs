//! Whether it is this machine that is ill, and not the servers: its name resolution, its network, its
//! clock. Pure.
//!
//! What cannot be reached waits anyway, server by server. Seen together, it is one trouble of one machine:
//! that is what people must be told, and when it ends, nobody has to wait for the next probe.

use std::{collections::BTreeMap, time::Duration};

use super::duty::Peer;
use crate::model::{failure::FailureCode, timestamp::Timestamp};

/// A failure is older news after this: a server that is left alone is probed at least so often.
const RECENT: Duration = Duration::from_secs(20 * 60);
/// So many hosts do not fail alike by chance.
const HOSTS: usize = 3;
/// Hosts that are named.
const MOST_NAMED: usize = 5;

/// What was last heard of each host.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Hosts that fail before a log-in, and how.
    failing: BTreeMap<String, (Timestamp, FailureCode)>,
    /// Hosts that said something, and when last.
    answering: BTreeMap<String, Timestamp>,
}

impl Machine {
    /// A server could not be used, before a log-in.
    pub fn failed(&mut self, peer: &Peer, code: FailureCode, now: Timestamp) {
        self.answering.remove(&peer.host);
        self.failing.insert(peer.host.clone(), (now, code));
    }

    /// A server said something.
    pub fn answered(&mut self, peer: &Peer, now: Timestamp) {
        self.failing.remove(&peer.host);
        match self.answering.get_mut(&peer.host) {
            Some(at) => *at = now,
            None => drop(self.answering.insert(peer.host.clone(), now)),
        }
    }

    /// The hosts that fail so, in words.
    pub fn words(&self, trouble: FailureCode) -> String {
        let codes = signs(trouble);
        let failing = self.failing.iter().filter(|(_, (_, code))| codes.contains(code));
        let named: Vec<String> = failing.take(MOST_NAMED).map(|(host, (_, code))| format!("{host} {code}")).collect();
        format!("all at once: {}", named.join(", "))
    }

    /// What is wrong with this machine.
    pub fn trouble(&mut self, now: Timestamp) -> Option<FailureCode> {
        let recent = |at: Timestamp| at <= now && now.since(at) < RECENT;
        self.failing.retain(|_, (at, _)| recent(*at));
        self.answering.retain(|_, at| recent(*at));
        let many = |trouble: FailureCode| {
            let codes = signs(trouble);
            self.failing.values().filter(|(_, code)| codes.contains(code)).count() >= HOSTS
        };
        let alone = [FailureCode::DnsDown, FailureCode::ClockWrong].into_iter().find(|trouble| many(*trouble));
        let unreached = self.answering.is_empty() && many(FailureCode::NetworkDown);
        alone.or(unreached.then_some(FailureCode::NetworkDown))
    }
}

/// How hosts fail that show it.
const fn signs(trouble: FailureCode) -> &'static [FailureCode] {
    match trouble {
        FailureCode::DnsDown => &[FailureCode::DnsFailed],
        FailureCode::ClockWrong => &[FailureCode::TlsExpired],
        _ => &[FailureCode::HostUnreachable, FailureCode::DnsFailed],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn peer(host: &str, port: u16) -> Peer {
        Peer { host: host.to_owned(), port }
    }

    fn machine(failing: &[(&str, FailureCode)], answering: &[&str]) -> Machine {
        let mut machine = Machine::default();
        answering.iter().for_each(|host| machine.answered(&peer(host, 993), START));
        failing.iter().for_each(|(host, code)| machine.failed(&peer(host, 993), *code, START));
        machine
    }

    #[test]
    fn what_three_hosts_have_in_common_is_this_machine() {
        use FailureCode as C;
        let all = |code| [("a", code), ("b", code), ("c", code)];
        for (what, failing, answering, expected) in [
            ("N3", &all(C::DnsFailed)[..], &["d"][..], Some(C::DnsDown)),
            ("N3 with two", &all(C::DnsFailed)[..2], &[], None),
            ("N1 is about the name", &all(C::DnsNotFound), &[], None),
            ("N6", &all(C::HostUnreachable), &[], Some(C::NetworkDown)),
            ("N6, but one answers", &all(C::HostUnreachable), &["d"], None),
            ("T1", &all(C::TlsExpired), &["d", "e"], Some(C::ClockWrong)),
            ("T2", &all(C::TlsUntrusted), &[], None),
            ("three things", &[("a", C::DnsFailed), ("b", C::TlsExpired), ("c", C::GreetingRefused)], &[], None),
        ] {
            assert_eq!(machine(failing, answering).trouble(START), expected, "{what}");
        }
    }

    #[test]
    fn it_ends_when_one_of_them_answers_or_nobody_asked_for_long() {
        let failing = ["a", "b", "c"].map(|host| (host, FailureCode::HostUnreachable));
        let mut down = machine(&failing, &[]);
        assert_eq!(down.trouble(START.plus(RECENT / 2)), Some(FailureCode::NetworkDown));
        let words = "all at once: a host-unreachable, b host-unreachable, c host-unreachable";
        assert_eq!(down.words(FailureCode::NetworkDown), words);
        down.answered(&peer("b", 465), START);
        assert_eq!(down.trouble(START), None);
        let mut old = machine(&failing, &[]);
        assert_eq!(old.trouble(START.plus(RECENT)), None);
        assert!(old.failing.is_empty());
    }

    #[test]
    fn two_ports_are_one_host() {
        let mut machine = Machine::default();
        for port in [993, 465, 995] {
            machine.failed(&peer("a", port), FailureCode::DnsFailed, START);
        }
        assert_eq!(machine.trouble(START), None);
    }
}

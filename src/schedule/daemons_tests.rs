use super::*;
use crate::model::{ids::NodeId, presence::Heartbeat};

const START: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START + seconds)
}

fn pause(since: i64, code: FailureCode) -> Pause {
    Pause { since: at(since), code, text: format!("{code} it is") }
}

fn daemon(machine: &str, seen_at: i64, pause: Option<Pause>) -> Presence {
    let (node, version, machine) = (NodeId::generate(at(0)), "1".to_owned(), machine.to_owned());
    let heartbeat = Heartbeat { node, version, machine, started_at: at(0), key_ids: Vec::new(), pause };
    Presence { heartbeat, seen_at: at(seen_at) }
}

fn open(code: FailureCode, last_seen: i64, text: &str) -> DaemonAlert {
    DaemonAlert { code, text: text.to_owned(), last_seen: at(last_seen), is_open: true }
}

/// Changes in few words.
fn told(changes: &[AlertChange]) -> Vec<String> {
    let told = |change: &AlertChange| match change {
        AlertChange::Raise(alert) => {
            assert_eq!((alert.subject, alert.workload), (AlertSubject::Daemon, None));
            format!("{} {}: {}", alert.severity.name(), alert.code, alert.text)
        }
        AlertChange::Close(AlertSubject::Daemon, code) => format!("close {code}"),
        other => panic!("{other:?}"),
    };
    changes.iter().map(told).collect()
}

const DNS: FailureCode = FailureCode::DnsDown;
const ONE: &str = "one, since 2027-01-15T08:00:10Z: dns-down it is";

#[test]
fn one_alert_for_each_code_names_the_machines() {
    let (one, two) = (daemon("one", 100, Some(pause(10, DNS))), daemon("two", 100, Some(pause(20, DNS))));
    let full = daemon("six", 100, Some(pause(99, FailureCode::DiskFull)));
    let well = daemon("well", 100, None);
    let now = at(110);
    assert_eq!(told(&changes(&[well.clone(), one.clone()], &[], now)), [format!("error dns-down: {ONE}")]);
    assert_eq!(
        told(&changes(&[two, full, one.clone(), well], &[], now)),
        [
            "error disk-full: six, since 2027-01-15T08:01:39Z: disk-full it is".to_owned(),
            format!("error dns-down: {ONE}; two, since 2027-01-15T08:00:20Z: dns-down it is"),
        ]
    );
    let many: Vec<Presence> = (0..7).map(|number| daemon(&format!("m{number}"), 100, Some(pause(10, DNS)))).collect();
    let text = told(&changes(&many, &[], now)).concat();
    assert!(text.contains("m4, since") && text.ends_with("; and on 2 more"), "{text}");
    let short = daemon("one", 100, Some(pause(10, FailureCode::ResourcesExhausted)));
    assert!(told(&changes(&[short], &[], now)).concat().starts_with("warning resources-exhausted"));
}

#[test]
fn it_is_raised_again_with_news_and_now_and_then() {
    let ill = [daemon("one", 10_000, Some(pause(10, DNS)))];
    for (what, alert, expected) in [
        ("known", open(DNS, 9_500, ONE), 0),
        ("known for long", open(DNS, 9_109, ONE), 1),
        ("closed", DaemonAlert { is_open: false, ..open(DNS, 10_000, ONE) }, 1),
        ("another machine had it", open(DNS, 9_500, "two, since 2027-01-15T08:00:10Z: dns-down it is"), 1),
    ] {
        assert_eq!(changes(&ill, &[alert], at(10_009)).len(), expected, "{what}");
    }
}

#[test]
fn it_ends_with_the_trouble_and_with_the_daemon() {
    let alert = [open(DNS, 90, ONE)];
    for (what, daemons, now, expected) in [
        ("well again", vec![daemon("one", 100, None)], 110, vec!["close dns-down"]),
        ("died", vec![daemon("one", 100, Some(pause(10, DNS))), daemon("two", 170, None)], 170, vec!["close dns-down"]),
        ("gone", vec![daemon("two", 170, None)], 170, vec!["close dns-down"]),
        ("still there", vec![daemon("one", 100, Some(pause(10, DNS)))], 129, vec![]),
    ] {
        assert_eq!(told(&changes(&daemons, &alert, at(now))), expected, "{what}");
    }
}

#[test]
fn a_database_that_restarts_is_no_news_and_one_that_was_away_is_history() {
    let code = FailureCode::DatabaseUnavailable;
    let ill = |since| [daemon("one", 100, Some(pause(since, code)))];
    assert_eq!(told(&changes(&ill(50), &[], at(109))), [""; 0]);
    assert_eq!(changes(&ill(50), &[], at(110)).len(), 1);
    let late = |since, code, open: &[DaemonAlert]| {
        let mut spell = Spell::begin(None, &pause(since, code)).unwrap();
        assert_eq!(spell.told("one", open), []);
        spell.end(at(100));
        let (changes, times): (Vec<_>, Vec<_>) = spell.told("one", open).into_iter().unzip();
        (told(&changes), times)
    };
    let raised = "error database-unavailable: one, since 2027-01-15T08:00:40Z: database-unavailable it is";
    let both = vec![raised.to_owned(), "close database-unavailable".to_owned()];
    assert_eq!(late(41, code, &[]), (vec![], vec![]));
    assert_eq!(late(40, code, &[]), (both, vec![at(40), at(100)]));
    assert_eq!(late(40, code, &[open(code, 90, "another machine's")]), (vec![], vec![]));
    // A full disk is news at once.
    assert_eq!(late(99, FailureCode::DiskFull, &[]).0.len(), 2);
    assert_eq!(Spell::begin(None, &pause(1, FailureCode::ResourcesExhausted)), None);
}

#[test]
fn a_database_that_comes_and_goes_is_one_spell() {
    let mut spell = Spell::begin(None, &pause(0, FailureCode::DiskFull)).unwrap();
    spell.end(at(10));
    assert!(!spell.is_over(at(24)));
    let mut spell = Spell::begin(Some(spell), &pause(12, FailureCode::DiskFull)).unwrap();
    assert!(!spell.is_over(at(40)));
    spell.end(at(50));
    assert!(spell.is_over(at(65)));
    let times: Vec<Timestamp> = spell.told("one", &[]).into_iter().map(|(_, at)| at).collect();
    assert_eq!(times, [at(0), at(50)]);
}

use super::*;

const HOUR: i64 = 3_600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_000_000 + seconds) * 1_000_000)
}

fn mailbox() -> MailboxId {
    MailboxId(uuid::Uuid::from_u128(7))
}

/// Reading that stands still since 0, every five minutes.
fn reading() -> Stale {
    Stale {
        mailbox: mailbox(),
        workload: Workload::Incoming,
        since: at(0),
        interval: Duration::from_secs(300),
        mails: 0,
        code: None,
        words: None,
        alerted_at: None,
    }
}

/// What is done at `now`, as `severity code: text` or `close code`.
fn done(stale: &Stale, open: &[FailureCode], found: &mut Found, polling: &Polling, now: i64) -> Vec<String> {
    let open: Vec<_> = open.iter().map(|code| (mailbox(), *code)).collect();
    let rules = AlertRules::default();
    let told = |change| match change {
        AlertChange::Raise(alert) => {
            assert_eq!(alert.workload, Some(stale.workload));
            format!("{} {}: {}", alert.severity.name(), alert.code, alert.text)
        }
        AlertChange::Close(_, code) => format!("close {code}"),
        AlertChange::Over { .. } => panic!("nothing is over"),
    };
    changes(vec![stale.clone()], &open, found, (&rules, polling), at(now)).into_iter().map(told).collect()
}

#[test]
fn standing_still_is_told_once_work_had_time_to_catch_up() {
    let (mut found, polling) = (Found::new(), Polling::default());
    let mut look = |stale: &Stale, now| done(stale, &[], &mut found, &polling, now);
    assert!(look(&reading(), HOUR - 1).is_empty(), "not yet");
    assert!(look(&reading(), HOUR).is_empty(), "found");
    assert!(look(&reading(), HOUR + 599).is_empty(), "it may be a start");
    let told = ["error mailbox-stale: not read since 1970-01-12T13:46:40Z; no failure is known"];
    assert_eq!(look(&reading(), HOUR + 600), told);
    let known = Stale {
        code: Some(FailureCode::HostUnreachable),
        words: Some("connection refused".into()),
        alerted_at: Some(at(HOUR + 600)),
        ..reading()
    };
    assert!(look(&known, 2 * HOUR + 599).is_empty(), "it is open");
    let again = ["warning mailbox-stale: not read since 1970-01-12T13:46:40Z; host-unreachable: connection refused"];
    assert_eq!(look(&known, 2 * HOUR + 600), again, "and once for each hour that it lasts");
}

#[test]
fn who_got_on_meanwhile_begins_anew() {
    let (mut found, polling) = (Found::new(), Polling::default());
    assert!(done(&reading(), &[], &mut found, &polling, HOUR).is_empty());
    let well = Stale { since: at(HOUR), ..reading() };
    assert!(done(&well, &[], &mut found, &polling, HOUR + 300).is_empty());
    assert!(found.is_empty());
    assert!(done(&reading(), &[], &mut found, &polling, HOUR + 600).is_empty());
}

#[test]
fn long_intervals_make_patient() {
    let (mut found, polling) = (Found::new(), Polling::default());
    let slow = Stale { interval: Duration::from_secs(7_200), ..reading() };
    assert!(done(&slow, &[], &mut found, &polling, 6 * HOUR - 1).is_empty());
    assert!(found.is_empty(), "three intervals");
    let polling = Polling { idle_maximum: Some(Duration::from_secs(7_200)), ..polling };
    assert!(done(&reading(), &[], &mut found, &polling, 6 * HOUR - 1).is_empty());
    assert!(found.is_empty(), "idle mailboxes are read so seldom");
    assert!(done(&reading(), &[], &mut found, &polling, 6 * HOUR).is_empty());
    assert_eq!(found.len(), 1);
}

#[test]
fn what_is_not_stale_any_more_is_closed_for_its_own_workload() {
    use FailureCode::{MailboxStale, OutboxStale};
    let (mut found, polling) = (Found::new(), Polling::default());
    let mails = Stale { workload: Workload::Outgoing, mails: 3, alerted_at: Some(at(HOUR)), ..reading() };
    let closed = done(&mails, &[MailboxStale, OutboxStale], &mut found, &polling, HOUR + 60);
    assert_eq!(closed, ["close mailbox-stale"]);
    let told = done(&mails, &[OutboxStale], &mut found, &polling, 2 * HOUR);
    assert_eq!(told, ["error outbox-stale: 3 mails wait, the first since 1970-01-12T13:46:40Z; no failure is known"]);
}

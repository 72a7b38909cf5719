use super::*;
use crate::model::{
    failure::{Failure, Persistence, Scope},
    report::{CycleReport, SendReport},
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn failure(code: FailureCode) -> Option<Failure> {
    Some(Failure::new(code, Scope::Mailbox, Persistence::Throttled, "no"))
}

fn sent(report: SendReport) -> Report {
    Report::Sent(report)
}

#[test]
fn refused_senders_are_counted_over_cycles_until_a_mail_goes_out() {
    let before = Care { senders_refused: 2, ..Care::default() };
    for (report, expected) in [
        (SendReport::default(), 2),
        (SendReport { failure: failure(FailureCode::Timeout), ..SendReport::default() }, 2),
        (SendReport { deferred: 3, ..SendReport::default() }, 2),
        (SendReport { failed: 1, senders_refused: 3, ..SendReport::default() }, 3),
        (SendReport { sent: 1, senders_refused: 0, ..SendReport::default() }, 0),
        (SendReport { sent: 1, failed: 1, senders_refused: 1, ..SendReport::default() }, 1),
    ] {
        assert_eq!(after(&before, &sent(report.clone()), NOW).senders_refused, expected, "{report:?}");
    }
}

#[test]
fn who_sent_too_fast_sends_slowly_for_a_day() {
    let throttled = sent(SendReport { failure: failure(FailureCode::SendingThrottled), ..SendReport::default() });
    let slow = after(&Care::default(), &throttled, NOW);
    let well = sent(SendReport { sent: 1, ..SendReport::default() });
    let at = |hours: u64| NOW.plus(Duration::from_secs(hours * 3_600));
    for (hours, is_slow) in [(0, true), (23, true), (24, false)] {
        assert_eq!(slow.is_slow(at(hours)), is_slow, "{hours}");
        assert_eq!(after(&slow, &well, at(hours)).is_slow(at(hours)), is_slow, "{hours}");
    }
    assert!(after(&slow, &throttled, at(20)).is_slow(at(43)), "and again");
    assert!(after(&slow, &well, at(24)).is_none());
}

#[test]
fn reading_takes_no_care_of_sending() {
    let care = Care { slow_until: Some(NOW), senders_refused: 1 };
    assert_eq!(after(&care, &Report::Received(CycleReport::default()), NOW), care);
}

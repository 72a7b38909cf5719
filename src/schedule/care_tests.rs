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

fn read(failure: Option<Failure>, more: bool) -> Report {
    Report::Received(CycleReport { failure, more, ..CycleReport::default() })
}

#[test]
fn what_was_too_much_is_halved_and_grows_again_with_complete_cycles() {
    let limit = read(failure(FailureCode::ServerThrottled), false);
    let mut care = Care::default();
    for expected in [1, 2, 3, 4, 5, 6, 7, 7] {
        care = after(&care, &limit, NOW);
        assert_eq!(care, Care { halvings: expected, ..Care::default() });
    }
    assert_eq!(after(&care, &read(None, true), NOW), care, "not complete");
    assert_eq!(after(&care, &read(failure(FailureCode::Timeout), false), NOW), care);
    for expected in [6, 5, 4, 3, 2, 1, 0, 0] {
        care = after(&care, &read(None, false), NOW);
        assert_eq!(care.halvings, expected);
    }
    let all = Failure { scope: Scope::Profile, ..failure(FailureCode::ServerThrottled).unwrap() };
    assert!(after(&Care::default(), &read(Some(all), false), NOW).is_none(), "said to everybody");
}

#[test]
fn after_a_limit_on_bytes_reading_is_slow_for_a_day() {
    let care = after(&Care::default(), &read(failure(FailureCode::BandwidthExceeded), false), NOW);
    assert_eq!((care.is_slow(NOW), care.halvings), (true, 1));
    let at = |hours: u64| NOW.plus(Duration::from_secs(hours * 3_600));
    let care = after(&care, &read(None, false), at(23));
    assert_eq!((care.is_slow(at(23)), care.halvings), (true, 1));
    assert!(after(&care, &read(None, false), at(24)).is_none());
}

#[test]
fn a_damaged_mailbox_is_damaged_until_a_complete_cycle_goes_well() {
    let damaged = after(&Care::default(), &read(failure(FailureCode::MailboxCorrupt), false), NOW);
    assert!(damaged.damaged);
    for report in [read(failure(FailureCode::Timeout), false), read(None, true)] {
        assert!(after(&damaged, &report, NOW).damaged, "{report:?}");
    }
    assert!(!after(&damaged, &read(None, false), NOW).damaged);
}

#[test]
fn reading_takes_no_care_of_sending_and_sending_none_of_reading() {
    let care = Care { senders_refused: 1, ..Care::default() };
    assert_eq!(after(&care, &read(None, false), NOW), care);
    let care = Care { damaged: true, halvings: 2, ..Care::default() };
    assert_eq!(after(&care, &sent(SendReport { sent: 1, ..SendReport::default() }), NOW), care);
}

use super::*;
use crate::model::{
    care::Care,
    report::{CycleReport, SendReport},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

fn fresh() -> WorkloadState {
    WorkloadState { enabled: true, ..WorkloadState::default() }
}

fn failure(code: FailureCode, scope: Scope, persistence: Persistence) -> Failure {
    Failure::new(code, scope, persistence, "the server's words")
}

fn mailbox_failure(code: FailureCode, persistence: Persistence) -> Failure {
    failure(code, Scope::Mailbox, persistence)
}

/// Settles the end of a cycle at `at`.
fn end(state: &WorkloadState, failure: Option<Failure>, at: Timestamp) -> Settled {
    let report = Report::Received(CycleReport { failure, ..CycleReport::default() });
    settle(state, &report, &FailureRules::default(), ending(at))
}

/// Of a poll that took some seconds.
fn ending(now: Timestamp) -> Ending {
    let took = Duration::from_secs(3);
    Ending { mailbox: MailboxId(uuid::Uuid::from_u128(7)), interval: 5 * MINUTE, took, now }
}

/// Fails again and again, each time as soon as it may; returns the waits until it is disabled, or `most` of them.
fn waits(failure: &Failure, most: usize) -> (Vec<Duration>, WorkloadState) {
    let (mut state, mut at, mut waits) = (fresh(), now(), Vec::new());
    while waits.len() < most {
        let settled = end(&state, Some(failure.clone()), at);
        state = settled.state;
        let Outcome::Postponed(until) = settled.outcome else {
            assert_eq!(settled.outcome, Outcome::Disabled);
            break;
        };
        assert_eq!((state.postponed_until, state.next_due_at), (Some(until), Some(until)));
        waits.push(until.since(at));
        at = until;
    }
    (waits, state)
}

/// Each wait is as expected and up to a tenth more.
fn assert_waits(waits: &[Duration], expected: &[Duration]) {
    assert_eq!(waits.len(), expected.len(), "{waits:?}");
    for (wait, expected) in waits.iter().zip(expected) {
        assert!((*expected..=*expected * 11 / 10).contains(wait), "{waits:?}");
    }
}

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    let settle =
        |report: CycleReport| settle(&fresh(), &Report::Received(report), &FailureRules::default(), ending(now()));
    let asked = CycleReport { login_delay: Some(15 * MINUTE), ..CycleReport::default() };
    let polled = settle(asked.clone());
    assert_eq!(polled.state.next_due_at, Some(now().plus(15 * MINUTE)));
    let more = settle(CycleReport { more: true, ..asked.clone() });
    assert_eq!(more.outcome, Outcome::More(now().plus(15 * MINUTE)));
    let broken = Some(mailbox_failure(FailureCode::ConnectionLost, Persistence::Transient));
    let failed = settle(CycleReport { failure: broken, ..asked.clone() });
    assert_eq!(failed.outcome, Outcome::Postponed(now().plus(15 * MINUTE)), "also after a failure");
    assert_eq!(failed.state.postponed_until, failed.state.next_due_at);
    let less = settle(CycleReport { login_delay: Some(MINUTE), ..CycleReport::default() });
    assert!(less.state.next_due_at >= Some(now().plus(5 * MINUTE)));
}

#[test]
fn a_poll_is_due_again_an_interval_after_its_end_with_at_most_a_tenth_more() {
    let settled = end(&fresh(), None, now());
    let Outcome::Polled { due, traffic: Traffic::Quiet } = settled.outcome else { panic!("{settled:?}") };
    assert!((5 * MINUTE..5 * MINUTE + 30 * Duration::from_secs(1)).contains(&due.since(now())));
    assert_eq!(settled.state.next_due_at, Some(due));
    assert_eq!(settled.state.last_success_at, Some(now()));
}

#[test]
fn the_batch_limit_makes_it_due_at_once_and_new_mail_is_traffic() {
    let settle =
        |report: CycleReport| settle(&fresh(), &Report::Received(report), &FailureRules::default(), ending(now()));
    let more = settle(CycleReport { recorded: 100, more: true, ..CycleReport::default() });
    assert_eq!(more.outcome, Outcome::More(now()));
    assert_eq!(more.state.next_due_at, Some(now()));
    let busy = settle(CycleReport { linked: 1, ..CycleReport::default() });
    assert!(matches!(busy.outcome, Outcome::Polled { traffic: Traffic::Busy, .. }));
}

#[test]
fn transient_failures_double_to_an_hour() {
    let (short, state) = waits(&mailbox_failure(FailureCode::ServerFault, Persistence::Transient), 7);
    assert_waits(&short, &[5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR, HOUR, HOUR]);
    assert_eq!((state.transient_failures, state.confirmations), (7, 0));
    assert_eq!(state.failure_code, Some(FailureCode::ServerFault));
    assert_eq!(state.last_error.as_deref(), Some("the server's words"));
    let (slow, _) = waits(&mailbox_failure(FailureCode::Timeout, Persistence::Transient), 4);
    assert_waits(&slow, &[10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR]);
}

#[test]
fn transient_failures_disable_after_enough_of_them_and_enough_time_only() {
    let (waits, state) = waits(&mailbox_failure(FailureCode::ServerClosed, Persistence::Transient), 1_000);
    let lasted: Duration = waits.iter().sum();
    assert!(lasted >= 24 * HOUR && lasted < 26 * HOUR, "{lasted:?}");
    assert!(waits.len() > 10 && !state.enabled && state.postponed_until.is_none() && state.next_due_at.is_none());

    // A day of failures, but few of them, is not enough.
    let failing = WorkloadState { transient_failures: 8, failing_since: Some(now().minus(48 * HOUR)), ..fresh() };
    let lost = mailbox_failure(FailureCode::ConnectionLost, Persistence::Transient);
    assert!(matches!(end(&failing, Some(lost.clone()), now()).outcome, Outcome::Postponed(_)));
    let failing = WorkloadState { transient_failures: 9, ..failing };
    assert_eq!(end(&failing, Some(lost), now()).outcome, Outcome::Disabled);
}

#[test]
fn a_refused_password_is_confirmed_three_times_before_it_disables() {
    let refused = mailbox_failure(FailureCode::AuthRejected, Persistence::UntilConfirmed);
    let (waits, state) = waits(&refused, 10);
    assert_waits(&waits, &[5 * MINUTE, 30 * MINUTE, 2 * HOUR]);
    assert!(!state.enabled);
    assert_eq!((state.transient_failures, state.confirmations), (0, 4));
    assert_eq!(state.failure_code, Some(FailureCode::AuthRejected));
}

#[test]
fn a_permanent_failure_disables_at_once_and_says_why() {
    let settled = end(&fresh(), Some(mailbox_failure(FailureCode::AuthExpired, Persistence::Permanent)), now());
    assert_eq!(settled.outcome, Outcome::Disabled);
    assert!(!settled.state.enabled);
    assert_eq!(settled.state.failure_code, Some(FailureCode::AuthExpired));
    assert!(settled.state.last_error.is_some());
}

#[test]
fn throttling_waits_as_asked_else_doubles_and_never_counts() {
    let throttled = mailbox_failure(FailureCode::ServerThrottled, Persistence::Throttled);
    let (lasting, state) = waits(&throttled, 100);
    // What has lasted includes the jitter of the waits before.
    for (wait, minutes) in lasting.iter().zip([5, 10, 20, 40, 80, 160]) {
        assert!((minutes * MINUTE..minutes * MINUTE * 5 / 4).contains(wait), "{lasting:?}");
    }
    assert_waits(&lasting[99..], &[6 * HOUR]);
    assert!(state.enabled);
    assert_eq!((state.transient_failures, state.confirmations), (0, 0));

    let asked = |seconds| Failure { retry_after: Some(Duration::from_secs(seconds)), ..throttled.clone() };
    assert_waits(&waits(&asked(1), 1).0, &[Duration::from_secs(5)]);
    assert_waits(&waits(&asked(90), 1).0, &[Duration::from_secs(90)]);
    assert_waits(&waits(&asked(1_000_000), 1).0, &[24 * HOUR]);
}

#[test]
fn one_complete_cycle_resets_everything_and_a_failed_one_nothing() {
    let failing = WorkloadState {
        transient_failures: 9,
        confirmations: 2,
        failing_since: Some(now().minus(HOUR)),
        failure_code: Some(FailureCode::Timeout),
        last_error: Some("no answer".to_owned()),
        postponed_until: Some(now()),
        ..fresh()
    };
    let settled = end(&failing, None, now());
    let due = settled.state.next_due_at;
    assert_eq!(settled.state, WorkloadState { last_success_at: Some(now()), next_due_at: due, ..fresh() });

    let throttled = mailbox_failure(FailureCode::LoginThrottled, Persistence::Throttled);
    let kept = end(&failing, Some(throttled), now()).state;
    assert_eq!((kept.transient_failures, kept.confirmations), (9, 2));
    assert_eq!(kept.failing_since, failing.failing_since);
}

#[test]
fn failures_of_the_profile_and_the_daemon_are_not_counted() {
    let own = (Some(now().minus(HOUR)), Some(FailureCode::AuthRejected));
    let state = WorkloadState { transient_failures: 3, next_due_at: Some(now()), ..fresh() };
    let state = WorkloadState { failing_since: own.0, failure_code: own.1, ..state };
    let down = failure(FailureCode::HostUnreachable, Scope::Profile, Persistence::Transient);
    let settled = end(&state, Some(down.clone()), now());
    assert_eq!(settled, Settled { state: state.clone(), outcome: Outcome::ProfileFailed(down) });
    // One that was well says what is the matter, until a cycle goes well again.
    let well = WorkloadState { next_due_at: Some(now()), ..fresh() };
    let down = failure(FailureCode::HostUnreachable, Scope::Profile, Persistence::Transient);
    let told = end(&well, Some(down.clone()), now()).state;
    let (failure_code, last_error) = (Some(down.code), Some(down.text));
    assert_eq!(told, WorkloadState { failure_code, last_error, ..well });
    assert_eq!(end(&told, None, now()).state.failure_code, None);
    let full = failure(FailureCode::DiskFull, Scope::Daemon, Persistence::Transient);
    let settled = end(&state, Some(full), now());
    assert_eq!(settled, Settled { state, outcome: Outcome::Interrupted });
}

#[test]
fn mail_was_sent_when_a_server_took_some() {
    let before = WorkloadState { last_success_at: Some(now().minus(HOUR)), ..fresh() };
    let last = |report: SendReport| {
        let report = Report::Sent(report);
        settle(&before, &report, &FailureRules::default(), ending(now())).state.last_success_at
    };
    let lost = || Some(mailbox_failure(FailureCode::ConnectionLost, Persistence::Transient));
    for (report, took) in [
        (SendReport { sent: 1, ..SendReport::default() }, true),
        (SendReport { sent: 1, failure: lost(), ..SendReport::default() }, true),
        (SendReport::default(), false),
        (SendReport { failed: 1, ..SendReport::default() }, false),
        (SendReport { held: 1, ..SendReport::default() }, false),
        (SendReport { in_doubt: 1, deferred: 1, ..SendReport::default() }, false),
        (SendReport { failure: lost(), ..SendReport::default() }, false),
    ] {
        let expected = if took { Some(now()) } else { before.last_success_at };
        assert_eq!(last(report.clone()), expected, "{report:?}");
    }
}

#[test]
fn holds_double_from_half_a_minute_to_a_quarter_of_an_hour() {
    let down = failure(FailureCode::DnsFailed, Scope::Profile, Persistence::Transient);
    let (mut hold, mut at, mut waits) = (None, now(), Vec::new());
    for failures in 0..40 {
        let next = hold_after(hold.as_ref(), &down, at);
        assert_eq!((next.failures, next.since), (failures, now()));
        waits.push(next.until.since(at).as_secs());
        at = next.until;
        hold = Some(next);
    }
    assert_eq!(waits[..7], [30, 60, 120, 240, 480, 900, 900]);
    assert!(waits[7..].iter().all(|wait| *wait == 900));

    let asked = Failure {
        retry_after: Some(Duration::from_secs(77)),
        ..failure(FailureCode::GreetingRefused, Scope::Profile, Persistence::Throttled)
    };
    assert_eq!(hold_after(hold.as_ref(), &asked, at).until.since(at), Duration::from_secs(77));
}

#[test]
fn a_server_whose_mailboxes_are_read_is_looked_for_once_an_interval() {
    let down = failure(FailureCode::DnsFailed, Scope::Profile, Persistence::Transient);
    let wait = |failure: &Failure, interval| {
        let long =
            ProfileHold { since: now(), until: now(), failures: 20, code: FailureCode::DnsFailed, text: String::new() };
        server_hold_after(Some(&long), failure, interval, now()).until.since(now())
    };
    assert_eq!(wait(&down, Some(5 * MINUTE)), 5 * MINUTE);
    assert_eq!(wait(&down, Some(Duration::ZERO)), Duration::from_secs(30));
    assert_eq!(wait(&down, Some(60 * MINUTE)), 15 * MINUTE);
    assert_eq!(wait(&down, None), 15 * MINUTE, "nobody reads there");
    let asked = Failure {
        retry_after: Some(20 * MINUTE),
        ..failure(FailureCode::GreetingRefused, Scope::Profile, Persistence::Throttled)
    };
    assert_eq!(wait(&asked, Some(5 * MINUTE)), 20 * MINUTE, "the server's own word");
    let for_a_person = failure(FailureCode::SecurityDowngrade, Scope::Profile, Persistence::Permanent);
    assert!(wait(&for_a_person, Some(5 * MINUTE)) > 1_000_000 * MINUTE);
}

#[test]
fn a_mailbox_that_gets_on_is_not_given_up_but_short_sessions_that_die_count() {
    let lost = mailbox_failure(FailureCode::ConnectionLost, Persistence::Transient);
    let (_, tired) = waits(&lost, 10);
    assert_eq!(tired.transient_failures, 10);
    let later = now().plus(1_000 * HOUR);
    for report in
        [CycleReport { recorded: 1, ..CycleReport::default() }, CycleReport { set_aside: 1, ..CycleReport::default() }]
    {
        let end = |failure: &Failure, took| {
            let report = Report::Received(CycleReport { failure: Some(failure.clone()), ..report.clone() });
            settle(&tired, &report, &FailureRules::default(), Ending { took, ..ending(later) })
        };
        let young = end(&lost, 4 * MINUTE);
        assert_eq!((young.state.enabled, young.state.transient_failures), (true, 11));
        assert_eq!(young.state.failing_since, Some(later));
        assert!(young.state.next_due_at >= Some(later.plus(HOUR)));
        // Servers end old sessions as they like: it goes on at once, behind those that wait.
        let old = end(&lost, 5 * MINUTE);
        assert_eq!((old.outcome, old.state.transient_failures), (Outcome::More(later), 0));
        let fault = mailbox_failure(FailureCode::ServerFault, Persistence::Transient);
        assert_eq!(end(&fault, 5 * MINUTE).state.transient_failures, 11, "that is not the session's age");
    }
}

#[test]
fn each_code_is_confirmed_as_often_as_it_deserves() {
    let confirmed = |code| {
        let (waits, state) = waits(&mailbox_failure(code, Persistence::UntilConfirmed), 20);
        assert!(!state.enabled, "{code}");
        waits
    };
    let (usual, day) = ([5 * MINUTE, 30 * MINUTE, 2 * HOUR], [6 * HOUR, 16 * HOUR]);
    assert_waits(&confirmed(FailureCode::AuthRejected), &usual);
    assert_waits(&confirmed(FailureCode::CredentialsMissing), &usual);
    assert_waits(&confirmed(FailureCode::AuthContactAdmin), &usual[..2]);
    assert_waits(&confirmed(FailureCode::AuthUnclear), &[&usual[..], &day[..]].concat());
    assert_waits(&confirmed(FailureCode::InboxNotConnected), &[HOUR; 6]);
    let never = FailureRules { confirmations: Vec::new(), ..FailureRules::default() };
    assert!(FailureCode::ALL.iter().all(|code| never.confirmations_of(*code).is_empty()));
}

#[test]
fn a_mailbox_that_worked_today_is_not_confirmed_away_for_not_being_connected() {
    let not_connected = mailbox_failure(FailureCode::InboxNotConnected, Persistence::UntilConfirmed);
    let worked = WorkloadState { last_success_at: Some(now().minus(HOUR)), ..fresh() };
    let settled = end(&worked, Some(not_connected.clone()), now());
    assert_eq!((settled.state.confirmations, settled.state.transient_failures), (0, 1));
    assert_waits(&[settled.state.next_due_at.unwrap().since(now())], &[15 * MINUTE]);
    let long_ago = WorkloadState { last_success_at: Some(now().minus(25 * HOUR)), ..fresh() };
    assert_eq!(end(&long_ago, Some(not_connected), now()).state.confirmations, 1);
}

#[test]
fn a_maildrop_that_is_in_use_is_soon_tried_again_and_not_counted_at_first() {
    let in_use = mailbox_failure(FailureCode::MailboxInUse, Persistence::Transient);
    let (short, state) = waits(&in_use, 12);
    assert!(short[..3].iter().all(|wait| *wait < 2 * MINUTE), "{short:?}");
    assert!(short.iter().all(|wait| *wait <= 11 * MINUTE), "{short:?}");
    assert!(state.transient_failures <= 2, "{state:?}");
}

#[test]
fn throttling_of_another_kind_begins_its_schedule_anew() {
    let failing = WorkloadState {
        failing_since: Some(now().minus(10 * HOUR)),
        failure_code: Some(FailureCode::ServerFault),
        ..fresh()
    };
    let limited = mailbox_failure(FailureCode::LoginThrottled, Persistence::Throttled);
    let first = end(&failing, Some(limited.clone()), now());
    assert_waits(&[first.state.next_due_at.unwrap().since(now())], &[15 * MINUTE]);
}

#[test]
fn a_profile_waits_for_a_person_where_somebody_may_be_interfering() {
    let code = FailureCode::SecurityDowngrade;
    let hold = hold_after(None, &failure(code, Scope::Profile, Persistence::Permanent), now());
    assert_eq!(hold.until, Timestamp::FAR_FUTURE);
    let refused = failure(FailureCode::AuthRejected, Scope::Profile, Persistence::UntilConfirmed);
    assert_eq!(hold_after(None, &refused, now()).until.since(now()), 15 * MINUTE);
}

#[test]
fn reading_that_must_be_slow_goes_on_after_an_interval() {
    let care = Care { slow_until: Some(now().plus(HOUR)), ..Care::default() };
    let more = Report::Received(CycleReport { more: true, ..CycleReport::default() });
    for (care, wait) in [(Care::default(), Duration::ZERO), (care, 5 * MINUTE)] {
        let state = WorkloadState { care, ..fresh() };
        let settled = settle(&state, &more, &FailureRules::default(), ending(now()));
        assert_eq!(settled.outcome, Outcome::More(now().plus(wait)));
    }
}

/// What lies further ahead is believed to be of a clock that ran ahead: none of ours may.
#[test]
fn no_wait_is_longer_than_the_longest() {
    use Persistence as P;
    let rules = FailureRules::default();
    for code in FailureCode::ALL.iter().copied() {
        let waits_uncounted =
            code.is_throttling() || matches!(code, FailureCode::CredentialsLocked | FailureCode::CredentialsMissing);
        for persistence in [P::Transient, P::UntilConfirmed, P::Throttled] {
            if (persistence == P::Throttled) != waits_uncounted {
                continue;
            }
            let mut failure = mailbox_failure(code, persistence);
            failure.retry_after = code.is_throttling().then_some(30 * HOUR);
            let (mut state, mut at) = (fresh(), now());
            while let Settled { state: after, outcome: Outcome::Postponed(until) } =
                end(&state, Some(failure.clone()), at)
                && at < now().plus(100 * HOUR)
            {
                assert!(until <= at.plus(waits::longest(&after, &rules)), "{code} {persistence:?}");
                (state, at) = (after, until);
            }
        }
    }
    // And it is not much more: a quarter of an hour is not believed to be a day.
    let (_, state) = self::waits(&mailbox_failure(FailureCode::ServerFault, P::Transient), 1);
    assert_eq!(waits::longest(&state, &rules), HOUR + HOUR / 10);
}

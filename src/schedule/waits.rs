//! How long who waits, by what failed: the schedules of `deploy/README.md` as tables. Pure.
//!
//! What the configuration says ([`FailureRules`]) is not here.

use std::time::Duration;

use crate::model::{failure::FailureCode, mailbox::WorkloadState, rules::FailureRules};

/// A server that asks for more is not believed.
pub const ASKED_AT_MOST: Duration = Duration::from_secs(24 * 3_600);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// A wait that doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growing {
    /// The first.
    pub first: Duration,
    /// None is longer.
    pub longest: Duration,
}

impl Growing {
    const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The wait after `times` before it.
    pub fn after(self, times: u32) -> Duration {
        let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest.max(self.first))
    }

    /// The wait after `lasted` of such waits: as long again, which doubles.
    pub fn having_lasted(self, lasted: Duration) -> Duration {
        lasted.saturating_add(self.first).min(self.longest)
    }
}

/// How long a throttled mailbox waits where the server does not say.
pub const fn throttled(code: FailureCode) -> Growing {
    use FailureCode as C;
    match code {
        // I5, I22: connections of others end soon.
        C::TooManyConnections => Growing::new(MINUTE.saturating_mul(5), HOUR),
        // I7, S3: each try prolongs it.
        C::LoginThrottled | C::SendingThrottled => Growing::new(MINUTE.saturating_mul(15), HOUR.saturating_mul(6)),
        // I9: the limits are of a day.
        C::BandwidthExceeded => Growing::new(HOUR, HOUR.saturating_mul(24)),
        // I24, I28.
        _ => Growing::new(MINUTE.saturating_mul(5), HOUR.saturating_mul(6)),
    }
}

/// How long a mailbox waits whose transient failure has a schedule of its own.
pub const fn transient(code: FailureCode) -> Option<Growing> {
    use FailureCode as C;
    Some(match code {
        // I6, P4: often our own session that broke off, which the server keeps for some minutes.
        C::MailboxInUse => Growing::new(MINUTE, MINUTE.saturating_mul(10)),
        // I16, I25.
        C::MailboxCorrupt | C::InboxNotConnected => Growing::new(MINUTE.saturating_mul(15), HOUR),
        // I17: it will say the same again.
        C::CommandRefused => Growing::new(HOUR, HOUR),
        _ => return None,
    })
}

/// For how long a transient failure is not counted.
pub const fn uncounted(code: FailureCode) -> Duration {
    match code {
        FailureCode::MailboxInUse => MINUTE.saturating_mul(15),
        _ => Duration::ZERO,
    }
}

/// How long a profile that is held waits for its next probe; `None`: for a person.
pub const fn held(code: FailureCode) -> Option<Growing> {
    use FailureCode as C;
    if code.is_security() {
        return None;
    }
    Some(match code {
        // Each probe sends a password: an account must not be locked by them.
        C::AuthRejected
        | C::AuthUnclear
        | C::AuthMassRefused
        | C::AuthExpired
        | C::AuthorizationFailed
        | C::AuthInteractive
        | C::AuthContactAdmin
        | C::AuthMethodBlocked
        | C::SmtpAuthDisabled => Growing::new(MINUTE.saturating_mul(15), HOUR.saturating_mul(2)),
        _ => Growing::new(Duration::from_secs(30), MINUTE.saturating_mul(15)),
    })
}

/// The most that a workload in `state` was ever postponed for: what lies further ahead was written by a clock
/// that ran ahead.
pub fn longest(state: &WorkloadState, rules: &FailureRules) -> Duration {
    let Some(code) = state.failure_code else { return jittered(ASKED_AT_MOST) };
    let counted = || {
        let usual = FailureRules::LONGEST_POSTPONEMENT.max(rules.transient_backoff).max(rules.timeout_backoff);
        let confirmed = rules.confirmations_of(code).into_iter().filter(|_| state.confirmations > 0).max();
        transient(code).map_or(usual, |growing| growing.longest).max(confirmed.unwrap_or_default())
    };
    jittered(longest_throttled(code).unwrap_or_else(counted))
}

/// The most that a profile was ever held for with `code` until its next probe; `None`: for a person.
pub fn longest_held(code: FailureCode) -> Option<Duration> {
    let held = held(code)?;
    Some(jittered(longest_throttled(code).unwrap_or(held.longest)))
}

/// Where it is waited without counting.
const fn longest_throttled(code: FailureCode) -> Option<Duration> {
    match code {
        code if code.is_throttling() => Some(ASKED_AT_MOST),
        FailureCode::CredentialsLocked | FailureCode::CredentialsMissing => Some(throttled(code).longest),
        _ => None,
    }
}

/// Waits are spread by up to a tenth of theirs.
fn jittered(wait: Duration) -> Duration {
    wait.saturating_add(wait / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(growing: Growing, count: u32) -> Vec<u64> {
        (0..count).map(|times| growing.after(times).as_secs() / 60).collect()
    }

    #[test]
    fn the_tables_of_failures_md() {
        use FailureCode as C;
        for (row, code, expected) in [
            ("I5 I22", C::TooManyConnections, [5, 10, 20, 40, 60, 60, 60]),
            ("I7", C::LoginThrottled, [15, 30, 60, 120, 240, 360, 360]),
            ("I9", C::BandwidthExceeded, [60, 120, 240, 480, 960, 1_440, 1_440]),
            ("I24 I28", C::ServerThrottled, [5, 10, 20, 40, 80, 160, 320]),
            ("S3", C::SendingThrottled, [15, 30, 60, 120, 240, 360, 360]),
        ] {
            assert_eq!(minutes(throttled(code), 7), expected, "{row}");
        }
        assert_eq!(minutes(transient(C::MailboxInUse).unwrap(), 6), [1, 2, 4, 8, 10, 10]);
        assert_eq!(minutes(transient(C::CommandRefused).unwrap(), 2), [60, 60]);
        assert_eq!(transient(C::ServerFault), None);
        assert_eq!(minutes(held(C::AuthMassRefused).unwrap(), 5), [15, 30, 60, 120, 120]);
        assert_eq!(minutes(held(C::HostUnreachable).unwrap(), 7), [0, 1, 2, 4, 8, 15, 15]);
        assert_eq!((held(C::SecurityDowngrade), held(C::TlsRequired)), (None, None));
    }

    #[test]
    fn waits_double_and_end() {
        let growing = Growing::new(MINUTE, HOUR);
        let mut lasted = Duration::ZERO;
        for times in 0..40 {
            assert_eq!(growing.after(times), growing.having_lasted(lasted));
            if times < 10 {
                lasted += growing.after(times);
            } else {
                lasted = Duration::MAX;
            }
        }
    }
}

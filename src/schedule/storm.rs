//! Whether it is the server that refuses everybody, and not one mailbox whose password is wrong. Pure.
//!
//! A directory that is down, or a provider that changed how one logs in, must not cost every mailbox
//! its confirmations: the profile waits, and one mailbox at a time tries.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::model::{failure::FailureCode, ids::MailboxId, timestamp::Timestamp};

/// How close together refusals must lie.
pub const WINDOW: Duration = Duration::from_secs(10 * 60);
/// So many mailboxes that were let in before must be refused.
const MANY: usize = 5;
/// Fewer are enough where the reason cannot be a mistyped password.
const SOME: usize = 3;
/// And one in so many of those that were let in before.
const SHARE: usize = 5;

#[derive(Clone, Copy, Debug)]
struct Refusal {
    at: Timestamp,
    code: FailureCode,
    /// Whether the mailbox was let in within the last day.
    proven: bool,
}

/// The refusals of one side of a profile.
#[derive(Clone, Debug, Default)]
pub struct Storm {
    refusals: BTreeMap<MailboxId, Refusal>,
}

/// What a side of a profile is to be held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaks {
    /// Why.
    pub code: FailureCode,
    /// With which codes the mailboxes failed that did not deserve it.
    pub taken_back: &'static [FailureCode],
}

const PASSWORDS: &[FailureCode] = &[FailureCode::AuthRejected, FailureCode::AuthUnclear];

impl Storm {
    /// A mailbox was refused. `let_in`: how many of the side were let in within the last day;
    /// `shared`: whether all use the profile's credentials.
    pub fn refused(
        &mut self,
        mailbox: MailboxId,
        (code, proven): (FailureCode, bool),
        let_in: usize,
        shared: bool,
        now: Timestamp,
    ) -> Option<Breaks> {
        self.refusals.retain(|_, refusal| refusal.at <= now && now.since(refusal.at) < WINDOW);
        self.refusals.insert(mailbox, Refusal { at: now, code, proven });
        let count = |codes: &[FailureCode], proven_only: bool| {
            let counts = |refusal: &&Refusal| codes.contains(&refusal.code) && (refusal.proven || !proven_only);
            self.refusals.values().filter(counts).count()
        };
        let enough = |refused: usize, least: usize| refused >= least && refused * SHARE >= let_in;
        match code {
            _ if PASSWORDS.contains(&code) => enough(count(PASSWORDS, true), MANY)
                .then_some(Breaks { code: FailureCode::AuthMassRefused, taken_back: PASSWORDS }),
            FailureCode::AuthInteractive => {
                let codes: &[FailureCode] = &[FailureCode::AuthInteractive];
                enough(count(codes, false), SOME).then_some(Breaks { code, taken_back: codes })
            }
            // The profile's account may open none of them.
            FailureCode::AuthorizationFailed if shared => {
                let codes: &[FailureCode] = &[FailureCode::AuthorizationFailed];
                enough(count(codes, false), SOME).then_some(Breaks { code, taken_back: codes })
            }
            _ => None,
        }
    }

    /// A mailbox was let in: whatever was the matter, it is no storm of refusals without it.
    pub fn let_in(&mut self, mailbox: MailboxId) {
        self.refusals.remove(&mailbox);
    }

    /// Who was refused.
    pub fn mailboxes(&self) -> BTreeSet<MailboxId> {
        self.refusals.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// Mailboxes refused one after the other, `apart` seconds; after how many it breaks.
    fn breaks(
        code: FailureCode,
        proven: bool,
        let_in: usize,
        shared: bool,
        apart: u64,
    ) -> Option<(usize, FailureCode)> {
        let mut storm = Storm::default();
        (1..=50).find_map(|number: usize| {
            let now = START.plus(Duration::from_secs(number as u64 * apart));
            let mailbox = MailboxId(Uuid::from_u128(number as u128));
            storm.refused(mailbox, (code, proven), let_in, shared, now).map(|breaks| (number, breaks.code))
        })
    }

    #[test]
    fn it_takes_many_mailboxes_that_were_let_in_before_and_a_fifth_of_all() {
        use FailureCode as C;
        for (what, found, expected) in [
            ("five of a few", breaks(C::AuthRejected, true, 10, false, 1), Some((5, C::AuthMassRefused))),
            ("a fifth of many", breaks(C::AuthUnclear, true, 100, false, 1), Some((20, C::AuthMassRefused))),
            ("never let in: their passwords are wrong", breaks(C::AuthRejected, false, 0, false, 1), None),
            ("one in ten minutes", breaks(C::AuthRejected, true, 10, false, 600), None),
            ("a person is wanted", breaks(C::AuthInteractive, false, 0, false, 1), Some((3, C::AuthInteractive))),
            ("of three in a hundred", breaks(C::AuthInteractive, true, 100, false, 1), Some((20, C::AuthInteractive))),
            (
                "the profile's account",
                breaks(C::AuthorizationFailed, true, 9, true, 1),
                Some((3, C::AuthorizationFailed)),
            ),
            ("their own accounts", breaks(C::AuthorizationFailed, true, 9, false, 1), None),
            ("expired passwords expire", breaks(C::AuthExpired, true, 9, false, 1), None),
        ] {
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn one_mailbox_again_and_again_is_one_and_who_is_let_in_does_not_count() {
        let (mut storm, refused) = (Storm::default(), (FailureCode::AuthRejected, true));
        let mailbox = |number| MailboxId(Uuid::from_u128(number));
        assert!((0..20).all(|_| storm.refused(mailbox(1), refused, 1, false, START).is_none()));
        for number in 2..=4 {
            assert_eq!(storm.refused(mailbox(number), refused, 1, false, START), None);
        }
        storm.let_in(mailbox(2));
        assert_eq!(storm.refused(mailbox(5), refused, 1, false, START), None);
        assert!(storm.refused(mailbox(6), refused, 1, false, START).is_some());
        assert_eq!(storm.mailboxes().len(), 5);
    }
}

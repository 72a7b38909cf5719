//! When a server counts as down: the evidence of all mailboxes that talk to one host and port. Pure.
//!
//! One refused connection at a server that others use well says little: the mailbox tries again
//! soon, and nothing is counted against it. Where nobody got through for a minute, or many failed in
//! a row, or half of all, it is the server: everybody waits, and one of them tries.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use super::heard::Sign;
use crate::model::{ids::MailboxId, timestamp::Timestamp};

/// How long something said of a server is evidence.
const WINDOW: Duration = Duration::from_secs(60);
/// So many failures in a row are enough, where more than one mailbox met them.
const IN_A_ROW: usize = 5;
/// Of so many attempts, half must have failed.
const ATTEMPTS: usize = 20;
/// A conversation that breaks off may be about one mailbox; of so many of them it is not.
const LOST: usize = 3;
/// No more is remembered, however busy a server is.
const REMEMBERED: usize = 512;

#[derive(Clone, Copy, Debug)]
struct Vote {
    at: Timestamp,
    mailbox: MailboxId,
    sign: Sign,
}

/// What is remembered of a server.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// The last minute, oldest first.
    votes: VecDeque<Vote>,
}

impl Breaker {
    /// Takes a sign in, and says whether the server is to be left alone now.
    pub fn opens(&mut self, mailbox: MailboxId, sign: Sign, now: Timestamp) -> bool {
        if sign == Sign::None {
            return false;
        }
        // What lies ahead was noted by a clock that was set back since.
        self.votes.retain(|vote| vote.at <= now && now.since(vote.at) < WINDOW);
        if self.votes.len() >= REMEMBERED {
            self.votes.pop_front();
        }
        self.votes.push_back(Vote { at: now, mailbox, sign });
        match sign {
            Sign::None | Sign::Answered | Sign::Refused => false,
            Sign::Down => !self.anybody_got_through() || self.enough(),
            Sign::Ill => self.enough(),
            Sign::Lost => self.lost() >= LOST && (!self.anybody_got_through() || self.enough()),
        }
    }

    /// Forgets everything: the server is back.
    pub fn reset(&mut self) {
        self.votes.clear();
    }

    fn anybody_got_through(&self) -> bool {
        self.votes.iter().any(|vote| got_through(vote.sign))
    }

    fn lost(&self) -> usize {
        let lost = self.votes.iter().filter(|vote| vote.sign == Sign::Lost).map(|vote| vote.mailbox);
        lost.collect::<BTreeSet<_>>().len()
    }

    /// Many in a row, or half of many, and of more than one mailbox.
    fn enough(&self) -> bool {
        let lost_counts = self.lost() >= LOST;
        let counts = |vote: &&Vote| vote.sign != Sign::Lost || lost_counts;
        let failed = |vote: &&Vote| !got_through(vote.sign);
        let failures: Vec<&Vote> = self.votes.iter().filter(counts).filter(failed).collect();
        let in_a_row = self.votes.iter().rev().filter(counts).take_while(failed).count();
        let all = self.votes.iter().filter(counts).count();
        let mailboxes: BTreeSet<MailboxId> = failures.iter().map(|vote| vote.mailbox).collect();
        mailboxes.len() >= 2 && (in_a_row >= IN_A_ROW || (all >= ATTEMPTS && failures.len() * 2 >= all))
    }
}

const fn got_through(sign: Sign) -> bool {
    matches!(sign, Sign::Answered | Sign::Refused)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn mailbox(number: usize) -> MailboxId {
        MailboxId(Uuid::from_u128(number as u128))
    }

    /// `(second, mailbox, sign)`; returns after which of them it opened first.
    fn play(votes: &[(u64, usize, Sign)]) -> Option<usize> {
        let mut breaker = Breaker::default();
        let at = |second| START.plus(Duration::from_secs(second));
        votes.iter().position(|(second, of, sign)| breaker.opens(mailbox(*of), *sign, at(*second)))
    }

    #[test]
    fn a_server_that_nobody_reaches_is_down_at_once() {
        assert_eq!(play(&[(0, 1, Sign::Down)]), Some(0));
        assert_eq!(play(&[(0, 1, Sign::Answered), (61, 2, Sign::Down)]), Some(1), "that was over a minute ago");
        assert_eq!(play(&[(0, 1, Sign::Lost), (1, 1, Sign::Ill), (2, 1, Sign::Down)]), Some(2));
    }

    #[test]
    fn where_others_get_through_five_in_a_row_of_two_mailboxes_are_wanted() {
        let row = |of: fn(u64) -> usize| {
            let failed = (1..=8).map(|second| (second, of(second), Sign::Down));
            play(&[(0, 9, Sign::Refused)].into_iter().chain(failed).collect::<Vec<_>>())
        };
        assert_eq!(row(|second| second as usize % 2), Some(5));
        assert_eq!(row(|_| 1), None, "one mailbox is no evidence");
        let broken: Vec<_> =
            (0..40).map(|n| (n, n as usize, if n % 5 == 0 { Sign::Answered } else { Sign::Down })).take(15).collect();
        assert_eq!(play(&broken), None, "four in a row, and not twenty yet");
    }

    #[test]
    fn half_of_twenty_are_enough() {
        let alternating = |n: u64| if n.is_multiple_of(2) { Sign::Answered } else { Sign::Down };
        let votes: Vec<_> = (0..40).map(|n| (n, n as usize, alternating(n))).collect();
        assert_eq!(play(&votes), Some(19));
        let third = |n: u64| if n % 3 == 1 { Sign::Down } else { Sign::Answered };
        let votes: Vec<_> = (0..59).map(|n| (n, n as usize, third(n))).collect();
        assert_eq!(play(&votes), None);
    }

    #[test]
    fn what_a_server_says_of_its_own_trouble_counts_like_silence_but_not_alone() {
        let ill = |count: u64, mailboxes: usize| (0..count).map(|n| (n, n as usize % mailboxes, Sign::Ill)).collect();
        let votes: Vec<_> = ill(8, 3);
        assert_eq!(play(&votes), Some(4));
        let votes: Vec<_> = ill(30, 1);
        assert_eq!(play(&votes), None, "one mailbox's back end may be down");
    }

    #[test]
    fn conversations_that_break_off_count_from_the_third_mailbox_on() {
        let lost = |n| (n, n as usize, Sign::Lost);
        assert_eq!(play(&[lost(0), lost(1), lost(2)]), Some(2));
        assert_eq!(play(&[(0, 1, Sign::Lost), (1, 1, Sign::Lost), (2, 2, Sign::Lost)]), None);
        assert_eq!(play(&[(0, 9, Sign::Answered), lost(1), lost(2), lost(3), lost(4)]), None);
        assert_eq!(play(&[(0, 9, Sign::Answered), lost(1), lost(2), lost(3), lost(4), lost(5)]), Some(5));
    }

    #[test]
    fn a_server_that_is_back_begins_anew_and_so_does_a_clock_that_was_set_back() {
        let mut breaker = Breaker::default();
        for n in 0..4 {
            breaker.opens(mailbox(n), Sign::Ill, START);
        }
        breaker.reset();
        assert!(!breaker.opens(mailbox(5), Sign::Ill, START));
        let mut breaker = Breaker::default();
        breaker.opens(mailbox(1), Sign::Answered, START.plus(Duration::from_secs(3_600)));
        assert!(breaker.opens(mailbox(2), Sign::Down, START));
    }

    proptest! {
        /// One mailbox alone never closes a server that another one reaches.
        #[test]
        fn one_mailbox_is_never_enough(signs in prop::collection::vec(0_u8..4, 1..200)) {
            let mut breaker = Breaker::default();
            breaker.opens(mailbox(1), Sign::Answered, START);
            for sign in signs {
                let sign = [Sign::Down, Sign::Ill, Sign::Lost, Sign::Answered][usize::from(sign)];
                prop_assert!(!breaker.opens(mailbox(2), sign, START));
            }
            prop_assert!(breaker.votes.len() <= REMEMBERED);
        }
    }
}

//! IMAP's numbers (RFC 9051 §2.3.1.1) and sets of them.

use std::{collections::BTreeSet, fmt, num::NonZeroU32};

use serde::{Deserialize, Serialize};

/// A message's unique identifier within a folder and a UIDVALIDITY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(NonZeroU32);

/// The UIDVALIDITY of a folder: while it stays, UIDs keep their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UidValidity(NonZeroU32);

macro_rules! number {
    ($name:ident) => {
        impl $name {
            /// `None` for 0, which the protocol does not allow.
            pub const fn new(number: u32) -> Option<Self> {
                match NonZeroU32::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// The number itself.
            pub const fn get(self) -> u32 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(Uid);
number!(UidValidity);

impl UidValidity {
    /// Stands for a POP3 maildrop, which has none: the first of 65,536, one for each way of naming
    /// its messages that was seen there. IMAP servers take the time of a folder's making, and reach
    /// these in the year 2106.
    pub const FIRST_MAILDROP: Self = Self(NonZeroU32::MIN.saturating_add(0xfffe_ffff));

    /// Whether it stands for a POP3 maildrop.
    pub const fn is_maildrop(self) -> bool {
        self.get() >= Self::FIRST_MAILDROP.get()
    }

    /// That of a maildrop whose messages have other names now.
    pub fn next_maildrop(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or(Self::FIRST_MAILDROP.0))
    }
}

impl Uid {
    /// The largest possible UID.
    pub const MAX: Self = Self(NonZeroU32::MAX);
}

/// A set of UIDs as ascending, separate, inclusive ranges. Its `Display` is an IMAP sequence-set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
}

impl UidSet {
    /// The set of all UIDs from `first` to `last`; empty where `first > last`.
    pub fn range(first: u32, last: u32) -> Self {
        let mut set = Self::default();
        if first.max(1) <= last {
            set.ranges.push((first.max(1), last));
        }
        set
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many UIDs it holds.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Whether it holds `uid`.
    pub fn contains(&self, uid: Uid) -> bool {
        let after = self.ranges.partition_point(|(_, last)| *last < uid.get());
        self.ranges.get(after).is_some_and(|(first, _)| *first <= uid.get())
    }

    /// The lower half of it and the upper one; of a single UID, the lower one is empty.
    pub fn halves(&self) -> (Self, Self) {
        let mut left = self.len() / 2;
        let (mut lower, mut upper) = (Self::default(), Self::default());
        for (first, last) in &self.ranges {
            let here = u64::from(last - first) + 1;
            let taken = u32::try_from(left.min(here)).unwrap_or(u32::MAX);
            left -= u64::from(taken);
            if taken > 0 {
                lower.ranges.push((*first, first + (taken - 1)));
            }
            if u64::from(taken) < here {
                upper.ranges.push((first + taken, *last));
            }
        }
        (lower, upper)
    }

    /// The set but for `uids`.
    #[must_use]
    pub fn without(&self, uids: &BTreeSet<Uid>) -> Self {
        let mut rest = Self::default();
        for (first, last) in &self.ranges {
            let mut next = Some(*first);
            let there = uids.iter().map(|uid| uid.get()).filter(|uid| (first..=last).contains(&uid));
            for uid in there {
                rest.ranges.extend(next.filter(|next| *next < uid).map(|next| (next, uid - 1)));
                next = uid.checked_add(1);
            }
            rest.ranges.extend(next.filter(|next| next <= last).map(|next| (next, *last)));
        }
        rest
    }

    /// The ranges, ascending and inclusive.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// The UIDs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.ranges.iter().flat_map(|(first, last)| (*first..=*last).filter_map(Uid::new))
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut numbers: Vec<u32> = uids.into_iter().map(Uid::get).collect();
        numbers.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((_, last)) if number <= last.saturating_add(1) => *last = number.max(*last),
                _ => ranges.push((number, number)),
            }
        }
        Self { ranges }
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}:{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(numbers in proptest::collection::btree_set(1u32..200, 0..60)) {
            let set: UidSet = numbers.iter().rev().filter_map(|n| Uid::new(*n)).collect();
            let back: BTreeSet<u32> = set.iter().map(Uid::get).collect();
            prop_assert_eq!(&back, &numbers);
            prop_assert_eq!(set.len(), numbers.len() as u64);
            prop_assert!((1..200).all(|n| set.contains(Uid::new(n).unwrap()) == numbers.contains(&n)));
            prop_assert!(set.ranges().windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }

        #[test]
        fn halves_and_what_is_left_out_make_the_whole(
            numbers in proptest::collection::btree_set(1u32..200, 0..60),
            out in proptest::collection::btree_set(1u32..200, 0..20),
        ) {
            let of = |numbers: &BTreeSet<u32>| numbers.iter().filter_map(|n| Uid::new(*n)).collect::<UidSet>();
            let (lower, upper) = of(&numbers).halves();
            prop_assert_eq!(lower.len(), numbers.len() as u64 / 2);
            prop_assert!(lower.iter().max() < upper.iter().min() || lower.is_empty());
            prop_assert_eq!(lower.iter().chain(upper.iter()).collect::<UidSet>(), of(&numbers));
            let rest = of(&numbers).without(&of(&out).iter().collect());
            prop_assert_eq!(rest, of(&numbers.difference(&out).copied().collect()));
        }
    }

    #[test]
    fn displays_as_a_sequence_set() {
        let set: UidSet = [5, 1, 2, 3, 9, 3].into_iter().filter_map(Uid::new).collect();
        assert_eq!(set.to_string(), "1:3,5,9");
        assert_eq!(UidSet::range(7, 6).to_string(), "");
        assert_eq!(UidSet::range(u32::MAX, u32::MAX).len(), 1);
        assert_eq!(UidSet::range(1, u32::MAX).without(&BTreeSet::from([Uid::MAX])).to_string(), "1:4294967294");
    }
}

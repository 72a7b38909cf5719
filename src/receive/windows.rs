//! In which steps a range of UIDs is listed. Pure.

use crate::model::uid::UidSet;

use super::{plan::Reading, policy::Steps};

/// Cuts a range of UIDs into windows: small where the folder is dense, so that one listing stays
/// bounded, and ever larger where it is sparse, so that a folder whose UIDs lie millions apart is
/// listed in a few steps.
#[derive(Clone, Debug)]
pub struct Windows {
    next: Option<u32>,
    last: u32,
    step: u32,
    smallest: u32,
}

/// One window, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first UID.
    pub first: u32,
    /// Its last UID.
    pub last: u32,
}

impl Window {
    /// Its UIDs.
    pub fn uids(self) -> UidSet {
        UidSet::range(self.first, self.last)
    }
}

impl Windows {
    /// Windows over `first..=last`, the first ones `step` UIDs wide.
    pub fn new(first: u32, last: u32, step: u32) -> Self {
        let smallest = step.max(1);
        Self { next: (first <= last).then_some(first.max(1)), last, step: smallest, smallest }
    }

    /// The next window; `None` at the end.
    pub fn next_window(&mut self) -> Option<Window> {
        let first = self.next?;
        let last = first.saturating_add(self.step - 1).min(self.last);
        self.next = (last < self.last).then(|| last + 1);
        Some(Window { first, last })
    }

    /// Tells how many messages the last window held.
    pub fn held(&mut self, messages: usize) {
        let few = u32::try_from(messages).is_ok_and(|messages| messages <= self.smallest / 2);
        self.step = if few { self.step.saturating_mul(2) } else { self.smallest };
    }
}

/// What is listed first for this reading: the trailing window and the first window of new messages.
pub fn first_window(reading: &Reading, steps: &Steps) -> Window {
    let last = Windows::new(reading.first, reading.last, steps.window).next_window().map(|window| window.last);
    Window { first: reading.compare_from, last: last.unwrap_or(reading.last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(first: u32, last: u32, step: u32, held: usize) -> Vec<(u32, u32)> {
        let mut windows = Windows::new(first, last, step);
        let mut seen = Vec::new();
        while let Some(window) = windows.next_window() {
            seen.push((window.first, window.last));
            windows.held(held);
        }
        seen
    }

    #[test]
    fn a_dense_range_is_cut_evenly() {
        assert_eq!(walk(1, 25, 10, 10), [(1, 10), (11, 20), (21, 25)]);
        assert_eq!(walk(5, 5, 10, 1), [(5, 5)]);
        assert_eq!(walk(6, 5, 10, 1), []);
    }

    #[test]
    fn a_sparse_range_takes_few_steps_and_ends_at_the_largest_uid() {
        let windows = walk(1, u32::MAX, 10_000, 3);
        assert!(windows.len() < 25, "{windows:?}");
        assert_eq!(windows.last().unwrap().1, u32::MAX);
        assert!(windows.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
    }
}

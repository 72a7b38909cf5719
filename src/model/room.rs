//! How much room a file system has left, and whether that is enough.

use std::fmt;

/// Less than this, or than [`LOW_PART`], is too little to begin work with.
const LOW: u64 = 100_000_000;
/// The same as a part: one in so many.
const LOW_PART: u64 = 40;
/// With more than this, or than [`ENOUGH_PART`], work goes on.
const ENOUGH: u64 = 500_000_000;
/// The same as a part: one in so many.
const ENOUGH_PART: u64 = 20;

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// That may still be written by us.
    pub free: u64,
    /// In all.
    pub total: u64,
}

impl Room {
    /// Whether what is fetched or sent now could perhaps not be recorded.
    pub const fn is_low(self) -> bool {
        self.free < LOW && self.free < self.total / LOW_PART
    }

    /// Whether there is room again.
    pub const fn is_enough(self) -> bool {
        self.free > ENOUGH || self.free > self.total / ENOUGH_PART
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} free", megabytes(self.free), megabytes(self.total))
    }
}

fn megabytes(bytes: u64) -> String {
    const MEGABYTE: u64 = 1_000_000;
    if bytes < 10 * MEGABYTE { format!("{} kB", bytes / 1_000) } else { format!("{} MB", bytes / MEGABYTE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_gap_between_too_little_and_enough() {
        const MB: u64 = 1_000_000;
        for (free, total, low, enough) in [
            (0, 6 * MB, true, false),
            (149_000, 6 * MB, true, false),
            (151_000, 6 * MB, false, false),
            (301_000, 6 * MB, false, true),
            (99 * MB, 1_000_000 * MB, true, false),
            (101 * MB, 1_000_000 * MB, false, false),
            (501 * MB, 1_000_000 * MB, false, true),
            (99 * MB, 200 * MB, false, true),
        ] {
            let room = Room { free, total };
            assert_eq!((room.is_low(), room.is_enough()), (low, enough), "{room}");
        }
        assert_eq!(Room { free: 149_900, total: 6_000 * MB }.to_string(), "149 kB of 6000 MB free");
    }
}

//! The only place that reads a clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::model::timestamp::Timestamp;

/// Where the time comes from: the system, or a test's hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's wall clock.
    #[default]
    System,
    /// Moved by a test.
    Manual(Arc<Hands>),
}

impl Clock {
    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        let (wall, steady) = (AtomicI64::new(start.as_micros()), AtomicI64::new(0));
        Self::Manual(Arc::new(Hands { wall, steady }))
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the one lawful place to read the clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::from_micros(jiff::Timestamp::now().as_microsecond()),
            Self::Manual(hands) => Timestamp::from_micros(hands.wall.load(Ordering::SeqCst)),
        }
    }

    /// How long the machine runs, sleep included: nobody can set this one.
    pub fn steady(&self) -> Duration {
        match self {
            Self::System => {
                let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
                Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
            }
            Self::Manual(hands) => {
                Duration::from_micros(u64::try_from(hands.steady.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }

    /// Lets a manual clock run until `time`; the system's is left alone.
    pub fn set(&self, time: Timestamp) {
        if let Self::Manual(hands) = self {
            let before = hands.wall.swap(time.as_micros(), Ordering::SeqCst);
            hands.steady.fetch_add(time.as_micros().saturating_sub(before), Ordering::SeqCst);
        }
    }

    /// Sets a manual clock, as somebody does who thinks it wrong; the system's is left alone.
    pub fn leap(&self, time: Timestamp) {
        if let Self::Manual(hands) = self {
            hands.wall.store(time.as_micros(), Ordering::SeqCst);
        }
    }
}

/// A manual clock's two, in microseconds.
#[derive(Debug)]
pub struct Hands {
    wall: AtomicI64,
    steady: AtomicI64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_of_the_two_can_be_set() {
        let start = Timestamp::from_seconds(1_800_000_000);
        let (clock, day) = (Clock::manual(start), Duration::from_secs(86_400));
        clock.set(start.plus(day));
        assert_eq!((clock.now(), clock.steady()), (start.plus(day), day));
        clock.leap(start);
        assert_eq!((clock.now(), clock.steady()), (start, day));
        assert!(Clock::System.steady() > Duration::ZERO);
    }
}

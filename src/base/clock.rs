//! The only place that reads a clock.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::model::timestamp::Timestamp;

/// Where the time comes from: the system, or a test's hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's wall clock.
    #[default]
    System,
    /// Microseconds since the epoch, moved by a test.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the one lawful place to read the clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::from_micros(jiff::Timestamp::now().as_microsecond()),
            Self::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock to `time`; the system's is left alone.
    pub fn set(&self, time: Timestamp) {
        if let Self::Manual(micros) = self {
            micros.store(time.as_micros(), Ordering::SeqCst);
        }
    }
}

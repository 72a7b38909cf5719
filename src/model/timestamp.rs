//! Points in time: microseconds UTC, the resolution of PostgreSQL.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in microseconds since 1970-01-01T00:00:00Z.
///
/// Microseconds, because that is what both databases keep: a value survives a round trip unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text was not an RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("not a time in RFC 3339 form, as 2026-01-01T00:00:00Z: {0}")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// Later than any time a mail can carry (9999-12-30T22:00:00Z).
    pub const FAR_FUTURE: Self = Self(253_402_207_200_000_000);

    /// From microseconds since the epoch, bounded to the years 0 to 9999.
    pub const fn from_micros(micros: i64) -> Self {
        if micros > Self::FAR_FUTURE.0 {
            Self::FAR_FUTURE
        } else if micros < -62_167_132_800_000_000 {
            Self(-62_167_132_800_000_000)
        } else {
            Self(micros)
        }
    }

    /// From seconds since the epoch, bounded like [`Timestamp::from_micros`].
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// As people read it: without the parts of a second.
    pub fn to_the_second(self) -> String {
        let text = self.to_string();
        text.split_once('.').map_or_else(|| text.clone(), |(second, _)| format!("{second}Z"))
    }

    /// How long after `earlier` this is; zero where it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This time and `span` more, bounded by [`Timestamp::FAR_FUTURE`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This time less `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// Always with six digits and `Z`, so that the order of the texts is the order of the times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{time:.6}")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp(text.to_owned()))?;
        Ok(Self::from_micros(time.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_order_is_time_order_and_round_trips() {
        let times = [-1, 0, 1, 999_999, 1_000_000, 1_792_800_000_123_456].map(Timestamp::from_micros);
        let texts: Vec<String> = times.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        for (time, text) in times.iter().zip(&texts) {
            assert_eq!(text.len(), 27, "{text}");
            assert_eq!(*time, text.parse().unwrap());
        }
    }

    #[test]
    fn arithmetic_stays_within_bounds() {
        let now = Timestamp::from_seconds(100);
        assert_eq!(now.plus(Duration::from_secs(5)).since(now), Duration::from_secs(5));
        assert_eq!(now.since(now.plus(Duration::from_secs(5))), Duration::ZERO);
        assert_eq!(now.plus(Duration::MAX), Timestamp::FAR_FUTURE);
        assert_eq!(Timestamp::FAR_FUTURE.to_string().len(), 27);
        assert_eq!(Timestamp::from_micros(i64::MIN).to_string().len(), 27);
    }
}

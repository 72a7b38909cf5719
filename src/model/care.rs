//! The care that a server made us take, remembered from cycle to cycle.

use serde::{Deserialize, Serialize};

use super::timestamp::Timestamp;

/// What is remembered of a workload beyond its failures: a cycle that goes well does not end it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Care {
    /// Until then little is asked for: the server found that it was too much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_until: Option<Timestamp>,
    /// How often what is read at a time was halved: the server found it too much.
    #[serde(skip_serializing_if = "is_zero")]
    pub halvings: u32,
    /// The server called the mailbox damaged: nothing is deleted there before a complete cycle goes well.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
    /// Mails in a row whose sender the server refused.
    #[serde(skip_serializing_if = "is_zero")]
    pub senders_refused: u32,
}

impl Care {
    /// Whether there is nothing to be remembered.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether little is asked for at `now`.
    pub fn is_slow(&self, now: Timestamp) -> bool {
        self.slow_until.is_some_and(|until| until > now)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_is_written_of_nothing() {
        let slow_until = Some(Timestamp::from_seconds(1_800_000_000));
        let care = Care { slow_until, halvings: 3, damaged: true, senders_refused: 2 };
        for care in [care, Care::default()] {
            let text = serde_json::to_string(&care).unwrap();
            assert_eq!(serde_json::from_str::<Care>(&text).unwrap(), care);
            assert_eq!(text == "{}", care.is_none());
        }
    }
}

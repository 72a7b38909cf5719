//! Failures as the product sees them: whom they concern, how long they last, what to call them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub use super::catalogue::FailureCode;

/// Who is stopped by a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One message; the others go on.
    Message,
    /// One workload of one mailbox.
    Mailbox,
    /// All mailboxes of a profile: they wait while one probes.
    Profile,
    /// The daemon: nothing new starts.
    Daemon,
}

/// How long a failure is expected to last, and so what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// Tried again with a growing delay.
    Transient,
    /// As the server asks (or with a growing delay); never counts towards disabling.
    Throttled,
    /// Permanent if it is still there after the confirmations.
    UntilConfirmed,
    /// Nothing helps but a person.
    Permanent,
}

impl FailureCode {
    /// Whether somebody may be interfering: nothing is sent until a person has had a look.
    pub const fn is_security(self) -> bool {
        matches!(self, Self::SecurityDowngrade | Self::TlsRequired)
    }

    /// Whether the server did not take the name or the password: what it may lock an account for.
    pub const fn is_refused_password(self) -> bool {
        matches!(self, Self::AuthRejected | Self::AuthUnclear | Self::AuthExpired | Self::AuthInteractive)
    }

    /// Whether the server asks to be left alone for a while.
    pub const fn is_throttling(self) -> bool {
        matches!(
            self,
            Self::LoginThrottled
                | Self::LoginGuarded
                | Self::TooManyConnections
                | Self::ServerThrottled
                | Self::BandwidthExceeded
                | Self::SendingThrottled
                | Self::SendingQuotaExceeded
                | Self::SendingBlocked
        )
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FailureCode {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.name() == name).ok_or(())
    }
}

impl<'de> Deserialize<'de> for FailureCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|()| D::Error::custom(format!("unknown failure code {name:?}")))
    }
}

impl Serialize for FailureCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One failure, classified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What to call it.
    pub code: FailureCode,
    /// Who is stopped.
    pub scope: Scope,
    /// How long it lasts.
    pub persistence: Persistence,
    /// What happened, with the server's words; cleaned of control characters, at most
    /// [`Failure::TEXT_LIMIT`] characters.
    pub text: String,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Longest text kept, in characters.
    pub const TEXT_LIMIT: usize = 512;

    /// A failure with its text cleaned and cut.
    pub fn new(code: FailureCode, scope: Scope, persistence: Persistence, text: &str) -> Self {
        Self { code, scope, persistence, text: clean(text, Self::TEXT_LIMIT), retry_after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Foreign text made safe for a log line or a terminal: control and bidirectional-override
/// characters become spaces (at the ends nothing), and it is cut to `limit` characters.
pub fn clean(text: &str, limit: usize) -> String {
    let ends = |c: char| c.is_whitespace() || is_unsafe(c);
    text.trim_matches(ends).chars().take(limit).map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// Whether a character could forge a line, drive a terminal, or turn the direction of writing.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_forge_lines_or_move_the_cursor() {
        assert_eq!(clean(" a\r\nb\u{1b}[2Jc\u{202e}d\u{9b} ", 64), "a  b [2Jc d");
        assert_eq!(clean("łłłł", 2), "łł");
    }
}

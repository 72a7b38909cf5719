//! What a conversation with a POP3 server can end in. After any of these the connection is dead.

use std::fmt;

use crate::net::{error::NetError, lines::LineError};

/// Why a conversation ended.
///
/// Texts are the server's own words, decoded lossily, of one line at most and *not* cleaned: they
/// must not reach a log or a terminal as they are.
#[derive(Debug, thiserror::Error)]
pub enum Pop3Error {
    /// No connection, or no TLS.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The server answered a command with `-ERR`.
    #[error("{command}: -ERR {reply}")]
    Rejected {
        /// What it said.
        reply: Reply,
        /// The command, without arguments.
        command: &'static str,
    },
    /// The server turned us away with its greeting.
    #[error("turned away with the greeting: {0}")]
    Greeting(Reply),
    /// The connection ended where an answer was due.
    #[error("the server closed the connection during {during}")]
    Eof {
        /// The command, or `greeting`.
        during: &'static str,
    },
    /// The server did not answer, or not fast enough.
    #[error("the server did not answer in time during {during}")]
    Timeout {
        /// The command, or `greeting`.
        during: &'static str,
    },
    /// The server sent what is not POP3, or what makes no sense at this point.
    #[error("not understood: {0}")]
    Protocol(String),
    /// The server sent more than any honest server would.
    #[error("over the limit: {0}")]
    Limit(&'static str),
    /// STLS was missing, refused or tampered with. No secret was sent.
    #[error("connection not made secure: {0}")]
    Security(&'static str),
    /// The server takes no password on a connection without TLS. No secret was sent.
    #[error("the server allows no log-in on this connection")]
    LoginDisabled,
    /// The name or password cannot be sent.
    #[error("the name or password contains a character that POP3 cannot carry")]
    Credentials,
}

impl Pop3Error {
    /// How much of a line that is not understood is quoted, in characters.
    const EXCERPT: usize = 200;

    /// An answer that makes no sense.
    pub(super) fn not_understood(line: &[u8]) -> Self {
        Self::Protocol(String::from_utf8_lossy(line).chars().take(Self::EXCERPT).collect())
    }

    /// What the end of the stream below means.
    pub(super) fn of_line(error: LineError, during: &'static str) -> Self {
        match error {
            LineError::Closed => Self::Eof { during },
            LineError::Limit(what) => Self::Limit(what),
            LineError::Slow => Self::Timeout { during },
            LineError::Net(error) => Self::Net(error),
        }
    }
}

/// What follows `-ERR`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The response code in upper case (RFC 2449 §8), as `IN-USE` or `SYS/TEMP`, known to us or not.
    pub code: Option<String>,
    /// The text for people, without the code.
    pub text: String,
}

impl Reply {
    /// Splits `[CODE] text`.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let inside = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        match inside.map(|(code, rest)| (code.trim(), rest)).filter(|(code, _)| !code.is_empty()) {
            Some((code, rest)) => Self { code: Some(code.to_ascii_uppercase()), text: rest.trim().to_owned() },
            None => Self { code: None, text: text.to_owned() },
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "[{code}] {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_split_from_the_text() {
        let reply = |code: Option<&str>, text: &str| Reply { code: code.map(str::to_owned), text: text.to_owned() };
        assert_eq!(Reply::parse("[in-use] locked"), reply(Some("IN-USE"), "locked"));
        assert_eq!(Reply::parse(" [SYS/TEMP]locked"), reply(Some("SYS/TEMP"), "locked"));
        for text in ["", "plain", "[] nothing", "[never closed"] {
            assert_eq!(Reply::parse(text), reply(None, text));
        }
    }
}

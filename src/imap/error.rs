//! What a conversation with an IMAP server can end in. After any of these the connection is dead.

use std::fmt;

use crate::net::error::NetError;

/// Why a conversation ended.
///
/// Texts are the server's own words, decoded lossily, at most 64 KiB and *not* cleaned: they must
/// not reach a log or a terminal as they are.
#[derive(Debug, thiserror::Error)]
pub enum ImapError {
    /// No connection, or no TLS.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The server answered a command with NO or BAD.
    #[error("{command}: {status} {reply}")]
    Rejected {
        /// Which of the two.
        status: Refusal,
        /// What it said.
        reply: Reply,
        /// The command, without arguments.
        command: &'static str,
    },
    /// The server said BYE, at any time after the greeting.
    #[error("BYE {0}")]
    Bye(Reply),
    /// The server turned us away with its greeting (BYE or NO).
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
    /// The server sent what is not IMAP, or what makes no sense at this point.
    #[error("not understood: {0}")]
    Protocol(String),
    /// The server sent more than any honest server would.
    #[error("over the limit: {0}")]
    Limit(&'static str),
    /// STARTTLS was missing, refused or tampered with. No secret was sent.
    #[error("connection not made secure: {0}")]
    Security(&'static str),
    /// The server allows no log-in on this connection (LOGINDISABLED). No secret was sent.
    #[error("the server allows no log-in on this connection")]
    LoginDisabled,
    /// The name or password cannot be sent: it contains a NUL character.
    #[error("the name or password contains a character that IMAP cannot carry")]
    Credentials,
}

/// The two ways to refuse a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Understood, but not done.
    No,
    /// Not understood, or not allowed now.
    Bad,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "NO",
            Self::Bad => "BAD",
        })
    }
}

/// What follows OK, NO, BAD or BYE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The response code's atom in upper case, as `AUTHENTICATIONFAILED`, known to us or not.
    pub code: Option<String>,
    /// What follows the atom inside the brackets; empty where nothing does.
    pub arguments: String,
    /// The text for people, without the code.
    pub text: String,
}

impl Reply {
    /// How much of a response that is not understood is quoted, in characters.
    pub const EXCERPT: usize = 200;

    /// Splits `[CODE arguments] text`.
    pub fn parse(line: &str) -> Self {
        let line = line.trim();
        let inside = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let Some((code, text)) = inside.filter(|(code, _)| !code.trim().is_empty()) else {
            return Self { text: line.to_owned(), ..Self::default() };
        };
        let (atom, arguments) = code.trim().split_once(' ').unwrap_or((code.trim(), ""));
        Self {
            code: Some(atom.to_ascii_uppercase()),
            arguments: arguments.trim().to_owned(),
            text: text.trim().to_owned(),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) if self.arguments.is_empty() => write!(f, "[{code}] {}", self.text),
            Some(code) => write!(f, "[{code} {}] {}", self.arguments, self.text),
            None => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_split_from_the_text() {
        let reply = |code: Option<&str>, arguments: &str, text: &str| Reply {
            code: code.map(str::to_owned),
            arguments: arguments.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(Reply::parse("[authenticationfailed] no"), reply(Some("AUTHENTICATIONFAILED"), "", "no"));
        assert_eq!(Reply::parse("[WEBALERT https://x/ ] é"), reply(Some("WEBALERT"), "https://x/", "é"));
        assert_eq!(Reply::parse("[ALERT]é"), reply(Some("ALERT"), "", "é"));
        for text in ["", "plain", "[] nothing", "[never closed"] {
            assert_eq!(Reply::parse(text), reply(None, "", text));
        }
    }
}

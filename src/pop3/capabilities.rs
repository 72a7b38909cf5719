//! What a server says that it can do (CAPA, RFC 2449).

use std::time::Duration;

/// The capabilities that make a difference to us. Nothing is known of a server without CAPA: it has
/// none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// CAPA was answered.
    pub known: bool,
    /// USER: a log-in by USER and PASS.
    pub user: bool,
    /// SASL PLAIN.
    pub plain: bool,
    /// PIPELINING: commands may be sent before the answers to those before are there.
    pub pipelining: bool,
    /// LOGIN-DELAY: at least so long from one log-in to the next.
    pub login_delay: Option<Duration>,
    /// EXPIRE: after so many days the server deletes messages; 0 means as soon as they were read.
    pub expire: Option<u32>,
    /// LOGIN-DELAY or EXPIRE depends on who has logged in: worth asking again then.
    pub per_user: bool,
}

impl Capabilities {
    /// What an answer without lines says.
    pub(super) const NONE: Self = Self {
        known: true,
        user: false,
        plain: false,
        pipelining: false,
        login_delay: None,
        expire: None,
        per_user: false,
    };

    /// Takes note of one line of the answer; what is not known is ignored (RFC 2449 §3).
    pub(super) fn note(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace().map(str::to_ascii_uppercase);
        match words.next().as_deref() {
            Some("USER") => self.user = true,
            Some("SASL") => self.plain |= words.any(|mechanism| mechanism == "PLAIN"),
            Some("PIPELINING") => self.pipelining = true,
            Some("LOGIN-DELAY") => {
                self.login_delay = words.next().and_then(|word| word.parse().ok()).map(Duration::from_secs);
                self.per_user |= words.any(|word| word == "USER");
            }
            Some("EXPIRE") => {
                // Anything but a number, as NEVER, is no promise to delete.
                self.expire = words.next().and_then(|word| word.parse().ok());
                self.per_user |= words.any(|word| word == "USER");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Capabilities {
        let mut capabilities = Capabilities::NONE;
        lines.iter().for_each(|line| capabilities.note(line));
        capabilities
    }

    #[test]
    fn capabilities_are_read_in_any_case_and_the_rest_is_ignored() {
        let all = of(&["top", "User", "SASL LOGIN plain", "pipelining", "LOGIN-DELAY 900", "EXPIRE 0 USER", ""]);
        let expected = Capabilities {
            known: true,
            user: true,
            plain: true,
            pipelining: true,
            login_delay: Some(Duration::from_secs(900)),
            expire: Some(0),
            per_user: true,
        };
        assert_eq!(all, expected);
        let none = ["SASL", "SASL PLAIN-CLIENTTOKEN", "X-USER", "LOGIN-DELAY", "LOGIN-DELAY -1", "EXPIRE NEVER"];
        assert_eq!(of(&none), Capabilities::NONE);
    }
}

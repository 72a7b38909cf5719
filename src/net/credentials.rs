//! What a log-in is made of, whatever the protocol.

use std::fmt;

/// A login name and its password. The caller holds the password wiped; the clients copy it into the
/// command that sends it, whose buffers are wiped too.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// Login name.
    pub username: &'a str,
    /// Password.
    pub password: &'a str,
}

impl Credentials<'_> {
    /// Whether no mechanism can carry them: SASL PLAIN separates them by NUL, and others end there.
    pub fn hold_nul(&self) -> bool {
        self.username.contains('\0') || self.password.contains('\0')
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_show() {
        let shown = format!("{:?}", Credentials { username: "u-canary", password: "p-canary" });
        assert!(!shown.contains("canary"));
    }
}

//! What a server speaks, by its first words: for who finds another one at a port than was expected.

use super::error::NetError;

/// A protocol whose servers speak first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// `* OK`
    Imap,
    /// `+OK`
    Pop3,
    /// `220`
    Smtp,
    /// `SSH-`
    Ssh,
    /// `HTTP/`
    Http,
}

impl Spoken {
    /// As many bytes of a greeting tell it.
    pub const TELLING: usize = 8;

    /// With its article.
    pub const fn a_server(self) -> &'static str {
        match self {
            Self::Imap => "an IMAP server",
            Self::Pop3 => "a POP3 server",
            Self::Smtp => "an SMTP server",
            Self::Ssh => "an SSH server",
            Self::Http => "a web server",
        }
    }

    fn of(greeting: &[u8]) -> Option<Self> {
        let known: [(&[u8], Self); 9] = [
            (b"* OK", Self::Imap),
            (b"* PREAUT", Self::Imap),
            (b"* BYE", Self::Imap),
            (b"+OK", Self::Pop3),
            (b"-ERR", Self::Pop3),
            (b"220 ", Self::Smtp),
            (b"220-", Self::Smtp),
            (b"SSH-", Self::Ssh),
            (b"HTTP/", Self::Http),
        ];
        known.into_iter().find(|(words, _)| greeting.starts_with(words)).map(|(_, spoken)| spoken)
    }

    /// What to say of a server with this greeting where one of these was expected; `None` where it is
    /// one of these, or of no kind that is known.
    pub fn wrong_port(self, greeting: &[u8]) -> Option<NetError> {
        let found = Self::of(greeting).filter(|found| *found != self)?;
        Some(NetError::WrongPort { wanted: self, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_tells_who_answers() {
        for (greeting, wanted, found) in [
            (&b"+OK Dovecot ready.\r\n"[..], Spoken::Imap, Some(Spoken::Pop3)),
            (b"* OK [CAPABILITY IMAP4rev1] ready", Spoken::Pop3, Some(Spoken::Imap)),
            (b"* PREAUT", Spoken::Pop3, Some(Spoken::Imap)),
            (b"220 mail.example.org ESMTP", Spoken::Imap, Some(Spoken::Smtp)),
            (b"SSH-2.0-OpenSSH_9.2", Spoken::Smtp, Some(Spoken::Ssh)),
            (b"HTTP/1.1 400 Bad Request", Spoken::Pop3, Some(Spoken::Http)),
            (b"+OK ready", Spoken::Pop3, None),
            (b"220", Spoken::Imap, None),
            (b"hello", Spoken::Imap, None),
            (b"", Spoken::Imap, None),
        ] {
            let said = wanted.wrong_port(greeting).map(|error| error.to_string());
            let expected = found.map(|found| NetError::WrongPort { wanted, found }.to_string());
            assert_eq!(said, expected, "{:?}", String::from_utf8_lossy(greeting));
        }
        let error = Spoken::Imap.wrong_port(b"+OK").unwrap();
        assert_eq!(error.to_string(), "this is a POP3 server, not an IMAP server: the port is wrong");
    }
}

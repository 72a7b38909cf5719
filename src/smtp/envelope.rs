//! Who sends to whom, and the commands that say so.

use std::fmt::Write as _;

use super::{capability::Capabilities, error::SmtpError};

/// Longest address, without brackets (RFC 5321 §4.5.3.1.3).
const LONGEST_ADDRESS: usize = 254;

/// What a server is told before the message.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The sender's address.
    pub mail_from: &'a str,
    /// The recipients' addresses, at least one.
    pub rcpt_to: &'a [&'a str],
    /// Length of the message, in bytes.
    pub size: u64,
    /// Whether the message has bytes over 127. A server that does not offer 8BITMIME gets them all
    /// the same: most such servers pass them on, and what would be sent instead is no mail at all.
    pub body_8bit: bool,
    /// Whether its headers have UTF-8 outside of encoded words. Not needed for addresses: those
    /// are looked at.
    pub utf8: bool,
}

/// Whether `address` can stand in a command: it has a local part and a domain, and nothing that
/// could end the command or its brackets.
pub fn is_sendable(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let safe = |c: char| !c.is_control() && !matches!(c, '<' | '>');
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    address.len() <= LONGEST_ADDRESS
        && !local.is_empty()
        && !domain.is_empty()
        && address.chars().all(safe)
        && !domain.contains(char::is_whitespace)
        && (quoted || !local.contains(char::is_whitespace))
}

impl Envelope<'_> {
    /// Whether a server with these capabilities can be asked at all.
    pub(super) fn check(&self, offered: &Capabilities) -> Result<(), SmtpError> {
        let addresses = || self.rcpt_to.iter().copied().chain([self.mail_from]);
        if let Some(address) = addresses().find(|address| !is_sendable(address)) {
            return Err(SmtpError::Address(address.to_owned()));
        }
        if self.rcpt_to.is_empty() {
            return Err(SmtpError::NoRecipients);
        }
        if let Some(limit) = offered.size.filter(|limit| self.size > *limit) {
            return Err(SmtpError::TooLarge { size: self.size, limit });
        }
        if self.needs_utf8() && !offered.smtp_utf8 {
            return Err(SmtpError::NoUtf8);
        }
        Ok(())
    }

    fn needs_utf8(&self) -> bool {
        self.utf8 || !self.mail_from.is_ascii() || self.rcpt_to.iter().any(|address| !address.is_ascii())
    }

    /// The MAIL command, with what the server can be told; only for an envelope that was checked.
    pub(super) fn mail(&self, offered: &Capabilities) -> String {
        let mut line = format!("MAIL FROM:<{}>", self.mail_from);
        if offered.size_parameter {
            // Into a string: cannot fail.
            let _ = write!(line, " SIZE={}", self.size);
        }
        if self.body_8bit && offered.eight_bit_mime {
            line.push_str(" BODY=8BITMIME");
        }
        if self.needs_utf8() {
            line.push_str(" SMTPUTF8");
        }
        line.push_str("\r\n");
        line
    }
}

/// A RCPT command.
pub(super) fn rcpt(address: &str) -> String {
    format!("RCPT TO:<{address}>\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Capabilities = Capabilities {
        size: Some(100),
        size_parameter: true,
        eight_bit_mime: true,
        smtp_utf8: true,
        pipelining: true,
        enhanced_status_codes: true,
        starttls: false,
        auth_plain: true,
        auth_login: true,
    };

    fn envelope<'a>(mail_from: &'a str, rcpt_to: &'a [&'a str]) -> Envelope<'a> {
        Envelope { mail_from, rcpt_to, size: 100, body_8bit: false, utf8: false }
    }

    #[test]
    fn addresses_that_would_change_the_command_are_refused() {
        for good in ["a@b", "\"john doe\"@b.example", "a+b=c@[192.0.2.1]", "jürgen@münchen.example", "a@b@c"] {
            assert!(is_sendable(good), "{good}");
        }
        let long = format!("{}@b.example", "x".repeat(250));
        for bad in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a@b\r\nRCPT TO:<c@d>",
            "a@b\r",
            "a@b\nDATA",
            "a@b\0",
            "a@b> SIZE=1",
            "<a@b>",
            "a@b c",
            "a b@c",
            "\"a b@c",
            "\"@c d",
            "a@b\u{7f}",
            "a@b\u{85}",
            "a@b\u{a0}",
            &long,
        ] {
            assert!(!is_sendable(bad), "{bad:?}");
            for (from, to) in [(bad, "a@b"), ("a@b", bad)] {
                let refused = envelope(from, &["c@d", to]).check(&EVERYTHING);
                assert!(matches!(refused, Err(SmtpError::Address(text)) if text == bad), "{bad:?}");
            }
        }
    }

    #[test]
    fn what_the_server_cannot_take_is_refused_before_it_is_asked() {
        let to = ["c@d"];
        assert!(envelope("a@b", &to).check(&EVERYTHING).is_ok());
        assert!(matches!(envelope("a@b", &[]).check(&EVERYTHING), Err(SmtpError::NoRecipients)));
        let large = Envelope { size: 101, ..envelope("a@b", &to) };
        assert!(matches!(large.check(&EVERYTHING), Err(SmtpError::TooLarge { size: 101, limit: 100 })));
        let ascii = Capabilities { smtp_utf8: false, ..EVERYTHING };
        assert!(envelope("a@b", &to).check(&ascii).is_ok());
        for foreign in [
            Envelope { utf8: true, ..envelope("a@b", &to) },
            envelope("ä@b", &to),
            envelope("a@b", &["c@d", "c@ß.example"]),
        ] {
            assert!(matches!(foreign.check(&ascii), Err(SmtpError::NoUtf8)));
        }
    }

    #[test]
    fn mail_says_what_the_server_understands() {
        let mail = |envelope: Envelope, offered: &Capabilities| envelope.mail(offered);
        let full = Envelope { body_8bit: true, utf8: true, ..envelope("a@b", &["c@d"]) };
        assert_eq!(mail(full, &EVERYTHING), "MAIL FROM:<a@b> SIZE=100 BODY=8BITMIME SMTPUTF8\r\n");
        assert_eq!(mail(envelope("a@b", &["c@d"]), &EVERYTHING), "MAIL FROM:<a@b> SIZE=100\r\n");
        assert_eq!(mail(envelope("a@b", &["ö@d"]), &EVERYTHING), "MAIL FROM:<a@b> SIZE=100 SMTPUTF8\r\n");
        let plain = Envelope { body_8bit: true, ..envelope("a@b", &["c@d"]) };
        assert_eq!(mail(plain, &Capabilities::default()), "MAIL FROM:<a@b>\r\n");
        assert_eq!(rcpt("c@d"), "RCPT TO:<c@d>\r\n");
    }
}

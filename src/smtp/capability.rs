//! What a server offers in its answer to EHLO.

use super::reply::RawReply;

/// The extensions of a server that matter here (RFC 5321 §2.2); never believed from before TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Largest message it takes, in bytes, where it says so (RFC 1870).
    pub size: Option<u64>,
    /// Whether it wants to be told a message's size in advance.
    pub size_parameter: bool,
    /// Takes bytes over 127 in the body (RFC 6152).
    pub eight_bit_mime: bool,
    /// Takes UTF-8 in addresses and headers (RFC 6531).
    pub smtp_utf8: bool,
    /// Takes several commands at once (RFC 2920).
    pub pipelining: bool,
    /// Says that it sends enhanced codes (RFC 2034); they are read in any case.
    pub enhanced_status_codes: bool,
    /// Can begin TLS (RFC 3207).
    pub starttls: bool,
    /// Takes AUTH PLAIN (RFC 4616).
    pub auth_plain: bool,
    /// Takes AUTH LOGIN.
    pub auth_login: bool,
}

impl Capabilities {
    /// Reads the answer to EHLO; its first line is a greeting.
    pub(super) fn parse(reply: &RawReply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            found.note(line);
        }
        found
    }

    fn note(&mut self, line: &str) {
        // `AUTH=PLAIN LOGIN` is what some servers say for clients that are older than RFC 2554.
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "SIZE" => {
                self.size_parameter = true;
                // Zero: no limit that is always the same.
                self.size = words.next().and_then(|digits| digits.parse().ok()).filter(|size| *size > 0);
            }
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtp_utf8 = true,
            "PIPELINING" => self.pipelining = true,
            "ENHANCEDSTATUSCODES" => self.enhanced_status_codes = true,
            "STARTTLS" => self.starttls = true,
            "AUTH" => {
                for mechanism in words {
                    self.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                    self.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Capabilities {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Capabilities::parse(&RawReply { code: 250, lines })
    }

    #[test]
    fn extensions_are_read_in_any_case_and_the_greeting_is_not() {
        let all = parse(&[
            "mail.example.org",
            "PIPELINING",
            "SIZE 35882577",
            "starttls",
            "AUTH CRAM-MD5 login PLAIN",
            "ENHANCEDSTATUSCODES",
            "8bitMIME",
            "SMTPUTF8",
            "XCLIENT NAME ADDR",
        ]);
        let expected = Capabilities {
            size: Some(35_882_577),
            size_parameter: true,
            eight_bit_mime: true,
            smtp_utf8: true,
            pipelining: true,
            enhanced_status_codes: true,
            starttls: true,
            auth_plain: true,
            auth_login: true,
        };
        assert_eq!(all, expected);
        assert_eq!(parse(&["PIPELINING"]), Capabilities::default());
        assert_eq!(parse(&["mail.example.org", "", " ", "SIZEABLE 5", "AUTH", "AUTHX PLAIN"]), Capabilities::default());
    }

    #[test]
    fn sizes_without_a_number_are_no_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE many", "SIZE -5", "SIZE 99999999999999999999999"] {
            let found = parse(&["x", line]);
            assert_eq!((found.size_parameter, found.size), (true, None), "{line}");
        }
    }

    #[test]
    fn the_old_form_of_auth_counts() {
        assert!(parse(&["x", "AUTH=PLAIN"]).auth_plain);
        let both = parse(&["x", "AUTH=LOGIN", "AUTH PLAIN"]);
        assert!(both.auth_login && both.auth_plain);
    }
}

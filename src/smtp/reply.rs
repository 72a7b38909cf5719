//! Replies: a code for programs, an enhanced code for programs that want to know more (RFC 2034,
//! RFC 3463), text for people.

use std::fmt;

use crate::model::failure::clean;

/// Lines of a single reply that are read; an honest server needs one for each of its extensions.
pub(super) const MOST_LINES: usize = 128;
/// How much of a line that is not understood is quoted, in characters.
const EXCERPT: usize = 200;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpReply {
    /// Three digits, 200 to 599.
    pub code: u16,
    /// The enhanced status code, where there is one that agrees with `code`.
    pub enhanced: Option<EnhancedCode>,
    /// The server's words without codes, all lines; cleaned of control characters, at most
    /// [`SmtpReply::TEXT_LIMIT`] characters.
    pub text: String,
}

impl SmtpReply {
    /// Longest text kept, in characters.
    pub const TEXT_LIMIT: usize = 1_024;

    /// Whether it is a yes (2yz).
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether it is a no for now (4yz).
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// Whether it is a no for good (5yz).
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// Whether the server says that it closes the connection (421).
    pub fn closes(&self) -> bool {
        self.code == 421
    }
}

impl fmt::Display for SmtpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

/// An enhanced status code (RFC 3463), as `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about: 1 addresses, 2 mailboxes, 3 the mail system, 4 the network, 5 the protocol,
    /// 6 the content, 7 security and policy.
    pub subject: u16,
    /// Which of them.
    pub detail: u16,
}

impl EnhancedCode {
    /// Takes a code off the beginning of `text`.
    fn split_from(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = word.split('.');
        let (class, subject, detail) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
        if parts.next().is_some() {
            return None;
        }
        let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
        Some((Self { class, subject, detail }, rest))
    }
}

fn number(digits: &str) -> Option<u16> {
    let fits = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| fits)
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply as it comes in, line by line, not cleaned.
#[derive(Debug, Default)]
pub(super) struct RawReply {
    /// The code of every line.
    pub(super) code: u16,
    /// What follows it in each.
    pub(super) lines: Vec<String>,
}

impl RawReply {
    /// Takes the next line; `true` where more must follow.
    ///
    /// # Errors
    /// It is none of a reply, or of another reply than the lines before; quoted.
    pub(super) fn push(&mut self, line: &[u8]) -> Result<bool, String> {
        let excerpt = || String::from_utf8_lossy(line).chars().take(EXCERPT).collect::<String>();
        let Some((code, more, text)) = split(line) else { return Err(excerpt()) };
        if !self.lines.is_empty() && code != self.code {
            return Err(format!("{} after {}", excerpt(), self.code));
        }
        self.code = code;
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        Ok(more)
    }
}

/// Code, whether lines follow, and text. A code alone on its line is taken, too.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    let code = std::str::from_utf8(code).ok().and_then(number).filter(|code| (200..600).contains(code))?;
    match rest {
        [] => Some((code, false, rest)),
        [b' ', text @ ..] => Some((code, false, text)),
        [b'-', text @ ..] => Some((code, true, text)),
        _ => None,
    }
}

impl From<RawReply> for SmtpReply {
    /// An enhanced code is believed whether or not the server said that it sends them, but not
    /// where it contradicts the code (RFC 2034 §4): then it stays in the text.
    fn from(RawReply { code, lines }: RawReply) -> Self {
        let agreeing = |line| EnhancedCode::split_from(line).filter(|(found, _)| u16::from(found.class) == code / 100);
        let enhanced = lines.first().and_then(|line| agreeing(line)).map(|(found, _)| found);
        let words = |line| match agreeing(line) {
            Some((found, rest)) if Some(found) == enhanced => rest.trim(),
            _ => line.trim(),
        };
        let text = lines.iter().map(|line| words(line)).collect::<Vec<_>>().join(" ");
        Self { code, enhanced, text: clean(&text, Self::TEXT_LIMIT) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(lines: &[&str]) -> Result<SmtpReply, String> {
        let mut raw = RawReply::default();
        let (last, before) = lines.split_last().unwrap();
        for line in before {
            assert!(raw.push(line.as_bytes())?, "{line}: more is to follow");
        }
        assert!(!raw.push(last.as_bytes())?, "{last}: the last");
        Ok(raw.into())
    }

    fn shown(lines: &[&str]) -> String {
        let reply = parse(lines).unwrap();
        format!("{}|{}|{}", reply.code, reply.enhanced.map_or("-".to_owned(), |code| code.to_string()), reply.text)
    }

    #[test]
    fn codes_are_taken_off_every_line() {
        assert_eq!(shown(&["250 ok"]), "250|-|ok");
        assert_eq!(shown(&["250"]), "250|-|");
        assert_eq!(shown(&["250 "]), "250|-|");
        assert_eq!(shown(&["550 5.1.1 no such user"]), "550|5.1.1|no such user");
        assert_eq!(shown(&["550 5.1.1"]), "550|5.1.1|");
        assert_eq!(shown(&["550-5.2.251 slow", "550 5.2.251 down"]), "550|5.2.251|slow down");
        assert_eq!(shown(&["550-5.1.1 a", "550-b", "550 5.1.2 c"]), "550|5.1.1|a b 5.1.2 c");
        assert_eq!(shown(&["220-a", "220-", "220 b"]), "220|-|a  b");
    }

    #[test]
    fn what_is_no_enhanced_code_stays_in_the_text() {
        for text in ["4.2.2 full", "5.1 x", "5.1.1.1 x", "5.1.1: x", "5.1000.1 x", "3.0.0 x", "5..1 x", "٥.1.1 x"] {
            assert_eq!(shown(&[&format!("550 {text}")]), format!("550|-|{text}"), "contradicts, or is none");
        }
    }

    #[test]
    fn foreign_text_is_cleaned_and_cut() {
        assert_eq!(shown(&["421 a\u{1b}[2J\rb\0c\u{202e}"]), "421|-|a [2J b c");
        let long = "ł".repeat(SmtpReply::TEXT_LIMIT + 1);
        assert_eq!(parse(&[&format!("250 {long}")]).unwrap().text.chars().count(), SmtpReply::TEXT_LIMIT);
        let mut raw = RawReply::default();
        raw.push(b"250 \xff\xfe").unwrap();
        assert_eq!(SmtpReply::from(raw).text, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn what_is_no_reply_is_refused_and_quoted() {
        for line in ["", "25", "2500 x", "250x", "2 0 ok", "199 x", "600 x", "+OK", "* OK", "-25 x", "250\tx"] {
            assert_eq!(RawReply::default().push(line.as_bytes()), Err(line.to_owned()), "{line}");
        }
        assert_eq!(parse(&["250-a", "550 b"]), Err("550 b after 250".to_owned()));
        let quoted = RawReply::default().push("y".repeat(5_000).as_bytes()).unwrap_err();
        assert_eq!(quoted.len(), EXCERPT);
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut raw = RawReply::default();
            if raw.push(&line).is_ok() {
                let reply = SmtpReply::from(raw);
                prop_assert!((200..600).contains(&reply.code));
                prop_assert!(!reply.text.chars().any(char::is_control));
            }
        }
    }
}

//! When a server received a message, where only the message tells.

use mail_parser::DateTime;

use super::limits::Limits;
use crate::model::timestamp::Timestamp;

/// The date of the topmost Received field, which the last server wrote, ours; none where that cannot
/// be read. `raw` is a message or its header. Fields below may be anybody's, and count for nothing.
pub fn received_at(raw: &[u8], limits: &Limits) -> Option<Timestamp> {
    let field = topmost(raw.get(..limits.header_bytes).unwrap_or(raw), limits.field_bytes)?;
    let after = field.iter().rposition(|byte| *byte == b';')? + 1;
    let date: Vec<u8> =
        field.get(after..)?.iter().map(|byte| if byte.is_ascii_whitespace() { b' ' } else { *byte }).collect();
    let date = DateTime::parse_rfc822(std::str::from_utf8(&date).ok()?)?;
    date.is_valid().then(|| Timestamp::from_seconds(date.to_timestamp()))
}

/// The first Received field with its continuation lines, at most `longest` bytes of it.
fn topmost(header: &[u8], longest: usize) -> Option<&[u8]> {
    const NAME: &[u8] = b"received:";
    let mut at = 0;
    let mut begin = None;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        let continues = matches!(line.first(), Some(b' ' | b'\t'));
        match begin {
            Some(begin) if !continues => return header.get(begin..at.min(begin + longest)),
            None if line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)) => {
                begin = Some(at);
            }
            None if line.trim_ascii().is_empty() => return None,
            _ => {}
        }
        at += line.len();
    }
    begin.and_then(|begin| header.get(begin..at.min(begin + longest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(raw: &str) -> Option<String> {
        received_at(raw.as_bytes(), &Limits::default()).map(|time| time.to_string())
    }

    #[test]
    fn the_topmost_field_counts_and_no_other() {
        let mail = "Return-Path: <a@b>\r\nRECEIVED: from x (y; z)\r\n\tby ours with ESMTP id 1;\r\n  \
                    Mon, 14 Sep 2026 10:00:00 +0200 (CEST)\r\nReceived: from a by b; Tue, 1 Jan 2030 00:00:00 +0000\r\n\
                    Date: Tue, 1 Jan 2030 00:00:00 +0000\r\n\r\nReceived: x; Tue, 1 Jan 2030 00:00:00 +0000\r\n";
        assert_eq!(at(mail).as_deref(), Some("2026-09-14T08:00:00.000000Z"));
        // As TOP gives it, to its end, and with bare line feeds.
        assert_eq!(at("Received: by o; 14 Sep 2026 10:00:00 GMT").as_deref(), Some("2026-09-14T10:00:00.000000Z"));
        assert_eq!(
            at("Received: by o;\n 14 Sep 2026 10:00:00 GMT\n\n").as_deref(),
            Some("2026-09-14T10:00:00.000000Z")
        );
    }

    #[test]
    fn a_field_that_cannot_be_read_is_not_replaced_by_another() {
        for top in [
            "Received: by ours",
            "Received: by ours; yesterday",
            "Received: by ours; 99 Foo 2026 10:00:00 +0000",
            "Received:",
        ] {
            assert_eq!(at(&format!("{top}\r\nReceived: by b; Tue, 1 Jan 2030 00:00:00 +0000\r\n\r\n")), None, "{top}");
        }
        assert_eq!(
            at("Date: Tue, 1 Jan 2030 00:00:00 +0000\r\n\r\nReceived: b; Tue, 1 Jan 2030 00:00:00 +0000\r\n"),
            None
        );
        assert_eq!(at(""), None);
        assert_eq!(at(&format!("Received: {}; Tue, 1 Jan 2030 00:00:00 +0000\r\n\r\n", "x".repeat(70_000))), None);
    }
}

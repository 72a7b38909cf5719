//! A message as DATA carries it (RFC 5321 §4.5.2).

use std::borrow::Cow;

/// Bytes looked at in one go; the compiler turns such a block into a few vector instructions.
const STRIDE: usize = 32;

/// A CR or LF without the other. Servers disagree about what ends a line then, and a mail could
/// hide another one from one of them ("SMTP smuggling").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BareLineEnd;

/// `message` with each dot at the beginning of a line doubled and its last line ended; borrowed
/// where nothing had to be changed, as in most mails.
pub(super) fn stuff(message: &[u8]) -> Result<Cow<'_, [u8]>, BareLineEnd> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(rest) = message.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.first() == Some(&b'.') {
            if out.is_empty() {
                out.reserve(message.len() + message.len() / 16 + 64);
            }
            out.extend_from_slice(message.get(copied..=at).unwrap_or_default());
            copied = at;
        }
        let Some(end) = next_break(rest) else { break };
        if rest.get(end..end + 2) != Some(b"\r\n".as_slice()) {
            return Err(BareLineEnd);
        }
        at += end + 2;
    }
    let ended = message.is_empty() || message.ends_with(b"\r\n");
    if copied == 0 && out.is_empty() && ended {
        return Ok(Cow::Borrowed(message));
    }
    out.extend_from_slice(message.get(copied..).unwrap_or_default());
    if !ended {
        out.extend_from_slice(b"\r\n");
    }
    Ok(Cow::Owned(out))
}

/// Where the first CR or LF is.
fn next_break(bytes: &[u8]) -> Option<usize> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut blocks = bytes.chunks_exact(STRIDE);
    let mut skipped = 0;
    for block in blocks.by_ref() {
        // Without an early end on purpose: see `STRIDE`.
        if block.iter().fold(false, |found, byte| found | is_break(byte)) {
            return block.iter().position(is_break).map(|found| skipped + found);
        }
        skipped += STRIDE;
    }
    blocks.remainder().iter().position(is_break).map(|found| skipped + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stuffed(message: &str) -> String {
        String::from_utf8(stuff(message.as_bytes()).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn dots_that_begin_lines_are_doubled_and_the_last_line_is_ended() {
        for (message, expected) in [
            ("", ""),
            ("a", "a\r\n"),
            (".", "..\r\n"),
            (".\r\n", "..\r\n"),
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n"),
            ("..\r\n...\r\n", "...\r\n....\r\n"),
            ("a.\r\n.b.c", "a.\r\n..b.c\r\n"),
            ("\r\n\r\n.\r\n.\r\n", "\r\n\r\n..\r\n..\r\n"),
        ] {
            assert_eq!(stuffed(message), expected, "{message:?}");
        }
    }

    #[test]
    fn what_needs_no_change_is_not_copied() {
        let message = "Subject: a\r\n\r\nlong line with a dot. And one more.\r\n".repeat(200);
        assert!(matches!(stuff(message.as_bytes()), Ok(Cow::Borrowed(_))));
        assert!(matches!(stuff(b""), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn bare_cr_and_bare_lf_are_refused_wherever_they_are() {
        for bad in ["\r", "\n", "\n\r", "\r\r\n", "\n.\n", "\r.\r", "\r\n.\n", "\n.\r\n", "\r\n\n"] {
            for before in [0, 1, 30, 31, 32, 33, 63, 64, 65] {
                for after in ["", "x", "\r\n", "x\r\n"] {
                    let message = format!("{}{bad}{after}", "x".repeat(before));
                    assert_eq!(stuff(message.as_bytes()), Err(BareLineEnd), "{message:?}");
                }
            }
        }
    }

    /// What RFC 5321 §4.5.2 tells the receiver to do.
    fn unstuffed(data: &[u8]) -> Vec<u8> {
        let text = String::from_utf8(data.to_vec()).unwrap();
        text.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect::<String>().into_bytes()
    }

    proptest! {
        #[test]
        fn the_receiver_gets_what_was_sent_and_never_sees_an_end_before(
            lines in proptest::collection::vec("[.a-c]{0,40}", 0..20), ended in any::<bool>()
        ) {
            let mut message = lines.join("\r\n");
            if ended {
                message.push_str("\r\n");
            }
            let data = stuff(message.as_bytes()).unwrap();
            let hidden = format!("\r\n{}", String::from_utf8_lossy(&data));
            prop_assert!(!hidden.contains("\r\n.\r\n"));
            let end = if message.is_empty() || message.ends_with("\r\n") { "" } else { "\r\n" };
            prop_assert_eq!(unstuffed(&data), format!("{message}{end}").into_bytes());
        }

        #[test]
        fn any_bytes_are_refused_exactly_where_a_line_end_is_bare(bytes in "[\r\n.x]{0,70}") {
            let bare = bytes.replace("\r\n", "").contains(['\r', '\n']);
            prop_assert_eq!(stuff(bytes.as_bytes()).is_err(), bare);
        }
    }
}

//! Small repairs on decoded text.

use std::borrow::Cow;

/// Replaces U+0000, which PostgreSQL cannot keep, by U+FFFD.
pub(super) fn clean(text: Cow<'_, str>) -> String {
    if memchr::memchr(0, text.as_bytes()).is_some() { text.replace('\0', "\u{fffd}") } else { text.into_owned() }
}

/// Removes what the decoder leaves where two encoded words of ISO-2022-JP follow each other.
///
/// Two escape sequences meet there, which it marks with U+FFFD (as the WHATWG says). Every long
/// Japanese subject or file name is written so. `raw` is the header that the words are from.
pub(super) fn joined(decoded: String, raw: &[u8]) -> String {
    const JAPANESE: &[u8] = b"iso-2022-jp";
    let words = || raw.windows(JAPANESE.len()).filter(|name| name.eq_ignore_ascii_case(JAPANESE)).count();
    if decoded.contains('\u{fffd}') && words() > 1 { decoded.replace('\u{fffd}', "") } else { decoded }
}

/// One line of a header: no U+0000, control characters as spaces, trimmed, at most `bytes` long.
pub(super) fn line(text: &str, bytes: usize) -> String {
    let change = |c: char| match c {
        '\0' => '\u{fffd}',
        c if c.is_control() => ' ',
        c => c,
    };
    // Cut after the change: U+FFFD is longer than what it stands for.
    let mut line: String = text.trim().chars().take(bytes).map(change).collect();
    cut(&mut line, bytes);
    line
}

/// An identifier without the white space that folding puts into it.
pub(super) fn identifier(text: &str, bytes: usize) -> String {
    let kept: String = text.chars().filter(|c| *c == '\0' || !c.is_control()).collect();
    line(&kept, bytes)
}

/// Cuts `text` to `bytes` at a character's boundary; whether anything was cut.
pub(super) fn cut(text: &mut String, bytes: usize) -> bool {
    let longer = text.len() > bytes;
    if longer {
        text.truncate(text.floor_char_boundary(bytes));
        text.shrink_to_fit();
    }
    longer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_repaired() {
        assert_eq!(line("\0\0", 4), "\u{fffd}", "cut after NUL became longer");
        assert_eq!(clean(Cow::Borrowed("a\0b\r\n")), "a\u{fffd}b\r\n");
        assert_eq!(line(" a\r\n\tb\0 ", 99), "a   b\u{fffd}");
        assert_eq!(line("łłł", 5), "łł");
        assert_eq!(identifier(" a\r\n\tb@c ", 99), "ab@c");
    }

    #[test]
    fn only_japanese_is_joined() {
        let decoded = || "\u{fffd}x".to_owned();
        assert_eq!(joined(decoded(), b"=?ISO-2022-JP?B??= =?iso-2022-jp?B??="), "x");
        assert_eq!(joined(decoded(), b"=?iso-2022-jp?B??="), "\u{fffd}x");
        assert_eq!(joined(decoded(), b"=?utf-8?B?"), "\u{fffd}x");
    }

    #[test]
    fn a_cut_keeps_whole_characters() {
        let mut text = "aéé".to_owned();
        assert!(!cut(&mut text, 5));
        assert!(cut(&mut text, 4));
        assert_eq!(text, "aé");
    }
}

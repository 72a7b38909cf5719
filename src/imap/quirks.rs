//! What servers get wrong, and what is done about it.
//!
//! Each entry names a server, a version or the time it was seen, and has its transcript under
//! `tests/data/transcripts/`. Two kinds: responses mended before the parser sees them ([`mend`]),
//! and answers read more kindly than they were meant.

use super::{
    error::{Refusal, Reply},
    folders,
};

/// Mends a complete response in place, or drops it by returning `false`.
///
/// * What nobody asked for is dropped (`NAMESPACE`, `ESEARCH`, `ENABLED`, `VANISHED`…): a client
///   must be prepared to accept any response at any time (RFC 9051 §7), imap-proto 0.17 is not.
/// * `* OK [ALERT]text` without a space panics imap-proto where the text begins with a character
///   of several bytes, and loses a letter where not. Seen from Courier 4.x and hand-made proxies.
/// * `INTERNALDATE NIL` panics imap-proto. Seen from Domino 8.5 for damaged messages.
/// * `CAPABILITY` without `IMAP4rev1` is refused by imap-proto; RFC 9051 servers may leave it out.
/// * LIST is written anew, see [`folders`].
/// * `RFC822.SIZE` beyond 32 bits is not read by imap-proto (allowed since RFC 9051).
pub fn mend(line: &mut Vec<u8>) -> bool {
    let Some(rest) = line.strip_prefix(b"* ") else {
        space_after_code(line);
        return true;
    };
    let mut words = rest.split(|byte| matches!(byte, b' ' | b'\r' | b'(')).map(<[u8]>::to_ascii_uppercase);
    let first = words.next().unwrap_or_default();
    let numbered = first.iter().all(u8::is_ascii_digit) && !first.is_empty();
    match if numbered { words.next().unwrap_or_default() } else { first }.as_slice() {
        b"FETCH" if numbered => {
            replace(line, b"INTERNALDATE NIL", |_| Some(b"INTERNALDATE \"\"".to_vec()));
            replace(line, b"RFC822.SIZE ", |digits| {
                let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
                (count > 9).then(|| b"RFC822.SIZE 4294967295 XSIZE ".to_vec())
            });
            true
        }
        b"EXISTS" | b"EXPUNGE" => numbered,
        b"STATUS" | b"SEARCH" => true,
        b"LIST" => folders::rewritten(line).is_some_and(|fresh| {
            *line = fresh;
            true
        }),
        b"CAPABILITY" => {
            if !line.to_ascii_uppercase().windows(10).any(|window| window == b" IMAP4REV1") {
                let end = line.len().saturating_sub(2);
                line.splice(end..end, *b" IMAP4rev1");
            }
            true
        }
        b"OK" | b"NO" | b"BAD" | b"BYE" | b"PREAUTH" => {
            space_after_code(line);
            true
        }
        _ => false,
    }
}

/// Puts the space between a response code and its text that the grammar demands.
fn space_after_code(line: &mut Vec<u8>) {
    let Some(open) = line.windows(2).position(|pair| pair == b" [") else { return };
    let Some(length) = line.iter().skip(open).position(|byte| *byte == b']') else { return };
    let after = open + length + 1;
    if line.get(after).is_some_and(|byte| !matches!(byte, b' ' | b'\r')) {
        line.insert(after, b' ');
    }
}

/// Replaces `what`, the first time it stands outside of a literal (they are lifted out before),
/// as told by what follows it.
fn replace(line: &mut Vec<u8>, what: &[u8], by: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let Some(at) = line.windows(what.len()).position(|window| window.eq_ignore_ascii_case(what)) else { return };
    if let Some(new) = line.get(at + what.len()..).and_then(by) {
        line.splice(at..at + what.len(), new);
    }
}

/// Whether a refused FETCH only means that some of the messages are gone, and what was sent is all
/// there is: `[EXPUNGEISSUED]` (RFC 5530); Dovecot 2.3 and Exchange 2019 say it in words too.
pub fn is_partial(status: Refusal, reply: &Reply) -> bool {
    status == Refusal::No && (reply.code.as_deref() == Some("EXPUNGEISSUED") || reply.text.contains("no longer exist"))
}

/// Whether commands may be sent behind LOGIN or AUTHENTICATE before its answer. RFC 9051 §5.5 allows it, but
/// proxies have been seen to lose what they had read too far; Dovecot (2.3, 2.4) hands it on, and
/// says who it is in its greeting.
pub fn reads_on_behind_log_in(greeting: &Reply) -> bool {
    greeting.text.starts_with("Dovecot")
}

/// Whether the server opens the Inbox only to clients that introduce themselves (RFC 2971):
/// NetEase (163.com, 126.com, yeah.net, 188.com; since about 2019) answers EXAMINE with
/// `NO Unsafe Login` otherwise.
pub fn wants_introduction(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    ["163.com", "126.com", "yeah.net", "188.com", "netease.com"]
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(line: &str) -> Option<String> {
        let mut line = line.as_bytes().to_vec();
        mend(&mut line).then(|| String::from_utf8(line).unwrap())
    }

    #[test]
    fn what_hurts_the_parser_is_mended_and_the_rest_left_alone() {
        for (line, expected) in [
            ("* OK [ALERT]é\r\n", "* OK [ALERT] é\r\n"),
            ("A1 NO [ALERT]é\r\n", "A1 NO [ALERT] é\r\n"),
            ("* OK [ALERT]\r\n", "* OK [ALERT]\r\n"),
            ("* OK a [b]c\r\n", "* OK a [b] c\r\n"),
            ("* 1 FETCH (INTERNALDATE NIL UID 3)\r\n", "* 1 FETCH (INTERNALDATE \"\" UID 3)\r\n"),
            ("* 1 fetch (RFC822.SIZE 99)\r\n", "* 1 fetch (RFC822.SIZE 99)\r\n"),
            ("* 1 FETCH (RFC822.SIZE 5000000000)\r\n", "* 1 FETCH (RFC822.SIZE 4294967295 XSIZE 5000000000)\r\n"),
            ("* CAPABILITY IMAP4rev2 IDLE\r\n", "* CAPABILITY IMAP4rev2 IDLE IMAP4rev1\r\n"),
            ("* CAPABILITY imap4REV1 IDLE\r\n", "* CAPABILITY imap4REV1 IDLE\r\n"),
            ("+ idling\r\n", "+ idling\r\n"),
        ] {
            assert_eq!(mended(line).as_deref(), Some(expected));
        }
        for line in
            ["* NAMESPACE NIL NIL NIL\r\n", "* ESEARCH\r\n", "* 1\r\n", "* \r\n", "* EXISTS 1\r\n", "* 5 RECENT\r\n"]
        {
            assert_eq!(mended(line), None);
        }
    }

    #[test]
    fn netease_is_known_by_its_domains() {
        assert!(wants_introduction("imap.163.com") && wants_introduction("126.com"));
        assert!(!wants_introduction("imap.not163.com") && !wants_introduction("163.com.example"));
    }
}

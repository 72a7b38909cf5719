//! Our own test mails, one by one.

use std::{fs, path::Path};

use super::*;
use crate::model::message::{MessageKey, PartyRole, ReceivedMessage};

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mail");
    fs::read(folder.join(format!("{name}.eml"))).expect(name)
}

fn read(name: &str) -> ReceivedMessage {
    parse(&file(name), &Limits::default()).expect(name)
}

fn parties(message: &ReceivedMessage) -> Vec<(PartyRole, &str, &str)> {
    message.parties.iter().map(|party| (party.role, &*party.address, &*party.display_name)).collect()
}

/// Part, name, type, size.
fn attachments(message: &ReceivedMessage) -> Vec<(u32, &str, &str, u64)> {
    message.attachments.iter().map(|part| (part.part, &*part.file_name, &*part.content_type, part.size)).collect()
}

#[test]
fn an_ordinary_mail() {
    let mail = read("plain");
    assert_eq!(mail.source, digest(&file("plain")));
    assert_eq!(mail.message_id.as_deref(), Some("plain@example.org"));
    assert_eq!(mail.subject, "Plain");
    assert_eq!(mail.date, Some("2026-03-03T09:20:30Z".parse().unwrap()));
    assert_eq!(
        parties(&mail),
        [(PartyRole::From, "anna@example.org", "Anna Example"), (PartyRole::To, "bert@example.net", "Bert")]
    );
    assert_eq!(mail.text.as_deref(), Some("Hello Bert,\n\ngreetings\n"));
    assert_eq!((mail.html, mail.attachments, mail.notes), (None, vec![], vec![]));
    assert_eq!((mail.in_reply_to, mail.references), (None, vec![]));
}

#[test]
fn character_sets_and_transfer_encodings() {
    for (name, subject, text) in [
        ("bare-lf", "Bare line feeds", "one\ntwo\n"),
        ("latin1-quoted-printable", "Grüße aus Köln", "Grüße aus Köln, lange Zeile geht weiter\n"),
        ("latin1-8bit", "8 bit", "Grüße\n"),
        ("utf8-8bit", "Zażółć gęślą jaźń", "Zażółć gęślą jaźń 🙂\n"),
        ("base64-text", "Zażółć gęślą", "Zażółć gęślą jaźń\n"),
        ("charset-koi8-r", "Привет, мир", "Привет, мир\n"),
        ("charset-gb2312", "你好,世界", "你好,世界\n"),
        ("charset-shift_jis", "こんにちは世界", "こんにちは世界\n"),
        ("charset-iso-2022-jp", "こんにちは世界", "こんにちは世界\n"),
        ("format-flowed", "Flowed", "This paragraph \nflows.\n> quoted\n"),
        ("broken-encodings", "=?utf-8?B?broken", "a=ZZb \u{fffd} end"),
        ("eight-bit-header", "żółw \u{fffd}", "body\n"),
    ] {
        let mail = read(name);
        assert_eq!((&*mail.subject, mail.text.as_deref()), (subject, Some(text)), "{name}");
        assert_eq!((mail.html, mail.attachments, mail.notes), (None, vec![], vec![]), "{name}");
    }
}

#[test]
fn text_is_made_from_html_where_there_is_only_that() {
    let mail = read("html-only");
    assert_eq!(mail.text.as_deref(), Some("Hello & goodbye\nsecond\n"));
    assert!(mail.html.unwrap().contains("<b>goodbye</b>"));
}

#[test]
fn parts_are_texts_or_attachments_and_none_is_lost() {
    let mail = read("nested-multipart");
    assert_eq!(mail.text.as_deref(), Some("plain part\na footer of the list"));
    assert_eq!(mail.html.as_deref(), Some("<p>html part <img src=\"cid:logo@example.org\"></p>"));
    assert_eq!(
        attachments(&mail),
        [
            (5, "logo.png", "image/png", 8),
            (6, "żółty kot.pdf", "application/pdf", 9),
            (7, "résumé.doc", "application/octet-stream", 9),
        ]
    );
    assert_eq!(mail.attachments[0].content_id.as_deref(), Some("logo@example.org"));
    assert_eq!(mail.attachments[1].sha256, digest(b"%PDF-1.4\n"));

    for (name, text, expected) in [
        ("inline-image-alone", Some("see below\nsee above"), (2, "", "image/gif", 6)),
        ("attached-message", Some("forwarding this"), (2, "original.eml", "message/rfc822", 228)),
        ("calendar", Some("Come!"), (2, "", "text/calendar", 30)),
        ("attachment-only", None, (0, "scan.pdf", "application/pdf", 9)),
    ] {
        let mail = read(name);
        assert_eq!((mail.text.as_deref(), attachments(&mail)), (text, vec![expected]), "{name}");
        assert_eq!(mail.notes, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn long_japanese_file_names_are_whole() {
    let word = |base64: &str| format!("=?ISO-2022-JP?B?{base64}?=");
    let name = format!("{}\r\n {}", word("GyRCJDMkcyRLJEEkTxsoQg=="), word("GyRCQCQzJhsoQg=="));
    let raw = format!("Content-Type: application/pdf; name=\"{name}\"\r\n\r\nx");
    let mail = parse(raw.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(mail.attachments[0].file_name, "こんにちは世界");
}

#[test]
fn damaged_structures_are_read_as_far_as_they_go() {
    let damaged = "The MIME structure of the message is damaged.";
    for (name, text) in [
        ("unterminated-multipart", "first"),
        ("missing-boundary", "--wrong\nContent-Type: text/plain\n\ntext\n--wrong--\n"),
        ("no-boundary-parameter", "just text\n"),
    ] {
        let mail = read(name);
        assert_eq!((mail.text.as_deref(), mail.notes), (Some(text), vec![damaged.to_owned()]), "{name}");
    }
    assert_eq!(attachments(&read("unterminated-multipart")), [(2, "cut.pdf", "application/pdf", 6)]);
}

#[test]
fn without_a_header_there_is_still_a_message() {
    for (name, text) in [
        ("missing-headers", Some("only a body\n")),
        ("no-header", Some("only a body\n")),
        ("text-only-line", Some("hello without any header")),
        ("empty", None),
    ] {
        let mail = read(name);
        assert_eq!((&*mail.subject, mail.message_id, mail.text.as_deref()), ("", None, text), "{name}");
    }
    assert!(read("garbage").text.unwrap().starts_with("\u{b}0Uz\u{fffd}"));
}

#[test]
fn of_a_field_given_twice_the_first_counts() {
    let mail = read("duplicate-headers");
    assert_eq!((&*mail.subject, mail.message_id.as_deref()), ("first", Some("one@example.org")));
    assert_eq!(mail.date, Some("2026-03-03T10:20:30Z".parse().unwrap()));
    let addresses: Vec<&str> = mail.parties.iter().map(|party| &*party.address).collect();
    assert_eq!(addresses, ["first@example.org", "second@example.org", "a@example.org", "b@example.org"]);
    assert_eq!(mail.notes.len(), 3);
    assert_eq!(read("invalid-date").date, None);
}

#[test]
fn addresses_are_kept_as_written() {
    use PartyRole::{Bcc, Cc, From, ReplyTo, To};
    assert_eq!(
        parties(&read("groups")),
        [
            (From, "anna@example.org", "Example, Anna"),
            (To, "bert@example.net", ""),
            (To, "joerg@example.net", "Jörg"),
            (To, "dora@example.net", "Dora"),
            (Cc, "postmaster", ""),
            (Cc, "\"quoted local\"@example.org", ""),
            (Bcc, "hidden@example.org", "Hidden"),
            (ReplyTo, "reply@example.org", "Żółw."),
        ]
    );
    assert_eq!(parties(&read("eight-bit-header")), [(From, "joerg@example.org", "J\u{fffd}rg")]);
}

#[test]
fn identifiers_of_a_thread() {
    let mail = read("threading");
    assert_eq!(mail.message_id.as_deref(), Some("very-long-identifier-that-is-folded @example.org"));
    assert_eq!(mail.in_reply_to.as_deref(), Some("parent@example.org"));
    assert_eq!(mail.references, ["root@example.org", "middle@example.org", "parent@example.org"]);

    let broken = read("broken-identifiers");
    assert_eq!(broken.message_id.as_deref(), Some("no brackets here"));
    assert_eq!(broken.in_reply_to.as_deref(), Some("unclosed@example.org"));
    assert_eq!(broken.references, ["a@b", "c@d"]);

    for name in ["plain", "threading", "broken-identifiers", "duplicate-headers", "empty", "no-header"] {
        assert_eq!(message_id(&file(name), &Limits::default()), read(name).message_id, "{name}");
    }
}

/// Whether any text of it does; `Debug` writes U+0000 as `\0` and a backslash as two.
pub(super) fn holds_nul(mail: &ReceivedMessage) -> bool {
    format!("{mail:?}").replace(r"\\", "").contains(r"\0")
}

#[test]
fn no_text_holds_a_nul() {
    let mail = read("nul-bytes");
    assert_eq!(mail.subject, "n\u{fffd}l");
    assert_eq!(mail.message_id.as_deref(), Some("nul\u{fffd}@example.org"));
    assert_eq!(mail.attachments[0].file_name, "n\u{fffd}me");
    assert_eq!(mail.html.as_deref(), Some("<p>h\u{fffd}tml</p>"));
    assert!(!holds_nul(&mail));
}

#[test]
fn what_is_too_long_is_cut_with_a_note() {
    let limits = Limits { text_bytes: 5, html_bytes: 10, addresses: 3, references: 3, ..Limits::default() };
    let mail = parse(&file("html-only"), &limits).unwrap();
    assert_eq!((mail.text.as_deref(), mail.html.as_deref()), (Some("Hello"), Some("<html><hea")));
    assert_eq!(mail.notes, ["The text was cut after 5 bytes.", "The HTML was cut after 10 bytes."]);
    assert_eq!(mail.key, read("html-only").key, "the key covers what is cut");

    let mail = parse(&file("groups"), &limits).unwrap();
    assert_eq!(
        (mail.parties.len(), &*mail.notes),
        (3, &["5 addresses beyond the first 3 were left out.".to_owned()][..])
    );

    let raw = b"References: <1@a> <2@a> <3@a> <4@a> <5@a>\n\n";
    let mail = parse(raw, &limits).unwrap();
    assert_eq!(mail.references, ["1@a", "4@a", "5@a"]);
    assert_eq!(mail.notes, ["2 identifiers in References were left out."]);
}

fn key(raw: &[u8]) -> MessageKey {
    parse(raw, &Limits::default()).unwrap().key
}

fn replaced(raw: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(raw.to_vec()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn copies_of_one_mail_have_one_key() {
    let original = file("nested-multipart");
    let delivered = [&b"Delivered-To: bert@example.net\r\nReceived: from a by b; Tue, 3 Mar 2026 10:20:31 +0100\r\nX-Spam: no\r\n"[..], &original].concat();
    assert_eq!(key(&original), key(&delivered));
    assert_eq!(key(&original), key(&replaced(&original, "preamble", "PREAMBLE")));
}

#[test]
fn nothing_that_is_read_can_differ_behind_one_key() {
    let original = file("nested-multipart");
    for (from, to) in [
        ("nested@example.org", "nestee@example.org"),
        ("10:20:30", "10:20:31"),
        ("Anna Example", "Anna Exampl"),
        ("anna@example.org", "anne@example.org"),
        ("Subject: Nested", "Subject: Nestes"),
        ("plain part", "plain fart"),
        ("html part", "HTML part"),
        ("JVBERi0xLjQK", "JVBERi0xLjUK"),
        ("ty%20kot", "ty%20pies"),
        ("raw bytes", "raw bites"),
        ("a footer", "a fooler"),
    ] {
        assert_ne!(key(&original), key(&replaced(&original, from, to)), "{from}");
    }
}

#[test]
fn without_a_message_id_only_equal_bytes_are_one_mail() {
    let raw = b"Subject: x\n\nbody\n";
    assert_eq!(key(raw), key(raw));
    assert_ne!(key(raw), key(b"X-Other: y\nSubject: x\n\nbody\n"));
    assert_ne!(key(b""), key(b" "));
}

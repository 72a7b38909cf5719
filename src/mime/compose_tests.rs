//! Mails to be sent, read back by our own parser.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Limits, compose::*, parse};
use crate::model::{
    ids::ActivityId,
    message::{Party, PartyRole, ReceivedMessage},
    outbox::{Draft, OutboxAttachment, OutboxParty},
    timestamp::Timestamp,
};

pub(super) const RULES: ComposeRules =
    ComposeRules { now: Timestamp::from_seconds(1_800_000_000), maximum_size: 50_000_000 };

pub(super) fn id() -> ActivityId {
    ActivityId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001))
}

pub(super) fn party(role: PartyRole, address: &str, name: &str) -> Party {
    Party { role, address: address.to_owned(), display_name: name.to_owned() }
}

/// A mail as the tests change it.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) parties: Vec<Party>,
    pub(super) draft: Draft,
}

pub(super) fn mail() -> Mail {
    Mail {
        parties: vec![party(PartyRole::From, "", "Contoso Support"), party(PartyRole::To, "anna@example.org", "")],
        draft: draft(),
    }
}

pub(super) fn draft() -> Draft {
    Draft {
        sender: "support@contoso.example".to_owned(),
        subject: "Your order".to_owned(),
        text: Some("Hello\n".to_owned()),
        html: None,
        attachments: Vec::new(),
        in_reply_to: None,
        references: Vec::new(),
    }
}

pub(super) fn composed(mail: Mail, rules: &ComposeRules) -> Result<ComposedBytes, ComposeError> {
    let numbered = mail.parties.into_iter().zip(0..);
    let parties: Vec<OutboxParty> =
        numbered.map(|(party, position)| OutboxParty { position, party, result: None }).collect();
    compose(id(), &parties, mail.draft, rules)
}

fn written(draft: Draft) -> Result<ComposedBytes, ComposeError> {
    composed(Mail { draft, ..mail() }, &RULES)
}

fn file(name: &str, content_type: &str, content: &[u8]) -> OutboxAttachment {
    OutboxAttachment {
        file_name: name.to_owned(),
        content_type: content_type.to_owned(),
        content_id: None,
        content: content.to_vec(),
    }
}

fn sent(mail: Mail) -> ComposedBytes {
    let bytes = composed(mail.clone(), &RULES).unwrap();
    assert_eq!(bytes, composed(mail, &RULES).unwrap(), "the same mail gives the same bytes");
    well_formed(&bytes.bytes);
    bytes
}

pub(super) fn well_formed(bytes: &[u8]) {
    assert!(bytes.ends_with(b"\r\n"));
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\r\n").expect("CRLF");
        assert!(
            text.len() <= 998 && !text.contains(&b'\r') && !text.contains(&0),
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
}

pub(super) fn read(bytes: &[u8]) -> ReceivedMessage {
    parse(bytes, &Limits::default()).unwrap()
}

/// Names of the header's fields, counted.
pub(super) fn fields(bytes: &[u8]) -> BTreeMap<String, usize> {
    let text = String::from_utf8_lossy(bytes);
    let header = text.split("\r\n\r\n").next().unwrap().to_owned();
    let mut counts = BTreeMap::new();
    for line in header.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])) {
        *counts.entry(line.split_once(':').unwrap().0.to_owned()).or_default() += 1;
    }
    counts
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_plain_mail_byte_for_byte() {
    let composed = sent(mail());
    assert_eq!(composed.message_id, "01930000-0000-7000-8000-000000000001@contoso.example");
    let wanted = [
        "Date: Fri, 15 Jan 2027 08:00:00 +0000",
        "From: Contoso Support <support@contoso.example>",
        "To: anna@example.org",
        "Subject: Your order",
        "Message-ID: <01930000-0000-7000-8000-000000000001@contoso.example>",
        "X-Mailsyncd-Id: 01930000-0000-7000-8000-000000000001",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 7bit",
        "",
        "Hello",
        "",
    ];
    assert_eq!(text(&composed.bytes), wanted.join("\r\n"));
}

#[test]
fn everything_reads_back() {
    let mut full = mail();
    full.parties = vec![
        party(PartyRole::From, "support@contoso.example", "Jürgen \"Jo\" Müller, Contoso"),
        party(PartyRole::To, "anna@example.org", "Anna Nováková"),
        party(PartyRole::To, "b@example.org", "O'Neill, Bob (Sales) <x@y>"),
        party(PartyRole::Cc, "c@example.org", ""),
        party(PartyRole::Bcc, "hidden@example.org", "Hidden"),
        party(PartyRole::ReplyTo, "answers@contoso.example", "Answers"),
    ];
    full.draft.subject = "Ihre Bestellung  – größer als alles, was in eine einzige Zeile passt: №  42 €".to_owned();
    full.draft.text = Some("Žluťoučký kůň\n\nend  \n.\n".to_owned());
    full.draft.html = Some("<p>Žluťoučký <img src=\"cid:logo\"></p>".to_owned());
    let mut logo = file("logo.png", "image/png", b"\x89PNG\r\n\x1a\n\0\xff");
    logo.content_id = Some("logo".to_owned());
    full.draft.attachments = vec![
        file("Rechnung Größe — 2027 \"final\".pdf", "application/pdf", b"%PDF\n\r\r\n."),
        logo,
        file(&"a long name ".repeat(20), "text/plain; charset=utf-8", "LF\nonly\r".as_bytes()),
        file("mail.eml", "message/rfc822", b"Subject: inner\r\n\r\nbody\r\n"),
    ];
    let composed = sent(full.clone());
    let seen = read(&composed.bytes);
    assert_eq!(seen.message_id.as_ref(), Some(&composed.message_id));
    assert_eq!(seen.date, Some(RULES.now));
    assert_eq!(seen.subject, full.draft.subject);
    let answers = full.parties.remove(5);
    let mut parties: Vec<Party> = full.parties.into_iter().filter(|party| party.role != PartyRole::Bcc).collect();
    parties.insert(1, answers);
    assert_eq!(seen.parties, parties);
    assert!(!text(&composed.bytes).contains("hidden@"), "Bcc is in the envelope alone");
    assert_eq!(seen.text.as_deref(), Some("Žluťoučký kůň\n\nend  \n."));
    assert_eq!(seen.html.as_deref(), Some("<p>Žluťoučký <img src=\"cid:logo\"></p>"));
    let names: Vec<(&str, &str, Option<&str>)> = seen
        .attachments
        .iter()
        .map(|part| (part.file_name.as_str(), part.content_type.as_str(), part.content_id.as_deref()))
        .collect();
    let long = "a long name ".repeat(20).trim().to_owned();
    let wanted = [
        ("logo.png", "image/png", Some("logo")),
        ("Rechnung Größe — 2027 \"final\".pdf", "application/pdf", None),
        (&*long, "text/plain", None),
        ("mail.eml", "message/rfc822", None),
    ];
    assert_eq!(names, wanted);
    let sizes: Vec<u64> = seen.attachments.iter().map(|part| part.size).collect();
    assert_eq!(&sizes[..3], [10, 9, 8], "a file's bytes stay what they are");
    assert!(seen.notes.is_empty(), "{:?}", seen.notes);
}

#[test]
fn html_alone_and_nothing_at_all_are_mails() {
    let only_html = sent(Mail { draft: Draft { text: None, html: Some("<b>x</b>".to_owned()), ..draft() }, ..mail() });
    assert_eq!(read(&only_html.bytes).html.as_deref(), Some("<b>x</b>\r\n"));
    let nothing = sent(Mail { draft: Draft { text: None, subject: String::new(), ..draft() }, ..mail() });
    assert_eq!(read(&nothing.bytes).subject, "");
}

#[test]
fn line_ends_of_every_kind_become_crlf() {
    let composed = sent(Mail { draft: Draft { text: Some("a\rb\nc\r\nd\n\re\r\n".to_owned()), ..draft() }, ..mail() });
    assert!(text(&composed.bytes).ends_with("\r\n\r\na\r\nb\r\nc\r\nd\r\n\r\ne\r\n"));
}

#[test]
fn a_long_line_of_text_is_encoded() {
    let long = "word ".repeat(1_000);
    let composed = sent(Mail { draft: Draft { text: Some(long.clone()), ..draft() }, ..mail() });
    assert_eq!(read(&composed.bytes).text.as_deref(), Some(&*format!("{long}\n")));
}

#[test]
fn an_answer_names_the_thread() {
    let references: Vec<String> = (0..20).map(|n| format!("{n}.{}@example.org", "x".repeat(50))).collect();
    let answered = "answered@example.org".to_owned();
    let answer = Draft { in_reply_to: Some(answered.clone()), references: references.clone(), ..draft() };
    let composed = sent(Mail { draft: answer, ..mail() });
    let seen = read(&composed.bytes);
    assert_eq!(seen.in_reply_to, Some(answered.clone()));
    assert_eq!(seen.references, [references, vec![answered]].concat());
    let header = text(&composed.bytes);
    assert!(header.split("\r\n").all(|line| line.len() <= 80), "{header}");
}

#[test]
fn a_thread_too_long_keeps_its_root_and_its_end() {
    let references: Vec<String> = (0..500).map(|n| format!("{n:0>90}@example.org")).collect();
    let seen = read(&sent(Mail { draft: Draft { references: references.clone(), ..draft() }, ..mail() }).bytes);
    let (first, rest) = seen.references.split_first().unwrap();
    assert_eq!(first, &references[0]);
    assert!((50..120).contains(&rest.len()) && references.ends_with(rest), "{}", rest.len());
}

#[test]
fn identifiers_that_cannot_stand_in_a_header_do_not_hinder_an_answer() {
    let bad = ["a\r\nBcc: x@y", "a b@c", "<a@b>", "", "žluť@x", &"x".repeat(991)];
    let mut answer = mail();
    answer.draft.in_reply_to = Some(bad[0].to_owned());
    answer.draft.references = bad.iter().map(|id| (*id).to_owned()).chain(["good@id".to_owned()]).collect();
    let seen = read(&sent(answer).bytes);
    assert_eq!((seen.in_reply_to, seen.references), (None, vec!["good@id".to_owned()]));
}

#[test]
fn what_could_forge_a_header_is_refused_with_its_name() {
    let attack = |change: &dyn Fn(&mut Mail, &str)| {
        ["a\r\nBcc: x@y.example", "a\nb", "a\rb", "a\0b", "a\u{2028}b", "a\u{85}b", "=?utf-8?Q?=0D=0ABcc:_x@y?="].map(
            |text| {
                let mut mail = mail();
                mail.draft.attachments.push(file("a.txt", "text/plain", b"x"));
                change(&mut mail, text);
                composed(mail, &RULES).expect_err(text).to_string()
            },
        )
    };
    let named = |name: &str, errors: [String; 7]| {
        for error in errors {
            assert!(error.starts_with(name), "{name}: {error}");
        }
    };
    named("the subject", attack(&|mail, text| mail.draft.subject = text.to_owned()));
    named("a display name in From", attack(&|mail, text| mail.parties[0].display_name = text.to_owned()));
    named("an address in From", attack(&|mail, text| mail.draft.sender = format!("{text}@example.org")));
    named("a display name in To", attack(&|mail, text| mail.parties[1].display_name = text.to_owned()));
    named("an address in To", attack(&|mail, text| mail.parties[1].address = format!("a@b{text}")));
    named("an address in Bcc", attack(&|mail, text| mail.parties.push(party(PartyRole::Bcc, text, ""))));
    named("the file name of attachment 1", attack(&|mail, text| mail.draft.attachments[0].file_name = text.to_owned()));
    let kind = |mail: &mut Mail, text: &str| mail.draft.attachments[0].content_type = text.to_owned();
    named("the content type of attachment 1", attack(&kind));
    let content_id = |mail: &mut Mail, text: &str| mail.draft.attachments[0].content_id = Some(text.to_owned());
    named("the content id of attachment 1", attack(&content_id));
    let error = written(Draft { text: Some("a\0".to_owned()), ..draft() }).unwrap_err();
    assert_eq!(error, ComposeError::ControlCharacter(Field::Text, 0));
}

#[test]
fn mails_that_cannot_be_sent_say_why() {
    let nobody = Mail { parties: vec![party(PartyRole::ReplyTo, "a@b.example", "")], ..mail() };
    assert_eq!(composed(nobody, &RULES), Err(ComposeError::NoRecipient));
    let everybody = vec![party(PartyRole::Bcc, "a@b.example", ""); 1_001];
    let refused = composed(Mail { parties: everybody, ..mail() }, &RULES);
    assert_eq!(refused, Err(ComposeError::TooManyAddresses(1_000)));
    let small = ComposeRules { maximum_size: 1_000, ..RULES };
    let attachments = vec![file("a", "text/plain", &[7; 700])];
    let large = Mail { draft: Draft { attachments, ..draft() }, ..mail() };
    let refused = composed(large.clone(), &small).unwrap_err();
    assert!(matches!(refused, ComposeError::TooLarge { size: 1_001.., maximum: 1_000 }), "encoded it is larger");
    composed(large, &ComposeRules { maximum_size: 3_000, ..RULES }).unwrap();
    let long = written(Draft { subject: "x".repeat(2_001), ..draft() });
    assert_eq!(long, Err(ComposeError::TooLong(Field::Subject, 2_000)));
    let kind = Draft { attachments: vec![file("a", "nonsense", b"")], ..draft() };
    assert!(matches!(written(kind), Err(ComposeError::BadContentType(..))));
}

#[test]
fn an_attached_message_that_needs_encoding_goes_as_a_file() {
    for content in [&b"Subject: \xff\r\n\r\n"[..], b"Subject: a\n\nb\n", b""] {
        let composed = sent(Mail {
            draft: Draft { attachments: vec![file("a.eml", "message/rfc822", content)], ..draft() },
            ..mail()
        });
        let seen = read(&composed.bytes);
        assert_eq!(seen.attachments[0].content_type, "application/octet-stream");
        assert_eq!(seen.attachments[0].size, content.len() as u64);
    }
}

const FINISHED: &str = "From: Contoso <support@contoso.example>\nTo: a@example.org\nBcc: b@example.org,\n c@example.org\n\
                        X-Crm: 7\n  folded\nSubject: =?utf-8?q?Sm=C3=B8rrebr=C3=B8d?=\n\nbody\n..\nend";

#[test]
fn a_finished_mail_keeps_its_bytes() {
    let adopted = adopt(FINISHED.as_bytes(), id(), &RULES).unwrap();
    well_formed(&adopted.composed.bytes);
    let wanted = [
        "Date: Fri, 15 Jan 2027 08:00:00 +0000",
        "Message-ID: <01930000-0000-7000-8000-000000000001@contoso.example>",
        "X-Mailsyncd-Id: 01930000-0000-7000-8000-000000000001",
        "From: Contoso <support@contoso.example>",
        "To: a@example.org",
        "X-Crm: 7",
        "  folded",
        "Subject: =?utf-8?q?Sm=C3=B8rrebr=C3=B8d?=",
        "",
        "body",
        "..",
        "end",
        "",
    ];
    assert_eq!(text(&adopted.composed.bytes), wanted.join("\r\n"));
    assert_eq!(adopted.message.subject, "Smørrebrød");
    assert_eq!(adopted.from, party(PartyRole::From, "support@contoso.example", "Contoso"));
    let hidden: Vec<&str> = adopted
        .message
        .parties
        .iter()
        .filter(|party| party.role == PartyRole::Bcc)
        .map(|party| party.address.as_str())
        .collect();
    assert_eq!(hidden, ["b@example.org", "c@example.org"]);

    let dated = format!("Date: Sat, 01 Jan 2000 00:00:00 +0100\nMessage-ID: <own@id>\n{ID_FIELD}: forged\n{FINISHED}");
    let adopted = adopt(dated.as_bytes(), id(), &RULES).unwrap();
    assert_eq!(adopted.composed.message_id, "own@id");
    let counts = fields(&adopted.composed.bytes);
    assert_eq!((counts["Date"], counts["Message-ID"], counts[ID_FIELD]), (1, 1, 1));
    assert!(text(&adopted.composed.bytes).starts_with(&format!("{ID_FIELD}: {}\r\nDate: Sat, 01 Jan 2000", id())));
}

#[test]
fn a_finished_mail_that_breaks_the_rules_is_refused() {
    let with = |line: &str| format!("{line}\n{FINISHED}");
    let long = format!("{FINISHED}{}", "x".repeat(999));
    for (raw, error) in [
        (String::new(), "line 1: is missing"),
        ("no header at all".to_owned(), "line 1: belongs to no header field"),
        (with("From anna Sat Jan  1"), "line 1: belongs to no header field"),
        (with(" continues nothing"), "line 1: belongs to no header field"),
        (with("A: b\n \t"), "line 2: of the header is blank but not empty"),
        (with("From: other@example.org"), "the field From occurs more than once"),
        (with("TO: other@example.org"), "the field To occurs more than once"),
        (with("Resent-To: a@b.example"), "the field Resent-To belongs to a mail that was sent before"),
        (with("Message-ID: <a b>"), "the field Message-ID is no identifier"),
        (FINISHED.replace("body", "bo\rdy"), "line 9: contains a CR or NUL"),
        (FINISHED.replace("body", "bo\0dy"), "line 9: contains a CR or NUL"),
        (long, "line 11: is longer than 998 bytes"),
        (FINISHED.replace("From", "Sender"), "the field From is missing or has no address"),
        (FINISHED.replace("From: ", "From: x@y.example, "), "the field From has more than one address"),
        ("From: a@b.example\n\nx".to_owned(), "there is no recipient"),
    ] {
        let refused = adopt(raw.as_bytes(), id(), &RULES).expect_err(error);
        assert_eq!(refused.to_string(), error, "{raw}");
    }
    let small = ComposeRules { maximum_size: 100, ..RULES };
    assert!(matches!(adopt(FINISHED.as_bytes(), id(), &small), Err(ComposeError::TooLarge { .. })));
}

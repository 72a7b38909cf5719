//! Whatever people and programs put into a mail, it stays one mail with one header.

use proptest::prelude::*;

use super::{
    compose::*,
    compose_tests::{Mail, RULES, composed, fields, id, party, read, well_formed},
};
use crate::model::{
    message::PartyRole,
    outbox::{Draft, OutboxAttachment},
};

const ORDINARY: &[&str] =
    &["?=", "=?", "\\", "\"", " ", "  ", "\t", "--", ";", "<", ">", ",", "%0d%0a", "''", "\u{202e}", "."];
const NASTY: &[&str] = &[
    "\r\nBcc: x@y.example\r\n",
    "\n\n",
    "\n",
    "\r",
    "\u{2028}",
    "\0",
    "=?utf-8?q?=0D=0A?=",
    ".\r\n",
    "\r\n.\r\nMAIL FROM:<a@b>\r\n",
    "\x7f",
];

fn pieces(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let word = prop::sample::select(words).prop_map(str::to_owned);
    let piece = prop_oneof![3 => "[ -~]{0,30}", 2 => "\\PC{0,20}", 2 => word];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Text with everything that has ever broken a header in it; mostly such that it may be sent.
fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![9 => pieces(ORDINARY), 1 => pieces(NASTY)]
}

fn any_mail() -> impl Strategy<Value = Mail> {
    let address = prop_oneof![15 => "[a-z]{1,9}@[a-z]{1,9}\\.example", 1 => nasty()];
    let role = prop::sample::select(vec![PartyRole::To, PartyRole::Cc, PartyRole::Bcc, PartyRole::ReplyTo]);
    let parties = prop::collection::vec(
        (role, address.clone(), nasty()).prop_map(|(role, address, name)| party(role, &address, &name)),
        0..6,
    );
    let content_type = prop::sample::select(vec![
        "text/plain",
        "text/plain; a=b",
        "message/rfc822",
        "multipart/mixed",
        "x",
        "a/b\r\nc:d",
        "",
        "image/png",
    ]);
    let content_type = content_type.prop_map(str::to_owned);
    let content_id = prop::option::weighted(0.3, prop_oneof![9 => "[a-z]{1,5}", 1 => nasty()]);
    let attachment = (nasty(), content_type, content_id, pieces(NASTY)).prop_map(
        |(file_name, content_type, content_id, content)| OutboxAttachment {
            file_name,
            content_type,
            content_id,
            content: content.into_bytes(),
        },
    );
    let attachments = prop::collection::vec(attachment, 0..3);
    let thread = (prop::option::of(nasty()), prop::collection::vec(nasty(), 0..4));
    let text = || prop::option::of(prop_oneof![pieces(ORDINARY), pieces(NASTY)]);
    (address, nasty(), parties, nasty(), text(), text(), attachments, thread).prop_map(
        |(sender, name, mut parties, subject, text, html, attachments, (in_reply_to, references))| {
            parties.push(party(PartyRole::From, "", &name));
            Mail { parties, draft: Draft { sender, subject, text, html, attachments, in_reply_to, references } }
        },
    )
}

const KNOWN: &[&str] = &[
    "Date",
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    ID_FIELD,
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_adds_a_field_or_a_second_mail(mail in any_mail()) {
        let Ok(composed) = composed(mail.clone(), &RULES) else { return Ok(()) };
        well_formed(&composed.bytes);
        for (name, count) in fields(&composed.bytes) {
            prop_assert!(KNOWN.contains(&name.as_str()) && count == 1, "{} × {}", name, count);
        }
        let seen = read(&composed.bytes);
        let shown = |role: PartyRole| mail.parties.iter().filter(move |party| party.role == role);
        for role in [PartyRole::To, PartyRole::Cc, PartyRole::ReplyTo] {
            let theirs: Vec<&str> = shown(role).map(|party| party.address.as_str()).collect();
            let ours = seen.parties.iter().filter(|party| party.role == role);
            prop_assert_eq!(ours.map(|party| party.address.as_str()).collect::<Vec<_>>(), theirs);
        }
        prop_assert_eq!(seen.parties.iter().filter(|party| party.role == PartyRole::From).count(), 1);
        prop_assert_eq!(seen.subject, mail.draft.subject.trim().replace('\t', " "));
        prop_assert_eq!(seen.attachments.len(), mail.draft.attachments.len());
        prop_assert_eq!(seen.message_id, Some(composed.message_id));
    }

    #[test]
    fn a_finished_mail_never_grows_a_field(header in nasty(), body in nasty()) {
        let raw = format!("To: a@b.example\nX: {header}\nFrom: a@b.example\n\n{body}");
        let Ok(adopted) = adopt(raw.as_bytes(), id(), &RULES) else { return Ok(()) };
        well_formed(&adopted.composed.bytes);
        prop_assert!(fields(&adopted.composed.bytes).values().all(|count| *count == 1) || header.contains('\n'));
        prop_assert_eq!(adopted.from.address, "a@b.example");
    }
}

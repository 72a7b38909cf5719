//! Mail made to hurt: each ends soon, on a small stack, with a message or a refusal.

use std::{thread, time::Duration};

use proptest::prelude::*;

use super::{tests::holds_nul, *};
use crate::model::message::ReceivedMessage;

/// Parses on a thread with the stack of a blocking pool's, and insists that it takes no longer than `limit`.
fn bounded(name: &str, raw: Vec<u8>, limit: Duration) -> Result<ReceivedMessage, Malformed> {
    let work = move || {
        let start = worked();
        let result = parse(&raw, &Limits::default());
        (result, worked().saturating_sub(start))
    };
    let (result, took) = thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().expect(name);
    assert!(took < limit, "{name} took {took:?}");
    result
}

/// What the processor has done for this thread: what else the machine does is no matter.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// Generous for a build without optimisation; a quadratic parser needs minutes.
const SOON: Duration = Duration::from_secs(15);

fn noted(name: &str, raw: Vec<u8>, note: &str) -> ReceivedMessage {
    let mail = bounded(name, raw, SOON).expect(name);
    assert!(mail.notes.iter().any(|line| line.contains(note)), "{name}: {:?}", mail.notes);
    mail
}

#[test]
fn nested_multiparts() {
    let level = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
    let raw: String = (0..50_000).map(level).collect();
    noted("50,000 nested multiparts", format!("Subject: bomb\n{raw}").into_bytes(), "nests them deeper");
}

#[test]
fn nested_messages() {
    let raw = "Content-Type: message/rfc822\n\n".repeat(50_000);
    let size = raw.len() as u64 - 30;
    let mail = bounded("50,000 nested messages", raw.into_bytes(), SOON).unwrap();
    let sizes: Vec<u64> = mail.attachments.iter().map(|part| part.size).collect();
    assert_eq!(sizes, [size], "an attached message is one attachment, whatever is in it");
}

#[test]
fn many_parts() {
    let raw = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(100_000));
    let mail = noted("100,000 parts", raw.into_bytes(), "more than 1000 parts");
    assert!(mail.attachments.len() < 1_001);
}

#[test]
fn missing_boundaries() {
    let open = "Content-Type: multipart/mixed; boundary=b\n\n";
    let part = |n: usize| format!("--b\nContent-Type: multipart/mixed; boundary=missing{n}\n\n");
    let raw: String = (0..32_000).map(part).collect();
    bounded("32,000 missing boundaries", format!("{open}{raw}").into_bytes(), SOON).unwrap();
}

#[test]
fn endless_headers() {
    let fields = "a: b\n".repeat(1_000_000).into_bytes();
    assert_eq!(bounded("1,000,000 fields", fields, SOON), Err(Malformed::Fields(2_000)));
    let field = [b"Subject: ".to_vec(), vec![b'x'; 20 << 20]].concat();
    assert_eq!(bounded("one long field", field, SOON), Err(Malformed::Field(64 << 10)));
    let folded = [b"Subject:\n".to_vec(), b" x\n".repeat(1 << 20)].concat();
    assert_eq!(bounded("one folded field", folded, SOON), Err(Malformed::Field(64 << 10)));
}

/// What hides from the check of the header: fields of a part, in numbers that would need a lot of memory.
#[test]
fn swarms_inside_a_part() {
    let open = "Subject: swarm\nContent-Type: multipart/mixed; boundary=b\n\n--b\n";
    for (name, swarm) in [
        ("fields", "a:\n".repeat(1_000_000)),
        ("addresses", format!("Content-Type: message/rfc822\n\nTo: {}\n\n", "a,".repeat(1_600_000))),
        ("parameters", format!("Content-Type: a/b{}\n\n", ";a=b".repeat(1_600_000))),
    ] {
        let mail = noted(name, format!("{open}{swarm}").into_bytes(), "only its header was read");
        assert_eq!((&*mail.subject, mail.text, mail.attachments), ("swarm", None, vec![]), "{name}");
    }
}

/// As many as are let through must be bearable.
#[test]
fn swarms_just_below_the_limit() {
    let open = "Subject: swarm\nContent-Type: multipart/mixed; boundary=b\n\n--b\n";
    for (name, swarm) in [
        ("fields", "a:\n".repeat(700_000)),
        ("addresses", format!("Content-Type: message/rfc822\n\nTo: {}\n\n", "a,".repeat(1_400_000))),
        ("parameters", format!("Content-Type: a/b{}\n\n", ";a=b".repeat(1_400_000))),
        ("continuations", {
            let parameters: String = (0..300_000).map(|n| format!(";a*{n}=b")).collect();
            format!("Content-Type: a/b{parameters}\n\n")
        }),
        ("dashes", "-".repeat(3_000_000)),
        ("encoded words", format!("Content-Type: message/rfc822\n\nSubject: {}\n\n", "=?utf-8?q?a?= ".repeat(200_000))),
        ("comments", format!("Content-Type: message/rfc822\n\nTo: {}\n\n", "(".repeat(1_000_000))),
        ("html", format!("Content-Type: text/html\n\n{}", "<div>".repeat(300_000))),
    ] {
        bounded(name, format!("{open}{swarm}").into_bytes(), SOON * 2).unwrap();
    }
}

fn token() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r\n\r\n",
        "--b",
        "--b--",
        "--",
        " ",
        "\t",
        ";",
        ":",
        ",",
        "<",
        ">",
        "\"",
        "\\",
        "(",
        ")",
        "@",
        "=",
        "*0*=",
        "\0",
        "=?utf-8?B?",
        "=?utf-8?Q?",
        "?=",
        "From: ",
        "To: ",
        "Subject: ",
        "Date: ",
        "Message-ID: ",
        "References: ",
        "In-Reply-To: ",
        "Content-Type: ",
        "multipart/mixed; boundary=b",
        "multipart/alternative; boundary=\"b\"",
        "message/rfc822",
        "text/html; charset=shift_jis",
        "text/plain; charset=utf-7",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: quoted-printable",
        "Content-Disposition: attachment; filename*=utf-8''%C5%BC",
        "3 Mar 2026 10:20:30 +0100",
        "<a@b>",
        "group: a@b;",
        "QUJD",
        "=C5",
        "\u{fffd}ż🙂",
    ]);
    prop_oneof![8 => known.prop_map(|text| text.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..12)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_end_in_a_message(raw in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert_eq!(parse(&raw, &Limits::default()).unwrap().source, digest(&raw));
    }

    #[test]
    fn any_soup_of_tokens_keeps_its_promises(tokens in prop::collection::vec(token(), 0..120)) {
        let raw = tokens.concat();
        let limits = Limits { depth: 4, parts: 6, text_bytes: 40, html_bytes: 40, addresses: 3, references: 2, name_bytes: 20, ..Limits::default() };
        let mail = parse(&raw, &limits).unwrap();
        prop_assert_eq!(&mail, &parse(&raw, &limits).unwrap());
        prop_assert!(!holds_nul(&mail), "{:?}", mail);
        prop_assert!(mail.parties.len() <= 3 && mail.references.len() <= 2);
        prop_assert!(mail.parties.iter().all(|party| !party.address.is_empty()));
        prop_assert!(mail.text.iter().chain(&mail.html).all(|text| text.len() <= 40));
        prop_assert!(mail.message_id.iter().chain(&mail.references).all(|id| !id.is_empty() && id.len() <= 22));
        prop_assert!(mail.attachments.iter().all(|part| !part.content_type.is_empty()));
        prop_assert_eq!(expand(&compress(raw.clone(), digest(&raw))), Ok(raw));
    }
}

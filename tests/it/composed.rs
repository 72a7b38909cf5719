//! Mails composed by us, read by Python's `email` package.

use std::{fs, process::Command};

use mailsyncd::{
    mime::compose::{ComposeRules, compose},
    model::{
        ids::ActivityId,
        message::{Party, PartyRole},
        outbox::{Draft, OutboxAttachment, OutboxParty},
        timestamp::Timestamp,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::process::installed;

const NAMES: &[&str] = &[
    "",
    "Anna",
    "Anna B. Smith",
    "O'Neill, Bob",
    "Jürgen Müller",
    "a \"b\" \\ c",
    "=?utf-8?",
    "张伟",
    "\u{1f4e7} post",
    "a very long name that goes on and on until it does not fit into one line of a header any more, and then some",
    "Ünïcode repeated until it is long: Ünïcode Ünïcode Ünïcode Ünïcode Ünïcode Ünïcode Ünïcode Ünïcode",
    "two  spaces",
    "(comment)",
    "semi; colon: comma, <angle> [square] @",
];

fn party(role: PartyRole, number: usize, name: &str) -> Party {
    Party { role, address: format!("address.{number}@example.org"), display_name: name.to_owned() }
}

fn bytes(number: usize, name: &str) -> Vec<u8> {
    let parties = [
        Party { role: PartyRole::From, address: String::new(), display_name: name.to_owned() },
        party(PartyRole::ReplyTo, number, name),
        party(PartyRole::To, number, name),
        party(PartyRole::To, number + 1, ""),
        party(PartyRole::Cc, number, name),
        party(PartyRole::Bcc, number, name),
    ];
    let parties: Vec<OutboxParty> =
        parties.into_iter().zip(0..).map(|(party, position)| OutboxParty { position, party, result: None }).collect();
    let file = |file_name: &str| OutboxAttachment {
        file_name: file_name.to_owned(),
        content_type: "application/pdf".to_owned(),
        content_id: None,
        content: b"%PDF\r\n\n\r\xff".to_vec(),
    };
    let draft = Draft {
        sender: "from@contoso.example".to_owned(),
        subject: name.to_owned(),
        text: Some(format!("{name}\n.\n\nFrom {name}\n")),
        html: Some(format!("<p>{}</p>", name.repeat(50))),
        in_reply_to: Some("answered@example.org".to_owned()),
        references: (0..40).map(|id| format!("{id}@example.org")).collect(),
        attachments: vec![file(&format!("{name} 1.pdf")), file(&format!("Ž{name}.pdf"))],
    };
    let rules = ComposeRules { now: Timestamp::from_seconds(1_800_000_000), maximum_size: 1_000_000 };
    let id = ActivityId(Uuid::from_u128(number as u128));
    compose(id, &parties, draft, &rules).unwrap_or_else(|error| panic!("{name}: {error}")).bytes
}

#[test]
fn python_reads_what_we_compose() {
    if !installed(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mails")).unwrap();
    for (number, name) in NAMES.iter().enumerate() {
        fs::write(folder.path().join(format!("mails/{number:02}")), bytes(number, name)).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/corpus_reference.py");
    let output = Command::new("python3").arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let read: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), NAMES.len());
    for (number, (name, found)) in NAMES.iter().zip(&read).enumerate() {
        let address = format!("address.{number}@example.org");
        let next = format!("address.{}@example.org", number + 1);
        let wanted = json!({
            "subject": name,
            "date": 1_800_000_000,
            "attachments": [format!("{name} 1.pdf").trim(), format!("Ž{name}.pdf")],
            "from": [["from@contoso.example", name]],
            "to": [[address, name], [next, ""]],
            "cc": [[address, name]],
            "bcc": [],
            "reply-to": [[address, name]],
        });
        // Python keeps the white space between encoded words in names, against RFC 2047 §6.2.
        let spaceless = |value: &Value| value.to_string().replace(' ', "");
        if name.len() > 45 && !name.is_ascii() {
            assert_eq!(spaceless(&found["fields"]), spaceless(&wanted), "{name}");
            assert_eq!(found["fields"]["subject"], wanted["subject"], "{name}");
        } else {
            assert_eq!(found["fields"], wanted, "{name}");
        }
    }
}

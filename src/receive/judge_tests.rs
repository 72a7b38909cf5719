use super::*;
use crate::model::{
    activity::SourceEncoding,
    failure::FailureCode,
    message::{PartyRole, Sha256},
    uid::Uid,
};
use crate::{model::message::Party, receive::batch::message_failure};

const NOW: Timestamp = Timestamp::from_seconds(9_000);

fn attachment(file_name: &str, size: u64) -> Attachment {
    Attachment {
        part: 1,
        file_name: file_name.to_owned(),
        content_type: "application/octet-stream".to_owned(),
        content_id: None,
        size,
        sha256: Sha256([1; 32]),
    }
}

fn message(key: u8) -> ReceivedMessage {
    ReceivedMessage {
        key: MessageKey([key; 32]),
        source: Sha256([9; 32]),
        message_id: Some(format!("{key}@example.org")),
        in_reply_to: None,
        references: Vec::new(),
        subject: "subject".to_owned(),
        date: Some(Timestamp::from_seconds(20)),
        parties: vec![Party {
            role: PartyRole::From,
            address: "a@example.org".to_owned(),
            display_name: String::new(),
        }],
        text: None,
        html: None,
        attachments: Vec::new(),
        notes: vec!["One part was repaired.".to_owned()],
    }
}

fn candidate(uid: u32, parsed: Result<ReceivedMessage, Failure>) -> Candidate {
    Candidate {
        listed: ListedMessage {
            uidl: None,
            uid: Uid::new(uid).unwrap(),
            size: 10,
            internal_date: Some(Timestamp::from_seconds(10)),
        },
        source: NewSource {
            sha256: Sha256([9; 32]),
            size: 10,
            encoding: SourceEncoding::None,
            bytes: vec![0; 10].into(),
        },
        parsed,
    }
}

fn recorded(candidate: Candidate) -> NewActivity {
    let entry = judge(candidate, &Facts::default(), &ReceiveRules::default(), ActivityId::generate(NOW), NOW);
    assert!(entry.source.is_some() && entry.key.is_some() && entry.message_id.is_some());
    match entry.verdict {
        Verdict::Record(activity) => *activity,
        other => panic!("{other}"),
    }
}

#[test]
fn received_when_the_server_says_else_the_date_else_now() {
    let mut undated = candidate(1, Ok(message(1)));
    assert_eq!(recorded(undated.clone()).received_at, Timestamp::from_seconds(10));
    undated.listed.internal_date = None;
    assert_eq!(recorded(undated.clone()).received_at, Timestamp::from_seconds(20));
    undated.parsed.as_mut().unwrap().date = None;
    assert_eq!(recorded(undated).received_at, NOW);
}

#[test]
fn a_copy_is_linked_and_its_source_not_kept_again() {
    let first = ActivityId::generate(NOW);
    let known = Facts { activities: BTreeMap::from([(message(1).key, first)]), ..Facts::default() };
    let batch = [1, 2, 2].map(|key| Prepared::Candidate(Box::new(candidate(key.into(), Ok(message(key))))));
    let entries = judge_all(batch.to_vec(), known, &ReceiveRules::default(), NOW);
    let Verdict::Record(second) = &entries[1].verdict else { panic!() };
    assert_eq!(entries[0].verdict, Verdict::Link(first));
    assert_eq!(entries[2].verdict, Verdict::Link(second.id));
    assert_eq!(entries.iter().map(|entry| entry.source.is_some()).collect::<Vec<_>>(), [false, true, false]);
    assert!(entries.iter().all(|entry| entry.key.is_some() && entry.message_id.is_some()));
}

#[test]
fn a_test_mail_is_ignored_by_its_exact_message_id_and_only_while_it_may_be_on_its_way() {
    let id = format!("{}@example.org", ActivityId::generate(NOW));
    let made = Timestamp::from_seconds(10).minus(TEST_MAIL_ARRIVES_WITHIN);
    let mut mail = message(1);
    mail.message_id = Some(id.clone());
    let of = |id: String, made, mail: &ReceivedMessage| {
        let known = Facts { test_mails: BTreeMap::from([(id, made)]), ..Facts::default() };
        let rules = ReceiveRules::default();
        judge(candidate(1, Ok(mail.clone())), &known, &rules, ActivityId::generate(NOW), NOW)
    };
    let ignored = of(id.clone(), made, &mail);
    assert_eq!(ignored.verdict, Verdict::Ignore(IgnoreReason::TestMail));
    assert!(ignored.source.is_none() && ignored.message_id == mail.message_id);
    let late = of(id.clone(), made.minus(Duration::from_micros(1)), &mail);
    assert!(matches!(late.verdict, Verdict::Record(_)));
    for other in [id.to_uppercase(), format!("{id}.org"), String::new()] {
        assert!(matches!(of(other, made, &mail).verdict, Verdict::Record(_)));
    }
    // What looks like one in everything but the Message-ID is mail.
    mail.subject = format!("{} us", crate::model::testing::SUBJECT);
    mail.message_id = None;
    assert!(matches!(of(id, made, &mail).verdict, Verdict::Record(_)));
}

#[test]
fn only_identifiers_of_our_form_are_looked_up() {
    let id = ActivityId::generate(NOW).to_string();
    assert!(may_be_ours(&format!("{id}@example.org")));
    for other in ["a@example.org", &id, "", "@", &format!("x{id}@example.org"), &id.replace('-', "")] {
        assert!(!may_be_ours(other), "{other}");
    }
}

#[test]
fn what_cannot_be_parsed_is_set_aside_with_its_source() {
    let failure = message_failure(FailureCode::MessageUnparsable, "nested too deep");
    let known = Facts::default();
    let bad = candidate(1, Err(failure.clone()));
    let entry = judge(bad, &known, &ReceiveRules::default(), ActivityId::generate(NOW), NOW);
    assert_eq!(entry.verdict, Verdict::SetAside(failure));
    assert!(entry.source.is_some() && entry.key.is_none());
}

#[test]
fn attachments_over_the_limits_are_flagged_and_named() {
    let rules = ReceiveRules::default();
    let limit = rules.maximum_attachment_size;
    let rows = [
        ("report.pdf", limit, None),
        ("report.pdf", limit + 1, Some(TOO_LARGE)),
        ("virus.exe", 1, Some(BLOCKED_TYPE)),
        ("virus.EXE", limit + 1, Some(BLOCKED_TYPE)),
        ("report.pdf.exe. .", 1, Some(BLOCKED_TYPE)),
        ("virus. exe", 1, Some(BLOCKED_TYPE)),
        ("exe", 1, None),
        ("", limit + 1, Some(TOO_LARGE)),
        ("exe.pdf", 1, None),
    ];
    for (file_name, size, expected) in rows {
        let mut with = message(1);
        with.attachments.push(attachment(file_name, size));
        let activity = recorded(candidate(1, Ok(with)));
        assert_eq!(activity.attachments[0].blocked, expected, "{file_name} {size}");
        let lines: Vec<&str> = activity.notifications.lines().collect();
        assert_eq!(lines.len(), 1 + usize::from(expected.is_some()), "{lines:?}");
        assert_eq!(lines[0], "One part was repaired.");
    }
}

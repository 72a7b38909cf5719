use super::{records::approval, *};
use crate::{
    admin::fixtures::{NOW, apply, config},
    model::{
        failure::FailureCode,
        ids::MailboxId,
        mailbox::{Approval, WorkloadState},
        record::StoredPassword,
    },
};

const FIRST: &str = r#"
[email_settings]
default_profile = "contoso"
[[profile]]
name = "contoso"
incoming = { host = "imap.contoso.example" }
[[user]]
name = "Ada"
email_address = "ada@contoso.example"
[[queue]]
name = "Support"
email_address = "support@contoso.example"
[[mailbox]]
email_address = "Support@contoso.example"
owner = "queue:Support"
approved = true
enabled = true
"#;

fn state(records: &mut Records, id: MailboxId) -> &mut WorkloadState {
    &mut records.mailboxes.iter_mut().find(|(mailbox, _)| mailbox.id == id).unwrap().0.incoming
}

fn outgoing(records: &mut Records, id: MailboxId) -> &mut WorkloadState {
    &mut records.mailboxes.iter_mut().find(|(mailbox, _)| mailbox.id == id).unwrap().0.outgoing
}

fn reconcile(records: &mut Records, text: &str) -> Vec<String> {
    let config = config(text);
    let plan = plan_declared(&config, records, NOW).unwrap();
    plan.iter().for_each(|planned| apply(records, planned.change.clone()));
    assert_eq!(plan_declared(&config, records, NOW).unwrap(), [], "a second plan is empty");
    plan.iter().map(ToString::to_string).collect()
}

fn mailbox<'r>(records: &'r Records, address: &str) -> &'r Mailbox {
    &records.mailboxes.iter().find(|(mailbox, _)| mailbox.email_address == address).unwrap().0
}

#[test]
fn a_first_plan_makes_everything() {
    let mut records = Records::default();
    assert_eq!(
        reconcile(&mut records, FIRST),
        [
            "profile contoso: new, imap.contoso.example:993 (tls)",
            "user Ada: new, ada@contoso.example",
            "queue Support: new, support@contoso.example",
            "mailbox Support@contoso.example: new, approved, enabled",
            "mailbox ada@contoso.example: new, waiting for approval, not enabled",
        ]
    );
    let support = mailbox(&records, "Support@contoso.example");
    assert_eq!(support.profile, Some(records.profiles[0].0.id));
    assert!(records.profiles[0].0.is_default && support.incoming.enabled);
    assert_eq!(support.owner, records.owners.iter().find(|owner| owner.name == "Support").map(|owner| owner.id));
    assert_eq!(support.managed_by.as_deref(), Some("config:test.toml:13"));
}

#[test]
fn what_vanishes_is_retired_and_comes_back_with_its_state() {
    let mut records = Records::default();
    reconcile(&mut records, FIRST);
    let id = mailbox(&records, "Support@contoso.example").id;
    state(&mut records, id).last_success_at = Some(NOW);
    assert_eq!(
        reconcile(&mut records, ""),
        [
            "mailbox Support@contoso.example: not declared any more: becomes inactive, what it recorded stays",
            "mailbox ada@contoso.example: not declared any more: becomes inactive, what it recorded stays",
            "user Ada: not declared any more: becomes inactive, what it recorded stays",
            "queue Support: not declared any more: becomes inactive, what it recorded stays",
            "profile contoso: not declared any more: becomes inactive, what it recorded stays",
        ]
    );
    let lines = reconcile(&mut records, FIRST);
    assert!(lines.contains(&"mailbox Support@contoso.example: comes back".to_owned()), "{lines:?}");
    let back = mailbox(&records, "Support@contoso.example");
    assert_eq!((back.id, back.active, back.incoming.last_success_at), (id, true, Some(NOW)));
    assert_eq!((records.profiles.len(), records.owners.len(), records.mailboxes.len()), (1, 2, 2));
}

const ADDRESS: &str = "Support@contoso.example";

fn disable(records: &mut Records) {
    let id = mailbox(records, ADDRESS).id;
    *state(records, id) = WorkloadState { failure_code: Some(FailureCode::AuthRejected), ..WorkloadState::default() };
}

#[test]
fn what_the_file_says_of_enabled_is_done_once() {
    let mut records = Records::default();
    reconcile(&mut records, FIRST);
    disable(&mut records);
    assert_eq!(reconcile(&mut records, FIRST), [""; 0], "a start or a reload does not enable what failed for good");
    let off = FIRST.replace("enabled = true", "enabled = false");
    let line = format!("mailbox {ADDRESS}: declared enabled true -> false");
    let forgotten = format!("mailbox {ADDRESS}: stays disabled, and not because of a failure (auth-rejected)");
    assert_eq!(reconcile(&mut records, &off), [line, forgotten]);
    assert_eq!(reconcile(&mut records, &off), [""; 0]);
    let id = mailbox(&records, ADDRESS).id;
    state(&mut records, id).enabled = true;
    assert_eq!(reconcile(&mut records, &off), [format!("mailbox {ADDRESS}: disabled")], "false always holds");
    records.tested.insert(id);
    let called_off = format!("mailbox {ADDRESS}: its test is called off");
    assert_eq!(reconcile(&mut records, &off), [called_off], "and for a test that would enable it");
    records.tested.clear();
    let lines = reconcile(&mut records, FIRST);
    let declared = format!("mailbox {ADDRESS}: declared enabled false -> true");
    assert_eq!(lines, [declared, format!("mailbox {ADDRESS}: enabled")]);
    // Without the key nothing changes, whichever way it stands.
    let silent = FIRST.replace("enabled = true", "");
    let line = format!("mailbox {ADDRESS}: declared enabled true -> none");
    assert_eq!(reconcile(&mut records, &silent), [line.as_str()]);
    disable(&mut records);
    assert_eq!(reconcile(&mut records, &silent), [""; 0]);
}

#[test]
fn a_mailbox_that_failed_for_good_is_enabled_again_where_its_declaration_changes() {
    let key = "owner = \"queue:Support\"";
    let with = |line: &str| FIRST.replace(key, &format!("{key}\n{line}"));
    let other = with("profile = \"other\"")
        .replace("[[user]]", "[[profile]]\nname = \"other\"\nincoming = { host = \"imap.other.example\" }\n[[user]]");
    let expected = format!("mailbox {ADDRESS}: enabled (it was disabled: auth-rejected)");
    for changed in [with("username = \"support\""), with("password_file = \"/p\""), other] {
        let mut records = Records::default();
        reconcile(&mut records, FIRST);
        disable(&mut records);
        let lines = reconcile(&mut records, &changed);
        assert!(lines.contains(&expected), "{lines:?}");
        disable(&mut records);
        assert_eq!(reconcile(&mut records, &changed), [""; 0]);
    }
    for unchanged in [with("name = \"Help\""), format!("\n{FIRST}")] {
        let mut records = Records::default();
        reconcile(&mut records, FIRST);
        disable(&mut records);
        let lines = reconcile(&mut records, &unchanged);
        assert!(!lines.contains(&expected), "{lines:?}");
    }
}

#[test]
fn a_mailbox_that_is_to_be_tested_is_tested_once() {
    let test = FIRST.replace("enabled = true", "enabled = \"test\"");
    let tested = format!("mailbox {ADDRESS}: will be tested");
    let mut records = Records::default();
    let lines = reconcile(&mut records, &test);
    let new = format!("mailbox {ADDRESS}: new, approved, not enabled");
    assert!(lines.windows(2).any(|pair| *pair == [new.clone(), tested.clone()]), "{lines:?}");
    assert_eq!(reconcile(&mut records, &test), [""; 0]);
    let lines = reconcile(&mut records, &test.replace("owner = \"queue", "username = \"s\"\nowner = \"queue"));
    assert_eq!(lines.last(), Some(&tested));

    // Before it is approved there is nothing to test; once the file approves it there is.
    let pending = test.replace("approved = true", "");
    let mut records = Records::default();
    assert!(!reconcile(&mut records, &pending).contains(&tested));
    assert_eq!(reconcile(&mut records, &test).last(), Some(&tested));
}

#[test]
fn approval_follows_the_file_then_people_then_the_settings() {
    use Approval::{Approved, Empty, Pending, Rejected};
    for (declared, required, before, after) in [
        (Some(true), true, None, Approved),
        (Some(true), true, Some(Rejected), Approved),
        (Some(false), false, Some(Approved), Pending),
        (Some(false), true, Some(Rejected), Rejected),
        (None, true, None, Pending),
        (None, false, None, Empty),
        (None, true, Some(Approved), Approved),
        (None, false, Some(Rejected), Rejected),
        (None, true, Some(Empty), Pending),
        (None, false, Some(Pending), Empty),
    ] {
        assert_eq!(approval(declared, required, before), after, "{declared:?} {required} {before:?}");
    }
}

#[test]
fn changes_are_told_field_by_field() {
    let mut records = Records::default();
    reconcile(&mut records, FIRST);
    let changed = FIRST
        .replace("imap.contoso.example", "imap2.contoso.example")
        .replace("owner = \"queue:Support\"", "owner = \"queue:Support\"\nusername = \"support\"");
    assert_eq!(
        reconcile(&mut records, &changed),
        [
            "profile contoso: incoming imap.contoso.example:993 (tls) -> imap2.contoso.example:993 (tls)",
            "mailbox Support@contoso.example: username Support@contoso.example -> support",
        ]
    );
    assert_eq!(
        reconcile(&mut records, &format!("\n{changed}")),
        [
            "profile contoso: declared at test.toml:5 now",
            "user Ada: declared at test.toml:8 now",
            "queue Support: declared at test.toml:11 now",
            "mailbox Support@contoso.example: declared at test.toml:14 now",
            "mailbox ada@contoso.example: declared at test.toml:8 now",
        ]
    );
}

#[test]
fn another_address_is_another_mailbox_and_case_is_not() {
    let mut records = Records::default();
    reconcile(&mut records, FIRST);
    let before = mailbox(&records, "Support@contoso.example").id;
    let lines = reconcile(&mut records, &FIRST.replace("\"Support@", "\"SUPPORT@"));
    assert_eq!(
        lines,
        ["mailbox SUPPORT@contoso.example: email_address Support@contoso.example -> SUPPORT@contoso.example; \
          name Support@contoso.example -> SUPPORT@contoso.example; \
          username Support@contoso.example -> SUPPORT@contoso.example"]
    );
    assert_eq!(mailbox(&records, "SUPPORT@contoso.example").id, before);
    let lines = reconcile(&mut records, &FIRST.replace("\"Support@", "\"help@"));
    assert!(lines.contains(&"mailbox help@contoso.example: new, approved, enabled".to_owned()), "{lines:?}");
    assert!(!mailbox(&records, "SUPPORT@contoso.example").active);
    assert_ne!(mailbox(&records, "help@contoso.example").id, before);
}

#[test]
fn records_made_by_command_are_left_alone() {
    let mut records = Records::default();
    reconcile(&mut records, FIRST);
    records.mailboxes.iter_mut().for_each(|(mailbox, _)| mailbox.managed_by = None);
    records.profiles.iter_mut().for_each(|(profile, _)| profile.managed_by = None);
    records.owners.iter_mut().for_each(|owner| owner.managed_by = None);
    assert_eq!(reconcile(&mut records, ""), [""; 0]);
}

#[test]
fn foreign_names_cannot_forge_lines() {
    let records = Records::default();
    let mut planner = Planner::new(&records, NOW);
    planner.add(RecordChange::RetireProfile(ProfileId::generate(NOW)), "profile", "a\nb\u{1b}[31m", "x\ny");
    assert_eq!(planner.changes[0].to_string(), "profile a b [31m: x y");
}

#[test]
fn passwords_that_would_reach_another_server_are_counted() {
    const TWO: &str = r#"
[[profile]]
name = "north"
incoming = { host = "imap.north.example" }
[[profile]]
name = "south"
incoming = { host = "imap.south.example" }
[[queue]]
name = "A"
email_address = "a@x.example"
[[queue]]
name = "B"
email_address = "b@x.example"
[[mailbox]]
email_address = "a@x.example"
owner = "queue:A"
profile = "north"
[[mailbox]]
email_address = "b@x.example"
owner = "queue:B"
profile = "north"
"#;
    let mut records = Records::default();
    reconcile(&mut records, TWO);
    let moved = TWO.replacen("profile = \"north\"", "profile = \"south\"", 1);
    let lines = |text: &str, records: &Records| -> Vec<String> {
        let plan = plan_declared(&config(text), records, NOW).unwrap();
        plan.iter().map(ToString::to_string).collect()
    };
    assert_eq!(lines(&moved, &records), ["mailbox a@x.example: profile north -> south"], "no password is stored");

    let owners: Vec<SecretOwner> =
        records.mailboxes.iter().map(|(mailbox, _)| SecretOwner::Mailbox(mailbox.id)).collect();
    records.passwords = owners.iter().map(|owner| StoredPassword { owner: *owner, locked_at: None }).collect();
    let locked = "is locked until entered again: mailsyncd secret set";
    assert_eq!(
        lines(&moved, &records),
        [format!("mailbox a@x.example: profile north -> south; 1 stored password {locked}")]
    );
    let repointed = moved.replace("imap.north", "imap.evil");
    assert_eq!(
        lines(&repointed, &records),
        [
            "profile north: incoming imap.north.example:993 (tls) -> imap.evil.example:993 (tls); \
             2 stored passwords are locked until entered again: mailsyncd secret set",
            "mailbox a@x.example: profile north -> south",
        ],
        "each is counted once"
    );
    let together = moved.replace("imap.south", "imap.north");
    assert_eq!(lines(&together, &records).len(), 2);
    assert!(lines(&together, &records)[1].ends_with("profile north -> south"), "it is the same server");
    records.passwords[0].locked_at = Some(NOW);
    assert!(lines(&repointed, &records)[0].contains("1 stored password is locked until"));
}

#[test]
fn a_profile_keeps_its_protocol() {
    let mut records = Records::default();
    reconcile(&mut records, FIRST);
    let pop3 = FIRST.replace("name = \"contoso\"", "name = \"contoso\"\nserver_type = \"pop3_smtp\"");
    let error = plan_declared(&config(&pop3), &records, NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration has a problem\n  test.toml:4: profile contoso cannot become pop3_smtp: it is imap_smtp\n    \
         hint: make a new profile under another name and move the mailboxes to it"
    );
    let moved = pop3.replace("\"contoso\"", "\"contoso-pop3\"");
    let lines = reconcile(&mut records, &moved);
    assert!(lines.iter().any(|line| line.ends_with("-> contoso-pop3")), "{lines:?}");
}

#[path = "changes/sending_tests.rs"]
mod sending;

//! What is declared of sending.

use super::*;

const SENDING: &str = r#"
[email_settings]
default_profile = "contoso"
[[profile]]
name = "contoso"
incoming = { host = "imap.contoso.example" }
outgoing = { host = "smtp.contoso.example" }
[[queue]]
name = "Support"
email_address = "support@contoso.example"
[[mailbox]]
email_address = "support@contoso.example"
owner = "queue:Support"
outgoing = "server_side_sync"
approved = true
enabled = true
"#;

#[test]
fn sending_is_enabled_where_it_is_wanted() {
    let mut records = Records::default();
    assert_eq!(
        reconcile(&mut records, SENDING),
        [
            "profile contoso: new, imap.contoso.example:993 (tls), sending through smtp.contoso.example:465 (tls)",
            "queue Support: new, support@contoso.example",
            "mailbox support@contoso.example: new, approved, enabled, sends",
        ]
    );
    let id = mailbox(&records, "support@contoso.example").id;
    assert!(mailbox(&records, "support@contoso.example").outgoing.enabled);
    let failed = WorkloadState { failure_code: Some(FailureCode::AuthRejected), ..WorkloadState::default() };
    let line = "mailbox support@contoso.example: sending enabled (it was disabled: auth-rejected)";

    let silent = SENDING.replace("server_side_sync", "none");
    assert_eq!(reconcile(&mut records, &silent), ["mailbox support@contoso.example: send true -> false"]);
    *outgoing(&mut records, id) = failed;
    assert_eq!(reconcile(&mut records, &silent), [""; 0], "what is not wanted is not enabled");
    assert_eq!(reconcile(&mut records, SENDING), ["mailbox support@contoso.example: send false -> true", line]);
    let off = SENDING.replace("enabled = true", "enabled = false");
    let lines = [
        "mailbox support@contoso.example: declared enabled true -> false",
        "mailbox support@contoso.example: disabled",
        "mailbox support@contoso.example: sending disabled",
    ];
    assert_eq!(reconcile(&mut records, &off), lines);
}

#[test]
fn changes_of_sending_are_told_field_by_field() {
    let mut records = Records::default();
    reconcile(&mut records, SENDING);
    let changed = SENDING
        .replace("\"smtp.contoso.example\"", "\"smtp.contoso.example\", security = \"starttls\", auth = \"login\"")
        .replace("[[queue]]", "save_to_sent = true\nin_doubt = \"hold\"\n[[queue]]")
        .replace("approved", "may_send_as = [\"b@x\", \"a@x\"]\ndelete_after_processing = true\napproved");
    let lines = reconcile(&mut records, &changed);
    assert_eq!(
        &lines[..1],
        ["profile contoso: outgoing smtp.contoso.example:465 (tls) -> smtp.contoso.example:587 (starttls); \
          outgoing auth auto -> login; \
          save_to_sent false -> true; in_doubt none -> hold"]
    );
    assert_eq!(
        &lines[2..],
        ["mailbox support@contoso.example: may_send_as none -> a@x, b@x; delete_after_processing false -> true"]
    );
    let unsent = changed.replace("save_to_sent = true\nin_doubt = \"hold\"", "");
    assert!(reconcile(&mut records, &unsent)[0].contains("in_doubt hold -> none"));
}

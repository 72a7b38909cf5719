//! `activity send` and what follows, as a person sees it.

use std::{fs, time::Duration};

use mailsyncd::{
    admin::declared::reconcile,
    base::clock::Clock,
    config::Config,
    model::{
        failure::FailureCode,
        ids::NodeId,
        lease::Settlement,
        mailbox::{Workload, WorkloadState},
    },
    store::{Role, Store},
};
use tempfile::TempDir;

use super::masked;
use crate::support::{cli::run, golden};

const CONFIG: &str = r#"
[database]
url = "DATABASE"
[email_settings]
default_profile = "contoso"
approve_users = false
[sending]
maximum_message_size = "10kB"
[[profile]]
name = "contoso"
incoming = { host = "imap.contoso.example" }
outgoing = { host = "smtp.contoso.example" }
save_to_sent = true
in_doubt = "hold"
[[profile]]
name = "silent"
server_type = "pop3_smtp"
incoming = { host = "pop.contoso.example" }
[[queue]]
name = "Support"
email_address = "support@contoso.example"
[[user]]
name = "Ada"
email_address = "ada@contoso.example"
[[user]]
name = "Bob"
email_address = "bob@contoso.example"
[[user]]
name = "Eve"
email_address = "eve@contoso.example"
[[mailbox]]
email_address = "support@contoso.example"
owner = "queue:Support"
outgoing = "server_side_sync"
may_send_as = ["sales@contoso.example"]
delete_after_processing = true
approved = true
enabled = true
[[mailbox]]
email_address = "ada@contoso.example"
owner = "user:Ada"
outgoing = "server_side_sync"
[[mailbox]]
email_address = "bob@contoso.example"
owner = "user:Bob"
profile = "silent"
enabled = true
[[mailbox]]
email_address = "eve@contoso.example"
owner = "user:Eve"
outgoing = "server_side_sync"
approved = false
enabled = true
"#;

const FINISHED: &str = "From: Support <support@contoso.example>\nTo: anna@example.org\nBcc: secret@example.org\n\
                        Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nX-Crm: 42\n\nfinished\n";

/// A directory with a database in which everything is declared, and a script of what was typed.
struct Desk {
    directory: TempDir,
    text: String,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let url = format!("sqlite:{}", at("mail.db").display());
        fs::write(at("mailsyncd.toml"), CONFIG.replace("DATABASE", &url)).unwrap();
        fs::write(at("Angebot Größe.pdf"), b"%PDF-1.7\n").unwrap();
        fs::write(at("large.bin"), vec![7; 20_000]).unwrap();
        fs::write(at("page.html"), "<p>Hello</p>\n").unwrap();
        fs::write(at("mail.eml"), FINISHED).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let config = Config::load_with(&at("mailsyncd.toml"), None).unwrap();
            let (store, _) = Store::open_and_migrate(&config.database_url, Role::Tool).await.unwrap();
            reconcile(&store, &config, &Clock::System).await.unwrap();
            store.close().await;
        });
        Self { directory, text: String::new() }
    }

    /// Runs a command, writes down what a person would see, and returns standard output.
    fn go(&mut self, arguments: &[&str], input: &str) -> String {
        let ran = run(self.directory.path(), &[&["--config", "mailsyncd.toml"], arguments].concat(), input);
        let out = ran.text();
        let typed = arguments.join(" ");
        self.text.push_str(&format!("$ mailsyncd {typed}\n{out}{}[exit {}]\n\n", ran.stderr, ran.status));
        out.trim_end().to_owned()
    }

    /// Everything so far; times, which are those of the run, masked.
    fn script(&self) -> String {
        let masked = masked(&self.text, self.directory.path());
        let words = masked.split_inclusive(['\n', ' ', '"']).map(|word| {
            let text = word.trim_end_matches(['\n', ' ', '"', ',']);
            let is_time = text.len() >= 20 && text.starts_with("20") && text.ends_with('Z') && text.contains('T');
            // A far one is no time of the run.
            if is_time && !text.starts_with("2099") { word.replace(text, "[TIME]") } else { word.to_owned() }
        });
        words.collect()
    }
}

#[test]
fn a_mail_is_queued_held_and_sent_again() {
    let mut desk = Desk::new();
    let send: &[&str] = &["activity", "send", "--from"];
    let id = desk.go(
        &[
            send,
            &["Contoso Support <support@contoso.example>", "--to", "Anna <anna@example.org>", "--cc", "b@example.org"],
            &["--bcc", "c@example.org", "--reply-to", "answers@contoso.example", "--subject", "Your offer, № 7"],
            &["--body", "Hello Anna", "--html", "page.html", "--attach", "Angebot Größe.pdf"],
            &["--send-after", "2099-01-01T08:00:00Z", "--idempotency-key", "order-7"],
        ]
        .concat(),
        "",
    );
    let again = desk.go(
        &[send, &["support@contoso.example", "--to", "anna@example.org", "--idempotency-key", "order-7"]].concat(),
        "",
    );
    assert_eq!(again, id);
    desk.go(&["activity", "hold", &id, "--json"], "");
    for command in ["hold", "retry", "cancel", "retry"] {
        desk.go(&["activity", command, &id], "");
    }
    desk.go(&["activity", "cancel", "00000000-0000-7000-8000-000000000000"], "");
    desk.go(&["activity", "show", &id], "");
    desk.go(&["activity", "show", &id, "--json"], "");
    desk.go(&["activity", "show", &id, "--source"], "");
    let finished = desk.go(&["activity", "send", "mail.eml", "--json"], "");
    let finished: serde_json::Value = serde_json::from_str(&finished).unwrap();
    let finished = finished["id"].as_str().unwrap().to_owned();
    desk.go(&["activity", "show", &finished], "");
    desk.go(&["activity", "list", "--status", "pending_send"], "");
    desk.go(&["activity", "list", "--mailbox", "support@contoso.example", "--json"], "");
    let answer = desk.go(&["activity", "send", "--reply-to-activity", &finished, "--body-file", "-"], "More\n");
    desk.go(&["activity", "show", &answer], "");
    desk.go(&["status"], "");
    desk.go(&["mailbox", "show", "support@contoso.example"], "");
    desk.go(&["mailbox", "show", "ada@contoso.example"], "");
    desk.go(&["mailbox", "show", "bob@contoso.example"], "");
    desk.go(&["mailbox", "list"], "");
    desk.go(&["profile", "show", "contoso"], "");
    desk.go(&["profile", "list"], "");
    golden::compare("cli/sending.txt", &desk.script());
}

#[test]
fn a_profile_that_would_change_its_protocol_is_told_of() {
    let mut desk = Desk::new();
    let file = desk.directory.path().join("mailsyncd.toml");
    let text = fs::read_to_string(&file).unwrap();
    let other = text.replace("server_type = \"pop3_smtp\"", "server_type = \"imap_smtp\"");
    fs::write(&file, &other).unwrap();
    desk.go(&["check", "--plan"], "");
    desk.go(&["check", "--plan", "--json"], "");
    desk.go(&["run", "--once"], "");
    let moved = other.replace("\"silent\"", "\"silent-imap\"");
    fs::write(&file, moved).unwrap();
    desk.go(&["check", "--plan"], "");
    golden::compare("cli/protocol.txt", &desk.script());
}

/// A failure of sending is seen, and a new password mends it.
#[test]
fn a_new_password_has_sending_tried_again() {
    let mut desk = Desk::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::load_with(&desk.directory.path().join("mailsyncd.toml"), None).unwrap();
    let state = runtime.block_on(async {
        let store = Store::open(&config.database_url, Role::Tool).await.unwrap();
        let (records, now) = (store.records().await.unwrap(), Clock::System.now());
        let support = records.mailboxes.iter().find(|(mailbox, _)| mailbox.email_address.starts_with("support"));
        let (ids, ttl) = ([support.unwrap().0.id], Duration::from_secs(60));
        let claimed = store.claim(Workload::Outgoing, NodeId::generate(now), &ids, now, ttl).await.unwrap();
        let state = WorkloadState {
            failure_code: Some(FailureCode::AuthRejected),
            last_error: Some("535 5.7.8 no".to_owned()),
            ..WorkloadState::default()
        };
        store.settle(&[Settlement { fence: claimed[0].fence, state, alerts: Vec::new() }], now).await.unwrap();
        store.close().await;
        async || {
            let store = Store::open(&config.database_url, Role::Tool).await.unwrap();
            let records = store.records().await.unwrap();
            store.close().await;
            let mut mailboxes = records.mailboxes.into_iter();
            mailboxes.find(|(mailbox, _)| mailbox.email_address.starts_with("support")).unwrap().0.outgoing
        }
    });
    desk.go(&["status"], "");
    desk.go(&["mailbox", "show", "support@contoso.example"], "");
    desk.go(&["activity", "send", "--from", "support@contoso.example", "--to", "a@example.org"], "");
    assert!(!runtime.block_on(state()).enabled);
    desk.go(&["key", "new", "key"], "");
    let file = desk.directory.path().join("mailsyncd.toml");
    fs::write(&file, format!("secrets.key_file = \"key\"\n{}", fs::read_to_string(&file).unwrap())).unwrap();
    desk.go(&["secret", "set", "support@contoso.example"], "secret\n");
    assert_eq!(runtime.block_on(state()), WorkloadState { enabled: true, ..WorkloadState::default() });
    golden::compare("cli/sending-disabled.txt", &desk.script());
}

#[test]
fn a_finished_mail_is_sent_as_it_is() {
    let mut desk = Desk::new();
    let id = desk.go(&["activity", "send", "-"], FINISHED);
    let source = desk.go(&["activity", "show", &id, "--source"], "");
    let own: Vec<&str> = FINISHED.lines().filter(|line| !line.starts_with("Bcc")).collect();
    assert!(source.ends_with(&own.join("\r\n")), "{source}");
    assert!(source.contains(&format!("X-Mailsyncd-Id: {id}\r\n")), "{source}");
    assert!(source.contains(&format!("Message-ID: <{id}@contoso.example>\r\n")), "{source}");
}

#[test]
fn what_cannot_be_sent_is_explained() {
    let mut desk = Desk::new();
    let support = "support@contoso.example";
    for arguments in [
        &["--to", "a@example.org"][..],
        &["--from", "suport@contoso.example", "--to", "a@example.org"],
        &["--from", "ada@contoso.example", "--to", "a@example.org"],
        &["--from", "bob@contoso.example", "--to", "a@example.org"],
        &["--from", "eve@contoso.example", "--to", "a@example.org"],
        &["--from", support],
        &["--from", support, "--to", "anna"],
        &["--from", support, "--to", "a@example.org", "--subject", "a\r\nBcc: b@example.org"],
        &["--from", support, "--to", "a@example.org", "--attach", "large.bin"],
        &["--from", support, "--to", "a@example.org", "--attach", "missing.pdf"],
        &["--from", support, "--to", "a@example.org", "--body-file", "large.bin"],
        &["--from", support, "--to", "a@example.org", "--html", "/proc/self/mem"],
        &["--from", support, "--to", "a@example.org", "--send-as", "ceo@contoso.example"],
        &["--from", support, "--reply-to-activity", "00000000-0000-7000-8000-000000000000"],
        &["large.bin"],
        &["missing.eml"],
    ] {
        desk.go(&[&["activity", "send"], arguments].concat(), "");
    }
    let wrong = FINISHED.replace("Subject:", "no field");
    desk.go(&["activity", "send", "-"], &wrong);
    let other = FINISHED.replace("support@", "sales@");
    desk.go(&["activity", "send", "-"], &other);
    desk.go(&["activity", "list"], "");
    // With the mailbox that may send as the one in From, it can.
    assert_eq!(desk.go(&["activity", "send", "-", "--from", support], &other).len(), 36);
    golden::compare("cli/sending-refused.txt", &desk.script());
}

//! A CRM queues mail with SQL, typed as the operators' page says, into the programs that it names.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use mailsyncd::{
    model::{
        activity::{ActivityStatus, Verdict},
        audit::Actor,
        mailbox::Workload,
        outbox::OutboxContent,
    },
    store::ActivityFilter,
};

use super::{
    fixtures::*,
    outbox::{claim_all, composed, lease, rows, settled},
};
use crate::support::databases::{TestDatabase, databases};

/// The block of the operators' page in this language.
fn documented(language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = page.split_once(&format!("```{language}\n")).and_then(|(_, rest)| rest.split_once("```"));
    block.unwrap().0.to_owned()
}

/// Types `sql` into `sqlite3` or `psql`; gives what it complains about.
fn typed(database: &TestDatabase, sql: &str) -> Result<(), String> {
    let mut program = match database.url.strip_prefix("sqlite:") {
        Some(path) => {
            let mut program = Command::new("sqlite3");
            program.args(["-bail", path]).current_dir(Path::new(path).parent().unwrap());
            program
        }
        None => {
            let mut program = Command::new("psql");
            program.args(["-qX", "-v", "ON_ERROR_STOP=1", &database.url]);
            program
        }
    };
    let mut child =
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("installed");
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_goes_to_whom_the_page_says_and_its_result_is_read() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["anna@contoso.example"]).await.remove(0);
        let mut order = record(1, 1);
        if let Verdict::Record(activity) = &mut order.verdict {
            activity.message.message_id = Some("order-4711@customer.example".to_owned());
        }
        let fence = claim(store, mailbox.id, at(0)).await;
        store.commit_batch(fence, &commit(vec![order], 1), at(10)).await.unwrap();
        let sqlite = database.url.starts_with("sqlite");
        typed(&database, &documented(if sqlite { "sqlite answer" } else { "postgres answer" })).unwrap();

        let now = mailsyncd::base::clock::Clock::System.now();
        let fence = lease(store, mailbox.id, now).await;
        let mail = claim_all(store, fence, now).await.remove(0);
        let OutboxContent::Draft(draft) = &mail.content else { panic!("{mail:?}") };
        assert_eq!((draft.subject.as_str(), mail.parties.len()), ("Re: subject 1", 1));
        assert_eq!(mail.parties[0].party.address, "from@example.org");
        assert_eq!(draft.in_reply_to.as_deref(), Some("order-4711@customer.example"));
        assert_eq!(draft.references, ["a@example.org", "b@example.org", "order-4711@customer.example"]);

        database
            .execute("UPDATE email_activities SET idempotency_key = 'order-4711' WHERE direction = 'outgoing'")
            .await;
        let results = documented("sql sent");
        let (sent, alerts) = results.split_once(";\n").unwrap();
        assert_eq!(rows(&database, &format!("SELECT address FROM ({sent}) x")).await, ["from@example.org"]);
        let alerts = alerts.trim().trim_end_matches(';');
        assert!(rows(&database, &format!("SELECT code FROM ({alerts}) x")).await.is_empty());
    }
}

/// Nothing complains of it: the page says how it shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_of_an_address_that_no_mailbox_has_is_not_queued_and_that_can_be_seen() {
    for database in databases().await {
        with_mailboxes(&database.store, &["bert@contoso.example"]).await;
        let language = if database.url.starts_with("sqlite") { "sqlite" } else { "postgres" };
        typed(&database, &documented(language)).unwrap();
        assert!(rows(&database, documented("sql queued").trim()).await.is_empty());
    }
}

/// What the page has in a configuration file is right.
#[test]
fn the_mailbox_of_the_page_sends() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mailsyncd.toml");
    let user = "[[user]]\nname = \"Anna\"\nemail_address = \"anna@contoso.example\"\n";
    std::fs::write(&file, format!("{user}{}", documented("toml"))).unwrap();
    let config = mailsyncd::config::Config::load_with(&file, None).unwrap();
    assert_eq!(config.declared.mailboxes[0].may_send_as, ["sales@contoso.example"]);
}

fn insert(columns: &str, values: &str) -> String {
    format!(
        "INSERT INTO email_activities (mailbox, direction, status, subject{columns}) \
         SELECT id, 'outgoing', 'pending_send', 's'{values} FROM mailboxes WHERE email_address = 'anna@contoso.example';"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_page_says_is_sent() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["anna@contoso.example"]).await.remove(0);
        let sqlite = database.url.starts_with("sqlite");
        if let Some(directory) = &database.directory {
            std::fs::write(directory.path().join("invoice.pdf"), b"%PDF-1.4").unwrap();
        }
        let sql = documented(if sqlite { "sqlite" } else { "postgres" });
        typed(&database, &sql).unwrap();
        assert_eq!(rows(&database, documented("sql queued").trim()).await, ["pending_send"]);
        let twice = typed(&database, &sql).unwrap_err();
        assert!(twice.to_lowercase().contains("unique"), "{twice}");
        typed(&database, &insert(", send_after", ", '2999-01-31T23:59:59.000000Z'")).unwrap();
        assert_eq!(rows(&database, "SELECT subject FROM email_activities").await.len(), 2);

        // A plain insert of a thousand years ahead has no recipient: it is given up, and says so.
        let now = mailsyncd::base::clock::Clock::System.now();
        assert_eq!(store.explain_stuck(now).await.unwrap().len(), 1);
        let failed = "SELECT failure_detail FROM email_activities WHERE status = 'failed'";
        assert!(rows(&database, failed).await[0].contains("no recipient"));

        let due = store.schedule_entries(Workload::Outgoing).await.unwrap();
        assert!(due.len() == 1 && due[0].due <= Some(now), "{due:?}");
        let fence = lease(store, mailbox.id, now).await;
        let mail = claim_all(store, fence, now).await.remove(0);
        assert_eq!((mail.sender.as_str(), mail.queued_at, mail.attempts), ("anna@contoso.example", now, 1));
        assert_eq!(mail.parties[0].party.address, "carla@customer.example");
        let OutboxContent::Draft(draft) = &mail.content else { panic!("{mail:?}") };
        assert_eq!((draft.subject.as_str(), draft.text.as_deref()), ("Your order 4711", Some("It is on its way.")));
        assert_eq!(draft.attachments[0].content, b"%PDF-1.4");
        assert_eq!(draft.attachments[0].file_name, "invoice.pdf");
        store.put_composed(fence, &[composed(mail.activity, 1)]).await.unwrap();
        store.mark_dot(fence, mail.activity, &[], now).await.unwrap();
        let sent = settled(mail.activity, mailsyncd::model::outbox::MailVerdict::Sent(None));
        store.settle_mail(fence, &sent, now).await.unwrap();
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_insert_is_refused_with_its_reason() {
    for database in databases().await {
        with_mailboxes(&database.store, &["anna@contoso.example"]).await;
        let refused = |columns: &str, values: &str| typed(&database, &insert(columns, values)).unwrap_err();
        refused(", send_after", ", 'tomorrow at noon'");
        refused(", id", ", 'not-a-uuid'");
        refused(", answers", ", 'not-a-uuid'");
        refused(", dot_at", ", '2026-01-31T23:59:59.000000Z'");
        refused(", delivery_attempts", ", -1");
        if database.url.starts_with("sqlite") {
            let words = refused(", send_after", ", '2026-01-31 23:59:59'");
            assert!(words.contains("written as 2026-01-31T23:59:59.000000Z"), "{words}");
            // What looks like a time or an id and is none would stop whoever reads it.
            for time in ["2026-02-30T00:00:00", "2026-13-01T00:00:00", "2026-01-00T00:00:00", "2026-01-01T25:00:00"] {
                for column in ["send_after", "postponed_until", "created_at"] {
                    refused(&format!(", {column}"), &format!(", '{time}.000000Z'"));
                }
            }
            refused(", id", ", '123456-8-1234-4234-8234-12345678-012'");
            // The shell looks after no foreign key of itself.
            let orphan = "INSERT INTO email_activities (mailbox, direction, status, subject) \
                          VALUES ('nobody', 'outgoing', 'pending_send', 's');";
            typed(&database, orphan).unwrap();
            assert_eq!(database.store.explain_stuck(at(0)).await.unwrap().len(), 1);
            let why = rows(&database, "SELECT failure_detail FROM email_activities").await;
            assert_eq!(why, ["there is no such mailbox"]);
            // A person sees it, and can withdraw it.
            let listed = database.store.activities(&ActivityFilter::default()).await.unwrap().remove(0);
            assert_eq!((listed.mailbox.as_str(), listed.status), ("nobody", ActivityStatus::Failed));
            assert_eq!(database.store.activity(listed.id).await.unwrap().unwrap().row.mailbox, "nobody");
            database.store.cancel_mail(listed.id, &Actor::CommandLine("anna".into()), at(1)).await.unwrap();
        }
        assert_eq!(database.store.schedule_entries(Workload::Outgoing).await.unwrap(), []);
    }
}

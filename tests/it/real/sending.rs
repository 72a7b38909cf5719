//! Mail queued by command, sent by the daemon through a real Postfix, and read back by it.

use std::{fs, path::Path, process::Output};

use serde_json::Value;

use super::{ANNA, BERT};
use crate::support::{
    daemon::{Daemon, Profile, text_of},
    dovecot::Dovecot,
    postfix::{Postfix, ready},
    process::{LONG, wait_for},
};

/// Anna and Bert, who read and send through servers of ours.
fn anna_and_bert() -> (Dovecot, Postfix, Daemon) {
    let dovecot = Dovecot::start();
    let mut daemon = Daemon::new();
    for user in [ANNA, BERT] {
        dovecot.set_password(user, "a password");
    }
    let postfix = Postfix::start(&dovecot);
    let read = |authority: &Path| fs::read_to_string(authority).unwrap();
    fs::write(daemon.path("authorities"), read(dovecot.authority()) + &read(postfix.authority())).unwrap();
    let outgoing = format!("outgoing = {{ host = \"localhost\", port = {} }}\n", postfix.submissions);
    // The second profile is there for its port alone, which joins those that may be dialled.
    let port = Profile::at(postfix.submissions, "tls").named("port");
    daemon = daemon.with_profile(port).with_profile(Profile { more: outgoing, ..Profile::of(&dovecot) });
    daemon = daemon.with_mailbox(ANNA, "a password").with_mailbox(BERT, "a password");
    daemon.configuration.authority = Some(daemon.path("authorities"));
    daemon.configuration.sections.insert("email_settings", "outgoing = \"server_side_sync\"\n".to_owned());
    (dovecot, postfix, daemon)
}

fn queued(sent: &Output) -> String {
    assert!(sent.status.success(), "{}", text_of(sent));
    String::from_utf8(sent.stdout.clone()).unwrap().trim().to_owned()
}

/// The mail, as soon as it stands so.
fn settled(daemon: &mut Daemon, id: &str, status: &str) -> Value {
    wait_for(LONG, &format!("{id} to be {status}"), || {
        let shown = daemon.json(&["activity", "show", id]);
        assert!(daemon.process().ended().is_none(), "the daemon ended:\n{}", daemon.log());
        (shown["status"] == status).then_some(shown)
    })
}

/// What the daemon recorded under this subject.
fn received(daemon: &mut Daemon, subject: &str) -> Value {
    let row = wait_for(LONG, &format!("{subject:?} to be recorded"), || {
        let rows = daemon.json(&["activity", "list", "--status", "received"]);
        rows.as_array().unwrap().iter().find(|row| row["subject"] == subject).cloned()
    });
    daemon.json(&["activity", "show", row["id"].as_str().unwrap()])
}

#[test]
fn a_mail_goes_out_is_read_back_and_answered() {
    if !ready() {
        return;
    }
    let (_dovecot, _postfix, mut daemon) = anna_and_bert();
    daemon.start();
    daemon.wait_for_log(&["declared record", BERT]);
    let file = daemon.path("Größe.pdf");
    fs::write(&file, b"%PDF\n\r\xff").unwrap();
    let id = queued(&daemon.cli(&[
        "activity",
        "send",
        "--from",
        &format!("Anna Ř. <{ANNA}>"),
        "--to",
        &format!("Bert <{BERT}>"),
        "--bcc",
        ANNA,
        "--subject",
        "Žádost №\u{a0}7",
        "--body",
        "Dear Bert,\n.\n..\nFrom here",
        "--attach",
        file.to_str().unwrap(),
    ]));
    let sent = settled(&mut daemon, &id, "sent");
    let results: Vec<&str> = sent["parties"].as_array().unwrap().iter().filter_map(|p| p["result"].as_str()).collect();
    assert_eq!((results, sent["delivery"]["attempts"].as_u64()), (vec!["accepted"; 2], Some(1)));

    let mail = received(&mut daemon, "Žádost №\u{a0}7");
    assert_eq!(mail["message_id"], sent["message_id"]);
    assert_eq!(mail["body_text"].as_str().unwrap().trim_end(), "Dear Bert,\n.\n..\nFrom here");
    let shown: Vec<String> =
        mail["parties"].as_array().unwrap().iter().map(|p| format!("{} {}", p["role"], p["address"])).collect();
    assert_eq!(shown, [format!("\"from\" \"{ANNA}\""), format!("\"to\" \"{BERT}\"")], "nobody sees Bcc");
    assert_eq!(mail["attachments"][0]["file_name"], "Größe.pdf");
    assert_eq!(mail["attachments"][0]["size"], 7);

    let received_id = mail["id"].as_str().unwrap().to_owned();
    let body = ["activity", "send", "--from", BERT, "--reply-to-activity", &received_id, "--body", "Yes."];
    let answer = queued(&daemon.cli(&body));
    settled(&mut daemon, &answer, "sent");
    let answer = received(&mut daemon, "Re: Žádost №\u{a0}7");
    assert_eq!(answer["in_reply_to"], mail["message_id"]);
    assert_eq!(answer["references"], serde_json::json!([mail["message_id"]]));
}

#[test]
fn a_mail_as_it_is_and_one_that_is_refused() {
    if !ready() {
        return;
    }
    let (_dovecot, _postfix, mut daemon) = anna_and_bert();
    daemon.start();
    daemon.wait_for_log(&["declared record", BERT]);
    let finished = format!("From: {ANNA}\nTo: {BERT}\nSubject: finished\nMessage-ID: <own@{ANNA}>\n\nas it is\n");
    let id = queued(&daemon.cli_with_input(&["activity", "send", "-"], &finished));
    settled(&mut daemon, &id, "sent");
    assert_eq!(received(&mut daemon, "finished")["message_id"], format!("own@{ANNA}"));

    let unknown = "unknown.person@sample.example";
    let send = ["activity", "send", "--from", ANNA, "--to", unknown, "--cc", BERT, "--subject", "half"];
    let id = queued(&daemon.cli(&send));
    let sent = settled(&mut daemon, &id, "sent");
    let party = |at: usize| (sent["parties"][at]["result"].clone(), sent["parties"][at]["reply_code"].as_u64());
    assert_eq!((party(1).0, party(1).1), ("refused".into(), Some(550)), "{sent}");
    assert_eq!(party(2).0, "accepted");
    let send = ["activity", "send", "--from", ANNA, "--to", unknown, "--subject", "nobody"];
    let id = queued(&daemon.cli(&send));
    let failed = settled(&mut daemon, &id, "failed");
    assert_eq!(failed["failure_code"], "recipients-refused");
    let status = daemon.json(&["status"]);
    assert!(status["alerts"].as_array().unwrap().iter().any(|alert| alert["subject"] == id.as_str()), "{status}");
}

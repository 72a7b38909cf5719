//! What a server may do to a mail, and where everything stands then.

use std::time::Duration;

use mailsyncd::{
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        outbox::InDoubt,
    },
    send::sink::FiledBy,
};

use super::{
    server::{Fault, Sent},
    world::World,
};
use crate::cycle::database::on_both;

const MINUTE: Duration = Duration::from_secs(60);

fn refused_log_in() -> Failure {
    Failure::new(FailureCode::AuthRejected, Scope::Mailbox, Persistence::UntilConfirmed, "no")
}

/// One row: what goes wrong in the transactions of a mail to a and b and one to c, one after the
/// other; then the mails, the recipients, the failure of the cycle, and what was received.
struct Case {
    name: &'static str,
    script: Vec<Option<Fault>>,
    mails: [&'static str; 2],
    recipients: [&'static str; 3],
    failure: Option<FailureCode>,
    received: &'static [&'static str],
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    use Fault::{Dot, DropAtDot, DropAtMail, DropInBody, LogIn, LoseReply, Mail, Rcpt};
    let all = ["one > a accepted 250", "one > b accepted 250", "two > c accepted 250"];
    vec![
        Case {
            name: "nothing",
            script: vec![],
            mails: ["one sent 1", "two sent 1"],
            recipients: all,
            failure: None,
            received: &["one > a", "one > b", "two > c"],
        },
        Case {
            name: "a recipient refused for good",
            script: vec![Some(Rcpt("b", 550, "5.1.1"))],
            mails: ["one sent recipients-refused 1", "two sent 1"],
            recipients: ["one > a accepted 250", "one > b refused 550", "two > c accepted 250"],
            failure: None,
            received: &["one > a", "two > c"],
        },
        Case {
            name: "a recipient refused for now",
            script: vec![Some(Rcpt("b", 450, "4.2.1"))],
            mails: ["one pending_send mail-deferred 1", "two sent 1"],
            recipients: ["one > a accepted 250", "one > b deferred 450", "two > c accepted 250"],
            failure: None,
            received: &["one > a", "two > c"],
        },
        Case {
            name: "too many recipients: the others at once",
            script: vec![Some(Rcpt("b", 452, "4.5.3"))],
            mails: ["one sent 2", "two sent 1"],
            recipients: all,
            failure: None,
            received: &["one > a", "one > b", "two > c"],
        },
        Case {
            name: "the content refused for good",
            script: vec![Some(Dot(554, "5.6.0"))],
            mails: ["one failed mail-refused 1", "two sent 1"],
            recipients: ["one > a refused 554", "one > b refused 554", "two > c accepted 250"],
            failure: None,
            received: &["two > c"],
        },
        Case {
            name: "the content refused for now",
            script: vec![Some(Dot(451, "4.3.0"))],
            mails: ["one pending_send mail-deferred 1", "two sent 1"],
            recipients: ["one > a deferred 451", "one > b deferred 451", "two > c accepted 250"],
            failure: None,
            received: &["two > c"],
        },
        Case {
            name: "the sender throttled: nothing fails, nothing is counted",
            script: vec![Some(Mail(432, "4.3.2"))],
            mails: ["one pending_send 0", "two pending_send 0"],
            recipients: ["one > a -", "one > b -", "two > c -"],
            failure: Some(FailureCode::SendingThrottled),
            received: &[],
        },
        Case {
            name: "the day's limit, said after the mail",
            script: vec![None, Some(Dot(550, "5.4.5"))],
            mails: ["one sent 1", "two pending_send 0"],
            recipients: ["one > a accepted 250", "one > b accepted 250", "two > c -"],
            failure: Some(FailureCode::SendingQuotaExceeded),
            received: &["one > a", "one > b"],
        },
        Case {
            name: "the log-in refused",
            script: vec![Some(LogIn(refused_log_in()))],
            mails: ["one pending_send 0", "two pending_send 0"],
            recipients: ["one > a -", "one > b -", "two > c -"],
            failure: Some(FailureCode::AuthRejected),
            received: &[],
        },
        Case {
            name: "the first connection breaks at MAIL",
            script: vec![Some(DropAtMail)],
            mails: ["one pending_send connection-lost 1", "two sent 1"],
            recipients: ["one > a -", "one > b -", "two > c accepted 250"],
            failure: None,
            received: &["two > c"],
        },
        Case {
            name: "a connection that took mail breaks at MAIL: no fault of the mail's",
            script: vec![None, Some(DropAtMail)],
            mails: ["one sent 1", "two sent 1"],
            recipients: all,
            failure: None,
            received: &["one > a", "one > b", "two > c"],
        },
        Case {
            name: "every connection breaks",
            script: vec![Some(DropAtMail), Some(DropInBody)],
            mails: ["one pending_send connection-lost 1", "two pending_send connection-lost 1"],
            recipients: ["one > a -", "one > b -", "two > c -"],
            failure: Some(FailureCode::ConnectionLost),
            received: &[],
        },
        Case {
            name: "lost within the mail",
            script: vec![Some(DropInBody)],
            mails: ["one pending_send connection-lost 1", "two sent 1"],
            recipients: ["one > a -", "one > b -", "two > c accepted 250"],
            failure: None,
            received: &["two > c"],
        },
        Case {
            name: "lost before the answer, not taken",
            script: vec![Some(DropAtDot)],
            mails: ["one sending delivery-in-doubt 1", "two sent 1"],
            recipients: ["one > a unknown 250", "one > b unknown 250", "two > c accepted 250"],
            failure: None,
            received: &["two > c"],
        },
        Case {
            name: "taken, and the answer is lost",
            script: vec![Some(LoseReply)],
            mails: ["one sending delivery-in-doubt 1", "two sent 1"],
            recipients: ["one > a unknown 250", "one > b unknown 250", "two > c accepted 250"],
            failure: None,
            received: &["one > a", "one > b", "two > c"],
        },
    ]
}

#[tokio::test]
async fn whatever_a_server_does_every_mail_stands_where_it_should() {
    for database in on_both().await {
        for case in cases() {
            let mut world = World::new(&database, Sent::Filled, InDoubt::Verify).await;
            world.queue("one", &["a", "b"]).await;
            world.queue("two", &["c"]).await;
            world.script(case.script);
            let report = world.cycle().await;
            let received: Vec<String> = world.received().into_keys().collect();
            assert_eq!(world.mails().await, case.mails, "{}", case.name);
            assert_eq!(world.recipients().await, case.recipients, "{}", case.name);
            assert_eq!(report.failure.map(|failure| failure.code), case.failure, "{}", case.name);
            assert_eq!(received, case.received, "{}", case.name);
        }
    }
}

/// Whatever happened, in the end everybody has every mail once, where the Sent folder tells.
#[tokio::test]
async fn in_the_end_everybody_who_is_not_refused_has_every_mail_once() {
    for database in on_both().await {
        for case in cases() {
            let mut world = World::new(&database, Sent::Filled, InDoubt::Verify).await;
            world.queue("one", &["a", "b"]).await;
            world.queue("two", &["c"]).await;
            world.script(case.script);
            world.to_the_end().await;
            assert!(world.received().values().all(|times| *times == 1), "{}: {:?}", case.name, world.received());
            for recipient in world.recipients().await {
                let (name, state) = recipient.split_at(7);
                let got = world.received().contains_key(name);
                assert_eq!(got, state.starts_with(" accepted"), "{}: {recipient}", case.name);
                assert!(got || state.starts_with(" refused"), "{}: {recipient}", case.name);
            }
            assert!(world.alerts().await.iter().all(|alert| !alert.contains("in-doubt")), "{}", case.name);
        }
    }
}

#[tokio::test]
async fn every_attempt_sends_the_same_bytes() {
    for database in on_both().await {
        let mut world = World::new(&database, Sent::Filled, InDoubt::Verify).await;
        world.queue("one", &["a", "b"]).await;
        world.script([Some(Fault::Rcpt("b", 450, "4.2.1"))]);
        world.to_the_end().await;
        let bytes = world.server.state().bytes.clone();
        assert_eq!(bytes.len(), 2);
        assert_eq!(bytes[0], bytes[1]);
    }
}

#[tokio::test]
async fn three_refused_senders_stop_a_mailbox() {
    for database in on_both().await {
        let mut world = World::new(&database, Sent::Missing, InDoubt::Hold).await;
        for subject in ["one", "two", "three", "zero"] {
            world.queue(subject, &["a"]).await;
        }
        world.script(vec![Some(Fault::Mail(550, "5.7.60")); 4]);
        let failure = world.cycle().await.failure.expect("sending stops");
        assert_eq!((failure.code, failure.scope), (FailureCode::SenderRefused, Scope::Mailbox));
        let last = "zero pending_send 0";
        let mails =
            ["one failed sender-refused 1", "three failed sender-refused 1", "two failed sender-refused 1", last];
        assert_eq!(world.mails().await, mails);
    }
}

/// The look into the Sent folder: at 60 s, 3 min, 10 min; what it proves, and what it does not.
#[tokio::test]
async fn the_sent_folder_settles_what_it_can_prove() {
    for database in on_both().await {
        for (case, sent, first_sent, fault, expected, times) in [
            ("filed", Sent::Filled, false, Fault::LoseReply, "one sent 1", 1),
            ("not taken, as others of ours are there", Sent::Filled, true, Fault::DropAtDot, "one sent 2", 1),
            ("nothing shows that it files", Sent::Filled, false, Fault::DropAtDot, "one held delivery-in-doubt 1", 0),
            ("it does not file", Sent::Empty, true, Fault::LoseReply, "one held delivery-in-doubt 1", 1),
            ("no folder", Sent::Missing, true, Fault::LoseReply, "one held delivery-in-doubt 1", 1),
        ] {
            let mut world = World::new(&database, sent, InDoubt::Verify).await;
            if first_sent {
                world.queue("zero", &["z"]).await;
                world.cycle().await;
            }
            world.queue("one", &["a"]).await;
            world.script([Some(fault)]);
            world.cycle().await;
            assert_eq!(world.alerts().await, ["one delivery-in-doubt warning"], "{case}");
            assert_eq!(world.cycle().await.sent, 0, "{case}: too early to look");
            for wait in [1, 2, 7, 3, 5] {
                world.pass(wait * MINUTE);
                world.cycle().await;
            }
            assert_eq!(world.mails().await[0], expected, "{case}");
            assert_eq!(world.received().get("one > a").copied().unwrap_or(0), times, "{case}");
            let alerts: &[&str] = if expected.contains("held") { &["one delivery-in-doubt error"] } else { &[] };
            assert_eq!(world.alerts().await, alerts, "{case}");
        }
    }
}

/// Where it was agreed that a mail may come twice, it is sent again, and a person is told until it is sent.
#[tokio::test]
async fn a_mail_in_doubt_that_may_come_twice_is_sent_again_and_told_of() {
    for database in on_both().await {
        for (fault, times) in [(Fault::LoseReply, 2), (Fault::DropAtDot, 1)] {
            let mut world = World::new(&database, Sent::Filled, InDoubt::Retry).await;
            world.queue("one", &["a"]).await;
            world.script([Some(fault)]);
            world.cycle().await;
            assert_eq!(world.mails().await, ["one pending_send delivery-in-doubt 1"]);
            assert_eq!(world.alerts().await, ["one delivery-in-doubt warning"]);
            world.pass(3 * MINUTE);
            world.cycle().await;
            assert_eq!(world.mails().await, ["one sent 2"]);
            assert!(world.alerts().await.is_empty(), "{:?}", world.alerts().await);
            assert_eq!(world.received()["one > a"], times);
            let ids: Vec<_> = world.server.state().bytes.clone();
            assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "the same bytes, and so the same Message-ID");
        }
    }
}

/// Who tidies up the Sent folder may have tidied up this one too.
#[tokio::test]
async fn a_sent_folder_with_gaps_proves_nothing() {
    for database in on_both().await {
        let mut world = World::new(&database, Sent::Filled, InDoubt::Verify).await;
        for subject in ["old", "new"] {
            world.queue(subject, &["a"]).await;
            world.cycle().await;
        }
        world.server.state().filed.pop();
        world.queue("one", &["a"]).await;
        world.script([Some(Fault::DropAtDot)]);
        for wait in [0, 1, 2, 7, 3, 5] {
            world.pass(wait * MINUTE);
            world.cycle().await;
        }
        assert!(world.mails().await.contains(&"one held delivery-in-doubt 1".to_owned()), "{:?}", world.mails().await);
    }
}

#[tokio::test]
async fn a_sent_folder_that_cannot_be_reached_is_asked_again() {
    for database in on_both().await {
        let mut world = World::new(&database, Sent::Filled, InDoubt::Verify).await;
        world.queue("one", &["a"]).await;
        world.script([Some(Fault::LoseReply)]);
        world.cycle().await;
        world.server.state().folder_down = true;
        for _ in 0..10 {
            world.pass(6 * MINUTE);
            assert_eq!(world.cycle().await.failure, None, "reading is another matter");
        }
        assert_eq!(world.mails().await, ["one sending delivery-in-doubt 1"]);
        world.server.state().folder_down = false;
        world.pass(6 * MINUTE);
        world.cycle().await;
        assert_eq!(world.mails().await, ["one sent 1"]);
    }
}

/// SQLite keeps as text whatever a program calls so. The mail is given up in this cycle, which says so, and goes on.
#[tokio::test]
async fn a_mail_that_cannot_be_read_is_told_of_and_holds_up_no_other() {
    for database in on_both().await.into_iter().filter(|database| database.store.backend().name() == "sqlite") {
        let mut world = World::new(&database, Sent::Missing, InDoubt::Hold).await;
        for subject in ["one", "two", "three", "zero"] {
            let id = world.queue(subject, &["a"]).await;
            let broken = format!("UPDATE email_activities SET body_text = CAST(x'66ff' AS TEXT) WHERE id = '{id}'");
            if subject != "zero" {
                database.execute(broken).await;
            }
        }
        let report = world.cycle().await;
        assert_eq!((report.failed, report.sent), (3, 1));
        assert_eq!(report.mails_failed.counts(), [(FailureCode::MailInvalid, Persistence::Permanent, 3)]);
    }
}

/// A stop ends the cycle between two mails, and gives the others back.
#[tokio::test]
async fn a_stop_gives_back_what_was_not_begun() {
    for database in on_both().await {
        let mut world = World::new(&database, Sent::Missing, InDoubt::Hold).await;
        world.queue("one", &["a"]).await;
        world.context.stop.cancel();
        world.cycle().await;
        assert_eq!(world.mails().await, ["one pending_send 0"]);
    }
}

/// No further cycle may come soon: one files all that was sent.
#[tokio::test]
async fn however_many_were_sent_all_have_copies() {
    for database in on_both().await {
        let mut world = World::saving(&database, Sent::Empty, InDoubt::Verify, true).await;
        for number in 0..201 {
            world.queue(&format!("mail {number}"), &["a"]).await;
        }
        assert_eq!(world.cycle().await.sent, 201);
        assert_eq!(world.server.state().filed.len(), 201);
    }
}

/// Where the server does not file, we do: once, whatever happens in between.
#[tokio::test]
async fn copies_are_put_into_the_sent_folder_once() {
    for database in on_both().await {
        for (sent, by) in [(Sent::Empty, FiledBy::Us), (Sent::Filled, FiledBy::Server)] {
            let mut world = World::saving(&database, sent, InDoubt::Verify, true).await;
            world.queue("one", &["a"]).await;
            world.server.state().folder_down = true;
            assert_eq!(world.cycle().await.failure, None, "the mail was sent");
            assert_eq!(world.mailbox_alerts().await, ["sent-copy-failed warning"]);
            world.server.state().folder_down = false;
            for _ in 0..3 {
                world.cycle().await;
            }
            let filed: Vec<FiledBy> = world.server.state().filed.iter().map(|(_, by)| *by).collect();
            assert_eq!(filed, [by], "{sent:?}");
            assert!(world.mailbox_alerts().await.is_empty());
            assert_eq!(world.received()["one > a"], 1);
        }
    }
}

//! Reading over POP3, one scenario a test, each on both databases.

use std::{sync::OnceLock, time::Duration};

use mailsyncd::{
    means::Context,
    model::{
        failure::{Failure, FailureCode, Persistence},
        profile::{AuthMethod, Endpoint, Security},
        report::CycleReport,
        timestamp::Timestamp,
    },
    net::{credentials::Credentials, deadline::Timeouts, tls::TlsClient},
    pop3::connect::connect,
    receive::{cycle::receive, pop3_source::Pop3Source, source::MailSource},
};

use super::{
    cases::{counts, everywhere},
    world::{NOW, START, World},
};
use crate::support::pop3_server::{PopDrop, PopServer, PopStream};

/// A maildrop beside the Inbox of a world.
pub struct Maildrop<'w> {
    pub world: &'w mut World,
    pub server: PopServer,
}

impl<'w> Maildrop<'w> {
    pub fn of(world: &'w mut World) -> Self {
        Self { world, server: PopServer::new() }
    }

    /// Delivers [`World::mail`]s with a Received field of a few hours ago, each under a name of its own.
    pub fn deliver(&self, subjects: &[&str]) {
        for subject in subjects {
            self.deliver_as(&format!("name of {subject}"), subject);
        }
    }

    pub fn deliver_as(&self, uidl: &str, subject: &str) {
        let raw = received(NOW.minus(Duration::from_secs(7_200)), &self.world.mail(subject));
        self.server.maildrop(|maildrop| maildrop.deliver(uidl, raw));
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut PopDrop) -> T) -> T {
        self.server.maildrop(change)
    }

    /// What was told to the server since the last look at it.
    pub fn commands(&self) -> Vec<String> {
        self.change(|maildrop| std::mem::take(&mut maildrop.commands))
    }

    /// One whole visit, with a connection and a lease of its own.
    pub async fn visit(&self) -> CycleReport {
        let claimed = self.world.claim().await;
        let source = source(&self.server, &self.world.context, self.world).await;
        receive(&self.world.context, &claimed, &self.world.policy, source, close).await
    }

    pub async fn good_visit(&self) -> CycleReport {
        let report = self.visit().await;
        assert_eq!(report.failure, None, "{report:?}");
        report
    }

    pub async fn failed_visit(&self) -> Failure {
        self.visit().await.failure.expect("the visit failed")
    }
}

/// `mail`, received at `time` by the server.
pub fn received(time: Timestamp, mail: &str) -> String {
    // As `2026-09-14T10:00:00.000000Z`.
    let text = time.to_string();
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        [text[5..7].parse::<usize>().unwrap() - 1];
    let date = format!("{} {month} {} {} +0000", &text[8..10], &text[..4], &text[11..19]);
    format!("Received: from sample.example by mx.sample.example with ESMTP;\r\n\t{date}\r\n{mail}")
}

/// Logs in.
pub async fn source(server: &PopServer, context: &Context, world: &World) -> Pop3Source<PopStream> {
    static TLS: OnceLock<TlsClient> = OnceLock::new();
    let endpoint =
        Endpoint { host: "pop.example.org".into(), port: 110, security: Security::None, auth: AuthMethod::Login };
    let credentials = Credentials { username: "anna", password: "secret" };
    let timeouts = Timeouts::new(Duration::from_secs(30));
    let tls = TLS.get_or_init(|| TlsClient::new(&[]).unwrap());
    let session = connect(server.connect(), &endpoint, credentials, tls, timeouts).await.unwrap();
    Pop3Source::new(session, context.store.clone(), world.mailbox, true)
}

/// As the daemon does it: QUIT, whatever becomes of it.
pub async fn close(source: Pop3Source<PopStream>, _more: bool) {
    let _ = source.close().await;
}

#[tokio::test]
async fn a_maildrop_is_read_once_and_left_as_it_is() {
    everywhere(async |world| {
        let maildrop = Maildrop::of(world);
        assert!(!maildrop.good_visit().await.did_something());
        maildrop.deliver(&["one", "two", "three"]);
        let report = maildrop.good_visit().await;
        assert_eq!(counts(&report), (3, 0, 0, 0));
        assert_eq!(maildrop.world.present().await, ["1 recorded one", "2 recorded two", "3 recorded three"]);
        maildrop.commands();
        assert!(!maildrop.good_visit().await.did_something());
        assert_eq!(maildrop.commands(), ["CAPA", "USER", "PASS", "LIST", "UIDL", "QUIT"]);

        // Another program takes one, servers list in any order, and more comes.
        maildrop.change(|maildrop| {
            maildrop.messages.remove(0);
            maildrop.messages.reverse();
        });
        maildrop.deliver(&["four"]);
        assert_eq!(counts(&maildrop.good_visit().await), (1, 0, 0, 0));
        assert_eq!(maildrop.change(|maildrop| maildrop.messages.iter().map(|m| m.fetched).max()), Some(1));
        let commands = maildrop.commands();
        assert!(!commands.contains(&"DELE".to_owned()), "{commands:?}");
    })
    .await;
}

#[tokio::test]
async fn names_may_be_long_strange_shared_and_given_again() {
    everywhere(async |world| {
        let maildrop = Maildrop::of(world);
        let long = "~!\"#$%&'()*+,-./".repeat(40);
        for (uidl, subject) in [(long.as_str(), "long"), ("same", "first"), ("same", "second"), ("same", "other")] {
            maildrop.deliver_as(uidl, subject);
        }
        // A copy to the byte, under the same name, as hashes of the content make it.
        maildrop.deliver_as("same", "first");
        assert_eq!(counts(&maildrop.good_visit().await), (4, 1, 0, 0));
        assert!(!maildrop.good_visit().await.did_something());
        // The server gives the name of a message that is gone to another one.
        maildrop.change(|maildrop| maildrop.messages.remove(0));
        maildrop.deliver_as(&long, "a new mail under an old name");
        assert_eq!(counts(&maildrop.good_visit().await), (1, 0, 0, 0));
        assert!(!maildrop.good_visit().await.did_something());
        assert_eq!(maildrop.world.activities().await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_server_with_new_names_is_not_read_again() {
    everywhere(async |world| {
        let maildrop = Maildrop::of(world);
        let subjects: Vec<String> = (0..25).map(|number| format!("mail{}", "x".repeat(number))).collect();
        maildrop.deliver(&subjects.iter().map(String::as_str).collect::<Vec<_>>());
        maildrop.good_visit().await;
        maildrop.change(|maildrop| {
            for (number, message) in maildrop.messages.iter_mut().enumerate() {
                message.uidl = format!("0000{number:04}");
                message.fetched = 0;
            }
        });
        maildrop.deliver(&["new"]);
        let report = maildrop.good_visit().await;
        assert_eq!((counts(&report), report.started_over), ((1, 25, 0, 0), Some("uidls_changed")));
        let fetched = maildrop.change(|maildrop| maildrop.messages.iter().map(|m| m.fetched).sum::<u32>());
        assert_eq!(fetched, 1, "a look at the headers was enough");
        let again = maildrop.good_visit().await;
        assert!(!again.did_something(), "{again:?}");
        assert_eq!(maildrop.world.activities().await.len(), 26);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_never_keeps_its_names_is_given_up_and_one_that_is_emptied_is_not() {
    everywhere(async |world| {
        let maildrop = Maildrop::of(world);
        let subjects: Vec<String> = (0..20).map(|number| format!("mail{number:02}")).collect();
        maildrop.deliver(&subjects.iter().map(String::as_str).collect::<Vec<_>>());
        maildrop.good_visit().await;
        for visit in 0..6 {
            maildrop.change(|maildrop| {
                maildrop.messages.clear();
            });
            // All of one size, as some machines write.
            for number in 0..20 {
                maildrop.deliver_as(&format!("{visit}-{number}"), &format!("next{visit}-{number:02}"));
            }
            assert_eq!(counts(&maildrop.good_visit().await).0, 20);
        }
        let mut failure = None;
        for visit in 0..6 {
            maildrop.change(|maildrop| {
                for (number, message) in maildrop.messages.iter_mut().enumerate() {
                    message.uidl = format!("session {visit}, {number}");
                }
            });
            failure = maildrop.visit().await.failure;
        }
        assert_eq!(failure.map(|failure| failure.code), Some(FailureCode::UidsNotKept));
    })
    .await;
}

#[tokio::test]
async fn without_names_a_maildrop_is_refused() {
    everywhere(async |world| {
        let maildrop = Maildrop::of(world);
        maildrop.change(|maildrop| maildrop.names = false);
        assert!(!maildrop.good_visit().await.did_something(), "an empty maildrop needs no names");
        maildrop.deliver(&["one"]);
        let failure = maildrop.failed_visit().await;
        assert_eq!((failure.code, failure.persistence), (FailureCode::UidlMissing, Persistence::UntilConfirmed));
        assert!(maildrop.world.activities().await.is_empty());
        maildrop.change(|maildrop| maildrop.names = true);
        assert_eq!(counts(&maildrop.good_visit().await), (1, 0, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_refused_stops_no_other() {
    everywhere(async |world| {
        let maildrop = Maildrop::of(world);
        maildrop.deliver(&["one", "two", "three", "four", "five"]);
        maildrop.change(|maildrop| {
            maildrop.messages[1].refused = Some("-ERR [SYS/TEMP] internal error");
            maildrop.messages[3].refused = Some("-ERR no such message");
        });
        assert_eq!(maildrop.failed_visit().await.code, FailureCode::ServerFault);
        // One of them disappears, the other stays refused.
        maildrop.change(|maildrop| maildrop.messages.remove(3));
        let mut visits = 0;
        while maildrop.visit().await.failure.is_some() {
            visits += 1;
            assert!(visits < 6);
        }
        maildrop.deliver(&["six"]);
        maildrop.good_visit().await;
        let ledger = maildrop.world.present().await;
        let recorded: Vec<&str> = ledger.iter().filter_map(|row| Some(row.split_once("recorded ")?.1)).collect();
        assert_eq!(recorded, ["one", "three", "five", "six"]);
        assert_eq!(ledger.iter().filter(|row| row.contains("set_aside message-unanswered")).count(), 1, "{ledger:?}");
    })
    .await;
}

#[tokio::test]
async fn the_topmost_received_field_is_compared_with_the_starting_point() {
    everywhere(async |world| {
        let before = START.minus(Duration::from_secs(60));
        let rules = mailsyncd::model::rules::ReceiveRules { maximum_message_size: 1 << 20, ..Default::default() };
        world.policy.rules = rules.into();
        let big = |subject: &str, world: &World| format!("{}{}", world.mail(subject), "text\r\n".repeat(20_000));
        let mails = [
            received(before, &world.mail("old")),
            received(NOW, &received(before, &world.mail("new"))),
            received(before, &received(NOW, &world.mail("old by ours"))),
            world.mail("undated"),
            received(before, &big("old and big", world)),
            received(NOW, &big("new and big", world)),
        ];
        let maildrop = Maildrop::of(world);
        for (number, raw) in mails.into_iter().enumerate() {
            maildrop.change(|maildrop| maildrop.deliver(&number.to_string(), raw));
        }
        assert_eq!(counts(&maildrop.good_visit().await), (3, 0, 3, 0));
        let fetched = |maildrop: &mut PopDrop| maildrop.messages.iter().map(|m| m.fetched).collect::<Vec<_>>();
        assert_eq!(maildrop.change(fetched), [1, 1, 1, 1, 0, 1], "a large old mail is not downloaded");
        let expected = ["2 recorded new", "4 recorded undated", "6 recorded new and big"];
        let present = maildrop.world.present().await;
        assert_eq!(present.iter().filter(|row| row.contains("recorded")).collect::<Vec<_>>(), expected);
        // What the Date field says proves nothing: the mail was received when it was first seen.
        let subject = format!("{} undated", maildrop.world.name);
        let times = maildrop.world.database.rows(RECEIVED, &subject).await;
        let when = maildrop.world.database.rows(CREATED, &subject).await;
        assert_eq!(times, when);

        maildrop.world.policy.starting_point = before;
        assert_eq!(counts(&maildrop.good_visit().await), (3, 0, 0, 0));
        assert!(!maildrop.good_visit().await.did_something());
    })
    .await;
}

const RECEIVED: &str = "SELECT CAST(received_at AS TEXT) FROM email_activities WHERE subject = $1";
const CREATED: &str = "SELECT CAST(created_at AS TEXT) FROM email_activities WHERE subject = $1";

#[tokio::test]
async fn a_mailbox_may_change_its_protocol_and_back() {
    everywhere(async |world| {
        world.deliver(&["one", "two"]);
        world.good_cycle().await;
        let maildrop = Maildrop::of(world);
        for subject in ["one", "two", "three"] {
            maildrop.deliver(&[subject]);
        }
        let over_pop3 = maildrop.good_visit().await;
        assert_eq!(over_pop3.started_over, Some("protocol_changed"));
        assert_eq!(counts(&over_pop3), (1, 2, 0, 0));
        assert!(!maildrop.good_visit().await.did_something());
        maildrop.world.deliver(&["three", "four"]);
        let over_imap = maildrop.world.good_cycle().await;
        assert_eq!((over_imap.started_over, counts(&over_imap)), (Some("protocol_changed"), (1, 3, 0, 0)));
        maildrop.deliver(&["four", "five"]);
        assert_eq!(counts(&maildrop.good_visit().await), (1, 4, 0, 0));
        assert_eq!(maildrop.world.activities().await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is_reported() {
    everywhere(async |world| {
        let maildrop = Maildrop::of(world);
        maildrop.change(|maildrop| maildrop.capabilities.push("LOGIN-DELAY 900"));
        assert_eq!(maildrop.good_visit().await.login_delay, Some(Duration::from_secs(900)));
        maildrop.change(|maildrop| {
            maildrop.capabilities = vec!["USER", "UIDL"];
            maildrop.top = false;
        });
        maildrop.deliver(&["one"]);
        let report = maildrop.good_visit().await;
        assert_eq!((counts(&report), report.login_delay), ((1, 0, 0, 0), None), "the least that a server may offer");
    })
    .await;
}

#[tokio::test]
async fn a_look_counts_what_is_there() {
    everywhere(async |world| {
        let maildrop = Maildrop::of(world);
        maildrop.deliver(&["one", "two"]);
        let mut source = source(&maildrop.server, &maildrop.world.context, maildrop.world).await;
        let view = source.look().await.unwrap();
        assert_eq!((view.exists, view.uid_next.unwrap().get()), (2, 3));
        assert!(view.uid_validity.is_maildrop());
    })
    .await;
}

//! The send drill: a daemon that is killed again and again sends through a server that drops
//! connections before its answer, and loses answers after the deed. The server counts.
//!
//! `SEND_DRILL=MAILS/KILLS` sets how much; the full one is
//! `SEND_DRILL=5000/500 cargo test --release --test it real::send_drill`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
    time::{Duration, Instant},
};

use super::ready;
use crate::support::{
    counting_smtp::CountingSmtp,
    daemon::{Daemon, Profile},
    dovecot::Dovecot,
    process::LONG,
    random::Random,
};

const PASSWORD: &str = "a password";
/// Mailboxes that send.
const MAILBOXES: usize = 5;

struct Drill {
    daemon: Daemon,
    server: CountingSmtp,
    /// Where mail is filed, if anywhere.
    _dovecot: Dovecot,
    random: Random,
    mails: u64,
    kills: u64,
}

/// What the world looks like in the end.
struct End {
    /// Identifiers of mails, by status.
    by_status: BTreeMap<String, BTreeSet<String>>,
    progress: u64,
}

impl Drill {
    fn new(in_doubt: &str) -> Self {
        let given = std::env::var_os("SEND_DRILL");
        let given = given.as_ref().map_or("600/60", |given| given.to_str().unwrap());
        let (mails, kills) = given.split_once('/').expect("SEND_DRILL=MAILS/KILLS");
        let dovecot = Dovecot::start();
        let mut daemon = Daemon::new().with_server(&dovecot);
        let mut sent = BTreeMap::new();
        for number in 0..MAILBOXES {
            let address = format!("m{number}@sample.example");
            dovecot.set_password(&address, PASSWORD);
            let folder = dovecot.maildir(&address).join(".Sent");
            for part in ["", "tmp", "new", "cur"] {
                fs::create_dir_all(folder.join(part)).unwrap();
                dovecot.account().own(&folder.join(part));
            }
            sent.insert(address.clone(), folder);
            daemon = daemon.with_mailbox(&address, PASSWORD);
        }
        let server = CountingSmtp::start(sent, Some(dovecot.account().clone()), Random::new());
        let profile = &mut daemon.configuration.profiles[0];
        *profile = Profile::of(&dovecot).sending_through(server.port);
        let sections = &mut daemon.configuration.sections;
        sections.insert("network", "allow_cleartext = true\n".to_owned());
        sections.insert("email_settings", "incoming = \"none\"\noutgoing = \"server_side_sync\"\n".to_owned());
        sections.insert("failures", "transient_backoff = \"1s\"\n".to_owned());
        let sending = format!("retry = [\"1s\"]\noutbox_poll = \"1s\"\nin_doubt = \"{in_doubt}\"\n");
        sections.insert("sending", sending);
        let (mails, kills) = (mails.parse().unwrap(), kills.parse().unwrap());
        Self { daemon, server, _dovecot: dovecot, random: Random::new(), mails, kills }
    }

    /// Queues mails as a CRM would.
    fn queue(&self, from: u64, to: u64) {
        self.daemon.query(&format!(
            "BEGIN IMMEDIATE; \
             WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {to}) \
             INSERT INTO email_activities (mailbox, direction, status, subject, body_text) SELECT m.id, 'outgoing', \
             'pending_send', 'drill ' || i, 'Some text.' FROM n JOIN mailboxes m ON m.email_address = 'm' || \
             (i % {MAILBOXES}) || '@sample.example'; \
             INSERT INTO email_parties (activity, position, role, address) SELECT id, 0, 'to', 'them@example.net' FROM \
             email_activities a WHERE NOT EXISTS (SELECT 1 FROM email_parties p WHERE p.activity = a.id); COMMIT"
        ));
    }

    fn heard(&self) -> usize {
        let state = self.server.state();
        state.taken.len() + state.unanswered.len()
    }

    fn run(mut self) -> (Self, End) {
        let began = Instant::now();
        // The mailboxes come into the database with the first start.
        self.daemon.start();
        self.daemon.wait_for_log(&["declared record", "m4@sample.example"]);
        self.daemon.kill();
        let mut progress = 0;
        for kill in 0..self.kills {
            self.queue(kill * self.mails / self.kills, (kill + 1) * self.mails / self.kills);
            let before = self.heard();
            self.daemon.start();
            let start = Instant::now();
            while self.heard() == before && start.elapsed() < Duration::from_secs(3) {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(self.random.below(40_000)));
            self.daemon.kill();
            progress += u64::from(self.heard() > before);
        }
        println!("{} kills after {} s", self.kills, began.elapsed().as_secs());
        self.daemon.start();
        let start = Instant::now();
        let open = "SELECT count(*) FROM email_activities WHERE status IN ('pending_send', 'sending')";
        while self.daemon.count(open) > 0 {
            assert!(start.elapsed() < 4 * LONG, "{} still open\n{}", self.daemon.count(open), self.daemon.log());
            thread::sleep(Duration::from_millis(500));
            // As if minutes had passed: mails in doubt are looked for now.
            self.daemon.query(
                "UPDATE email_activities SET postponed_until = '2020-01-01T00:00:00.000000Z' WHERE status = 'sending' \
                 AND dot_at IS NOT NULL AND postponed_until IS NOT NULL",
            );
        }
        assert!(self.daemon.stop().success());
        let mut by_status: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in self.daemon.query("SELECT status, id FROM email_activities") {
            by_status.entry(row[0].clone()).or_default().insert(row[1].clone());
        }
        println!(
            "{} mails, {} kills of which {progress} hit a daemon at work, {} answers lost or never given; {} sent, {} \
             held; {} s",
            self.mails,
            self.kills,
            self.server.state().unanswered.len(),
            by_status.get("sent").map_or(0, BTreeSet::len),
            by_status.get("held").map_or(0, BTreeSet::len),
            began.elapsed().as_secs()
        );
        assert!(progress * 10 >= self.kills * 5, "kills that hit nothing prove nothing: {progress}");
        (self, End { by_status, progress })
    }

    fn assert_none_doubled(&self) {
        let state = self.server.state();
        let doubled: Vec<_> = state.taken.iter().filter(|(_, times)| **times > 1).collect();
        assert!(doubled.is_empty(), "doubled: {doubled:?}");
    }
}

#[test]
fn with_a_sent_folder_nothing_is_lost_and_nothing_doubled() {
    if !ready() {
        return;
    }
    let (drill, end) = Drill::new("verify").run();
    drill.assert_none_doubled();
    let taken: BTreeSet<String> = drill.server.state().taken.keys().cloned().collect();
    assert_eq!(end.by_status.keys().collect::<Vec<_>>(), ["sent"], "everything is settled");
    assert_eq!(end.by_status["sent"], taken, "what is sent was taken, and the other way round");
    assert_eq!(taken.len() as u64, drill.mails, "0 lost");
}

#[test]
fn without_one_nothing_is_doubled_and_the_unknown_are_held() {
    if !ready() {
        return;
    }
    let (drill, end) = Drill::new("hold").run();
    drill.assert_none_doubled();
    let state = drill.server.state();
    let none = BTreeSet::new();
    let (sent, held) = (end.by_status.get("sent").unwrap_or(&none), end.by_status.get("held").unwrap_or(&none));
    assert_eq!((sent.len() + held.len()) as u64, drill.mails, "0 lost");
    assert!(sent.iter().all(|id| state.taken.contains_key(id)), "what is sent was taken");
    let unheld: Vec<_> = state.unanswered.difference(held).collect();
    assert!(unheld.is_empty(), "nobody knows of these, and they are not held: {unheld:?}");
    // A kill leaves at most a mail in conversation, and the one before it, of each mailbox.
    let by_kills = held.difference(&state.unanswered).count() as u64;
    assert!(by_kills <= end.progress * 2 * MAILBOXES as u64, "{by_kills} are held for nothing");
}

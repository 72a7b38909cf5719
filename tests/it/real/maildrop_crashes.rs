//! A daemon that reads over POP3, deletes what it has recorded, and dies at any moment; lines that are
//! cut before the goodbye: nothing is lost, nothing is doubled, nothing is deleted that is not recorded.
//!
//! `POP3_KILLS=200 cargo test --test it maildrop_crashes -- --nocapture` is the whole drill, of some
//! minutes; without the variable it is a short one. `KILL_SEED` repeats a run.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::{ANNA, BERT, ready};
use crate::support::{
    certificates::Certificate,
    chaos::ChaosProxy,
    daemon::{Daemon, Profile, text_of},
    dovecot::{Dovecot, Tls},
    mail,
    process::{LONG, wait_until},
    random::Random,
};

const USERS: [&str; 2] = [ANNA, BERT];
/// Enough that the daemon is at work whenever it is killed.
const MESSAGES_PER_KILL: u64 = 20;
/// A daemon is killed within so many milliseconds of its log-in.
const WITHIN: u64 = 250;

/// Both maildrops, and what was ever put into them.
struct Maildrops {
    server: Dovecot,
    delivered: Mutex<BTreeSet<String>>,
}

impl Maildrops {
    /// Without TLS: the proxy before it must hear the goodbye.
    fn new() -> Self {
        let server = Dovecot::start_with(Certificate::Good, Tls::Off);
        USERS.iter().for_each(|user| server.set_password(user, "their password"));
        Self { server, delivered: Mutex::default() }
    }

    fn deliver(&self, number: u64) {
        let id = format!("{number}@sample.example");
        let message = if number.is_multiple_of(10) { mail::big(&id, 150_000) } else { mail::small(&id) };
        self.server.deliver(USERS[usize::try_from(number % 2).unwrap()], &message);
        self.delivered.lock().unwrap().insert(id);
    }

    fn there(&self) -> BTreeSet<String> {
        USERS.iter().flat_map(|user| self.server.message_ids_now(user)).collect()
    }

    /// What is not there any more must be recorded. The server may still be finishing a visit of a
    /// daemon that is dead: what it deletes then was recorded before, so it is asked first.
    fn assert_all_there_or_recorded(&self, daemon: &Daemon, when: &str) {
        let delivered = self.delivered.lock().unwrap().clone();
        let there = self.there();
        let recorded = if daemon.activities_so_far() > 0 { daemon.recorded() } else { Default::default() };
        let missing: Vec<_> =
            delivered.into_iter().filter(|id| !there.contains(id) && !recorded.contains_key(id)).collect();
        // The server renames files while we look: one that was missed may be there.
        let there = if missing.is_empty() { BTreeSet::new() } else { self.there() };
        let lost: Vec<_> = missing.into_iter().filter(|id| !there.contains(id)).collect();
        assert!(lost.is_empty(), "{when}: deleted, but not recorded: {lost:?}\n{}", daemon.log());
    }
}

/// A daemon that reads both through `port`, and deletes at once what it has recorded.
fn daemon(port: u16) -> Daemon {
    let mut daemon = Daemon::new().with_profile(Profile::pop3_at(port, "none"));
    for user in USERS {
        daemon = daemon.with_mailbox(user, "their password");
        daemon.configuration.mailboxes.last_mut().unwrap().more = "delete_after_processing = true\n".to_owned();
    }
    let sections = &mut daemon.configuration.sections;
    sections.insert("receive", "delete_after = \"0s\"\n".to_owned());
    sections.insert("network", "allow_cleartext = true\n".to_owned());
    sections.insert("failures", "transient_backoff = \"1s\"\n".to_owned());
    daemon
}

#[test]
fn kills_and_cuts_before_the_goodbye_lose_nothing_double_nothing_and_delete_nothing_unrecorded() {
    if !ready() {
        return;
    }
    let kills: u64 = std::env::var_os("POP3_KILLS").map_or(25, |kills| kills.to_str().unwrap().parse().unwrap());
    let (maildrops, mut random) = (Maildrops::new(), Random::new());
    let server = &maildrops.server;
    let proxy = ChaosProxy::start(server.pop3);
    let mut daemon = daemon(proxy.port);
    let messages = kills * MESSAGES_PER_KILL;
    (0..messages / 2).for_each(|number| maildrops.deliver(number));
    let pause = Duration::from_millis(2 * WITHIN) / u32::try_from(MESSAGES_PER_KILL / 2).unwrap();
    let (mut progress, mut deletions, mut within) = (0, 0, WITHIN);
    thread::scope(|scope| {
        // The rest comes in for as long as there are kills.
        let deliveries = scope.spawn(|| {
            for number in messages / 2..messages {
                maildrops.deliver(number);
                thread::sleep(pause);
            }
        });
        let (mut recorded_before, mut there_before) = (0, maildrops.there().len());
        for kill in 0..kills {
            // Every other visit is not let say goodbye.
            if kill % 2 == 0 {
                proxy.cut_before("QUIT")
            } else {
                proxy.restore()
            }
            daemon.cli(&["mailbox", "poll", ANNA, BERT]);
            let logins = server.pop3_logins();
            daemon.start();
            let start = Instant::now();
            while server.pop3_logins() == logins && start.elapsed() < LONG {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(random.below(within * 1_000)));
            daemon.kill();
            maildrops.assert_all_there_or_recorded(&daemon, &format!("kill {kill}"));
            let (recorded, there) = (daemon.activities_so_far(), maildrops.there().len());
            progress += u64::from(recorded > recorded_before);
            deletions += u64::from(there < there_before);
            within = if recorded > recorded_before { WITHIN.max(within / 2) } else { (within * 2).min(20 * WITHIN) };
            (recorded_before, there_before) = (recorded, there);
        }
        deliveries.join().unwrap();
    });
    let cuts = proxy.cuts();
    proxy.restore();
    // A message in hand at three deaths in a row is taken for their cause and set aside with its source.
    let suspects = "SELECT count(*) FROM inbox_ledger WHERE failure_code = 'message-poison' AND source IS NOT NULL";
    let logins = server.pop3_logins();
    daemon.start();
    // All may be done already: then too it must have begun before it is told to stop.
    wait_until(LONG, "a last log-in", || server.pop3_logins() > logins);
    let start = Instant::now();
    loop {
        let (set_aside, there) = (daemon.count(suspects), maildrops.there().len());
        if daemon.activities() + set_aside >= messages && there as u64 <= set_aside {
            break;
        }
        assert!(
            start.elapsed() < 3 * LONG,
            "{} of {messages} recorded, {there} not deleted, {:?}\n{}",
            daemon.activities(),
            daemon.query(
                "SELECT verdict, reason, failure_code, server_copy, count(*) FROM inbox_ledger GROUP BY 1, 2, 3, 4"
            ),
            daemon.log()
        );
        thread::sleep(Duration::from_millis(200));
    }
    assert!(daemon.stop().success());
    let set_aside = daemon.count(suspects);
    let recorded = daemon.recorded();
    let doubled: Vec<_> = recorded.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    assert_eq!(recorded.len() as u64 + set_aside, messages);
    assert!(set_aside * 3 <= kills, "{set_aside} messages set aside by {kills} kills");
    assert_eq!(maildrops.there().len() as u64, set_aside, "what is set aside stays");
    println!(
        "{kills} kills, {cuts} lines cut before QUIT, {messages} messages, {set_aside} of them set aside; \
         {progress} runs recorded something before they were killed, {deletions} were seen to delete"
    );
    assert!(progress * 10 >= kills && deletions * 20 >= kills && cuts * 10 >= kills, "kills at rest prove nothing");
    let check = daemon.cli(&["db", "check"]);
    assert!(check.status.success(), "{}", text_of(&check));
}

//! Servers and daemons that die at any moment: nothing is lost, nothing is doubled.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{ANNA, BERT, anna, assert_none_lost_but, assert_recorded_once, ready};
use crate::support::{
    chaos::ChaosProxy,
    daemon::{Daemon, Profile},
    dovecot::Dovecot,
    mail, postgres,
    process::{LONG, wait_until},
    random::Random,
};

#[test]
fn a_server_killed_and_a_line_cut_in_the_middle_of_a_fetch_lose_nothing() {
    if !ready() {
        return;
    }
    let (mut server, mut daemon) = anna();
    let proxy = ChaosProxy::start(server.imaps);
    daemon.configuration.profiles[0] = Profile::at(proxy.port, "tls");
    daemon.configuration.sections.insert("failures", "transient_backoff = \"1s\"\n".into());
    for number in 0..40 {
        server.deliver(ANNA, &mail::big(&format!("big-{number}@sample.example"), 200_000));
    }
    proxy.cut_after(1_500_000);
    daemon.start();
    wait_until(LONG, "the line to be cut", || proxy.cuts() > 0);
    proxy.restore();
    wait_until(LONG, "another log-in", || server.logins() > 1);
    server.kill();
    proxy.drop_connections();
    server.restart();
    daemon.wait_for_activities(40);
    assert!(daemon.stop().success());
    assert_recorded_once(&server, &[ANNA], &daemon);
}

/// Messages for each kill: enough that the daemon is at work whenever it is killed.
const MESSAGES_PER_KILL: u64 = 30;

/// Kills the daemon `kills` times while mail comes in, each time at any moment within `milliseconds`
/// of its log-in, or of longer where a busy machine lets it get nothing done in that time; then lets
/// it finish.
fn kill_while_mail_comes_in(mut daemon: Daemon, server: &Dovecot, kills: u64, milliseconds: u64) {
    let mut random = Random::new();
    let users = [ANNA, BERT];
    let messages = kills * MESSAGES_PER_KILL;
    let deliver = |number: u64| {
        let id = format!("{number}@sample.example");
        let message = if number.is_multiple_of(10) { mail::big(&id, 150_000) } else { mail::small(&id) };
        server.deliver(users[usize::try_from(number % 2).unwrap()], &message);
    };
    (0..messages / 2).for_each(deliver);
    // The rest comes in for as long as there are kills.
    let pause =
        Duration::from_millis(milliseconds) * u32::try_from(kills).unwrap() / u32::try_from(messages / 2).unwrap();
    let mut progress = 0;
    thread::scope(|scope| {
        let deliveries = scope.spawn(|| {
            for number in messages / 2..messages {
                deliver(number);
                thread::sleep(pause);
            }
        });
        let (mut before, mut within) = (0, milliseconds);
        for _ in 0..kills {
            // First polls are spread over seconds; whoever asks for one need not wait.
            daemon.cli(&["mailbox", "poll", ANNA, BERT]);
            let logins = server.logins();
            daemon.start();
            let start = Instant::now();
            while server.logins() == logins && start.elapsed() < LONG {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(random.below(within * 1_000)));
            daemon.kill();
            daemon.expire_leases();
            let now = daemon.activities_so_far();
            progress += u64::from(now > before);
            within = if now > before { milliseconds.max(within / 2) } else { (within * 2).min(20 * milliseconds) };
            before = now;
        }
        deliveries.join().unwrap();
    });
    let logins = server.logins();
    daemon.start();
    // All may be recorded already: then too it must have begun before it is told to stop.
    wait_until(LONG, "a last log-in", || server.logins() > logins);
    // A message in hand at three deaths in a row is taken for their cause and set aside with its source.
    let suspects = "SELECT count(*) FROM inbox_ledger WHERE failure_code = 'message-poison' AND source IS NOT NULL";
    let start = Instant::now();
    while daemon.activities() + daemon.count(suspects) < messages {
        assert!(
            start.elapsed() < LONG,
            "{} of {messages} recorded, {:?}\n{}",
            daemon.activities(),
            daemon.query("SELECT verdict, reason, failure_code, count(*) FROM inbox_ledger GROUP BY 1, 2, 3"),
            daemon.log()
        );
        thread::sleep(Duration::from_millis(200));
    }
    assert!(daemon.stop().success());
    let set_aside = daemon.count(suspects);
    assert!(set_aside * 3 <= kills, "{set_aside} messages set aside by {kills} kills");
    assert_none_lost_but(usize::try_from(set_aside).unwrap(), server, &users, &daemon);
    println!(
        "{kills} kills, {messages} messages, {set_aside} of them set aside; \
         {progress} runs recorded something before they were killed"
    );
    assert!(
        progress * 10 >= kills,
        "kills that never hit a daemon at work prove nothing: {progress} of {kills}\n{}",
        daemon.log()
    );
    let cli = daemon.cli(&["db", "check"]);
    assert!(cli.status.success(), "{}", crate::support::daemon::text_of(&cli));
}

fn two_mailboxes(daemon: impl FnOnce() -> Daemon) -> (Dovecot, Daemon) {
    let server = Dovecot::start();
    for user in [ANNA, BERT] {
        server.set_password(user, "their password");
    }
    let daemon =
        daemon().with_server(&server).with_mailbox(ANNA, "their password").with_mailbox(BERT, "their password");
    (server, daemon)
}

#[test]
fn a_hundred_kills_on_sqlite_lose_nothing_and_double_nothing() {
    if ready() {
        let (server, daemon) = two_mailboxes(Daemon::new);
        kill_while_mail_comes_in(daemon, &server, 100, 100);
    }
}

#[test]
fn twenty_kills_on_postgresql_lose_nothing_and_double_nothing() {
    if !ready() {
        return;
    }
    let Some(database) = postgres::fresh_database() else { return };
    let (server, daemon) = two_mailboxes(|| Daemon::on_postgres(&database));
    kill_while_mail_comes_in(daemon, &server, 20, 200);
}

#[test]
fn a_database_out_of_reach_pauses_everything_blames_nobody_and_loses_nothing() {
    if !ready() {
        return;
    }
    let Some(database) = postgres::fresh_database() else { return };
    let port = database.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/')).unwrap().0;
    let proxy = ChaosProxy::start(port.parse().unwrap());
    let through = database.replace(&format!(":{port}/"), &format!(":{}/", proxy.port));
    let (server, mut daemon) = two_mailboxes(|| Daemon::on_postgres(&through));
    server.deliver(ANNA, &mail::small("before@sample.example"));
    daemon.start();
    daemon.wait_for_activities(1);

    proxy.cut_after(0);
    proxy.drop_connections();
    for user in [ANNA, BERT] {
        server.deliver(user, &mail::big(&format!("during-{user}"), 200_000));
    }
    daemon.wait_for_log(&["database-unavailable", "ERROR"]);
    proxy.restore();

    daemon.wait_for_activities(3);
    assert_recorded_once(&server, &[ANNA, BERT], &daemon);
    for user in [ANNA, BERT] {
        let incoming = &daemon.mailbox(user)["incoming"];
        assert_eq!((incoming["enabled"].as_bool(), incoming["transient_failures"].as_u64()), (Some(true), Some(0)));
    }
    assert!(daemon.stop().success());
}

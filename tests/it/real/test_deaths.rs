//! The daemon is killed in the middle of a test, at each of its stages.

use std::{collections::BTreeMap, fmt::Write as _, fs, process::Stdio};

use tokio::runtime::Runtime;

use super::ready;
use crate::{
    faults::{
        server::{Identity, Server, Then, Trouble, Wrong},
        talk,
    },
    support::{
        certificates::{Certificate, acceptor, make},
        daemon::{Daemon, Profile, text_of, write_secret},
        process::{LONG, output, wait_for},
    },
};

const SUBJECT: &str = "Your mailbox is now connected to Contoso Ltd";

/// Where a server falls silent.
struct Silence {
    name: &'static str,
    /// Of the server that is read from, or of the one that mail is sent through.
    reads: bool,
    /// The step at which it says nothing more; none: nobody accepts its connections.
    at: Option<&'static str>,
    /// The last stage that is over then.
    after: &'static str,
}

const fn silent(name: &'static str, reads: bool, at: Option<&'static str>, after: &'static str) -> Silence {
    Silence { name, reads, at, after }
}

const SILENCES: [Silence; 9] = [
    silent("tls", true, Some("tls"), "incoming tcp"),
    silent("tcp", true, None, "incoming dns"),
    silent("greeting", true, Some("greeting"), "incoming tcp"),
    silent("log-in", true, Some("AUTHENTICATE"), "incoming greeting"),
    silent("inbox", true, Some("EXAMINE"), "incoming log_in"),
    silent("smtp-greeting", false, Some("greeting"), "outgoing tcp"),
    silent("smtp-log-in", false, Some("AUTH"), "outgoing greeting"),
    silent("data", false, Some("DATA"), "outgoing log_in"),
    silent("dot", false, Some("DOT"), "outgoing log_in"),
];

/// One mailbox, the servers that it has for itself, and where they are silent.
struct Place {
    silence: Silence,
    address: String,
    reads: Server,
    sends: Server,
}

impl Place {
    fn server(&mut self) -> &mut Server {
        if self.silence.reads { &mut self.reads } else { &mut self.sends }
    }

    async fn fall_silent(&mut self) {
        let trouble = self.silence.at.map_or(Trouble::Ignores, |at| {
            let wrong = Wrong { at, says: "", then: Then::Stalls };
            Trouble::Talks { wrong: vec![wrong], to_all: true }
        });
        self.server().put_into(trouble).await;
    }
}

struct World {
    runtime: Runtime,
    daemon: Daemon,
    places: Vec<Place>,
}

impl World {
    /// A mailbox for each of `silences`, approved and not enabled, and a daemon that knows them.
    fn new(silences: impl IntoIterator<Item = Silence>) -> Self {
        let runtime = Runtime::new().unwrap();
        let entered = runtime.enter();
        let mut daemon = Daemon::new();
        fs::create_dir(daemon.path("tls")).unwrap();
        let files = make(&daemon.path("tls"), Certificate::Good);
        write_secret(&daemon.path("password"), "secret");
        let (mut text, mut places) = (String::new(), Vec::new());
        // No more than three tests are under way at a host; it has three names here, the first for its certificate.
        for (silence, host) in silences.into_iter().zip(["localhost", "127.0.0.1", "127.1"].into_iter().cycle()) {
            let secured = silence.name == "tls";
            let identity = Identity { good: secured.then(|| acceptor(&files)), bad: None, at_once: true };
            let reads = Server::start(talk::imap, if secured { identity } else { Identity::default() });
            let sends = Server::start(talk::smtp, Identity::default());
            let (name, address) = (silence.name, format!("{}@sample.example", silence.name));
            let security = if secured { "tls" } else { "none" };
            let outgoing = format!(
                "outgoing = {{ host = \"127.0.0.1\", port = {}, security = \"none\" }}\nconnection_timeout = \"60s\"\n",
                sends.port
            );
            let profile = Profile { host: host.to_owned(), more: outgoing, ..Profile::at(reads.port, security) };
            daemon = daemon.with_profile(profile.named(name));
            // A profile that is there for its port alone, which joins those that may be dialled.
            daemon = daemon.with_profile(Profile::at(sends.port, "none").named(&format!("port-{name}")));
            write!(
                text,
                "\n[[user]]\nname = \"{name}\"\nemail_address = \"{address}\"\n\n[[mailbox]]\nemail_address = \
                 \"{address}\"\nowner = \"user:{name}\"\nprofile = \"{name}\"\npassword_file = {:?}\napproved = true\n",
                daemon.path("password")
            )
            .unwrap();
            places.push(Place { silence, address, reads, sends });
        }
        drop(entered);
        daemon.configuration.more = text;
        daemon.configuration.authority = Some(files.authority);
        let sections = &mut daemon.configuration.sections;
        sections.insert("network", "allow_cleartext = true\n".to_owned());
        let settings = "outgoing = \"server_side_sync\"\norganization = \"Contoso Ltd\"\n";
        sections.insert("email_settings", settings.to_owned());
        daemon.once_well();
        Self { runtime, daemon, places }
    }

    /// Runs a command, which must succeed, while a daemon may be reading its configuration.
    fn does(&self, arguments: &[&str]) -> String {
        let ran = output(&mut self.daemon.command(arguments));
        assert!(ran.status.success(), "{}", text_of(&ran));
        text_of(&ran)
    }

    fn fall_silent(&mut self) {
        let places = &mut self.places;
        self.runtime.block_on(async {
            for place in places {
                place.fall_silent().await;
            }
        });
    }

    /// Waits until each test is under way and stands where its server is silent.
    fn wait_until_all_stand(&mut self) {
        let expected: BTreeMap<String, String> =
            self.places.iter().map(|place| (place.address.clone(), place.silence.after.to_owned())).collect();
        let last = "SELECT m.email_address, coalesce(json_extract(stages, '$[#-1].workload') || ' ' || \
                    json_extract(stages, '$[#-1].stage'), '') FROM mailbox_tests t JOIN mailboxes m ON m.id = t.mailbox \
                    WHERE t.lease_expires > ''";
        let mut seen = BTreeMap::new();
        wait_for(LONG, "the tests to stand still", || {
            seen = self.daemon.query(last).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
            let dots = self.places.iter().filter(|place| place.silence.name == "dot");
            let sent = dots.filter(|place| place.sends.taken(SUBJECT) == 0).count() == 0;
            assert!(self.daemon.process().ended().is_none(), "{}", self.daemon.log());
            (seen == expected && sent).then_some(())
        });
    }

    fn heal(&mut self) {
        let places = &mut self.places;
        self.runtime.block_on(async {
            for place in places {
                place.server().put_into(Trouble::None).await;
            }
        });
    }

    fn enabled(&self) -> Vec<String> {
        let enabled = "SELECT email_address FROM mailboxes WHERE incoming_enabled OR outgoing_enabled ORDER BY 1";
        self.daemon.query(enabled).into_iter().map(|row| row[0].clone()).collect()
    }
}

#[test]
fn a_daemon_that_is_killed_at_any_stage_leaves_a_test_that_is_done_again() {
    if !ready() {
        return;
    }
    let mut world = World::new(SILENCES);
    world.fall_silent();
    world.daemon.start();
    world.does(&["mailbox", "test-enable", "--all"]);
    world.wait_until_all_stand();
    world.daemon.kill();
    assert_eq!(world.enabled(), [""; 0]);
    // Somebody decides otherwise while no daemon runs.
    let disabled = world.does(&["mailbox", "disable", "greeting@sample.example"]);
    assert!(disabled.contains("its test is called off"), "{disabled}");

    world.heal();
    world.daemon.start();
    let open = "SELECT count(*) FROM mailbox_tests WHERE finished_at IS NULL";
    wait_for(LONG, "all tests to be over", || (world.daemon.count(open) == 0).then_some(()));
    let mut expected: Vec<String> = world.places.iter().map(|place| place.address.clone()).collect();
    expected.retain(|address| address != "greeting@sample.example");
    expected.sort();
    assert_eq!(world.enabled(), expected, "{}", world.daemon.log());
    let attempts = "SELECT DISTINCT attempts FROM mailbox_tests WHERE refused IS NULL";
    assert_eq!(world.daemon.query(attempts), [["2"]], "the attempt that the death cut counts");

    // What was sent when the daemon died was sent once more, and both are known as test mails.
    for place in &world.places {
        let sent = match place.silence.name {
            "greeting" => 0,
            "dot" => 2,
            _ => 1,
        };
        assert_eq!(place.sends.taken(SUBJECT), sent, "{}", place.address);
        let known = format!(
            "SELECT count(*) FROM test_mails WHERE mailbox = (SELECT id FROM mailboxes WHERE email_address = '{}')",
            place.address
        );
        assert!(world.daemon.count(&known) >= sent as u64, "{}", place.address);
    }
    assert_eq!(world.daemon.count("SELECT count(*) FROM email_activities WHERE direction = 'outgoing'"), 0);
    world.daemon.stop();
}

#[test]
fn a_mail_that_was_sent_before_the_death_is_looked_for_and_not_sent_again() {
    if !ready() {
        return;
    }
    // Looking for it is the one command that the server has no word for.
    let mut world = World::new([silent("arrival", true, Some("OTHER"), "outgoing send")]);
    world.fall_silent();
    world.daemon.start();
    world.does(&["mailbox", "test-enable", "--all", "--round-trip"]);
    world.wait_until_all_stand();
    world.daemon.kill();
    let found = Wrong { at: "OTHER", says: "* SEARCH 1\r\n{tag} OK done\r\n", then: Then::GoesOn };
    let World { runtime, places, .. } = &mut world;
    runtime.block_on(places[0].reads.put_into(Trouble::Talks { wrong: vec![found], to_all: true }));
    world.daemon.start();
    let open = "SELECT count(*) FROM mailbox_tests WHERE finished_at IS NULL";
    wait_for(LONG, "the test to be over", || (world.daemon.count(open) == 0).then_some(()));
    assert_eq!(world.enabled(), ["arrival@sample.example"], "{}", world.daemon.log());
    assert_eq!(world.daemon.query("SELECT attempts, refused IS NULL FROM mailbox_tests"), [["2", "1"]]);
    assert_eq!(world.places[0].sends.taken(SUBJECT), 1);
    world.daemon.stop();
}

#[test]
fn a_command_that_waits_goes_on_with_the_test_of_a_daemon_that_died() {
    if !ready() {
        return;
    }
    let mut world = World::new(SILENCES.into_iter().filter(|silence| silence.name == "inbox"));
    world.fall_silent();
    world.daemon.start();
    let mut command = world.daemon.command(&["mailbox", "test-enable", "--all", "--wait"]);
    let waiting = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    world.wait_until_all_stand();
    world.daemon.kill();
    world.heal();
    let told = waiting.wait_with_output().unwrap();
    let text = text_of(&told);
    assert!(told.status.success(), "{text}");
    for words in [
        "runs them no more: they go on in this command",
        "reading works and is enabled",
        "sending works and is enabled",
        "tests that went well: 1 of 1",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    // Each stage of the attempt that counts is told, and those of the one before.
    assert_eq!(text.matches("incoming log-in").count(), 2, "{text}");
    assert_eq!((world.enabled(), world.places[0].sends.taken(SUBJECT)), (vec![world.places[0].address.clone()], 1));
}

#[test]
fn what_a_provider_has_to_say_is_an_alert() {
    if !ready() {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let entered = runtime.enter();
    let mut servers = [Server::start(talk::imap, Identity::default()), Server::start(talk::imap, Identity::default())];
    drop(entered);
    let says = [
        "{tag} OK [ALERT] Your mailbox is \u{1b}[31mnearly full\r\n",
        "{tag} OK [CONTACTADMIN] your plan ends in May\r\n",
    ];
    runtime.block_on(async {
        for (server, says) in servers.iter_mut().zip(says) {
            let wrong = vec![Wrong { at: "AUTHENTICATE", says, then: Then::GoesOn }];
            server.put_into(Trouble::Talks { wrong, to_all: true }).await;
        }
    });
    let mut daemon = Daemon::new();
    daemon.configuration.sections.insert("network", "allow_cleartext = true\n".to_owned());
    for (server, name) in servers.iter().zip(["full", "plan"]) {
        daemon = daemon.with_profile(Profile::at(server.port, "none").named(name));
        daemon = daemon.with_mailbox(&format!("{name}@sample.example"), "secret");
    }
    daemon.start();
    let mut listed = Vec::new();
    wait_for(LONG, "the alerts", || {
        if daemon.activities_so_far() == 0 {
            return None;
        }
        let alerts = daemon.json(&["alert", "list"]);
        let word = |alert: &serde_json::Value, key: &str| alert[key].as_str().unwrap().to_owned();
        listed = alerts.as_array().unwrap().clone();
        listed.sort_by_key(|alert| word(alert, "subject"));
        (listed.len() == 2).then_some(())
    });
    let of = |key: &str| listed.iter().map(|alert| alert[key].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("subject"), ["full@sample.example", "plan@sample.example"]);
    assert_eq!((of("code"), of("severity")), (vec!["provider-notice"; 2], vec!["information"; 2]));
    let texts = of("text");
    assert!(texts[0].contains("nearly full") && !texts[0].contains('\u{1b}'), "{texts:?}");
    assert!(texts[1].contains("your plan ends in May"), "{texts:?}");
    // It is read all the same.
    wait_for(LONG, "both mails", || (daemon.activities() == 2).then_some(()));
    assert_eq!(daemon.count("SELECT count(*) FROM alerts"), 2);
    daemon.stop();
}

use super::*;
use crate::model::{ids::ProfileId, profile::Security, timestamp::Timestamp};

fn config() -> Config {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mailsyncd.toml");
    std::fs::write(&file, "").unwrap();
    Config::load_with(&file, None).unwrap()
}

fn draft(section: &'static str, options: &[(&str, &str)]) -> Draft {
    let mut draft = Draft::new(section);
    options.iter().for_each(|(option, value)| draft.set(option, value));
    draft
}

fn problems(result: Result<Declared, Vec<Problem>>) -> Vec<String> {
    let problems = result.err().unwrap_or_default();
    problems.iter().map(|problem| format!("{problem}").replace("\n    hint: ", " | ")).collect()
}

#[test]
fn options_are_read_by_the_rules_of_the_files() {
    let options = [
        ("name", "contoso"),
        ("incoming_host", "imap.contoso.example"),
        ("incoming_security", "starttls"),
        ("outgoing_host", "smtp.contoso.example"),
        ("outgoing_port", "2525"),
        ("save_to_sent", "true"),
        ("minimum_polling_interval", "2m"),
    ];
    let profile = draft("profile", &options).read(&config()).unwrap().profiles.pop().unwrap();
    assert_eq!((profile.incoming.port, profile.incoming.security), (143, Security::Starttls));
    assert_eq!((profile.outgoing.unwrap().port, profile.save_to_sent), (2525, true));
    assert_eq!(profile.minimum_polling_interval, Duration::from_secs(120));
    let options = [("email_address", "q@x.example"), ("owner", "queue:Q"), ("may_send_as", "b@x.example, a@x.example")];
    let mut queue = draft("mailbox", &options);
    queue.set("outgoing", "server_side_sync");
    let mailbox = queue.read(&config()).unwrap().mailboxes.pop().unwrap();
    assert_eq!(mailbox.may_send_as, ["a@x.example", "b@x.example"]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_words_of_options() {
    let options = [
        ("name", "contoso"),
        ("incoming_port", "70000"),
        ("incoming_security", "ssl"),
        ("username", "anna"),
        ("in_doubt", "retry"),
        ("maximum_concurrent_connections", "many"),
        ("save_to_sent", "yes"),
        ("minimum_polling_interval", "5"),
    ];
    assert_eq!(
        problems(draft("profile", &options).read(&config())),
        [
            "--username or password: is not used: mailboxes log in themselves | say --authenticate-using profile, \
             or give it on each mailbox",
            "--incoming-host is missing",
            "--incoming-security: must be \"tls\" or \"starttls\" or \"none\", not \"ssl\"",
            "--incoming-port: must be 1 to 65535, not 70000",
            "--save-to-sent: must be true or false, not text",
            "--in-doubt: is not used: the profile sends nothing | give --outgoing-host smtp.example.com, or leave \
             it out",
            "--minimum-polling-interval: \"5\" is not a duration | write a duration as text with a unit (s, m, h, \
             d), as \"90s\" or \"5m\"",
            "--maximum-concurrent-connections: must be a number, not text",
        ]
    );
    assert_eq!(
        problems(draft("mailbox", &[("email_address", "anna")]).read(&config())),
        [
            "--email-address: \"anna\" is not an e-mail address",
            "owner is missing | write --owner user:NAME or \"queue:NAME\", or --kind forward",
        ]
    );
}

#[test]
fn a_draft_of_a_record_reads_back_as_the_record() {
    let options = [
        ("name", "contoso"),
        ("description", "all of \"them\"\\"),
        ("server_type", "pop3_smtp"),
        ("authenticate_using", "profile"),
        ("username", "sync"),
        ("password_credential", "contoso"),
        ("incoming_host", "pop.contoso.example"),
        ("outgoing_host", "smtp.contoso.example"),
        ("outgoing_auth", "none"),
        ("in_doubt", "hold"),
        ("process_email_from", "2026-01-01T00:00:00Z"),
    ];
    let declared = draft("profile", &options).read(&config()).unwrap().profiles.pop().unwrap();
    let mut profile = declared.record(ProfileId::generate(Timestamp::EPOCH), false);
    let mut again = Draft::of_profile(&profile, &declared.credentials);
    let read = |draft: &Draft| draft.read(&config()).unwrap().profiles.pop().unwrap();
    let known = read(&again);
    assert_eq!((&known.incoming, &known.outgoing), (&declared.incoming, &declared.outgoing));
    assert_eq!((&known.description, &known.username), (&declared.description, &declared.username));
    assert_eq!((&known.credentials, known.in_doubt), (&declared.credentials, declared.in_doubt));
    assert_eq!(known.process_email_from, declared.process_email_from);
    // A port that filled itself in follows the protection; one that was given stays.
    again.set("incoming_security", "starttls");
    assert_eq!(read(&again).incoming.port, 110);
    profile.incoming.port = 1_110;
    let mut again = Draft::of_profile(&profile, &declared.credentials);
    again.set("incoming_security", "starttls");
    again.set("outgoing_host", "");
    again.set("in_doubt", "");
    let changed = read(&again);
    assert_eq!((changed.incoming.port, changed.outgoing), (1_110, None));
}

#[test]
fn hints_of_files_become_hints_of_options() {
    for (file, option) in [
        ("use \"tls\", or set network.allow_cleartext = true", "use \"tls\", or set network.allow_cleartext = true"),
        ("say in_doubt = \"hold\" or leave it", "say --in-doubt hold or leave it"),
        (
            "give outgoing = { host = \"h\" } in it, or say outgoing = \"none\"",
            "give --outgoing-host h in it, or say --outgoing none",
        ),
        ("set limits.connections = \"5\"", "set limits.connections = \"5\""),
        ("a = ", "a = "),
    ] {
        assert_eq!(in_options(file), option);
    }
}

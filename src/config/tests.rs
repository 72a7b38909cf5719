use std::{collections::BTreeSet, os::unix::fs::PermissionsExt as _, time::Duration};

use super::*;
use crate::model::{
    alert::Severity,
    mailbox::{MailboxKind, SyncMethod},
    profile::{AuthMethod, Security},
    record::CredentialSource,
};

const REFERENCE: &str = include_str!("../../config/mailsyncd.toml");

/// Reads `text` as the main file; `Err` holds the problems as they are printed.
fn read(text: &str) -> Result<(Config, BTreeSet<String>), String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mailsyncd.toml");
    let sources = [SourceFile::new(0, &file, text.to_owned())];
    let findings = Findings::default();
    let config = Config::read(file, &sources, None, &findings);
    let asked = findings.asked.take();
    let shown = |error: ConfigError| error.to_string().replace(&format!("{}/", directory.path().display()), "");
    findings.problems.into_result().map(|()| (config, asked)).map_err(shown)
}

/// The reference with the keys it only shows.
fn all_keys() -> String {
    let shown = |line: &str| {
        let key = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['));
        key.unwrap_or(line).to_owned()
    };
    REFERENCE.lines().map(shown).collect::<Vec<_>>().join("\n")
}

/// The keys of a TOML text as `section.key`.
fn keys_of(text: &str) -> BTreeSet<String> {
    fn walk(path: &str, value: &toml::Value, keys: &mut BTreeSet<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    if path.contains('.') {
                        keys.insert(path.clone());
                    }
                    walk(&path, value, keys);
                }
            }
            toml::Value::Array(items) => items.iter().for_each(|item| walk(path, item, keys)),
            _ => {}
        }
    }
    let mut keys = BTreeSet::new();
    walk("", &text.parse::<toml::Table>().unwrap().into(), &mut keys);
    keys
}

#[test]
fn the_reference_states_the_defaults() {
    let (reference, _) = read(REFERENCE).unwrap();
    let (nothing, _) = read("").unwrap();
    assert_eq!(Config { file: PathBuf::new(), ..reference }, Config { file: PathBuf::new(), ..nothing });
}

#[test]
fn the_reference_shows_every_key_and_no_other() {
    let text = all_keys();
    let findings = Findings::default();
    let sources = [SourceFile::new(0, Path::new("/reference.toml"), text.clone())];
    Config::read(PathBuf::new(), &sources, None, &findings);
    assert_eq!(findings.asked.take(), keys_of(&text));
    let problems = findings.problems.into_result().unwrap_err().to_string();
    assert!(!problems.contains("unknown"), "{problems}");
}

#[test]
fn the_reference_states_the_defaults_of_records_and_comments_every_key() {
    let alternatives = ["key_credential", "key_file", "password_credential", "password_file", "username = \"sync"];
    let text: Vec<String> = all_keys().lines().map(str::to_owned).collect();
    let text = text.iter().filter(|line| !alternatives.iter().any(|key| line.starts_with(key)));
    let (full, _) = read(&text.cloned().collect::<Vec<_>>().join("\n")).unwrap();
    let (bare, _) = read(
        "[[profile]]\nname = \"contoso\"\nincoming.host = \"imap.contoso.example\"\n[[queue]]\nname = \"Support\"\n\
         email_address = \"support@contoso.example\"\n[[mailbox]]\nemail_address = \"support@contoso.example\"\n\
         owner = \"queue:Support\"\nprofile = \"contoso\"",
    )
    .unwrap();
    let (bare_outgoing, _) = read(
        "[[profile]]\nname = \"contoso\"\nincoming.host = \"imap.contoso.example\"\n\
         outgoing.host = \"smtp.contoso.example\"",
    )
    .unwrap();
    let (full_profile, bare_profile) = (full.declared.profiles[0].clone(), bare.declared.profiles[0].clone());
    let same = DeclaredProfile {
        place: full_profile.place.clone(),
        incoming_place: full_profile.incoming_place.clone(),
        credentials_place: full_profile.credentials_place.clone(),
        description: full_profile.description.clone(),
        owner: full_profile.owner.clone(),
        process_email_from: full_profile.process_email_from,
        outgoing: full_profile.outgoing.clone(),
        outgoing_place: full_profile.outgoing_place.clone(),
        in_doubt: Some(full.sending.in_doubt),
        ..bare_profile
    };
    assert_eq!(full_profile, same);
    let outgoing = bare_outgoing.declared.profiles[0].outgoing.clone();
    assert_eq!((full_profile.outgoing, outgoing.as_ref().map(|outgoing| outgoing.port)), (outgoing.clone(), Some(465)));
    let (full_mailbox, bare_mailbox) = (full.declared.mailboxes[0].clone(), bare.declared.mailboxes[0].clone());
    let same = DeclaredMailbox {
        place: full_mailbox.place.clone(),
        owner_place: full_mailbox.owner_place.clone(),
        profile_place: full_mailbox.profile_place.clone(),
        credentials_place: full_mailbox.credentials_place.clone(),
        name: full_mailbox.name.clone(),
        outgoing: SyncMethod::ServerSideSync,
        may_send_as: full_mailbox.may_send_as.clone(),
        process_email_received_after: full_mailbox.process_email_received_after,
        approved: Some(true),
        enabled: Some(crate::model::mailbox::DeclaredEnabled::True),
        ..bare_mailbox
    };
    assert_eq!(full_mailbox, same);

    let mut before = "";
    for line in REFERENCE.lines() {
        let is_key = line.contains(" = ") && !line.starts_with("# ") && !line.starts_with(' ');
        assert!(!is_key || before.starts_with("# "), "no comment above: {line}");
        before = line;
    }
}

#[test]
fn a_first_configuration_needs_ten_lines() {
    let (config, _) = read(
        r#"
        [[profile]]
        name = "contoso"
        incoming = { host = "imap.contoso.example", security = "starttls" }
        [network]
        allowed_ports = [143]
        [email_settings]
        default_profile = "contoso"
        [[queue]]
        name = "Support"
        email_address = "Support@contoso.example"
        [[user]]
        name = "Ada"
        email_address = "ada@contoso.example"
        [[mailbox]]
        email_address = "Support@contoso.example"
        owner = "queue:Support"
        password_file = "support.password"
        process_email_received_after = "2026-01-01T01:00:00+01:00"
        "#,
    )
    .unwrap();
    let profile = &config.declared.profiles[0];
    assert_eq!((profile.incoming.port, profile.incoming.security), (143, Security::Starttls));
    assert_eq!(profile.incoming.auth, AuthMethod::Auto);
    let [support, ada] = config.declared.mailboxes.as_slice() else { panic!("{:?}", config.declared.mailboxes) };
    assert_eq!(support.profile.as_deref(), Some("contoso"));
    assert_eq!(support.username, "Support@contoso.example");
    assert_eq!((support.kind(), support.incoming), (MailboxKind::Queue, SyncMethod::ServerSideSync));
    let secret = config.file.with_file_name("support.password").display().to_string();
    assert_eq!(support.credentials, Some(CredentialSource::File(secret)));
    assert_eq!(support.process_email_received_after, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(support.place.managed_by(), format!("config:{}:15", config.file.display()));
    assert_eq!((ada.email_address.as_str(), ada.place.line), ("ada@contoso.example", 12));
}

#[test]
fn ports_follow_from_protocol_and_security() {
    let ports = |server_type: &str, security: &str| {
        let (config, _) = read(&format!(
            "[network]\nallow_cleartext = true\nallowed_ports = [110, 143, 465, 587, 993, 995]\n[[profile]]\nname = \"p\"\n\
             server_type = \"{server_type}\"\nincoming = {{ host = \"in\", security = \"{security}\" }}\n\
             outgoing = {{ host = \"out\", security = \"{security}\" }}"
        ))
        .unwrap();
        let profile = &config.declared.profiles[0];
        (profile.incoming.port, profile.outgoing.as_ref().unwrap().port)
    };
    assert_eq!(
        ["tls", "starttls", "none"].map(|security| ports("imap_smtp", security)),
        [(993, 465), (143, 587), (143, 587)]
    );
    assert_eq!(
        ["tls", "starttls", "none"].map(|security| ports("pop3_smtp", security)),
        [(995, 465), (110, 587), (110, 587)]
    );
}

#[test]
fn who_sends_follows_from_settings_owner_and_mailbox() {
    let (config, _) = read(
        r#"
        [email_settings]
        default_profile = "contoso"
        outgoing = "server_side_sync"
        [[profile]]
        name = "contoso"
        incoming = { host = "imap.contoso.example" }
        outgoing = { host = "smtp.contoso.example", security = "starttls" }
        [[user]]
        name = "Ada"
        email_address = "ada@contoso.example"
        [[queue]]
        name = "Support"
        email_address = "support@contoso.example"
        [[mailbox]]
        email_address = "support@contoso.example"
        owner = "queue:Support"
        outgoing = "none"
        act = "none"
        delete_after_processing = true
        [[mailbox]]
        email_address = "forward@contoso.example"
        kind = "forward"
        [[queue]]
        name = "Sales"
        email_address = "sales@contoso.example"
        [[mailbox]]
        email_address = "sales@contoso.example"
        owner = "queue:Sales"
        may_send_as = ["b@contoso.example", "A@contoso.example", "a@contoso.example"]
        "#,
    )
    .unwrap();
    let sends = |mailbox: &DeclaredMailbox| mailbox.outgoing == SyncMethod::ServerSideSync;
    let who = config.declared.mailboxes.iter().map(|mailbox| (mailbox.name.as_str(), sends(mailbox)));
    let wanted = [
        ("support@contoso.example", false),
        ("forward@contoso.example", false),
        ("sales@contoso.example", true),
        ("Ada", true),
    ];
    assert_eq!(who.collect::<Vec<_>>(), wanted);
    assert_eq!(config.declared.mailboxes[2].may_send_as, ["A@contoso.example", "b@contoso.example"]);
    assert!(config.declared.mailboxes[0].delete_after_processing);
}

#[test]
fn ten_thousand_mailboxes_are_read_quickly() {
    let mut text = String::from("[[profile]]\nname = \"p\"\nincoming = { host = \"h\" }\n");
    for n in 0..10_000 {
        text.push_str(&format!("[[user]]\nname = \"u{n}\"\nemail_address = \"u{n}@x\"\n"));
        text.push_str(&format!("[[mailbox]]\nemail_address = \"u{n}@x\"\nowner = \"user:u{n}\"\nprofile = \"p\"\n"));
    }
    let begun = std::time::Instant::now();
    let (config, _) = read(&text).unwrap();
    assert_eq!(config.declared.mailboxes.len(), 10_000);
    assert_eq!(config.declared.mailboxes[9_999].place.line, 3 + 9_999 * 7 + 4);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_key_is_looked_for_where_the_configuration_says() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mailsyncd.toml");
    let load = |text: &str, credentials: Option<PathBuf>| {
        fs::write(&file, text).unwrap();
        Config::load_with(&file, credentials)
    };
    assert!(matches!(load("", None).unwrap().keyring(), Err(KeyError::NotConfigured)));

    let made = Kek::create(&directory.path().join("kek")).unwrap();
    assert_eq!(load("secrets.key_file = \"kek\"", None).unwrap().keyring().ok().unwrap().current_id(), made.id());
    let credential = "secrets.key_credential = \"kek\"";
    assert!(matches!(load(credential, None).unwrap().keyring(), Err(KeyError::NoCredentials { .. })));
    let config = load(credential, Some(directory.path().to_owned())).unwrap();
    assert_eq!(config.keyring().ok().unwrap().current_id(), made.id());

    fs::set_permissions(directory.path().join("kek"), fs::Permissions::from_mode(0o444)).unwrap();
    let error = load("secrets.key_file = \"kek\"", None).unwrap_err().to_string();
    assert!(error.contains("may be read by others (mode 0444)") && error.contains("chmod 0400"), "{error}");
}

#[test]
fn alerts_say_what_is_told_and_to_whom() {
    let (config, _) = read("[alerts]\nwarnings = false\nstale_after = \"2h\"").unwrap();
    assert_eq!(config.alerts.raised, BTreeSet::from([Severity::Information, Severity::Error]));
    assert_eq!(config.alerts.stale_after, Duration::from_secs(7_200));
    let problem = read("[alerts]\nmail_profile_owner = true").unwrap_err();
    assert!(problem.contains(":2: mail_profile_owner of [alerts]: needs a mailbox to send from"), "{problem}");
    let wrong = read("[alerts]\nmail_profile_owner = true\nmail_from = \"alerts\"").unwrap_err();
    assert!(wrong.contains("\"alerts\" is not an e-mail address") && !wrong.contains("needs"), "{wrong}");
    assert!(read("[alerts]\nmail_profile_owner = true\nmail_from = \"alerts@example.com\"").is_ok());
}

#[test]
fn every_item_that_is_wrong_is_named() {
    let problems = read("network.allowed_ports = [993, 99999, \"x\"]").unwrap_err();
    assert!(
        problems.contains("item 2: must be 1 to 65535, not 99999; item 3: must be a number, not text"),
        "{problems}"
    );
}

#[test]
fn the_default_message_must_fit_the_memory_as_well() {
    let problems = read("[limits]\nbytes_in_flight = \"10MB\"").unwrap_err();
    for section in ["receive", "sending"] {
        let expected = format!(
            "mailsyncd.toml:2: maximum_message_size of [{section}]: is 50MB where it is not given: it is over \
             limits.bytes_in_flight (10MB)"
        );
        assert!(problems.contains(&expected), "{problems}");
    }
    let sizes = "[receive]\nmaximum_message_size = \"9MB\"\n[sending]\nmaximum_message_size = \"9MB\"";
    read(&format!("limits.bytes_in_flight = \"10MB\"\n{sizes}")).unwrap();
}

#[test]
fn a_name_that_leads_nowhere_is_pointed_at() {
    let problems =
        read("[[mailbox]]\nemail_address = \"ada@contoso.example\"\nowner = \"user:Ada\"\n\nprofile = \"contoso\"")
            .unwrap_err();
    assert!(problems.contains("mailsyncd.toml:3: there is no user \"Ada\""), "{problems}");
    assert!(problems.contains("mailsyncd.toml:5: there is no profile \"contoso\""), "{problems}");
}

#[test]
fn what_is_not_checked_beside_a_file_that_cannot_be_read_is_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let twice = "[[user]]\nname = \"Ada\"\nemail_address = \"ada@contoso.example\"\n".repeat(2);
    let lost = "[[mailbox]]\nemail_address = \"ada@contoso.example\"\nkind = \"forward\"\nprofile = \"lost\"\n";
    let sources = [
        SourceFile::new(0, &file("mailsyncd.toml"), twice + lost),
        SourceFile::new(1, &file("broken.toml"), "[[profile]\n".to_owned()),
    ];
    let findings = Findings::default();
    Config::read(file("mailsyncd.toml"), &sources, None, &findings);
    let problems = findings.problems.into_result().unwrap_err().to_string();
    assert_eq!(problems.matches("not checked: ").count(), 1, "{problems}");
    assert!(problems.contains("user Ada is declared twice"), "what can be checked is: {problems}");
    assert!(!problems.contains("there is no profile"), "it may be in the other file: {problems}");
}

/// Two mailboxes on a profile, the first one enabled.
fn mailboxes(first: &str) -> String {
    format!(
        "[[profile]]\nname = \"contoso\"\nincoming.host = \"imap.contoso.example\"\n\
         [[mailbox]]\nemail_address = \"ada@contoso.example\"\nkind = \"forward\"\nprofile = \"contoso\"\n\
         enabled = true\n{first}\n\
         [[mailbox]]\nemail_address = \"bob@contoso.example\"\nkind = \"forward\"\nprofile = \"contoso\""
    )
}

#[test]
fn a_password_that_is_not_there_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let warnings = |first: &str| {
        let warnings = read(&mailboxes(first)).unwrap().0.warnings();
        let place = |problem: &Problem| problem.place.as_ref().unwrap().line;
        warnings.iter().map(|problem| format!("{}: {}", place(problem), problem.text)).collect::<Vec<_>>()
    };
    let nothing = ["4: mailbox ada@contoso.example is enabled, but there is no password for it"];
    assert_eq!(warnings(""), nothing);
    let path = directory.path().join("ada");
    let named = format!("password_file = {path:?}");
    let gone = format!("9: the password file {} does not exist: without it nobody is logged in", path.display());
    assert_eq!(warnings(&named), [gone]);
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(warnings(&named), [format!("9: the password file {} is empty", path.display())]);
    fs::write(directory.path().join("full"), "hunter2\n").unwrap();
    fs::set_permissions(directory.path().join("full"), fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(warnings(&format!("password_file = {:?}", directory.path().join("full"))), [""; 0]);
    // One that systemd gives is not for whoever checks, and one may be stored where there is a key.
    assert_eq!(warnings("password_credential = \"ada\""), [""; 0]);
    assert_eq!(warnings("[secrets]\nkey_credential = \"kek\""), [""; 0]);
}

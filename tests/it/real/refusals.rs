//! Servers that refuse or cannot be trusted: the failure has the right name, and others go on.

use super::{ANNA, BERT, anna, ready};
use crate::support::{
    certificates::Certificate,
    chaos::ChaosProxy,
    daemon::{Daemon, Profile},
    dovecot::{Dovecot, Tls},
    mail,
    process::free_port,
};

/// Bert's mailbox is well; runs once with Anna's on `profile`, which is not, and returns the
/// failure code that `mailbox show` has for her.
fn failure_beside_a_healthy_mailbox(profile: Profile, codes: &[&str]) -> Daemon {
    let healthy = Dovecot::start();
    healthy.set_password(BERT, "bert's password");
    healthy.deliver(BERT, &mail::small("healthy@sample.example"));
    let mut daemon = Daemon::new()
        .with_server(&healthy)
        .with_mailbox(BERT, "bert's password")
        .with_profile(profile.named("faulty"))
        .with_mailbox(ANNA, "anna's password");
    assert_eq!(daemon.once().code(), Some(1), "{}", daemon.log());
    assert_eq!(daemon.activities(), 1, "{}", daemon.log());

    assert_one_failure(&daemon, codes);
    let shown = daemon.mailbox(ANNA).to_string() + &daemon.json(&["profile", "show", "faulty"]).to_string();
    assert!(codes.iter().any(|code| shown.contains(code)), "{codes:?} in {shown}");
    let healthy = "SELECT coalesce(incoming_failure_code, 'none') FROM mailboxes WHERE email_address = ";
    assert_eq!(daemon.query(&format!("{healthy}'{BERT}'")), [["none"]]);
    daemon
}

/// The log has one line that somebody will see for the one failure there was, with one of `codes`.
fn assert_one_failure(daemon: &Daemon, codes: &[&str]) {
    let log = daemon.log();
    let seen = |line: &&str| line.contains("\"WARN\"") || line.contains("\"ERROR\"");
    let failures: Vec<&str> = log.lines().filter(seen).collect();
    let named = failures.iter().filter(|line| codes.iter().any(|code| line.contains(code))).count();
    assert!(failures.len() == 1 && named == 1, "one line for one failure {codes:?}:\n{log}");
}

#[test]
fn certificates_that_cannot_be_trusted_hold_the_profile() {
    if !ready() {
        return;
    }
    let expected = [
        (Certificate::Expired, "tls-expired"),
        (Certificate::WrongName, "tls-wrong-name"),
        (Certificate::UnknownAuthority, "tls-untrusted"),
        (Certificate::SelfSignedAuthority, "tls-bad-certificate"),
    ];
    for (certificate, code) in expected {
        let server = Dovecot::start_with(certificate, Tls::Required);
        server.set_password(ANNA, "anna's password");
        let healthy = Dovecot::start();
        healthy.set_password(BERT, "bert's password");
        healthy.deliver(BERT, &mail::small("healthy@sample.example"));
        // Both authorities are trusted: what is wrong is the certificate.
        let both =
            [healthy.authority(), server.authority()].map(|path| std::fs::read_to_string(path).unwrap()).concat();
        let mut daemon = Daemon::new()
            .with_server(&healthy)
            .with_mailbox(BERT, "bert's password")
            .with_profile(Profile::of(&server).named("faulty"))
            .with_mailbox(ANNA, "anna's password");
        std::fs::write(daemon.path("both.pem"), both).unwrap();
        daemon.configuration.authority = Some(daemon.path("both.pem"));

        assert_eq!(daemon.once().code(), Some(1), "{}", daemon.log());
        assert_eq!(daemon.activities(), 1, "the healthy mailbox: {}", daemon.log());
        assert_one_failure(&daemon, &[code]);
        let held = daemon.json(&["profile", "show", "faulty"]).to_string();
        assert!(held.contains(code), "{certificate:?}: {held}");
        let free = daemon.json(&["profile", "show", "sample"]).to_string();
        assert!(!free.contains("tls-"), "{certificate:?}: {free}");
        assert_eq!(server.logins(), 0);
    }
}

#[test]
fn a_wrong_password_is_named_and_stops_nobody_else() {
    if !ready() {
        return;
    }
    let (server, daemon) = anna();
    server.set_password(BERT, "bert's password");
    server.deliver(ANNA, &mail::small("a@sample.example"));
    server.deliver(BERT, &mail::small("b@sample.example"));
    let mut daemon = daemon.with_mailbox(BERT, "not bert's password");
    assert_eq!(daemon.once().code(), Some(1), "{}", daemon.log());
    assert_eq!(daemon.recorded().into_keys().collect::<Vec<_>>(), ["a@sample.example"]);
    let shown = daemon.mailbox(BERT);
    assert!(shown.to_string().contains("auth-rejected"), "{shown}");
    let enabled = "SELECT count(*) FROM mailboxes WHERE incoming_enabled";
    assert_eq!(daemon.count(enabled), 2, "one refusal is not enough to disable a mailbox");
    assert!(!daemon.mailbox(ANNA).to_string().contains("auth-rejected"));
    // He waits for the first confirmation: another run leaves him, and says so.
    daemon.once_well();
    let left = |line: &str| line.contains("left for a later run") && line.contains("\"count\":1");
    assert_eq!(daemon.log().lines().filter(|line| left(line)).count(), 1, "{}", daemon.log());
}

#[test]
fn a_server_that_nobody_answers_at_is_named() {
    if ready() {
        failure_beside_a_healthy_mailbox(Profile::at(free_port(), "tls"), &["host-unreachable"]);
    }
}

#[test]
fn a_host_that_does_not_exist_is_named() {
    if ready() {
        let profile = Profile { host: "no-such-host.invalid".into(), ..Profile::at(free_port(), "tls") };
        // Without any name server the answer is that there is no answer.
        failure_beside_a_healthy_mailbox(profile, &["dns-not-found", "dns-failed"]);
    }
}

#[test]
fn a_server_that_falls_silent_is_named() {
    if !ready() {
        return;
    }
    let silent = Dovecot::start();
    let proxy = ChaosProxy::start(silent.imaps);
    proxy.stall_after(0);
    let more = "connection_timeout = \"2s\"\n".to_owned();
    let profile = Profile { more, ..Profile::at(proxy.port, "tls") };
    failure_beside_a_healthy_mailbox(profile, &["\"timeout\""]);
    assert!(proxy.accepted() > 0);
}

#[test]
fn a_port_that_does_not_speak_tls_is_named() {
    if ready() {
        let plain = Dovecot::start_with(Certificate::Good, Tls::Off);
        failure_beside_a_healthy_mailbox(Profile::at(plain.imap, "tls"), &["tls-not-spoken"]);
    }
}

/// Where it answered within the last minute, the mailbox alone is tried again; the line names the server as well.
#[test]
fn a_server_that_stops_under_a_daemon_is_named() {
    if !ready() {
        return;
    }
    let (mut server, mut daemon) = anna();
    server.deliver(ANNA, &mail::small("1@sample.example"));
    daemon.start();
    daemon.wait_for_activities(1);
    server.kill();
    let (port, host) = (format!("\"port\":{}", server.imaps), "\"host\":\"localhost\"");
    daemon.wait_for_log(&["host-unreachable", host, &port, "hint", "tried again within a minute"]);
    assert!(daemon.stop().success(), "{}", daemon.log());
}

/// The server that was just there is gone: each cycle that finds it so has one line, which says all that is needed.
#[test]
fn a_server_that_is_stopped_has_one_line_for_each_cycle_with_code_server_and_next_step() {
    if !ready() {
        return;
    }
    let (mut server, mut daemon) = anna();
    daemon.once_well();
    server.kill();
    for cycles in 1..=2 {
        assert_eq!(daemon.once().code(), Some(1), "{}", daemon.log());
        let log = daemon.log();
        let seen: Vec<serde_json::Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .filter(|line: &serde_json::Value| line["level"] == "WARN" || line["level"] == "ERROR")
            .collect();
        assert_eq!(seen.len(), cycles, "{log}");
        let line = seen.last().unwrap();
        let field = |name: &str| line[name].as_str().unwrap_or_default();
        assert_eq!(
            (field("code"), field("host"), field("profile")),
            ("host-unreachable", "localhost", "sample"),
            "{line}"
        );
        assert_eq!(
            (line["port"].as_u64(), field("words")),
            (Some(server.imaps.into()), "connection refused"),
            "{line}"
        );
        assert!(field("message").contains("one tries again at 2") && !field("hint").is_empty(), "{line}");
        daemon.query("UPDATE server_profiles SET hold_until = '2000-01-01T00:00:00.000000Z'");
    }
    server.restart();
    daemon.query("UPDATE server_profiles SET hold_until = '2000-01-01T00:00:00.000000Z'");
    daemon.once_well();
}

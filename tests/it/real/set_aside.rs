//! A message that could not be recorded, until what was wrong with it is set right.

use super::{ANNA, ready};
use crate::support::{
    daemon::{Daemon, Profile},
    dovecot::Dovecot,
    mail,
};

const LARGE: &str = "large@sample.example";

/// Message-IDs of the ledger with their verdicts, and the open alerts.
fn standing(daemon: &Daemon) -> (u64, u64, u64) {
    let ledger =
        |verdict: &str| daemon.count(&format!("SELECT count(*) FROM inbox_ledger WHERE verdict = '{verdict}'"));
    let open = "SELECT count(*) FROM alerts WHERE code = 'message-too-large' AND closed_at IS NULL";
    (ledger("recorded"), ledger("set_aside"), daemon.count(open))
}

#[test]
fn what_was_set_aside_is_recorded_once_after_the_cause_is_gone_and_a_retry() {
    if !ready() {
        return;
    }
    for reading in [Profile::of, Profile::pop3] {
        let server = Dovecot::start();
        server.set_password(ANNA, "anna's password");
        let mut daemon = Daemon::new().with_server(&server);
        daemon.configuration.profiles = vec![reading(&server)];
        let mut daemon = daemon.with_mailbox(ANNA, "anna's password");
        let limit = |size: &str| format!("maximum_message_size = \"{size}\"\n");
        daemon.configuration.sections.insert("receive", limit("100KB"));
        server.deliver(ANNA, &mail::small("before@sample.example"));
        server.deliver(ANNA, &mail::big(LARGE, 300_000));
        server.deliver(ANNA, &mail::small("behind@sample.example"));
        daemon.once_well();
        assert_eq!(standing(&daemon), (2, 1, 1), "{}", daemon.log());
        let aside = daemon.json(&["message", "list", "--set-aside"]);
        assert!(aside.to_string().contains("message-too-large"), "{aside}");

        // A retry alone changes nothing, and neither does the larger limit alone.
        daemon.json(&["message", "retry", "--all"]);
        daemon.once_well();
        assert_eq!(standing(&daemon), (2, 1, 1), "{}", daemon.log());
        daemon.configuration.sections.insert("receive", limit("1MB"));
        daemon.once_well();
        assert_eq!(standing(&daemon), (2, 1, 1), "{}", daemon.log());

        daemon.json(&["message", "retry", "--all"]);
        for _ in 0..2 {
            daemon.once_well();
            assert_eq!(standing(&daemon), (3, 0, 0), "{}", daemon.log());
            let recorded = daemon.recorded();
            assert!(recorded.len() == 3 && recorded.values().all(|times| *times == 1), "{recorded:?}");
        }
        assert_eq!(server.message_ids_now(ANNA).len(), 3, "nothing was taken from the server");
    }
}

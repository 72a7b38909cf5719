//! Alerts that are over, and those that are old.

use mailsyncd::model::{
    alert::{AlertSubject, Severity},
    audit::Actor,
    failure::FailureCode,
    mailbox::Workload::Incoming as IN,
    record::RecordChange,
};

use super::{
    alerts::{alerts, raise},
    fixtures::*,
    outbox::rows,
};
use crate::support::databases::databases;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_or_old_is_tidied_away() {
    use FailureCode::{AuthRejected, MailboxConnected, Timeout};
    for database in databases().await {
        let store = &database.store;
        let mailboxes = with_mailboxes(store, &["gone@x", "here@x"]).await;
        let [gone, here] = [0, 1].map(|index| AlertSubject::Mailbox(mailboxes[index].id));
        let changes = [
            raise(gone, Severity::Error, AuthRejected, IN),
            raise(here, Severity::Information, MailboxConnected, None),
            raise(here, Severity::Warning, Timeout, IN),
        ];
        store.change_alerts(&changes, at(1)).await.unwrap();
        store.tidy_alerts(at(2), at(0)).await.unwrap();
        let all = ["error auth-rejected 1 in", "information mailbox-connected 1", "warning timeout 1 in"];
        assert_eq!(alerts(&database).await, all);
        store.apply(&[RecordChange::RetireMailbox(mailboxes[0].id)], &Actor::Configuration, at(3)).await.unwrap();
        store.tidy_alerts(at(4), at(0)).await.unwrap();
        let all = ["error auth-rejected 1 in closed", "information mailbox-connected 1", "warning timeout 1 in"];
        assert_eq!(alerts(&database).await, all);
        store.tidy_alerts(at(50), at(5)).await.unwrap();
        assert_eq!(alerts(&database).await, ["information mailbox-connected 1 closed", "warning timeout 1 in"]);
    }
}

/// What its subject's end, or that of what it tells of, did not close itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_asks_to_be_done_any_more_needs_no_alert() {
    use FailureCode::{AuthRejected, HostUnreachable, MailboxConnected, ResourcesExhausted};
    for database in databases().await {
        let store = &database.store;
        let mailboxes = with_mailboxes(store, &["a@x"]).await;
        let (mailbox, profile) = (mailboxes[0].id, mailboxes[0].profile.unwrap());
        let everything = [
            raise(AlertSubject::Mailbox(mailbox), Severity::Error, AuthRejected, IN),
            raise(AlertSubject::Mailbox(mailbox), Severity::Information, MailboxConnected, None),
            raise(AlertSubject::Profile(profile), Severity::Warning, HostUnreachable, IN),
            raise(AlertSubject::Daemon, Severity::Warning, ResourcesExhausted, None),
        ];
        let is = |table: &str, change: &str| format!("UPDATE {table} SET {change}");
        for (change, closed) in [
            (is("mailboxes", "name = 'a'"), &[][..]),
            (is("mailboxes", "state = 'inactive'"), &["auth-rejected", "mailbox-connected"][..]),
            (is("server_profiles", "state = 'inactive'"), &["host-unreachable"][..]),
            // That it is connected is no longer true where one of what was tested works no more.
            (is("mailboxes", "incoming_enabled = FALSE"), &["mailbox-connected"][..]),
            (is("mailboxes", "outgoing_enabled = FALSE"), &["mailbox-connected"][..]),
            (is("mailboxes", "outgoing_enabled = FALSE, outgoing_test_status = 'failure'"), &[][..]),
        ] {
            let well = "incoming_enabled = TRUE, outgoing_enabled = TRUE, incoming_test_status = 'success', \
                        outgoing_test_status = 'success', state = 'active'";
            database.execute(&is("mailboxes", well)).await;
            database.execute(&is("server_profiles", "state = 'active'")).await;
            database.execute("DELETE FROM alerts").await;
            store.change_alerts(&everything, at(1)).await.unwrap();
            database.execute(&change).await;
            store.tidy_alerts(at(2), at(0)).await.unwrap();
            let query = "SELECT code FROM alerts WHERE closed_at IS NOT NULL ORDER BY code";
            assert_eq!(rows(&database, query).await, closed, "{change}");
        }
    }
}

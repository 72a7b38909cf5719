//! Log-ins that were refused.

use mailsyncd::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        audit::Actor,
        failure::{Failure, FailureCode, Persistence, Scope},
        lease::{ProfileHold, Settlement},
        lockout::{Mark, REMEMBERED, RefusedLogIn},
        mailbox::{Workload, WorkloadState},
        record::RecordChange,
        timestamp::Timestamp,
    },
    schedule::{alarm, duty::Side},
    store::{AlertFilter, Store},
};

use super::fixtures::*;
use crate::support::databases::databases;

const HOST: &str = "imap.example.org";

async fn note(store: &Store, username: &str, seconds: i64, mark: u8) {
    let refused = RefusedLogIn { at: at(seconds), mark: Mark(vec![mark; 16]) };
    store.note_refused(HOST, username, &refused).await.unwrap();
}

async fn known(store: &Store, username: &str) -> Vec<(Timestamp, Vec<u8>)> {
    let log_ins = store.refused_log_ins(HOST, username).await.unwrap();
    log_ins.into_iter().map(|log_in| (log_in.at, log_in.mark.0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_log_ins_are_kept_by_account_until_it_is_let_in_or_they_are_old() {
    for database in databases().await {
        let store = &database.store;
        note(store, "anna", 1, 1).await;
        note(store, "anna", 2, 2).await;
        note(store, "bert", 3, 1).await;
        assert_eq!(known(store, "anna").await, [(at(1), vec![1; 16]), (at(2), vec![2; 16])]);
        let mut accounts = store.refused_accounts().await.unwrap();
        accounts.sort_unstable();
        assert_eq!(accounts, [(HOST.to_owned(), "anna".to_owned()), (HOST.to_owned(), "bert".to_owned())]);
        assert!(store.refused_log_ins("smtp.example.org", "anna").await.unwrap().is_empty());

        store.forget_refused(HOST, "anna").await.unwrap();
        assert!(known(store, "anna").await.is_empty());
        let later = i64::try_from(REMEMBERED.as_secs()).unwrap() + 4;
        note(store, "anna", later, 1).await;
        assert_eq!(known(store, "bert").await, [], "what is long ago is forgotten");
        assert_eq!(known(store, "anna").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_begins_anew_with_the_password_but_not_with_the_server() {
    for database in databases().await {
        let store = &database.store;
        let mailboxes = with_mailboxes(store, &["anna@example.org", "bert@example.org"]).await;
        let anna = &mailboxes[0];
        note(store, &anna.username, 1, 1).await;
        note(store, &mailboxes[1].username, 1, 1).await;
        let fence = claim(store, anna.id, at(2)).await;
        let mut state = anna.incoming.clone();
        (state.confirmations, state.failure_code) = (2, Some(FailureCode::AuthRejected));
        (state.postponed_until, state.next_due_at) = (Some(at(900)), Some(at(900)));
        store.settle(&[Settlement { fence, state, alerts: Vec::new() }], at(3)).await.unwrap();
        let profile = anna.profile.unwrap();
        let hold = |code| {
            let failure = Failure::new(code, Scope::Profile, Persistence::Permanent, "no");
            ProfileHold { since: at(2), until: at(9_000), failures: 1, code: failure.code, text: failure.text }
        };
        store.put_hold(Workload::Incoming, profile, &hold(FailureCode::AuthRejected), &[], at(2)).await.unwrap();
        store.put_hold(Workload::Outgoing, profile, &hold(FailureCode::SecurityDowngrade), &[], at(2)).await.unwrap();

        assert_eq!(store.request_polls(&[anna.id], at(10)).await.unwrap(), 1);
        assert_eq!(known(store, &anna.username).await, [(at(1), Vec::new())], "the server counts on");
        assert_eq!(known(store, &mailboxes[1].username).await, [(at(1), vec![1; 16])]);
        let records = store.records().await.unwrap();
        let (anna, _) = records.mailboxes.iter().find(|(mailbox, _)| mailbox.id == anna.id).unwrap();
        assert_eq!((anna.incoming.confirmations, anna.incoming.postponed_until), (0, None));
        assert_eq!(anna.incoming.next_due_at, Some(at(10)));
        let until = async |workload| store.holds(workload).await.unwrap()[0].1.until;
        assert_eq!(until(Workload::Incoming).await, at(10), "one tries now");
        assert_eq!(until(Workload::Outgoing).await, at(9_000), "that is not about a password");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_storm_of_refusals_charged_is_taken_back_and_nothing_else() {
    use FailureCode::{AuthRejected, AuthUnclear, InboxUnavailable};
    for database in databases().await {
        let store = &database.store;
        let addresses = ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org"];
        let mailboxes = with_mailboxes(store, &addresses).await;
        let cases = [
            (AuthRejected, 100, Some(at(400)), true),
            (AuthUnclear, 100, None, true),
            (AuthRejected, 10, Some(at(400)), false),
            (InboxUnavailable, 100, Some(at(400)), false),
            (AuthRejected, 100, Some(at(400)), true),
        ];
        for (mailbox, (code, since, due, _)) in mailboxes.iter().zip(cases) {
            let fence = claim(store, mailbox.id, at(101)).await;
            let state = WorkloadState {
                enabled: due.is_some(),
                confirmations: 1,
                failing_since: Some(at(since)),
                failure_code: Some(code),
                postponed_until: due,
                next_due_at: due,
                last_success_at: Some(at(50)),
                ..WorkloadState::default()
            };
            let (subject, text) = (AlertSubject::Mailbox(mailbox.id), "no".into());
            let workload = Some(Workload::Incoming);
            let alert = AlertChange::Raise(NewAlert { subject, severity: Severity::Warning, code, text, workload });
            store.settle(&[Settlement { fence, state, alerts: vec![alert] }], at(102)).await.unwrap();
        }
        let profile = mailboxes[0].profile.unwrap();
        assert_eq!(store.let_in(Workload::Incoming, at(40)).await.unwrap(), [(profile, 5)]);
        assert_eq!(store.let_in(Workload::Incoming, at(50)).await.unwrap(), []);
        assert_eq!(store.let_in(Workload::Outgoing, at(40)).await.unwrap(), []);

        let codes = [AuthRejected, AuthUnclear];
        store.take_back(Workload::Incoming, profile, &codes, at(60), at(200)).await.unwrap();
        let records = store.records().await.unwrap();
        let alerts = store.alerts(&AlertFilter::default()).await.unwrap();
        for (mailbox, (code, _, due, taken_back)) in mailboxes.iter().zip(cases) {
            let (mailbox, _) = records.mailboxes.iter().find(|(it, _)| it.id == mailbox.id).unwrap();
            let state = &mailbox.incoming;
            let now = (state.enabled, state.confirmations, state.failure_code, state.next_due_at);
            let expected = match taken_back {
                true => (true, 0, None, Some(at(200))),
                false => (true, 1, Some(code), due),
            };
            assert_eq!(now, expected, "{}", mailbox.email_address);
            assert_eq!(state.last_success_at, Some(at(50)));
            let open = alerts.iter().any(|alert| alert.alert.subject == mailbox.email_address);
            assert_eq!(open, !taken_back, "the alert about {}", mailbox.email_address);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_an_attack_is_tried_again_once_its_alert_is_dismissed() {
    for database in databases().await {
        let store = &database.store;
        let profile = with_mailboxes(store, &["a@x.org"]).await[0].profile.unwrap();
        let hold =
            |code| ProfileHold { since: at(1), until: Timestamp::FAR_FUTURE, failures: 0, code, text: "x".into() };
        let side = |workload| Side::new(workload, profile);
        for (workload, code) in
            [(Workload::Incoming, FailureCode::SecurityDowngrade), (Workload::Outgoing, FailureCode::TlsRequired)]
        {
            let alerts = alarm::held(side(workload), &hold(code), at(1));
            store.put_hold(workload, profile, &hold(code), &alerts, at(1)).await.unwrap();
        }
        let until = async |workload| store.holds(workload).await.unwrap()[0].1.until;
        assert_eq!(until(Workload::Incoming).await, Timestamp::FAR_FUTURE);
        let alerts = store.alerts(&AlertFilter::default()).await.unwrap();
        let alert = alerts.iter().find(|alert| alert.alert.code == "security-downgrade").unwrap();
        store.apply(&[RecordChange::DismissAlert(alert.id)], &Actor::Configuration, at(9)).await.unwrap();
        assert_eq!(until(Workload::Incoming).await, at(9));
        assert_eq!(until(Workload::Outgoing).await, Timestamp::FAR_FUTURE, "that is another alert");
    }
}

//! Log-ins that were refused.

use mailsyncd::{
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        lease::{ProfileHold, Settlement},
        lockout::{Mark, REMEMBERED, RefusedLogIn},
        mailbox::Workload,
        timestamp::Timestamp,
    },
    store::Store,
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

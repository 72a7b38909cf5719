//! Sealed secrets, and sealing them anew.

use mailsyncd::model::{
    alert::{AlertSubject, NewAlert, Severity},
    audit::Actor,
    failure::FailureCode,
    mailbox::Workload,
    record::{KeptSecret, Resealed, SealedSecret, SecretOwner},
};

use super::{fixtures::*, outbox::rows};
use crate::support::databases::databases;

fn sealed(key_id: &str, byte: u8) -> SealedSecret {
    SealedSecret { key_id: key_id.to_owned(), data_key: vec![byte; 72], ciphertext: vec![byte; 40] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_set_meanwhile_is_not_overwritten_by_sealing_anew() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["a@example.org", "b@example.org"]).await;
        let [a, b] = [boxes[0].id, boxes[1].id].map(SecretOwner::Mailbox);
        for (owner, byte) in [(a, 1), (b, 2)] {
            store.put_secret(owner, &sealed("old", byte), &Actor::Configuration, at(1)).await.unwrap();
        }
        let anew = |owner, byte| Resealed { owner, before: sealed("old", byte), after: sealed("new", byte + 10) };
        let batch = [anew(a, 1), anew(b, 2)];
        // Set again under the old key, by somebody who does not know of the new one yet.
        store.put_secret(b, &sealed("old", 3), &Actor::Configuration, at(2)).await.unwrap();
        assert_eq!(store.reseal(&batch, &Actor::CommandLine("root".into()), at(3)).await.unwrap(), 1);
        assert_eq!(
            store.reseal(&batch, &Actor::CommandLine("root".into()), at(3)).await.unwrap(),
            0,
            "done again it does nothing"
        );
        assert_eq!(store.secret(a).await.unwrap(), KeptSecret::Sealed(sealed("new", 11)));
        assert_eq!(store.secret(b).await.unwrap(), KeptSecret::Sealed(sealed("old", 3)), "the password set last stays");
        assert_eq!(store.secrets_by_key().await.unwrap(), [("new".to_owned(), 1), ("old".to_owned(), 1)]);
        // And set under the new key: the same.
        store.put_secret(b, &sealed("new", 4), &Actor::Configuration, at(4)).await.unwrap();
        assert_eq!(store.reseal(&[anew(b, 3)], &Actor::CommandLine("root".into()), at(5)).await.unwrap(), 0);
        assert_eq!(store.secret(b).await.unwrap(), KeptSecret::Sealed(sealed("new", 4)));
        assert_eq!(store.secrets_under_others("new", None, 10).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_under_other_keys_are_listed_each_once_page_by_page() {
    for database in databases().await {
        let store = &database.store;
        let addresses: Vec<String> = (0..25).map(|number| format!("{number}@example.org")).collect();
        let boxes = with_mailboxes(store, &addresses.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut owners: Vec<SecretOwner> = boxes.iter().map(|mailbox| SecretOwner::Mailbox(mailbox.id)).collect();
        owners.push(SecretOwner::Profile(boxes[0].profile.unwrap()));
        for (number, owner) in owners.iter().enumerate() {
            let key_id = ["old", "new", "older"][number % 3];
            store.put_secret(*owner, &sealed(key_id, number as u8), &Actor::Configuration, at(1)).await.unwrap();
        }
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = store.secrets_under_others("new", after, 4).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            assert!(page.len() <= 4 && page.iter().all(|(_, sealed)| sealed.key_id != "new"));
            listed.extend(page.into_iter().map(|(owner, _)| owner));
        }
        listed.sort();
        let mut expected: Vec<_> = owners.iter().enumerate().filter(|(number, _)| number % 3 != 1).collect();
        expected.sort_by_key(|(_, owner)| **owner);
        assert_eq!(listed, expected.into_iter().map(|(_, owner)| *owner).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_a_missing_password_that_was_stored() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        for (subject, owner) in [
            (AlertSubject::Mailbox(mailbox.id), SecretOwner::Mailbox(mailbox.id)),
            (AlertSubject::Profile(mailbox.profile.unwrap()), SecretOwner::Profile(mailbox.profile.unwrap())),
        ] {
            for code in [FailureCode::CredentialsMissing, FailureCode::Timeout] {
                let text = "no password is stored".to_owned();
                let workload = Some(Workload::Incoming);
                let alert = NewAlert { subject, severity: Severity::Error, code, text, workload };
                store.raise_alert(&alert, at(1)).await.unwrap();
            }
            store.put_secret(owner, &sealed("old", 1), &Actor::Configuration, at(2)).await.unwrap();
            let open = "SELECT code FROM alerts WHERE closed_at IS NULL";
            assert_eq!(rows(&database, open).await, ["timeout"], "{owner:?}");
            store.close_alert(subject, FailureCode::Timeout, at(3)).await.unwrap();
        }
    }
}

//! What administrators declare.

use mailsyncd::{
    model::{
        audit::Actor,
        failure::FailureCode,
        ids::{MailboxId, ProfileId},
        mailbox::MailboxKind,
        record::{CredentialSource, KeptSecret, RecordChange, SealedSecret, SecretOwner},
    },
    store::StoreError,
};

use super::fixtures::*;
use crate::support::databases::databases;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_come_back_as_they_were_put() {
    for database in databases().await {
        let store = &database.store;
        let profile = profile("example");
        let (user, queue) = (owner("anna", MailboxKind::User), owner("support", MailboxKind::Queue));
        let mut mailbox = mailbox("anna@example.org", &profile);
        mailbox.kind = MailboxKind::User;
        mailbox.owner = Some(user.id);
        mailbox.incoming.failure_code = Some(FailureCode::Timeout);
        let file = CredentialSource::File("/run/secrets/anna".into());
        let changes = [
            RecordChange::PutProfile(profile.clone(), CredentialSource::SystemdCredential("imap".into())),
            RecordChange::PutOwner(user.clone()),
            RecordChange::PutOwner(queue.clone()),
            RecordChange::PutMailbox(Box::new(mailbox.clone()), file.clone()),
        ];
        store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
        let records = store.records().await.unwrap();
        let credential = CredentialSource::SystemdCredential("imap".into());
        assert_eq!(records.profiles, [(profile.clone(), credential.clone())]);
        assert_eq!(records.owners, [user.clone(), queue.clone()]);
        assert_eq!(records.mailboxes, [(mailbox.clone(), file.clone())]);
        assert_eq!(store.credential_source(SecretOwner::Profile(profile.id)).await.unwrap(), credential);
        assert_eq!(store.credential_source(SecretOwner::Mailbox(mailbox.id)).await.unwrap(), file);

        // Declared again with other state: the state is the database's.
        let mut declared = mailbox.clone();
        declared.name = "Anna".into();
        declared.incoming = state();
        store.apply(&[put(&declared)], &Actor::Configuration, at(1)).await.unwrap();
        declared.incoming = mailbox.incoming.clone();
        assert_eq!(store.records().await.unwrap().mailboxes, [(declared.clone(), CredentialSource::Stored)]);
        let ends = [
            RecordChange::DisableIncoming(mailbox.id),
            RecordChange::RetireMailbox(mailbox.id),
            RecordChange::RetireOwner(queue.id),
            RecordChange::RetireProfile(profile.id),
        ];
        store.apply(&ends, &Actor::Configuration, at(2)).await.unwrap();
        let records = store.records().await.unwrap();
        assert!(!records.mailboxes[0].0.active && !records.mailboxes[0].0.incoming.enabled);
        assert!(records.owners[0].active && !records.owners[1].active && !records.profiles[0].0.active);
        store.apply(&[RecordChange::EnableIncoming(mailbox.id)], &Actor::Configuration, at(3)).await.unwrap();
        assert_eq!(store.records().await.unwrap().mailboxes[0].0.incoming, state());
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_applied_all_or_none() {
    for database in databases().await {
        let store = &database.store;
        let profile = profile("example");
        let (a, twin) = (mailbox("a@example.org", &profile), mailbox("a@example.org", &profile));
        let changes = [RecordChange::PutProfile(profile.clone(), CredentialSource::Stored), put(&a), put(&twin)];
        let refused = store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Conflict { what } if what.contains("email_address")), "{refused}");
        assert!(store.records().await.unwrap().profiles.is_empty());
        let nobody = MailboxId::generate(at(0));
        let refused =
            store.apply(&[RecordChange::EnableIncoming(nobody)], &Actor::Configuration, at(0)).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Conflict { what } if what.contains(&nobody.to_string())), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_secret_counts() {
    for database in databases().await {
        let store = &database.store;
        let id = MailboxId::generate(at(0));
        let owner = SecretOwner::Mailbox(id);
        let sealed = |byte| SealedSecret { key_id: "k".into(), data_key: vec![byte; 72], ciphertext: vec![0, byte] };
        assert_eq!(store.secret(owner).await.unwrap(), KeptSecret::Nothing);
        store.put_secret(owner, &sealed(1), &Actor::Configuration, at(0)).await.unwrap();
        store.put_secret(owner, &sealed(2), &Actor::Configuration, at(1)).await.unwrap();
        assert_eq!(store.secret(owner).await.unwrap(), KeptSecret::Sealed(sealed(2)));
        // The same identifier, but a profile's.
        assert_eq!(store.secret(SecretOwner::Profile(ProfileId(id.0))).await.unwrap(), KeptSecret::Nothing);
        assert!(matches!(store.credential_source(owner).await, Err(StoreError::Conflict { .. })));
    }
}

//! Passwords that would reach another server are locked until they are entered again.

use mailsyncd::{
    model::{
        audit::Actor,
        failure::FailureCode,
        lease::ProfileHold,
        mailbox::{Mailbox, Workload},
        profile::{AuthenticateUsing, ServerProfile},
        record::{CredentialSource, KeptSecret, RecordChange, Resealed, SealedSecret, SecretOwner},
    },
    store::Store,
};
use sqlx::Connection as _;

use super::fixtures::*;
use crate::support::databases::{TestDatabase, databases};

fn sealed(byte: u8) -> SealedSecret {
    SealedSecret { key_id: format!("key-{byte}"), data_key: vec![byte; 72], ciphertext: vec![byte; 40] }
}

fn put_profile(profile: &ServerProfile) -> RecordChange {
    RecordChange::PutProfile(profile.clone(), CredentialSource::Stored)
}

/// Two profiles at two hosts, a mailbox on each and one on none; everybody has a password.
async fn world(store: &Store) -> ([ServerProfile; 2], [Mailbox; 3]) {
    let (north, mut south) = (profile("north"), profile("south"));
    south.incoming.host = "imap.south.example".into();
    south.outgoing = None;
    let boxes = [mailbox("a@example.org", &north), mailbox("b@example.org", &south), {
        let mut homeless = mailbox("c@example.org", &south);
        homeless.profile = None;
        homeless
    }];
    let mut changes = vec![put_profile(&north), put_profile(&south)];
    changes.extend(boxes.iter().map(put));
    store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
    for (number, mailbox) in boxes.iter().enumerate() {
        store
            .put_secret(SecretOwner::Mailbox(mailbox.id), &sealed(number as u8), &Actor::Configuration, at(0))
            .await
            .unwrap();
    }
    for (number, profile) in [&north, &south].iter().enumerate() {
        store
            .put_secret(SecretOwner::Profile(profile.id), &sealed(number as u8 + 10), &Actor::Configuration, at(0))
            .await
            .unwrap();
    }
    ([north, south], boxes)
}

/// Which of the owners are locked, by the second.
async fn locked(store: &Store, owners: &[SecretOwner]) -> Vec<Option<i64>> {
    let mut found = Vec::new();
    for owner in owners {
        let since = match store.secret(*owner).await.unwrap() {
            KeptSecret::Locked { since } => Some(since.since(at(0)).as_secs() as i64),
            KeptSecret::Sealed(_) => None,
            KeptSecret::Nothing => panic!("{owner:?} has lost its password"),
        };
        let listed = store.records().await.unwrap().passwords;
        let listed = listed.iter().find(|password| password.owner == *owner).unwrap().locked_at;
        assert_eq!(listed.map(|at_| at_.since(at(0)).as_secs() as i64), since);
        found.push(since);
    }
    found
}

fn owners(profiles: &[ServerProfile; 2], boxes: &[Mailbox; 3]) -> Vec<SecretOwner> {
    let boxes = boxes.iter().map(|mailbox| SecretOwner::Mailbox(mailbox.id));
    boxes.chain(profiles.iter().map(|profile| SecretOwner::Profile(profile.id))).collect()
}

/// What the audit log has of `what`: before and after, in order.
async fn audit(database: &TestDatabase, what: &str) -> Vec<(Option<String>, String)> {
    const ROWS: &str =
        "SELECT CAST(before AS text), CAST(after AS text) FROM audit_log WHERE what = $1 ORDER BY sequence";
    let rows: Vec<(Option<String>, String)> = if let Some(path) = database.url.strip_prefix("sqlite:") {
        let mut conn = sqlx::SqliteConnection::connect(path).await.unwrap();
        sqlx::query_as(ROWS).bind(what).fetch_all(&mut conn).await.unwrap()
    } else {
        let mut conn = sqlx::PgConnection::connect(&database.url).await.unwrap();
        sqlx::query_as(ROWS).bind(what).fetch_all(&mut conn).await.unwrap()
    };
    rows
}

async fn open_alerts(store: &Store) -> Vec<String> {
    let alerts = store.status(at(0), HOUR).await.unwrap().alerts;
    alerts.into_iter().map(|alert| format!("{} {}: {}", alert.subject, alert.code, alert.text)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_locks_what_its_profile_would_send_there() {
    for database in databases().await {
        let store = &database.store;
        let (mut profiles, boxes) = world(store).await;
        let all = owners(&profiles, &boxes);
        // What says nothing of servers locks nothing.
        profiles[0].description = "other words".into();
        profiles[0].connection_timeout *= 2;
        store.apply(&[put_profile(&profiles[0]), put(&boxes[0])], &Actor::Configuration, at(1)).await.unwrap();
        assert_eq!(locked(store, &all).await, [None; 5]);

        profiles[0].outgoing.as_mut().unwrap().host = "smtp.evil.example".into();
        store.apply(&[put_profile(&profiles[0])], &Actor::Configuration, at(2)).await.unwrap();
        assert_eq!(locked(store, &all).await, [Some(2), None, None, Some(2), None]);
        let alert = "north credentials-locked: it names another server now: 1 stored password is locked until \
                     entered again";
        assert_eq!(open_alerts(store).await, [alert], "the profile's own is not used");
        let rows = audit(&database, "secret.lock").await;
        assert_eq!(rows.len(), 2);
        for (before, after) in &rows {
            let before = before.as_ref().unwrap();
            assert!(before.contains("key-") && after.contains("key-") && after.contains("locked_at"), "{after}");
            assert!(!before.contains("locked_at") && after.len() < 120, "{after}");
        }

        // Pointed back, it stays locked, and since when it was: nobody has entered it since.
        profiles[0].outgoing.as_mut().unwrap().host = "smtp.example.org".into();
        store.apply(&[put_profile(&profiles[0])], &Actor::Configuration, at(3)).await.unwrap();
        assert_eq!(locked(store, &all).await, [Some(2), None, None, Some(2), None]);
        assert_eq!(audit(&database, "secret.lock").await.len(), 2);
        // Nor does sealing it anew unlock it.
        let anew = Resealed { owner: all[0], before: sealed(0), after: sealed(50) };
        assert_eq!(store.reseal(&[anew], &Actor::Configuration, at(4)).await.unwrap(), 1);
        assert_eq!(locked(store, &all).await[0], Some(2));

        store.put_secret(all[0], &sealed(60), &Actor::Configuration, at(5)).await.unwrap();
        assert_eq!(store.secret(all[0]).await.unwrap(), KeptSecret::Sealed(sealed(60)));
        let set = audit(&database, "secret.set").await.pop().unwrap();
        assert!(set.0.is_some_and(|before| before.contains("key-50") && before.contains("locked_at")));
        assert!(set.1.contains("key-60") && !set.1.contains("locked_at"), "{}", set.1);
        assert_eq!(open_alerts(store).await, [""; 0], "nobody waits for a password any more");
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_moves_takes_its_password_only_to_the_same_servers() {
    for database in databases().await {
        let store = &database.store;
        let (profiles, mut boxes) = world(store).await;
        let all = owners(&profiles, &boxes);
        let mut twin = profile("twin");
        twin.incoming.host = "IMAP.example.org".into();
        store.apply(&[put_profile(&twin)], &Actor::Configuration, at(1)).await.unwrap();
        boxes[0].profile = Some(twin.id);
        store.apply(&[put(&boxes[0])], &Actor::Configuration, at(2)).await.unwrap();
        assert_eq!(locked(store, &all).await, [None; 5], "the same servers under another name");

        // By way of no profile at all.
        boxes[0].profile = None;
        store.apply(&[put(&boxes[0])], &Actor::Configuration, at(3)).await.unwrap();
        assert_eq!(locked(store, &all).await, [None; 5]);
        boxes[0].profile = Some(profiles[1].id);
        boxes[2].profile = Some(profiles[1].id);
        store.apply(&[put(&boxes[0]), put(&boxes[2])], &Actor::Configuration, at(4)).await.unwrap();
        assert_eq!(locked(store, &all).await, [Some(4), None, Some(4), None, None]);

        // On a profile that others are on, which is pointed elsewhere in the same go.
        let mut south = profiles[1].clone();
        south.incoming.port = 1993;
        store.put_secret(all[0], &sealed(70), &Actor::Configuration, at(5)).await.unwrap();
        store.apply(&[put_profile(&south)], &Actor::Configuration, at(6)).await.unwrap();
        assert_eq!(locked(store, &all).await, [Some(6), Some(6), Some(4), None, Some(6)]);
        let alert = "south credentials-locked: it names another server now: 3 stored passwords are locked until \
                     entered again";
        assert_eq!(open_alerts(store).await, [alert]);
        // One is entered again, one is in a file now, one is not wanted any more.
        store.put_secret(all[0], &sealed(80), &Actor::Configuration, at(7)).await.unwrap();
        let in_file = CredentialSource::File("/run/secrets/b".into());
        store
            .apply(&[RecordChange::PutMailbox(Box::new(boxes[1].clone()), in_file)], &Actor::Configuration, at(8))
            .await
            .unwrap();
        assert_eq!(open_alerts(store).await.len(), 1);
        store.apply(&[RecordChange::RetireMailbox(boxes[2].id)], &Actor::Configuration, at(9)).await.unwrap();
        assert_eq!(open_alerts(store).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_whose_own_password_is_entered_is_tried_at_once() {
    for database in databases().await {
        let store = &database.store;
        let (mut profiles, boxes) = world(store).await;
        let north = &mut profiles[0];
        north.authenticate_using = AuthenticateUsing::Profile;
        north.username = Some("shared".into());
        north.incoming.host = "imap.evil.example".into();
        store.apply(&[put_profile(north)], &Actor::Configuration, at(1)).await.unwrap();
        assert!(open_alerts(store).await[0].contains("1 stored password is locked"), "the mailbox's own is not used");
        let (code, text) = (FailureCode::CredentialsLocked, "locked".to_owned());
        let hold = ProfileHold { since: at(1), until: at(3_600), failures: 1, code, text };
        for workload in [Workload::Incoming, Workload::Outgoing] {
            store.put_hold(workload, north.id, &hold, &[], at(1)).await.unwrap();
        }
        store.put_secret(SecretOwner::Mailbox(boxes[0].id), &sealed(5), &Actor::Configuration, at(2)).await.unwrap();
        assert_eq!(store.holds(Workload::Incoming).await.unwrap()[0].1.until, at(3_600));
        store.put_secret(SecretOwner::Profile(north.id), &sealed(6), &Actor::Configuration, at(3)).await.unwrap();
        for workload in [Workload::Incoming, Workload::Outgoing] {
            assert_eq!(store.holds(workload).await.unwrap()[0].1.until, at(3), "{workload:?}");
        }
        assert_eq!(open_alerts(store).await, [""; 0]);
    }
}

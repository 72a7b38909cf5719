//! Daemons at work, and what goes on around a mailbox.

use std::time::Duration;

use mailsyncd::{
    admin::presence,
    model::{
        activity::ActivityStatus,
        alert::{AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::NodeId,
        mailbox::Workload,
        presence::{DaemonState, Heartbeat, Pause, Presence, daemon_state},
    },
    store::{Role, Store},
};

use super::fixtures::*;
use crate::support::databases::{TestDatabase, databases, sqlite};

fn heartbeat() -> Heartbeat {
    let (version, key_ids) = ("1.2.3".to_owned(), vec!["0123456789abcdef".to_owned(), "new".to_owned()]);
    let machine = "mail1".to_owned();
    Heartbeat { node: NodeId::generate(at(0)), version, machine, started_at: at(0), key_ids, pause: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemons_come_tell_of_trouble_and_go() {
    for database in databases().await {
        let store = &database.store;
        assert_eq!(store.daemons().await.unwrap(), []);
        let pause = Pause { since: at(5), code: FailureCode::DiskFull, text: "no space\0left".to_owned() };
        let (well, ill) = (heartbeat(), Heartbeat { pause: Some(pause), ..heartbeat() });
        store.beat(&well, at(1)).await.unwrap();
        store.beat(&Heartbeat { pause: None, key_ids: Vec::new(), ..ill.clone() }, at(1)).await.unwrap();
        store.beat(&ill, at(9)).await.unwrap();
        let seen = store.daemons().await.unwrap();
        assert!(seen.contains(&Presence { heartbeat: well.clone(), seen_at: at(1) }), "{seen:?}");
        let found = seen.iter().find(|presence| presence.heartbeat.node == ill.node).unwrap();
        assert_eq!((found.seen_at, found.heartbeat.key_ids.len()), (at(9), 2));
        assert_eq!(found.heartbeat.pause.as_ref().map(|pause| pause.code), Some(FailureCode::DiskFull));
        store.leave(well.node, at(10)).await.unwrap();
        assert!(matches!(daemon_state(&store.daemons().await.unwrap(), at(10)), DaemonState::Paused(_)));
        // One that died is forgotten when its leases have run out and another tells of itself, or ends.
        store.beat(&well, at(9 + 60)).await.unwrap();
        assert_eq!(store.daemons().await.unwrap().len(), 2);
        store.beat(&well, at(9 + 61)).await.unwrap();
        assert_eq!(store.daemons().await.unwrap().len(), 1);
        store.beat(&ill, at(9 + 62)).await.unwrap();
        store.leave(well.node, at(9 + 91)).await.unwrap();
        assert_eq!(store.daemons().await.unwrap().len(), 1);
        store.leave(well.node, at(9 + 93)).await.unwrap();
        assert_eq!(store.daemons().await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_daemon_on_a_file_forgets_the_dead_one() {
    let TestDatabase { store, url, directory: _kept } = sqlite().await;
    store.beat(&heartbeat(), at(1)).await.unwrap();
    store.close().await;
    drop(store);
    let tool = Store::open(&url, Role::Tool).await.unwrap();
    assert_eq!(tool.daemons().await.unwrap().len(), 1, "a command leaves it alone");
    tool.close().await;
    let daemon = Store::open(&url, Role::Daemon).await.unwrap();
    assert_eq!(daemon.daemons().await.unwrap(), []);
}

/// The lock of a file says at once that a daemon runs no more, however lately it was heard of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_a_file_says_whether_a_daemon_runs() {
    let TestDatabase { store, url, directory: _kept } = sqlite().await;
    store.close().await;
    drop(store);
    let daemon = Store::open(&url, Role::Daemon).await.unwrap();
    let tool = Store::open(&url, Role::Tool).await.unwrap();
    daemon.beat(&heartbeat(), at(1)).await.unwrap();
    assert_eq!((daemon.has_daemon(), tool.has_daemon()), (Some(true), Some(true)));
    assert_eq!(presence::daemon(&tool, at(2)).await.unwrap(), DaemonState::Running);
    daemon.close().await;
    drop(daemon);
    assert_eq!(tool.has_daemon(), Some(false));
    assert_eq!(presence::daemon(&tool, at(2)).await.unwrap(), DaemonState::Died { since: at(1) });
    // Whoever looks is not in the way of a daemon that starts.
    let lock = std::fs::File::open(format!("{}.lock", url.trim_start_matches("sqlite:"))).unwrap();
    lock.lock_shared().unwrap();
    let looks = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(lock);
    };
    let (opened, ()) = tokio::join!(Store::open(&url, Role::Daemon), looks);
    opened.unwrap();
    assert_eq!(presence::daemon(&tool, at(2)).await.unwrap(), DaemonState::Absent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_around_a_mailbox_is_its_own() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["a@example.org", "b@example.org"]).await;
        let (a, profile) = (boxes[0].id, boxes[0].profile);
        let reader = heartbeat();
        store.claim(Workload::Incoming, reader.node, &[a], at(0), Duration::from_secs(60)).await.unwrap();
        for (subject, code) in [
            (AlertSubject::Mailbox(a), FailureCode::AuthRejected),
            (AlertSubject::Mailbox(boxes[1].id), FailureCode::AuthRejected),
            (AlertSubject::Profile(profile.unwrap()), FailureCode::HostUnreachable),
            (AlertSubject::Daemon, FailureCode::DnsDown),
        ] {
            let alert =
                NewAlert { subject, severity: Severity::Warning, code, text: "words".to_owned(), workload: None };
            store.raise_alert(&alert, at(1)).await.unwrap();
            store.raise_alert(&alert, at(4)).await.unwrap();
        }
        for (number, of, status, extra) in [
            (1, a, "pending_send", "NULL, NULL, NULL"),
            (2, a, "pending_send", "'mail-deferred', 'try later', NULL"),
            (3, a, "held", "'delivery-in-doubt', 'nobody knows', NULL"),
            (4, boxes[1].id, "pending_send", "NULL, NULL, NULL"),
            (4, a, "failed", "'mail-refused', 'long ago', NULL"),
            (6, a, "failed", "'mail-refused', 'no', NULL"),
            (5, a, "sending", "NULL, NULL, '2026-01-01T00:00:09.000000Z'"),
        ] {
            database
                .execute(&format!(
                    "INSERT INTO email_activities (mailbox, direction, status, subject, created_at, failure_code, \
                     failure_detail, dot_at, send_epoch) VALUES ('{of}', 'outgoing', '{status}', 's', '{}', {extra}, 1)",
                    at(number)
                ))
                .await;
        }
        let around = store.surroundings(a, profile, at(5)).await.unwrap();
        let held = around.lease(Workload::Incoming, at(30)).unwrap();
        assert_eq!((held.until, held.heard), (at(60), None));
        assert!(around.lease(Workload::Incoming, at(60)).is_none());
        assert!(around.lease(Workload::Outgoing, at(30)).is_none());
        // It is being read as long as its daemon is heard of.
        let reading = async |now| store.status(at(now), Duration::from_secs(3_600)).await.unwrap().mailboxes.running;
        assert_eq!(reading(30).await, 0);
        store.beat(&reader, at(0)).await.unwrap();
        assert_eq!((reading(29).await, reading(30).await), (1, 0));
        let held = store.surroundings(a, profile, at(5)).await.unwrap().reading.unwrap();
        assert_eq!((held.is_heard(at(29)), held.is_heard(at(30))), (true, false));
        let alerts: Vec<_> = around.alerts.iter().map(|alert| (alert.kind.as_str(), alert.subject.as_str())).collect();
        assert_eq!(alerts.len(), 3, "{alerts:?}");
        let expected = [("mailbox", "a@example.org"), ("profile", "example"), ("daemon", "mailsyncd")];
        assert!(expected.iter().all(|about| alerts.contains(about)), "{alerts:?}");
        assert_eq!((around.alerts[0].first_seen, around.alerts[0].last_seen), (at(1), at(4)));
        let waiting: Vec<_> =
            around.outbox.iter().map(|mail| (mail.status, mail.in_doubt, mail.code, mail.mails)).collect();
        use ActivityStatus::{Failed, Held, PendingSend, Sending};
        let expected = [
            (Held, false, Some(FailureCode::DeliveryInDoubt), 1),
            (PendingSend, false, Some(FailureCode::MailDeferred), 1),
            (PendingSend, false, None, 1),
            (Sending, true, None, 1),
            (Failed, false, Some(FailureCode::MailRefused), 1),
        ];
        assert!(expected.iter().all(|row| waiting.contains(row)) && waiting.len() == 5, "{waiting:?}");
        assert_eq!(store.surroundings(boxes[1].id, None, at(0)).await.unwrap().alerts.len(), 2);
    }
}

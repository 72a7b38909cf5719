//! Alerts: one open row for each subject and code, changed with what they follow from.

use mailsyncd::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        audit::Actor,
        failure::FailureCode,
        ids::{MailboxId, NodeId},
        lease::{LEASE_TTL, ProfileHold, Settlement},
        mailbox::{Approval, Workload, WorkloadState},
        record::{CredentialSource, RecordChange},
    },
    store::{Store, Unwanted},
};

use super::{fixtures::*, outbox::rows};
use crate::support::databases::{TestDatabase, databases};

const IN: Workload = Workload::Incoming;
const OUT: Workload = Workload::Outgoing;

/// Every alert: `severity code count workloads [closed]`, oldest first.
pub async fn alerts(database: &TestDatabase) -> Vec<String> {
    let query = "SELECT severity || ' ' || code || ' ' || CAST(count AS TEXT) || CASE WHEN incoming_severity IS NULL THEN \
                 '' ELSE ' in' END || CASE WHEN outgoing_severity IS NULL THEN '' ELSE ' out' END || CASE WHEN closed_at IS \
                 NULL THEN '' ELSE ' closed' END FROM alerts ORDER BY first_seen, code, id";
    rows(database, query).await
}

pub fn raise(
    subject: AlertSubject,
    severity: Severity,
    code: FailureCode,
    workload: impl Into<Option<Workload>>,
) -> AlertChange {
    AlertChange::Raise(NewAlert { subject, severity, code, text: "its words".into(), workload: workload.into() })
}

fn over(subject: AlertSubject, workload: Workload) -> AlertChange {
    AlertChange::Over { subject, workload, but: None }
}

/// Ends a cycle of the mailbox with these alerts.
async fn settle(store: &Store, workload: Workload, mailbox: MailboxId, alerts: Vec<AlertChange>, now: i64) {
    let node = NodeId::generate(at(now));
    let fence = store.claim(workload, node, &[mailbox], at(now), LEASE_TTL).await.unwrap()[0].fence;
    store
        .settle(
            &[Settlement { fence, state: WorkloadState { enabled: true, ..WorkloadState::default() }, alerts }],
            at(now),
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_workload_closes_what_the_other_raised() {
    use FailureCode::{AuthRejected, SentCopyFailed, Timeout};
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0).id;
        let subject = AlertSubject::Mailbox(mailbox);
        let told = |severity, code, workload| vec![raise(subject, severity, code, workload)];
        settle(store, IN, mailbox, told(Severity::Warning, AuthRejected, IN), 1).await;
        settle(store, OUT, mailbox, told(Severity::Error, AuthRejected, OUT), 2).await;
        settle(store, IN, mailbox, told(Severity::Warning, Timeout, IN), 3).await;
        store.change_alerts(&[raise(subject, Severity::Warning, SentCopyFailed, None)], at(4)).await.unwrap();
        let open = ["error auth-rejected 2 in out", "warning timeout 1 in", "warning sent-copy-failed 1"];
        assert_eq!(alerts(&database).await, open);

        settle(store, IN, mailbox, vec![over(subject, IN)], 5).await;
        let half = ["error auth-rejected 2 out", "warning timeout 1 in closed", "warning sent-copy-failed 1"];
        assert_eq!(alerts(&database).await, half);
        // Again and again changes nothing.
        settle(store, IN, mailbox, vec![over(subject, IN)], 6).await;
        assert_eq!(alerts(&database).await, half);
        settle(store, OUT, mailbox, vec![over(subject, OUT)], 7).await;
        store.close_alert(subject, SentCopyFailed, at(8)).await.unwrap();
        assert!(alerts(&database).await.iter().all(|alert| alert.ends_with("closed")));

        // The next row of failures is another alert.
        settle(store, IN, mailbox, told(Severity::Warning, AuthRejected, IN), 9).await;
        assert_eq!(alerts(&database).await.last().unwrap(), "warning auth-rejected 1 in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_as_severe_as_the_worse_of_the_workloads_that_raised_it() {
    use FailureCode::{AuthRejected, HostUnreachable};
    use Severity::{Error, Information, Warning};
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0).id;
        let subject = AlertSubject::Mailbox(mailbox);
        let told = |severity, workload| vec![raise(subject, severity, AuthRejected, workload)];
        // Reading is disabled, for which a person is needed; sending is not there yet.
        settle(store, IN, mailbox, told(Error, IN), 1).await;
        settle(store, OUT, mailbox, told(Warning, OUT), 2).await;
        assert_eq!(alerts(&database).await, ["error auth-rejected 2 in out"]);
        settle(store, OUT, mailbox, told(Information, OUT), 3).await;
        assert_eq!(alerts(&database).await, ["error auth-rejected 3 in out"]);
        // What it raised itself grows quieter as it says.
        settle(store, IN, mailbox, told(Warning, IN), 4).await;
        assert_eq!(alerts(&database).await, ["warning auth-rejected 4 in out"]);
        settle(store, IN, mailbox, told(Error, IN), 5).await;
        // Reading works: what is left is sending's, as sending said it.
        settle(store, IN, mailbox, vec![over(subject, IN)], 6).await;
        assert_eq!(alerts(&database).await, ["information auth-rejected 5 out"]);
        settle(store, IN, mailbox, told(Warning, IN), 7).await;
        settle(store, OUT, mailbox, told(Error, OUT), 8).await;
        settle(store, OUT, mailbox, vec![over(subject, OUT)], 9).await;
        assert_eq!(alerts(&database).await, ["warning auth-rejected 7 in"]);
        settle(store, IN, mailbox, vec![over(subject, IN)], 10).await;
        assert_eq!(alerts(&database).await, ["warning auth-rejected 7 in closed"]);
        // What is nobody's grows louder and quieter as it says.
        for (severity, now) in [(Warning, 11), (Error, 12), (Information, 13)] {
            store.change_alerts(&[raise(subject, severity, HostUnreachable, None)], at(now)).await.unwrap();
            assert_eq!(
                alerts(&database).await.last().unwrap(),
                &format!("{} host-unreachable {}", severity.name(), now - 10)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_asked_of_a_workload_that_somebody_switched_off() {
    use FailureCode::{AuthExpired, ProviderNotice, SecurityDowngrade, Timeout};
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        let (subject, who) = (AlertSubject::Mailbox(mailbox.id), Actor::CommandLine("anna".into()));
        let does = async |change, now| store.apply(&[change], &who, at(now)).await.unwrap();
        let told = |severity, code, workload| raise(subject, severity, code, workload);
        let stopped = WorkloadState {
            failure_code: Some(AuthExpired),
            last_error: Some("its words".into()),
            failing_since: Some(at(1)),
            ..WorkloadState::default()
        };
        let ends = async |workload, state: &WorkloadState, alerts, now| {
            let node = NodeId::generate(at(now));
            let claimed = store.claim(workload, node, &[mailbox.id], at(now), LEASE_TTL).await;
            (claimed.unwrap().remove(0).fence, state.clone(), alerts)
        };
        let settle = async |(fence, state, alerts), now| {
            store.settle(&[Settlement { fence, state, alerts }], at(now)).await.unwrap();
        };
        let security = told(Severity::Error, SecurityDowngrade, None);
        let failed = ends(IN, &stopped, vec![told(Severity::Error, AuthExpired, Some(IN)), security], 1).await;
        settle(failed, 1).await;
        settle(ends(OUT, &stopped, vec![told(Severity::Error, AuthExpired, Some(OUT))], 2).await, 2).await;
        assert_eq!(alerts(&database).await, ["error auth-expired 2 in out", "error security-downgrade 1"]);

        // Rejected and approved again: it stands still as before.
        does(RecordChange::SetApproval(mailbox.id, Approval::Rejected), 3).await;
        assert_eq!(alerts(&database).await, ["error auth-expired 2 out closed", "error security-downgrade 1"]);
        does(RecordChange::SetApproval(mailbox.id, Approval::Approved), 4).await;
        assert_eq!(alerts(&database).await[1..], ["error security-downgrade 1", "error auth-expired 2 in out"]);
        // Switched off: it is off on purpose.
        does(RecordChange::DisableIncoming(mailbox.id), 5).await;
        assert_eq!(alerts(&database).await[1..], ["error security-downgrade 1", "error auth-expired 2 out"]);
        does(RecordChange::DisableOutgoing(mailbox.id), 6).await;
        let quiet =
            ["error auth-expired 2 out closed", "error security-downgrade 1", "error auth-expired 2 out closed"];
        assert_eq!(alerts(&database).await, quiet);
        let off = async || store.records().await.unwrap().mailboxes.remove(0).0;
        assert_eq!(off().await.incoming, WorkloadState::default());

        // What a cycle finds that ran meanwhile is nobody's concern, but for news of the provider.
        does(RecordChange::EnableIncoming(mailbox.id), 7).await;
        let notice = told(Severity::Information, ProviderNotice, None);
        let late = ends(IN, &stopped, vec![told(Severity::Warning, Timeout, Some(IN)), notice], 8).await;
        does(RecordChange::DisableIncoming(mailbox.id), 9).await;
        settle(late, 10).await;
        assert_eq!(alerts(&database).await[3..], ["information provider-notice 1"]);
        assert_eq!(off().await.incoming, WorkloadState::default());
        // The lease is free.
        claim(store, mailbox.id, at(11)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_tells_nobody_anything() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0).id;
        let lost = claim(store, mailbox, at(0)).await;
        claim(store, mailbox, at(100)).await;
        let change = raise(AlertSubject::Mailbox(mailbox), Severity::Error, FailureCode::AuthExpired, IN);
        let settlement = Settlement { fence: lost, state: WorkloadState::default(), alerts: vec![change] };
        store.settle(&[settlement], at(101)).await.unwrap();
        assert_eq!(alerts(&database).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_and_its_alert_are_written_together() {
    use FailureCode::{HostUnreachable, Timeout};
    for database in databases().await {
        let store = &database.store;
        let profile = profile("example");
        store
            .apply(&[RecordChange::PutProfile(profile.clone(), CredentialSource::Stored)], &Actor::Configuration, at(0))
            .await
            .unwrap();
        let subject = AlertSubject::Profile(profile.id);
        let hold = |code| ProfileHold { since: at(1), until: at(31), failures: 0, code, text: "refused".into() };
        let held = |workload, code| {
            let over = AlertChange::Over { subject, workload, but: Some(code) };
            [over, raise(subject, Severity::Warning, code, workload)]
        };
        for (now, workload, code) in [(1, IN, Timeout), (2, OUT, Timeout), (3, IN, Timeout), (4, IN, HostUnreachable)] {
            store.put_hold(workload, profile.id, &hold(code), &held(workload, code), at(now)).await.unwrap();
        }
        // Reading fails in another way now; sending as before.
        assert_eq!(alerts(&database).await, ["warning timeout 3 out", "warning host-unreachable 1 in"]);
        store.clear_hold(OUT, profile.id, &[over(subject, OUT)], at(5)).await.unwrap();
        assert_eq!(alerts(&database).await, ["warning timeout 3 out closed", "warning host-unreachable 1 in"]);
        store.clear_hold(IN, profile.id, &[over(subject, IN)], at(6)).await.unwrap();
        assert_eq!(alerts(&database).await, ["warning timeout 3 out closed", "warning host-unreachable 1 in closed"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_severity_that_is_switched_off_raises_nothing() {
    use FailureCode::{DiskFull, LoginThrottled, ResourcesExhausted};
    use Severity::{Error, Information, Warning};
    for database in databases().await {
        let store = &database.store;
        let change = async |change, now| store.change_alerts(&[change], at(now)).await.unwrap();
        let daemon = |severity, code| raise(AlertSubject::Daemon, severity, code, None);
        change(daemon(Warning, ResourcesExhausted), 1).await;
        store.set_raised_severities(&[Error].into()).await.unwrap();
        change(daemon(Information, LoginThrottled), 2).await;
        change(daemon(Warning, ResourcesExhausted), 3).await;
        change(daemon(Error, DiskFull), 4).await;
        assert_eq!(alerts(&database).await, ["warning resources-exhausted 1", "error disk-full 1"]);
        // What is open is closed as ever.
        change(AlertChange::Close(AlertSubject::Daemon, ResourcesExhausted), 5).await;
        store.set_raised_severities(&[Information, Warning].into()).await.unwrap();
        change(daemon(Information, LoginThrottled), 6).await;
        change(daemon(Error, DiskFull), 7).await;
        let all = ["warning resources-exhausted 1 closed", "error disk-full 1", "information login-throttled 1"];
        assert_eq!(alerts(&database).await, all);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_about_daemons_are_found_while_and_after_they_are_open() {
    use FailureCode::{ClockWrong, DiskFull};
    for database in databases().await {
        let store = &database.store;
        let change = async |change, now| store.change_alerts(&[change], at(now)).await.unwrap();
        let daemon = |severity, code| raise(AlertSubject::Daemon, severity, code, None);
        let found = async |since| -> Vec<(FailureCode, bool)> {
            let found = store.daemon_alerts(at(since)).await.unwrap();
            found.into_iter().map(|alert| (alert.code, alert.is_open)).collect()
        };
        change(daemon(Severity::Error, DiskFull), 1).await;
        change(daemon(Severity::Information, ClockWrong), 2).await;
        assert_eq!(found(9).await, [(DiskFull, true)], "information stays until it is read");
        change(AlertChange::Close(AlertSubject::Daemon, DiskFull), 5).await;
        assert_eq!((found(4).await, found(5).await), (vec![(DiskFull, false)], vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_still_is_found_whatever_the_cause() {
    for database in databases().await {
        let store = &database.store;
        let profile = profile("example");
        let mut fresh = mailbox("fresh@x", &profile);
        fresh.incoming.last_success_at = Some(at(50));
        let mut failing = mailbox("failing@x", &profile);
        failing.incoming.last_success_at = Some(at(10));
        failing.incoming.failure_code = Some(FailureCode::Timeout);
        failing.incoming.last_error = Some("no answer".into());
        let never = mailbox("never@x", &profile);
        let mut alone = mailbox("alone@x", &profile);
        alone.profile = None;
        let mut off = mailbox("off@x", &profile);
        off.incoming.enabled = false;
        let mut unapproved = mailbox("unapproved@x", &profile);
        unapproved.approval = mailsyncd::model::mailbox::Approval::Pending;
        let mut changes = vec![RecordChange::PutProfile(profile.clone(), CredentialSource::Stored)];
        changes.extend([&fresh, &failing, &never, &alone, &off, &unapproved].map(put));
        store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
        let queued = store.queue_mail(&super::outbox::mail(&off, "one"), at(20)).await.unwrap();

        let stale = store.stale(at(50)).await.unwrap();
        let told = |stale: &mailsyncd::store::Stale| {
            let name = [&fresh, &failing, &never, &alone, &off].into_iter().find(|known| known.id == stale.mailbox);
            let name = name.unwrap().email_address.clone();
            let words = stale.words.clone().unwrap_or_default();
            (name, stale.workload.name(), stale.since, stale.mails, stale.code.map(FailureCode::name), words)
        };
        let mut found: Vec<_> = stale.iter().map(told).collect();
        found.sort();
        let nothing = String::new;
        assert_eq!(
            found,
            [
                ("alone@x".into(), "incoming", at(0), 0, None, nothing()),
                ("failing@x".into(), "incoming", at(10), 0, Some("timeout"), "no answer".into()),
                ("never@x".into(), "incoming", at(0), 0, None, nothing()),
                ("off@x".into(), "outgoing", at(20), 1, None, nothing()),
            ]
        );
        let interval = |name: &str| stale.iter().find(|stale| told(stale).0 == name).unwrap().interval;
        assert_eq!(interval("never@x"), profile.minimum_polling_interval);
        assert_eq!(interval("alone@x"), std::time::Duration::ZERO);

        let subject = AlertSubject::Mailbox(failing.id);
        store.change_alerts(&[raise(subject, Severity::Warning, FailureCode::MailboxStale, IN)], at(60)).await.unwrap();
        let stale = store.stale(at(50)).await.unwrap();
        let alerted = stale.iter().filter_map(|stale| Some((stale.mailbox, stale.alerted_at?)));
        assert_eq!(alerted.collect::<Vec<_>>(), [(failing.id, at(60))]);
        assert_eq!(store.stale_alerts().await.unwrap(), [(failing.id, FailureCode::MailboxStale)]);
        store.cancel_mail(queued, &Actor::CommandLine("anna".into()), at(61)).await.unwrap();
        assert!(store.stale(at(50)).await.unwrap().iter().all(|stale| stale.workload == IN));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dismissing_is_in_the_audit_log() {
    for database in databases().await {
        let store = &database.store;
        let change = raise(AlertSubject::Daemon, Severity::Warning, FailureCode::ResourcesExhausted, None);
        store.change_alerts(&[change], at(1)).await.unwrap();
        let open = store.alerts(&mailsyncd::store::AlertFilter::default()).await.unwrap();
        assert_eq!((open.len(), open[0].alert.subject.as_str()), (1, "mailsyncd"));
        store.apply(&[RecordChange::DismissAlert(open[0].id)], &Actor::Configuration, at(2)).await.unwrap();
        assert_eq!(alerts(&database).await, ["warning resources-exhausted 1 closed"]);
        let logged =
            rows(&database, "SELECT what || ' ' || CAST(before AS TEXT) || CAST(after AS TEXT) FROM audit_log");
        let logged = logged.await.remove(0).replace(' ', "");
        assert!(logged.starts_with("alert.dismiss{") && logged.contains("\"closed_at\":null"), "{logged}");
        assert!(logged.contains(&format!("\"closed_at\":\"{}\"", at(2))), "{logged}");
        let unknown = mailsyncd::model::ids::AlertId::generate(at(3));
        assert!(store.apply(&[RecordChange::DismissAlert(unknown)], &Actor::Configuration, at(3)).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailboxes_that_fare_alike_are_counted_together() {
    use FailureCode::{AuthRejected, Timeout};
    for database in databases().await {
        let store = &database.store;
        let profile = profile("example");
        let failing = |address: &str, code, first: u32, since| {
            let mut mailbox = mailbox(address, &profile);
            mailbox.incoming.failure_code = Some(code);
            mailbox.incoming.transient_failures = first;
            mailbox.incoming.failing_since = Some(at(since));
            mailbox
        };
        let mut gave_up = failing("d@x", AuthRejected, 0, 60);
        gave_up.incoming.enabled = false;
        let mut off = mailbox("off@x", &profile);
        off.incoming.enabled = false;
        off.outgoing.enabled = false;
        let all = [
            mailbox("well@x", &profile),
            failing("a@x", Timeout, 3, 60),
            failing("b@x", Timeout, 9, 70),
            failing("c@x", Timeout, 1, 70),
            failing("e@x", Timeout, 3, 20),
            gave_up,
            off,
        ];
        let mut changes = vec![RecordChange::PutProfile(profile.clone(), CredentialSource::Stored)];
        changes.extend(all.iter().map(put));
        store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
        let health = store.health(at(50)).await.unwrap();
        assert!(health.iter().all(|group| group.profile == profile.id && group.outgoing.is_none()));
        let mut told: Vec<_> = health.iter().map(|group| (group.mailboxes, group.incoming, group.is_lately)).collect();
        told.sort();
        let expected = [
            (1, None, true),
            (1, Some((AuthRejected, false)), true),
            (1, Some((Timeout, false)), false),
            (1, Some((Timeout, true)), true),
            (2, Some((Timeout, false)), true),
        ];
        assert_eq!(told, expected);

        let incident = raise(AlertSubject::Profile(profile.id), Severity::Error, FailureCode::ProfileFailing, None);
        store.change_alerts(&[incident], at(80)).await.unwrap();
        let listed = async || store.alerts(&mailsyncd::store::AlertFilter::default()).await.unwrap().remove(0);
        let alert = listed().await;
        assert_eq!((alert.owner.as_deref(), alert.mailed_at), (profile.owner.as_deref(), None));
        store.alerts_mailed(&[alert.id], at(81)).await.unwrap();
        assert_eq!(listed().await.mailed_at, Some(at(81)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_servers_refuse_of_a_profiles_mail_is_counted() {
    for database in databases().await {
        let store = &database.store;
        let mailboxes = with_mailboxes(store, &["one@x", "two@x"]).await;
        let profile = mailboxes[0].profile.unwrap();
        for number in 0..12 {
            let mail = super::outbox::mail(&mailboxes[number % 2], &format!("{number}"));
            store.queue_mail(&mail, at(10 + number as i64)).await.unwrap();
        }
        let become_ = |status: &str, code: &str, subjects: &str| {
            format!(
                "UPDATE email_activities SET status = '{status}', failure_code = {code} WHERE subject IN ({subjects})"
            )
        };
        database.execute(&become_("failed", "'mail-refused'", "'0', '1', '2'")).await;
        database.execute(&become_("failed", "'mail-expired'", "'3'")).await;
        database.execute(&become_("sent", "NULL", "'4', '5', '6', '7'")).await;
        let unwanted = async |since, least, one_of| store.unwanted(at(since), least, one_of).await.unwrap();
        let counted = |refused, tried, is_open| [Unwanted { profile, refused, tried, is_open }];
        assert_eq!(unwanted(0, 3, 20).await, counted(3, 8, false));
        assert_eq!(unwanted(0, 3, 2).await, counted(3, 7, false), "no further than it matters");
        assert_eq!(unwanted(11, 2, 20).await, counted(2, 7, false));
        assert_eq!(unwanted(0, 4, 20).await, []);

        let subject = AlertSubject::Profile(profile);
        let raised = raise(subject, Severity::Error, FailureCode::MailsRefused, None);
        store.change_alerts(&[raised], at(60)).await.unwrap();
        assert_eq!(unwanted(100, 3, 20).await, counted(0, 0, true));
        store.close_alert(subject, FailureCode::MailsRefused, at(61)).await.unwrap();
        assert_eq!(unwanted(100, 3, 20).await, []);
    }
}

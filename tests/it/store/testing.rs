//! Test & Enable in the database.

use std::time::Duration;

use mailsyncd::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        audit::Actor,
        failure::FailureCode,
        ids::{ActivityId, MailboxId, NodeId, RunId},
        mailbox::{Approval, Mailbox, TestStatus, Workload, WorkloadState},
        record::{CredentialSource, RecordChange, SealedSecret, SecretOwner},
        testing::{
            Change, ClaimedTest, Enabling, Preview, Stage, StageReport, TestFailure, TestMail, TestRequest, TestResult,
            TestSettlement,
        },
    },
    store::Store,
};

use super::fixtures::*;
use crate::support::databases::databases;

const LEASE: Duration = Duration::from_secs(30);

fn node(seconds: i64) -> NodeId {
    NodeId::generate(at(seconds))
}

async fn queue(store: &Store, mailbox: MailboxId, request: TestRequest, seconds: i64) -> RunId {
    let run = RunId::generate(at(seconds));
    store
        .apply(&[RecordChange::QueueTest(mailbox, run, request)], &Actor::CommandLine("root".to_owned()), at(seconds))
        .await
        .unwrap();
    run
}

async fn claim(store: &Store, node: NodeId, mailbox: MailboxId, seconds: i64) -> Option<ClaimedTest> {
    store.claim_test(node, mailbox, at(seconds), LEASE).await.unwrap()
}

async fn mailbox_of(store: &Store, id: MailboxId) -> Mailbox {
    let records = store.records().await.unwrap();
    records.mailboxes.into_iter().find(|(mailbox, _)| mailbox.id == id).unwrap().0
}

fn settlement(test: &ClaimedTest) -> TestSettlement {
    TestSettlement {
        mailbox: test.mailbox.id,
        run: test.run.run,
        node: test.node,
        next_attempt_at: None,
        results: test.run.results.clone(),
        stages: Vec::new(),
        preview: None,
        refused: None,
        enabling: Vec::new(),
        alerts: Vec::new(),
    }
}

fn stage(workload: Workload) -> StageReport {
    let failure = Some(TestFailure { code: FailureCode::AuthRejected, text: "żółw\u{0}".replace('\0', "\u{fffd}") });
    StageReport { workload, stage: Stage::LogIn, milliseconds: 12, failure }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_is_asked_for_claimed_once_watched_and_over() {
    for database in databases().await {
        let store = &database.store;
        let mailboxes = with_mailboxes(store, &["a@example.org", "b@example.org"]).await;
        let (a, b) = (mailboxes[0].id, mailboxes[1].id);
        let request = TestRequest { round_trip: true, dry_run: true };
        let run = queue(store, a, request, 10).await;
        assert_eq!(store.due_tests(at(9)).await.unwrap(), []);
        assert_eq!(store.due_tests(at(10)).await.unwrap(), [(a, Some("imap.example.org".to_owned()))]);
        assert!(store.tests(&[b], at(10)).await.unwrap().is_empty());

        let (first, second) = (node(1), node(2));
        assert!(claim(store, first, b, 10).await.is_none());
        let test = claim(store, first, a, 10).await.unwrap();
        assert_eq!((test.run.run, test.run.request, test.run.attempts), (run, request, 1));
        assert_eq!(
            (&test.mailbox, test.profile.as_ref().map(|profile| profile.id)),
            (&mailboxes[0], mailboxes[0].profile)
        );
        assert!(claim(store, second, a, 10).await.is_none());
        assert_eq!(store.due_tests(at(10)).await.unwrap(), []);

        let fence = (a, run, first);
        let stages = [stage(Workload::Incoming), stage(Workload::Outgoing)];
        store.note_stages(fence, &stages).await.unwrap();
        store.note_stages((a, run, second), &[]).await.unwrap();
        let message_id = format!("{}@example.org", ActivityId::generate(at(10)));
        store.add_test_mail(fence, &message_id, at(11)).await.unwrap();
        store.note_test_mail_sent(fence, at(12)).await.unwrap();
        let seen = store.tests(&[a, b], at(13)).await.unwrap().pop().unwrap();
        assert_eq!((seen.stages.as_slice(), seen.running), (stages.as_slice(), true));
        assert_eq!(seen.mail, Some(TestMail { message_id: message_id.clone(), sent_at: Some(at(12)) }));

        let preview = Preview { count: 3, bytes: 1 << 40, oldest: Some(at(-5)), undated: 1 };
        let mut settled = TestSettlement { preview: Some(preview), stages: stages.to_vec(), ..settlement(&test) };
        settled.results.set(Workload::Incoming, TestResult::Success);
        assert!(store.settle_test(&settled, at(13)).await.unwrap());
        let over = store.tests(&[a], at(13)).await.unwrap().pop().unwrap();
        assert_eq!((over.finished_at, over.next_attempt_at, over.running), (Some(at(13)), None, false));
        assert_eq!((over.preview, &over.results), (Some(preview), &settled.results));
        assert!(over.went_well());
        assert!(!store.settle_test(&settled, at(14)).await.unwrap(), "the lease was given back");
        assert_eq!(store.due_tests(at(1_000)).await.unwrap(), []);

        let asked = [message_id.clone(), "other@example.org".to_owned()];
        assert_eq!(store.test_mails(&asked).await.unwrap().into_iter().collect::<Vec<_>>(), [(message_id, at(11))]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ends_or_is_given_back_lets_another_attempt_follow() {
    for database in databases().await {
        let store = &database.store;
        let a = with_mailboxes(store, &["a@example.org"]).await[0].id;
        queue(store, a, TestRequest::default(), 0).await;
        let (first, second) = (node(1), node(2));
        let dead = claim(store, first, a, 0).await.unwrap();
        store.renew_tests(first, at(20), LEASE).await.unwrap();
        assert!(claim(store, second, a, 49).await.is_none());
        assert_eq!(claim(store, second, a, 50).await.unwrap().run.attempts, 2);
        assert!(!store.settle_test(&settlement(&dead), at(51)).await.unwrap());
        store.release_tests(second).await.unwrap();
        let again = claim(store, first, a, 51).await.unwrap();
        assert_eq!(again.run.attempts, 2, "what was cut does not count");

        // What works is kept from one attempt to the next, what does not is tried again.
        let mut settled = TestSettlement { next_attempt_at: Some(at(60)), ..settlement(&again) };
        settled.results.set(Workload::Incoming, TestResult::Success);
        settled.stages = vec![stage(Workload::Incoming), stage(Workload::Outgoing)];
        assert!(store.settle_test(&settled, at(52)).await.unwrap());
        assert!(claim(store, first, a, 59).await.is_none());
        let third = claim(store, first, a, 60).await.unwrap();
        assert_eq!((third.run.attempts, third.run.stages.as_slice()), (3, [stage(Workload::Incoming)].as_slice()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_that_is_asked_for_again_is_another_one() {
    for database in databases().await {
        let store = &database.store;
        let a = with_mailboxes(store, &["a@example.org"]).await[0].id;
        queue(store, a, TestRequest::default(), 0).await;
        let old = claim(store, node(1), a, 0).await.unwrap();
        let new = queue(store, a, TestRequest::default(), 5).await;
        let enable = Enabling { workload: Workload::Incoming, status: TestStatus::Failure, change: None };
        let late = TestSettlement { enabling: vec![enable], ..settlement(&old) };
        assert!(!store.settle_test(&late, at(6)).await.unwrap());
        store.note_stages((a, old.run.run, old.node), &[stage(Workload::Incoming)]).await.unwrap();
        let seen = store.tests(&[a], at(6)).await.unwrap().pop().unwrap();
        assert_eq!((seen.run, seen.attempts, seen.stages.len(), seen.finished_at), (new, 0, 0, None));
        assert_eq!(mailbox_of(store, a).await.incoming.test_status, TestStatus::NotRun);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_test_enables_forgets_disables_and_alerts() {
    for database in databases().await {
        let store = &database.store;
        let profile = profile("example");
        let mut before = mailbox("a@example.org", &profile);
        let failing = WorkloadState {
            enabled: false,
            transient_failures: 3,
            confirmations: 2,
            failing_since: Some(at(-9)),
            failure_code: Some(FailureCode::AuthRejected),
            last_error: Some("no".into()),
            postponed_until: Some(at(99)),
            last_success_at: Some(at(-99)),
            ..WorkloadState::default()
        };
        (before.incoming, before.outgoing.enabled) = (failing, true);
        let changes =
            [RecordChange::PutProfile(profile, mailsyncd::model::record::CredentialSource::Stored), put(&before)];
        store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
        queue(store, before.id, TestRequest::default(), 0).await;
        let test = claim(store, node(1), before.id, 0).await.unwrap();
        let why = TestFailure { code: FailureCode::AuthExpired, text: "gone".into() };
        let subject = AlertSubject::Mailbox(before.id);
        let alert = NewAlert {
            subject,
            severity: Severity::Error,
            code: FailureCode::AuthExpired,
            text: "gone".into(),
            workload: Some(Workload::Outgoing),
        };
        let settled = TestSettlement {
            enabling: vec![
                Enabling { workload: Workload::Incoming, status: TestStatus::Success, change: Some(Change::Enable) },
                Enabling {
                    workload: Workload::Outgoing,
                    status: TestStatus::Failure,
                    change: Some(Change::Disable(why)),
                },
            ],
            alerts: vec![AlertChange::Raise(alert)],
            ..settlement(&test)
        };
        assert!(store.settle_test(&settled, at(7)).await.unwrap());
        let after = mailbox_of(store, before.id).await;
        let enabled = WorkloadState {
            enabled: true,
            last_success_at: Some(at(-99)),
            test_status: TestStatus::Success,
            ..WorkloadState::default()
        };
        assert_eq!((after.incoming, after.test_completed_at), (enabled, Some(at(7))));
        assert_eq!((after.outgoing.enabled, after.outgoing.test_status), (false, TestStatus::Failure));
        assert_eq!(after.outgoing.failure_code, Some(FailureCode::AuthExpired));
        assert_eq!(after.outgoing.last_error.as_deref(), Some("gone"));
        assert_eq!(store.status(at(8), HOUR).await.unwrap().open_alerts, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_disables_removes_or_rejects_a_mailbox_calls_its_test_off() {
    let by_hand = |id| {
        [
            (RecordChange::DisableIncoming(id), "it was disabled meanwhile"),
            (RecordChange::DisableOutgoing(id), "it was disabled meanwhile"),
            (RecordChange::SetApproval(id, Approval::Rejected), "it was rejected meanwhile"),
            (RecordChange::RetireMailbox(id), "it was removed meanwhile"),
        ]
    };
    for database in databases().await {
        let store = &database.store;
        let a = with_mailboxes(store, &["a@example.org"]).await[0].clone();
        for under_way in [false, true] {
            for (change, why) in by_hand(a.id) {
                let back = RecordChange::PutMailbox(Box::new(a.clone()), CredentialSource::Stored);
                let off = [RecordChange::DisableIncoming(a.id), RecordChange::DisableOutgoing(a.id)];
                store.apply(&[vec![back], off.to_vec()].concat(), &Actor::Configuration, at(0)).await.unwrap();
                queue(store, a.id, TestRequest::default(), 0).await;
                assert!(store.records().await.unwrap().tested.contains(&a.id));
                let test = if under_way { claim(store, node(1), a.id, 0).await } else { None };
                store.apply(std::slice::from_ref(&change), &Actor::Configuration, at(1)).await.unwrap();
                let over = store.tests(&[a.id], at(1)).await.unwrap().pop().unwrap();
                assert_eq!((over.refused.as_deref(), over.finished_at), (Some(why), Some(at(1))), "{change:?}");
                assert!(!over.running && !over.went_well());
                assert!(!store.records().await.unwrap().tested.contains(&a.id));
                assert!(claim(store, node(2), a.id, 9_999).await.is_none());
                if let Some(test) = test {
                    let enabling = [Workload::Incoming, Workload::Outgoing].map(|workload| Enabling {
                        workload,
                        status: TestStatus::Success,
                        change: Some(Change::Enable),
                    });
                    let settled = TestSettlement { enabling: enabling.to_vec(), ..settlement(&test) };
                    assert!(!store.settle_test(&settled, at(2)).await.unwrap(), "{change:?}");
                }
                let after = mailbox_of(store, a.id).await;
                assert!(!after.incoming.enabled && !after.outgoing.enabled, "{change:?}");
                assert_eq!(after.incoming.test_status, TestStatus::NotRun, "{change:?}");
            }
        }
        // What enables nothing may go on.
        queue(store, a.id, TestRequest { dry_run: true, ..TestRequest::default() }, 3).await;
        assert!(!store.records().await.unwrap().tested.contains(&a.id));
        store.apply(&[RecordChange::DisableIncoming(a.id)], &Actor::Configuration, at(4)).await.unwrap();
        assert!(claim(store, node(1), a.id, 5).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_of_what_was_changed_meanwhile_starts_over() {
    let actor = Actor::Configuration;
    for database in databases().await {
        let store = &database.store;
        let (here, mut there) = (profile("here"), profile("there"));
        let mut a = mailbox("a@example.org", &here);
        let profiles = [&here, &there].map(|p| RecordChange::PutProfile(p.clone(), CredentialSource::Stored));
        store.apply(&[profiles.to_vec(), vec![put(&a)]].concat(), &actor, at(0)).await.unwrap();
        let mut changes: Vec<RecordChange> = Vec::new();
        a.profile = Some(there.id);
        changes.push(put(&a));
        a.email_address = "b@example.org".to_owned();
        changes.push(put(&a));
        changes.push(RecordChange::PutMailbox(Box::new(a.clone()), CredentialSource::File("/run/x".into())));
        there.incoming.port = 1;
        changes.push(RecordChange::PutProfile(there.clone(), CredentialSource::Stored));
        changes.push(RecordChange::RetireProfile(there.id));
        let starts_over = async |seconds, store: &Store, what: &str| {
            let run = store.tests(&[a.id], at(seconds)).await.unwrap().pop().unwrap();
            assert_eq!((run.results, run.stages, run.mail), Default::default(), "{what}");
            assert!(!run.running && run.next_attempt_at == Some(at(seconds)), "{what}");
        };
        let begun = async |seconds, store: &Store| {
            queue(store, a.id, TestRequest::default(), seconds).await;
            let test = claim(store, node(1), a.id, seconds).await.unwrap();
            let mail = format!("{}@example.org", ActivityId::generate(at(seconds)));
            let fence = (a.id, test.run.run, test.node);
            store.add_test_mail(fence, &mail, at(seconds)).await.unwrap();
            store.note_test_mail_sent(fence, at(seconds)).await.unwrap();
            let mut half = TestSettlement { next_attempt_at: Some(at(seconds)), ..settlement(&test) };
            half.stages = vec![stage(Workload::Incoming)];
            half.results.set(Workload::Incoming, TestResult::Success);
            assert!(store.settle_test(&half, at(seconds)).await.unwrap());
            claim(store, node(1), a.id, seconds).await.unwrap()
        };
        for (seconds, change) in (1_i64..).map(|n| n * 100).zip(changes) {
            let late = begun(seconds, store).await;
            store.apply(std::slice::from_ref(&change), &actor, at(seconds + 1)).await.unwrap();
            starts_over(seconds + 1, store, &format!("{change:?}")).await;
            assert!(!store.settle_test(&settlement(&late), at(seconds + 2)).await.unwrap(), "{change:?}");
            assert_eq!(claim(store, node(1), a.id, seconds + 2).await.unwrap().run.run, late.run.run, "{change:?}");
        }
        for (seconds, owner) in [(1_000, SecretOwner::Mailbox(a.id)), (2_000, SecretOwner::Profile(there.id))] {
            begun(seconds, store).await;
            let sealed = SealedSecret { key_id: "k".into(), data_key: vec![1], ciphertext: vec![2] };
            store.put_secret(owner, &sealed, &actor, at(seconds + 1)).await.unwrap();
            starts_over(seconds + 1, store, &format!("{owner:?}")).await;
        }
        // What was written as it was changes nothing.
        let same = store.records().await.unwrap().mailboxes.pop().unwrap();
        let going = begun(3_000, store).await;
        let again = RecordChange::PutMailbox(Box::new(same.0), same.1);
        store.apply(&[again], &actor, at(3_001)).await.unwrap();
        assert!(store.settle_test(&settlement(&going), at(3_002)).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approval_is_a_change_of_its_own() {
    for database in databases().await {
        let store = &database.store;
        let a = with_mailboxes(store, &["a@example.org"]).await[0].clone();
        for approval in [Approval::Rejected, Approval::Approved, Approval::Pending] {
            store.apply(&[RecordChange::SetApproval(a.id, approval)], &Actor::Configuration, at(1)).await.unwrap();
            assert_eq!(mailbox_of(store, a.id).await, Mailbox { approval, ..a.clone() });
            let scheduled = store.schedule_entries(Workload::Incoming).await.unwrap();
            assert_eq!(scheduled.len(), usize::from(approval == Approval::Approved));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_that_ends_does_not_overrule_who_disabled_the_mailbox_meanwhile() {
    for database in databases().await {
        let store = &database.store;
        let a = with_mailboxes(store, &["a@example.org"]).await[0].clone();
        let claimed = store.claim(Workload::Incoming, node(1), &[a.id], at(0), LEASE).await.unwrap();
        store.apply(&[RecordChange::DisableIncoming(a.id)], &Actor::Configuration, at(1)).await.unwrap();
        let went_well = WorkloadState { last_success_at: Some(at(2)), ..a.incoming.clone() };
        let settlement =
            mailsyncd::model::lease::Settlement { fence: claimed[0].fence, state: went_well, alerts: Vec::new() };
        store.settle(&[settlement], at(2)).await.unwrap();
        let after = mailbox_of(store, a.id).await.incoming;
        assert_eq!((after.enabled, after.last_success_at), (false, Some(at(2))));
    }
}

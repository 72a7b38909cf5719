//! Test & Enable in the database.

use std::time::Duration;

use mailsyncd::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        audit::Actor,
        failure::FailureCode,
        ids::{ActivityId, MailboxId, NodeId, RunId},
        mailbox::{Approval, Mailbox, TestStatus, Workload, WorkloadState},
        record::RecordChange,
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
        assert_eq!(store.due_tests(at(10)).await.unwrap(), [(a, mailboxes[0].profile)]);
        assert!(store.tests(&[b]).await.unwrap().is_empty());

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
        let seen = store.tests(&[a, b]).await.unwrap().pop().unwrap();
        assert_eq!((seen.stages.as_slice(), seen.running), (stages.as_slice(), true));
        assert_eq!(seen.mail, Some(TestMail { message_id: message_id.clone(), sent_at: Some(at(12)) }));

        let preview = Preview { count: 3, bytes: 1 << 40, oldest: Some(at(-5)), undated: 1 };
        let mut settled = TestSettlement { preview: Some(preview), stages: stages.to_vec(), ..settlement(&test) };
        settled.results.set(Workload::Incoming, TestResult::Success);
        assert!(store.settle_test(&settled, at(13)).await.unwrap());
        let over = store.tests(&[a]).await.unwrap().pop().unwrap();
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
        let seen = store.tests(&[a]).await.unwrap().pop().unwrap();
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
        assert_eq!(store.status(at(8)).await.unwrap().open_alerts, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_may_not_be_processed_any_more_is_not_enabled() {
    for database in databases().await {
        let store = &database.store;
        let a = with_mailboxes(store, &["a@example.org"]).await[0].clone();
        let off = [RecordChange::DisableIncoming(a.id), RecordChange::DisableOutgoing(a.id)];
        store.apply(&off, &Actor::Configuration, at(0)).await.unwrap();
        for change in [RecordChange::SetApproval(a.id, Approval::Rejected), RecordChange::RetireMailbox(a.id)] {
            queue(store, a.id, TestRequest::default(), 0).await;
            let test = claim(store, node(1), a.id, 0).await.unwrap();
            store.apply(&[change], &Actor::Configuration, at(1)).await.unwrap();
            let enabling = [Workload::Incoming, Workload::Outgoing].map(|workload| Enabling {
                workload,
                status: TestStatus::Success,
                change: Some(Change::Enable),
            });
            let settled = TestSettlement { enabling: enabling.to_vec(), ..settlement(&test) };
            assert!(store.settle_test(&settled, at(2)).await.unwrap());
            let after = mailbox_of(store, a.id).await;
            assert!(!after.incoming.enabled && !after.outgoing.enabled);
            assert_eq!(after.incoming.test_status, TestStatus::NotRun);
        }
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

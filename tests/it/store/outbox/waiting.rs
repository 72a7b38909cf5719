//! Mail that waits: for its time, and for a mailbox that may send it.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expiry_counts_from_the_first_attempt_whoever_queued_the_mail() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        let id = store.queue_mail(&mail(&mailbox, "by command"), at(0)).await.unwrap();
        let insert = "INSERT INTO email_activities (mailbox, direction, status, subject) SELECT id, 'outgoing', \
                      'pending_send', 'by statement' FROM mailboxes";
        database.execute(insert).await;
        let fence = lease(store, mailbox.id, at(10)).await;
        let claimed = claim_all(store, fence, at(10)).await;
        assert_eq!(claimed.iter().map(|mail| mail.queued_at).collect::<Vec<_>>(), [at(10), at(10)]);
        let other = claimed.iter().map(|mail| mail.activity).find(|activity| *activity != id).unwrap();
        let failed = |activity| settled(activity, MailVerdict::Failed(broken(FailureCode::MailRefused)));
        store.settle_mail(fence, &failed(other), at(10)).await.unwrap();

        // What was claimed and not tried only waited.
        store.settle_mail(fence, &settled(id, MailVerdict::Returned), at(11)).await.unwrap();
        let counts_from = async |now| {
            let claimed = claim_all(store, fence, now).await.remove(0);
            assert_eq!(claimed.activity, id);
            claimed.queued_at
        };
        assert_eq!(counts_from(at(20)).await, at(20));
        let retry = |due| settled(id, MailVerdict::RetryAt(due, broken(FailureCode::ServerThrottled)));
        store.settle_mail(fence, &retry(at(30)), at(21)).await.unwrap();
        assert_eq!(counts_from(at(30)).await, at(20));
        store.settle_mail(fence, &settled(id, MailVerdict::Returned), at(31)).await.unwrap();
        assert_eq!(counts_from(at(32)).await, at(20));

        // So does what its mailbox may not send.
        store.settle_mail(fence, &retry(at(40)), at(33)).await.unwrap();
        database.execute("UPDATE mailboxes SET outgoing_method = 'none'").await;
        assert_eq!(store.explain_stuck(at(40)).await.unwrap().len(), 1);
        database.execute("UPDATE mailboxes SET outgoing_method = 'server_side_sync'").await;
        assert_eq!(counts_from(at(50)).await, at(50));

        // Whoever puts it back gives it its time again.
        store.settle_mail(fence, &failed(id), at(51)).await.unwrap();
        store.retry_mail(id, &Actor::CommandLine("anna".into()), at(52)).await.unwrap();
        assert_eq!(counts_from(at(55)).await, at(55));
        store.settle_mail(fence, &failed(id), at(56)).await.unwrap();
        database.execute(&format!("UPDATE email_activities SET status = 'pending_send' WHERE id = '{id}'")).await;
        assert_eq!(counts_from(at(58)).await, at(58));
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_waits_in_vain_says_why() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@x"]).await.remove(0);
        assert_eq!(store.explain_stuck(at(0)).await.unwrap().len(), 0);
        let fine = store.queue_mail(&mail(&mailbox, "fine"), at(0)).await.unwrap();
        assert_eq!(store.explain_stuck(at(0)).await.unwrap().len(), 0);
        let reason = async |id| cells(&database, id, &["status", "failure_code", "failure_detail"]).await;
        let mut waiting = Vec::new();
        for (words, change) in [
            ("waits for approval", Mailbox { approval: Approval::Pending, ..mailbox.clone() }),
            ("was rejected", Mailbox { approval: Approval::Rejected, ..mailbox.clone() }),
            ("has no server", Mailbox { profile: None, ..mailbox.clone() }),
            ("its outgoing method is none", Mailbox { outgoing_method: SyncMethod::None, ..mailbox.clone() }),
        ] {
            store.apply(&[put(&mailbox)], &Actor::Configuration, at(1)).await.unwrap();
            let id = store.queue_mail(&mail(&mailbox, words), at(1)).await.unwrap();
            store.apply(&[put(&change)], &Actor::Configuration, at(2)).await.unwrap();
            assert!(!store.explain_stuck(at(3)).await.unwrap().is_empty());
            assert_eq!(store.explain_stuck(at(3)).await.unwrap().len(), 0);
            let reason = reason(id).await;
            assert!(reason.starts_with("pending_send|sending-off|") && reason.contains(words), "{reason}");
            assert_eq!(store.schedule_entries(Workload::Outgoing).await.unwrap(), []);
            waiting.push(id);
        }
        store
            .apply(&[put(&mailbox), RecordChange::DisableOutgoing(mailbox.id)], &Actor::Configuration, at(4))
            .await
            .unwrap();
        let disabled = store.queue_mail(&mail(&mailbox, "disabled"), at(4)).await.unwrap();
        assert_eq!(store.explain_stuck(at(5)).await.unwrap().len(), 1);
        assert!(reason(disabled).await.contains("not enabled"));
        // Enabled again, everything goes.
        store.apply(&[RecordChange::EnableOutgoing(mailbox.id)], &Actor::Configuration, at(6)).await.unwrap();
        let fence = lease(store, mailbox.id, at(7)).await;
        let claimed: Vec<_> = claim_all(store, fence, at(7)).await.iter().map(|mail| mail.activity).collect();
        assert_eq!(claimed.len(), waiting.len() + 2);
        assert!(claimed.contains(&fine) && claimed.contains(&disabled));
    }
}

/// The reason that was written first is not the last word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_waited_for_its_mailbox_and_cannot_be_sent_either_is_given_up() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@x"]).await.remove(0);
        let granting = Mailbox { may_send_as: vec!["team@x".into()], ..mailbox.clone() };
        store
            .apply(&[put(&granting), RecordChange::DisableOutgoing(mailbox.id)], &Actor::Configuration, at(1))
            .await
            .unwrap();
        let as_team = NewMail { send_as: Some("team@x".into()), ..mail(&mailbox, "as the team") };
        let id = store.queue_mail(&as_team, at(2)).await.unwrap();
        assert_eq!(store.explain_stuck(at(3)).await.unwrap().len(), 1);
        store
            .apply(&[put(&mailbox), RecordChange::EnableOutgoing(mailbox.id)], &Actor::Configuration, at(4))
            .await
            .unwrap();
        assert_eq!(store.explain_stuck(at(5)).await.unwrap().len(), 1);
        let row = cells(&database, id, &["status", "failure_code"]).await;
        assert_eq!(row, "failed|sender-refused");
        assert_eq!(open_alerts(&database).await, ["error sender-refused 1"]);
    }
}

/// Nobody takes the lease of a mailbox that does not send: what was under way when it stopped would
/// be out of everybody's hands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_under_way_in_a_mailbox_that_stopped_sending_comes_back() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, zombie, dotted) = under_way(&database).await;
        store.mark_dot(zombie, dotted, &[], at(2)).await.unwrap();
        let open = store.queue_mail(&mail(&mailbox, "two"), at(2)).await.unwrap();
        assert_eq!(claim_all(store, zombie, at(3)).await[0].activity, open);
        store.put_composed(zombie, &[composed(open, 2)]).await.unwrap();
        // Whoever holds the lease goes on; and where the mailbox sends, its next holder finds them.
        assert_eq!(store.explain_stuck(at(100)).await.unwrap().len(), 0);
        store.apply(&[RecordChange::DisableOutgoing(mailbox.id)], &Actor::Configuration, at(4)).await.unwrap();
        assert_eq!(store.explain_stuck(at(5)).await.unwrap().len(), 0);
        assert_eq!(status(&database, open).await, "sending");

        assert_eq!(store.explain_stuck(at(100)).await.unwrap().len(), 2);
        assert_eq!(store.explain_stuck(at(100)).await.unwrap().len(), 0);
        let row = async |id| cells(&database, id, &["status", "failure_code", "dot_at"]).await;
        assert_eq!(row(open).await, "pending_send|sending-off|-");
        assert!(row(dotted).await.starts_with("held|delivery-in-doubt|"));
        assert!(!row(dotted).await.ends_with("|-"), "perhaps it was sent");
        assert_eq!(open_alerts(&database).await, ["error delivery-in-doubt 1"]);
        let events = "SELECT kind FROM events WHERE kind = 'activity.held'";
        assert_eq!(rows(&database, events).await.len(), 1);
        assert!(store.mark_dot(zombie, open, &[], at(101)).await.is_err());
        assert!(store.settle_mail(zombie, &settled(dotted, MailVerdict::Sent(None)), at(101)).await.is_err());
        store.retry_mail(dotted, &Actor::CommandLine("anna".into()), at(102)).await.unwrap();
        store.cancel_mail(open, &Actor::CommandLine("anna".into()), at(102)).await.unwrap();
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}

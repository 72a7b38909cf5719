//! What people may do with mail on its way out, and what is refused at the door.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_move_mail_within_the_rules() {
    for database in databases().await {
        let store = &database.store;
        let (mailbox, fence, id) = under_way(&database).await;
        let illegal = |result: Result<(), StoreError>, wanted: &str| {
            let error = result.unwrap_err();
            assert!(matches!(error, StoreError::IllegalMove { .. }), "{error}");
            assert!(error.to_string().contains(wanted), "{error}");
        };
        illegal(
            store.cancel_mail(id, &Actor::CommandLine("anna".into()), at(2)).await,
            "is sending: it cannot become canceled",
        );
        store.mark_dot(fence, id, &[], at(2)).await.unwrap();
        let held = MailVerdict::Held(broken(FailureCode::DeliveryInDoubt));
        let mut settlement = settled(id, held);
        settlement.recipients =
            vec![RecipientResult { position: 0, state: Some(RecipientState::Accepted), reply: None }];
        store.settle_mail(fence, &settlement, at(3)).await.unwrap();
        illegal(store.hold_mail(id, &Actor::CommandLine("anna".into()), at(4)).await, "is held: it cannot become held");
        store.retry_mail(id, &Actor::CommandLine("anna".into()), at(5)).await.unwrap();
        assert_eq!(open_alerts(&database).await, Vec::<String>::new());
        let again = claim_all(store, fence, at(5)).await.remove(0);
        assert_eq!((again.attempts, again.queued_at), (1, at(5)));
        assert_eq!(again.parties.iter().map(|party| party.is_open()).collect::<Vec<_>>(), [false, true]);
        let mut failed = settled(id, MailVerdict::Failed(broken(FailureCode::MailRefused)));
        failed.recipients = vec![RecipientResult { position: 1, state: Some(RecipientState::Accepted), reply: None }];
        store.settle_mail(fence, &failed, at(6)).await.unwrap();
        let nobody = store.retry_mail(id, &Actor::CommandLine("anna".into()), at(7)).await.unwrap_err();
        assert!(nobody.to_string().contains("no recipient left"), "{nobody}");
        store.cancel_mail(id, &Actor::CommandLine("anna".into()), at(7)).await.unwrap();
        illegal(
            store.retry_mail(id, &Actor::CommandLine("anna".into()), at(8)).await,
            "is canceled: it cannot become pending_send",
        );

        let other = store.queue_mail(&mail(&mailbox, "two"), at(9)).await.unwrap();
        store.hold_mail(other, &Actor::CommandLine("anna".into()), at(9)).await.unwrap();
        assert_eq!(claim_all(store, fence, at(10)).await, []);
        store.cancel_mail(other, &Actor::CommandLine("anna".into()), at(10)).await.unwrap();
        let nobody =
            store.hold_mail(ActivityId::generate(at(1)), &Actor::CommandLine("anna".into()), at(1)).await.unwrap_err();
        assert!(nobody.to_string().contains("there is no activity"), "{nobody}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_is_the_same_mail() {
    for database in databases().await {
        let store = &database.store;
        let boxes = with_mailboxes(store, &["a@x", "b@x"]).await;
        let keyed = |mailbox: &Mailbox| NewMail { idempotency_key: Some("k".into()), ..mail(mailbox, "s") };
        let many = (0..10).map(|_| keyed(&boxes[0])).collect::<Vec<_>>();
        let ids = futures::future::join_all(many.iter().map(|mail| store.queue_mail(mail, at(0)))).await;
        let ids: Vec<ActivityId> = ids.into_iter().map(Result::unwrap).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_ne!(store.queue_mail(&keyed(&boxes[1]), at(0)).await.unwrap(), ids[0]);
        let parties = format!("SELECT address FROM email_parties WHERE activity = '{}'", ids[0]);
        assert_eq!(rows(&database, &parties).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_says_what_is_wrong() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@x"]).await.remove(0);
        let mute = Mailbox { outgoing_method: SyncMethod::None, id: MailboxId::generate(at(0)), ..mailbox.clone() };
        let mute = Mailbox { email_address: "mute@x".into(), ..mute };
        store.apply(&[put(&mute)], &Actor::Configuration, at(0)).await.unwrap();
        let refusals = [
            (NewMail { mailbox: MailboxId::generate(at(5)), ..mail(&mailbox, "s") }, "there is no mailbox"),
            (mail(&mute, "s"), "does not send"),
            (NewMail { parties: vec![party(PartyRole::From, "a@x")], ..mail(&mailbox, "s") }, "needs a recipient"),
            (NewMail { send_as: Some("boss@x".into()), ..mail(&mailbox, "s") }, "may not send as boss@x"),
            (NewMail { answers: Some(ActivityId::generate(at(5))), ..mail(&mailbox, "s") }, "there is no activity"),
        ];
        for (mail, words) in refusals {
            let refused = store.queue_mail(&mail, at(0)).await.unwrap_err();
            assert!(matches!(&refused, StoreError::Unsendable { what } if what.contains(words)), "{refused}");
        }
        store.apply(&[RecordChange::RetireMailbox(mailbox.id)], &Actor::Configuration, at(1)).await.unwrap();
        let retired = store.queue_mail(&mail(&mailbox, "s"), at(1)).await.unwrap_err();
        assert!(retired.to_string().contains("not active"), "{retired}");
    }
}

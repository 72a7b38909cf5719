//! Mail that the simulated world sends, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};

use mailsyncd::{
    model::{
        activity::ActivityStatus,
        ids::{ActivityId, MailboxId},
        mailbox::Workload,
        message::{Party, PartyRole},
        outbox::{InDoubt, NewContent, NewMail},
    },
    schedule::duty::Duty,
};
use uuid::Uuid;

use super::world::World;
use crate::support::sim_post::Taken;

/// A mail that was queued.
pub struct Written {
    id: ActivityId,
    mailbox: MailboxId,
    recipients: BTreeSet<String>,
    /// It is where it stays.
    ended: bool,
}

impl World {
    /// Somebody writes a few mails.
    pub async fn write(&mut self, mailbox: MailboxId) {
        for _ in 0..=self.chance.below(4) {
            let number = self.written.len();
            let recipients: BTreeSet<String> =
                (0..=self.chance.below(3)).map(|to| format!("{to}.{number}@there.example")).collect();
            let to =
                |address: &String| Party { role: PartyRole::To, address: address.clone(), display_name: String::new() };
            let mail = NewMail {
                id: ActivityId(Uuid::from_u128(0x1_0000 + number as u128)),
                mailbox,
                send_as: None,
                subject: format!("written-{number}"),
                text: Some("Text".to_owned()),
                html: None,
                parties: recipients.iter().map(to).collect(),
                content: NewContent::Draft(Vec::new()),
                answers: None,
                send_after: self.chance.once_in(5).then(|| self.now().plus(self.chance.millis(1_000..600_000))),
                idempotency_key: None,
            };
            self.store().queue_mail(&mail, self.now()).await.unwrap();
            self.written.push(Written { id: mail.id, mailbox, recipients, ended: false });
        }
    }

    /// I3: a mail that is being sent has somebody who sends it, or can be taken up by one.
    pub async fn check_claimable(&mut self) {
        let entries = self.store().schedule_entries(Workload::Outgoing).await.unwrap();
        let claimable: BTreeSet<MailboxId> = entries.into_iter().map(|entry| entry.mailbox).collect();
        for index in 0..self.written.len() {
            let Written { id, mailbox, ended, .. } = self.written[index];
            if ended {
                continue;
            }
            let status = self.status(id).await;
            self.written[index].ended = !matches!(status, ActivityStatus::Sending | ActivityStatus::PendingSend);
            if !self.written[index].ended {
                let runs = self.runs(Duty::new(Workload::Outgoing, mailbox));
                let found = runs || claimable.contains(&mailbox) || !self.may_send(mailbox).await;
                assert!(found, "I3: nobody will ever send {id}, which is {status}");
            }
        }
    }

    /// I4: nobody gets a mail twice, unless the server's answer was lost and the policy is to send
    /// again; and a mail is always the same bytes.
    pub fn check_copies(&self) {
        let taken = self.post.taken();
        let mut copies: BTreeMap<(&str, &str), Vec<&Taken>> = BTreeMap::new();
        for mail in &taken {
            for recipient in &mail.recipients {
                copies.entry((&mail.message_id, recipient)).or_default().push(mail);
            }
        }
        for ((message_id, recipient), copies) in copies {
            let (last, before) = copies.split_last().unwrap();
            assert!(before.iter().all(|copy| copy.bytes == last.bytes), "I4: {message_id} has changed");
            let inbox = self.inboxes.iter().find(|inbox| inbox.address == last.address).unwrap();
            let resends = self.profiles[&inbox.profile].in_doubt == Some(InDoubt::Retry);
            let lost = before.iter().all(|copy| !copy.told);
            assert!(
                before.is_empty() || (resends && lost),
                "I4: {recipient} got {message_id} of {} {} times",
                last.address,
                copies.len()
            );
        }
        let ids: BTreeSet<(&str, &str)> =
            taken.iter().map(|mail| (mail.activity.as_str(), mail.message_id.as_str())).collect();
        let activities: BTreeSet<&str> = ids.iter().map(|(activity, _)| *activity).collect();
        assert_eq!(ids.len(), activities.len(), "I4: a mail has two Message-IDs");
    }

    /// I8 for mail: all is sent but what was refused, and what nobody can know.
    pub async fn check_the_post(&mut self) {
        self.check_copies();
        let taken = self.post.taken();
        let mut tally: BTreeMap<String, u32> = BTreeMap::new();
        for Written { id, mailbox, recipients, .. } in &self.written {
            let (status, address) = (self.status(*id).await, &self.inbox_of(*mailbox).address);
            *tally.entry(status.to_string()).or_default() += 1;
            let in_doubt = self.weather().in_doubt.contains(address);
            let rejected = self.weather().rejected.contains(address);
            let copies = taken.iter().filter(|mail| mail.activity == id.to_string());
            let reached: BTreeSet<&String> = copies.flat_map(|mail| &mail.recipients).collect();
            match status {
                ActivityStatus::Sent => {
                    assert!(!reached.is_empty(), "I8: {id} of {address} is sent, and nobody has it");
                    assert!(rejected || reached.len() == recipients.len(), "I8: {id} of {address} lost a recipient");
                }
                ActivityStatus::Held => assert!(in_doubt, "I8: {id} of {address} is held, and nothing was in doubt"),
                ActivityStatus::Failed => assert!(rejected, "I8: {id} of {address} failed, and nobody refused it"),
                _ => panic!("I8: {id} of {address} is {status} at the end"),
            }
        }
        self.post_tally = format!("{tally:?}");
        assert_eq!(self.post.connections(), 0, "a connection was left open");
    }

    async fn status(&self, mail: ActivityId) -> ActivityStatus {
        self.store().activity(mail).await.unwrap().unwrap().row.status
    }

    async fn may_send(&self, mailbox: MailboxId) -> bool {
        let records = self.store().records().await.unwrap();
        let record = records.mailboxes.into_iter().find(|(record, _)| record.id == mailbox).unwrap().0;
        record.outgoing.enabled
    }
}

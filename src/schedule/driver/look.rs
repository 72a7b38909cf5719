//! Looking into the database: what is scheduled, and what somebody asks for.

use std::{collections::BTreeSet, sync::Arc};

use tokio::time::Instant;

use super::{
    super::{
        agenda::{Event, Mode, ProfileTerms, Refreshed},
        duty::Duty,
        journal,
    },
    Running,
};
use crate::{
    means::stored,
    model::{ids::MailboxId, mailbox::Workload},
    store::StoreError,
};

impl Running {
    /// Reads everything again.
    pub(super) async fn refresh(&mut self) {
        self.logins.tidy();
        let workloads: Vec<Workload> = self.lines.keys().copied().collect();
        for workload in workloads {
            self.refresh_line(workload).await;
        }
    }

    pub(super) async fn refresh_line(&mut self, workload: Workload) {
        if self.trouble.is_some() {
            return;
        }
        if workload == Workload::Outgoing {
            self.next_outbox_look = Instant::now() + self.settings.sending.outbox_poll;
        }
        match self.read(workload).await {
            Ok(refreshed) => self.tell(Event::Refreshed(refreshed)),
            Err(error) => self.fail(&error),
        }
    }

    async fn read(&mut self, workload: Workload) -> Result<Refreshed, StoreError> {
        let store = &self.store;
        if workload == Workload::Outgoing {
            let now = self.clock.now();
            journal::stuck(stored::patiently(|| store.explain_stuck(now)).await?);
        }
        let entries = stored::patiently(|| store.schedule_entries(workload)).await?;
        let holds = stored::patiently(|| store.holds(workload)).await?;
        let profiles = stored::patiently(|| store.profiles()).await?;
        let profiles = profiles.into_iter().filter(|profile| profile.active);
        self.profiles = profiles.map(|profile| (profile.id, Arc::new(profile))).collect();
        let profiles = self.profiles.values().filter_map(|profile| ProfileTerms::of(workload, profile)).collect();
        Ok(Refreshed { workload, entries, profiles, holds })
    }

    pub(super) async fn look_for_requests(&mut self) {
        if self.trouble.is_some() || self.mode == Mode::Once {
            return;
        }
        let requested: BTreeSet<MailboxId> = match self.store.requested_polls().await {
            Ok(mailboxes) => mailboxes.into_iter().collect(),
            Err(error) => return self.fail(&error),
        };
        // Whoever asks may have enabled the mailbox, or ended its postponement, in the same breath.
        if !requested.is_subset(&self.requested) {
            self.refresh().await;
        }
        let polls = requested.iter().map(|mailbox| Duty::new(Workload::Incoming, *mailbox));
        polls.for_each(|duty| self.tell(Event::Hinted(duty)));
        self.requested = requested;
    }
}

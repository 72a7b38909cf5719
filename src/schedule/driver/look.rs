//! Looking into the database: what is scheduled, and what somebody asks for.

use std::{collections::BTreeSet, sync::Arc};

use tokio::time::Instant;

use super::{
    super::{
        agenda::{Event, Mode, ProfileTerms, Refreshed},
        duty::{Duty, Side},
        heard::PROVEN_FOR,
        journal,
    },
    Running,
};
use crate::{
    means::stored,
    model::{
        activity::ActivityStatus,
        ids::{MailboxId, ProfileId},
        mailbox::Workload,
        profile::ServerProfile,
        timestamp::Timestamp,
    },
    store::StoreError,
};

impl Running {
    /// Reads everything again.
    pub(super) async fn refresh(&mut self) {
        self.logins.tidy();
        let workloads: Vec<Workload> = self.lines.keys().copied().collect();
        for workload in workloads {
            if let Err(error) = self.count_let_in(workload).await {
                return self.fail(&error);
            }
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

    async fn count_let_in(&mut self, workload: Workload) -> Result<(), StoreError> {
        if self.trouble.is_some() {
            return Ok(());
        }
        let (store, since) = (&self.store, self.clock.now().minus(PROVEN_FOR));
        let counts = stored::patiently(|| store.let_in(workload, since)).await?;
        self.let_in.retain(|side, _| side.workload != workload);
        let counts = counts.into_iter().map(|(profile, count)| (Side::new(workload, profile), count));
        self.let_in.extend(counts.map(|(side, count)| (side, usize::try_from(count).unwrap_or(usize::MAX))));
        Ok(())
    }

    async fn read(&mut self, workload: Workload) -> Result<Refreshed, StoreError> {
        let store = &self.store;
        if workload == Workload::Outgoing {
            let now = self.clock.now();
            let stuck = stored::patiently(|| store.explain_stuck(now)).await?;
            for mail in stuck.iter().filter(|mail| mail.status != ActivityStatus::PendingSend) {
                let profile = mail.profile.as_deref().unwrap_or_default();
                self.progress.metrics().ended_unsent(profile, mail.status.name(), &mail.failure());
            }
            journal::stuck(stuck);
        }
        let entries = stored::patiently(|| store.schedule_entries(workload)).await?;
        let holds = stored::patiently(|| store.holds(workload)).await?;
        let profiles = stored::patiently(|| store.profiles()).await?;
        let profiles = profiles.into_iter().filter(|profile| profile.active);
        self.profiles = profiles.map(|profile| (profile.id, Arc::new(profile))).collect();
        let let_in = |profile: ProfileId| self.let_in.get(&Side::new(workload, profile)).copied().unwrap_or(0);
        let terms = |profile: &Arc<ServerProfile>| ProfileTerms::of(workload, profile, let_in(profile.id));
        let profiles = self.profiles.values().filter_map(terms).collect();
        Ok(Refreshed { workload, entries, profiles, holds })
    }

    pub(super) async fn look_for_requests(&mut self) {
        if self.trouble.is_some() || self.mode == Mode::Once {
            return;
        }
        let requested: BTreeSet<(MailboxId, Timestamp)> = match self.store.requested_polls().await {
            Ok(mailboxes) => mailboxes.into_iter().collect(),
            Err(error) => return self.fail(&error),
        };
        // Whoever asks may have enabled the mailbox, or ended its postponement, in the same breath; so may
        // who asks again when the first wish has just been met.
        if !requested.is_subset(&self.requested) {
            self.refresh().await;
        }
        let polls = requested.iter().map(|(mailbox, _)| Duty::new(Workload::Incoming, *mailbox));
        polls.for_each(|duty| self.tell(Event::Hinted(duty)));
        self.requested = requested;
    }
}

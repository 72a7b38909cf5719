//! The two ends of a cycle: claim and start, land and settle, each in batches.

use std::{any::Any, collections::BTreeMap, sync::Arc};

use futures::{FutureExt, StreamExt};
use tokio::task::JoinError;

use super::{
    super::{
        agenda::{Event, Mode},
        backoff::{Outcome, Traffic, settle},
        flight::{Ended, Job, fly},
        journal::{self, CycleName},
    },
    Aloft, Landed, Running,
};
use crate::{
    means::stored,
    model::{
        failure::FailureCode,
        ids::MailboxId,
        lease::{Claimed, LEASE_TTL, Settlement},
        mailbox::Workload,
        profile::ServerProfile,
        timestamp::Timestamp,
    },
    receive::{policy::ReceivePolicy, source::Sources},
    store::StoreError,
};

/// Mailboxes claimed or settled by one call.
const BATCH: usize = 256;

impl<S: Sources> Running<S> {
    pub(super) async fn write_holds(&mut self) {
        while let Some((profile, hold)) = self.to_write.pop_front() {
            let store = &self.store;
            let written = match &hold {
                Some(hold) => stored::patiently(|| store.put_hold(Workload::Incoming, profile, hold)).await,
                None => stored::patiently(|| store.clear_hold(Workload::Incoming, profile)).await,
            };
            match written {
                Ok(()) => {}
                Err(error) if concerns_one(&error) => journal::unwritten(profile, &stored::failure(&error)),
                Err(error) => {
                    self.to_write.push_front((profile, hold));
                    return self.fail(&error);
                }
            }
        }
    }

    pub(super) async fn settle(&mut self) {
        let now = self.clock.now();
        while !self.to_settle.is_empty() && self.trouble.is_none() {
            let batch: Vec<Landed> = self.to_settle.drain(..self.to_settle.len().min(BATCH)).collect();
            let settlements: Vec<Settlement> = batch.iter().map(|landed| landed.settlement.clone()).collect();
            let store = &self.store;
            match stored::patiently(|| store.settle(&settlements, now)).await {
                Ok(()) => {}
                Err(error) if concerns_one(&error) => self.settle_alone(&settlements, now).await,
                Err(error) => {
                    self.to_settle.extend(batch);
                    return self.fail(&error);
                }
            }
            batch.into_iter().for_each(|landed| self.tell(landed.event));
        }
    }

    /// One state that the database refuses must not keep the others from being written.
    async fn settle_alone(&mut self, settlements: &[Settlement], now: Timestamp) {
        for settlement in settlements {
            if let Err(error) = self.store.settle(std::slice::from_ref(settlement), now).await {
                journal::unsettled(settlement.fence.mailbox, &stored::failure(&error));
            }
        }
    }

    pub(super) async fn claim(&mut self) {
        while !self.to_claim.is_empty() && self.trouble.is_none() {
            let batch: Vec<MailboxId> = self.to_claim.drain(..self.to_claim.len().min(BATCH)).collect();
            if self.stopping.is_some() {
                batch.into_iter().for_each(|mailbox| self.tell(Event::Finished(mailbox, Outcome::Interrupted)));
                continue;
            }
            let (now, store, node) = (self.clock.now(), &self.store, self.node);
            let claimed =
                match stored::patiently(|| store.claim(Workload::Incoming, node, &batch, now, LEASE_TTL)).await {
                    Ok(claimed) => claimed,
                    Err(error) if concerns_one(&error) => self.claim_alone(&batch, now).await,
                    Err(error) => {
                        self.to_claim.extend(batch);
                        return self.fail(&error);
                    }
                };
            let mut claimed: BTreeMap<_, _> = claimed.into_iter().map(|it| (it.mailbox.id, it)).collect();
            for mailbox in batch {
                match claimed.remove(&mailbox) {
                    Some(claimed) => self.start(claimed, now),
                    None => self.tell(Event::ClaimLost(mailbox)),
                }
            }
        }
    }

    /// One row that cannot be read must not keep the others from being claimed.
    async fn claim_alone(&mut self, batch: &[MailboxId], now: Timestamp) -> Vec<Claimed> {
        let mut all = Vec::new();
        for mailbox in batch {
            match self.store.claim(Workload::Incoming, self.node, std::slice::from_ref(mailbox), now, LEASE_TTL).await {
                Ok(claimed) => all.extend(claimed),
                Err(error) => journal::unclaimed(*mailbox, &stored::failure(&error)),
            }
        }
        all
    }

    /// Starts a cycle, unless the database says by now that it must not run.
    fn start(&mut self, claimed: Claimed, now: Timestamp) {
        let mailbox = claimed.mailbox.id;
        let profile = claimed.mailbox.profile.and_then(|id| self.profiles.get(&id)).cloned();
        match (self.agenda.objection(&claimed.mailbox, now), profile) {
            (None, Some(profile)) => self.spawn(claimed, profile, now),
            (objection, _) => {
                self.summary.left_out += usize::from(self.mode == Mode::Once);
                let settlement = Settlement { fence: claimed.fence, state: claimed.mailbox.incoming };
                let event = objection.unwrap_or(Event::Finished(mailbox, Outcome::Interrupted));
                self.to_settle.push(Landed { settlement, event });
            }
        }
    }

    fn spawn(&mut self, claimed: Claimed, profile: Arc<ServerProfile>, now: Timestamp) {
        let mailbox = claimed.mailbox.id;
        let (fence, state) = (claimed.fence, claimed.mailbox.incoming.clone());
        let address = claimed.mailbox.email_address.clone();
        let name = CycleName { mailbox, address, profile: profile.name.clone(), cycle: fence.epoch };
        let (rules, steps) = (Arc::clone(&self.settings.receive), self.settings.steps);
        let policy = ReceivePolicy::new(&profile, &claimed.mailbox, rules, steps);
        let interval = self.agenda.interval(mailbox, Traffic::Quiet);
        let job = Job { claimed, profile, policy, interval };
        let handle = self.tasks.spawn("cycle", fly(Arc::clone(&self.shared), job));
        let abort = handle.abort_handle();
        self.aloft.insert(mailbox, Aloft { fence, state, name, began: now, abort });
        self.flights.push(handle.map(move |ended| (mailbox, ended)).boxed());
    }

    /// Takes one end, and with it all others that are there already.
    pub(super) fn land_all(&mut self, mailbox: MailboxId, ended: Result<Ended, JoinError>) {
        self.land(mailbox, ended);
        while let Some(Some((mailbox, ended))) = self.flights.next().now_or_never() {
            self.land(mailbox, ended);
        }
    }

    fn land(&mut self, mailbox: MailboxId, ended: Result<Ended, JoinError>) {
        let Some(Aloft { fence, state, name, began, .. }) = self.aloft.remove(&mailbox) else { return };
        let now = self.clock.now();
        let ended = ended.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => Ended::failed(FailureCode::InternalError, &panic_text(&*panic)),
            Err(_) => Ended::Cut,
        });
        let Ended::Report(report) = ended else {
            let event = Event::Finished(mailbox, Outcome::Interrupted);
            return self.to_settle.push(Landed { settlement: Settlement { fence, state }, event });
        };
        let traffic = if report.did_something() { Traffic::Busy } else { Traffic::Quiet };
        let interval = self.agenda.interval(mailbox, traffic);
        let settled = settle(&state, &report, &self.settings.failures, interval, mailbox, now);
        journal::cycle_ended(&name, &report, &settled.outcome, now.since(began));
        self.summary.add(&report);
        match (&settled.outcome, &report.failure) {
            (Outcome::Interrupted, Some(failure)) => self.pause(failure.clone()),
            (Outcome::Polled { .. } | Outcome::More(_), _) => self.troubles = 0,
            _ => {}
        }
        let settlement = Settlement { fence, state: settled.state };
        self.to_settle.push(Landed { settlement, event: Event::Finished(mailbox, settled.outcome) });
    }
}

/// Whether it is the row that is ill, not the database.
fn concerns_one(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict { .. } | StoreError::Sql(_) | StoreError::Corrupt { .. })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a cycle panicked: {}", words.unwrap_or("without words"))
}

//! The two ends of a cycle: claim and start, land and settle, each in batches.

use std::{any::Any, collections::BTreeMap, sync::Arc};

use futures::{FutureExt, StreamExt};
use tokio::task::JoinError;

use super::{
    super::{
        agenda::{Event, Mode, ONCE_WAITS},
        alarm,
        backoff::{Ending, Outcome, Traffic, settle},
        concern::concern,
        duty::{Duty, Side},
        heard::Heard,
        journal::{self, CycleName},
        line::{Ended, Job, Line, fly, own_failure},
    },
    Aloft, Landed, Running, Unreached,
};
use crate::{
    means::stored,
    model::{
        activity::Fence,
        failure::FailureCode,
        ids::MailboxId,
        lease::{Claimed, LEASE_TTL, Settlement},
        profile::ServerProfile,
        timestamp::Timestamp,
    },
    store::StoreError,
};

/// Mailboxes claimed or settled by one call.
const BATCH: usize = 256;

impl Running {
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
            batch.into_iter().for_each(|landed| self.tell_ended(landed));
        }
    }

    fn tell_ended(&mut self, Landed { event, unreached, .. }: Landed) {
        self.tell(event);
        if let Some(cycle) = unreached.filter(|cycle| !self.agenda.held().contains(&cycle.side)) {
            journal::unreached(&cycle.name, &cycle.profile, &cycle.report, cycle.took);
        }
    }

    /// One state that the database refuses must not keep the others from being written.
    async fn settle_alone(&mut self, settlements: &[Settlement], now: Timestamp) {
        for settlement in settlements {
            if let Err(error) = self.store.settle(std::slice::from_ref(settlement), now).await {
                let Fence { workload, mailbox, .. } = settlement.fence;
                journal::unsettled(Duty::new(workload, mailbox), &stored::failure(&error));
            }
        }
    }

    pub(super) async fn claim(&mut self) {
        while let Some(first) = self.to_claim.first()
            && self.trouble.is_none()
        {
            let workload = first.workload;
            let (batch, others) = self.to_claim.drain(..).partition(|duty| duty.workload == workload);
            let mut batch: Vec<Duty> = batch;
            self.to_claim = others;
            self.to_claim.extend(batch.drain(batch.len().min(BATCH)..));
            if self.stopping.is_some() {
                batch
                    .into_iter()
                    .for_each(|duty| self.tell(Event::Finished(duty, Outcome::Interrupted, Heard::Nothing)));
                continue;
            }
            let mailboxes: Vec<MailboxId> = batch.iter().map(|duty| duty.mailbox).collect();
            let (now, store, node) = (self.clock.now(), &self.store, self.node);
            let claimed = match stored::patiently(|| store.claim(workload, node, &mailboxes, now, LEASE_TTL)).await {
                Ok(claimed) => claimed,
                Err(error) if concerns_one(&error) => self.claim_alone(&batch, now).await,
                Err(error) => {
                    self.to_claim.extend(batch);
                    return self.fail(&error);
                }
            };
            let mut claimed: BTreeMap<_, _> = claimed.into_iter().map(|it| (it.mailbox.id, it)).collect();
            for duty in batch {
                match claimed.remove(&duty.mailbox) {
                    Some(claimed) => self.start(duty, claimed, now),
                    None => self.tell(Event::ClaimLost(duty)),
                }
            }
        }
    }

    /// One row that cannot be read must not keep the others from being claimed.
    async fn claim_alone(&mut self, batch: &[Duty], now: Timestamp) -> Vec<Claimed> {
        let mut all = Vec::new();
        for duty in batch {
            match self.store.claim(duty.workload, self.node, &[duty.mailbox], now, LEASE_TTL).await {
                Ok(claimed) => all.extend(claimed),
                Err(error) => journal::unclaimed(*duty, &stored::failure(&error)),
            }
        }
        all
    }

    /// Starts a cycle, unless the database says by now that it must not run.
    fn start(&mut self, duty: Duty, claimed: Claimed, now: Timestamp) {
        let profile = claimed.mailbox.profile.and_then(|id| self.profiles.get(&id)).cloned();
        let objection = self.agenda.objection(duty.workload, &claimed.mailbox, &self.settings.failures, now);
        match (objection, profile, self.lines.get(&duty.workload).cloned()) {
            (None, Some(profile), Some(line)) => self.spawn(line, claimed, profile, now),
            (objection, ..) => {
                self.summary.left_out += usize::from(self.mode == Mode::Once);
                let state = claimed.mailbox.state(duty.workload).clone();
                let settlement = Settlement { fence: claimed.fence, state, alerts: Vec::new() };
                let event = objection.unwrap_or(Event::Finished(duty, Outcome::Interrupted, Heard::Nothing));
                self.to_settle.push(Landed { settlement, event, unreached: None });
            }
        }
    }

    fn spawn(&mut self, line: Arc<dyn Line>, claimed: Claimed, profile: Arc<ServerProfile>, now: Timestamp) {
        let (workload, mailbox, fence) = (line.workload(), claimed.mailbox.id, claimed.fence);
        let duty = Duty::new(workload, mailbox);
        let state = claimed.mailbox.state(workload).clone();
        if let Some(due) = state.next_due_at.max(state.postponed_until).filter(|due| *due <= now) {
            self.progress.metrics().began(workload, due, now);
        }
        let address = claimed.mailbox.email_address.clone();
        let name = CycleName { duty, address, profile: profile.name.clone(), cycle: fence.epoch };
        let job = Job {
            claimed,
            profile: Arc::clone(&profile),
            settings: Arc::clone(&self.settings),
            interval: self.agenda.interval(mailbox, Traffic::Quiet),
            logins: self.logins.clone(),
            leapt_at: self.leapt_at,
            stop: self.cycle_stop.clone(),
        };
        let handle = self.tasks.spawn("cycle", fly(line, job));
        let abort = handle.abort_handle();
        self.aloft.insert(duty, Aloft { fence, state, name, profile, began: now, abort });
        self.flights.push(handle.map(move |ended| (duty, ended)).boxed());
    }

    /// Takes one end, and with it all others that are there already.
    pub(super) fn land_all(&mut self, duty: Duty, ended: Result<Ended, JoinError>) {
        self.land(duty, ended);
        while let Some(Some((duty, ended))) = self.flights.next().now_or_never() {
            self.land(duty, ended);
        }
    }

    fn land(&mut self, duty: Duty, ended: Result<Ended, JoinError>) {
        let Some(Aloft { fence, mut state, name, profile, began, .. }) = self.aloft.remove(&duty) else { return };
        self.look_at_the_clock();
        let now = self.clock.now();
        let ended = ended.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => Ended::failed(duty.workload, own_failure(FailureCode::InternalError, &panic_text(&*panic))),
            Err(_) => Ended::Cut,
        });
        let Ended::Report(report) = ended else {
            let event = Event::Finished(duty, Outcome::Interrupted, Heard::Nothing);
            let settlement = Settlement { fence, state, alerts: Vec::new() };
            return self.to_settle.push(Landed { settlement, event, unreached: None });
        };
        let report = *report;
        let report = match report.failure().cloned() {
            Some(failure) => {
                let storm = self.agenda.is_in_a_storm(Side::new(duty.workload, profile.id));
                report.with_failure(concern(failure, &profile, storm))
            }
            None => report,
        };
        let traffic = if report.did_something() { Traffic::Busy } else { Traffic::Quiet };
        let interval = self.agenda.interval(duty.mailbox, traffic);
        let ending = Ending { mailbox: duty.mailbox, interval, took: now.since(began), now };
        let since = state.failing_since.max(state.failing_since.and(self.leapt_at));
        // What a clock that ran ahead wrote down is no moment to count from.
        state.failing_since = since.map(|since| since.min(now));
        let settled = settle(&state, &report, &self.settings.failures, ending);
        journal::cycle_ended(&name, &report, &settled.outcome, now.since(began));
        self.progress.metrics().ended(&name.profile, duty.workload, settled.outcome.name(), &report, now.since(began));
        self.summary.add(&report);
        if let Outcome::More(until) = settled.outcome
            && self.mode == Mode::Once
            && until > now.plus(ONCE_WAITS)
        {
            journal::left_for_later(&name, until);
        }
        match (&settled.outcome, report.failure()) {
            // Where descriptors run short, less runs at a time; a single run must not leave anybody out.
            (Outcome::Interrupted, Some(failure))
                if failure.code == FailureCode::ResourcesExhausted && self.mode == Mode::Daemon => {}
            (Outcome::Interrupted, Some(failure)) => self.pause(failure.clone()),
            (Outcome::Polled { .. } | Outcome::Emptied | Outcome::More(_), _) => self.troubles = 0,
            _ => {}
        }
        let heard = Heard::of(&report, &state, now);
        let alerts = alarm::after_cycle(duty, &settled.state, &report, now);
        let settlement = Settlement { fence, state: settled.state, alerts };
        let unreached = matches!(settled.outcome, Outcome::ProfileFailed(_)).then(|| {
            let side = Side::new(duty.workload, profile.id);
            Box::new(Unreached { side, name, profile, report, took: now.since(began) })
        });
        let event = Event::Finished(duty, settled.outcome, heard);
        self.to_settle.push(Landed { settlement, event, unreached });
    }
}

/// Whether it is the row that is ill, not the database.
pub(super) fn concerns_one(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict { .. } | StoreError::Sql(_) | StoreError::Corrupt { .. })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a cycle panicked: {}", words.unwrap_or("without words"))
}

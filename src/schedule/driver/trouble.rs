//! Waiting: for the next time, for the end of trouble, for the end.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        agenda::{Event, Mode},
        daemons::{self, Spell},
        journal,
        leap::Leap,
        waits::Growing,
    },
    REFRESH, Running, Trouble,
};
use crate::{
    base::host,
    means::stored,
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        mailbox::Workload,
        room::Room,
    },
    store::StoreError,
};

/// First and longest delay between looks whether the daemon's trouble is over.
const TROUBLE: Growing = Growing { first: Duration::from_secs(1), longest: Duration::from_secs(10) };

impl Running {
    /// When to turn even if nothing happens.
    pub(super) fn next_wake(&self) -> Instant {
        let now = self.clock.now();
        let agenda = self.agenda.next_wake().map(|at| Instant::now() + at.since(now).min(REFRESH));
        let look = self.trouble.as_ref().map(|trouble| trouble.next_look);
        let cut = self.stopping.filter(|_| !self.aloft.is_empty());
        let outbox = Some(self.next_outbox_look).filter(|_| self.looks_into_the_outbox());
        [agenda, look, cut, outbox].into_iter().flatten().min().unwrap_or_else(|| Instant::now() + REFRESH)
    }

    pub(super) async fn wake(&mut self) {
        let now = Instant::now();
        if self.stopping.is_some_and(|cut| cut <= now) {
            self.aloft.values().for_each(|aloft| aloft.abort.abort());
            self.stopping = Some(now + REFRESH);
        }
        if self.trouble.as_ref().is_some_and(|trouble| trouble.next_look <= now) {
            self.look_whether_over(now).await;
        }
        if self.looks_into_the_outbox() && self.next_outbox_look <= now {
            self.refresh_line(Workload::Outgoing).await;
        }
        self.tell(Event::Woke);
    }

    fn looks_into_the_outbox(&self) -> bool {
        let goes_on = self.mode == Mode::Daemon && self.stopping.is_none() && self.trouble.is_none();
        goes_on && self.lines.contains_key(&Workload::Outgoing)
    }

    /// Looks whether somebody set the clock; before anything is judged by it.
    pub(super) fn look_at_the_clock(&mut self) {
        let now = self.clock.now();
        let Some(leap) = self.clocks.look(now, self.clock.steady()) else { return };
        self.leapt_at = matches!(leap, Leap::Forward(_)).then_some(now);
        journal::leapt(leap);
        self.leapt = Some(leap);
    }

    /// Tells people of it; it is no trouble that lasts.
    pub(super) async fn tell_of_the_clock(&mut self) {
        let Some(leap) = self.leapt.filter(|_| self.trouble.is_none()) else { return };
        let (store, alert, now) = (&self.store, daemons::leapt(&host::name(), leap), self.clock.now());
        match stored::patiently(|| store.raise_alert(&alert, now)).await {
            Ok(()) => self.leapt = None,
            Err(error) => self.fail(&error),
        }
    }

    /// Nothing is begun that could perhaps not be recorded.
    pub(super) async fn look_at_the_disk(&mut self) {
        if self.trouble.is_none()
            && let Some(room) = self.store.room().await
            && room.is_low()
        {
            let text = format!("the disk of the database is nearly full: {room}");
            self.pause(Failure::new(FailureCode::DiskFull, Scope::Daemon, Persistence::Transient, &text));
        }
    }

    /// Nothing is written into a file that was found damaged.
    pub(super) fn look_for_damage(&mut self) {
        if self.trouble.is_none()
            && let Some(damage) = self.store.damage()
        {
            self.fail(&damage);
        }
    }

    /// Whether the trouble may be over, now that the database answers.
    async fn may_be_over(&mut self) -> bool {
        match self.trouble.as_ref().map(|trouble| trouble.failure.code) {
            Some(FailureCode::DiskFull) => self.store.room().await.is_none_or(Room::is_enough),
            // Not before a person has looked, and started it again.
            Some(FailureCode::DatabaseDamaged) => false,
            _ => true,
        }
    }

    async fn look_whether_over(&mut self, now: Instant) {
        match self.store.ping().await {
            Ok(()) if self.may_be_over().await => {
                let now = self.clock.now();
                if let Some(trouble) = self.trouble.take() {
                    journal::resumed(now.since(trouble.since));
                }
                if let Some(spell) = &mut self.spell {
                    spell.end(now);
                }
                self.tell(Event::Resumed);
                self.refresh().await;
            }
            Ok(()) | Err(_) => {
                self.troubles = self.troubles.saturating_add(1);
                let delay = TROUBLE.after(self.troubles);
                if let Some(trouble) = &mut self.trouble {
                    trouble.next_look = now + delay;
                }
            }
        }
    }

    /// Writes down what the database could not be told while it lasted.
    pub(super) async fn tell_late(&mut self) {
        let now = self.clock.now();
        if self.trouble.is_some() {
            return;
        }
        let Some(spell) = self.spell.take_if(|spell| spell.is_over(now)) else { return };
        let store = &self.store;
        let told = async {
            let known = stored::patiently(|| store.daemon_alerts(spell.since())).await?;
            for (change, at) in spell.told(&host::name(), &known) {
                stored::patiently(|| store.change_alerts(std::slice::from_ref(&change), at)).await?;
            }
            Ok(())
        };
        if let Err(error) = told.await {
            self.spell = Some(spell);
            self.fail(&error);
        }
    }

    pub(super) fn fail(&mut self, error: &StoreError) {
        self.pause(stored::failure(error));
    }

    /// The daemon itself is in trouble: nothing starts until it is over.
    pub(super) fn pause(&mut self, failure: Failure) {
        if self.trouble.is_some() {
            return;
        }
        journal::paused(&failure);
        let next_look = Instant::now() + TROUBLE.after(self.troubles);
        self.troubles = self.troubles.saturating_add(1);
        let trouble = Trouble { since: self.clock.now(), failure, next_look };
        self.spell = Spell::begin(self.spell.take(), &trouble.pause());
        self.trouble = Some(trouble);
        self.tell(Event::Paused);
        if self.mode == Mode::Once {
            self.stop();
        }
    }

    /// Begins the end: nothing starts, cycles stop after their batch.
    pub(super) fn stop(&mut self) {
        self.stopping = Some(Instant::now() + self.stop_within);
        self.cycle_stop.cancel();
        self.tell(Event::Stopping);
    }
}

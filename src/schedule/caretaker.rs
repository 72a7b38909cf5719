//! Looks after what the schedule may have forgotten, by the database alone: workloads that stand
//! still, profiles of which most mailboxes fail or much mail is refused, daemons in trouble, alerts
//! that are over or old. It shares nothing with the schedule, so that it sees also what that does not.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    daemons,
    driver::Settings,
    notify,
    stale::{self, Found},
    unwanted,
};
use crate::{
    base::clock::Clock,
    means::stored,
    model::rules::{AlertRules, Polling},
    store::{Store, StoreError},
};

/// How often is looked, at most and at least.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

const DAY: Duration = Duration::from_secs(86_400);

/// What it works with.
pub struct Caretaker {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The configuration; a change takes effect at the next look.
    pub settings: watch::Receiver<Settings>,
}

impl Caretaker {
    /// Looks again and again until `stop`.
    ///
    /// # Cancel safety
    /// It may be dropped at any time: each look is repeatable.
    pub async fn run(self, stop: CancellationToken) {
        let (mut found, mut silent) = (Found::new(), BTreeSet::new());
        let mut every = looks(&self.settings.borrow().alerts);
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let (alerts, polling) = {
                let settings = self.settings.borrow();
                (settings.alerts.clone(), settings.polling.clone())
            };
            if looks(&alerts) != every {
                every = looks(&alerts);
                ticks = interval(every);
            }
            let looked = async {
                self.look(&alerts, &polling, &mut found).await?;
                notify::look(&self.store, &alerts, &mut silent, self.clock.now()).await
            };
            // Of a database that is down the schedule has told already; here it is looked again.
            if let Err(error) = looked.await {
                tracing::debug!(%error, "alerts could not be looked after");
            }
        }
    }

    async fn look(&self, rules: &AlertRules, polling: &Polling, found: &mut Found) -> Result<(), StoreError> {
        let (store, now) = (&self.store, self.clock.now());
        stored::patiently(|| store.tidy_alerts(now, now.minus(rules.keep))).await?;
        let stale = store.stale(now.minus(rules.stale_after)).await?;
        let open = store.stale_alerts().await?;
        let mut changes = stale::changes(stale, &open, found, (rules, polling), now);
        changes.extend(daemons::changes(&store.daemons().await?, &store.daemon_alerts(now).await?, now));
        let refused = store.unwanted(now.minus(DAY), unwanted::LEAST, unwanted::ONE_OF).await?;
        changes.extend(unwanted::changes(&refused));
        if !changes.is_empty() {
            stored::patiently(|| store.change_alerts(&changes, now)).await?;
        }
        Ok(())
    }
}

/// Often enough to tell of something soon after it is worth telling.
fn looks(rules: &AlertRules) -> Duration {
    (rules.stale_after / 4).clamp(LOOKS.0, LOOKS.1)
}

//! Brings the database in line with the files: at start and on reload.

use super::{
    changes::{PlannedChange, plan_declared},
    decided::decided,
    error::AdminError,
};
use crate::{base::clock::Clock, config::Config, model::audit::Actor, store::Store};

/// What was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// One line for each change, for the log.
    pub lines: Vec<String>,
}

/// Writes what the files declare into the database, in one transaction. Doing it again changes nothing.
///
/// # Errors
/// The files contradict what the database has, or the database did not answer; then nothing is changed.
///
/// # Cancel safety
/// Dropped before it ends, all changes are made or none.
pub async fn reconcile(store: &Store, config: &Config, clock: &Clock) -> Result<Reconciled, AdminError> {
    let now = clock.now();
    let planned = decided(store, &Actor::Configuration, now, |records| {
        let plan = plan_declared(config, records, now)?;
        let lines = plan.iter().map(PlannedChange::to_string).collect();
        Ok((plan.into_iter().map(|planned| planned.change).collect(), Reconciled { lines }))
    });
    Ok(planned.await?.1)
}

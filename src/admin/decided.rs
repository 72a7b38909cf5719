//! Deciding on the records as they are, and doing it while they are still so.

use super::error::AdminError;
use crate::{
    model::{
        audit::Actor,
        record::{RecordChange, Records},
        timestamp::Timestamp,
    },
    store::{Store, StoreError},
};

/// How often it is decided again at most: whoever is overtaken that often is told.
const AGAIN: usize = 4;

/// Does what `decide` decides, in one transaction. Where somebody else changes one of the records meanwhile,
/// it is decided again on what they made of it. Returns the records it was decided on, and what else `decide` said.
///
/// # Errors
/// `decide` refused; the database did not answer; [`StoreError::Overtaken`] where others were faster every time.
/// Then nothing was changed.
///
/// # Cancel safety
/// Dropped before it ends, all changes are made or none.
pub(super) async fn decided<T>(
    store: &Store,
    actor: &Actor,
    now: Timestamp,
    decide: impl Fn(&Records) -> Result<(Vec<RecordChange>, T), AdminError>,
) -> Result<(Records, T), AdminError> {
    let mut overtaken = 0;
    loop {
        let records = store.records().await?;
        let (changes, said) = decide(&records)?;
        if changes.is_empty() {
            return Ok((records, said));
        }
        match store.apply_decided(&changes, &records, actor, now).await {
            Err(StoreError::Overtaken { .. }) if overtaken < AGAIN => overtaken += 1,
            done => return done.map(|()| (records, said)).map_err(AdminError::from),
        }
    }
}

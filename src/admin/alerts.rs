//! Alerts as people see them, and dismissing them.

use uuid::Uuid;

use super::{error::AdminError, views};
use crate::{
    model::{audit::Actor, failure::FailureCode, record::RecordChange, timestamp::Timestamp},
    store::{AlertDetail, AlertFilter, Store},
};

/// Alerts, the open ones first, the most urgent first, then the newest.
///
/// # Errors
/// The filter names a mailbox or a profile that is not there; or the database did not answer.
pub async fn list(store: &Store, filter: &AlertFilter, now: Timestamp) -> Result<Vec<AlertDetail>, AdminError> {
    if let Some(address) = &filter.mailbox {
        views::mailbox(store, address, now).await?;
    }
    if let Some(name) = &filter.profile {
        views::profile(store, name).await?;
    }
    Ok(store.alerts(filter).await?)
}

/// Which alerts are dismissed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// Those with these identifiers.
    Ids(Vec<Uuid>),
    /// Those with this code.
    Code(FailureCode),
    /// All that are open.
    All,
}

/// Closes open alerts and returns what they were. What they tell of is not changed: where it happens
/// again, it is raised again.
///
/// # Errors
/// One of the identifiers is not that of an open alert (then none is closed), or the database did
/// not answer.
pub async fn dismiss(
    store: &Store,
    which: &Dismissal,
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<AlertDetail>, AdminError> {
    let mut dismissed = store.alerts(&AlertFilter::default()).await?;
    match which {
        Dismissal::All => {}
        Dismissal::Code(code) => dismissed.retain(|detail| detail.alert.code == code.name()),
        Dismissal::Ids(ids) => {
            dismissed.retain(|detail| ids.contains(&detail.id.0));
            let is_open = |id: &&Uuid| !dismissed.iter().any(|detail| detail.id.0 == **id);
            let unknown: Vec<String> = ids.iter().filter(is_open).map(Uuid::to_string).collect();
            if !unknown.is_empty() {
                return Err(AdminError::Unknown { what: "open alert", name: unknown.join(", "), suggestion: None });
            }
        }
    }
    let changes: Vec<RecordChange> = dismissed.iter().map(|detail| RecordChange::DismissAlert(detail.id)).collect();
    store.apply(&changes, actor, now).await?;
    Ok(dismissed)
}

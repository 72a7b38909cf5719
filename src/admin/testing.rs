//! Asking for tests of mailboxes, and seeing how they stand.

use serde::Serialize;

use super::{
    error::AdminError,
    selection::{Selection, select_of},
};
use crate::{
    base::clock::Clock,
    config::{Config, DeclaredMailbox, Place},
    model::{
        audit::Actor,
        ids::{MailboxId, RunId},
        mailbox::{DeclaredEnabled, Mailbox},
        record::RecordChange,
        testing::{TestRequest, testable},
    },
    store::Store,
};

/// A test that was asked for, or was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// Which mailbox.
    #[serde(skip)]
    pub id: MailboxId,
    /// Its address.
    pub mailbox: String,
    /// Which run it is.
    pub run: Option<RunId>,
    /// Why it is not tested.
    pub refused: Option<String>,
}

/// Asks for a test of each mailbox that may be tested, in place of the one before. A running daemon
/// finds it within a second.
///
/// # Errors
/// A mailbox that is named is not there, or the database did not answer; then no test was asked for.
pub async fn queue(
    store: &Store,
    config: &Config,
    (selection, request): (&Selection, TestRequest),
    actor: &Actor,
    clock: &Clock,
) -> Result<Vec<Queued>, AdminError> {
    let (records, now) = (store.records().await?, clock.now());
    let (mut queued, mut changes) = (Vec::new(), Vec::new());
    for mailbox in select_of(&records, selection)? {
        let profile =
            records.profiles.iter().map(|(profile, _)| profile).find(|profile| Some(profile.id) == mailbox.profile);
        let off = declared(config, &mailbox, |file| file.enabled == Some(DeclaredEnabled::False));
        let refused = match (testable(&mailbox, profile, request), off) {
            (Err(why), _) => Some(why.to_string()),
            (Ok(()), Some(place)) if !request.dry_run => Some(format!("its file says enabled = false: {place}")),
            (Ok(()), _) => None,
        };
        let run = refused.is_none().then(|| RunId::generate(now));
        changes.extend(run.map(|run| RecordChange::QueueTest(mailbox.id, run, request)));
        queued.push(Queued { id: mailbox.id, mailbox: mailbox.email_address, run, refused });
    }
    if !changes.is_empty() {
        store.apply(&changes, actor, now).await?;
    }
    Ok(queued)
}

/// Where a file says something of a mailbox that the command would change.
pub(super) fn declared<'c>(
    config: &'c Config,
    mailbox: &Mailbox,
    says: impl Fn(&DeclaredMailbox) -> bool,
) -> Option<&'c Place> {
    mailbox.managed_by.as_ref()?;
    let address = mailbox.email_address.to_lowercase();
    let mut all = config.declared.mailboxes.iter();
    let file = all.find(|declared| declared.email_address.to_lowercase() == address)?;
    says(file).then_some(&file.place)
}

//! The Inbox opened and listed over IMAP, also where the server breaks at a message.

use std::collections::BTreeSet;

use crate::{
    classify,
    imap::error::ImapError,
    model::{
        cursor::ListedMessage,
        failure::Failure,
        uid::{Uid, UidSet},
    },
};

use super::{
    imap_source::ImapSource,
    source::Opened,
    unlisted::{Search, may_be_a_message, nothing_known},
};

fn failure(error: &ImapError) -> Failure {
    classify::imap::failure(error)
}

/// `listed` and those of `uids` that are not to be listed.
fn with(mut listed: Vec<ListedMessage>, unlisted: &BTreeSet<Uid>, uids: &UidSet) -> Vec<ListedMessage> {
    listed.extend(unlisted.iter().filter(|uid| uids.contains(**uid)).map(|uid| nothing_known(*uid)));
    listed.sort_unstable_by_key(|message| message.uid);
    listed
}

impl ImapSource {
    /// Opens the Inbox; where the listing ahead breaks, without it.
    pub(super) async fn open_ahead(&mut self, ahead: &UidSet) -> Result<Opened, Failure> {
        let known = self.shared.unlisted.of(self.account.mailbox);
        let asked = known.as_ref().map_or_else(|| ahead.clone(), |(_, uids)| ahead.without(uids));
        match self.session.examine_and_list(&asked).await {
            Ok((view, listed)) => {
                let listed = match (listed, known) {
                    (Some(listed), Some((validity, uids))) if validity == view.uid_validity => {
                        Some(with(listed, &uids, ahead))
                    }
                    // They were other messages.
                    (_, Some(_)) => None,
                    (listed, None) => listed,
                };
                if listed.is_some() {
                    self.shared.unlisted.listed(self.account.mailbox);
                }
                self.seen = Some(view.clone());
                Ok(Opened { view, listed })
            }
            Err(error) if asked.is_empty() => Err(failure(&error)),
            Err(error) => {
                let failure = failure(&error);
                if !self.shared.unlisted.blames(self.account.mailbox, &failure, self.shared.clock.now()) {
                    return Err(failure);
                }
                self.seen = None;
                self.reopen().await
            }
        }
    }

    /// Lists, and finds out about a message that breaks it.
    pub(super) async fn list_all(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, Failure> {
        let (mailbox, validity) = (self.account.mailbox, self.seen.as_ref().map(|seen| seen.uid_validity));
        let known = self.shared.unlisted.of(mailbox).filter(|(of, _)| Some(*of) == validity);
        let known = known.map(|(_, uids)| uids).unwrap_or_default();
        let asked = uids.without(&known);
        if asked.is_empty() {
            return Ok(with(Vec::new(), &known, uids));
        }
        let listed = match self.session.list(&asked).await {
            Ok(listed) => listed,
            Err(error) => {
                let failure = failure(&error);
                if !self.shared.unlisted.blames(mailbox, &failure, self.shared.clock.now()) {
                    return Err(failure);
                }
                self.search(asked, failure).await?
            }
        };
        self.shared.unlisted.listed(mailbox);
        Ok(with(listed, &known, uids))
    }

    /// Lists `uids`, in which something breaks, by halves; each break costs a connection.
    async fn search(&mut self, uids: UidSet, mut why: Failure) -> Result<Vec<ListedMessage>, Failure> {
        let validity = self.reopen().await?.view.uid_validity;
        let mut search = Search::new(uids);
        while let Some(part) = search.next_part() {
            match self.session.list(&part).await {
                Ok(listed) => search.answered(listed),
                Err(error) => {
                    why = failure(&error);
                    if !may_be_a_message(&why) {
                        return Err(why);
                    }
                    search.broke(&part);
                    self.reopen().await?;
                }
            }
        }
        self.shared.unlisted.found(self.account.mailbox, validity, &search, self.shared.clock.now());
        if !search.is_done() {
            return Err(why);
        }
        Ok(search.into_listed())
    }

    /// The Inbox on a new connection: the same as before.
    async fn reopen(&mut self) -> Result<Opened, Failure> {
        self.session = self.shared.connect(&self.account).await?;
        let view = self.session.examine().await.map_err(|error| failure(&error))?;
        let before = self.seen.replace(view.clone());
        if before.is_some_and(|before| before.uid_validity != view.uid_validity) {
            let changed = "the UIDVALIDITY changed from one look to the next";
            return Err(failure(&ImapError::Protocol(changed.to_owned())));
        }
        Ok(Opened { view, listed: None })
    }
}

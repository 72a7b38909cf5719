//! Messages that were set aside, and that somebody wants tried again.

use std::collections::BTreeMap;

use super::Fetcher;
use crate::{
    means::stored,
    model::{
        cursor::ListedMessage,
        uid::{Uid, UidSet},
    },
    receive::{
        again::{Again, decide_again},
        batch::{Batch, Item, Todo, batches},
        requests::Halt,
        source::MailSource,
    },
    store::Aside,
};

impl<S: MailSource> Fetcher<'_, S> {
    /// Tries them again, one at a time, each attempt counted before it is begun: whatever ends the visit,
    /// the daemon or the conversation for it, does so a few times at most.
    pub(super) async fn retry(&mut self) -> Result<(), Halt> {
        let store = &self.context.store;
        let asides =
            stored::patiently(|| store.retries(self.mailbox)).await.map_err(|error| stored::failure(&error))?;
        let here = self.cursor.numbering();
        for chunk in asides.chunks(1_000) {
            let unread = chunk.iter().filter(|aside| aside.source.is_none() && aside.numbering == here);
            let uids: UidSet = unread.map(|aside| aside.listed.uid).collect();
            let listed = self.requests.list(&uids).await?;
            let listed: BTreeMap<Uid, ListedMessage> =
                listed.into_iter().map(|message| (message.uid, message)).collect();
            for aside in chunk {
                let now = listed.get(&aside.listed.uid).copied();
                let item = decide_again(aside, now, here, self.policy, self.cursor.in_flight);
                self.retry_one(aside, item).await?;
            }
        }
        Ok(())
    }

    async fn retry_one(&mut self, aside: &Aside, item: Item) -> Result<(), Halt> {
        self.requests.may_begin()?;
        if !matches!(item.todo, Todo::Enter(_)) {
            let (store, numbering, uid) = (&self.context.store, aside.numbering, aside.listed.uid);
            let counted = stored::patiently(|| store.begin_retry(self.fence, numbering, uid)).await;
            counted.map_err(|error| stored::failure(&error))?;
        }
        // Its number may be one of another numbering: the cursor stays where it is.
        let through = self.cursor.last_uid;
        for batch in batches(vec![item], &self.policy.steps, self.cursor.in_flight, through) {
            self.requests.ask(Batch { through, again: Some(Again::of(aside)), ..batch }).await?;
            self.requests.drain().await?;
        }
        Ok(())
    }
}

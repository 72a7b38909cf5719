//! The fetching half of a cycle: lists, and cuts what is listed into batches.

mod retry;

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;

use crate::{
    means::{Context, stored},
    model::{
        activity::{Fence, LedgerEntry},
        cursor::{Cursor, InFlight, ListedMessage},
        failure::Failure,
        ids::MailboxId,
        timestamp::Timestamp,
        uid::Uid,
    },
};

use super::{
    batch::{Todo, batches, decide, is_suspect},
    plan::Reading,
    policy::ReceivePolicy,
    prepare::Fetched,
    reconcile::relink,
    requests::{Halt, Requests},
    source::MailSource,
    windows::{Window, Windows, first_window},
};

/// A listing that came together with the opening of the folder.
#[derive(Debug)]
pub struct Ahead {
    /// What was asked for.
    pub window: Window,
    /// What there is of it, ascending.
    pub listed: Vec<ListedMessage>,
}

/// How far the fetching half came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// It stopped between batches, before the end.
    pub more: bool,
    /// Everything up to here was listed and handed over.
    pub covered: u32,
}

/// Why the fetching half failed.
#[derive(Debug)]
pub struct Broken {
    /// What happened.
    pub failure: Failure,
    /// The messages that were asked for, where one of them may have caused it.
    pub suspects: Option<InFlight>,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self { failure, suspects: None }
    }
}

/// The fetching half.
pub struct Fetcher<'a, S> {
    context: &'a Context,
    fence: Fence,
    mailbox: MailboxId,
    /// How far it was recorded when the reading was planned.
    cursor: &'a Cursor,
    policy: &'a ReceivePolicy,
    requests: Requests<'a, S>,
    progress: Progress,
}

impl<'a, S: MailSource> Fetcher<'a, S> {
    /// Ready to read.
    pub fn new(
        context: &'a Context,
        fence: Fence,
        cursor: &'a Cursor,
        policy: &'a ReceivePolicy,
        source: &'a mut S,
        out: mpsc::Sender<Fetched>,
    ) -> Self {
        let progress = Progress { covered: cursor.last_uid, ..Progress::default() };
        let (mailbox, requests) = (fence.mailbox, Requests::new(context, policy, source, out));
        Self { context, fence, mailbox, cursor, policy, requests, progress }
    }

    /// Does what was planned and hands every batch over, in order.
    ///
    /// # Errors
    /// The server or the database failed; what was handed over before is complete.
    pub async fn run(mut self, reading: Reading, ahead: Option<Ahead>) -> Result<Progress, Broken> {
        let mut result = self.read(&reading, ahead).await;
        if let Err(Halt::Enough) = result {
            self.progress.more = true;
            result = Ok(());
        }
        let result = match result {
            Ok(()) => self.requests.drain().await,
            Err(halt) => Err(halt),
        };
        match result {
            Err(Halt::Failed(failure)) => Err(failure.into()),
            Err(Halt::Blamed(failure, suspects)) => Err(Broken { failure, suspects: Some(suspects) }),
            // The recording half says itself what ended it.
            Err(Halt::Enough | Halt::Unheard) | Ok(()) => Ok(self.progress),
        }
    }

    async fn read(&mut self, reading: &Reading, ahead: Option<Ahead>) -> Result<(), Halt> {
        if let Some(since) = reading.judge_again_since {
            self.judge_again(since).await?;
        }
        let mut windows = Windows::new(reading.first, reading.last, self.policy.steps.window);
        let mut window = windows.next_window();
        let wanted = first_window(reading, &self.policy.steps);
        let mut listed = match ahead {
            Some(mut ahead) if ahead.window.first <= wanted.first && wanted.last <= ahead.window.last => {
                ahead.listed.retain(|message| (wanted.first..=wanted.last).contains(&message.uid.get()));
                ahead.listed
            }
            _ => self.requests.list(&wanted.uids()).await?,
        };
        let new = listed.split_off(listed.partition_point(|message| message.uid.get() < reading.first));
        let mut found = self.take_late(listed).await?;
        listed = new;
        while let Some(Window { last, .. }) = window {
            windows.held(listed.len());
            found += listed.len();
            let seen = listed.last().map_or(self.progress.covered, |message| message.uid.get());
            let through = if reading.last_is_known { last } else { seen };
            self.take(listed, through).await?;
            self.progress.covered = self.progress.covered.max(through);
            window = windows.next_window();
            listed = match window {
                Some(window) => self.requests.list(&window.uids()).await?,
                None => Vec::new(),
            };
        }
        if found < usize::try_from(reading.grown).unwrap_or(usize::MAX) {
            self.compare_below(reading.compare_from).await?;
        }
        // What is new goes first: nobody waits for it.
        if reading.retries { self.retry().await } else { Ok(()) }
    }

    /// The starting point was moved back: what was skipped since then is read after all.
    async fn judge_again(&mut self, since: Timestamp) -> Result<(), Halt> {
        let (store, cursor) = (&self.context.store, self.cursor);
        let skipped = stored::patiently(|| store.skipped_since(self.mailbox, cursor, since))
            .await
            .map_err(|error| stored::failure(&error))?;
        for uids in skipped.chunks(1_000) {
            let listed = self.requests.list(&uids.iter().copied().collect()).await?;
            self.take(listed, cursor.last_uid).await?;
        }
        Ok(())
    }

    /// Reads those of `listed`, all below the cursor, that turned up late; returns how many.
    async fn take_late(&mut self, listed: Vec<ListedMessage>) -> Result<usize, Halt> {
        let late = self.without_row(listed).await?;
        let count = late.len();
        self.take(late, self.cursor.last_uid).await?;
        Ok(count)
    }

    /// Compares everything below the trailing window with the ledger.
    async fn compare_below(&mut self, compare_from: u32) -> Result<(), Halt> {
        let mut windows = Windows::new(1, compare_from.saturating_sub(1), self.policy.steps.window);
        while let Some(window) = windows.next_window() {
            let listed = self.requests.list(&window.uids()).await?;
            windows.held(listed.len());
            self.take_late(listed).await?;
        }
        Ok(())
    }

    /// Those of `listed` that have no row in the ledger.
    async fn without_row(&mut self, mut listed: Vec<ListedMessage>) -> Result<Vec<ListedMessage>, Halt> {
        let (Some(first), Some(last)) = (listed.first(), listed.last()) else { return Ok(listed) };
        let (first, last) = (first.uid.get(), last.uid.get());
        let (store, cursor) = (&self.context.store, self.cursor);
        let known: BTreeSet<Uid> = stored::patiently(|| store.ledger_uids(self.mailbox, cursor, first, last))
            .await
            .map_err(|error| stored::failure(&error))?;
        listed.retain(|message| !known.contains(&message.uid));
        Ok(listed)
    }

    /// Decides about listed messages, fetches what must be fetched, and hands all of them over.
    async fn take(&mut self, listed: Vec<ListedMessage>, through: u32) -> Result<(), Halt> {
        let mut known = self.recorded_before(&listed).await?;
        let in_flight = self.cursor.in_flight;
        let items = listed.into_iter().map(|message| {
            let mut item = decide(message, self.policy, in_flight);
            if let (Todo::Read, Some(entry)) = (&item.todo, known.remove(&message.uid)) {
                item.todo = Todo::Enter(Box::new(entry));
            }
            item
        });
        for batch in batches(items.collect(), &self.policy.steps, in_flight, through) {
            self.requests.ask(batch).await?;
        }
        Ok(())
    }

    /// After a start over: the rows of those of `listed` that were recorded under other UIDs.
    async fn recorded_before(&mut self, listed: &[ListedMessage]) -> Result<BTreeMap<Uid, LedgerEntry>, Halt> {
        let mut known = BTreeMap::new();
        if self.cursor.starts_over == 0 {
            return Ok(known);
        }
        let (store, cursor) = (&self.context.store, self.cursor);
        for chunk in listed.chunks(1_000) {
            let copies = stored::patiently(|| store.known_copies(self.mailbox, cursor, chunk))
                .await
                .map_err(|error| stored::failure(&error))?;
            let candidates = |message: &&ListedMessage| {
                let looks_known = copies.iter().any(|copy| copy.uid == message.uid && copy.message_id.is_some());
                looks_known && !is_suspect(cursor.in_flight, message.uid)
            };
            let asked: Vec<ListedMessage> = chunk.iter().filter(candidates).copied().collect();
            if !asked.is_empty() {
                let message_ids = self.requests.message_ids(&asked).await?;
                known.extend(relink(chunk, &copies, &message_ids));
            }
        }
        Ok(known)
    }
}

//! The fetching half of a cycle: lists, cuts batches, keeps some requests under way, and finds out
//! about messages that were listed but not given, or not in a form that can be read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::mpsc;

use crate::{
    means::{Context, budget::Share, stored},
    model::{
        activity::{IgnoreReason, LedgerEntry, Verdict},
        cursor::{Cursor, FetchedMessage, InFlight, ListedMessage},
        failure::{Failure, FailureCode},
        ids::MailboxId,
        timestamp::Timestamp,
        uid::{Uid, UidSet},
    },
};

use super::{
    batch::{
        Batch, MAXIMUM_ATTEMPTS, Todo, batches, blames_message, decide, is_suspect, marker_of, message_failure, row,
        uid_sets,
    },
    plan::Reading,
    policy::ReceivePolicy,
    prepare::{Fetched, Piece},
    reconcile::relink,
    source::MailSource,
    windows::{Window, Windows, first_window},
};

/// Requests that may be outstanding at a time: as much as a fast server sends within a round trip.
const REQUESTS: usize = 4;

/// So often a message that is listed but not given is asked for again.
const REPETITIONS: u32 = 3;

/// What became of the messages of a batch that were asked for.
struct Answered {
    /// Those that were given.
    given: BTreeMap<Uid, FetchedMessage>,
    /// What is entered for the others.
    settled: BTreeMap<Uid, Verdict>,
}

impl Answered {
    /// Nothing was given, for the last time: `failure` has the server's words.
    fn refused(asked: &Asked, failure: &Failure) -> Self {
        let text = format!("asked {} times: {}", asked.batch.attempts, failure.text);
        let verdict = Verdict::SetAside(message_failure(FailureCode::MessageUnanswered, &text));
        let settled = asked.batch.asked().into_iter().map(|message| (message.uid, verdict.clone()));
        Self { given: BTreeMap::new(), settled: settled.collect() }
    }
}

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

/// Why the fetching half ended early.
#[derive(Debug)]
enum Halt {
    /// The server or the database failed.
    Failed(Failure),
    /// The conversation broke, and one of these messages may have caused it.
    Blamed(Failure, InFlight),
    /// Between batches: a limit was reached or the program stops.
    Enough,
    /// The recording half ended, and knows why.
    Unheard,
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A request under way.
struct Asked {
    batch: Batch,
    wanted: Vec<ListedMessage>,
    /// Received ahead of its turn.
    answer: Option<Vec<FetchedMessage>>,
    share: Share,
}

impl Asked {
    fn is_unanswered(&self) -> bool {
        self.answer.is_none() && !self.wanted.is_empty()
    }
}

/// The end of a conversation in which `asked` were asked for, for the `attempts`th time.
fn broken<'m>(failure: Failure, asked: impl IntoIterator<Item = &'m ListedMessage>, attempts: u32) -> Halt {
    let uids: BTreeSet<Uid> = asked.into_iter().map(|message| message.uid).collect();
    match (uids.first(), uids.last()) {
        (Some(first), Some(last)) if blames_message(&failure) => {
            Halt::Blamed(failure, InFlight { first: *first, last: *last, attempts })
        }
        _ => Halt::Failed(failure),
    }
}

/// The fetching half.
pub struct Fetcher<'a, S> {
    context: &'a Context,
    mailbox: MailboxId,
    /// How far it was recorded when the reading was planned.
    cursor: &'a Cursor,
    policy: &'a ReceivePolicy,
    source: &'a mut S,
    /// No batch is begun after this.
    deadline: Timestamp,
    /// Oldest first, at most [`REQUESTS`].
    under_way: VecDeque<Asked>,
    begun: u32,
    progress: Progress,
    out: mpsc::Sender<Fetched>,
}

impl<'a, S: MailSource> Fetcher<'a, S> {
    /// Ready to read.
    pub fn new(
        context: &'a Context,
        mailbox: MailboxId,
        cursor: &'a Cursor,
        policy: &'a ReceivePolicy,
        source: &'a mut S,
        out: mpsc::Sender<Fetched>,
    ) -> Self {
        let deadline = context.clock.now().plus(policy.steps.time_limit);
        let progress = Progress { covered: cursor.last_uid, ..Progress::default() };
        Self { context, mailbox, cursor, policy, source, deadline, under_way: VecDeque::new(), begun: 0, progress, out }
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
            Ok(()) => self.drain().await,
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
            _ => self.list(&wanted.uids()).await?,
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
                Some(window) => self.list(&window.uids()).await?,
                None => Vec::new(),
            };
        }
        if found < usize::try_from(reading.grown).unwrap_or(usize::MAX) {
            self.compare_below(reading.compare_from).await?;
        }
        Ok(())
    }

    /// The starting point was moved back: what was skipped since then is read after all.
    async fn judge_again(&mut self, since: Timestamp) -> Result<(), Halt> {
        let (store, cursor) = (&self.context.store, self.cursor);
        let skipped = stored::patiently(|| store.skipped_since(self.mailbox, cursor, since))
            .await
            .map_err(|error| stored::failure(&error))?;
        for uids in skipped.chunks(1_000) {
            let listed = self.list(&uids.iter().copied().collect()).await?;
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
            let listed = self.list(&window.uids()).await?;
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

    /// Lists, once nothing is under way.
    async fn list(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, Halt> {
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        self.drain().await?;
        Ok(self.source.list(uids).await?)
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
            self.request(batch).await?;
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
                self.drain().await?;
                let uids = asked.iter().map(|message| message.uid).collect();
                let message_ids = self.source.message_ids(&uids).await.map_err(|failure| broken(failure, &asked, 1))?;
                known.extend(relink(chunk, &copies, &message_ids));
            }
        }
        Ok(known)
    }

    /// Asks for a batch, making room on the wire and in memory first.
    async fn request(&mut self, batch: Batch) -> Result<(), Halt> {
        let stops = self.context.stop.is_cancelled() || self.context.clock.now() >= self.deadline;
        if stops || self.begun >= self.policy.steps.maximum_batches {
            return Err(Halt::Enough);
        }
        self.begun += 1;
        // A suspect has the conversation for itself: should that break, it was its fault.
        let alone = batch.attempts > 1;
        if alone {
            self.drain().await?;
        }
        if self.under_way.len() >= REQUESTS {
            self.hand_over_oldest().await?;
        }
        let wanted = batch.asked();
        let bytes = wanted.iter().map(|message| message.size).fold(0, u64::saturating_add);
        let share = loop {
            match self.context.budget.try_take(bytes) {
                Some(share) => break share,
                // What is under way holds memory: waiting for more while it does could last forever.
                None if !self.under_way.is_empty() => self.hand_over_oldest().await?,
                None => break self.context.budget.take(bytes).await,
            }
        };
        if !wanted.is_empty() {
            self.source.request(&wanted).await?;
        }
        self.under_way.push_back(Asked { batch, wanted, answer: None, share });
        if alone { self.drain().await } else { Ok(()) }
    }

    async fn drain(&mut self) -> Result<(), Halt> {
        while !self.under_way.is_empty() {
            self.hand_over_oldest().await?;
        }
        Ok(())
    }

    /// Receives the oldest batch under way and hands it over, complete.
    async fn hand_over_oldest(&mut self) -> Result<(), Halt> {
        let Some(mut oldest) = self.under_way.pop_front() else { return Ok(()) };
        let (Answered { mut given, mut settled }, ended) = match self.answer(&mut oldest).await {
            Ok(answered) => (answered, Ok(())),
            Err(Halt::Blamed(failure, suspect)) if suspect.attempts >= MAXIMUM_ATTEMPTS => {
                (Answered::refused(&oldest, &failure), Err(Halt::Failed(failure)))
            }
            Err(halt) => return Err(halt),
        };
        let Batch { items, through, attempts } = oldest.batch;
        let pieces = items.into_iter().filter_map(|item| {
            let (uid, message) = (item.listed.uid, given.remove(&item.listed.uid));
            match (item.todo, message) {
                (Todo::Enter(entry), _) => Some(Piece::Enter(entry)),
                (Todo::Read, Some(message)) => Some(Piece::read(item.listed, message, self.policy.starting_point)),
                (Todo::Keep(failure), Some(message)) => Some(Piece::Keep(item.listed, message.raw, failure)),
                (Todo::Read | Todo::Keep(_), None) => {
                    settled.remove(&uid).map(|verdict| Piece::Enter(Box::new(row(item.listed, verdict))))
                }
            }
        });
        let ahead = marker_of(self.under_way.iter().map(|later| &later.batch));
        let fetched = Fetched { pieces: pieces.collect(), through, attempts, ahead, share: oldest.share };
        self.out.send(fetched).await.map_err(|_| Halt::Unheard)?;
        ended
    }

    /// What the server says to a request, and what became of the messages that it did not give.
    async fn answer(&mut self, asked: &mut Asked) -> Result<Answered, Halt> {
        let answer = match asked.answer.take() {
            Some(answer) => answer,
            None if asked.wanted.is_empty() => Vec::new(),
            None => self.source.receive().await.map_err(|failure| {
                // Servers may answer the next request before the end of this one.
                let under_way = self.under_way.iter().flat_map(|later| &later.wanted);
                broken(failure, asked.wanted.iter().chain(under_way), asked.batch.attempts)
            })?,
        };
        let given: BTreeMap<Uid, FetchedMessage> = answer.into_iter().map(|message| (message.uid, message)).collect();
        let missing = asked.wanted.extract_if(.., |message| !given.contains_key(&message.uid)).collect();
        self.find_out(missing, given, asked.batch.attempts).await
    }

    /// What became of messages that were listed but not given: gone, given when asked alone, or
    /// neither. No message is passed over.
    async fn find_out(
        &mut self,
        mut missing: Vec<ListedMessage>,
        mut given: BTreeMap<Uid, FetchedMessage>,
        attempts: u32,
    ) -> Result<Answered, Halt> {
        let mut settled = BTreeMap::new();
        if missing.is_empty() {
            return Ok(Answered { given, settled });
        }
        for later in self.under_way.iter_mut().filter(|later| later.is_unanswered()) {
            let answer = self.source.receive().await;
            later.answer = Some(answer.map_err(|failure| broken(failure, &later.wanted, later.batch.attempts))?);
        }
        for _ in 0..REPETITIONS {
            let mut present = BTreeSet::new();
            for uids in uid_sets(&missing) {
                present.extend(self.source.list(&uids).await?.into_iter().map(|message| message.uid));
            }
            for gone in missing.extract_if(.., |message| !present.contains(&message.uid)) {
                settled.insert(gone.uid, Verdict::Ignore(IgnoreReason::Vanished));
            }
            // One at a time: a server that breaks off at one message gives the others.
            for message in &missing {
                self.source.request(&[*message]).await?;
                let answer = self.source.receive().await.map_err(|failure| broken(failure, [message], attempts))?;
                given.extend(answer.into_iter().map(|message| (message.uid, message)));
            }
            missing.retain(|message| !given.contains_key(&message.uid));
            if missing.is_empty() {
                return Ok(Answered { given, settled });
            }
        }
        for message in missing {
            let text = format!("the server lists the message but did not give it, asked {} times", REPETITIONS + 1);
            let failure = message_failure(FailureCode::MessageUnanswered, &text);
            settled.insert(message.uid, Verdict::SetAside(failure));
        }
        Ok(Answered { given, settled })
    }
}

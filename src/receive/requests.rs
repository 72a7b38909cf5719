//! The requests of the fetching half: some are kept under way, their answers are handed over in order, and of
//! each message that was listed but not given it is found out why.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::mpsc;

use crate::{
    means::{Context, budget::Share},
    model::{
        activity::{IgnoreReason, Verdict},
        cursor::{FetchedMessage, InFlight, ListedMessage},
        failure::{Failure, FailureCode},
        timestamp::Timestamp,
        uid::{Uid, UidSet},
    },
};

use super::{
    batch::{Batch, MAXIMUM_ATTEMPTS, Todo, blames_message, marker_of, message_failure, row, uid_sets},
    kept::kept,
    policy::ReceivePolicy,
    prepare::{Fetched, Piece},
    source::MailSource,
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

/// Why the fetching half ended early.
#[derive(Debug)]
pub enum Halt {
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

/// What is asked of a server, and what it answers.
pub struct Requests<'a, S> {
    context: &'a Context,
    policy: &'a ReceivePolicy,
    source: &'a mut S,
    /// No batch is begun after this.
    deadline: Timestamp,
    /// Oldest first, at most [`REQUESTS`].
    under_way: VecDeque<Asked>,
    begun: u32,
    out: mpsc::Sender<Fetched>,
}

impl<'a, S: MailSource> Requests<'a, S> {
    /// Nothing is under way; the time of the cycle begins.
    pub fn new(context: &'a Context, policy: &'a ReceivePolicy, source: &'a mut S, out: mpsc::Sender<Fetched>) -> Self {
        let deadline = context.clock.now().plus(policy.steps.time_limit);
        Self { context, policy, source, deadline, under_way: VecDeque::new(), begun: 0, out }
    }

    /// Lists, once nothing is under way.
    pub async fn list(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, Halt> {
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        self.drain().await?;
        Ok(self.source.list(uids).await?)
    }

    /// The Message-IDs of those of `asked` that are there, once nothing is under way.
    pub async fn message_ids(&mut self, asked: &[ListedMessage]) -> Result<Vec<(Uid, Option<String>)>, Halt> {
        self.drain().await?;
        let uids = asked.iter().map(|message| message.uid).collect();
        self.source.message_ids(&uids).await.map_err(|failure| broken(failure, asked, 1))
    }

    /// Whether another batch may be begun.
    ///
    /// # Errors
    /// [`Halt::Enough`].
    pub fn may_begin(&self) -> Result<(), Halt> {
        let stops = self.context.stop.is_cancelled() || self.context.clock.now() >= self.deadline;
        if stops || self.begun >= self.policy.steps.maximum_batches { Err(Halt::Enough) } else { Ok(()) }
    }

    /// Asks for a batch, making room on the wire and in memory first.
    pub async fn ask(&mut self, batch: Batch) -> Result<(), Halt> {
        self.may_begin()?;
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
        let bytes = batch.bytes();
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

    /// Receives and hands over all that is under way.
    pub async fn drain(&mut self) -> Result<(), Halt> {
        while !self.under_way.is_empty() {
            self.hand_over_oldest().await?;
        }
        Ok(())
    }

    /// Receives the oldest batch under way and hands it over, complete.
    async fn hand_over_oldest(&mut self) -> Result<(), Halt> {
        let Some(mut oldest) = self.under_way.pop_front() else { return Ok(()) };
        // Not read before somebody takes it: until then it is the server's memory, not ours.
        let place = self.out.clone().reserve_owned().await.map_err(|_| Halt::Unheard)?;
        let (Answered { mut given, mut settled }, ended) = match self.answer(&mut oldest).await {
            Ok(answered) => (answered, Ok(())),
            Err(Halt::Blamed(failure, suspect)) if suspect.attempts >= MAXIMUM_ATTEMPTS => {
                (Answered::refused(&oldest, &failure), Err(Halt::Failed(failure)))
            }
            Err(halt) => return Err(halt),
        };
        let Batch { items, through, attempts, again } = oldest.batch;
        let mut kept = kept(&self.context.store, &items).await?;
        let pieces = items.into_iter().filter_map(|item| {
            let (uid, message) = (item.listed.uid, given.remove(&item.listed.uid));
            match (item.todo, message) {
                (Todo::Enter(entry), _) => Some(Piece::Enter(entry)),
                (Todo::Reread(_), _) => kept.remove(&uid),
                (Todo::Read, Some(message)) => Some(Piece::read(item.listed, message, self.policy.starting_point)),
                (Todo::Keep(failure), Some(message)) => Some(Piece::Keep(item.listed, message.raw, failure)),
                (Todo::Read | Todo::Keep(_), None) => {
                    let verdict = match (settled.remove(&uid)?, &again) {
                        (Verdict::Ignore(IgnoreReason::Vanished), Some(again)) => again.gone(),
                        (verdict, _) => verdict,
                    };
                    Some(Piece::Enter(Box::new(row(item.listed, verdict))))
                }
            }
        });
        let ahead = marker_of(self.under_way.iter().map(|later| &later.batch));
        let (pieces, again) = (pieces.collect(), again.as_ref().map(|again| again.numbering));
        let fetched = Fetched { pieces, through, attempts, again, ahead, share: oldest.share };
        place.send(fetched);
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

//! Fetched bytes → candidates, on a blocking thread: parsing, hashing, compressing.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    means::budget::{Budget, Share},
    mime,
    model::{
        activity::{IgnoreReason, LedgerEntry, NewSource, Verdict},
        cursor::{FetchedMessage, InFlight, ListedMessage, Numbering},
        failure::{Failure, FailureCode, Persistence, Scope},
        message::ReceivedMessage,
        rules::ReceiveRules,
        timestamp::Timestamp,
    },
};

use super::{
    batch::{is_before, message_failure, row},
    judge::{Candidate, Prepared},
};

/// One message as the fetching half hands it over.
#[derive(Debug)]
pub enum Piece {
    /// Parse and judge.
    Read(ListedMessage, Vec<u8>),
    /// Keep the source, do not parse.
    Keep(ListedMessage, Vec<u8>, Failure),
    /// Read again from the source that is kept.
    Reread(ListedMessage, NewSource),
    /// Decided already.
    Enter(Box<LedgerEntry>),
}

/// A batch as fetched.
#[derive(Debug)]
pub struct Fetched {
    /// The messages, ascending.
    pub pieces: Vec<Piece>,
    /// See [`Batch`](super::batch::Batch).
    pub through: u32,
    /// See [`Batch`](super::batch::Batch).
    pub attempts: u32,
    /// Where a message that was set aside is tried again: the numbering of its row.
    pub again: Option<Numbering>,
    /// Of the batches that come next, as far as they are asked for.
    pub ahead: Option<InFlight>,
    /// The memory it takes.
    pub share: Share,
}

impl Piece {
    /// A message that came. Where only its content tells when it was received, that is compared with
    /// the starting point now.
    pub fn read(listed: ListedMessage, message: FetchedMessage, starting_point: Timestamp) -> Self {
        let listed = ListedMessage { internal_date: listed.internal_date.or(message.received), ..listed };
        if is_before(listed.internal_date, starting_point) {
            return Self::Enter(Box::new(row(listed, Verdict::Ignore(IgnoreReason::BeforeStartingPoint))));
        }
        Self::Read(listed, message.raw)
    }
}

impl Fetched {
    /// How many bytes of mail it holds.
    pub fn bytes(&self) -> u64 {
        let bytes = |piece: &Piece| match piece {
            Piece::Read(_, raw) | Piece::Keep(_, raw, _) => raw.len() as u64,
            Piece::Reread(..) | Piece::Enter(_) => 0,
        };
        self.pieces.iter().map(bytes).sum()
    }

    /// The marker to be committed before this is parsed; `None` where nothing is parsed.
    pub fn marker(&self) -> Option<InFlight> {
        let mut parsed = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Read(listed, _) | Piece::Reread(listed, _) => Some(listed.uid),
            Piece::Keep(..) | Piece::Enter(_) => None,
        });
        let first = parsed.next()?;
        Some(InFlight { first, last: parsed.next_back().unwrap_or(first), attempts: self.attempts })
    }
}

/// A batch ready to be judged and committed.
#[derive(Debug)]
pub struct Ready {
    /// The messages, ascending.
    pub batch: Vec<Prepared>,
    /// See [`Batch`](super::batch::Batch).
    pub through: u32,
    /// See [`Fetched`].
    pub again: Option<Numbering>,
    /// See [`Fetched`].
    pub ahead: Option<InFlight>,
    /// Bytes of mail that came.
    pub bytes: u64,
    /// The memory it takes.
    pub share: Share,
}

/// Prepares a batch.
///
/// # Errors
/// The thread was taken away (the program ends).
///
/// # Cancel safety
/// The thread finishes its work, which goes nowhere.
pub async fn prepare(fetched: Fetched, rules: Arc<ReceiveRules>, budget: &Budget) -> Result<Ready, Failure> {
    let bytes = fetched.bytes();
    let Fetched { pieces, through, again, ahead, share, .. } = fetched;
    let limits = mime::Limits::default();
    let _turn = budget.turn().await;
    let work = move || pieces.into_iter().map(|piece| one(piece, &rules, &limits)).collect();
    let batch = tokio::task::spawn_blocking(work).await.map_err(|error| {
        Failure::new(FailureCode::InternalError, Scope::Mailbox, Persistence::Transient, &error.to_string())
    })?;
    Ok(Ready { batch, through, again, ahead, bytes, share })
}

fn one(piece: Piece, rules: &ReceiveRules, limits: &mime::Limits) -> Prepared {
    let (listed, raw, parsed) = match piece {
        Piece::Enter(entry) => return Prepared::Entry(entry),
        Piece::Keep(listed, raw, failure) => (listed, raw, Err(failure)),
        Piece::Read(listed, raw) => {
            let parsed = parse(&raw, rules, limits);
            (listed, raw, parsed)
        }
        Piece::Reread(listed, source) => match mime::expand(&source) {
            Ok(raw) => {
                let parsed = parse(&raw, rules, limits);
                (listed, raw, parsed)
            }
            Err(damaged) => {
                let failure = message_failure(FailureCode::InternalError, &damaged.to_string());
                return Prepared::Entry(Box::new(row(listed, Verdict::SetAside(failure))));
            }
        },
    };
    let sha256 = parsed.as_ref().map_or_else(|_| mime::digest(&raw), |message| message.source);
    Prepared::Candidate(Box::new(Candidate { listed, source: mime::compress(raw, sha256), parsed }))
}

fn parse(raw: &[u8], rules: &ReceiveRules, limits: &mime::Limits) -> Result<ReceivedMessage, Failure> {
    let (size, limit) = (raw.len() as u64, rules.maximum_message_size);
    if size > limit {
        let text = format!("the message has {size} bytes, more than was listed; the limit is {limit}");
        return Err(message_failure(FailureCode::MessageTooLarge, &text));
    }
    match catch_unwind(AssertUnwindSafe(|| mime::parse(raw, limits))) {
        Ok(Ok(message)) => Ok(message),
        Ok(Err(malformed)) => Err(message_failure(FailureCode::MessageUnparsable, &malformed.to_string())),
        Err(_) => Err(message_failure(FailureCode::InternalError, "the parser panicked")),
    }
}

//! Listing and fetching: only what was asked for, each once, in order.

use std::collections::{BTreeMap, VecDeque};

use super::{
    error::{ImapError, Refusal},
    event::{Condition, Event, Fetched},
    quirks,
    session::Session,
    wire::{accepted, bounded, stray_tag},
};
use crate::{
    mime,
    model::{
        cursor::{FetchedMessage, FolderView, ListedMessage},
        uid::{Uid, UidSet},
    },
    net::{Io, guard::Allowance},
};

/// Longest set of UIDs in one command, in bytes; servers take lines of 8 kB at least (RFC 7162 §4).
const SET_LIMIT: usize = 7_900;
/// Messages listed with more than this are fetched in pieces of this size.
pub const CHUNK: u32 = 8 << 20;
/// Largest literal: the last piece of a message may be twice as long, and the size listed for a
/// whole one may be wrong as much.
const LITERAL_LIMIT: u64 = 2 * CHUNK as u64;
/// What a listing shows of each message.
const LISTED: &str = "(UID RFC822.SIZE INTERNALDATE)";
/// Commands under way at once for a long listing.
const PIPELINE: usize = 2;

/// A batch that was asked for and not yet received.
#[derive(Debug)]
pub struct Outstanding {
    tags: Vec<String>,
    wanted: BTreeMap<Uid, Vec<Piece>>,
    /// Bytes that its answer may have.
    bytes: u64,
}

/// A part of a message, or all of it.
#[derive(Debug)]
struct Piece {
    /// `None` for all of it, else where it begins and how much was asked for.
    range: Option<(u32, u32)>,
    data: Option<Vec<u8>>,
}

impl<S: Io> Session<S> {
    /// Lists those of `uids` that exist: ascending, each once, nothing else.
    ///
    /// Of several answers about one message the one that says most of size and date counts. A
    /// message whose date is missing or unreadable has none; one without a size has size 0.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost.
    pub async fn list(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, ImapError> {
        self.listed(uids, commands(uids, LISTED), VecDeque::new()).await
    }

    /// Opens the Inbox as [`Session::examine`] does, and lists `uids` as [`Session::list`] does, in one
    /// round trip (RFC 3501 §5.5 allows it). `None` where the server refused the listing.
    ///
    /// # Errors
    /// The Inbox cannot be opened, or the connection is lost.
    pub async fn examine_and_list(
        &mut self,
        uids: &UidSet,
    ) -> Result<(FolderView, Option<Vec<ListedMessage>>), ImapError> {
        self.wire.guard().allow(Allowance::SMALL);
        let mut commands = commands(uids, LISTED);
        let mut open = VecDeque::new();
        let view = bounded(self.timeouts.command, "EXAMINE", async {
            let tag = self.wire.send("EXAMINE", "EXAMINE INBOX").await?;
            if let Some(command) = commands.pop_front() {
                open.push_back(self.wire.send("FETCH", &command).await?);
            }
            self.examined("EXAMINE", &tag).await
        })
        .await?;
        match self.listed(uids, commands, open).await {
            Ok(listed) => Ok((view, Some(listed))),
            // Some refuse to look for messages in an empty folder. Asked alone, it is answered or fails.
            Err(ImapError::Rejected { .. }) => Ok((view, None)),
            Err(error) => Err(error),
        }
    }

    /// Lists by `commands` and those that are `open` already.
    async fn listed(
        &mut self,
        uids: &UidSet,
        commands: VecDeque<String>,
        open: VecDeque<String>,
    ) -> Result<Vec<ListedMessage>, ImapError> {
        // With a rank: whatever names a UID, even an answer about flags, shows that the message is there.
        let mut found: BTreeMap<Uid, (ListedMessage, (bool, bool))> = BTreeMap::new();
        self.fetch_all(uids, commands, open, |uid, fetched| {
            let rank = (fetched.size.is_some(), fetched.internal_date.is_some());
            if found.get(&uid).is_none_or(|(_, known)| rank > *known) {
                let size = u64::from(fetched.size.unwrap_or_default());
                let internal_date = fetched.internal_date.flatten();
                found.insert(uid, (ListedMessage { uid, size, internal_date, uidl: None }, rank));
            }
        })
        .await?;
        Ok(found.into_values().map(|(listed, _)| listed).collect())
    }

    /// The Message-ID, without brackets, of those of `uids` that exist: ascending, each once.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost.
    pub async fn message_ids(&mut self, uids: &UidSet) -> Result<Vec<(Uid, Option<String>)>, ImapError> {
        let mut found = BTreeMap::new();
        let commands = commands(uids, "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])");
        self.fetch_all(uids, commands, VecDeque::new(), |uid, fetched| {
            if let Some(header) = fetched.header {
                found
                    .entry(uid)
                    .or_insert_with(|| header.and_then(|header| mime::message_id(&header, &mime::Limits::default())));
            }
        })
        .await?;
        Ok(found.into_iter().collect())
    }

    /// Fetches small things about `uids` by `commands` and those that are `open` already.
    async fn fetch_all(
        &mut self,
        uids: &UidSet,
        mut commands: VecDeque<String>,
        mut open: VecDeque<String>,
        mut found: impl FnMut(Uid, Fetched),
    ) -> Result<(), ImapError> {
        // Of a wide range only what exists can come; twice, as more may arrive meanwhile.
        let existing = 2 * u64::from(self.opened.unwrap_or_default()) + 1_000;
        let expected = uids.len().min(existing);
        self.wire.guard().allow(Allowance {
            bytes: Allowance::SMALL.bytes + expected * 4096,
            responses: Allowance::SMALL.responses.saturating_add(u32::try_from(4 * expected).unwrap_or(u32::MAX)),
            ..Allowance::SMALL
        });
        self.wire.guard().keep_pace(Some(self.timeouts.pace));
        loop {
            while open.len() < PIPELINE
                && let Some(command) = commands.pop_front()
            {
                open.push_back(bounded(self.timeouts.command, "FETCH", self.wire.send("FETCH", &command)).await?);
            }
            if open.is_empty() {
                break;
            }
            match self.wire.next("FETCH").await? {
                Event::Fetch(fetched) => {
                    if let Some(uid) = fetched.uid.and_then(Uid::new).filter(|uid| uids.contains(*uid)) {
                        found(uid, fetched);
                    }
                }
                Event::Done(tag, condition) => {
                    let at = open.iter().position(|of| *of == tag).ok_or_else(stray_tag)?;
                    open.remove(at);
                    complete(condition)?;
                }
                _ => {}
            }
        }
        self.wire.guard().keep_pace(None);
        Ok(())
    }

    /// Asks for the content of `batch` without waiting for it; [`Session::receive`] has the
    /// answers, in the order of the requests.
    ///
    /// # Errors
    /// The connection is lost, or the server does not take the command.
    pub async fn request(&mut self, batch: &[ListedMessage]) -> Result<(), ImapError> {
        let (commands, mut outstanding) = plan(batch);
        self.allow_outstanding(outstanding.bytes);
        bounded(self.timeouts.command, "FETCH", async {
            for command in commands {
                outstanding.tags.push(self.wire.send("FETCH", &command).await?);
            }
            Ok(())
        })
        .await?;
        self.outstanding.push_back(outstanding);
        Ok(())
    }

    /// The answer to the oldest outstanding request: ascending, each message once. Left out is
    /// what the server did not give, or not whole. Nothing where nothing is outstanding.
    ///
    /// # Errors
    /// The server refuses, sends more than it listed (beyond any doubt), or the connection is lost.
    pub async fn receive(&mut self) -> Result<Vec<FetchedMessage>, ImapError> {
        self.allow_outstanding(0);
        self.wire.guard().keep_pace(Some(self.timeouts.pace));
        while self.outstanding.front().is_some_and(|oldest| !oldest.tags.is_empty()) {
            match self.wire.next("FETCH").await? {
                Event::Fetch(fetched) => self.keep(fetched),
                Event::Done(tag, condition) => {
                    let mut tags = self.outstanding.iter_mut().map(|batch| &mut batch.tags);
                    let of = tags.find_map(|tags| tags.iter().position(|of| *of == tag).map(|at| (tags, at)));
                    let (tags, at) = of.ok_or_else(stray_tag)?;
                    tags.remove(at);
                    complete(condition)?;
                }
                _ => {}
            }
        }
        self.wire.guard().keep_pace(None);
        let wanted = self.outstanding.pop_front().map(|oldest| oldest.wanted).unwrap_or_default();
        let mut messages = Vec::with_capacity(wanted.len());
        for (uid, pieces) in wanted {
            messages.extend(join(pieces)?.map(|raw| FetchedMessage { uid, received: None, raw }));
        }
        Ok(messages)
    }

    fn allow_outstanding(&mut self, more: u64) {
        let outstanding: u64 = self.outstanding.iter().map(|batch| batch.bytes).sum();
        let bytes = outstanding.saturating_add(more).saturating_add(Allowance::SMALL.bytes);
        let messages: usize = self.outstanding.iter().map(|batch| batch.wanted.len()).sum();
        let expected = u32::try_from(messages).unwrap_or(u32::MAX).saturating_mul(4);
        let responses = expected.saturating_add(10 * Allowance::SMALL.responses);
        self.wire.guard().allow(Allowance { literal: LITERAL_LIMIT, bytes, responses });
    }

    /// Puts a body where it was asked for; drops it where it was not, or is there already.
    fn keep(&mut self, fetched: Fetched) {
        let (Some(uid), Some((offset, data))) = (fetched.uid.and_then(Uid::new), fetched.body) else { return };
        let pieces = self.outstanding.iter_mut().find_map(|batch| batch.wanted.get_mut(&uid));
        let place =
            pieces.and_then(|pieces| pieces.iter_mut().find(|piece| piece.range.map(|(from, _)| from) == offset));
        if let Some(place) = place.filter(|place| place.data.is_none()) {
            place.data = Some(data);
        }
    }
}

/// A refusal that only means "not all of them" is none.
fn complete(condition: Condition) -> Result<(), ImapError> {
    match accepted("FETCH", condition) {
        Err(ImapError::Rejected { status: status @ Refusal::No, reply, .. }) if quirks::is_partial(status, &reply) => {
            Ok(())
        }
        other => other.map(drop),
    }
}

/// The commands that fetch `items` of `uids`, as many as their set needs.
fn commands(uids: &UidSet, items: &str) -> VecDeque<String> {
    sets(uids).into_iter().map(|set| format!("UID FETCH {set} {items}")).collect()
}

/// `uids` as sequence-sets that fit into a command each.
pub(super) fn sets(uids: &UidSet) -> Vec<String> {
    let mut sets: Vec<String> = Vec::new();
    for (first, last) in uids.ranges() {
        let range = if first == last { first.to_string() } else { format!("{first}:{last}") };
        match sets.last_mut() {
            Some(set) if set.len() + range.len() < SET_LIMIT => {
                set.push(',');
                set.push_str(&range);
            }
            _ => sets.push(range),
        }
    }
    sets
}

/// The commands that fetch `batch`, and what to expect.
fn plan(batch: &[ListedMessage]) -> (Vec<String>, Outstanding) {
    let mut wanted = BTreeMap::new();
    let mut pieces = Vec::new();
    let mut bytes: u64 = LITERAL_LIMIT;
    for listed in batch {
        // Listed sizes are estimates on some servers; this is a bound, not a plan.
        bytes = bytes.saturating_add(listed.size.saturating_mul(2)).saturating_add(64 << 10);
        let ranges = ranges(listed.size);
        for (from, length) in ranges.iter().flatten() {
            pieces.push(format!("UID FETCH {} (UID BODY.PEEK[]<{from}.{length}>)", listed.uid));
        }
        wanted.insert(listed.uid, ranges.into_iter().map(|range| Piece { range, data: None }).collect::<Vec<_>>());
    }
    let whole = wanted.iter().filter(|(_, pieces)| pieces.iter().all(|piece| piece.range.is_none()));
    let whole: UidSet = whole.map(|(uid, _)| *uid).collect();
    let mut commands: Vec<String> =
        sets(&whole).iter().map(|set| format!("UID FETCH {set} (UID BODY.PEEK[])")).collect();
    commands.append(&mut pieces);
    (commands, Outstanding { tags: Vec::new(), wanted, bytes })
}

/// How to fetch a message of this listed size: whole, or in pieces, the last of which reaches well
/// beyond the end, so that a size listed too small is noticed.
fn ranges(size: u64) -> Vec<Option<(u32, u32)>> {
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    if size <= CHUNK {
        return vec![None];
    }
    let last = size / CHUNK;
    (0..=last)
        .map_while(|number| {
            number.checked_mul(CHUNK).map(|from| (from, if number == last { 2 * CHUNK } else { CHUNK }))
        })
        .map(Some)
        .collect()
}

/// The message, or `None` where a piece is missing.
fn join(pieces: Vec<Piece>) -> Result<Option<Vec<u8>>, ImapError> {
    let mut whole: Option<Vec<u8>> = None;
    for Piece { range, data } in pieces {
        let Some(mut data) = data else { return Ok(None) };
        let ended = range.is_none_or(|(_, length)| data.len() < length as usize);
        match &mut whole {
            Some(start) => start.append(&mut data),
            None => whole = Some(data),
        }
        if ended {
            return Ok(whole);
        }
    }
    Err(ImapError::Limit("a message longer than listed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(uid: u32, size: u64) -> ListedMessage {
        ListedMessage { uid: Uid::new(uid).unwrap(), size, internal_date: None, uidl: None }
    }

    #[test]
    fn long_sets_are_split_and_nothing_is_lost() {
        let uids: UidSet = (1..40_000).step_by(3).filter_map(Uid::new).collect();
        let sets = sets(&uids);
        assert!(sets.len() > 1 && sets.iter().all(|set| set.len() <= SET_LIMIT));
        let joined = sets.join(",");
        assert_eq!(joined, uids.to_string());
    }

    #[test]
    fn large_messages_come_in_pieces_with_room_behind() {
        let (commands, expected) = plan(&[listed(1, 10), listed(2, u64::from(CHUNK) * 2 + 1), listed(3, 20)]);
        assert_eq!(
            commands,
            [
                "UID FETCH 1,3 (UID BODY.PEEK[])",
                "UID FETCH 2 (UID BODY.PEEK[]<0.8388608>)",
                "UID FETCH 2 (UID BODY.PEEK[]<8388608.8388608>)",
                "UID FETCH 2 (UID BODY.PEEK[]<16777216.16777216>)",
            ]
        );
        assert_eq!(expected.wanted.len(), 3);
        assert!(ranges(u64::MAX).len() <= 512);
    }

    #[test]
    fn pieces_are_joined_up_to_the_first_short_one() {
        let piece = |range, data: Option<&str>| Piece { range, data: data.map(|text| text.as_bytes().to_vec()) };
        let join = |pieces| join(pieces).map(|whole| whole.map(|raw| String::from_utf8(raw).unwrap()));
        assert_eq!(join(vec![piece(None, Some("a"))]).unwrap().as_deref(), Some("a"));
        assert_eq!(join(vec![piece(None, None)]).unwrap(), None);
        let two = |second| vec![piece(Some((0, 2)), Some("ab")), piece(Some((2, 4)), second)];
        assert_eq!(join(two(Some("c"))).unwrap().as_deref(), Some("abc"));
        assert_eq!(join(two(Some(""))).unwrap().as_deref(), Some("ab"));
        assert_eq!(join(two(None)).unwrap(), None);
        assert!(matches!(join(two(Some("cdef"))), Err(ImapError::Limit(_))));
    }
}

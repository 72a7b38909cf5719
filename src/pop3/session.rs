//! A logged-in connection to one maildrop.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
};

use super::{
    capabilities::Capabilities,
    error::{Pop3Error, Reply},
    wire::{Wire, accepted, bounded},
};
use crate::net::{Io, deadline::Timeouts, tls::Transport};

/// Commands under way at once where the server takes them so.
const WINDOW: usize = 256;
/// Messages that one listing may have, and its bytes.
const MESSAGES_LIMIT: usize = 1_000_000;
const LISTING_LIMIT: u64 = 32 << 20;
/// Bytes that are kept of a line that makes no sense.
const TORN_LIMIT: usize = 200;
/// Bytes that the UIDLs may have: some, and this many for each message.
const NAMES_LIMIT: u64 = 64 << 10;
const NAME_LIMIT: u64 = 4 << 10;
/// Longest header, in bytes, however much of the message the server counts as such.
const HEADER_LIMIT: u64 = 4 << 20;
/// How much longer than listed a message may be: twice and this, in bytes.
const ROOM: u64 = 64 << 10;
/// And this, shared by all messages of a request: sizes are wrong on some servers.
const SPARE: u64 = 16 << 20;

/// What the maildrop holds, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// How many messages.
    pub count: u32,
    /// How many bytes, as the server counts.
    pub bytes: u64,
}

/// What the maildrop holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// By ascending number, each once.
    pub messages: Vec<Listed>,
    /// Why the server gave no UIDL at all.
    pub unnamed: Option<Reply>,
    /// What it says of no message that can be told from others.
    pub torn: Torn,
}

/// Lines of a listing that make no sense, where others do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Torn {
    /// How many.
    pub lines: usize,
    /// The first of them.
    pub first: Vec<u8>,
}

impl Torn {
    /// One more.
    pub fn note(&mut self, line: &[u8]) {
        if self.lines == 0 {
            self.first = line.get(..TORN_LIMIT).unwrap_or(line).to_vec();
        }
        self.lines = self.lines.saturating_add(1);
    }
}

/// One message as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number, good for this session only.
    pub number: u32,
    /// Size in bytes, 0 where the server gave none; what is sent is the truth, this only plans.
    pub size: u64,
    /// Its UIDL as the server gave it, of whatever characters and length; others may have the same.
    /// `None` where the server gave none.
    pub uidl: Option<Vec<u8>>,
}

/// A message that was asked for, by its number: its content, or what the server said instead.
pub type Received = (u32, Result<Vec<u8>, Reply>);

/// A logged-in connection to one maildrop, which the server keeps from others as long as it lasts.
///
/// Nothing is deleted but by [`Session::delete`] and the [`Session::quit`] after it. After an error
/// the connection is in an unknown state: drop it. Every method ends within the [`Timeouts`].
///
/// # Cancel safety
/// Dropping a future in the middle leaves an answer outstanding: drop the session too.
pub struct Session<S: Io> {
    wire: Wire<Transport<S>>,
    timeouts: Timeouts,
    capabilities: Capabilities,
    /// Messages to be asked for, and those that were: number and listed size.
    waiting: VecDeque<(u32, u64)>,
    asked: VecDeque<(u32, u64)>,
    /// Answers that had to be read before something else could be asked.
    ready: VecDeque<Received>,
    /// What is left of [`SPARE`].
    spare: u64,
    deleted: bool,
}

impl<S: Io> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("capabilities", &self.capabilities).finish_non_exhaustive()
    }
}

impl<S: Io> Session<S> {
    pub(super) fn new(wire: Wire<Transport<S>>, timeouts: Timeouts, capabilities: Capabilities) -> Self {
        let (waiting, asked, ready) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { wire, timeouts, capabilities, waiting, asked, ready, spare: SPARE, deleted: false }
    }

    /// What the server said it can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Bytes of memory held for received data, for tests of the bounds.
    pub fn buffered(&self) -> usize {
        self.wire.buffered()
    }

    /// Commands that may be under way at once.
    fn window(&self) -> usize {
        if self.capabilities.pipelining { WINDOW } else { 1 }
    }

    /// The cheapest look at the maildrop: STAT.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost.
    pub async fn stat(&mut self) -> Result<Stat, Pop3Error> {
        self.settle().await?;
        let text = self.wire.command("STAT", "STAT\r\n", self.timeouts.command).await?;
        let (count, bytes) = numbers(text.as_bytes()).ok_or_else(|| Pop3Error::not_understood(text.as_bytes()))?;
        Ok(Stat { count, bytes })
    }

    /// All messages: LIST and UIDL.
    ///
    /// # Errors
    /// The server refuses LIST, lists more than it could mean, or the connection is lost.
    pub async fn list(&mut self) -> Result<Listing, Pop3Error> {
        self.settle().await?;
        self.wire.keep_pace(Some(self.timeouts.pace));
        let both = self.capabilities.pipelining;
        self.send("LIST", if both { "LIST\r\nUIDL\r\n" } else { "LIST\r\n" }).await?;
        accepted("LIST", self.wire.answer("LIST").await?)?;
        let mut torn = Torn::default();
        let mut listing = Listing { messages: self.read_sizes(&mut torn).await?, unnamed: None, torn: Torn::default() };
        if !both {
            self.send("UIDL", "UIDL\r\n").await?;
        }
        match self.wire.answer("UIDL").await? {
            Ok(_) => self.read_names(&mut listing.messages, &mut torn).await?,
            Err(reply) => listing.unnamed = Some(reply),
        }
        self.wire.keep_pace(None);
        // Where nothing makes sense it is no listing.
        let makes_sense = |message: &Listed| message.uidl.is_some() || listing.unnamed.is_some();
        if torn.lines > 0 && !listing.messages.iter().any(makes_sense) {
            return Err(Pop3Error::not_understood(&torn.first));
        }
        Ok(Listing { torn, ..listing })
    }

    /// A number that is listed twice says of neither which message it is.
    async fn read_sizes(&mut self, torn: &mut Torn) -> Result<Vec<Listed>, Pop3Error> {
        let mut messages: Vec<Listed> = Vec::new();
        let each = |line: &[u8]| {
            match numbers(line).filter(|(number, _)| *number > 0) {
                Some((number, size)) => messages.push(Listed { number, size, uidl: None }),
                None => torn.note(line),
            }
            if messages.len() > MESSAGES_LIMIT { Err(Pop3Error::Limit("messages")) } else { Ok(()) }
        };
        self.wire.rest("LIST", LISTING_LIMIT, each).await?;
        messages.sort_by_key(|message| message.number);
        let twice: BTreeSet<u32> = messages
            .array_windows()
            .filter(|[one, next]| one.number == next.number)
            .map(|[one, _]| one.number)
            .collect();
        messages.retain(|message| !twice.contains(&message.number));
        twice.iter().for_each(|number| torn.note(format!("message {number} listed twice").as_bytes()));
        let makes_sense = torn.lines == 0 || !messages.is_empty();
        if makes_sense { Ok(messages) } else { Err(Pop3Error::not_understood(&torn.first)) }
    }

    /// Of several names of one message the first counts, and a name of a message that is not listed
    /// has nothing to name.
    async fn read_names(&mut self, messages: &mut [Listed], torn: &mut Torn) -> Result<(), Pop3Error> {
        let limit = NAMES_LIMIT.saturating_add(NAME_LIMIT.saturating_mul(messages.len() as u64));
        let each = |line: &[u8]| {
            let line = line.trim_ascii();
            let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            let (digits, name) = line.split_at(end);
            let Some(number) = decimal(digits) else {
                torn.note(line);
                return Ok(());
            };
            let at = messages.binary_search_by_key(&number, |message| message.number);
            let place = at.ok().and_then(|at| messages.get_mut(at)).map(|message| &mut message.uidl);
            if let Some(place @ None) = place {
                *place = Some(name.trim_ascii().to_vec()).filter(|name| !name.is_empty());
            }
            Ok(())
        };
        self.wire.rest("UIDL", limit, each).await
    }

    /// Asks for the content of `messages`, given by number and listed size, without waiting for it;
    /// [`Session::receive`] has the answers, in the order of the requests. Whatever else is asked before
    /// it has given all of them makes those under way be kept here.
    ///
    /// # Errors
    /// The connection is lost, or the server does not take the commands.
    pub async fn request(&mut self, messages: impl IntoIterator<Item = (u32, u64)>) -> Result<(), Pop3Error> {
        self.waiting.extend(messages);
        self.spare = SPARE;
        self.top_up().await
    }

    /// The next message that was asked for; `None` where nothing is outstanding.
    ///
    /// # Errors
    /// The server sends more than it listed (beyond any doubt), or the connection is lost.
    pub async fn receive(&mut self) -> Result<Option<Received>, Pop3Error> {
        if let Some(ready) = self.ready.pop_front() {
            return Ok(Some(ready));
        }
        if self.asked.is_empty() {
            self.top_up().await?;
        }
        let next = self.next_answer().await?;
        self.top_up().await?;
        Ok(next)
    }

    /// The answer to the oldest RETR under way.
    async fn next_answer(&mut self) -> Result<Option<Received>, Pop3Error> {
        let Some((number, size)) = self.asked.pop_front() else { return Ok(None) };
        self.wire.keep_pace(Some(self.timeouts.pace));
        let content = match self.wire.answer("RETR").await? {
            Ok(_) => {
                let fair = size.saturating_mul(2).saturating_add(ROOM);
                let mail = self.wire.mail("RETR", size, fair.saturating_add(self.spare)).await?;
                self.spare = self.spare.saturating_sub((mail.len() as u64).saturating_sub(fair));
                Ok(mail)
            }
            Err(reply) => Err(reply),
        };
        self.wire.keep_pace(None);
        Ok(Some((number, content)))
    }

    /// Reads all that is under way, so that the next answer is to the next command.
    async fn settle(&mut self) -> Result<(), Pop3Error> {
        while let Some(answer) = self.next_answer().await? {
            self.ready.push_back(answer);
        }
        Ok(())
    }

    /// Sends more requests once half of those under way are answered: many in one piece.
    async fn top_up(&mut self) -> Result<(), Pop3Error> {
        let window = self.window();
        if self.asked.len() > window / 2 {
            return Ok(());
        }
        let room = window.saturating_sub(self.asked.len()).min(self.waiting.len());
        let next: Vec<(u32, u64)> = self.waiting.drain(..room).collect();
        self.send("RETR", &commands(&next, |(number, _)| format!("RETR {number}\r\n"))).await?;
        self.asked.extend(next);
        Ok(())
    }

    /// Gives `found` the header of each of `numbers` in turn, as far as the server has it (TOP).
    ///
    /// # Errors
    /// A header is larger than any, or the connection is lost.
    pub async fn headers(&mut self, numbers: &[u32], mut found: impl FnMut(u32, Vec<u8>)) -> Result<(), Pop3Error> {
        self.settle().await?;
        self.wire.keep_pace(Some(self.timeouts.pace));
        for some in numbers.chunks(self.window()) {
            self.send("TOP", &commands(some, |number| format!("TOP {number} 0\r\n"))).await?;
            for number in some {
                if self.wire.answer("TOP").await?.is_ok() {
                    found(*number, self.wire.mail("TOP", 0, HEADER_LIMIT).await?);
                }
            }
        }
        self.wire.keep_pace(None);
        Ok(())
    }

    /// Marks `numbers` as deleted, which they are once [`Session::quit`] has succeeded, and not if the
    /// connection ends in any other way. Returns those that the server refused, and why.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn delete(&mut self, numbers: &[u32]) -> Result<Vec<(u32, Reply)>, Pop3Error> {
        self.settle().await?;
        let mut refused = Vec::new();
        for some in numbers.chunks(self.window()) {
            self.deleted = true;
            self.send("DELE", &commands(some, |number| format!("DELE {number}\r\n"))).await?;
            for number in some {
                let answer = bounded(self.timeouts.command, "DELE", self.wire.answer("DELE")).await?;
                refused.extend(answer.err().map(|reply| (*number, reply)));
            }
        }
        Ok(refused)
    }

    /// Says goodbye; what was marked is deleted now.
    ///
    /// # Errors
    /// The server did not answer as it should. What was marked may be deleted, all or in part, or not
    /// (RFC 1939 §6): only the next listing shows.
    pub async fn quit(mut self) -> Result<(), Pop3Error> {
        self.settle().await?;
        // To delete may take its time; nobody needs the goodbye of one who only looked.
        let limit = if self.deleted { self.timeouts.command } else { self.timeouts.logout };
        self.wire.command("QUIT", "QUIT\r\n", limit).await.map(drop)
    }

    async fn send(&mut self, name: &'static str, commands: &str) -> Result<(), Pop3Error> {
        bounded(self.timeouts.command, name, self.wire.send(name, commands)).await
    }
}

fn commands<T: Copy>(of: &[T], command: impl Fn(T) -> String) -> String {
    of.iter().copied().map(command).collect()
}

/// A number that is not 0 and fits, of the digits alone.
fn decimal(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
    text.parse().ok().filter(|number| *number > 0)
}

/// `number size`, and whatever follows. A size that cannot be read is 0.
fn numbers(line: &[u8]) -> Option<(u32, u64)> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split_ascii_whitespace();
    let first = words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?;
    let size = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    Some((first.parse().ok()?, size))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

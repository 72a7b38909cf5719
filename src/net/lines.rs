//! Lines over a stream, for the protocols that are made of them: SMTP and POP3.
//!
//! What is received is bounded three ways: each line, everything since the last grant
//! ([`Lines::allow`]), and the time it takes ([`Lines::keep_pace`]). Nothing is handed up of a line
//! that is too long. A block (RFC 1939 §3, multi-line responses) is taken out of the buffered chunks
//! as it is, without looking at each of its lines.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Io,
    deadline::within,
    error::{NetError, is_exhausted},
    pace::{Pace, Slow, Watch},
};

/// Bytes asked of the stream at once.
const READ_SIZE: usize = 32 << 10;
/// A block's vector starts with at most this, whatever size was announced.
const FIRST_PIECE: usize = 256 << 10;
/// Bytes looked at in one go by [`dotted_line`].
const STRIDE: usize = 64;

/// What a server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineLimits {
    /// Longest line, in bytes, without its end.
    pub line: usize,
    /// Everything together until more is granted, in bytes, with line ends.
    pub total: u64,
}

/// Why there is no line. The stream is of no use afterwards.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The other side closed.
    #[error("the connection was closed")]
    Closed,
    /// More than allowed.
    #[error("over the limit: {0}")]
    Limit(&'static str),
    /// Slower than the [`Pace`].
    #[error("too slow")]
    Slow,
    /// The system, or TLS, reports something else.
    #[error(transparent)]
    Net(NetError),
}

impl From<Slow> for LineError {
    fn from(Slow: Slow) -> Self {
        Self::Slow
    }
}

impl From<io::Error> for LineError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::WriteZero => Self::Closed,
            _ if is_exhausted(&error) => Self::Net(NetError::ResourcesExhausted(error)),
            kind => Self::Net(NetError::Io(kind)),
        }
    }
}

/// See the module's description.
pub struct Lines<S> {
    inner: S,
    limits: LineLimits,
    pace: Option<Pace>,
    watch: Option<Watch>,
    /// Received; handed up as far as `at`, known to hold no line end as far as `scanned`.
    buffer: Vec<u8>,
    at: usize,
    scanned: usize,
}

impl<S> fmt::Debug for Lines<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<S: Io> Lines<S> {
    /// Reads and writes lines over `inner`, without a limit of time.
    pub fn new(inner: S, limits: LineLimits) -> Self {
        Self { inner, limits, pace: None, watch: None, buffer: Vec::new(), at: 0, scanned: 0 }
    }

    /// Grants `total` bytes from now on; what is left of an older grant is void.
    pub fn allow(&mut self, total: u64) {
        self.limits.total = total;
    }

    /// Ends the stream from now on when it is slower than `pace`; `None` waits for ever.
    pub fn keep_pace(&mut self, pace: Option<Pace>) {
        (self.pace, self.watch) = (pace, pace.map(Watch::new));
    }

    /// Whether nothing was received beyond what was handed up. Asked before TLS begins: what came
    /// in cleartext must not be taken for something said under its protection.
    pub fn is_drained(&self) -> bool {
        self.at >= self.buffer.len()
    }

    /// The stream below. What was received and not handed up is lost: see [`Lines::is_drained`].
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Bytes of memory held for received data, for tests of the bounds.
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next line, without its end (CRLF, or LF alone).
    ///
    /// # Errors
    /// There is none, or it is over a limit.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost.
    pub async fn line(&mut self) -> Result<&[u8], LineError> {
        let end = loop {
            let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
            if let Some(found) = fresh.iter().position(|byte| *byte == b'\n') {
                break self.scanned + found;
            }
            self.scanned = self.buffer.len();
            self.check_line(self.scanned)?;
            self.fill().await?;
        };
        self.check_line(end)?;
        let start = self.at;
        self.spend(end + 1 - start)?;
        let line = self.buffer.get(start..end).unwrap_or_default();
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether a line that goes on to `end`, at least, is not too long.
    fn check_line(&self, end: usize) -> Result<(), LineError> {
        let line = self.buffer.get(self.at..end).unwrap_or_default();
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        if length > self.limits.line { Err(LineError::Limit("a line")) } else { Ok(()) }
    }

    /// Everything up to the line that is a dot alone, which ends it, with the dots taken away that
    /// were put before others at the beginnings of lines. `expected` is how long it may well be, and
    /// `limit` how long it may be at most, in bytes.
    ///
    /// Lines are ended by CRLF here and by nothing else, so that no mail can pretend to be over.
    ///
    /// # Errors
    /// The stream ends before, or a limit is passed.
    ///
    /// # Cancel safety
    /// Not safe: what was read of the block is lost.
    pub async fn block(&mut self, expected: usize, limit: usize) -> Result<Vec<u8>, LineError> {
        let mut block = Vec::with_capacity(expected.min(limit).min(FIRST_PIECE));
        // Whether the buffer's first byte begins a line.
        let mut fresh_line = true;
        loop {
            let here = self.buffer.get(self.at..).unwrap_or_default();
            make_room(&mut block, here.len(), expected);
            let (used, ended) = unstuff(here, fresh_line, &mut block);
            self.spend(used)?;
            if block.len() > limit {
                return Err(LineError::Limit("a message"));
            }
            if ended {
                return Ok(block);
            }
            fresh_line &= used == 0;
            self.fill().await?;
        }
    }

    /// Goes on in the buffer.
    fn spend(&mut self, count: usize) -> Result<(), LineError> {
        let left = self.limits.total.checked_sub(count as u64);
        self.limits.total = left.ok_or(LineError::Limit("data for one command"))?;
        self.at += count;
        self.scanned = self.at;
        Ok(())
    }

    /// Receives more.
    async fn fill(&mut self) -> Result<(), LineError> {
        self.buffer.drain(..self.at);
        self.scanned -= self.at;
        self.at = 0;
        self.buffer.reserve(READ_SIZE);
        match poll_fn(|cx| self.poll_receive(cx)).await? {
            0 => Err(LineError::Closed),
            _ => Ok(()),
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, LineError>> {
        let polled = pin!(self.inner.read_buf(&mut self.buffer)).poll(cx);
        if let Some(watch) = &mut self.watch {
            watch.check(cx, &polled)?;
        }
        polled.map_err(LineError::from)
    }

    /// Sends `data` in one piece. While a pace is kept, the other side must not be silent longer
    /// than it allows before it takes some more.
    ///
    /// # Errors
    /// The connection is lost, or the other side takes nothing.
    ///
    /// # Cancel safety
    /// Not safe: a part may have been sent.
    pub async fn write_all(&mut self, mut data: &[u8]) -> Result<(), LineError> {
        while !data.is_empty() {
            let count = match self.pace {
                Some(pace) => within(pace.silence, "write", self.inner.write(data)).await.map_err(|_| Slow)??,
                None => self.inner.write(data).await?,
            };
            data = data.get(count..).filter(|_| count > 0).ok_or(LineError::Closed)?;
        }
        Ok(())
    }

    /// Sees to it that everything written leaves.
    ///
    /// # Errors
    /// As [`Lines::write_all`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn flush(&mut self) -> Result<(), LineError> {
        match self.pace {
            Some(pace) => within(pace.silence, "flush", self.inner.flush()).await.map_err(|_| Slow)??,
            None => self.inner.flush().await?,
        }
        Ok(())
    }
}

/// Makes room for `more` bytes: as much as is expected, but never far beyond what has arrived.
fn make_room(block: &mut Vec<u8>, more: usize, expected: usize) {
    if block.capacity() - block.len() < more {
        let missing = expected.checked_sub(block.len()).filter(|missing| *missing > 0).unwrap_or(usize::MAX);
        block.reserve_exact(missing.min(block.len().max(FIRST_PIECE)).max(more));
    }
}

/// Moves what `data` surely says of a block to `block`: how many bytes it used, and whether the block
/// has ended. What may turn out to be a part of its end stays in `data`, with the line end before it.
fn unstuff(data: &[u8], fresh_line: bool, block: &mut Vec<u8>) -> (usize, bool) {
    let mut copied = 0;
    let mut copy = |to: usize| {
        block.extend_from_slice(data.get(copied..to).unwrap_or_default());
        copied = to + 1;
    };
    let mut next = if fresh_line && data.first() == Some(&b'.') { Some(0) } else { dotted_line(data, 0) };
    while let Some(dot) = next {
        match data.get(dot + 1..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {
                copy(dot);
                return (dot + 3, true);
            }
            [] | [b'\r'] => {
                let kept = dot.saturating_sub(2);
                copy(kept);
                return (kept, false);
            }
            _ => copy(dot),
        }
        next = dotted_line(data, dot + 1);
    }
    let end = data.strip_suffix(b"\r\n").or_else(|| data.strip_suffix(b"\r")).unwrap_or(data).len();
    copy(end);
    (end, false)
}

/// Where the next dot stands that begins a line, behind a CRLF that stands at `from` or later.
fn dotted_line(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let here = data.get(at..data.len().min(at + STRIDE + 2))?;
        // Three strips of one length, so that the compiler can compare many bytes at once.
        let (first, second, third) = (here, here.get(1..)?, here.get(2..)?);
        let triples = first.iter().zip(second).zip(third);
        let is_end = |((a, b), c): ((&u8, &u8), &u8)| (*a == b'\r') & (*b == b'\n') & (*c == b'.');
        if triples.clone().fold(false, |found, triple| found | is_end(triple)) {
            return triples.map(is_end).position(|found| found).map(|found| at + found + 2);
        }
        at += STRIDE;
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;

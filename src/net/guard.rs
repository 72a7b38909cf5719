//! Stands between a socket and the IMAP parser, and lets nothing through that could hurt it.
//!
//! The guard finds the borders of responses by itself (RFC 9051 §2.2), and hands them up one at a
//! time and only when complete, so that the parser runs once over each and never waits for a
//! length it was told. What it takes care of:
//!
//! * Lines, nesting, literals, and everything received per command are bounded ([`Allowance`]).
//! * Literals in FETCH responses, that is, mail, are *lifted out*: read straight into a vector of
//!   their own, which grows with what arrives and not with what was announced. In the text, a
//!   literal of two bytes stands for them: NUL and a number. NUL is refused everywhere else in
//!   these responses, so nobody can forge such a mark.
//! * A stream that stalls or drips is ended ([`Pace`]).
//! * A filter may mend or drop each response before the parser sees it.
//!
//! Sent bytes are collected until flushed (one TLS record for a command) and wiped afterwards.

mod framer;

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use framer::{Framer, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use zeroize::Zeroize;

pub use super::pace::Pace;
use super::{
    Io,
    pace::{Slow, Watch},
    spoken::Spoken,
};

/// Bytes asked of the socket at once, where no literal is being read.
const READ_SIZE: usize = 8 << 10;
/// A literal's vector starts with at most this, and then doubles up to the announced size.
const FIRST_PIECE: usize = 256 << 10;

/// What a server may send until it is granted more; whatever is left of an older grant is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Largest single literal, in bytes.
    pub literal: u64,
    /// Everything together, in bytes.
    pub bytes: u64,
    /// How many responses.
    pub responses: u32,
}

impl Allowance {
    /// Enough for the answer to any command that asks for no mail.
    pub const SMALL: Self = Self { literal: 64 << 10, bytes: 1 << 20, responses: 1_000 };
}

/// Why the guard ended the stream; found inside the [`io::Error`] it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// More than allowed.
    #[error("over the limit: {0}")]
    Limit(&'static str),
    /// Not IMAP.
    #[error("not IMAP: {0}")]
    Violation(&'static str),
    /// Slower than the [`Pace`].
    #[error("too slow")]
    Slow,
}

impl From<Slow> for GuardError {
    fn from(Slow: Slow) -> Self {
        Self::Slow
    }
}

impl From<GuardError> for io::Error {
    fn from(error: GuardError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Mends a complete response (with its line end) in place, or drops it by returning `false`.
pub type Filter = fn(&mut Vec<u8>) -> bool;

/// See the module's description.
pub struct Guard<S> {
    inner: S,
    filter: Filter,
    allowance: Allowance,
    watch: Option<Watch>,
    framer: Framer,
    /// Received, not yet framed.
    raw: Vec<u8>,
    raw_at: usize,
    /// A complete response on its way up.
    out: Vec<u8>,
    out_at: usize,
    /// Literals of the response in `out`, and the one that is being read.
    lifted: Vec<Vec<u8>>,
    literal_left: u64,
    /// Written, not yet flushed.
    sending: Vec<u8>,
    sent: usize,
    deaf: bool,
    /// The first bytes that were received.
    opening: Vec<u8>,
}

impl<S> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allowance", &self.allowance).finish_non_exhaustive()
    }
}

impl<S: Io> Guard<S> {
    /// Guards `inner`; nothing is allowed until [`Guard::allow`].
    pub fn new(inner: S, filter: Filter) -> Self {
        Self {
            inner,
            filter,
            allowance: Allowance { literal: 0, bytes: 0, responses: 0 },
            watch: None,
            framer: Framer::default(),
            raw: Vec::new(),
            raw_at: 0,
            out: Vec::new(),
            out_at: 0,
            lifted: Vec::new(),
            literal_left: 0,
            sending: Vec::new(),
            sent: 0,
            deaf: false,
            opening: Vec::new(),
        }
    }

    /// The first bytes that were received, as many as tell what is spoken.
    pub fn opening(&self) -> &[u8] {
        &self.opening
    }

    /// Answers the next read with `response` from thin air, and swallows what is written, until
    /// [`Guard::listen`].
    pub fn rehearse(&mut self, response: &[u8]) {
        self.out = response.to_vec();
        self.deaf = true;
    }

    /// Ends [`Guard::rehearse`].
    pub fn listen(&mut self) {
        self.deaf = false;
        self.sending = Vec::new();
    }

    /// Grants what the server may send from now on.
    pub fn allow(&mut self, allowance: Allowance) {
        self.allowance = allowance;
    }

    /// Ends the stream from now on when it is slower than `pace`; `None` waits for ever.
    pub fn keep_pace(&mut self, pace: Option<Pace>) {
        self.watch = pace.map(Watch::new);
    }

    /// The lifted literal that `mark` stands for; `None` where `mark` is not a mark, or was used.
    pub fn take_lifted(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        match mark {
            [0, index] => self.lifted.get_mut(usize::from(*index)).map(std::mem::take),
            _ => None,
        }
    }

    /// Whether nothing was received beyond what was handed up.
    pub fn is_drained(&self) -> bool {
        self.raw.is_empty() && self.out.is_empty() && self.framer.is_at_start()
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Bytes of memory held for received data, for tests of the bounds.
    pub fn buffered(&self) -> usize {
        let lifted: usize = self.lifted.iter().map(Vec::capacity).sum();
        lifted + self.raw.capacity() + self.out.capacity() + self.framer.buffered()
    }

    /// Goes on in `raw`. Used up it keeps no capacity: thousands of connections wait, in IDLE.
    fn consume(&mut self, count: usize) {
        self.raw_at += count;
        if self.raw_at >= self.raw.len() {
            (self.raw, self.raw_at) = (Vec::new(), 0);
        }
    }

    /// Frames `raw` until a response is complete, a literal begins, or nothing is left.
    fn frame(&mut self) -> Result<(), GuardError> {
        if self.framer.is_at_start() {
            self.lifted = Vec::new();
        }
        let (used, step) = self.framer.feed(self.raw.get(self.raw_at..).unwrap_or_default())?;
        self.consume(used);
        match step {
            Step::More => {}
            Step::Literal(announced) => {
                if announced > self.allowance.literal {
                    return Err(GuardError::Limit("a literal"));
                }
                let here = self.raw.len().saturating_sub(self.raw_at) as u64;
                if announced.saturating_sub(here) > self.allowance.bytes {
                    return Err(GuardError::Limit("data for one command"));
                }
                self.lifted.push(Vec::new());
                self.literal_left = announced;
            }
            Step::Complete(mut text) => {
                let left = self.allowance.responses.checked_sub(1);
                self.allowance.responses = left.ok_or(GuardError::Limit("responses to one command"))?;
                if (self.filter)(&mut text) {
                    self.out = text;
                }
            }
        }
        Ok(())
    }

    /// Moves what is already here of the current literal.
    fn fill_literal(&mut self) {
        let here = self.raw.get(self.raw_at..).unwrap_or_default();
        let take = here.len().min(usize::try_from(self.literal_left).unwrap_or(usize::MAX));
        if let (Some(literal), Some(piece)) = (self.lifted.last_mut(), here.get(..take)) {
            make_room(literal, self.literal_left);
            literal.extend_from_slice(piece);
            self.consume(take);
            self.literal_left -= take as u64;
        }
    }

    /// Receives: into the current literal, or into `raw`. `false` at the end of the stream.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let received = if self.literal_left > 0
            && let Some(literal) = self.lifted.last_mut()
        {
            make_room(literal, self.literal_left);
            let mut rest = (&mut self.inner).take(self.literal_left);
            let polled = pin!(rest.read_buf(literal)).poll(cx);
            polled.map_ok(|count| {
                self.literal_left -= count as u64;
                count
            })
        } else {
            let mut space = [MaybeUninit::uninit(); READ_SIZE];
            let mut space = ReadBuf::uninit(&mut space);
            let polled = Pin::new(&mut self.inner).poll_read(cx, &mut space);
            self.raw.extend_from_slice(space.filled());
            let wanting = Spoken::TELLING.saturating_sub(self.opening.len());
            self.opening.extend(space.filled().iter().take(wanting));
            polled.map_ok(|()| space.filled().len())
        };
        if let Some(watch) = &mut self.watch {
            watch.check(cx, &received).map_err(GuardError::from)?;
        }
        let count = ready!(received)? as u64;
        let left = self.allowance.bytes.checked_sub(count);
        self.allowance.bytes = left.ok_or(GuardError::Limit("data for one command"))?;
        Poll::Ready(Ok(count > 0))
    }
}

/// Makes room in `literal` for at least a part of the `left` bytes to come, never for more.
fn make_room(literal: &mut Vec<u8>, left: u64) {
    if literal.len() == literal.capacity() {
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        literal.reserve_exact(left.min(literal.len().max(FIRST_PIECE)));
    }
}

impl<S: Io> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let ready = this.out.get(this.out_at..).unwrap_or_default();
            if !ready.is_empty() {
                let count = ready.len().min(buf.remaining());
                buf.put_slice(ready.get(..count).unwrap_or_default());
                this.out_at += count;
                if this.out_at == this.out.len() {
                    (this.out, this.out_at) = (Vec::new(), 0);
                }
                return Poll::Ready(Ok(()));
            }
            if this.raw_at < this.raw.len() {
                if this.literal_left > 0 {
                    this.fill_literal();
                } else {
                    this.frame()?;
                }
                continue;
            }
            if !ready!(this.poll_receive(cx))? {
                let middle = this.literal_left > 0 || !this.framer.is_at_start();
                return Poll::Ready(if middle { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) });
            }
        }
    }
}

impl<S: Io> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().sending.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.deaf {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = this.sending.get(this.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut this.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => this.sent += count,
            }
        }
        this.sending.zeroize();
        (this.sending, this.sent) = (Vec::new(), 0);
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;

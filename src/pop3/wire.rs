//! Commands and answers.

use std::{fmt, future::Future, time::Duration};

use super::error::{Pop3Error, Reply};
use crate::net::{
    Io,
    deadline::within,
    lines::{LineLimits, Lines},
    pace::Pace,
};

/// Longest line taken, in bytes. The standard allows 512, and 70 for a UIDL; some write more.
const LINE_LIMIT: usize = 4096;
/// Enough for the answer to any command that lists nothing.
const SMALL: u64 = 64 << 10;

/// A stream that commands are sent over.
pub struct Wire<T: Io> {
    lines: Lines<T>,
}

impl<T: Io> fmt::Debug for Wire<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// What the first line of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub enum Status {
    /// `+OK`, and what follows.
    Ok(String),
    /// `-ERR`, and what follows.
    Err(Reply),
    /// `+`: the server waits for more.
    Continue,
}

impl<T: Io> Wire<T> {
    /// Speaks POP3 over a stream. Nothing is sent or received.
    pub fn over(stream: T) -> Self {
        Self { lines: Lines::new(stream, LineLimits { line: LINE_LIMIT, total: SMALL }) }
    }

    /// Whether nothing was received beyond the answers that were read.
    pub fn is_drained(&self) -> bool {
        self.lines.is_drained()
    }

    /// Bytes of memory held for received data, for tests of the bounds.
    pub fn buffered(&self) -> usize {
        self.lines.buffered()
    }

    /// Ends the stream from now on when it is slower than `pace`; `None` waits for ever.
    pub fn keep_pace(&mut self, pace: Option<Pace>) {
        self.lines.keep_pace(pace);
    }

    /// Sends one command or more, with their line ends.
    pub async fn send(&mut self, during: &'static str, commands: &str) -> Result<(), Pop3Error> {
        let lost = |error| Pop3Error::of_line(error, during);
        self.lines.write_all(commands.as_bytes()).await.map_err(lost)?;
        self.lines.flush().await.map_err(lost)
    }

    /// The first line of the next answer.
    pub async fn status(&mut self, during: &'static str) -> Result<Status, Pop3Error> {
        self.lines.allow(SMALL);
        let line = self.lines.line().await.map_err(|error| Pop3Error::of_line(error, during))?;
        parse_status(line).ok_or_else(|| Pop3Error::not_understood(line))
    }

    /// The first line of the next answer, which is a good one or a bad one.
    pub async fn answer(&mut self, during: &'static str) -> Result<Result<String, Reply>, Pop3Error> {
        match self.status(during).await? {
            Status::Ok(text) => Ok(Ok(text)),
            Status::Err(reply) => Ok(Err(reply)),
            Status::Continue => Err(Pop3Error::not_understood(b"+ where nothing more was to be said")),
        }
    }

    /// The lines that follow the first one of an answer, up to the dot; at most `limit` bytes.
    pub async fn rest(
        &mut self,
        during: &'static str,
        limit: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), Pop3Error>,
    ) -> Result<(), Pop3Error> {
        self.lines.allow(limit);
        loop {
            let line = self.lines.line().await.map_err(|error| Pop3Error::of_line(error, during))?;
            match line {
                b"." => return Ok(()),
                [b'.', rest @ ..] => each(rest)?,
                line => each(line)?,
            }
        }
    }

    /// The mail that follows the first line of an answer: of about `expected` bytes, and at most `limit`.
    pub async fn mail(&mut self, during: &'static str, expected: u64, limit: u64) -> Result<Vec<u8>, Pop3Error> {
        // A dot may be put before each line, the shortest of which is its end.
        self.lines.allow(limit.saturating_mul(2).saturating_add(SMALL));
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        self.lines.block(size(expected), size(limit)).await.map_err(|error| Pop3Error::of_line(error, during))
    }

    /// Sends a command whose answer is one line, and reads it within `limit`; a bad one is an error.
    pub async fn command(&mut self, name: &'static str, command: &str, limit: Duration) -> Result<String, Pop3Error> {
        bounded(limit, name, async {
            self.send(name, command).await?;
            accepted(name, self.answer(name).await?)
        })
        .await
    }
}

/// `-ERR` as an error.
pub fn accepted(command: &'static str, answer: Result<String, Reply>) -> Result<String, Pop3Error> {
    answer.map_err(|reply| Pop3Error::Rejected { reply, command })
}

/// Waits for a step of the conversation, but no longer than `limit`.
pub async fn bounded<R>(
    limit: Duration,
    during: &'static str,
    step: impl Future<Output = Result<R, Pop3Error>>,
) -> Result<R, Pop3Error> {
    within(limit, during, step).await.map_err(|_| Pop3Error::Timeout { during })?
}

fn parse_status(line: &[u8]) -> Option<Status> {
    if line.contains(&0) {
        return None;
    }
    let line = String::from_utf8_lossy(line);
    let (word, text) = line.split_once(' ').unwrap_or((&line, ""));
    match word.trim_end().to_ascii_uppercase().as_str() {
        "+OK" => Some(Status::Ok(text.to_owned())),
        "-ERR" => Some(Status::Err(Reply::parse(text))),
        "+" => Some(Status::Continue),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let bad = |text: &str| Some(Status::Err(Reply::parse(text)));
        assert_eq!(parse_status(b"+OK"), Some(Status::Ok(String::new())));
        assert_eq!(parse_status(b"+ok 2 320"), Some(Status::Ok("2 320".to_owned())));
        assert_eq!(parse_status(b"-ERR [AUTH] no \xff"), bad("[AUTH] no \u{fffd}"));
        assert_eq!(parse_status(b"+ "), Some(Status::Continue));
        assert_eq!(parse_status(b"+"), Some(Status::Continue));
        for line in [b"".as_slice(), b"OK", b"+OKAY", b"-ERROR", b"+OK a\0b", b"* OK hello", b"220 hello"] {
            assert_eq!(parse_status(line), None);
        }
    }
}

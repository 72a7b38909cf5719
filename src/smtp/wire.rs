//! Commands out, replies in: the layer that bounds both in size and time.

use std::{future::Future, time::Duration};

use super::{
    error::{SmtpError, Stage},
    reply::{MOST_LINES, RawReply, SmtpReply},
};
use crate::net::{
    Io,
    deadline::within,
    lines::{LineError, LineLimits, Lines},
    pace::Pace,
};

/// What one reply may have; an honest server's is a hundredth of it.
const LIMITS: LineLimits = LineLimits { line: 4 << 10, total: 64 << 10 };

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the connection to the end of the TLS handshake.
    pub tls: Duration,
    /// From there to the greeting.
    pub greeting: Duration,
    /// Any command that is not below, from its first byte to its reply.
    pub command: Duration,
    /// From DATA to the reply that asks for the message.
    pub data: Duration,
    /// Longest time in which the server takes nothing of the message.
    pub block: Duration,
    /// From the final dot to its reply. Too short a wait here doubles mail.
    pub dot: Duration,
    /// QUIT.
    pub quit: Duration,
}

impl Timeouts {
    /// What suits a profile with this `connection_timeout`: each step the usual limit, or
    /// `connection_timeout` where that is shorter; but for the message what RFC 5321 §4.5.3.2 says
    /// in any case.
    pub fn new(connection_timeout: Duration) -> Self {
        let seconds = |limit| connection_timeout.min(Duration::from_secs(limit));
        Self {
            tls: seconds(10),
            greeting: seconds(30),
            command: connection_timeout,
            data: Duration::from_mins(2),
            block: Duration::from_mins(3),
            dot: Duration::from_mins(10),
            quit: seconds(5),
        }
    }
}

/// A stream that commands are sent over.
#[derive(Debug)]
pub(super) struct Wire<T> {
    lines: Lines<T>,
}

impl<T: Io> Wire<T> {
    /// Puts SMTP over a stream. Nothing is sent or received.
    pub(super) fn over(stream: T) -> Self {
        Self { lines: Lines::new(stream, LIMITS) }
    }

    /// Whether nothing was received beyond the replies that were read.
    pub(super) fn is_drained(&self) -> bool {
        self.lines.is_drained()
    }

    /// Bytes of memory held for received data.
    pub(super) fn buffered(&self) -> usize {
        self.lines.buffered()
    }

    /// Sends commands, complete with their line ends, in one piece. Where the server has closed and
    /// said why, the error says it.
    pub(super) async fn send(&mut self, stage: Stage, commands: &[u8], limit: Duration) -> Result<(), SmtpError> {
        let sending = async {
            self.lines.write_all(commands).await?;
            self.lines.flush().await
        };
        let sent = bounded(limit, stage, sending).await?;
        self.explained(sent, stage, limit).await
    }

    /// The next reply, whatever it says.
    pub(super) async fn reply(&mut self, stage: Stage, limit: Duration) -> Result<RawReply, SmtpError> {
        self.lines.allow(LIMITS.total);
        bounded(limit, stage, self.read_reply(stage)).await?
    }

    async fn read_reply(&mut self, stage: Stage) -> Result<RawReply, SmtpError> {
        let mut reply = RawReply::default();
        for _ in 0..MOST_LINES {
            let line = self.lines.line().await.map_err(|error| lost(error, stage))?;
            if !reply.push(line).map_err(|what| SmtpError::Protocol { stage, what })? {
                return Ok(reply);
            }
        }
        Err(SmtpError::Limit { stage, what: "lines in a reply" })
    }

    /// Sends a command and reads its reply, within `limit` each.
    pub(super) async fn command(
        &mut self,
        stage: Stage,
        command: &str,
        limit: Duration,
    ) -> Result<SmtpReply, SmtpError> {
        self.send(stage, command.as_bytes(), limit).await?;
        self.reply(stage, limit).await.map(SmtpReply::from)
    }

    /// Sends the message, as it goes over the wire. The server may take as long as it likes while
    /// it takes something every `block`.
    pub(super) async fn transfer(&mut self, data: &[u8], block: Duration) -> Result<(), SmtpError> {
        self.lines.keep_pace(Some(Pace { silence: block, window: block, minimum: 0 }));
        let sent = match self.lines.write_all(data).await {
            Ok(()) => self.lines.flush().await,
            failed => failed,
        };
        self.lines.keep_pace(None);
        self.explained(sent, Stage::Body, block).await
    }

    /// Looks behind a failed write for the reason that the server gave before it closed.
    async fn explained(&mut self, sent: Result<(), LineError>, stage: Stage, limit: Duration) -> Result<(), SmtpError> {
        let error = match sent {
            Ok(()) => return Ok(()),
            Err(error) => lost(error, stage),
        };
        if !matches!(error, SmtpError::Eof { .. }) {
            return Err(error);
        }
        match self.reply(stage, limit).await.map(|reply| refused(stage, reply.into())) {
            Ok(said @ SmtpError::Rejected { .. }) => Err(said),
            _ => Err(error),
        }
    }
}

/// A reply that is not the yes that was waited for.
pub(super) fn refused(stage: Stage, reply: SmtpReply) -> SmtpError {
    if reply.is_transient() || reply.is_permanent() {
        SmtpError::Rejected { stage, reply }
    } else {
        SmtpError::Protocol { stage, what: format!("{reply} makes no sense here") }
    }
}

/// Any yes.
pub(super) fn accepted(stage: Stage, reply: SmtpReply) -> Result<SmtpReply, SmtpError> {
    if reply.is_positive() { Ok(reply) } else { Err(refused(stage, reply)) }
}

async fn bounded<R>(limit: Duration, stage: Stage, step: impl Future<Output = R>) -> Result<R, SmtpError> {
    within(limit, stage.name(), step).await.map_err(|_| SmtpError::Timeout { stage })
}

/// Classifies an error of the stream.
fn lost(error: LineError, stage: Stage) -> SmtpError {
    match error {
        LineError::Closed => SmtpError::Eof { stage },
        LineError::Slow => SmtpError::Timeout { stage },
        LineError::Limit(what) => SmtpError::Limit { stage, what },
        LineError::Net(error) => SmtpError::Net(error),
    }
}

//! A logged-in connection that hands over one mail after the other.

use std::{fmt, mem};

use super::{
    capability::Capabilities,
    envelope::{Envelope, rcpt},
    error::{SmtpError, Stage},
    reply::SmtpReply,
    stuffing::stuff,
    wire::{Timeouts, Wire, accepted, refused},
};
use crate::net::{Io, tls::Transport};

/// How far the mail under way has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Idle,
    /// The server still remembers one that came to nothing.
    Stale,
    /// The server waits for the message.
    Data,
    /// The server has the message, but for the final dot.
    Transferred,
    /// In the middle of something, or lost: of no use.
    Broken,
}

/// A logged-in connection.
///
/// After an error ask [`Session::is_usable`] before you go on. Every method ends within the
/// [`Timeouts`].
///
/// # Cancel safety
/// Dropping a future in the middle leaves the session unusable. Before the final dot, that loses
/// and doubles nothing.
pub struct Session<S: Io> {
    wire: Wire<Transport<S>>,
    timeouts: Timeouts,
    capabilities: Capabilities,
    phase: Phase,
}

impl<S: Io> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// What a server says to an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// For each recipient, in order, whether it was accepted.
    pub recipients: Vec<Result<SmtpReply, SmtpReply>>,
    /// Whether the message may follow. Where not, `refusal` says why, or nobody was accepted.
    pub ready: bool,
    /// The refusal of DATA, where recipients had been accepted before.
    pub refusal: Option<SmtpReply>,
}

impl<S: Io> Session<S> {
    pub(super) fn new(wire: Wire<Transport<S>>, timeouts: Timeouts, capabilities: Capabilities) -> Self {
        Self { wire, timeouts, capabilities, phase: Phase::Idle }
    }

    /// What the server offers.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether another mail can begin.
    pub fn is_usable(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Stale)
    }

    /// Bytes of memory held for received data, for tests of the bounds.
    pub fn buffered(&self) -> usize {
        self.wire.buffered()
    }

    /// Names sender and recipients, and asks to transfer a message: MAIL, RCPT for each, DATA; all
    /// at once where the server allows it. A mail before that came to nothing is forgotten first.
    ///
    /// # Errors
    /// What the server cannot take by what it offers, and what cannot be said, is refused before
    /// anything is sent. The server refused MAIL, said 421, broke the protocol, was silent, or is gone.
    /// Nothing was sent to anybody.
    pub async fn begin(&mut self, envelope: &Envelope<'_>) -> Result<Begun, SmtpError> {
        if !self.is_usable() {
            return Err(SmtpError::NotReady);
        }
        envelope.check(&self.capabilities)?;
        let stale = mem::replace(&mut self.phase, Phase::Broken) == Phase::Stale;
        let ahead = self.capabilities.pipelining;
        let mail = envelope.mail(&self.capabilities);
        if ahead {
            let recipients = envelope.rcpt_to.iter().map(|address| rcpt(address));
            let reset = if stale { "RSET\r\n" } else { "" };
            let mut group = format!("{reset}{mail}");
            group.extend(recipients);
            group.push_str("DATA\r\n");
            self.send(Stage::Mail, group.as_bytes()).await?;
        }
        if stale {
            let reply = self.ask(ahead, Stage::Reset, "RSET\r\n").await?;
            accepted(Stage::Reset, reply)?;
        }
        let reply = self.ask(ahead, Stage::Mail, &mail).await?;
        if !reply.is_positive() {
            return Err(self.mail_refused(ahead, reply, envelope.rcpt_to.len()).await);
        }
        let mut recipients = Vec::with_capacity(envelope.rcpt_to.len());
        for address in envelope.rcpt_to {
            let reply = self.ask(ahead, Stage::Rcpt, &rcpt(address)).await?;
            recipients.push(match reply.is_positive() {
                true => Ok(reply),
                false if reply.is_transient() || reply.is_permanent() => Err(reply),
                false => return Err(refused(Stage::Rcpt, reply)),
            });
        }
        self.ask_for_data(ahead, recipients).await
    }

    /// DATA, after all the recipients.
    async fn ask_for_data(
        &mut self,
        ahead: bool,
        recipients: Vec<Result<SmtpReply, SmtpReply>>,
    ) -> Result<Begun, SmtpError> {
        let somebody = recipients.iter().any(Result::is_ok);
        if !somebody && !ahead {
            self.phase = Phase::Stale;
            return Ok(Begun { recipients, ready: false, refusal: None });
        }
        let reply = self.ask(ahead, Stage::Data, "DATA\r\n").await?;
        let goes_on = reply.code == 354;
        if !goes_on && !reply.is_transient() && !reply.is_permanent() {
            return Err(refused(Stage::Data, reply));
        }
        if !somebody && goes_on {
            self.end_for_nobody().await?;
        }
        let begun =
            Begun { recipients, ready: somebody && goes_on, refusal: Some(reply).filter(|_| somebody && !goes_on) };
        // A reply to nothing would be taken for the one to the final dot.
        if !self.wire.is_drained() {
            return Err(SmtpError::Protocol { stage: Stage::Data, what: "a reply to nothing".to_owned() });
        }
        self.phase = if begun.ready { Phase::Data } else { Phase::Stale };
        Ok(begun)
    }

    /// Reads the replies to what was sent along with a MAIL that was refused.
    async fn mail_refused(&mut self, ahead: bool, reply: SmtpReply, recipients: usize) -> SmtpError {
        let error = refused(Stage::Mail, reply);
        if !matches!(error, SmtpError::Rejected { .. }) {
            return error;
        }
        if ahead && self.skip_replies(recipients).await.is_err() {
            return error;
        }
        self.phase = Phase::Stale;
        error
    }

    async fn skip_replies(&mut self, recipients: usize) -> Result<(), SmtpError> {
        for _ in 0..recipients {
            self.answer(Stage::Rcpt).await?;
        }
        if self.answer(Stage::Data).await?.code == 354 { self.end_for_nobody().await } else { Ok(()) }
    }

    /// Ends a message that the server asked for although it goes to nobody: with the dot alone
    /// (RFC 2920 §3.1). Whatever the reply is, nobody gets anything.
    async fn end_for_nobody(&mut self) -> Result<(), SmtpError> {
        self.send(Stage::Data, b".\r\n").await?;
        self.answer(Stage::Data).await.map(drop)
    }

    /// Transfers everything up to, not including, the final dot.
    ///
    /// # Errors
    /// A CR or LF stands alone in `message`: then nothing was sent. The server refused it before its
    /// end, took nothing for too long, or is gone. Nothing was sent to anybody. The session cannot be
    /// used any more.
    pub async fn body(&mut self, message: &[u8]) -> Result<(), SmtpError> {
        if self.phase != Phase::Data {
            return Err(SmtpError::NotReady);
        }
        self.phase = Phase::Broken;
        let data = stuff(message).map_err(|_| SmtpError::BareLineEnd)?;
        self.wire.transfer(&data, self.timeouts.block).await?;
        self.phase = Phase::Transferred;
        Ok(())
    }

    /// Sends the final dot, and waits for the reply: 250, with which the server takes the mail over,
    /// or a refusal (4yz, 5yz), with which it does not.
    ///
    /// # Errors
    /// Every one but [`SmtpError::NotReady`] means that nobody knows whether the server took the mail.
    ///
    /// # Cancel safety
    /// As with an error: whoever drops the future does not know.
    pub async fn finish(&mut self) -> Result<SmtpReply, SmtpError> {
        if self.phase != Phase::Transferred {
            return Err(SmtpError::NotReady);
        }
        self.phase = Phase::Broken;
        match self.wire.send(Stage::Dot, b".\r\n", self.timeouts.block).await {
            Ok(()) => {}
            // What the server said before it closed.
            Err(SmtpError::Rejected { reply, .. }) => return Ok(reply),
            Err(error) => return Err(error),
        }
        let reply = SmtpReply::from(self.wire.reply(Stage::Dot, self.timeouts.dot).await?);
        let took = reply.code == 250;
        if !took && !reply.is_transient() && !reply.is_permanent() {
            return Err(refused(Stage::Dot, reply));
        }
        if self.wire.is_drained() && !reply.closes() {
            self.phase = if took { Phase::Idle } else { Phase::Stale };
        }
        Ok(reply)
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// The server did not answer as it should; nothing depends on it.
    pub async fn quit(mut self) -> Result<(), SmtpError> {
        if !self.is_usable() {
            return Err(SmtpError::NotReady);
        }
        let reply = self.wire.command(Stage::Quit, "QUIT\r\n", self.timeouts.quit).await?;
        accepted(Stage::Quit, reply).map(drop)
    }

    /// The reply to `command`, which is sent now unless it went `ahead`.
    async fn ask(&mut self, ahead: bool, stage: Stage, command: &str) -> Result<SmtpReply, SmtpError> {
        if !ahead {
            self.send(stage, command.as_bytes()).await?;
        }
        self.answer(stage).await
    }

    async fn send(&mut self, stage: Stage, commands: &[u8]) -> Result<(), SmtpError> {
        self.wire.send(stage, commands, self.timeouts.command).await
    }

    /// The next reply. One that says that the server closes the connection is an error at once.
    async fn answer(&mut self, stage: Stage) -> Result<SmtpReply, SmtpError> {
        let limit = if stage == Stage::Data { self.timeouts.data } else { self.timeouts.command };
        let reply = SmtpReply::from(self.wire.reply(stage, limit).await?);
        if reply.closes() { Err(SmtpError::Rejected { stage, reply }) } else { Ok(reply) }
    }
}

//! Commands and responses: the layer that checks every tag and every status.

use std::{fmt, future::Future, io, panic::AssertUnwindSafe, time::Duration};

use async_imap::{Client, imap_proto::Status};
use futures::FutureExt;
use tokio::io::AsyncWriteExt;

use super::{
    error::{ImapError, Refusal, Reply},
    event::{Capabilities, Condition, Event, Note},
    quirks,
};
use crate::net::{
    Io,
    deadline::within,
    error::NetError,
    guard::{Allowance, Guard, GuardError},
};

/// A stream that commands are sent over.
pub struct Wire<T: Io> {
    session: async_imap::Session<Guard<T>>,
    /// Whether a number of messages was announced since somebody last cared: a server says it
    /// once, during whatever command it likes.
    pub announced: bool,
    /// What the server says it can do, where it said so since the log-in.
    pub capabilities: Option<Capabilities>,
    /// A log-in whose answer was not waited for: the command's name and its tag.
    log_in: Option<(&'static str, String)>,
    /// What the server wanted the user to know last.
    pub notice: Option<String>,
}

impl<T: Io> fmt::Debug for Wire<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl<T: Io> Wire<T> {
    /// Puts IMAP over a stream. Nothing is sent or received.
    ///
    /// async-imap hands out the type with the raw primitives only in exchange for a LOGIN, whose
    /// refusal it turns into text without a code. So it is given one that goes nowhere.
    pub async fn over(stream: T) -> Result<Self, ImapError> {
        let mut guard = Guard::new(stream, quirks::mend);
        guard.rehearse(b"A0001 OK\r\n");
        let mut session = Client::new(guard).login("", "").await.map_err(|(error, _)| lost(error, "start"))?;
        session.get_mut().listen();
        Ok(Self { session, announced: false, capabilities: None, log_in: None, notice: None })
    }

    /// The guard below.
    pub fn guard(&mut self) -> &mut Guard<T> {
        self.session.get_mut()
    }

    /// Sends a command without waiting for its answer; returns its tag. `name` is the command
    /// without arguments.
    pub async fn send(&mut self, name: &'static str, command: &str) -> Result<String, ImapError> {
        match self.session.run_command(command).await {
            Ok(tag) => Ok(tag.0),
            Err(error) => Err(self.last_words(name).await.unwrap_or_else(|| lost(error, name))),
        }
    }

    /// Notes that a log-in was sent whose answer comes before that of whatever is sent next.
    pub fn goes_on_behind(&mut self, name: &'static str, tag: String) {
        self.log_in = Some((name, tag));
    }

    /// Waits for the answer to the log-in, where nobody did so yet.
    pub async fn logged_in(&mut self) -> Result<(), ImapError> {
        while let Some((name, _)) = self.log_in {
            self.part_of_log_in(name).await?;
        }
        Ok(())
    }

    /// Takes the log-in's answer, and what belongs to it; any other response is handed on.
    async fn part_of_log_in(&mut self, name: &'static str) -> Result<Option<Event>, ImapError> {
        match self.event(name).await? {
            Event::Status(Condition { status: Status::Bye, reply, .. }) => Err(ImapError::Bye(reply)),
            Event::Continue => Err(ImapError::Protocol("a question where the log-in had none open".to_owned())),
            Event::Capabilities(found) => {
                self.capabilities = Some(found);
                Ok(None)
            }
            Event::Done(tag, condition) if self.log_in.take_if(|(_, of)| *of == tag).is_some() => {
                self.accept_log_in(name, condition)?;
                Ok(None)
            }
            Event::Done(..) => Err(stray_tag()),
            event => Ok(Some(event)),
        }
    }

    /// Takes over what the answer to a log-in says of capabilities.
    pub fn accept_log_in(&mut self, name: &'static str, condition: Condition) -> Result<(), ImapError> {
        if let Note::Capabilities(found) = accepted(name, condition)?.note {
            self.capabilities = Some(found);
        }
        Ok(())
    }

    /// Sends a line that belongs to the command before it.
    pub async fn send_line(&mut self, name: &'static str, line: &str) -> Result<(), ImapError> {
        self.session.run_command_untagged(line).await.map_err(|error| lost(error, name))
    }

    /// Sends bytes that belong to the command before them.
    pub async fn send_bytes(&mut self, name: &'static str, bytes: &[u8]) -> Result<(), ImapError> {
        let guard = self.session.get_mut();
        let sent = async {
            guard.write_all(bytes).await?;
            guard.flush().await
        };
        match sent.await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.last_words(name).await.unwrap_or_else(|| broken(&error, name))),
        }
    }

    /// Why the server closed, where it said so before: found behind a failed write.
    async fn last_words(&mut self, name: &'static str) -> Option<ImapError> {
        self.guard().allow(Allowance::SMALL);
        loop {
            match self.next(name).await {
                Err(bye @ ImapError::Bye(_)) => return Some(bye),
                Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next response, whatever it is.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost.
    pub async fn event(&mut self, during: &'static str) -> Result<Event, ImapError> {
        // Known ways to make imap-proto panic are mended before; this is for the unknown ones.
        let parsed = AssertUnwindSafe(self.session.read_response()).catch_unwind().await;
        let response = parsed
            .map_err(|_| ImapError::Protocol("a response that the parser died of".to_owned()))?
            .map_err(|error| broken(&error, during))?
            .ok_or(ImapError::Eof { during })?;
        let guard = self.session.get_mut();
        let event = Event::of(response.parsed(), |mark| guard.take_lifted(mark));
        self.announced |= matches!(event, Event::Exists(_));
        if let Event::Status(condition) | Event::Done(_, condition) = &event
            && let Some(words) = condition.notice()
        {
            self.notice = Some(words.to_owned());
        }
        Ok(event)
    }

    /// The next response; BYE is an error.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost.
    pub async fn next(&mut self, during: &'static str) -> Result<Event, ImapError> {
        while let Some((name, _)) = self.log_in {
            if let Some(event) = self.part_of_log_in(name).await? {
                return Ok(event);
            }
        }
        match self.event(during).await? {
            Event::Status(Condition { status: Status::Bye, reply, .. }) => Err(ImapError::Bye(reply)),
            event => Ok(event),
        }
    }

    /// Reads up to the answer to `tag`, and gives everything before it to `other`.
    pub async fn answer(
        &mut self,
        name: &'static str,
        tag: &str,
        mut other: impl FnMut(Event) -> Result<(), ImapError>,
    ) -> Result<Condition, ImapError> {
        loop {
            match self.next(name).await? {
                Event::Done(of, condition) if of == tag => return accepted(name, condition),
                Event::Done(..) => return Err(stray_tag()),
                event => other(event)?,
            }
        }
    }

    /// Sends a command whose answer is short, and reads up to its end within `limit`.
    pub async fn command(
        &mut self,
        name: &'static str,
        command: &str,
        limit: Duration,
        other: impl FnMut(Event) -> Result<(), ImapError>,
    ) -> Result<Condition, ImapError> {
        self.guard().allow(Allowance::SMALL);
        bounded(limit, name, async {
            let tag = self.send(name, command).await?;
            self.answer(name, &tag, other).await
        })
        .await
    }
}

/// NO and BAD as errors.
pub fn accepted(command: &'static str, condition: Condition) -> Result<Condition, ImapError> {
    let status = match condition.status {
        Status::Ok => return Ok(condition),
        Status::No => Refusal::No,
        _ => Refusal::Bad,
    };
    Err(ImapError::Rejected { status, reply: condition.reply, command })
}

/// A tagged answer to nothing.
pub fn stray_tag() -> ImapError {
    ImapError::Protocol("an answer to a command that was not given".to_owned())
}

/// Waits for a step of the conversation, but no longer than `limit`.
pub async fn bounded<R>(
    limit: Duration,
    during: &'static str,
    step: impl Future<Output = Result<R, ImapError>>,
) -> Result<R, ImapError> {
    within(limit, during, step).await.map_err(|_| ImapError::Timeout { during })?
}

fn lost(error: async_imap::error::Error, during: &'static str) -> ImapError {
    match error {
        async_imap::error::Error::Io(error) => broken(&error, during),
        other => ImapError::Protocol(other.to_string()),
    }
}

/// Classifies an error of the stream.
fn broken(error: &io::Error, during: &'static str) -> ImapError {
    if let Some(guard) = error.get_ref().and_then(|inner| inner.downcast_ref::<GuardError>()) {
        return match guard {
            GuardError::Limit(what) => ImapError::Limit(what),
            GuardError::Violation(what) => ImapError::Protocol((*what).to_owned()),
            GuardError::Slow => ImapError::Timeout { during },
        };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::WriteZero => ImapError::Eof { during },
        // async-imap's own: the parser's error with the whole input in it, twice.
        io::ErrorKind::Other => {
            let text = error.to_string();
            let input = text.split_once("during parsing of ").map_or(text.as_str(), |(_, input)| input);
            ImapError::Protocol(input.chars().take(Reply::EXCERPT).collect())
        }
        kind => ImapError::Net(NetError::Io(kind)),
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;

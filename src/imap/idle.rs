//! IDLE (RFC 2177), by hand: a hint that something changed, nothing more.

use std::time::Duration;

use super::{
    error::ImapError,
    event::Event,
    session::Session,
    wire::{accepted, bounded, stray_tag},
};
use crate::net::{Io, deadline::within, guard::Allowance};

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// The server announced a number of messages.
    Changed,
    /// It did not, for as long as we wanted to wait.
    TimedOut,
}

impl<S: Io> Session<S> {
    /// Starts IDLE in the open Inbox: from now on only [`Session::wait`] and [`Session::done`].
    ///
    /// # Errors
    /// The server refuses, or the connection is lost.
    pub async fn idle(&mut self) -> Result<(), ImapError> {
        self.wire.guard().allow(Allowance::SMALL);
        let limit = self.timeouts.command;
        let tag = bounded(limit, "IDLE", async {
            let tag = self.wire.send("IDLE", "IDLE").await?;
            loop {
                match self.wire.next("IDLE").await? {
                    Event::Continue => return Ok(tag),
                    Event::Done(of, condition) if of == tag => {
                        accepted("IDLE", condition)?;
                        return Err(ImapError::Protocol("IDLE ended before it began".to_owned()));
                    }
                    Event::Done(..) => return Err(stray_tag()),
                    _ => {}
                }
            }
        })
        .await?;
        self.idling = Some(tag);
        Ok(())
    }

    /// Waits until the server announces a number of messages, or `limit` has passed. What it
    /// announced since the last [`Session::examine`] counts, during whatever command it did so.
    /// Servers log idle clients out after 30 minutes: end IDLE before.
    ///
    /// # Errors
    /// The server ended IDLE or the connection.
    ///
    /// # Cancel safety
    /// Safe: go on with [`Session::wait`] or [`Session::done`].
    pub async fn wait(&mut self, limit: Duration) -> Result<Idle, ImapError> {
        self.wire.guard().allow(Allowance::SMALL);
        let change = async {
            while !self.wire.announced {
                if let Event::Done(..) = self.wire.next("IDLE").await? {
                    return Err(ImapError::Protocol("the server ended IDLE".to_owned()));
                }
            }
            self.wire.announced = false;
            Ok(Idle::Changed)
        };
        within(limit, "IDLE", change).await.unwrap_or(Ok(Idle::TimedOut))
    }

    /// Ends IDLE. What changed meanwhile is not told: look.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn done(&mut self) -> Result<(), ImapError> {
        let Some(tag) = self.idling.take() else { return Ok(()) };
        self.wire.guard().allow(Allowance::SMALL);
        bounded(self.timeouts.command, "DONE", async {
            self.wire.send_line("DONE", "DONE").await?;
            self.wire.answer("DONE", &tag, |_| Ok(())).await
        })
        .await
        .map(drop)
    }
}

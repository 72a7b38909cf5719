//! A logged-in connection.

use std::{collections::VecDeque, fmt, time::Duration};

use async_imap::imap_proto::Status;

use super::{
    connect::ask_capabilities,
    error::ImapError,
    event::{Capabilities, Condition, Event, FolderNumbers, Note},
    fetch::Outstanding,
    wire::{Wire, bounded},
};
use crate::{
    model::{
        cursor::FolderView,
        uid::{Uid, UidValidity},
    },
    net::{Io, deadline::Timeouts, guard::Allowance, tls::Transport},
};

/// A logged-in connection to one mailbox's server.
///
/// Nothing changes anything on the server but [`Session::append`], [`Session::delete`] and
/// [`Session::move_to`]. After an error the connection is in an unknown
/// state: drop it. Every method ends within the [`Timeouts`].
///
/// # Cancel safety
/// Dropping a future in the middle leaves an answer outstanding: drop the session too. The one
/// exception is [`Session::wait`].
pub struct Session<S: Io> {
    pub(super) wire: Wire<Transport<S>>,
    pub(super) timeouts: Timeouts,
    /// How many messages there were when the Inbox was opened.
    pub(super) opened: Option<u32>,
    pub(super) outstanding: VecDeque<Outstanding>,
    /// Tag of the running IDLE.
    pub(super) idling: Option<String>,
}

impl<S: Io> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl<S: Io> Session<S> {
    pub(super) fn new(wire: Wire<Transport<S>>, timeouts: Timeouts) -> Self {
        Self { wire, timeouts, opened: None, outstanding: VecDeque::new(), idling: None }
    }

    /// Waits until the server has accepted the log-in, where [`connect`](super::connect::connect) did
    /// not: then the first command does it on its way, and ends as this would.
    ///
    /// # Errors
    /// The log-in is refused, or the connection is lost.
    pub async fn logged_in(&mut self) -> Result<(), ImapError> {
        bounded(self.timeouts.command, "log-in", self.wire.logged_in()).await
    }

    /// The cheapest look at the Inbox: STATUS.
    ///
    /// EXAMINE instead where the Inbox is open already (RFC 3501 advises against STATUS then, and
    /// some servers answer it with old numbers), and where STATUS leaves out what it was asked for.
    ///
    /// # Errors
    /// The Inbox cannot be looked at, or the connection is lost.
    pub async fn status(&mut self) -> Result<FolderView, ImapError> {
        if self.opened.is_some() {
            return self.examine().await;
        }
        let mut numbers = FolderNumbers::default();
        let command = "STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY)";
        let listen = |event| {
            if let Event::Folder(found) = event {
                numbers = found;
            }
            Ok(())
        };
        self.wire.command("STATUS", command, self.timeouts.command, listen).await?;
        if numbers.exists.is_none() || numbers.uid_validity.is_none() || numbers.uid_next.is_none() {
            return self.examine().await;
        }
        view(numbers)
    }

    /// Opens the Inbox for reading: EXAMINE.
    ///
    /// # Errors
    /// It cannot be opened, it has no UIDVALIDITY, or the connection is lost.
    pub async fn examine(&mut self) -> Result<FolderView, ImapError> {
        self.open("EXAMINE", "INBOX").await
    }

    /// Opens a folder by the command `name`.
    pub(super) async fn open(&mut self, name: &'static str, folder: &str) -> Result<FolderView, ImapError> {
        self.wire.guard().allow(Allowance::SMALL);
        bounded(self.timeouts.command, name, async {
            let tag = self.wire.send(name, &format!("{name} {folder}")).await?;
            self.examined(name, &tag).await
        })
        .await
    }

    /// Reads up to the answer to the EXAMINE or SELECT with this tag.
    pub(super) async fn examined(&mut self, name: &'static str, tag: &str) -> Result<FolderView, ImapError> {
        let mut numbers = FolderNumbers::default();
        let listen = |event| {
            match event {
                Event::Exists(count) => numbers.exists = Some(count),
                Event::Status(condition) => note(&mut numbers, &condition),
                _ => {}
            }
            Ok(())
        };
        let done = self.wire.answer(name, tag, listen).await?;
        note(&mut numbers, &done);
        let view = view(numbers)?;
        self.opened = Some(view.exists);
        self.wire.announced = false;
        Ok(view)
    }

    /// What the server wanted the user to know since this was asked last, uncleaned.
    pub fn take_notice(&mut self) -> Option<String> {
        self.wire.notice.take()
    }

    /// Whether the server offers IDLE.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn offers_idle(&mut self) -> Result<bool, ImapError> {
        Ok(self.capabilities().await?.idle)
    }

    /// What the server can do; asks it where it has not said so by itself.
    pub(super) async fn capabilities(&mut self) -> Result<Capabilities, ImapError> {
        self.logged_in().await?;
        if let Some(known) = self.wire.capabilities {
            return Ok(known);
        }
        let asked = ask_capabilities(&mut self.wire, "CAPABILITY after the log-in", &self.timeouts).await?;
        self.wire.capabilities = Some(asked);
        Ok(asked)
    }

    /// Says goodbye and waits for the answer: Dovecot 2.3 over TLS drops what is still on its way
    /// when a client leaves without.
    ///
    /// # Errors
    /// The server did not answer as it should; nothing depends on it.
    pub async fn logout(mut self) -> Result<(), ImapError> {
        self.wire.guard().allow(Allowance::SMALL);
        let limit: Duration = self.timeouts.logout;
        bounded(limit, "LOGOUT", async {
            let tag = self.wire.send("LOGOUT", "LOGOUT").await?;
            let mut goodbye = false;
            loop {
                match self.wire.event("LOGOUT").await {
                    Ok(Event::Done(of, _)) if of == tag => return Ok(()),
                    Ok(Event::Status(Condition { status: Status::Bye, .. })) => goodbye = true,
                    Ok(_) => {}
                    Err(ImapError::Eof { .. }) if goodbye => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        })
        .await
    }

    /// Bytes of memory held for received data, for tests of the bounds.
    pub fn buffered(&mut self) -> usize {
        self.wire.guard().buffered()
    }
}

fn note(numbers: &mut FolderNumbers, condition: &Condition) {
    match condition.note {
        Note::UidNext(number) => numbers.uid_next = Some(number),
        Note::UidValidity(number) => numbers.uid_validity = Some(number),
        _ => {}
    }
}

fn view(numbers: FolderNumbers) -> Result<FolderView, ImapError> {
    let missing = |what: &str| ImapError::Protocol(format!("the Inbox has no {what}"));
    Ok(FolderView {
        uid_validity: numbers.uid_validity.and_then(UidValidity::new).ok_or_else(|| missing("UIDVALIDITY"))?,
        uid_next: numbers.uid_next.and_then(Uid::new),
        exists: numbers.exists.ok_or_else(|| missing("number of messages (EXISTS)"))?,
    })
}

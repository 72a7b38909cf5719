//! Beyond the Inbox, and what changes something: finding sent mail, keeping a copy of it, and
//! deleting from the Inbox.
//!
//! A bare EXPUNGE removes whatever any client has marked as deleted, not only what we mean: it is
//! not used, and must never be.

use super::{
    error::ImapError,
    event::Event,
    fetch::sets,
    folders::{FolderName, Folders, is_quotable, quoted},
    session::Session,
    wire::{accepted, bounded, stray_tag},
};
use crate::{
    model::{
        cursor::FolderView,
        uid::{Uid, UidSet},
    },
    net::{Io, guard::Allowance},
};

/// Folders that a listing may have.
const FOLDERS_LIMIT: u32 = 20_000;
/// Bytes of their names, together.
const LISTING_LIMIT: u64 = 8 << 20;
/// Bytes of a message that are sent in one piece.
const PIECE: usize = 64 << 10;

impl<S: Io> Session<S> {
    /// Finds the folders of sent and of deleted mail.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost.
    pub async fn folders(&mut self) -> Result<Folders, ImapError> {
        let marks = self.capabilities().await?.special_use;
        let command = if marks { "LIST \"\" \"*\" RETURN (SPECIAL-USE)" } else { "LIST \"\" \"*\"" };
        let mut listed = Vec::new();
        self.wire.guard().allow(Allowance { bytes: LISTING_LIMIT, responses: FOLDERS_LIMIT, ..Allowance::SMALL });
        bounded(self.timeouts.command, "LIST", async {
            let tag = self.wire.send("LIST", command).await?;
            let listen = |event| {
                if let Event::Listed(folder) = event {
                    listed.push(folder);
                }
                Ok(())
            };
            self.wire.answer("LIST", &tag, listen).await
        })
        .await?;
        Ok(Folders::among(&listed))
    }

    /// Opens another folder for reading: EXAMINE. What is fetched or searched from now on is there.
    ///
    /// # Errors
    /// It cannot be opened, it has no UIDVALIDITY, or the connection is lost.
    pub async fn examine_folder(&mut self, folder: &FolderName) -> Result<FolderView, ImapError> {
        let view = self.open("EXAMINE", &folder.quoted()).await?;
        // What is known of an open folder is said of the Inbox.
        self.opened = None;
        Ok(view)
    }

    /// Opens the Inbox so that it can be changed: SELECT.
    ///
    /// # Errors
    /// As [`Session::examine`].
    pub async fn select(&mut self) -> Result<FolderView, ImapError> {
        self.open("SELECT", "INBOX").await
    }

    /// The messages of the open folder that have `value` in the header field `name`, ascending. The
    /// server compares without regard to case, and finds parts of values too.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost.
    pub async fn search_header(&mut self, name: &str, value: &str) -> Result<Vec<Uid>, ImapError> {
        let name = quoted(name);
        let lines = if is_quotable(value) {
            vec![format!("UID SEARCH HEADER {name} {}", quoted(value))]
        } else {
            vec![format!("UID SEARCH CHARSET UTF-8 HEADER {name} {{{}}}", value.len()), value.to_owned()]
        };
        self.wire.guard().allow(Allowance::SMALL);
        let mut found: Vec<Uid> = Vec::new();
        bounded(self.timeouts.command, "SEARCH", async {
            let tag = self.begin("SEARCH", lines).await?;
            self.wire
                .answer("SEARCH", &tag, |event| {
                    if let Event::Found(numbers) = event {
                        found.extend(numbers.into_iter().filter_map(Uid::new));
                    }
                    Ok(())
                })
                .await
        })
        .await?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Sends the lines of a command, each but the first once the server asks for it; gives its tag.
    async fn begin(&mut self, name: &'static str, lines: Vec<String>) -> Result<String, ImapError> {
        let mut lines = lines.into_iter();
        let tag = self.wire.send(name, &lines.next().unwrap_or_default()).await?;
        for line in lines {
            self.go_ahead(name, &tag).await?;
            self.wire.send_line(name, &line).await?;
        }
        Ok(tag)
    }

    /// Waits until the server asks for the rest of the command.
    async fn go_ahead(&mut self, name: &'static str, tag: &str) -> Result<(), ImapError> {
        loop {
            match self.wire.next(name).await? {
                Event::Continue => return Ok(()),
                Event::Done(of, condition) if of == tag => {
                    accepted(name, condition)?;
                    return Err(ImapError::Protocol(format!("{name} done before it was said")));
                }
                Event::Done(..) => return Err(stray_tag()),
                _ => {}
            }
        }
    }

    /// Puts `message` (with CRLF for line ends, as it was sent) into `folder`, marked as seen; makes the
    /// folder where there is none.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost: then the message may be there or not.
    pub async fn append(&mut self, folder: &FolderName, message: &[u8]) -> Result<(), ImapError> {
        match self.append_to(folder, message).await {
            Err(ImapError::Rejected { reply, .. }) if reply.code.as_deref() == Some("TRYCREATE") => {
                let limit = self.timeouts.command;
                self.wire.command("CREATE", &format!("CREATE {}", folder.quoted()), limit, |_| Ok(())).await?;
                match self.wire.command("SUBSCRIBE", &format!("SUBSCRIBE {}", folder.quoted()), limit, |_| Ok(())).await
                {
                    // A folder that nobody has subscribed to is a folder.
                    Ok(_) | Err(ImapError::Rejected { .. }) => {}
                    Err(error) => return Err(error),
                }
                self.append_to(folder, message).await
            }
            done => done,
        }
    }

    async fn append_to(&mut self, folder: &FolderName, message: &[u8]) -> Result<(), ImapError> {
        let at_once = self.capabilities().await?.literal_plus;
        let mark = if at_once { "+" } else { "" };
        let command = format!("APPEND {} (\\Seen) {{{}{mark}}}", folder.quoted(), message.len());
        self.wire.guard().allow(Allowance::SMALL);
        let limit = self.timeouts.command;
        let tag = bounded(limit, "APPEND", async {
            let tag = self.wire.send("APPEND", &command).await?;
            if !at_once {
                self.go_ahead("APPEND", &tag).await?;
            }
            Ok(tag)
        })
        .await?;
        for piece in message.chunks(PIECE) {
            bounded(self.timeouts.pace.silence, "APPEND", self.wire.send_bytes("APPEND", piece)).await?;
        }
        bounded(limit, "APPEND", async {
            self.wire.send_bytes("APPEND", b"\r\n").await?;
            self.wire.answer("APPEND", &tag, |_| Ok(())).await
        })
        .await
        .map(drop)
    }

    /// Deletes exactly `uids` from the folder opened by [`Session::select`]. `false` where the server
    /// has no command for that (UIDPLUS): then nothing is done.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost: some may be deleted, and some only marked.
    pub async fn delete(&mut self, uids: &UidSet) -> Result<bool, ImapError> {
        if !self.capabilities().await?.uidplus {
            return Ok(false);
        }
        for set in sets(uids) {
            self.change("STORE", &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"), uids).await?;
            self.change("EXPUNGE", &format!("UID EXPUNGE {set}"), uids).await?;
        }
        Ok(true)
    }

    /// Moves exactly `uids` from the folder opened by [`Session::select`] to `folder`. `false` where the
    /// server has no command for that (MOVE): then nothing is done.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost: some may be moved.
    pub async fn move_to(&mut self, uids: &UidSet, folder: &FolderName) -> Result<bool, ImapError> {
        if !self.capabilities().await?.moves {
            return Ok(false);
        }
        for set in sets(uids) {
            self.change("MOVE", &format!("UID MOVE {set} {}", folder.quoted()), uids).await?;
        }
        Ok(true)
    }

    /// A command that is answered by some responses for each of `uids`.
    async fn change(&mut self, name: &'static str, command: &str, uids: &UidSet) -> Result<(), ImapError> {
        let each = u32::try_from(uids.len()).unwrap_or(u32::MAX);
        self.wire.guard().allow(Allowance {
            bytes: Allowance::SMALL.bytes.saturating_add(uids.len().saturating_mul(1 << 10)),
            responses: Allowance::SMALL.responses.saturating_add(each.saturating_mul(4)),
            ..Allowance::SMALL
        });
        bounded(self.timeouts.command, name, async {
            let tag = self.wire.send(name, command).await?;
            self.wire.answer(name, &tag, |_| Ok(())).await
        })
        .await
        .map(drop)
    }
}

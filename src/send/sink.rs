//! The seams between a send cycle and the outside: the server that takes mail, and the Sent folder.

use std::future::Future;

use crate::{
    means::account::Account,
    model::{failure::Failure, ids::ActivityId},
};

use super::judge::{Answer, Refusal};

/// One transaction of a mail.
#[derive(Clone, Copy, Debug)]
pub struct Shipment<'a> {
    /// Who sends it.
    pub mail_from: &'a str,
    /// To whom, at least one.
    pub rcpt_to: &'a [&'a str],
    /// The mail, as it is kept.
    pub bytes: &'a [u8],
}

/// What the server said before the mail itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It waits for the mail; its answer for each recipient, in order, at least one of them a yes.
    Ready(Vec<Answer>),
    /// It said no to every recipient.
    Nobody(Vec<Answer>),
    /// It does not want the mail, whoever it is for; its answers for the recipients, as far as it came to that.
    Refused(Refusal, Vec<Answer>),
}

/// A server that takes mail, logged in.
///
/// For each mail `begin`, and where it is ready, `body` and `finish`. Where it is usable afterwards,
/// the next mail may begin. Every method has its own deadlines and ends within them.
///
/// # Cancel safety
/// A future of `begin` or `body` may be dropped with the sink: the server takes nothing. Who drops
/// one of `finish` does not know whether it took the mail.
pub trait MailSink: Send {
    /// Announces a mail. What the server cannot take by what it offers (its size, its addresses) is
    /// refused without asking.
    fn begin(&mut self, shipment: Shipment<'_>) -> impl Future<Output = Result<Begun, Failure>> + Send;

    /// Transfers everything but what ends it. The server takes nothing by this.
    fn body(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends the mail and waits for the answer. `Err` means that nobody knows whether it was taken.
    fn finish(&mut self) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// Whether another mail may begin; after an `Err` and some refusals it may not.
    fn is_usable(&self) -> bool;

    /// Says goodbye, without waiting for it.
    fn close(self);
}

/// By what a mail is known in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The value of [`ID_FIELD`](crate::mime::compose::ID_FIELD).
    pub activity: ActivityId,
    /// Message-ID, without brackets.
    pub message_id: String,
}

/// Who put a copy of a mail into a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FiledBy {
    /// The server, when it took the mail.
    Server,
    /// This program.
    Us,
    /// Anybody: it has the Message-ID that the mail came with, and may be another mail.
    Somebody,
}

/// The Sent folder of a mailbox, opened. After any `Err` it is dropped.
pub trait SentFolder: Send {
    /// Whether a copy of the mail lies there, and whose.
    fn find(&mut self, mark: &Mark) -> impl Future<Output = Result<Option<FiledBy>, Failure>> + Send;

    /// Puts a copy there, which is found again as ours.
    fn put(&mut self, mark: &Mark, mail: &[u8]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Logs out, without waiting for it.
    fn close(self);
}

/// Where cycles get their connections from.
pub trait Sinks: Send + Sync + 'static {
    /// A connection that takes mail.
    type Sink: MailSink;
    /// A Sent folder.
    type Folder: SentFolder;

    /// A new connection, logged in.
    ///
    /// # Errors
    /// Connecting, TLS, greeting or log-in failed, classified.
    fn take(&self, account: &Account) -> impl Future<Output = Result<Self::Sink, Failure>> + Send;

    /// The Sent folder of the mailbox that `account` reads; `None` where the server has none.
    ///
    /// # Errors
    /// As [`Sinks::take`].
    fn sent_folder(&self, account: &Account) -> impl Future<Output = Result<Option<Self::Folder>, Failure>> + Send;
}

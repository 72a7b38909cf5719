//! Connections by what a mailbox's profile speaks.

use std::time::Duration;

use crate::{
    base::retry::{Retries, retry},
    classify,
    means::{account::Account, network::Network, slots::Slot},
    model::{
        cursor::{FetchedMessage, FolderView, ListedMessage},
        failure::Failure,
        ids::MailboxId,
        profile::ServerType,
        uid::{Uid, UidSet},
    },
    net::{credentials::Credentials, deadline::Timeouts, dial::NetStream},
    pop3::{connect, error::Pop3Error},
    store::Store,
};

use super::{
    imap_source::{ImapSource, ImapSources},
    pop3_source::Pop3Source,
    source::{Deletion, MailSource, Opened, Sources},
};

/// Hands out connections of both protocols, within the same limits.
#[derive(Clone)]
pub struct ServerSources {
    imap: ImapSources,
    network: Network,
    /// Where maildrops are known from.
    store: Store,
}

/// A connection to a mailbox, whatever it speaks.
#[derive(Debug)]
pub enum ServerSource {
    /// IMAP.
    Imap(Box<ImapSource>),
    /// POP3, with its place among the connections.
    Pop3(Box<Pop3Source<NetStream>>, Slot),
}

impl ServerSources {
    /// Those of `imap`, and maildrops reached through `network` that `store` knows.
    pub fn new(imap: ImapSources, network: Network, store: Store) -> Self {
        Self { imap, network, store }
    }

    /// The IMAP connections.
    pub fn imap(&self) -> &ImapSources {
        &self.imap
    }

    async fn open_maildrop(&self, account: &Account) -> Result<ServerSource, Failure> {
        let slot = self.network.slot(account).await;
        let (log_in, ports) = (self.network.log_in(account).await?, self.network.ports());
        let credentials = Credentials { username: &account.username, password: log_in.password() };
        let timeouts = Timeouts::new(account.timeout);
        let open = || connect::open(&account.endpoint, credentials, &ports, self.network.tls(), timeouts);
        let opened = retry(Retries::CONNECT, is_momentary, open).await;
        let opened = opened.map_err(|error| classify::pop3::failure(&error));
        let session = log_in.ended(opened).await.inspect_err(|failure| self.imap.make_room(failure))?;
        let source = Pop3Source::new(session, self.store.clone(), account.mailbox, account.skips_old);
        Ok(ServerSource::Pop3(Box::new(source), slot))
    }
}

impl Sources for ServerSources {
    type Source = ServerSource;

    fn is_parked(&self, mailbox: MailboxId) -> bool {
        self.imap.is_parked(mailbox)
    }

    async fn take(&self, account: &Account) -> Result<ServerSource, Failure> {
        match account.server_type {
            ServerType::ImapSmtp | ServerType::ExchangeOnline => {
                Ok(ServerSource::Imap(Box::new(self.imap.take(account).await?)))
            }
            ServerType::Pop3Smtp => self.open_maildrop(account).await,
        }
    }

    async fn park(&self, account: &Account, source: ServerSource, next_poll_in: Duration) {
        match source {
            ServerSource::Imap(source) => self.imap.park(account, *source, next_poll_in).await,
            // The server keeps the maildrop from everybody else as long as we are in it.
            ServerSource::Pop3(source, _slot) => {
                if let Err(failure) = source.close().await {
                    tracing::debug!(mailbox = %account.address, words = failure.text, "log-out failed");
                }
            }
        }
    }
}

/// What a server that restarts or is busy says for a moment, before any secret was sent.
fn is_momentary(error: &Pop3Error) -> bool {
    match error {
        Pop3Error::Net(error) => error.is_momentary(),
        Pop3Error::Eof { during } => *during == "greeting",
        _ => false,
    }
}

/// The same of whichever it is.
macro_rules! either {
    ($this:ident, $source:ident => $call:expr) => {
        match $this {
            ServerSource::Imap($source) => $call,
            ServerSource::Pop3($source, _) => $call,
        }
    };
}

impl MailSource for ServerSource {
    async fn look(&mut self) -> Result<FolderView, Failure> {
        either!(self, source => source.look().await)
    }

    async fn open(&mut self, ahead: &UidSet) -> Result<Opened, Failure> {
        either!(self, source => source.open(ahead).await)
    }

    async fn list(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, Failure> {
        either!(self, source => source.list(uids).await)
    }

    async fn message_ids(&mut self, uids: &UidSet) -> Result<Vec<(Uid, Option<String>)>, Failure> {
        either!(self, source => source.message_ids(uids).await)
    }

    async fn request(&mut self, batch: &[ListedMessage]) -> Result<(), Failure> {
        either!(self, source => source.request(batch).await)
    }

    async fn receive(&mut self) -> Result<Vec<FetchedMessage>, Failure> {
        either!(self, source => source.receive().await)
    }

    fn gone(&self) -> Vec<Uid> {
        either!(self, source => source.gone())
    }

    fn notice(&mut self) -> Option<String> {
        either!(self, source => source.notice())
    }

    fn left_out(&self) -> Option<String> {
        either!(self, source => source.left_out())
    }

    fn login_delay(&self) -> Option<Duration> {
        either!(self, source => source.login_delay())
    }

    async fn delete(&mut self, uids: &UidSet) -> Result<Deletion, Failure> {
        either!(self, source => source.delete(uids).await)
    }
}

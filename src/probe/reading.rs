//! Up to the open Inbox, and what can be seen there.

use super::{Steps, endpoint::Way};
use crate::{
    classify, imap,
    means::{account::Account, network::Network, slots::Slot},
    mime,
    model::{failure::Failure, profile::ServerType, testing::Stage},
    net::{credentials::Credentials, deadline::Timeouts, dial::NetStream},
    pop3,
};

/// So many of the newest messages of a maildrop are looked at for one that is expected.
const NEWEST: usize = 50;

/// A server that has greeted.
pub(super) enum Doorstep {
    Imap(Box<imap::connect::Greeted<NetStream>>),
    Pop3(Box<pop3::connect::Greeted<NetStream>>),
}

/// An Inbox that is open.
pub struct Inbox {
    session: Session,
    /// Given back with the connection.
    _slot: Slot,
}

enum Session {
    Imap(Box<imap::connect::NetSession>),
    Pop3(Box<pop3::connect::NetSession>),
}

pub(super) async fn greet(way: Way<'_>, server_type: ServerType, steps: &Steps) -> Result<Doorstep, Failure> {
    let stream = way.dial(steps).await?;
    let (endpoint, timeouts) = (way.endpoint, Timeouts::new(way.timeout));
    match server_type {
        ServerType::ImapSmtp | ServerType::ExchangeOnline => {
            let failure = classify::imap::failure;
            let securing = imap::connect::secure(stream, endpoint, way.tls, &timeouts);
            let transport = if way.is_secured() {
                steps.go(Stage::Tls, securing, failure).await?
            } else {
                securing.await.map_err(|error| failure(&error))?
            };
            let greeting = imap::connect::greet(transport, endpoint, &timeouts);
            Ok(Doorstep::Imap(Box::new(steps.go(Stage::Greeting, greeting, failure).await?)))
        }
        ServerType::Pop3Smtp => {
            let failure = classify::pop3::failure;
            let securing = pop3::connect::secure(stream, endpoint, way.tls, &timeouts);
            let transport = if way.is_secured() {
                steps.go(Stage::Tls, securing, failure).await?
            } else {
                securing.await.map_err(|error| failure(&error))?
            };
            let greeting = pop3::connect::greet(transport, endpoint, &timeouts);
            Ok(Doorstep::Pop3(Box::new(steps.go(Stage::Greeting, greeting, failure).await?)))
        }
    }
}

/// Goes all the way into the Inbox of `account`, once there is a slot for the connection.
///
/// # Errors
/// The stage that failed was told of.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open(network: &Network, account: &Account, steps: &Steps) -> Result<Inbox, Failure> {
    let log_in = steps.go(Stage::Password, network.log_in(account), Failure::clone).await?;
    let slot = network.slot(account).await;
    let ports = network.ports();
    let way = Way { endpoint: &account.endpoint, ports: &ports, tls: network.tls(), timeout: account.timeout };
    let credentials = Credentials { username: &account.username, password: log_in.password() };
    let entered = enter(way, account.server_type, credentials, steps).await;
    let mut session = log_in.ended(entered).await?;
    match &mut session {
        Session::Imap(session) => steps.go(Stage::Inbox, session.examine(), classify::imap::failure).await.map(drop),
        Session::Pop3(session) => steps.go(Stage::Inbox, session.stat(), classify::pop3::failure).await.map(drop),
    }?;
    Ok(Inbox { session, _slot: slot })
}

/// Up to the log-in.
async fn enter(
    way: Way<'_>,
    server_type: ServerType,
    credentials: Credentials<'_>,
    steps: &Steps,
) -> Result<Session, Failure> {
    let timeouts = Timeouts::new(way.timeout);
    match greet(way, server_type, steps).await? {
        Doorstep::Imap(greeted) => {
            let logging_in = async {
                let mut session = imap::connect::begin(*greeted, way.endpoint, credentials, timeouts).await?;
                session.logged_in().await?;
                Ok(session)
            };
            let session = steps.go(Stage::LogIn, logging_in, classify::imap::failure).await?;
            Ok(Session::Imap(Box::new(session)))
        }
        Doorstep::Pop3(greeted) => {
            let logging_in = pop3::connect::begin(*greeted, way.endpoint, credentials, timeouts);
            let session = steps.go(Stage::LogIn, logging_in, classify::pop3::failure).await?;
            Ok(Session::Pop3(Box::new(session)))
        }
    }
}

impl Inbox {
    /// Whether a message with this Message-ID (without brackets) is there. What came into a maildrop
    /// after it was opened does not show: open it again.
    ///
    /// # Errors
    /// The server refuses, or the connection is lost.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection in an unknown state: drop the Inbox too.
    pub async fn holds(&mut self, message_id: &str) -> Result<bool, Failure> {
        match &mut self.session {
            Session::Imap(session) => {
                session.examine().await.map_err(|error| classify::imap::failure(&error))?;
                let found = session.search_header("Message-ID", message_id).await;
                Ok(!found.map_err(|error| classify::imap::failure(&error))?.is_empty())
            }
            Session::Pop3(session) => {
                let failure = |error| classify::pop3::failure(&error);
                let numbers: Vec<u32> =
                    session.list().await.map_err(failure)?.messages.iter().map(|message| message.number).collect();
                let newest = numbers.get(numbers.len().saturating_sub(NEWEST)..).unwrap_or_default();
                let mut found = false;
                let look = |_, raw: Vec<u8>| {
                    found |= mime::message_id(&raw, &mime::Limits::default()).as_deref() == Some(message_id);
                };
                session.headers(newest, look).await.map_err(failure)?;
                Ok(found)
            }
        }
    }

    /// Whether it shows what comes in while it is open.
    pub const fn is_live(&self) -> bool {
        matches!(self.session, Session::Imap(_))
    }

    /// Says goodbye; a server that does not answer is left without.
    pub async fn close(self) {
        let ended = match self.session {
            Session::Imap(session) => session.logout().await.map_err(|error| error.to_string()),
            Session::Pop3(session) => session.quit().await.map_err(|error| error.to_string()),
        };
        if let Err(error) = ended {
            tracing::debug!(error, "log-out failed");
        }
    }
}

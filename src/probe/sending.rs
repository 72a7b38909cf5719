//! Up to a mail that the server takes.

use super::{Steps, endpoint::Way};
use crate::{
    classify,
    means::{account::Account, network::Network, slots::Slot},
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        profile::AuthMethod,
        testing::Stage,
    },
    net::{credentials::Credentials, dial::NetStream, error::NetError},
    smtp::{
        Envelope,
        connect::{self, NetSession, Timeouts},
        error::{SmtpError, Stage as At},
        reply::SmtpReply,
    },
};

/// A server that takes mail.
pub struct Door {
    session: NetSession,
    /// Given back with the connection.
    _slot: Slot,
}

pub(super) async fn greet(way: Way<'_>, steps: &Steps) -> Result<connect::Greeted<NetStream>, Failure> {
    let failure = classify::smtp::failure;
    let stream = way.dial(steps).await?;
    let own = stream.local_addr().map_err(|error| classify::net::failure(&NetError::from_io(error)))?;
    let (hello, timeouts) = (connect::literal(own), Timeouts::new(way.timeout));
    let securing = connect::secure(stream, &hello, way.endpoint, way.tls, &timeouts);
    let transport = if way.is_secured() {
        steps.go(Stage::Tls, securing, failure).await?
    } else {
        securing.await.map_err(|error| failure(&error))?
    };
    let greeting = connect::greet(transport, &hello, way.endpoint, &timeouts);
    steps.go(Stage::Greeting, greeting, failure).await
}

/// Goes all the way past the log-in, once there is a slot for the connection.
///
/// # Errors
/// The stage that failed was told of.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open(network: &Network, account: &Account, steps: &Steps) -> Result<Door, Failure> {
    let logs_in = account.endpoint.auth != AuthMethod::None;
    let log_in = match logs_in {
        true => Some(steps.go(Stage::Password, network.log_in(account), Failure::clone).await?),
        false => None,
    };
    let slot = network.slot(account).await;
    let ports = network.ports();
    let way = Way { endpoint: &account.endpoint, ports: &ports, tls: network.tls(), timeout: account.timeout };
    let password = log_in.as_ref().map_or("", |log_in| log_in.password());
    let credentials = Credentials { username: &account.username, password };
    let entered = enter(way, credentials, steps).await;
    let session = match log_in {
        Some(log_in) => log_in.ended(entered).await?,
        None => entered?,
    };
    Ok(Door { session, _slot: slot })
}

/// Up to the log-in, where there is one.
async fn enter(way: Way<'_>, credentials: Credentials<'_>, steps: &Steps) -> Result<NetSession, Failure> {
    let greeted = greet(way, steps).await?;
    let beginning = connect::begin(greeted, way.endpoint, credentials, Timeouts::new(way.timeout));
    if way.endpoint.auth == AuthMethod::None {
        return beginning.await.map_err(|error| classify::smtp::failure(&error));
    }
    steps.go(Stage::LogIn, beginning, classify::smtp::failure).await
}

impl Door {
    /// Hands a mail from `address` to itself over. Where it is not known whether the server took it,
    /// that is a failure, and another mail is sent at the next attempt.
    ///
    /// # Errors
    /// The server did not take it, or nobody knows.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection in an unknown state: drop the door too.
    pub async fn send(&mut self, address: &str, mail: &[u8], steps: &Steps) -> Result<(), Failure> {
        let handing_over = hand_over(&mut self.session, address, mail);
        steps.go(Stage::Send, handing_over, Failure::clone).await
    }

    /// Says goodbye; a server that does not answer is left without.
    pub async fn close(self) {
        if let Err(error) = self.session.quit().await {
            tracing::debug!(%error, "QUIT failed");
        }
    }
}

async fn hand_over(session: &mut NetSession, address: &str, mail: &[u8]) -> Result<(), Failure> {
    let broken = |error: SmtpError| classify::smtp::failure(&error);
    let envelope = Envelope {
        mail_from: address,
        rcpt_to: &[address],
        size: u64::try_from(mail.len()).unwrap_or(u64::MAX),
        body_8bit: !mail.is_ascii(),
        utf8: !mail.is_ascii(),
    };
    let begun = session.begin(&envelope).await.map_err(broken)?;
    if let Some(Err(reply)) = begun.recipients.into_iter().next() {
        return Err(refused(At::Rcpt, &reply));
    }
    match begun.refusal {
        Some(reply) => return Err(refused(At::Data, &reply)),
        None if begun.ready => {}
        None => {
            let text = "the server did not ask for the message";
            return Err(Failure::new(FailureCode::ProtocolViolation, Scope::Mailbox, Persistence::Transient, text));
        }
    }
    session.body(mail).await.map_err(broken)?;
    let reply = session.finish().await.map_err(broken)?;
    if reply.is_positive() { Ok(()) } else { Err(refused(At::Dot, &reply)) }
}

fn refused(stage: At, reply: &SmtpReply) -> Failure {
    classify::smtp::refusal(stage, reply)
}

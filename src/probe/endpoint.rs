//! As far as a server lets anybody: no secret is looked up or sent.

use std::time::Duration;

use super::{
    Steps,
    reading::{self, Doorstep},
    sending,
};
use crate::{
    classify,
    model::{
        failure::Failure,
        profile::{Endpoint, Security, ServerType},
        testing::Stage,
    },
    net::{
        dial::{self, NetStream, PortPolicy},
        tls::TlsClient,
    },
};

/// What is needed to reach a server.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Where it is, and how secure the connection must be.
    pub endpoint: &'a Endpoint,
    /// Ports that may be dialled.
    pub ports: &'a PortPolicy,
    /// Who speaks TLS.
    pub tls: &'a TlsClient,
    /// For each step.
    pub timeout: Duration,
}

impl Way<'_> {
    /// DNS and TCP.
    pub(super) async fn dial(&self, steps: &Steps) -> Result<NetStream, Failure> {
        let Endpoint { host, port, .. } = self.endpoint;
        let resolving = dial::resolve(host, *port, self.ports, self.timeout);
        let addresses = steps.go(Stage::Dns, resolving, classify::net::failure).await?;
        steps.go(Stage::Tcp, dial::reach(addresses, self.timeout), classify::net::failure).await
    }

    /// Whether there is a stage of TLS at all.
    pub(super) fn is_secured(&self) -> bool {
        self.endpoint.security != Security::None
    }
}

/// Sees whether a server that mail is read from greets.
///
/// # Errors
/// The stage that failed was told of.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn greets_readers(way: Way<'_>, server_type: ServerType, steps: &Steps) -> Result<(), Failure> {
    match reading::greet(way, server_type, steps).await? {
        Doorstep::Imap(_) | Doorstep::Pop3(_) => Ok(()),
    }
}

/// Sees whether a server that mail is handed to greets.
///
/// # Errors
/// The stage that failed was told of.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn greets_senders(way: Way<'_>, steps: &Steps) -> Result<(), Failure> {
    sending::greet(way, steps).await.map(drop)
}

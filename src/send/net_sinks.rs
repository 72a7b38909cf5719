//! [`Sinks`] over the network: SMTP to send, IMAP for the Sent folder.

use crate::{
    base::tasks::Tasks,
    means::{account::Account, network::Network},
    model::failure::Failure,
};

use super::{
    imap_sent::{self, ImapSent},
    sink::Sinks,
    smtp_sink::{self, SmtpSink},
};

/// Opens connections, each in its slot.
#[derive(Clone)]
pub struct NetSinks {
    network: Network,
    tasks: Tasks,
}

impl NetSinks {
    /// Goodbyes are said in `tasks`.
    pub fn new(network: Network, tasks: Tasks) -> Self {
        Self { network, tasks }
    }
}

impl Sinks for NetSinks {
    type Sink = SmtpSink;
    type Folder = ImapSent;

    async fn take(&self, account: &Account) -> Result<SmtpSink, Failure> {
        smtp_sink::open(&self.network, &self.tasks, account).await
    }

    async fn sent_folder(&self, account: &Account) -> Result<Option<ImapSent>, Failure> {
        imap_sent::open(&self.network, &self.tasks, account).await
    }
}

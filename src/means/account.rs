//! How one mailbox is reached.

use std::time::Duration;

use crate::model::{
    failure::Scope,
    ids::{MailboxId, ProfileId},
    mailbox::{Mailbox, Workload},
    profile::{AuthenticateUsing, Endpoint, ServerProfile, ServerType},
};

/// Everything needed to reach one mailbox, but the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub mailbox: MailboxId,
    /// Its address, for logs.
    pub address: String,
    /// Which profile.
    pub profile: ProfileId,
    /// For what: limits count for each workload by itself, so that neither waits for the other.
    pub workload: Workload,
    /// Which protocols are spoken there.
    pub server_type: ServerType,
    /// Where and how.
    pub endpoint: Endpoint,
    /// Login name.
    pub username: String,
    /// Whether the profile's stored password is used, or the mailbox's own.
    pub profile_credentials: bool,
    /// Open connections at most, where the profile's credentials are used for all its mailboxes.
    pub maximum_connections: usize,
    /// Whether mail received before some time is not wanted.
    pub skips_old: bool,
    /// For each step of the conversation.
    pub timeout: Duration,
}

impl Account {
    /// How the mail of `mailbox` is read through `profile`.
    pub fn new(profile: &ServerProfile, mailbox: &Mailbox) -> Self {
        Self::at(Workload::Incoming, profile.incoming.clone(), profile, mailbox)
    }

    /// Where the mail of `mailbox` is handed in; `None` where `profile` names no server for that.
    pub fn outgoing(profile: &ServerProfile, mailbox: &Mailbox) -> Option<Self> {
        Some(Self::at(Workload::Outgoing, profile.outgoing.clone()?, profile, mailbox))
    }

    /// Whom its password is for.
    pub const fn password_scope(&self) -> Scope {
        if self.profile_credentials { Scope::Profile } else { Scope::Mailbox }
    }

    fn at(workload: Workload, endpoint: Endpoint, profile: &ServerProfile, mailbox: &Mailbox) -> Self {
        let profile_credentials = profile.authenticate_using == AuthenticateUsing::Profile;
        let username = match &profile.username {
            Some(username) if profile_credentials => username,
            _ => &mailbox.username,
        };
        Self {
            mailbox: mailbox.id,
            address: mailbox.email_address.clone(),
            profile: profile.id,
            workload,
            server_type: profile.server_type,
            endpoint,
            username: username.clone(),
            profile_credentials,
            maximum_connections: usize::from(profile.maximum_concurrent_connections),
            skips_old: profile.process_email_from.max(mailbox.process_email_received_after).is_some(),
            timeout: profile.connection_timeout,
        }
    }
}

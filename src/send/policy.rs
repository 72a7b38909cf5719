//! What a cycle is told: how mail is judged, how the servers are reached, how much is done at a time.

use std::time::Duration;

use crate::{
    means::account::Account,
    model::{
        mailbox::Mailbox,
        profile::{ServerProfile, ServerType},
        rules::SendRules,
    },
};

use super::judge::SendTerms;

/// How large the steps of a cycle are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendSteps {
    /// Most mails claimed at a time.
    pub mails: u32,
    /// Most bytes of mail claimed at a time; a larger mail goes alone.
    pub bytes: u64,
    /// Mails after which the cycle stops and is due again.
    pub maximum_mails: u64,
    /// Time after which no further mail is begun.
    pub time_limit: Duration,
}

impl Default for SendSteps {
    fn default() -> Self {
        Self { mails: 50, bytes: 8 << 20, maximum_mails: 5_000, time_limit: Duration::from_secs(600) }
    }
}

/// What a cycle is told about one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendPolicy {
    /// How mail is judged.
    pub terms: SendTerms,
    /// Where mail is handed in.
    pub outgoing: Account,
    /// Where the mailbox is read, if it may have a Sent folder there.
    pub reading: Option<Account>,
    /// Whether a copy of what was sent is put into the Sent folder.
    pub save_to_sent: bool,
    /// How much at a time.
    pub steps: SendSteps,
}

impl SendPolicy {
    /// The policy for `mailbox`; `None` where its profile sends no mail.
    pub fn new(profile: &ServerProfile, mailbox: &Mailbox, rules: &SendRules, steps: SendSteps) -> Option<Self> {
        let in_doubt = profile.in_doubt.unwrap_or(rules.in_doubt);
        let reading = match profile.server_type {
            ServerType::ImapSmtp | ServerType::ExchangeOnline => Some(Account::new(profile, mailbox)),
            ServerType::Pop3Smtp => None,
        };
        Some(Self {
            terms: SendTerms { rules: rules.clone(), in_doubt, leapt_at: None },
            outgoing: Account::outgoing(profile, mailbox)?,
            save_to_sent: profile.save_to_sent && reading.is_some(),
            reading,
            steps,
        })
    }
}

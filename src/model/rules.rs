//! Rules the configuration sets for all mailboxes: how failures are met, how much runs at a time.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;

use super::{alert::Severity, failure::FailureCode, outbox::InDoubt};

/// How failures of a mailbox are met (`[failures]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureRules {
    /// Transient failures in a row before a mailbox may be disabled.
    pub maximum_transient: u32,
    /// How long a mailbox must have been without a success before transient failures disable it.
    pub transient_grace: Duration,
    /// The first postponement after a transient failure; it doubles up to
    /// [`FailureRules::LONGEST_POSTPONEMENT`].
    pub transient_backoff: Duration,
    /// The first postponement after a time-out; it doubles likewise.
    pub timeout_backoff: Duration,
    /// When a failure that is permanent once confirmed is tried again; after the last it is permanent.
    pub confirmations: Vec<Duration>,
}

impl FailureRules {
    /// No transient failure postpones a mailbox for longer.
    pub const LONGEST_POSTPONEMENT: Duration = Duration::from_secs(3_600);

    /// When a failure with `code` that is permanent once confirmed is tried again, one after the other.
    ///
    /// What the server says plainly is confirmed as configured. What may as well be a lock, or an
    /// illness of the server's, gets a whole day (with the default settings); a mailbox that is not
    /// opened for a password that was taken, six tries in three times the longest wait; and where
    /// the server names its administrator, two are enough.
    pub fn confirmations_of(&self, code: FailureCode) -> Vec<Duration> {
        let usual = self.confirmations.clone();
        let Some(longest) = usual.last().copied() else { return usual };
        match code {
            FailureCode::AuthUnclear => usual.into_iter().chain([longest * 3, longest * 8]).collect(),
            FailureCode::InboxNotConnected => vec![longest / 2; 6],
            FailureCode::AuthContactAdmin => usual.into_iter().take(2).collect(),
            _ => usual,
        }
    }
}

impl Default for FailureRules {
    fn default() -> Self {
        Self {
            maximum_transient: 10,
            transient_grace: Duration::from_secs(24 * 3_600),
            transient_backoff: Duration::from_secs(5 * 60),
            timeout_backoff: Duration::from_secs(10 * 60),
            confirmations: [5 * 60, 30 * 60, 2 * 3_600].map(Duration::from_secs).to_vec(),
        }
    }
}

/// How much runs at a time (`[limits]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Connections in use, over everything.
    pub connections: u32,
    /// Connections in use to one host.
    pub connections_per_host: u32,
    /// Log-ins begun per second at one host.
    pub logins_per_host_per_second: u32,
    /// Bytes of mail held in memory by all cycles together.
    pub bytes_in_flight: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 500,
            connections_per_host: 50,
            logins_per_host_per_second: 10,
            bytes_in_flight: 256_000_000,
        }
    }
}

/// When mailboxes are polled (`[polling]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Polling {
    /// Mailboxes without mail are polled less and less often, up to this; `None`: all as often.
    pub idle_maximum: Option<Duration>,
    /// Whether idle connections watch their Inbox by IDLE, which hints at a poll.
    pub push: bool,
    /// From the end of one poll to a hinted one, at least.
    pub push_minimum: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self { idle_maximum: None, push: false, push_minimum: Duration::from_secs(5) }
    }
}

/// How mail is sent (`[sending]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SendRules {
    /// When a mail that was refused for now is tried again, counted from the attempt before; the
    /// last one again and again.
    pub retry: Vec<Duration>,
    /// A mail is given up this long after it was queued.
    pub expire_after: Duration,
    /// What is done with a mail in doubt, where its profile does not say.
    pub in_doubt: InDoubt,
    /// Larger mails, in encoded bytes, are refused.
    pub maximum_message_size: u64,
    /// How often is looked for mail that another program queued.
    pub outbox_poll: Duration,
}

impl Default for SendRules {
    fn default() -> Self {
        let minutes = [2, 5, 10, 15, 30, 60, 120, 240];
        Self {
            retry: minutes.map(|minutes| Duration::from_secs(minutes * 60)).to_vec(),
            expire_after: Duration::from_secs(2 * 86_400),
            in_doubt: InDoubt::Verify,
            maximum_message_size: 50_000_000,
            outbox_poll: Duration::from_secs(5),
        }
    }
}

/// Of what people are told, and how (`[alerts]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertRules {
    /// The severities that are raised at all.
    pub raised: BTreeSet<Severity>,
    /// An enabled mailbox that was not read for so long, or for three of its intervals where that is
    /// more, is an alert, whatever the cause; likewise mail that was due for so long.
    pub stale_after: Duration,
    /// How long an alert is kept after it was closed.
    pub keep: Duration,
    /// Whether alerts of a profile also belong to the owners of its mailboxes.
    pub notify_mailbox_owner: bool,
    /// Whether a profile's owner gets a mail when most of its mailboxes fail.
    pub mail_profile_owner: bool,
    /// Address of the mailbox that such mail is sent from.
    pub mail_from: Option<String>,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self {
            raised: Severity::ALL.into(),
            stale_after: Duration::from_secs(3_600),
            keep: Duration::from_secs(30 * 86_400),
            notify_mailbox_owner: false,
            mail_profile_owner: false,
            mail_from: None,
        }
    }
}

/// What is read of mail (`[receive]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiveRules {
    /// Larger messages, in bytes, are set aside without being fetched.
    pub maximum_message_size: u64,
    /// Larger attachments, in decoded bytes, are flagged as blocked.
    pub maximum_attachment_size: u64,
    /// Attachments with these file name extensions are flagged as blocked; lower case, without the dot.
    pub blocked_attachments: BTreeSet<String>,
    /// Where mail is deleted after processing: so long after it was recorded.
    pub delete_after: Duration,
}

impl Default for ReceiveRules {
    fn default() -> Self {
        // What a double click would run on one system or another.
        let blocked = "ade adp app bas bat chm cmd com cpl crt dll exe hlp hta inf ins isp jar js jse lnk mdb mde msc \
                       msi msp mst pcd pif ps1 reg scf scr sct shb shs url vb vbe vbs ws wsc wsf wsh";
        Self {
            maximum_message_size: 50_000_000,
            maximum_attachment_size: 5_000_000,
            blocked_attachments: blocked.split_whitespace().map(str::to_owned).collect(),
            delete_after: Duration::from_secs(24 * 3_600),
        }
    }
}

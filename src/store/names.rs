//! The words that stand for our enums in the columns.

use super::error::StoreError;
use crate::model::{
    activity::{ActivityStatus, IgnoreReason, SourceEncoding},
    alert::Severity,
    mailbox::{Approval, DeclaredEnabled, MailboxKind, SyncMethod, TestStatus},
    maildrop::CopyState,
    message::PartyRole,
    outbox::{InDoubt, RecipientState},
    profile::{AuthMethod, AuthenticateUsing, Security, ServerType},
    record::FilterMethod,
};

/// A value that lies in a text column as a word of a closed list.
pub trait Named: Copy + 'static {
    /// The column, for error messages.
    const COLUMN: &'static str;
    /// Every value with its word.
    const ALL: &'static [(Self, &'static str)];

    /// The word.
    fn word(self) -> &'static str;

    /// The value of a word.
    ///
    /// # Errors
    /// The word is not of the list: the database is damaged.
    fn of(word: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == word);
        found.map(|(value, _)| *value).ok_or_else(|| StoreError::unreadable(Self::COLUMN, word))
    }
}

macro_rules! named {
    ($($type:ident in $column:literal { $($variant:ident = $word:literal),+ })+) => {$(
        impl Named for $type {
            const COLUMN: &'static str = $column;
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $word)),+];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    )+};
}

named! {
    ServerType in "server_type" { ImapSmtp = "imap_smtp", Pop3Smtp = "pop3_smtp", ExchangeOnline = "exchange_online" }
    InDoubt in "in_doubt" { Verify = "verify", Retry = "retry", Hold = "hold" }
    AuthenticateUsing in "authenticate_using" { Mailbox = "mailbox", Profile = "profile" }
    Security in "security" { Tls = "tls", Starttls = "starttls", None = "none" }
    AuthMethod in "auth" { Auto = "auto", Plain = "plain", Login = "login", None = "none" }
    MailboxKind in "kind" { User = "user", Queue = "queue", Forward = "forward" }
    SyncMethod in "method" { None = "none", ServerSideSync = "server_side_sync" }
    Approval in "approval" { Empty = "empty", Approved = "approved", Pending = "pending", Rejected = "rejected" }
    TestStatus in "test_status" { NotRun = "not_run", Success = "success", Failure = "failure" }
    DeclaredEnabled in "declared_enabled" { True = "true", False = "false", Test = "test" }
    FilterMethod in "filter_method" { All = "all" }
    PartyRole in "role" { From = "from", To = "to", Cc = "cc", Bcc = "bcc", ReplyTo = "reply_to" }
    SourceEncoding in "encoding" { None = "none", Lz4 = "lz4" }
    ActivityStatus in "status" {
        Received = "received", Draft = "draft", PendingSend = "pending_send", Sending = "sending", Sent = "sent",
        Failed = "failed", Canceled = "canceled", Held = "held"
    }
    RecipientState in "result" { Accepted = "accepted", Refused = "refused", Deferred = "deferred", Unknown = "unknown" }
    Severity in "severity" { Information = "information", Warning = "warning", Error = "error" }
    CopyState in "server_copy" { Due = "due", Pending = "pending", Gone = "gone" }
    IgnoreReason in "reason" {
        BeforeStartingPoint = "before_starting_point", Vanished = "vanished", TestMail = "test_mail"
    }
}

/// The `state` column of records that may be retired.
pub fn state_word(active: bool) -> &'static str {
    if active { "active" } else { "inactive" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_others_are_damage() {
        for (role, word) in PartyRole::ALL {
            assert_eq!(role.word(), *word);
            assert_eq!(PartyRole::of(word).unwrap(), *role);
        }
        assert!(matches!(Security::of("ssl3"), Err(StoreError::Corrupt { what }) if what.contains("ssl3")));
    }
}

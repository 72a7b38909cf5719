//! Identifiers of our own records: UUID v7, one type per kind of record.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::timestamp::Timestamp;

macro_rules! record_id {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier whose order follows `now` (milliseconds), the rest random.
            pub fn generate(now: Timestamp) -> Self {
                let micros = now.as_micros().max(0).unsigned_abs();
                let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
                let at = uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos);
                Self(Uuid::new_v7(at))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )+};
}

record_id! {
    /// Identifies a [`Mailbox`](super::mailbox::Mailbox).
    MailboxId
    /// Identifies a [`ServerProfile`](super::profile::ServerProfile).
    ProfileId
    /// Identifies a recorded e-mail. Never the RFC 5322 Message-ID.
    ActivityId
    /// Identifies a user or a queue: the owner of a mailbox.
    OwnerId
    /// Identifies an alert.
    AlertId
    /// Identifies one running daemon among those that share a database.
    NodeId
    /// Identifies one run of a test: asked for again, it is another one.
    RunId
}

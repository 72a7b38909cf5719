//! What a technical error means for the product: tables, as pure functions.
//!
//! The order of matching is fixed: the type of the error, then the response code, then the text in
//! the [table of providers](providers), then what the protocol says in general. What nobody knows is a
//! transient failure of the one mailbox, except a log-in refused without a reason: that may be a wrong
//! password, so it is confirmed before the mailbox is disabled.

pub mod imap;
pub mod net;
pub mod pop3;
mod providers;
pub mod smtp;

use crate::model::failure::{Failure, FailureCode, Persistence, Scope};

/// What an error is called, whom it stops and for how long; the text comes from the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class {
    code: FailureCode,
    scope: Scope,
    persistence: Persistence,
}

impl Class {
    const fn new(code: FailureCode, scope: Scope, persistence: Persistence) -> Self {
        Self { code, scope, persistence }
    }

    const fn mailbox(code: FailureCode, persistence: Persistence) -> Self {
        Self::new(code, Scope::Mailbox, persistence)
    }

    /// A log-in that was refused without a code.
    fn refused_log_in(text: &str) -> Self {
        let named = providers::names_the_password(text);
        let code = if named { FailureCode::AuthRejected } else { FailureCode::AuthUnclear };
        Self::mailbox(code, Persistence::UntilConfirmed)
    }

    const fn profile(code: FailureCode, persistence: Persistence) -> Self {
        Self::new(code, Scope::Profile, persistence)
    }

    fn failure(self, text: &str) -> Failure {
        Failure::new(self.code, self.scope, self.persistence, text)
    }
}

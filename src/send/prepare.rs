//! Claimed mails → bytes to send: composed at the first claim, expanded from what is kept later; on
//! a blocking thread.

use crate::{
    means::Context,
    mime::{
        self,
        compose::{ComposeRules, compose},
    },
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::ActivityId,
        outbox::{Composed, OutboxContent, OutboxMail},
    },
};

/// A mail that can be sent.
#[derive(Debug)]
pub struct Ready {
    /// What was claimed.
    pub mail: OutboxMail,
    /// What is sent.
    pub bytes: Vec<u8>,
}

/// A batch, made ready.
#[derive(Debug, Default)]
pub struct Prepared {
    /// What can be sent, in the order of the claim.
    pub ready: Vec<Ready>,
    /// What was composed just now, to be kept before it is sent.
    pub composed: Vec<Composed>,
    /// What cannot be sent, and why.
    pub invalid: Vec<(ActivityId, Failure)>,
}

/// Makes a claim ready.
///
/// # Errors
/// The thread was taken away (the program ends).
///
/// # Cancel safety
/// The thread finishes its work, which goes nowhere.
pub async fn prepare(context: &Context, claimed: Vec<OutboxMail>, maximum_size: u64) -> Result<Prepared, Failure> {
    let rules = ComposeRules { now: context.clock.now(), maximum_size };
    let _turn = context.budget.turn().await;
    tokio::task::spawn_blocking(move || prepare_all(claimed, &rules)).await.map_err(|error| {
        Failure::new(FailureCode::InternalError, Scope::Mailbox, Persistence::Transient, &error.to_string())
    })
}

fn prepare_all(claimed: Vec<OutboxMail>, rules: &ComposeRules) -> Prepared {
    let mut prepared = Prepared::default();
    for mail in claimed {
        let (activity, fresh) = (mail.activity, matches!(mail.content, OutboxContent::Draft(_)));
        match one(mail, rules) {
            Ok(ready) => {
                if let (true, OutboxContent::Composed(composed)) = (fresh, &ready.mail.content) {
                    prepared.composed.push(composed.clone());
                }
                prepared.ready.push(ready);
            }
            Err(failure) => prepared.invalid.push((activity, failure)),
        }
    }
    prepared
}

fn one(mail: OutboxMail, rules: &ComposeRules) -> Result<Ready, Failure> {
    let OutboxMail { activity, parties, content, .. } = mail;
    let (composed, bytes) = match content {
        OutboxContent::Composed(composed) => {
            let bytes = mime::expand(&composed.source).map_err(|error| invalid(&error.to_string()))?;
            (composed, bytes)
        }
        OutboxContent::Draft(draft) => {
            let made = compose(activity, &parties, *draft, rules).map_err(|error| invalid(&error.to_string()))?;
            let source = mime::compress(made.bytes.clone(), mime::digest(&made.bytes));
            (Composed { activity, message_id: made.message_id, source }, made.bytes)
        }
    };
    Ok(Ready { mail: OutboxMail { parties, content: OutboxContent::Composed(composed), ..mail }, bytes })
}

fn invalid(text: &str) -> Failure {
    Failure::new(FailureCode::MailInvalid, Scope::Message, Persistence::Permanent, text)
}

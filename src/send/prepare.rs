//! Claimed mails → bytes to send: composed at the first claim, expanded from what is kept later; on
//! a blocking thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

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
    tokio::task::spawn_blocking(move || prepare_all(claimed, |mail| one(mail, &rules))).await.map_err(|error| {
        Failure::new(FailureCode::InternalError, Scope::Mailbox, Persistence::Transient, &error.to_string())
    })
}

fn prepare_all(claimed: Vec<OutboxMail>, one: impl Fn(OutboxMail) -> Result<Ready, Failure>) -> Prepared {
    let mut prepared = Prepared::default();
    for mail in claimed {
        let (activity, fresh) = (mail.activity, matches!(mail.content, OutboxContent::Draft(_)));
        // A mail that a defect of ours trips over must not keep the others of its mailbox for ever.
        let made = catch_unwind(AssertUnwindSafe(|| one(mail)));
        match made.unwrap_or_else(|_| Err(invalid("composing it panicked: the log says where"))) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::clock::Clock,
        model::{
            message::{Party, PartyRole},
            outbox::{Draft, OutboxParty},
        },
    };

    fn mail(subject: &str) -> OutboxMail {
        let now = Clock::System.now();
        let party = Party { role: PartyRole::To, address: "to@example.com".into(), display_name: String::new() };
        OutboxMail {
            activity: ActivityId::generate(now),
            attempts: 1,
            queued_at: now,
            sender: "a@example.org".into(),
            parties: vec![OutboxParty { position: 0, party, result: None }],
            content: OutboxContent::Draft(Box::new(Draft {
                sender: "a@example.org".into(),
                subject: subject.into(),
                text: Some("the text".into()),
                html: None,
                in_reply_to: None,
                references: Vec::new(),
                attachments: Vec::new(),
            })),
        }
    }

    #[test]
    fn a_mail_whose_composing_panics_is_given_up_and_the_others_go_on() {
        let rules = ComposeRules { now: Clock::System.now(), maximum_size: 100_000 };
        let claimed = vec![mail("one"), mail("two"), mail("three")];
        let [first, second, third] = [0, 1, 2].map(|place: usize| claimed[place].activity);
        let prepared = prepare_all(claimed, |mail| {
            assert_ne!(mail.activity, second, "a defect");
            one(mail, &rules)
        });
        let ready: Vec<ActivityId> = prepared.ready.iter().map(|ready| ready.mail.activity).collect();
        assert_eq!((ready, prepared.composed.len()), (vec![first, third], 2));
        let [(given_up, failure)] = &prepared.invalid[..] else { panic!("{:?}", prepared.invalid) };
        assert_eq!((*given_up, failure.code), (second, FailureCode::MailInvalid));
        assert_eq!((failure.scope, failure.persistence), (Scope::Message, Persistence::Permanent));
    }
}

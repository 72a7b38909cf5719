//! What became of an attempt to send a mail → where the mail stands after it.

use std::time::Duration;

use crate::model::{
    failure::{Failure, FailureCode, Persistence, Scope},
    ids::ActivityId,
    outbox::{
        FIRST_VERIFICATION, InDoubt, MailSettlement, MailVerdict, OutboxMail, OutboxParty, RecipientResult,
        RecipientState, ServerReply,
    },
    rules::SendRules,
    timestamp::Timestamp,
};

/// When a mail in doubt is looked for, counted from its last line.
pub const VERIFICATIONS: [Duration; 3] = [FIRST_VERIFICATION, Duration::from_secs(180), Duration::from_secs(600)];

/// A refusal that may not be meant for good is believed at this attempt.
const CONFIRMATIONS: u32 = 3;

/// A server's no, with what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In the server's words; `None` where it was not even asked, as for a mail over its SIZE.
    pub reply: Option<ServerReply>,
    /// What it means.
    pub failure: Failure,
}

/// What a server said to one recipient.
pub type Answer = Result<ServerReply, Refusal>;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The server took the mail for every recipient it had said yes to.
    Accepted(ServerReply),
    /// It refused the mail as a whole: its sender, its size, or after it was read.
    Refused(Refusal),
    /// It said no to every recipient.
    NoRecipients,
    /// The conversation broke before the last line: the server cannot have taken it.
    NotReached(Failure),
    /// The conversation broke after the last line: nobody knows.
    InDoubt(Failure),
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// To whom it was meant, by position in the mail, and what the server said to each, as far as
    /// it came to that.
    pub recipients: Vec<(u32, Option<Answer>)>,
    /// How it ended.
    pub outcome: SendOutcome,
}

/// How mail of one mailbox is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendTerms {
    /// When mail is tried again, and given up.
    pub rules: SendRules,
    /// What is done with a mail in doubt.
    pub in_doubt: InDoubt,
    /// When somebody set the clock forward: what was before is no measure of patience.
    pub leapt_at: Option<Timestamp>,
}

impl SendTerms {
    /// When a mail is given up with which was first tried, or queued, then.
    pub fn expires(&self, since: Timestamp) -> Timestamp {
        self.leapt_at.map_or(since, |leapt| leapt.max(since)).plus(self.rules.expire_after)
    }
}

/// An attempt, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What is written.
    pub settlement: MailSettlement,
    /// How the cycle goes on.
    pub next: Next,
}

/// What an attempt means for the mails behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same connection takes the next one.
    GoOn,
    /// This connection is of no more use; another may be.
    Reconnect(Failure),
    /// No further mail of the mailbox is tried now.
    Stop(Failure),
}

/// Judges an attempt that ended `now`.
pub fn judge(mail: &OutboxMail, attempt: &Attempt, terms: &SendTerms, now: Timestamp) -> Judged {
    let next = next(attempt);
    if matches!(next, Next::Stop(_)) && !matches!(attempt.outcome, SendOutcome::Accepted(_) | SendOutcome::InDoubt(_)) {
        return Judged { settlement: not_tried(mail.activity), next };
    }
    let recipients: Vec<RecipientResult> =
        attempt.recipients.iter().filter_map(|to| result(to, &attempt.outcome, mail.attempts)).collect();
    let (verdict, reply) = match &attempt.outcome {
        SendOutcome::InDoubt(failure) => (doubt(mail.attempts, failure, terms, now), None),
        SendOutcome::Accepted(reply) => (verdict(mail, attempt, &recipients, terms, now), Some(words(reply))),
        SendOutcome::Refused(refusal) => {
            (verdict(mail, attempt, &recipients, terms, now), refusal.reply.as_ref().map(words))
        }
        SendOutcome::NoRecipients | SendOutcome::NotReached(_) => {
            (verdict(mail, attempt, &recipients, terms, now), None)
        }
    };
    Judged { settlement: MailSettlement { activity: mail.activity, verdict, recipients, reply }, next }
}

/// A mail that was claimed and not tried: pending as before.
pub fn not_tried(activity: ActivityId) -> MailSettlement {
    MailSettlement { activity, verdict: MailVerdict::Returned, recipients: Vec::new(), reply: None }
}

/// What is written with the mark before the last line: where nobody ever hears how the mail ended,
/// those not named here are the ones that its end concerns.
pub fn before_the_dot(mail: &OutboxMail, recipients: &[(u32, Option<Answer>)]) -> Vec<RecipientResult> {
    let named = |to: &(u32, Option<Answer>)| match &to.1 {
        Some(Ok(_)) => {
            let party = mail.parties.iter().find(|party| party.position == to.0)?;
            let state = Some(RecipientState::Unknown);
            party.result.map(|_| RecipientResult { position: to.0, state, reply: None })
        }
        Some(Err(refusal)) => Some(refused(to.0, refusal, mail.attempts)),
        None => None,
    };
    recipients.iter().filter_map(named).collect()
}

/// What an attempt tells of the mailbox, its profile or ourselves.
fn next(attempt: &Attempt) -> Next {
    let of_all = match &attempt.outcome {
        SendOutcome::NotReached(failure) | SendOutcome::InDoubt(failure) => Some(failure),
        SendOutcome::Refused(refusal) => Some(&refusal.failure),
        SendOutcome::Accepted(_) | SendOutcome::NoRecipients => None,
    };
    let refused = attempt.recipients.iter().filter_map(|(_, answer)| answer.as_ref()?.as_ref().err());
    let failures = of_all.into_iter().chain(refused.map(|refusal| &refusal.failure));
    let (mut next, broken) = (Next::GoOn, of_all.is_some_and(|failure| failure.scope != Scope::Message));
    for failure in failures.filter(|failure| failure.scope != Scope::Message) {
        if !may_be_its_fault(failure) {
            return Next::Stop(failure.clone());
        }
        if broken && next == Next::GoOn {
            next = Next::Reconnect(failure.clone());
        }
    }
    next
}

/// A conversation that breaks again and again may break because of the mail: such an attempt
/// counts, or one mail would stop a mailbox for ever. What the server says outright is believed.
fn may_be_its_fault(failure: &Failure) -> bool {
    failure.scope <= Scope::Mailbox && failure.persistence == Persistence::Transient
}

/// What is new about one recipient.
fn result((position, answer): &(u32, Option<Answer>), outcome: &SendOutcome, attempts: u32) -> Option<RecipientResult> {
    let known = |state, reply: &ServerReply| {
        Some(RecipientResult { position: *position, state: Some(state), reply: Some(reply.clone()) })
    };
    match (answer, outcome) {
        (Some(Err(refusal)), _) | (_, SendOutcome::Refused(refusal)) => Some(refused(*position, refusal, attempts)),
        (Some(Ok(reply)), SendOutcome::Accepted(_)) => known(RecipientState::Accepted, reply),
        (Some(Ok(reply)), SendOutcome::InDoubt(_)) => known(RecipientState::Unknown, reply),
        (Some(Ok(_)), SendOutcome::NoRecipients | SendOutcome::NotReached(_)) | (None, _) => None,
    }
}

fn refused(position: u32, refusal: &Refusal, attempts: u32) -> RecipientResult {
    let for_good = refusal.failure.scope == Scope::Message
        && match refusal.failure.persistence {
            Persistence::Permanent => true,
            Persistence::UntilConfirmed => attempts >= CONFIRMATIONS,
            Persistence::Transient | Persistence::Throttled => false,
        };
    let state = if for_good { RecipientState::Refused } else { RecipientState::Deferred };
    RecipientResult { position, state: Some(state), reply: refusal.reply.clone() }
}

/// Where a mail stands whose fate is known, by what is known of its recipients.
fn verdict(
    mail: &OutboxMail,
    attempt: &Attempt,
    results: &[RecipientResult],
    terms: &SendTerms,
    now: Timestamp,
) -> MailVerdict {
    let tally = Tally::of(&mail.parties, results);
    let last = last_failure(attempt);
    if tally.open == 0 {
        return ended(tally, last);
    }
    let failure = last.unwrap_or_else(|| message(FailureCode::InternalError, Persistence::Transient, "no answer"));
    if is_split(attempt) {
        return MailVerdict::RetryAt(now, failure);
    }
    retry((mail.queued_at, mail.attempts), tally, failure, terms, now)
}

/// How many recipients stand how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The server took it for them.
    pub accepted: usize,
    /// They will never get it.
    pub refused: usize,
    /// They are still to be reached.
    pub open: usize,
}

impl Tally {
    /// Of `parties`, with what is new about them.
    pub fn of(parties: &[OutboxParty], news: &[RecipientResult]) -> Self {
        let mut tally = Self { accepted: 0, refused: 0, open: 0 };
        for party in parties.iter().filter(|party| party.is_recipient()) {
            let new = news.iter().find(|new| new.position == party.position);
            match new.map_or(party.result, |new| new.state) {
                Some(RecipientState::Accepted) => tally.accepted += 1,
                Some(RecipientState::Refused) => tally.refused += 1,
                Some(RecipientState::Deferred | RecipientState::Unknown) | None => tally.open += 1,
            }
        }
        tally
    }
}

/// Nobody is left to send to.
pub fn ended(Tally { accepted, refused, .. }: Tally, last: Option<Failure>) -> MailVerdict {
    if refused == 0 {
        return MailVerdict::Sent(None);
    }
    let failure = |text: &str| message(FailureCode::RecipientsRefused, Persistence::Permanent, text);
    if accepted > 0 {
        let text = format!("{refused} of {} recipients were refused", accepted + refused);
        return MailVerdict::Sent(Some(failure(&text)));
    }
    MailVerdict::Failed(last.unwrap_or_else(|| failure("every recipient was refused")))
}

/// Tried again, or given up where it is too late. A mail is known by when it was queued and how
/// often it was tried.
pub fn retry(
    (queued_at, attempts): (Timestamp, u32),
    tally: Tally,
    failure: Failure,
    terms: &SendTerms,
    now: Timestamp,
) -> MailVerdict {
    let expires = terms.expires(queued_at);
    if now < expires {
        return MailVerdict::RetryAt(now.plus(delay(&terms.rules, attempts)).min(expires), failure);
    }
    let hours = terms.rules.expire_after.as_secs() / 3_600;
    let text = format!("not sent within {hours} hours; at last: {}", failure.text);
    let expired = message(FailureCode::MailExpired, Persistence::Permanent, &text);
    if tally.accepted > 0 { MailVerdict::Sent(Some(expired)) } else { MailVerdict::Failed(expired) }
}

/// From an attempt to the next one, the first attempt being number 1.
fn delay(rules: &SendRules, attempts: u32) -> Duration {
    let tried = usize::try_from(attempts).unwrap_or(usize::MAX).saturating_sub(1);
    rules.retry.get(tried).or(rules.retry.last()).copied().unwrap_or(Duration::from_secs(4 * 3_600))
}

/// Some were taken, and for others the server wants another transaction (`452 4.5.3`): at once.
fn is_split(attempt: &Attempt) -> bool {
    let mut answers = attempt.recipients.iter().filter_map(|(_, answer)| answer.as_ref());
    matches!(attempt.outcome, SendOutcome::Accepted(_)) && answers.any(|answer| answer.as_ref().is_err_and(is_too_many))
}

/// RFC 5321 §4.5.3.1.10; servers without enhanced codes say 452 alone.
fn is_too_many(refusal: &Refusal) -> bool {
    let too_many =
        |reply: &ServerReply| reply.code == 452 && reply.enhanced.as_deref().is_none_or(|enhanced| enhanced == "4.5.3");
    refusal.reply.as_ref().is_some_and(too_many)
}

/// What to say of an attempt that did not do all: the worst that still may change, else the last.
fn last_failure(attempt: &Attempt) -> Option<Failure> {
    match &attempt.outcome {
        SendOutcome::NotReached(failure) | SendOutcome::InDoubt(failure) => return Some(failure.clone()),
        SendOutcome::Refused(refusal) => return Some(refusal.failure.clone()),
        SendOutcome::Accepted(_) | SendOutcome::NoRecipients => {}
    }
    let refused = attempt.recipients.iter().filter_map(|(_, answer)| answer.as_ref()?.as_ref().err());
    let failures: Vec<&Failure> = refused.map(|refusal| &refusal.failure).collect();
    let open = failures.iter().find(|failure| failure.persistence != Persistence::Permanent);
    open.or(failures.last()).map(|failure| (*failure).clone())
}

/// After the last line and without a reply.
fn doubt(attempts: u32, failure: &Failure, terms: &SendTerms, now: Timestamp) -> MailVerdict {
    let failure = in_doubt(&format!("no answer to the last line of the mail: {}", failure.text));
    match terms.in_doubt {
        InDoubt::Verify => {
            let [first, ..] = VERIFICATIONS;
            MailVerdict::InDoubt { verify_at: now.plus(first), verifications: 0, failure }
        }
        InDoubt::Retry => MailVerdict::RetryAt(now.plus(delay(&terms.rules, attempts)), failure),
        InDoubt::Hold => MailVerdict::Held(failure),
    }
}

/// Nobody knows whether the server took it.
pub fn in_doubt(text: &str) -> Failure {
    message(FailureCode::DeliveryInDoubt, Persistence::Transient, text)
}

fn message(code: FailureCode, persistence: Persistence, text: &str) -> Failure {
    Failure::new(code, Scope::Message, persistence, text)
}

fn words(reply: &ServerReply) -> String {
    match &reply.enhanced {
        Some(enhanced) => format!("{} {enhanced} {}", reply.code, reply.text),
        None => format!("{} {}", reply.code, reply.text),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

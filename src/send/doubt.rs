//! What was found of a mail whose last line may have been sent → where it stands.
//!
//! Sent again is only what certainly was not taken. That no copy lies in the Sent folder proves it
//! only where the server files by itself what it takes, and has shown that it does: the latest other
//! mails of this mailbox, taken for certain and not filed by us, lie there. Everything else is for a
//! person.

use std::time::Duration;

use crate::model::{
    failure::Failure,
    outbox::{DoubtfulMail, InDoubt, MailSettlement, MailVerdict, RecipientResult, RecipientState},
    timestamp::Timestamp,
};

use super::judge::{SendTerms, Tally, VERIFICATIONS, ended, in_doubt, retry};

/// After a look that failed, the next one.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// What a look into the Sent folder showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A copy of the mail lies there.
    Filed,
    /// A mail with its Message-ID lies there, which may be another one.
    Similar,
    /// None does.
    Absent(Files),
    /// There is no Sent folder to look into.
    Nowhere,
    /// It could not be looked into.
    Unknown(Failure),
}

/// Whether a server puts what it takes into the Sent folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// It did so with the latest other mails of this mailbox.
    Yes,
    /// Nothing shows that it does.
    Unproven,
}

/// Whether a mail is to be looked for at all.
pub fn is_looked_for(terms: &SendTerms) -> bool {
    terms.in_doubt == InDoubt::Verify
}

/// Whether this look, should it find nothing, is the one that counts.
pub fn is_last_look(mail: &DoubtfulMail) -> bool {
    usize::try_from(mail.verifications).unwrap_or(usize::MAX).saturating_add(1) >= VERIFICATIONS.len()
}

/// Judges a mail in doubt by what was found `now`. Where the policy looks nowhere, that is
/// [`Finding::Nowhere`].
pub fn judge_doubt(mail: &DoubtfulMail, finding: &Finding, terms: &SendTerms, now: Timestamp) -> MailSettlement {
    let held = |text: &str| settled(mail, MailVerdict::Held(in_doubt(text)), Vec::new());
    match (terms.in_doubt, finding) {
        (InDoubt::Hold, _) => held("the program ended, or the connection was lost, before the server's answer came"),
        (InDoubt::Retry, _) => again(mail, "the server's answer did not come", terms, now),
        (InDoubt::Verify, Finding::Filed) => found(mail, terms, now),
        (InDoubt::Verify, Finding::Similar) => {
            held("a mail with its Message-ID is in the Sent folder, but may be another")
        }
        (InDoubt::Verify, Finding::Nowhere) => held("there is no Sent folder that could show whether it was sent"),
        (InDoubt::Verify, Finding::Unknown(failure)) if now < terms.expires(mail.dot_at) => {
            let failure = in_doubt(&format!("could not look into the Sent folder: {}", failure.text));
            let verdict =
                MailVerdict::InDoubt { verify_at: now.plus(LOOK_AGAIN), verifications: mail.verifications, failure };
            settled(mail, verdict, Vec::new())
        }
        (InDoubt::Verify, Finding::Unknown(_)) => held("the Sent folder could never be looked into"),
        (InDoubt::Verify, Finding::Absent(files)) => absent(mail, *files, terms, now),
    }
}

fn absent(mail: &DoubtfulMail, files: Files, terms: &SendTerms, now: Timestamp) -> MailSettlement {
    let looked = mail.verifications.saturating_add(1);
    let next = usize::try_from(looked).ok().and_then(|looked| VERIFICATIONS.get(looked));
    match (next, files) {
        (Some(next), _) => {
            let verify_at = mail.dot_at.plus(*next).max(now.plus(between(looked)));
            let failure = in_doubt("it is not in the Sent folder yet");
            settled(mail, MailVerdict::InDoubt { verify_at, verifications: looked, failure }, Vec::new())
        }
        (None, Files::Yes) => again(mail, "it is not in the Sent folder: the server did not take it", terms, now),
        (None, Files::Unproven) => {
            let text = "it is not in the Sent folder, but nothing shows that the server files what it takes";
            settled(mail, MailVerdict::Held(in_doubt(text)), Vec::new())
        }
    }
}

/// Looks that come late, as after a stop, still come one after the other.
fn between(looked: u32) -> Duration {
    let at = |index: u32| usize::try_from(index).ok().and_then(|index| VERIFICATIONS.get(index)).copied();
    at(looked).unwrap_or_default().saturating_sub(looked.checked_sub(1).and_then(at).unwrap_or_default())
}

/// The copy proves that the server took the mail in its last transaction, unless an earlier one,
/// for other recipients, may have left it.
fn found(mail: &DoubtfulMail, terms: &SendTerms, now: Timestamp) -> MailSettlement {
    if mail.parties.iter().any(|party| party.result == Some(RecipientState::Accepted)) {
        let text = "its copy in the Sent folder may be of what was sent to other recipients before";
        return settled(mail, MailVerdict::Held(in_doubt(text)), Vec::new());
    }
    let news = news(mail, Some(RecipientState::Accepted));
    let tally = Tally::of(&mail.parties, &news);
    let verdict = if tally.open == 0 {
        ended(tally, None)
    } else {
        retry((mail.queued_at, mail.attempts), tally, in_doubt("some recipients were refused for now"), terms, now)
    };
    settled(mail, verdict, news)
}

/// The same bytes once more.
fn again(mail: &DoubtfulMail, text: &str, terms: &SendTerms, now: Timestamp) -> MailSettlement {
    let news = news(mail, None);
    let tally = Tally::of(&mail.parties, &news);
    settled(mail, retry((mail.queued_at, mail.attempts), tally, in_doubt(text), terms, now), news)
}

/// Those whom the transaction in doubt was for, in their new state.
fn news(mail: &DoubtfulMail, state: Option<RecipientState>) -> Vec<RecipientResult> {
    let concerned = mail
        .parties
        .iter()
        .filter(|party| party.is_recipient() && matches!(party.result, None | Some(RecipientState::Unknown)));
    concerned.map(|party| RecipientResult { position: party.position, state, reply: None }).collect()
}

fn settled(mail: &DoubtfulMail, verdict: MailVerdict, recipients: Vec<RecipientResult>) -> MailSettlement {
    MailSettlement { activity: mail.activity, verdict, recipients, reply: None }
}

#[cfg(test)]
#[path = "doubt_tests.rs"]
mod tests;

//! A message and what is known of it → its row in the ledger.

use std::{collections::BTreeMap, time::Duration};

use crate::model::{
    activity::{IgnoreReason, LedgerEntry, NewActivity, NewAttachment, NewSource, Verdict},
    cursor::ListedMessage,
    failure::Failure,
    ids::ActivityId,
    message::{Attachment, MessageKey, ReceivedMessage},
    rules::ReceiveRules,
    timestamp::Timestamp,
};

/// [`NewAttachment::blocked`] of an attachment that is over the size limit.
pub const TOO_LARGE: &str = "too_large";
/// [`NewAttachment::blocked`] of an attachment of a blocked type.
pub const BLOCKED_TYPE: &str = "blocked_type";

/// A test mail is on its way for no longer. Whoever has read one knows its Message-ID, and must not be
/// able to hide mail behind it for ever.
const TEST_MAIL_ARRIVES_WITHIN: Duration = Duration::from_secs(7 * 86_400);

/// What is known of the messages of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Activities that are there, by the key of their message.
    pub activities: BTreeMap<MessageKey, ActivityId>,
    /// When the test mails among them were made, by Message-ID.
    pub test_mails: BTreeMap<String, Timestamp>,
}

impl Facts {
    fn is_test_mail(&self, message: &ReceivedMessage, received_at: Timestamp) -> bool {
        let made = message.message_id.as_ref().and_then(|id| self.test_mails.get(id));
        made.is_some_and(|made| received_at <= made.plus(TEST_MAIL_ARRIVES_WITHIN))
    }
}

/// Whether a Message-ID has the form of those that we make: only then it may be that of a test mail.
pub fn may_be_ours(message_id: &str) -> bool {
    let local = message_id.split_once('@').map(|(local, _)| local);
    local.is_some_and(|local| local.len() == 36 && uuid::Uuid::try_parse(local).is_ok())
}

/// A fetched message, ready to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// As listed.
    pub listed: ListedMessage,
    /// Its bytes.
    pub source: NewSource,
    /// What was read from them, or why nothing was.
    pub parsed: Result<ReceivedMessage, Failure>,
}

/// A message on its way into the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Decided already.
    Entry(Box<LedgerEntry>),
    /// To be judged.
    Candidate(Box<Candidate>),
}

impl Prepared {
    /// The key of a message that was read.
    pub fn key(&self) -> Option<MessageKey> {
        match self {
            Self::Entry(_) => None,
            Self::Candidate(candidate) => candidate.parsed.as_ref().ok().map(|message| message.key),
        }
    }

    /// The Message-ID of a message that was read.
    pub fn message_id(&self) -> Option<&str> {
        match self {
            Self::Entry(_) => None,
            Self::Candidate(candidate) => candidate.parsed.as_ref().ok()?.message_id.as_deref(),
        }
    }
}

/// Judges a batch in order. A second copy within the batch is linked to the first.
pub fn judge_all(batch: Vec<Prepared>, mut known: Facts, rules: &ReceiveRules, now: Timestamp) -> Vec<LedgerEntry> {
    let judged = batch.into_iter().map(|prepared| match prepared {
        Prepared::Entry(entry) => *entry,
        Prepared::Candidate(candidate) => {
            let entry = judge(*candidate, &known, rules, ActivityId::generate(now), now);
            if let (Some(key), Verdict::Record(activity)) = (entry.key, &entry.verdict) {
                known.activities.insert(key, activity.id);
            }
            entry
        }
    });
    judged.collect()
}

/// Judges one message; `id` is the new activity's where it becomes one.
pub fn judge(candidate: Candidate, known: &Facts, rules: &ReceiveRules, id: ActivityId, now: Timestamp) -> LedgerEntry {
    let Candidate { listed, source, parsed } = candidate;
    let ListedMessage { uid, size, internal_date, uidl } = listed;
    let message = match parsed {
        Ok(message) => message,
        Err(failure) => {
            let verdict = Verdict::SetAside(failure);
            let source = Some(source);
            return LedgerEntry { uid, internal_date, uidl, size, key: None, message_id: None, source, verdict };
        }
    };
    let (key, message_id) = (Some(message.key), message.message_id.clone());
    let received_at = received_at(listed, message.date, now);
    let (verdict, source) = match known.activities.get(&message.key) {
        _ if known.is_test_mail(&message, received_at) => (Verdict::Ignore(IgnoreReason::TestMail), None),
        Some(activity) => (Verdict::Link(*activity), None),
        None => (Verdict::Record(Box::new(activity(message, received_at, rules, id))), Some(source)),
    };
    LedgerEntry { uid, internal_date, uidl, size, key, message_id, source, verdict }
}

/// Where no server says when it received a message: what the message says of itself, but not in a
/// maildrop, where there is often no other date and the first look comes soon enough.
fn received_at(listed: ListedMessage, date: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let date = date.filter(|_| listed.uidl.is_none());
    listed.internal_date.or(date).unwrap_or(now)
}

fn activity(message: ReceivedMessage, received_at: Timestamp, rules: &ReceiveRules, id: ActivityId) -> NewActivity {
    let attachments: Vec<NewAttachment> = message
        .attachments
        .iter()
        .map(|attachment| NewAttachment { attachment: attachment.clone(), blocked: blocked(attachment, rules) })
        .collect();
    let mut sentences = message.notes.clone();
    sentences.extend(attachments.iter().filter_map(|attachment| sentence(attachment, rules)));
    NewActivity { id, message, received_at, attachments, notifications: sentences.join("\n") }
}

fn blocked(attachment: &Attachment, rules: &ReceiveRules) -> Option<&'static str> {
    let extension = extension(&attachment.file_name);
    if extension.is_some_and(|extension| rules.blocked_attachments.contains(&extension)) {
        Some(BLOCKED_TYPE)
    } else if attachment.size > rules.maximum_attachment_size {
        Some(TOO_LARGE)
    } else {
        None
    }
}

/// The extension as a system would see it that opens the file: dots and blanks at the end do not count.
fn extension(file_name: &str) -> Option<String> {
    let trimmed = file_name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control());
    trimmed.rsplit_once('.').map(|(_, extension)| extension.trim().to_lowercase())
}

fn sentence(attachment: &NewAttachment, rules: &ReceiveRules) -> Option<String> {
    let NewAttachment { attachment, blocked } = attachment;
    let name = if attachment.file_name.is_empty() { "without a name" } else { &attachment.file_name };
    let why = match *blocked {
        None => return None,
        Some(TOO_LARGE) => {
            format!("it has {} bytes, the limit is {}", attachment.size, rules.maximum_attachment_size)
        }
        Some(_) => "files of its type are blocked".to_owned(),
    };
    Some(format!("The attachment {name:?} was left out: {why}."))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

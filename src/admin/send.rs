//! Queueing mail, and what a person does with mail that is queued.

use serde::Serialize;

use super::{
    error::AdminError,
    status::WorkloadStatus,
    views::{self, MailboxView},
};
use crate::{
    mime::{
        self,
        compose::{ComposeRules, adopt, compose},
    },
    model::{
        activity::ActivityStatus,
        audit::Actor,
        ids::ActivityId,
        message::{Party, PartyRole},
        outbox::{Draft, NewContent, NewMail, OutboxAttachment, OutboxParty},
        rules::SendRules,
        timestamp::Timestamp,
    },
    store::{ActivityDetail, Store, StoreError},
};

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letter {
    /// Words and files.
    Words(Words),
    /// A finished RFC 5322 mail.
    Finished(Vec<u8>),
}

/// Words and files that are yet to become a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The sender's name; may be empty.
    pub from_name: String,
    /// To, Cc, Bcc and Reply-To. Without a recipient it goes to whoever sent the mail answered.
    pub parties: Vec<Party>,
    /// Subject; that of the mail answered unless given.
    pub subject: Option<String>,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML.
    pub html: Option<String>,
    /// Files.
    pub attachments: Vec<OutboxAttachment>,
}

/// How a mail is to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Address of the mailbox that sends it; where not given, the one in From of a finished mail, or
    /// the one that got the mail answered.
    pub mailbox: Option<String>,
    /// The address in From, where that is not the mailbox's own. A finished mail has its own From.
    pub send_as: Option<String>,
    /// The recorded mail that it answers.
    pub answers: Option<ActivityId>,
    /// Not sent before.
    pub send_after: Option<Timestamp>,
    /// Asked for again with the same key, the mail that is there already is the answer.
    pub idempotency_key: Option<String>,
}

/// A mail that is queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueuedMail {
    /// Its activity.
    pub id: ActivityId,
    /// Address of the mailbox that sends it.
    pub mailbox: String,
    /// Whether it was there already, with the same idempotency key.
    pub already_queued: bool,
    /// What its mailbox waits for, where it cannot send now.
    pub waits: Option<String>,
}

/// Checks a mail as far as that is possible without sending it, and queues it.
///
/// # Errors
/// The mailbox does not send, the mail cannot be composed, or the database refused; nothing is queued.
pub async fn queue(
    store: &Store,
    rules: &SendRules,
    letter: Letter,
    options: SendOptions,
    now: Timestamp,
) -> Result<QueuedMail, AdminError> {
    let id = ActivityId::generate(now);
    let rules = ComposeRules { now, maximum_size: rules.maximum_message_size };
    let (mail, sender) = match letter {
        Letter::Finished(raw) => finished(store, options, id, &raw, &rules).await?,
        Letter::Words(words) => written(store, options, id, words, &rules).await?,
    };
    let queued = store.queue_mail(&mail, now).await?;
    let waits = (sender.sending != WorkloadStatus::Ok).then(|| sender.sending_words());
    Ok(QueuedMail { id: queued, mailbox: sender.mailbox.email_address, already_queued: queued != id, waits })
}

async fn finished(
    store: &Store,
    options: SendOptions,
    id: ActivityId,
    raw: &[u8],
    rules: &ComposeRules,
) -> Result<(NewMail, MailboxView), AdminError> {
    let adopted = adopt(raw, id, rules)?;
    let address = options.mailbox.as_deref().unwrap_or(&adopted.from.address);
    let sender = sender(store, address, rules.now).await?;
    let own = sender.mailbox.email_address.to_lowercase() == adopted.from.address.to_lowercase();
    let message = adopted.message;
    let content = NewContent::Composed {
        message_id: adopted.composed.message_id,
        source: mime::compress(adopted.composed.bytes, message.source),
        attachments: message.attachments,
    };
    let mail = NewMail {
        id,
        mailbox: sender.mailbox.id,
        send_as: (!own).then_some(adopted.from.address),
        subject: message.subject,
        text: message.text,
        html: message.html,
        parties: message.parties,
        content,
        answers: options.answers,
        send_after: options.send_after,
        idempotency_key: options.idempotency_key,
    };
    Ok((mail, sender))
}

async fn written(
    store: &Store,
    options: SendOptions,
    id: ActivityId,
    words: Words,
    rules: &ComposeRules,
) -> Result<(NewMail, MailboxView), AdminError> {
    let answered = match options.answers {
        Some(answered) => Some(views::activity(store, answered).await?),
        None => None,
    };
    let answered = answered.as_ref();
    let received_by = answered.map(|detail| detail.row.mailbox.as_str());
    let address = options.mailbox.as_deref().or(received_by).ok_or(AdminError::NoSender)?;
    let sender = sender(store, address, rules.now).await?;
    let from = options.send_as.clone().unwrap_or_else(|| sender.mailbox.email_address.clone());
    let mut parties = vec![Party { role: PartyRole::From, address: from.clone(), display_name: words.from_name }];
    let to = |party: &Party| matches!(party.role, PartyRole::To | PartyRole::Cc | PartyRole::Bcc);
    if !words.parties.iter().any(to) {
        parties.extend(answered.into_iter().flat_map(answer_to));
    }
    parties.extend(words.parties);
    let subject = words.subject.or(answered.map(|detail| answer_subject(&detail.row.subject))).unwrap_or_default();
    let draft = Draft {
        sender: from,
        subject: subject.clone(),
        text: words.text.clone(),
        html: words.html.clone(),
        in_reply_to: None,
        references: Vec::new(),
        attachments: words.attachments.clone(),
    };
    // What would fail at the first attempt is told now.
    compose(id, &numbered(&parties), draft, rules)?;
    let mail = NewMail {
        id,
        mailbox: sender.mailbox.id,
        send_as: options.send_as,
        subject,
        text: words.text,
        html: words.html,
        parties,
        content: NewContent::Draft(words.attachments),
        answers: options.answers,
        send_after: options.send_after,
        idempotency_key: options.idempotency_key,
    };
    Ok((mail, sender))
}

fn numbered(parties: &[Party]) -> Vec<OutboxParty> {
    let numbered = parties.iter().cloned().zip(0..);
    numbered.map(|(party, position)| OutboxParty { position, party, result: None }).collect()
}

/// Whoever wants the answer; of a mail that we sent, those whom we sent it to.
fn answer_to(detail: &ActivityDetail) -> Vec<Party> {
    let of = |role: PartyRole| {
        let found = detail.parties.iter().map(|row| &row.party).filter(move |party| party.role == role);
        found.map(|party| Party { role: PartyRole::To, ..party.clone() }).collect::<Vec<_>>()
    };
    let roles: &[PartyRole] =
        if detail.delivery.is_some() { &[PartyRole::To] } else { &[PartyRole::ReplyTo, PartyRole::From] };
    roles.iter().map(|role| of(*role)).find(|found| !found.is_empty()).unwrap_or_default()
}

fn answer_subject(subject: &str) -> String {
    let answered = subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    if answered { subject.to_owned() } else { format!("Re: {subject}") }
}

/// The mailbox, where it may send at all, be it later: also once a person has mended what disabled it.
async fn sender(store: &Store, address: &str, now: Timestamp) -> Result<MailboxView, AdminError> {
    let view = views::mailbox(store, address, now).await?;
    if view.sending.is_done() || view.sending == WorkloadStatus::Disabled {
        return Ok(view);
    }
    let hint = view.sending.hint(&view.mailbox);
    Err(AdminError::DoesNotSend { mailbox: view.mailbox.email_address.clone(), why: view.sending_words(), hint })
}

/// What a person does with a mail that is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Keep it back.
    Hold,
    /// Send it (again), to whom the server has not accepted it for.
    Retry,
    /// Withdraw it.
    Cancel,
}

/// Does it; returns the status that follows.
///
/// # Errors
/// There is no such mail, or it does not stand so that this can be done; nothing is changed.
pub async fn move_mail(
    store: &Store,
    id: ActivityId,
    to: Move,
    actor: &Actor,
    now: Timestamp,
) -> Result<ActivityStatus, AdminError> {
    let detail = views::activity(store, id).await?;
    if detail.delivery.is_none() {
        return Err(AdminError::NotOutgoing { id: id.to_string() });
    }
    let moved: Result<ActivityStatus, StoreError> = match to {
        Move::Hold => store.hold_mail(id, actor, now).await.map(|()| ActivityStatus::Held),
        Move::Retry => store.retry_mail(id, actor, now).await.map(|()| ActivityStatus::PendingSend),
        Move::Cancel => store.cancel_mail(id, actor, now).await.map(|()| ActivityStatus::Canceled),
    };
    Ok(moved?)
}

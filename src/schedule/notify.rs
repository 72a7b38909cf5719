//! Tells by mail of profiles that fail. The mail goes the way of all mail, through the outbox.

use std::collections::BTreeSet;

use super::incident::{self, Notice};
use crate::{
    means::stored,
    mime::{
        self,
        compose::{ComposeError, ComposeRules, compose},
    },
    model::{
        failure::FailureCode,
        ids::{ActivityId, AlertId},
        mailbox::{Mailbox, Workload},
        message::{Party, PartyRole},
        outbox::{Draft, NewContent, NewMail, OutboxParty},
        rules::AlertRules,
        timestamp::Timestamp,
    },
    store::{AlertFilter, Store, StoreError},
};

/// Marks it as what nobody must answer by itself (RFC 3834; the second is Exchange's).
const AUTOMATIC: &str = "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n";
/// Far more than such a mail has.
const MAXIMUM_SIZE: u64 = 1_000_000;

/// Raises and closes incidents, and queues the mail about them.
///
/// # Errors
/// The database did not answer.
pub(super) async fn look(
    store: &Store,
    rules: &AlertRules,
    silent: &mut BTreeSet<AlertId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let profiles = store.profiles().await?;
    let health = store.health(now.minus(incident::WINDOW)).await?;
    let mut holds = store.holds(Workload::Incoming).await?;
    holds.extend(store.holds(Workload::Outgoing).await?);
    let code = Some(FailureCode::ProfileFailing);
    let known = store.alerts(&AlertFilter { code, closed_too: true, ..AlertFilter::default() }).await?;
    let mut changes = Vec::new();
    for profile in profiles.iter().filter(|profile| profile.active) {
        let of_profile: Vec<_> = health.iter().filter(|group| group.profile == profile.id).cloned().collect();
        let held: Vec<_> = holds.iter().filter(|(id, _)| *id == profile.id).map(|(_, hold)| hold.clone()).collect();
        let is_open = known.iter().any(|it| it.closed_at.is_none() && it.alert.subject == profile.name);
        changes.extend(incident::change(profile.id, &of_profile, &held, is_open, now));
    }
    if !changes.is_empty() {
        stored::patiently(|| store.change_alerts(&changes, now)).await?;
    }
    if rules.mail_profile_owner { mail(store, rules, silent, now).await } else { Ok(()) }
}

async fn mail(
    store: &Store,
    rules: &AlertRules,
    silent: &mut BTreeSet<AlertId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let code = Some(FailureCode::ProfileFailing);
    let alerts = store.alerts(&AlertFilter { code, closed_too: true, ..AlertFilter::default() }).await?;
    if alerts.iter().all(|it| it.closed_at.is_some() || it.mailed_at.is_some()) {
        return Ok(());
    }
    let records = store.records().await?;
    let wanted = rules.mail_from.as_ref().map(|address| address.to_lowercase());
    let mailboxes = records.mailboxes.iter().map(|(mailbox, _)| mailbox).filter(|mailbox| mailbox.active);
    let from = mailboxes.clone().find(|mailbox| Some(mailbox.email_address.to_lowercase()) == wanted);
    let Some(from) = from else {
        for alert in alerts.iter().filter(|it| it.closed_at.is_none() && silent.insert(it.id)) {
            let (profile, address) = (&alert.alert.subject, rules.mail_from.as_deref().unwrap_or_default());
            tracing::error!(
                %profile,
                address,
                code = FailureCode::ProfileFailing.name(),
                words = "mail_from of [alerts] is no mailbox",
                hint = "set mail_from of [alerts] to a mailbox that sends, on another profile",
                "nobody is told by mail that the profile fails"
            );
        }
        return Ok(());
    };
    let profiles: Vec<_> = records.profiles.into_iter().map(|(profile, _)| profile).collect();
    let notices = incident::notices(&alerts, &profiles, from.profile, now);
    for (id, profile) in notices.unmailable {
        if silent.insert(id) {
            tracing::error!(
                %profile,
                mailbox = %from.email_address,
                code = FailureCode::ProfileFailing.name(),
                words = "the mail would go through that profile",
                hint = "set mail_from of [alerts] to a mailbox on another profile",
                "nobody is told by mail that the profile fails"
            );
        }
    }
    for notice in notices.mails {
        let mail = match written(from, &notice, now) {
            Ok(mail) => mail,
            Err(error) => {
                let is_new = notice.incidents.iter().filter(|id| silent.insert(**id)).count() > 0;
                if is_new {
                    let (code, words) = (FailureCode::ProfileFailing, error.to_string());
                    let hint = "set the owner of the profile to an address that mail can be sent to";
                    let (to, code) = (&notice.to, code.name());
                    tracing::error!(%to, code, words, hint, "nobody is told by mail that the profile fails");
                }
                continue;
            }
        };
        let activity = stored::patiently(|| store.queue_mail(&mail, now)).await?;
        stored::patiently(|| store.alerts_mailed(&notice.incidents, now)).await?;
        tracing::info!(mailbox = %from.email_address, to = %notice.to, %activity, count = notice.incidents.len(),
            "a mail tells the owner that profiles fail");
    }
    Ok(())
}

/// A finished mail: a draft has no place for the fields that mark it. Its reverse-path is the mailbox, and
/// not null: that is for reports and for automatic answers (RFC 5321, 4.5.5; RFC 3834), this answers
/// nothing, and where the owner cannot be reached, the report of that has to come back to somebody.
fn written(from: &Mailbox, notice: &Notice, now: Timestamp) -> Result<NewMail, ComposeError> {
    let id = ActivityId::generate(now);
    let party =
        |role, address: &str, name: &str| Party { role, address: address.to_owned(), display_name: name.to_owned() };
    let parties = [party(PartyRole::From, &from.email_address, "mailsyncd"), party(PartyRole::To, &notice.to, "")];
    let envelope: Vec<OutboxParty> = parties
        .iter()
        .zip(0..)
        .map(|(party, position)| OutboxParty { position, party: party.clone(), result: None })
        .collect();
    let draft = Draft {
        sender: from.email_address.clone(),
        subject: notice.subject.clone(),
        text: Some(notice.text.clone()),
        html: None,
        in_reply_to: None,
        references: Vec::new(),
        attachments: Vec::new(),
    };
    let composed = compose(id, &envelope, draft, &ComposeRules { now, maximum_size: MAXIMUM_SIZE })?;
    let bytes = [AUTOMATIC.as_bytes(), &composed.bytes].concat();
    let sha256 = mime::digest(&bytes);
    // A crash before the incidents are marked as told must not tell twice.
    let key: Vec<String> = notice.incidents.iter().map(ToString::to_string).collect();
    Ok(NewMail {
        id,
        mailbox: from.id,
        send_as: None,
        subject: notice.subject.clone(),
        text: Some(notice.text.clone()),
        html: None,
        parties: parties.into(),
        content: NewContent::Composed {
            message_id: composed.message_id,
            source: mime::compress(bytes, sha256),
            attachments: Vec::new(),
        },
        answers: None,
        send_after: None,
        idempotency_key: Some(format!("profile-failing:{}", mime::digest(key.join(",").as_bytes()))),
    })
}

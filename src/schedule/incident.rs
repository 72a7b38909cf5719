//! When a whole profile fails, and who is told of it by mail. Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::{AlertId, ProfileId},
        lease::ProfileHold,
        profile::ServerProfile,
        timestamp::Timestamp,
    },
    store::{AlertDetail, Health},
};

/// Within this most of the mailboxes must have begun to fail.
pub const WINDOW: Duration = Duration::from_secs(3_600);
/// A server that is away for less is no incident.
const SERVER_MAY_BE_DOWN: Duration = Duration::from_secs(900);
/// Nobody gets mail about alerts more often.
const DIGEST: Duration = Duration::from_secs(900);
/// Codes that are named in the words of an incident.
const MOST_CODES: usize = 3;

/// What is to be raised and closed about `profile`. `health` is that of its mailboxes, `holds` those
/// of its sides, `is_open` whether the incident is known already.
pub fn change(
    profile: ProfileId,
    health: &[Health],
    holds: &[ProfileHold],
    is_open: bool,
    now: Timestamp,
) -> Option<AlertChange> {
    let subject = AlertSubject::Profile(profile);
    let all: u64 = health.iter().map(|group| group.mailboxes).sum();
    let count = |fails: &dyn Fn(&Health) -> bool| -> u64 {
        health.iter().filter(|group| fails(group)).map(|group| group.mailboxes).sum()
    };
    let most = |failing: u64| failing.saturating_mul(2) > all;
    let hold = holds.iter().find(|hold| !hold.code.is_throttling());
    if is_open {
        let goes_on = hold.is_some() || most(count(&|group| !group.failures().is_empty()));
        return (!goes_on).then_some(AlertChange::Close(subject, FailureCode::ProfileFailing));
    }
    let lately = |group: &Health| !group.failures().is_empty() && group.is_lately;
    let text = match hold.filter(|hold| all > 0 && now.since(hold.since) >= SERVER_MAY_BE_DOWN) {
        Some(hold) => format!("the server fails since {}; {}: {}", hold.since.to_the_second(), hold.code, hold.text),
        None if most(count(&lately)) => words(health, count(&lately), all),
        None => return None,
    };
    let (severity, code) = (Severity::Error, FailureCode::ProfileFailing);
    Some(AlertChange::Raise(NewAlert { subject, severity, code, text, workload: None }))
}

/// How many fail, and with what most of them do.
fn words(health: &[Health], failing: u64, all: u64) -> String {
    let mut codes: BTreeMap<FailureCode, u64> = BTreeMap::new();
    for group in health {
        for code in group.failures() {
            *codes.entry(code).or_default() += group.mailboxes;
        }
    }
    let mut codes: Vec<(u64, FailureCode)> = codes.into_iter().map(|(code, count)| (count, code)).collect();
    codes.sort_by_key(|(count, code)| (std::cmp::Reverse(*count), *code));
    let named: Vec<String> = codes.iter().take(MOST_CODES).map(|(count, code)| format!("{code} {count}")).collect();
    format!("{failing} of {all} mailboxes fail: {}", named.join(", "))
}

/// A mail about incidents, to somebody who looks after their profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// To whom.
    pub to: String,
    /// What it tells of.
    pub incidents: Vec<AlertId>,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// What is to be told by mail, and of which incidents nobody can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// Mails, one for each person.
    pub mails: Vec<Notice>,
    /// Incidents of the profile that the mail itself would have to go through, and its name.
    pub unmailable: Vec<(AlertId, String)>,
}

/// Decides on mails. `alerts` are all incidents that are kept, `from` the profile of the mailbox that
/// such mail is sent from.
pub fn notices(alerts: &[AlertDetail], profiles: &[ServerProfile], from: Option<ProfileId>, now: Timestamp) -> Notices {
    let mut notices = Notices::default();
    let mut told: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut waiting: BTreeMap<String, Vec<&AlertDetail>> = BTreeMap::new();
    for detail in alerts {
        let Some(owner) = detail.owner.as_ref().map(|owner| owner.to_lowercase()) else { continue };
        let profile = profiles.iter().find(|profile| profile.name == detail.alert.subject);
        match (detail.mailed_at, profile) {
            (Some(at), _) => {
                let last = told.entry(owner).or_insert(at);
                *last = at.max(*last);
            }
            (None, Some(profile)) if detail.closed_at.is_none() && Some(profile.id) == from => {
                notices.unmailable.push((detail.id, profile.name.clone()));
            }
            (None, Some(_)) if detail.closed_at.is_none() => waiting.entry(owner).or_default().push(detail),
            (None, _) => {}
        }
    }
    waiting.retain(|owner, _| told.get(owner).is_none_or(|last| now.since(*last) >= DIGEST));
    notices.mails = waiting.into_values().filter_map(|incidents| notice(&incidents)).collect();
    notices
}

fn notice(incidents: &[&AlertDetail]) -> Option<Notice> {
    let first = incidents.first()?;
    let subject = match incidents {
        [one] => format!("mailsyncd: profile {} fails", one.alert.subject),
        many => format!("mailsyncd: {} profiles fail", many.len()),
    };
    let mut text = String::new();
    for AlertDetail { alert, .. } in incidents {
        let since = alert.first_seen.to_the_second();
        text.push_str(&format!("Profile {}, since {since}:\n{}\n{}\n\n", alert.subject, alert.text, alert.hint));
    }
    text.push_str("This is sent once for each incident. What goes on: mailsyncd alert list\n");
    let incidents = incidents.iter().map(|detail| detail.id).collect();
    Some(Notice { to: first.owner.clone()?, incidents, subject, text })
}

#[cfg(test)]
#[path = "incident_tests.rs"]
mod tests;

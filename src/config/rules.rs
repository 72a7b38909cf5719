//! The sections of rules that cycles and their schedule go by.

use std::{collections::BTreeSet, time::Duration};

use super::{
    problem::Place,
    read::{Root, Section},
    value::{self, Read, Wrong, boolean, choice, duration, duration_or_off, list, number, size, text},
};
use crate::model::{
    outbox::InDoubt,
    rules::{FailureRules, Limits, Polling, ReceiveRules, SendRules},
};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) const IN_DOUBT: &[(&str, InDoubt)] =
    &[("verify", InDoubt::Verify), ("retry", InDoubt::Retry), ("hold", InDoubt::Hold)];

pub(super) fn polling(root: &mut Root<'_>) -> Polling {
    let mut section = root.section("polling");
    let default = Polling::default();
    let polling = Polling {
        idle_maximum: section.take("idle_maximum", duration_or_off(SECOND..=DAY)).unwrap_or(default.idle_maximum),
        push: section.take("push", boolean).unwrap_or(default.push),
        push_minimum: section.take("push_minimum", duration(SECOND..=DAY)).unwrap_or(default.push_minimum),
    };
    section.finish();
    polling
}

/// The limits, and where `bytes_in_flight` stands.
pub(super) fn limits(root: &mut Root<'_>) -> (Limits, Option<Place>) {
    let mut section = root.section("limits");
    let default = Limits::default();
    let per_host = section.take("connections_per_host", number(1..=100_000));
    let logins = section.take("logins_per_host_per_second", number(1..=10_000));
    let (bytes, place) = section.take_placed("bytes_in_flight", size(1_000_000..=64_000_000_000)).unzip();
    let limits = Limits {
        connections: section.take("connections", number(1..=100_000)).unwrap_or(default.connections),
        connections_per_host: per_host.unwrap_or(default.connections_per_host),
        logins_per_host_per_second: logins.unwrap_or(default.logins_per_host_per_second),
        bytes_in_flight: bytes.unwrap_or(default.bytes_in_flight),
    };
    section.finish();
    (limits, place)
}

pub(super) fn receive(root: &mut Root<'_>, limits: &(Limits, Option<Place>)) -> ReceiveRules {
    let mut section = root.section("receive");
    let default = ReceiveRules::default();
    let message = message_size(&mut section, default.maximum_message_size, limits);
    let attachment = section.take("maximum_attachment_size", size(0..=128_000_000));
    let blocked = section.take("blocked_attachments", list(extension));
    let delete_after = section.take("delete_after", duration(Duration::ZERO..=30 * DAY));
    section.finish();
    ReceiveRules {
        maximum_message_size: message,
        maximum_attachment_size: attachment.unwrap_or(default.maximum_attachment_size),
        blocked_attachments: blocked.map_or(default.blocked_attachments, BTreeSet::from_iter),
        delete_after: delete_after.unwrap_or(default.delete_after),
    }
}

/// One message must fit the memory that all share; the default one as well.
fn message_size(section: &mut Section<'_>, default: u64, (limits, budget_at): &(Limits, Option<Place>)) -> u64 {
    const KEY: &str = "maximum_message_size";
    let (size, place) = match section.take_placed(KEY, size(1_000..=1_000_000_000)) {
        Some((size, place)) => (size, Some(place)),
        None => (default, None),
    };
    if size > limits.bytes_in_flight
        && let Some(at) = place.as_ref().or(budget_at.as_ref())
    {
        let (budget, default) = (value::show_size(limits.bytes_in_flight), value::show_size(default));
        let what = if place.is_some() { String::new() } else { format!("is {default} where it is not given: ") };
        let hint = "raise limits.bytes_in_flight, or give a smaller maximum_message_size";
        section.wrong(at, KEY, Wrong::hint(format!("{what}it is over limits.bytes_in_flight ({budget})"), hint));
    }
    size
}

pub(super) fn sending(root: &mut Root<'_>, limits: &(Limits, Option<Place>)) -> SendRules {
    let mut section = root.section("sending");
    let default = SendRules::default();
    let retry = section.take_placed("retry", list(duration(SECOND..=7 * DAY)));
    if let Some((times, place)) = &retry
        && times.is_empty()
    {
        section.wrong(place, "retry", Wrong::hint("must not be empty", "the last one is used again and again"));
    }
    let expire_after = section.take("expire_after", duration(60 * SECOND..=30 * DAY));
    let in_doubt = section.take("in_doubt", choice(IN_DOUBT));
    let maximum_message_size = message_size(&mut section, default.maximum_message_size, limits);
    let outbox_poll = section.take("outbox_poll", duration(SECOND..=60 * SECOND));
    section.finish();
    SendRules {
        retry: retry.map(|(times, _)| times).filter(|times| !times.is_empty()).unwrap_or(default.retry),
        expire_after: expire_after.unwrap_or(default.expire_after),
        in_doubt: in_doubt.unwrap_or(default.in_doubt),
        maximum_message_size,
        outbox_poll: outbox_poll.unwrap_or(default.outbox_poll),
    }
}

fn extension(value: &toml::de::DeValue<'_>) -> Read<String> {
    let given = text(value)?;
    let extension = given.strip_prefix('.').unwrap_or(&given).to_lowercase();
    if extension.is_empty() || !extension.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Err(Wrong::hint(format!("{given:?} is not a file name extension"), "write it as \"exe\""));
    }
    Ok(extension)
}

pub(super) fn failures(root: &mut Root<'_>) -> FailureRules {
    let mut section = root.section("failures");
    let default = FailureRules::default();
    let maximum = section.take("maximum_transient", number(1..=10_000));
    let grace = section.take("transient_grace", duration(Duration::ZERO..=30 * DAY));
    let transient = section.take("transient_backoff", duration(SECOND..=DAY));
    let timeout = section.take("timeout_backoff", duration(SECOND..=DAY));
    let confirmations = section.take("confirmations", list(duration(SECOND..=DAY)));
    section.finish();
    FailureRules {
        maximum_transient: maximum.unwrap_or(default.maximum_transient),
        transient_grace: grace.unwrap_or(default.transient_grace),
        transient_backoff: transient.unwrap_or(default.transient_backoff),
        timeout_backoff: timeout.unwrap_or(default.timeout_backoff),
        confirmations: confirmations.unwrap_or(default.confirmations),
    }
}

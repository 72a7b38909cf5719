//! `[alerts]`: of what people are told, and how.

use std::time::Duration;

use super::{
    read::Root,
    rules::{DAY, SECOND},
    value::{Wrong, address, boolean, duration},
};
use crate::model::{alert::Severity, rules::AlertRules};

pub(super) fn alerts(root: &mut Root<'_>) -> AlertRules {
    let mut section = root.section("alerts");
    let default = AlertRules::default();
    let keys = [("information", Severity::Information), ("warnings", Severity::Warning), ("errors", Severity::Error)];
    let mut raised = default.raised;
    for (key, severity) in keys {
        if section.take(key, boolean) == Some(false) {
            raised.remove(&severity);
        }
    }
    let stale_after = section.take("stale_after", duration(SECOND..=30 * DAY));
    let keep = section.take("keep", duration(Duration::ZERO..=3_650 * DAY));
    let notify_mailbox_owner = section.take("notify_mailbox_owner", boolean);
    let mail = section.take_placed("mail_profile_owner", boolean);
    let named = section.given("mail_from");
    let mail_from = section.take("mail_from", address);
    if let Some((true, place)) = &mail
        && !named
    {
        let hint = "name a mailbox on another profile: mail_from = \"alerts@example.com\"";
        section.wrong(place, "mail_profile_owner", Wrong::hint("needs a mailbox to send from", hint));
    }
    section.finish();
    AlertRules {
        raised,
        stale_after: stale_after.unwrap_or(default.stale_after),
        keep: keep.unwrap_or(default.keep),
        notify_mailbox_owner: notify_mailbox_owner.unwrap_or(default.notify_mailbox_owner),
        mail_profile_owner: mail.is_some_and(|(mail, _)| mail),
        mail_from,
    }
}

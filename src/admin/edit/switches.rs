//! What is done with many mailboxes at a time: the organization's defaults, switching off.

use super::{Desk, Plan, problem, refused};
use crate::{
    admin::{
        changes::{PlannedChange, Planner, switch_off_of},
        error::AdminError,
        selection::{Selection, select_of},
    },
    config::Problem,
    model::{
        failure::clean,
        ids::RunId,
        mailbox::{DeclaredEnabled, Mailbox, MailboxKind, SyncMethod, Workload},
        record::RecordChange,
        testing::{TestRequest, testable},
    },
};

impl Desk<'_> {
    /// Gives mailboxes the default profile and methods, and asks for their test, after which they are
    /// enabled.
    ///
    /// # Errors
    /// There is no default profile, some mailboxes are not there or declared in a file, or they would be
    /// wrong; everything that is wrong, and nothing is changed.
    pub fn apply_defaults(&self, which: &Selection) -> Result<Plan, AdminError> {
        let selected = select_of(self.records, which)?;
        let Some((profile, _)) = self.default_profile()? else {
            let hint = "set email_settings.default_profile, or: mailsyncd profile set PROFILE --default true";
            return refused(vec![problem("there is no default profile", Some(hint))]);
        };
        let settings = &self.config.email_settings;
        let mut planner = Planner::new(self.records, self.now);
        let (mut problems, mut notes): (Vec<Problem>, Vec<String>) = Default::default();
        for pair in selected.iter().filter_map(|mailbox| self.pair_of(mailbox)) {
            let outgoing = if pair.0.kind == MailboxKind::Forward { SyncMethod::None } else { settings.outgoing };
            let (incoming, outgoing_word) = (method(settings.incoming), method(outgoing));
            let given = [("profile", profile.name.as_str()), ("incoming", incoming), ("outgoing", outgoing_word)];
            problems.extend(self.change_mailbox(&mut planner, pair, &given).err().into_iter().flatten());
            let after = Mailbox {
                profile: Some(profile.id),
                incoming_method: settings.incoming,
                outgoing_method: outgoing,
                ..pair.0.clone()
            };
            let request = TestRequest::default();
            let address = &after.email_address;
            match testable(&after, Some(profile), request) {
                Ok(()) => {
                    let change = RecordChange::QueueTest(after.id, RunId::generate(self.now), request);
                    planner.add(change, "mailbox", address, "will be tested, and enabled where that goes well");
                }
                Err(why) => notes.push(format!("mailbox {}: not tested: {why}", clean(address, 320))),
            }
        }
        let changes = planner.changes();
        if problems.is_empty() { Ok(Plan { changes, notes }) } else { refused(problems) }
    }

    /// Switches reading, sending or both off, and calls off a test that would enable them.
    ///
    /// # Errors
    /// Some mailboxes are not there, or a file enables them.
    pub fn disable(&self, which: &Selection, workloads: &[Workload]) -> Result<Vec<PlannedChange>, AdminError> {
        let selected = select_of(self.records, which)?;
        let enabled_by_file = |mailbox: &&Mailbox| {
            matches!(mailbox.declared_enabled, Some(DeclaredEnabled::True | DeclaredEnabled::Test))
        };
        let wrong = selected.iter().filter(enabled_by_file).map(|mailbox| {
            let place = mailbox.managed_by.as_deref().unwrap_or_default();
            let place = place.strip_prefix("config:").unwrap_or(place);
            let hint = "say enabled = false there, then: systemctl reload mailsyncd";
            problem(format!("mailbox {} is enabled at {place}", mailbox.email_address), Some(hint))
        });
        let problems: Vec<Problem> = wrong.collect();
        if !problems.is_empty() {
            return refused(problems);
        }
        let mut planner = Planner::new(self.records, self.now);
        for mailbox in &selected {
            for (change, text) in switch_off_of(mailbox, workloads, &self.records.tested) {
                planner.add(change, "mailbox", &mailbox.email_address, &text);
            }
        }
        Ok(planner.changes())
    }
}

const fn method(method: SyncMethod) -> &'static str {
    match method {
        SyncMethod::ServerSideSync => "server_side_sync",
        SyncMethod::None => "none",
    }
}

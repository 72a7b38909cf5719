//! The sentences of an explanation. Pure.

use std::time::Duration;

use super::{Facts, State, WaitingMail};
use crate::{
    config::show_duration,
    model::{
        activity::ActivityStatus,
        failure::FailureCode,
        mailbox::{TestStatus, Workload},
        presence::DaemonState,
        profile::AuthenticateUsing,
        rules::FailureRules,
        timestamp::Timestamp,
    },
};

/// What the sentences are about.
pub(super) struct Told<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) workload: Workload,
    pub(super) state: State,
}

impl Told<'_> {
    fn reads(&self) -> bool {
        self.workload == Workload::Incoming
    }

    /// `reading` or `sending`.
    fn noun(&self) -> &'static str {
        if self.reads() { "reading" } else { "sending" }
    }

    fn profile(&self) -> &str {
        self.facts.profile.map_or("", |profile| profile.name.as_str())
    }

    fn code(&self) -> Option<FailureCode> {
        self.facts.evidence(self.workload, self.state).map(|evidence| evidence.code)
    }

    /// Failures in a row, as `failed once` or `failed 3 times in a row`.
    fn failed(&self) -> String {
        let times = self.facts.evidence(self.workload, self.state).map_or(1, |evidence| evidence.times);
        let since = self.facts.workload_state(self.workload).failing_since;
        let since = since.map_or_else(String::new, |since| format!(" since {}", since.to_the_second()));
        if times == 1 { format!("failed once{since}") } else { format!("failed {times} times in a row{since}") }
    }

    /// Why it is so.
    pub(super) fn because(&self) -> String {
        let state = self.facts.workload_state(self.workload);
        match self.state {
            State::Inactive => "the mailbox is inactive: it was removed, or no file declares it any more".to_owned(),
            State::NoProfile if self.facts.profile.is_some() => format!("its profile {} is inactive", self.profile()),
            State::NoProfile => "it has no server profile".to_owned(),
            State::Off if self.reads() => "its incoming method is none".to_owned(),
            State::Off => "its outgoing method is none".to_owned(),
            State::NoServer => format!("its profile {} has no server to hand mail to", self.profile()),
            State::Rejected => "an administrator rejected the mailbox".to_owned(),
            State::PendingApproval => "nobody has approved the mailbox yet".to_owned(),
            State::Disabled => format!("{} {} and was disabled", self.noun(), self.failed()),
            State::NotEnabled if self.test_refused().is_some() => {
                format!("{} is not enabled: {}", self.noun(), self.test_refused().unwrap_or_default())
            }
            State::NotEnabled if state.test_status == TestStatus::NotRun => {
                format!("{} is not enabled: it was never tested", self.noun())
            }
            State::NotEnabled => format!("{} is not enabled: somebody disabled it", self.noun()),
            State::TestUnderWay => self.test(),
            State::TestFailed => {
                let at = self.facts.failed_stage(self.workload).map(|(stage, _)| format!(", at the stage {stage}"));
                format!("its last test failed{}", at.unwrap_or_default())
            }
            State::Running if self.reads() => "it is being read at this moment".to_owned(),
            State::Running => "it is sending at this moment".to_owned(),
            State::Abandoned => {
                let heard = self.facts.lease(self.workload).and_then(|lease| lease.heard).map(Timestamp::to_the_second);
                let since = heard.map_or_else(
                    || "is not heard of any more".to_owned(),
                    |heard| format!("has not been heard of since {heard}"),
                );
                format!("the daemon that took it {since}")
            }
            State::NotRunning => self.unattended(),
            State::Paused => "the daemon is in trouble of its own and starts nothing".to_owned(),
            State::Held if self.is_strained() => {
                format!("the server of profile {} fails, and so do others: it is the daemon's machine", self.profile())
            }
            State::Held => format!("the server of profile {} fails: all its mailboxes wait", self.profile()),
            State::Locked => self.locked(),
            State::Throttled => format!("the server asked to wait ({})", self.failed()),
            State::Confirming => format!("the server refused: {}, to be confirmed", self.failed()),
            State::Postponed => format!("{} {}", self.noun(), self.failed()),
            State::Late => {
                let since = self.facts.due(self.workload).map_or_else(String::new, Timestamp::to_the_second);
                match self.is_strained() {
                    true => format!("it is due since {since}, and the daemon's machine gives too little for all"),
                    false => format!("it is due since {since}, and others are before it"),
                }
            }
            State::Due if self.was_unreached() => {
                "the last try failed, for its server and not for the mailbox".to_owned()
            }
            State::Due if state.failure_code.is_some() => {
                format!("{} {}, and it is due again", self.noun(), self.failed())
            }
            State::Due if self.reads() && state.last_success_at.is_none() => "it has never been read yet".to_owned(),
            State::Due if self.is_strained() => {
                "it is due, and the daemon's machine gives too little for all".to_owned()
            }
            State::Due => "it is due".to_owned(),
            State::Ok => self.well(),
        }
    }

    /// That no daemon runs, and what else is the matter.
    fn unattended(&self) -> String {
        let nobody = match self.facts.daemon {
            DaemonState::Silent { since } => format!(
                "no daemon has been heard of since {}: it died, or the database takes no writes",
                since.to_the_second()
            ),
            DaemonState::Died { since } => {
                format!("no daemon runs: it died, and was last heard of at {}", since.to_the_second())
            }
            _ => "no daemon runs".to_owned(),
        };
        let failing = self.facts.workload_state(self.workload).failure_code.is_some();
        match self.facts.hold(self.workload) {
            Some(_) => format!("{nobody}; the server of profile {} fails: all its mailboxes wait", self.profile()),
            None if self.is_locked() => format!("{nobody}; {}", self.locked()),
            None if failing => format!("{nobody}; {} {}", self.noun(), self.failed()),
            None => nobody,
        }
    }

    /// Whether the last cycle failed for its server, which nobody counts.
    fn was_unreached(&self) -> bool {
        let state = self.facts.workload_state(self.workload);
        state.failure_code.is_some() && state.failing_since.is_none()
    }

    fn is_locked(&self) -> bool {
        self.facts.is_locked(self.workload)
    }

    /// Since when the password is locked.
    fn locked(&self) -> String {
        let since =
            self.facts.password_locked_at.map_or_else(String::new, |at| format!(" since {}", at.to_the_second()));
        format!("its stored password is locked{since}: it was entered for another server")
    }

    /// How the password is entered again.
    fn unlock(&self) -> String {
        let profile = self.facts.profile.filter(|profile| profile.authenticate_using == AuthenticateUsing::Profile);
        let whose = profile.map_or(&self.facts.mailbox.email_address, |profile| &profile.name);
        format!("if the new server may have the password: mailsyncd secret set {whose}")
    }

    /// Whether it waits because of the daemon's machine.
    fn is_strained(&self) -> bool {
        self.facts.is_strained(self.workload, self.state)
    }

    fn well(&self) -> String {
        let last = self.facts.workload_state(self.workload).last_success_at.map(Timestamp::to_the_second);
        match (self.reads(), last) {
            (true, Some(last)) => format!("all is well: read completely at {last}"),
            (true, None) => "all is well: it is read for the first time soon".to_owned(),
            (false, last) => {
                let last =
                    last.map_or_else(|| "nothing has been sent yet".to_owned(), |last| format!("sent last at {last}"));
                let kept = self.kept();
                if kept.is_empty() { format!("all is well: {last}") } else { format!("{last}; {}", kept.join("; ")) }
            }
        }
    }

    /// What became of mail that no server took for certain.
    fn kept(&self) -> Vec<String> {
        let outbox = &self.facts.around.outbox;
        let said = |fits: fn(&WaitingMail) -> bool, what: &str| {
            let those = || outbox.iter().filter(|mail| fits(mail));
            let mails: u64 = those().map(|mail| mail.mails).sum();
            let code = those().find_map(|mail| mail.code).map_or_else(String::new, |code| format!(" ({code})"));
            (mails > 0).then(|| format!("{mails} {what}{code}"))
        };
        let all = [
            said(|mail| mail.in_doubt, "in doubt"),
            said(|mail| mail.status == ActivityStatus::Held, "held for a person"),
            said(|mail| mail.status == ActivityStatus::Failed, "not sent within a day"),
        ];
        all.into_iter().flatten().collect()
    }

    /// How mail that is held, or was given up, is looked at.
    fn look_at_mail(&self) -> Option<String> {
        let stands = |status| self.facts.around.outbox.iter().any(|mail| mail.status == status);
        let status = [ActivityStatus::Held, ActivityStatus::Failed].into_iter().find(|status| stands(*status))?;
        let address = &self.facts.mailbox.email_address;
        Some(format!(
            "look, then retry or cancel: mailsyncd activity list --mailbox {address} --status {}",
            status.name()
        ))
    }

    /// Whether its test is begun by nobody.
    fn waits_for_a_daemon(&self) -> bool {
        self.facts.daemon.is_gone() && self.facts.test.is_some_and(|test| !test.running)
    }

    /// How to have a daemon that works.
    fn start(&self) -> &'static str {
        match self.facts.daemon {
            DaemonState::Silent { .. } | DaemonState::Died { .. } => {
                "look: systemctl status mailsyncd; journalctl -u mailsyncd; df -h"
            }
            _ => "systemctl start mailsyncd",
        }
    }

    /// That the last test that was asked for was not run, and why.
    fn test_refused(&self) -> Option<String> {
        let test = self.facts.test?;
        let (at, by) = (test.requested_at.to_the_second(), &test.requested_by);
        test.refused.as_ref().map(|why| format!("the test that {by} asked for at {at} was not run: {why}"))
    }

    /// How far the test has come.
    fn test(&self) -> String {
        let Some(test) = self.facts.test else { return String::new() };
        let (at, by) = (test.requested_at.to_the_second(), &test.requested_by);
        match (test.running, test.attempts) {
            (true, attempts) => format!("attempt {attempts} of the test that {by} asked for at {at} is under way"),
            (false, 0) => format!("{by} asked for a test at {at}"),
            // Nobody is at it, though it is due: an attempt was perhaps cut by a death.
            (false, attempts) if test.next_attempt_at.is_some_and(|next| next <= self.facts.now) => {
                format!("the test that {by} asked for at {at} was begun {}, and is begun again", times(attempts))
            }
            (false, attempts) => {
                format!("the test that {by} asked for at {at} failed {}, and is tried again", times(attempts))
            }
        }
    }

    /// What will happen, and when.
    pub(super) fn next(&self) -> (String, Option<Timestamp>) {
        let due = self.facts.due(self.workload).filter(|due| *due > self.facts.now);
        match self.state {
            State::Inactive
            | State::NoProfile
            | State::Off
            | State::NoServer
            | State::Rejected
            | State::PendingApproval
            | State::NotEnabled => ("nothing".to_owned(), None),
            State::Disabled | State::TestFailed => ("nothing is tried until a test succeeds".to_owned(), None),
            State::TestUnderWay if self.waits_for_a_daemon() => {
                ("as soon as a daemon runs, it is tested, and enabled where that succeeds".to_owned(), None)
            }
            State::TestUnderWay => {
                let at = self.facts.test.and_then(|test| test.next_attempt_at).filter(|at| *at > self.facts.now);
                ("it is tested, and enabled where that succeeds".to_owned(), at)
            }
            State::Running => ("when it is through, the next time is set".to_owned(), None),
            State::Abandoned => {
                ("another daemon takes it over".to_owned(), self.facts.lease(self.workload).map(|lease| lease.until))
            }
            State::NotRunning => (format!("as soon as a daemon runs, {}", self.first_of_all()), None),
            State::Paused => ("the daemon looks every few seconds, and goes on by itself".to_owned(), None),
            State::Held => match self.facts.hold(self.workload) {
                Some(hold) if hold.next_probe().is_some() => {
                    let text = "one mailbox of the server tries again; where that succeeds, all go on".to_owned();
                    (text, Some(hold.until))
                }
                _ => (
                    "nothing is tried before somebody dismisses the profile's alert, or changes its server".to_owned(),
                    None,
                ),
            },
            State::Locked => ("nothing is tried with it; once it is entered again, all is".to_owned(), None),
            State::Throttled => ("it is tried again; waiting for a server disables nothing".to_owned(), due),
            State::Confirming => (self.confirmation(), due),
            State::Postponed => (self.postponement(), due),
            State::Due if self.was_unreached() => (
                "it is tried again within a minute; where its server stays away, all its mailboxes wait".to_owned(),
                None,
            ),
            State::Late | State::Due => ("it begins as soon as the limits leave room".to_owned(), None),
            State::Ok if self.reads() => ("it is read again".to_owned(), due),
            State::Ok if due.is_some() => ("what waits in its outbox is sent".to_owned(), due),
            State::Ok => ("whatever is queued is sent at once".to_owned(), None),
        }
    }

    fn first_of_all(&self) -> &'static str {
        if self.facts.hold(self.workload).is_some() {
            return "one mailbox of the server tries again";
        }
        match self.facts.due(self.workload) {
            Some(due) if due > self.facts.now => "it waits for its time",
            None if !self.reads() => "its outbox is looked into",
            _ => "it is due at once",
        }
    }

    fn confirmation(&self) -> String {
        let state = self.facts.workload_state(self.workload);
        let (number, all) =
            (state.confirmations, state.failure_code.map_or(0, |code| self.facts.rules.confirmations_of(code).len()));
        format!("it is tried again: confirmation {number} of {all}; when all fail it is disabled")
    }

    fn postponement(&self) -> String {
        let FailureRules { maximum_transient, transient_grace, .. } = self.facts.rules;
        if matches!(self.code(), Some(FailureCode::CredentialsLocked | FailureCode::CredentialsMissing)) {
            return "it is tried again; waiting for a password disables nothing".to_owned();
        }
        let so_far = self.facts.workload_state(self.workload).transient_failures;
        let grace = match *transient_grace {
            Duration::ZERO => String::new(),
            grace => format!(" and {} without a success", show_duration(grace)),
        };
        format!("it is tried again; {maximum_transient} failures in a row{grace} disable it ({so_far} so far)")
    }

    /// How its method is changed: where it is declared, or by command.
    fn switch_on(&self) -> String {
        let mailbox = self.facts.mailbox;
        let (done, side) = if self.reads() { ("read", "incoming") } else { ("send", "outgoing") };
        match mailbox.managed_by {
            Some(_) => format!("to have it {done}: {side} = \"server_side_sync\""),
            None => {
                format!("to have it {done}: mailsyncd mailbox set {} --{side} server_side_sync", mailbox.email_address)
            }
        }
    }

    /// How its profile gets a server to send through.
    fn give_server(&self) -> String {
        match self.facts.profile {
            Some(profile) if profile.managed_by.is_none() => {
                format!("mailsyncd profile set {} --outgoing-host smtp.example.com", profile.name)
            }
            _ => "give the profile outgoing = { host = \"smtp.example.com\" }".to_owned(),
        }
    }

    /// What a person should do, if anything.
    pub(super) fn remedy(&self) -> Option<String> {
        let address = &self.facts.mailbox.email_address;
        let command = |verb: &str| format!("mailsyncd mailbox {verb} {address}");
        let of_code = || self.code().map(|code| code.hint().to_owned());
        match self.state {
            State::Inactive => Some("declare it again, or add it: mailsyncd mailbox add".to_owned()),
            State::NoProfile => Some("give the mailbox a profile that is active".to_owned()),
            State::Off => Some(self.switch_on()),
            State::NoServer => Some(self.give_server()),
            State::Rejected | State::PendingApproval => Some(command("approve")),
            State::NotEnabled => Some(command("test-enable")),
            State::Disabled | State::TestFailed => {
                of_code().map(|hint| format!("{hint}; then: {}", command("test-enable")))
            }
            State::NotRunning if self.is_locked() => Some(format!("{}; {}", self.start(), self.unlock())),
            State::NotRunning => match of_code() {
                Some(hint) => Some(format!("{}; {hint}", self.start())),
                None => Some(self.start().to_owned()),
            },
            State::TestUnderWay if self.waits_for_a_daemon() => Some(self.start().to_owned()),
            State::Locked => Some(self.unlock()),
            State::Ok if !self.reads() => self.look_at_mail(),
            State::Late if self.is_strained() => of_code(),
            State::Late => {
                let text =
                    "raise limits.connections or the profile's maximum_concurrent_connections, or poll less often";
                Some(text.to_owned())
            }
            State::Held if self.facts.hold(self.workload).is_some_and(|hold| hold.next_probe().is_none()) => {
                let profile = self.facts.profile.map_or("", |profile| profile.name.as_str());
                let look = format!("mailsyncd alert list --profile {profile}");
                of_code().map(|hint| format!("{hint}; once that is clear: {look}, then: mailsyncd alert dismiss ID"))
            }
            State::Paused | State::Held | State::Throttled | State::Confirming | State::Postponed | State::Due => {
                of_code()
            }
            State::TestUnderWay | State::Running | State::Abandoned | State::Ok => None,
        }
    }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

//! One fault: how it is injected, and what must come of it.

use std::time::Duration;

use mailsyncd::model::{
    activity::ActivityStatus,
    alert::Severity,
    failure::{FailureCode, Scope},
    mailbox::Workload,
};

use super::{
    server::{Then, Trouble, Wrong},
    talk::{self, Talk},
};
use crate::support::certificates::Certificate;

/// A row of the catalogue.
pub struct Row {
    /// What goes wrong, in words.
    pub name: &'static str,
    pub language: Language,
    pub security: &'static str,
    pub inject: Inject,
    /// How many mails meet it, where it is met in sending.
    pub mails: u32,
    pub expected: Expected,
    /// What `why` must say of it: a part of the server's words, or of what was seen.
    pub words: &'static str,
}

/// What the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Imap,
    Pop3,
    Smtp,
}

impl Language {
    pub fn talk(self) -> fn() -> Box<dyn Talk> {
        match self {
            Self::Imap => talk::imap,
            Self::Pop3 => talk::pop3,
            Self::Smtp => talk::smtp,
        }
    }

    /// What it is used for.
    pub fn workload(self) -> Workload {
        if self == Self::Smtp { Workload::Outgoing } else { Workload::Incoming }
    }
}

/// How a fault comes about.
#[derive(Clone, Debug)]
pub enum Inject {
    /// The server says wrong things; to all who ask where the failure is the profile's.
    Talk(Vec<Wrong>),
    Refuse,
    Ignore,
    /// The server shows this certificate.
    Certificate(Certificate),
    /// The profile names this host instead.
    Host(&'static str),
    /// The mailbox's password file is gone.
    NoPassword,
}

impl Inject {
    pub fn trouble(&self, to_all: bool) -> Trouble {
        match self {
            Self::Talk(wrong) => Trouble::Talks { wrong: wrong.clone(), to_all },
            Self::Refuse => Trouble::Refuses,
            Self::Ignore => Trouble::Ignores,
            Self::Certificate(_) => Trouble::Certificate,
            Self::Host(_) | Self::NoPassword => Trouble::None,
        }
    }
}

/// What must come of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub code: FailureCode,
    pub scope: Scope,
    /// At its first appearance.
    pub first: Schedule,
    /// After three hours and a half of it.
    pub last: Schedule,
    /// The alert that is open then.
    pub alert: Option<Severity>,
    pub recovery: Recovery,
}

/// How things stand with whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// The workload waits; for so long, at its first appearance.
    Postponed(Duration),
    /// The profile waits likewise.
    Held(Duration),
    Disabled,
    /// It is over already, of itself.
    Over,
    /// Nothing waits but the mail.
    Mail(ActivityStatus),
}

/// How it ends, once the cause is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Of itself, within two hours.
    ByItself,
    /// Of itself, within a day: the server asked for such a pause.
    WithinADay,
    /// By a person, who enables the mailbox again.
    ByEnabling,
    /// By a person, who has looked and dismisses the alert.
    ByDismissing,
    /// The mail stays where it is: a person decides on it.
    MailStays,
}

/// No daemon waits for that long.
pub const FOR_GOOD: Duration = Duration::from_secs(365 * 86_400);

pub const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

impl Expected {
    /// Tried again after so many minutes, and again.
    pub const fn transient(code: FailureCode) -> Self {
        Self::throttled(code, minutes(5))
    }

    pub const fn timeout() -> Self {
        Self::throttled(FailureCode::Timeout, minutes(10))
    }

    /// Waits as long as is asked for.
    pub const fn throttled(code: FailureCode, wait: Duration) -> Self {
        let schedule = Schedule::Postponed(wait);
        let recovery = if wait.as_secs() > 7_200 { Recovery::WithinADay } else { Recovery::ByItself };
        let alert = Some(Severity::Warning);
        Self { code, scope: Scope::Mailbox, first: schedule, last: schedule, alert, recovery }
    }

    /// Tried after 5 minutes, 30 minutes, 2 hours; then disabled.
    pub const fn confirmed(code: FailureCode) -> Self {
        Self { first: Schedule::Postponed(minutes(5)), ..Self::permanent(code) }
    }

    /// A refusal without a reason is confirmed for a day.
    pub const fn unclear() -> Self {
        let last = Schedule::Postponed(minutes(120));
        let confirmed = Self::confirmed(FailureCode::AuthUnclear).alerted(Some(Severity::Warning)).then(last);
        Self { recovery: Recovery::WithinADay, ..confirmed }
    }

    pub const fn permanent(code: FailureCode) -> Self {
        Self {
            code,
            scope: Scope::Mailbox,
            first: Schedule::Disabled,
            last: Schedule::Disabled,
            alert: Some(Severity::Error),
            recovery: Recovery::ByEnabling,
        }
    }

    /// The profile is held, one mailbox probes.
    pub const fn held(code: FailureCode) -> Self {
        let schedule = Schedule::Held(Duration::from_secs(30));
        let (scope, alert, recovery) = (Scope::Profile, Some(Severity::Error), Recovery::ByItself);
        Self { code, scope, first: schedule, last: schedule, alert, recovery }
    }

    /// The profile is held until a person has looked.
    pub const fn blocked(code: FailureCode) -> Self {
        Self { recovery: Recovery::ByDismissing, ..Self::held_for(code, FOR_GOOD) }
    }

    /// The same, after a wait that was asked for.
    pub const fn held_for(code: FailureCode, wait: Duration) -> Self {
        Self { first: Schedule::Held(wait), last: Schedule::Held(wait), ..Self::held(code) }
    }

    /// Only the mail is concerned.
    pub const fn mail(code: FailureCode, status: ActivityStatus, alert: Option<Severity>) -> Self {
        let recovery =
            if matches!(status, ActivityStatus::PendingSend) { Recovery::ByItself } else { Recovery::MailStays };
        let schedule = Schedule::Mail(status);
        Self { code, scope: Scope::Message, first: schedule, last: schedule, alert, recovery }
    }

    /// With this alert, or none.
    pub const fn alerted(self, alert: Option<Severity>) -> Self {
        Self { alert, ..self }
    }

    /// After three hours and a half it is otherwise.
    pub const fn then(self, last: Schedule) -> Self {
        Self { last, ..self }
    }
}

impl Row {
    pub fn imap(name: &'static str, inject: Inject, expected: Expected, words: &'static str) -> Self {
        Self { name, language: Language::Imap, security: "none", inject, mails: 1, expected, words }
    }

    pub fn pop3(name: &'static str, inject: Inject, expected: Expected, words: &'static str) -> Self {
        Self { language: Language::Pop3, ..Self::imap(name, inject, expected, words) }
    }

    pub fn smtp(name: &'static str, inject: Inject, expected: Expected, words: &'static str) -> Self {
        Self { language: Language::Smtp, ..Self::imap(name, inject, expected, words) }
    }

    pub fn over(self, security: &'static str) -> Self {
        Self { security, ..self }
    }

    pub fn meets(self, mails: u32) -> Self {
        Self { mails, ..self }
    }

    /// Whether everybody at the server is concerned.
    pub fn to_all(&self) -> bool {
        self.expected.scope == Scope::Profile
    }
}

/// It says this at `at`, and the conversation goes on.
pub fn says(at: &'static str, says: &'static str) -> Inject {
    Inject::Talk(vec![Wrong { at, says, then: Then::GoesOn }])
}

/// It says this at `at`, and closes.
pub fn closes(at: &'static str, says: &'static str) -> Inject {
    Inject::Talk(vec![Wrong { at, says, then: Then::Closes }])
}

/// It says this at `at`, and nothing more.
pub fn stalls(at: &'static str, says: &'static str) -> Inject {
    Inject::Talk(vec![Wrong { at, says, then: Then::Stalls }])
}

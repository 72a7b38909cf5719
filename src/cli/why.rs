//! `mailbox why`.

use clap::Args;

use super::{
    Context, Fault,
    args::Form,
    output::{Facts, Table, seconds, show},
};
use crate::{
    admin::why::{self, Evidence, Explanation, State, Why},
    store::{Store, WaitingMail},
};

/// Which mailbox.
#[derive(Debug, Args)]
pub struct WhyArguments {
    /// Its address.
    address: String,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

pub(super) async fn why(context: &Context, store: &Store, arguments: &WhyArguments) -> Result<(), Fault> {
    let why = why::ask(store, &context.config()?, &arguments.address, context.clock.now()).await?;
    Ok(show(arguments.form, &why, || text(&why))?)
}

/// The state in words.
const fn words(state: State) -> &'static str {
    match state {
        State::Inactive => "inactive",
        State::NoProfile => "no profile",
        State::Off => "off",
        State::NoServer => "no server",
        State::Rejected => "rejected",
        State::PendingApproval => "waits for approval",
        State::TestUnderWay => "test under way",
        State::TestFailed => "test failed",
        State::Disabled => "disabled by a failure",
        State::NotEnabled => "not enabled",
        State::Running => "under way",
        State::Abandoned => "left by its daemon",
        State::NotRunning => "no daemon",
        State::Paused => "daemon paused",
        State::Held => "profile held",
        State::Locked => "password locked",
        State::Throttled => "postponed, as the server asked",
        State::Confirming => "postponed, to be confirmed",
        State::Postponed => "postponed",
        State::Late => "late",
        State::Due => "due",
        State::Ok => "ok",
    }
}

fn text(why: &Why) -> String {
    let mut facts = Facts::default();
    facts.add("mailbox", &why.mailbox);
    facts.some("profile", why.profile.as_ref());
    let mut text = facts.text();
    for (name, explained) in [("reading", &why.incoming), ("sending", &why.outgoing)] {
        text.push('\n');
        text.push_str(&explanation(name, explained));
    }
    if !why.outbox.is_empty() {
        text.push_str(&format!("\n{}", outbox(&why.outbox)));
    }
    if !why.alerts.is_empty() {
        let mut table = Table::new(&["ALERT", "SINCE", "LAST", "TIMES", "CODE", "WORDS", "HINT"]);
        for alert in &why.alerts {
            let (first, last) = (seconds(alert.first_seen), seconds(alert.last_seen));
            let times = alert.count.to_string();
            table.row(&[&alert.subject, &first, &last, &times, &alert.code, &alert.text, &alert.hint]);
        }
        text.push_str(&format!("\n{}", table.text("")));
    }
    text
}

fn explanation(name: &'static str, explained: &Explanation) -> String {
    let mut facts = Facts::default();
    facts.add(name, words(explained.state));
    facts.add("because", &explained.because);
    if let Some(Evidence { code, meaning, words, first, last, times }) = &explained.evidence {
        facts.add("failure", format!("{code}: {meaning}"));
        facts.some("words", words.as_ref());
        let first = first.map_or_else(String::new, |first| format!(", first {}", seconds(first)));
        let last = last.map_or_else(String::new, |last| format!(", last {}", seconds(last)));
        let times = if *times == 1 { "once".to_owned() } else { format!("{times} times in a row") };
        facts.add("seen", format!("{times}{first}{last}"));
    }
    let at = explained.next_at.map_or_else(String::new, |at| format!("{}: ", seconds(at)));
    facts.add("next", format!("{at}{}", explained.next));
    facts.some("to do", explained.remedy.as_ref());
    facts.text()
}

fn outbox(waiting: &[WaitingMail]) -> String {
    let mut table = Table::new(&["OUTBOX", "MAILS", "OLDEST", "DUE", "FAILURE", "WORDS"]);
    for mail in waiting {
        let status = if mail.in_doubt { "in doubt" } else { mail.status.name() };
        let (oldest, due) = (seconds(mail.oldest), seconds(mail.due));
        let code = mail.code.map_or("-", |code| code.name());
        table.row(&[status, &mail.mails.to_string(), &oldest, &due, code, mail.words.as_deref().unwrap_or("-")]);
    }
    table.text("")
}

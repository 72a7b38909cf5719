//! `mailbox …` and `profile …`.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Context, Fault,
    alerts::WithAlerts,
    approval,
    args::{Form, MailboxCommand, ProfileCommand},
    edit, list,
    output::{Facts, Table, seconds, show, when},
    testing::{self, words::standing},
    why,
};
use crate::{
    admin::{
        status::WorkloadStatus,
        views::{self, MailboxView, ProfileView},
    },
    config::show_duration,
    model::{
        lease::ProfileHold,
        mailbox::{Approval, Mailbox, SyncMethod, TestStatus},
        profile::{AuthenticateUsing, Endpoint, ServerType},
        record::CredentialSource,
        testing::TestRun,
        timestamp::Timestamp,
    },
    store::AlertFilter,
};

pub(super) async fn mailbox(context: &Context, command: MailboxCommand) -> Result<ExitCode, Fault> {
    let store = context.store().await?;
    let now = context.clock.now();
    let mut status = ExitCode::SUCCESS;
    match command {
        MailboxCommand::List(arguments) => list::list(context, &store, &arguments).await?,
        MailboxCommand::Show { address, form } => {
            let mailbox = views::mailbox(&store, &address, now).await?;
            let filter = AlertFilter { mailbox: Some(address), ..AlertFilter::default() };
            let test = store.tests(&[mailbox.mailbox.id], now).await?.pop();
            let view = WithTest { view: &mailbox, test: test.as_ref() };
            let shown = WithAlerts { view: &view, alerts: store.alerts(&filter).await? };
            show(form, &shown, || mailbox_facts(&view, now) + &shown.text())?;
        }
        MailboxCommand::Add(arguments) => edit::add_mailbox(context, &arguments).await?,
        MailboxCommand::Set(arguments) => edit::set_mailboxes(context, &arguments).await?,
        MailboxCommand::Remove(arguments) => edit::remove_mailboxes(context, &arguments).await?,
        MailboxCommand::ApplyDefaults(arguments) => {
            status = edit::apply_defaults(context, &store, &arguments).await?;
        }
        MailboxCommand::Disable(arguments) => edit::disable(context, &arguments).await?,
        MailboxCommand::Why(arguments) => why::why(context, &store, &arguments).await?,
        MailboxCommand::Approve { which, form } => {
            status = approval::approval(context, &store, (&which, Approval::Approved), form).await?;
        }
        MailboxCommand::Reject { which, form } => {
            status = approval::approval(context, &store, (&which, Approval::Rejected), form).await?;
        }
        MailboxCommand::TestEnable(arguments) => status = testing::test_enable(context, &store, &arguments).await?,
        MailboxCommand::Poll { which, form } => {
            let asked = views::request_poll(&store, &which.selection(), now).await?;
            show(form, &asked.iter().map(Polled::of).collect::<Vec<_>>(), || poll_text(&asked))?;
        }
    }
    store.close().await;
    Ok(status)
}

pub(super) async fn profile(context: &Context, command: ProfileCommand) -> Result<ExitCode, Fault> {
    let store = context.store().await?;
    let mut status = ExitCode::SUCCESS;
    match command {
        ProfileCommand::Add(arguments) => edit::add_profile(context, &arguments).await?,
        ProfileCommand::Set(arguments) => edit::set_profile(context, &arguments).await?,
        ProfileCommand::Remove(arguments) => edit::remove_profile(context, &arguments).await?,
        ProfileCommand::Test { name, form } => status = testing::profile(context, &store, &name, form).await?,
        ProfileCommand::List { form } => list_profiles(form, &views::profiles(&store).await?)?,
        ProfileCommand::Show { name, form } => {
            let profile = views::profile(&store, &name).await?;
            let mut alerts = store.alerts(&AlertFilter { profile: Some(name), ..AlertFilter::default() }).await?;
            alerts.retain(|detail| detail.alert.kind == "profile");
            let shown = WithAlerts { view: &profile, alerts };
            show(form, &shown, || profile_facts(&profile) + &shown.text())?;
        }
    }
    store.close().await;
    Ok(status)
}

pub(super) fn mailbox_table(mailboxes: &[MailboxView]) -> String {
    let mut table =
        Table::new(&["ADDRESS", "STATUS", "PROFILE", "OWNER", "LAST SUCCESS", "NEXT DUE", "FAILURE", "SENDING"]);
    for view in mailboxes {
        let state = &view.mailbox.incoming;
        table.row(&[
            &view.mailbox.email_address,
            view.status.words(),
            view.profile_name.as_deref().unwrap_or("-"),
            view.owner_name.as_deref().unwrap_or("-"),
            &when(state.last_success_at),
            &when(next_due(view)),
            state.failure_code.map_or("-", |code| code.name()),
            &view.sending_words(),
        ]);
    }
    table.text("no mailboxes")
}

/// When it is read next, if it is read at all.
fn next_due(view: &MailboxView) -> Option<crate::model::timestamp::Timestamp> {
    let state = &view.mailbox.incoming;
    match view.status {
        WorkloadStatus::Held => view.hold.as_ref().and_then(ProfileHold::next_probe),
        read if read.is_done() => state.next_due_at.max(state.postponed_until),
        _ => None,
    }
}

/// A mailbox with its last test.
#[derive(Serialize)]
struct WithTest<'v> {
    #[serde(flatten)]
    view: &'v MailboxView,
    test: Option<&'v TestRun>,
}

fn mailbox_facts(WithTest { view, test }: &WithTest<'_>, now: Timestamp) -> String {
    let (mailbox, state) = (&view.mailbox, &view.mailbox.incoming);
    let mut facts = Facts::default();
    facts.add("mailbox", &mailbox.email_address);
    facts.add("name", &mailbox.name);
    facts.add("status", view.status.words());
    facts.some("hint", view.hint.as_ref());
    facts.some("owner", view.owner_name.as_ref());
    facts.some("profile", view.profile_name.as_ref());
    facts.add("username", &mailbox.username);
    facts.add("password", password(&view.password, view.password_missing));
    facts.some("password locked since", view.password_locked_at.map(seconds));
    if mailbox.delete_after_processing {
        facts.add("delete after processing", "yes");
    }
    facts.add("approval", format!("{:?}", mailbox.approval).to_lowercase());
    facts.add("enabled", if state.enabled { "yes" } else { "no" });
    facts.some("tested", mailbox.test_completed_at.map(|at| tested(mailbox, at)));
    facts.some("test", test.map(|test| standing(test, now)));
    facts.some("received after", mailbox.process_email_received_after.map(seconds));
    facts.add("last success", when(state.last_success_at));
    facts.add("next due", when(next_due(view)));
    facts.some("postponed until", state.postponed_until.map(seconds));
    facts.some("failure", state.failure_code);
    facts.some("server's words", state.last_error.as_ref());
    facts.some("failing since", state.failing_since.map(seconds));
    if state.transient_failures > 0 {
        facts.add("failures in a row", state.transient_failures);
    }
    if state.confirmations > 0 {
        facts.add("confirmations", state.confirmations);
    }
    facts.some("profile held", view.hold.as_ref().map(hold));
    sending_facts(&mut facts, view);
    facts.some("managed by", mailbox.managed_by.as_ref());
    facts.add("id", mailbox.id);
    facts.text()
}

/// Sending, where the mailbox is there for that.
fn sending_facts(facts: &mut Facts, view: &MailboxView) {
    let state = &view.mailbox.outgoing;
    facts.add("sending", view.sending_words());
    if view.mailbox.outgoing_method == SyncMethod::None {
        return;
    }
    facts.some("sending hint", view.sending_hint.as_ref());
    if !view.mailbox.may_send_as.is_empty() {
        facts.add("may send as", view.mailbox.may_send_as.join(", "));
    }
    facts.add("last sent", when(state.last_success_at));
    facts.some("sending postponed until", state.postponed_until.map(seconds));
    facts.some("sending failure", state.failure_code);
    facts.some("words for it", state.last_error.as_ref());
    facts.some("sending failing since", state.failing_since.map(seconds));
    facts.some("sending held", view.outgoing_hold.as_ref().map(hold));
}

/// What the last test said.
fn tested(mailbox: &Mailbox, at: Timestamp) -> String {
    let word = |status| match status {
        TestStatus::NotRun => "not tested",
        TestStatus::Success => "success",
        TestStatus::Failure => "failure",
    };
    let (incoming, outgoing) = (word(mailbox.incoming.test_status), word(mailbox.outgoing.test_status));
    format!("{}: reading {incoming}, sending {outgoing}", seconds(at))
}

fn password(source: &CredentialSource, missing: bool) -> String {
    match source {
        CredentialSource::Stored if missing => "not stored yet: mailsyncd secret set".to_owned(),
        CredentialSource::Stored => "stored in the database".to_owned(),
        CredentialSource::File(path) => format!("in the file {path}"),
        CredentialSource::SystemdCredential(name) => format!("the systemd credential {name}"),
    }
}

fn hold(hold: &ProfileHold) -> String {
    let (code, since) = (hold.code, seconds(hold.since));
    let until = hold.next_probe().map_or_else(|| "once its alert is dismissed".to_owned(), seconds);
    format!("{code} since {since}, next probe {until}, {} probes failed: {}", hold.failures, hold.text)
}

/// `mailbox poll` as JSON.
#[derive(Serialize)]
struct Polled<'a> {
    mailbox: &'a str,
    /// Whether it is due now.
    due: bool,
    /// When it is due, where it has to wait; `null` where it is not read, or not known.
    due_at: Option<Timestamp>,
    status: WorkloadStatus,
}

impl<'a> Polled<'a> {
    fn of(view: &'a MailboxView) -> Self {
        let due = view.status.is_done() && !view.is_throttled() && view.status != WorkloadStatus::Held;
        let due_at = next_due(view).filter(|_| !due && view.status.is_done());
        Self { mailbox: &view.mailbox.email_address, due, due_at, status: view.status }
    }
}

pub(super) fn poll_text(asked: &[MailboxView]) -> String {
    let mut text = String::new();
    for view in asked {
        let address = &view.mailbox.email_address;
        text.push_str(&match view.status {
            WorkloadStatus::Held => format!("{address}: due as soon as its profile is not held any more\n"),
            _ if view.is_throttled() => {
                format!("{address}: due at {}: the server asked us to wait\n", when(next_due(view)))
            }
            read if read.is_done() => format!("{address}: due now\n"),
            other => format!("{address}: not read: {}\n", other.words()),
        });
    }
    text
}

fn endpoint(endpoint: &Endpoint) -> String {
    format!("{}:{} {}", endpoint.host, endpoint.port, format!("{:?}", endpoint.security).to_lowercase())
}

fn list_profiles(form: Form, profiles: &[ProfileView]) -> Result<(), Fault> {
    let table = || {
        let mut table = Table::new(&["NAME", "STATUS", "INCOMING", "OUTGOING", "MAILBOXES", "INTERVAL", "FAILURE"]);
        for view in profiles {
            table.row(&[
                &view.profile.name,
                profile_status(view),
                &endpoint(&view.profile.incoming),
                &view.profile.outgoing.as_ref().map_or_else(|| "-".to_owned(), endpoint),
                &view.mailboxes.to_string(),
                &show_duration(view.profile.minimum_polling_interval),
                view.hold.as_ref().or(view.outgoing_hold.as_ref()).map_or("-", |hold| hold.code.name()),
            ]);
        }
        table.text("no profiles")
    };
    Ok(show(form, &profiles, table)?)
}

const fn profile_status(view: &ProfileView) -> &'static str {
    match (view.profile.active, &view.hold, &view.outgoing_hold) {
        (false, ..) => "inactive",
        (true, Some(_), _) => "held",
        (true, None, Some(_)) => "sending held",
        (true, None, None) => "ok",
    }
}

fn profile_facts(view: &ProfileView) -> String {
    let profile = &view.profile;
    let mut facts = Facts::default();
    facts.add("profile", &profile.name);
    if !profile.description.is_empty() {
        facts.add("description", &profile.description);
    }
    facts.some("owner", profile.owner.as_ref());
    facts.add("status", profile_status(view));
    facts.some("held", view.hold.as_ref().map(hold));
    facts.some("hint", view.hold.as_ref().map(|hold| hold.code.hint()));
    facts.some("sending held", view.outgoing_hold.as_ref().map(hold));
    facts.some("sending hint", view.outgoing_hold.as_ref().map(|hold| hold.code.hint()));
    let protocols = match profile.server_type {
        ServerType::ImapSmtp => "imap and smtp",
        ServerType::Pop3Smtp => "pop3 and smtp",
        ServerType::ExchangeOnline => "imap and smtp, of exchange_online",
    };
    facts.add("protocols", protocols);
    facts.add("incoming", endpoint(&profile.incoming));
    facts.add("outgoing", profile.outgoing.as_ref().map_or_else(|| "none".to_owned(), endpoint));
    if profile.outgoing.is_some() {
        facts.add("copies into Sent", if profile.save_to_sent { "yes" } else { "no" });
        facts.some("in doubt", profile.in_doubt.map(|policy| format!("{policy:?}").to_lowercase()));
    }
    if profile.authenticate_using == AuthenticateUsing::Profile {
        facts.some("username", profile.username.as_ref());
        facts.add("password", password(&view.password, view.password_missing));
        facts.some("password locked since", view.password_locked_at.map(seconds));
    } else {
        facts.add("log-in", "each mailbox with its own name and password");
        facts.some("passwords locked", Some(view.passwords_locked).filter(|locked| *locked > 0));
    }
    facts.add("mailboxes", view.mailboxes);
    facts.add("default", if profile.is_default { "yes" } else { "no" });
    facts.add("polling interval", show_duration(profile.minimum_polling_interval));
    facts.add("connections", profile.maximum_concurrent_connections);
    facts.add("time-out", show_duration(profile.connection_timeout));
    facts.some("received from", profile.process_email_from.map(seconds));
    facts.some("managed by", profile.managed_by.as_ref());
    facts.add("id", profile.id);
    facts.text()
}

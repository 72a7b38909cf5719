//! `profile|user|queue|mailbox add|set|remove`, `mailbox apply-defaults`, `mailbox disable`.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{
    Context, Fault,
    args::Form,
    output::{show, write},
    selection::SelectionArguments,
    testing,
};
use crate::{
    admin::edit::{self, Desk, Edited, Plan},
    admin::error::AdminError,
    model::{
        failure::clean,
        mailbox::{MailboxKind, Workload},
    },
    store::Store,
};

/// Options whose names are those of keys in the files: the help of each, the type of it, its name.
macro_rules! options {
    ($(#[$doc:meta])* $name:ident { $($(#[$help:meta])* $option:ident: $value:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Args)]
        pub struct $name {
            $($(#[$help])* #[arg(long, value_name = $value)] $option: Option<String>,)+
        }

        impl $name {
            /// Those that are given, by the names of the keys.
            fn given(&self) -> Vec<(&str, &str)> {
                let all = [$((stringify!($option), self.$option.as_deref()),)+];
                all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
            }
        }
    };
}

options! {
    /// What is said of a profile. An empty value takes away what was said.
    ProfileOptions {
        /// Free text for people.
        description: "TEXT",
        /// Address of the person who looks after it, and is told of what concerns all its mailboxes.
        owner: "ADDRESS",
        /// imap_smtp (default), exchange_online (servers are filled in) or pop3_smtp.
        server_type: "TYPE",
        /// mailbox (default): each mailbox logs in itself; profile: all with the profile's own password.
        authenticate_using: "WHOSE",
        /// The log-in name, with --authenticate-using profile.
        username: "NAME",
        /// A file with the password, with --authenticate-using profile.
        password_file: "FILE",
        /// A systemd credential with the password, with --authenticate-using profile.
        password_credential: "NAME",
        /// The server where mail is read.
        incoming_host: "HOST",
        /// Its port; filled in from protocol and security.
        incoming_port: "PORT",
        /// tls (default), starttls or none.
        incoming_security: "SECURITY",
        /// auto (default), plain or login.
        incoming_auth: "METHOD",
        /// The server that takes mail to be sent; empty: none.
        outgoing_host: "HOST",
        /// Its port; filled in from security.
        outgoing_port: "PORT",
        /// tls (default), starttls or none.
        outgoing_security: "SECURITY",
        /// auto (default), plain, login or none.
        outgoing_auth: "METHOD",
        /// Whether copies of what was sent are put into the Sent folder: true or false.
        save_to_sent: "BOOLEAN",
        /// What becomes of mails in doubt: verify, hold or retry.
        in_doubt: "WHAT",
        /// Mail received before is not recorded, as 2026-01-01T00:00:00Z.
        process_email_from: "TIME",
        /// From the end of one poll to the next, as 5m.
        minimum_polling_interval: "DURATION",
        /// Connections at a time: 1 to 300.
        maximum_concurrent_connections: "NUMBER",
        /// For each step of a conversation, up to 100s.
        connection_timeout: "DURATION",
        /// Whether mailboxes that name no profile get this one: true or false.
        default: "BOOLEAN",
    }
}

options! {
    /// What is said of a mailbox, however many there are.
    MailboxOptions {
        /// A file with the password.
        password_file: "FILE",
        /// A systemd credential with the password.
        password_credential: "NAME",
        /// Whether mail is read: server_side_sync or none.
        incoming: "METHOD",
        /// Whether mail is sent: server_side_sync or none.
        outgoing: "METHOD",
        /// Addresses it may send as besides its own, with commas between them.
        may_send_as: "ADDRESSES",
        /// Whether mail is deleted on the server once it is recorded: true or false. Not of users.
        delete_after_processing: "BOOLEAN",
        /// Mail received before is not recorded, as 2026-01-01T00:00:00Z.
        process_email_received_after: "TIME",
        /// Its name for people.
        name: "NAME",
        /// Its log-in name.
        username: "NAME",
    }
}

options! {
    /// What is said of a new mailbox besides.
    PlaceOptions {
        /// Whose it is: user:NAME or queue:NAME.
        owner: "OWNER",
        /// forward, for a mailbox that belongs to nobody.
        kind: "KIND",
        /// How it is reached; else by the default profile.
        profile: "PROFILE",
    }
}

options! {
    /// What is said of a user or queue.
    OwnerOptions {
        /// Its address.
        email_address: "ADDRESS",
        /// The CRM's own identifier.
        external_id: "ID",
    }
}

/// `profile add NAME …`
#[derive(Debug, Args)]
pub struct AddProfile {
    /// Its name.
    name: String,
    /// What is said of it.
    #[command(flatten)]
    options: ProfileOptions,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `profile set NAME …`
#[derive(Debug, Args)]
pub struct SetProfile {
    /// Its name.
    #[arg(value_name = "NAME")]
    which: String,
    /// Its new name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What is said of it.
    #[command(flatten)]
    options: ProfileOptions,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `profile|user|queue remove NAME`
#[derive(Debug, Args)]
pub struct RemoveOne {
    /// Its name.
    name: String,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `user|queue add NAME …`
#[derive(Debug, Args)]
pub struct AddOwner {
    /// Its name.
    name: String,
    /// What is said of it.
    #[command(flatten)]
    options: OwnerOptions,
    /// Make no mailbox of it. Else one is made at its address, on the default profile, to be approved
    /// where that is required.
    #[arg(long)]
    no_mailbox: bool,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `user|queue set NAME …`
#[derive(Debug, Args)]
pub struct SetOwner {
    /// Its name.
    #[arg(value_name = "NAME")]
    which: String,
    /// Its new name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What is said of it.
    #[command(flatten)]
    options: OwnerOptions,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `mailbox add ADDRESS …`
#[derive(Debug, Args)]
pub struct AddMailbox {
    /// Its address.
    address: String,
    /// Where it belongs.
    #[command(flatten)]
    place: PlaceOptions,
    /// What is said of it.
    #[command(flatten)]
    options: MailboxOptions,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `mailbox set …`
#[derive(Debug, Args)]
pub struct SetMailboxes {
    /// Which.
    #[command(flatten)]
    which: SelectionArguments,
    /// Its new address, which its owner gets too; it has to be approved again.
    #[arg(long, value_name = "ADDRESS")]
    email_address: Option<String>,
    /// Moves them to this profile. What was recorded is not recorded again.
    #[arg(long, value_name = "PROFILE")]
    to_profile: Option<String>,
    /// What is said of them.
    #[command(flatten)]
    options: MailboxOptions,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `mailbox apply-defaults …`
#[derive(Debug, Args)]
pub struct ApplyDefaults {
    /// Which.
    #[command(flatten)]
    which: SelectionArguments,
    /// Show each stage of the tests as it ends, and the result, as test-enable --wait does.
    #[arg(long)]
    wait: bool,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `mailbox remove …`
#[derive(Debug, Args)]
pub struct SelectedMailboxes {
    /// Which.
    #[command(flatten)]
    which: SelectionArguments,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// `mailbox disable …`
#[derive(Debug, Args)]
pub struct DisableMailboxes {
    /// Which.
    #[command(flatten)]
    which: SelectionArguments,
    /// Reading; with neither option, both.
    #[arg(long)]
    incoming: bool,
    /// Sending.
    #[arg(long)]
    outgoing: bool,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

pub(super) async fn add_profile(context: &Context, arguments: &AddProfile) -> Result<(), Fault> {
    let given = arguments.options.given();
    run(context, arguments.form, |desk| desk.add_profile(&arguments.name, &given)).await
}

pub(super) async fn set_profile(context: &Context, arguments: &SetProfile) -> Result<(), Fault> {
    let mut given = arguments.options.given();
    given.extend(arguments.name.as_deref().map(|name| ("name", name)));
    run(context, arguments.form, |desk| desk.set_profile(&arguments.which, &given)).await
}

pub(super) async fn remove_profile(context: &Context, arguments: &RemoveOne) -> Result<(), Fault> {
    run(context, arguments.form, |desk| desk.remove_profile(&arguments.name)).await
}

pub(super) async fn add_owner(context: &Context, kind: MailboxKind, arguments: &AddOwner) -> Result<(), Fault> {
    let given = arguments.options.given();
    let with_mailbox = !arguments.no_mailbox;
    run(context, arguments.form, |desk| desk.add_owner(kind, &arguments.name, &given, with_mailbox)).await
}

pub(super) async fn set_owner(context: &Context, kind: MailboxKind, arguments: &SetOwner) -> Result<(), Fault> {
    let mut given = arguments.options.given();
    given.extend(arguments.name.as_deref().map(|name| ("name", name)));
    run(context, arguments.form, |desk| desk.set_owner(kind, &arguments.which, &given)).await
}

pub(super) async fn remove_owner(context: &Context, kind: MailboxKind, arguments: &RemoveOne) -> Result<(), Fault> {
    run(context, arguments.form, |desk| desk.remove_owner(kind, &arguments.name)).await
}

pub(super) async fn add_mailbox(context: &Context, arguments: &AddMailbox) -> Result<(), Fault> {
    let mut given = arguments.place.given();
    given.extend(arguments.options.given());
    run(context, arguments.form, |desk| desk.add_mailbox(&arguments.address, &given)).await
}

pub(super) async fn set_mailboxes(context: &Context, arguments: &SetMailboxes) -> Result<(), Fault> {
    let mut given = arguments.options.given();
    given.extend(arguments.email_address.as_deref().map(|address| ("email_address", address)));
    given.extend(arguments.to_profile.as_deref().map(|profile| ("profile", profile)));
    run(context, arguments.form, |desk| desk.set_mailboxes(&arguments.which.selection(), &given)).await
}

pub(super) async fn remove_mailboxes(context: &Context, arguments: &SelectedMailboxes) -> Result<(), Fault> {
    run(context, arguments.form, |desk| desk.remove_mailboxes(&arguments.which.selection())).await
}

pub(super) async fn apply_defaults(
    context: &Context,
    store: &Store,
    arguments: &ApplyDefaults,
) -> Result<ExitCode, Fault> {
    let (form, selection) = (arguments.form, arguments.which.selection());
    let edited = apply(context, |desk| desk.apply_defaults(&selection)).await?;
    if !arguments.wait {
        show(form, &edited, || text(&edited))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !form.json {
        write(text(&edited).as_bytes())?;
    }
    let (tests, well) = testing::await_tests(context, store, &selection, form).await?;
    if form.json {
        show(form, &Tested { edited, tests }, String::new)?;
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was changed, and how its tests ended.
#[derive(Serialize)]
struct Tested {
    #[serde(flatten)]
    edited: Edited,
    tests: Vec<testing::Shown>,
}

pub(super) async fn disable(context: &Context, arguments: &DisableMailboxes) -> Result<(), Fault> {
    let asked = [(arguments.incoming, Workload::Incoming), (arguments.outgoing, Workload::Outgoing)];
    let none = !arguments.incoming && !arguments.outgoing;
    let workloads: Vec<Workload> = asked.into_iter().filter(|(asked, _)| *asked || none).map(|(_, w)| w).collect();
    run(context, arguments.form, |desk| desk.disable(&arguments.which.selection(), &workloads)).await
}

/// Does it, and prints what was changed.
async fn run<P: Into<Plan>>(
    context: &Context,
    form: Form,
    decide: impl Fn(&Desk<'_>) -> Result<P, AdminError>,
) -> Result<(), Fault> {
    let edited = apply(context, decide).await?;
    Ok(show(form, &edited, || text(&edited))?)
}

async fn apply<P: Into<Plan>>(
    context: &Context,
    decide: impl Fn(&Desk<'_>) -> Result<P, AdminError>,
) -> Result<Edited, Fault> {
    let config = context.config()?;
    let store = context.store().await?;
    let edited = edit::edit(&store, &config, &context.clock, &context.actor(), decide).await?;
    store.close().await;
    Ok(edited)
}

fn text(edited: &Edited) -> String {
    let line = |line: &String| format!("{}\n", clean(line, 4_000));
    let mut text: String = edited.changes.iter().chain(&edited.notes).map(line).collect();
    match edited.changes.len() {
        0 => text.push_str("nothing was changed\n"),
        1 => {}
        count => text.push_str(&format!("changes {count}\n")),
    }
    text
}

//! The command line as it is typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{
    alerts::AlertCommand,
    explain::ExplainArguments,
    key::KeyCommand,
    list::ListArguments,
    messages::MessageCommand,
    selection::SelectionArguments,
    send::{MailArguments, SendArguments},
    testing::TestArguments,
    why::WhyArguments,
};
use crate::{
    config::DEFAULT_FILE,
    model::{activity::ActivityStatus, timestamp::Timestamp},
};

/// Reads mailboxes and records their mail as e-mail activities in SQL; sends what is queued there.
///
/// Exit status: 0 done, 1 it failed, 2 configuration or usage.
#[derive(Debug, Parser)]
#[command(name = "mailsyncd", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Arguments {
    /// The main configuration file; conf.d/*.toml beside it is read too.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_FILE)]
    pub config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground. Under systemd it notifies; SIGTERM ends it, SIGHUP reloads it.
    Run {
        /// Bring every mailbox up to date, send what is due, then end: with status 1 if a mailbox failed.
        #[arg(long)]
        once: bool,
    },
    /// Everything else: looks at the database or changes it, whether the daemon runs or not.
    #[command(flatten)]
    Tool(Tool),
}

/// The commands beside `run`.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Check the configuration: every problem with file, line and hint.
    Check {
        /// Also say what would change in the database.
        #[arg(long)]
        plan: bool,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// How things stand, in one screen.
    Status {
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Mailboxes and their state.
    #[command(subcommand)]
    Mailbox(MailboxCommand),
    /// Recorded e-mail.
    #[command(subcommand)]
    Activity(ActivityCommand),
    /// Server profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// What people should know.
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Users: whose mailboxes are synchronized.
    #[command(subcommand)]
    User(super::owners::OwnerCommand),
    /// Queues: shared mailboxes.
    #[command(subcommand)]
    Queue(super::owners::OwnerCommand),
    /// What was changed, by whom.
    #[command(subcommand)]
    Audit(super::audit::AuditCommand),
    /// Messages on the servers.
    #[command(subcommand)]
    Message(MessageCommand),
    /// Explain a code: what it means, what causes it, who has to act, and how.
    Explain(ExplainArguments),
    /// The key that seals stored passwords.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Passwords stored in the database.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// The database.
    #[command(subcommand)]
    Db(DbCommand),
}

/// How to print.
#[derive(Clone, Copy, Debug, Args)]
pub struct Form {
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `mailbox …`
#[derive(Debug, Subcommand)]
pub enum MailboxCommand {
    /// List mailboxes: all, those of a view, or those of an owner.
    List(ListArguments),
    /// Show a mailbox: its state, the last failure, when it is due, what to do.
    Show {
        /// Its address.
        address: String,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Explain a mailbox: its state, why it is so, what happens next and when, what to do.
    Why(WhyArguments),
    /// Make a mailbox.
    Add(Box<super::edit::AddMailbox>),
    /// Change what is named; with --to-profile, move to another profile.
    Set(Box<super::edit::SetMailboxes>),
    /// Remove mailboxes. Their activities stay.
    Remove(super::edit::SelectedMailboxes),
    /// Give mailboxes the default profile and methods, and have them tested and enabled.
    ApplyDefaults(super::edit::ApplyDefaults),
    /// Disable mailboxes: reading, sending or both.
    Disable(super::edit::DisableMailboxes),
    /// Let mailboxes be processed: nothing is read, tested or sent before.
    Approve {
        /// Which.
        #[command(flatten)]
        which: SelectionArguments,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Keep mailboxes from being processed.
    Reject {
        /// Which.
        #[command(flatten)]
        which: SelectionArguments,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Test mailboxes, and enable what works.
    TestEnable(TestArguments),
    /// Have mailboxes polled at once.
    Poll {
        /// Which.
        #[command(flatten)]
        which: SelectionArguments,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
}

/// `activity …`
#[derive(Debug, Subcommand)]
pub enum ActivityCommand {
    /// List activities, newest first.
    List {
        /// Only those seen in, or sent by, the mailbox with this address.
        #[arg(long, value_name = "ADDRESS")]
        mailbox: Option<String>,
        /// Only those received, or queued, at or after this time, as 2026-01-01T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Only those that stand so: received, draft, pending_send, sending, sent, failed, canceled, held.
        #[arg(long, value_name = "STATUS", value_parser = status)]
        status: Option<ActivityStatus>,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Show an activity: addresses, attachments, text.
    Show {
        /// Its identifier.
        id: uuid::Uuid,
        /// Write the message as it was received, or is sent, byte for byte.
        #[arg(long, conflicts_with = "json")]
        source: bool,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Queue a mail: a finished one, or one made of options. Prints the identifier of its activity.
    Send(Box<SendArguments>),
    /// Keep back a mail that is not being sent yet.
    Hold(MailArguments),
    /// Send a mail that is held or failed: the same bytes, to those who have not got it.
    Retry(MailArguments),
    /// Withdraw a mail that is not being sent yet.
    Cancel(MailArguments),
}

fn status(word: &str) -> Result<ActivityStatus, String> {
    let names = || ActivityStatus::ALL.map(ActivityStatus::name).join(", ");
    ActivityStatus::ALL.into_iter().find(|status| status.name() == word).ok_or_else(|| format!("one of {}", names()))
}

/// `profile …`
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// List all profiles.
    List {
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Test whether the servers of a profile answer and greet; nobody logs in.
    Test {
        /// Its name.
        name: String,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Show a profile: where it leads, its limits, whether it waits.
    Show {
        /// Its name.
        name: String,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Make a profile.
    Add(Box<super::edit::AddProfile>),
    /// Change what is named.
    Set(Box<super::edit::SetProfile>),
    /// Remove a profile that no mailbox is on.
    Remove(super::edit::RemoveOne),
}

/// `secret …`
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Store a password. It is read from a prompt, or the first line of standard input.
    Set {
        /// Address of the mailbox, or name of the profile.
        #[arg(value_name = "MAILBOX|PROFILE")]
        name: String,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
}

/// `db …`
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Create the database, or bring it to the schema of this program.
    Migrate {
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Look for damage.
    Check {
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Copy a SQLite database while it is in use.
    Backup {
        /// Where to; it must not exist.
        file: PathBuf,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
}

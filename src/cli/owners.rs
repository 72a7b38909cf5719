//! `user …` and `queue …`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{
    Context, Fault,
    args::Form,
    edit::{self, AddOwner, RemoveOne, SetOwner},
    import::{ImportOwners, import_owners},
    output::{Facts, Table, show},
};
use crate::{
    admin::owners::{self, OwnerView},
    model::mailbox::MailboxKind,
};

/// `user …`, `queue …`
#[derive(Debug, Subcommand)]
pub enum OwnerCommand {
    /// List all of them.
    List {
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Show one.
    Show {
        /// Its name.
        name: String,
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
    /// Make one, and its mailbox.
    Add(AddOwner),
    /// Change what is named. A new address goes to its mailbox too.
    Set(SetOwner),
    /// Remove one that has no mailbox any more. Its activities stay.
    Remove(RemoveOne),
    /// Make or change those of a file, and their mailboxes. Doing it again changes nothing.
    Import(ImportOwners),
}

pub(super) async fn owner(context: &Context, kind: MailboxKind, command: OwnerCommand) -> Result<ExitCode, Fault> {
    match command {
        OwnerCommand::List { form } => {
            let store = context.store().await?;
            let owners = owners::owners(&store, kind).await?;
            store.close().await;
            show(form, &owners, || table(&owners, kind))?;
        }
        OwnerCommand::Show { name, form } => {
            let store = context.store().await?;
            let owner = owners::owner(&store, kind, &name).await?;
            store.close().await;
            show(form, &owner, || facts(&owner))?;
        }
        OwnerCommand::Add(arguments) => edit::add_owner(context, kind, &arguments).await?,
        OwnerCommand::Set(arguments) => edit::set_owner(context, kind, &arguments).await?,
        OwnerCommand::Remove(arguments) => edit::remove_owner(context, kind, &arguments).await?,
        OwnerCommand::Import(arguments) => return import_owners(context, kind, &arguments).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(owners: &[OwnerView], kind: MailboxKind) -> String {
    let mut table = Table::new(&["NAME", "ADDRESS", "MAILBOX", "STATE", "EXTERNAL ID", "MANAGED BY"]);
    for OwnerView { mailbox, owner } in owners {
        table.row(&[
            &owner.name,
            &owner.email_address,
            mailbox.as_deref().unwrap_or("-"),
            state(owner.active),
            owner.external_id.as_deref().unwrap_or("-"),
            owner.managed_by.as_deref().unwrap_or("-"),
        ]);
    }
    table.text(if kind == MailboxKind::Queue { "no queues\n" } else { "no users\n" })
}

const fn state(active: bool) -> &'static str {
    if active { "active" } else { "removed" }
}

fn facts(view: &OwnerView) -> String {
    let OwnerView { mailbox, owner } = view;
    let mut facts = Facts::default();
    facts.add("name", &owner.name);
    facts.add("address", &owner.email_address);
    facts.add("mailbox", mailbox.as_deref().unwrap_or("-"));
    facts.add("state", state(owner.active));
    facts.some("external id", owner.external_id.as_ref());
    facts.some("managed by", owner.managed_by.as_ref());
    facts.add("id", owner.id);
    facts.text()
}

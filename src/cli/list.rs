//! `mailbox list`.

use clap::Args;

use super::{Context, Fault, args::Form, output::show, records::mailbox_table};
use crate::{admin::views, model::view::View, store::Store};

/// Which mailboxes.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only those of a view: active, mine (with --owner), test-and-enable-failed, disabled, postponed,
    /// held, pending-approval, stale.
    #[arg(long, value_name = "VIEW", value_parser = view)]
    view: Option<View>,
    /// Whose: user:NAME, queue:NAME, a NAME, or the mailbox's address. By itself it means --view mine.
    #[arg(long, value_name = "OWNER", required_if_eq("view", "mine"))]
    owner: Option<String>,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

fn view(word: &str) -> Result<View, String> {
    let names = || View::ALL.map(View::name).join(", ");
    View::ALL.into_iter().find(|view| view.name() == word).ok_or_else(|| format!("one of {}", names()))
}

pub(super) async fn list(context: &Context, store: &Store, arguments: &ListArguments) -> Result<(), Fault> {
    let now = context.clock.now();
    let mut mailboxes = views::mailboxes(store, now).await?;
    if let Some(view) = arguments.view.filter(|view| *view != View::Mine) {
        let members = store.view(view, now, context.config()?.alerts.stale_after).await?;
        mailboxes.retain(|mailbox| members.contains(&mailbox.mailbox.id));
    }
    if let Some(owner) = &arguments.owner {
        mailboxes.retain(|mailbox| mailbox.is_of(owner));
    }
    Ok(show(arguments.form, &mailboxes, || mailbox_table(&mailboxes))?)
}

//! `mailbox approve` and `mailbox reject`.

use std::process::ExitCode;

use super::{
    Context, Fault,
    args::Form,
    output::{line, show},
    selection::SelectionArguments,
};
use crate::{
    admin::approval::{Decided, decide},
    model::{authority::Roles, mailbox::Approval},
    store::Store,
};

pub(super) async fn approval(
    context: &Context,
    store: &Store,
    (which, decision): (&SelectionArguments, Approval),
    form: Form,
) -> Result<ExitCode, Fault> {
    let (config, selection) = (context.config()?, which.selection());
    let who = (&selection, Roles::local_administrator());
    let decided = decide(store, &config, who, decision, &context.actor(), &context.clock).await?;
    show(form, &decided, || decided_text(&decided, decision))?;
    let refused = decided.iter().any(|decided| decided.refused.is_some());
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn decided_text(decided: &[Decided], decision: Approval) -> String {
    let word = if decision == Approval::Approved { "approved" } else { "rejected" };
    let mut text = String::new();
    for one in decided {
        let what = match &one.refused {
            Some(why) => format!("not {word}: {why}"),
            None if one.tested => format!("{word}, and it is tested now"),
            None if one.changed => word.to_owned(),
            None => format!("{word} before"),
        };
        text.push_str(&format!("{}: {}\n", line(&one.mailbox), line(&what)));
    }
    let changed = decided.iter().filter(|decided| decided.changed).count();
    text + &format!("{word} {changed} of {}\n", decided.len())
}

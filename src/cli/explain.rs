//! `explain`: the catalogue of codes.

use std::process::ExitCode;

use clap::Args;

use super::{
    Fault,
    args::Form,
    output::{Facts, Table, show, write},
};
use crate::{
    config::nearest,
    model::{catalogue::Explanation, failure::FailureCode},
};

/// Which code.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// A code, as in alerts and logs; all of them where none is given.
    #[arg(value_parser = code, conflicts_with = "markdown")]
    code: Option<FailureCode>,
    /// Print all of them as a page of documentation.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// A code by its name, for arguments.
pub(super) fn code(name: &str) -> Result<FailureCode, String> {
    name.parse().map_err(|()| {
        let meant = nearest(name, FailureCode::ALL.iter().map(|code| code.name()));
        let meant = meant.map(|meant| format!(": did you mean {meant:?}?")).unwrap_or_default();
        format!("there is no such code{meant}; all of them: mailsyncd explain")
    })
}

pub(super) fn explain(arguments: &ExplainArguments) -> Result<ExitCode, Fault> {
    let all = || FailureCode::ALL.iter().map(|code| code.explanation());
    match arguments.code.map(FailureCode::explanation) {
        Some(explanation) => show(arguments.form, &explanation, || one(&explanation))?,
        None if arguments.markdown => write(page(all()).as_bytes())?,
        None => show(arguments.form, &all().collect::<Vec<_>>(), || {
            let mut table = Table::new(&["CODE", "WHO ACTS", "WHAT IT MEANS"]);
            all().for_each(|explanation| {
                table.row(&[explanation.code.name(), explanation.owner.words(), explanation.text]);
            });
            table.text("")
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn one(explanation: &Explanation) -> String {
    let mut facts = Facts::default();
    facts.add("code", explanation.code);
    facts.add("means", explanation.text);
    facts.add("usual cause", explanation.cause);
    facts.add("who acts", explanation.owner.words());
    facts.add("what to do", explanation.remedy);
    facts.text()
}

fn page(all: impl Iterator<Item = Explanation>) -> String {
    let mut page = "# Codes\n\n\
        What alerts, logs, the database and `--json` call by a code. This page is printed by `mailsyncd explain --markdown`;\n\
        `mailsyncd explain CODE` shows one of them.\n\n\
        | Code | What it means | Usual cause | Who acts | What to do |\n|---|---|---|---|---|\n"
        .to_owned();
    for Explanation { code, text, cause, owner, remedy } in all {
        let owner = owner.words();
        page.push_str(&format!("| `{code}` | {text} | {cause} | {owner} | {remedy} |\n"));
    }
    page
}

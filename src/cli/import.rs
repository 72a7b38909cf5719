//! `user import` and `queue import`.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    Context, Fault,
    args::Form,
    output::{remark, show},
};
use crate::{
    admin::import::{
        Import, Imported, Progress, import,
        rows::{self, Rows},
    },
    model::{failure::clean, mailbox::MailboxKind},
};

/// Larger files are some mistake, in bytes.
const LARGEST: u64 = 64 << 20;
/// The progress is shown each time so many rows are done.
const EACH: usize = 100;

/// `user|queue import FILE`
#[derive(Debug, Args)]
pub struct ImportOwners {
    /// CSV with a header, or JSON lines; the columns are name, email_address, external_id, profile and
    /// username. - for standard input.
    file: PathBuf,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave bad rows out. Else nothing is done where there are any.
    #[arg(long)]
    skip_bad: bool,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

pub(super) async fn import_owners(
    context: &Context,
    kind: MailboxKind,
    arguments: &ImportOwners,
) -> Result<ExitCode, Fault> {
    let config = context.config()?;
    let rows = read(&arguments.file)?;
    let store = context.store().await?;
    let how = Import { kind, dry_run: arguments.dry_run, skip_bad: arguments.skip_bad };
    let actor = context.actor();
    let shown = io::stderr().is_terminal();
    let done = import(&store, &config, &context.clock, &actor, how, rows, |progress| {
        if shown {
            tell(progress);
        }
    });
    let done = done.await;
    if shown {
        remark("\r\u{1b}[K");
    }
    store.close().await;
    let imported = done?;
    if !arguments.form.json {
        remark(&wrong(&arguments.file, &imported));
    }
    show(arguments.form, &imported, || text(&imported))?;
    Ok(if imported.refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(file: &Path) -> Result<Rows, Fault> {
    let named = file.display();
    let mut bytes = Vec::new();
    let taken = if file == Path::new("-") {
        io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|open| open.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    taken.map_err(|error| Fault::failed(format!("{named} could not be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Fault::failed(format!("{named} is larger than {} MiB", LARGEST >> 20)));
    }
    rows::read(&bytes).map_err(|error| Fault::failed(format!("{named}: {error}")).hint(error.hint()))
}

/// One line of a terminal, written over and over.
fn tell(progress: Progress) {
    let (what, done, of) = match progress {
        Progress::Checked(done, of) => ("checked", done, of),
        Progress::Written(done, of) => ("written", done, of),
    };
    if matches!(progress, Progress::Written(..)) || done % EACH == 0 || done == of {
        remark(&format!("\r\u{1b}[K{what} {done} of {of} rows ({} %)", done * 100 / of.max(1)));
    }
}

/// Every bad row with its line.
fn wrong(file: &Path, imported: &Imported) -> String {
    let line = |bad: &rows::BadRow| {
        let hint = bad.hint.as_ref().map(|hint| format!("    hint: {}\n", clean(hint, 1_000))).unwrap_or_default();
        format!("{}:{}: {}\n{hint}", clean(&file.display().to_string(), 1_000), bad.line, clean(&bad.why, 1_000))
    };
    let mut text: String = imported.bad.iter().map(line).collect();
    if imported.refused {
        let (bad, rows) = (imported.bad_rows, imported.rows);
        text.push_str(&format!("error: {bad} of {rows} rows are bad\n"));
        text.push_str("hint: put them right, or leave them out with --skip-bad\n");
    }
    text
}

fn text(imported: &Imported) -> String {
    let mut text: String = imported.changes.iter().map(|line| format!("{}\n", clean(line, 4_000))).collect();
    let Imported { rows, new, changed, unchanged, bad_rows, .. } = imported;
    text.push_str(&format!("rows {rows}: new {new}, changed {changed}, unchanged {unchanged}, bad {bad_rows}\n"));
    if imported.dry_run {
        text.push_str("a dry run: nothing was done\n");
    } else if imported.refused {
        text.push_str("nothing was done\n");
    }
    text
}

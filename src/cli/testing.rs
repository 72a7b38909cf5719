//! `mailbox test-enable` and `profile test`.

mod attended;
mod here;
pub(super) mod words;

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use clap::Args;
use serde::Serialize;
use tokio::time::sleep;

use self::{
    attended::Attended,
    words::{Teller, queued_text},
};
use super::{
    Context, Fault,
    args::Form,
    output::{Table, line, remark, show, write},
    selection::SelectionArguments,
};
use crate::{
    admin::{
        presence,
        probing::probe,
        selection::{Selection, select},
        testing::{Queued, queue},
        views,
    },
    model::{
        ids::{MailboxId, RunId},
        presence::DaemonState,
        testing::{StageReport, TestRequest, TestRun},
    },
    net::{dial::PortPolicy, tls::TlsClient},
    store::Store,
};

/// How often the database is asked how tests stand.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// `mailbox test-enable`
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Which.
    #[command(flatten)]
    which: SelectionArguments,
    /// Show each stage as it ends, and the result: exit status 1 if a test failed. Where no daemon
    /// runs the tests, or one dies over them, they are run by this command.
    #[arg(long)]
    wait: bool,
    /// Log in, but send nothing and enable nothing; say what would be imported. Waits.
    #[arg(long, conflicts_with = "round_trip")]
    dry_run: bool,
    /// The test mail must also arrive in the Inbox.
    #[arg(long)]
    round_trip: bool,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// A test as it is shown.
#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    queued: Queued,
    test: Option<TestRun>,
}

pub(super) async fn test_enable(
    context: &Context,
    store: &Store,
    arguments: &TestArguments,
) -> Result<ExitCode, Fault> {
    let config = context.config()?;
    let request = TestRequest { round_trip: arguments.round_trip, dry_run: arguments.dry_run };
    let selection = arguments.which.selection();
    let queued = queue(store, &config, (&selection, request), &context.actor(), &context.clock).await?;
    let refused = queued.iter().any(|queued| queued.refused.is_some());
    if !arguments.wait && !arguments.dry_run {
        show(arguments.form, &queued, || queued_text(&queued))?;
        let daemon = presence::daemon(store, context.clock.now()).await?;
        if !matches!(daemon, DaemonState::Running | DaemonState::Strained(_))
            && queued.iter().any(|queued| queued.run.is_some())
        {
            remark(&format!("the daemon {daemon}\nuntil one works nothing is tested, but by: test-enable --wait\n"));
        }
        return Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let (shown, well) = await_all(context, store, queued, arguments.form).await?;
    if arguments.form.json {
        show(arguments.form, &shown, String::new)?;
    }
    Ok(if well && !refused { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits until the tests under way of these mailboxes are over, and says how they go on: how they ended,
/// and whether all went well.
///
/// # Errors
/// The database did not answer, or the configuration cannot be used.
pub(super) async fn await_tests(
    context: &Context,
    store: &Store,
    which: &Selection,
    form: Form,
) -> Result<(Vec<Shown>, bool), Fault> {
    let mailboxes = select(store, which).await?;
    let ids: Vec<MailboxId> = mailboxes.iter().map(|mailbox| mailbox.id).collect();
    let runs = store.tests(&ids, context.clock.now()).await?;
    let open: BTreeMap<MailboxId, RunId> =
        runs.iter().filter(|run| run.finished_at.is_none()).map(|run| (run.mailbox, run.run)).collect();
    let queued = mailboxes.into_iter().filter_map(|mailbox| {
        let run = Some(*open.get(&mailbox.id)?);
        Some(Queued { id: mailbox.id, mailbox: mailbox.email_address, run, refused: None })
    });
    await_all(context, store, queued.collect(), form).await
}

async fn await_all(
    context: &Context,
    store: &Store,
    queued: Vec<Queued>,
    form: Form,
) -> Result<(Vec<Shown>, bool), Fault> {
    let mut over = Waiting { context, store, queued: &queued, quiet: form.json }.wait().await?;
    let well = over.values().all(TestRun::went_well);
    let shown = queued.into_iter().map(|queued| Shown { test: over.remove(&queued.id), queued });
    Ok((shown.collect(), well))
}

/// Watching tests until they are over.
struct Waiting<'a> {
    context: &'a Context,
    store: &'a Store,
    queued: &'a [Queued],
    quiet: bool,
}

impl Waiting<'_> {
    async fn wait(&self) -> Result<BTreeMap<MailboxId, TestRun>, Fault> {
        let mut open: BTreeMap<MailboxId, RunId> =
            self.queued.iter().filter_map(|queued| Some((queued.id, queued.run?))).collect();
        let mut teller = Teller::new(self.queued);
        self.say(&teller.refused())?;
        let (mut over, mut here, mut attended) = (BTreeMap::new(), None, Attended::default());
        while !open.is_empty() {
            let ids: Vec<MailboxId> = open.keys().copied().collect();
            let now = self.context.clock.now();
            let runs = self.store.tests(&ids, now).await?;
            let nobody = attended.look(&runs, now);
            for run in runs {
                // Somebody else asked for another test: that one is over as well as this.
                let replaced = open.get(&run.mailbox) != Some(&run.run);
                self.say(&teller.news(&run, replaced))?;
                if replaced || run.finished_at.is_some() {
                    open.remove(&run.mailbox);
                    over.insert(run.mailbox, run);
                }
            }
            if let (Some(nobody), None) = (nobody, &here) {
                remark(&format!("{}\n", nobody.words()));
                here = Some(here::start(self.context, self.store, ids).await?);
            }
            sleep(LOOK_EVERY).await;
        }
        if let Some(here) = here {
            here.end().await;
        }
        self.say(&teller.summary(over.values()))?;
        Ok(over)
    }

    fn say(&self, text: &str) -> Result<(), Fault> {
        if !self.quiet && !text.is_empty() {
            write(text.as_bytes())?;
        }
        Ok(())
    }
}

/// `profile test`
pub(super) async fn profile(context: &Context, store: &Store, name: &str, form: Form) -> Result<ExitCode, Fault> {
    let config = context.config()?;
    let profile = views::profile(store, name).await?.profile;
    let tls = TlsClient::new(&config.network.extra_ca_files).map_err(Fault::usage)?;
    let ports = PortPolicy { allowed: config.network.allowed_ports.clone() };
    let stages = probe(&profile, &ports, &tls).await;
    show(form, &stages, || stages_text(&stages))?;
    let failed = stages.iter().any(|stage| stage.failure.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The stages, and below them whole what went wrong and what to do.
fn stages_text(stages: &[StageReport]) -> String {
    let mut table = Table::new(&["SERVER", "STAGE", "RESULT", "TIME"]);
    for stage in stages {
        table.row(&[
            stage.workload.name(),
            stage.stage.name(),
            stage.failure.as_ref().map_or("ok", |failure| failure.code.name()),
            &format!("{} ms", stage.milliseconds),
        ]);
    }
    let mut text = table.text("nothing to test");
    for (stage, failure) in stages.iter().filter_map(|stage| Some((stage, stage.failure.as_ref()?))) {
        let (server, stage) = (stage.workload.name(), stage.stage.name());
        text.push_str(&format!("{server} {stage} FAILED: {}: {}\n", failure.code, line(&failure.text)));
        text.push_str(&format!("  to do: {}\n", failure.code.hint()));
    }
    text
}

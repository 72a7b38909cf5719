//! Tests in words, as they go on.

use std::collections::BTreeMap;

use super::super::output::{line, seconds, size};
use crate::{
    admin::testing::Queued,
    model::{
        ids::MailboxId,
        mailbox::Workload,
        testing::{Preview, StageReport, TestResult, TestRun},
        timestamp::Timestamp,
    },
};

pub(super) fn queued_text(queued: &[Queued]) -> String {
    let mut text = refused_text(queued);
    for one in queued.iter().filter(|queued| queued.refused.is_none()) {
        text.push_str(&format!("{}: will be tested\n", line(&one.mailbox)));
    }
    let count = queued.iter().filter(|queued| queued.refused.is_none()).count();
    text + &format!("tests asked for: {count} of {}; how they stand: mailsyncd mailbox show ADDRESS\n", queued.len())
}

/// How the last test of a mailbox stands at `now`, in a line.
pub(in crate::cli) fn standing(run: &TestRun, now: Timestamp) -> String {
    let (asked, attempt) = (seconds(run.requested_at), run.attempts);
    let how = match (&run.refused, run.finished_at, run.next_attempt_at) {
        (Some(why), ..) => format!("not run: {}", line(why)),
        (None, Some(finished), _) => format!("over since {}", seconds(finished)),
        _ if run.running => format!("attempt {attempt} is under way"),
        (None, None, Some(next)) if attempt > 0 && next > now => {
            format!("attempt {attempt} failed, the next one is due at {}", seconds(next))
        }
        _ => "waits for a daemon".to_owned(),
    };
    format!("{how}; {} asked for it at {asked}", line(&run.requested_by))
}

fn refused_text(queued: &[Queued]) -> String {
    let refused = queued.iter().filter_map(|queued| Some((queued, queued.refused.as_ref()?)));
    refused.map(|(queued, why)| format!("{}: not tested: {}\n", line(&queued.mailbox), line(why))).collect()
}

/// What was told of a test at the last look.
#[derive(Clone, Copy, Default)]
struct Told {
    attempt: u32,
    stages: usize,
    /// Those of them that a further attempt begins with.
    kept: usize,
}

/// What was told already, so that each thing is told once.
pub(super) struct Teller<'a> {
    queued: &'a [Queued],
    names: BTreeMap<MailboxId, &'a str>,
    told: BTreeMap<MailboxId, Told>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(queued: &'a [Queued]) -> Self {
        let names = queued.iter().map(|queued| (queued.id, queued.mailbox.as_str())).collect();
        Self { queued, names, told: BTreeMap::new() }
    }

    pub(super) fn refused(&self) -> String {
        refused_text(self.queued)
    }

    /// What is new of a test.
    pub(super) fn news(&mut self, run: &TestRun, replaced: bool) -> String {
        let name = line(self.names.get(&run.mailbox).copied().unwrap_or_default());
        if replaced {
            return format!("{name}: another test was asked for meanwhile\n");
        }
        let mut text = String::new();
        let told = self.told.get(&run.mailbox).copied().unwrap_or_default();
        // Fewer than were told: the test has started over.
        let goes_on = told.attempt == run.attempts && told.stages <= run.stages.len();
        let known = if goes_on { told.stages } else { told.kept.min(kept(run)) };
        for stage in run.stages.iter().skip(known) {
            text.push_str(&stage_text(&name, stage));
        }
        let told = Told { attempt: run.attempts, stages: run.stages.len(), kept: kept(run) };
        self.told.insert(run.mailbox, told);
        if let (Some(next), false) = (run.next_attempt_at.filter(|_| run.attempts > 0), run.running)
            && !text.is_empty()
        {
            text.push_str(&format!("{name}: tried again at {}\n", seconds(next)));
        }
        if run.finished_at.is_some() {
            text.push_str(&end(&name, run));
        }
        text
    }

    pub(super) fn summary<'r>(&self, over: impl Iterator<Item = &'r TestRun>) -> String {
        let well = over.filter(|run| run.went_well()).count();
        format!("tests that went well: {well} of {}\n", self.queued.len())
    }
}

/// How many stages are those of a workload that works since an attempt before.
fn kept(run: &TestRun) -> usize {
    run.stages.iter().take_while(|stage| run.results.of(stage.workload) == Some(&TestResult::Success)).count()
}

fn stage_text(name: &str, stage: &StageReport) -> String {
    let result = match &stage.failure {
        None => "ok".to_owned(),
        Some(failure) => format!("FAILED: {}: {}", failure.code, line(&failure.text)),
    };
    let time = format!("{} ms", stage.milliseconds);
    format!("{name}: {:<8} {:<8} {time:>9}  {result}\n", stage.workload.name(), stage.stage.name())
}

fn end(name: &str, run: &TestRun) -> String {
    let mut text = String::new();
    if let Some(why) = &run.refused {
        return format!("{name}: not tested: {}\n", line(why));
    }
    for (workload, what) in [(Workload::Incoming, "reading"), (Workload::Outgoing, "sending")] {
        match run.results.of(workload) {
            None => {}
            Some(TestResult::Success) if run.request.dry_run => text.push_str(&format!("{name}: {what} would work\n")),
            Some(TestResult::Success) => text.push_str(&format!("{name}: {what} works and is enabled\n")),
            Some(TestResult::Failure(failure)) => {
                text.push_str(&format!("{name}: {what} failed: {}: {}\n", failure.code, line(&failure.text)));
                text.push_str(&format!("{name}: to do: {}\n", failure.code.hint()));
            }
        }
    }
    if let Some(preview) = &run.preview {
        text.push_str(&format!("{name}: {}\n", preview_text(preview)));
    }
    text
}

fn preview_text(preview: &Preview) -> String {
    let Preview { count, bytes, oldest, undated } = preview;
    let oldest = oldest.map_or_else(String::new, |oldest| format!(", the oldest received {}", seconds(oldest)));
    let undated = match undated {
        0 => String::new(),
        undated => format!("; of {undated} only the content tells when they were received"),
    };
    let messages = if *count == 1 { "message" } else { "messages" };
    format!("would import {count} {messages}, {}{oldest}{undated}", size(*bytes))
}

//! What the marks of sending cost alone: claims every mail in the outbox of a database with its bytes, marks it before its
//! last line and settles it as sent, one after the other for each mailbox, all mailboxes at a time. There is no
//! conversation, and what is not the database's (composing) is not timed.
//!
//! `commits_only OUTBOX.db`, as a CRM has filled it.
#![expect(clippy::print_stdout, reason = "its result is one line on standard output")]

use std::{
    env,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use mailsyncd::{
    base::{clock::Clock, tasks::Tasks},
    mime::{
        self,
        compose::{ComposeRules, compose},
    },
    model::{
        activity::Fence,
        ids::NodeId,
        mailbox::Workload,
        outbox::{Composed, MailSettlement, MailVerdict, OutboxContent, OutboxMail, RecipientResult, RecipientState},
    },
    store::{Role, Store},
};

/// Mails of one claim; as a send cycle takes them.
const CLAIM: u32 = 50;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let (Some(outbox), None) = (arguments.next(), arguments.next()) else {
        bail!("usage: commits_only OUTBOX.db");
    };
    let store = Store::open(&format!("sqlite:{}", Path::new(&outbox).display()), Role::Daemon).await?;
    let now = Clock::System.now();
    let entries = store.schedule_entries(Workload::Outgoing).await?;
    let mailboxes: Vec<_> = entries.iter().map(|entry| entry.mailbox).collect();
    let day = Duration::from_secs(86_400);
    let claimed = store.claim(Workload::Outgoing, NodeId::generate(now), &mailboxes, now, day).await?;
    let (start, tasks) = (Instant::now(), Tasks::new());
    let runs = claimed.into_iter().map(|claimed| {
        let store = store.clone();
        tasks.spawn("drain", async move { drain(&store, claimed.fence).await })
    });
    let (mut settled, mut elsewhere) = (0, Duration::ZERO);
    for run in try_join_all(runs).await? {
        let (mails, composing) = run?;
        settled += mails;
        elsewhere += composing;
    }
    store.close().await;
    // The mailboxes compose side by side on as many threads as there are CPUs.
    let threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    let spent = start.elapsed().saturating_sub(elsewhere / threads);
    println!("settled {settled} in {:.3} s", spent.as_secs_f64());
    Ok(())
}

/// Returns how many mails it settled, and how long it composed.
async fn drain(store: &Store, fence: Fence) -> Result<(usize, Duration)> {
    let (mut settled, mut composing) = (0, Duration::ZERO);
    loop {
        let now = Clock::System.now();
        let mails: Arc<[OutboxMail]> = store.due_mails(fence.mailbox, now, CLAIM, u64::MAX).await?.into();
        if mails.is_empty() {
            return Ok((settled, composing));
        }
        let begun = Instant::now();
        let composed = mails.iter().map(bytes_of).collect::<Result<Vec<_>>>()?;
        composing += begun.elapsed();
        let claimed = store.claim_composed(fence, now, mails.clone(), &composed).await?;
        ensure!(claimed.len() == mails.len(), "{} of {} mails were claimed", claimed.len(), mails.len());
        for mail in mails.iter() {
            store.mark_dot(fence, mail.activity, &[], now).await?;
            store.settle_mail(fence, &sent(mail), now).await?;
        }
        settled += mails.len();
    }
}

fn bytes_of(mail: &OutboxMail) -> Result<Composed> {
    let OutboxContent::Draft(draft) = &mail.content else { bail!("{} was composed before", mail.activity) };
    let rules = ComposeRules { now: mail.queued_at, maximum_size: u64::MAX };
    let made = compose(mail.activity, &mail.parties, (**draft).clone(), &rules).context("composing")?;
    let digest = mime::digest(&made.bytes);
    Ok(Composed { activity: mail.activity, message_id: made.message_id, source: mime::compress(made.bytes, digest) })
}

fn sent(mail: &OutboxMail) -> MailSettlement {
    let recipients = mail.parties.iter().filter(|party| party.is_open()).map(|party| RecipientResult {
        position: party.position,
        state: Some(RecipientState::Accepted),
        reply: None,
    });
    MailSettlement {
        activity: mail.activity,
        verdict: MailVerdict::Sent(None),
        recipients: recipients.collect(),
        reply: Some("250 2.0.0 Ok".to_owned()),
    }
}

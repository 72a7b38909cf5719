//! One send cycle: set right what a death left → mails in doubt → compose → claim → send → settle.

use std::{collections::VecDeque, pin::pin};

use futures::future::{Either, join, select};
use tokio::sync::oneshot;

use crate::{
    means::{Context, budget::Share},
    model::{
        activity::Fence,
        alert::Severity,
        failure::{Failure, FailureCode, Persistence, Scope},
        lease::Claimed,
        mailbox::Workload,
        outbox::{ClaimedMails, MailSettlement, MailVerdict},
        report::SendReport,
        timestamp::Timestamp,
    },
};

use super::{
    ahead::{Ahead, Found, Look},
    deliver::deliver,
    filing::file_copies,
    judge::{Attempt, Next, SendOutcome, judge, not_tried},
    outbox::Outbox,
    policy::SendPolicy,
    prepare::{Prepared, Ready, prepare},
    sink::{MailSink, Sinks},
    verify::Verifier,
};

/// Mails in a row whose sender was refused, after which the mailbox's sending stops.
const SENDERS_REFUSED: u32 = 3;
/// New connections in a row that break, after which the cycle ends.
const BROKEN_CONNECTIONS: u32 = 2;

/// What went wrong with a mail, at whatever level.
macro_rules! mail_line {
    ($level:ident, $cycle:expr, $activity:expr, $failure:expr, $what:expr) => {
        tracing::$level!(
            mailbox = $cycle.address,
            mailbox.id = %$cycle.fence.mailbox,
            workload = Workload::Outgoing.name(),
            activity.id = %$activity,
            code = $failure.code.name(),
            words = $failure.text,
            hint = $failure.code.hint(),
            "mail {}", $what
        )
    };
}

/// Sends what is due, as far as limits and failures allow.
///
/// Between a mail's mark and the server's answer no stop is looked at.
///
/// # Cancel safety
/// May be dropped at any await: what the server may have taken is in doubt, everything else is
/// pending; the next cycle under a new lease finds both.
pub async fn send<K: Sinks>(context: &Context, claimed: &Claimed, policy: &SendPolicy, sinks: &K) -> SendReport {
    let fence = claimed.fence;
    let mut cycle = Cycle {
        context,
        fence,
        address: &claimed.mailbox.email_address,
        policy,
        outbox: Outbox::new(context, fence),
        line: Line { sinks, policy, sink: None, used: false, broken: 0 },
        began: context.clock.now(),
        senders_refused: claimed.mailbox.outgoing.care.senders_refused,
        report: SendReport::default(),
    };
    let sent = cycle.run(sinks).await;
    // One connection at a time.
    cycle.line.close();
    let filed = match policy.save_to_sent {
        true => file_copies(context, fence, policy, sinks).await,
        false => Ok(()),
    };
    cycle.report.senders_refused = cycle.senders_refused;
    cycle.report.failure = sent.and(filed).err();
    cycle.report
}

/// The connection, opened where one is needed.
struct Line<'a, K: Sinks> {
    sinks: &'a K,
    policy: &'a SendPolicy,
    sink: Option<K::Sink>,
    /// It took a mail before: that it breaks now need not be a mail's fault.
    used: bool,
    /// New connections that broke since a server answered last.
    broken: u32,
}

impl<K: Sinks> Line<'_, K> {
    async fn open(&mut self) -> Result<&mut K::Sink, Failure> {
        let sink = match self.sink.take() {
            Some(sink) => sink,
            None => {
                self.used = false;
                self.sinks.take(&self.policy.outgoing).await?
            }
        };
        Ok(self.sink.insert(sink))
    }

    fn close(&mut self) {
        if let Some(sink) = self.sink.take() {
            sink.close();
        }
    }
}

/// Mails that are claimed.
struct Claim {
    /// How many.
    count: u64,
    /// Those of them that can be sent.
    ready: VecDeque<Ready>,
    /// The memory they have.
    share: Share,
}

struct Cycle<'a, K: Sinks> {
    context: &'a Context,
    fence: Fence,
    /// The mailbox's, for the log.
    address: &'a str,
    policy: &'a SendPolicy,
    outbox: Outbox<'a>,
    line: Line<'a, K>,
    began: Timestamp,
    /// In a row, those of earlier cycles included.
    senders_refused: u32,
    report: SendReport,
}

impl<'a, K: Sinks> Cycle<'a, K> {
    async fn run(&mut self, sinks: &K) -> Result<(), Failure> {
        self.outbox.recover().await?;
        let mut verifier = Verifier::new(sinks, self.policy, self.outbox);
        for mail in self.outbox.doubtful().await? {
            if self.is_over() {
                break;
            }
            let settlement = verifier.judge(&mail, self.context).await?;
            self.settle(Some(settlement)).await?;
        }
        verifier.close();
        let steps = self.policy.steps;
        let mut tried = 0;
        let mut found = None;
        loop {
            if self.is_over() || tried >= steps.maximum_mails {
                self.report.more = true;
                return Ok(());
            }
            let Some(Claim { count, ready, share }) = self.take(found.take()).await? else { return Ok(()) };
            tried += count;
            let (tell, told) = oneshot::channel();
            let ahead = self.ahead();
            let (sending, looking) = (pin!(self.send_all(ready, tell)), pin!(ahead.look_once(told)));
            found = match select(sending, looking).await {
                Either::Left((sent, looking)) => {
                    sent?;
                    looking.await
                }
                Either::Right((found, sending)) => {
                    sending.await?;
                    found
                }
            };
            drop(share);
        }
    }

    fn ahead(&self) -> Ahead<'a> {
        Ahead { context: self.context, policy: self.policy, outbox: self.outbox }
    }

    /// Claims what is due, or of that what was found ahead, ready to be sent. It is composed first, so
    /// that one write claims it and keeps its bytes. Where the database refuses a mail, or all have
    /// changed meanwhile, they are claimed as they are and kept one by one.
    async fn take(&mut self, found: Option<Box<Found>>) -> Result<Option<Claim>, Failure> {
        let (steps, largest) = (self.policy.steps, self.policy.terms.rules.maximum_message_size);
        let look = match found {
            Some(found) => Look::Found(found),
            None => self.ahead().look(self.context.budget.take(steps.bytes).await).await?,
        };
        let share = match look {
            Look::Nothing => return Ok(None),
            Look::Unreadable(share) => share,
            Look::Found(found) => {
                let Found { due, mut prepared, share } = *found;
                let claimed = self.outbox.claim_composed(&due, &prepared.composed).await?;
                if !claimed.is_empty() {
                    prepared.composed.clear();
                    prepared.ready.retain(|ready| claimed.contains(&ready.mail.activity));
                    prepared.invalid.retain(|(activity, _)| claimed.contains(activity));
                    let ready = self.keep(prepared).await?;
                    return Ok(Some(Claim { count: claimed.len() as u64, ready, share }));
                }
                share
            }
        };
        let ClaimedMails { mails, unreadable } = self.outbox.claim(steps.mails, steps.bytes).await?;
        let count = (mails.len() + unreadable.len()) as u64;
        for (activity, failure) in unreadable {
            self.count(Some(MailSettlement { verdict: MailVerdict::Failed(failure), ..not_tried(activity) }));
        }
        if count == 0 {
            return Ok(None);
        }
        let prepared = prepare(self.context, mails, largest).await?;
        Ok(Some(Claim { count, ready: self.keep(prepared).await?, share }))
    }

    /// Whether no further mail is begun.
    fn is_over(&self) -> bool {
        let lasted = self.context.clock.now().since(self.began);
        self.context.stop.is_cancelled() || lasted >= self.policy.steps.time_limit
    }

    /// Keeps the bytes of what was composed now, for ever, and fails what can never be sent.
    async fn keep(&mut self, prepared: Prepared) -> Result<VecDeque<Ready>, Failure> {
        let Prepared { mut ready, composed, mut invalid } = prepared;
        let refused = self.outbox.keep(&composed).await?;
        ready.retain(|ready| !refused.iter().any(|(activity, _)| *activity == ready.mail.activity));
        invalid.extend(refused);
        for (activity, failure) in invalid {
            let failure = Failure { scope: Scope::Message, persistence: Persistence::Permanent, ..failure };
            let verdict = MailVerdict::Failed(Failure { code: FailureCode::MailInvalid, ..failure });
            self.settle(Some(MailSettlement { verdict, ..not_tried(activity) })).await?;
        }
        Ok(ready.into())
    }

    /// Sends what was claimed; tells when half of it is done.
    async fn send_all(&mut self, mut waiting: VecDeque<Ready>, tell: oneshot::Sender<()>) -> Result<(), Failure> {
        let ended = self.send_each(&mut waiting, tell).await;
        let untried: Vec<MailSettlement> = waiting.iter().map(|ready| not_tried(ready.mail.activity)).collect();
        self.outbox.give_back(&untried).await;
        ended
    }

    /// Sends one mail after the other. While one is in conversation, the one before is settled: so
    /// the mark of the one and the end of the other share a commit.
    async fn send_each(&mut self, waiting: &mut VecDeque<Ready>, tell: oneshot::Sender<()>) -> Result<(), Failure> {
        let (mut unsettled, half, mut tell) = (None, waiting.len() / 2, Some(tell));
        let ended = loop {
            if waiting.len() <= half
                && let Some(tell) = tell.take()
            {
                // Nobody listens where there is no memory to look ahead.
                let _ = tell.send(());
            }
            let Some(ready) = waiting.front().filter(|_| !self.is_over()) else { break Ok(()) };
            let (attempt, settled) = {
                let Self { line, outbox, context, .. } = &mut *self;
                let before = unsettled.take();
                let settling = async {
                    match &before {
                        Some(settlement) => outbox.settle(settlement).await.map(|()| before),
                        None => Ok(None),
                    }
                };
                join(attempt(line, ready, *outbox, context), settling).await
            };
            let settled = settled.map(|settlement| self.count(settlement));
            let attempt = match attempt {
                Ok(attempt) => attempt,
                Err(failure) => break settled.and(Err(failure)),
            };
            let (judged, bytes) =
                (judge(&ready.mail, &attempt, &self.policy.terms, self.context.clock.now()), ready.bytes.len());
            waiting.pop_front();
            self.report.bytes += bytes as u64;
            let next = self.next(&judged.settlement.verdict, judged.next);
            unsettled = Some(judged.settlement);
            if let Err(failure) = settled.and(next) {
                break Err(failure);
            }
        };
        self.settle(unsettled).await.and(ended)
    }

    /// What a verdict means for the mails behind it.
    fn next(&mut self, verdict: &MailVerdict, next: Next) -> Result<(), Failure> {
        match verdict {
            MailVerdict::Failed(failure) if failure.code == FailureCode::SenderRefused => {
                self.senders_refused = self.senders_refused.saturating_add(1);
                if self.senders_refused >= SENDERS_REFUSED {
                    let (scope, persistence) = (Scope::Mailbox, Persistence::UntilConfirmed);
                    return Err(Failure { scope, persistence, ..failure.clone() });
                }
            }
            MailVerdict::Sent(_) => self.senders_refused = 0,
            _ => {}
        }
        if self.line.sink.as_ref().is_some_and(|sink| !sink.is_usable()) {
            self.line.sink = None;
        }
        match next {
            Next::GoOn => {
                (self.line.used, self.line.broken) = (true, 0);
                Ok(())
            }
            Next::Reconnect(failure) => {
                self.line.sink = None;
                self.line.broken += 1;
                if self.line.broken >= BROKEN_CONNECTIONS { Err(failure) } else { Ok(()) }
            }
            Next::Stop(failure) => {
                self.line.close();
                Err(failure)
            }
        }
    }

    async fn settle(&mut self, settlement: Option<MailSettlement>) -> Result<(), Failure> {
        if let Some(settlement) = &settlement {
            self.outbox.settle(settlement).await?;
        }
        self.count(settlement);
        Ok(())
    }

    /// Counts and logs what was written.
    fn count(&mut self, settlement: Option<MailSettlement>) {
        let Some(MailSettlement { activity, verdict, .. }) = settlement else { return };
        let (count, what) = match &verdict {
            MailVerdict::Sent(_) => (&mut self.report.sent, "sent"),
            MailVerdict::RetryAt(..) => (&mut self.report.deferred, "tried again later"),
            MailVerdict::Failed(_) => (&mut self.report.failed, "given up"),
            MailVerdict::InDoubt { .. } => (&mut self.report.in_doubt, "in doubt"),
            MailVerdict::Held(_) => (&mut self.report.held, "held for a person"),
            MailVerdict::Returned => return,
        };
        *count += 1;
        let Some(failure) = verdict.failure() else {
            return tracing::debug!(mailbox = self.address, activity.id = %activity, "mail {what}");
        };
        self.report.mails_failed.add(failure);
        match verdict.severity() {
            Some(Severity::Error) => mail_line!(error, self, activity, failure, what),
            _ => mail_line!(warn, self, activity, failure, what),
        }
    }
}

/// One attempt. Where a connection that took mail before is gone, as after a server's limit of mails
/// or time, the mail has another one at once: nothing of it was said, and it is not to blame.
async fn attempt<K: Sinks>(
    line: &mut Line<'_, K>,
    ready: &Ready,
    outbox: Outbox<'_>,
    context: &Context,
) -> Result<Attempt, Failure> {
    let attempt = deliver(line.open().await?, ready, outbox, &context.clock).await;
    if !line.used || !is_gone(&attempt) {
        return Ok(attempt);
    }
    line.sink = None;
    Ok(deliver(line.open().await?, ready, outbox, &context.clock).await)
}

/// Whether the connection ended before the server said anything of the mail.
fn is_gone(attempt: &Attempt) -> bool {
    if attempt.recipients.iter().any(|(_, answer)| answer.is_some()) {
        return false;
    }
    let failure = match &attempt.outcome {
        SendOutcome::NotReached(failure) => failure,
        SendOutcome::Refused(refusal) => &refusal.failure,
        SendOutcome::Accepted(_) | SendOutcome::NoRecipients | SendOutcome::InDoubt(_) => return false,
    };
    matches!(failure.code, FailureCode::ConnectionLost | FailureCode::ServerClosed)
}

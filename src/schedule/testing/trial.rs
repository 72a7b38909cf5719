//! One attempt against the real servers.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, sleep},
};

use super::{
    super::limits::LoginRate,
    decide::{Attempt, open_workloads},
    mail::test_mail,
};
use crate::{
    base::{chain::Chain, clock::Clock},
    means::{account::Account, network::Network, stored},
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::ActivityId,
        mailbox::Workload,
        profile::ServerProfile,
        testing::{ClaimedTest, Preview, Stage, StageReport},
    },
    probe::{
        Steps,
        reading::{self, Inbox},
        sending,
    },
    receive::{preview::preview, source::Sources},
    store::Store,
};

/// How long one attempt looks for the test mail, and how often.
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Of a maildrop each look takes a log-in.
const LOG_IN_EVERY: Duration = Duration::from_secs(15);

/// One attempt of a test: the seam between the runner and the servers.
pub trait Trial: Send + Sync + 'static {
    /// Tries what is still open. Stages go to `told` as they end.
    ///
    /// # Cancel safety
    /// May be dropped at any await; a test mail may be on its way then, and is known when it is read.
    fn attempt(
        self: Arc<Self>,
        test: ClaimedTest,
        organization: String,
        told: UnboundedSender<StageReport>,
    ) -> BoxFuture<'static, Attempt>;
}

/// Over the network.
pub struct NetTrial<S> {
    /// Where the test is written down.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The way to the servers.
    pub network: Network,
    /// Where a dry run looks at the mail that would be imported.
    pub sources: Arc<S>,
    /// Permits to log in, shared with the schedule.
    pub logins: LoginRate,
}

impl<S: Sources> Trial for NetTrial<S> {
    fn attempt(
        self: Arc<Self>,
        test: ClaimedTest,
        organization: String,
        told: UnboundedSender<StageReport>,
    ) -> BoxFuture<'static, Attempt> {
        async move { self.go(&test, &organization, &told).await }.boxed()
    }
}

impl<S: Sources> NetTrial<S> {
    async fn go(&self, test: &ClaimedTest, organization: &str, told: &UnboundedSender<StageReport>) -> Attempt {
        let mut attempt = Attempt::default();
        let Some(profile) = &test.profile else { return attempt };
        let open = open_workloads(test);
        if open.contains(&Workload::Incoming) {
            let steps = Steps::new(Workload::Incoming, told.clone());
            let account = Account::new(profile, &test.mailbox);
            attempt.incoming = Some(match self.read(&account, &steps).await {
                Ok(inbox) => {
                    inbox.close().await;
                    self.look_ahead(test, profile, &account).await.map(|seen| attempt.preview = seen)
                }
                Err(failure) => Err(failure),
            });
        }
        if open.contains(&Workload::Outgoing)
            && let Some(account) = Account::outgoing(profile, &test.mailbox)
        {
            let steps = Steps::new(Workload::Outgoing, told.clone());
            attempt.outgoing = Some(self.send(test, profile, &account, organization, &steps).await);
        }
        attempt
    }

    async fn read(&self, account: &Account, steps: &Steps) -> Result<Inbox, Failure> {
        self.logins.permit(&account.endpoint.host).await;
        reading::open(&self.network, account, steps).await
    }

    /// Of a dry run: what reading would import.
    async fn look_ahead(
        &self,
        test: &ClaimedTest,
        profile: &ServerProfile,
        account: &Account,
    ) -> Result<Option<Preview>, Failure> {
        if !test.run.request.dry_run {
            return Ok(None);
        }
        self.logins.permit(&account.endpoint.host).await;
        let mut source = self.sources.take(account).await?;
        let starting_point = profile.process_email_from.max(test.mailbox.process_email_received_after);
        let seen = preview(&mut source, &self.store, test.mailbox.id, starting_point).await?;
        self.sources.park(account, source, Duration::MAX).await;
        Ok(Some(seen))
    }

    async fn send(
        &self,
        test: &ClaimedTest,
        profile: &ServerProfile,
        account: &Account,
        organization: &str,
        steps: &Steps,
    ) -> Result<(), Failure> {
        let sent_before = test.run.mail.as_ref().filter(|mail| mail.sent_at.is_some());
        let message_id = match sent_before {
            Some(mail) => mail.message_id.clone(),
            None => {
                self.logins.permit(&account.endpoint.host).await;
                let mut door = sending::open(&self.network, account, steps).await?;
                // A dry run leaves nothing behind.
                if test.run.request.dry_run {
                    door.close().await;
                    return Ok(());
                }
                let message_id = self.hand_over(test, &mut door, organization, steps).await?;
                door.close().await;
                message_id
            }
        };
        if test.run.request.round_trip {
            let reading = Account::new(profile, &test.mailbox);
            return steps.go(Stage::Arrival, self.arrives(&reading, &message_id), Failure::clone).await;
        }
        Ok(())
    }

    /// Sends the test mail. Its Message-ID is on the disk before the server hears of it.
    async fn hand_over(
        &self,
        test: &ClaimedTest,
        door: &mut sending::Door,
        organization: &str,
        steps: &Steps,
    ) -> Result<String, Failure> {
        let (address, now) = (&test.mailbox.email_address, self.clock.now());
        let fence = (test.run.mailbox, test.run.run, test.node);
        let mail = test_mail(ActivityId::generate(now), address, organization, now).map_err(|error| {
            Failure::new(FailureCode::MailInvalid, Scope::Message, Persistence::Permanent, &Chain(&error).to_string())
        })?;
        let stored = |error| stored::failure(&error);
        stored::patiently(|| self.store.add_test_mail(fence, &mail.message_id, now)).await.map_err(stored)?;
        door.send(address, &mail.bytes, steps).await?;
        stored::patiently(|| self.store.note_test_mail_sent(fence, now)).await.map_err(stored)?;
        Ok(mail.message_id)
    }

    /// Waits until the test mail is in the Inbox, within reason.
    async fn arrives(&self, account: &Account, message_id: &str) -> Result<(), Failure> {
        let until = Instant::now() + ARRIVES_WITHIN;
        // Its stages were told of before.
        let (silent, _) = tokio::sync::mpsc::unbounded_channel();
        let steps = Steps::new(Workload::Incoming, silent);
        let mut inbox = self.read(account, &steps).await?;
        loop {
            if inbox.holds(message_id).await? {
                inbox.close().await;
                return Ok(());
            }
            if Instant::now() >= until {
                inbox.close().await;
                let text =
                    format!("not in the Inbox {} seconds after it was looked for first", ARRIVES_WITHIN.as_secs());
                let code = FailureCode::TestMailMissing;
                return Err(Failure::new(code, Scope::Message, Persistence::Transient, &text));
            }
            inbox = if inbox.is_live() {
                sleep(LOOK_EVERY).await;
                inbox
            } else {
                inbox.close().await;
                sleep(LOG_IN_EVERY).await;
                self.read(account, &steps).await?
            };
        }
    }
}

/// What an attempt that did not end says of all that was still open.
pub(super) fn failed(test: &ClaimedTest, failure: &Failure) -> Attempt {
    let open = open_workloads(test);
    let of = |workload| open.contains(&workload).then(|| Err(failure.clone()));
    Attempt { incoming: of(Workload::Incoming), outgoing: of(Workload::Outgoing), preview: None }
}

/// Runs an attempt to its end, or to the time when it must be stuck.
pub(super) async fn within<F: Future<Output = Attempt>>(limit: Duration, test: &ClaimedTest, attempt: F) -> Attempt {
    match tokio::time::timeout(limit, attempt).await {
        Ok(attempt) => attempt,
        Err(_) => {
            let text = format!("no end within {} seconds", limit.as_secs());
            failed(test, &Failure::new(FailureCode::Timeout, Scope::Mailbox, Persistence::Transient, &text))
        }
    }
}

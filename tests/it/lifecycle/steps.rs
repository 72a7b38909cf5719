//! One random step: a command, a test, or a part of a cycle, through the functions that do it really.

use std::{collections::BTreeSet, time::Duration};

use mailsyncd::{
    admin::{approval, secrets::set_password, testing},
    base::secret::Secret,
    model::{
        authority::Roles,
        failure::{Failure, FailureCode as Code, Persistence, Scope},
        ids::NodeId,
        lease::Settlement,
        mailbox::{Approval, Mailbox, MailboxKind, Workload},
        report::{CycleReport, Report, SendReport},
        testing::{TestRequest, testable},
    },
    schedule::{
        alarm,
        backoff::{Ending, Outcome, hold_after, settle},
        concern::concern,
        duty::{Duty, Side},
        testing::decide::{Attempt, decide, open_workloads, refuse},
    },
};

use super::{
    rules::{CycleEnd, Did, WORKLOADS},
    world::{DECLARATIONS, World, one, root},
};

/// What can go wrong; a refusal more often, so that it is confirmed within a short history.
const FAILURES: [(Code, Scope, Persistence); 13] = [
    (Code::AuthRejected, Scope::Mailbox, Persistence::UntilConfirmed),
    (Code::AuthRejected, Scope::Mailbox, Persistence::UntilConfirmed),
    (Code::InboxUnavailable, Scope::Mailbox, Persistence::UntilConfirmed),
    (Code::AuthExpired, Scope::Mailbox, Persistence::Permanent),
    (Code::AuthInteractive, Scope::Mailbox, Persistence::Permanent),
    (Code::Timeout, Scope::Mailbox, Persistence::Transient),
    (Code::ServerFault, Scope::Mailbox, Persistence::Transient),
    (Code::MailboxInUse, Scope::Mailbox, Persistence::Transient),
    (Code::LoginThrottled, Scope::Mailbox, Persistence::Throttled),
    (Code::ServerThrottled, Scope::Profile, Persistence::Throttled),
    (Code::HostUnreachable, Scope::Profile, Persistence::Transient),
    (Code::TlsUntrusted, Scope::Profile, Persistence::Permanent),
    (Code::InternalError, Scope::Daemon, Persistence::Transient),
];

impl World {
    /// Does something, and looks at what became of it.
    pub async fn step(&mut self) -> Result<(), String> {
        let mailbox = self.some_mailbox();
        let number = self.chance.below(40);
        let (what, did) = match number {
            0..=22 if !mailbox.active => self.edited(&mailbox, 4).await,
            0..=5 => self.begin_some().await,
            6..=22 if self.running.is_empty() => self.begin_some().await,
            6..=22 => self.end_some().await,
            23..=27 => self.test(&mailbox).await,
            28 => {
                self.refresh().await;
                ("refresh".to_owned(), Did::default())
            }
            29 => {
                let wait = self.chance.millis(1_000..20_000_000);
                self.clock.set(self.now().plus(wait));
                (format!("{wait:?} pass"), Did::default())
            }
            30 => {
                let declaration = *self.chance.pick(&DECLARATIONS);
                let enabled = declaration.is_some_and(|says| says.contains("enabled = true"));
                let changes = self.declare(declaration).await;
                let changes = changes.map_err(|error| self.words(&error));
                let words = format!("the file says {declaration:?}: {changes:?}");
                let enabled_by_file = if enabled { self.declared_duties().await } else { BTreeSet::new() };
                let changes = changes.unwrap_or(0);
                (words, Did { changes, enabled_by_file, by_person: true, ..Did::default() })
            }
            31 => self.asked(&mailbox).await,
            32..=33 => self.decided(&mailbox).await,
            _ => {
                let which = self.chance.below(9);
                self.edited(&mailbox, which).await
            }
        };
        let words = format!("{}: {what}", mailbox.email_address);
        self.check(words, &did).await
    }

    async fn declared_duties(&self) -> BTreeSet<Duty> {
        let facts = self.facts().await;
        let declared = facts.mailboxes.values().filter(|it| it.email_address == super::world::DECLARED);
        declared.flat_map(|it| WORKLOADS.map(|workload| Duty::new(workload, it.id))).collect()
    }

    /// Identifiers are random: what is picked goes by addresses, so that a seed is one history.
    fn some_mailbox(&mut self) -> Mailbox {
        let mut mailboxes: Vec<Mailbox> = self.seen.mailboxes.values().cloned().collect();
        mailboxes.sort_by(|a, b| a.email_address.cmp(&b.email_address));
        self.chance.pick(&mailboxes).clone()
    }

    fn some_duty(&mut self, duties: BTreeSet<Duty>) -> Option<Duty> {
        let mut duties: Vec<Duty> = duties.into_iter().collect();
        duties.sort_by_key(|duty| (&self.seen.mailboxes[&duty.mailbox].email_address, duty.workload));
        (!duties.is_empty()).then(|| *self.chance.pick(&duties))
    }

    async fn begin_some(&mut self) -> (String, Did) {
        if self.entries.is_empty() || self.chance.once_in(4) {
            self.refresh().await;
        }
        let entries = self.entries.clone();
        let Some(duty) = self.some_duty(entries) else {
            return ("nothing is scheduled".to_owned(), Did::default());
        };
        let did = self.begin(duty).await;
        let address = &self.seen.mailboxes[&duty.mailbox].email_address;
        (format!("begin {} of {address}: {}", duty.workload.name(), did.began.is_some()), did)
    }

    /// The end of a cycle, as the driver writes it.
    async fn end_some(&mut self) -> (String, Did) {
        let running = self.running.keys().copied().collect();
        let Some(duty) = self.some_duty(running) else {
            return ("nothing runs".to_owned(), Did::default());
        };
        let claimed = self.running.remove(&duty).unwrap();
        let (now, began_with) = (self.now(), claimed.mailbox.state(duty.workload).clone());
        let failure = (!self.chance.once_in(4)).then(|| {
            let (code, scope, persistence) = *self.chance.pick(&FAILURES);
            Failure::new(code, scope, persistence, "no")
        });
        let profiles = self.store.profiles().await.unwrap();
        let profile = profiles.iter().find(|it| Some(it.id) == claimed.mailbox.profile).unwrap();
        let failure = failure.map(|failure| concern(failure, profile, false));
        let report = match duty.workload {
            Workload::Incoming => Report::Received(CycleReport { failure: failure.clone(), ..CycleReport::default() }),
            Workload::Outgoing => Report::Sent(SendReport { failure: failure.clone(), ..SendReport::default() }),
        };
        let second = Duration::from_secs(1);
        let ending = Ending { mailbox: duty.mailbox, interval: second * 300, took: second, now };
        let settled = settle(&began_with, &report, &self.rules, ending);
        let alerts = alarm::after_cycle(duty, &settled.state, &report, now);
        let settlement = Settlement { fence: claimed.fence, state: settled.state, alerts };
        self.store.settle(&[settlement], now).await.unwrap();
        let side = Side::new(duty.workload, profile.id);
        if let Outcome::ProfileFailed(failure) = &settled.outcome {
            let holds = self.store.holds(side.workload).await.unwrap();
            let present = holds.into_iter().find(|(id, _)| *id == side.profile).map(|(_, hold)| hold);
            let hold = hold_after(present.as_ref(), failure, now);
            let alerts = alarm::held(side, &hold, now);
            self.store.put_hold(side.workload, side.profile, &hold, &alerts, now).await.unwrap();
        } else if failure.is_none() {
            self.store.clear_hold(side.workload, side.profile, &alarm::released(side), now).await.unwrap();
        }
        let address = &claimed.mailbox.email_address;
        let words = format!("end {} of {address}: {failure:?} {}", duty.workload.name(), settled.outcome.name());
        (words, Did { ended: Some(CycleEnd { duty, began_with, failure }), ..Did::default() })
    }

    /// An attempt of a test, where one was asked for; else one is asked for.
    async fn test(&mut self, mailbox: &Mailbox) -> (String, Did) {
        let now = self.now();
        let node = NodeId::generate(now);
        let test = self.store.claim_test(node, mailbox.id, now, Duration::from_secs(30)).await.unwrap();
        let Some(test) = test else {
            let request = TestRequest { dry_run: self.chance.once_in(8), round_trip: false };
            let wanted = (&one(mailbox), request);
            let queued = testing::queue(&self.store, &self.config, wanted, &root(), &self.clock).await;
            let changes = queued.as_ref().map_or(0, |queued| queued.iter().filter(|it| it.run.is_some()).count());
            return (format!("ask for a test: {changes}"), Did { changes, ..Did::default() });
        };
        if let Err(why) = testable(&test.mailbox, test.profile.as_ref(), test.run.request) {
            let refused = self.store.settle_test(&refuse(&test, &why.to_string()), now).await.unwrap();
            return (format!("test: {why}, {refused}"), Did::default());
        }
        let mut attempt = Attempt::default();
        let (mut did, dry) = (Did::default(), test.run.request.dry_run);
        for workload in open_workloads(&test) {
            let (code, scope, persistence) = *self.chance.pick(&FAILURES);
            let works = !self.chance.once_in(3);
            let result = if works { Ok(()) } else { Err(Failure::new(code, scope, persistence, "no")) };
            match workload {
                Workload::Incoming => attempt.incoming = Some(result),
                Workload::Outgoing => attempt.outgoing = Some(result),
            }
        }
        let settled = decide(&test, &attempt, Vec::new(), now);
        let done = self.store.settle_test(&settled, now).await.unwrap();
        let may = mailbox.active && matches!(mailbox.approval, Approval::Approved | Approval::Empty);
        for (workload, result) in [(Workload::Incoming, &attempt.incoming), (Workload::Outgoing, &attempt.outgoing)] {
            let (duty, concluded) = (Duty::new(workload, mailbox.id), settled.results.of(workload).is_some());
            match result {
                _ if dry || !may || !done || !concluded => {}
                None => {}
                Some(Ok(())) => drop(did.proven.insert(duty)),
                Some(Err(failure)) => {
                    let is_final = failure.scope == Scope::Mailbox && failure.persistence == Persistence::Permanent;
                    if is_final {
                        did.disproven.insert(duty);
                    }
                }
            }
        }
        (format!("test (dry: {dry}): {:?} / {:?}, {done}", attempt.incoming, attempt.outgoing), did)
    }

    async fn asked(&mut self, mailbox: &Mailbox) -> (String, Did) {
        let now = self.now();
        if self.chance.once_in(2) {
            self.store.request_polls(&[mailbox.id], now).await.unwrap();
            return ("poll".to_owned(), Did { tried_again: true, ..Did::default() });
        }
        let secret = Secret::new("secret".to_owned());
        let set = set_password(&self.store, &self.config, &self.clock, &mailbox.email_address, &secret, &root()).await;
        let by_file = self.declared.is_some_and(|says| says.contains("enabled = true"));
        let declared = self.declared_duties().await;
        let again = |duty: &Duty| mailbox.state(duty.workload).enabled || by_file && declared.contains(duty);
        let duties = WORKLOADS.map(|workload| Duty::new(workload, mailbox.id));
        let enabled_by_file =
            duties.into_iter().filter(again).chain(declared.iter().copied().filter(|_| by_file)).collect();
        let changes = usize::from(set.is_ok());
        let words = set.map(|set| (set.tried_again, set.still_disabled)).map_err(|error| self.words(&error));
        (format!("password: {words:?}"), Did { changes, enabled_by_file, tried_again: true, ..Did::default() })
    }

    async fn decided(&mut self, mailbox: &Mailbox) -> (String, Did) {
        let decision = if self.chance.once_in(4) { Approval::Rejected } else { Approval::Approved };
        let whom = (&one(mailbox), Roles::local_administrator());
        let decided = approval::decide(&self.store, &self.config, whom, decision, &root(), &self.clock).await;
        let changes = decided.as_ref().map_or(0, |all| all.iter().filter(|it| it.changed).count());
        (format!("{decision:?}: {changes}"), Did { changes, ..Did::default() })
    }

    async fn edited(&mut self, mailbox: &Mailbox, number: usize) -> (String, Did) {
        let which = one(mailbox);
        let yes = if self.chance.once_in(2) { "true" } else { "false" };
        let method = if self.chance.once_in(2) { "server_side_sync" } else { "none" };
        let profile = if self.chance.once_in(2) { "imap" } else { "pop3" };
        let other =
            format!("{}{}", self.chance.below(1_000), mailbox.email_address.trim_start_matches(char::is_numeric));
        let set = |key: &'static str, value: &str| (key, value.to_owned());
        let (words, made) = match number {
            0 => ("disable".to_owned(), self.edit(|desk| desk.disable(&which, &WORKLOADS)).await),
            1 => ("disable sending".to_owned(), self.edit(|desk| desk.disable(&which, &WORKLOADS[1..])).await),
            2 => ("apply defaults".to_owned(), self.edit(|desk| desk.apply_defaults(&which)).await),
            3 if mailbox.active => ("remove".to_owned(), self.edit(|desk| desk.remove_mailboxes(&which)).await),
            3 | 4 => {
                let given: &[(&str, &str)] = match mailbox.kind {
                    MailboxKind::Forward => &[("kind", "forward"), ("outgoing", "none")],
                    MailboxKind::Queue if mailbox.email_address.contains("declared") => &[("owner", "queue:Declared")],
                    MailboxKind::Queue => &[("owner", "queue:Support")],
                    MailboxKind::User => &[("owner", "user:Ada")],
                };
                ("add".to_owned(), self.edit(|desk| desk.add_mailbox(&mailbox.email_address, given)).await)
            }
            8 => {
                let given = [("server_type", "imap_smtp"), ("incoming_host", "other.contoso.example")];
                ("pop3 becomes imap".to_owned(), self.edit(|desk| desk.set_profile("pop3", &given)).await)
            }
            _ => {
                let (key, value) = match number {
                    5 => set("email_address", &other),
                    6 => set("profile", profile),
                    _ if self.chance.once_in(3) => set("delete_after_processing", yes),
                    _ if self.chance.once_in(2) => set("incoming", method),
                    _ => set("outgoing", method),
                };
                let given = [(key, value.as_str())];
                (format!("{key} = {value}"), self.edit(|desk| desk.set_mailboxes(&which, &given)).await)
            }
        };
        let by_person = matches!(number, 0 | 1 | 3 | 4);
        let off: &[Workload] = match number {
            0 => &WORKLOADS,
            1 => &WORKLOADS[1..],
            _ => &[],
        };
        let off = off.iter().filter(|_| made.is_ok()).map(|workload| Duty::new(*workload, mailbox.id));
        let switched_off = off.collect();
        let words = match &made {
            Ok(changes) => format!("{words}: {changes}"),
            Err(error) => format!("{words}: refused: {}", self.words(error)),
        };
        (words, Did { changes: made.unwrap_or(0), by_person, switched_off, ..Did::default() })
    }
}

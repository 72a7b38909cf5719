//! The daemon's parts, driven step by step.

use super::*;

impl World {
    /// Tells the agenda and does what it says, as the driver does.
    pub async fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while !events.is_empty() {
            let mut starts = Vec::new();
            for event in events.drain(..) {
                for command in self.agenda.on(event, self.context.clock.now()) {
                    match command {
                        Command::Start(duty) => starts.push(duty),
                        Command::Hold(side, hold) => {
                            let (now, Side { workload, profile }) = (self.now(), side);
                            let alerts = alarm::held(side, &hold, now);
                            self.store().put_hold(workload, profile, &hold, &alerts, now).await.unwrap()
                        }
                        Command::Release(side) => {
                            let (now, Side { workload, profile }) = (self.now(), side);
                            self.store().clear_hold(workload, profile, &alarm::released(side), now).await.unwrap()
                        }
                        Command::TakeBack(side, codes, since) => {
                            let (now, Side { workload, profile }) = (self.now(), side);
                            self.store().take_back(workload, profile, codes, since, now).await.unwrap();
                        }
                    }
                }
            }
            if starts.is_empty() {
                return;
            }
            for duty in starts {
                let (node, now) = (self.node, self.now());
                let mut claimed =
                    self.store().claim(duty.workload, node, &[duty.mailbox], now, LEASE_TTL).await.unwrap();
                match claimed.pop() {
                    None => events.push(Event::ClaimLost(duty)),
                    Some(claimed) => events.extend(self.start(duty, claimed).await),
                }
            }
        }
    }

    async fn start(&mut self, duty: Duty, claimed: Claimed) -> Option<Event> {
        let now = self.now();
        let rules = FailureRules::default();
        if let Some(objection) = self.agenda.objection(duty.workload, &claimed.mailbox, &rules, now) {
            let state = claimed.mailbox.state(duty.workload).clone();
            self.store().settle(&[Settlement { fence: claimed.fence, state, alerts: Vec::new() }], now).await.unwrap();
            return Some(objection);
        }
        self.check_claimed(duty, &claimed).await;
        self.check_probe(duty);
        let longest = if self.chance.once_in(10) { 100_000 } else { 6_000 };
        let ends = now.plus(self.chance.millis(20..longest));
        self.checks.started(duty);
        let twice = self.running.insert(duty, Run { ends, claimed });
        assert!(twice.is_none(), "a mailbox runs twice");
        self.check_limits();
        None
    }

    /// A cycle takes no time inside: all of it happens when it ends.
    pub(super) async fn end(&mut self, duty: Duty) {
        let Run { claimed, .. } = self.running.remove(&duty).unwrap();
        let (now, mailbox) = (self.now(), duty.mailbox);
        let profile = &self.profiles[&claimed.mailbox.profile.unwrap()];
        let rules = FailureRules { confirmations: vec![Duration::from_secs(300); 2], ..FailureRules::default() };
        let report = match duty.workload {
            Workload::Incoming => Report::Received(self.cycle(&claimed, profile).await),
            Workload::Outgoing => Report::Sent(self.send_cycle(&claimed, profile).await),
        };
        let report = match report.failure().cloned() {
            Some(failure) => {
                let storm = self.agenda.is_in_a_storm(Side::new(duty.workload, profile.id));
                report.with_failure(concern(failure, profile, storm))
            }
            None => report,
        };
        let traffic = if report.did_something() { Traffic::Busy } else { Traffic::Quiet };
        let interval = self.agenda.interval(mailbox, traffic);
        let ending = Ending { mailbox, interval, took: Duration::ZERO, now };
        let settled = settle(claimed.mailbox.state(duty.workload), &report, &rules, ending);
        self.checks.ended(now, duty, &report, &settled.outcome);
        self.check_copies();
        let heard = Heard::of(&report, claimed.mailbox.state(duty.workload), now);
        let alerts = alarm::after_cycle(duty, &settled.state, &report, now);
        let settlement = Settlement { fence: claimed.fence, state: settled.state, alerts };
        self.store().settle(&[settlement], now).await.unwrap();
        if settled.outcome == Outcome::Interrupted {
            self.paused_until = Some(now.plus(Duration::from_secs(20)));
            self.tell(Event::Paused).await;
        }
        self.tell(Event::Finished(duty, settled.outcome, heard)).await;
    }

    async fn cycle(&self, claimed: &Claimed, profile: &ServerProfile) -> CycleReport {
        let failed = |failure| CycleReport { failure: Some(failure), ..CycleReport::default() };
        let account = Account::new(profile, &claimed.mailbox);
        let source = match self.server.take(&account).await {
            Ok(source) => source,
            Err(failure) => return failed(failure),
        };
        let steps = Steps { batch_messages: 3, maximum_batches: 2, ..Steps::default() };
        let policy = ReceivePolicy::new(profile, &claimed.mailbox, Arc::new(ReceiveRules::default()), steps);
        let park = |source, _| self.server.park(&account, source, profile.minimum_polling_interval);
        receive(&self.context, claimed, &policy, source, park).await
    }

    async fn send_cycle(&self, claimed: &Claimed, profile: &ServerProfile) -> SendReport {
        let steps = SendSteps { mails: 2, maximum_mails: 3, ..SendSteps::default() };
        let retry = [1, 5, 20].map(|minutes| Duration::from_secs(minutes * 60)).to_vec();
        let rules = SendRules { retry, ..SendRules::default() };
        let policy = SendPolicy::new(profile, &claimed.mailbox, &rules, steps).unwrap();
        send(&self.context, claimed, &policy, &self.post).await
    }

    /// The program dies in the middle of its work: at a step of some conversation, every cycle that
    /// sends stands still; what was handed to the database is written, and nothing after it.
    async fn die(&mut self) {
        for (duty, Run { claimed, .. }) in std::mem::take(&mut self.running) {
            if duty.workload == Workload::Outgoing {
                let steps = self.chance.below(9);
                self.weather().dies_after = Some(steps);
                let profile = &self.profiles[&claimed.mailbox.profile.unwrap()];
                let cycle = pin!(self.send_cycle(&claimed, profile));
                let weather = Arc::clone(&self.weather);
                let dead = pin!(async move {
                    while !lock(&weather).is_dead() {
                        hops(1).await;
                    }
                });
                if let Either::Right((_, cycle)) = select(cycle, dead).await {
                    let written = pin!(self.store().ping());
                    assert!(matches!(select(cycle, written).await, Either::Right((Ok(()), _))));
                }
                self.weather().dies_after = None;
            }
        }
    }

    /// The daemon ends and another one starts; a killed one gives no lease back.
    pub async fn restart(&mut self, killed: bool) {
        if killed {
            self.die().await;
        }
        self.running.clear();
        if !killed {
            self.store().release_node(self.node).await.unwrap();
        }
        self.nodes += 1;
        self.node = NodeId(Uuid::from_u128(self.nodes));
        self.agenda = Agenda::new(Mode::Daemon, self.limits.clone(), Polling::default());
        self.paused_until = None;
        self.checks.restarted(self.now());
        self.refresh().await;
    }
}

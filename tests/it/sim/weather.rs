//! What goes wrong outside: faults at the steps of a conversation, and changes of Inboxes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mailsyncd::{
    model::{
        audit::Actor,
        failure::{Failure, FailureCode, Persistence, Scope},
        mailbox::Workload,
        record::RecordChange,
    },
    schedule::{agenda::Event, duty::Duty},
    send::judge::Refusal,
};

use super::{chance::Chance, world::World};
use crate::support::{
    sim_post::{PostFault, PostStep, refusal},
    sim_server::{Fault, Step, UidNext},
};

/// What the servers do to whoever talks to them.
pub struct Weather {
    chance: Chance,
    /// No faults any more.
    pub calm: bool,
    /// One step in so many fails.
    pub flaky: usize,
    /// Hosts that are down, and how they say it.
    pub down: BTreeMap<String, Failure>,
    /// Mailboxes that are refused, and how.
    pub refused: BTreeMap<String, Failure>,
    /// The same of the servers that take mail, by the domain of their mailboxes.
    pub post_down: BTreeMap<String, Failure>,
    pub post_refused: BTreeMap<String, Failure>,
    /// Mailboxes of which an answer to a last line was lost.
    pub in_doubt: BTreeSet<String>,
    /// Mailboxes of which a mail or a recipient was refused for good.
    pub rejected: BTreeSet<String>,
    /// After so many steps of sending, the program dies.
    pub dies_after: Option<usize>,
}

impl Weather {
    pub fn new(seed: u64) -> Self {
        let chance = Chance::new(seed ^ 0x5eed);
        Self {
            chance,
            calm: false,
            flaky: 60,
            down: BTreeMap::new(),
            refused: BTreeMap::new(),
            post_down: BTreeMap::new(),
            post_refused: BTreeMap::new(),
            in_doubt: BTreeSet::new(),
            rejected: BTreeSet::new(),
            dies_after: None,
        }
    }

    /// Whether the program is dead.
    pub fn is_dead(&self) -> bool {
        self.dies_after == Some(0)
    }

    /// What goes wrong at this step of sending.
    pub fn at_post(&mut self, address: &str, step: PostStep) -> Option<PostFault> {
        let fault = self.post_fault(address, step)?;
        let no_answer = matches!(fault, PostFault::DropBefore | PostFault::DropAfter)
            || matches!(fault, PostFault::Stall(_) | PostFault::StallAfter(_));
        if step == PostStep::Finish && no_answer {
            self.in_doubt.insert(address.to_owned());
        }
        if let PostFault::Refuse(refusal) | PostFault::RefuseOne(refusal) = &fault
            && refusal.failure.persistence == Persistence::Permanent
        {
            self.rejected.insert(address.to_owned());
        }
        Some(fault)
    }

    fn post_fault(&mut self, address: &str, step: PostStep) -> Option<PostFault> {
        if let Some(left) = self.dies_after {
            self.dies_after = left.checked_sub(1);
            if self.dies_after.is_none_or(|left| left == 0) {
                self.dies_after = Some(0);
                let stall = [PostFault::Stall(u32::MAX), PostFault::StallAfter(u32::MAX)];
                return Some(self.chance.pick(&stall).clone());
            }
        }
        if self.calm {
            return None;
        }
        let host = address.split_once('@').unwrap().1;
        let refusal = self.post_down.get(host).or_else(|| self.post_refused.get(address));
        if let (PostStep::LogIn | PostStep::OpenSent, Some(failure)) = (step, refusal) {
            return Some(PostFault::Fail(failure.clone()));
        }
        if self.post_down.contains_key(host) {
            return Some(PostFault::DropBefore);
        }
        // Mail is rarer than polls: what may go wrong with it goes wrong more often.
        if !self.chance.once_in(self.flaky.min(12)) {
            return None;
        }
        let refusals = || {
            [
                refusal_of(451, FailureCode::MailDeferred, Scope::Message, Persistence::Transient),
                refusal_of(550, FailureCode::MailRefused, Scope::Message, Persistence::Permanent),
                refusal_of(452, FailureCode::SendingThrottled, Scope::Mailbox, Persistence::Throttled),
            ]
        };
        Some(match (step, self.chance.below(6)) {
            (_, 0) => PostFault::DropBefore,
            (_, 1) => PostFault::DropAfter,
            (_, 2) => PostFault::Stall(2),
            (PostStep::Begin, 3) => {
                let one = refusals().map(|refusal| Refusal {
                    failure: Failure { code: FailureCode::RecipientsRefused, ..refusal.failure.clone() },
                    ..refusal
                });
                PostFault::RefuseOne(self.chance.pick(&one[..2]).clone())
            }
            (PostStep::Begin | PostStep::Finish, _) => PostFault::Refuse(self.chance.pick(&refusals()).clone()),
            (_, 3) => PostFault::Fail(throttled()),
            _ => PostFault::Fail(failure(FailureCode::ServerFault, Scope::Mailbox, Persistence::Transient)),
        })
    }

    /// What goes wrong at this step.
    pub fn at(&mut self, address: &str, step: Step) -> Option<Fault> {
        if self.calm {
            return None;
        }
        let host = address.split_once('@').unwrap().1;
        let refusal = self.down.get(host).or_else(|| self.refused.get(address));
        if let (Step::LogIn, Some(failure)) = (step, refusal) {
            return Some(Fault::Refuse(failure.clone()));
        }
        if self.down.contains_key(host) {
            return Some(Fault::DropBefore);
        }
        self.chance.once_in(self.flaky).then(|| match self.chance.below(5) {
            0 => Fault::DropBefore,
            1 => Fault::DropAfter,
            2 => Fault::Stall(2),
            3 => Fault::Refuse(throttled()),
            _ => Fault::Refuse(failure(FailureCode::ServerFault, Scope::Mailbox, Persistence::Transient)),
        })
    }
}

fn failure(code: FailureCode, scope: Scope, persistence: Persistence) -> Failure {
    Failure::new(code, scope, persistence, "simulated")
}

fn refusal_of(code: u16, what: FailureCode, scope: Scope, persistence: Persistence) -> Refusal {
    refusal(code, failure(what, scope, persistence))
}

fn throttled() -> Failure {
    let retry_after = Some(Duration::from_secs(90));
    Failure { retry_after, ..failure(FailureCode::ServerThrottled, Scope::Mailbox, Persistence::Throttled) }
}

const HOST_TROUBLE: [(FailureCode, Persistence); 4] = [
    (FailureCode::HostUnreachable, Persistence::Transient),
    (FailureCode::DnsFailed, Persistence::Transient),
    (FailureCode::TlsExpired, Persistence::Permanent),
    (FailureCode::GreetingRefused, Persistence::Throttled),
];

const REFUSALS: [(FailureCode, Scope, Persistence); 4] = [
    (FailureCode::AuthRejected, Scope::Mailbox, Persistence::UntilConfirmed),
    (FailureCode::AuthExpired, Scope::Mailbox, Persistence::Permanent),
    (FailureCode::LoginThrottled, Scope::Mailbox, Persistence::Throttled),
    (FailureCode::ResourcesExhausted, Scope::Daemon, Persistence::Transient),
];

impl World {
    /// Something changes in the world.
    pub async fn change(&mut self) {
        let index = self.chance.below(self.inboxes.len());
        let (mailbox, address) = (self.inboxes[index].id, self.inboxes[index].address.clone());
        match self.chance.below(35) {
            0..=7 => self.deliver(&address),
            8 => self.expunge(&address),
            9 => {
                let hidden = self.server.inbox(&address, |inbox| {
                    inbox.renumber(inbox.uid_validity + 1);
                    inbox.messages.values().filter(|message| message.hidden).map(|message| message.uid).collect()
                });
                self.checks.renumbered(&address, hidden);
            }
            10 => {
                let shown = *self.chance.pick(&[UidNext::True, UidNext::Absent]);
                self.server.inbox(&address, |inbox| inbox.shown_uid_next = shown);
            }
            11 => self.hide(&address),
            12 => self.heal(&address),
            13 => self.mute(&address),
            14 | 15 => self.tell(Event::Hinted(Duty::new(Workload::Incoming, mailbox))).await,
            16 => {
                let (code, persistence) = *self.chance.pick(&HOST_TROUBLE);
                let host = address.split_once('@').unwrap().1.to_owned();
                self.weather().down.insert(host, failure(code, Scope::Profile, persistence));
            }
            17 | 18 => drop(self.weather().down.pop_first()),
            19 => {
                let (code, scope, persistence) = *self.chance.pick(&REFUSALS);
                self.weather().refused.insert(address, failure(code, scope, persistence));
            }
            20 => drop(self.weather().refused.pop_first()),
            21 => self.weather().flaky = [15, 60, 400][index % 3],
            22 => {
                let enable = [RecordChange::EnableIncoming(mailbox), RecordChange::EnableOutgoing(mailbox)];
                self.store().apply(&enable, &Actor::Configuration, self.now()).await.unwrap();
            }
            23..=28 => self.write(mailbox).await,
            29 => {
                let (code, persistence) = *self.chance.pick(&HOST_TROUBLE);
                let host = address.split_once('@').unwrap().1.to_owned();
                self.weather().post_down.insert(host, failure(code, Scope::Profile, persistence));
            }
            30 => drop(self.weather().post_down.pop_first()),
            31 => {
                let (code, scope, persistence) = *self.chance.pick(&REFUSALS);
                let mut weather = self.weather();
                if weather.post_refused.pop_first().is_none() {
                    weather.post_refused.insert(address, failure(code, scope, persistence));
                }
            }
            _ => {
                let killed = self.chance.once_in(2);
                self.restart(killed).await;
            }
        }
    }

    /// One to eight mails, some of them to a second mailbox as well.
    fn deliver(&mut self, address: &str) {
        for _ in 0..=self.chance.below(8) {
            let subject = self.checks.new_subject();
            let raw = format!(
                "Message-ID: <{subject}@sim.example>\r\nDate: Mon, 14 Sep 2026 10:00:00 +0000\r\n\
                 From: Ann <ann@sim.example>\r\nTo: {address}\r\nSubject: {subject}\r\n\r\nText of {subject}.\r\n"
            );
            let mut copies = vec![address.to_owned()];
            if self.chance.once_in(5) {
                let other = self.chance.below(self.inboxes.len());
                copies.push(self.inboxes[other].address.clone());
            }
            copies.dedup();
            for copy in copies {
                self.server.inbox(&copy, |inbox| inbox.deliver(raw.clone(), self.context.clock.now()));
            }
            self.checks.delivered(&subject);
        }
    }

    fn some_uid(&mut self, address: &str) -> Option<u32> {
        let uids: Vec<u32> = self.server.inbox(address, |inbox| inbox.messages.keys().copied().collect());
        (!uids.is_empty()).then(|| *self.chance.pick(&uids))
    }

    fn expunge(&mut self, address: &str) {
        if let Some(uid) = self.some_uid(address) {
            let raw = self.server.inbox(address, |inbox| {
                let raw = inbox.message(uid).raw.clone();
                inbox.expunge(uid);
                raw
            });
            self.checks.may_be_missing(&raw);
        }
    }

    /// The next message is there, but does not show yet.
    fn hide(&mut self, address: &str) {
        let before = self.server.inbox(address, |inbox| inbox.next_uid);
        self.deliver(address);
        self.server.inbox(address, |inbox| inbox.message(before).hidden = true);
        self.checks.hidden(address, before);
    }

    fn mute(&mut self, address: &str) {
        if let Some(uid) = self.some_uid(address) {
            let raw = self.server.inbox(address, |inbox| {
                let message = inbox.message(uid);
                message.mute = true;
                message.raw.clone()
            });
            self.checks.may_be_missing(&raw);
        }
    }

    /// Everything shows and can be read.
    pub fn heal(&mut self, address: &str) {
        self.server.inbox(address, |inbox| {
            inbox.shown_uid_next = UidNext::True;
            for message in inbox.messages.values_mut() {
                (message.hidden, message.mute) = (false, false);
            }
        });
    }
}

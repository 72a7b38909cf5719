//! What became of a fault, as the database and the explanations show it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use mailsyncd::{
    admin::why::{self, State},
    model::{
        activity::ActivityStatus,
        failure::{FailureCode, Scope},
        lease::ProfileHold,
        mailbox::{Mailbox, Workload},
    },
    store::ActivityFilter,
};

use super::{
    row::{Language, Recovery, Schedule},
    world::{INTERVAL, Place, STEP, World},
};

/// How a fault shows.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub code: FailureCode,
    pub scope: Scope,
    pub schedule: Schedule,
}

/// One look at everything.
pub struct View {
    pub mailboxes: BTreeMap<String, Mailbox>,
    holds: BTreeMap<(Workload, String), ProfileHold>,
    /// Outgoing mail, by subject.
    mails: BTreeMap<String, (ActivityStatus, Option<FailureCode>)>,
    /// What is open: about whom, code, severity.
    alerts: Vec<(String, String, String)>,
}

/// About a mailbox by its address, a profile by its name, a mail by its subject.
const OPEN_ALERTS: &str = "SELECT coalesce(m.email_address, p.name, e.subject, a.subject_kind), a.code, a.severity FROM alerts a \
     LEFT JOIN mailboxes m ON m.id = a.subject LEFT JOIN server_profiles p ON p.id = a.subject \
     LEFT JOIN email_activities e ON e.id = a.subject WHERE a.closed_at IS NULL ORDER BY 1, 2";

impl View {
    pub async fn of(world: &World) -> Self {
        let profiles = world.profiles().await;
        let mut holds = BTreeMap::new();
        for workload in [Workload::Incoming, Workload::Outgoing] {
            for (held, hold) in world.store.holds(workload).await.unwrap() {
                let name = profiles.iter().find(|(_, id)| **id == held).unwrap().0.clone();
                holds.insert((workload, name), hold);
            }
        }
        let filter = ActivityFilter { limit: 100_000, ..ActivityFilter::default() };
        let activities = world.store.activities(&filter).await.unwrap().into_iter();
        let outgoing = activities.filter(|activity| activity.direction == "outgoing");
        let mails = outgoing
            .map(|mail| (mail.subject, (mail.status, mail.failure_code.and_then(|code| code.parse().ok()))))
            .collect();
        let alerts = sqlx::query_as(OPEN_ALERTS).fetch_all(&world.sql).await.unwrap();
        Self { mailboxes: world.mailboxes().await, holds, mails, alerts }
    }

    /// Open alerts about the mailbox that the fault concerns and its profile, or the mail that met it where
    /// nothing else is concerned: `severity code` of each. Not those of the caretaker, who looks in real time, which the moved
    /// clock leaves far behind, nor those that stay until a person has read them.
    pub fn alerts(&self, place: &Place) -> Vec<String> {
        let mail = (place.row.expected.scope == Scope::Message).then(|| format!("during {}", place.bad));
        let about: Vec<&String> = [&place.bad, &place.profile].into_iter().chain(&mail).collect();
        let others = ["profile-failing", "mailbox-stale", "outbox-stale", "inbox-renumbered", "message-unanswered"];
        let open = self
            .alerts
            .iter()
            .filter(|(subject, code, _)| about.contains(&subject) && !others.contains(&code.to_string().as_str()));
        open.map(|(_, code, severity)| format!("{severity} {code}")).collect()
    }

    /// How the fault of `place` shows now, if it does. A cycle writes the end of each mail, then that of its mailbox,
    /// then the hold of its profile: what is only on its way there does not count.
    pub fn seen(&self, place: &Place) -> Option<Seen> {
        let workload = place.row.language.workload();
        if let Some(hold) = self.holds.get(&(workload, place.profile.clone())) {
            let schedule = Schedule::Held(hold.until.since(hold.since));
            return Some(Seen { code: hold.code, scope: Scope::Profile, schedule });
        }
        let state = self.mailboxes[&place.bad].state(workload);
        if let Some(code) = state.failure_code {
            let wait = state.postponed_until.zip(state.failing_since).map(|(until, since)| until.since(since));
            let schedule = if state.enabled { Schedule::Postponed(wait?) } else { Schedule::Disabled };
            return Some(Seen { code, scope: Scope::Mailbox, schedule });
        }
        if place.row.expected.scope != Scope::Message {
            return None;
        }
        let (status, code) = self.mails.get(&format!("during {}", place.bad))?;
        Some(Seen { code: (*code)?, scope: Scope::Message, schedule: Schedule::Mail(*status) })
    }

    /// What is wrong with the mailboxes that must be well while others are not.
    pub fn complaints(&self, world: &World, place: &Place) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut well = vec![&place.good];
        well.extend((place.row.language == Language::Smtp).then_some(&place.bad));
        for address in well {
            let state = &self.mailboxes[address].incoming;
            // What its server failed with stands there too, but counts for nothing.
            let blamed = state.failing_since.is_some() || state.transient_failures > 0 || state.confirmations > 0;
            if blamed || !state.enabled {
                complaints.push(format!("{address} is blamed: {state:?}"));
            }
            let latest = state.last_success_at.unwrap().plus(INTERVAL + INTERVAL / 10 + 3 * STEP);
            if is_punctual(place, address) && latest < world.now() {
                complaints.push(format!("{address} was not polled since {:?}", state.last_success_at));
            }
            if let Some(at) = world.late.get(address) {
                complaints.push(format!("{address} was kept waiting at {at}"));
            }
        }
        for (subject, code, _) in self.alerts.iter().filter(|(subject, ..)| *subject == place.good) {
            complaints.push(format!("an alert {code} about {subject}"));
        }
        let outgoing = &self.mailboxes[&place.good].outgoing;
        let sends = place.row.language == Language::Smtp;
        if sends && (!outgoing.enabled || outgoing.failing_since.is_some()) {
            complaints.push(format!("{} is blamed for sending: {outgoing:?}", place.good));
        }
        let sent = place.server.taken(&format!("during {}", place.good));
        if sends && sent != usize::from(!place.row.to_all()) {
            complaints.push(format!("the mail of {} was taken {sent} times", place.good));
        }
        complaints
    }

    /// Whether all is well again with the mailbox that the fault concerned.
    pub fn has_recovered(&self, place: &Place, since: mailsyncd::model::timestamp::Timestamp) -> bool {
        let workload = place.row.language.workload();
        let state = self.mailboxes[&place.bad].state(workload);
        let held = self.holds.contains_key(&(workload, place.profile.clone()));
        let quiet = self.alerts(place).is_empty() || place.row.expected.recovery == Recovery::MailStays;
        let well = state.enabled && state.failure_code.is_none() && !held && quiet;
        match workload {
            Workload::Incoming => well && state.last_success_at > Some(since),
            Workload::Outgoing => well && place.server.taken(&format!("after {}", place.bad)) == 1,
        }
    }
}

/// Whether the reading of a mailbox must keep its schedule whatever is wrong.
pub fn is_punctual(place: &Place, address: &str) -> bool {
    place.row.language == Language::Smtp || (address == place.good && !place.row.to_all())
}

/// What `mailbox why` says of the mailbox, as one text; of one mail that failed, what `activity show` says.
pub async fn why(world: &World, place: &Place) -> String {
    if place.row.expected.scope == Scope::Message {
        let filter = ActivityFilter { limit: 100_000, ..ActivityFilter::default() };
        let activities = world.store.activities(&filter).await.unwrap();
        let mail = activities.iter().find(|mail| mail.subject == format!("during {}", place.bad)).unwrap();
        return serde_json::to_string(&world.store.activity(mail.id).await.unwrap()).unwrap();
    }
    let begin = Instant::now();
    loop {
        let why = why::ask(&world.store, &world.config, &place.bad, world.now()).await.unwrap();
        // The clock jumps, and the daemon tells in real time that it lives.
        if why.incoming.state != State::NotRunning || begin.elapsed() > Duration::from_secs(30) {
            return serde_json::to_string(&why).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

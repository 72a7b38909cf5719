//! What is not counted but looked up when somebody asks.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use super::Number;
use crate::model::mailbox::Workload;

/// Values of this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Whether the daemon is in trouble of its own and starts nothing.
    pub paused: bool,
    /// Whether the database answered the last look.
    pub database_up: bool,
    /// Cycles that run.
    pub running: u32,
    /// Turns of the schedule so far.
    pub turns: u64,
    /// Open connections.
    pub connections: usize,
    /// How many there may be.
    pub connections_limit: usize,
    /// Profiles that are held, and for how long.
    pub held: Vec<(String, Workload, Duration)>,
    /// Mailboxes in each view.
    pub mailboxes: Vec<(&'static str, u64)>,
    /// Mailboxes that are read as things stand: for how long the stalest was not.
    pub oldest_success: Duration,
    /// Mail on its way out, by where it stands.
    pub outbox: Vec<(&'static str, u64)>,
    /// How long the oldest mail to be sent has waited.
    pub outbox_oldest: Duration,
    /// Open alerts, by severity.
    pub alerts: Vec<(&'static str, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeldLabels {
    profile: String,
    workload: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViewLabels {
    view: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeverityLabels {
    severity: &'static str,
}

#[derive(Debug)]
pub(super) struct Families {
    paused: Gauge,
    database_up: Gauge,
    running: Gauge,
    turns: Gauge,
    connections: Gauge,
    connections_limit: Gauge,
    held: Family<HeldLabels, Number>,
    mailboxes: Family<ViewLabels, Gauge>,
    oldest_success: Number,
    outbox: Family<StateLabels, Gauge>,
    outbox_oldest: Number,
    alerts: Family<SeverityLabels, Gauge>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let families = Self {
            paused: Gauge::default(),
            database_up: Gauge::default(),
            running: Gauge::default(),
            turns: Gauge::default(),
            connections: Gauge::default(),
            connections_limit: Gauge::default(),
            held: Family::default(),
            mailboxes: Family::default(),
            oldest_success: Number::default(),
            outbox: Family::default(),
            outbox_oldest: Number::default(),
            alerts: Family::default(),
        };
        let it = &families;
        registry.register("paused", "1: in trouble of its own, nothing starts", it.paused.clone());
        registry.register("database_up", "1: the database answered the last look", it.database_up.clone());
        registry.register("cycles_running", "Cycles under way", it.running.clone());
        registry.register("schedule_turns", "Turns of the schedule: at least one a second", it.turns.clone());
        registry.register("connections_open", "Open connections to mail servers", it.connections.clone());
        registry.register("connections_limit", "How many there may be", it.connections_limit.clone());
        registry.register("profile_held_seconds", "For how long a profile has been held", it.held.clone());
        registry.register("mailboxes", "Mailboxes in each view", it.mailboxes.clone());
        let help = "For how long the mailbox that is read, and was longest not, was not";
        registry.register("oldest_success_age_seconds", help, it.oldest_success.clone());
        registry.register("outbox_mails", "Mail on its way out", it.outbox.clone());
        let help = "How long the oldest mail to be sent has waited";
        registry.register("outbox_oldest_age_seconds", help, it.outbox_oldest.clone());
        registry.register("alerts_open", "Open alerts", it.alerts.clone());
        families
    }

    pub(super) fn set(&self, now: &Gauges, profile: impl Fn(&str) -> String) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.paused.set(i64::from(now.paused));
        self.database_up.set(i64::from(now.database_up));
        self.running.set(i64::from(now.running));
        self.turns.set(number(now.turns));
        self.connections.set(i64::try_from(now.connections).unwrap_or(i64::MAX));
        self.connections_limit.set(i64::try_from(now.connections_limit).unwrap_or(i64::MAX));
        // Profiles that are held no more go away; of those that share a label the longest hold counts.
        self.held.clear();
        for (name, workload, held) in &now.held {
            let labels = HeldLabels { profile: profile(name), workload: workload.name() };
            let gauge = self.held.get_or_create(&labels);
            gauge.set(gauge.get().max(held.as_secs_f64()));
        }
        for (view, mailboxes) in &now.mailboxes {
            self.mailboxes.get_or_create(&ViewLabels { view }).set(number(*mailboxes));
        }
        self.oldest_success.set(now.oldest_success.as_secs_f64());
        for (state, mails) in &now.outbox {
            self.outbox.get_or_create(&StateLabels { state }).set(number(*mails));
        }
        self.outbox_oldest.set(now.outbox_oldest.as_secs_f64());
        for (severity, alerts) in &now.alerts {
            self.alerts.get_or_create(&SeverityLabels { severity }).set(number(*alerts));
        }
    }
}

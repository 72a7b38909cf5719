//! What the daemon counts and measures, for Prometheus.
//!
//! Recording costs a few atomic additions for each cycle or commit; nothing is recorded for each mail.
//! Labels are bounded: no mailbox's address is ever one, and of profiles the first
//! [`MOST_PROFILES`] have their name, the others are `other` together.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::Registry,
};

use crate::model::{
    failure::{Failure, FailureCode, Persistence, Scope},
    mailbox::Workload,
    report::Report,
    timestamp::Timestamp,
};

pub use self::gauges::Gauges;

mod gauges;

/// So many profiles have their name in a label.
pub const MOST_PROFILES: usize = 200;

/// Seconds: a cycle takes from a millisecond to its hour.
const CYCLE: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0];
const LATENESS: [f64; 12] = [0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];
const COMMIT: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// How long commits take. Clones share one.
#[derive(Clone, Debug)]
pub struct Latency(Histogram);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(COMMIT))
    }
}

impl Latency {
    /// One took so long.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CycleLabels {
    profile: String,
    workload: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    profile: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BytesLabels {
    profile: String,
    workload: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    workload: &'static str,
    scope: &'static str,
    class: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkloadLabels {
    workload: &'static str,
}

#[derive(Clone, Copy)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

type Histograms = Family<WorkloadLabels, Histogram, Buckets>;
type Number = Gauge<f64, AtomicU64>;

/// The recorder. Clones share one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    profiles: Mutex<BTreeSet<String>>,
    cycles: Family<CycleLabels, Counter>,
    durations: Histograms,
    lateness: Histograms,
    messages: Family<ResultLabels, Counter>,
    mails: Family<ResultLabels, Counter>,
    bytes: Family<BytesLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    gauges: gauges::Families,
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0).finish()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(&Latency::default())
    }
}

impl Metrics {
    /// Nothing counted yet; `commits` is where the database tells how long they take.
    pub fn new(commits: &Latency) -> Self {
        let mut registry = Registry::with_prefix("mailsyncd");
        let (cycles, messages, mails, bytes, failures) =
            (Family::default(), Family::default(), Family::default(), Family::default(), Family::default());
        let durations = Histograms::new_with_constructor(Buckets(&CYCLE));
        let lateness = Histograms::new_with_constructor(Buckets(&LATENESS));
        registry.register("cycles", "Cycles that ended, by what came of them", cycles.clone());
        registry.register("cycle_duration_seconds", "How long cycles took", durations.clone());
        registry.register("cycle_lateness_seconds", "From when a cycle was due to its beginning", lateness.clone());
        registry.register("messages", "Messages read, by what was decided on them", messages.clone());
        registry.register(
            "mails",
            "Attempts to send a mail, and mails given up before one, by what came of them",
            mails.clone(),
        );
        registry.register("bytes", "Bytes of mail read and sent", bytes.clone());
        registry.register(
            "failures",
            "Cycles and mails that failed, by whom it stops, class and code",
            failures.clone(),
        );
        registry.register("database_commit_seconds", "How long commits to the database took", commits.0.clone());
        let gauges = gauges::Families::register(&mut registry);
        let profiles = Mutex::default();
        Self(Arc::new(Inner {
            registry,
            profiles,
            cycles,
            durations,
            lateness,
            messages,
            mails,
            bytes,
            failures,
            gauges,
        }))
    }

    /// The label of a profile.
    fn profile(&self, name: &str) -> String {
        let mut known = self.0.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(name) {
            return name.to_owned();
        }
        if known.len() >= MOST_PROFILES {
            return "other".to_owned();
        }
        known.insert(name.to_owned());
        name.to_owned()
    }

    /// A cycle begins that was due at this time.
    pub fn began(&self, workload: Workload, due: Timestamp, now: Timestamp) {
        let labels = WorkloadLabels { workload: workload.name() };
        self.0.lateness.get_or_create(&labels).observe(now.since(due).as_secs_f64());
    }

    /// A cycle ended.
    pub fn ended(&self, profile: &str, workload: Workload, result: &'static str, report: &Report, took: Duration) {
        let (inner, profile, workload) = (&self.0, self.profile(profile), workload.name());
        inner.cycles.get_or_create(&CycleLabels { profile: profile.clone(), workload, result }).inc();
        inner.durations.get_or_create(&WorkloadLabels { workload }).observe(took.as_secs_f64());
        let (family, counts, failed, bytes): (_, &[_], _, _) = match report {
            Report::Received(read) => (
                &inner.messages,
                &[
                    ("recorded", read.recorded),
                    ("linked", read.linked),
                    ("ignored", read.ignored),
                    ("set_aside", read.set_aside),
                    ("deleted", read.deleted),
                ],
                &read.mails_failed,
                read.bytes,
            ),
            Report::Sent(sent) => (
                &inner.mails,
                &[
                    ("sent", sent.sent),
                    ("deferred", sent.deferred),
                    ("failed", sent.failed),
                    ("in_doubt", sent.in_doubt),
                    ("held", sent.held),
                ],
                &sent.mails_failed,
                sent.bytes,
            ),
        };
        for (result, count) in counts.iter().filter(|(_, count)| *count > 0) {
            family.get_or_create(&ResultLabels { profile: profile.clone(), result }).inc_by(*count);
        }
        if bytes > 0 {
            inner.bytes.get_or_create(&BytesLabels { profile, workload }).inc_by(bytes);
        }
        for (code, persistence, count) in failed.counts() {
            self.failed(workload, Scope::Message, *persistence, *code, *count);
        }
        if let Some(Failure { scope, persistence, code, .. }) = report.failure() {
            self.failed(workload, *scope, *persistence, *code, 1);
        }
    }

    /// A mail of a mailbox with this profile came to its end before anybody tried to send it.
    pub fn ended_unsent(&self, profile: &str, result: &'static str, failure: &Failure) {
        let labels = ResultLabels { profile: self.profile(profile), result };
        self.0.mails.get_or_create(&labels).inc();
        self.failed(Workload::Outgoing.name(), failure.scope, failure.persistence, failure.code, 1);
    }

    fn failed(&self, workload: &'static str, scope: Scope, persistence: Persistence, code: FailureCode, count: u64) {
        let scope = match scope {
            Scope::Message => "message",
            Scope::Mailbox => "mailbox",
            Scope::Profile => "profile",
            Scope::Daemon => "daemon",
        };
        let class = match persistence {
            Persistence::Transient => "transient",
            Persistence::Throttled => "throttled",
            Persistence::UntilConfirmed => "until_confirmed",
            Persistence::Permanent => "permanent",
        };
        let labels = FailureLabels { workload, scope, class, code: code.name() };
        self.0.failures.get_or_create(&labels).inc_by(count);
    }

    /// Everything as text, in the OpenMetrics format, with these values of the moment.
    pub fn render(&self, gauges: &Gauges) -> String {
        self.0.gauges.set(gauges, |profile| self.profile(profile));
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;

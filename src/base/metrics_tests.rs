use std::collections::BTreeSet;

use super::*;
use crate::model::{
    failure::FailureCode,
    report::{CycleReport, SendReport, Tally},
};

const DASHBOARD: &str = include_str!("../../deploy/grafana-dashboard.json");
const RULES: &str = include_str!("../../deploy/prometheus-alerts.yml");

/// One of everything.
fn filled() -> Metrics {
    let commits = Latency::default();
    commits.observe(Duration::from_millis(3));
    let metrics = Metrics::new(&commits);
    let failure = Failure::new(FailureCode::Timeout, Scope::Mailbox, Persistence::Transient, "no answer");
    let read =
        CycleReport { recorded: 2, set_aside: 1, bytes: 4_000, failure: Some(failure), ..CycleReport::default() };
    let mut mails_failed = Tally::default();
    let refused = Failure::new(FailureCode::MailRefused, Scope::Message, Persistence::Permanent, "no");
    for failure in [&refused, &refused] {
        mails_failed.add(failure);
    }
    let sent = SendReport { sent: 1, held: 1, bytes: 900, mails_failed, ..SendReport::default() };
    let (now, second) = (Timestamp::from_seconds(100), Duration::from_secs(1));
    for workload in [Workload::Incoming, Workload::Outgoing] {
        metrics.began(workload, now.minus(second), now);
    }
    metrics.ended("contoso", Workload::Incoming, "postponed", &Report::Received(read), second);
    metrics.ended("contoso", Workload::Outgoing, "ok", &Report::Sent(sent), second);
    metrics
}

fn gauges() -> Gauges {
    Gauges {
        paused: true,
        database_up: true,
        running: 3,
        turns: 77,
        connections: 4,
        connections_limit: 500,
        held: vec![("fabrikam".to_owned(), Workload::Incoming, Duration::from_secs(901))],
        mailboxes: vec![("active", 6), ("stale", 1)],
        oldest_success: Duration::from_millis(1_500),
        outbox: vec![("pending", 2)],
        outbox_oldest: Duration::from_secs(60),
        alerts: vec![("error", 1)],
    }
}

/// The names of samples, without what a histogram adds.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.match_indices("mailsyncd_").filter_map(|(at, _)| text.get(at..));
    let names = starts.map(|rest| rest.split(|c| !word(c)).next().unwrap_or_default());
    let base = |name: &str| {
        let parts = ["_bucket", "_count", "_sum"];
        parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned()
    };
    names.map(base).collect()
}

fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn everything_is_shown_with_its_labels() {
    let text = filled().render(&gauges());
    for expected in [
        "mailsyncd_cycles_total{profile=\"contoso\",workload=\"incoming\",result=\"postponed\"} 1",
        "mailsyncd_cycle_duration_seconds_bucket{le=\"1.0\",workload=\"outgoing\"} 1",
        "mailsyncd_cycle_lateness_seconds_sum{workload=\"incoming\"} 1.0",
        "mailsyncd_messages_total{profile=\"contoso\",result=\"recorded\"} 2",
        "mailsyncd_mails_total{profile=\"contoso\",result=\"held\"} 1",
        "mailsyncd_bytes_total{profile=\"contoso\",workload=\"outgoing\"} 900",
        "mailsyncd_failures_total{workload=\"incoming\",scope=\"mailbox\",class=\"transient\",code=\"timeout\"} 1",
        "mailsyncd_failures_total{workload=\"outgoing\",scope=\"message\",class=\"permanent\",code=\"mail-refused\"} 2",
        "mailsyncd_database_commit_seconds_count 1",
        "mailsyncd_paused 1",
        "mailsyncd_profile_held_seconds{profile=\"fabrikam\",workload=\"incoming\"} 901.0",
        "mailsyncd_mailboxes{view=\"stale\"} 1",
        "mailsyncd_oldest_success_age_seconds 1.5",
        "mailsyncd_outbox_mails{state=\"pending\"} 2",
        "mailsyncd_alerts_open{severity=\"error\"} 1",
        "mailsyncd_connections_limit 500",
    ] {
        assert!(samples(&text).contains(&expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains("result=\"linked\""), "what never happened takes no series");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn dashboard_and_rules_ask_for_what_there_is_and_all_of_it_is_shown() {
    let text = filled().render(&gauges());
    let there: BTreeSet<String> = samples(&text).into_iter().flat_map(names).collect();
    let (dashboard, rules) = (names(DASHBOARD), names(RULES));
    let asked: BTreeSet<String> = dashboard.union(&rules).cloned().collect();
    assert_eq!(asked.difference(&there).collect::<Vec<_>>(), [""; 0], "asked for, but never shown");
    assert_eq!(there.difference(&dashboard).collect::<Vec<_>>(), [""; 0], "not on the dashboard");
    serde_json::from_str::<serde_json::Value>(DASHBOARD).unwrap();
}

#[test]
fn labels_are_bounded() {
    let metrics = Metrics::default();
    let report = Report::Received(CycleReport::default());
    for number in 0..MOST_PROFILES + 50 {
        metrics.ended(&format!("p{number}"), Workload::Incoming, "ok", &report, Duration::ZERO);
    }
    let held = |number: usize| (format!("late{number}"), Workload::Incoming, Duration::from_secs(number as u64));
    let text = metrics.render(&Gauges { held: (0..9).map(held).collect(), ..Gauges::default() });
    let cycles = samples(&text).into_iter().filter(|line| line.starts_with("mailsyncd_cycles_total"));
    assert_eq!(cycles.count(), MOST_PROFILES + 1);
    assert!(text.contains("{profile=\"other\",workload=\"incoming\",result=\"ok\"} 50"), "{text}");
    assert!(
        text.contains("profile_held_seconds{profile=\"other\",workload=\"incoming\"} 8.0"),
        "the longest hold counts"
    );
    // A profile that is held no more is not shown as held.
    assert!(!metrics.render(&Gauges::default()).contains("profile_held_seconds{"));
}

#[test]
fn a_strange_name_cannot_forge_a_sample() {
    let metrics = Metrics::default();
    let report = Report::Received(CycleReport::default());
    metrics.ended("a\"} 1\nmailsyncd_paused 1\\", Workload::Incoming, "ok", &report, Duration::ZERO);
    let text = metrics.render(&Gauges::default());
    assert!(!samples(&text).contains(&"mailsyncd_paused 1"), "{text}");
}

#[test]
fn every_rule_says_what_it_means_and_what_to_do() {
    assert!(!RULES.contains('\t') && RULES.lines().all(|line| line.trim_end() == line));
    let mut alerts = Vec::new();
    for block in RULES.split("      - alert: ").skip(1) {
        let (name, body) = block.split_once('\n').unwrap();
        for part in ["        expr: ", "        labels: { severity: ", "          summary: \"", "          action: \""]
        {
            assert_eq!(body.matches(part).count(), 1, "{name}: {part}");
        }
        alerts.push(name);
    }
    let wanted = [
        "MailsyncdDown",
        "MailsyncdNotReady",
        "MailsyncdScheduleStandsStill",
        "MailsyncdProfileHeld",
        "MailsyncdMailboxesStale",
        "MailsyncdOutboxOld",
        "MailsyncdErrorAlertsOpen",
        "MailsyncdLate",
    ];
    assert_eq!(alerts, wanted);
}

//! The run: all faults at once, hours of them, and what comes after.

use std::{collections::BTreeSet, time::Duration};

use mailsyncd::model::{alert::Severity, audit::Actor, mailbox::Workload, record::RecordChange, timestamp::Timestamp};

use mailsyncd::store::{AlertDetail, AlertFilter};

use super::{
    observe::{Seen, View, is_punctual, why},
    reaching, reading,
    row::{Expected, FOR_GOOD, Recovery, Row, Schedule},
    sending,
    table::{Line, keep, schedule, table},
    world::{Place, STEP, World},
};

const HOUR: Duration = Duration::from_secs(3_600);
/// How long the faults last.
const LASTING: Duration = Duration::from_secs(210 * 60);

/// What was seen of one row.
#[derive(Default)]
struct Story {
    first: Option<Seen>,
    last: Option<Seen>,
    alert: String,
    recovered: Option<&'static str>,
    complaints: Vec<String>,
}

/// All, or those that the environment names by `FAULT`.
#[expect(clippy::disallowed_methods, reason = "a test is steered by its environment")]
fn rows() -> Vec<Row> {
    let only = std::env::var("FAULT").unwrap_or_default();
    let all = [reaching::rows(), reading::rows(), sending::rows()].into_iter().flatten();
    all.filter(|row| row.name.contains(&only)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_met_as_it_should_be_and_nobody_else_is_troubled() {
    let mut world = World::start(rows()).await;
    let mut stories: Vec<Story> = world.places.iter().map(|_| Story::default()).collect();
    let punctual: BTreeSet<String> = world
        .places
        .iter()
        .flat_map(|place| [&place.bad, &place.good].into_iter().filter(|address| is_punctual(place, address)))
        .cloned()
        .collect();

    let begin = world.now();
    world.inject().await;
    while world.now() < begin.plus(LASTING) {
        world.step(STEP, |address| punctual.contains(address)).await;
        if stories.iter().any(|story| story.first.is_none()) {
            let view = View::of(&world).await;
            for (story, place) in stories.iter_mut().zip(&world.places) {
                story.first = story.first.or(view.seen(place));
            }
        }
    }
    let view = View::of(&world).await;
    for (story, place) in stories.iter_mut().zip(&world.places) {
        story.last = view.seen(place);
        story.complaints.extend(view.complaints(&world, place));
        let Expected { alert, code, .. } = place.row.expected;
        let (open, wanted) = (view.alerts(place), alert.map(|severity| format!("{} {code}", name(severity))));
        if open != wanted.clone().into_iter().collect::<Vec<_>>() {
            story.complaints.push(format!("open alerts are {open:?}, not {wanted:?}"));
        }
        story.alert = alert.map_or("none", name).to_owned();
        let why = why(&world, place).await;
        if !why.contains(place.row.words) {
            story.complaints.push(format!("why does not say {:?}: {why}", place.row.words));
        }
    }

    let healed = world.now();
    world.heal().await;
    recover(&mut world, &mut stories, healed).await;
    let lines: Vec<Line> = stories.into_iter().zip(&world.places).map(|(story, place)| story.line(place)).collect();
    println!("{}", table(&lines));
    keep("catalogue", &lines);
    assert!(
        lines.iter().all(|line| line.complaints.is_empty()),
        "some faults are not met as they should be, see above"
    );
    world.end().await;
}

/// Two hours; then the rest of a day; then a person.
async fn recover(world: &mut World, stories: &mut [Story], healed: Timestamp) {
    while world.now() < healed.plus(2 * HOUR) {
        world.step(4 * STEP, |_| true).await;
        note(world, stories, healed, "by itself").await;
    }
    for _ in 0..8 {
        world.step(3 * HOUR, |_| true).await;
    }
    for _ in 0..20 {
        world.step(STEP, |_| true).await;
    }
    note(world, stories, healed, "within a day").await;

    let (since, mailboxes) = (world.now(), world.mailboxes().await);
    let alerts = world.store.alerts(&AlertFilter::default()).await.unwrap();
    for (_, place) in stories.iter().zip(&world.places).filter(|(story, _)| story.recovered.is_none()) {
        let mailbox = mailboxes[&place.bad].id;
        let is_meant = |alert: &&AlertDetail| {
            alert.alert.subject == place.profile && alert.alert.code == place.row.expected.code.name()
        };
        let alert = alerts.iter().find(is_meant).map(|alert| alert.id);
        let change = match (place.row.expected.recovery, place.row.language.workload()) {
            (Recovery::ByDismissing, _) => RecordChange::DismissAlert(alert.unwrap()),
            (_, Workload::Incoming) => RecordChange::EnableIncoming(mailbox),
            (_, Workload::Outgoing) => RecordChange::EnableOutgoing(mailbox),
        };
        world.store.apply(&[change], &Actor::Configuration, world.now()).await.unwrap();
    }
    for _ in 0..60 {
        world.step(STEP, |_| true).await;
    }
    note(world, stories, since, "by a person").await;
}

async fn note(world: &World, stories: &mut [Story], since: Timestamp, how: &'static str) {
    let view = View::of(world).await;
    for (story, place) in stories.iter_mut().zip(&world.places) {
        if story.recovered.is_none() && view.has_recovered(place, since) {
            story.recovered = Some(how);
        }
    }
}

impl Story {
    fn line(mut self, place: &Place) -> Line {
        let Expected { code, scope, first, last, recovery, .. } = place.row.expected;
        for (when, seen, expected) in [("at first", self.first, first), ("at last", self.last, last)] {
            match seen {
                None if expected == Schedule::Over => {}
                None => self.complaints.push(format!("{when} nothing is seen of it")),
                Some(seen) if (seen.code, seen.scope) != (code, scope) => {
                    self.complaints
                        .push(format!("{when} it is {} of {:?}, not {code} of {scope:?}", seen.code, seen.scope));
                }
                Some(seen) if !agrees(seen.schedule, expected, when == "at first") => {
                    self.complaints.push(format!("{when} it is {:?}, not {expected:?}", seen.schedule));
                }
                Some(_) => {}
            }
        }
        let wanted = match recovery {
            Recovery::ByItself | Recovery::MailStays => "by itself",
            Recovery::WithinADay => "within a day",
            Recovery::ByEnabling | Recovery::ByDismissing => "by a person",
        };
        if self.recovered != Some(wanted) {
            self.complaints.push(format!("recovered {:?}, not {wanted}", self.recovered));
        }
        Line {
            fault: place.row.name.into(),
            code: self.first.map_or("-".into(), |seen| seen.code.to_string()),
            scope: self.first.map_or("-".into(), |seen| format!("{:?}", seen.scope).to_lowercase()),
            first: schedule(self.first),
            last: schedule(self.last),
            alert: self.alert,
            recovery: self.recovered.unwrap_or("never").into(),
            complaints: self.complaints,
        }
    }
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Information => "information",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Whether a schedule is the expected one; how long is waited is compared at first sight only, as it grows.
fn agrees(seen: Schedule, expected: Schedule, exactly: bool) -> bool {
    let near = |seen: Duration, expected: Duration| {
        !exactly
            || (seen >= FOR_GOOD && expected >= FOR_GOOD)
            || (seen + Duration::from_secs(1) >= expected && seen <= expected + expected / 10 + Duration::from_secs(1))
    };
    match (seen, expected) {
        (Schedule::Postponed(seen), Schedule::Postponed(expected)) => near(seen, expected),
        // A probe or two may have failed before the first look.
        (Schedule::Held(seen), Schedule::Held(expected)) => {
            near(seen, expected) || near(seen, 2 * expected) || near(seen, 3 * expected) || near(seen, 4 * expected)
        }
        _ => seen == expected,
    }
}

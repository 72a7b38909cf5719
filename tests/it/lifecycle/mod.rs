//! The life of mailboxes: no sequence of commands and failures reaches what `semantics.md` forbids.
//!
//! `LIFECYCLE_SEED=7 cargo test --test it lifecycle::` runs one seed again; `LIFECYCLE_STEPS` says how long.

mod rules;
mod steps;
mod world;

use world::World;

use crate::support::databases::{TestDatabase, postgres, sqlite};

const SEEDS: std::ops::Range<u64> = 1..19;
const STEPS: usize = 120;

/// The world after so many steps, or what went wrong with those that led there.
async fn live(database: &TestDatabase, seed: u64, steps: usize) -> Result<World, String> {
    let mut world = World::new(database.store.clone(), seed).await;
    for _ in 0..steps {
        world.step().await.map_err(|wrong| format!("LIFECYCLE_SEED={seed}: {wrong}"))?;
    }
    Ok(world)
}

#[expect(clippy::disallowed_methods, reason = "a test is steered by its environment")]
fn given<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

fn steps() -> usize {
    given("LIFECYCLE_STEPS").unwrap_or(STEPS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sequence_of_commands_and_failures_reaches_what_is_forbidden() {
    let seeds = given("LIFECYCLE_SEED").map_or(SEEDS, |seed| seed..seed + 1);
    let (all, mut wrong, mut tallies) = (seeds == SEEDS, Vec::new(), Vec::new());
    for seed in seeds {
        match live(&sqlite().await, seed, steps()).await {
            Ok(world) => tallies.push(world.tally),
            Err(why) => wrong.push(why),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let sum = |count: fn(&world::Tally) -> usize| tallies.iter().map(count).sum::<usize>();
    let much =
        [sum(|it| it.began), sum(|it| it.complete), sum(|it| it.failed), sum(|it| it.proven), sum(|it| it.felled)];
    println!("began, complete, failed, proven, felled: {much:?}");
    assert!(!all || much.iter().all(|count| *count > 20), "too little happened: {much:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_seed_is_one_history() {
    let history = async || live(&sqlite().await, 5, 60).await.unwrap().history;
    let (first, second) = (history().await, history().await);
    assert_eq!(first, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_on_postgresql() {
    let Some(database) = postgres().await else { return };
    if let Err(wrong) = live(&database, given("LIFECYCLE_SEED").unwrap_or(1), steps()).await {
        panic!("{wrong}");
    }
}

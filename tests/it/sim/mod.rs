//! Ring 3: agenda, back-off, real cycles and real SQL against simulated servers, from one seed.
//!
//! `SIM_SEED=7 SIM_STEPS=5000 cargo test --test it sim::` runs one seed again, or longer.

pub mod chance;
mod checks;
mod post;
mod weather;
mod world;

use world::World;

/// Seeds of every run; the time they take together is a few seconds.
const SEEDS: [u64; 3] = [11, 12, 13];
const STEPS: u32 = 600;

#[expect(clippy::disallowed_methods, reason = "a test is steered by its environment")]
fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

async fn simulate(seed: u64, steps: u32) -> World {
    let mut world = World::new(seed).await;
    for _ in 0..steps {
        world.step().await;
    }
    world.calm().await;
    world
}

#[tokio::test]
async fn invariants_hold_whatever_happens() {
    let steps = from_environment("SIM_STEPS").unwrap_or(STEPS);
    let seeds = from_environment("SIM_SEED").map_or(SEEDS.to_vec(), |seed| vec![seed]);
    let mut answers_lost = 0;
    let all = seeds == SEEDS;
    for seed in seeds {
        println!("SIM_SEED={seed} SIM_STEPS={steps}");
        let world = simulate(seed, steps).await;
        println!("{}", world.tally());
        world.assert_that_much_happened(steps);
        answers_lost += world.answers_lost();
    }
    assert!(!all || answers_lost > 0, "no answer was lost");
}

#[tokio::test]
async fn one_seed_is_one_history() {
    let (first, second) = (simulate(5, 60).await, simulate(5, 60).await);
    assert!(first.history() == second.history(), "{:#?}\n{:#?}", first.history(), second.history());
}

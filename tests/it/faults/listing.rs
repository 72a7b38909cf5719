//! A message whose listing a server breaks keeps nothing else from being recorded.

use std::collections::BTreeMap;

use super::{
    reading,
    world::{INTERVAL, Place, STEP, World},
};

/// `number verdict` of each message of the mailbox that the fault concerns.
async fn ledger(world: &World, place: &Place) -> Vec<String> {
    let sql = "SELECT l.uid || ' ' || l.verdict FROM inbox_ledger l JOIN mailboxes m ON m.id = l.mailbox \
               WHERE m.email_address = $1 ORDER BY l.uid";
    sqlx::query_scalar(sql).bind(&place.bad).fetch_all(&world.sql).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_listed_is_read_or_set_aside_and_the_others_are_recorded() {
    let mut world = World::start(reading::at_the_listing()).await;
    world.inject().await;
    for place in &world.places {
        place.server.deliver();
    }
    for _ in 0..(8 * INTERVAL.as_secs() / STEP.as_secs()) {
        world.step(STEP, |address| address.starts_with("good")).await;
    }
    let mut ledgers = BTreeMap::new();
    for place in &world.places {
        ledgers.insert(place.row.name, ledger(&world, place).await);
    }
    let all = |second: &str| ["1 recorded".to_owned(), format!("2 {second}"), "3 recorded".to_owned()].to_vec();
    let expected = BTreeMap::from([
        ("unreadable listing of a message", all("recorded")),
        ("unreadable listing and content", ["1 recorded", "2 set_aside", "3 set_aside"].map(str::to_owned).to_vec()),
        ("listing of a message refused", all("recorded")),
        ("cut at the listing of a message", all("recorded")),
    ]);
    assert_eq!(ledgers, expected);
    world.end().await;
}

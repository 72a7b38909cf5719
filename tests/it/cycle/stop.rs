//! Stop everywhere: a cycle is cut at its first, second, third … await, then run to its end, then
//! run once more; the world must be as if it had never been cut.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use mailsyncd::{
    mime,
    model::{
        activity::{BatchCommit, LedgerEntry},
        cursor::{Cursor, InFlight},
        lease::Claimed,
        rules::ReceiveRules,
        uid::{Uid, UidSet},
    },
    receive::{
        cycle::receive,
        judge::{Candidate, Facts, Prepared, judge_all},
        source::MailSource,
    },
};

use super::{
    database::{Database, on_both},
    world::{NOW, START, World, leave},
};

/// Runs `future` for at most `polls` polls, then drops it; `None` where it was cut.
pub async fn stop_after<F: Future>(future: F, mut polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// What is cut and run again.
#[derive(Clone, Copy, Debug)]
enum Cycle {
    /// The real one.
    Real,
    /// A small one that commits rows and cursor together, as the real one does.
    Small,
    /// The small one with the cursor in a transaction of its own, before the rows.
    Sabotaged,
}

impl Cycle {
    async fn run(self, world: &World, claimed: Claimed) {
        match self {
            Self::Real => {
                let report = receive(&world.context, &claimed, &world.policy, world.source(), leave).await;
                assert_eq!(report.failure, None);
            }
            Self::Small => small_cycle(world, claimed, Together::Yes).await,
            Self::Sabotaged => small_cycle(world, claimed, Together::No).await,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Together {
    Yes,
    No,
}

/// Reads what is above the cursor, two messages at a time, and never looks back.
async fn small_cycle(world: &World, claimed: Claimed, together: Together) {
    let (store, mut source) = (&world.context.store, world.source());
    let view = source.open(&UidSet::range(1, 0)).await.unwrap().view;
    let mut cursor = claimed.cursor.unwrap_or(Cursor {
        uid_validity: view.uid_validity,
        generation: 0,
        last_uid: 0,
        exists: 0,
        compared_at: None,
        starting_point: START,
        starts_over: 0,
        in_flight: None,
    });
    let listed = source.list(&UidSet::range(cursor.last_uid + 1, u32::MAX)).await.unwrap();
    for batch in listed.chunks(2) {
        source.request(batch).await.unwrap();
        let messages = source.receive().await.unwrap();
        let prepared: Vec<Prepared> = batch
            .iter()
            .zip(messages)
            .map(|(listed, message)| {
                let parsed = mime::parse(&message.raw, &mime::Limits::default()).unwrap();
                let source = mime::compress(message.raw, parsed.source);
                Prepared::Candidate(Box::new(Candidate { listed: *listed, source, parsed: Ok(parsed) }))
            })
            .collect();
        let keys: Vec<_> = prepared.iter().filter_map(Prepared::key).collect();
        let known = store.facts(&keys).await.unwrap();
        let entries: Vec<LedgerEntry> =
            judge_all(prepared, Facts { activities: known, ..Facts::default() }, &ReceiveRules::default(), NOW);
        cursor.last_uid = batch.last().unwrap().uid.get();
        if together == Together::No {
            let ahead = BatchCommit { entries: Vec::new(), delete: false, again: None, cursor: cursor.clone() };
            store.commit_batch(claimed.fence, &ahead, NOW).await.unwrap();
            // A place to be cut at with the other write surely not begun.
            tokio::task::yield_now().await;
        }
        store
            .commit_batch(
                claimed.fence,
                &BatchCommit { entries, delete: false, again: None, cursor: cursor.clone() },
                NOW,
            )
            .await
            .unwrap();
    }
}

/// Returns how many cuts were made; fails with the first after which the world is not what it
/// would be without.
async fn stop_everywhere(
    database: &Arc<Database>,
    story: impl AsyncFn(&mut World),
    cycle: Cycle,
) -> Result<u32, (u32, String)> {
    let prepared = async || {
        let mut world = World::new(database).await;
        story(&mut world).await;
        world
    };
    let uncut = prepared().await;
    cycle.run(&uncut, uncut.claim().await).await;
    cycle.run(&uncut, uncut.claim().await).await;
    let expected = uncut.everything().await;
    for polls in 0.. {
        let world = prepared().await;
        let claimed = world.claim().await;
        let finished = stop_after(cycle.run(&world, claimed), polls).await.is_some();
        for _ in 0..2 {
            let claimed = world.claim().await;
            cycle.run(&world, claimed).await;
        }
        let found = world.everything().await;
        if found != expected {
            return Err((polls, format!("expected {expected:#?}\nfound {found:#?}")));
        }
        if finished {
            return Ok(polls);
        }
    }
    unreachable!("a cycle that never ends")
}

/// The first visit, with everything that a first visit may meet.
async fn first_visit(world: &mut World) {
    world.deliver(&["one", "two"]);
    let (again, plain) = (world.mail("one"), world.plain_mail("plain"));
    world.inbox(|inbox| {
        inbox.deliver(again, NOW);
        inbox.deliver(plain, START.minus(Duration::from_secs(1)));
        inbox.deliver("x".repeat(11_000), NOW);
        inbox.deliver(format!("{}\r\n\r\n", "Subject: x\r\n".repeat(3_000)).into_bytes(), NOW);
    });
    world.deliver(&["six"]);
}

/// The server rebuilt the folder, and more came.
async fn start_over(world: &mut World) {
    world.deliver(&["one", "two", "three", "four"]);
    let plain = world.plain_mail("plain");
    world.inbox(|inbox| inbox.deliver(plain, NOW));
    world.good_cycle().await;
    world.inbox(|inbox| inbox.renumber(2));
    world.deliver(&["five", "six"]);
}

/// Two messages turn up late, the starting point moves back, two more come, one is gone.
async fn late_and_moved_back(world: &mut World) {
    world.deliver(&["one", "late", "three", "later"]);
    let old = world.mail("old");
    world.inbox(|inbox| {
        inbox.deliver(old, START.minus(Duration::from_secs(1)));
        inbox.message(2).hidden = true;
        inbox.message(4).hidden = true;
    });
    world.good_cycle().await;
    world.inbox(|inbox| {
        inbox.message(2).hidden = false;
        inbox.message(4).hidden = false;
        inbox.expunge(1);
    });
    world.deliver(&["six", "seven"]);
    world.policy.starting_point = START.minus(Duration::from_secs(60));
}

/// A process died while it parsed the second batch.
async fn after_a_death(world: &mut World) {
    world.deliver(&["one", "two"]);
    world.good_cycle().await;
    world.deliver(&["three", "four", "five", "six"]);
    let (first, last) = (Uid::new(3).unwrap(), Uid::new(5).unwrap());
    let marker = InFlight { first, last, attempts: 1 };
    let fence = world.claim().await.fence;
    world.context.store.mark_in_flight(fence, Some(marker)).await.unwrap();
}

/// Asserts that the story survives every cut on both databases.
pub async fn survives(name: &str, story: impl AsyncFn(&mut World)) {
    for database in on_both().await {
        match stop_everywhere(&database, &story, Cycle::Real).await {
            Ok(cuts) => assert!(cuts > 10, "{name}: only {cuts} cuts: nothing was tested"),
            Err((polls, difference)) => {
                panic!("{name} on {:?}, cut at {polls}: {difference}", database.store.backend())
            }
        }
    }
}

#[tokio::test]
async fn a_first_visit_survives_a_cut_anywhere() {
    survives("first visit", first_visit).await;
}

#[tokio::test]
async fn a_start_over_survives_a_cut_anywhere() {
    survives("start over", start_over).await;
}

#[tokio::test]
async fn late_messages_and_a_moved_starting_point_survive_a_cut_anywhere() {
    survives("late", late_and_moved_back).await;
}

#[tokio::test]
async fn what_a_death_left_survives_a_cut_anywhere() {
    survives("after a death", after_a_death).await;
}

/// The test above can fail: it finds a cursor that moves outside the transaction that records.
#[tokio::test]
async fn a_cursor_outside_the_transaction_does_not_survive() {
    let story = async |world: &mut World| world.deliver(&["one", "two", "three", "four", "five"]);
    for database in on_both().await {
        let sound = stop_everywhere(&database, story, Cycle::Small).await;
        assert!(sound.is_ok(), "{sound:?}");
        let sabotaged = stop_everywhere(&database, story, Cycle::Sabotaged).await;
        let (_, difference) = sabotaged.expect_err("mail is lost and nobody noticed");
        assert!(difference.contains("expected"), "{difference}");
    }
}

/// Only a death inside the parser makes a message suspect: a machine that is killed again and again
/// must not get healthy mail set aside. So between the parse and the commit there is no marker.
#[tokio::test]
async fn a_suspect_that_survived_its_parse_is_suspect_no_more() {
    for database in on_both().await {
        let (mut marked, mut cleared) = (false, false);
        for polls in 0.. {
            let mut world = World::new(&database).await;
            after_a_death(&mut world).await;
            let claimed = world.claim().await;
            let source = world.source();
            let cycle = receive(&world.context, &claimed, &world.policy, source, leave);
            let finished = stop_after(cycle, polls).await.is_some();
            let recorded = world.ledger().await.len();
            match world.marker().await {
                Some(marker) if marker == "3 3 2" => marked = true,
                None if marked && recorded == 2 => cleared = true,
                _ => {}
            }
            if finished || cleared {
                break;
            }
        }
        assert!(marked && cleared, "on {:?}: marked {marked}, cleared {cleared}", database.store.backend());
    }
}

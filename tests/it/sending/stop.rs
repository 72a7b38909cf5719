//! Stop everywhere: a send cycle is cut at its first, second, third … await, and whatever is left is
//! then run to its end. What the world received is counted: never twice, never nothing.

use std::{collections::BTreeMap, sync::Arc};

use mailsyncd::{
    mime::{
        self,
        compose::{ComposeRules, compose},
    },
    model::{
        lease::Claimed,
        outbox::{
            Composed, InDoubt, MailSettlement, MailVerdict, OutboxContent, OutboxMail, RecipientResult, RecipientState,
        },
    },
    send::{
        cycle::send,
        sink::{Begun, MailSink, Shipment, Sinks},
    },
};

use tokio::task::yield_now;

use super::{
    server::{Fault, Sent},
    world::World,
};
use crate::cycle::{
    database::{Database, on_both},
    stop::stop_after,
};

/// What is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cycle {
    /// The real one.
    Real,
    /// A small one that marks and settles as the real one does.
    Small,
    /// The small one with the mark after the last line.
    MarkLate,
    /// The small one that writes what became of a mail before the server has answered.
    SettleEarly,
}

impl Cycle {
    async fn run(self, world: &World, claimed: Claimed) {
        match self {
            Self::Real => drop(send(&world.context, &claimed, &world.policy, &world.server).await),
            _ => self.small(world, claimed).await,
        }
    }

    async fn small(self, world: &World, claimed: Claimed) {
        let (store, fence, now) = (&world.context.store, claimed.fence, world.context.clock.now());
        store.recover_outbox(fence, now).await.unwrap();
        let Ok(mut sink) = world.server.take(&world.policy.outgoing).await else { return };
        for mail in store.claim_mails(fence, now, 10, u64::MAX).await.unwrap().mails {
            let OutboxMail { activity, parties, content: OutboxContent::Draft(draft), sender, .. } = mail else {
                panic!("composed before");
            };
            let rules = ComposeRules { now, maximum_size: 1 << 20 };
            let made = compose(activity, &parties, *draft, &rules).unwrap();
            let source = mime::compress(made.bytes.clone(), mime::digest(&made.bytes));
            store.put_composed(fence, &[Composed { activity, message_id: made.message_id, source }]).await.unwrap();
            let rcpt_to: Vec<&str> = parties.iter().map(|party| party.party.address.as_str()).collect();
            let shipment = Shipment { mail_from: &sender, rcpt_to: &rcpt_to, bytes: &made.bytes };
            let Ok(Begun::Ready(_)) = sink.begin(shipment).await else { panic!("refused") };
            sink.body(&made.bytes).await.unwrap();
            if self != Self::MarkLate {
                store.mark_dot(fence, activity, &[], now).await.unwrap();
            }
            let accepted = |position| RecipientResult { position, state: Some(RecipientState::Accepted), reply: None };
            let settlement = MailSettlement {
                activity,
                verdict: MailVerdict::Sent(None),
                recipients: parties.iter().map(|party| accepted(party.position)).collect(),
                reply: None,
            };
            if self == Self::SettleEarly {
                store.settle_mail(fence, &settlement, now).await.unwrap();
                // Places to be cut at with the write surely done.
                idle().await;
            }
            sink.finish().await.unwrap().unwrap();
            if self == Self::MarkLate {
                // And some with the write surely not begun.
                idle().await;
                store.mark_dot(fence, activity, &[], now).await.unwrap();
            }
            if self != Self::SettleEarly {
                store.settle_mail(fence, &settlement, now).await.unwrap();
            }
        }
    }
}

/// Some polls long: how many a write takes depends on how fast the disk is, so one might be passed over.
async fn idle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

/// What may be left for a person in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Nothing: the Sent folder proves everything.
    Sent,
    /// The mails in doubt: those whose answer was lost, so many, and on a cut at most that of the
    /// conversation and the one before it.
    None(usize),
}

/// What is wrong with the end of a world, if anything.
async fn wrong(world: &World, proof: Proof) -> Option<String> {
    let (mails, received) = (world.mails().await, world.received());
    if let Some((mail, times)) = received.iter().find(|(_, times)| **times > 1) {
        return Some(format!("{mail} was received {times} times; {mails:?}"));
    }
    let held = mails.iter().filter(|mail| mail.contains(" held ")).count();
    let most = match proof {
        Proof::Sent => 0,
        Proof::None(lost) => lost + 2,
    };
    if held > most {
        return Some(format!("{held} are held: {mails:?}"));
    }
    for recipient in world.recipients().await {
        let (name, result) = recipient.rsplit_once(" > ").map_or((recipient.as_str(), ""), |_| {
            let end = recipient.find(" > ").unwrap() + 3;
            let end = end + recipient[end..].find(' ').unwrap();
            (&recipient[..end], recipient[end + 1..].split(' ').next().unwrap())
        });
        let got = received.contains_key(name);
        let subject = name.split(" > ").next().unwrap();
        let status = mails.iter().find_map(|mail| mail.strip_prefix(subject)?.strip_prefix(' ')).unwrap();
        let right = match result {
            "accepted" => got,
            "refused" => !got,
            _ => status.starts_with("held "),
        };
        if !right {
            return Some(format!("{recipient} (mail: {status}), received: {got}"));
        }
    }
    None
}

/// Returns how many cuts were made; fails with the first after which the world is wrong.
async fn stop_everywhere(
    database: &Arc<Database>,
    (sent, in_doubt, lost): (Sent, InDoubt, usize),
    story: impl AsyncFn(&mut World),
    cycle: Cycle,
) -> Result<u32, (u32, String)> {
    let proof = if sent == Sent::Filled { Proof::Sent } else { Proof::None(lost) };
    for polls in 0.. {
        let mut world = World::new(database, sent, in_doubt).await;
        if proof == Proof::Sent {
            // A server that files shows that it does.
            world.queue("before", &["z"]).await;
            world.to_the_end().await;
        }
        story(&mut world).await;
        let claimed = world.claim().await;
        let finished = stop_after(cycle.run(&world, claimed), polls).await.is_some();
        world.to_the_end().await;
        if let Some(wrong) = wrong(&world, proof).await {
            return Err((polls, wrong));
        }
        if finished {
            return Ok(polls);
        }
    }
    unreachable!("the cycle ends")
}

/// Several mails, of which some go to several recipients.
async fn outbox(world: &mut World) {
    world.queue("one", &["a"]).await;
    world.queue("two", &["a", "b", "c"]).await;
    world.queue("three", &["b"]).await;
}

/// And a server that refuses, and breaks.
async fn weather(world: &mut World) {
    outbox(world).await;
    world.script([
        Some(Fault::Rcpt("b", 550, "5.1.1")),
        Some(Fault::Rcpt("b", 450, "4.2.1")),
        Some(Fault::LoseReply),
        Some(Fault::DropInBody),
        Some(Fault::DropAtDot),
    ]);
}

async fn survives(name: &str, ways: (Sent, InDoubt, usize), story: impl AsyncFn(&mut World)) {
    for database in on_both().await {
        match stop_everywhere(&database, ways, &story, Cycle::Real).await {
            Ok(cuts) => assert!(cuts > 20, "{name}: only {cuts} cuts: nothing was tested"),
            Err((polls, wrong)) => panic!("{name} on {:?}, cut at {polls}: {wrong}", database.store.backend()),
        }
    }
}

#[tokio::test]
async fn with_a_sent_folder_a_cut_anywhere_loses_and_doubles_nothing() {
    survives("verify", (Sent::Filled, InDoubt::Verify, 0), outbox).await;
}

#[tokio::test]
async fn without_one_a_cut_anywhere_holds_what_is_unknown_and_doubles_nothing() {
    survives("verify in vain", (Sent::Empty, InDoubt::Verify, 0), outbox).await;
    survives("hold", (Sent::Missing, InDoubt::Hold, 0), outbox).await;
}

#[tokio::test]
async fn a_cut_anywhere_in_bad_weather_doubles_nothing() {
    survives("weather", (Sent::Missing, InDoubt::Hold, 2), weather).await;
}

/// The tests above can fail: they find a mark that comes too late, and a result that comes too early.
#[tokio::test]
async fn a_mark_after_the_last_line_or_an_end_before_the_answer_does_not_survive() {
    for database in on_both().await {
        let ways = (Sent::Missing, InDoubt::Hold, 0);
        let sound = stop_everywhere(&database, ways, outbox, Cycle::Small).await;
        assert!(sound.is_ok(), "{sound:?}");
        let (_, late) = stop_everywhere(&database, ways, outbox, Cycle::MarkLate).await.expect_err("doubled unnoticed");
        assert!(late.contains("received 2 times"), "{late}");
        let (_, early) =
            stop_everywhere(&database, ways, outbox, Cycle::SettleEarly).await.expect_err("lost unnoticed");
        assert!(early.contains("received: false"), "{early}");
    }
}

/// What a counting of nothing would not see.
#[tokio::test]
async fn an_uncut_cycle_sends_everything_once() {
    for database in on_both().await {
        let mut world = World::new(&database, Sent::Missing, InDoubt::Hold).await;
        outbox(&mut world).await;
        let report = world.cycle().await;
        assert_eq!((report.sent, report.failure), (3, None));
        let times: BTreeMap<String, u32> =
            ["one > a", "three > b", "two > a", "two > b", "two > c"].map(|to| (to.to_owned(), 1)).into();
        assert_eq!(world.received(), times);
        assert_eq!(world.mails().await, ["one sent 1", "three sent 1", "two sent 1"]);
        assert_eq!(world.server.state().connections, 1, "one connection for the whole claim, and the next");
    }
}

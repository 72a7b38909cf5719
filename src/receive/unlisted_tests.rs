use proptest::prelude::*;

use super::*;
use crate::model::failure::{Persistence, Scope};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn uids(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<Uid> {
    numbers.into_iter().map(uid).collect()
}

/// Searches `1..=last`, where `there` are, at a server that breaks at `bad`; returns how often it was asked.
fn search(last: u32, there: &BTreeSet<Uid>, bad: &BTreeSet<Uid>) -> (Search, u32) {
    search_in(UidSet::range(1, last), there, bad)
}

fn search_in(uids: UidSet, there: &BTreeSet<Uid>, bad: &BTreeSet<Uid>) -> (Search, u32) {
    let mut search = Search::new(uids);
    let mut asked = 0;
    while let Some(part) = search.next_part() {
        asked += 1;
        if bad.iter().any(|uid| part.contains(*uid)) {
            search.broke(&part);
        } else {
            let here = there.iter().filter(|uid| part.contains(**uid));
            search.answered(here.map(|uid| ListedMessage { size: 7, ..nothing_known(*uid) }).collect());
        }
    }
    (search, asked)
}

proptest! {
    #[test]
    fn what_breaks_is_found_and_everything_else_is_listed(
        there in prop::collection::btree_set(1_u32..10_000, 1..300),
        bad in any::<prop::sample::Index>(),
    ) {
        let there = uids(there);
        let bad = uids([bad.get(&there.iter().collect::<Vec<_>>()).get()]);
        let (search, asked) = search(10_000, &there, &bad);
        prop_assert!(search.is_done() && asked <= 2 * 14 + 1, "{asked}");
        let listed = search.into_listed();
        prop_assert_eq!(listed.iter().map(|message| message.uid).collect::<Vec<_>>(), there.into_iter().collect::<Vec<_>>());
        prop_assert!(listed.iter().all(|message| (message.size == 0) == bad.contains(&message.uid)));
    }
}

proptest! {
    #[test]
    fn several_that_break_are_all_found_after_some_visits(
        bad in prop::collection::btree_set(1_u32..1_000, 2..6),
        mailbox in any::<u128>(),
    ) {
        let (there, bad, mailbox) = (uids(1..=1_000), uids(bad), MailboxId(uuid::Uuid::from_u128(mailbox)));
        let (unlisted, validity) = (Unlisted::default(), UidValidity::new(1).unwrap());
        for visit in 1..=5 {
            let known = unlisted.of(mailbox).map(|(_, uids)| uids).unwrap_or_default();
            let left: BTreeSet<Uid> = bad.difference(&known).copied().collect();
            let (search, _) = search_in(UidSet::range(1, 1_000).without(&known), &there, &left);
            unlisted.found(mailbox, validity, &search, NOW);
            if search.is_done() {
                break;
            }
            prop_assert!(visit < 5 && !search.is_in_vain(), "{known:?}");
        }
        prop_assert_eq!(unlisted.of(mailbox), Some((validity, bad)));
    }
}

#[test]
fn a_range_of_any_width_is_searched_to_its_end() {
    let wide = uids([12_345_678]);
    let (search, _) = search(1 << 25, &wide, &wide);
    assert!(search.is_done());
    assert_eq!(search.into_listed(), [nothing_known(uid(12_345_678))]);
}

#[test]
fn one_that_is_alone_in_a_wide_range_is_found_too() {
    let (search, _) = search(10_000, &uids([1]), &uids([1]));
    assert!(search.is_done());
    assert_eq!(search.into_listed(), [nothing_known(uid(1))]);
}

#[test]
fn a_listing_that_broke_for_no_reason_is_just_repeated() {
    let (search, asked) = search(500, &uids([3, 4]), &BTreeSet::new());
    assert_eq!((search.is_done(), asked), (true, 1));
    assert_eq!(search.into_listed().len(), 2);
}

#[test]
fn a_server_that_breaks_every_listing_is_soon_left_alone() {
    let all = uids(1..=500);
    let (search, asked) = search(500, &all, &all);
    assert!(!search.is_done() && asked <= 14, "{asked}");
    let unlisted = Unlisted::default();
    let mailbox = MailboxId(uuid::Uuid::from_u128(1));
    let failure = Failure::new(FailureCode::ProtocolViolation, Scope::Mailbox, Persistence::Transient, "?");
    assert!(unlisted.blames(mailbox, &failure, NOW));
    unlisted.found(mailbox, UidValidity::new(1).unwrap(), &search, NOW);
    assert!(unlisted.of(mailbox).is_none());
    assert!(!unlisted.blames(mailbox, &failure, NOW.plus(PAUSE / 2)));
    assert!(unlisted.blames(mailbox, &failure, NOW.plus(PAUSE)));
}

#[test]
fn what_was_found_is_known_under_its_uidvalidity() {
    let unlisted = Unlisted::default();
    let mailbox = MailboxId(uuid::Uuid::from_u128(1));
    let [first, second] = [1, 2].map(|number| UidValidity::new(number).unwrap());
    let found = |bad: u32| search(10, &uids(1..=10), &uids([bad])).0;
    unlisted.found(mailbox, first, &found(3), NOW);
    unlisted.found(mailbox, first, &found(5), NOW);
    assert_eq!(unlisted.of(mailbox), Some((first, uids([3, 5]))));
    unlisted.found(mailbox, second, &found(4), NOW);
    assert_eq!(unlisted.of(mailbox), Some((second, uids([4]))));
}

#[test]
fn a_connection_lost_is_blamed_on_a_message_at_the_third_time_in_a_row() {
    let unlisted = Unlisted::default();
    let mailbox = MailboxId(uuid::Uuid::from_u128(1));
    let failure = |code| Failure::new(code, Scope::Mailbox, Persistence::Transient, "?");
    let lost = || unlisted.blames(mailbox, &failure(FailureCode::ConnectionLost), NOW);
    assert!(!lost() && !lost() && lost());
    unlisted.listed(mailbox);
    assert!(!lost());
    assert!(!unlisted.blames(mailbox, &failure(FailureCode::Timeout), NOW));
    assert!(!unlisted.blames(mailbox, &failure(FailureCode::ServerThrottled), NOW));
}

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{rules::ReceiveRules, uid::Uid};

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn listed(number: u32, size: u64) -> ListedMessage {
    ListedMessage { uid: uid(number), size, internal_date: Some(Timestamp::from_seconds(1_000)), uidl: None }
}

fn policy() -> ReceivePolicy {
    let rules = ReceiveRules { maximum_message_size: 1_000, ..ReceiveRules::default() };
    ReceivePolicy {
        delete_after: None,
        deletes_nothing: false,
        starting_point: Timestamp::from_seconds(500),
        rules: Arc::new(rules),
        steps: Steps { batch_messages: 3, batch_bytes: 100, ..Steps::default() },
    }
}

fn cut(messages: &[(u32, u64)], in_flight: Option<InFlight>) -> Vec<(Vec<u32>, u32, u32)> {
    let items = messages.iter().map(|(uid, size)| decide(listed(*uid, *size), &policy(), in_flight)).collect();
    batches(items, &policy().steps, in_flight, 99)
        .into_iter()
        .map(|batch| (batch.items.iter().map(|item| item.listed.uid.get()).collect(), batch.through, batch.attempts))
        .collect()
}

#[test]
fn the_listing_decides_what_is_fetched() {
    let before = ListedMessage { internal_date: Some(Timestamp::from_seconds(499)), ..listed(1, 10) };
    let on_it = ListedMessage { internal_date: Some(Timestamp::from_seconds(500)), ..listed(1, 10) };
    let undated = ListedMessage { internal_date: None, ..listed(1, 10) };
    let marker = |first, last, attempts| Some(InFlight { first: uid(first), last: uid(last), attempts });
    let rows = [
        ("before the starting point", before, None, "ignore: before_starting_point"),
        ("exactly on it", on_it, None, "read"),
        ("without INTERNALDATE", undated, None, "read"),
        ("as large as allowed", listed(1, 1_000), None, "read"),
        ("too large", listed(1, 1_001), None, "set aside: message-too-large"),
        ("died twice with it", listed(1, 10), marker(1, 1, 2), "read"),
        ("died three times with it", listed(1, 10), marker(1, 1, 3), "keep: message-poison"),
        ("died three times with others", listed(1, 10), marker(1, 2, 3), "read"),
        ("died three times with another", listed(1, 10), marker(2, 2, 3), "read"),
    ];
    for (what, listed, in_flight, expected) in rows {
        let found = match decide(listed, &policy(), in_flight).todo {
            Todo::Read => "read".to_owned(),
            Todo::Keep(failure) => format!("keep: {failure}"),
            Todo::Reread(source) => format!("reread {source}"),
            Todo::Enter(entry) => entry.verdict.to_string(),
        };
        assert!(found.starts_with(expected), "{what}: {found}");
    }
}

#[test]
fn batches_are_bounded_by_count_and_bytes() {
    assert_eq!(cut(&[], None), []);
    let small = [(1, 10), (2, 10), (5, 10), (6, 10)];
    assert_eq!(cut(&small, None), [(vec![1, 2, 5], 5, 1), (vec![6], 99, 1)]);
    let large = [(1, 60), (2, 60), (3, 500), (4, 10)];
    assert_eq!(cut(&large, None), [(vec![1], 1, 1), (vec![2], 2, 1), (vec![3], 3, 1), (vec![4], 99, 1)]);
    let with_too_large = [(1, 60), (2, 5_000), (3, 30)];
    assert_eq!(cut(&with_too_large, None), [(vec![1, 2, 3], 99, 1)], "what is not fetched has no bytes");
}

#[test]
fn the_first_batches_are_smaller() {
    let items = (1..=10).map(|uid| decide(listed(uid, 10), &policy(), None)).collect();
    let steps = Steps { batch_messages: 99, batch_bytes: 40, first_batch_bytes: 10, ..Steps::default() };
    let sizes: Vec<usize> = batches(items, &steps, None, 10).iter().map(|batch| batch.items.len()).collect();
    assert_eq!(sizes, [1, 2, 4, 3]);
}

#[test]
fn a_message_of_unknown_size_may_be_as_large_as_the_limit() {
    assert_eq!(cut(&[(1, 0), (2, 0), (3, 10)], None), [(vec![1], 1, 1), (vec![2], 2, 1), (vec![3], 99, 1)]);
    let batch = batches(vec![decide(listed(1, 0), &policy(), None)], &policy().steps, None, 1).remove(0);
    assert_eq!((batch.items[0].listed, batch.asked()), (listed(1, 0), vec![listed(1, 1_000)]));
}

#[test]
fn suspects_go_one_by_one() {
    let all = [(1, 10), (2, 10), (3, 10), (4, 10), (5, 10)];
    let marker = Some(InFlight { first: uid(2), last: uid(3), attempts: 1 });
    let expected = [(vec![1], 1, 1), (vec![2], 2, 2), (vec![3], 3, 2), (vec![4, 5], 99, 1)];
    assert_eq!(cut(&all, marker), expected);
    let poison = Some(InFlight { first: uid(2), last: uid(2), attempts: 3 });
    assert_eq!(cut(&all, poison), [(vec![1], 1, 1), (vec![2], 2, 4), (vec![3, 4, 5], 99, 1)], "poison alone, too");
}

proptest! {
    #[test]
    fn every_message_is_in_one_batch_in_order(
        sizes in proptest::collection::vec(0u64..1_200, 0..60), first in 1u32..60, width in 0u32..9, attempts in 0u32..5,
    ) {
        let marker = Some(InFlight { first: uid(first), last: uid(first + width), attempts });
        let messages: Vec<(u32, u64)> = (1u32..).zip(sizes).collect();
        let cut = cut(&messages, marker);
        let flat: Vec<u32> = cut.iter().flat_map(|(uids, ..)| uids.clone()).collect();
        prop_assert_eq!(flat, messages.iter().map(|(uid, _)| *uid).collect::<Vec<_>>());
        prop_assert!(cut.is_sorted_by_key(|(_, through, _)| *through));
        prop_assert!(cut.iter().all(|(uids, through, attempts)| uids.last() <= Some(through) && (*attempts == 1 || uids.len() == 1)));
    }
}

#[test]
fn the_marker_ahead_is_that_of_the_next_three() {
    let items =
        |uids: &[(u32, u64)]| uids.iter().map(|(uid, size)| decide(listed(*uid, *size), &policy(), None)).collect();
    let batch = |uids: &[(u32, u64)]| Batch { items: items(uids), through: 99, attempts: 1, again: None };
    let marker = |first, last| Some(InFlight { first: uid(first), last: uid(last), attempts: 1 });
    let all = [batch(&[(1, 10), (3, 10)]), batch(&[(4, 10)]), batch(&[(7, 10), (8, 5_000)]), batch(&[(9, 10)])];
    assert_eq!(marker_of(all.iter()), marker(1, 7), "8 is too large to be parsed");
    assert_eq!(marker_of(all.iter().skip(2)), marker(7, 9));
    assert_eq!(marker_of(all.iter().skip(3)), marker(9, 9));
    assert_eq!(marker_of([].iter()), None);
    let suspect = Batch { attempts: 2, ..batch(&[(9, 10)]) };
    assert_eq!(marker_of([suspect].iter()), None, "it goes alone");
}

use std::sync::Arc;

use super::*;
use crate::{
    model::{
        cursor::InFlight,
        rules::ReceiveRules,
        uid::{Uid, UidValidity},
    },
    receive::policy::Steps,
};

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
const POINT: Timestamp = Timestamp::from_seconds(500);

fn policy() -> ReceivePolicy {
    ReceivePolicy {
        starting_point: POINT,
        delete_after: None,
        deletes_nothing: false,
        rules: Arc::new(ReceiveRules::default()),
        steps: Steps::default(),
    }
}

fn cursor() -> Cursor {
    Cursor {
        uid_validity: UidValidity::new(7).unwrap(),
        generation: 2,
        last_uid: 1_000,
        exists: 40,
        compared_at: Some(NOW.minus(Duration::from_secs(60))),
        starting_point: POINT,
        starts_over: 0,
        in_flight: None,
    }
}

fn view(uid_validity: u32, uid_next: Option<u32>, exists: u32) -> FolderView {
    let uid_next = uid_next.map(|next| Uid::new(next).unwrap());
    FolderView { uid_validity: UidValidity::new(uid_validity).unwrap(), uid_next, exists }
}

fn reading() -> Reading {
    Reading {
        first: 1_001,
        last: 1_000,
        last_is_known: true,
        compare_from: 501,
        grown: 0,
        judge_again_since: None,
        retries: false,
    }
}

fn planned(cursor: &Cursor, view: &FolderView) -> ReceivePlan {
    plan(Some(cursor), view, &policy(), false, NOW)
}

#[test]
fn the_first_visit_starts_at_nothing() {
    let ReceivePlan::First(first) = plan(None, &view(7, Some(9), 3), &policy(), false, NOW) else { panic!() };
    assert_eq!((first.last_uid, first.generation, first.starts_over, first.exists), (0, 0, 0, 0));
    let all = Reading { first: 1, last: 8, compare_from: 1, grown: 3, ..reading() };
    assert_eq!(planned(&first, &view(7, Some(9), 3)), ReceivePlan::Read(all));
    assert_eq!(planned(&first, &view(7, Some(1), 0)), ReceivePlan::UpToDate);
}

#[test]
fn nothing_is_read_only_where_nothing_can_be_new() {
    let same = view(7, Some(1_001), 40);
    assert_eq!(planned(&cursor(), &same), ReceivePlan::UpToDate);
    let rows: [(&str, Cursor, FolderView, Reading); 9] = [
        ("a new message", cursor(), view(7, Some(1_003), 42), Reading { last: 1_002, grown: 2, ..reading() }),
        ("one shows late", cursor(), view(7, Some(1_001), 43), Reading { grown: 3, ..reading() }),
        ("one was deleted", cursor(), view(7, Some(1_001), 39), reading()),
        ("a new one, one deleted", cursor(), view(7, Some(1_002), 40), Reading { last: 1_001, ..reading() }),
        (
            "UIDNEXT is absent",
            cursor(),
            view(7, None, 40),
            Reading { last: u32::MAX, last_is_known: false, ..reading() },
        ),
        (
            "compared an hour ago",
            Cursor { compared_at: Some(NOW.minus(COMPARE_EVERY)), ..cursor() },
            same.clone(),
            reading(),
        ),
        (
            "compared in the future",
            Cursor { compared_at: Some(NOW.plus(COMPARE_EVERY)), ..cursor() },
            same.clone(),
            reading(),
        ),
        ("never compared", Cursor { compared_at: None, ..cursor() }, same.clone(), reading()),
        (
            "a death while parsing",
            Cursor {
                in_flight: Some(InFlight { first: Uid::new(3).unwrap(), last: Uid::new(3).unwrap(), attempts: 1 }),
                ..cursor()
            },
            same,
            reading(),
        ),
    ];
    for (what, cursor, view, expected) in rows {
        assert_eq!(planned(&cursor, &view), ReceivePlan::Read(expected), "{what}");
    }
}

#[test]
fn the_starting_point_matters_only_when_it_moves_back() {
    let same = view(7, Some(1_001), 40);
    let later = Cursor { starting_point: POINT.plus(Duration::from_secs(1)), ..cursor() };
    let again = Reading { judge_again_since: Some(POINT), ..reading() };
    assert_eq!(planned(&later, &same), ReceivePlan::Read(again));
    let earlier = Cursor { starting_point: POINT.minus(Duration::from_secs(1)), ..cursor() };
    assert_eq!(planned(&earlier, &same), ReceivePlan::UpToDate);
}

#[test]
fn other_uids_start_over() {
    use StartOverReason::{UidNextDecreased, UidValidityChanged};
    let rows = [
        ("validity goes up", view(8, Some(5), 4), UidValidityChanged),
        ("validity goes down, as after a restore", view(6, Some(1_001), 40), UidValidityChanged),
        ("validity changes without UIDNEXT", view(8, None, 4), UidValidityChanged),
        ("UIDNEXT goes down by one", view(7, Some(1_000), 40), UidNextDecreased),
        ("UIDNEXT begins again", view(7, Some(1), 0), UidNextDecreased),
    ];
    for (what, view, reason) in rows {
        let ReceivePlan::StartOver(found, new) = planned(&cursor(), &view) else { panic!("{what}") };
        assert_eq!(found, reason, "{what}");
        assert_eq!((new.uid_validity, new.last_uid, new.generation), (view.uid_validity, 0, 3), "{what}");
        assert_eq!(new.starts_over, 1, "{what}");
        assert!(!matches!(planned(&new, &view), ReceivePlan::StartOver(..)), "{what}: over and over");
    }
}

#[test]
fn a_server_that_renumbers_always_is_given_up() {
    let view = view(8, Some(5), 4);
    let mut cursor = cursor();
    for count in 1..=MAXIMUM_STARTS_OVER {
        let ReceivePlan::StartOver(_, new) = planned(&cursor, &view) else { panic!("{count}") };
        assert_eq!(new.starts_over, count);
        cursor = Cursor { uid_validity: UidValidity::new(7).unwrap(), ..new };
    }
    assert_eq!(planned(&cursor, &view), ReceivePlan::UidsNotKept);
}

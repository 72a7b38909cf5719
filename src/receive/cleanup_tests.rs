use super::*;
use crate::model::timestamp::Timestamp;

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn due(number: u32, message_id: Option<&str>) -> DueCopy {
    let internal_date = Some(Timestamp::from_seconds(i64::from(number)));
    DueCopy { uid: uid(number), size: 10, internal_date, message_id: message_id.map(str::to_owned) }
}

fn listed(number: u32) -> ListedMessage {
    let internal_date = Some(Timestamp::from_seconds(i64::from(number)));
    ListedMessage { uid: uid(number), size: 10, internal_date, uidl: None }
}

#[test]
fn only_what_is_surely_the_recorded_message_is_deleted() {
    let a = Some("a@example.org");
    let told = |id: Option<&str>| vec![(uid(1), id.map(str::to_owned))];
    let cases = [
        // A due message, what is listed under its number, the Message-ID there: deleted, gone or left.
        (due(1, a), vec![listed(1)], told(a), "same"),
        (due(1, None), vec![listed(1)], told(None), "same"),
        (due(1, a), vec![], vec![], "gone"),
        (due(1, a), vec![ListedMessage { size: 11, ..listed(1) }], told(a), "gone"),
        (due(1, a), vec![ListedMessage { internal_date: Some(Timestamp::EPOCH), ..listed(1) }], told(a), "gone"),
        (due(1, a), vec![listed(1)], told(Some("b@example.org")), "gone"),
        (due(1, a), vec![listed(1)], told(None), "gone"),
        (due(1, None), vec![listed(1)], told(a), "gone"),
        (due(1, a), vec![listed(1)], vec![], "left"),
        // A date that one side does not know proves nothing; a maildrop has none in its listing.
        (due(1, a), vec![ListedMessage { internal_date: None, ..listed(1) }], told(a), "same"),
        (DueCopy { internal_date: None, ..due(1, a) }, vec![listed(1)], told(a), "same"),
    ];
    for (due, listed, ids, expected) in cases {
        let Compared { same, gone } = compare(std::slice::from_ref(&due), &listed, &ids);
        let found = match (same.as_slice(), gone.as_slice()) {
            ([_], []) => "same",
            ([], [_]) => "gone",
            ([], []) => "left",
            _ => "several",
        };
        assert_eq!(found, expected, "{due:?} {listed:?} {ids:?}");
    }
}

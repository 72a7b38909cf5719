use super::*;
use crate::{
    model::{ids::ActivityId, message::MessageKey, timestamp::Timestamp},
    store::KnownVerdict,
};

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn listed(number: u32) -> ListedMessage {
    ListedMessage { uid: uid(number), size: 10, internal_date: Some(Timestamp::EPOCH), uidl: None }
}

fn copy(number: u32, message_id: Option<&str>, activity: Option<ActivityId>) -> KnownCopy {
    KnownCopy {
        uid: uid(number),
        message_id: message_id.map(str::to_owned),
        key: activity.map(|_| MessageKey([1; 32])),
        activity,
        source: None,
        verdict: KnownVerdict::Recorded,
    }
}

#[test]
fn only_date_size_and_message_id_together_make_a_copy() {
    let (first, second) = (ActivityId::generate(Timestamp::EPOCH), ActivityId::generate(Timestamp::EPOCH));
    let rows = [
        ("the same mail", vec![copy(1, Some("a"), Some(first))], Some("a"), Some(first)),
        ("another Message-ID", vec![copy(1, Some("a"), Some(first))], Some("b"), None),
        ("none then", vec![copy(1, None, Some(first))], Some("a"), None),
        ("none now", vec![copy(1, Some("a"), Some(first))], None, None),
        ("none ever", vec![copy(1, None, Some(first))], None, None),
        ("not recorded then", vec![copy(1, Some("a"), None)], Some("a"), None),
        (
            "two with one date and size",
            vec![copy(1, Some("a"), Some(first)), copy(1, Some("b"), Some(second))],
            Some("b"),
            Some(second),
        ),
        ("another message's", vec![copy(2, Some("a"), Some(first))], Some("a"), None),
    ];
    for (what, copies, now, expected) in rows {
        let linked = relink(&[listed(1), listed(2)], &copies, &[(uid(1), now.map(str::to_owned)), (uid(2), None)]);
        let found = linked.get(&uid(1)).map(|entry| entry.verdict.clone());
        assert_eq!(found, expected.map(Verdict::Link), "{what}");
        assert_eq!(linked.len(), usize::from(expected.is_some()), "{what}");
    }
}

use std::sync::Arc;

use super::*;
use crate::{
    model::{
        message::Sha256,
        rules::ReceiveRules,
        timestamp::Timestamp,
        uid::{Uid, UidValidity},
    },
    receive::policy::Steps,
};

const HERE: Numbering = Numbering { uid_validity: UidValidity::new(7).unwrap(), generation: 1 };
const OLDER: Numbering = Numbering { generation: 0, ..HERE };

fn policy() -> ReceivePolicy {
    ReceivePolicy {
        delete_after: None,
        deletes_nothing: false,
        starting_point: Timestamp::EPOCH,
        rules: Arc::new(ReceiveRules { maximum_message_size: 1_000, ..ReceiveRules::default() }),
        steps: Steps::default(),
    }
}

fn listed(size: u64) -> ListedMessage {
    ListedMessage { uid: Uid::new(5).unwrap(), size, internal_date: None, uidl: None }
}

fn aside(numbering: Numbering, source: Option<Sha256>, attempts: u32) -> Aside {
    let (code, detail) = (FailureCode::MessageTooLarge, "why; tried again: for the first time".to_owned());
    Aside { numbering, listed: listed(2_000), code, detail, source, attempts }
}

#[test]
fn what_is_kept_is_read_from_there_and_the_rest_from_the_server() {
    let kept = Some(Sha256([1; 32]));
    let marker = |attempts| Some(InFlight { first: listed(0).uid, last: listed(0).uid, attempts });
    let too_large = "set aside: message-too-large";
    let rows = [
        ("fits now", aside(HERE, None, 0), Some(listed(900)), None, "read"),
        ("fits not", aside(HERE, None, 0), Some(listed(2_000)), None, too_large),
        ("gone", aside(HERE, None, 0), None, None, too_large),
        ("numbered anew", aside(OLDER, None, 0), Some(listed(900)), None, too_large),
        ("kept", aside(HERE, kept, 2), None, marker(2), "reread"),
        ("kept under an older number", aside(OLDER, kept, 0), Some(listed(900)), None, "reread"),
        ("begun in vain", aside(HERE, kept, 3), None, marker(2), too_large),
        ("died of", aside(HERE, kept, 3), None, marker(3), "set aside: message-poison"),
    ];
    for (what, aside, listed, in_flight, expected) in rows {
        let item = decide_again(&aside, listed, HERE, &policy(), in_flight);
        let found = match item.todo {
            Todo::Read => "read".to_owned(),
            Todo::Reread(_) => "reread".to_owned(),
            Todo::Keep(failure) => format!("keep: {failure}"),
            Todo::Enter(entry) => entry.verdict.to_string(),
        };
        assert!(found.starts_with(expected), "{what}: {found}");
    }
}

#[test]
fn only_the_last_attempt_is_told_of() {
    let Verdict::SetAside(failure) = Again::of(&aside(HERE, None, 0)).gone() else { panic!() };
    assert_eq!(failure.text, "why; tried again: it is gone from the server");
}

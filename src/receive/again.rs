//! What is done about a message that was set aside and is to be tried again. Pure.

use crate::{
    model::{
        activity::Verdict,
        cursor::{InFlight, ListedMessage, Numbering},
        failure::{Failure, FailureCode},
    },
    store::Aside,
};

use super::{
    batch::message_failure,
    batch::{Item, MAXIMUM_ATTEMPTS, Todo, decide, is_alone, row},
    policy::ReceivePolicy,
};

/// Stands before what is said of the last attempt.
const TRIED_AGAIN: &str = "; tried again: ";

/// The row of a message that is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// The numbering of the row, which may be an older one.
    pub numbering: Numbering,
    /// Why the message was set aside.
    pub failure: Failure,
}

impl Again {
    /// Of `aside`.
    pub fn of(aside: &Aside) -> Self {
        Self { numbering: aside.numbering, failure: message_failure(aside.code, &aside.detail) }
    }

    /// Set aside as before, with a word on why it stays so.
    fn still(&self, why: &str) -> Verdict {
        let before = self.failure.text.split(TRIED_AGAIN).next().unwrap_or_default();
        Verdict::SetAside(message_failure(self.failure.code, &format!("{before}{TRIED_AGAIN}{why}")))
    }

    /// The message is not there any more.
    pub fn gone(&self) -> Verdict {
        self.still("it is gone from the server")
    }
}

/// Decides about a message of which `listed` is what the server lists of it now, in the numbering `here`.
/// What was read before is read again from its source, wherever the message itself is.
pub fn decide_again(
    aside: &Aside,
    listed: Option<ListedMessage>,
    here: Numbering,
    policy: &ReceivePolicy,
    in_flight: Option<InFlight>,
) -> Item {
    let again = Again::of(aside);
    let room = if aside.listed.size == 0 { policy.rules.maximum_message_size } else { aside.listed.size };
    let item = |todo| Item { listed: aside.listed, room, todo };
    let enter = |verdict| item(Todo::Enter(Box::new(row(aside.listed, verdict))));
    if aside.attempts >= MAXIMUM_ATTEMPTS {
        return enter(given_up(&again, aside.listed, in_flight));
    }
    match (aside.source, listed) {
        (Some(source), _) => item(Todo::Reread(source)),
        _ if aside.numbering != here => {
            enter(again.still("the Inbox was numbered anew; what is there still was read under its new number"))
        }
        (None, None) => enter(again.gone()),
        (None, Some(listed)) => decide(listed, policy, in_flight),
    }
}

/// Each attempt was begun and none ended: the process died of it, or the visit ended for it.
fn given_up(again: &Again, listed: ListedMessage, in_flight: Option<InFlight>) -> Verdict {
    let died = in_flight.is_some_and(|marker| marker.attempts >= MAXIMUM_ATTEMPTS && is_alone(marker, listed));
    if died {
        let text = format!("the process died {MAXIMUM_ATTEMPTS} times while parsing the message");
        return Verdict::SetAside(message_failure(FailureCode::MessagePoison, &text));
    }
    again.still(&format!("{MAXIMUM_ATTEMPTS} visits in a row ended before it was recorded"))
}

#[cfg(test)]
#[path = "again_tests.rs"]
mod tests;

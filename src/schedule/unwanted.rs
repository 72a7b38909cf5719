//! When the servers refuse so much of a profile's mail that its owner must know. Pure.

use crate::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        failure::FailureCode,
    },
    store::Unwanted,
};

/// Fewer refusals say little, however few mails there were.
pub const LEAST: u64 = 10;
/// Of so many mails, one refused is too much: 5 %.
pub const ONE_OF: u64 = 20;

/// What is to be raised and closed; each of `all` is a profile with at least [`LEAST`] refused mails
/// of the last day, or with an open alert.
pub fn changes(all: &[Unwanted]) -> Vec<AlertChange> {
    all.iter().filter_map(change).collect()
}

fn change(unwanted: &Unwanted) -> Option<AlertChange> {
    let Unwanted { profile, refused, tried, is_open } = *unwanted;
    let (subject, code) = (AlertSubject::Profile(profile), FailureCode::MailsRefused);
    let is_much = refused >= LEAST && refused.saturating_mul(ONE_OF) >= tried;
    match (is_much, is_open) {
        (true, false) => {
            let text = format!("{refused} of the last day's {tried} mails were refused");
            Some(AlertChange::Raise(NewAlert { subject, severity: Severity::Error, code, text, workload: None }))
        }
        (false, true) => Some(AlertChange::Close(subject, code)),
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::ProfileId;

    #[test]
    fn ten_and_one_in_twenty_are_much() {
        let profile = ProfileId(uuid::Uuid::from_u128(1));
        let told = |refused, tried, is_open| {
            let changes = changes(&[Unwanted { profile, refused, tried, is_open }]);
            match changes.first() {
                None => "nothing".to_owned(),
                Some(AlertChange::Raise(alert)) => alert.text.clone(),
                Some(_) => "over".to_owned(),
            }
        };
        assert_eq!(told(9, 9, false), "nothing");
        assert_eq!(told(10, 200, false), "10 of the last day's 200 mails were refused");
        assert_eq!(told(10, 201, false), "nothing");
        assert_eq!(told(10, 200, true), "nothing");
        assert_eq!(told(10, 201, true), "over");
        assert_eq!(told(0, 0, true), "over");
    }
}

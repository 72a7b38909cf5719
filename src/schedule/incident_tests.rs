use super::*;
use crate::{
    model::{mailbox::Workload, samples},
    store::OpenAlert,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_000_000 + seconds) * 1_000_000)
}

fn id(number: u128) -> ProfileId {
    ProfileId(uuid::Uuid::from_u128(number))
}

/// `mailboxes` that fail to be read with `code`.
fn failing(mailboxes: u64, code: FailureCode, is_lately: bool) -> Health {
    Health { profile: id(1), mailboxes, incoming: Some((code, false)), outgoing: None, is_lately }
}

fn well(mailboxes: u64) -> Health {
    Health { profile: id(1), mailboxes, incoming: None, outgoing: None, is_lately: true }
}

fn hold(since: i64, code: FailureCode) -> ProfileHold {
    ProfileHold { since: at(since), until: at(1), failures: 0, code, text: "refused".into() }
}

#[test]
fn an_incident_begins_with_most_and_ends_when_most_are_well() {
    use FailureCode::{AuthRejected, HostUnreachable, LoginThrottled, Timeout};
    let hiccup = Health { incoming: Some((Timeout, true)), ..failing(9, Timeout, true) };
    let both = Health { outgoing: Some((AuthRejected, false)), ..failing(3, AuthRejected, true) };
    /// Name, health, holds, whether it is open already, what is told.
    type Case = (&'static str, Vec<Health>, Vec<ProfileHold>, bool, Option<&'static str>);
    let cases: Vec<Case> = vec![
        ("nobody", vec![], vec![], false, None),
        ("half is not most", vec![failing(3, Timeout, true), well(3)], vec![], false, None),
        (
            "most are",
            vec![failing(3, Timeout, true), failing(1, AuthRejected, true), well(3)],
            vec![],
            false,
            Some("4 of 7 mailboxes fail: timeout 3, auth-rejected 1"),
        ),
        ("one that cannot be read nor send is one", vec![both, well(3)], vec![], false, None),
        ("hiccups are none", vec![hiccup.clone(), well(3)], vec![], false, None),
        ("waiting is none", vec![failing(9, LoginThrottled, true)], vec![], false, None),
        ("they began long ago", vec![failing(9, Timeout, false)], vec![], false, None),
        ("it goes on", vec![failing(9, Timeout, false)], vec![], true, None),
        ("it is over", vec![failing(3, Timeout, false), hiccup, well(3)], vec![], true, Some("over")),
        ("the server is away a moment", vec![well(3)], vec![hold(-899, HostUnreachable)], false, None),
        (
            "the server is away",
            vec![well(3)],
            vec![hold(-900, HostUnreachable)],
            false,
            Some("the server fails since 1970-01-12T13:31:40Z; host-unreachable: refused"),
        ),
        ("nobody is there to miss it", vec![], vec![hold(-900, HostUnreachable)], false, None),
        ("the server asks to wait", vec![well(3)], vec![hold(-9_000, LoginThrottled)], false, None),
        ("it is away still", vec![well(3)], vec![hold(-9_000, HostUnreachable)], true, None),
        ("it is back", vec![well(3)], vec![], true, Some("over")),
    ];
    for (name, health, holds, is_open, expected) in cases {
        let told = change(id(1), &health, &holds, is_open, at(0)).map(|change| match change {
            AlertChange::Raise(alert) => {
                assert_eq!((alert.severity, alert.code), (Severity::Error, FailureCode::ProfileFailing));
                alert.text
            }
            AlertChange::Close(_, FailureCode::ProfileFailing) => "over".to_owned(),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.as_deref(), expected, "{name}");
    }
}

fn profile(number: u128, name: &str) -> ServerProfile {
    ServerProfile { id: id(number), ..samples::profile(name, at(0)) }
}

/// An open incident of the profile `name`.
fn incident(number: u128, name: &str, owner: &str) -> AlertDetail {
    let alert = OpenAlert {
        kind: "profile".into(),
        subject: name.into(),
        severity: "error".into(),
        code: "profile-failing".into(),
        text: "4 of 7 mailboxes fail".into(),
        hint: "look".into(),
        first_seen: at(0),
        last_seen: at(0),
        count: 1,
    };
    AlertDetail {
        id: AlertId(uuid::Uuid::from_u128(number)),
        alert,
        workloads: Vec::<Workload>::new(),
        owner: (!owner.is_empty()).then(|| owner.to_owned()),
        closed_at: None,
        mailed_at: None,
    }
}

#[test]
fn each_owner_gets_one_mail_and_never_through_the_profile_that_fails() {
    let profiles = [profile(1, "one"), profile(2, "two"), profile(3, "three"), profile(4, "ours")];
    let told = |alerts: &[AlertDetail], from, now| {
        let Notices { mails, unmailable } = notices(alerts, &profiles, Some(id(from)), at(now));
        let mails = mails.iter().map(|mail| format!("{}: {} ({})", mail.to, mail.subject, mail.incidents.len()));
        let silent = unmailable.iter().map(|(_, name)| format!("silent: {name}"));
        mails.chain(silent).collect::<Vec<_>>()
    };
    let alerts = [
        incident(1, "one", "ada@x"),
        incident(2, "two", "Ada@x"),
        incident(3, "three", "bob@x"),
        incident(4, "ours", "bob@x"),
        incident(5, "one", ""),
    ];
    let expected =
        ["ada@x: mailsyncd: 2 profiles fail (2)", "bob@x: mailsyncd: profile three fails (1)", "silent: ours"];
    assert_eq!(told(&alerts, 4, 0), expected);
    // What was told is not told again, and the next to the same person waits for its quarter of an hour.
    let mut later = alerts.clone();
    later[0].mailed_at = Some(at(0));
    later[2].closed_at = Some(at(1));
    later[3].mailed_at = Some(at(0));
    assert!(told(&later, 9, 899).is_empty());
    assert_eq!(told(&later, 9, 900), ["Ada@x: mailsyncd: profile two fails (1)"]);
}

#[test]
fn the_mail_says_what_fails_since_when_and_what_to_do() {
    let found = notices(&[incident(1, "one", "ada@x")], &[profile(1, "one")], None, at(0));
    let text = "Profile one, since 1970-01-12T13:46:40Z:\n4 of 7 mailboxes fail\nlook\n\n\
                This is sent once for each incident. What goes on: mailsyncd alert list\n";
    assert_eq!(found.mails[0].text, text);
}

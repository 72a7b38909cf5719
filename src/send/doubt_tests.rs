use super::*;
use crate::model::{
    failure::{FailureCode, Persistence, Scope},
    ids::ActivityId,
    message::{Party, PartyRole},
    outbox::OutboxParty,
    rules::SendRules,
};

const DOT: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn doubtful(states: &[Option<RecipientState>], verifications: u32) -> DoubtfulMail {
    let party = |(position, result): (u32, &Option<RecipientState>)| OutboxParty {
        position,
        party: Party { role: PartyRole::To, address: "r@example.org".to_owned(), display_name: String::new() },
        result: *result,
    };
    DoubtfulMail {
        activity: ActivityId::generate(DOT),
        message_id: "x@example.org".to_owned(),
        attempts: 1,
        queued_at: DOT,
        dot_at: DOT,
        verifications,
        parties: (1..).zip(states).map(party).collect(),
    }
}

fn seconds(seconds: u64) -> Timestamp {
    DOT.plus(Duration::from_secs(seconds))
}

/// Verdict and the new states of the recipients, in words.
fn shown(settlement: &MailSettlement) -> String {
    let verdict = match &settlement.verdict {
        MailVerdict::Sent(None) => "sent".to_owned(),
        MailVerdict::Sent(Some(failure)) => format!("sent but {}", failure.code),
        MailVerdict::RetryAt(at, _) => format!("retry +{}", at.since(DOT).as_secs()),
        MailVerdict::InDoubt { verify_at, verifications, .. } => {
            format!("look again +{} after {verifications}", verify_at.since(DOT).as_secs())
        }
        MailVerdict::Held(failure) => format!("held {}", failure.code),
        other => format!("{other:?}"),
    };
    let states: Vec<_> = settlement.recipients.iter().map(|new| format!("{:?}", new.state)).collect();
    format!("{verdict} [{}]", states.join(" "))
}

#[test]
fn a_finding_becomes_a_verdict() {
    use Files::{Unproven, Yes};
    use Finding::{Absent, Filed, Nowhere, Similar, Unknown};
    let (a, d) = (Some(RecipientState::Accepted), Some(RecipientState::Deferred));
    let (r, u) = (Some(RecipientState::Refused), Some(RecipientState::Unknown));
    let down = || Unknown(Failure::new(FailureCode::Timeout, Scope::Mailbox, Persistence::Transient, "slow"));
    for (case, policy, states, looked, finding, at, expected) in [
        ("found", InDoubt::Verify, vec![None, u], 0, Filed, 60, "sent [Some(Accepted) Some(Accepted)]"),
        (
            "found, one was refused",
            InDoubt::Verify,
            vec![None, r],
            0,
            Filed,
            60,
            "sent but recipients-refused [Some(Accepted)]",
        ),
        ("found, one is to be retried", InDoubt::Verify, vec![u, d], 0, Filed, 60, "retry +180 [Some(Accepted)]"),
        (
            "found, but perhaps the part sent before",
            InDoubt::Verify,
            vec![a, u],
            0,
            Filed,
            60,
            "held delivery-in-doubt []",
        ),
        ("perhaps another mail", InDoubt::Verify, vec![None], 0, Similar, 60, "held delivery-in-doubt []"),
        ("not yet", InDoubt::Verify, vec![None], 0, Absent(Yes), 60, "look again +180 after 1 []"),
        ("still not", InDoubt::Verify, vec![None], 1, Absent(Unproven), 180, "look again +600 after 2 []"),
        ("a look that came late", InDoubt::Verify, vec![None], 1, Absent(Yes), 900, "look again +1320 after 2 []"),
        ("never, and that proves it", InDoubt::Verify, vec![u], 2, Absent(Yes), 600, "retry +720 [None]"),
        (
            "never, which proves nothing",
            InDoubt::Verify,
            vec![None],
            2,
            Absent(Unproven),
            600,
            "held delivery-in-doubt []",
        ),
        ("nowhere to look", InDoubt::Verify, vec![None], 0, Nowhere, 60, "held delivery-in-doubt []"),
        ("could not look", InDoubt::Verify, vec![None], 1, down(), 180, "look again +480 after 1 []"),
        ("could not look for days", InDoubt::Verify, vec![None], 1, down(), 172_800, "held delivery-in-doubt []"),
        ("policy: a person", InDoubt::Hold, vec![None], 0, Nowhere, 0, "held delivery-in-doubt []"),
        ("policy: once more", InDoubt::Retry, vec![a, u, None], 0, Nowhere, 0, "retry +120 [None None]"),
    ] {
        let terms = SendTerms { rules: SendRules::default(), in_doubt: policy, leapt_at: None };
        let settlement = judge_doubt(&doubtful(&states, looked), &finding, &terms, seconds(at));
        assert_eq!(shown(&settlement), expected, "{case}");
    }
}

/// Without proof nothing is sent again, however often and whenever it is looked for.
#[test]
fn a_mail_that_cannot_be_proved_absent_is_never_sent_again() {
    let terms = SendTerms { rules: SendRules::default(), in_doubt: InDoubt::Verify, leapt_at: None };
    let (mut mail, mut now, mut looks) = (doubtful(&[None], 0), seconds(60), 0);
    let end = loop {
        looks += 1;
        match judge_doubt(&mail, &Finding::Absent(Files::Unproven), &terms, now).verdict {
            MailVerdict::InDoubt { verify_at, verifications, .. } => {
                (now, mail.verifications) = (verify_at, verifications)
            }
            other => break other,
        }
    };
    assert!(matches!(end, MailVerdict::Held(_)), "{end:?}");
    assert_eq!((looks, now), (3, seconds(600)));
}

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{
    activity::{NewSource, SourceEncoding},
    message::{Party, PartyRole, Sha256},
    outbox::{Composed, OutboxContent},
};

const QUEUED: Timestamp = Timestamp::from_seconds(1_790_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn party(position: u32, role: PartyRole, result: Option<RecipientState>) -> OutboxParty {
    let party = Party { role, address: format!("r{position}@example.org"), display_name: String::new() };
    OutboxParty { position, party, result }
}

/// A mail at its first attempt, to recipients in these states.
fn mail(states: &[Option<RecipientState>]) -> OutboxMail {
    let from = party(0, PartyRole::From, None);
    let to = (1..).zip(states).map(|(position, state)| party(position, PartyRole::To, *state));
    let activity = ActivityId::generate(QUEUED);
    let source = NewSource { sha256: Sha256([0; 32]), size: 0, encoding: SourceEncoding::None, bytes: Arc::default() };
    OutboxMail {
        activity,
        attempts: 1,
        queued_at: QUEUED,
        sender: "me@example.org".to_owned(),
        parties: std::iter::once(from).chain(to).collect(),
        content: OutboxContent::Composed(Composed { activity, message_id: "x@example.org".to_owned(), source }),
    }
}

fn terms(in_doubt: InDoubt) -> SendTerms {
    SendTerms { rules: SendRules::default(), in_doubt, leapt_at: None }
}

fn reply(code: u16, enhanced: &str) -> ServerReply {
    let enhanced = Some(enhanced.to_owned()).filter(|enhanced| !enhanced.is_empty());
    ServerReply { code, enhanced, text: "in its words".to_owned() }
}

fn yes() -> Option<Answer> {
    Some(Ok(reply(250, "2.1.5")))
}

fn no(code: u16, enhanced: &str, failure: &Failure) -> Option<Answer> {
    Some(Err(refusal(code, enhanced, failure)))
}

fn refusal(code: u16, enhanced: &str, failure: &Failure) -> Refusal {
    Refusal { reply: Some(reply(code, enhanced)), failure: failure.clone() }
}

fn of(scope: Scope, persistence: Persistence) -> Failure {
    let code = match scope {
        Scope::Message => FailureCode::RecipientsRefused,
        Scope::Mailbox if persistence == Persistence::Transient => FailureCode::ConnectionLost,
        _ => FailureCode::ServerThrottled,
    };
    Failure::new(code, scope, persistence, "as classified")
}

fn attempt(answers: &[Option<Answer>], outcome: SendOutcome) -> Attempt {
    Attempt { recipients: (1..).zip(answers.iter().cloned()).collect(), outcome }
}

fn accepted() -> SendOutcome {
    SendOutcome::Accepted(reply(250, "2.0.0"))
}

/// Verdict, states of the recipients of whom something new is known, and how the cycle goes on, in words.
fn shown(judged: &Judged) -> String {
    let MailSettlement { verdict, recipients, .. } = &judged.settlement;
    let verdict = match verdict {
        MailVerdict::Sent(None) => "sent".to_owned(),
        MailVerdict::Sent(Some(failure)) => format!("sent but {}", failure.code),
        MailVerdict::RetryAt(at, failure) => format!("retry +{} {}", at.since(QUEUED).as_secs() / 60, failure.code),
        MailVerdict::Failed(failure) => format!("failed {}", failure.code),
        MailVerdict::InDoubt { verify_at, verifications, .. } => {
            format!("in doubt +{} after {verifications}", verify_at.since(QUEUED).as_secs() / 60)
        }
        MailVerdict::Held(failure) => format!("held {}", failure.code),
        MailVerdict::Returned => "returned".to_owned(),
    };
    let letter = |state: &Option<RecipientState>| match state {
        Some(RecipientState::Accepted) => 'a',
        Some(RecipientState::Refused) => 'r',
        Some(RecipientState::Deferred) => 'd',
        Some(RecipientState::Unknown) => 'u',
        None => '-',
    };
    let states: String = recipients.iter().map(|new| letter(&new.state)).collect();
    let next = match &judged.next {
        Next::GoOn => "go on".to_owned(),
        Next::Reconnect(failure) => format!("reconnect {}", failure.code),
        Next::Stop(failure) => format!("stop {}", failure.code),
    };
    format!("{verdict} [{states}] {next}")
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn an_attempt_becomes_a_verdict() {
    use Persistence::{Permanent, Throttled, Transient, UntilConfirmed};
    use Scope::{Daemon, Mailbox, Message, Profile};
    let never = of(Message, Permanent);
    let later = of(Message, Transient);
    let broken = of(Mailbox, Transient);
    let (a, r) = (Some(RecipientState::Accepted), Some(RecipientState::Refused));
    let d = Some(RecipientState::Deferred);
    for (case, states, answers, outcome, expected) in [
        ("all taken", vec![None, None], vec![yes(), yes()], accepted(), "sent [aa] go on"),
        (
            "one refused for good",
            vec![None, None],
            vec![yes(), no(550, "5.1.1", &never)],
            accepted(),
            "sent but recipients-refused [ar] go on",
        ),
        (
            "one refused for now",
            vec![None, None],
            vec![yes(), no(450, "4.2.1", &later)],
            accepted(),
            "retry +2 recipients-refused [ad] go on",
        ),
        ("the rest of a mail partly sent", vec![a, d], vec![None, yes()], accepted(), "sent [a] go on"),
        (
            "the rest is refused for good",
            vec![a, d],
            vec![None, no(550, "5.1.1", &never)],
            SendOutcome::NoRecipients,
            "sent but recipients-refused [r] go on",
        ),
        (
            "nobody is left who wants it",
            vec![r, None],
            vec![None, no(550, "5.1.1", &never)],
            SendOutcome::NoRecipients,
            "failed recipients-refused [r] go on",
        ),
        (
            "nobody for now",
            vec![None, None],
            vec![no(450, "4.2.1", &later), no(550, "5.1.1", &never)],
            SendOutcome::NoRecipients,
            "retry +2 recipients-refused [dr] go on",
        ),
        (
            "S5: too many recipients, at once",
            vec![None, None],
            vec![yes(), no(452, "4.5.3", &later)],
            accepted(),
            "retry +0 recipients-refused [ad] go on",
        ),
        (
            "S5: without an enhanced code",
            vec![None, None],
            vec![yes(), no(452, "", &later)],
            accepted(),
            "retry +0 recipients-refused [ad] go on",
        ),
        (
            "S6: the recipient's quota is no split",
            vec![None, None],
            vec![yes(), no(452, "4.2.2", &later)],
            accepted(),
            "retry +2 recipients-refused [ad] go on",
        ),
        (
            "S5: even the first was too many",
            vec![None],
            vec![no(452, "4.5.3", &later)],
            SendOutcome::NoRecipients,
            "retry +2 recipients-refused [d] go on",
        ),
        (
            "sender or content refused for good",
            vec![None, None],
            vec![None, None],
            SendOutcome::Refused(refusal(554, "5.6.0", &never)),
            "failed recipients-refused [rr] go on",
        ),
        (
            "content refused for now, one recipient for good",
            vec![None, None],
            vec![yes(), no(550, "5.1.1", &never)],
            SendOutcome::Refused(refusal(451, "4.3.0", &later)),
            "retry +2 recipients-refused [dr] go on",
        ),
        (
            "S23: perhaps not meant for good",
            vec![None],
            vec![yes()],
            SendOutcome::Refused(refusal(550, "5.5.0", &of(Message, UntilConfirmed))),
            "retry +2 recipients-refused [d] go on",
        ),
        (
            "S17: the day's limit, said to the first recipient",
            vec![None, None],
            vec![no(550, "5.4.5", &of(Mailbox, Throttled)), no(550, "5.4.5", &of(Mailbox, Throttled))],
            SendOutcome::NoRecipients,
            "returned [] stop server-throttled",
        ),
        (
            "S17: said to the second",
            vec![None, None],
            vec![yes(), no(550, "5.4.5", &of(Mailbox, Throttled))],
            accepted(),
            "retry +2 server-throttled [ad] stop server-throttled",
        ),
        (
            "S7: throttled",
            vec![None],
            vec![None],
            SendOutcome::Refused(refusal(432, "4.3.2", &of(Mailbox, Throttled))),
            "returned [] stop server-throttled",
        ),
        (
            "S24: the whole host",
            vec![None],
            vec![yes()],
            SendOutcome::Refused(refusal(451, "4.7.500", &of(Profile, Transient))),
            "returned [] stop server-throttled",
        ),
        (
            "S2: the server closes",
            vec![None],
            vec![None],
            SendOutcome::Refused(refusal(421, "4.3.2", &broken)),
            "retry +2 connection-lost [d] reconnect connection-lost",
        ),
        (
            "S26: lost before the last line",
            vec![None],
            vec![yes()],
            SendOutcome::NotReached(broken.clone()),
            "retry +2 connection-lost [] reconnect connection-lost",
        ),
        (
            "S26: what was refused is kept",
            vec![None, None],
            vec![yes(), no(550, "5.1.1", &never)],
            SendOutcome::NotReached(broken.clone()),
            "retry +2 connection-lost [r] reconnect connection-lost",
        ),
        (
            "the database does not take the mark",
            vec![None],
            vec![yes()],
            SendOutcome::NotReached(of(Daemon, Transient)),
            "returned [] stop server-throttled",
        ),
        (
            "S25: lost after the last line",
            vec![None, None],
            vec![yes(), no(550, "5.1.1", &never)],
            SendOutcome::InDoubt(broken.clone()),
            "in doubt +1 after 0 [ur] reconnect connection-lost",
        ),
    ] {
        let judged = judge(&mail(&states), &attempt(&answers, outcome), &terms(InDoubt::Verify), QUEUED);
        // Of those that need nothing any more there are no answers.
        assert_eq!(shown(&judged), expected, "{case}");
    }
}

#[test]
fn the_policy_decides_about_a_mail_in_doubt() {
    let lost = || attempt(&[yes()], SendOutcome::InDoubt(of(Scope::Mailbox, Persistence::Transient)));
    for (policy, expected) in [
        (InDoubt::Verify, "in doubt +1 after 0 [u] reconnect connection-lost"),
        (InDoubt::Retry, "retry +2 delivery-in-doubt [u] reconnect connection-lost"),
        (InDoubt::Hold, "held delivery-in-doubt [u] reconnect connection-lost"),
    ] {
        let judged = judge(&mail(&[None]), &lost(), &terms(policy), QUEUED);
        assert_eq!(shown(&judged), expected);
    }
}

#[test]
fn the_schedule_of_a_mail_that_is_never_taken() {
    let terms = terms(InDoubt::Hold);
    let refused = attempt(&[no(450, "4.2.1", &of(Scope::Message, Persistence::Transient))], SendOutcome::NoRecipients);
    let (mut mail, mut now, mut minutes) = (mail(&[None]), QUEUED, Vec::new());
    let failed = loop {
        match judge(&mail, &refused, &terms, now).settlement.verdict {
            MailVerdict::RetryAt(at, _) => {
                minutes.push(at.since(now).as_secs() / 60);
                (mail.attempts, now) = (mail.attempts + 1, at);
            }
            other => break other,
        }
    };
    assert_eq!(minutes[..10], [2, 5, 10, 15, 30, 60, 120, 240, 240, 240]);
    assert_eq!(now, QUEUED.plus(terms.rules.expire_after), "the last attempt is at the very end");
    assert!(matches!(&failed, MailVerdict::Failed(failure) if failure.code == FailureCode::MailExpired), "{failed:?}");
}

#[test]
fn a_clock_that_was_set_forward_gives_no_mail_up() {
    let refused = attempt(&[no(450, "4.2.1", &of(Scope::Message, Persistence::Transient))], SendOutcome::NoRecipients);
    let leapt_at = Some(QUEUED.plus(Duration::from_secs(10 * 86_400)));
    let set = SendTerms { leapt_at, ..terms(InDoubt::Hold) };
    let at = |terms: &SendTerms, hours: u64| {
        let now = QUEUED.plus(Duration::from_secs(10 * 86_400 + hours * 3_600));
        matches!(judge(&mail(&[None]), &refused, terms, now).settlement.verdict, MailVerdict::RetryAt(..))
    };
    assert!(!at(&terms(InDoubt::Hold), 0), "ten days are too many");
    assert!(at(&set, 0) && at(&set, 47), "nobody knows how many they were");
    assert!(!at(&set, 48));
}

#[test]
fn what_may_not_be_meant_for_good_is_believed_the_third_time() {
    let unsure = of(Scope::Message, Persistence::UntilConfirmed);
    let refused = attempt(&[yes()], SendOutcome::Refused(refusal(550, "5.5.0", &unsure)));
    let at =
        |attempts| shown(&judge(&OutboxMail { attempts, ..mail(&[None]) }, &refused, &terms(InDoubt::Hold), QUEUED));
    assert_eq!(at(2), "retry +5 recipients-refused [d] go on");
    assert_eq!(at(3), "failed recipients-refused [r] go on");
}

#[test]
fn a_mail_partly_sent_expires_as_sent() {
    let terms = terms(InDoubt::Hold);
    let mail = mail(&[Some(RecipientState::Accepted), Some(RecipientState::Deferred)]);
    let late = QUEUED.plus(terms.rules.expire_after);
    let refused = Attempt {
        recipients: vec![(2, no(450, "4.2.1", &of(Scope::Message, Persistence::Transient)))],
        outcome: SendOutcome::NoRecipients,
    };
    assert_eq!(shown(&judge(&mail, &refused, &terms, late)), "sent but mail-expired [d] go on");
}

#[test]
fn before_the_dot_is_written_what_its_loss_would_hide() {
    let mail = mail(&[None, Some(RecipientState::Deferred), None]);
    let never = of(Scope::Message, Persistence::Permanent);
    let answers = [(1, yes()), (2, yes()), (3, no(550, "5.1.1", &never))];
    let written: Vec<_> = before_the_dot(&mail, &answers).into_iter().map(|new| (new.position, new.state)).collect();
    assert_eq!(written, [(2, Some(RecipientState::Unknown)), (3, Some(RecipientState::Refused))]);
}

fn any_failure() -> impl Strategy<Value = Failure> {
    let scope = prop::sample::select(vec![Scope::Message, Scope::Mailbox, Scope::Profile, Scope::Daemon]);
    let persistence = prop::sample::select(vec![
        Persistence::Transient,
        Persistence::Throttled,
        Persistence::UntilConfirmed,
        Persistence::Permanent,
    ]);
    (scope, persistence).prop_map(|(scope, persistence)| of(scope, persistence))
}

fn any_answer() -> impl Strategy<Value = Option<Answer>> {
    prop_oneof![
        Just(yes()),
        (prop::sample::select(vec![450_u16, 452, 550]), any_failure())
            .prop_map(|(code, failure)| no(code, "", &failure)),
        Just(None),
    ]
}

fn any_outcome() -> impl Strategy<Value = SendOutcome> {
    prop_oneof![
        Just(accepted()),
        any_failure().prop_map(|failure| SendOutcome::Refused(refusal(550, "", &failure))),
        Just(SendOutcome::NoRecipients),
        any_failure().prop_map(SendOutcome::NotReached),
        any_failure().prop_map(SendOutcome::InDoubt),
    ]
}

proptest! {
    /// Whatever a server does: a recipient is accepted only if the mail was; a mail is `sent` only
    /// with somebody who got it; and one in doubt is never simply tried again.
    #[test]
    fn nothing_is_claimed_that_the_server_did_not_say(
        answers in prop::collection::vec(any_answer(), 1..5),
        outcome in any_outcome(),
        attempts in 1_u32..20,
        hours in 0_u64..100,
        policy in prop::sample::select(vec![InDoubt::Verify, InDoubt::Hold]),
    ) {
        let mail = OutboxMail { attempts, ..mail(&vec![None; answers.len()]) };
        let attempt = attempt(&answers, outcome.clone());
        let judged = judge(&mail, &attempt, &terms(policy), QUEUED.plus(60 * MINUTE * u32::try_from(hours).unwrap()));
        let MailSettlement { verdict, recipients, .. } = judged.settlement;
        let took = matches!(outcome, SendOutcome::Accepted(_));
        let said_yes = |position: u32| matches!(&answers[position as usize - 1], Some(Ok(_)));
        for new in recipients.iter().filter(|new| new.state == Some(RecipientState::Accepted)) {
            prop_assert!(took && said_yes(new.position));
        }
        if matches!(verdict, MailVerdict::Sent(_)) {
            prop_assert!(recipients.iter().any(|new| new.state == Some(RecipientState::Accepted)));
        }
        if matches!(outcome, SendOutcome::InDoubt(_)) {
            let waits = matches!(verdict, MailVerdict::InDoubt { .. } | MailVerdict::Held(_));
            prop_assert!(waits);
        }
        if took && (1..).zip(&answers).any(|(position, _)| said_yes(position)) {
            prop_assert!(verdict != MailVerdict::Returned, "what was taken is written");
            let all = (1..).zip(&answers).filter(|(position, _)| said_yes(*position)).count();
            let written = recipients.iter().filter(|new| new.state == Some(RecipientState::Accepted)).count();
            prop_assert_eq!(all, written);
        }
    }
}

//! One mail in conversation with the server: up to its last line, the mark, the last line, the answer.

use std::time::Duration;

use futures::future::join;

use crate::{
    base::clock::Clock,
    model::failure::{Failure, Scope},
};

use super::{
    judge::{Answer, Attempt, Refusal, SendOutcome, before_the_dot},
    outbox::Outbox,
    prepare::Ready,
    sink::{Begun, MailSink, Shipment},
};

/// A mark older than this is renewed before the last line: what was paused for longer than its lease
/// must not send a mail that somebody else has taken over. A third of a lease's life.
const FRESH: Duration = Duration::from_secs(20);

/// Tries to hand a mail over. Only before the last line may the database stop it.
///
/// # Cancel safety
/// May be dropped with the sink. After the mark the mail is then in doubt.
pub async fn deliver<S: MailSink>(sink: &mut S, ready: &Ready, outbox: Outbox<'_>, clock: &Clock) -> Attempt {
    let open: Vec<_> = ready.mail.parties.iter().filter(|party| party.is_open()).collect();
    let positions: Vec<u32> = open.iter().map(|party| party.position).collect();
    let rcpt_to: Vec<&str> = open.iter().map(|party| party.party.address.as_str()).collect();
    let shipment = Shipment { mail_from: &ready.mail.sender, rcpt_to: &rcpt_to, bytes: &ready.bytes };
    let ended = |answers, outcome| Attempt { recipients: answered(&positions, answers), outcome };
    let answers = match sink.begin(shipment).await {
        Ok(Begun::Ready(answers)) => answers,
        Ok(Begun::Nobody(answers)) => return ended(answers, SendOutcome::NoRecipients),
        Ok(Begun::Refused(refusal, answers)) => return ended(answers, SendOutcome::Refused(refusal)),
        Err(failure) => return ended(Vec::new(), SendOutcome::NotReached(failure)),
    };
    let attempt = ended(answers, SendOutcome::NoRecipients);
    let outcome = match transfer(sink, ready, &attempt, outbox, clock).await {
        // What is wrong with the mail itself, as with its line ends.
        Err(failure) if failure.scope == Scope::Message => SendOutcome::Refused(Refusal { reply: None, failure }),
        Err(failure) => SendOutcome::NotReached(failure),
        Ok(()) => match sink.finish().await {
            Ok(Ok(reply)) => SendOutcome::Accepted(reply),
            Ok(Err(refusal)) => SendOutcome::Refused(refusal),
            Err(failure) => SendOutcome::InDoubt(failure),
        },
    };
    Attempt { outcome, ..attempt }
}

/// Everything but the last line, and the mark that it comes: the commit runs while the server reads.
async fn transfer<S: MailSink>(
    sink: &mut S,
    ready: &Ready,
    attempt: &Attempt,
    outbox: Outbox<'_>,
    clock: &Clock,
) -> Result<(), Failure> {
    let news = before_the_dot(&ready.mail, &attempt.recipients);
    let marked_at = clock.now();
    let mark = outbox.mark(ready.mail.activity, &news, marked_at);
    let (marked, transferred) = join(mark, sink.body(&ready.bytes)).await;
    marked?;
    transferred?;
    let mut seen_at = marked_at;
    while clock.now().since(seen_at) > FRESH {
        seen_at = clock.now();
        outbox.mark(ready.mail.activity, &[], marked_at).await?;
    }
    Ok(())
}

fn answered(positions: &[u32], answers: Vec<Answer>) -> Vec<(u32, Option<Answer>)> {
    let answers = answers.into_iter().map(Some).chain(std::iter::repeat(None));
    positions.iter().copied().zip(answers).collect()
}

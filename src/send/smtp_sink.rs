//! [`MailSink`] over SMTP.

use crate::{
    base::{
        retry::{Retries, retry},
        tasks::Tasks,
    },
    classify,
    means::{account::Account, network::Network, slots::Slot},
    model::{failure::Failure, outbox::ServerReply, profile::AuthMethod},
    smtp::{
        Envelope,
        connect::{self, NetSession, Timeouts},
        error::{SmtpError, Stage},
        reply::SmtpReply,
    },
};

use super::{
    judge::{Answer, Refusal},
    sink::{Begun, MailSink, Shipment},
};

/// Connects and logs in, once there is a slot.
///
/// # Errors
/// Connecting, TLS, greeting or log-in failed, classified.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open(network: &Network, tasks: &Tasks, account: &Account) -> Result<SmtpSink, Failure> {
    let slot = network.slot(account).await;
    let ports = network.ports();
    let timeouts = Timeouts::new(account.timeout);
    let logs_in = account.endpoint.auth != AuthMethod::None;
    let log_in = if logs_in { Some(network.log_in(account).await?) } else { None };
    let password = log_in.as_ref().map_or("", |log_in| log_in.password());
    let credentials = connect::Credentials { username: &account.username, password };
    let connect = || connect::open(&account.endpoint, credentials, &ports, network.tls(), timeouts);
    let connected = retry(Retries::CONNECT, is_momentary, connect).await;
    let connected = connected.map_err(|error| classify::smtp::failure(&error));
    let session = match log_in {
        Some(log_in) => log_in.ended(connected).await?,
        None => connected?,
    };
    Ok(SmtpSink { session, slot, tasks: tasks.clone() })
}

/// What a server that restarts or is busy says for a moment, before any secret was sent.
fn is_momentary(error: &SmtpError) -> bool {
    match error {
        SmtpError::Net(error) => error.is_momentary(),
        SmtpError::Eof { stage } => *stage == Stage::Greeting,
        _ => false,
    }
}

/// One logged-in connection.
pub struct SmtpSink {
    session: NetSession,
    slot: Slot,
    tasks: Tasks,
}

impl std::fmt::Debug for SmtpSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpSink").finish_non_exhaustive()
    }
}

impl MailSink for SmtpSink {
    async fn begin(&mut self, shipment: Shipment<'_>) -> Result<Begun, Failure> {
        let Shipment { mail_from, rcpt_to, bytes } = shipment;
        let envelope = Envelope {
            mail_from,
            rcpt_to,
            size: bytes.len() as u64,
            body_8bit: !bytes.is_ascii(),
            utf8: !header(bytes).is_ascii(),
        };
        let begun = match self.session.begin(&envelope).await {
            Ok(begun) => begun,
            Err(error) if self.session.is_usable() => return Ok(Begun::Refused(refused(&error), Vec::new())),
            Err(error) => return Err(classify::smtp::failure(&error)),
        };
        let answers: Vec<Answer> = begun.recipients.into_iter().map(|answer| to_answer(answer, Stage::Rcpt)).collect();
        Ok(match (begun.ready, begun.refusal) {
            (true, _) => Begun::Ready(answers),
            (false, None) => Begun::Nobody(answers),
            (false, Some(reply)) => Begun::Refused(refusal(Stage::Data, reply), answers),
        })
    }

    async fn body(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.session.body(bytes).await.map_err(|error| classify::smtp::failure(&error))
    }

    async fn finish(&mut self) -> Result<Answer, Failure> {
        match self.session.finish().await {
            Ok(reply) if reply.is_positive() => Ok(Ok(said(reply))),
            Ok(reply) => Ok(Err(refusal(Stage::Dot, reply))),
            Err(error) => Err(classify::smtp::failure(&error)),
        }
    }

    fn is_usable(&self) -> bool {
        self.session.is_usable()
    }

    fn close(self) {
        let Self { session, slot, tasks } = self;
        tasks.spawn("quit", async move {
            if let Err(error) = session.quit().await {
                tracing::debug!(%error, "QUIT failed");
            }
            drop(slot);
        });
    }
}

/// The bytes up to the empty line.
fn header(mail: &[u8]) -> &[u8] {
    let end = mail.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(mail.len());
    mail.get(..end).unwrap_or(mail)
}

fn to_answer(answer: Result<SmtpReply, SmtpReply>, stage: Stage) -> Answer {
    answer.map(said).map_err(|reply| refusal(stage, reply))
}

fn refusal(stage: Stage, reply: SmtpReply) -> Refusal {
    let failure = classify::smtp::refusal(stage, &reply);
    Refusal { reply: Some(said(reply)), failure }
}

/// A mail that the server refused at MAIL, or that cannot be sent to it at all.
fn refused(error: &SmtpError) -> Refusal {
    let reply = match error {
        SmtpError::Rejected { reply, .. } => Some(said(reply.clone())),
        _ => None,
    };
    Refusal { reply, failure: classify::smtp::failure(error) }
}

fn said(reply: SmtpReply) -> ServerReply {
    let enhanced = reply.enhanced.map(|enhanced| enhanced.to_string());
    ServerReply { code: reply.code, enhanced, text: reply.text }
}

//! SMTP. The rows of the table, S1 to S27, have their names in the tests.
//!
//! What a server says to one mail or one recipient has the scope of a message, and nobody else
//! waits for it. What it says of the mailbox, though it says it to a mail, stops the mailbox's
//! sending: the mail stays where it is.

use std::time::Duration;

use super::{Class, net, providers};
use crate::{
    model::failure::{
        Failure, FailureCode, Persistence,
        Persistence::{Permanent, Throttled, Transient, UntilConfirmed},
        Scope,
    },
    smtp::{
        error::{SmtpError, Stage},
        reply::{EnhancedCode, SmtpReply},
    },
};

const fn message(code: FailureCode, persistence: Persistence) -> Class {
    Class::new(code, Scope::Message, persistence)
}

/// What the end of a conversation means, or the refusal of a mail without a conversation. After the
/// final dot it says nothing of the mail, whose fate nobody knows then.
pub fn failure(error: &SmtpError) -> Failure {
    let class = match error {
        SmtpError::Net(error) => return net::failure(error),
        SmtpError::Rejected { stage, reply } => return refusal(*stage, reply),
        SmtpError::Eof { stage } if is_early(*stage) => Class::profile(FailureCode::GreetingRefused, Transient),
        SmtpError::Eof { .. } => Class::mailbox(FailureCode::ConnectionLost, Transient),
        SmtpError::Timeout { stage } if is_early(*stage) => Class::profile(FailureCode::Timeout, Transient),
        SmtpError::Timeout { .. } => Class::mailbox(FailureCode::Timeout, Transient),
        SmtpError::Protocol { .. } | SmtpError::Limit { .. } => {
            Class::mailbox(FailureCode::ProtocolViolation, Transient)
        }
        SmtpError::Security(_) => Class::profile(FailureCode::SecurityDowngrade, Permanent),
        SmtpError::NoLogIn { before_tls: true } => Class::profile(FailureCode::TlsRequired, Permanent),
        SmtpError::NoLogIn { before_tls: false } => Class::profile(FailureCode::AuthNotOffered, Permanent),
        SmtpError::Credentials => Class::mailbox(FailureCode::CredentialsMissing, Permanent),
        SmtpError::TooLarge { .. } => message(FailureCode::MailTooLarge, Permanent),
        SmtpError::NoUtf8 => message(FailureCode::MailRefused, Permanent),
        SmtpError::Address(_) | SmtpError::NoRecipients | SmtpError::BareLineEnd => {
            message(FailureCode::MailInvalid, Permanent)
        }
        SmtpError::NotReady => Class::mailbox(FailureCode::InternalError, Transient),
    };
    class.failure(&error.to_string())
}

/// What a no means that was said at `stage`: to a recipient, a mail, or us.
pub fn refusal(stage: Stage, reply: &SmtpReply) -> Failure {
    let class = class(stage, reply);
    let mut failure = class.failure(&format!("{stage}: {reply}"));
    failure.retry_after = wait(class, reply);
    failure
}

/// Before anybody is named, a server cannot mean one mailbox.
fn is_early(stage: Stage) -> bool {
    matches!(stage, Stage::Greeting | Stage::Hello | Stage::StartTls)
}

fn class(stage: Stage, reply: &SmtpReply) -> Class {
    if is_early(stage) {
        return early(reply);
    }
    let known = by_code(reply).or_else(|| providers::known(&reply.text));
    known.unwrap_or_else(|| match stage {
        Stage::Auth => at_log_in(reply),
        Stage::Mail | Stage::Rcpt | Stage::Data | Stage::Body | Stage::Dot if !reply.closes() => of_mail(stage, reply),
        _ if reply.closes() => closed(reply),
        _ => Class::mailbox(FailureCode::CommandRefused, Transient),
    })
}

/// 421. Gmail says it with 4.7.0 to whom it wants to be slower.
fn closed(reply: &SmtpReply) -> Class {
    match reply.enhanced {
        Some(EnhancedCode { subject: 7, detail: 0, .. }) => Class::mailbox(FailureCode::SendingThrottled, Throttled),
        _ => Class::mailbox(FailureCode::ServerClosed, Transient),
    }
}

fn early(reply: &SmtpReply) -> Class {
    match by_code(reply).or_else(|| providers::known(&reply.text)) {
        Some(class) if class.persistence == Throttled => Class { scope: Scope::Profile, ..class },
        _ => Class::profile(FailureCode::GreetingRefused, Transient),
    }
}

/// Codes that mean the same wherever they are said.
fn by_code(reply: &SmtpReply) -> Option<Class> {
    let enhanced = reply.enhanced.map_or((0, 0), |enhanced| (enhanced.subject, enhanced.detail));
    Some(match (reply.code, enhanced) {
        // Exchange Online: the address that we come from has a bad name.
        (400..500, (7, 500..700)) => Class::profile(FailureCode::SendingBlocked, Throttled),
        // Exchange Online: too many connections, or too much at once.
        (432, (3, 2)) => Class::mailbox(FailureCode::SendingThrottled, Throttled),
        (432, (7, 12)) | (534, _) => Class::mailbox(FailureCode::AuthInteractive, Permanent),
        (530 | 538, _) => Class::profile(FailureCode::TlsRequired, Permanent),
        (550, (7, 30)) => Class::profile(FailureCode::AuthMethodBlocked, Permanent),
        // Exchange Online: blocked for one of five reasons, which its words tell.
        (550, (2, 251..=255)) => Class::mailbox(FailureCode::SendingBlocked, Throttled),
        (554, (2, 252)) | (550, (7, 60)) => message(FailureCode::SenderRefused, Permanent),
        // Gmail: for a day.
        (500..600, (4, 5)) => Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled),
        (500..600, (3, 4) | (2, 3)) => message(FailureCode::MailTooLarge, Permanent),
        _ => return None,
    })
}

fn at_log_in(reply: &SmtpReply) -> Class {
    match reply.code {
        421 => closed(reply),
        502 | 504 => Class::profile(FailureCode::AuthNotOffered, Permanent),
        500 | 501 | 503 => Class::mailbox(FailureCode::CommandRefused, Transient),
        _ if reply.is_transient() => Class::mailbox(FailureCode::AuthUnavailable, Transient),
        535 => Class::mailbox(FailureCode::AuthRejected, UntilConfirmed),
        _ => Class::refused_log_in(&reply.text),
    }
}

/// What nobody means but this mail, or this recipient.
fn of_mail(stage: Stage, reply: &SmtpReply) -> Class {
    let subject = reply.enhanced.map(|enhanced| (enhanced.subject, enhanced.detail));
    if reply.is_transient() {
        return message(FailureCode::MailDeferred, Transient);
    }
    match (reply.code, subject) {
        // Said by filters that are ill, and by servers that lost count: seldom meant for good.
        (503, _) | (550, Some((5, 0))) => message(FailureCode::MailRefused, UntilConfirmed),
        (552, None) if stage != Stage::Rcpt => message(FailureCode::MailTooLarge, Permanent),
        // Parameters and content.
        (555, _) | (_, Some((6, _))) => message(FailureCode::MailRefused, Permanent),
        _ if stage == Stage::Mail => message(FailureCode::SenderRefused, Permanent),
        // Policy: it is the mail that is not wanted, whoever it is for.
        (_, Some((7, _))) => message(FailureCode::MailRefused, Permanent),
        _ if stage == Stage::Rcpt => message(FailureCode::RecipientsRefused, Permanent),
        _ => message(FailureCode::MailRefused, Permanent),
    }
}

/// How long a throttled mailbox waits: what the server asks for, else what is known of such servers.
fn wait(class: Class, reply: &SmtpReply) -> Option<Duration> {
    if class.persistence != Throttled {
        return None;
    }
    let usual = match class.code {
        FailureCode::SendingQuotaExceeded => Some(Duration::from_hours(24)),
        FailureCode::SendingBlocked if reply.is_permanent() => Some(Duration::from_hours(24)),
        FailureCode::SendingBlocked => Some(Duration::from_hours(1)),
        FailureCode::SendingThrottled if reply.closes() => None,
        FailureCode::SendingThrottled => Some(Duration::from_mins(1)),
        _ => None,
    };
    providers::wait_asked_for(&reply.text).or(usual)
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;

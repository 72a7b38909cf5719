//! Faults met when mail is sent.

use std::time::Duration;

use mailsyncd::model::{
    activity::ActivityStatus::{Failed, Held, PendingSend},
    alert::Severity,
    failure::FailureCode as C,
};

use super::row::{Expected as E, Row, closes, says, stalls};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);
const QUARTER: Duration = Duration::from_secs(900);
const MINUTE: Duration = Duration::from_secs(60);

pub fn rows() -> Vec<Row> {
    [at_log_in(), of_the_mailbox(), of_the_mail()].into_iter().flatten().collect()
}

fn at_log_in() -> Vec<Row> {
    vec![
        Row::smtp(
            "SMTP 421 greeting",
            closes("greeting", "421 4.3.2 too busy\r\n"),
            E::held(C::GreetingRefused),
            "too busy",
        ),
        Row::smtp(
            "SMTP 554 greeting",
            closes("greeting", "554 5.7.1 not you\r\n"),
            E::held(C::GreetingRefused),
            "not you",
        ),
        Row::smtp(
            "SMTP wrong password",
            says("AUTH", "535 5.7.8 Username and Password not accepted\r\n"),
            E::confirmed(C::AuthRejected),
            "not accepted",
        ),
        Row::smtp(
            "SMTP log-in back end ill",
            says("AUTH", "454 4.7.0 Temporary authentication failure\r\n"),
            E::transient(C::AuthUnavailable),
            "Temporary authentication failure",
        ),
        Row::smtp(
            "SMTP AUTH off for the tenant (Exchange)",
            says(
                "AUTH",
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.\r\n",
            ),
            E::held_for(C::SmtpAuthDisabled, QUARTER),
            "disabled for the Tenant",
        ),
        Row::smtp(
            "SMTP AUTH off for the mailbox (Exchange)",
            says(
                "AUTH",
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.\r\n",
            ),
            E::permanent(C::SmtpAuthDisabled),
            "disabled for the Mailbox",
        ),
        Row::smtp(
            "TLS wanted",
            says("MAIL", "530 5.7.0 Must issue a STARTTLS command first\r\n"),
            E::blocked(C::TlsRequired),
            "STARTTLS",
        ),
        Row::smtp("SMTP silent at EHLO", stalls("EHLO", ""), E::held(C::Timeout), "EHLO"),
    ]
}

fn of_the_mailbox() -> Vec<Row> {
    vec![
        Row::smtp(
            "slow down (Gmail)",
            closes("MAIL", "421 4.7.0 Try again later, closing connection.\r\n"),
            E::throttled(C::SendingThrottled, QUARTER),
            "Try again later",
        ),
        Row::smtp(
            "too many connections (Exchange)",
            says("DOT", "432 4.3.2 Concurrent connections limit exceeded.\r\n"),
            E::throttled(C::SendingThrottled, MINUTE),
            "Concurrent connections",
        ),
        Row::smtp(
            "sender blocked (Exchange)",
            says("DOT", "550 5.2.252 Sender throttled due to continuous send as denied errors\r\n"),
            E::throttled(C::SendingBlocked, DAY),
            "Sender throttled",
        ),
        Row::smtp(
            "address of ill repute (Exchange)",
            says("MAIL", "451 4.7.500 Server busy. Please try again later\r\n"),
            E::held_for(C::SendingBlocked, HOUR).alerted(Some(Severity::Warning)),
            "Server busy",
        ),
        Row::smtp(
            "daily quota (Gmail)",
            says("RCPT", "550 5.4.5 Daily user sending limit exceeded.\r\n"),
            E::throttled(C::SendingQuotaExceeded, DAY).alerted(Some(Severity::Information)),
            "Daily user sending limit",
        ),
        Row::smtp(
            "mailbox full (Exchange)",
            says("DOT", "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException\r\n"),
            E::confirmed(C::MailboxFull),
            "mailbox full",
        ),
        Row::smtp(
            "every mail's sender refused",
            says("MAIL", "550 5.7.60 Client does not have permissions to send as this sender\r\n"),
            E::confirmed(C::SenderRefused),
            "permissions to send as",
        )
        .meets(7),
    ]
}

fn of_the_mail() -> Vec<Row> {
    let failed = |code| E::mail(code, Failed, Some(Severity::Error));
    vec![
        Row::smtp(
            "send-as denied (Exchange)",
            says("MAIL", "550 5.7.60 Client does not have permissions to send as this sender\r\n"),
            failed(C::SenderRefused),
            "permissions to send as",
        ),
        Row::smtp(
            "unknown recipient",
            says("RCPT", "550 5.1.1 User unknown\r\n"),
            failed(C::RecipientsRefused),
            "User unknown",
        ),
        Row::smtp(
            "too large",
            says("MAIL", "552 5.3.4 Message size exceeds fixed limit\r\n"),
            failed(C::MailTooLarge),
            "size",
        ),
        Row::smtp(
            "spam",
            says("DOT", "554 5.7.1 Message rejected under suspicion of SPAM\r\n"),
            failed(C::MailRefused),
            "SPAM",
        ),
        Row::smtp(
            "greylisted",
            says("RCPT", "451 4.7.1 Greylisted\r\n"),
            E::mail(C::MailDeferred, PendingSend, None),
            "Greylisted",
        ),
        Row::smtp(
            "too many recipients",
            says("RCPT", "452 4.5.3 Too many recipients\r\n"),
            E::mail(C::MailDeferred, PendingSend, None),
            "Too many recipients",
        ),
        Row::smtp(
            "answer lost after the dot",
            closes("DOT", ""),
            E::mail(C::DeliveryInDoubt, Held, Some(Severity::Error)),
            "",
        ),
    ]
}

//! Faults met when mail is read.

use std::time::Duration;

use mailsyncd::model::failure::FailureCode as C;

use super::{
    row::{Expected as E, Inject, Row, Schedule, closes, minutes, says, stalls},
    server::{Then, Wrong},
};

pub fn rows() -> Vec<Row> {
    [at_log_in(), in_the_inbox(), at_the_listing(), throttled(), pop3()].into_iter().flatten().collect()
}

fn at_log_in() -> Vec<Row> {
    let at = "AUTHENTICATE";
    vec![
        Row::imap(
            "wrong password",
            says(at, "{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"),
            E::confirmed(C::AuthRejected),
            "Authentication failed",
        ),
        Row::imap(
            "wrong password, no code",
            says(at, "{tag} NO LOGIN failed.\r\n"),
            E::confirmed(C::AuthRejected),
            "LOGIN failed",
        ),
        Row::imap("refused without a reason", says(at, "{tag} NO Sorry\r\n"), E::unclear(), "Sorry"),
        Row::imap(
            "expired password",
            says(at, "{tag} NO [EXPIRED] Password expired\r\n"),
            E::permanent(C::AuthExpired),
            "Password expired",
        ),
        Row::imap(
            "disabled account",
            says(at, "{tag} NO [CONTACTADMIN] Account disabled\r\n"),
            E::confirmed(C::AuthContactAdmin),
            "Account disabled",
        ),
        Row::imap(
            "may not open that mailbox",
            says(at, "{tag} NO [AUTHORIZATIONFAILED] No such authorization-ID\r\n"),
            E::permanent(C::AuthorizationFailed),
            "authorization-ID",
        ),
        Row::imap(
            "web log-in wanted (Gmail)",
            says(
                at,
                "* NO [WEBALERT https://accounts.google.com/signin/continue?sarp=1] Web login required.\r\n\
                 {tag} NO [ALERT] Please log in via your web browser: https://support.google.com (Failure)\r\n",
            ),
            E::permanent(C::AuthInteractive),
            "web browser",
        ),
        Row::imap(
            "passwords blocked (Exchange)",
            says(at, "{tag} NO LogonDenied-BasicAuthBlocked-1\r\n"),
            E::held_for(C::AuthMethodBlocked, minutes(15)),
            "BasicAuthBlocked",
        ),
        Row::imap(
            "log-in back end ill",
            says(at, "{tag} NO [UNAVAILABLE] Temporary authentication failure.\r\n"),
            E::transient(C::AuthUnavailable),
            "Temporary authentication failure",
        ),
        Row::imap(
            "BYE at the log-in",
            closes(at, "* BYE Shutting down\r\n"),
            E::transient(C::ServerClosed),
            "Shutting down",
        ),
        Row::imap("silent at the log-in", stalls(at, ""), E::timeout(), "AUTHENTICATE"),
        Row::imap(
            "no password",
            Inject::NoPassword,
            E::confirmed(C::CredentialsMissing),
            "could not read the password file",
        ),
    ]
}

fn in_the_inbox() -> Vec<Row> {
    let literal = "* 2 FETCH (UID 2 BODY[] {500}\r\nhalf of it";
    let giant = "* 2 FETCH (UID 2 BODY[] {18446744073709551616}\r\n";
    vec![
        Row::imap("silent at EXAMINE", stalls("EXAMINE", ""), E::timeout(), "EXAMINE"),
        Row::imap("silent at FETCH", stalls("FETCH", ""), E::timeout(), "FETCH"),
        Row::imap("silent within a literal", stalls("FETCH", literal), E::timeout(), "FETCH"),
        Row::imap("cut within a literal", closes("FETCH", literal), E::transient(C::ConnectionLost), "FETCH"),
        Row::imap(
            "BYE at the look",
            closes("STATUS", "* BYE Too much to do\r\n"),
            E::transient(C::ServerClosed),
            "Too much to do",
        ),
        Row::imap(
            "no Inbox",
            says("EXAMINE", "{tag} NO [NONEXISTENT] Mailbox does not exist\r\n"),
            E::confirmed(C::InboxUnavailable),
            "does not exist",
        ),
        Row::imap(
            "in use",
            says("EXAMINE", "{tag} NO [INUSE] locked\r\n"),
            E::throttled(C::MailboxInUse, minutes(1)),
            "locked",
        ),
        Row::imap(
            "damaged mailbox",
            says("EXAMINE", "{tag} NO [CORRUPTION] index is broken\r\n"),
            E::throttled(C::MailboxCorrupt, minutes(15)),
            "index is broken",
        ),
        Row::imap(
            "bug of the server",
            says("EXAMINE", "{tag} NO [SERVERBUG] panicked\r\n"),
            E::transient(C::ServerFault).alerted(None),
            "panicked",
        ),
        Row::imap(
            "back end down",
            says("EXAMINE", "{tag} NO [UNAVAILABLE] storage is away\r\n"),
            E::transient(C::ServerFault).alerted(None),
            "storage is away",
        ),
        Row::imap(
            "another UIDVALIDITY each time",
            Inject::Talk(vec![
                Wrong {
                    at: "STATUS",
                    says: "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY {n})\r\n{tag} OK\r\n",
                    then: Then::GoesOn,
                },
                Wrong {
                    at: "EXAMINE",
                    says: "* 2 EXISTS\r\n* OK [UIDVALIDITY {n}] x\r\n* OK [UIDNEXT 3] x\r\n{tag} OK\r\n",
                    then: Then::GoesOn,
                },
            ]),
            E::permanent(C::UidsNotKept),
            "changed the UIDs",
        ),
        Row::imap("unreadable line", says("STATUS", "* ((((\r\n"), E::transient(C::ProtocolViolation), ""),
        Row::imap(
            "giant literal",
            says("FETCH", giant),
            E::transient(C::ProtocolViolation).alerted(None).then(Schedule::Over),
            "",
        ),
    ]
}

/// Of the second message; the first and, later, the third are listed well.
pub fn at_the_listing() -> Vec<Row> {
    let wrong = |at, says, then| Wrong { at, says, then };
    let listing = wrong("LIST OF 2", "* 2 FETCH (UID 2 ((((\r\n", Then::GoesOn);
    let content = wrong("FETCH", "* 2 FETCH (UID 2 ((((\r\n", Then::GoesOn);
    let transient = |code| E::transient(code).alerted(None).then(Schedule::Over);
    vec![
        Row::imap(
            "unreadable listing of a message",
            Inject::Talk(vec![listing]),
            E { first: Schedule::Over, ..transient(C::ProtocolViolation) },
            "",
        ),
        Row::imap(
            "unreadable listing and content",
            Inject::Talk(vec![listing, content]),
            transient(C::ProtocolViolation),
            "",
        ),
        Row::imap(
            "listing of a message refused",
            says("LIST OF 2", "{tag} NO [SERVERBUG] no such thing\r\n"),
            E { first: Schedule::Over, ..transient(C::ServerFault) },
            "",
        ),
        Row::imap("cut at the listing of a message", closes("LIST OF 2", ""), transient(C::ConnectionLost), ""),
    ]
}

fn throttled() -> Vec<Row> {
    vec![
        Row::imap(
            "daily bandwidth (Gmail)",
            says("STATUS", "{tag} NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)\r\n"),
            E::throttled(C::BandwidthExceeded, minutes(60)),
            "bandwidth limits",
        ),
        Row::imap(
            "too many connections (Gmail)",
            says("AUTHENTICATE", "{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n"),
            E::throttled(C::TooManyConnections, minutes(5)),
            "simultaneous connections",
        ),
        Row::imap(
            "throttled (Exchange)",
            says("STATUS", "{tag} BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds\r\n"),
            E::throttled(C::ServerThrottled, Duration::from_millis(89_117)),
            "Suggested Backoff Time",
        ),
        Row::imap(
            "log-in rate (Yahoo)",
            says("AUTHENTICATE", "{tag} NO [LIMIT] LOGIN Rate limit hit\r\n"),
            E::throttled(C::LoginThrottled, minutes(15)),
            "Rate limit",
        ),
    ]
}

fn pop3() -> Vec<Row> {
    vec![
        Row::pop3("POP3 wrong password", says("PASS", "-ERR [AUTH] no\r\n"), E::confirmed(C::AuthRejected), "[AUTH]"),
        Row::pop3(
            "POP3 in use",
            says("PASS", "-ERR [IN-USE] Do you have another POP session running?\r\n"),
            E::throttled(C::MailboxInUse, minutes(1)),
            "another POP session",
        ),
        Row::pop3(
            "POP3 temporary fault",
            says("PASS", "-ERR [SYS/TEMP] try later\r\n"),
            E::transient(C::AuthUnavailable),
            "try later",
        ),
        Row::pop3(
            "POP3 permanent fault",
            says("PASS", "-ERR [SYS/PERM] broken\r\n"),
            E::confirmed(C::AuthContactAdmin),
            "broken",
        ),
        Row::pop3(
            "POP3 log-in too soon",
            says("PASS", "-ERR [LOGIN-DELAY] wait\r\n"),
            E::throttled(C::LoginThrottled, minutes(15)),
            "LOGIN-DELAY",
        ),
        Row::pop3("POP3 no UIDL", says("UIDL", "-ERR what?\r\n"), E::confirmed(C::UidlMissing), ""),
        Row::pop3("POP3 greeting", says("greeting", "-ERR go away\r\n"), E::held(C::GreetingRefused), "go away"),
        Row::pop3("POP3 silent at RETR", stalls("RETR", ""), E::timeout(), "RETR"),
    ]
}

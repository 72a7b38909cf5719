//! Faults met before anybody logs in.

use mailsyncd::model::failure::FailureCode as C;

use super::row::{Expected as E, Inject, Row, closes, says, stalls};
use crate::support::certificates::Certificate;

/// An alert record: fatal, protocol_version. Servers of TLS 1.0 and 1.1 answer with it.
const OLD_TLS: &str = "\x15\x03\x01\x00\x02\x02\x46";

pub fn rows() -> Vec<Row> {
    [reaching(), tls()].into_iter().flatten().collect()
}

fn reaching() -> Vec<Row> {
    vec![
        Row::imap("server down", Inject::Refuse, E::held(C::HostUnreachable), "connection refused"),
        Row::imap("no answer to SYN", Inject::Ignore, E::held(C::HostUnreachable), "no answer"),
        Row::imap("no route", Inject::Host("255.255.255.255"), E::held(C::HostUnreachable), "unreachable"),
        Row::imap("no such name", Inject::Host("no..such.name"), E::held(C::DnsNotFound), "does not exist"),
        Row::imap("silent before the greeting", stalls("greeting", ""), E::held(C::Timeout), "greeting"),
        Row::imap("closed before the greeting", closes("greeting", ""), E::held(C::GreetingRefused), "greeting"),
        Row::imap(
            "BYE as greeting",
            closes("greeting", "* BYE Overloaded\r\n"),
            E::held(C::GreetingRefused),
            "Overloaded",
        ),
        Row::imap("silent at CAPABILITY", stalls("CAPABILITY", ""), E::held(C::Timeout), "CAPABILITY"),
    ]
}

fn tls() -> Vec<Row> {
    let certificate =
        |name, kind, code, words| Row::imap(name, Inject::Certificate(kind), E::held(code), words).over("tls");
    vec![
        certificate("certificate expired", Certificate::Expired, C::TlsExpired, "expired"),
        certificate("certificate not valid yet", Certificate::NotValidYet, C::TlsExpired, "not valid yet"),
        certificate("unknown issuer", Certificate::UnknownAuthority, C::TlsUntrusted, "unknown issuer"),
        certificate("certificate for another name", Certificate::WrongName, C::TlsWrongName, "another name"),
        certificate(
            "an authority's certificate",
            Certificate::SelfSignedAuthority,
            C::TlsBadCertificate,
            "bad certificate",
        ),
        Row::imap("old TLS only", closes("tls", OLD_TLS), E::held(C::TlsHandshakeFailed), "handshake").over("tls"),
        Row::imap(
            "no TLS at the port",
            closes("tls", "* OK ready\r\n"),
            E::held(C::TlsNotSpoken),
            "does not speak TLS",
        )
        .over("tls"),
        Row::imap("closed in the handshake", closes("tls", ""), E::held(C::TlsHandshakeFailed), "handshake")
            .over("tls"),
        Row::imap("silent in the handshake", stalls("tls", ""), E::held(C::Timeout), "handshake").over("tls"),
        Row::imap(
            "STARTTLS refused",
            says("STARTTLS", "{tag} BAD what?\r\n"),
            E::blocked(C::SecurityDowngrade),
            "STARTTLS",
        )
        .over("starttls"),
        Row::imap(
            "words slipped in behind STARTTLS",
            says("STARTTLS", "{tag} OK go\r\n* CAPABILITY IMAP4rev1\r\n"),
            E::blocked(C::SecurityDowngrade),
            "between STARTTLS and TLS",
        )
        .over("starttls"),
        Row::imap(
            "PREAUTH before TLS",
            says("greeting", "* PREAUTH welcome\r\n"),
            E::blocked(C::SecurityDowngrade),
            "PREAUTH",
        )
        .over("starttls"),
        Row::pop3("STLS refused", says("STLS", "-ERR what?\r\n"), E::blocked(C::SecurityDowngrade), "STLS")
            .over("starttls"),
        Row::smtp(
            "SMTP STARTTLS missing",
            says("EHLO", "250-ready\r\n250 AUTH PLAIN\r\n"),
            E::blocked(C::SecurityDowngrade),
            "STARTTLS",
        )
        .over("starttls"),
    ]
}

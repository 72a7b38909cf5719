//! What a conversation with an SMTP server can end in.

use std::fmt;

use super::reply::SmtpReply;
use crate::{model::failure::clean, net::error::NetError};

/// Why something was not done.
///
/// Texts are the server's own words; those of [`SmtpError::Protocol`] are *not* cleaned and must not
/// reach a log or a terminal as they are.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// No connection, or no TLS.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The server said no, or nothing that makes sense as a yes.
    #[error("{stage}: {reply}")]
    Rejected {
        /// To what.
        stage: Stage,
        /// Its words.
        reply: SmtpReply,
    },
    /// The connection ended where a reply was due.
    #[error("the server closed the connection during {stage}")]
    Eof {
        /// Where.
        stage: Stage,
    },
    /// The server did not answer, or took nothing, for too long.
    #[error("the server did not answer in time during {stage}")]
    Timeout {
        /// Where.
        stage: Stage,
    },
    /// The server sent what is not SMTP, or what makes no sense at this point.
    #[error("not understood during {stage}: {what}")]
    Protocol {
        /// Where.
        stage: Stage,
        /// An excerpt, or what is wrong.
        what: String,
    },
    /// The server sent more than any honest server would.
    #[error("over the limit during {stage}: {what}")]
    Limit {
        /// Where.
        stage: Stage,
        /// Which limit.
        what: &'static str,
    },
    /// STARTTLS was missing, refused or tampered with. No secret was sent.
    #[error("connection not made secure: {0}")]
    Security(&'static str),
    /// The server offers no way to log in that we know. No secret was sent.
    #[error("the server offers neither AUTH PLAIN nor AUTH LOGIN{}", if *.before_tls { " before TLS" } else { "" })]
    NoLogIn {
        /// Whether it may do so after STARTTLS, which the endpoint does not ask for.
        before_tls: bool,
    },
    /// The name or password cannot be sent: a NUL character is in it, or it is too long.
    #[error("the name or password cannot be sent over SMTP")]
    Credentials,
    /// An address that cannot stand in a command. Nothing was sent.
    #[error("not an address that can be sent to or from: {}", clean(.0, 254))]
    Address(String),
    /// Nobody to send to. Nothing was sent.
    #[error("there are no recipients")]
    NoRecipients,
    /// The message is larger than the server says that it takes. Nothing was sent.
    #[error("the message has {size} bytes, and the server takes {limit} at most")]
    TooLarge {
        /// Of the message, in bytes.
        size: u64,
        /// Of the server, in bytes.
        limit: u64,
    },
    /// Addresses or headers need SMTPUTF8, which the server does not offer. Nothing was sent.
    #[error("the server takes no addresses or headers in UTF-8 (SMTPUTF8)")]
    NoUtf8,
    /// The message has a CR or LF without the other. Nothing of it was sent.
    #[error("the message has a CR or LF that ends no line")]
    BareLineEnd,
    /// The session was not in the state that the call needs. Nothing was sent.
    #[error("the session is not ready for this")]
    NotReady,
}

/// How far a conversation had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The server's first words.
    Greeting,
    /// EHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// RSET.
    Reset,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The message, before its final dot.
    Body,
    /// The final dot.
    Dot,
    /// QUIT.
    Quit,
}

impl Stage {
    /// The command, where there is one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Body => "message",
            Self::Dot => "end of message",
            Self::Quit => "QUIT",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

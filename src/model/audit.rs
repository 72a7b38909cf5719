//! Who changed what: the vocabulary of the audit log.

use std::fmt;

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody at the command line: the login name.
    CommandLine(String),
    /// Whoever may write the configuration. Which file and line is said by the record.
    Configuration,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(login) => write!(f, "cli:{login}"),
            Self::Configuration => f.write_str("config"),
        }
    }
}

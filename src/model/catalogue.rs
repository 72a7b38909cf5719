//! The catalogue of everything the program reports by a code: what it means, what usually causes it, who
//! has to act, and what they do. The table itself is in `catalogue/table.rs`; `mailsyncd explain`
//! and `deploy/CODES.md` show it.

mod table;

use serde::Serialize;

pub use table::FailureCode;

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Responsible {
    /// Whose mailbox it is.
    MailboxOwner,
    /// Who looks after the server profile.
    ProfileOwner,
    /// Who runs this machine and its configuration.
    Administrator,
    /// Who runs the mail server.
    Provider,
    /// Nobody: it ends by itself, or is only worth knowing.
    Nobody,
    /// Who writes this program.
    Developer,
}

impl Responsible {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::MailboxOwner => "the mailbox's owner",
            Self::ProfileOwner => "the profile's owner",
            Self::Administrator => "the administrator of this machine",
            Self::Provider => "the mail provider",
            Self::Nobody => "nobody",
            Self::Developer => "the developers of mailsyncd",
        }
    }

    /// Whether it is one of our own people, for whom waiting does not help.
    pub const fn is_one_of_us(self) -> bool {
        matches!(self, Self::MailboxOwner | Self::ProfileOwner | Self::Administrator)
    }
}

/// What the catalogue says about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code's stable name.
    pub code: FailureCode,
    /// What it means.
    pub text: &'static str,
    /// What usually causes it.
    pub cause: &'static str,
    /// Who has to act.
    pub owner: Responsible,
    /// What they do.
    pub remedy: &'static str,
}

impl FailureCode {
    /// What the code means: a sentence.
    pub const fn text(self) -> &'static str {
        self.explanation().text
    }

    /// Who has to act.
    pub const fn owner(self) -> Responsible {
        self.explanation().owner
    }

    /// What they do.
    pub const fn hint(self) -> &'static str {
        self.explanation().remedy
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let names: BTreeSet<&str> = FailureCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), FailureCode::ALL.len());
        assert!(FailureCode::ALL.iter().all(|code| code.name().parse() == Ok(*code)));
        assert!("imap-worry".parse::<FailureCode>().is_err());
    }

    #[test]
    fn every_row_says_something_and_one_thing() {
        let mut seen = BTreeSet::new();
        for code in FailureCode::ALL {
            let Explanation { code: own, text, cause, owner, remedy } = code.explanation();
            assert_eq!(own, *code);
            assert!(seen.insert(text), "{code}: another code means the same");
            assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{code}: {text:?} is no sentence");
            for phrase in [cause, remedy] {
                let begins = phrase.starts_with(|c: char| c.is_lowercase() || c.is_ascii_digit())
                    || ["IMAP", "POP3", "SMTP", "TLS", "UIDL"].iter().any(|word| phrase.starts_with(word));
                assert!(begins && !phrase.ends_with('.'), "{code}: {phrase:?} is no phrase");
            }
            let waits = remedy.starts_with("nothing to do");
            assert!(!(waits && owner.is_one_of_us()), "{code}: {} has nothing to do", owner.words());
        }
    }
}

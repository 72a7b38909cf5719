//! Why a request could not be done.

use crate::{
    base::secret::SecretError,
    config::{ConfigError, KeyError, Place, Problem},
    mime::compose::ComposeError,
    model::{activity::ActivityStatus, authority::Refusal},
    store::StoreError,
};

/// A request failed; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The database refused or did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files contradict what the database has.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no such record.
    #[error("there is no {what} {name:?}")]
    Unknown {
        /// Which kind of record.
        what: &'static str,
        /// As it was asked for.
        name: String,
        /// The name that was probably meant.
        suggestion: Option<String>,
    },
    /// Whoever asks may not decide that.
    #[error(transparent)]
    NotAllowed(Refusal),
    /// Some of the mailboxes that are named are not there.
    #[error("nothing was done: {}", wrong.join("; "))]
    NotSelectable {
        /// What is wrong with each.
        wrong: Vec<String>,
    },
    /// What a command would make is wrong.
    #[error("{}", together(problems))]
    Refused {
        /// Everything that is wrong; at least one.
        problems: Vec<Problem>,
    },
    /// A file declares it, but the daemon has not read that file yet.
    #[error("mailbox {name} is declared at {place}, but it is not in the database yet")]
    NotTakenOver {
        /// As it was asked for.
        name: String,
        /// Which file and line declare it.
        place: Place,
    },
    /// The password comes from elsewhere, and the file that says so wins.
    #[error("the password of {name} is {source_text}, as declared at {place}")]
    Declared {
        /// Address or name of the record.
        name: String,
        /// Where the password is.
        source_text: String,
        /// Which file and line say so.
        place: Place,
    },
    /// Nobody would ever use it.
    #[error("a password of {name} would not be used: profile {profile} says authenticate_using = {using:?}")]
    NotUsed {
        /// Address or name of the record.
        name: String,
        /// The profile that decides.
        profile: String,
        /// Whose credentials it uses.
        using: &'static str,
    },
    /// Nobody knows which mailbox sends it.
    #[error("no mailbox is named that sends the mail")]
    NoSender,
    /// The mailbox does not send.
    #[error("mailbox {mailbox} does not send: {why}")]
    DoesNotSend {
        /// Its address.
        mailbox: String,
        /// Why not.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The mail cannot be sent as it is.
    #[error("the mail cannot be sent")]
    Compose(#[from] ComposeError),
    /// It was received.
    #[error("activity {id} was received: it is not ours to send")]
    NotOutgoing {
        /// Which activity.
        id: String,
    },
    /// A daemon that runs could not open what is sealed under it.
    #[error("a daemon is running that does not know key {key_id}")]
    KeyUnknownToDaemon {
        /// Identifier of the key that seals.
        key_id: String,
    },
    /// Nothing was typed.
    #[error("the password is empty")]
    EmptyPassword,
    /// There is no key to seal with.
    #[error("could not seal the password")]
    Key(#[source] KeyError),
    /// The database failed on the way.
    #[error("the import stopped when {written} of {of} rows were written")]
    ImportStopped {
        /// Rows that are in the database.
        written: usize,
        /// Rows that make or change something.
        of: usize,
        /// What went wrong.
        #[source]
        error: StoreError,
    },
    /// Sealing failed.
    #[error("could not seal the password")]
    Seal(#[source] SecretError),
    /// The kept bytes are not those that were received.
    #[error("the source of activity {id} is damaged")]
    DamagedSource {
        /// Which activity.
        id: String,
    },
    /// Nothing was kept.
    #[error("no source is kept of activity {id}")]
    NoSource {
        /// Which activity.
        id: String,
    },
}

impl AdminError {
    /// Who should do what.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { suggestion, .. } => suggestion.as_ref().map(|name| format!("did you mean {name:?}?")),
            Self::Refused { problems } => match problems.as_slice() {
                [problem] => problem.hint.clone(),
                _ => None,
            },
            Self::Declared { .. } => Some("change it there, or take it out there and run this again".to_owned()),
            Self::NotTakenOver { .. } => {
                Some("it comes in when the daemon starts or reloads: systemctl reload mailsyncd".to_owned())
            }
            Self::NotUsed { using: "profile", profile, .. } => Some(format!("run: mailsyncd secret set {profile}")),
            Self::NotUsed { .. } => Some("run: mailsyncd secret set ADDRESS, for each mailbox".to_owned()),
            Self::KeyUnknownToDaemon { .. } => Some("systemctl reload mailsyncd, then run this again".to_owned()),
            Self::Key(error) => error.hint().map(str::to_owned),
            Self::Seal(error) => error.hint().map(str::to_owned),
            Self::DamagedSource { .. } => Some("restore a backup, and run: mailsyncd db check".to_owned()),
            Self::ImportStopped { .. } => Some("run it again: what is in already is left as it is".to_owned()),
            Self::NoSender => {
                Some("give --from ADDRESS; a finished mail is a file, or - for standard input".to_owned())
            }
            Self::DoesNotSend { hint, .. } => hint.clone(),
            Self::Compose(ComposeError::NoRecipient) => Some("give --to, --cc or --bcc".to_owned()),
            Self::Compose(ComposeError::TooLarge { .. }) => {
                Some("send less, or raise sending.maximum_message_size".to_owned())
            }
            Self::Store(StoreError::IllegalMove { from: ActivityStatus::Sending, .. }) => {
                Some("wait: it becomes sent, failed, pending_send or held".to_owned())
            }
            Self::Store(_)
            | Self::Config(_)
            | Self::Compose(_)
            | Self::NotOutgoing { .. }
            | Self::NotSelectable { .. }
            | Self::NotAllowed(_)
            | Self::EmptyPassword
            | Self::NoSource { .. } => None,
        }
    }
}

impl AdminError {
    /// As one problem among others.
    pub(super) fn problem(&self) -> Problem {
        Problem { place: None, text: self.to_string(), hint: self.hint() }
    }
}

/// One problem by itself: its hint is the error's. Or all of them, with their hints.
fn together(problems: &[Problem]) -> String {
    match problems {
        [problem] => problem.text.clone(),
        _ => {
            let lines = problems.iter().map(|problem| format!("\n  {problem}"));
            format!("there are {} problems, nothing was done{}", problems.len(), lines.collect::<String>())
        }
    }
}

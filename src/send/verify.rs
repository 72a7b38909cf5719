//! Looks for mails in doubt in the Sent folder.

use crate::{
    means::Context,
    model::{
        failure::Failure,
        outbox::{DoubtfulMail, MailSettlement},
    },
};

use super::{
    doubt::{Files, Finding, is_last_look, is_looked_for, judge_doubt},
    outbox::Outbox,
    policy::SendPolicy,
    sink::{FiledBy, Mark, SentFolder, Sinks},
};

/// The Sent folder of one mailbox, as far as it was needed.
pub struct Verifier<'a, K: Sinks> {
    sinks: &'a K,
    policy: &'a SendPolicy,
    outbox: Outbox<'a>,
    place: Place<K::Folder>,
    /// Whether the server files what it takes, once that was asked.
    files: Option<Files>,
}

/// Where a copy would lie.
enum Place<F> {
    NotAsked,
    Folder(F),
    Nowhere,
    /// It cannot be reached, for this cycle.
    Unknown(Failure),
}

impl<'a, K: Sinks> Verifier<'a, K> {
    /// Nothing is opened before a mail must be looked for.
    pub fn new(sinks: &'a K, policy: &'a SendPolicy, outbox: Outbox<'a>) -> Self {
        Self { sinks, policy, outbox, place: Place::NotAsked, files: None }
    }

    /// What becomes of a mail in doubt.
    ///
    /// # Errors
    /// The database failed. A Sent folder that cannot be reached is a finding.
    pub async fn judge(&mut self, mail: &DoubtfulMail, context: &Context) -> Result<MailSettlement, Failure> {
        let finding = if is_looked_for(&self.policy.terms) { self.look(mail).await? } else { Finding::Nowhere };
        Ok(judge_doubt(mail, &finding, &self.policy.terms, context.clock.now()))
    }

    /// Logs out.
    pub fn close(self) {
        if let Place::Folder(folder) = self.place {
            folder.close();
        }
    }

    async fn look(&mut self, mail: &DoubtfulMail) -> Result<Finding, Failure> {
        let mark = Mark { activity: mail.activity, message_id: mail.message_id.clone() };
        Ok(match self.find(&mark).await {
            Err(finding) => finding,
            Ok(Some(FiledBy::Server | FiledBy::Us)) => Finding::Filed,
            Ok(Some(FiledBy::Somebody)) => Finding::Similar,
            Ok(None) if is_last_look(mail) => match self.files().await? {
                Ok(files) => Finding::Absent(files),
                Err(finding) => finding,
            },
            Ok(None) => Finding::Absent(Files::Unproven),
        })
    }

    /// Whether the server filed every one of the mailbox's latest mails that it took for certain. One
    /// that is not there tells that the server does not always file, or that somebody tidies up.
    async fn files(&mut self) -> Result<Result<Files, Finding>, Failure> {
        if let Some(files) = self.files {
            return Ok(Ok(files));
        }
        let mut files = Files::Unproven;
        for mark in self.outbox.sent_lately().await? {
            match self.find(&mark).await {
                Ok(Some(FiledBy::Server)) => files = Files::Yes,
                Ok(Some(FiledBy::Us | FiledBy::Somebody) | None) => {
                    files = Files::Unproven;
                    break;
                }
                Err(finding) => return Ok(Err(finding)),
            }
        }
        self.files = Some(files);
        Ok(Ok(files))
    }

    async fn find(&mut self, mark: &Mark) -> Result<Option<FiledBy>, Finding> {
        if matches!(self.place, Place::NotAsked) {
            self.place = Self::open(self.sinks, self.policy).await;
        }
        match &mut self.place {
            Place::NotAsked | Place::Nowhere => Err(Finding::Nowhere),
            Place::Unknown(failure) => Err(Finding::Unknown(failure.clone())),
            Place::Folder(folder) => match folder.find(mark).await {
                Ok(found) => Ok(found),
                Err(failure) => {
                    self.place = Place::Unknown(failure.clone());
                    Err(Finding::Unknown(failure))
                }
            },
        }
    }

    async fn open(sinks: &K, policy: &SendPolicy) -> Place<K::Folder> {
        let Some(reading) = &policy.reading else { return Place::Nowhere };
        match sinks.sent_folder(reading).await {
            Ok(Some(folder)) => Place::Folder(folder),
            Ok(None) => Place::Nowhere,
            Err(failure) => Place::Unknown(failure),
        }
    }
}

//! [`MailSource`] over POP3: a maildrop that is given the ways of a folder by the ledger.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{
    classify,
    means::stored,
    mime,
    model::{
        cursor::{FetchedMessage, FolderView, ListedMessage},
        failure::{Failure, FailureCode, Persistence, Scope, clean},
        ids::MailboxId,
        maildrop::{Maildrop, UidlName},
        timestamp::Timestamp,
        uid::{Uid, UidSet},
    },
    net::Io,
    pop3::{
        error::{Pop3Error, Reply},
        session::{Listing, Session, Torn},
    },
    store::Store,
};

use super::{
    maildrop::{ListedMail, Mail, Seen, doubtful, identify},
    source::{Deletion, MailSource, Opened},
};

/// Of a message at least this large, in bytes, the header is looked at first where old mail is not
/// wanted: about what a look costs.
const LOOK_FIRST: u64 = 64 << 10;

/// What a look at a header told.
#[derive(Clone, Debug)]
struct Header {
    received: Option<Timestamp>,
    message_id: Option<String>,
}

impl Header {
    fn of(raw: &[u8]) -> Self {
        let limits = mime::Limits::default();
        Self { received: mime::received_at(raw, &limits), message_id: mime::message_id(raw, &limits) }
    }
}

/// One logged-in connection. The server keeps the maildrop from others as long as it lasts, so it is
/// never kept for the next poll.
pub struct Pop3Source<S: Io> {
    session: Session<S>,
    store: Store,
    mailbox: MailboxId,
    /// Mail received before some time is not wanted.
    skips_old: bool,
    /// The maildrop, once it was looked at; it does not change during a session.
    seen: Option<Seen>,
    /// Lines of its listing that tell of no message.
    torn: Torn,
    headers: BTreeMap<Uid, Header>,
    /// The messages of each outstanding request, by their numbers in this session.
    asked: VecDeque<BTreeMap<u32, Uid>>,
}

impl<S: Io> std::fmt::Debug for Pop3Source<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pop3Source").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

impl<S: Io> Pop3Source<S> {
    /// The maildrop of `mailbox` as the ledger in `store` has it, over a session that is logged in.
    /// Where mail received before some time is not wanted (`skips_old`), large messages are looked at
    /// before they are downloaded.
    pub fn new(session: Session<S>, store: Store, mailbox: MailboxId, skips_old: bool) -> Self {
        let (headers, asked) = (BTreeMap::new(), VecDeque::new());
        Self { session, store, mailbox, skips_old, seen: None, torn: Torn::default(), headers, asked }
    }

    /// Says goodbye: what was deleted is gone now, if the server agrees. If not, the next visit sees.
    ///
    /// # Errors
    /// The server did not answer as it should.
    pub async fn close(self) -> Result<(), Failure> {
        self.session.quit().await.map_err(failure)
    }

    async fn see(&mut self) -> Result<&Seen, Failure> {
        let seen = match self.seen.take() {
            Some(seen) => seen,
            None => {
                let (listed, torn) = names(self.session.list().await.map_err(failure)?)?;
                let known = stored::patiently(|| self.store.maildrop(self.mailbox)).await;
                let known = known.map_err(|error| stored::failure(&error))?;
                let known = known.unwrap_or(Maildrop::NEW);
                let message_ids = self.message_ids_of(&doubtful(&known, &listed)).await?;
                let mut seen = identify(&known, &listed, &message_ids);
                if torn.lines > 0 {
                    // What is not named may be there.
                    seen.gone.clear();
                }
                self.torn = torn;
                seen
            }
        };
        Ok(self.seen.insert(seen))
    }

    /// The Message-IDs of messages given by session number, as far as the server gives headers.
    async fn message_ids_of(&mut self, numbers: &[u32]) -> Result<BTreeMap<u32, Option<String>>, Failure> {
        let mut found = BTreeMap::new();
        let note = |number, raw: Vec<u8>| {
            found.insert(number, Header::of(&raw).message_id);
        };
        self.session.headers(numbers, note).await.map_err(failure)?;
        Ok(found)
    }

    /// Those of `uids` that are there.
    async fn mails(&mut self, uids: &UidSet) -> Result<Vec<(Uid, Mail)>, Failure> {
        let seen = self.see().await?;
        let range = |(first, last): &(u32, u32)| Some(Uid::new(*first)?..=Uid::new(*last)?);
        let mails = uids.ranges().iter().filter_map(range).flat_map(|range| seen.mails.range(range));
        Ok(mails.map(|(uid, mail)| (*uid, *mail)).collect())
    }

    /// Looks at the headers of those of `mails` that were not looked at.
    async fn look_at(&mut self, mails: impl Iterator<Item = &(Uid, Mail)>) -> Result<(), Failure> {
        let uids: BTreeMap<u32, Uid> =
            mails.filter(|(uid, _)| !self.headers.contains_key(uid)).map(|(uid, mail)| (mail.number, *uid)).collect();
        let numbers: Vec<u32> = uids.keys().copied().collect();
        let headers = &mut self.headers;
        let note = |number, raw: Vec<u8>| {
            if let Some(uid) = uids.get(&number) {
                headers.insert(*uid, Header::of(&raw));
            }
        };
        self.session.headers(&numbers, note).await.map_err(failure)
    }
}

impl<S: Io> Pop3Source<S> {
    /// Reads those of `mails` whose header the server did not give by itself: TOP is optional.
    async fn look_into(&mut self, mails: &[(Uid, Mail)]) -> Result<(), Failure> {
        for (uid, mail) in mails {
            if !self.headers.contains_key(uid) {
                self.session.request([(mail.number, mail.size)]).await.map_err(failure)?;
                if let Some((_, Ok(raw))) = self.session.receive().await.map_err(failure)? {
                    self.headers.insert(*uid, Header::of(&raw));
                }
            }
        }
        Ok(())
    }
}

impl<S: Io> MailSource for Pop3Source<S> {
    async fn look(&mut self) -> Result<FolderView, Failure> {
        Ok(self.see().await?.view.clone())
    }

    async fn open(&mut self, ahead: &UidSet) -> Result<Opened, Failure> {
        let view = self.look().await?;
        Ok(Opened { view, listed: Some(self.list(ahead).await?) })
    }

    async fn list(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, Failure> {
        let mails = self.mails(uids).await?;
        let starts_over = self.seen.as_ref().is_some_and(|seen| seen.starts_over);
        let skips_old = self.skips_old;
        let worth_a_look =
            |(_, mail): &&(Uid, Mail)| mail.is_new && (starts_over || (skips_old && mail.size >= LOOK_FIRST));
        self.look_at(mails.iter().filter(worth_a_look)).await?;
        let listed = mails.iter().map(|(uid, mail)| ListedMessage {
            uid: *uid,
            size: mail.size,
            internal_date: self.headers.get(uid).and_then(|header| header.received),
            uidl: Some(mail.uidl),
        });
        Ok(listed.collect())
    }

    async fn message_ids(&mut self, uids: &UidSet) -> Result<Vec<(Uid, Option<String>)>, Failure> {
        let mails = self.mails(uids).await?;
        self.look_at(mails.iter()).await?;
        self.look_into(&mails).await?;
        let answered = mails.iter().filter_map(|(uid, _)| Some((*uid, self.headers.get(uid)?.message_id.clone())));
        Ok(answered.collect())
    }

    async fn request(&mut self, batch: &[ListedMessage]) -> Result<(), Failure> {
        let uids = batch.iter().map(|message| message.uid).collect();
        let rooms: BTreeMap<Uid, u64> = batch.iter().map(|message| (message.uid, message.size)).collect();
        let mails = self.mails(&uids).await?;
        let wanted = mails.iter().map(|(uid, mail)| (mail.number, rooms.get(uid).copied().unwrap_or(mail.size)));
        self.session.request(wanted).await.map_err(failure)?;
        self.asked.push_back(mails.iter().map(|(uid, mail)| (mail.number, *uid)).collect());
        Ok(())
    }

    async fn receive(&mut self) -> Result<Vec<FetchedMessage>, Failure> {
        let mut asked = self.asked.pop_front().unwrap_or_default();
        let mut messages = BTreeMap::new();
        while !asked.is_empty() {
            let Some((number, content)) = self.session.receive().await.map_err(failure)? else { break };
            // A refusal proves nothing by itself; the next visit has a new listing to say whether the
            // message is still there.
            let raw = content.map_err(|reply| failure(Pop3Error::Rejected { command: "RETR", reply }))?;
            if let Some(uid) = asked.remove(&number) {
                let received = mime::received_at(&raw, &mime::Limits::default());
                messages.insert(uid, FetchedMessage { uid, received, raw });
            }
        }
        Ok(messages.into_values().collect())
    }

    fn gone(&self) -> Vec<Uid> {
        self.seen.as_ref().map(|seen| seen.gone.clone()).unwrap_or_default()
    }

    fn left_out(&self) -> Option<String> {
        let Torn { lines, first } = &self.torn;
        let first = clean(&String::from_utf8_lossy(first), Failure::TEXT_LIMIT);
        (*lines > 0).then(|| format!("the listing does not say which message is meant, {lines} times: {first:?}"))
    }

    fn login_delay(&self) -> Option<Duration> {
        self.session.capabilities().login_delay
    }

    async fn delete(&mut self, uids: &UidSet) -> Result<Deletion, Failure> {
        let numbers: Vec<u32> = self.mails(uids).await?.iter().map(|(_, mail)| mail.number).collect();
        let refused = self.session.delete(&numbers).await.map_err(failure)?;
        Ok(match refused.into_iter().next() {
            None => Deletion::AtGoodbye,
            Some((_, reply)) => {
                let text = Pop3Error::Rejected { command: "DELE", reply }.to_string();
                let code = FailureCode::DeletionRefused;
                Deletion::Refused(Failure::new(code, Scope::Mailbox, Persistence::Permanent, &text))
            }
        })
    }
}

/// The messages of a listing, by what stands for their names.
///
/// # Errors
/// None of them has a name.
fn names(listing: Listing) -> Result<(Vec<ListedMail>, Torn), Failure> {
    let Listing { messages, unnamed, mut torn } = listing;
    if let (Some(reply), false) = (&unnamed, messages.is_empty()) {
        return Err(nameless(reply));
    }
    let count = messages.len();
    let mut mails = Vec::with_capacity(count);
    for message in messages {
        match message.uidl {
            Some(name) => {
                let is_place = name == message.number.to_string().into_bytes();
                let name = UidlName::new(&name, mime::digest(&name));
                mails.push(ListedMail { number: message.number, size: message.size, name, is_place });
            }
            None => torn.note(format!("message {} has no UIDL", message.number).as_bytes()),
        }
    }
    if mails.is_empty() && count > 0 {
        let text = "the server gave no message a UIDL";
        return Err(Failure::new(FailureCode::ProtocolViolation, Scope::Mailbox, Persistence::Transient, text));
    }
    Ok((mails, torn))
}

/// Without UIDL nobody can tell what was read from what is new. A server that only has trouble with
/// it at the moment says so with a code.
fn nameless(reply: &Reply) -> Failure {
    if reply.code.is_some() {
        return failure(Pop3Error::Rejected { command: "UIDL", reply: reply.clone() });
    }
    let text = format!("the server gives no UIDL: {reply}");
    Failure::new(FailureCode::UidlMissing, Scope::Mailbox, Persistence::UntilConfirmed, &text)
}

fn failure(error: Pop3Error) -> Failure {
    classify::pop3::failure(&error)
}

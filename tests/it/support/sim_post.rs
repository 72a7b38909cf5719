//! A submission server in memory, with the Sent folders beside it. It reads no clock; whoever uses
//! it decides what happens between the steps of a conversation.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mailsyncd::{
    means::account::Account,
    mime::compose::ID_FIELD,
    model::{
        failure::{Failure, FailureCode},
        outbox::ServerReply,
    },
    send::{
        judge::{Answer, Refusal},
        sink::{Begun, FiledBy, MailSink, Mark, SentFolder, Shipment, Sinks},
    },
};

use super::sim_server::{failure, hops};

/// The steps of a conversation, as the menu of faults sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostStep {
    LogIn,
    Begin,
    Body,
    Finish,
    OpenSent,
    Find,
    Put,
}

/// What goes wrong at a step.
#[derive(Clone, Debug)]
pub enum PostFault {
    /// The connection breaks before the step has an effect.
    DropBefore,
    /// The connection breaks after the effect, before the answer: after the dot, the mail is taken.
    DropAfter,
    /// Nothing happens for so many polls; then the sink's own deadline strikes.
    Stall(u32),
    /// The step has its effect, and nothing more happens for so many polls.
    StallAfter(u32),
    /// No log-in, or no folder.
    Fail(Failure),
    /// The server says no to the mail.
    Refuse(Refusal),
    /// The server says no to one recipient: the first.
    RefuseOne(Refusal),
}

/// A mail that the server took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The mailbox it came from.
    pub address: String,
    pub message_id: String,
    /// The activity, as the mail itself says.
    pub activity: String,
    pub recipients: Vec<String>,
    pub bytes: Vec<u8>,
    /// Whether the client heard of it.
    pub told: bool,
}

/// Looks at every step that begins and says what goes wrong.
pub type PostDirector = Box<dyn FnMut(&str, PostStep) -> Option<PostFault> + Send>;

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    director: Option<PostDirector>,
    /// Every step that was begun.
    steps: Vec<(String, PostStep)>,
    connections: BTreeMap<String, u32>,
    /// Whether the server files what it takes.
    files: bool,
    sent: BTreeMap<String, Vec<(String, FiledBy)>>,
}

/// The server; clones are the same one.
#[derive(Clone, Default)]
pub struct SimPost {
    state: Arc<Mutex<State>>,
}

impl SimPost {
    /// A server that puts what it takes into the Sent folder.
    pub fn new() -> Self {
        let post = Self::default();
        post.lock().files = true;
        post
    }

    /// Whether it does so from now on.
    pub fn files(&self, files: bool) {
        self.lock().files = files;
    }

    /// From now on `director` is asked at every step.
    pub fn direct(&self, director: impl FnMut(&str, PostStep) -> Option<PostFault> + Send + 'static) {
        self.lock().director = Some(Box::new(director));
    }

    /// No more faults.
    pub fn obey(&self) {
        self.lock().director = None;
    }

    /// Everything it took, in order.
    pub fn taken(&self) -> Vec<Taken> {
        self.lock().taken.clone()
    }

    /// Live connections.
    pub fn connections(&self) -> u32 {
        self.lock().connections.values().sum()
    }

    /// How often `step` was begun for `address`.
    pub fn times(&self, address: &str, step: PostStep) -> usize {
        self.lock().steps.iter().filter(|(of, begun)| of == address && *begun == step).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, address: &str, step: PostStep) -> Option<PostFault> {
        let state = &mut *self.lock();
        state.steps.push((address.to_owned(), step));
        state.director.as_mut().and_then(|director| director(address, step))
    }

    /// One step with an await point before and after its effect, and the fault that it meets.
    async fn perform<T>(
        &self,
        address: &str,
        step: PostStep,
        effect: impl FnOnce(Option<PostFault>) -> T,
    ) -> Result<T, Failure> {
        let fault = self.fault(address, step);
        hops(1).await;
        let (said, breaks) = match fault.clone() {
            Some(PostFault::DropBefore) => return Err(failure(FailureCode::ConnectionLost)),
            Some(PostFault::Fail(failure)) => return Err(failure),
            Some(PostFault::Stall(polls)) => {
                hops(polls).await;
                return Err(failure(FailureCode::Timeout));
            }
            Some(PostFault::DropAfter | PostFault::StallAfter(_)) => (None, true),
            Some(refusal @ (PostFault::Refuse(_) | PostFault::RefuseOne(_))) => (Some(refusal), false),
            None => (None, false),
        };
        let value = effect(said);
        if let Some(PostFault::StallAfter(polls)) = fault {
            hops(polls).await;
        }
        hops(1).await;
        if breaks { Err(failure(FailureCode::ConnectionLost)) } else { Ok(value) }
    }
}

impl Sinks for SimPost {
    type Sink = SimSink;
    type Folder = SimSentFolder;

    async fn take(&self, account: &Account) -> Result<SimSink, Failure> {
        let address = account.address.clone();
        self.perform(&address, PostStep::LogIn, |_| {
            *self.lock().connections.entry(address.clone()).or_default() += 1;
            SimSink { post: self.clone(), address: address.clone(), dead: false, begun: None }
        })
        .await
    }

    async fn sent_folder(&self, account: &Account) -> Result<Option<SimSentFolder>, Failure> {
        let address = account.address.clone();
        let folder = SimSentFolder { post: self.clone(), address: address.clone(), dead: false };
        self.perform(&address, PostStep::OpenSent, |_| Some(folder)).await
    }
}

/// A connection to [`SimPost`]. It panics where its user breaks the contract of [`MailSink`].
pub struct SimSink {
    post: SimPost,
    address: String,
    dead: bool,
    /// The recipients said yes to, and the mail as far as it came.
    begun: Option<(Vec<String>, Vec<u8>)>,
}

impl SimSink {
    async fn step<T>(
        &mut self,
        step: PostStep,
        effect: impl FnOnce(&mut Self, Option<PostFault>) -> T,
    ) -> Result<T, Failure> {
        assert!(!self.dead, "{step:?} on a sink that failed before");
        // Until the step has ended well: who drops it in the middle must drop the sink.
        self.dead = true;
        let (post, address) = (self.post.clone(), self.address.clone());
        let result = post.perform(&address, step, |fault| effect(self, fault)).await;
        self.dead = result.is_err();
        result
    }

    /// The mail is the server's now, though nobody heard of it yet; its place among those taken.
    fn taken(&mut self) -> usize {
        let (recipients, bytes) = self.begun.take().expect("finish before begin");
        let message_id = field(&bytes, "Message-ID").trim_matches(['<', '>']).to_owned();
        let activity = field(&bytes, ID_FIELD);
        let state = &mut *self.post.lock();
        if state.files {
            let sent = state.sent.entry(self.address.clone()).or_default();
            sent.push((activity.clone(), FiledBy::Server));
        }
        let address = self.address.clone();
        state.taken.push(Taken { address, message_id, activity, recipients, bytes, told: false });
        state.taken.len() - 1
    }
}

impl Drop for SimSink {
    fn drop(&mut self) {
        *self.post.lock().connections.get_mut(&self.address).unwrap() -= 1;
    }
}

impl MailSink for SimSink {
    fn is_usable(&self) -> bool {
        !self.dead
    }

    async fn begin(&mut self, shipment: Shipment<'_>) -> Result<Begun, Failure> {
        assert!(self.begun.is_none(), "a mail begins inside another");
        assert!(!shipment.rcpt_to.is_empty(), "a mail to nobody");
        let recipients: Vec<String> = shipment.rcpt_to.iter().map(|address| (*address).to_owned()).collect();
        self.step(PostStep::Begin, |sink, fault| {
            let mut answers: Vec<Answer> = recipients.iter().map(|_| Ok(reply(250, "recipient ok"))).collect();
            let mut accepted = recipients;
            match fault {
                Some(PostFault::Refuse(refusal)) => return Begun::Refused(refusal, Vec::new()),
                Some(PostFault::RefuseOne(refusal)) => {
                    answers[0] = Err(refusal);
                    accepted.remove(0);
                }
                _ => {}
            }
            if accepted.is_empty() {
                return Begun::Nobody(answers);
            }
            sink.begun = Some((accepted, Vec::new()));
            Begun::Ready(answers)
        })
        .await
    }

    async fn body(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let bytes = bytes.to_vec();
        self.step(PostStep::Body, |sink, _| sink.begun.as_mut().expect("body before begin").1.extend(bytes)).await
    }

    async fn finish(&mut self) -> Result<Answer, Failure> {
        let (place, answer) = self
            .step(PostStep::Finish, |sink, fault| match fault {
                Some(PostFault::Refuse(refusal) | PostFault::RefuseOne(refusal)) => {
                    sink.begun = None;
                    (None, Err(refusal))
                }
                _ => (Some(sink.taken()), Ok(reply(250, "queued"))),
            })
            .await?;
        if let Some(place) = place {
            self.post.lock().taken[place].told = true;
        }
        Ok(answer)
    }

    fn close(self) {
        assert!(self.begun.is_none(), "closed in the middle of a mail");
    }
}

/// The Sent folder of a mailbox.
pub struct SimSentFolder {
    post: SimPost,
    address: String,
    dead: bool,
}

impl SimSentFolder {
    async fn step<T>(&mut self, step: PostStep, effect: impl FnOnce(&mut State) -> T) -> Result<T, Failure> {
        assert!(!self.dead, "{step:?} on a folder that failed before");
        self.dead = true;
        let (post, address) = (self.post.clone(), self.address.clone());
        let result = post.perform(&address, step, |_| effect(&mut post.lock())).await;
        self.dead = result.is_err();
        result
    }
}

impl SentFolder for SimSentFolder {
    async fn find(&mut self, mark: &Mark) -> Result<Option<FiledBy>, Failure> {
        let (address, activity) = (self.address.clone(), mark.activity.to_string());
        self.step(PostStep::Find, |state| {
            let filed = state.sent.get(&address).into_iter().flatten();
            filed.filter(|(of, _)| *of == activity).map(|(_, by)| *by).next()
        })
        .await
    }

    async fn put(&mut self, mark: &Mark, mail: &[u8]) -> Result<(), Failure> {
        let (address, activity) = (self.address.clone(), mark.activity.to_string());
        assert_eq!(field(mail, ID_FIELD), activity, "another mail");
        self.step(PostStep::Put, |state| {
            state.sent.entry(address).or_default().push((activity, FiledBy::Us));
        })
        .await
    }

    fn close(self) {}
}

/// A refusal with a code of the server's and what it means.
pub fn refusal(code: u16, failure: Failure) -> Refusal {
    Refusal { reply: Some(reply(code, "no")), failure }
}

fn reply(code: u16, text: &str) -> ServerReply {
    ServerReply { code, enhanced: None, text: text.to_owned() }
}

fn field(mail: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(mail);
    let header = text.split("\r\n\r\n").next().unwrap_or("").replace("\r\n ", " ");
    let start = format!("{}:", name.to_ascii_lowercase());
    let line = header.lines().find(|line| line.to_ascii_lowercase().starts_with(&start));
    line.map(|line| line[start.len()..].trim().to_owned()).unwrap_or_else(|| panic!("a mail without {name}"))
}

//! A server that takes mail, or not, as its script says; and what the world received through it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use mailsyncd::{
    classify,
    means::account::Account,
    mime::compose::ID_FIELD,
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        outbox::ServerReply,
    },
    send::{
        judge::{Answer, Refusal},
        sink::{Begun, FiledBy, MailSink, Mark, SentFolder, Shipment, Sinks},
    },
    smtp::{
        error::Stage,
        reply::{EnhancedCode, SmtpReply},
    },
};
use tokio::task::yield_now;

/// What happens to one transaction instead of what should.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The log-in that it needed is refused.
    LogIn(Failure),
    /// MAIL gets this answer.
    Mail(u16, &'static str),
    /// RCPT for the addresses that begin so gets this answer.
    Rcpt(&'static str, u16, &'static str),
    /// The final dot gets this answer.
    Dot(u16, &'static str),
    /// The connection breaks at MAIL.
    DropAtMail,
    /// The connection breaks within the mail.
    DropInBody,
    /// The mail is not taken, and the connection breaks before the answer.
    DropAtDot,
    /// The mail is taken, and the answer is lost.
    LoseReply,
}

/// What a Sent folder is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The server puts there what it takes.
    Filled,
    /// There is one, and the server leaves it alone.
    Empty,
    /// There is none.
    Missing,
}

#[derive(Debug)]
pub struct State {
    /// What is to go wrong, transaction after transaction; `None`: nothing.
    pub script: VecDeque<Option<Fault>>,
    /// Every mail that was taken, once for each recipient: `subject > address`.
    pub received: Vec<String>,
    /// The bytes of what was taken.
    pub bytes: Vec<Vec<u8>>,
    pub sent: Sent,
    /// Values of [`ID_FIELD`] in the Sent folder.
    pub filed: Vec<(String, FiledBy)>,
    /// Where the Sent folder cannot be reached.
    pub folder_down: bool,
    pub connections: u32,
}

#[derive(Clone, Debug)]
pub struct Server {
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn new(sent: Sent) -> Self {
        let state = State {
            script: VecDeque::new(),
            received: Vec::new(),
            bytes: Vec::new(),
            sent,
            filed: Vec::new(),
            folder_down: false,
            connections: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

pub fn broken() -> Failure {
    Failure::new(FailureCode::ConnectionLost, Scope::Mailbox, Persistence::Transient, "the connection broke")
}

fn said(code: u16, enhanced: &str) -> SmtpReply {
    let numbers: Vec<u16> = enhanced.split('.').filter_map(|number| number.parse().ok()).collect();
    let enhanced = match numbers[..] {
        [class, subject, detail] => Some(EnhancedCode { class: class as u8, subject, detail }),
        _ => None,
    };
    SmtpReply { code, enhanced, text: "in its words".to_owned() }
}

fn reply(reply: &SmtpReply) -> ServerReply {
    ServerReply {
        code: reply.code,
        enhanced: reply.enhanced.map(|enhanced| enhanced.to_string()),
        text: reply.text.clone(),
    }
}

fn yes() -> ServerReply {
    reply(&said(250, "2.0.0"))
}

fn refusal(stage: Stage, code: u16, enhanced: &str) -> Refusal {
    let said = said(code, enhanced);
    Refusal { failure: classify::smtp::refusal(stage, &said), reply: Some(reply(&said)) }
}

fn field(bytes: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_default().to_owned()
}

pub struct ScriptedSink {
    server: Server,
    /// What is left of the script for this transaction, and who was said yes to.
    fault: Option<Fault>,
    accepted: Vec<String>,
    bytes: Vec<u8>,
    usable: bool,
}

impl MailSink for ScriptedSink {
    async fn begin(&mut self, shipment: Shipment<'_>) -> Result<Begun, Failure> {
        yield_now().await;
        assert!(self.usable, "a dead connection is used");
        self.fault = self.server.state().script.pop_front().flatten();
        match &self.fault {
            Some(Fault::DropAtMail) => {
                self.usable = false;
                return Err(broken());
            }
            Some(Fault::Mail(code, enhanced)) => {
                return Ok(Begun::Refused(refusal(Stage::Mail, *code, enhanced), Vec::new()));
            }
            _ => {}
        }
        let answer = |address: &&str| -> Answer {
            match &self.fault {
                Some(Fault::Rcpt(prefix, code, enhanced)) if address.starts_with(prefix) => {
                    Err(refusal(Stage::Rcpt, *code, enhanced))
                }
                _ => Ok(yes()),
            }
        };
        let answers: Vec<Answer> = shipment.rcpt_to.iter().map(answer).collect();
        let accepted = shipment.rcpt_to.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        self.accepted = accepted.map(|(address, _)| (*address).to_owned()).collect();
        yield_now().await;
        Ok(if self.accepted.is_empty() { Begun::Nobody(answers) } else { Begun::Ready(answers) })
    }

    async fn body(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        yield_now().await;
        if matches!(self.fault, Some(Fault::DropInBody)) {
            self.usable = false;
            return Err(broken());
        }
        self.bytes = bytes.to_vec();
        yield_now().await;
        Ok(())
    }

    async fn finish(&mut self) -> Result<Answer, Failure> {
        yield_now().await;
        match self.fault.take() {
            Some(Fault::DropAtDot) => {
                self.usable = false;
                return Err(broken());
            }
            Some(Fault::Dot(code, enhanced)) => return Ok(Err(refusal(Stage::Dot, code, enhanced))),
            fault => {
                self.take();
                // A cut here is a cut between the server's deed and its answer.
                yield_now().await;
                if matches!(fault, Some(Fault::LoseReply)) {
                    self.usable = false;
                    return Err(broken());
                }
            }
        }
        Ok(Ok(yes()))
    }

    fn is_usable(&self) -> bool {
        self.usable
    }

    fn close(self) {}
}

impl ScriptedSink {
    fn take(&mut self) {
        let subject = field(&self.bytes, "Subject");
        let mut state = self.server.state();
        state.received.extend(self.accepted.drain(..).map(|address| format!("{subject} > {address}")));
        if state.sent == Sent::Filled {
            let id = field(&self.bytes, ID_FIELD);
            state.filed.push((id, FiledBy::Server));
        }
        state.bytes.push(self.bytes.clone());
    }
}

pub struct ScriptedFolder {
    server: Server,
}

impl SentFolder for ScriptedFolder {
    async fn find(&mut self, mark: &Mark) -> Result<Option<FiledBy>, Failure> {
        yield_now().await;
        let state = self.server.state();
        let of_mail = |(id, _): &&(String, FiledBy)| *id == mark.activity.to_string();
        Ok(state.filed.iter().find(of_mail).map(|(_, by)| *by))
    }

    async fn put(&mut self, mark: &Mark, mail: &[u8]) -> Result<(), Failure> {
        yield_now().await;
        assert_eq!(field(mail, ID_FIELD), mark.activity.to_string());
        self.server.state().filed.push((mark.activity.to_string(), FiledBy::Us));
        yield_now().await;
        Ok(())
    }

    fn close(self) {}
}

impl Sinks for Server {
    type Sink = ScriptedSink;
    type Folder = ScriptedFolder;

    async fn take(&self, _: &Account) -> Result<ScriptedSink, Failure> {
        yield_now().await;
        let mut state = self.state();
        if let Some(Some(Fault::LogIn(failure))) = state.script.front().cloned() {
            state.script.pop_front();
            return Err(failure);
        }
        state.connections += 1;
        let (server, bytes) = (self.clone(), Vec::new());
        Ok(ScriptedSink { server, fault: None, accepted: Vec::new(), bytes, usable: true })
    }

    async fn sent_folder(&self, _: &Account) -> Result<Option<ScriptedFolder>, Failure> {
        yield_now().await;
        let state = self.state();
        if state.folder_down {
            return Err(broken());
        }
        Ok((state.sent != Sent::Missing).then(|| ScriptedFolder { server: self.clone() }))
    }
}

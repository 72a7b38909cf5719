//! A mail server on loopback that does everything right, until it is told what to do wrong.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::talk::{Heard, Talk};

/// What it does instead of what should be done.
#[derive(Clone, Copy, Debug)]
pub struct Wrong {
    /// At which step of the conversation, by the names of [`Heard::step`]; `greeting` and `tls` come before.
    pub at: &'static str,
    /// What it says: `{tag}` is the command's tag, `{n}` another number each time.
    pub says: &'static str,
    /// What it does then.
    pub then: Then,
}

/// How a conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    GoesOn,
    Closes,
    /// Says nothing more, and keeps the connection open.
    Stalls,
}

/// What is wrong with a server.
#[derive(Clone, Debug, Default)]
pub enum Trouble {
    #[default]
    None,
    /// It talks wrong; to those whose name begins with `bad` only, or to all.
    Talks { wrong: Vec<Wrong>, to_all: bool },
    /// Nobody listens at its port.
    Refuses,
    /// Nobody accepts what comes to its port.
    Ignores,
    /// It shows another certificate.
    Certificate,
}

/// Who it is to people who connect.
#[derive(Clone, Default)]
pub struct Identity {
    /// None where it speaks no TLS.
    pub good: Option<TlsAcceptor>,
    /// Shown while it is in trouble with its certificate.
    pub bad: Option<TlsAcceptor>,
    /// TLS begins at once, and not by STARTTLS.
    pub at_once: bool,
}

/// The server; it ends when this is dropped.
pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
    listening: Listening,
    /// Keeps the port from everybody else while nobody listens.
    reserved: TcpSocket,
}

struct Shared {
    talk: fn() -> Box<dyn Talk>,
    identity: Identity,
    trouble: Mutex<Trouble>,
    numbers: AtomicU32,
    /// How many there are in every Inbox.
    mails: AtomicU32,
    /// Mails that it took, by their subjects.
    taken: Mutex<Vec<String>>,
}

#[allow(dead_code, reason = "held for what dropping it ends")]
enum Listening {
    Nobody,
    Serving(JoinSet<()>),
    /// A listener that accepts nobody, and who fills its queue.
    Full(TcpListener, Vec<TcpStream>),
}

impl Server {
    /// An honest server.
    pub fn start(talk: fn() -> Box<dyn Talk>, identity: Identity) -> Self {
        let reserved = bound(0);
        let port = reserved.local_addr().unwrap().port();
        let shared = Shared {
            talk,
            identity,
            trouble: Mutex::default(),
            numbers: AtomicU32::new(2),
            mails: AtomicU32::new(1),
            taken: Mutex::default(),
        };
        let mut server = Self { port, shared: Arc::new(shared), listening: Listening::Nobody, reserved };
        server.serve();
        server
    }

    /// From now on it is in this trouble; conversations under way end.
    pub async fn put_into(&mut self, trouble: Trouble) {
        *lock(&self.shared.trouble) = trouble.clone();
        if let Listening::Serving(mut tasks) = std::mem::replace(&mut self.listening, Listening::Nobody) {
            tasks.shutdown().await;
        }
        // Who may share a port that nobody listens at gets it for port 0 one day.
        self.reserved.set_reuseaddr(!matches!(trouble, Trouble::Refuses)).unwrap();
        match trouble {
            Trouble::Refuses => {}
            Trouble::Ignores => self.fill().await,
            _ => self.serve(),
        }
    }

    /// A mail more arrives in every Inbox.
    pub fn deliver(&self) {
        self.shared.mails.fetch_add(1, SeqCst);
    }

    /// How often each mail was taken, by its subject.
    pub fn taken(&self, subject: &str) -> usize {
        lock(&self.shared.taken).iter().filter(|taken| *taken == subject).count()
    }

    fn serve(&mut self) {
        let listener = bound(self.port).listen(1024).unwrap();
        let shared = Arc::clone(&self.shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut conversations = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((client, _)) = listener.accept() => {
                        let shared = Arc::clone(&shared);
                        // Ends with an error when the client leaves.
                        conversations.spawn(async move { shared.receive(client).await.unwrap_or_default() });
                    }
                    Some(_) = conversations.join_next() => {}
                }
            }
        });
        self.listening = Listening::Serving(tasks);
    }

    /// The kernel drops what comes to a listener whose queue is full.
    async fn fill(&mut self) {
        let listener = bound(self.port).listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(std::time::Duration::from_millis(300), TcpStream::connect(address)).await
        {
            waiting.push(stream);
        }
        self.listening = Listening::Full(listener, waiting);
    }
}

fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    socket
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a conversation over cleartext came to.
enum Cleartext {
    Over,
    /// TLS was agreed on.
    Upgrade,
}

impl Shared {
    async fn receive(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut talk = (self.talk)();
        let Identity { good, at_once, .. } = &self.identity;
        talk.is(good.is_some() && !at_once, self.mails.load(SeqCst));
        if !at_once {
            return match self.converse(&mut client, &mut *talk, true).await? {
                Cleartext::Over => Ok(()),
                Cleartext::Upgrade => self.shake(client, talk, false).await,
            };
        }
        self.shake(client, talk, true).await
    }

    async fn shake(&self, mut client: TcpStream, mut talk: Box<dyn Talk>, greets: bool) -> std::io::Result<()> {
        if let Some(wrong) = self.wrong("tls", None) {
            // What the client begins with is read: a close would look like a reset otherwise.
            let _ = client.read(&mut [0; 4096]).await?;
            return self.go_wrong(&mut client, wrong, "").await;
        }
        let Identity { good, bad, .. } = &self.identity;
        let bad = bad.as_ref().filter(|_| matches!(*lock(&self.trouble), Trouble::Certificate));
        let Some(acceptor) = bad.or(good.as_ref()) else { return Ok(()) };
        let mut stream = acceptor.accept(client).await?;
        talk.is(false, self.mails.load(SeqCst));
        self.converse(&mut stream, &mut *talk, greets).await.map(drop)
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        talk: &mut dyn Talk,
        greets: bool,
    ) -> std::io::Result<Cleartext> {
        let mut stream = BufReader::new(stream);
        if greets {
            match self.wrong("greeting", None) {
                None => stream.write_all(talk.greeting().as_bytes()).await?,
                Some(wrong) => self.go_wrong(&mut stream, wrong, "").await?,
            }
        }
        let mut line = Vec::new();
        loop {
            line.clear();
            if stream.read_until(b'\n', &mut line).await? == 0 {
                return Ok(Cleartext::Over);
            }
            let text = String::from_utf8_lossy(&line);
            let Heard { step, tag, answer, upgrades, taken } = talk.hear(text.trim_end_matches(['\r', '\n']));
            if let Some(taken) = taken {
                lock(&self.taken).push(taken);
            }
            match self.wrong(step, talk.user()) {
                None => stream.write_all(answer.as_bytes()).await?,
                Some(wrong) => self.go_wrong(&mut stream, wrong, &tag).await?,
            }
            if upgrades {
                return Ok(Cleartext::Upgrade);
            }
        }
    }

    /// What goes wrong at this step for this user.
    fn wrong(&self, step: &str, user: Option<&str>) -> Option<Wrong> {
        let Trouble::Talks { wrong, to_all } = &*lock(&self.trouble) else { return None };
        let concerned = *to_all || user.is_none_or(|user| user.starts_with("bad"));
        wrong.iter().find(|wrong| wrong.at == step && concerned).copied()
    }

    /// An error ends the conversation.
    async fn go_wrong(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        wrong: Wrong,
        tag: &str,
    ) -> std::io::Result<()> {
        let number = self.numbers.fetch_add(1, SeqCst).to_string();
        stream.write_all(wrong.says.replace("{tag}", tag).replace("{n}", &number).as_bytes()).await?;
        stream.flush().await?;
        match wrong.then {
            Then::GoesOn => return Ok(()),
            Then::Closes => stream.shutdown().await?,
            Then::Stalls => {}
        }
        let _ = stream.read_to_end(&mut Vec::new()).await;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    }
}

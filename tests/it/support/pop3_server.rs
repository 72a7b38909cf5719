//! A POP3 server in memory that keeps the rules of RFC 1939, unless it is told to break them. It is
//! the stream itself: what is written to it is answered at once, and no task, clock or socket is
//! needed, so a test may stop a client between any two reads.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes arrive at a time: the more pieces, the more places to stop at.
const PIECE: usize = 100;

/// What happens at QUIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtQuit {
    /// What was marked is deleted.
    #[default]
    Deletes,
    /// The line breaks before the server hears it.
    BreaksBefore,
    /// It deletes, and the line breaks before it says so.
    BreaksAfter,
    /// It says `-ERR` and deletes nothing.
    Refuses,
}

#[derive(Clone, Debug)]
pub struct PopMessage {
    pub uidl: String,
    pub raw: Vec<u8>,
    /// What is said to a RETR.
    pub refused: Option<&'static str>,
    /// How often its content was given.
    pub fetched: u32,
    id: u64,
}

/// One maildrop.
#[derive(Clone, Debug)]
pub struct PopDrop {
    pub messages: Vec<PopMessage>,
    pub capabilities: Vec<&'static str>,
    /// Whether it knows UIDL.
    pub names: bool,
    /// Whether it knows TOP.
    pub top: bool,
    pub at_quit: AtQuit,
    /// What it says in LIST or UIDL in place of the line of this message.
    pub torn: Vec<(&'static str, usize, &'static str)>,
    /// Every command, without arguments.
    pub commands: Vec<String>,
    next: u64,
}

impl PopDrop {
    /// A new message.
    pub fn deliver(&mut self, uidl: &str, raw: impl Into<Vec<u8>>) {
        self.next += 1;
        let message = PopMessage { uidl: uidl.into(), raw: raw.into(), refused: None, fetched: 0, id: self.next };
        self.messages.push(message);
    }
}

/// The server; clones are the same one.
#[derive(Clone)]
pub struct PopServer {
    state: Arc<Mutex<PopDrop>>,
}

impl PopServer {
    pub fn new() -> Self {
        let drop = PopDrop {
            messages: Vec::new(),
            capabilities: vec!["USER", "UIDL", "TOP", "PIPELINING"],
            names: true,
            top: true,
            at_quit: AtQuit::default(),
            torn: Vec::new(),
            commands: Vec::new(),
            next: 0,
        };
        Self { state: Arc::new(Mutex::new(drop)) }
    }

    pub fn maildrop<T>(&self, change: impl FnOnce(&mut PopDrop) -> T) -> T {
        change(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, PopDrop> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection.
    pub fn connect(&self) -> PopStream {
        PopStream {
            server: self.clone(),
            snapshot: Vec::new(),
            deleted: BTreeSet::new(),
            heard: Vec::new(),
            said: b"+OK hello\r\n".iter().copied().collect(),
            closed: false,
            paused: false,
        }
    }
}

/// One connection.
pub struct PopStream {
    server: PopServer,
    /// The messages of this session, by their numbers.
    snapshot: Vec<u64>,
    deleted: BTreeSet<u64>,
    heard: Vec<u8>,
    said: VecDeque<u8>,
    closed: bool,
    /// Every other read waits: a test may stop its client there.
    paused: bool,
}

impl PopStream {
    fn say(&mut self, text: impl AsRef<[u8]>) {
        self.said.extend(text.as_ref());
        self.said.extend(b"\r\n");
    }

    fn say_block(&mut self, text: &[u8]) {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.starts_with(b".") {
                self.said.push_back(b'.');
            }
            self.say(line);
        }
        self.say(".");
    }

    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let command = words.next().unwrap().to_owned();
        let number: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let mut drop = self.server.lock();
        drop.commands.push(command.clone());
        let id = number.checked_sub(1).and_then(|index| self.snapshot.get(index)).copied();
        let id = id.filter(|id| !self.deleted.contains(id));
        let message = drop.messages.iter_mut().find(|message| Some(message.id) == id);
        let live: Vec<(usize, PopMessage)>;
        match (command.as_str(), message) {
            ("RETR", Some(PopMessage { refused: Some(words), .. })) => {
                let words = *words;
                std::mem::drop(drop);
                self.say(words);
            }
            ("RETR", Some(message)) => {
                message.fetched += 1;
                let raw = message.raw.clone();
                std::mem::drop(drop);
                self.say("+OK");
                self.say_block(&raw);
            }
            ("TOP", Some(message)) => {
                let raw = message.raw.clone();
                let known = drop.top;
                std::mem::drop(drop);
                if known {
                    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").map_or(raw.len(), |at| at + 4);
                    self.say("+OK");
                    self.say_block(&raw[..end]);
                } else {
                    self.say("-ERR what?");
                }
            }
            ("DELE", Some(message)) => {
                let id = message.id;
                std::mem::drop(drop);
                self.deleted.insert(id);
                self.say("+OK");
            }
            ("RETR" | "TOP" | "DELE", None) => {
                std::mem::drop(drop);
                self.say("-ERR no such message");
            }
            ("CAPA", _) => {
                let lines = drop.capabilities.join("\r\n");
                std::mem::drop(drop);
                self.say("+OK");
                self.say_block(format!("{lines}\r\n").as_bytes());
            }
            ("PASS", _) => {
                self.snapshot = drop.messages.iter().map(|message| message.id).collect();
                std::mem::drop(drop);
                self.say("+OK");
            }
            ("LIST" | "UIDL", _) => {
                let known = command == "LIST" || drop.names;
                let numbered = self.snapshot.iter().enumerate().filter(|(_, id)| !self.deleted.contains(id));
                let found = |id: u64| drop.messages.iter().find(|message| message.id == id).cloned();
                live = numbered.filter_map(|(index, id)| Some((index + 1, found(*id)?))).collect();
                let torn = drop.torn.clone();
                std::mem::drop(drop);
                if !known {
                    return self.say("-ERR what?");
                }
                let line = |(number, message): &(usize, PopMessage)| match command.as_str() {
                    "LIST" => format!("{number} {}\r\n", message.raw.len()),
                    _ => format!("{number} {}\r\n", message.uidl),
                };
                let torn_or = |told: &(usize, PopMessage)| {
                    let torn = torn.iter().find(|(of, number, _)| *of == command && *number == told.0);
                    torn.map_or_else(|| line(told), |(_, _, said)| format!("{said}\r\n"))
                };
                let lines: String = live.iter().map(torn_or).collect();
                self.say("+OK");
                self.say_block(lines.as_bytes());
            }
            ("QUIT", _) => {
                let how = drop.at_quit;
                if matches!(how, AtQuit::Deletes | AtQuit::BreaksAfter) {
                    let deleted = &self.deleted;
                    drop.messages.retain(|message| !deleted.contains(&message.id));
                }
                std::mem::drop(drop);
                match how {
                    AtQuit::Deletes => self.say("+OK bye"),
                    AtQuit::Refuses => self.say("-ERR some messages not removed"),
                    AtQuit::BreaksBefore | AtQuit::BreaksAfter => {}
                }
                self.closed = true;
            }
            _ => {
                std::mem::drop(drop);
                self.say("+OK");
            }
        }
    }
}

impl AsyncRead for PopStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.paused = !self.paused;
        if self.paused {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.said.is_empty() && !self.closed {
            panic!("the client waits for an answer to nothing");
        }
        let length = buffer.remaining().min(self.said.len()).min(PIECE);
        let bytes: Vec<u8> = self.said.drain(..length).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PopStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.heard.extend_from_slice(bytes);
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = String::from_utf8(line).unwrap();
            self.hear(line.trim_end());
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

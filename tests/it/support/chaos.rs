//! A TCP proxy on loopback that misbehaves on request.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

const NEVER: u64 = u64::MAX;

/// A proxy; everything it relays ends when it is dropped.
pub struct ChaosProxy {
    /// Where clients connect, on 127.0.0.1.
    pub port: u16,
    state: Arc<State>,
}

struct State {
    target: u16,
    ended: AtomicBool,
    /// Bytes from the server after which a connection falls silent.
    stall_after: AtomicU64,
    stalls: AtomicU64,
    /// Bytes from the server after which a connection is cut.
    cut_after: AtomicU64,
    /// What no client gets said: its connection is cut instead.
    unsaid: Mutex<Option<&'static str>>,
    accepted: AtomicU64,
    cuts: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl ChaosProxy {
    /// A proxy that relays to `target` on 127.0.0.1.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            target,
            ended: AtomicBool::new(false),
            stall_after: AtomicU64::new(NEVER),
            stalls: AtomicU64::new(0),
            cut_after: AtomicU64::new(NEVER),
            unsaid: Mutex::new(None),
            accepted: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.ended.load(SeqCst) {
                    return;
                }
                accepting.accepted.fetch_add(1, SeqCst);
                accepting.relay(client);
            }
        });
        Self { port, state }
    }

    /// Keeps connections open but silent: of what the server says only the first `bytes` bytes of
    /// each connection arrive, until [`ChaosProxy::restore`].
    pub fn stall_after(&self, bytes: u64) {
        self.state.stall_after.store(bytes, SeqCst);
    }

    /// Cuts each connection from now on after `bytes` bytes from the server.
    pub fn cut_after(&self, bytes: u64) {
        self.state.cut_after.store(bytes, SeqCst);
    }

    /// Cuts each connection from now on before the server hears `word` from the client.
    pub fn cut_before(&self, word: &'static str) {
        *self.state.unsaid.lock().unwrap() = Some(word);
    }

    /// Relays faithfully again.
    pub fn restore(&self) {
        *self.state.unsaid.lock().unwrap() = None;
        self.state.cut_after.store(NEVER, SeqCst);
        self.state.stall_after.store(NEVER, SeqCst);
    }

    /// Drops every connection that is open now.
    pub fn drop_connections(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections have come in.
    pub fn accepted(&self) -> u64 {
        self.state.accepted.load(SeqCst)
    }

    /// How often a connection has fallen silent.
    pub fn stalls(&self) -> u64 {
        self.state.stalls.load(SeqCst)
    }

    /// How many connections were cut for what came through them.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(SeqCst)
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.state.ended.store(true, SeqCst);
        self.drop_connections();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    fn relay(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        let pair = [&client, &server].map(|stream| stream.try_clone().unwrap());
        self.open.lock().unwrap().extend([&client, &server].map(|stream| stream.try_clone().unwrap()));
        let [client_too, server_too] = pair;
        let state = Arc::clone(self);
        thread::spawn(move || copy(client, server, |_, said, _| state.may_be_said(said)));
        let state = Arc::clone(self);
        thread::spawn(move || copy(server_too, client_too, |sent, _, client| state.may_pass(sent, client)));
    }

    fn may_be_said(&self, said: &[u8]) -> bool {
        let unsaid = *self.unsaid.lock().unwrap();
        let is_cut = unsaid.is_some_and(|word| said.windows(word.len()).any(|part| part == word.as_bytes()));
        self.cuts.fetch_add(u64::from(is_cut), SeqCst);
        !is_cut
    }

    /// Whether an answer of the server may pass; waits while it is to be held back.
    fn may_pass(&self, sent: u64, client: &TcpStream) -> bool {
        if sent > self.stall_after.load(SeqCst) {
            self.stalls.fetch_add(1, SeqCst);
        }
        while sent > self.stall_after.load(SeqCst) {
            if self.ended.load(SeqCst) || client.peer_addr().is_err() {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let is_cut = sent > self.cut_after.load(SeqCst);
        self.cuts.fetch_add(u64::from(is_cut), SeqCst);
        !is_cut
    }
}

/// Copies until the end of either side, or until `may_pass`, given how many bytes there were so far
/// and the newest of them, says no.
fn copy(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(u64, &[u8], &TcpStream) -> bool) {
    let mut buffer = [0; 4096];
    let mut sent = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        sent += count as u64;
        if !may_pass(sent, &buffer[..count], &to) {
            break;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

//! An SMTP server that counts what it takes, files it as Gmail does, and often breaks where it hurts:
//! after the last line of a mail.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use super::{process::Account, random::Random};

/// Of a hundred mails, so many are not taken, and as many are taken without a word.
const FAULTS_PER_HUNDRED: u64 = 5;

/// A server on loopback that wants neither TLS nor a log-in. It ends with the test.
pub struct CountingSmtp {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

pub struct State {
    /// By the value of `X-Mailsyncd-Id`, how often each mail was taken.
    pub taken: BTreeMap<String, u32>,
    /// Mails that got no answer to their last line, whether they were taken or not.
    pub unanswered: BTreeSet<String>,
    /// The Sent folders, by sender.
    sent: BTreeMap<String, PathBuf>,
    owner: Option<Account>,
    random: Random,
}

impl CountingSmtp {
    /// A server that files what it takes into the Maildirs of `sent`, by sender, for `owner`.
    pub fn start(sent: BTreeMap<String, PathBuf>, owner: Option<Account>, random: Random) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { taken: BTreeMap::new(), unanswered: BTreeSet::new(), sent, owner, random };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(&client, &state));
            }
        });
        Self { port, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Talks until the client goes, or until it is time to break; `None` then.
fn serve(client: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut writer = client;
    let mut sender = String::new();
    writer.write_all(b"220 counting\r\n").ok()?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let answer = match line.get(..4)? {
            "EHLO" => "250-counting\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            "DATA" => {
                writer.write_all(b"354 go on\r\n").ok()?;
                let mail = data(&mut reader)?;
                if !state.lock().unwrap().take(&sender, &mail) {
                    return None;
                }
                "250 2.0.0 taken\r\n"
            }
            "QUIT" => {
                writer.write_all(b"221 bye\r\n").ok()?;
                return None;
            }
            "MAIL" => {
                sender = line.split(['<', '>']).nth(1)?.to_owned();
                "250 ok\r\n"
            }
            _ => "250 ok\r\n",
        };
        writer.write_all(answer.as_bytes()).ok()?;
    }
}

/// Everything up to the final dot; `None` where the client went before it.
fn data(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut mail = Vec::new();
    loop {
        let begin = mail.len();
        if reader.read_until(b'\n', &mut mail).ok()? == 0 {
            return None;
        }
        if &mail[begin..] == b".\r\n" {
            mail.truncate(begin);
            return Some(mail);
        }
    }
}

impl State {
    /// Takes a mail, or not; whether it is to be answered.
    fn take(&mut self, sender: &str, mail: &[u8]) -> bool {
        let text = String::from_utf8_lossy(mail);
        let id = text.lines().find_map(|line| line.strip_prefix("X-Mailsyncd-Id: ")).unwrap().to_owned();
        let dice = self.random.below(100);
        if dice >= FAULTS_PER_HUNDRED {
            *self.taken.entry(id.clone()).or_default() += 1;
            self.file(sender, mail);
        }
        let answered = dice >= 2 * FAULTS_PER_HUNDRED;
        if !answered {
            self.unanswered.insert(id);
        }
        answered
    }

    fn file(&self, sender: &str, mail: &[u8]) {
        let Some(folder) = self.sent.get(sender) else { return };
        let name = format!("{}.{}.counted", self.taken.values().sum::<u32>(), std::process::id());
        let tmp = folder.join("tmp").join(&name);
        File::create(&tmp).unwrap().write_all(mail).unwrap();
        if let Some(owner) = &self.owner {
            owner.own(&tmp);
        }
        fs::rename(&tmp, folder.join("new").join(&name)).unwrap();
    }
}

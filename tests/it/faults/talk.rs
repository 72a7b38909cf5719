//! What honest servers say, line by line, in three languages.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::mail;

/// One side of a conversation.
pub trait Talk: Send {
    fn greeting(&self) -> String;
    /// Takes a line of the client.
    fn hear(&mut self, line: &str) -> Heard;
    /// Who logs in, as far as is known.
    fn user(&self) -> Option<&str>;
    /// How things are: whether STARTTLS is offered, and how many mails there are.
    fn is(&mut self, tls: bool, mails: u32);
}

/// What a line means.
#[derive(Debug, Default)]
pub struct Heard {
    /// The step it belongs to, in capital letters; empty within a mail.
    pub step: &'static str,
    pub tag: String,
    pub answer: String,
    /// TLS follows.
    pub upgrades: bool,
    /// The subject of the mail that it is the end of.
    pub taken: Option<String>,
}

impl Heard {
    fn at(step: &'static str, answer: impl Into<String>) -> Self {
        Self { step, answer: answer.into(), ..Self::default() }
    }
}

/// The name in the argument of a log-in by PLAIN.
fn plain_user(encoded: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    decoded.split('\0').nth(1).map(str::to_owned)
}

/// The text of the mail with this number.
fn text(number: u32, user: Option<&str>) -> String {
    String::from_utf8(mail::small(&format!("{number}.{}", user.unwrap_or_default()))).unwrap()
}

/// The numbers of an IMAP set, as far as there are mails.
fn numbers(set: &str, mails: u32) -> Vec<u32> {
    let number = |word: &str| word.parse().unwrap_or(mails);
    let ranges = set.split(',').map(|part| part.split_once(':').unwrap_or((part, part)));
    ranges.flat_map(|(first, last)| number(first)..=number(last).min(mails)).filter(|it| *it <= mails).collect()
}

/// IMAP, with the same mails in every Inbox.
#[derive(Default)]
pub struct Imap {
    user: Option<String>,
    tls: bool,
    mails: u32,
}

pub fn imap() -> Box<dyn Talk> {
    Box::new(Imap::default())
}

impl Talk for Imap {
    fn greeting(&self) -> String {
        "* OK ready\r\n".into()
    }

    fn hear(&mut self, line: &str) -> Heard {
        let mut words = line.split(' ');
        let tag = words.next().unwrap_or_default().to_owned();
        let rest: Vec<&str> = words.collect();
        let (step, untagged): (_, String) = match rest[..] {
            ["CAPABILITY", ..] => {
                let tls = if self.tls { "STARTTLS LOGINDISABLED" } else { "SASL-IR AUTH=PLAIN" };
                ("CAPABILITY", format!("* CAPABILITY IMAP4rev1 {tls}\r\n"))
            }
            ["STARTTLS", ..] => ("STARTTLS", String::new()),
            ["AUTHENTICATE", "PLAIN", encoded, ..] => {
                self.user = plain_user(encoded);
                ("AUTHENTICATE", String::new())
            }
            ["STATUS", ..] => (
                "STATUS",
                format!("* STATUS INBOX (MESSAGES {} UIDNEXT {} UIDVALIDITY 1)\r\n", self.mails, self.mails + 1),
            ),
            ["EXAMINE", ..] => {
                let next = self.mails + 1;
                ("EXAMINE", format!("* {} EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT {next}] x\r\n", self.mails))
            }
            ["UID", "FETCH", set, ..] => {
                let content = line.contains("BODY.PEEK[]");
                let each = |uid| {
                    let mail = text(uid, self.user());
                    let size = mail.len();
                    match (content, line.contains("BODY.PEEK[]<0.")) {
                        (true, false) => return format!("* {uid} FETCH (UID {uid} BODY[] {{{size}}}\r\n{mail})\r\n"),
                        (true, true) => return format!("* {uid} FETCH (UID {uid} BODY[]<0> {{{size}}}\r\n{mail})\r\n"),
                        (false, _) => {}
                    }
                    let date = "\"02-Mar-2026 09:30:00 +0000\"";
                    format!("* {uid} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE {date})\r\n")
                };
                let named = numbers(set, self.mails);
                let step = match content {
                    true => "FETCH",
                    false if named.contains(&2) => "LIST OF 2",
                    false => "LIST",
                };
                (step, named.into_iter().map(each).collect())
            }
            ["LOGOUT", ..] => ("LOGOUT", "* BYE\r\n".into()),
            _ => ("OTHER", String::new()),
        };
        let answer = format!("{untagged}{tag} OK done\r\n");
        Heard { step, answer, upgrades: step == "STARTTLS", tag, taken: None }
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn is(&mut self, tls: bool, mails: u32) {
        (self.tls, self.mails) = (tls, mails);
    }
}

/// POP3, with the same mails in every maildrop.
#[derive(Default)]
pub struct Pop3 {
    user: Option<String>,
    tls: bool,
    mails: u32,
}

pub fn pop3() -> Box<dyn Talk> {
    Box::new(Pop3::default())
}

impl Talk for Pop3 {
    fn greeting(&self) -> String {
        "+OK ready\r\n".into()
    }

    fn hear(&mut self, line: &str) -> Heard {
        let mut words = line.split(' ');
        let text = |number| text(number, self.user());
        let each = |say: &dyn Fn(u32) -> String| (1..=self.mails).map(say).collect::<String>();
        match words.next().unwrap_or_default() {
            "CAPA" => {
                let tls = if self.tls { "STLS" } else { "USER" };
                Heard::at("CAPA", format!("+OK\r\n{tls}\r\nUIDL\r\nTOP\r\nRESP-CODES\r\n.\r\n"))
            }
            "STLS" => Heard { upgrades: true, ..Heard::at("STLS", "+OK\r\n") },
            "USER" => {
                self.user = words.next().map(str::to_owned);
                Heard::at("USER", "+OK\r\n")
            }
            "PASS" => Heard::at("PASS", "+OK\r\n"),
            "STAT" => Heard::at("STAT", format!("+OK {} {}\r\n", self.mails, text(1).len())),
            "LIST" => Heard::at("LIST", format!("+OK\r\n{}.\r\n", each(&|it| format!("{it} {}\r\n", text(it).len())))),
            "UIDL" => Heard::at("UIDL", format!("+OK\r\n{}.\r\n", each(&|it| format!("{it} mail-{it}\r\n")))),
            command @ ("RETR" | "TOP") => {
                let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
                let step = if command == "RETR" { "RETR" } else { "TOP" };
                Heard::at(step, format!("+OK\r\n{}.\r\n", text(number)))
            }
            _ => Heard::at("OTHER", "+OK\r\n"),
        }
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn is(&mut self, tls: bool, mails: u32) {
        (self.tls, self.mails) = (tls, mails);
    }
}

/// SMTP submission, one command at a time.
#[derive(Default)]
pub struct Smtp {
    user: Option<String>,
    tls: bool,
    /// The subject of the mail under way; `None`: none is.
    mail: Option<String>,
}

pub fn smtp() -> Box<dyn Talk> {
    Box::new(Smtp::default())
}

impl Talk for Smtp {
    fn greeting(&self) -> String {
        "220 ready\r\n".into()
    }

    fn hear(&mut self, line: &str) -> Heard {
        if let Some(subject) = &mut self.mail {
            if line == "." {
                return Heard { taken: self.mail.take(), ..Heard::at("DOT", "250 2.0.0 taken\r\n") };
            }
            if let Some(words) = line.strip_prefix("Subject: ").filter(|_| subject.is_empty()) {
                *subject = words.to_owned();
            }
            return Heard::default();
        }
        let mut words = line.split(' ');
        match words.next().unwrap_or_default() {
            "EHLO" => {
                let offer = if self.tls { "STARTTLS" } else { "AUTH PLAIN" };
                Heard::at("EHLO", format!("250-ready\r\n250-ENHANCEDSTATUSCODES\r\n250 {offer}\r\n"))
            }
            "STARTTLS" => Heard { upgrades: true, ..Heard::at("STARTTLS", "220 go on\r\n") },
            "AUTH" => {
                self.user = words.nth(1).and_then(plain_user);
                Heard::at("AUTH", "235 2.7.0 welcome\r\n")
            }
            "MAIL" => Heard::at("MAIL", "250 2.1.0 ok\r\n"),
            "RCPT" => Heard::at("RCPT", "250 2.1.5 ok\r\n"),
            "DATA" => {
                self.mail = Some(String::new());
                Heard::at("DATA", "354 go on\r\n")
            }
            "QUIT" => Heard::at("QUIT", "221 bye\r\n"),
            _ => Heard::at("OTHER", "250 ok\r\n"),
        }
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn is(&mut self, tls: bool, _mails: u32) {
        self.tls = tls;
    }
}

//! Plays the transcripts in `tests/data/transcripts/`: conversations as servers really had them.
//!
//! ```text
//! # who, when, what
//! > login [auth=plain|login] [host=NAME]   a call, and below it what goes over the wire
//! C: A0002 CAPABILITY                      the client must send exactly this line
//! S: * OK hello                            the server sends this line
//! S: * 1 FETCH (UID 1 BODY[] {:hello})     {:hello} is a literal, {literal 500} one of 500 bytes
//! S: \c                                    at the end of a line: no line end; alone on a line: close
//! = ok                                     what the call must return
//! ```
//! `\xHH` in a server's line is that byte. Files named `pop3-…` are conversations with POP3 servers.

use std::{fmt::Write, path::Path, time::Duration};

use mailsyncd::{
    imap::{error::ImapError, session::Session},
    model::{
        cursor::{FolderView, ListedMessage},
        profile::{AuthMethod, Security},
        uid::{Uid, UidSet},
    },
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::{
    peer::{endpoint, log_in},
    pop3,
};

#[tokio::test(start_paused = true)]
async fn every_transcript_plays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transcripts");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for pieces in [Pieces::Whole, Pieces::Bytes] {
            // Bytes of large bodies one by one would only take long.
            if pieces == Pieces::Whole || !text.contains("{literal 8388608}") {
                play(&name, &text, pieces).await;
            }
        }
    }
}

/// How the server's lines arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pieces {
    Whole,
    Bytes,
}

async fn play(name: &str, text: &str, pieces: Pieces) {
    let (client, server) = tokio::io::duplex(1 << 16);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let wire = lines.iter().copied().filter(|line| line.starts_with("C: ") || line.starts_with("S: "));
    let calls: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("> ")).collect();
    let expected: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("= ")).collect();
    assert_eq!(calls.len(), expected.len(), "{name}: each call needs its result");
    let call = async {
        if name.starts_with("pop3-") { pop3::call_all(client, &calls).await } else { call_all(client, &calls).await }
    };
    let (got, _open) = tokio::join!(call, serve(name, server, wire.collect(), pieces));
    assert_eq!(got, expected, "{name}, {pieces:?}");
}

/// Plays the server; gives the stream back so that it stays open until the client is done.
async fn serve(name: &str, stream: DuplexStream, lines: Vec<&str>, pieces: Pieces) -> Option<BufReader<DuplexStream>> {
    let mut stream = BufReader::new(stream);
    for line in lines {
        if let Some(expected) = line.strip_prefix("C: ") {
            let mut got = Vec::new();
            stream.read_until(b'\n', &mut got).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&got), format!("{expected}\r\n"), "{name}");
        } else if line == "S: \\c" {
            return None;
        } else {
            let bytes = expand(&line[3..]);
            for piece in bytes.chunks(if pieces == Pieces::Whole { bytes.len() } else { 1 }) {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    }
    // Nothing else may come: read until the client leaves.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "", "{name}: more than expected from the client");
    Some(stream)
}

/// A server's line as bytes.
fn expand(line: &str) -> Vec<u8> {
    let (line, end) = match line.strip_suffix("\\c") {
        Some(line) => (line, ""),
        None => (line, "\r\n"),
    };
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some((content, after)) = rest.strip_prefix("{:").and_then(|rest| rest.split_once('}')) {
            let content = content.replace("\\n", "\r\n");
            bytes.extend(format!("{{{}}}\r\n{content}", content.len()).bytes());
            rest = after;
        } else if let Some((size, after)) = rest.strip_prefix("{literal ").and_then(|rest| rest.split_once('}')) {
            bytes.extend(format!("{{{size}}}\r\n").bytes());
            bytes.extend(std::iter::repeat_n(b'x', size.parse().unwrap()));
            rest = after;
        } else if let Some(hex) = rest.strip_prefix("\\x") {
            bytes.push(u8::from_str_radix(&hex[..2], 16).unwrap());
            rest = &hex[2..];
        } else {
            let mut buffer = [0; 4];
            bytes.extend(c.encode_utf8(&mut buffer).bytes());
            rest = &rest[c.len_utf8()..];
        }
    }
    bytes.extend(end.bytes());
    bytes
}

async fn call_all(stream: DuplexStream, calls: &[&str]) -> Vec<String> {
    let mut stream = Some(stream);
    let mut session = None;
    let mut results = Vec::new();
    for line in calls {
        let mut words = line.split(' ');
        let call = words.next().unwrap();
        if call == "login" {
            match log_in_with(stream.take().unwrap(), words).await {
                Ok(new) => {
                    session = Some(new);
                    results.push("ok".to_owned());
                }
                Err(error) => results.push(format!("error: {error}")),
            }
        } else if call == "logout" {
            let result = session.take().unwrap().logout().await;
            results.push(shown(result.map(|()| "ok".to_owned())));
        } else {
            let result = call_one(session.as_mut().unwrap(), call, words.next().unwrap_or_default()).await;
            results.push(shown(result));
        }
    }
    results
}

async fn log_in_with<'a>(
    stream: DuplexStream,
    options: impl Iterator<Item = &'a str>,
) -> Result<Session<DuplexStream>, ImapError> {
    let mut endpoint = endpoint("imap.example.org", Security::None, AuthMethod::Auto);
    for option in options {
        match option.split_once('=').unwrap() {
            ("host", host) => endpoint.host = host.to_owned(),
            ("auth", "plain") => endpoint.auth = AuthMethod::Plain,
            ("auth", "login") => endpoint.auth = AuthMethod::Login,
            ("security", "starttls") => endpoint.security = Security::Starttls,
            other => panic!("unknown option {other:?}"),
        }
    }
    log_in(stream, &endpoint).await
}

async fn call_one(session: &mut Session<DuplexStream>, call: &str, argument: &str) -> Result<String, ImapError> {
    Ok(match call {
        "status" => folder(session.status().await?),
        "examine" => folder(session.examine().await?),
        "noop" => session.noop().await.map(|()| "ok".to_owned())?,
        "list" => joined(session.list(&set(argument)).await?.iter().map(|listed| {
            let date = listed.internal_date.map_or("-".to_owned(), |date| date.to_string().replace(".000000Z", "Z"));
            format!("{}/{}/{date}", listed.uid, listed.size)
        })),
        "ids" => joined(
            session
                .message_ids(&set(argument))
                .await?
                .iter()
                .map(|(uid, id)| format!("{uid}/{}", id.as_deref().unwrap_or("-"))),
        ),
        "request" => {
            let batch: Vec<ListedMessage> = argument
                .split(',')
                .map(|one| {
                    let (uid, size) = one.split_once('/').unwrap_or((one, "100"));
                    let uid = Uid::new(uid.parse().unwrap()).unwrap();
                    ListedMessage { uid, size: size.parse().unwrap(), internal_date: None }
                })
                .collect();
            session.request(&batch).await.map(|()| "ok".to_owned())?
        }
        "receive" => joined(session.receive().await?.iter().map(|message| match message.raw.len() {
            0..100 => format!("{}/{}", message.uid, String::from_utf8_lossy(&message.raw).replace("\r\n", "\\n")),
            size => format!("{}/{size} bytes", message.uid),
        })),
        "offers-idle" => session.offers_idle().await?.to_string(),
        "idle" => session.idle().await.map(|()| "ok".to_owned())?,
        "wait" => format!("{:?}", session.wait(Duration::from_secs(600)).await?),
        "done" => session.done().await.map(|()| "ok".to_owned())?,
        other => panic!("unknown call {other}"),
    })
}

fn shown(result: Result<String, ImapError>) -> String {
    result.unwrap_or_else(|error| format!("error: {error}"))
}

fn folder(view: FolderView) -> String {
    let next = view.uid_next.map_or("-".to_owned(), |uid| uid.to_string());
    format!("validity {} next {next} exists {}", view.uid_validity, view.exists)
}

fn joined(items: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    for item in items {
        write!(line, "{}{item}", if line.is_empty() { "" } else { " " }).unwrap();
    }
    if line.is_empty() { "nothing".to_owned() } else { line }
}

fn set(text: &str) -> UidSet {
    let mut uids = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        uids.extend((first.parse().unwrap()..=last.parse().unwrap()).filter_map(Uid::new));
    }
    uids.into_iter().collect()
}

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
//! `\xHH` in a server's line is that byte. Names that begin with `smtp-` or `pop3-` are conversations
//! over these, all others over IMAP; each protocol has its player, which knows its calls.

use std::{ops::AsyncFn, path::Path};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// What a transcript is spoken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Imap,
    Pop3,
    Smtp,
}

impl Protocol {
    fn of(name: &str) -> Self {
        match name.split('-').next() {
            Some("smtp") => Self::Smtp,
            Some("pop3") => Self::Pop3,
            _ => Self::Imap,
        }
    }
}

/// How the server's lines arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pieces {
    Whole,
    Bytes,
}

/// Plays every transcript of `protocol`, with `client` making the calls and telling their results.
pub async fn play_all(protocol: Protocol, client: impl AsyncFn(DuplexStream, &[&str]) -> Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transcripts");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| Protocol::of(file.file_name().unwrap().to_str().unwrap()) == protocol);
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for pieces in [Pieces::Whole, Pieces::Bytes] {
            // Bytes of large bodies one by one would only take long.
            if pieces == Pieces::Whole || !text.contains("{literal 8388608}") {
                play(&name, &text, pieces, &client).await;
            }
        }
    }
}

async fn play(name: &str, text: &str, pieces: Pieces, client: &impl AsyncFn(DuplexStream, &[&str]) -> Vec<String>) {
    let (ours, server) = tokio::io::duplex(1 << 16);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let wire = lines.iter().copied().filter(|line| line.starts_with("C: ") || line.starts_with("S: "));
    let calls: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("> ")).collect();
    let expected: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("= ")).collect();
    assert_eq!(calls.len(), expected.len(), "{name}: each call needs its result");
    let (got, _open) = tokio::join!(client(ours, &calls), serve(name, server, wire.collect(), pieces));
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

//! The transcripts of conversations over IMAP.

use std::{fmt::Write, time::Duration};

use mailsyncd::{
    imap::{FolderName, error::ImapError, session::Session},
    model::{
        cursor::{FolderView, ListedMessage},
        profile::{AuthMethod, Security},
        uid::{Uid, UidSet},
    },
};
use tokio::io::DuplexStream;

use super::{
    peer::{endpoint, log_in},
    script::{Protocol, play_all},
};

#[tokio::test(start_paused = true)]
async fn every_transcript_plays() {
    play_all(Protocol::Imap, call_all).await;
}

async fn call_all(stream: DuplexStream, calls: &[&str]) -> Vec<String> {
    let mut stream = Some(stream);
    let mut session = None;
    let mut results = Vec::new();
    for line in calls {
        let (call, argument) = line.split_once(' ').unwrap_or((line, ""));
        if call == "login" {
            match log_in_with(stream.take().unwrap(), argument.split_whitespace()).await {
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
            let result = call_one(session.as_mut().unwrap(), call, argument).await;
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
                    ListedMessage { uid, size: size.parse().unwrap(), internal_date: None, uidl: None }
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
        "folders" => {
            let folders = session.folders().await?;
            let name = |folder: Option<FolderName>| folder.map_or("-".to_owned(), |name| name.as_str().to_owned());
            format!("sent {} trash {}", name(folders.sent), name(folders.trash))
        }
        "open" => folder(session.examine_folder(&FolderName::new(argument).unwrap()).await?),
        "select" => folder(session.select().await?),
        "search" => {
            let (name, value) = argument.split_once(' ').unwrap();
            joined(session.search_header(name, value).await?.iter().map(Uid::to_string))
        }
        "append" => {
            let (name, message) = argument.split_once(' ').unwrap();
            session.append(&FolderName::new(name).unwrap(), message.as_bytes()).await.map(|()| "ok".to_owned())?
        }
        "delete" => session.delete(&set(argument)).await?.to_string(),
        "move" => {
            let (uids, name) = argument.split_once(' ').unwrap();
            session.move_to(&set(uids), &FolderName::new(name).unwrap()).await?.to_string()
        }
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

//! The POP3 client: what the calls in its transcripts do, servers that attack, and STLS.

mod hostile;
mod secure;
mod window;

use mailsyncd::{
    model::profile::{AuthMethod, Security},
    net::credentials::Credentials,
    pop3::{connect::connect, error::Pop3Error, session::Session},
};
use tokio::io::DuplexStream;

use super::{
    peer::{endpoint, system_trust, timeouts},
    script::{Protocol, play_all},
};

#[tokio::test(start_paused = true)]
async fn every_transcript_plays() {
    play_all(Protocol::Pop3, call_all).await;
}

/// Does each call of a transcript.
async fn call_all(stream: DuplexStream, calls: &[&str]) -> Vec<String> {
    let mut stream = Some(stream);
    let mut session = None;
    let mut results = Vec::new();
    for line in calls {
        let (call, argument) = line.split_once(' ').unwrap_or((line, ""));
        let result = match call {
            "login" => log_in(stream.take().unwrap(), argument).await.map(|new| {
                session = Some(new);
                "ok".to_owned()
            }),
            "quit" => session.take().unwrap().quit().await.map(|()| "ok".to_owned()),
            _ => call_one(session.as_mut().unwrap(), call, argument).await,
        };
        results.push(result.unwrap_or_else(|error| format!("error: {error}")));
    }
    results
}

/// Logs in as `u` with password `p`, without TLS if nothing else is asked for.
pub async fn log_in(stream: DuplexStream, options: &str) -> Result<Session<DuplexStream>, Pop3Error> {
    let mut endpoint = endpoint("pop.example.org", Security::None, AuthMethod::Auto);
    let mut credentials = Credentials { username: "u", password: "p" };
    for option in options.split_whitespace() {
        match option.split_once('=').unwrap() {
            ("auth", "plain") => endpoint.auth = AuthMethod::Plain,
            ("auth", "login") => endpoint.auth = AuthMethod::Login,
            ("security", "starttls") => endpoint.security = Security::Starttls,
            ("user", name) => credentials.username = name,
            other => panic!("unknown option {other:?}"),
        }
    }
    connect(stream, &endpoint, credentials, system_trust(), timeouts()).await
}

async fn call_one(session: &mut Session<DuplexStream>, call: &str, argument: &str) -> Result<String, Pop3Error> {
    let numbers = || argument.split(',').map(|word| word.split_once('/').unwrap_or((word, "100")));
    let found: Vec<String> = match call {
        "capabilities" => {
            let found = session.capabilities();
            let delay = found.login_delay.map(|delay| delay.as_secs());
            return Ok(format!("pipelining {} delay {delay:?} expire {:?}", found.pipelining, found.expire));
        }
        "stat" => {
            let stat = session.stat().await?;
            return Ok(format!("{} messages of {} bytes", stat.count, stat.bytes));
        }
        "list" => {
            let listing = session.list().await?;
            let unnamed = listing.unnamed.map(|reply| format!("unnamed: {reply}"));
            let listed = listing.messages.iter().map(|message| {
                let uidl = message.uidl.as_deref().map_or("-".into(), String::from_utf8_lossy);
                format!("{}/{}/{uidl}", message.number, message.size)
            });
            listed.chain(unnamed).collect()
        }
        "request" => {
            session.request(numbers().map(|(number, size)| (number.parse().unwrap(), size.parse().unwrap()))).await?;
            return Ok("ok".to_owned());
        }
        "receive" => match session.receive().await? {
            None => Vec::new(),
            Some((number, Ok(mail))) => vec![shown(number, &mail)],
            Some((number, Err(reply))) => vec![format!("{number} refused: {reply}")],
        },
        "headers" => {
            let numbers: Vec<u32> = numbers().map(|(number, _)| number.parse().unwrap()).collect();
            let mut found = Vec::new();
            session.headers(&numbers, |number, header| found.push(shown(number, &header))).await?;
            found
        }
        "delete" => {
            let numbers: Vec<u32> = numbers().map(|(number, _)| number.parse().unwrap()).collect();
            let refused = session.delete(&numbers).await?;
            refused.iter().map(|(number, reply)| format!("{number} refused: {reply}")).collect()
        }
        other => panic!("unknown call {other}"),
    };
    Ok(if found.is_empty() { "nothing".to_owned() } else { found.join(" ") })
}

fn shown(number: u32, mail: &[u8]) -> String {
    format!("{number}/{}", mail.escape_ascii())
}

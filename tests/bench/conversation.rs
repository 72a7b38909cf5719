//! What our SMTP conversation costs by itself: one mail sent again and again over connections that are reused, with the
//! marks that a send cycle makes, but kept in memory.
//!
//! `conversation PORT COUNT FILE CONNECTIONS`; the server is on 127.0.0.1, without TLS and without a log-in.
#![expect(clippy::print_stdout, reason = "its result is one line on standard output")]

use std::{collections::BTreeSet, env, fs, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use mailsyncd::{
    base::tasks::Tasks,
    model::profile::{AuthMethod, Endpoint, Security},
    net::{dial::PortPolicy, tls::TlsClient},
    smtp::{
        Envelope,
        connect::{self, Credentials, Timeouts},
    },
};
use tokio::sync::Mutex;

/// Where a mail stands, as in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Pending,
    DotPending,
    Sent,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [port, count, file, connections] = arguments.as_slice() else {
        bail!("usage: conversation PORT COUNT FILE CONNECTIONS");
    };
    let (port, count, connections): (u16, usize, usize) = (port.parse()?, count.parse()?, connections.parse()?);
    let mail = fs::read_to_string(file).with_context(|| format!("reading {file}"))?.replace('\n', "\r\n");
    let mail = Arc::new(mail.into_bytes());
    let outbox = Arc::new(Mutex::new(vec![Mark::Pending; count]));
    let tasks = Tasks::new();
    let runs = (0..connections).map(|first| {
        let (mail, outbox) = (Arc::clone(&mail), Arc::clone(&outbox));
        tasks.spawn("send", async move { send(port, &mail, &outbox, (first..count).step_by(connections)).await })
    });
    for run in try_join_all(runs).await? {
        run?;
    }
    let sent = outbox.lock().await.iter().filter(|mark| **mark == Mark::Sent).count();
    println!("sent {sent}");
    Ok(())
}

async fn send(port: u16, mail: &[u8], outbox: &Mutex<Vec<Mark>>, share: impl Iterator<Item = usize>) -> Result<()> {
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port, security: Security::None, auth: AuthMethod::None };
    let (ports, tls) = (PortPolicy { allowed: BTreeSet::from([port]) }, TlsClient::new(&[])?);
    let nobody = Credentials { username: "", password: "" };
    let timeouts = Timeouts::new(Duration::from_secs(60));
    let mut session = connect::open(&endpoint, nobody, &ports, &tls, timeouts).await?;
    let size = u64::try_from(mail.len())?;
    for number in share {
        let envelope = Envelope {
            mail_from: "a@bench.example",
            rcpt_to: &["b@bench.example"],
            size,
            body_8bit: false,
            utf8: false,
        };
        let begun = session.begin(&envelope).await?;
        if !begun.ready {
            bail!("refused: {begun:?}");
        }
        session.body(mail).await?;
        mark(outbox, number, Mark::DotPending).await;
        session.finish().await?;
        mark(outbox, number, Mark::Sent).await;
    }
    session.quit().await?;
    Ok(())
}

async fn mark(outbox: &Mutex<Vec<Mark>>, number: usize, to: Mark) {
    if let Some(mark) = outbox.lock().await.get_mut(number) {
        *mark = to;
    }
}

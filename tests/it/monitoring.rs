//! A running daemon, watched: metrics, health, the heartbeat in the database.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use mailsyncd::{
    base::clock::Clock,
    config::Config,
    daemon::Daemon,
    net::tls::TlsClient,
    schedule::agenda::Mode,
    store::{Role, Store},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

async fn write_config(directory: &Path, listen: &str) -> Config {
    // Nobody listens there: reading fails at once.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    fs::write(directory.join("password"), "secret\n").unwrap();
    let text = format!(
        "database.url = \"sqlite:{}/mail.db\"\n[metrics]\nlisten = \"{listen}\"\n[network]\nallowed_ports = [{closed}]\n\
         allow_cleartext = true\n[[profile]]\nname = \"contoso\"\nincoming = {{ host = \"127.0.0.1\", port = {closed}, \
         security = \"none\" }}\n[[mailbox]]\nemail_address = \"ada@contoso.example\"\nkind = \"forward\"\nprofile = \
         \"contoso\"\npassword_file = \"password\"\napproved = true\nenabled = true\n",
        directory.display()
    );
    fs::write(directory.join("m.toml"), text).unwrap();
    Config::load_with(&directory.join("m.toml"), None).unwrap()
}

async fn start(config: &Config) -> (Daemon, Store) {
    let (store, _) = Store::open_and_migrate(&config.database_url, Role::Daemon).await.unwrap();
    let tls = TlsClient::new(&[]).unwrap();
    let daemon = Daemon::start(config.clone(), tls, store.clone(), Clock::System, Mode::Daemon).await.unwrap();
    (daemon, store)
}

/// What is answered to these bytes, up to the end of the connection.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever refuses a request may close before it has all of it.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.expect("an end");
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
}

/// Asks until the answer has `wanted`.
async fn until(address: SocketAddr, path: &str, wanted: &str) -> String {
    let mut answer = String::new();
    for _ in 0..600 {
        answer = get(address, path).await;
        if answer.contains(wanted) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{wanted} never came:\n{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_shows_what_it_does_and_how_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let config = write_config(directory.path(), "127.0.0.1:0").await;
    let (daemon, store) = start(&config).await;
    let address = daemon.metrics_address().expect("it listens");

    let failure = "mailsyncd_failures_total{workload=\"incoming\",scope=\"profile\",class=\"transient\",code=\"host-unreachable\"}";
    let text = until(address, "/metrics", failure).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("content-type: application/openmetrics-text"));
    assert!(text.contains("mailsyncd_cycles_total{profile=\"contoso\",workload=\"incoming\",result=\""), "{text}");
    assert!(text.contains("mailsyncd_database_up 1\n") && text.contains("mailsyncd_paused 0\n"), "{text}");
    assert!(text.contains("mailsyncd_connections_limit 500\n"), "{text}");
    assert!(!text.contains("ada@") && !text.contains("ada"), "an address is never a label");
    let commits = text.lines().find_map(|line| line.strip_prefix("mailsyncd_database_commit_seconds_count "));
    assert!(commits.unwrap().parse::<u64>().unwrap() > 0);
    until(address, "/metrics", "mailsyncd_mailboxes{view=\"active\"} 1\n").await;

    for path in ["/healthz", "/readyz"] {
        let answer = get(address, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{path}: {answer}");
    }
    assert!(get(address, "/").await.starts_with("HTTP/1.1 404 "));

    let alive = store.daemons().await.unwrap();
    assert_eq!((alive.len(), alive[0].heartbeat.pause.clone()), (1, None));
    assert_eq!(alive[0].heartbeat.version, env!("CARGO_PKG_VERSION"));
    daemon.end().await.unwrap();
    assert_eq!(store.daemons().await.unwrap(), [], "it said that it ends");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_for_a_page_is_turned_away_and_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, _store) = start(&write_config(directory.path(), "127.0.0.1:0").await).await;
    let address = daemon.metrics_address().unwrap();
    assert!(ask(address, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.contains("405"));
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let answer = ask(address, &long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(!ask(address, "\x16\x03\x01 hello\r\n\r\n").await.contains("200 OK"));
    // Two requests on one connection: it ends after the first.
    let twice = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
    assert_eq!(ask(address, &twice).await.matches("HTTP/1.1 200").count(), 1);
    // Silent ones take all places, and lose them.
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    until(address, "/healthz", "200 OK").await;
    drop(silent);
    daemon.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_address_stops_no_mail() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (daemon, _store) = start(&write_config(directory.path(), &listen).await).await;
    assert_eq!(daemon.metrics_address(), None);
    let turns = daemon.progress().turns();
    for _ in 0..200 {
        if daemon.progress().turns() > turns {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(daemon.progress().turns() > turns, "the schedule turns");
    daemon.end().await.unwrap();
}

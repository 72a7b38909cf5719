//! How many commands are under way at once.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::log_in;

const MESSAGES: u32 = 1_000;

/// A server that answers as late as it can: only once the client, with so many commands under way,
/// says nothing more. Returns how many those were at most, and how often the client had fallen silent.
async fn serve_late(stream: DuplexStream, capabilities: &str) -> (usize, usize) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.write_all(b"+OK hi\r\n").await.unwrap();
    for answer in [format!("+OK\r\n{capabilities}.\r\n"), "+OK\r\n".to_owned(), "+OK\r\n".to_owned()] {
        stream.read_line(&mut line).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let (mut most, mut silences, mut answered) = (0, 0, 0);
    while answered < MESSAGES {
        let mut under_way = Vec::new();
        loop {
            line.clear();
            let more = tokio::time::timeout(std::time::Duration::from_millis(10), stream.read_line(&mut line));
            if more.await.is_err() {
                break;
            }
            under_way.push(line.trim_end().to_owned());
        }
        assert!(!under_way.is_empty(), "the client waits for nothing");
        (most, silences) = (most.max(under_way.len()), silences + 1);
        for command in under_way {
            answered += 1;
            assert_eq!(command, format!("RETR {answered}"));
            stream.write_all(format!("+OK\r\nmail {answered}\r\n.\r\n").as_bytes()).await.unwrap();
        }
    }
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    (most, silences)
}

async fn read_all(stream: DuplexStream) {
    let mut session = log_in(stream, "auth=login").await.unwrap();
    // In two requests: the second is asked for while the first is being answered.
    session.request((1..=MESSAGES / 2).map(|number| (number, 10))).await.unwrap();
    session.request((MESSAGES / 2 + 1..=MESSAGES).map(|number| (number, 10))).await.unwrap();
    for number in 1..=MESSAGES {
        let (of, mail) = session.receive().await.unwrap().unwrap();
        assert_eq!((of, mail.unwrap()), (number, format!("mail {number}\r\n").into_bytes()));
    }
    assert!(session.receive().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn many_where_the_server_takes_them_and_one_where_it_does_not() {
    let (client, server) = tokio::io::duplex(1 << 16);
    let ((), (most, silences)) = tokio::join!(read_all(client), serve_late(server, "USER\r\nPIPELINING\r\n"));
    assert!((200..=256).contains(&most) && silences <= 8, "{most} at once, {silences} silences");
    let (client, server) = tokio::io::duplex(1 << 16);
    let ((), (most, silences)) = tokio::join!(read_all(client), serve_late(server, "USER\r\n"));
    assert_eq!((most, silences), (1, MESSAGES as usize));
}

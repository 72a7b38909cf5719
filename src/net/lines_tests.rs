use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{duplex, join, sink};

use super::*;

const LIMITS: LineLimits = LineLimits { line: 8, total: 1 << 20 };

fn lines(input: &[u8]) -> Lines<impl Io + '_> {
    Lines::new(join(input, sink()), LIMITS)
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[tokio::test]
async fn lines_end_with_crlf_or_lf() {
    let mut lines = lines(b"+OK\r\nb\n\r\n\n\rc\r\r\n");
    for expected in [b"+OK".as_slice(), b"b", b"", b"", b"\rc\r"] {
        assert!(!lines.is_drained() || expected == b"+OK");
        assert_eq!(lines.line().await.unwrap(), expected);
    }
    assert!(lines.is_drained());
    assert!(matches!(lines.line().await, Err(LineError::Closed)));
}

#[tokio::test]
async fn a_line_at_the_limit_is_fine_and_one_byte_over_ends_it() {
    assert_eq!(lines(b"12345678\r\n").line().await.unwrap(), b"12345678");
    assert_eq!(lines(b"12345678\n").line().await.unwrap(), b"12345678");
    for over in [b"123456789\r\n".as_slice(), b"123456789\n", b"123456789", b"12345678\rx", b"12345678\r\r\n"] {
        let mut lines = lines(over);
        assert!(matches!(lines.line().await, Err(LineError::Limit("a line"))), "{over:?}");
    }
}

#[tokio::test]
async fn an_endless_line_costs_no_more_than_a_piece() {
    let (near, mut far) = duplex(1 << 20);
    far.write_all(&vec![b'x'; 1 << 20]).await.unwrap();
    let mut lines = Lines::new(near, LIMITS);
    assert!(matches!(lines.line().await, Err(LineError::Limit("a line"))));
    assert!(lines.buffered() <= 2 * READ_SIZE);
}

#[tokio::test]
async fn everything_since_the_last_grant_is_bounded() {
    let mut lines = lines(b"1\r\n2\r\n3\r\n.x\r\n.\r\n");
    lines.allow(6);
    lines.line().await.unwrap();
    lines.line().await.unwrap();
    assert!(matches!(lines.line().await, Err(LineError::Limit("data for one command"))));
    lines.allow(3);
    lines.line().await.unwrap();
    lines.allow(6);
    assert!(matches!(lines.block(0, 100).await, Err(LineError::Limit("data for one command"))));
}

#[tokio::test]
async fn a_block_ends_where_its_dot_stands_alone() {
    for (input, expected) in [
        (".\r\nrest", ""),
        ("a\r\n.\r\nrest", "a\r\n"),
        ("..\r\n..a\r\n.b\r\n...\r\n.\r\nrest", ".\r\n.a\r\nb\r\n..\r\n"),
        ("a\n.\nb\n.\r\n\n..\r\n.\r\nrest", "a\n.\nb\n.\r\n\n..\r\n"),
        ("\r\n\r\r\n.\r\nrest", "\r\n\r\r\n"),
        ("a.\r\n.\r.\r\n.\r\nrest", "a.\r\n\r.\r\n"),
        ("\0\r\n.\r\nrest", "\0\r\n"),
    ] {
        let mut lines = lines(input.as_bytes());
        let block = lines.block(3, 100).await.unwrap();
        assert_eq!(String::from_utf8(block).unwrap(), expected, "{input:?}");
        lines.allow(6);
        assert!(matches!(lines.line().await, Err(LineError::Closed)), "{input:?}");
    }
    assert!(matches!(lines(b"a\r\n.\r").block(0, 100).await, Err(LineError::Closed)));
}

#[tokio::test]
async fn a_block_has_a_limit_and_takes_no_more_memory_than_it_is_long() {
    assert_eq!(lines(b"123\r\n.\r\n").block(usize::MAX, 5).await.unwrap().len(), 5);
    assert!(matches!(lines(b"1234\r\n.\r\n").block(0, 5).await, Err(LineError::Limit("a message"))));
    let mut long = vec![b'x'; 5 << 20];
    long.extend(b"\r\n.\r\n");
    for expected in [0, 1000, (5 << 20) + 2, usize::MAX] {
        let mut lines = lines(&long);
        lines.allow(u64::MAX);
        let block = lines.block(expected, usize::MAX).await.unwrap();
        assert_eq!(block.len(), (5 << 20) + 2);
        assert!(block.capacity() <= 2 * block.len(), "{expected}: {}", block.capacity());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_dripping_end_it() {
    let pace = Pace { silence: Duration::from_secs(10), window: Duration::from_secs(60), minimum: 100 };
    let (near, _far) = duplex(100);
    let mut silent = Lines::new(near, LIMITS);
    silent.keep_pace(Some(pace));
    assert!(matches!(silent.line().await, Err(LineError::Slow)));

    let (near, mut far) = duplex(100);
    let mut dripping = Lines::new(near, LIMITS);
    dripping.keep_pace(Some(pace));
    let drip = async {
        loop {
            if far.write_all(b"a\n").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    let count = async {
        let mut count = 0;
        while dripping.line().await.is_ok() {
            count += 1;
        }
        drop(dripping);
        count
    };
    let ((), count) = tokio::join!(drip, count);
    assert_eq!(count, 12);

    let (near, _far) = duplex(100);
    let mut unread = Lines::new(near, LIMITS);
    unread.keep_pace(Some(pace));
    unread.write_all(&[b'x'; 100]).await.unwrap();
    assert!(matches!(unread.write_all(b"x").await, Err(LineError::Slow)));
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let (near, mut far) = duplex(100);
    let mut lines = Lines::new(near, LIMITS);
    far.write_all(b"ab").await.unwrap();
    assert!(tokio::time::timeout(Duration::ZERO, lines.line()).await.is_err());
    far.write_all(b"c\r\n").await.unwrap();
    assert_eq!(lines.line().await.unwrap(), b"abc");
}

/// What a server sends of `mail`.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut line_begins = true;
    for (index, byte) in mail.iter().enumerate() {
        if line_begins && *byte == b'.' {
            sent.push(b'.');
        }
        sent.push(*byte);
        line_begins = *byte == b'\n' && index > 0 && mail[index - 1] == b'\r';
    }
    if !line_begins {
        sent.extend(b"\r\n");
    }
    sent.extend(b".\r\n");
    sent
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever the mail and wherever the stream is cut, it comes out as it went in, and the next
    /// answer is found behind it.
    #[test]
    fn mail_comes_through_as_it_is(
        scraps in proptest::collection::vec(prop_oneof![Just("\r\n"), Just("."), Just("\n"), Just("\r"), Just("x"), Just("0123456789012345678901234567890123456789")], 0..60),
        cut in 1usize..90,
    ) {
        let mut mail = scraps.concat().into_bytes();
        let mut sent = stuffed(&mail);
        if !mail.is_empty() && !mail.ends_with(b"\r\n") {
            mail.extend(b"\r\n");
        } else if mail.is_empty() {
            sent = b".\r\n".to_vec();
        }
        sent.extend(b"+OK\r\n");
        let (near, mut far) = duplex(cut);
        let mut lines = Lines::new(near, LIMITS);
        run(async {
            let write = async { far.write_all(&sent).await.unwrap() };
            let read = async {
                let block = lines.block(10, 10_000).await.unwrap();
                (block, lines.line().await.unwrap().to_vec())
            };
            let ((), (block, next)) = tokio::join!(write, read);
            prop_assert_eq!(block, mail);
            prop_assert_eq!(next, b"+OK");
            Ok(())
        })?;
    }
}

use std::{collections::VecDeque, future::poll_fn};

use proptest::prelude::*;
use tokio::io::{join, sink};

use super::{
    framer::{DEPTH_LIMIT, TEXT_LIMIT},
    *,
};

const PLENTY: Allowance = Allowance { literal: 1 << 20, bytes: 1 << 24, responses: 100 };

/// Gives its slices one per read.
struct Slices(VecDeque<Vec<u8>>);

impl AsyncRead for Slices {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut slice) = self.0.pop_front() {
            let rest = slice.split_off(slice.len().min(buf.remaining()));
            buf.put_slice(&slice);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What one response became: its text, and the literals lifted out of it.
type Framed = (String, Vec<Vec<u8>>);

async fn guarded(slices: Vec<Vec<u8>>, allowance: Allowance) -> Result<Vec<Framed>, io::Error> {
    let slices = slices.into_iter().filter(|slice| !slice.is_empty()).collect();
    let mut guard = Guard::new(join(Slices(slices), sink()), |_| true);
    guard.allow(allowance);
    let mut found = Vec::new();
    loop {
        let mut space = vec![0; 2 * TEXT_LIMIT];
        let count = guard.read(&mut space).await?;
        if count == 0 {
            return Ok(found);
        }
        let literals = (0..=u8::MAX).map_while(|index| guard.take_lifted(&[0, index])).collect();
        found.push((String::from_utf8_lossy(&space[..count]).into_owned(), literals));
    }
}

async fn refused(input: &str) -> GuardError {
    let error = guarded(vec![input.as_bytes().to_vec()], PLENTY).await.unwrap_err();
    *error.get_ref().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn mail_is_lifted_out_and_everything_else_passes() {
    let input = "* OK {5}\r\n* 2 FETCH (UID 1 BODY[] {5}\r\n(\"{\0\n X {0}\r\n)\r\n* STATUS {5}\r\nINBOX (MESSAGES 1)\r\nA1 OK \"\r\n";
    let expected = [
        ("* OK {5)\r\n", vec![]),
        ("* 2 FETCH (UID 1 BODY[] {2}\r\n\0\0 X {2}\r\n\0\u{1})\r\n", vec![b"(\"{\0\n".to_vec(), Vec::new()]),
        ("* STATUS {5}\r\nINBOX (MESSAGES 1)\r\n", vec![]),
        ("A1 OK \"\r\n", vec![]),
    ]
    .map(|(text, literals)| (text.to_owned(), literals));
    for size in [1, 2, 3, 7, 1000] {
        let slices = input.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        assert_eq!(guarded(slices, PLENTY).await.unwrap(), expected, "slices of {size}");
    }
}

#[tokio::test]
async fn every_limit_has_an_edge() {
    let line = |length: usize| format!("* OK {}\r\n", "x".repeat(length - 7));
    assert!(guarded(vec![line(TEXT_LIMIT).into_bytes()], PLENTY).await.is_ok());
    assert!(matches!(refused(&line(TEXT_LIMIT + 1)).await, GuardError::Limit(_)));

    let nested = |depth: u32| format!("* LIST {}{}\r\n", "(".repeat(depth as usize), ")".repeat(depth as usize));
    assert!(guarded(vec![nested(DEPTH_LIMIT).into_bytes()], PLENTY).await.is_ok());
    assert!(matches!(refused(&nested(DEPTH_LIMIT + 1)).await, GuardError::Limit("nesting")));

    let fetch = b"* 1 FETCH (X {3}\r\nabc)\r\n".to_vec();
    let size = fetch.len() as u64;
    let with = |literal, bytes, responses| guarded(vec![fetch.clone()], Allowance { literal, bytes, responses });
    assert!(with(3, size, 1).await.is_ok());
    assert!(with(2, size, 1).await.is_err());
    assert!(with(3, size - 1, 1).await.is_err());
    assert!(with(3, size, 0).await.is_err());
}

#[tokio::test]
async fn what_only_looks_like_imap_is_refused() {
    for input in [
        "* OK \0\r\n",
        "* OK\n",
        "* 1 FETCH (X {5+}\r\n",
        "* 1 FETCH (X {}\r\n",
        "* 1 FETCH (X a{5}\r\n",
        "* 1 FETCH (X {5}\n",
        "* 1 FETCH (X \"\r\n",
        "* 1 FETCH (X \r\n",
        "* 1 FETCH (X))\r\n",
        "* 1 FETCH (X \"\\\r\n",
    ] {
        assert!(matches!(refused(input).await, GuardError::Violation(_)), "{input:?}");
    }
    for input in ["* 1 FETCH (X {99999999999}\r\n", "* STATUS {99999}\r\n"] {
        assert!(matches!(refused(input).await, GuardError::Limit(_)), "{input:?}");
    }
    let many = format!("* 1 FETCH ({})\r\n", "X {0}\r\n ".repeat(65));
    assert!(matches!(refused(&many).await, GuardError::Limit("literals in a response")));
    for input in ["* OK", "* 1 FETCH (X {5}\r\nabc"] {
        let error = guarded(vec![input.as_bytes().to_vec()], PLENTY).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn a_filter_drops_and_mends() {
    let filter: Filter = |line| {
        line.retain(|byte| *byte != b'x');
        !line.starts_with(b"* LIST")
    };
    let input = b"* LIST x\r\n* 1 FETCH (X {1}\r\nx)\r\n".as_slice();
    let mut guard = Guard::new(join(input, sink()), filter);
    guard.allow(PLENTY);
    let mut text = vec![0; 100];
    let count = guard.read(&mut text).await.unwrap();
    assert_eq!(&text[..count], b"* 1 FETCH (X {2}\r\n\0\0)\r\n");
    assert_eq!(guard.take_lifted(&[0, 0]).unwrap(), b"x");
    assert!(guard.is_drained());
}

#[tokio::test]
async fn a_command_leaves_in_one_piece_and_nothing_stays_behind() {
    use tokio::io::AsyncWriteExt;
    let (near, mut far) = tokio::io::duplex(1000);
    let mut guard = Guard::new(near, |_| true);
    guard.rehearse(b"hello\r\n");
    guard.write_all(b"to nobody\r\n").await.unwrap();
    guard.flush().await.unwrap();
    let mut space = [0; 100];
    assert_eq!(guard.read(&mut space).await.unwrap(), 7);
    guard.listen();
    for piece in ["A1", " ", "NOOP", "\r\n"] {
        guard.write_all(piece.as_bytes()).await.unwrap();
    }
    let nothing = poll_fn(|cx| {
        let mut space = ReadBuf::new(&mut space);
        Poll::Ready(Pin::new(&mut far).poll_read(cx, &mut space).is_pending())
    });
    assert!(nothing.await, "sent before the flush");
    guard.flush().await.unwrap();
    let count = far.read(&mut space).await.unwrap();
    assert_eq!(&space[..count], b"A1 NOOP\r\n");
    assert_eq!((guard.sending.capacity(), guard.buffered()), (0, 0));
}

proptest! {
    /// Where the bytes are cut does not matter.
    #[test]
    fn slicing_changes_nothing(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 1..6),
        cuts in proptest::collection::vec(1usize..900, 1..40),
    ) {
        let mut input = Vec::new();
        for (index, body) in bodies.iter().enumerate() {
            input.extend(format!("* {index} FETCH (UID 1 BODY[] {{{}}}\r\n", body.len()).bytes());
            input.extend(body);
            input.extend(b" FLAGS ())\r\n");
        }
        let mut slices = Vec::new();
        let mut rest = input.as_slice();
        for cut in cuts.iter().cycle() {
            let (slice, after) = rest.split_at(rest.len().min(*cut));
            slices.push(slice.to_vec());
            rest = after;
            if rest.is_empty() { break }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let framed = runtime.block_on(guarded(slices, PLENTY)).unwrap();
        let literals: Vec<Vec<u8>> = framed.into_iter().flat_map(|(_, literals)| literals).collect();
        prop_assert_eq!(literals, bodies);
    }
}

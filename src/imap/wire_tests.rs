use std::panic::catch_unwind;

use async_imap::imap_proto;
use proptest::{prelude::*, sample::select};
use tokio::io::{AsyncReadExt, join, sink};

use super::*;

const ALLOWED: Allowance = Allowance { literal: 65_536, bytes: 1 << 20, responses: 1_000 };

/// Scraps of IMAP, honest and not.
const SCRAPS: &[&str] = &[
    "* ",
    "A1 ",
    "A0002 ",
    "+ ",
    "1 FETCH (",
    "2 fetch (UID 3 ",
    "OK ",
    "NO ",
    "BAD ",
    "BYE ",
    "PREAUTH ",
    "STATUS ",
    "LIST (",
    "\\Sent ",
    "\"/\" ",
    "SEARCH",
    " 7",
    "INBOX ",
    "CAPABILITY ",
    "IMAP4rev1 ",
    "EXISTS",
    "EXPUNGE",
    "(",
    "((((((((((((((((",
    ")",
    "))",
    "\"",
    "\\",
    "\\\"",
    "{5}\r\n",
    "{0}\r\n",
    "{70000}\r\n",
    "{500000000}\r\n",
    "{4294967296}\r\n",
    "{",
    "}",
    "}\r\n",
    " ",
    "BODYSTRUCTURE ",
    "BODY[] ",
    "BODY[]<0> ",
    "BODY[HEADER.FIELDS (MESSAGE-ID)] ",
    "RFC822.SIZE 12",
    "RFC822.SIZE 99999999999 ",
    "INTERNALDATE NIL",
    "INTERNALDATE \"",
    "1-Jan-2026 00:00:00 +0000\"",
    "ENVELOPE (",
    "FLAGS (",
    "\\Seen",
    "X-GM-LABELS (",
    "NIL",
    "abc",
    "é",
    "\0",
    "\r",
    "\n",
    "\r\n",
    "[ALERT]",
    "[ALERT]é",
    "[BADCHARSET (",
    "[CAPABILITY IMAP4rev1 ",
    "[UIDVALIDITY 5",
    "[PERMANENTFLAGS (",
    "]",
    "] ",
    "UID 1 ",
    "99999999999 ",
];

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(SCRAPS), 0..50).prop_map(|scraps| scraps.concat())
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// What the guard lets through neither kills the parser nor makes it wait for more: each
    /// response is read, or refused, by itself. Waiting would mean to reserve what it was told.
    #[test]
    fn the_parser_is_safe_behind_the_guard(input in soup()) {
        let mut guard = Guard::new(join(input.as_bytes(), sink()), quirks::mend);
        guard.allow(ALLOWED);
        let mut space = vec![0; 1 << 18];
        while let Ok(count @ 1..) = run(guard.read(&mut space)) {
            let response = space[..count].to_vec();
            let shown = String::from_utf8_lossy(&response).into_owned();
            let parsed = catch_unwind(|| match imap_proto::Response::parse(&response) {
                Ok((rest, _)) => rest.is_empty(),
                Err(error) => !error.is_incomplete(),
            });
            prop_assert!(matches!(parsed, Ok(true)), "{shown:?}: {parsed:?}");
        }
    }

    /// All layers together: an error or the end, and bounded memory.
    #[test]
    fn any_conversation_ends(input in soup()) {
        run(async {
            let mut wire = Wire::over(join(input.as_bytes(), sink())).await.unwrap();
            wire.guard().allow(ALLOWED);
            let error = loop {
                match wire.event("test").await {
                    Ok(_) => {}
                    Err(error) => break error,
                }
            };
            let died = matches!(&error, ImapError::Protocol(text) if text.contains("died"));
            prop_assert!(!died, "{error}");
            prop_assert!(wire.guard().buffered() < 1 << 19);
            Ok(())
        })?;
    }
}

#[test]
fn a_panic_of_the_parser_ends_the_connection_only() {
    run(async {
        // Without the mending, this is what imap-proto 0.17 dies of.
        let input = b"* 1 FETCH (INTERNALDATE NIL)\r\n".as_slice();
        let mut guard = Guard::new(join(input, sink()), |_| true);
        guard.rehearse(b"A0001 OK\r\n");
        let mut session = Client::new(guard).login("", "").await.unwrap();
        session.get_mut().allow(ALLOWED);
        let mut wire = Wire { session, announced: false, capabilities: None, log_in: None, notice: None };
        assert!(matches!(wire.event("test").await, Err(ImapError::Protocol(text)) if text.contains("died")));
    });
}

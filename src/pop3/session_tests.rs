use std::time::Duration;

use proptest::{prelude::*, sample::select};
use tokio::io::{join, sink};

use super::*;

/// Scraps of POP3, honest and not.
const SCRAPS: &[&str] = &[
    "+OK\r\n",
    "+OK ",
    "-ERR ",
    "-ERR\r\n",
    "+ ",
    ".\r\n",
    ".",
    "..",
    "\r\n",
    "\r",
    "\n",
    "1 ",
    "2 10\r\n",
    "1 a\r\n",
    "3",
    "0 ",
    "99999999999 ",
    "[AUTH] ",
    "[",
    "]",
    "\0",
    "é",
    "abc",
    "Subject: x\r\n",
    " ",
];

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(SCRAPS), 0..60).prop_map(|scraps| scraps.concat())
}

/// A session with a server that has said all this already.
fn session(input: &str, pipelining: bool) -> Session<impl Io + '_> {
    let wire = Wire::over(Transport::Plain(join(input.as_bytes(), sink())));
    Session::new(wire, Timeouts::new(Duration::from_secs(10)), Capabilities { pipelining, ..Capabilities::NONE })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever comes, each call ends, what it gives is what was asked for, and memory is bounded.
    #[test]
    fn any_conversation_ends(input in soup(), pipelining in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut listing = session(&input, pipelining);
            if let Ok(listing) = listing.list().await {
                let ascending = listing.messages.windows(2).all(|pair| pair[0].number < pair[1].number);
                let named = listing.messages.iter().all(|message| message.uidl.as_ref().is_none_or(|name| !name.is_empty()));
                prop_assert!(ascending && named && listing.messages.iter().all(|message| message.number > 0));
            }
            prop_assert!(listing.buffered() < 1 << 17);

            let mut reading = session(&input, pipelining);
            if reading.request([(1, 10), (2, 10), (3, 0)]).await.is_ok() {
                let mut expected = [1, 2, 3].into_iter();
                while let Ok(Some((number, _))) = reading.receive().await {
                    prop_assert_eq!(Some(number), expected.next());
                }
            }

            let mut heads = Vec::new();
            let _ = session(&input, pipelining).headers(&[4, 5], |number, _| heads.push(number)).await;
            prop_assert!([vec![], vec![4], vec![5], vec![4, 5]].contains(&heads));

            let refused = session(&input, pipelining).delete(&[6, 7]).await;
            prop_assert!(refused.is_err() || refused.is_ok_and(|refused| refused.len() <= 2));
            Ok(())
        })?;
    }
}

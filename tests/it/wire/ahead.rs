//! The first listing goes together with EXAMINE.

use mailsyncd::{
    imap::error::ImapError,
    model::{
        profile::{AuthMethod, Security},
        uid::UidSet,
    },
};

use super::peer::{Stage, Step, endpoint, honest_until, log_in, play, say};

/// EXAMINE and a listing at once, answered by `answer` once both were heard; the number of messages
/// there are, and the UIDs listed.
async fn asked(answer: &str) -> Result<(u32, Option<Vec<u32>>), ImapError> {
    let (client, server) = tokio::io::duplex(1 << 16);
    let mut steps = honest_until(Stage::Examine);
    steps.extend([Step::Hear, Step::Hear, say(answer)]);
    let ask = async {
        let mut session =
            log_in(client, &endpoint("imap.example.org", Security::None, AuthMethod::Auto)).await.unwrap();
        let (view, listed) = session.examine_and_list(&UidSet::range(1, 10)).await?;
        Ok((view.exists, listed.map(|listed| listed.iter().map(|message| message.uid.get()).collect())))
    };
    tokio::join!(ask, play(server, Stage::Examine, steps)).0
}

#[tokio::test(start_paused = true)]
async fn both_are_asked_before_either_is_answered() {
    let opened = "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 5] .\r\nA0003 OK done\r\n";
    let fetched = "* 1 FETCH (UID 4 RFC822.SIZE 10 INTERNALDATE \"01-Jan-2024 00:00:00 +0000\")\r\n";
    let both = format!("{opened}{fetched}* 2 FETCH (UID 11 RFC822.SIZE 10)\r\nA0004 OK done\r\n");
    assert_eq!(asked(&both).await.unwrap(), (1, Some(vec![4])));
    // A listing that is refused can be asked for again; an Inbox that is refused cannot be read.
    let refused = format!("{opened}A0004 BAD no such messages\r\n");
    assert_eq!(asked(&refused).await.unwrap(), (1, None));
    let closed = "A0003 NO not now\r\nA0004 BAD nothing is selected\r\n";
    assert!(matches!(asked(closed).await, Err(ImapError::Rejected { command: "EXAMINE", .. })));
}

//! Servers that stall, drip, lie, flood and break off, at every stage of a conversation.

use std::time::Duration;

use mailsyncd::{
    net::error::NetError,
    pop3::{error::Pop3Error, session::Session},
};
use tokio::io::DuplexStream;

use super::{
    super::peer::{self, Step, Step::*, say},
    log_in,
};

/// More than anything the client may hold of what it has not handed up.
const SMALL_MEMORY: usize = 1 << 17;

/// How far a conversation goes before something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    Capa,
    User,
    Pass,
    Stat,
    List,
    Uidl,
    Retr,
    Top,
    Dele,
    Quit,
}

const ALL: [Stage; 11] = [
    Stage::Greeting,
    Stage::Capa,
    Stage::User,
    Stage::Pass,
    Stage::Stat,
    Stage::List,
    Stage::Uidl,
    Stage::Retr,
    Stage::Top,
    Stage::Dele,
    Stage::Quit,
];

impl Stage {
    /// An honest server up to the moment before the client's command.
    fn honest(self) -> Vec<Step> {
        let answers = ["+OK hi\r\n", "+OK\r\nUSER\r\n.\r\n", "+OK\r\n", "+OK\r\n", "+OK 1 10\r\n.\r\n"];
        let before = match self {
            Self::Greeting => 0,
            Self::Capa => 1,
            Self::User => 2,
            Self::Pass => 3,
            Self::Uidl => 5,
            _ => 4,
        };
        let mut steps = Vec::new();
        for (index, answer) in answers.into_iter().take(before).enumerate() {
            if index > 0 {
                steps.push(Hear);
            }
            // LIST is followed by its own lines.
            steps.push(say(if index == 4 { "+OK\r\n1 10\r\n.\r\n" } else { answer }));
        }
        if self != Self::Greeting {
            steps.push(Hear);
        }
        steps
    }

    async fn call(self, mut session: Session<DuplexStream>) -> (Result<(), Pop3Error>, usize) {
        let result = match self {
            Self::Stat => session.stat().await.map(drop),
            Self::List | Self::Uidl => session.list().await.map(drop),
            Self::Retr => match session.request([(1, 10)]).await {
                Ok(()) => session.receive().await.map(drop),
                error => error,
            },
            Self::Top => session.headers(&[1], |_, _| ()).await,
            Self::Dele => session.delete(&[1]).await.map(drop),
            Self::Quit => return (session.quit().await, 0),
            Self::Greeting | Self::Capa | Self::User | Self::Pass => Ok(()),
        };
        (result, session.buffered())
    }
}

/// Plays an honest server up to `stage`, then hears the command and does `evil`.
async fn play(stage: Stage, evil: impl IntoIterator<Item = Step>) -> Result<(), Pop3Error> {
    let mut steps = stage.honest();
    steps.extend(evil);
    let (client, server) = tokio::io::duplex(1 << 16);
    let converse = async {
        match log_in(client, "auth=login").await {
            Ok(session) => stage.call(session).await,
            Err(error) => (Err(error), 0),
        }
    };
    let ((result, held), ()) = tokio::join!(converse, peer::play(server, peer::Stage::Examine, steps));
    assert!(held < SMALL_MEMORY, "{stage:?}: {held} bytes held");
    result
}

async fn attack(stage: Stage, evil: impl IntoIterator<Item = Step>) -> Pop3Error {
    play(stage, evil).await.expect_err("the attack went unnoticed")
}

#[tokio::test(start_paused = true)]
async fn refused_at_every_stage() {
    for stage in ALL {
        let result = play(stage, [say("-ERR [SYS/TEMP] not now\r\n"), Close]).await;
        let (reply, refused) = match result {
            Err(Pop3Error::Greeting(reply)) => (reply, "greeting"),
            Err(Pop3Error::Rejected { reply, command }) => (reply, command),
            // Without CAPA the log-in goes on; of one message among others it says nothing of the rest.
            Err(Pop3Error::Eof { during: "USER" }) if stage == Stage::Capa => continue,
            Ok(()) if [Stage::Uidl, Stage::Retr, Stage::Top, Stage::Dele].contains(&stage) => continue,
            other => panic!("{stage:?}: {other:?}"),
        };
        assert_eq!(refused.to_ascii_uppercase(), format!("{stage:?}").to_ascii_uppercase());
        assert_eq!((reply.code.as_deref(), reply.text.as_str()), (Some("SYS/TEMP"), "not now"));
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_every_stage() {
    for stage in ALL {
        for half in ["", "+O", "+OK", "-ERR [SYS"] {
            let error = attack(stage, [say(half), Close]).await;
            assert!(matches!(error, Pop3Error::Eof { .. }), "{stage:?}: {error:?}");
        }
    }
    for stage in [Stage::List, Stage::Uidl, Stage::Retr, Stage::Top] {
        let error = attack(stage, [say("+OK\r\n1 10\r\n.\r"), Close]).await;
        assert!(matches!(error, Pop3Error::Eof { .. }), "{stage:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn stalled_at_every_stage() {
    for stage in ALL {
        for half in ["", "+O", "+OK\r"] {
            let started = tokio::time::Instant::now();
            let error = attack(stage, [say(half), Wait]).await;
            assert!(matches!(error, Pop3Error::Timeout { .. }), "{stage:?}: {error:?}");
            assert!(started.elapsed() <= Duration::from_secs(62), "{stage:?}: {:?}", started.elapsed());
        }
    }
    for stage in [Stage::Capa, Stage::List, Stage::Uidl, Stage::Retr, Stage::Top] {
        for half in ["+OK\r\n", "+OK\r\n1 10\r\n", "+OK\r\n1 10\r\n."] {
            let error = attack(stage, [say(half), Wait]).await;
            assert!(matches!(error, Pop3Error::Timeout { .. }), "{stage:?}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dripping_server_is_left() {
    for stage in [Stage::List, Stage::Uidl, Stage::Retr, Stage::Top] {
        let started = tokio::time::Instant::now();
        let drip = Drip(b"2 10\r\n".to_vec(), Duration::from_secs(50));
        let error = attack(stage, [say("+OK\r\n"), drip]).await;
        assert!(matches!(error, Pop3Error::Timeout { .. }), "{stage:?}: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(200), "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_ends() {
    for stage in ALL {
        let start = if stage == Stage::Uidl { "+OK\r\n1 " } else { "+OK " };
        let error = attack(stage, [say(start), Drone(vec![b'x'; 50])]).await;
        assert!(matches!(error, Pop3Error::Limit("a line")), "{stage:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_ends() {
    for (stage, line) in [
        (Stage::Capa, "X-MORE\r\n"),
        (Stage::Uidl, "1 a\r\n"),
        (Stage::Uidl, "\t1\r\n"),
        (Stage::Top, "..\r\n"),
        (Stage::Retr, "no line end"),
    ] {
        let error = attack(stage, [say("+OK\r\n"), Drone(line.repeat(2_000).into_bytes())]).await;
        assert!(matches!(error, Pop3Error::Limit(_)), "{stage:?}, {line:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_too_many_messages_ends() {
    let error = attack(Stage::List, [say("+OK\r\n"), Drone(b"7 1\n".repeat(5_000))]).await;
    assert!(matches!(error, Pop3Error::Limit("messages")), "{error:?}");
    let error = attack(Stage::Stat, [say("+OK 4294967296 1\r\n"), Wait]).await;
    assert!(matches!(error, Pop3Error::Protocol(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_pop3_is_refused() {
    for stage in ALL {
        for evil in ["* OK IMAP4rev1 ready\r\n", "220 ESMTP\r\n", "\r\n", "+OK a\0b\r\n", "HTTP/1.1 400\r\n", ".\r\n"] {
            let error = attack(stage, [say(evil), Close]).await;
            // Whose greeting it is, is known.
            let stranger = stage == Stage::Greeting && matches!(error, Pop3Error::Net(NetError::WrongPort { .. }));
            assert!(stranger || matches!(error, Pop3Error::Protocol(_)), "{stage:?}, {evil:?}: {error:?}");
        }
        // Only AUTH may be asked for more.
        let error = attack(stage, [say("+ go on\r\n"), Close]).await;
        assert!(matches!(error, Pop3Error::Protocol(_)), "{stage:?}: {error:?}");
    }
    for evil in ["x 10", "0 10", "-1 10", "4294967296 10", "+1 10", "", "1 10\r\n1 10", "1\u{a0}10", "\u{661} 10", "\0"]
    {
        let error = attack(Stage::List, [say(&format!("+OK\r\n{evil}\r\n.\r\n")), Wait]).await;
        assert!(matches!(error, Pop3Error::Protocol(_)), "LIST, {evil:?}: {error:?}");
    }
    for evil in ["x a", "0 a", "4294967296 a", "", "+1 a"] {
        let error = attack(Stage::Uidl, [say(&format!("+OK\r\n{evil}\r\n.\r\n")), Wait]).await;
        assert!(matches!(error, Pop3Error::Protocol(_)), "UIDL, {evil:?}: {error:?}");
    }
    for evil in ["x", "", "-1 2", "OK"] {
        let error = attack(Stage::Stat, [say(&format!("+OK {evil}\r\n")), Wait]).await;
        assert!(matches!(error, Pop3Error::Protocol(_)), "STAT, {evil:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_may_be_longer_than_listed_within_reason() {
    let mail = |size: usize| {
        let mut answer = b"+OK\r\n".to_vec();
        answer.resize(5 + size - 2, b'x');
        answer.extend(b"\r\n.\r\n");
        Say(answer)
    };
    play(Stage::Retr, [mail(16 << 20)]).await.unwrap();
    let error = attack(Stage::Retr, [mail((16 << 20) + (128 << 10))]).await;
    assert!(matches!(error, Pop3Error::Limit("a message")), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_huge_line_that_is_not_understood_is_quoted_briefly() {
    let error = attack(Stage::Stat, [say(&format!("{}\r\n", "x".repeat(4_000))), Wait]).await;
    assert!(matches!(&error, Pop3Error::Protocol(text) if text.len() <= 200), "{error:?}");
}

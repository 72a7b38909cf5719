//! Servers that refuse, stall, drip, drone, close or talk nonsense at every stage of a conversation
//! over SMTP.

use std::time::Duration;

use mailsyncd::{
    model::profile::AuthMethod,
    net::error::NetError,
    smtp::error::{SmtpError, Stage},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream},
    time::Instant,
};

use super::{
    super::peer::{self, Step, play, say},
    envelope, log_in,
};

const STAGES: [Stage; 9] = [
    Stage::Greeting,
    Stage::Hello,
    Stage::Auth,
    Stage::Reset,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::Dot,
    Stage::Quit,
];

/// What an honest server says, up to the moment before its reply at `stage`.
fn honest_until(stage: Stage, pipelining: bool) -> Vec<Step> {
    let hello =
        if pipelining { "250-x\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n" } else { "250-x\r\n250 AUTH PLAIN\r\n" };
    let mut steps = Vec::new();
    // The stages in their order; pipelined commands are all heard before the first is answered.
    let script = [
        (Stage::Greeting, 0, "220 hi\r\n"),
        (Stage::Hello, 1, hello),
        (Stage::Auth, 1, "235 in\r\n"),
        (Stage::Mail, if pipelining { 3 } else { 1 }, "250 sender\r\n"),
        (Stage::Rcpt, if pipelining { 0 } else { 1 }, "250 recipient\r\n"),
        (Stage::Data, if pipelining { 0 } else { 1 }, "354 go\r\n"),
        (Stage::Dot, 3, "250 taken\r\n"),
        (Stage::Quit, 1, "221 bye\r\n"),
    ];
    for (at, heard, answer) in script {
        steps.extend((0..heard).map(|_| Step::Hear));
        if at == stage {
            break;
        }
        steps.push(say(if stage == Stage::Reset && at == Stage::Rcpt { "550 nobody\r\n" } else { answer }));
        if stage == Stage::Reset && at == Stage::Rcpt {
            // The mail came to nothing, so the next one begins with RSET.
            if pipelining {
                steps.push(say("554 nobody\r\n"));
            }
            steps.extend((0..if pipelining { 4 } else { 1 }).map(|_| Step::Hear));
            break;
        }
    }
    steps
}

/// What the client came to, and whether its session can go on.
struct End {
    result: Result<(), SmtpError>,
    usable: Option<bool>,
    buffered: usize,
    took: Duration,
}

async fn converse(stage: Stage, pipelining: bool, then: Vec<Step>) -> End {
    let (client, server) = tokio::io::duplex(1 << 16);
    let mut steps = honest_until(stage, pipelining);
    steps.extend(then);
    // The stage is only looked at for what IMAP does while it idles.
    let (end, ()) = tokio::join!(call(client, stage), play(server, peer::Stage::Greeting, steps));
    end
}

async fn call(stream: DuplexStream, stage: Stage) -> End {
    let start = Instant::now();
    let mut session = match log_in(stream, AuthMethod::Auto).await {
        Ok(session) => session,
        Err(error) => return End { result: Err(error), usable: None, buffered: 0, took: start.elapsed() },
    };
    let result = async {
        if stage == Stage::Reset {
            assert!(!session.begin(&envelope(&["unknown@y.example"])).await?.ready);
        }
        let begun = session.begin(&envelope(&["b@y.example"])).await?;
        if !begun.ready {
            let reply = begun.refusal.or(begun.recipients.into_iter().find_map(Result::err)).unwrap();
            return Err(SmtpError::Rejected { stage, reply });
        }
        session.body(b"Subject: x\r\n\r\n").await?;
        let reply = session.finish().await?;
        if reply.is_positive() { Ok(()) } else { Err(SmtpError::Rejected { stage: Stage::Dot, reply }) }
    }
    .await;
    let (usable, buffered) = (Some(session.is_usable()), session.buffered());
    let result = if stage == Stage::Quit { session.quit().await } else { result };
    End { result, usable, buffered, took: start.elapsed() }
}

/// Every stage, with and without pipelining.
fn everywhere() -> impl Iterator<Item = (Stage, bool)> {
    STAGES.into_iter().flat_map(|stage| [(stage, false), (stage, true)])
}

#[tokio::test(start_paused = true)]
async fn honest_servers_are_understood() {
    for (stage, pipelining) in everywhere() {
        let answer = match stage {
            Stage::Quit => "221 bye\r\n",
            Stage::Dot => "250 taken\r\n",
            _ => continue,
        };
        let end = converse(stage, pipelining, vec![say(answer)]).await;
        assert!(end.result.is_ok(), "{stage}, {pipelining}: {:?}", end.result);
        assert_eq!(end.usable, Some(true), "{stage}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_say_where_and_why_and_the_session_goes_on_where_it_can() {
    for (stage, pipelining) in everywhere() {
        for (code, goes_on) in [(451, true), (550, true), (421, false)] {
            let mut answer = format!("{code}-4.0.0 not\r\n{code} now\r\n");
            if pipelining && code != 421 {
                // What was sent along is answered, too.
                match stage {
                    Stage::Mail => answer.push_str("503 recipient\r\n503 data\r\n"),
                    Stage::Rcpt => answer.push_str("554 nobody\r\n"),
                    _ => {}
                }
            }
            let end = converse(stage, pipelining, vec![Step::Say(answer.into_bytes())]).await;
            match end.result {
                Err(SmtpError::Rejected { stage: at, reply }) => assert_eq!((at, reply.code), (stage, code)),
                other => panic!("{stage}, {pipelining}, {code}: {other:?}"),
            }
            let stays = matches!(stage, Stage::Mail | Stage::Rcpt | Stage::Data | Stage::Dot);
            match end.usable {
                None => assert!(stage < Stage::Reset),
                // QUIT comes after the mail, which was fine.
                Some(usable) if stage == Stage::Quit => assert!(usable),
                Some(usable) => assert_eq!(usable, goes_on && stays, "{stage}, {pipelining}, {code}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_end_end_where_they_do() {
    for (stage, pipelining) in everywhere() {
        for rest in [vec![Step::Close], vec![say("25"), Step::Close], vec![say("250-x\r\n"), Step::Close]] {
            let end = converse(stage, pipelining, rest).await;
            assert!(
                matches!(end.result, Err(SmtpError::Eof { stage: at }) if at == stage),
                "{stage}, {pipelining}: {:?}",
                end.result
            );
            assert!(stage == Stage::Quit || end.usable != Some(true), "{stage}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_dripping_end_at_the_stages_own_limit() {
    for (stage, pipelining) in everywhere() {
        let limit = match stage {
            Stage::Greeting => 30,
            Stage::Data => 120,
            Stage::Dot => 600,
            Stage::Quit => 5,
            _ => 100,
        };
        for rest in [
            vec![Step::Wait],
            vec![Step::Drip(b"x".to_vec(), Duration::from_secs(1))],
            vec![Step::Drip(b"250-\r\n".to_vec(), Duration::from_secs(7))],
        ] {
            let end = converse(stage, pipelining, rest).await;
            assert!(
                matches!(end.result, Err(SmtpError::Timeout { stage: at }) if at == stage),
                "{stage}, {pipelining}: {:?}",
                end.result
            );
            assert_eq!(end.took.as_secs(), limit, "{stage}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn endless_replies_are_cut_and_cost_no_memory() {
    let line = |text: &str| format!("{text}\r\n").into_bytes();
    for (stage, pipelining) in everywhere() {
        for (drone, expected) in [
            (b"x".repeat(3_000), "a line"),
            (line(&format!("250-{}", "y".repeat(5_000))), "a line"),
            (line("250-z"), "lines in a reply"),
            (line(&format!("250-{}", "w".repeat(4_000))), "data for one command"),
        ] {
            let end = converse(stage, pipelining, vec![Step::Drone(drone)]).await;
            match end.result {
                Err(SmtpError::Limit { stage: at, what }) => assert_eq!((at, what), (stage, expected)),
                other => panic!("{stage}, {pipelining}, {expected}: {other:?}"),
            }
            assert!(end.buffered < 256 << 10, "{stage}: {}", end.buffered);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_no_answer() {
    for (stage, pipelining) in everywhere() {
        for nonsense in [
            "\r\n",
            "hello\r\n",
            "* OK hi\r\n",
            "+OK\r\n",
            "250x\r\n",
            "\0\0\0\0\r\n",
            "600 x\r\n",
            "250-a\r\n354 b\r\n",
            "199 x\r\n",
        ] {
            let end = converse(stage, pipelining, vec![say(nonsense)]).await;
            // Whose greeting it is, is known.
            let stranger =
                stage == Stage::Greeting && matches!(end.result, Err(SmtpError::Net(NetError::WrongPort { .. })));
            let expected = matches!(end.result, Err(SmtpError::Protocol { stage: at, .. }) if at == stage);
            assert!(stranger || expected, "{stage}, {pipelining}, {nonsense:?}: {:?}", end.result);
        }
        // A yes, but to something else. To other commands any yes will do.
        let misplaced: &[&str] = match stage {
            Stage::Auth => &["250 ok", "354 go"],
            Stage::Data => &["250 ok", "334 ", "220 hi"],
            Stage::Dot => &["251 ok", "200 ok", "354 go", "220 hi"],
            _ => &["354 go", "334 "],
        };
        for code in misplaced {
            let end = converse(stage, pipelining, vec![say(&format!("{code}\r\n"))]).await;
            let expected = matches!(end.result, Err(SmtpError::Protocol { stage: at, .. }) if at == stage);
            assert!(expected, "{stage}, {pipelining}, {code}: {:?}", end.result);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_too_many_is_noticed_before_it_is_taken_for_the_last_one() {
    for pipelining in [false, true] {
        let end = converse(Stage::Data, pipelining, vec![say("354 go\r\n250 taken, honestly\r\n")]).await;
        assert!(matches!(end.result, Err(SmtpError::Protocol { stage: Stage::Data, .. })), "{:?}", end.result);
        // After the mail was taken it only costs the connection.
        let end = converse(Stage::Dot, pipelining, vec![say("250 taken\r\n250 again\r\n")]).await;
        assert!(end.result.is_ok() && end.usable == Some(false), "{:?}", end.result);
    }
}

/// Plays a server that asked for a message of a megabyte and then does `rest`.
async fn send_large(rest: Vec<Step>) -> (Result<(), SmtpError>, Duration) {
    let (client, server) = tokio::io::duplex(1 << 12);
    let mut steps = honest_until(Stage::Data, false);
    steps.push(say("354 go\r\n"));
    steps.extend(rest);
    let send = async {
        let mut session = log_in(client, AuthMethod::Auto).await.unwrap();
        assert!(session.begin(&envelope(&["b@y.example"])).await.unwrap().ready);
        let start = Instant::now();
        let result = session.body(&b"0123456789abcde\r\n".repeat(1 << 16)).await;
        assert!(!session.is_usable());
        (result, start.elapsed())
    };
    tokio::join!(send, play(server, peer::Stage::Greeting, steps)).0
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_taken_ends_before_its_dot() {
    let (gone, _) = send_large(vec![Step::Hear, Step::Close]).await;
    assert!(matches!(gone, Err(SmtpError::Eof { stage: Stage::Body })), "{gone:?}");
    let (refused, _) = send_large(vec![Step::Hear, say("552 5.3.4 too large\r\n"), Step::Close]).await;
    assert!(
        matches!(&refused, Err(SmtpError::Rejected { stage: Stage::Body, reply }) if reply.code == 552),
        "{refused:?}"
    );
    let (early, _) = send_large(vec![Step::Hear, say("250 taken\r\n"), Step::Close]).await;
    assert!(matches!(early, Err(SmtpError::Eof { stage: Stage::Body })), "{early:?}");
    let (drop_kept, waited) = send_large(vec![Step::Hear, Step::Sleep(Duration::from_hours(1))]).await;
    assert!(matches!(drop_kept, Err(SmtpError::Timeout { stage: Stage::Body })), "{drop_kept:?}");
    assert_eq!(waited.as_secs(), 180);
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_may_take_its_time_while_it_takes_something() {
    let (client, server) = tokio::io::duplex(1 << 12);
    let serve = async {
        let mut stream = BufReader::with_capacity(1 << 10, server);
        for answer in ["220 hi", "250-x\r\n250 AUTH PLAIN", "235 in", "250 a", "250 b", "354 go"] {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            if answer != "354 go" {
                stream.read_line(&mut String::new()).await.unwrap();
            }
        }
        let mut block = [0; 1 << 10];
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_mins(2)).await;
            stream.read_exact(&mut block).await.unwrap();
        }
    };
    let send = async {
        let mut session = log_in(client, AuthMethod::Auto).await.unwrap();
        assert!(session.begin(&envelope(&["b@y.example"])).await.unwrap().ready);
        session.body(&b"0123456789abcd\r\n".repeat(40 << 6)).await.unwrap();
    };
    tokio::join!(send, serve);
}

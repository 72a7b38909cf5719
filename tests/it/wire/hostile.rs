//! Servers that stall, drip, lie, flood and break off, at every stage of a conversation.

use std::time::Duration;

use mailsyncd::imap::error::{ImapError, Refusal};

use super::peer::{Stage, Step, Step::*, after_log_in, converse, honest_until, say};

/// More than anything the client may hold for an answer that holds no mail.
const SMALL_MEMORY: usize = 1 << 20;

/// Plays an honest server up to `stage`, then hears the command and does `evil`.
async fn attack(stage: Stage, evil: impl IntoIterator<Item = Step>) -> ImapError {
    let mut steps = honest_until(stage);
    if stage != Stage::Greeting {
        steps.push(Hear);
    }
    steps.extend(evil);
    let (result, held) = converse(stage, steps).await;
    assert!(held < SMALL_MEMORY, "{stage:?}: {held} bytes held");
    result.expect_err("the attack went unnoticed")
}

#[tokio::test(start_paused = true)]
async fn bye_is_told_from_a_lost_connection_at_every_stage() {
    for stage in Stage::ALL {
        let bye = [say("* BYE [UNAVAILABLE] so long\r\n"), Close];
        match attack_or_ok(stage, bye).await {
            Ok(()) if stage == Stage::Logout => {}
            Err(ImapError::Greeting(reply)) if stage == Stage::Greeting => assert_eq!(reply.text, "so long"),
            Err(ImapError::Bye(reply)) if stage != Stage::Greeting => {
                assert_eq!((reply.code.as_deref(), reply.text.as_str()), (Some("UNAVAILABLE"), "so long"));
            }
            other => panic!("{stage:?}: {other:?}"),
        }
        if stage != Stage::Logout {
            let error = attack(stage, [Close]).await;
            assert!(matches!(error, ImapError::Eof { .. }), "{stage:?}: {error:?}");
        }
    }
}

async fn attack_or_ok(stage: Stage, evil: impl IntoIterator<Item = Step>) -> Result<(), ImapError> {
    let mut steps = honest_until(stage);
    if stage != Stage::Greeting {
        steps.push(Hear);
    }
    steps.extend(evil);
    converse(stage, steps).await.0
}

#[tokio::test(start_paused = true)]
async fn bye_said_before_a_command_is_found_behind_the_failed_write() {
    let mut steps = after_log_in();
    steps.extend([say("* BYE idle for too long\r\n"), Close]);
    let (result, _) = converse(Stage::Status, steps).await;
    assert!(matches!(result, Err(ImapError::Bye(reply)) if reply.text == "idle for too long"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left_at_every_stage() {
    for stage in Stage::ALL {
        let started = tokio::time::Instant::now();
        let error = attack(stage, [Wait]).await;
        assert!(matches!(error, ImapError::Timeout { .. }), "{stage:?}: {error:?}");
        assert!(started.elapsed() <= Duration::from_secs(62), "{stage:?}: {:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_in_the_middle_of_an_answer_is_not_waited_for_either() {
    for stage in Stage::ALL {
        let error = attack(stage, [say("* 1 FET"), Wait]).await;
        assert!(matches!(error, ImapError::Timeout { .. }), "{stage:?}: {error:?}");
        let error = attack(stage, [say("* 1 FET"), Close]).await;
        assert!(matches!(error, ImapError::Eof { .. }), "{stage:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dripping_server_is_left() {
    // A byte every 50 s keeps any silence short; whole responses every 50 s too.
    for drip in ["x", "* 7 EXISTS\r\n"] {
        for stage in [Stage::List, Stage::Fetch] {
            let started = tokio::time::Instant::now();
            let header = say("* 1 FETCH (UID 1 BODY[] {50000}\r\n");
            let drip = Drip(drip.as_bytes().to_vec(), Duration::from_secs(50));
            let evil = if stage == Stage::Fetch { vec![header, drip] } else { vec![drip] };
            let error = attack(stage, evil).await;
            assert!(matches!(error, ImapError::Timeout { .. }), "{stage:?}: {error:?}");
            assert!(started.elapsed() < Duration::from_secs(200), "{:?}", started.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_ends() {
    for stage in Stage::ALL {
        let start = if stage == Stage::Greeting { "* OK " } else { "* " };
        let error = attack(stage, [say(start), Drone(b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_vec())]).await;
        assert!(matches!(error, ImapError::Limit(_)), "{stage:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn endless_untagged_data_ends() {
    let droned = [
        "* OK still here\r\n",
        "* NAMESPACE NIL NIL NIL\r\n",
        "* 9 EXISTS\r\n",
        "* 1 FETCH (FLAGS (\\Seen))\r\n",
        "* 1 FETCH (UID 77 BODY[] {3}\r\nabc)\r\n",
        "* STATUS INBOX (MESSAGES 1)\r\n",
    ];
    for stage in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Greeting) {
        for data in droned {
            if stage == Stage::Wait && data.contains("EXISTS") {
                continue;
            }
            let error = attack(stage, [Drone(data.repeat(20).into_bytes())]).await;
            assert!(matches!(error, ImapError::Limit(_)), "{stage:?}, {data:?}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn literals_that_no_server_could_mean() {
    for (announced, limit) in [
        ("4294967295", true),
        ("9999999999", true),
        ("18446744073709551616", true),
        ("16777217", true),
        ("-1", false),
        ("", false),
        ("5+", false),
        ("0x10", false),
        ("5 ", false),
    ] {
        for stage in [Stage::List, Stage::Fetch] {
            let evil = say(&format!("* 1 FETCH (UID 1 BODY[] {{{announced}}}\r\nabc"));
            let error = attack(stage, [evil, Wait]).await;
            assert_eq!(matches!(error, ImapError::Limit(_)), limit, "{announced}: {error:?}");
            assert_eq!(matches!(error, ImapError::Protocol(_)), !limit, "{announced}: {error:?}");
        }
    }
    // Elsewhere than in mail, nothing large is expected at all; in free text it is no literal.
    let error = attack(Stage::Status, [say("* STATUS {500000000}\r\nINBOX"), Wait]).await;
    assert!(matches!(error, ImapError::Limit(_)), "{error:?}");
    for text in ["A0003 NO [BADCHARSET ({500000000}\r\n", "A0003 NO give me {500000000}\r\n"] {
        let error = attack(Stage::Status, [say(text), Wait]).await;
        assert!(matches!(error, ImapError::Rejected { status: Refusal::No, .. }), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_literal_that_breaks_off_is_a_lost_connection() {
    let error = attack(Stage::Fetch, [say("* 1 FETCH (UID 1 BODY[] {5000}\r\nabc"), Close]).await;
    assert!(matches!(error, ImapError::Eof { during: "FETCH" }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_large_announcement_takes_no_memory() {
    // Allowed, but only what arrives is held: `attack` checks.
    let error = attack(Stage::Fetch, [say("* 1 FETCH (UID 1 BODY[] {16000000}\r\nabc"), Close]).await;
    assert!(matches!(error, ImapError::Eof { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn mail_in_a_flood_is_bounded_by_what_was_asked_for() {
    let mut flood = b"* 1 FETCH (UID 1 BODY[] {1000000}\r\n".to_vec();
    flood.resize(flood.len() + 1_000_000, b'x');
    flood.extend(b")\r\n");
    let mut steps = honest_until(Stage::Fetch);
    steps.extend([Hear, Drone(flood)]);
    let (result, held) = converse(Stage::Fetch, steps).await;
    assert!(matches!(result, Err(ImapError::Limit(_))), "{result:?}");
    assert!(held < 3 << 20, "{held} bytes held");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_imap_is_refused() {
    for evil in [
        "* OK a\0b\r\n",
        "* 1 FETCH (UID 1 X \0)\r\n",
        "* OK bare line feed\n",
        "* OK bare \r carriage return\r\n",
        "A9999 OK not yours\r\n",
        "A0001 OK from another life\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "*\r\n",
        "+ go on\r\nA0003 WHAT\r\n",
        "* 1 FETCH (UID 1 X a{5}\r\nabcde)\r\n",
        "* 1 FETCH (UID 1 X \"a\r\n\")\r\n",
        "* 1 FETCH UID 1\r\n",
        "* 99999999999 EXISTS\r\n",
        "\u{16}\u{3}\u{1}\u{2}\r\n",
    ] {
        for stage in [Stage::Status, Stage::List, Stage::Fetch, Stage::Wait] {
            let error = attack(stage, [say(evil), Close]).await;
            assert!(matches!(error, ImapError::Protocol(_)), "{stage:?}, {evil:?}: {error:?}");
            assert!(error.to_string().len() < 1000);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_nothing_is_refused_before_any_command() {
    for greeting in ["A0001 OK come in\r\n", "+ come in\r\n", "* 5 EXISTS\r\n", "* 1 FETCH (UID 1)\r\n"] {
        let error = attack(Stage::Greeting, [say(greeting), Wait]).await;
        assert!(matches!(error, ImapError::Protocol(_)), "{greeting:?}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nesting_cannot_reach_the_parser() {
    for start in ["* 1 FETCH (BODYSTRUCTURE ", "* LIST ", "* STATUS INBOX ", "* 1 FETCH (X \"", "* 1 FETCH (X \"\\"] {
        for depth in [40, 500, 60_000] {
            let error = attack(Stage::Fetch, [say(&format!("{start}{}", "(".repeat(depth))), Wait]).await;
            assert!(matches!(error, ImapError::Limit("nesting")), "{start}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_huge_parse_error_is_quoted_briefly() {
    let mut line = b"* 1 FETCH (UID 1 BODY[] ".to_vec();
    line.resize(60_000, b'x');
    line.extend(b" broken\r\n");
    let error = attack(Stage::Fetch, [Say(line), Wait]).await;
    assert!(matches!(&error, ImapError::Protocol(text) if text.len() < 1000), "{error:?}");
}

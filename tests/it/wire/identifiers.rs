//! A Message-ID asked for alone reads like that of the whole mail: after a start over the two are compared.

use std::{fs, path::Path};

use mailsyncd::{
    mime::{self, Limits},
    model::{
        profile::{AuthMethod, Security},
        uid::UidSet,
    },
};

use super::peer::{Stage, Step, endpoint, honest_until, log_in, play, say};

/// The Message-ID fields of a mail, as a server gives them.
fn fields(raw: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|byte| *byte == b':').next().unwrap();
            inside = name.trim_ascii_end().eq_ignore_ascii_case(b"message-id");
        }
        if inside {
            found.extend([line, b"\r\n"].concat());
        }
    }
    found.extend(b"\r\n");
    found
}

#[tokio::test(start_paused = true)]
async fn a_message_id_asked_for_alone_reads_like_that_of_the_mail() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mail");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    let mails: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut answer = Vec::new();
    for (number, mail) in (1..).zip(&mails) {
        let field = fields(mail);
        let start = format!("* {number} FETCH (UID {number} BODY[HEADER.FIELDS (MESSAGE-ID)] {{{}}}\r\n", field.len());
        answer.extend([start.as_bytes(), &field, b")\r\n"].concat());
    }
    answer.extend(b"A0004 OK done\r\n");
    let mut steps = honest_until(Stage::List);
    steps.extend([Step::Hear, Step::Say(answer), say("")]);

    let (client, server) = tokio::io::duplex(1 << 16);
    let ask = async {
        let mut session =
            log_in(client, &endpoint("imap.example.org", Security::None, AuthMethod::Auto)).await.unwrap();
        session.examine().await.unwrap();
        session.message_ids(&UidSet::range(1, u32::try_from(mails.len()).unwrap())).await.unwrap()
    };
    let (found, ()) = tokio::join!(ask, play(server, Stage::List, steps));
    assert_eq!(found.len(), mails.len());
    let mut compared = 0;
    for (((_, alone), mail), file) in found.into_iter().zip(&mails).zip(&files) {
        if let Ok(whole) = mime::parse(mail, &Limits::default()) {
            compared += usize::from(whole.message_id.is_some());
            assert_eq!(alone, whole.message_id, "{}", file.display());
        }
    }
    assert!(compared > 10, "only {compared} mails with a Message-ID");
}

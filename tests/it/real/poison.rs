//! A server that cannot give one of its messages.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    ops::RangeInclusive,
    thread,
};

use super::{ANNA, ready};
use crate::support::{
    daemon::{Daemon, Profile},
    mail,
};

const UIDS: RangeInclusive<u32> = 1..=7;
const POISON: u32 = 4;

/// What the server says instead of the poison.
#[derive(Clone, Copy)]
enum Instead {
    /// A literal of a length that is none.
    Nonsense,
    /// A message far larger than listed.
    Flood,
    /// A refusal.
    No,
}

/// A server in cleartext that knows just enough of IMAP; gives its port.
fn serve(instead: Instead) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // Ends with an error when the client leaves.
            thread::spawn(move || converse(client, instead));
        }
    });
    port
}

fn converse(mut client: TcpStream, instead: Instead) -> std::io::Result<()> {
    client.write_all(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n")?;
    for line in BufReader::new(client.try_clone()?).lines() {
        let line = line?;
        let mut words = line.split(' ');
        let (tag, command) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let next = UIDS.end() + 1;
        let mut done = "OK done";
        match command {
            "STATUS" => write!(client, "* STATUS INBOX (MESSAGES 7 UIDNEXT {next} UIDVALIDITY 1)\r\n")?,
            "EXAMINE" => {
                write!(client, "* 7 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT {next}] x\r\n")?;
            }
            "UID" => {
                let asked = uids(words.nth(1).unwrap_or_default());
                for uid in asked {
                    let message = mail::small(&format!("{uid}@sample.example"));
                    let size = message.len();
                    if !line.contains("BODY") {
                        let date = "01-Jan-2026 00:00:00 +0000";
                        write!(client, "* {uid} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE \"{date}\")\r\n")?;
                        continue;
                    }
                    match instead {
                        Instead::Nonsense if uid == POISON => {
                            write!(client, "* {uid} FETCH (UID {uid} BODY[] {{-5}}\r\nhello)\r\n")?;
                        }
                        Instead::Flood if uid == POISON => {
                            write!(client, "* {uid} FETCH (UID {uid} BODY[] {{999999999}}\r\nhello")?;
                        }
                        Instead::No if uid == POISON => {
                            done = "NO [SERVERBUG] could not read a message";
                            break;
                        }
                        _ => {
                            write!(client, "* {uid} FETCH (UID {uid} BODY[] {{{size}}}\r\n")?;
                            client.write_all(&message)?;
                            client.write_all(b")\r\n")?;
                        }
                    }
                }
            }
            _ => {}
        }
        write!(client, "{tag} {done}\r\n")?;
    }
    Ok(())
}

/// The UIDs of a set that exist.
fn uids(set: &str) -> Vec<u32> {
    let ranges = set.split(',').map(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    });
    ranges.flat_map(|range| UIDS.filter(move |uid| range.contains(uid))).collect()
}

#[test]
fn a_message_that_the_server_cannot_give_holds_up_no_other() {
    if !ready() {
        return;
    }
    for instead in [Instead::Nonsense, Instead::Flood, Instead::No] {
        let profile = Profile { host: "127.0.0.1".into(), ..Profile::at(serve(instead), "none") };
        let mut daemon = Daemon::new().with_profile(profile).with_mailbox(ANNA, "secret");
        daemon.configuration.sections.insert("network", "allow_cleartext = true\n".into());
        daemon.configuration.sections.insert("failures", "transient_backoff = \"1s\"\n".into());
        daemon.start();
        daemon.wait_for_activities(6);
        assert!(daemon.stop().success(), "{}", daemon.log());
        let aside = daemon.query("SELECT uid, failure_code FROM inbox_ledger WHERE verdict = 'set_aside'");
        assert_eq!(aside, [[POISON.to_string(), "message-unanswered".into()]], "{}", daemon.log());
        assert_eq!(daemon.count("SELECT count(*) FROM mailboxes WHERE incoming_enabled"), 1);
    }
}

//! [`SentFolder`] over IMAP.

use crate::{
    base::{
        retry::{Retries, retry},
        tasks::Tasks,
    },
    classify,
    imap::{
        FolderName,
        connect::{self, NetSession, Timeouts},
        error::ImapError,
    },
    means::{account::Account, network::Network, slots::Slot},
    mime::compose::ID_FIELD,
    model::{failure::Failure, uid::Uid},
};

use super::sink::{FiledBy, Mark, SentFolder};

/// Only the copies that we put into a folder have this field: no server can have filed one of them.
const COPY_FIELD: &str = "X-Mailsyncd-Copy";

/// Connects, logs in and finds the Sent folder, once there is a slot; `None` where there is no such
/// folder.
///
/// # Errors
/// Connecting, TLS, greeting, log-in or the listing of folders failed, classified.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open(network: &Network, tasks: &Tasks, account: &Account) -> Result<Option<ImapSent>, Failure> {
    let slot = network.slot(account).await;
    let (log_in, ports) = (network.log_in(account).await?, network.ports());
    let credentials = connect::Credentials { username: &account.username, password: log_in.password() };
    let timeouts = Timeouts::new(account.timeout);
    let connect = || connect::open(&account.endpoint, credentials, &ports, network.tls(), timeouts);
    let connected = retry(Retries::CONNECT, is_momentary, connect).await;
    let mut session = log_in.ended(connected.map_err(failure)).await?;
    let folder = session.folders().await.map_err(failure)?.sent;
    let log_out = LogOut { session, slot, tasks: tasks.clone() };
    Ok(match folder {
        Some(folder) => Some(ImapSent { connection: log_out, folder }),
        None => {
            log_out.now();
            None
        }
    })
}

/// What a server that restarts or is busy says for a moment, before any secret was sent.
fn is_momentary(error: &ImapError) -> bool {
    match error {
        ImapError::Net(error) => error.is_momentary(),
        ImapError::Eof { during } => *during == "greeting",
        _ => false,
    }
}

fn failure(error: ImapError) -> Failure {
    classify::imap::failure(&error)
}

/// A connection in its slot.
struct LogOut {
    session: NetSession,
    slot: Slot,
    tasks: Tasks,
}

impl LogOut {
    /// Says goodbye, in the background.
    fn now(self) {
        let Self { session, slot, tasks } = self;
        tasks.spawn("log out", async move {
            if let Err(error) = session.logout().await {
                tracing::debug!(%error, "log-out failed");
            }
            drop(slot);
        });
    }
}

/// The Sent folder of one mailbox.
pub struct ImapSent {
    connection: LogOut,
    folder: FolderName,
}

impl ImapSent {
    async fn search(&mut self, field: &str, value: &str) -> Result<Vec<Uid>, Failure> {
        self.connection.session.search_header(field, value).await.map_err(failure)
    }

    /// Where a server leaves foreign fields out, the Message-ID is all there is: proof where it is of
    /// our making. One that came with a finished mail may be that of another mail, or a part of it.
    async fn find_unmarked(&mut self, mark: &Mark) -> Result<Option<FiledBy>, Failure> {
        if mark.message_id.is_empty() {
            return Ok(None);
        }
        let same_id = self.search("Message-ID", &mark.message_id).await?;
        Ok((!same_id.is_empty()).then(|| shown_by_message_id(mark)))
    }
}

/// Whose a mail is that has the Message-ID of `mark` and not its mark.
fn shown_by_message_id(mark: &Mark) -> FiledBy {
    if mark.message_id.contains(&mark.activity.to_string()) { FiledBy::Server } else { FiledBy::Somebody }
}

impl SentFolder for ImapSent {
    async fn find(&mut self, mark: &Mark) -> Result<Option<FiledBy>, Failure> {
        // What came in meanwhile is shown to who opens the folder.
        self.connection.session.examine_folder(&self.folder).await.map_err(failure)?;
        let activity = mark.activity.to_string();
        let found = self.search(ID_FIELD, &activity).await?;
        if found.is_empty() {
            return self.find_unmarked(mark).await;
        }
        let ours = self.search(COPY_FIELD, &activity).await?;
        let all_ours = found.iter().all(|uid| ours.contains(uid));
        Ok(Some(if all_ours { FiledBy::Us } else { FiledBy::Server }))
    }

    async fn put(&mut self, mark: &Mark, mail: &[u8]) -> Result<(), Failure> {
        let mut copy = format!("{COPY_FIELD}: {}\r\n", mark.activity).into_bytes();
        copy.extend_from_slice(mail);
        self.connection.session.append(&self.folder, &copy).await.map_err(failure)
    }

    fn close(self) {
        self.connection.now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ids::ActivityId, timestamp::Timestamp};

    #[test]
    fn a_message_id_that_came_with_a_mail_proves_nothing() {
        let activity = ActivityId::generate(Timestamp::EPOCH);
        let mark = |message_id: String| Mark { activity, message_id };
        assert_eq!(shown_by_message_id(&mark(format!("{activity}@example.org"))), FiledBy::Server);
        assert_eq!(shown_by_message_id(&mark("order@example.org".to_owned())), FiledBy::Somebody);
    }
}

//! Stop everywhere, over POP3: visits are cut at every await, deletions included. Whenever one is
//! cut, what is not on the server any more is recorded; in the end the world is as if nothing had
//! ever been cut.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mailsyncd::{
    model::{
        cursor::{FetchedMessage, FolderView, ListedMessage},
        failure::Failure,
        lease::Claimed,
        uid::{Uid, UidSet},
    },
    receive::{
        cycle::receive,
        pop3_source::Pop3Source,
        source::{Deletion, MailSource, Opened},
    },
};

use tokio::task::yield_now;

use super::{
    database::{Database, on_both},
    maildrop::{Maildrop, close, source},
    stop::stop_after,
    world::World,
};
use crate::support::pop3_server::{PopMessage, PopServer, PopStream};

/// A client as many are: what it has read is deleted, whatever became of it.
struct Hasty {
    source: Pop3Source<PopStream>,
    server: PopServer,
}

impl MailSource for Hasty {
    async fn look(&mut self) -> Result<FolderView, Failure> {
        self.source.look().await
    }

    async fn open(&mut self, ahead: &UidSet) -> Result<Opened, Failure> {
        self.source.open(ahead).await
    }

    async fn list(&mut self, uids: &UidSet) -> Result<Vec<ListedMessage>, Failure> {
        self.source.list(uids).await
    }

    async fn message_ids(&mut self, uids: &UidSet) -> Result<Vec<(Uid, Option<String>)>, Failure> {
        self.source.message_ids(uids).await
    }

    async fn request(&mut self, batch: &[ListedMessage]) -> Result<(), Failure> {
        self.source.request(batch).await
    }

    async fn receive(&mut self) -> Result<Vec<FetchedMessage>, Failure> {
        let fetched = self.source.receive().await?;
        let is_read = |message: &PopMessage| fetched.iter().any(|read| read.raw == message.raw);
        self.server.maildrop(|maildrop| maildrop.messages.retain(|message| !is_read(message)));
        // A place to be cut at with the write surely not begun.
        yield_now().await;
        Ok(fetched)
    }

    fn gone(&self) -> Vec<Uid> {
        self.source.gone()
    }

    async fn delete(&mut self, uids: &UidSet) -> Result<Deletion, Failure> {
        self.source.delete(uids).await
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Real,
    Hasty,
}

impl Client {
    async fn visit(self, maildrop: &Maildrop<'_>, claimed: Claimed) {
        let world = &maildrop.world;
        let source = source(&maildrop.server, &world.context, world).await;
        let report = match self {
            Self::Real => receive(&world.context, &claimed, &world.policy, source, close).await,
            Self::Hasty => {
                let hasty = Hasty { source, server: maildrop.server.clone() };
                let close = |hasty: Hasty, more| close(hasty.source, more);
                receive(&world.context, &claimed, &world.policy, hasty, close).await
            }
        };
        assert_eq!(report.failure, None);
    }
}

/// The subjects of what is in the maildrop.
fn there(maildrop: &Maildrop<'_>) -> BTreeSet<String> {
    let prefix = format!("Subject: {} ", maildrop.world.name);
    let subject = |raw: &[u8]| {
        let text = String::from_utf8_lossy(raw).into_owned();
        text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().to_owned()
    };
    maildrop.change(|maildrop| maildrop.messages.iter().map(|message| subject(&message.raw)).collect())
}

/// What was delivered and is neither there nor recorded.
async fn lost(maildrop: &Maildrop<'_>, delivered: &BTreeSet<String>) -> Vec<String> {
    let recorded = maildrop.world.activities().await;
    let is_recorded = |subject: &String| recorded.iter().any(|row| row.starts_with(&format!("{subject} parties")));
    delivered.difference(&there(maildrop)).filter(|subject| !is_recorded(subject)).cloned().collect()
}

/// What two worlds with the same history have in common.
async fn everything(maildrop: &Maildrop<'_>) -> Vec<String> {
    let mut all = maildrop.world.ledger().await;
    all.extend(maildrop.world.activities().await);
    all.extend(maildrop.world.cursor().await);
    all.extend(there(maildrop));
    all
}

async fn stop_everywhere(
    database: &Arc<Database>,
    story: impl AsyncFn(&mut Maildrop<'_>),
    client: Client,
) -> Result<u32, String> {
    let mut expected = None;
    // The first run is not cut.
    for polls in std::iter::once(u32::MAX).chain(0..) {
        let mut world = World::new(database).await;
        world.policy.delete_after = Some(Duration::ZERO);
        let mut maildrop = Maildrop::of(&mut world);
        story(&mut maildrop).await;
        let delivered = there(&maildrop);
        let claimed = maildrop.world.claim().await;
        let finished = stop_after(client.visit(&maildrop, claimed), polls).await.is_some();
        let missing = lost(&maildrop, &delivered).await;
        if !missing.is_empty() {
            return Err(format!("cut at {polls}: {missing:?} deleted, but not recorded"));
        }
        for _ in 0..3 {
            let claimed = maildrop.world.claim().await;
            client.visit(&maildrop, claimed).await;
        }
        let found = everything(&maildrop).await;
        let expected = expected.get_or_insert_with(|| found.clone());
        if found != *expected {
            return Err(format!("cut at {polls}: expected {expected:#?}\nfound {found:#?}"));
        }
        if finished && polls != u32::MAX {
            return Ok(polls);
        }
    }
    unreachable!("a visit that never ends")
}

/// Mail is recorded and about to be deleted; more came.
async fn some_due_and_some_new(maildrop: &mut Maildrop<'_>) {
    maildrop.deliver(&["one", "two", "three"]);
    maildrop.good_visit().await;
    maildrop.deliver(&["four", "five", "six"]);
}

/// The server gave everything another name.
async fn renamed(maildrop: &mut Maildrop<'_>) {
    let subjects: Vec<String> = (0..22).map(|number| format!("m{}", "x".repeat(number))).collect();
    maildrop.world.policy.delete_after = None;
    maildrop.deliver(&subjects.iter().map(String::as_str).collect::<Vec<_>>());
    maildrop.good_visit().await;
    maildrop.change(|maildrop| {
        for message in &mut maildrop.messages {
            message.uidl.insert_str(0, "re");
        }
    });
    maildrop.deliver(&["new"]);
}

#[tokio::test]
async fn a_visit_that_reads_and_deletes_survives_a_cut_anywhere() {
    for database in on_both().await {
        let cuts = stop_everywhere(&database, some_due_and_some_new, Client::Real).await;
        assert!(cuts.as_ref().is_ok_and(|cuts| *cuts > 10), "{:?}: {cuts:?}", database.store.backend());
    }
}

#[tokio::test]
async fn a_visit_after_new_names_survives_a_cut_anywhere() {
    for database in on_both().await {
        let cuts = stop_everywhere(&database, renamed, Client::Real).await;
        assert!(cuts.as_ref().is_ok_and(|cuts| *cuts > 10), "{:?}: {cuts:?}", database.store.backend());
    }
}

/// The tests above can fail: they find a client that deletes what is not recorded yet.
#[tokio::test]
async fn a_hasty_client_does_not_survive() {
    for database in on_both().await {
        let lost = stop_everywhere(&database, some_due_and_some_new, Client::Hasty).await;
        let found = lost.expect_err("mail is lost and nobody noticed");
        assert!(found.contains("deleted, but not recorded"), "{found}");
    }
}

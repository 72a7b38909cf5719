//! What a [`Store`] can do.

use super::*;
use crate::base::metrics::Latency;

impl Store {
    /// Opens the database at `url`, `sqlite:/path` or `postgres://…`, without changing it.
    ///
    /// # Errors
    /// What is there is not ours, newer or older than this program; or, for a daemon on a file,
    /// another daemon is running on it.
    pub async fn open(url: &str, role: Role) -> Result<Self, StoreError> {
        Ok(Self::connect(url, role, false).await?.0)
    }

    /// Opens the database at `url`, makes it where there is none, and applies the migrations it
    /// lacks. Returns how many those were.
    ///
    /// # Errors
    /// As [`Store::open`], but an older schema is none.
    pub async fn open_and_migrate(url: &str, role: Role) -> Result<(Self, u32), StoreError> {
        Self::connect(url, role, true).await
    }

    async fn connect(url: &str, role: Role, migrate: bool) -> Result<(Self, u32), StoreError> {
        let (inner, applied) = if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let (db, applied) = SqliteStore::open(Path::new(path), role == Role::Daemon, migrate).await?;
            (Inner::Sqlite(db), applied)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let (db, applied) = PgStore::open(url, migrate).await?;
            (Inner::Postgres(db), applied)
        } else {
            return Err(StoreError::BadUrl { url: without_password(url) });
        };
        Ok((Self { inner: Arc::new(inner) }, applied))
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        match &*self.inner {
            Inner::Sqlite(_) => Backend::Sqlite,
            Inner::Postgres(_) => Backend::Postgres,
        }
    }

    /// How long commits take.
    pub fn commits(&self) -> &Latency {
        match &*self.inner {
            Inner::Sqlite(db) => &db.commits,
            Inner::Postgres(db) => &db.commits,
        }
    }

    /// Goes the way of a write, for the watchdog.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        write!(self, Lazy, 0, check::ping())
    }

    /// Finishes the writes that are queued and closes the database. Everything later fails with
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        match &*self.inner {
            Inner::Sqlite(db) => db.close().await,
            Inner::Postgres(db) => db.close().await,
        }
    }

    /// Number of the newest migration applied.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn schema_version(&self) -> Result<i64, StoreError> {
        read!(self, check::schema_version())
    }

    /// Examines the database: the engine's own checks, and the rules no constraint can say.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn examine(&self) -> Result<Examined, StoreError> {
        let mut found = match &*self.inner {
            Inner::Sqlite(db) => db.examine().await?,
            // PostgreSQL has no such command; its page checksums speak up when a page is read.
            Inner::Postgres(_) => Examined::default(),
        };
        found.contradictions.extend(read!(self, check::invariants())?);
        Ok(found)
    }

    /// [`Store::examine`], one sentence for each finding; none: all is well.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let Examined { mut damage, contradictions } = self.examine().await?;
        damage.extend(contradictions);
        Ok(damage)
    }

    /// Whether this is an address that [`Store::open`] understands. Nothing is connected to.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`].
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        if url.starts_with("sqlite:") { Ok(()) } else { postgres::options(url).map(drop) }
    }

    /// Writes a complete, consistent copy to the new file `to`, while work goes on.
    ///
    /// # Errors
    /// The file is there already or cannot be written; on PostgreSQL: use `pg_dump`.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        match &*self.inner {
            Inner::Sqlite(db) => db.backup(to).await,
            Inner::Postgres(_) => Err(StoreError::Unsupported { what: "use pg_dump to back up a PostgreSQL database" }),
        }
    }

    /// All profiles: what the schedule reads again and again.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn profiles(&self) -> Result<Vec<ServerProfile>, StoreError> {
        read!(self, records::profiles())
    }

    /// All profiles, users, queues and mailboxes.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn records(&self) -> Result<Records, StoreError> {
        read!(self, records::records())
    }

    /// Applies changes to the records in one transaction, in order, all or none, each with its row
    /// in the audit log that names `actor`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where two records would have one name or address, or a record
    /// that is named does not exist.
    pub async fn apply(&self, changes: &[RecordChange], actor: &Actor, now: Timestamp) -> Result<(), StoreError> {
        let who = || actor.to_string();
        write!(self, Durable, 0, records::apply(changes = changes.to_vec(), who = who(), now = now))
    }

    /// Every mailbox whose reading may be scheduled, or which has mail to be sent and may send it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn schedule_entries(&self, workload: Workload) -> Result<Vec<ScheduleEntry>, StoreError> {
        read!(self, leases::schedule_entries(workload))
    }

    /// Asks whoever runs the schedule to poll `mailboxes` soon: a postponement of theirs ends. Returns
    /// how many of them exist. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn request_polls(&self, mailboxes: &[MailboxId], now: Timestamp) -> Result<u64, StoreError> {
        write!(self, Lazy, 0, leases::request_polls(mailboxes = mailboxes.to_vec(), now = now))
    }

    /// Mailboxes whose poll was asked for since they were last claimed, and when; oldest wish first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn requested_polls(&self) -> Result<Vec<(MailboxId, Timestamp)>, StoreError> {
        read!(self, leases::requested_polls())
    }

    /// Takes the leases for a workload of those of `mailboxes` where nobody holds it, until
    /// `now + ttl`; one for reading answers wishes for a poll. Each lease has a new epoch. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn claim(
        &self,
        workload: Workload,
        node: NodeId,
        mailboxes: &[MailboxId],
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        let expires = now.plus(ttl);
        let ids = || mailboxes.to_vec();
        write!(
            self,
            Lazy,
            0,
            leases::claim(workload = workload, node = node, mailboxes = ids(), now = now, expires = expires)
        )
    }

    /// Prolongs all leases of `node`, whatever for, to `now + ttl`. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn renew(&self, node: NodeId, now: Timestamp, ttl: Duration) -> Result<(), StoreError> {
        let expires = now.plus(ttl);
        write!(self, Lazy, 0, leases::renew(node = node, expires = expires))
    }

    /// Writes what cycles ended with, alerts included, and gives their leases back. Where a lease is lost, nothing
    /// is written for that mailbox: whoever holds it now knows better. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn settle(&self, settlements: &[Settlement], now: Timestamp) -> Result<(), StoreError> {
        write!(self, Lazy, 0, leases::settle(settlements = settlements.to_vec(), now = now))
    }

    /// Gives back all leases of `node`, whatever for. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn release_node(&self, node: NodeId) -> Result<(), StoreError> {
        write!(self, Lazy, 0, leases::release_node(node = node))
    }

    /// The profiles of which a workload waits.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn holds(&self, workload: Workload) -> Result<Vec<(ProfileId, ProfileHold)>, StoreError> {
        read!(self, leases::holds(workload))
    }

    /// Lets a workload of a profile wait, or wait longer, and changes alerts in the same transaction. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn put_hold(
        &self,
        workload: Workload,
        profile: ProfileId,
        hold: &ProfileHold,
        alerts: &[AlertChange],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (hold, changes) = (|| hold.clone(), || alerts.to_vec());
        write!(
            self,
            Lazy,
            0,
            leases::put_hold(workload = workload, profile = profile, hold = hold(), changes = changes(), now = now)
        )
    }

    /// Frees a workload of a profile, and changes alerts in the same transaction. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn clear_hold(
        &self,
        workload: Workload,
        profile: ProfileId,
        alerts: &[AlertChange],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changes = || alerts.to_vec();
        write!(
            self,
            Lazy,
            0,
            leases::clear_hold(workload = workload, profile = profile, changes = changes(), now = now)
        )
    }

    /// Incoming activities that have one of these keys.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn facts(&self, keys: &[MessageKey]) -> Result<BTreeMap<MessageKey, ActivityId>, StoreError> {
        read!(self, inbox::facts(keys.to_vec()))
    }

    /// Writes the first cursor of a mailbox, or the one it starts over with. Lazy: whatever is
    /// recorded by it comes later and takes it to the disk; until then it is as well made again.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub async fn start_cursor(&self, fence: Fence, cursor: &Cursor) -> Result<(), StoreError> {
        write!(self, Lazy, 0, inbox::start_cursor(fence = fence, cursor = cursor.clone()))
    }

    /// Writes a cursor that has not moved: everything but where it stands. Lazy.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Conflict`] where UIDVALIDITY, generation or last
    /// UID are not those in the database.
    pub async fn save_cursor(&self, fence: Fence, cursor: &Cursor) -> Result<(), StoreError> {
        write!(self, Lazy, 0, inbox::save_cursor(fence = fence, cursor = cursor.clone()))
    }

    /// Writes or clears the marker that a parse is about to begin. Lazy: it must survive the death
    /// of this process, not of the machine.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Conflict`] where there is no cursor yet.
    pub async fn mark_in_flight(&self, fence: Fence, marker: Option<InFlight>) -> Result<(), StoreError> {
        write!(self, Lazy, 0, inbox::mark_in_flight(fence = fence, marker = marker))
    }

    /// Records a batch in one transaction: ledger, sources, activities with parties, attachments
    /// and events, and the cursor. Durable.
    ///
    /// Entries the ledger has already are left as they are (but one skipped as before the starting
    /// point gets its new verdict), so running a commit again changes nothing. An activity whose
    /// key exists, perhaps since a moment ago through another mailbox, becomes a link to it. The
    /// answer counts what this run did.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Conflict`] where a linked activity does not exist.
    pub async fn commit_batch(
        &self,
        fence: Fence,
        commit: &BatchCommit,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        let bytes = Batch::weight(commit);
        write!(self, Durable, bytes, commit::commit_batch(fence = fence, batch = Batch::of(commit), now = now))
    }

    /// Which of the UIDs from `first` to `last` the ledger has under the cursor's UIDVALIDITY and
    /// generation.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn ledger_uids(
        &self,
        mailbox: MailboxId,
        cursor: &Cursor,
        first: u32,
        last: u32,
    ) -> Result<BTreeSet<Uid>, StoreError> {
        read!(self, inbox::ledger_uids(mailbox, cursor, first, last))
    }

    /// Messages skipped as before the starting point whose INTERNALDATE is `since` or later, of
    /// the cursor's UIDVALIDITY and generation, ascending.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn skipped_since(
        &self,
        mailbox: MailboxId,
        cursor: &Cursor,
        since: Timestamp,
    ) -> Result<Vec<Uid>, StoreError> {
        read!(self, inbox::skipped_since(mailbox, cursor, since))
    }

    /// For each of `listed` the ledger rows of another UIDVALIDITY or generation than `before`'s
    /// (the new cursor) with equal INTERNALDATE and size, newest generation first. A message may
    /// have several, or none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn known_copies(
        &self,
        mailbox: MailboxId,
        before: &Cursor,
        listed: &[ListedMessage],
    ) -> Result<Vec<KnownCopy>, StoreError> {
        read!(self, inbox::known_copies(mailbox, before, listed))
    }

    /// How things stand.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn status(&self, now: Timestamp) -> Result<StatusView, StoreError> {
        let schema = self.schema_version().await?;
        read!(self, views::status(self.backend().name(), schema, now))
    }

    /// Activities, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn activities(&self, filter: &ActivityFilter) -> Result<Vec<ActivityRow>, StoreError> {
        read!(self, activities::activities(filter))
    }

    /// One activity with all that belongs to it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn activity(&self, id: ActivityId) -> Result<Option<ActivityDetail>, StoreError> {
        read!(self, activities::activity(id))
    }

    /// The source of an activity, encoded as it is kept.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn source(&self, activity: ActivityId) -> Result<Option<NewSource>, StoreError> {
        read!(self, activities::source(activity))
    }

    /// Messages set aside, of one mailbox or of all.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn set_aside(&self, mailbox: Option<MailboxId>) -> Result<Vec<SetAsideRow>, StoreError> {
        read!(self, views::set_aside(mailbox))
    }
}

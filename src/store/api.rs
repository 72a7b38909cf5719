//! What a [`Store`] can do: here with the database as a whole and its records, beside with the rest.

mod alerts;
mod around;
mod audit;
mod copies;
mod lockout;
mod outbox;
mod receive;
mod retry;
mod schedule;
mod secrets;
mod testing;
mod views;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::{base::metrics::Latency, model::room::Room};

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

    /// Whether a daemon works on the database, where that shows at once: on a file, by its lock; `None` elsewhere.
    pub fn has_daemon(&self) -> Option<bool> {
        match &*self.inner {
            Inner::Sqlite(db) => db.has_daemon(),
            Inner::Postgres(_) => None,
        }
    }

    /// How much room the disk of the database has; `None` where that cannot be seen from here: the
    /// database is another machine's.
    pub async fn room(&self) -> Option<Room> {
        match &*self.inner {
            Inner::Sqlite(db) => db.room().await,
            Inner::Postgres(_) => None,
        }
    }

    /// Whether the daemon that worked on the file before was cut off, by a power cut perhaps. Of a database server
    /// that is not known: it looks after its files itself.
    pub fn was_cut_off(&self) -> bool {
        match &*self.inner {
            Inner::Sqlite(db) => db.cut_off,
            Inner::Postgres(_) => false,
        }
    }

    /// Reads the whole file, beside all work and until `stop`; what it finds [`Store::damage`] tells from then on.
    ///
    /// # Errors
    /// The file cannot be read.
    ///
    /// # Cancel safety
    /// Dropped before it ends, nothing is found.
    pub async fn look_through(&self, stop: CancellationToken) -> Result<(), StoreError> {
        match &*self.inner {
            Inner::Sqlite(db) => db.look_through(stop).await,
            Inner::Postgres(_) => Ok(()),
        }
    }

    /// What is damaged, as [`StoreError::Damaged`], as far as was looked.
    pub fn damage(&self) -> Option<StoreError> {
        match &*self.inner {
            Inner::Sqlite(db) => db.damage(),
            Inner::Postgres(_) => None,
        }
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
        self.apply_on(changes, &Basis::default(), actor, now).await
    }

    /// [`Store::apply`], of changes that were decided on `records`: those they change must still be so, but
    /// for how mailboxes fare.
    ///
    /// # Errors
    /// As [`Store::apply`]; [`StoreError::Overtaken`] where somebody else has changed one of them since.
    pub async fn apply_decided(
        &self,
        changes: &[RecordChange],
        records: &Records,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.apply_on(changes, &Basis::new(changes, records), actor, now).await
    }

    async fn apply_on(
        &self,
        changes: &[RecordChange],
        basis: &Basis,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let who = || actor.to_string();
        let (of, on) = (|| changes.to_vec(), || basis.clone());
        write!(self, Durable, 0, records::apply(changes = of(), basis = on(), who = who(), now = now))
    }
}

//! mailsyncd polls mailboxes over IMAP and POP3, records what arrives in their Inboxes as e-mail
//! activities in SQL, and sends over SMTP what is queued there. This page is its architecture: read
//! it once and you know where to look.
//!
//! # Bird's eye
//!
//! A *mailbox* is one address. It belongs to a *server profile*, which says how a provider is
//! reached. The *agenda* decides when a mailbox is due; the *driver* takes its lease and starts a
//! *receive cycle*, which looks at the Inbox, plans, fetches, judges and commits. Everything that
//! must survive lies in one database, SQLite or PostgreSQL; the daemon itself can be killed at any
//! moment.
//!
//! Type names tell what they are: a *View* was observed, a *Plan* or *Verdict* was decided, a
//! *Report* was done. What the server shows (`FolderView`) and how far we are (`Cursor`) make a
//! `ReceivePlan`; a message and facts about it make a `Verdict`; a cycle ends in a `CycleReport`.
//!
//! # Layers
//!
//! ```text
//!  7  main   daemon                      wiring only
//!  6  cli                                surface: translates, nothing else
//!  5  schedule        admin              when / on request
//!  4  receive   send   probe             the cycles: where a decision meets a protocol and SQL; their way, stage by stage
//!  3  classify        means              the product's rules about failures, pure; what cycles work with
//!  2  imap   pop3   smtp   store         adapters: one outside thing each
//!  1  mime   net   config                formats, sockets, settings
//!  0  model  base                        vocabulary; clock, tasks, secrets, logs
//! ```
//!
//! Imports go down only, and modules of one layer do not import each other; `tests/it/architecture.rs`
//! enforces it. The traits of a seam belong to the caller: [`receive::source`] owns `MailSource`
//! and its implementations, so `imap` and `pop3` stay plain clients.
//!
//! # Invariants
//!
//! Things deliberately absent:
//! - no decision reads a clock: `plan`, `judge`, `agenda`, `backoff` and `classify` get the time as an argument;
//! - no SQL outside [`store`], no socket outside [`imap`], [`pop3`], [`smtp`] and [`net`];
//! - no cursor moves outside the transaction that records;
//! - no network call inside a transaction, no cycle that waits for another;
//! - reading changes nothing on a mail server (`EXAMINE`, `BODY.PEEK[]`), and nothing is deleted there but
//!   message by message, after the commit, where that is asked for: there is no bare `EXPUNGE`;
//! - no secret has a `Debug` or `Display`;
//! - no failure class is found by matching text outside `classify`'s table of providers and `imap::quirks`;
//! - no parser sees bytes before `net::guard` or `net::lines` (protocol) or `mime::limits` (mail) has bounded them.
//!
//! # A mail comes in
//!
//! 1. `schedule::agenda` finds the mailbox due and within the limits; `schedule::driver` takes its
//!    lease in the database (compare-and-set, the epoch fences every later write) and a log-in permit.
//! 2. `receive::sources` hands out the parked connection of the mailbox, or dials, speaks TLS and logs
//!    in. The cheap look is one `STATUS`; of a maildrop, which POP3 shows only whole, `receive::maildrop`
//!    makes a folder with numbers, by what the ledger knows of its UIDLs.
//! 3. `receive::plan` compares that view with the cursor: nothing new, read on, or start over.
//! 4. `receive::fetch` lists numbers, sizes and dates and cuts batches by count and bytes; `receive::requests`
//!    keeps a few `UID FETCH` commands under way, `receive::ready` has two batches parsed on a blocking thread
//!    and judged while `receive::record` commits the one before. Before a parse a marker is committed: a message
//!    that kills the process three times is set aside unparsed.
//! 5. `receive::judge` turns each message and the facts about it into a `Verdict`: record, link to
//!    the activity that is there, ignore, or set aside.
//! 6. `store` writes ledger rows, sources, activities, parties, attachments, events and the cursor
//!    in one transaction. A crash anywhere repeats at most one batch, and repeating is a no-op.
//! 7. Where that is asked for, `receive::cleanup` deletes on the server what was recorded long enough ago
//!    and is surely still the same message. The goodbye ends a visit to a maildrop; the next listing
//!    shows what it did.
//! 8. The report goes to `schedule::backoff`, which says when the mailbox is due again, whether it
//!    is postponed or disabled, or whether its whole profile waits; the driver writes that and the log line.
//!
//! # A mail goes out
//!
//! 1. A row `pending_send` comes in by `admin::send` (which composes it once to see that it can be) or
//!    by plain SQL. The driver looks every `sending.outbox_poll`; sending is a workload of its own, with its own
//!    lease, holds and postponements.
//! 2. `send::cycle` first sets right what a death left: before the mark a mail is pending again, after
//!    it in doubt. `send::doubt` decides on those: looked for in the Sent folder, sent again, or held.
//! 3. `mime::compose` makes the bytes and the Message-ID of what is due, which never change again: what could start
//!    a header line of its own is refused. Then a claim makes those that are still the same `sending`, counts the
//!    attempt and keeps the bytes, in one write and before the network is touched. While the second half
//!    of a claim is sent, `send::ahead` reads and composes what the next one will take.
//! 4. `smtp` says MAIL, RCPT, DATA and the body, all but the last line. Then the mark (`dot_at`) is
//!    committed, then the last line goes out: from here on nothing sends the mail blindly again.
//! 5. `send::judge` turns the answer into a verdict: sent, tried again then, failed, in doubt. It is
//!    written at once, with the result of each recipient and the alerts that follow.
//! 6. Where that is wanted, `send::filing` puts a copy into the Sent folder. The connection serves all
//!    mails of a cycle; while one mail is in conversation, the one before it is settled.
//!
//! # Something fails
//!
//! 1. The adapter returns its error as it is; `classify` makes a [`Failure`](model::failure::Failure) of it: a code
//!    of the catalogue, whom it concerns (message, mailbox, profile, the daemon), how lasting it is.
//! 2. Of a message: it is set aside, or its mail is tried again. Of a mailbox: `schedule::backoff` postpones it, has
//!    it confirmed or disables it, for as long as `schedule::waits` says. `means::lockout` sees to it that no account
//!    is locked by our log-ins.
//! 3. Of a server: `schedule::heard` gives the evidence of all mailboxes at that host and port to
//!    `schedule::breaker`; refused log-ins of many to `schedule::storm`. Who waits is one *hold* of the profile, in
//!    the database, and one mailbox probes for all. `schedule::concern` says whether it was the profile's password.
//! 4. Of this machine or the database: `schedule::machine` (servers fail alike), `strain` (too few descriptors), `leap`
//!    (a clock that was set) and the driver's trouble (nothing starts). Nobody is charged.
//! 5. `schedule::alarm` says which alerts that raises and closes; they are written in the transaction of the
//!    settlement. What no failure tells of, the `schedule::caretaker` finds by the database alone: workloads that
//!    stand still, daemons in trouble (`schedule::daemons`), profiles that fail as a whole, whose owners are mailed.
//! 6. `admin::why` reads all of it back for one mailbox: state, why, evidence, what is next, what to do.
//!
//! # Somebody changes something
//!
//! 1. Files and commands end in the same records: `config` reads both by the same rules, `admin::changes` compares
//!    with what there is and plans, `admin::edit` does so for commands. The store applies a plan in one transaction,
//!    each change with its row of the audit log, and locks the passwords that would reach another server.
//! 2. Test & Enable is a row that is asked for (`admin::testing`) and a runner beside the schedule
//!    (`schedule::testing`), which takes the way of `probe` and writes each stage as it ends.
//!
//! # How to change X
//!
//! | to add | touch |
//! |---|---|
//! | a failure code | its row in `model/catalogue/table.rs`, and in `classify/` with a test; `deploy/CODES.md` (a test compares) |
//! | a server's quirk | `imap/quirks.rs`, a transcript in `tests/data/transcripts/` |
//! | a configuration key | its section in `config/`, `config/mailsyncd.toml` (a test compares them) |
//! | a reason to ignore mail | `model/activity.rs` (`IgnoreReason`), `receive/judge.rs` and its table |
//! | a rule for what may be sent | `mime/compose/check.rs` and its table |
//! | a move of a queued mail | `model/outbox.rs` (`may_become`), the statement in `store/` |
//! | a column | a new migration for each backend in `store/migrations/`, the statement in `store/sql/`, the row in `store/rows` |
//! | an alert | its code in the catalogue, `schedule/alarm.rs`, `daemons.rs` or `stale.rs` and their tables |
//! | how long who waits | `schedule/waits.rs`, its table in `deploy/README.md` |
//! | a state that `mailbox why` tells of | `admin/why.rs`, `admin/why/words.rs` and their table |
//! | a number for Prometheus | `base/metrics.rs`, or `base/metrics/gauges.rs` where the database has it; `deploy/grafana-dashboard.json` |
//! | a command | `cli/`, the use case in `admin/`, golden output in `tests/golden/` |
//!
//! # Tests
//!
//! Ring 0 are tables and properties beside the pure files; ring 1 (`tests/it/wire`) plays byte
//! transcripts and hostile servers on in-memory streams; ring 2 (`tests/it/store`, `tests/it/cycle`,
//! `tests/it/sending`, `tests/it/driver`) runs real SQL and cuts cycles at every await; ring 3 (`tests/it/sim`)
//! simulates schedule, cycles and servers from a seed; ring 4 (`tests/it/real`) runs the binary against Dovecot,
//! Postfix and PostgreSQL. `tests/it/faults` injects each known fault into a running daemon and compares code,
//! schedule, alert and explanation; `tests/it/cli` compares what people see with `tests/golden`.
//! `tests/run` runs them all.

pub mod admin;
pub mod base;
pub mod classify;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod imap;
pub mod means;
pub mod mime;
pub mod model;
pub mod net;
pub mod pop3;
pub mod probe;
pub mod receive;
pub mod schedule;
pub mod send;
pub mod smtp;
pub mod store;

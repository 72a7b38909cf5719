//! Every statement on a live database: it prepares, the hot ones use their indexes, and both
//! databases have the same columns.

use std::collections::BTreeMap;

use mailsyncd::store::{STATEMENTS, Sql};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr, SqliteConnection};

use crate::support::databases::{postgres, sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_prepares() {
    let database = sqlite().await;
    let mut conn = SqliteConnection::connect(&database.url).await.unwrap();
    for (name, Sql { sqlite, .. }) in STATEMENTS.iter().copied().flatten() {
        conn.prepare(sqlite.into_sql_str()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let Some(database) = postgres().await else { return };
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    for (name, Sql { postgres, .. }) in STATEMENTS.iter().copied().flatten() {
        conn.prepare(postgres.into_sql_str()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// What runs for every poll or batch, or over the largest tables, with the index it must use; empty:
/// that of a primary key.
const HOT: &[(&str, &str)] = &[
    ("CLAIM", ""),
    ("LOCK_MAILBOXES", ""),
    ("CLAIMED", ""),
    ("FENCE", ""),
    ("SETTLE", ""),
    ("REQUEST_POLLS", ""),
    ("REQUESTED_POLLS", "mailboxes_poll_requested"),
    ("FACTS", "email_activities"),
    ("JUDGED", ""),
    ("LEDGER_UIDS", ""),
    ("SKIPPED_SINCE", ""),
    ("KNOWN_COPIES", "inbox_ledger_dates"),
    ("MAILDROP_CURSOR", ""),
    ("MAILDROP", "inbox_ledger_uidls"),
    ("DUE_COPIES", "inbox_ledger_due"),
    ("MARK_COPIES", ""),
    ("SAVE_CURSOR", ""),
    ("MARK_IN_FLIGHT", ""),
    ("SEEN_IN", "inbox_ledger_activity"),
    ("SOURCE", ""),
    ("SET_ASIDE_OF", "inbox_ledger_set_aside"),
    ("RETRIES", "inbox_ledger_retries"),
    ("BEGIN_RETRY", ""),
    ("KEPT", ""),
    ("ACTIVITIES", "email_activities_received"),
    ("CLAIM_OUTGOING", ""),
    ("CLAIMED_OUTGOING", ""),
    ("FENCE_OUTGOING", ""),
    ("SETTLE_OUTGOING", ""),
    ("SCHEDULE_ENTRIES_OUTGOING", "email_activities_pending"),
    ("SCHEDULE_ENTRIES_OUTGOING", "email_activities_sending"),
    ("STUCK", "email_activities_pending"),
    ("STRANDED", "email_activities_sending"),
    ("CLAIMABLE", "email_activities_pending"),
    ("CLAIM_MAILS", ""),
    ("STILL_DUE", ""),
    ("CLAIM_COMPOSED", ""),
    ("CLAIMED_MAILS", ""),
    ("PARTIES_OF", ""),
    ("CONTENTS_OF", ""),
    ("SET_COMPOSED", ""),
    ("CLEAR_CONTENTS", ""),
    ("MARK_DOTS", ""),
    ("SETTLE_MAILS", ""),
    ("TOLD_OF", "alerts_open"),
    ("RETURN_MAILS", ""),
    ("SET_RESULTS", ""),
    ("LEFT_BEHIND", "email_activities_sending"),
    ("DOUBTFUL", "email_activities_sending"),
    ("QUEUED_BY_KEY", ""),
    ("SENT_SINCE", "email_activities_outgoing"),
    ("UNWANTED", "email_activities_refused"),
    ("TRIED", "email_activities_outgoing"),
    ("CLOSE_ALERTS", "alerts_open"),
];

/// What is given identifiers must not look through all mails of a mailbox instead.
const BY_IDENTIFIER: &[&str] = &[
    "CLAIM_MAILS",
    "STILL_DUE",
    "CLAIM_COMPOSED",
    "CLAIMED_MAILS",
    "SET_COMPOSED",
    "MARK_DOTS",
    "SETTLE_MAILS",
    "RETURN_MAILS",
];

/// Steps over what other steps took from an index.
const OF_INDEXES: &[&str] = &["SCAN d", "SCAN w"];

fn hot() -> impl Iterator<Item = (&'static str, Sql, &'static str)> {
    let statement = |wanted| {
        STATEMENTS.iter().copied().flatten().find(|(name, _)| *name == wanted).expect("a statement of this name").1
    };
    HOT.iter().map(move |(name, index)| (*name, statement(*name), *index))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_statements_use_indexes_on_sqlite() {
    let database = sqlite().await;
    let mut conn = SqliteConnection::connect(&database.url).await.unwrap();
    for (name, Sql { sqlite, .. }, index) in hot() {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sqlite}"));
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(&mut conn).await.unwrap();
        let details: Vec<String> = steps.into_iter().map(|step| step.3).collect();
        // A list parameter is scanned, and the newest activities or wishes in the order of their index.
        let scan = details.iter().find(|detail| {
            detail.starts_with("SCAN")
                && !detail.contains("json_each")
                && !detail.contains(" INDEX ")
                && !OF_INDEXES.contains(&detail.as_str())
        });
        assert_eq!(scan, None, "{name}: {details:?}");
        let by_other = details.iter().find(|detail| detail.contains("email_activities") && !detail.contains("(id=?)"));
        assert!(!BY_IDENTIFIER.contains(&name) || by_other.is_none(), "{name}: {details:?}");
        assert!(details.iter().any(|detail| detail.contains(index)), "{name}: {details:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_statements_use_indexes_on_postgres() {
    let Some(database) = postgres().await else { return };
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    // Empty tables are always scanned; with this only what has no index is.
    conn.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").await.unwrap();
    for (name, Sql { postgres, .. }, index) in hot() {
        conn.execute(AssertSqlSafe(format!("PREPARE hot AS {postgres}"))).await.unwrap();
        let parameters = (1..30).rev().find(|number| postgres.contains(&format!("${number}"))).unwrap_or(0);
        let nulls = vec!["NULL"; parameters].join(", ");
        let call = if parameters == 0 { String::new() } else { format!("({nulls})") };
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE hot{call}"));
        let lines: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut conn).await.unwrap();
        assert!(!lines.iter().any(|line| line.contains("Seq Scan")), "{name}: {lines:#?}");
        assert!(lines.iter().any(|line| line.contains(index)), "{name}: {lines:#?}");
        conn.execute("DEALLOCATE hot").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_have_the_same_columns() {
    type Columns = BTreeMap<String, Vec<String>>;
    let group = |rows: Vec<(String, String)>| {
        let mut tables = Columns::new();
        for (table, column) in rows {
            tables.entry(table).or_default().push(column);
        }
        tables
    };
    let database = sqlite().await;
    let mut conn = SqliteConnection::connect(&database.url).await.unwrap();
    let rows = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '_sqlx%' ORDER BY t.name, c.cid",
    );
    let lite = group(rows.fetch_all(&mut conn).await.unwrap());
    assert!(lite.len() > 15, "{:?}", lite.keys());
    let Some(database) = postgres().await else { return };
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    let rows = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' ORDER BY table_name, ordinal_position",
    );
    assert_eq!(group(rows.fetch_all(&mut conn).await.unwrap()), lite);
}

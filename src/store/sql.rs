//! Every statement but the inserts of many rows: one text, with the few words that differ.

/// One statement in both dialects.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

macro_rules! held {
    ($mailbox:literal, $epoch:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM mailboxes l WHERE l.id = ",
            $mailbox,
            " AND l.outgoing_lease_epoch = ",
            $epoch,
            " AND l.outgoing_lease_owner IS NOT NULL)"
        )
    };
}

/// One row for each mailbox: in which views it is. `$age`: seconds since the last success.
macro_rules! views {
    ($age:literal) => {
        concat!(
            "(SELECT f.id, f.is_active, f.is_active AND f.test_failed AS is_failed, f.is_active AND f.approved AND \
             (f.reads AND NOT f.incoming_enabled OR f.sends AND NOT f.outgoing_enabled) AS is_disabled, f.is_active AND \
             (f.reads AND f.incoming_enabled AND f.reading_postponed OR f.sends AND f.outgoing_enabled AND \
             f.sending_postponed) AS is_postponed, f.is_active AND f.approved AND (f.reads AND f.incoming_enabled AND \
             f.reading_held OR f.sends AND f.outgoing_enabled AND f.sending_held) AS is_held, f.is_active AND f.pending AS \
             is_pending, f.is_active AND f.approved AND f.reads AND f.incoming_enabled AND f.profile_active AND f.awaited AND \
             f.age > $2 AND f.age > 3 * f.interval AS is_stale FROM (SELECT m.id, m.state = 'active' AS is_active, \
             m.incoming_test_status = 'failure' OR m.outgoing_test_status = 'failure' AS test_failed, m.approval IN \
             ('empty', 'approved') AS approved, m.approval = 'pending' AS pending, m.incoming_method = 'server_side_sync' \
             AS reads, m.outgoing_method = 'server_side_sync' AS sends, m.incoming_enabled, m.outgoing_enabled, \
             coalesce(m.incoming_postponed_until > $1, FALSE) AS reading_postponed, coalesce(m.outgoing_postponed_until > \
             $1, FALSE) AS sending_postponed, p.hold_since IS NOT NULL AS reading_held, p.outgoing_hold_since IS NOT NULL AS \
             sending_held, coalesce(p.state = 'active', FALSE) AS profile_active, coalesce(p.minimum_polling_interval, 0) AS \
             interval, m.incoming_failure_code IS NOT NULL OR coalesce(m.incoming_next_due_at <= $1, TRUE) AS awaited, ",
            $age,
            " AS age FROM mailboxes m LEFT JOIN server_profiles p ON p.id = m.server_profile) f) v"
        )
    };
}

macro_rules! sqlite {
    ({ views }) => {
        views!(
            "(julianday($1) - julianday(coalesce(m.incoming_last_success_at, m.created_at))) * 86400.0"
        )
    };
    ({ held $mailbox:literal $epoch:literal }) => {
        held!($mailbox, $epoch)
    };
    ({ bytes $hex:literal }) => {
        concat!("unhex(", $hex, ")")
    };
    ({ ids $list:literal }) => {
        concat!("IN (SELECT value FROM json_each(", $list, "))")
    };
    ({ hashes $list:literal }) => {
        concat!("IN (SELECT unhex(value) FROM json_each(", $list, "))")
    };
    ({ indexed $index:literal }) => {
        concat!("INDEXED BY ", $index)
    };
    ({ grants $mailbox:literal }) => {
        concat!(
            "(SELECT group_concat(g.address, char(10)) FROM send_grants g WHERE g.mailbox = ",
            $mailbox,
            ") AS grants"
        )
    };
    ({ later $times:literal }) => {
        concat!("max(", $times, ")")
    };
    ({ lock }) => {
        ""
    };
    ({ records $list:literal as $name:ident: $($column:ident $type:ident),+ }) => {
        concat!(
            "(SELECT key",
            $(", value ->> '", stringify!($column), "' AS ", stringify!($column),)+
            " FROM json_each(", $list, ")) AS ", stringify!($name)
        )
    };
    ($text:literal) => {
        $text
    };
}

macro_rules! postgres {
    ({ views }) => {
        views!(
            "CAST(extract(epoch FROM CAST($1 AS TIMESTAMPTZ) - coalesce(m.incoming_last_success_at, m.created_at)) AS \
             DOUBLE PRECISION)"
        )
    };
    ({ held $mailbox:literal $epoch:literal }) => {
        held!($mailbox, $epoch)
    };
    ({ bytes $hex:literal }) => {
        concat!("decode(", $hex, ", 'hex')")
    };
    ({ ids $list:literal }) => {
        concat!("= ANY (", $list, ")")
    };
    ({ hashes $list:literal }) => {
        concat!("= ANY (", $list, ")")
    };
    ({ indexed $index:literal }) => {
        ""
    };
    ({ grants $mailbox:literal }) => {
        concat!("(SELECT string_agg(g.address, E'\\n') FROM send_grants g WHERE g.mailbox = ", $mailbox, ") AS grants")
    };
    ({ later $times:literal }) => {
        concat!("greatest(", $times, ")")
    };
    ({ lock }) => {
        "FOR NO KEY UPDATE"
    };
    ({ records $list:literal as $name:ident: $first:ident $type:ident $(, $column:ident $of:ident)* }) => {
        concat!(
            "jsonb_to_recordset(", $list, ") AS ", stringify!($name), " (",
            stringify!($first), " ", stringify!($type),
            $(", ", stringify!($column), " ", stringify!($of),)*
            ")"
        )
    };
    ($text:literal) => {
        $text
    };
}

/// Names statements and lists them. Pieces: text; `{ids "$1"}`, `{hashes "$1"}`: one of a list
/// parameter; `{indexed "name"}`: by this index, where SQLite would guess wrong; `{grants "m.id"}`:
/// addresses a mailbox may send as, one a line; `{views}`: which mailbox is in which view at `$1`, stale after `$2` seconds; `{later "a, b"}`: the later of two times, neither NULL;
/// `{lock}`: keep the rows from other writers (on SQLite the transaction does);
/// `{records "$1" as m: id uuid, at timestamptz}`: the objects of a JSON array as a table, its types
/// those of PostgreSQL (on SQLite the JSON has them); `{bytes "m.hash"}`: of hexadecimal digits;
/// `{held "mailbox" "epoch"}`: this lease for sending is held.
macro_rules! statements {
    ($($name:ident = [$($piece:tt)+];)+) => {
        $(pub const $name: Sql =
            Sql { sqlite: concat!($(sqlite!($piece)),+), postgres: concat!($(postgres!($piece)),+) };)+

        /// All of this file.
        pub const ALL: &[(&str, Sql)] = &[$((stringify!($name), $name)),+];
    };
}

mod alerts;
mod around;
mod audit;
mod check;
mod inbox;
mod lockout;
mod maildrop;
mod outbox;
mod records;
mod schedule;
mod secrets;
mod testing;
mod views;

pub use self::{
    alerts::*, around::*, audit::*, check::*, inbox::*, lockout::*, maildrop::*, outbox::*, records::*, schedule::*,
    secrets::*, testing::*, views::*,
};

/// All of them.
pub const ALL: &[&[(&str, Sql)]] = &[
    alerts::ALL,
    around::ALL,
    audit::ALL,
    check::ALL,
    inbox::ALL,
    lockout::ALL,
    maildrop::ALL,
    outbox::ALL,
    records::ALL,
    schedule::ALL,
    secrets::ALL,
    testing::ALL,
    views::ALL,
];

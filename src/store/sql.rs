//! Every statement but the inserts of many rows: one text, with the few words that differ.

/// One statement in both dialects.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

#[macro_use]
mod parts;

macro_rules! sqlite {
    ({ views }) => {
        views!(
            "(julianday($1) - julianday(coalesce(m.incoming_last_success_at, m.created_at))) * 86400.0"
        )
    };
    ({ held $mailbox:literal $epoch:literal }) => {
        held!($mailbox, $epoch)
    };
    ({ sends }) => {
        sends!()
    };
    ({ granted }) => {
        granted!()
    };
    ({ due $now:literal }) => {
        due!($now)
    };
    ({ bytes $hex:literal }) => {
        concat!("unhex(", $hex, ")")
    };
    ({ json $text:literal }) => {
        $text
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
    ({ profile }) => {
        profile_columns!()
    };
    ({ owner }) => {
        owner_columns!()
    };
    ({ outgoing }) => {
        outgoing_columns!()
    };
    ({ mailbox }) => {
        concat!(mailbox_columns!(), ", ", sqlite!({ grants "m.id" }))
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
    ({ lock $($of:literal)? }) => {
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
    ({ sends }) => {
        sends!()
    };
    ({ granted }) => {
        granted!()
    };
    ({ due $now:literal }) => {
        due!($now)
    };
    ({ bytes $hex:literal }) => {
        concat!("decode(", $hex, ", 'hex')")
    };
    ({ json $text:literal }) => {
        concat!("CAST(", $text, " AS JSONB)")
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
    ({ profile }) => {
        profile_columns!()
    };
    ({ owner }) => {
        owner_columns!()
    };
    ({ outgoing }) => {
        outgoing_columns!()
    };
    ({ mailbox }) => {
        concat!(mailbox_columns!(), ", ", postgres!({ grants "m.id" }))
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
    ({ lock $of:literal }) => {
        concat!("FOR NO KEY UPDATE OF ", $of)
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

/// Names statements and lists them. Pieces:
///
/// - text;
/// - `{profile}`, `{owner}`, `{mailbox}`: the columns of a record, the last of `mailboxes m`;
/// - `{outgoing}`: the columns of a mail on its way out;
/// - `{grants "m.id"}`: addresses a mailbox may send as, one a line;
/// - `{ids "$1"}`, `{hashes "$1"}`: one of a list parameter;
/// - `{records "$1" as m: id uuid, at timestamptz}`: the objects of a JSON array as a table, its types
///   those of PostgreSQL (on SQLite the JSON has them);
/// - `{bytes "m.hash"}`: of hexadecimal digits;
/// - `{json "text"}`: the JSON document that a text is;
/// - `{later "a, b"}`: the later of two times, neither NULL;
/// - `{views}`: which mailbox is in which view at `$1`, stale after `$2` seconds;
/// - `{held "mailbox" "epoch"}`: this lease for sending is held;
/// - `{sends}`: the mailbox `m` on the profile `p` sends, if it is true;
/// - `{granted}`: the mail `a` may be from whom it says; `{due "$2"}`: it may be sent at that time;
/// - `{lock}`, `{lock "a"}`: keep the rows, or those of one table, from other writers (on SQLite the transaction does);
/// - `{indexed "name"}`: by this index, where SQLite would guess wrong.
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
mod retry;
mod schedule;
mod secrets;
mod testing;
mod views;

pub use self::{
    alerts::*, around::*, audit::*, check::*, inbox::*, lockout::*, maildrop::*, outbox::*, records::*, retry::*,
    schedule::*, secrets::*, testing::*, views::*,
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
    retry::ALL,
    schedule::ALL,
    secrets::ALL,
    testing::ALL,
    views::ALL,
];

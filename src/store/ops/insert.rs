//! Many rows by few statements.

use std::iter::repeat_n;

use futures::join;
use sqlx::QueryBuilder;

use super::{Conn, Db, PADDED, Result, written};

/// Where rows go and what happens to those that are there.
pub struct Insert {
    /// `INSERT INTO table (columns) `; the first column is never NULL.
    pub head: &'static str,
    /// ` ON CONFLICT …`, or nothing.
    pub tail: &'static str,
    /// The most rows of one statement, a power of two: few where they are large, for they are
    /// copied into the statement.
    pub most: usize,
}

/// The values of one row, as `bind` gives them.
pub type Values<'a, 'q> = sqlx::query_builder::Separated<'a, Db, &'static str>;

impl Insert {
    /// Inserts `rows`, each bound by `bind` in the order of the columns; returns how many were
    /// inserted or replaced.
    pub async fn rows<T>(
        &self,
        conn: &mut Conn,
        rows: Vec<T>,
        bind: impl FnMut(&mut Values<'_, '_>, T),
    ) -> Result<u64> {
        run(conn, self.statements(rows, bind)).await
    }

    /// The statements that insert `rows`, each made when it is asked for.
    ///
    /// They have places for 1, 2, 4 … rows, so that whatever the number of rows, there are only a few
    /// texts: they stay prepared. Each is handed over to SQLite's thread and back, which costs more
    /// than a place that stays empty: there, what has no value is NULL, and passed over. Where that is
    /// not so ([`PADDED`]), there are as many statements as it takes to fill each.
    pub fn statements<T>(
        &self,
        mut rows: Vec<T>,
        mut bind: impl FnMut(&mut Values<'_, '_>, T),
    ) -> impl Iterator<Item = Statement> {
        std::iter::from_fn(move || {
            if rows.is_empty() {
                return None;
            }
            let (places, taken) = self.places(rows.len());
            let rest = rows.split_off(taken);
            let mut statement = QueryBuilder::<Db>::new(self.head);
            if PADDED {
                statement.push("SELECT * FROM (");
            }
            statement.push_values(std::mem::replace(&mut rows, rest), |mut values, row| bind(&mut values, row));
            if PADDED {
                statement.push(self.empty_place().repeat(places - taken));
                statement.push(") WHERE column1 IS NOT NULL");
            }
            statement.push(self.tail);
            Some(Statement(statement))
        })
    }

    /// The places of the next statement, and how many of `rows` it takes.
    fn places(&self, rows: usize) -> (usize, usize) {
        if PADDED {
            let places = self.most.min(rows.next_power_of_two());
            (places, places.min(rows))
        } else {
            let places = self.most.min(1 << rows.ilog2());
            (places, places)
        }
    }

    /// A row that no values are bound for.
    fn empty_place(&self) -> String {
        let columns = self.head.split(',').count();
        format!(", ({})", repeat_n("?", columns).collect::<Vec<_>>().join(", "))
    }
}

/// A statement with its rows.
pub struct Statement(QueryBuilder<Db>);

/// Runs `statements`; returns how many rows they wrote. While the database runs one, the next is made.
pub async fn run(conn: &mut Conn, mut statements: impl Iterator<Item = Statement>) -> Result<u64> {
    let mut rows = 0;
    let mut next = statements.next();
    while let Some(Statement(mut statement)) = next {
        let (done, following) = join!(written(conn, statement.build()), async { statements.next() });
        rows += done?;
        next = following;
    }
    Ok(rows)
}

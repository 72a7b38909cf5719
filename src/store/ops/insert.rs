//! Many rows by few statements.

use sqlx::QueryBuilder;

use super::{Conn, Db, Result};

/// Where rows go and what happens to those that are there.
pub struct Insert {
    /// `INSERT INTO table (columns) `
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
    ///
    /// Statements have 64, 32, 16 … 1 rows, so that whatever the number of rows, there are only a
    /// few texts: they stay prepared.
    pub async fn rows<T>(
        &self,
        conn: &mut Conn,
        mut rows: Vec<T>,
        mut bind: impl FnMut(&mut Values<'_, '_>, T),
    ) -> Result<u64> {
        let mut written = 0;
        while !rows.is_empty() {
            let count = self.most.min(1 << rows.len().ilog2());
            let rest = rows.split_off(count);
            let mut statement = QueryBuilder::<Db>::new(self.head);
            statement.push_values(rows, |mut values, row| bind(&mut values, row));
            statement.push(self.tail);
            written += statement.build().execute(&mut *conn).await?.rows_affected();
            rows = rest;
        }
        Ok(written)
    }
}

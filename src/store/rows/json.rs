//! Columns that hold JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::{codec::Json, error::StoreError};

/// A document for a JSON column.
pub fn json(value: &impl Serialize) -> Result<Json, StoreError> {
    let text = serde_json::to_string(value);
    text.map(Json).map_err(|error| StoreError::Sql(Arc::new(sqlx::Error::Encode(error.into()))))
}

/// What the text of a JSON column says.
pub(super) fn from_json<'t, T: Deserialize<'t>>(column: &str, text: &'t str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::unreadable(column, text))
}

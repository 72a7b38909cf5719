//! Sources that are kept, for messages that are read again from them.

use std::collections::BTreeMap;

use crate::{
    means::stored,
    model::{
        activity::Verdict,
        cursor::ListedMessage,
        failure::{Failure, FailureCode},
        uid::Uid,
    },
    store::Store,
};

use super::{
    batch::{Item, Todo, message_failure, row},
    prepare::Piece,
};

/// The sources of those of `items` that are read again from them.
///
/// # Errors
/// The database failed.
pub async fn kept(store: &Store, items: &[Item]) -> Result<BTreeMap<Uid, Piece>, Failure> {
    let mut kept = BTreeMap::new();
    for Item { listed, todo, .. } in items {
        if let Todo::Reread(sha256) = todo {
            let source = stored::patiently(|| store.kept(*sha256)).await.map_err(|error| stored::failure(&error))?;
            let piece = source.map_or_else(|| lost(*listed), |source| Piece::Reread(*listed, source));
            kept.insert(listed.uid, piece);
        }
    }
    Ok(kept)
}

fn lost(listed: ListedMessage) -> Piece {
    let failure = message_failure(FailureCode::InternalError, "the kept source is not in the database");
    Piece::Enter(Box::new(row(listed, Verdict::SetAside(failure))))
}

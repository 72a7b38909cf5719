//! A commit made ready to travel to the writer: owned, but for the bytes of the sources, which are shared.

use std::sync::Arc;

use super::codec::Bytes;
use crate::model::{
    activity::{BatchCommit, LedgerEntry, NewSource, SourceEncoding},
    cursor::{Cursor, Numbering},
    message::Sha256,
};

/// Raw bytes on their way to the database.
#[derive(Debug)]
pub struct Source {
    /// Of the uncompressed bytes.
    pub sha256: Sha256,
    /// Uncompressed size.
    pub size: u64,
    /// How `bytes` are encoded.
    pub encoding: SourceEncoding,
    /// The bytes.
    pub bytes: Bytes,
}

impl Source {
    /// Shares the bytes of a source.
    pub fn of(source: &NewSource) -> Self {
        Self {
            sha256: source.sha256,
            size: source.size,
            encoding: source.encoding,
            bytes: Bytes(Arc::clone(&source.bytes)),
        }
    }
}

/// A [`BatchCommit`] of its own.
#[derive(Debug)]
pub struct Batch {
    /// The messages, without their sources.
    pub entries: Vec<LedgerEntry>,
    /// The sources, in the order of the entries.
    pub sources: Vec<Option<Source>>,
    /// Whether what is recorded is to be deleted from the server.
    pub delete: bool,
    /// The numbering of its rows.
    pub numbering: Numbering,
    /// Where the cursor stands afterwards.
    pub cursor: Cursor,
}

impl Batch {
    /// Copies a commit.
    pub fn of(commit: &BatchCommit) -> Self {
        let entry = |entry: &LedgerEntry| LedgerEntry {
            uid: entry.uid,
            internal_date: entry.internal_date,
            uidl: entry.uidl,
            size: entry.size,
            key: entry.key,
            message_id: entry.message_id.clone(),
            source: None,
            verdict: entry.verdict.clone(),
        };
        Self {
            entries: commit.entries.iter().map(entry).collect(),
            sources: commit.entries.iter().map(|entry| entry.source.as_ref().map(Source::of)).collect(),
            delete: commit.delete,
            numbering: commit.again.unwrap_or(commit.cursor.numbering()),
            cursor: commit.cursor.clone(),
        }
    }

    /// About how many bytes a commit writes.
    pub fn weight(commit: &BatchCommit) -> usize {
        commit.entries.iter().filter_map(|entry| entry.source.as_ref()).map(|source| source.bytes.len()).sum()
    }
}

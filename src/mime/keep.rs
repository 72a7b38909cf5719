//! How raw bytes are kept: as they are, or as one LZ4 block where that saves something.

use std::sync::Arc;

use lz4_flex::block;
use sha2::{Digest, Sha256 as Hasher};

use crate::model::{
    activity::{NewSource, SourceEncoding},
    message::Sha256,
};

/// Messages up to here are simply tried; of larger ones samples are.
const TRIED: usize = 64 << 10;
/// Length of each of the samples.
const SAMPLE: usize = 8 << 10;
/// An LZ4 block never grows more than this when expanded.
const LARGEST_RATIO: u64 = 255;

/// Kept bytes that are not what was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kept source is damaged")]
pub struct Damaged;

/// The SHA-256 of `raw`, as in [`NewSource`] and
/// [`ReceivedMessage`](crate::model::message::ReceivedMessage).
pub fn digest(raw: &[u8]) -> Sha256 {
    Sha256(Hasher::digest(raw).into())
}

/// Makes `raw` ready to be kept. `sha256` is its [`digest`], which the caller has from the parse.
pub fn compress(raw: Vec<u8>, sha256: Sha256) -> NewSource {
    let size = raw.len() as u64;
    let packed = worth_packing(&raw).then(|| block::compress(&raw)).filter(|packed| shrinks(&raw, packed.len()));
    let (encoding, bytes) = match packed {
        Some(packed) => (SourceEncoding::Lz4, packed),
        None => (SourceEncoding::None, raw),
    };
    NewSource { sha256, size, encoding, bytes: Arc::new(bytes) }
}

/// The raw bytes again, compared with their SHA-256.
///
/// # Errors
/// They are not the bytes that were kept. Never allocates more than the kept bytes can stand for.
pub fn expand(source: &NewSource) -> Result<Vec<u8>, Damaged> {
    let raw = match source.encoding {
        SourceEncoding::None => source.bytes.to_vec(),
        SourceEncoding::Lz4 if source.size / LARGEST_RATIO > source.bytes.len() as u64 => return Err(Damaged),
        SourceEncoding::Lz4 => {
            let size = usize::try_from(source.size).map_err(|_| Damaged)?;
            block::decompress(&source.bytes, size).map_err(|_| Damaged)?
        }
    };
    if raw.len() as u64 == source.size && digest(&raw) == source.sha256 { Ok(raw) } else { Err(Damaged) }
}

/// Whether it saves at least a twentieth.
fn shrinks(raw: &[u8], packed: usize) -> bool {
    packed <= raw.len() - raw.len() / 20
}

/// Most large mails are base64 attachments, where LZ4 gains next to nothing: three samples tell
/// whether it saves a quarter.
fn worth_packing(raw: &[u8]) -> bool {
    if raw.len() <= TRIED {
        return true;
    }
    let starts = [TRIED / 4, raw.len() / 2, raw.len() - SAMPLE];
    let samples: Vec<&[u8]> = starts.iter().filter_map(|start| raw.get(*start..start + SAMPLE)).collect();
    let samples = samples.concat();
    block::compress(&samples).len() <= samples.len() / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without any repetition, from a fixed generator.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    fn kept(raw: &[u8]) -> NewSource {
        compress(raw.to_vec(), digest(raw))
    }

    #[test]
    fn everything_comes_back() {
        for (raw, encoding) in [
            (Vec::new(), SourceEncoding::None),
            (b"x".to_vec(), SourceEncoding::None),
            (b"Received: by example.org\r\n".repeat(9), SourceEncoding::Lz4),
            (b"Received: by example.org\r\n".repeat(90_000), SourceEncoding::Lz4),
            (noise(1_000), SourceEncoding::None),
            (noise(1_000_000), SourceEncoding::None),
        ] {
            let source = kept(&raw);
            assert_eq!((source.encoding, source.size), (encoding, raw.len() as u64));
            assert_eq!(expand(&source), Ok(raw));
        }
    }

    #[test]
    fn damage_is_noticed_and_cannot_exhaust_memory() {
        let source = kept(&b"Received: by example.org\r\n".repeat(90));
        let mut bytes = source.bytes.to_vec();
        bytes[5] ^= 1;
        let bytes = Arc::new(bytes);
        for damaged in [
            NewSource { size: source.size + 1, ..source.clone() },
            NewSource { size: source.size - 1, ..source.clone() },
            NewSource { size: u64::MAX, ..source.clone() },
            NewSource { sha256: Sha256([0; 32]), ..source.clone() },
            NewSource { encoding: SourceEncoding::None, ..source.clone() },
            NewSource { bytes, ..source },
        ] {
            assert_eq!(expand(&damaged), Err(Damaged), "{:?}", (damaged.size, damaged.encoding));
        }
    }
}

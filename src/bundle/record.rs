//! Objects on their way into a bundle: as they are given, what is kept of each in memory until the end, and what follows from all
//! of them together, their names and the id of the contents.

use super::name::{self, Taken};
use super::texts::Slot;
use super::write_error::WriteError;
use crate::spool::{Blob, Sha, hex};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Size and digest by which an object counts in `content_id`, where its body holds fields that change by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// Size in bytes of the body in canonical JSON, without the volatile fields.
    pub size: u64,
    /// SHA-256 of the same.
    pub sha256: Sha,
}

/// One object to be stored.
#[derive(Clone, Debug)]
pub struct Member<B = Blob> {
    /// Name of the kind.
    pub kind: String,
    /// True object path, or source id; unique within the kind.
    pub path: String,
    /// Natural key, where it differs from the path.
    pub key: Option<String>,
    /// Name below `data/<kind>/`, with extension, not encoded: `Users/a@b.c/etl.notebook.py`, `123.json`.
    pub name: String,
    /// When the object was last changed, in milliseconds since 1970; goes into meta and into the tar header.
    pub modified_at: Option<u64>,
    /// What else is known of the object.
    pub meta: Map<String, Value>,
    /// Why the object is less than it should be, if it is.
    pub degraded: Option<String>,
    /// The bytes, out of [`Writer::spool`](super::Writer::spool); for [`Writer::carry`](super::Writer::carry), their place in the earlier bundle.
    pub body: B,
    /// How it counts in `content_id`, if not by its body.
    pub canonical: Option<Canonical>,
}

/// Where the bytes of a member are.
pub(crate) enum Content {
    /// In the spool.
    Spooled(Blob),
    /// In the earlier bundle: the index of its line there.
    Earlier { index: usize, len: u64, sha256: Sha },
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Spooled(blob) => blob.len(),
            Self::Earlier { len, .. } => *len,
        }
    }

    pub(crate) fn sha256(&self) -> &Sha {
        match self {
            Self::Spooled(blob) => blob.sha256(),
            Self::Earlier { sha256, .. } => sha256,
        }
    }

    /// The bytes in the spool, where they are by the time they are packed.
    pub(crate) fn blob(&self) -> Result<&Blob, WriteError> {
        match self {
            Self::Spooled(blob) => Ok(blob),
            Self::Earlier { .. } => Err(WriteError::Earlier("it was not unpacked".into())),
        }
    }
}

/// What is kept in memory of a member: names, sizes and digests.
pub(crate) struct Record {
    pub(crate) kind: Arc<str>,
    pub(crate) path: Box<str>,
    pub(crate) key: Option<Box<str>>,
    pub(crate) name: Box<str>,
    pub(crate) modified_at: Option<u64>,
    pub(crate) degraded: Option<Box<str>>,
    pub(crate) body: Content,
    pub(crate) meta: Slot,
    pub(crate) canonical: Option<Box<Canonical>>,
}

/// Makes names unique, also where case or composition do not count, and where a file would stand in a folder's place.
/// Of several, the first by path keeps its name.
pub(crate) fn give_names(records: &mut [Record]) {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_unstable_by(|a, b| {
        let key = |index: usize| (&records[index].name, &records[index].path);
        key(*a).cmp(&key(*b))
    });
    let mut taken = Taken::default();
    for record in records.iter() {
        taken.reserve_folders(&record.name);
    }
    for index in order {
        let record = &mut records[index];
        let mut attempt = 0;
        let wanted = record.name.clone();
        while !taken.take(&record.name) {
            record.name = name::beside(&wanted, &record.kind, &record.path, attempt).into();
            attempt += 1;
        }
    }
}

/// SHA-256 that is equal for equal workspace state: over kind, path, and the size and digest of what does not change by itself.
pub(crate) fn content_id(records: &[Record]) -> Sha {
    let mut order: Vec<&Record> = records.iter().collect();
    order.sort_unstable_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    let mut sha = Sha256::new();
    for record in order {
        let (size, digest) = match &record.canonical {
            Some(canonical) => (canonical.size, &canonical.sha256),
            None => (record.body.len(), record.body.sha256()),
        };
        sha.update(format!("{}\0{}\0{size}\0{}\n", record.kind, record.path, hex(digest)));
    }
    sha.finalize().into()
}

//! The record of a bundle: what a catalogue tells of it, in a small file beside it.

use crate::bundle::{Reader, hex};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which records this version writes and reads.
const VERSION: u32 = 1;

/// What is known of a bundle without opening it. It can be made from the bundle again, and is never believed over it: a record
/// of other bytes than those that lie there is no record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(rename = "record")]
    /// Version of this format.
    pub version: u32,
    /// Size of the bundle in bytes.
    pub bytes: u64,
    /// The store's tag of the bundle, where it has one.
    pub tag: Option<String>,
    /// When the export began, RFC 3339.
    pub created: String,
    /// Id of the workspace, as far as known.
    pub workspace_id: Option<String>,
    /// Its host, as far as known.
    pub host: Option<String>,
    /// Stored objects.
    pub objects: u64,
    /// Of which less than whole.
    pub degraded: u64,
    /// Objects that could not be read.
    pub missing: u64,
    /// How many of both whoever exported accepts as that.
    #[serde(default)]
    pub accepted: u64,
    /// Whether only a part was asked for.
    pub is_part: bool,
    /// Names of the signatures in it; this does not say that they are good.
    pub signatures: Vec<String>,
    /// SHA-256 of its manifest, in hexadecimal: its identity.
    pub manifest_sha256: String,
}

impl Record {
    /// Nothing yet, in the format of this version.
    pub fn new() -> Self {
        Self { version: VERSION, ..Self::default() }
    }

    /// The record of an open bundle that lies somewhere with this tag.
    pub fn of(reader: &Reader, tag: Option<String>) -> Self {
        let head = &reader.manifest().head;
        let text = |name: &str| match head.source.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Null) | None => None,
            Some(other) => Some(other.to_string()),
        };
        Self {
            version: VERSION,
            bytes: reader.size(),
            tag,
            created: head.created.clone(),
            workspace_id: text("workspace_id"),
            host: text("host"),
            objects: head.counts.members,
            degraded: head.states.degraded,
            missing: head.states.missing,
            accepted: head.accepted(),
            is_part: head.selection.is_some(),
            signatures: reader.signatures().iter().map(|signature| signature.name.clone()).collect(),
            manifest_sha256: hex(&reader.manifest().sha256),
        }
    }

    /// Whether nothing is missing or degraded, but for what is accepted.
    pub fn is_complete(&self) -> bool {
        self.missing.saturating_add(self.degraded) <= self.accepted
    }

    /// Reads a record, if it is one of a bundle with this size and tag.
    pub fn read(bytes: &[u8], size: u64, tag: Option<&str>) -> Option<Self> {
        let record: Self = serde_json::from_slice(bytes).ok()?;
        let same = record.version == VERSION && record.bytes == size && record.tag.as_deref() == tag;
        same.then_some(record)
    }

    /// As it is written.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

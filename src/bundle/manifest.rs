//! What a manifest says, as types. [`super::parse`] makes them from lines and [`super::lines`] makes lines from them.

use super::finding::ObjectName;
use crate::spool::Sha;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The first line: what the bundle is and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadLine {
    /// Major version of the format.
    pub major: u16,
    /// Minor version of the format.
    pub minor: u16,
    /// Features that a reader must know; empty in format 1.0.
    pub requires: Vec<String>,
    /// When the export began, RFC 3339 in UTC with whole seconds.
    pub created: String,
    /// Which program wrote the bundle, as `lifeboat/0.1.0 zstd/1.5.7`.
    pub tool: String,
    /// The workspace: `cloud`, `workspace_id`, `host`, `region`, `caller`, `caller_is_admin`, as far as known.
    pub source: Map<String, Value>,
    /// What was asked for, if not everything.
    pub selection: Option<Value>,
    /// SHA-256 that is equal for equal workspace state.
    pub content_id: Sha,
    /// The bundle before this one.
    pub previous: Option<Previous>,
    /// Totals.
    pub counts: Counts,
    /// How many objects ended in which state.
    pub states: States,
}

/// Name in the head's `source` of how many missing or degraded objects whoever exported accepts as that.
pub const ACCEPTED: &str = "accepted";

impl HeadLine {
    /// How many missing or degraded objects whoever exported accepts as that.
    pub fn accepted(&self) -> u64 {
        self.source.get(ACCEPTED).and_then(Value::as_u64).unwrap_or_default()
    }
}

/// The bundle before this one in a chain of nights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// SHA-256 of its `manifest.jsonl`: its identity.
    pub manifest_sha256: Sha,
    /// Its time, RFC 3339 in UTC.
    pub created: String,
}

/// Totals of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Member lines.
    pub members: u64,
    /// Frame lines: the frame of `bundle.json` and the data frames.
    pub frames: u64,
    /// Sum of the members' sizes in bytes.
    pub bytes: u64,
}

/// How many objects ended in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// Whole in the bundle.
    pub captured: u64,
    /// In the bundle, but less than it should be.
    pub degraded: u64,
    /// Listed, but not to be read.
    pub missing: u64,
    /// Listed, but not asked for.
    pub excluded: u64,
    /// Not offered by the workspace.
    pub unavailable: u64,
}

impl States {
    /// All objects together.
    pub fn total(&self) -> u64 {
        self.captured + self.degraded + self.missing + self.excluded + self.unavailable
    }

    /// Counts one object that is not stored.
    pub(crate) fn count_gap(&mut self, state: GapState) {
        *(match state {
            GapState::Missing => &mut self.missing,
            GapState::Excluded => &mut self.excluded,
            GapState::Unavailable => &mut self.unavailable,
        }) += 1;
    }

    /// Adds the states of another.
    pub fn add(&mut self, other: &Self) {
        self.captured += other.captured;
        self.degraded += other.degraded;
        self.missing += other.missing;
        self.excluded += other.excluded;
        self.unavailable += other.unavailable;
    }
}

/// One stored frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameLine {
    /// Offset in the file, in bytes.
    pub off: u64,
    /// Length in the file, in bytes.
    pub clen: u64,
    /// Length after decompression, in bytes.
    pub ulen: u64,
    /// Offset in the tar stream, in bytes.
    pub tar: u64,
    /// SHA-256 of the stored bytes.
    pub sha256: Sha,
}

/// One stored object. Kept lean: a bundle may hold very many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLine {
    /// Name of the kind.
    pub kind: Arc<str>,
    /// True object path, or source id.
    pub path: Box<str>,
    /// Natural key, where it differs from the path.
    pub key: Option<Box<str>>,
    /// Name in the archive, without `bundle/`.
    pub name: Box<str>,
    /// Size of the body in bytes.
    pub size: u64,
    /// SHA-256 of the body.
    pub sha256: Sha,
    /// Index of the frame in which the body begins.
    pub frame: u32,
    /// Offset of the body in that frame, after decompression.
    pub at: u32,
    /// Why the object is degraded, if it is.
    pub degraded: Option<Box<str>>,
    /// What else is known of the object, as compact JSON.
    pub(crate) meta: Box<str>,
    /// The whole line, if it has keys that this reader does not know.
    pub(crate) raw: Option<Box<str>>,
}

impl MemberLine {
    /// What else is known of the object: ids, language, format, time of the last change.
    pub fn meta(&self) -> Map<String, Value> {
        serde_json::from_str(&self.meta).unwrap_or_default()
    }

    /// The same as compact JSON text, as it stands in the bundle.
    pub fn meta_text(&self) -> &str {
        &self.meta
    }

    /// When the object was last changed, in milliseconds since 1970, as far as the workspace said.
    pub fn modified_at(&self) -> Option<u64> {
        modified_at(&self.meta())
    }

    /// The whole line, if a newer minor version wrote keys that this reader does not know.
    pub fn raw(&self) -> Option<&str> {
        self.raw.as_deref()
    }

    /// Kind and path.
    pub fn object(&self) -> ObjectName {
        ObjectName { kind: self.kind.as_ref().to_owned(), path: self.path.as_ref().to_owned() }
    }
}

/// The time of the last change in a member's meta.
pub(crate) fn modified_at(meta: &Map<String, Value>) -> Option<u64> {
    meta.get("modified_at").and_then(Value::as_u64)
}

/// A time of the last change as tar headers have it: whole seconds, 0 where unknown or too large.
pub(crate) fn mtime(modified_at: Option<u64>) -> u64 {
    modified_at.map(|ms| ms / 1000).filter(|seconds| *seconds <= super::tarhead::OCTAL_MAX).unwrap_or(0)
}

/// Why an object is not in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapState {
    /// Listed, but not to be read.
    Missing,
    /// Listed, but not asked for.
    Excluded,
    /// Not offered by the workspace.
    Unavailable,
}

impl GapState {
    /// The word in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Excluded => "excluded",
            Self::Unavailable => "unavailable",
        }
    }

    /// From the word in the manifest.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Missing, Self::Excluded, Self::Unavailable].into_iter().find(|state| state.as_str() == word)
    }
}

/// One object that a listing showed and the bundle does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    /// Why, in one word.
    pub state: GapState,
    /// Name of the kind.
    pub kind: String,
    /// True object path, or source id.
    pub path: String,
    /// Why, as the workspace said it.
    pub reason: String,
    /// HTTP status of the answer, if there was one.
    pub http: Option<u16>,
}

/// One field whose value was removed before the object was stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Redacted {
    /// True path or source id of the object.
    pub path: String,
    /// Name of the kind.
    pub kind: String,
    /// JSON pointer of the field (RFC 6901).
    pub pointer: String,
    /// Why.
    pub reason: String,
}

/// The account of one kind: what its listings showed and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Account")]
pub struct KindLine {
    /// Name of the kind.
    pub kind: String,
    /// Objects that the listings showed.
    pub listed: u64,
    /// Objects whole in the bundle.
    pub captured: u64,
    /// Objects in the bundle that are less than they should be.
    pub degraded: u64,
    /// Objects that could not be read.
    pub missing: u64,
    /// Objects that were not asked for.
    pub excluded: u64,
    /// Objects that the workspace does not offer.
    pub unavailable: u64,
    /// Requests that the kind took.
    pub requests: u64,
}

impl KindLine {
    /// The five states of the line.
    pub fn states(&self) -> States {
        States {
            captured: self.captured,
            degraded: self.degraded,
            missing: self.missing,
            excluded: self.excluded,
            unavailable: self.unavailable,
        }
    }
}

/// All that a manifest says, in its own order.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The first line.
    pub head: HeadLine,
    /// Frames by index; the first holds `bundle.json`.
    pub frames: Vec<FrameLine>,
    /// Stored objects, ascending by path, then kind.
    pub members: Vec<MemberLine>,
    /// Objects that are not stored, ascending by path, then kind.
    pub gaps: Vec<Gap>,
    /// The account of each kind, ascending.
    pub kinds: Vec<KindLine>,
    /// Removed values, ascending by path, kind and pointer.
    pub redacted: Vec<Redacted>,
    /// Lines of a newer minor version that this reader does not know.
    pub unknown: Vec<Box<str>>,
    /// SHA-256 of `manifest.jsonl`: the bundle's identity.
    pub sha256: Sha,
    /// The first line as it stands, without its line feed.
    pub(crate) head_text: Box<[u8]>,
    /// Indices of members, ascending by place.
    pub(crate) by_place: Vec<u32>,
}

impl Manifest {
    /// The member of a kind at a path (or with a source id).
    pub fn find(&self, kind: &str, path: &str) -> Option<&MemberLine> {
        self.place(kind, path).map(|(_, member)| member)
    }

    /// The same, with its index among the members.
    pub(crate) fn place(&self, kind: &str, path: &str) -> Option<(usize, &MemberLine)> {
        let at = self.members.binary_search_by(|m| (&*m.path, &*m.kind).cmp(&(path, kind))).ok()?;
        Some((at, self.members.get(at)?))
    }

    /// Members in the order in which they stand in the archive: the cheapest order for reading them all.
    pub fn in_place_order(&self) -> impl Iterator<Item = &MemberLine> {
        self.by_place.iter().filter_map(|index| self.members.get(*index as usize))
    }

    /// Every object of which at least one byte stands in a frame.
    pub fn objects_in(&self, frame: usize) -> Vec<ObjectName> {
        self.members_in(frame).iter().map(|m| m.object()).collect()
    }

    /// Members of which at least one byte of header or body stands in a frame, by place.
    pub(crate) fn members_in(&self, frame: usize) -> Vec<&MemberLine> {
        let index = |i: &u32| self.members.get(*i as usize).map_or(u32::MAX, |m| m.frame);
        let wanted = u32::try_from(frame).unwrap_or(u32::MAX);
        let end = self.by_place.partition_point(|i| index(i) <= wanted);
        let mut begin = self.by_place.partition_point(|i| index(i) < wanted);
        if begin == end && frame > 0 {
            begin = begin.saturating_sub(1);
        }
        self.by_place[begin..end].iter().filter_map(|i| self.members.get(*i as usize)).collect()
    }
}

//! Manifest lines, written: compact JSON, keys in a fixed order, one line feed after each.

use super::json;
use super::manifest::{FrameLine, Gap, HeadLine, KindLine, Redacted};
use crate::spool::{Sha, hex};
use serde::Serialize;
use serde::ser::SerializeMap;

/// Reasons are cut at this many bytes: an error page of a proxy is no reason.
const MAX_REASON: usize = 2048;

/// The first line, which is also all of `bundle.json`.
pub(crate) fn head(head: &HeadLine) -> Result<Vec<u8>, serde_json::Error> {
    line(|map| {
        map.serialize_entry("t", "bundle")?;
        map.serialize_entry("format", "lifeboat")?;
        map.serialize_entry("major", &head.major)?;
        map.serialize_entry("minor", &head.minor)?;
        map.serialize_entry("requires", &head.requires)?;
        map.serialize_entry("created", &head.created)?;
        map.serialize_entry("tool", &head.tool)?;
        map.serialize_entry("source", &head.source)?;
        optional(map, "selection", head.selection.as_ref())?;
        map.serialize_entry("content_id", &hex(&head.content_id))?;
        let previous = head.previous.as_ref();
        let previous = previous.map(|p| serde_json::json!({"manifest_sha256": hex(&p.manifest_sha256), "created": p.created}));
        optional(map, "previous", previous.as_ref())?;
        let counts = &head.counts;
        map.serialize_entry(
            "counts",
            &serde_json::json!({"members": counts.members, "frames": counts.frames, "bytes": counts.bytes}),
        )?;
        let states = &head.states;
        let states = serde_json::json!({"captured": states.captured, "degraded": states.degraded, "missing": states.missing,
            "excluded": states.excluded, "unavailable": states.unavailable});
        map.serialize_entry("states", &states)
    })
}

/// A frame's line.
pub(crate) fn frame(index: usize, frame: &FrameLine) -> Result<Vec<u8>, serde_json::Error> {
    line(|map| {
        map.serialize_entry("t", "frame")?;
        map.serialize_entry("i", &index)?;
        map.serialize_entry("off", &frame.off)?;
        map.serialize_entry("clen", &frame.clen)?;
        map.serialize_entry("ulen", &frame.ulen)?;
        map.serialize_entry("tar", &frame.tar)?;
        map.serialize_entry("sha256", &hex(&frame.sha256))
    })
}

/// What a member's line needs; `meta` is compact JSON, tamed already.
pub(crate) struct MemberParts<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) size: u64,
    pub(crate) sha256: &'a Sha,
    pub(crate) frame: u32,
    pub(crate) at: u32,
    pub(crate) degraded: Option<&'a str>,
    pub(crate) meta: &'a str,
}

/// A member's line.
pub(crate) fn member(m: &MemberParts<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = line(|map| {
        map.serialize_entry("t", "member")?;
        map.serialize_entry("path", m.path)?;
        map.serialize_entry("kind", m.kind)?;
        optional(map, "key", m.key)?;
        map.serialize_entry("name", m.name)?;
        map.serialize_entry("size", &m.size)?;
        map.serialize_entry("sha256", &hex(m.sha256))?;
        map.serialize_entry("frame", &m.frame)?;
        map.serialize_entry("at", &m.at)?;
        optional(map, "state", m.degraded.map(|_| "degraded"))?;
        optional(map, "reason", m.degraded.map(cut))
    })?;
    line.truncate(line.len() - "}\n".len());
    line.extend_from_slice(b",\"meta\":");
    line.extend_from_slice(m.meta.as_bytes());
    line.extend_from_slice(b"}\n");
    Ok(line)
}

/// A gap's line.
pub(crate) fn gap(gap: &Gap) -> Result<Vec<u8>, serde_json::Error> {
    line(|map| {
        map.serialize_entry("t", "gap")?;
        map.serialize_entry("state", gap.state.as_str())?;
        map.serialize_entry("path", &gap.path)?;
        map.serialize_entry("kind", &gap.kind)?;
        map.serialize_entry("reason", cut(&gap.reason))?;
        optional(map, "http", gap.http)
    })
}

/// A kind's line.
pub(crate) fn kind(kind: &KindLine) -> Result<Vec<u8>, serde_json::Error> {
    line(|map| {
        map.serialize_entry("t", "kind")?;
        map.serialize_entry("kind", &kind.kind)?;
        map.serialize_entry("listed", &kind.listed)?;
        map.serialize_entry("captured", &kind.captured)?;
        map.serialize_entry("degraded", &kind.degraded)?;
        map.serialize_entry("missing", &kind.missing)?;
        map.serialize_entry("excluded", &kind.excluded)?;
        map.serialize_entry("unavailable", &kind.unavailable)?;
        map.serialize_entry("requests", &kind.requests)
    })
}

/// The line of a removed value.
pub(crate) fn redacted(redacted: &Redacted) -> Result<Vec<u8>, serde_json::Error> {
    line(|map| {
        map.serialize_entry("t", "redacted")?;
        map.serialize_entry("path", &redacted.path)?;
        map.serialize_entry("kind", &redacted.kind)?;
        map.serialize_entry("pointer", &redacted.pointer)?;
        map.serialize_entry("reason", cut(&redacted.reason))
    })
}

/// Whether a line, with its line feed, is one that readers accept.
pub(crate) fn fits(line: &[u8]) -> bool {
    line.len() <= json::MAX_LINE
}

type MapOf<'a> = <&'a mut serde_json::Serializer<&'a mut Vec<u8>> as serde::Serializer>::SerializeMap;

fn line(fill: impl FnOnce(&mut MapOf<'_>) -> Result<(), serde_json::Error>) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(320);
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    let mut map = serde::Serializer::serialize_map(&mut serializer, None)?;
    fill(&mut map)?;
    map.end()?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn optional<T: Serialize>(map: &mut MapOf<'_>, key: &str, value: Option<T>) -> Result<(), serde_json::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}

fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

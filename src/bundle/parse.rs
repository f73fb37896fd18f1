//! Manifest lines, read: an allow-list. A line, a key or a value that the format does not list is refused, unless the bundle
//! says that a newer minor version wrote it. The first fault ends the reading.

use super::finding::{Fault, Finding};
use super::json::parse_line;
use super::manifest::{
    Counts, FrameLine, Gap, GapState, HeadLine, KindLine, Manifest, MemberLine, Previous, Redacted, States, modified_at, mtime,
};
use super::name::{self, Taken};
use super::scan::{self, Scanned, unhex};
use super::tags::MAX_HEAD_FRAME;
use super::tarhead::{BLOCK, member_head_len, padded};
use super::trailer::{MAJOR, MINOR};
use super::{Limits, OpenError, frame};
use crate::spool::Sha;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Takes the lines one by one and makes a [`Manifest`] of them.
pub(crate) struct Builder {
    limits: Limits,
    keep_meta: bool,
    stage: usize,
    lenient: bool,
    foreign: Vec<String>,
    number: u64,
    head_text: Box<[u8]>,
    head: Option<HeadLine>,
    frames: Vec<FrameLine>,
    members: Vec<MemberLine>,
    gaps: Vec<Gap>,
    kinds: Vec<KindLine>,
    redacted: Vec<Redacted>,
    unknown: Vec<Box<str>>,
    taken: Taken,
    words: Vec<Arc<str>>,
    bytes: u64,
}

/// Features in `requires` that this reader knows: none in format 1.0.
const KNOWN_FEATURES: [&str; 0] = [];

/// The sorts of lines in their order.
const STAGES: [&str; 6] = ["bundle", "frame", "member", "gap", "kind", "redacted"];
/// Where members stand in [`STAGES`].
const MEMBERS: usize = 2;

impl Builder {
    /// Begins. Without `keep_meta`, what is known of members besides their places is checked and forgotten.
    pub(crate) fn new(limits: Limits, keep_meta: bool) -> Self {
        Self {
            limits,
            keep_meta,
            stage: 0,
            lenient: false,
            foreign: Vec::new(),
            number: 0,
            head_text: Box::default(),
            head: None,
            frames: Vec::new(),
            members: Vec::new(),
            gaps: Vec::new(),
            kinds: Vec::new(),
            redacted: Vec::new(),
            unknown: Vec::new(),
            taken: Taken::default(),
            words: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes one line, without its line feed.
    pub(crate) fn line(&mut self, text: &[u8]) -> Result<(), Finding> {
        if !self.foreign.is_empty() {
            return Ok(());
        }
        self.number += 1;
        let number = self.number;
        self.accept(text).map_err(|mut finding| {
            finding.detail = format!("manifest line {number}: {}", finding.detail);
            finding
        })
    }

    fn accept(&mut self, text: &[u8]) -> Result<(), Finding> {
        let quick = (self.head.is_some() && self.stage <= MEMBERS).then(|| scan::member(text)).flatten();
        if let Some(scanned) = quick {
            return self.scanned(&scanned);
        }
        let mut fields = Fields(parse_line(text).map_err(line_fault)?);
        let sort = fields.text("t")?;
        let Some(stage) = STAGES.iter().position(|known| *known == sort) else {
            return self.unknown_line(&sort, text);
        };
        if (self.head.is_none()) != (stage == 0) || stage < self.stage {
            return Err(Finding::new(Fault::Order, format!("a line of the sort \"{sort}\" does not belong here")));
        }
        self.stage = stage;
        match stage {
            0 => self.head(&mut fields, text)?,
            1 => self.frame(&mut fields)?,
            MEMBERS => self.member(&mut fields, text)?,
            3 => self.gap(&mut fields)?,
            4 => self.kind(&mut fields)?,
            _ => self.redacted(&mut fields)?,
        }
        fields.done(self.lenient || !self.foreign.is_empty())
    }

    fn unknown_line(&mut self, sort: &str, text: &[u8]) -> Result<(), Finding> {
        if self.head.is_none() || !self.lenient {
            return Err(line_fault(format!("the sort \"{sort}\" is unknown")));
        }
        self.unknown.push(String::from_utf8_lossy(text).into());
        Ok(())
    }

    fn head(&mut self, fields: &mut Fields, text: &[u8]) -> Result<(), Finding> {
        if fields.text("format")? != "lifeboat" {
            return Err(line_fault("the format is not \"lifeboat\""));
        }
        let (major, minor) = (fields.small("major")?, fields.small("minor")?);
        self.lenient = minor > MINOR;
        let head = HeadLine {
            major,
            minor,
            requires: fields.texts("requires")?,
            created: fields.time("created")?,
            tool: fields.text("tool")?,
            source: fields.map("source")?,
            selection: fields.0.shift_remove("selection"),
            content_id: fields.sha("content_id")?,
            previous: fields.previous(self.lenient)?,
            counts: fields.counts(self.lenient)?,
            states: fields.states(self.lenient)?,
        };
        if head.major != MAJOR {
            return Err(line_fault("the major version is not the trailer's"));
        }
        self.foreign = head.requires.iter().filter(|feature| !KNOWN_FEATURES.contains(&feature.as_str())).cloned().collect();
        if head.tool.chars().any(char::is_control) {
            return Err(line_fault("the tool's name has control characters"));
        }
        limit(head.counts.members <= self.limits.members, "it declares more members than allowed")?;
        limit(head.counts.bytes <= self.limits.bytes, "it declares more bytes than allowed")?;
        self.taken.reserve(head.counts.members);
        self.head_text = text.into();
        self.head = Some(head);
        Ok(())
    }

    fn frame(&mut self, fields: &mut Fields) -> Result<(), Finding> {
        let index = fields.number("i")?;
        let line = FrameLine {
            off: fields.number("off")?,
            clen: fields.number("clen")?,
            ulen: fields.number("ulen")?,
            tar: fields.number("tar")?,
            sha256: fields.sha("sha256")?,
        };
        let (off, tar) = self.frames.last().map_or((0, 0), |last| (last.off + last.clen, last.tar + last.ulen));
        if index != self.frames.len() as u64 || line.off != off || line.tar != tar {
            return Err(Finding::new(Fault::Tiling, format!("frame {index} does not follow the frame before it")));
        }
        limit(index > 0 || line.ulen <= MAX_HEAD_FRAME, "the first frame is larger than the format allows")?;
        let sizes = (1..=frame::MAX_CLEN).contains(&line.clen) && (1..=frame::MAX_ULEN).contains(&line.ulen);
        if !sizes || !line.ulen.is_multiple_of(BLOCK) {
            return Err(Finding::new(Fault::Limit, format!("frame {index} has a size that the format does not allow")));
        }
        limit(line.tar + line.ulen <= self.limits.bytes, "the frames hold more bytes than allowed")?;
        self.frames.push(line);
        Ok(())
    }

    fn member(&mut self, fields: &mut Fields, text: &[u8]) -> Result<(), Finding> {
        let mut member = MemberLine {
            path: fields.text("path")?.into(),
            kind: self.word(&fields.text("kind")?)?,
            key: fields.optional_text("key")?.map(Into::into),
            name: fields.text("name")?.into(),
            size: fields.number("size")?,
            sha256: fields.sha("sha256")?,
            frame: fields.small("frame")?,
            at: fields.small("at")?,
            degraded: fields.degraded()?.map(Into::into),
            meta: Box::default(),
            raw: None,
        };
        let meta = fields.map("meta")?;
        if self.keep_meta {
            member.meta = Value::Object(meta).to_string().into();
        }
        if !fields.0.is_empty() {
            member.raw = Some(String::from_utf8_lossy(text).into());
        }
        self.keep(member)
    }

    /// A member's line that the quick reader took apart.
    fn scanned(&mut self, scanned: &Scanned<'_>) -> Result<(), Finding> {
        self.stage = MEMBERS;
        let kind = self.word(scanned.kind)?;
        self.keep(MemberLine {
            kind,
            path: scanned.path.into(),
            key: scanned.key.map(Into::into),
            name: scanned.name.into(),
            size: scanned.size,
            sha256: scanned.sha256,
            frame: scanned.frame,
            at: scanned.at,
            degraded: None,
            meta: if self.keep_meta { scanned.meta.into() } else { Box::default() },
            raw: None,
        })
    }

    /// Takes a member, if it may stand here under its name.
    fn keep(&mut self, member: MemberLine) -> Result<(), Finding> {
        ascending(self.members.last().map(|last| (&*last.path, &*last.kind)), &(&*member.path, &*member.kind))?;
        name::check(&member.name, &member.kind)
            .map_err(|why| Finding::new(Fault::Name, format!("the name {:?} is not allowed: {why}", member.name)))?;
        if !self.taken.take(&member.name) {
            return Err(Finding::new(Fault::Collision, format!("the name {:?} is another's on some file system", member.name)));
        }
        self.bytes = self.bytes.saturating_add(member.size);
        limit(self.bytes <= self.limits.bytes, "the members hold more bytes than allowed")?;
        limit((self.members.len() as u64) < self.limits.members, "there are more members than allowed")?;
        self.members.push(member);
        Ok(())
    }

    fn gap(&mut self, fields: &mut Fields) -> Result<(), Finding> {
        let state = fields.text("state")?;
        let gap = Gap {
            state: GapState::from_word(&state).ok_or_else(|| line_fault(format!("the state \"{state}\" is unknown")))?,
            path: fields.text("path")?,
            kind: fields.kind()?,
            reason: fields.text("reason")?,
            http: fields.0.contains_key("http").then(|| fields.small("http")).transpose()?,
        };
        ascending(self.gaps.last().map(|last| (&*last.path, &*last.kind)), &(&*gap.path, &*gap.kind))?;
        self.gaps.push(gap);
        Ok(())
    }

    fn kind(&mut self, fields: &mut Fields) -> Result<(), Finding> {
        let kind = KindLine {
            kind: fields.kind()?,
            listed: fields.number("listed")?,
            captured: fields.number("captured")?,
            degraded: fields.number("degraded")?,
            missing: fields.number("missing")?,
            excluded: fields.number("excluded")?,
            unavailable: fields.number("unavailable")?,
            requests: fields.number("requests")?,
        };
        ascending(self.kinds.last().map(|last| (&*last.kind, "")), &(&*kind.kind, ""))?;
        self.kinds.push(kind);
        Ok(())
    }

    fn redacted(&mut self, fields: &mut Fields) -> Result<(), Finding> {
        let line = Redacted {
            path: fields.text("path")?,
            kind: fields.kind()?,
            pointer: fields.text("pointer")?,
            reason: fields.text("reason")?,
        };
        let key = |line: &Redacted| (line.path.clone(), line.kind.clone(), line.pointer.clone());
        ascending(self.redacted.last().map(key), &key(&line))?;
        self.redacted.push(line);
        Ok(())
    }

    /// Ends the reading: what can only be said of all lines together.
    pub(crate) fn finish(self, sha256: Sha, manifest_off: u64) -> Result<Manifest, OpenError> {
        if !self.foreign.is_empty() {
            return Err(OpenError::NeedsVersion { major: MAJOR, requires: self.foreign });
        }
        let head = self.head.ok_or_else(|| line_fault("the manifest is empty"))?;
        let end = self.frames.last().map(|last| last.off + last.clen);
        if end != Some(manifest_off) {
            return Err(Finding::new(Fault::Tiling, "the frames do not end where the manifest begins").into());
        }
        let mut by_place: Vec<(u32, u32, u32)> = (0..).zip(&self.members).map(|(index, m)| (m.frame, m.at, index)).collect();
        by_place.sort_unstable();
        let by_place = by_place.into_iter().map(|(_, _, index)| index).collect();
        let manifest = Manifest {
            head,
            frames: self.frames,
            members: self.members,
            gaps: self.gaps,
            kinds: self.kinds,
            redacted: self.redacted,
            unknown: self.unknown,
            sha256,
            head_text: self.head_text,
            by_place,
        };
        check_counts(&manifest)?;
        check_gaps(&manifest)?;
        check_places(&manifest)?;
        Ok(manifest)
    }

    fn word(&mut self, word: &str) -> Result<Arc<str>, Finding> {
        if let Some(known) = self.words.iter().find(|known| ***known == *word) {
            return Ok(known.clone());
        }
        let word: Arc<str> = checked_kind(word.to_owned())?.into();
        self.words.push(word.clone());
        Ok(word)
    }
}

fn limit(holds: bool, what: &str) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(Finding::new(Fault::Limit, what)) }
}

/// Members must fill the data frames exactly, in some order: whole ones share a frame, a big one has frames of its own.
fn check_places(manifest: &Manifest) -> Result<(), Finding> {
    let (mut frame, mut at) = (1usize, 0u64);
    for member in manifest.in_place_order() {
        let fault = || {
            let detail = format!("the place of {:?} does not follow its neighbour's", member.name);
            Finding::new(Fault::Placement, detail).with(vec![member.object()])
        };
        let header = member_head_len(&member.name, member.size);
        if at > 0 && manifest.frames.get(frame).is_some_and(|f| f.ulen == at) {
            (frame, at) = (frame + 1, 0);
        }
        if member.frame as usize != frame || u64::from(member.at) != at + header {
            return Err(fault());
        }
        let mut left = header + padded(member.size);
        let room = manifest.frames.get(frame).map(|f| f.ulen - at).ok_or_else(fault)?;
        if left > room && (at > 0 || header > room) {
            return Err(fault());
        }
        let begin = frame;
        while left > 0 {
            let room = manifest.frames.get(frame).map(|f| f.ulen - at).ok_or_else(fault)?;
            if frame > begin && left < room {
                return Err(fault());
            }
            if left <= room {
                at += left;
                break;
            }
            left -= room;
            (frame, at) = (frame + 1, 0);
        }
    }
    let last = manifest.frames.get(frame).map(|f| f.ulen);
    let filled =
        frame + 1 == manifest.frames.len() && last == Some(at) || manifest.members.is_empty() && manifest.frames.len() == 1;
    if filled { Ok(()) } else { Err(Finding::new(Fault::Placement, "the members do not fill the frames")) }
}

fn check_counts(manifest: &Manifest) -> Result<(), Finding> {
    let bytes = manifest.members.iter().map(|m| m.size).sum();
    let counts = Counts { members: manifest.members.len() as u64, frames: manifest.frames.len() as u64, bytes };
    if manifest.head.counts == counts {
        return Ok(());
    }
    Err(Finding::new(Fault::Counts, format!("the header counts {:?}, the lines are {counts:?}", manifest.head.counts)))
}

fn check_gaps(manifest: &Manifest) -> Result<(), Finding> {
    match manifest.gaps.iter().find(|gap| manifest.find(&gap.kind, &gap.path).is_some()) {
        None => Ok(()),
        Some(gap) => Err(Finding::new(Fault::Duplicate, format!("{} {:?} is both a member and a gap", gap.kind, gap.path))),
    }
}

fn ascending<T: Ord + std::fmt::Debug>(last: Option<T>, next: &T) -> Result<(), Finding> {
    match last.map(|last| last.cmp(next)) {
        None | Some(std::cmp::Ordering::Less) => Ok(()),
        Some(std::cmp::Ordering::Equal) => Err(Finding::new(Fault::Duplicate, format!("{next:?} stands twice"))),
        Some(std::cmp::Ordering::Greater) => Err(Finding::new(Fault::Order, format!("{next:?} is out of order"))),
    }
}

fn line_fault(detail: impl Into<String>) -> Finding {
    Finding::new(Fault::Line, detail)
}

fn checked_kind(kind: String) -> Result<String, Finding> {
    if name::is_kind(&kind) { Ok(kind) } else { Err(line_fault(format!("{kind:?} cannot be the name of a kind"))) }
}

/// The tar time of a member.
pub(crate) fn member_mtime(member: &MemberLine) -> u64 {
    mtime(modified_at(&member.meta()))
}

/// The fields of one line, taken out one by one, so that what is left over is seen.
struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, key: &str) -> Result<Value, Finding> {
        self.0.swap_remove(key).ok_or_else(|| line_fault(format!("\"{key}\" is not there")))
    }

    fn wrong(key: &str) -> Finding {
        line_fault(format!("\"{key}\" has a value that is not allowed"))
    }

    fn text(&mut self, key: &str) -> Result<String, Finding> {
        match self.take(key)? {
            Value::String(text) => Ok(text),
            _ => Err(Self::wrong(key)),
        }
    }

    fn optional_text(&mut self, key: &str) -> Result<Option<String>, Finding> {
        self.0.contains_key(key).then(|| self.text(key)).transpose()
    }

    fn kind(&mut self) -> Result<String, Finding> {
        checked_kind(self.text("kind")?)
    }

    fn number(&mut self, key: &str) -> Result<u64, Finding> {
        self.take(key)?.as_u64().ok_or_else(|| Self::wrong(key))
    }

    fn small<T: TryFrom<u64>>(&mut self, key: &str) -> Result<T, Finding> {
        T::try_from(self.number(key)?).map_err(|_| Self::wrong(key))
    }

    fn map(&mut self, key: &str) -> Result<Map<String, Value>, Finding> {
        match self.take(key)? {
            Value::Object(map) => Ok(map),
            _ => Err(Self::wrong(key)),
        }
    }

    fn sha(&mut self, key: &str) -> Result<Sha, Finding> {
        let text = self.text(key)?;
        unhex(&text).ok_or_else(|| Self::wrong(key))
    }

    fn time(&mut self, key: &str) -> Result<String, Finding> {
        let text = self.text(key)?;
        let whole = text.len() == 20 && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
        if whole && text.parse::<jiff::Timestamp>().is_ok() { Ok(text) } else { Err(Self::wrong(key)) }
    }

    fn texts(&mut self, key: &str) -> Result<Vec<String>, Finding> {
        serde_json::from_value(self.take(key)?).map_err(|_| Self::wrong(key))
    }

    fn degraded(&mut self) -> Result<Option<String>, Finding> {
        match self.optional_text("state")?.as_deref() {
            None => Ok(None),
            Some("degraded") => Ok(Some(self.text("reason")?)),
            Some(_) => Err(Self::wrong("state")),
        }
    }

    fn previous(&mut self, lenient: bool) -> Result<Option<Previous>, Finding> {
        if !self.0.contains_key("previous") {
            return Ok(None);
        }
        let mut inner = Fields(self.map("previous")?);
        let previous = Previous { manifest_sha256: inner.sha("manifest_sha256")?, created: inner.time("created")? };
        inner.done(lenient)?;
        Ok(Some(previous))
    }

    fn counts(&mut self, lenient: bool) -> Result<Counts, Finding> {
        let mut inner = Fields(self.map("counts")?);
        let counts = Counts { members: inner.number("members")?, frames: inner.number("frames")?, bytes: inner.number("bytes")? };
        inner.done(lenient)?;
        Ok(counts)
    }

    fn states(&mut self, lenient: bool) -> Result<States, Finding> {
        let mut inner = Fields(self.map("states")?);
        let states = States {
            captured: inner.number("captured")?,
            degraded: inner.number("degraded")?,
            missing: inner.number("missing")?,
            excluded: inner.number("excluded")?,
            unavailable: inner.number("unavailable")?,
        };
        inner.done(lenient)?;
        Ok(states)
    }

    fn done(&self, lenient: bool) -> Result<(), Finding> {
        match self.0.keys().next() {
            Some(key) if !lenient => Err(line_fault(format!("the key \"{key}\" is unknown"))),
            _ => Ok(()),
        }
    }
}

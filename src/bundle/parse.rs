//! A manifest from its lines: what they say of each other. Each line by itself is [`super::line`]'s business. The first fault
//! in the order of the lines ends the reading.

use super::fields::line_fault;
use super::finding::{Fault, Finding};
use super::line::{self, Line, NamedMember, Piece, SORTS, Terms};
use super::manifest::{Counts, FrameLine, Gap, HeadLine, KindLine, Manifest, MemberLine, Redacted, modified_at, mtime};
use super::name::Taken;
use super::tags::MAX_HEAD_FRAME;
use super::tarhead::{BLOCK, padded};
use super::trailer::{MAJOR, MINOR};
use super::{Limits, OpenError, frame};
use crate::spool::Sha;

/// Takes the lines in their order and makes a [`Manifest`] of them.
pub(crate) struct Builder {
    limits: Limits,
    keep_meta: bool,
    stage: usize,
    foreign: Vec<String>,
    number: u64,
    head_text: Box<[u8]>,
    head: Option<HeadLine>,
    frames: Vec<FrameLine>,
    members: Vec<MemberLine>,
    places: Vec<Place>,
    gaps: Vec<Gap>,
    kinds: Vec<KindLine>,
    redacted: Vec<Redacted>,
    unknown: Vec<Box<str>>,
    taken: Taken,
    bytes: u64,
    /// Lines that are neither frames nor members.
    others: u64,
}

/// Where a member stands in the frames, by itself, so that places can be compared without a look at every line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    frame: u32,
    at: u32,
    index: u32,
    head: u32,
    size: u64,
}

/// Room for so many members is made before they are seen; a header that promises more must bring them.
const MEMBERS_AT_ONCE: u64 = 1 << 17;

impl Builder {
    /// Begins. Without `keep_meta`, what is known of members besides their places is checked and forgotten.
    pub(crate) fn new(limits: Limits, keep_meta: bool) -> Self {
        Self {
            limits,
            keep_meta,
            stage: 0,
            foreign: Vec::new(),
            number: 0,
            head_text: Box::default(),
            head: None,
            frames: Vec::new(),
            members: Vec::new(),
            places: Vec::new(),
            gaps: Vec::new(),
            kinds: Vec::new(),
            redacted: Vec::new(),
            unknown: Vec::new(),
            taken: Taken::default(),
            bytes: 0,
            others: 0,
        }
    }

    /// Takes the first line, without its line feed. Says how to read the others; nothing if they are not for this reader.
    pub(crate) fn first(&mut self, text: &[u8]) -> Result<Option<Terms>, Finding> {
        self.number = 1;
        self.head(text).map_err(|finding| self.numbered(finding))
    }

    /// Takes the lines that follow, and the text in which they stand.
    pub(crate) fn take(&mut self, piece: Piece, text: &[u8]) -> Result<(), Finding> {
        // A text that is not UTF-8 has no lines that would need it.
        let text = std::str::from_utf8(text).unwrap_or_default();
        for line in piece.lines {
            self.number += 1;
            self.add(line, text).map_err(|finding| self.numbered(finding))?;
        }
        self.number += 1;
        piece.fault.map_or(Ok(()), |finding| Err(self.numbered(finding)))?;
        self.number -= 1;
        Ok(())
    }

    /// Takes the lines of frames. False if another line follows, which is not looked at.
    pub(crate) fn take_frames(&mut self, piece: Piece) -> Result<bool, Finding> {
        for line in piece.lines {
            self.number += 1;
            match line {
                Line::Frame(index, frame) => self.frame(index, frame).map_err(|finding| self.numbered(finding))?,
                Line::Unknown(_) => {}
                _ => return Ok(false),
            }
        }
        piece.fault.map_or(Ok(true), |finding| Err(self.numbered(finding)))
    }

    fn numbered(&self, mut finding: Finding) -> Finding {
        finding.detail = format!("manifest line {}: {}", self.number, finding.detail);
        finding
    }

    fn head(&mut self, text: &[u8]) -> Result<Option<Terms>, Finding> {
        let (head, terms) = line::head(text, MINOR)?;
        if head.major != MAJOR {
            return Err(line_fault("the major version is not the trailer's"));
        }
        self.foreign = line::foreign(&head);
        limit(head.counts.members <= self.limits.members, "it declares more members than allowed")?;
        limit(head.counts.bytes <= self.limits.bytes, "it declares more bytes than allowed")?;
        let room = usize::try_from(head.counts.members.min(MEMBERS_AT_ONCE)).unwrap_or_default();
        self.members.reserve_exact(room);
        self.places.reserve_exact(room);
        self.taken.reserve(room);
        self.head_text = text.into();
        self.head = Some(head);
        Ok(self.foreign.is_empty().then_some(Terms { keep_meta: self.keep_meta, ..terms }))
    }

    fn add(&mut self, line: Line, text: &str) -> Result<(), Finding> {
        let stage = match &line {
            Line::Head => 0,
            Line::Frame(..) => 1,
            Line::Member(_) | Line::Written(_) => 2,
            Line::Gap(_) => 3,
            Line::Kind(_) => 4,
            Line::Redacted(_) => 5,
            Line::Unknown(_) => self.stage,
        };
        if stage == 0 && !matches!(line, Line::Unknown(_)) || stage < self.stage {
            return Err(line::misplaced(SORTS[stage]));
        }
        self.stage = stage;
        self.others += u64::from(!matches!(stage, 1 | 2) || matches!(line, Line::Unknown(_)));
        limit(self.others <= self.limits.members, "there are more lines than allowed")?;
        match line {
            Line::Head => {}
            Line::Frame(index, frame) => self.frame(index, frame)?,
            Line::Member(member) => self.member(*member)?,
            Line::Written(written) => self.member(written.named(text))?,
            Line::Gap(gap) => {
                ascending(self.gaps.last().map(gap_key), &gap_key(&gap))?;
                self.gaps.push(gap);
            }
            Line::Kind(kind) => {
                ascending(self.kinds.last().map(|last| &last.kind), &&kind.kind)?;
                self.kinds.push(kind);
            }
            Line::Redacted(one) => {
                ascending(self.redacted.last().map(redacted_key), &redacted_key(&one))?;
                self.redacted.push(one);
            }
            Line::Unknown(text) => self.unknown.push(text),
        }
        Ok(())
    }

    fn frame(&mut self, index: u64, line: FrameLine) -> Result<(), Finding> {
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

    fn member(&mut self, member: NamedMember) -> Result<(), Finding> {
        let NamedMember { line, marks, head_len } = member;
        ascending(self.members.last().map(|last| (&*last.path, &*last.kind)), &(&*line.path, &*line.kind))?;
        if !self.taken.take_marked(&line.name, marks) {
            let detail = format!("the name {:?} is another's on some file system", line.name);
            return Err(Finding::new(Fault::Collision, detail).with(vec![line.object()]));
        }
        self.bytes = self.bytes.saturating_add(line.size);
        limit(self.bytes <= self.limits.bytes, "the members hold more bytes than allowed")?;
        limit((self.members.len() as u64) < self.limits.members, "there are more members than allowed")?;
        let too_many = |_| Finding::new(Fault::Limit, "there are more members than this reader can count");
        let index = u32::try_from(self.members.len()).map_err(too_many)?;
        let head = u32::try_from(head_len).map_err(too_many)?;
        self.places.push(Place { frame: line.frame, at: line.at, index, head, size: line.size });
        self.members.push(line);
        Ok(())
    }

    /// Ends the reading where only frames are of interest: the first line and the frames.
    pub(crate) fn frames(mut self, manifest_off: u64) -> Result<(HeadLine, Vec<FrameLine>), OpenError> {
        let head = self.ended(manifest_off)?;
        if head.counts.frames == self.frames.len() as u64 {
            return Ok((head, self.frames));
        }
        Err(Finding::new(Fault::Counts, "there are more or fewer frames than the header counts").into())
    }

    fn ended(&mut self, manifest_off: u64) -> Result<HeadLine, OpenError> {
        if !self.foreign.is_empty() {
            return Err(OpenError::NeedsVersion { major: MAJOR, requires: std::mem::take(&mut self.foreign) });
        }
        let head = self.head.take().ok_or_else(|| line_fault("the manifest is empty"))?;
        let end = self.frames.last().map(|last| last.off + last.clen);
        if end == Some(manifest_off) {
            return Ok(head);
        }
        Err(Finding::new(Fault::Tiling, "the frames do not end where the manifest begins").into())
    }

    /// Ends the reading: what can only be said of all lines together.
    pub(crate) fn finish(mut self, sha256: Sha, manifest_off: u64) -> Result<Manifest, OpenError> {
        let head = self.ended(manifest_off)?;
        let mut places = self.places;
        places.sort_unstable();
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
            by_place: places.iter().map(|place| place.index).collect(),
        };
        check_counts(&manifest)?;
        check_gaps(&manifest)?;
        check_places(&manifest, &places)?;
        Ok(manifest)
    }
}

fn limit(holds: bool, what: &str) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(Finding::new(Fault::Limit, what)) }
}

/// Members must fill the data frames exactly, in some order: whole ones share a frame, a big one has frames of its own.
fn check_places(manifest: &Manifest, places: &[Place]) -> Result<(), Finding> {
    let (mut frame, mut at) = (1usize, 0u64);
    for place in places {
        let fault = || misplaced(manifest, place);
        let header = u64::from(place.head);
        if at > 0 && manifest.frames.get(frame).is_some_and(|f| f.ulen == at) {
            (frame, at) = (frame + 1, 0);
        }
        if place.frame as usize != frame || u64::from(place.at) != at + header {
            return Err(fault());
        }
        let mut left = header + padded(place.size);
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

fn misplaced(manifest: &Manifest, place: &Place) -> Finding {
    let member = manifest.members.get(place.index as usize);
    let detail = format!("the place of {:?} does not follow its neighbour's", member.map_or("", |member| &member.name));
    Finding::new(Fault::Placement, detail).with(member.map(MemberLine::object).into_iter().collect())
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

fn gap_key(gap: &Gap) -> (&str, &str) {
    (&gap.path, &gap.kind)
}

fn redacted_key(one: &Redacted) -> (&str, &str, &str) {
    (&one.path, &one.kind, &one.pointer)
}

/// The tar time of a member.
pub(crate) fn member_mtime(member: &MemberLine) -> u64 {
    mtime(modified_at(&member.meta()))
}

//! Objects that an earlier bundle holds already: where whole frames are the same, their stored bytes are copied, also of what was read
//! again and had not changed; what else is carried over is unpacked from there. The result is a bundle that stands for itself.

use super::manifest::mtime;
use super::pack::{self, Group, Plan};
use super::parse::member_mtime;
use super::reader::Reader;
use super::record::{Content, Record};
use super::write_error::WriteError;
use crate::spool::Spool;
use std::io::BufWriter;

/// What came from an earlier bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reused {
    /// Objects.
    pub members: u64,
    /// Frames that were copied as they stand.
    pub frames: u64,
    /// Their stored bytes.
    pub bytes: u64,
}

/// What is packed together, with the frames that are copied. What of the earlier bundle goes into others is unpacked.
pub(crate) fn groups(
    records: &mut [Record],
    plan: &Plan,
    earlier: Option<&Reader>,
    spool: &Spool,
) -> Result<(Vec<Group>, Reused), WriteError> {
    let mut groups = pack::groups(plan);
    let Some(earlier) = earlier else { return Ok((groups, Reused::default())) };
    let members = records.iter().filter(|record| matches!(record.body, Content::Earlier { .. })).count() as u64;
    let mut reused = Reused { members, ..Reused::default() };
    for group in &mut groups {
        group.earlier = same_frames(group, records, plan, earlier);
        let Some(first) = group.earlier else { continue };
        reused.frames += group.frames.len() as u64;
        let copied = earlier.manifest().frames.iter().skip(first).take(group.frames.len());
        reused.bytes += copied.map(|frame| frame.clen).sum::<u64>();
    }
    unpack(records, plan, &groups, earlier, spool)?;
    Ok((groups, reused))
}

/// The first of the earlier bundle's frames that are those of a group; nothing if a byte of them would differ.
fn same_frames(group: &Group, records: &[Record], plan: &Plan, earlier: &Reader) -> Option<usize> {
    let manifest = earlier.manifest();
    let lines = plan.order[group.members.clone()].iter().map(|index| {
        let record = records.get(*index as usize)?;
        let line = match record.body {
            Content::Earlier { index: at, .. } => manifest.members.get(at)?,
            // It was read again, and may have been found as it was.
            Content::Spooled(_) => manifest.find(&record.kind, &record.path)?,
        };
        let same = line.name == record.name && line.size == record.body.len() && line.sha256 == *record.body.sha256();
        let placed = line.at == plan.places[*index as usize].1 && member_mtime(line) == mtime(record.modified_at);
        (same && placed).then_some(line)
    });
    let lines: Vec<_> = lines.collect::<Option<_>>()?;
    let first = lines.first()?.frame as usize;
    let is_here = |line: &&super::manifest::MemberLine| line.frame as usize == first;
    let lengths = plan.frames[group.frames.clone()].iter();
    let frames = manifest.frames.get(first..first + group.frames.len())?;
    let same_lengths = lengths.eq(frames.iter().map(|frame| &frame.ulen));
    let all = manifest.members_in(first);
    let same_members = all.len() == lines.len() && all.iter().zip(&lines).all(|(a, b)| std::ptr::eq(*a, *b));
    (same_lengths && same_members && lines.iter().all(is_here)).then_some(first)
}

/// Unpacks what is carried over into other frames than it stood in.
fn unpack(records: &mut [Record], plan: &Plan, groups: &[Group], earlier: &Reader, spool: &Spool) -> Result<(), WriteError> {
    for group in groups.iter().filter(|group| group.earlier.is_none()) {
        for index in &plan.order[group.members.clone()] {
            let record = &mut records[*index as usize];
            let Content::Earlier { index: at, .. } = record.body else { continue };
            let line = earlier.manifest().members.get(at).ok_or_else(gone)?;
            let mut incoming = BufWriter::new(spool.begin().map_err(WriteError::Spool)?);
            earlier.copy(line, &mut incoming).map_err(|cause| WriteError::Earlier(Box::new(cause)))?;
            let incoming = incoming.into_inner().map_err(|cause| WriteError::Spool(cause.into_error()))?;
            record.body = Content::Spooled(incoming.finish().map_err(WriteError::Spool)?);
        }
    }
    Ok(())
}

fn gone() -> WriteError {
    WriteError::Earlier("it does not hold what it held".into())
}

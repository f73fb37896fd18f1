//! The bytes of many members, frame by frame on all cores: each frame is decompressed once, and few are in memory at a time.

use crate::bundle::{MemberLine, ReadError, Reader};
use crate::kinds::{self, Kind};
use crate::spool::Sha;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shows the body of a member, or why it cannot be had.
pub type Visit<'a> = dyn Fn(&MemberLine, Result<&[u8], &ReadError>) + Sync + 'a;

/// Shows the bodies of the wanted members, in any order and on several threads. What is damaged is shown as such; errors: the
/// bundle cannot be read any more.
pub fn bodies(reader: &Reader, wanted: &(dyn Fn(&MemberLine) -> bool + Sync), visit: &Visit<'_>) -> Result<(), ReadError> {
    let groups = groups(reader, wanted);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(groups.len());
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = show(reader, group, visit) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        next.store(groups.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Members by the frame in which they begin.
fn groups<'a>(reader: &'a Reader, wanted: &dyn Fn(&MemberLine) -> bool) -> Vec<Vec<&'a MemberLine>> {
    let mut groups: Vec<Vec<&MemberLine>> = Vec::new();
    // Nobody who looks through a bundle looks at values of secrets.
    let secret = |member: &MemberLine| kinds::by_name(&member.kind).is_some_and(Kind::is_secret_value);
    for member in reader.manifest().in_place_order().filter(|member| wanted(member) && !secret(member)) {
        match groups.last_mut() {
            Some(group) if group.first().is_some_and(|first| first.frame == member.frame) => group.push(member),
            _ => groups.push(vec![member]),
        }
    }
    groups
}

/// The frame is decompressed here and not kept by the reader, which keeps few: as many threads as these would take turns in
/// pushing out the frames of the others.
fn show(reader: &Reader, group: &[&MemberLine], visit: &Visit<'_>) -> Result<(), ReadError> {
    let Some(first) = group.first() else { return Ok(()) };
    let frame = match reader.load(first.frame as usize) {
        Err(error @ ReadError::Damaged(_)) => {
            group.iter().for_each(|member| visit(member, Err(&error)));
            return Ok(());
        }
        frame => frame?,
    };
    for member in group {
        let at = member.at as usize;
        let within = usize::try_from(member.size).ok().and_then(|size| frame.get(at..at.checked_add(size)?));
        match within.filter(|body| <Sha>::from(Sha256::digest(body)) == member.sha256) {
            Some(body) => visit(member, Ok(body)),
            // It goes on in other frames, or is not what it should be.
            None => alone(reader, member, visit)?,
        }
    }
    Ok(())
}

fn alone(reader: &Reader, member: &MemberLine, visit: &Visit<'_>) -> Result<(), ReadError> {
    match reader.read(member) {
        Ok(body) => visit(member, Ok(&body)),
        Err(error @ (ReadError::Damaged(_) | ReadError::TooLarge { .. })) => visit(member, Err(&error)),
        Err(error) => return Err(error),
    }
    Ok(())
}

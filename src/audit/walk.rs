//! Looks into the objects of a bundle on all processors, frame by frame: a frame is decompressed once, whoever stands in it, and
//! only frames in which something stands that is asked for are read at all. What was found comes in the order of the archive.
//!
//! Memory stays flat: a few frames are under way at a time, and whoever is far ahead of the others waits. An object that fills
//! several frames is given piece by piece. Frames are compared with their digests in the manifest before they are decompressed.

use crate::bundle::{MemberLine, ReadError, Reader};
use crate::kinds::{self, Kind};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};

/// So many units may be done before the one that is told next.
const AHEAD: usize = 16;

/// Bytes of a large object that are given at once, about.
const WINDOW: usize = 8 << 20;

/// An object up to this size is given whole: no notebook is larger, and hardly any document.
const WHOLE: u64 = 64 << 20;

/// Bytes of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Bytes of the object before these.
    pub from: u64,
    /// Whether these are the last.
    pub is_last: bool,
}

impl<'a> Piece<'a> {
    /// The bytes, if they are all of the object.
    pub(super) fn whole(&self) -> Option<&'a [u8]> {
        (self.from == 0 && self.is_last).then_some(self.bytes)
    }
}

/// Objects that begin in one frame.
struct Unit<'a> {
    frame: usize,
    members: Vec<&'a MemberLine>,
}

/// Looks at each of these objects; `take` gets what was seen, in the order of the archive, and ends the work with `false`.
/// An object that is larger than a frame may be looked at several times, piece by piece. Errors: the bundle is damaged or cannot be read.
pub(super) fn each<'a, T: Send>(
    reader: &Reader,
    members: &[&'a MemberLine],
    look: &(dyn Fn(&MemberLine, Piece<'_>) -> T + Sync),
    take: &mut dyn FnMut(&'a MemberLine, T) -> bool,
) -> Result<(), ReadError> {
    let mut fault = None;
    each_or(reader, members, look, take, &mut |error| {
        fault = Some(error);
        false
    });
    fault.map_or(Ok(()), Err)
}

/// The same where damage ends only the looking at what is hurt, unless `fault` says `false`.
pub(super) fn each_or<'a, T: Send>(
    reader: &Reader,
    members: &[&'a MemberLine],
    look: &(dyn Fn(&MemberLine, Piece<'_>) -> T + Sync),
    take: &mut dyn FnMut(&'a MemberLine, T) -> bool,
    fault: &mut dyn FnMut(ReadError) -> bool,
) {
    let units = units(members);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 8).min(units.len());
    let shared = Shared { next: AtomicUsize::new(0), told: Mutex::new(0), moved: Condvar::new(), over: AtomicBool::new(false) };
    let (sender, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, shared, units) = (sender.clone(), &shared, &units);
            scope.spawn(move || {
                while let Some((index, unit)) = shared.claim(units) {
                    let mut seen = Vec::new();
                    let looked = look_at(reader, unit, &mut |member, piece| seen.push((member, look(member, piece))));
                    if sender.send((index, seen, looked)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (index, seen, looked) in results {
            waiting.insert(index, (seen, looked));
            while let Some((seen, looked)) = waiting.remove(&next) {
                next += 1;
                let goes_on =
                    seen.into_iter().all(|(member, seen)| take(member, seen)) && looked.map_or_else(&mut *fault, |()| true);
                if !goes_on {
                    shared.end();
                    return;
                }
                shared.is_told(next);
            }
        }
    });
}

/// What the threads know of one another.
struct Shared {
    next: AtomicUsize,
    told: Mutex<usize>,
    moved: Condvar,
    over: AtomicBool,
}

impl Shared {
    /// The next unit, once it is not too far ahead.
    fn claim<'u, 'a>(&self, units: &'u [Unit<'a>]) -> Option<(usize, &'u Unit<'a>)> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let unit = units.get(index)?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        while index >= *told + AHEAD && !self.over.load(Ordering::Relaxed) {
            told = self.moved.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
        (!self.over.load(Ordering::Relaxed)).then_some((index, unit))
    }

    fn is_told(&self, next: usize) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.moved.notify_all();
    }

    fn end(&self) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.over.store(true, Ordering::Relaxed);
        drop(told);
        self.moved.notify_all();
    }
}

fn units<'a>(members: &[&'a MemberLine]) -> Vec<Unit<'a>> {
    // Nobody who looks through a bundle looks at values of secrets.
    let secret = |member: &MemberLine| kinds::by_name(&member.kind).is_some_and(Kind::is_secret_value);
    let mut members: Vec<&MemberLine> = members.iter().copied().filter(|member| !secret(member)).collect();
    members.sort_unstable_by_key(|member| (member.frame, member.at));
    let mut units: Vec<Unit<'a>> = Vec::new();
    for member in members {
        match units.last_mut() {
            Some(unit) if unit.frame == member.frame as usize => unit.members.push(member),
            _ => units.push(Unit { frame: member.frame as usize, members: vec![member] }),
        }
    }
    units
}

type Look<'l, 'a> = &'l mut dyn FnMut(&'a MemberLine, Piece<'_>);

fn look_at<'a>(reader: &Reader, unit: &Unit<'a>, look: Look<'_, 'a>) -> Result<(), ReadError> {
    let raw = reader.load(unit.frame)?;
    for member in &unit.members {
        let at = member.at as usize;
        let end = usize::try_from(member.size).ok().and_then(|size| at.checked_add(size));
        match end.and_then(|end| raw.get(at..end)) {
            Some(bytes) => look(member, Piece { bytes, from: 0, is_last: true }),
            None => large(reader, member, &raw, look)?,
        }
    }
    Ok(())
}

/// An object that goes on in further frames. A piece ends with a line, if there is an end of a line in it.
fn large<'a>(reader: &Reader, member: &'a MemberLine, first: &[u8], look: Look<'_, 'a>) -> Result<(), ReadError> {
    let (mut window, mut from) = (first.get(member.at as usize..).unwrap_or_default().to_vec(), 0);
    let mut frame = member.frame as usize;
    loop {
        let is_last = from + window.len() as u64 >= member.size;
        if is_last {
            window.truncate(usize::try_from(member.size - from).unwrap_or(usize::MAX));
            look(member, Piece { bytes: &window, from, is_last });
            return Ok(());
        }
        if window.len() >= WINDOW && member.size > WHOLE {
            let cut = memchr::memrchr(b'\n', &window).map_or(window.len(), |at| at + 1);
            look(member, Piece { bytes: &window[..cut], from, is_last: false });
            from += cut as u64;
            window.drain(..cut);
        }
        frame += 1;
        window.extend(reader.load(frame)?);
    }
}

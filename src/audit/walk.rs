//! Looks into the objects of a bundle on all processors, frame by frame: a frame is decompressed once, whoever stands in it, and
//! only frames in which something stands that is asked for are read at all. What was found comes in the order of the archive.
//!
//! Memory stays flat: a few frames are under way at a time, and whoever is far ahead of the others waits. An object that fills
//! several frames is given piece by piece, or whole while there is room for it. Frames are compared with their digests in the
//! manifest before they are decompressed, whole objects with theirs as well.
//!
//! Nobody who looks through a bundle looks at values of secrets: they are passed over, but by [`all`].

use crate::bundle::{MemberLine, ReadError, Reader, copy_from, parts};
use crate::kinds::{self, Kind};
use crate::spool::Sha;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};

/// So many units may be done before the one that is told next.
const AHEAD: usize = 16;

/// Bytes of a large object that are given at once, about.
const WINDOW: usize = 8 << 20;

/// An object up to this size is given in one piece: no notebook is larger, and hardly any document.
const WHOLE: u64 = 64 << 20;

/// Above this an object is not taken into memory.
const LARGEST: u64 = 1 << 30;

/// So many bytes of objects that fill several frames are in memory at a time, or one of them.
const ROOM: u64 = 128 << 20;

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

/// An object to look at, and the frame in which it begins.
pub(super) struct Body<'b> {
    reader: &'b Reader,
    pub member: &'b MemberLine,
    first: Arc<Vec<u8>>,
    shared: &'b Shared,
}

impl Body<'_> {
    /// The bytes, if they stand in one frame; not compared with their digest.
    fn within(&self) -> Option<&[u8]> {
        let at = self.member.at as usize;
        let end = at.checked_add(usize::try_from(self.member.size).ok()?)?;
        if at == end { Some(&[]) } else { self.first.get(at..end) }
    }

    /// Frames are not kept by the reader, which keeps few: so many threads would take turns in pushing out those of the others.
    fn frame(&self, index: usize) -> Result<Arc<Vec<u8>>, ReadError> {
        if index == self.member.frame as usize {
            return Ok(self.first.clone());
        }
        if self.shared.over.load(Ordering::Relaxed) {
            // Nobody listens any more.
            return Err(ReadError::Io(io::ErrorKind::Interrupted.into()));
        }
        self.reader.load(index).map(Arc::new)
    }

    /// Gives the bytes, large ones piece by piece; frames alone are compared with their digests. A piece that is not the last ends
    /// with a line, if there is an end of a line in it.
    fn pieces(&self, act: &mut dyn FnMut(Piece<'_>)) -> Result<(), ReadError> {
        if let Some(bytes) = self.within() {
            act(Piece { bytes, from: 0, is_last: true });
            return Ok(());
        }
        let size = self.member.size;
        let _room = (size <= WHOLE).then(|| self.shared.room(size));
        let (mut window, mut from) = (Vec::new(), 0);
        parts(self.member, &mut |index| self.frame(index), &mut |part| {
            window.extend_from_slice(part);
            let is_last = from + window.len() as u64 >= size;
            if is_last || window.len() >= WINDOW && size > WHOLE {
                let line = memchr::memrchr(b'\n', &window).filter(|_| !is_last);
                let cut = line.map_or(window.len(), |at| at + 1);
                act(Piece { bytes: &window[..cut], from, is_last });
                from += cut as u64;
                window.drain(..cut);
            }
            Ok(())
        })
    }

    /// All bytes in memory, compared with their digest.
    fn whole<T>(&self, act: impl FnOnce(&[u8]) -> T) -> Result<T, ReadError> {
        let size = self.member.size;
        if let Some(bytes) = self.within().filter(|bytes| <Sha>::from(Sha256::digest(bytes)) == self.member.sha256) {
            return Ok(act(bytes));
        }
        let len = usize::try_from(size).ok().filter(|_| size <= LARGEST).ok_or(ReadError::TooLarge { size })?;
        let _room = self.shared.room(size);
        let mut bytes = Vec::with_capacity(len);
        self.copy(&mut bytes)?;
        Ok(act(&bytes))
    }

    /// Writes all bytes. The digest is compared at the end: after an error, throw away what was written.
    pub(super) fn copy(&self, to: &mut dyn Write) -> Result<(), ReadError> {
        copy_from(self.member, &mut |index| self.frame(index), to).map(drop)
    }
}

/// What came of it.
pub(super) enum Told<'a, T> {
    /// What was seen in an object.
    Seen(&'a MemberLine, T),
    /// Why no more is to be had of these objects: one, or those that were asked for of a frame.
    Lost(Vec<&'a MemberLine>, ReadError),
}

/// Looks at an object, and tells what was seen in it, once or several times.
pub(super) type Look<'l, T> = &'l (dyn Fn(&Body<'_>, &mut dyn FnMut(T)) -> Result<(), ReadError> + Sync);

/// Gets what was seen, in the order of the archive, and ends the work with `false`.
pub(super) type Take<'t, 'a, T> = &'t mut dyn FnMut(Told<'a, T>) -> bool;

/// Looks at each of these objects piece by piece; `take` gets what was seen, in the order of the archive, and ends the work with
/// `false`. Errors: the bundle is damaged or cannot be read.
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
    let look = |body: &Body<'_>, tell: &mut dyn FnMut(T)| body.pieces(&mut |piece| tell(look(body.member, piece)));
    all(reader, shown(members.iter().copied()), &look, &mut |told| match told {
        Told::Seen(member, seen) => take(member, seen),
        Told::Lost(_, error) => fault(error),
    });
}

/// Is told of members that cannot be had, and why: one, or those that were asked for of a frame. An error ends the work.
pub type Lost<'l, 'a> = dyn FnMut(&[&'a MemberLine], ReadError) -> Result<(), ReadError> + 'l;

/// Looks at the whole bytes of the wanted members, each compared with its digest; `take` gets what was seen, in the order of the
/// archive. Errors: that of `lost`.
pub fn bodies<'a, T: Send>(
    reader: &'a Reader,
    wanted: &dyn Fn(&MemberLine) -> bool,
    look: &(dyn Fn(&MemberLine, &[u8]) -> T + Sync),
    take: &mut dyn FnMut(&'a MemberLine, T),
    lost: &mut Lost<'_, 'a>,
) -> Result<(), ReadError> {
    // Told when the bytes are let go of: whoever waits for their turn must not hold what others wait for.
    let look = |body: &Body<'_>, tell: &mut dyn FnMut(T)| body.whole(|bytes| look(body.member, bytes)).map(tell);
    let members = shown(reader.manifest().in_place_order().filter(|member| wanted(member)));
    let mut end = Ok(());
    all(reader, members, &look, &mut |told| {
        match told {
            Told::Seen(member, seen) => take(member, seen),
            Told::Lost(members, error) => end = lost(&members, error),
        }
        end.is_ok()
    });
    end
}

/// Without values of secrets.
fn shown<'a>(members: impl Iterator<Item = &'a MemberLine>) -> Vec<&'a MemberLine> {
    members.filter(|member| !kinds::by_name(&member.kind).is_some_and(Kind::is_secret_value)).collect()
}

/// Looks at each of these objects, values of secrets among them: whoever calls it answers for what becomes of those.
pub(super) fn all<'a, T: Send>(reader: &Reader, mut members: Vec<&'a MemberLine>, look: Look<'_, T>, take: Take<'_, 'a, T>) {
    members.sort_unstable_by_key(|member| (member.frame, member.at));
    let units: Vec<&[&MemberLine]> = members.chunk_by(|one, next| one.frame == next.frame).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 8).min(units.len());
    let shared = Shared::default();
    let (sender, news) = mpsc::sync_channel(threads);
    std::thread::scope(|scope| {
        let _end = End { shared: &shared, only_in_panic: false };
        for _ in 0..threads {
            let (worker, units) = (Worker { reader, look, shared: &shared, sender: sender.clone() }, &units);
            scope.spawn(move || worker.work(units));
        }
        drop(sender);
        let mut waiting: BTreeMap<usize, Vec<Told<'a, T>>> = BTreeMap::new();
        let mut next = 0;
        for News { unit, told, is_done } in news {
            waiting.insert(unit, told);
            while let Some(told) = waiting.remove(&next) {
                if !told.into_iter().all(&mut *take) {
                    return;
                }
                next += usize::from(unit != next || is_done);
                shared.is_told(next);
            }
        }
    });
}

/// What was seen in a unit: all that is left to tell; or a part of it, when all before the unit was told.
struct News<'a, T> {
    unit: usize,
    told: Vec<Told<'a, T>>,
    is_done: bool,
}

/// A thread that looks at units: objects that begin in one frame.
struct Worker<'w, 'a, T> {
    reader: &'w Reader,
    look: Look<'w, T>,
    shared: &'w Shared,
    sender: mpsc::SyncSender<News<'a, T>>,
}

impl<'a, T: Send> Worker<'_, 'a, T> {
    fn work(&self, units: &[&[&'a MemberLine]]) {
        let _end = End { shared: self.shared, only_in_panic: true };
        while let Some((index, unit)) = self.shared.claim(units) {
            let told = self.look_at(index, unit);
            if self.sender.send(News { unit: index, told, is_done: true }).is_err() {
                return;
            }
        }
    }

    fn look_at(&self, index: usize, unit: &[&'a MemberLine]) -> Vec<Told<'a, T>> {
        let mut told = Vec::new();
        let Some(frame) = unit.first().map(|member| member.frame as usize) else { return told };
        let (first, whole) = match self.reader.load(frame) {
            Ok(raw) => (Arc::new(raw), unit.to_vec()),
            Err(error) => {
                // What has no bytes has none that could be hurt.
                let (empty, hurt): (Vec<_>, Vec<_>) = unit.iter().partition(|member| member.size == 0);
                told.extend((!hurt.is_empty()).then_some(Told::Lost(hurt, error)));
                (Arc::default(), empty)
            }
        };
        for member in whole {
            let body = Body { reader: self.reader, member, first: first.clone(), shared: self.shared };
            let mut tell = |seen| {
                told.push(Told::Seen(member, seen));
                // What is seen in the pieces of a very large object is told as it comes.
                if member.size > WHOLE && self.shared.is_turn_of(index) {
                    let _ = self.sender.send(News { unit: index, told: std::mem::take(&mut told), is_done: false });
                }
            };
            if let Err(error) = (self.look)(&body, &mut tell) {
                told.push(Told::Lost(vec![member], error));
            }
        }
        told
    }
}

/// What the threads know of one another.
#[derive(Default)]
struct Shared {
    next: AtomicUsize,
    told: Mutex<usize>,
    moved: Condvar,
    over: AtomicBool,
    used: Mutex<u64>,
    freed: Condvar,
}

impl Shared {
    /// The next unit, once it is not too far ahead.
    fn claim<'u, U>(&self, units: &'u [U]) -> Option<(usize, &'u U)> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let unit = units.get(index)?;
        self.wait_until(|told| index < told + AHEAD).then_some((index, unit))
    }

    /// Waits until all before a unit is told; `false` if nobody listens any more.
    fn is_turn_of(&self, index: usize) -> bool {
        self.wait_until(|told| told == index)
    }

    fn wait_until(&self, may: impl Fn(usize) -> bool) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        while !may(*told) && !self.over.load(Ordering::Relaxed) {
            told = self.moved.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
        !self.over.load(Ordering::Relaxed)
    }

    fn is_told(&self, next: usize) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.moved.notify_all();
    }

    /// Room for so many bytes, once there is any: for those of one object at least, however many they are.
    fn room(&self, size: u64) -> Room<'_> {
        let size = size.min(ROOM);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used + size > ROOM {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used += size;
        Room { shared: self, size }
    }
}

/// Room that is taken.
struct Room<'s> {
    shared: &'s Shared,
    size: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        *self.shared.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.size;
        self.shared.freed.notify_all();
    }
}

/// Ends the work of all, so that nobody waits for somebody who has left.
struct End<'s> {
    shared: &'s Shared,
    only_in_panic: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if self.only_in_panic && !std::thread::panicking() {
            return;
        }
        let told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.over.store(true, Ordering::Relaxed);
        drop(told);
        self.shared.moved.notify_all();
    }
}

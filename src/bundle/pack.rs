//! From records to frames: in which order members stand, where frames are cut, and the work of reading, checking and compressing
//! them in parallel.
//!
//! Like objects stand beside like ones, and cuts depend on a member's own name and size, not on its neighbours. So a changed
//! object changes one frame or two, and equal objects give equal bytes.

use super::frame;
use super::manifest::mtime;
use super::name::{ROOT, basename, extension};
use super::options::Options;
use super::reader::Reader;
use super::record::Record;
use super::tarhead::{head, head_len, padded};
use super::write_error::WriteError;
use crate::spool::{BlobReader, Guard};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use xxhash_rust::xxh64::xxh64;

/// Where everything will stand, known before anything is compressed.
pub(crate) struct Plan {
    /// Records in the order of the archive.
    pub(crate) order: Vec<u32>,
    /// For each record the frame and the offset of its body in it.
    pub(crate) places: Vec<(u32, u32)>,
    /// Lengths of the data frames before compression, in bytes.
    pub(crate) frames: Vec<u64>,
}

/// Plans the frames of some records, which have their final names.
pub(crate) fn plan(records: &[Record], options: &Options) -> Plan {
    let order = by_similarity(records);
    let mut cutter = Cutter { frames: Vec::new(), filled: 0, max: options.max_frame };
    let mut places = vec![(0, 0); records.len()];
    let mut kind = None;
    for index in &order {
        let record = &records[*index as usize];
        if kind.replace(&record.kind).is_some_and(|last| *last != record.kind) {
            cutter.cut();
        }
        let header = head_len(&tar_name(record), record.body.len());
        let len = header + padded(record.body.len());
        places[*index as usize] = cutter.place(header, len);
        if cutter.filled >= options.mean_frame / 4 && xxh64(record.name.as_bytes(), 0) & mask(len, options.mean_frame) == 0 {
            cutter.cut();
        }
    }
    cutter.cut();
    Plan { order, places, frames: cutter.frames }
}

/// Records by the bytes of kind, extension, basename and name. Where these begin in a name is looked up once for each.
fn by_similarity(records: &[Record]) -> Vec<u32> {
    let mut parts: Vec<(u32, &str, &str)> =
        (0..).zip(records).map(|(index, record)| (index, extension(&record.name), basename(&record.name))).collect();
    parts.sort_unstable_by(|a, b| {
        let key = |part: &(u32, _, _)| &records[part.0 as usize];
        key(a).kind.cmp(&key(b).kind).then_with(|| (a.1, a.2, &key(a).name).cmp(&(b.1, b.2, &key(b).name)))
    });
    parts.into_iter().map(|(index, ..)| index).collect()
}

fn tar_name(record: &Record) -> String {
    format!("{ROOT}{}", record.name)
}

/// How rarely a name cuts: the larger the member, the more often, so that frames come out at the mean size whatever they hold.
fn mask(len: u64, mean: u64) -> u64 {
    let members = (mean - mean / 4) / len.max(1);
    if members < 2 { 0 } else { (1 << members.ilog2()) - 1 }
}

struct Cutter {
    frames: Vec<u64>,
    filled: u64,
    max: u64,
}

impl Cutter {
    fn cut(&mut self) {
        if self.filled > 0 {
            self.frames.push(std::mem::take(&mut self.filled));
        }
    }

    /// Finds room for a member; one that is larger than a frame gets frames of its own.
    fn place(&mut self, header: u64, len: u64) -> (u32, u32) {
        if self.filled + len > self.max {
            self.cut();
        }
        let frame = u32::try_from(self.frames.len() + 1).unwrap_or(u32::MAX);
        let at = u32::try_from(self.filled + header).unwrap_or(u32::MAX);
        self.filled += len;
        if len > self.max {
            while self.filled > self.max {
                self.frames.push(self.max);
                self.filled -= self.max;
            }
            self.cut();
        }
        (frame, at)
    }
}

/// Frames that belong together, and the members in them: one frame, or all frames of a big member.
pub(crate) struct Group {
    pub(crate) frames: Range<usize>,
    pub(crate) members: Range<usize>,
    /// The first of the earlier bundle's frames that are the same, if they are.
    pub(crate) earlier: Option<usize>,
}

/// The groups of a plan, in the order of their frames.
pub(crate) fn groups(plan: &Plan) -> Vec<Group> {
    let frame_of = |at: usize| plan.places[plan.order[at] as usize].0 as usize - 1;
    let mut begins: Vec<usize> = (0..plan.order.len()).filter(|at| *at == 0 || frame_of(*at) != frame_of(at - 1)).collect();
    begins.push(plan.order.len());
    let frame_at = |at: usize| if at < plan.order.len() { frame_of(at) } else { plan.frames.len() };
    begins
        .windows(2)
        .map(|pair| Group { frames: frame_at(pair[0])..frame_at(pair[1]), members: pair[0]..pair[1], earlier: None })
        .collect()
}

/// The tar stream of some members, to be taken in pieces. Each body is compared with its checksum on the way.
struct Feed<'a> {
    records: &'a [Record],
    order: std::slice::Iter<'a, u32>,
    current: Option<Entry<'a>>,
}

struct Entry<'a> {
    record: &'a Record,
    head: io::Cursor<Vec<u8>>,
    body: io::Take<BlobReader>,
    guard: Guard,
    padding: io::Take<io::Repeat>,
}

impl<'a> Feed<'a> {
    fn new(records: &'a [Record], order: &'a [u32]) -> Self {
        Self { records, order: order.iter(), current: None }
    }

    /// Fills a buffer with the next bytes.
    fn fill(&mut self, raw: &mut [u8]) -> Result<(), WriteError> {
        let mut at = 0;
        while at < raw.len() {
            at += match self.current.as_mut() {
                Some(entry) => match entry.read(&mut raw[at..])? {
                    0 => self.close()?,
                    got => got,
                },
                None => self.open()?,
            };
        }
        if self.current.as_ref().is_some_and(Entry::is_over) {
            self.close()?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<usize, WriteError> {
        let record = self.order.next().and_then(|index| self.records.get(*index as usize));
        let record = record.ok_or_else(|| WriteError::Spool(io::ErrorKind::UnexpectedEof.into()))?;
        let (size, blob) = (record.body.len(), record.body.blob()?);
        self.current = Some(Entry {
            record,
            head: io::Cursor::new(head(&tar_name(record), size, mtime(record.modified_at))),
            body: blob.reader().take(size),
            guard: Guard::default(),
            padding: io::repeat(0).take(padded(size) - size),
        });
        Ok(0)
    }

    fn close(&mut self) -> Result<usize, WriteError> {
        let Some(entry) = self.current.take() else { return Ok(0) };
        if entry.guard.digest() != entry.record.body.blob()?.guard() {
            let cause = io::Error::new(io::ErrorKind::InvalidData, "a temporary file changed while it waited");
            return Err(WriteError::Spool(cause));
        }
        Ok(0)
    }
}

impl Entry<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, WriteError> {
        let got = self.head.read(buffer).map_err(WriteError::Spool)?;
        if got > 0 {
            return Ok(got);
        }
        let got = self.body.read(buffer).map_err(WriteError::Spool)?;
        self.guard.update(&buffer[..got]);
        if got > 0 {
            return Ok(got);
        }
        self.padding.read(buffer).map_err(WriteError::Spool)
    }

    fn is_over(&self) -> bool {
        self.head.position() == self.head.get_ref().len() as u64 && self.body.limit() == 0 && self.padding.limit() == 0
    }
}

/// Makes the frames on some threads and hands them over in their order. At most twice as many frames as threads, and two more,
/// are in memory at once.
pub(crate) fn compress(
    records: &[Record],
    plan: &Plan,
    groups: &[Group],
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<(), WriteError> {
    let frames = &plan.frames;
    let threads = options.threads.clamp(1, 64).min(frames.len().max(1));
    let work = Work {
        records,
        plan,
        groups,
        earlier: options.earlier.as_deref(),
        next: AtomicUsize::new(0),
        turn: Turn::new(2 * threads + 2),
        level: options.level,
    };
    let (done, results) = mpsc::channel();
    std::thread::scope(|scope| {
        // However this ends, nobody waits for a turn that never comes.
        let _end = Stop(&work.turn);
        for _ in 0..threads {
            let (done, work) = (done.clone(), &work);
            scope.spawn(move || work.run(&done));
        }
        drop(done);
        let (mut written, mut waiting) = (0, BTreeMap::new());
        while written < frames.len() {
            options.stop.check()?;
            let (index, stored) = results.recv().map_err(|_| lost_worker())?;
            waiting.insert(index, stored);
            while let Some(stored) = waiting.remove(&written) {
                sink(frames[written], &stored?)?;
                written += 1;
                work.turn.set(written);
            }
        }
        Ok(())
    })
}

/// Takes a frame: its length before compression, and its stored bytes.
pub(crate) type Sink<'a> = dyn FnMut(u64, &[u8]) -> Result<(), WriteError> + 'a;

type Done = (usize, Result<Vec<u8>, WriteError>);

/// What the threads share. They take groups in order, so that the frame that is written next is always under way.
struct Work<'a> {
    records: &'a [Record],
    plan: &'a Plan,
    groups: &'a [Group],
    earlier: Option<&'a Reader>,
    next: AtomicUsize,
    turn: Turn,
    level: i32,
}

impl Work<'_> {
    fn run(&self, done: &mpsc::Sender<Done>) {
        let _end = StopOnPanic(&self.turn);
        let mut raw = Vec::new();
        while let Some(group) = self.groups.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let mut feed = Feed::new(self.records, &self.plan.order[group.members.clone()]);
            for index in group.frames.clone() {
                if !self.turn.wait(index) {
                    return;
                }
                let stored = match group.earlier {
                    Some(first) => self.copied(first + index - group.frames.start),
                    None => self.frame(&mut feed, index, &mut raw),
                };
                let failed = stored.is_err();
                if done.send((index, stored)).is_err() || failed {
                    return;
                }
            }
        }
    }

    /// A frame as it stands in the earlier bundle, compared with the digest there.
    fn copied(&self, index: usize) -> Result<Vec<u8>, WriteError> {
        let earlier = self.earlier.ok_or_else(|| WriteError::Earlier("it is not there".into()))?;
        earlier.stored(index).map_err(|cause| WriteError::Earlier(Box::new(cause)))
    }

    /// Makes a frame; the buffer is for use again.
    fn frame(&self, feed: &mut Feed<'_>, index: usize, raw: &mut Vec<u8>) -> Result<Vec<u8>, WriteError> {
        raw.resize(usize::try_from(self.plan.frames[index]).unwrap_or(0), 0);
        feed.fill(raw)?;
        frame::compress(raw, self.level).map_err(WriteError::Compress)
    }
}

/// How many frames were written, and so which ones may be begun.
struct Turn {
    written: Mutex<usize>,
    changed: Condvar,
    window: usize,
}

impl Turn {
    fn new(window: usize) -> Self {
        Self { written: Mutex::new(0), changed: Condvar::new(), window }
    }

    fn set(&self, written: usize) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = written;
        self.changed.notify_all();
    }

    /// Waits until a frame may be begun. `false` if the work has ended.
    fn wait(&self, index: usize) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let too_early = |written: &mut usize| *written != ENDED && index >= *written + self.window;
        let written = self.changed.wait_while(written, too_early).unwrap_or_else(PoisonError::into_inner);
        *written != ENDED
    }
}

/// Stands for a number of frames that is never written.
const ENDED: usize = usize::MAX;

/// Ends the waiting when it goes out of scope.
struct Stop<'a>(&'a Turn);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.set(ENDED);
    }
}

/// Ends the waiting when a thread dies: else the others would wait for its frame.
struct StopOnPanic<'a>(&'a Turn);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set(ENDED);
        }
    }
}

fn lost_worker() -> WriteError {
    WriteError::Compress(io::Error::other("a compressing thread ended early"))
}

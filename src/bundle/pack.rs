//! From records to frames: in which order members stand, where frames are cut, and the work of compressing them in parallel.
//!
//! Like objects stand beside like ones, and cuts depend on a member's own name and size, not on its neighbours. So a changed
//! object changes one frame or two, and equal objects give equal bytes.

use super::frame;
use super::manifest::mtime;
use super::name::{ROOT, basename, extension};
use super::tarhead::{head, head_len, padded};
use super::writer::{Options, Record, WriteError};
use crate::spool::{BlobReader, Sha};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError, mpsc};
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
    let mut order: Vec<u32> = (0..records.len()).filter_map(|index| u32::try_from(index).ok()).collect();
    order.sort_unstable_by(|a, b| similarity(&records[*a as usize]).cmp(&similarity(&records[*b as usize])));
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

fn similarity(record: &Record) -> (&str, &str, &str, &str) {
    (&record.kind, extension(&record.name), basename(&record.name), &record.name)
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

/// The tar stream of all members, to be taken in pieces. Each body is compared with its digest on the way.
pub(crate) struct Feed<'a> {
    records: &'a [Record],
    order: std::slice::Iter<'a, u32>,
    current: Option<Entry<'a>>,
}

struct Entry<'a> {
    record: &'a Record,
    head: io::Cursor<Vec<u8>>,
    body: io::Take<BlobReader>,
    sha: Sha256,
    padding: io::Take<io::Repeat>,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(records: &'a [Record], plan: &'a Plan) -> Self {
        Self { records, order: plan.order.iter(), current: None }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: u64) -> Result<Vec<u8>, WriteError> {
        let mut raw = vec![0; usize::try_from(len).unwrap_or(0)];
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
        Ok(raw)
    }

    fn open(&mut self) -> Result<usize, WriteError> {
        let record = self.order.next().and_then(|index| self.records.get(*index as usize));
        let record = record.ok_or_else(|| WriteError::spool(io::ErrorKind::UnexpectedEof.into()))?;
        let size = record.body.len();
        self.current = Some(Entry {
            record,
            head: io::Cursor::new(head(&tar_name(record), size, mtime(record.modified_at))),
            body: record.body.reader().take(size),
            sha: Sha256::new(),
            padding: io::repeat(0).take(padded(size) - size),
        });
        Ok(0)
    }

    fn close(&mut self) -> Result<usize, WriteError> {
        let Some(entry) = self.current.take() else { return Ok(0) };
        if <Sha>::from(entry.sha.finalize()) != *entry.record.body.sha256() {
            let cause = io::Error::new(io::ErrorKind::InvalidData, "a temporary file changed while it waited");
            return Err(WriteError::spool(cause));
        }
        Ok(0)
    }
}

impl Entry<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, WriteError> {
        let got = self.head.read(buffer).map_err(WriteError::spool)?;
        if got > 0 {
            return Ok(got);
        }
        let got = self.body.read(buffer).map_err(WriteError::spool)?;
        self.sha.update(&buffer[..got]);
        if got > 0 {
            return Ok(got);
        }
        self.padding.read(buffer).map_err(WriteError::spool)
    }

    fn is_over(&self) -> bool {
        self.head.position() == self.head.get_ref().len() as u64 && self.body.limit() == 0 && self.padding.limit() == 0
    }
}

/// Compresses the frames on some threads and hands them over in their order. At most twice as many frames as threads, and
/// two more, are in memory at once.
pub(crate) fn compress(feed: &mut Feed<'_>, frames: &[u64], options: &Options, sink: &mut Sink<'_>) -> Result<(), WriteError> {
    let threads = options.threads.clamp(1, 64).min(frames.len().max(1));
    let window = 2 * threads + 2;
    let (jobs, queue) = mpsc::sync_channel::<(usize, Vec<u8>)>(window);
    let queue = Mutex::new(queue);
    let (done, results) = mpsc::channel();
    std::thread::scope(|scope| {
        // Moved in, so that workers end when this ends, however it ends.
        let jobs = jobs;
        for _ in 0..threads {
            let (done, queue) = (done.clone(), &queue);
            scope.spawn(move || work(queue, &done, options.level));
        }
        drop(done);
        let (mut begun, mut written, mut waiting) = (0, 0, BTreeMap::new());
        while written < frames.len() {
            options.stop.check()?;
            while begun < frames.len() && begun - written < window {
                let raw = feed.take(frames[begun])?;
                jobs.send((begun, raw)).map_err(|_| lost_worker())?;
                begun += 1;
            }
            let (index, stored) = results.recv().map_err(|_| lost_worker())?;
            waiting.insert(index, stored);
            while let Some(stored) = waiting.remove(&written) {
                sink(frames[written], &stored.map_err(WriteError::Compress)?)?;
                written += 1;
            }
        }
        Ok(())
    })
}

/// Takes a frame: its length before compression, and its stored bytes.
pub(crate) type Sink<'a> = dyn FnMut(u64, &[u8]) -> Result<(), WriteError> + 'a;

type Done = (usize, io::Result<Vec<u8>>);

fn work(queue: &Mutex<mpsc::Receiver<(usize, Vec<u8>)>>, done: &mpsc::Sender<Done>, level: i32) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((index, raw)) = job else { return };
        if done.send((index, frame::compress(&raw, level))).is_err() {
            return;
        }
    }
}

fn lost_worker() -> WriteError {
    WriteError::Compress(io::Error::other("a compressing thread ended early"))
}

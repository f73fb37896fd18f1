//! An object of a store, read in ranges.
//!
//! The first request asks for the first 4 KiB and learns size and tag; every later one demands that tag, so that bytes of two
//! objects are never mixed. The last 964 KiB are fetched at once, of a large one more, since a bundle is opened from there; if its
//! manifest is larger still, the rest of that comes in one request. What else is read comes
//! exactly, or, where one reads on from where one was, in windows that grow.
//!
//! Where the primary of an Azure account does not answer, its secondary is asked, and that is said.

use super::client::{Client, Patience};
use super::error::{StoreError, StoreErrorKind};
use super::place::Remote;
use super::source::Source;
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

/// Read at first, in bytes.
const HEAD: u64 = 4 << 10;
/// Read from the end, in bytes.
const TAIL: u64 = 896 << 10;
/// A piece of an encrypted file, in bytes, and some.
const PIECE: u64 = 68 << 10;
/// The most that is joined to the end before a bundle is opened, in bytes.
const JOINED: u64 = 64 << 20;
/// The least that is fetched for a small read, in bytes.
const LEAST: u64 = 256 << 10;
/// The most that is fetched at once, unless more is asked for, in bytes.
const MOST: u64 = 8 << 20;
/// So many windows are kept: threads that read side by side are each at another place.
const KEPT: usize = 4;
/// Ranges on their way at once while a whole object is fetched.
const SIDE_BY_SIDE: usize = 4;

/// What a reader of objects has to say.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// An open object.
pub struct Ranged {
    open: Mutex<Open>,
    size: u64,
    tag: Option<String>,
    say: Say,
    requests: AtomicU64,
    fetched: AtomicU64,
}

/// Where it is read from, and what of it is at hand.
struct Open {
    client: Client,
    on_secondary: bool,
    head: Bytes,
    tail: Option<Window>,
    windows: VecDeque<Window>,
    /// Length of the window that was fetched last.
    stride: u64,
}

#[derive(Clone)]
struct Window {
    at: u64,
    bytes: Bytes,
}

impl Window {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    fn part(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }
}

impl Ranged {
    /// Opens an object. Errors: it is not there, we may not read it, or nobody answers.
    pub fn open(remote: &Remote, say: Say) -> Result<Self, StoreError> {
        let client = Client::new(remote, Patience::Short)?;
        let (found, client, on_secondary) = wait(async move { open(client).await })??;
        if on_secondary {
            say(&format!("{remote}: the primary does not answer; reading from the secondary, which may be behind"));
        }
        let Found { head, size, tag } = found;
        let (fetched, stride) = (head.len() as u64, LEAST);
        let open = Open { client, on_secondary, head, tail: None, windows: VecDeque::new(), stride };
        Ok(Self { open: Mutex::new(open), size, tag, say, requests: 1.into(), fetched: fetched.into() })
    }

    /// Requests that were answered, and bytes that came.
    pub fn traffic(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.fetched.load(Ordering::Relaxed))
    }

    /// Fetches all of it into a file, for whoever will read it all more than once. Errors: what the store or the disk says.
    pub fn fetch(&self, file: &File) -> io::Result<()> {
        file.set_len(self.size)?;
        let mut at = 0;
        while at < self.size {
            let end = self.size.min(at + MOST * SIDE_BY_SIDE as u64);
            for window in self.load_many(at..end)? {
                write_at(file, &window.bytes, window.at)?;
            }
            at = end;
        }
        Ok(())
    }

    fn load_many(&self, range: Range<u64>) -> io::Result<Vec<Window>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let starts = (range.start..range.end).step_by(usize::try_from(MOST).unwrap_or(usize::MAX));
        let ranges: Vec<Range<u64>> = starts.map(|at| at..range.end.min(at + MOST)).collect();
        Ok(self.ask(&mut open, ranges)?)
    }

    /// Some ranges side by side; if the primary has gone silent, from the secondary.
    fn ask(&self, open: &mut Open, ranges: Vec<Range<u64>>) -> Result<Vec<Window>, StoreError> {
        let (client, tag) = (open.client.clone(), self.tag.clone());
        let wanted = ranges.clone();
        let loaded = wait(async move { load(&client, &wanted, tag.as_deref()).await })?;
        let loaded = match loaded {
            Err(error) if error.kind() == StoreErrorKind::Silent && !open.on_secondary => {
                let Some(secondary) = open.client.secondary().transpose()? else { return Err(error) };
                let (client, tag) = (secondary.clone(), self.tag.clone());
                let loaded = wait(async move { load(&client, &ranges, tag.as_deref()).await })?.map_err(|_| error)?;
                (self.say)(&format!("{}: the primary does not answer any more; reading on from the secondary", secondary.remote));
                (open.client, open.on_secondary) = (secondary, true);
                loaded
            }
            loaded => loaded?,
        };
        self.requests.fetch_add(loaded.len() as u64, Ordering::Relaxed);
        self.fetched.fetch_add(loaded.iter().map(|window| window.bytes.len() as u64).sum(), Ordering::Relaxed);
        Ok(loaded)
    }

    /// So much is fetched from the end: of a large bundle more, since its manifest is seldom less than a two-thousandth of it; and
    /// a piece more, in which the manifest of an encrypted one begins.
    fn tail(&self) -> u64 {
        (self.size / 2176).clamp(TAIL, MOST) + PIECE
    }

    /// The range that is best fetched for a read that nothing at hand covers.
    fn range_for(&self, open: &Open, at: u64, end: u64) -> Range<u64> {
        let tail = self.size.saturating_sub(self.tail());
        if open.tail.is_none() && end > tail {
            return at.min(tail)..self.size;
        }
        let goes_on = open.windows.iter().any(|window| window.at < at && at <= window.end());
        let len = if goes_on { (open.stride * 2).min(MOST) } else { LEAST };
        let big_enough = !goes_on && end - at >= LEAST / 4;
        let stop = if big_enough { end } else { end.max(at + len) };
        // What is at hand already is not fetched again.
        let known = open.tail.as_ref().map_or(self.size, |tail| tail.at).max(end);
        at..stop.min(known).min(self.size)
    }
}

impl Source for Ranged {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    /// What reaches into the tail is brought in one request and joined to it. If that fails, reading it will say so.
    fn will_read(&self, range: Range<u64>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tail) = open.tail.clone() else { return };
        if range.start >= tail.at || range.end <= tail.at || tail.at - range.start > JOINED {
            return;
        }
        let missing = std::iter::once(range.start..tail.at).collect();
        let Ok(Some(missing)) = self.ask(&mut open, missing).map(|mut loaded| loaded.pop()) else { return };
        let bytes = [missing.bytes, tail.bytes].concat().into();
        open.tail = Some(Window { at: range.start, bytes });
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
        let end = end.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.fill(at, buffer) {
            return Ok(());
        }
        let range = self.range_for(&open, at, end);
        let is_tail = open.tail.is_none() && range.end == self.size && range.end - range.start >= self.tail().min(self.size);
        let goes_on = range.end - range.start > LEAST;
        let window = self.ask(&mut open, vec![range])?.pop().ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        if is_tail {
            open.tail = Some(window);
        } else {
            open.stride = if goes_on { (window.bytes.len() as u64).clamp(LEAST, MOST) } else { LEAST };
            open.windows.push_front(window);
            open.windows.truncate(KEPT);
        }
        if open.fill(at, buffer) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Open {
    fn fill(&self, at: u64, buffer: &mut [u8]) -> bool {
        let head = Window { at: 0, bytes: self.head.clone() };
        let mut windows = std::iter::once(&head).chain(&self.tail).chain(&self.windows);
        windows.find_map(|window| window.part(at, buffer.len())).is_some_and(|bytes| {
            buffer.copy_from_slice(bytes);
            true
        })
    }
}

struct Found {
    head: Bytes,
    size: u64,
    tag: Option<String>,
}

async fn open(client: Client) -> Result<(Found, Client, bool), StoreError> {
    match first(&client).await {
        Ok(found) => Ok((found, client, false)),
        Err(error) if error.kind() == StoreErrorKind::Silent => {
            let Some(secondary) = client.secondary().transpose()? else { return Err(error) };
            match first(&secondary).await {
                Ok(found) => Ok((found, secondary, true)),
                Err(second) if second.kind() == StoreErrorKind::NoObject => Err(StoreError::new(
                    StoreErrorKind::Silent,
                    format!("{error}, and its secondary holds no such object: it may not have arrived there"),
                )),
                Err(second) => Err(StoreError::new(StoreErrorKind::Silent, format!("{error}; of its secondary: {second}"))),
            }
        }
        Err(error) => Err(error),
    }
}

async fn first(client: &Client) -> Result<Found, StoreError> {
    match client.range(0..HEAD, None).await {
        Ok((head, meta)) => Ok(Found { head, size: meta.size, tag: meta.e_tag }),
        // A range of an empty object is none.
        Err(error) if error.kind() == StoreErrorKind::Other => match client.head().await {
            Ok(meta) if meta.size == 0 => Ok(Found { head: Bytes::new(), size: 0, tag: meta.e_tag }),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

async fn load(client: &Client, ranges: &[Range<u64>], tag: Option<&str>) -> Result<Vec<Window>, StoreError> {
    let asked = ranges.iter().map(|range| async move {
        let (bytes, _) = client.range(range.clone(), tag).await?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(StoreError::new(StoreErrorKind::Silent, "the store sends less than it was asked for"));
        }
        Ok(Window { at: range.start, bytes })
    });
    futures_util::future::try_join_all(asked).await
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let put = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[put..];
        at += put as u64;
    }
    Ok(())
}

/// Waits for work on a runtime of its own: whoever reads may stand in the midst of another, where one must not wait like this.
pub(super) fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, StoreError> {
    static RUNTIME: OnceLock<Option<tokio::runtime::Runtime>> = OnceLock::new();
    let fail = || StoreError::new(StoreErrorKind::Other, "cannot start the threads that speak with the store");
    let build = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("store").enable_all().build().ok();
    let runtime = RUNTIME.get_or_init(build).as_ref().ok_or_else(fail)?;
    let (done, answer) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Whoever asked may have gone.
        let _ = done.send(work.await);
    });
    answer.recv().map_err(|_| fail())
}

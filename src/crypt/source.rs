//! Reads an encrypted file by position: each request is one request to what lies below, and is decrypted by a stream of its own
//! from a small pool, so that many threads read at once.

use super::keys::{Keys, Opener};
use crate::store::{Altered, Source};
use age::stream::StreamReader;
use age::{DecryptError, Decryptor, Identity};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What every age file begins with.
const MARK: &[u8] = b"age-encryption.org/";
/// What it begins with where it was made fit for mail.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// Bytes that are read at once to begin with: what a head with some recipients takes.
const GLANCE: u64 = 4 << 10;
/// Where that was not all of the head: bytes of a head with hundreds, and the first piece.
const FIRST: u64 = 128 << 10;
/// What the last line of a head begins with.
const LAST_LINE: &[u8] = b"\n--- ";
/// Largest head: thousands of recipients.
const LARGEST_HEAD: u64 = 1 << 20;
/// Stored bytes of a piece, and how many of them are contents.
const PIECE: (u64, u64) = (65_552, 65_536);
/// Largest stretch that is read at once: a frame, and what of pieces stands around it.
const LARGEST: u64 = 5 << 20;
/// Streams that wait for the next request.
const IDLE: usize = 16;

/// Why an encrypted bundle does not open.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// There is nothing to open it with.
    #[error("the bundle is encrypted, and no identity was given to open it")]
    NoKeys,
    /// There is nothing to open it with but a passphrase.
    #[error("the bundle is encrypted with a passphrase, and none was given")]
    NoPassphrase,
    /// It was encrypted for somebody else.
    #[error("the bundle is encrypted, and not for any of the given identities")]
    NotForUs,
    /// The passphrase is another.
    #[error("the passphrase does not open the bundle")]
    WrongPassphrase,
    /// A key is itself under a passphrase that is missing or wrong.
    #[error("an identity is kept under a passphrase that is missing or wrong")]
    LockedKey,
    /// It costs more to open than a bundle may.
    #[error("the bundle asks for more work to open it than any bundle should")]
    TooMuchWork,
    /// The file was made fit for mail.
    #[error("the file is armored, which cannot be read in ranges")]
    Armored,
    /// The file is cut off, or was altered.
    #[error("the encrypted bundle is cut off or was altered: {0}")]
    Altered(&'static str),
    /// The bytes could not be read.
    #[error("cannot read the bundle")]
    Io(#[source] io::Error),
}

/// An encrypted file before it is opened.
pub struct Locked {
    inner: Arc<dyn Source>,
    size: u64,
    first: Arc<[u8]>,
    by_passphrase: bool,
}

impl Locked {
    /// Looks whether something is an encrypted file; nothing if it is anything else.
    pub fn look(inner: Arc<dyn Source>) -> Result<Option<Self>, UnlockError> {
        let size = inner.size().map_err(UnlockError::Io)?;
        let read = |most: u64| {
            let mut first = vec![0; usize::try_from(size.min(most)).unwrap_or_default()];
            inner.read_at(0, &mut first).map(|()| first).map_err(UnlockError::Io)
        };
        let mut first = read(GLANCE)?;
        if first.starts_with(ARMOR) {
            return Err(UnlockError::Armored);
        }
        if !first.starts_with(MARK) {
            return Ok(None);
        }
        if !first.windows(LAST_LINE.len()).any(|part| part == LAST_LINE) {
            first = read(FIRST)?;
        }
        let mut locked = Self { inner, size, first: first.into(), by_passphrase: false };
        locked.by_passphrase = locked.decryptor(&Arc::default())?.is_scrypt();
        Ok(Some(locked))
    }

    /// Whether a passphrase opens it, and nothing else does.
    pub fn by_passphrase(&self) -> bool {
        self.by_passphrase
    }

    /// Opens it. The end of the file is decrypted too: what was cut off is noticed here.
    pub fn unlock(self, keys: &Keys) -> Result<Arc<dyn Source>, UnlockError> {
        if keys.is_empty() {
            return Err(if self.by_passphrase { UnlockError::NoPassphrase } else { UnlockError::NoKeys });
        }
        let catch = keys.catch();
        let decryptor = self.decryptor(&Arc::default())?;
        decryptor.decrypt(std::iter::once(&catch as &dyn Identity)).map(drop).map_err(|error| self.refused(error))?;
        let key = catch.caught().ok_or(UnlockError::NotForUs)?;
        self.open(key)
    }

    /// Opens what was written a moment ago.
    pub(super) fn reopen(inner: Arc<dyn Source>, key: Opener) -> io::Result<Arc<dyn Source>> {
        let locked = Self::look(inner).map_err(io::Error::other)?.ok_or(io::ErrorKind::InvalidData)?;
        locked.open(key).map_err(io::Error::other)
    }

    fn open(self, key: Opener) -> Result<Arc<dyn Source>, UnlockError> {
        let mut opened = Decrypted { locked: self, key, size: 0, start: 0, idle: Mutex::default() };
        let mut stream = opened.stream().map_err(|error| opened.locked.refused(error))?;
        stream.hints.limit.store(u64::MAX, Ordering::Relaxed);
        opened.start = stream.at.load(Ordering::Relaxed);
        stream.hints.until.store(opened.locked.size, Ordering::Relaxed);
        let size = stream.reader.seek(SeekFrom::End(0));
        let cut = UnlockError::Altered("its last piece does not decrypt as the last");
        opened.size = match size {
            Ok(size) => size,
            Err(error) if stream.hints.failed.load(Ordering::Relaxed) => return Err(UnlockError::Io(error)),
            Err(_) => return Err(cut),
        };
        Ok(Arc::new(opened))
    }

    fn decryptor(&self, hints: &Arc<Hints>) -> Result<Decryptor<Window>, UnlockError> {
        hints.limit.store(LARGEST_HEAD, Ordering::Relaxed);
        Decryptor::new(self.window(hints, &Arc::default())).map_err(|error| match error {
            DecryptError::Io(error) if hints.failed.load(Ordering::Relaxed) => UnlockError::Io(error),
            DecryptError::UnknownFormat => UnlockError::Altered("it is of a version of age that is not known, or no age file"),
            _ => UnlockError::Altered("its head cannot be read"),
        })
    }

    fn window(&self, hints: &Arc<Hints>, at: &Arc<AtomicU64>) -> Window {
        let (source, first) = (self.inner.clone(), self.first.clone());
        Window { source, size: self.size, first, at: at.clone(), from: 0, bytes: Vec::new(), hints: hints.clone() }
    }

    fn refused(&self, error: DecryptError) -> UnlockError {
        match error {
            DecryptError::Io(error) => UnlockError::Io(error),
            DecryptError::ExcessiveWork { .. } => UnlockError::TooMuchWork,
            DecryptError::InvalidHeader | DecryptError::InvalidMac => UnlockError::Altered("its head was changed"),
            DecryptError::KeyDecryptionFailed => UnlockError::LockedKey,
            _ if self.by_passphrase => UnlockError::WrongPassphrase,
            _ => UnlockError::NotForUs,
        }
    }
}

/// The contents of an encrypted file.
struct Decrypted {
    locked: Locked,
    key: Opener,
    size: u64,
    /// Where the first piece begins.
    start: u64,
    idle: Mutex<Vec<Stream>>,
}

/// A stream that decrypts, and what it is told and tells besides.
struct Stream {
    reader: StreamReader<Window>,
    hints: Arc<Hints>,
    at: Arc<AtomicU64>,
}

impl Decrypted {
    fn stream(&self) -> Result<Stream, DecryptError> {
        let (hints, at) = (Arc::<Hints>::default(), Arc::default());
        hints.limit.store(u64::MAX, Ordering::Relaxed);
        let decryptor = Decryptor::new(self.locked.window(&hints, &at))?;
        let reader = decryptor.decrypt(std::iter::once(&self.key as &dyn Identity))?;
        Ok(Stream { reader, hints, at })
    }

    fn idle(&self) -> Option<Stream> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Source for Decrypted {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn will_read(&self, range: Range<u64>) {
        let (stored, contents) = PIECE;
        let start = self.start + range.start / contents * stored;
        let end = self.start + range.end.div_ceil(contents) * stored;
        self.locked.inner.will_read(start..end.min(self.locked.size));
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64).filter(|end| *end <= self.size).ok_or(io::ErrorKind::UnexpectedEof)?;
        if buffer.is_empty() {
            return Ok(());
        }
        let mut stream = match self.idle() {
            Some(stream) => stream,
            None => self.stream().map_err(|_| altered())?,
        };
        let (stored, contents) = PIECE;
        stream.hints.until.store(self.start + end.div_ceil(contents) * stored, Ordering::Relaxed);
        let read = stream.reader.seek(SeekFrom::Start(at)).and_then(|_| stream.reader.read_exact(buffer));
        // A stream that failed stands anywhere: it is not used again.
        read.map_err(|error| if stream.hints.failed.load(Ordering::Relaxed) { error } else { altered() })?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(stream);
        }
        Ok(())
    }
}

fn altered() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Altered)
}

/// What a window is told, and what it tells.
#[derive(Default)]
struct Hints {
    /// How far the present request will read.
    until: AtomicU64,
    /// No byte behind it is given out.
    limit: AtomicU64,
    /// Whether what lies below failed.
    failed: AtomicBool,
}

/// The encrypted file as a stream, read from below in stretches.
struct Window {
    source: Arc<dyn Source>,
    size: u64,
    first: Arc<[u8]>,
    at: Arc<AtomicU64>,
    from: u64,
    bytes: Vec<u8>,
    hints: Arc<Hints>,
}

impl Window {
    /// What is at hand from a place on.
    fn held(&self, at: u64) -> &[u8] {
        let behind = |from: u64, bytes: &[u8]| {
            at.checked_sub(from).and_then(|skip| usize::try_from(skip).ok()).filter(|skip| *skip < bytes.len())
        };
        match (behind(0, &self.first), behind(self.from, &self.bytes)) {
            (Some(skip), _) => &self.first[skip..],
            (None, Some(skip)) => &self.bytes[skip..],
            (None, None) => &[],
        }
    }

    fn fetch(&mut self, at: u64, wanted: usize) -> io::Result<()> {
        let until = self.hints.until.load(Ordering::Relaxed).min(at + LARGEST);
        let end = until.max(at + wanted as u64).min(self.size);
        self.bytes.resize(usize::try_from(end - at).unwrap_or_default(), 0);
        self.from = at;
        self.source.read_at(at, &mut self.bytes).inspect_err(|_| {
            self.hints.failed.store(true, Ordering::Relaxed);
        })
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.at.load(Ordering::Relaxed);
        if at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        if at >= self.hints.limit.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too long"));
        }
        if self.held(at).is_empty() {
            self.fetch(at, buffer.len())?;
        }
        let held = self.held(at);
        let got = held.len().min(buffer.len());
        buffer[..got].copy_from_slice(&held[..got]);
        self.at.store(at + got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.at.load(Ordering::Relaxed);
        let target = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(back) => self.size.checked_add_signed(back),
            SeekFrom::Current(by) => at.checked_add_signed(by),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        self.at.store(target, Ordering::Relaxed);
        Ok(target)
    }
}

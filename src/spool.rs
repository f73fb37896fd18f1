//! Bodies on disk while a bundle is made, so that memory stays flat whatever the size of a workspace.
//!
//! Objects arrive in the API's order and are written in another. Until then their bytes lie in temporary files beside the
//! target: small ones one after the other in a shared file, big ones each in a file of its own. The files are created with
//! mode 0600, have no name where the system allows it, and vanish with the last [`Blob`].
//!
//! Where the bundle will be encrypted, so are they ([`Spool::hidden`]): with a key that this process makes up, keeps in memory
//! and forgets.
//!
//! A call of the system for each small body costs more than its bytes do. So small ones are gathered, and written when there are
//! enough of them, or when one of them is wanted.

use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh64::{Xxh64, xxh64};

/// SHA-256 of some bytes.
pub type Sha = [u8; 32];

/// Bytes as lower-case hex digits: a digest as `sha256sum` prints it.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Small bodies are gathered up to this many bytes.
const GATHERED: usize = 256 << 10;

/// Tells whether a body came back from the disk as it went there. The SHA-256 of a body is taken while it is in memory; to take
/// it again would cost more than reading and packing it, and against a bad disk this is as good.
pub(crate) type Guard = Xxh64;

/// A place for bodies: cheap to clone, safe to share between threads.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
    shelf: Arc<Shelf>,
    veil: Option<Arc<Veil>>,
}

/// A key that nobody knows but this process, and how many files were begun under it.
struct Veil {
    key: chacha20::Key,
    files: AtomicU64,
}

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Veil")
    }
}

impl Drop for Veil {
    fn drop(&mut self) {
        self.key.as_mut_slice().fill(0);
    }
}

impl Veil {
    fn new() -> io::Result<Self> {
        let mut key = chacha20::Key::default();
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self { key, files: 0.into() })
    }

    /// What hides one file: no two have the same.
    fn cloak(self: &Arc<Self>) -> Cloak {
        Cloak { veil: self.clone(), number: self.files.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Hides the bytes of one file. Each place is written once, and so each part of the stream of the cipher is used once. The cipher
/// does not notice changes: the checksum of a body does.
#[derive(Clone, Debug)]
struct Cloak {
    veil: Arc<Veil>,
    number: u64,
}

impl Cloak {
    /// Hides bytes that stand at a place, or shows them: it is the same.
    fn turn(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut nonce = chacha20::Nonce::default();
        nonce[..8].copy_from_slice(&self.number.to_le_bytes());
        let mut cipher = chacha20::ChaCha20::new(&self.veil.key, &nonce);
        let long = |_| io::Error::new(io::ErrorKind::FileTooLarge, "a temporary file is too long to be encrypted");
        cipher.try_seek(at).map_err(long)?;
        cipher.try_apply_keystream(bytes).map_err(long)
    }
}

/// A file that is written from its start to its end, and the bytes that come next.
#[derive(Debug)]
struct Shelf {
    file: File,
    cloak: Option<Cloak>,
    waiting: Mutex<Waiting>,
    /// How many bytes stand in the file.
    settled: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Where they will stand.
    from: u64,
    bytes: Vec<u8>,
}

/// Bytes in a [`Spool`]: length and digest are of what was really taken.
#[derive(Clone, Debug)]
pub struct Blob {
    shelf: Arc<Shelf>,
    start: u64,
    len: u64,
    sha256: Sha,
    guard: u64,
}

impl Shelf {
    fn new(file: File, cloak: Option<Cloak>, settled: u64) -> Self {
        Self { file, cloak, waiting: Mutex::new(Waiting { from: settled, bytes: Vec::new() }), settled: settled.into() }
    }

    /// Takes bytes and says where they will stand.
    fn add(&self, bytes: &[u8]) -> io::Result<u64> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes.len() + bytes.len() > GATHERED {
            self.write(&mut waiting)?;
        }
        let start = waiting.from + waiting.bytes.len() as u64;
        waiting.bytes.extend_from_slice(bytes);
        Ok(start)
    }

    /// Makes sure that the file is written up to a place.
    fn settle(&self, end: u64) -> io::Result<()> {
        if self.settled.load(Ordering::Acquire) >= end {
            return Ok(());
        }
        self.write(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, waiting: &mut Waiting) -> io::Result<()> {
        if let Some(cloak) = &self.cloak {
            cloak.turn(waiting.from, &mut waiting.bytes)?;
        }
        let written = write_at(&self.file, &waiting.bytes, waiting.from);
        if let (Err(_), Some(cloak)) = (&written, &self.cloak) {
            // Else another try would show them.
            cloak.turn(waiting.from, &mut waiting.bytes)?;
        }
        written?;
        waiting.from += waiting.bytes.len() as u64;
        waiting.bytes.clear();
        self.settled.store(waiting.from, Ordering::Release);
        Ok(())
    }
}

impl Spool {
    /// Opens a spool in a folder that exists. Errors: what the file system says.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        Self::begun(folder, None)
    }

    /// The same, with files that nobody else can read, whoever gets hold of the disk.
    pub fn hidden(folder: &Path) -> io::Result<Self> {
        Self::begun(folder, Some(Arc::new(Veil::new()?)))
    }

    fn begun(folder: &Path, veil: Option<Arc<Veil>>) -> io::Result<Self> {
        let shelf = Shelf::new(tempfile::tempfile_in(folder)?, veil.as_ref().map(Veil::cloak), 0);
        Ok(Self { folder: folder.to_owned(), shelf: Arc::new(shelf), veil })
    }

    /// Opens a spool in the system's folder for temporary files, which others may look into: it is [`Spool::hidden`].
    pub fn in_temp() -> io::Result<Self> {
        Self::hidden(&std::env::temp_dir())
    }

    /// Keeps a small body that is in memory already. Errors: what the file system says, of this body or of one before it.
    pub fn keep(&self, bytes: &[u8]) -> io::Result<Blob> {
        let (sha256, guard) = (Sha256::digest(bytes).into(), xxh64(bytes, 0));
        Ok(Blob { shelf: self.shelf.clone(), start: self.shelf.add(bytes)?, len: bytes.len() as u64, sha256, guard })
    }

    /// Begins a body of unknown size in a file of its own. Call [`Incoming::finish`] to get the blob.
    pub fn begin(&self) -> io::Result<Incoming> {
        let (file, cloak) = (tempfile::tempfile_in(&self.folder)?, self.veil.as_ref().map(Veil::cloak));
        Ok(Incoming { file, cloak, hidden: Vec::new(), len: 0, digest: Sha256::new(), guard: Guard::default() })
    }
}

/// A body that is still arriving. Dropping it forgets the bytes.
pub struct Incoming {
    file: File,
    cloak: Option<Cloak>,
    hidden: Vec<u8>,
    len: u64,
    digest: Sha256,
    guard: Guard,
}

impl Incoming {
    /// Ends the body. What was written is now a [`Blob`].
    pub fn finish(mut self) -> io::Result<Blob> {
        self.file.flush()?;
        let (sha256, guard) = (self.digest.finalize().into(), self.guard.digest());
        Ok(Blob { shelf: Arc::new(Shelf::new(self.file, self.cloak, self.len)), start: 0, len: self.len, sha256, guard })
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.len
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &self.cloak {
            None => self.file.write(bytes)?,
            Some(cloak) => {
                self.hidden.clear();
                self.hidden.extend_from_slice(bytes);
                cloak.turn(self.len, &mut self.hidden)?;
                self.file.write(&self.hidden)?
            }
        };
        self.digest.update(&bytes[..written]);
        self.guard.update(&bytes[..written]);
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Blob {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> &Sha {
        &self.sha256
    }

    /// A checksum of the bytes, to be compared with that of what is read.
    pub(crate) fn guard(&self) -> u64 {
        self.guard
    }

    /// Reads the bytes from the start; many readers may be at work at once.
    pub fn reader(&self) -> BlobReader {
        BlobReader { blob: self.clone(), at: 0 }
    }

    /// Some of the bytes. Errors: `UnexpectedEof` if there are not so many.
    pub(crate) fn part(&self, from: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        BlobReader { blob: self.clone(), at: from.min(self.len) }.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// All bytes in memory: for bodies that are known to be small.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.len).unwrap_or(0));
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads a [`Blob`] by position, without a shared cursor.
#[derive(Debug)]
pub struct BlobReader {
    blob: Blob,
    at: u64,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.blob.len - self.at).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        self.blob.shelf.settle(self.blob.start + self.blob.len)?;
        let got = read_at(&self.blob.shelf.file, &mut buffer[..want], self.blob.start + self.at)?;
        if got == 0 && want > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a temporary file became shorter"));
        }
        if let Some(cloak) = &self.blob.shelf.cloak {
            cloak.turn(self.blob.start + self.at, &mut buffer[..got])?;
        }
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_as_they_went_in() -> io::Result<()> {
        let spool = Spool::in_temp()?;
        let (first, second) = (spool.keep(b"first")?, spool.keep(b"second")?);
        let mut incoming = spool.begin()?;
        incoming.write_all(b"third")?;
        let third = incoming.finish()?;
        assert_eq!((first.bytes()?, second.bytes()?, third.bytes()?), (b"first".to_vec(), b"second".to_vec(), b"third".to_vec()));
        assert_eq!(third.sha256(), &<Sha>::from(Sha256::digest(b"third")));
        Ok(())
    }

    #[test]
    fn hidden_bodies_cannot_be_read_from_the_disk() -> io::Result<()> {
        let spool = Spool::hidden(&std::env::temp_dir())?;
        let body = |number: usize| format!("a secret in body {number}").repeat(1 + number * 37).into_bytes();
        let blobs = (0..120).map(|number| spool.keep(&body(number))).collect::<io::Result<Vec<_>>>()?;
        let mut incoming = spool.begin()?;
        (0..120).try_for_each(|number| incoming.write_all(&body(number)))?;
        let (long, all) = (incoming.finish()?, (0..120).flat_map(body).collect::<Vec<u8>>());
        assert_eq!(long.part(70_001, 5000)?, all[70_001..75_001]);
        assert!(long.bytes()? == all && long.sha256() == &<Sha>::from(Sha256::digest(&all)));
        for (number, blob) in blobs.iter().enumerate() {
            assert_eq!(blob.bytes()?, body(number));
        }
        for shelf in [&spool.shelf, &long.shelf] {
            let mut raw = vec![0; usize::try_from(shelf.settled.load(Ordering::Acquire)).unwrap()];
            read_at(&shelf.file, &mut raw, 0)?;
            assert!(raw.len() > 4000 && !raw.windows(6).any(|window| window == b"secret" || window == [0; 6]));
        }
        Ok(())
    }

    #[test]
    fn small_bodies_are_gathered_and_read_whenever_they_are_wanted() -> io::Result<()> {
        let (spool, body) = (Spool::in_temp()?, |number: usize| vec![b'a'; 1 + number * 701 % 9000]);
        let mut blobs = Vec::new();
        for number in 0..200 {
            blobs.push(spool.keep(&body(number))?);
            if number % 31 == 0 {
                assert_eq!(blobs[number / 2].bytes()?, body(number / 2));
            }
        }
        assert!(spool.shelf.settled.load(Ordering::Acquire) > GATHERED as u64, "they go to the disk");
        assert_eq!(spool.keep(&vec![7; 3 * GATHERED])?.part(GATHERED as u64, 5)?, [7; 5]);
        blobs.iter().enumerate().try_for_each(|(number, blob)| blob.bytes().map(|bytes| assert_eq!(bytes, body(number))))
    }
}

//! Bodies on disk while a bundle is made, so that memory stays flat whatever the size of a workspace.
//!
//! Objects arrive in the API's order and are written in another. Until then their bytes lie in temporary files beside the
//! target: small ones one after the other in a shared file, big ones each in a file of its own. The files are created with
//! mode 0600, have no name where the system allows it, and vanish with the last [`Blob`].

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// SHA-256 of some bytes.
pub type Sha = [u8; 32];

/// A place for bodies: cheap to clone, safe to share between threads.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    file: Arc<File>,
    end: u64,
}

/// Bytes in a [`Spool`]: length and digest are of what was really written.
#[derive(Clone, Debug)]
pub struct Blob {
    file: Arc<File>,
    start: u64,
    len: u64,
    sha256: Sha,
}

impl Spool {
    /// Opens a spool in a folder that exists. Errors: what the file system says.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        let file = Arc::new(tempfile::tempfile_in(folder)?);
        Ok(Self { folder: folder.to_owned(), shared: Arc::new(Mutex::new(Shared { file, end: 0 })) })
    }

    /// Opens a spool in the system's folder for temporary files.
    pub fn in_temp() -> io::Result<Self> {
        Self::in_folder(&std::env::temp_dir())
    }

    /// Keeps a small body that is in memory already.
    pub fn keep(&self, bytes: &[u8]) -> io::Result<Blob> {
        let (sha256, len) = (Sha256::digest(bytes).into(), bytes.len() as u64);
        let (file, start) = {
            // Only the place is given out under the lock, so that many threads write at once.
            let mut shared = self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let start = shared.end;
            shared.end += len;
            (shared.file.clone(), start)
        };
        write_at(&file, bytes, start)?;
        Ok(Blob { file, start, len, sha256 })
    }

    /// Begins a body of unknown size in a file of its own. Call [`Incoming::finish`] to get the blob.
    pub fn begin(&self) -> io::Result<Incoming> {
        Ok(Incoming { file: tempfile::tempfile_in(&self.folder)?, len: 0, digest: Sha256::new() })
    }
}

/// A body that is still arriving. Dropping it forgets the bytes.
#[derive(Debug)]
pub struct Incoming {
    file: File,
    len: u64,
    digest: Sha256,
}

impl Incoming {
    /// Ends the body. What was written is now a [`Blob`].
    pub fn finish(mut self) -> io::Result<Blob> {
        self.file.flush()?;
        let sha256 = self.digest.finalize().into();
        Ok(Blob { file: Arc::new(self.file), start: 0, len: self.len, sha256 })
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.len
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
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
        let got = read_at(&self.blob.file, &mut buffer[..want], self.blob.start + self.at)?;
        if got == 0 && want > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a temporary file became shorter"));
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
}

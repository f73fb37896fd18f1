//! Bytes that can be read at any place: a file, a buffer, an object of a store. Nothing else of a bundle's
//! whereabouts is known to the reader.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// Something of known size that can be read by position, from many threads at once.
pub trait Source: Send + Sync {
    /// Size in bytes, as it is now. Errors: what the store says.
    fn size(&self) -> io::Result<u64>;

    /// Fills the buffer from `at` on. Errors: `UnexpectedEof` if there are not so many bytes, or what the store says.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Hears that all of a range will be read next, in whatever steps: what is far away can bring it at once.
    fn will_read(&self, _range: Range<u64>) {}
}

/// The cause of an error of a source that knows what was written, as an encrypted file does: it is not what stands there now.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stored bytes do not decrypt: they were altered or cut off")]
pub struct Altered;

/// Whether the bytes were altered, and not only out of reach.
pub(crate) fn is_altered(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(cause) if cause.is::<Altered>())
}

impl std::fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_file_at(self, at, buffer)
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(at).map_err(|_| short())?;
        let bytes = from.checked_add(buffer.len()).and_then(|to| self.get(from..to)).ok_or_else(short)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

macro_rules! behind {
    ($($pointer:ty)*) => {$(
        impl<S: Source + ?Sized> Source for $pointer {
            fn size(&self) -> io::Result<u64> {
                (**self).size()
            }

            fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
                (**self).read_at(at, buffer)
            }

            fn will_read(&self, range: Range<u64>) {
                (**self).will_read(range);
            }
        }
    )*};
}

behind! { &S Arc<S> Box<S> }

fn short() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}

#[cfg(unix)]
fn read_file_at(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_file_at(file: &File, mut at: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        let got = std::os::windows::fs::FileExt::seek_read(file, buffer, at)?;
        if got == 0 {
            return Err(short());
        }
        buffer = &mut buffer[got..];
        at += got as u64;
    }
    Ok(())
}

/// A stretch of a source as a stream.
pub(crate) struct Stretch<'a> {
    source: &'a dyn Source,
    at: u64,
    end: u64,
}

impl<'a> Stretch<'a> {
    /// `len` bytes from `at` on; the caller has checked that they lie inside the source.
    pub(crate) fn new(source: &'a dyn Source, at: u64, len: u64) -> Self {
        Self { source, at, end: at + len }
    }

    /// Bytes that nobody has asked for yet.
    pub(crate) fn left(&self) -> u64 {
        self.end - self.at
    }
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left()).unwrap_or(usize::MAX));
        self.source.read_at(self.at, &mut buffer[..want])?;
        self.at += want as u64;
        Ok(want)
    }
}

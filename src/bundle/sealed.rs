//! Are the bytes of a bundle those that were written? All of them are hashed, up to the trailer, and of the manifest only what that
//! needs is decompressed. Whether what was written makes sense is the business of [`super::Reader`].

use super::manifest::{FrameLine, HeadLine};
use super::parse::Builder;
use super::reader::{OpenError, read_trailer};
use super::tail::{self, Signature};
use super::trailer::Trailer;
use super::{Limits, Source};
use crate::spool::Sha;
use crate::store::is_altered;
use sha2::{Digest, Sha256};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes that are read at once: a piece is hashed while it is in the processor's cache.
const PIECE: usize = 256 << 10;

/// A bundle whose bytes are as they were written.
pub(crate) struct Sealed {
    pub(crate) head: HeadLine,
    pub(crate) signatures: Vec<Signature>,
}

/// Hashes all of a bundle on several threads. Nothing if its bytes are not as they were written. Errors: it cannot be read, is no
/// bundle, or a rule is broken that has to hold before its bytes can be looked at.
pub(crate) fn sealed(source: &dyn Source, limits: Limits) -> Result<Option<Sealed>, OpenError> {
    let size = source.size().map_err(OpenError::io)?;
    let trailer = read_trailer(source, size)?;
    trailer.check_tiling(size)?;
    let signatures = tail::signatures(source, &trailer)?;
    let (head, mut stretches) = tail::frames(source, &trailer, Builder::new(limits, false))?;
    stretches.push(manifest_stretch(&trailer));
    let is_same = head.minor == trailer.minor && are_stored(&stretches, source).map_err(OpenError::io)?;
    Ok(is_same.then_some(Sealed { head, signatures }))
}

/// The manifest frame as one more that has a place and a digest.
fn manifest_stretch(trailer: &Trailer) -> FrameLine {
    FrameLine {
        off: trailer.manifest_off,
        clen: trailer.manifest_clen,
        ulen: trailer.manifest_ulen,
        tar: 0,
        sha256: trailer.manifest_sha,
    }
}

fn are_stored(stretches: &[FrameLine], source: &dyn Source) -> io::Result<bool> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(stretches.len());
    let (left, is_same) = (AtomicUsize::new(stretches.len()), AtomicBool::new(true));
    let check = || {
        let mut buffer = Vec::new();
        // From the end: the manifest is the longest of all.
        while let Some(at) = left.fetch_sub(1, Ordering::Relaxed).checked_sub(1).filter(|_| is_same.load(Ordering::Relaxed)) {
            is_same.fetch_and(stretches[at].is_stored_in(source, &mut buffer)?, Ordering::Relaxed);
        }
        left.store(0, Ordering::Relaxed);
        Ok(())
    };
    let all: io::Result<()> = std::thread::scope(|scope| {
        let checks: Vec<_> = (0..threads).map(|_| scope.spawn(check)).collect();
        checks.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    all.map(|()| is_same.into_inner())
}

impl FrameLine {
    /// Whether a source holds the bytes of this frame. The buffer is for use again. Errors: what the source says.
    pub(crate) fn is_stored_in(&self, source: &dyn Source, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.resize(PIECE, 0);
        let (mut at, end, mut sha) = (self.off, self.off + self.clen, Sha256::new());
        while at < end {
            let piece = &mut buffer[..PIECE.min(usize::try_from(end - at).unwrap_or(PIECE))];
            match source.read_at(at, piece) {
                Err(cause) if is_altered(&cause) => return Ok(false),
                read => read?,
            }
            sha.update(&*piece);
            at += piece.len() as u64;
        }
        Ok(<Sha>::from(sha.finalize()) == self.sha256)
    }
}

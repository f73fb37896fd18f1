//! Opens a bundle strictly and reads its members. What a reader returns was compared with digests that lead back to the
//! trailer; what it cannot trust it does not return.

use super::finding::{Fault, Finding, ObjectName};
use super::manifest::{FrameLine, Manifest, MemberLine};
use super::parse::Builder;
use super::tail::{self, Signature, TagFiles};
use super::trailer::{self, FROZEN_LEN, MAGIC, MAJOR, TRAILER_LEN, Trailer};
use super::{Limits, frame, tags};
use crate::origin::{self, PublicKey, Signed};
use crate::spool::Sha;
use crate::store::{Source, is_altered};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Decompressed frames that are kept: neighbours are often read one after the other.
const CACHED_FRAMES: usize = 4;

/// Why a bundle cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is something else.
    #[error("this is not a bundle: {0}")]
    NotABundle(&'static str),
    /// The file begins like a bundle and does not end like one.
    #[error("the bundle is cut off after {size} bytes: its trailer is not there")]
    Truncated {
        /// Bytes that are there.
        size: u64,
    },
    /// The bundle was written for a newer reader.
    #[error("this bundle needs a reader for format {major}{}", needs(.requires))]
    NeedsVersion {
        /// Major version of the format.
        major: u16,
        /// Features that the reader must know and does not.
        requires: Vec<String>,
    },
    /// The bundle is damaged or was altered.
    #[error("the bundle is damaged or was altered")]
    Damaged(#[source] Box<Finding>),
    /// The bytes could not be read.
    #[error("cannot read the bundle")]
    Io(#[source] io::Error),
}

impl From<Finding> for OpenError {
    fn from(finding: Finding) -> Self {
        Self::Damaged(Box::new(finding))
    }
}

/// Why a member cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its bytes are damaged or were altered.
    #[error("the stored object is damaged or was altered")]
    Damaged(#[source] Box<Finding>),
    /// It is too large to be read into memory; [`Reader::copy`] streams it.
    #[error("the object of {size} bytes is too large for memory")]
    TooLarge {
        /// Size in bytes.
        size: u64,
    },
    /// The bytes could not be read.
    #[error("cannot read the bundle")]
    Io(#[source] io::Error),
    /// The copy could not be written.
    #[error("cannot write the copy")]
    Output(#[source] io::Error),
}

impl From<Finding> for ReadError {
    fn from(finding: Finding) -> Self {
        Self::Damaged(Box::new(finding))
    }
}

impl OpenError {
    /// What an error of the source means for the bundle.
    pub fn io(cause: io::Error) -> Self {
        if is_altered(&cause) { Self::altered(cause.to_string()) } else { Self::Io(cause) }
    }

    /// The encrypted file around the bundle is not as it was written.
    pub fn altered(how: impl Into<String>) -> Self {
        Finding::new(Fault::Encryption, how).into()
    }
}

fn needs(requires: &[String]) -> String {
    if requires.is_empty() { String::new() } else { format!(" with {}", requires.join(", ")) }
}

/// An open bundle. Cheap to share between threads by reference.
pub struct Reader {
    source: Box<dyn Source>,
    size: u64,
    trailer: Trailer,
    manifest: Manifest,
    tags: TagFiles,
    signatures: Vec<Signature>,
    cache: Mutex<VecDeque<(usize, Arc<Vec<u8>>)>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("size", &self.size).field("members", &self.manifest.members.len()).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a bundle on disk: checks trailer, manifest and tail, and that every byte of the file is accounted for.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_source(Box::new(File::open(path).map_err(OpenError::io)?), Limits::default())
    }

    /// Opens a bundle that lies elsewhere, or with other limits.
    pub fn open_source(source: Box<dyn Source>, limits: Limits) -> Result<Self, OpenError> {
        Self::open_keeping(source, limits, true)
    }

    /// The same without keeping the `meta` of members, which is checked all the same: enough to count them or to check frames,
    /// in less time and memory.
    pub fn open_lean(source: Box<dyn Source>, limits: Limits) -> Result<Self, OpenError> {
        Self::open_keeping(source, limits, false)
    }

    fn open_keeping(source: Box<dyn Source>, limits: Limits, meta: bool) -> Result<Self, OpenError> {
        let size = source.size().map_err(OpenError::io)?;
        let trailer = read_trailer(&source, size)?;
        trailer.check_tiling(size)?;
        let signatures = tail::signatures(&source, &trailer)?;
        let (manifest, tags) = tail::manifest(&source, &trailer, Builder::new(limits, meta))?;
        if manifest.head.minor != trailer.minor {
            return Err(Finding::new(Fault::Trailer, "trailer and manifest speak of different minor versions").into());
        }
        Ok(Self { source, size, trailer, manifest, tags, signatures, cache: Mutex::default() })
    }

    /// What the bundle says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Signatures over `manifest.jsonl`; whether they are good, [`Self::signed_by`] says.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// A good signature of one of these keys, over the manifest that this reader goes by. Errors: the manifest cannot be read again.
    pub fn signed_by(&self, keys: &[PublicKey]) -> Result<Option<Signed>, OpenError> {
        let signatures = self.signatures.iter().map(|signature| signature.text.as_slice());
        for candidate in origin::candidates(signatures, keys) {
            let mut text = Seeking(tail::text(&self.source, &self.trailer)?);
            if let Some(signed) = candidate.check(&mut text).filter(|_| text.0.sha() == self.manifest.sha256) {
                return Ok(Some(signed));
            }
        }
        Ok(None)
    }

    /// The member of a kind at a path (or with a source id).
    pub fn find(&self, kind: &str, path: &str) -> Option<&MemberLine> {
        self.manifest.find(kind, path)
    }

    /// A member's body in memory, its digest checked. Errors with `TooLarge` above 1 GiB.
    pub fn read(&self, member: &MemberLine) -> Result<Vec<u8>, ReadError> {
        let size = usize::try_from(member.size).ok().filter(|_| member.size <= 1 << 30);
        let mut body = Vec::with_capacity(size.ok_or(ReadError::TooLarge { size: member.size })?);
        self.copy(member, &mut body)?;
        Ok(body)
    }

    /// Streams a member's body. The digest is checked at the end: after an error, throw away what was written.
    /// Returns the bytes written.
    pub fn copy(&self, member: &MemberLine, to: &mut dyn Write) -> Result<u64, ReadError> {
        copy_from(member, &mut |index| self.frame(index), to)
    }

    /// One frame, decompressed: its stored bytes have the digest in the manifest. Kept for a while.
    pub(crate) fn frame(&self, index: usize) -> Result<Arc<Vec<u8>>, ReadError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, raw)) = cache.iter().find(|(cached, _)| *cached == index) {
            return Ok(raw.clone());
        }
        drop(cache);
        let raw = Arc::new(self.load(index)?);
        cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.truncate(CACHED_FRAMES - 1);
        cache.push_front((index, raw.clone()));
        Ok(raw)
    }

    /// [`Self::frame`] without the cache.
    pub(crate) fn load(&self, index: usize) -> Result<Vec<u8>, ReadError> {
        let stored = self.stored(index)?;
        let line = self.line(index)?;
        frame::decompress(&stored, line.ulen).map_err(|finding| self.in_frame(finding, index).into())
    }

    /// Compares the stored bytes of a frame with the digest in the manifest. The buffer is for use again.
    pub(crate) fn check_stored(&self, index: usize, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        let is_same = self.line(index)?.is_stored_in(&self.source, buffer).map_err(ReadError::Io)?;
        if is_same { Ok(()) } else { Err(self.altered(index)) }
    }

    /// The stored bytes of a frame, compared with the digest in the manifest.
    pub(crate) fn stored(&self, index: usize) -> Result<Vec<u8>, ReadError> {
        let line = self.line(index)?;
        let mut stored = vec![0; usize::try_from(line.clen).unwrap_or(0)];
        match self.source.read_at(line.off, &mut stored) {
            Err(cause) if is_altered(&cause) => return Err(self.altered(index)),
            read => read.map_err(ReadError::Io)?,
        }
        if <Sha>::from(Sha256::digest(&stored)) == line.sha256 {
            return Ok(stored);
        }
        Err(self.altered(index))
    }

    fn altered(&self, index: usize) -> ReadError {
        let detail = format!("frame {index} was altered: its stored bytes do not have the manifest's digest");
        self.in_frame(Finding::new(Fault::Frame, detail), index).into()
    }

    pub(crate) fn tags(&self) -> &TagFiles {
        &self.tags
    }

    /// SHA-256 of `manifest-sha256.txt`, read again.
    pub(crate) fn payload_sha(&self) -> Result<Sha, OpenError> {
        tail::payload_sha(&self.source, &self.trailer)
    }

    fn in_frame(&self, finding: Finding, index: usize) -> Finding {
        let objects: Vec<ObjectName> = self.manifest.objects_in(index);
        finding.with(objects)
    }

    fn line(&self, index: usize) -> Result<&FrameLine, ReadError> {
        let missing = || Finding::new(Fault::Placement, format!("there is no frame {index}"));
        self.manifest.frames.get(index).ok_or_else(|| missing().into())
    }
}

/// A stream where a seek is asked for and never made: `minisign` goes back only to print the text.
struct Seeking<R>(R);

impl<R: Read> Read for Seeking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R> Seek for Seeking<R> {
    fn seek(&mut self, _to: io::SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Frames, by index.
pub(crate) type Frames<'a> = dyn FnMut(usize) -> Result<Arc<Vec<u8>>, ReadError> + 'a;

/// [`Reader::copy`] out of frames that the caller loads.
pub(crate) fn copy_from(member: &MemberLine, frames: &mut Frames<'_>, to: &mut dyn Write) -> Result<u64, ReadError> {
    let mut sha = Sha256::new();
    parts(member, frames, &mut |part| {
        sha.update(part);
        to.write_all(part).map_err(ReadError::Output)
    })?;
    if <Sha>::from(sha.finalize()) == member.sha256 { Ok(member.size) } else { Err(hurt(member)) }
}

/// Shows the bytes of a member, frame by frame; they are not compared with its digest.
pub(crate) fn parts(
    member: &MemberLine,
    frames: &mut Frames<'_>,
    act: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let (mut frame, mut at, mut left) = (member.frame as usize, member.at as usize, member.size);
    while left > 0 {
        let raw = frames(frame)?;
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(raw.len().saturating_sub(at));
        let part = raw.get(at..at + want).filter(|part| !part.is_empty() || at == raw.len()).ok_or_else(|| hurt(member))?;
        act(part)?;
        left -= want as u64;
        (frame, at) = (frame + 1, 0);
    }
    Ok(())
}

fn hurt(member: &MemberLine) -> ReadError {
    let detail = format!("the bytes of {:?} do not have the manifest's digest", member.name);
    Finding::new(Fault::Body, detail).with(vec![member.object()]).into()
}

pub(super) fn read_trailer(source: &dyn Source, size: u64) -> Result<Trailer, OpenError> {
    if size == 0 {
        return Err(OpenError::NotABundle("the file is empty"));
    }
    let mut last = [0; FROZEN_LEN];
    if size >= FROZEN_LEN as u64 {
        source.read_at(size - FROZEN_LEN as u64, &mut last).map_err(OpenError::io)?;
    }
    match trailer::frozen(&last) {
        None => Err(without_trailer(source, size)),
        Some((_, MAJOR, _)) if size < TRAILER_LEN => Err(OpenError::Truncated { size }),
        Some((_, MAJOR, _)) => {
            let mut bytes = [0; 160];
            source.read_at(size - TRAILER_LEN, &mut bytes).map_err(OpenError::io)?;
            Ok(Trailer::parse(&bytes)?)
        }
        Some((_, major, _)) => Err(OpenError::NeedsVersion { major, requires: Vec::new() }),
    }
}

/// A file without our magic at its end: is it a bundle with something behind it, the beginning of one, or something else?
fn without_trailer(source: &dyn Source, size: u64) -> OpenError {
    let mut first = vec![0; usize::try_from(size.min(4)).unwrap_or(4)];
    if let Err(error) = source.read_at(0, &mut first) {
        return OpenError::io(error);
    }
    if !frame::begins(&first) {
        return OpenError::NotABundle("it does not begin with a zstd frame");
    }
    if !begins_like_a_bundle(source, size).unwrap_or(true) {
        return OpenError::NotABundle("its first entry is not bundle/bundle.json");
    }
    let mut end = vec![0; usize::try_from(size.min(64 << 10)).unwrap_or(0)];
    let junk = source.read_at(size - end.len() as u64, &mut end).is_ok() && end.windows(MAGIC.len()).any(|w| w == MAGIC);
    if junk {
        return Finding::new(Fault::Tiling, "something stands behind the trailer, or the file's last bytes were altered").into();
    }
    OpenError::Truncated { size }
}

/// Whether the first frame holds `bundle/bundle.json`; nothing if the frame is not whole.
fn begins_like_a_bundle(source: &dyn Source, size: u64) -> Option<bool> {
    let mut start = vec![0; usize::try_from(size.min(2 * tags::MAX_HEAD_FRAME)).ok()?];
    source.read_at(0, &mut start).ok()?;
    let len = zstd::zstd_safe::find_frame_compressed_size(&start).ok()?;
    let ulen = frame::declared_small(&start).ok()?;
    let raw = frame::decompress(start.get(..len)?, ulen).ok()?;
    Some(raw.starts_with(tags::HEAD_NAME.as_bytes()))
}

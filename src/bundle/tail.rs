//! Reads the manifest frame and the tail frame: streamed, so that a large manifest never stands in memory as text, and
//! compared with the only headers they may have.

use super::finding::{Fault, Finding};
use super::frame;
use super::manifest::{FrameLine, HeadLine, Manifest};
use super::name::ROOT;
use super::parse::Builder;
use super::tags::{self, MANIFEST_FRAME, MAX_TAG_FILE};
use super::tarhead::{head, padded, peek, size_of};
use super::trailer::Trailer;
use super::{OpenError, feed};
use crate::spool::Sha;
use crate::store::{Source, Stretch};
use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// What the tag files say, for the comparison in a full verification.
pub(crate) struct TagFiles {
    pub(crate) bagit: Vec<u8>,
    pub(crate) bag_info: Vec<u8>,
    pub(crate) tagmanifest: Vec<u8>,
}

/// A signature that stands in the tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name in the archive, without `bundle/`.
    pub name: String,
    /// The file, as `minisign` wrote it.
    pub text: Vec<u8>,
}

/// Reads and checks the manifest frame. If its stored bytes do not have the trailer's digest, then that is the finding, whatever
/// else is wrong with them.
pub(crate) fn manifest(source: &dyn Source, trailer: &Trailer, mut builder: Builder) -> Result<(Manifest, TagFiles), OpenError> {
    let altered =
        || Finding::new(Fault::ManifestFrame, "the manifest was altered: its stored bytes do not have the trailer's digest");
    source.will_read(trailer.manifest_off..trailer.manifest_off.saturating_add(trailer.manifest_clen));
    match unpack(source, trailer, &mut builder) {
        Ok(unpacked) if unpacked.stored_sha == trailer.manifest_sha => {
            Ok((builder.finish(unpacked.manifest_sha, trailer.manifest_off)?, unpacked.tags))
        }
        Ok(_) => Err(altered().into()),
        Err(OpenError::Damaged(_)) if digest(source, trailer.manifest_off, trailer.manifest_clen)? != trailer.manifest_sha => {
            Err(altered().into())
        }
        Err(cause) => Err(cause),
    }
}

struct Manifested {
    stored_sha: Sha,
    manifest_sha: Sha,
    tags: TagFiles,
}

fn unpack(source: &dyn Source, trailer: &Trailer, builder: &mut Builder) -> Result<Manifested, OpenError> {
    let mut stored = Hashed { inner: Stretch::new(source, trailer.manifest_off, trailer.manifest_clen), sha: Sha256::new() };
    let mut sections = Sections::open(source, trailer, &mut stored)?;
    let bagit = sections.small(MANIFEST_FRAME[0])?;
    let bag_info = sections.small(MANIFEST_FRAME[1])?;
    sections.stream(MANIFEST_FRAME[2], &mut |_| Ok(()))?;
    let manifest_sha = sections.lines(MANIFEST_FRAME[3], builder)?;
    let tagmanifest = sections.small(MANIFEST_FRAME[4])?;
    if sections.left != 0 {
        return Err(Finding::new(Fault::TagFile, "something stands behind the manifest in its frame").into());
    }
    sections.inner.end()?;
    let tags = TagFiles { bagit, bag_info, tagmanifest };
    Ok(Manifested { stored_sha: stored.sha.finalize().into(), manifest_sha, tags })
}

/// The first line of the manifest and the lines of the frames: nothing behind them is decompressed, and nothing but them compared
/// with the rules. Whether the stored bytes have the trailer's digest is for the caller to ask.
pub(crate) fn frames(
    source: &dyn Source,
    trailer: &Trailer,
    mut builder: Builder,
) -> Result<(HeadLine, Vec<FrameLine>), OpenError> {
    let mut sections = Sections::open(source, trailer, Stretch::new(source, trailer.manifest_off, trailer.manifest_clen))?;
    sections.small(MANIFEST_FRAME[0])?;
    sections.small(MANIFEST_FRAME[1])?;
    sections.stream(MANIFEST_FRAME[2], &mut |_| Ok(()))?;
    let size = sections.header(MANIFEST_FRAME[3])?;
    feed::frames(&mut builder, size, &mut |buffer| sections.fill(buffer))?;
    builder.frames(trailer.manifest_off)
}

/// SHA-256 of `manifest-sha256.txt`. Only a full verification asks, so only then it is hashed.
pub(crate) fn payload_sha(source: &dyn Source, trailer: &Trailer) -> Result<Sha, OpenError> {
    let mut sections = Sections::open(source, trailer, Stretch::new(source, trailer.manifest_off, trailer.manifest_clen))?;
    sections.small(MANIFEST_FRAME[0])?;
    sections.small(MANIFEST_FRAME[1])?;
    let mut sha = Sha256::new();
    sections.stream(MANIFEST_FRAME[2], &mut |bytes| {
        sha.update(bytes);
        Ok(())
    })?;
    Ok(sha.finalize().into())
}

/// `manifest.jsonl` as a stream, read again for whoever checks a signature over it.
pub(crate) struct ManifestText<'a> {
    sections: Sections<Stretch<'a>>,
    left: u64,
    sha: Sha256,
}

/// Opens `manifest.jsonl` as a stream.
pub(crate) fn text<'a>(source: &'a dyn Source, trailer: &Trailer) -> Result<ManifestText<'a>, OpenError> {
    let mut sections = Sections::open(source, trailer, Stretch::new(source, trailer.manifest_off, trailer.manifest_clen))?;
    sections.small(MANIFEST_FRAME[0])?;
    sections.small(MANIFEST_FRAME[1])?;
    sections.stream(MANIFEST_FRAME[2], &mut |_| Ok(()))?;
    let left = sections.header(MANIFEST_FRAME[3])?;
    Ok(ManifestText { sections, left, sha: Sha256::new() })
}

impl ManifestText<'_> {
    /// SHA-256 of what was read.
    pub(crate) fn sha(self) -> Sha {
        self.sha.finalize().into()
    }
}

impl Read for ManifestText<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.sections.fill(&mut buffer[..want]).map_err(io::Error::other)?;
        self.sha.update(&buffer[..want]);
        self.left -= want as u64;
        Ok(want)
    }
}

/// Reads and checks the tail frame: signatures, then the end of the archive.
pub(crate) fn signatures(source: &dyn Source, trailer: &Trailer) -> Result<Vec<Signature>, OpenError> {
    let clen = usize::try_from(trailer.tail_clen).ok().filter(|_| trailer.tail_clen <= frame::MAX_CLEN);
    let clen = clen.ok_or_else(|| Finding::new(Fault::Limit, "the tail frame is larger than the format allows"))?;
    let mut stored = vec![0; clen];
    source.read_at(trailer.tail_off, &mut stored).map_err(OpenError::io)?;
    if <Sha>::from(Sha256::digest(&stored)) != trailer.tail_sha {
        return Err(
            Finding::new(Fault::TailFrame, "the tail was altered: its stored bytes do not have the trailer's digest").into()
        );
    }
    let raw = frame::decompress(&stored, frame::declared_small(&stored)?)?;
    Ok(split_tail(&raw)?)
}

fn split_tail(raw: &[u8]) -> Result<Vec<Signature>, Finding> {
    let fault = |why: &str| Finding::new(Fault::Tail, format!("the tail {why}"));
    let mut signatures: Vec<Signature> = Vec::new();
    let mut rest = raw;
    while rest.len() > 1024 {
        let (_, name) = peek(rest);
        let size = size_of(rest).filter(|size| *size <= MAX_TAG_FILE).ok_or_else(|| fault("holds an entry without a size"))?;
        let header = head(&name, size, 0);
        if !tags::is_signature(&name) || !rest.starts_with(&header) {
            return Err(fault("holds something that is no signature"));
        }
        let from = header.len();
        let (size, whole) = (usize::try_from(size).unwrap_or(0), usize::try_from(padded(size)).unwrap_or(0));
        let body = rest.get(from..from + whole).ok_or_else(|| fault("ends in the midst of a signature"))?;
        if body[size..].iter().any(|b| *b != 0) {
            return Err(fault("holds bytes in its padding"));
        }
        let name = name.trim_start_matches(ROOT).to_owned();
        if signatures.last().is_some_and(|last| last.name >= name) {
            return Err(fault("holds signatures out of order"));
        }
        signatures.push(Signature { name, text: body[..size].to_vec() });
        rest = &rest[from + whole..];
    }
    if rest.len() != 1024 || rest.iter().any(|b| *b != 0) {
        return Err(fault("does not end with 1,024 zero bytes"));
    }
    Ok(signatures)
}

/// SHA-256 of a stretch of stored bytes.
pub(crate) fn digest(source: &dyn Source, at: u64, len: u64) -> Result<Sha, OpenError> {
    let (mut stretch, mut sha, mut buffer) = (Stretch::new(source, at, len), Sha256::new(), vec![0; 64 << 10]);
    loop {
        match stretch.read(&mut buffer).map_err(OpenError::io)? {
            0 => return Ok(sha.finalize().into()),
            got => sha.update(&buffer[..got]),
        }
    }
}

/// A stream that hashes what is taken from it.
struct Hashed<'a> {
    inner: Stretch<'a>,
    sha: Sha256,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.sha.update(&buffer[..got]);
        Ok(got)
    }
}

/// The manifest frame's members, one after the other.
pub(crate) struct Sections<R: Read> {
    inner: frame::Unpacked<R>,
    left: u64,
}

impl<R: Read + Send> Sections<R> {
    fn open(source: &dyn Source, trailer: &Trailer, stored: R) -> Result<Self, OpenError> {
        let mut first = vec![0; frame::HEADER_MAX.min(usize::try_from(trailer.manifest_clen).unwrap_or(frame::HEADER_MAX))];
        source.read_at(trailer.manifest_off, &mut first).map_err(OpenError::io)?;
        Ok(Self { inner: frame::manifest_decoder(&first, stored, trailer.manifest_ulen)?, left: trailer.manifest_ulen })
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), OpenError> {
        let len = buffer.len() as u64;
        let short = || Finding::new(Fault::Decode, "the manifest frame ends too early");
        self.left = self.left.checked_sub(len).ok_or_else(short)?;
        self.inner.read_exact(buffer).map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => short().into(),
            _ => frame::undecodable(&cause).into(),
        })
    }

    /// Reads the header that must stand here and gives the size it declares.
    fn header(&mut self, name: &str) -> Result<u64, OpenError> {
        let mut block = [0; 512];
        self.fill(&mut block)?;
        let size = size_of(&block).unwrap_or(0);
        if block[..] == head(&format!("{ROOT}{name}"), size, 0)[..] {
            return Ok(size);
        }
        let (_, found) = peek(&block);
        Err(Finding::new(Fault::TarHeader, format!("the header of {name} is not as it must be (it names {found:?})")).into())
    }

    /// The zero bytes behind a section.
    fn padding(&mut self, name: &str, size: u64) -> Result<(), OpenError> {
        let mut block = [0; 512];
        let padding = usize::try_from(padded(size) - size).unwrap_or(0);
        self.fill(&mut block[..padding])?;
        let zero = block.iter().all(|b| *b == 0);
        if zero { Ok(()) } else { Err(Finding::new(Fault::Padding, format!("the bytes after {name} are not zero")).into()) }
    }

    fn stream(&mut self, name: &str, take: &mut dyn FnMut(&[u8]) -> Result<(), Finding>) -> Result<(), OpenError> {
        let size = self.header(name)?;
        let mut left = size;
        let mut buffer = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(128 << 10)];
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.fill(&mut buffer[..want])?;
            take(&buffer[..want])?;
            left -= want as u64;
        }
        self.padding(name, size)
    }

    fn lines(&mut self, name: &str, builder: &mut Builder) -> Result<Sha, OpenError> {
        let size = self.header(name)?;
        let sha = feed::lines(builder, size, feed::BLOCK, &mut |buffer| self.fill(buffer))?;
        self.padding(name, size)?;
        Ok(sha)
    }

    fn small(&mut self, name: &str) -> Result<Vec<u8>, OpenError> {
        let mut text = Vec::new();
        self.stream(name, &mut |bytes| {
            text.extend_from_slice(bytes);
            let fits = text.len() as u64 <= MAX_TAG_FILE;
            if fits { Ok(()) } else { Err(Finding::new(Fault::Limit, format!("{name} is larger than allowed"))) }
        })?;
        Ok(text)
    }
}

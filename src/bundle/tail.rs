//! Reads the manifest frame and the tail frame: streamed, so that a large manifest never stands in memory as text, and
//! compared with the only headers they may have.

use super::OpenError;
use super::finding::{Fault, Finding};
use super::frame;
use super::manifest::Manifest;
use super::name::ROOT;
use super::parse::Builder;
use super::tags::{self, MANIFEST_FRAME, MAX_TAG_FILE};
use super::tarhead::{head, padded, peek, size_of};
use super::trailer::Trailer;
use crate::spool::Sha;
use crate::store::{Source, Stretch};
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, Read};
use std::sync::mpsc;

/// What the tag files say, for the comparison in a full verification.
pub(crate) struct TagFiles {
    pub(crate) bagit: Vec<u8>,
    pub(crate) bag_info: Vec<u8>,
    pub(crate) payload_sha: Sha,
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

/// Reads and checks the manifest frame.
pub(crate) fn manifest(source: &dyn Source, trailer: &Trailer, builder: Builder) -> Result<(Manifest, TagFiles), OpenError> {
    let (at, clen) = (trailer.manifest_off, trailer.manifest_clen);
    if digest(source, at, clen)? != trailer.manifest_sha {
        return Err(Finding::new(
            Fault::ManifestFrame,
            "the manifest was altered: its stored bytes do not have the trailer's digest",
        )
        .into());
    }
    let mut first = vec![0; frame::HEADER_MAX.min(usize::try_from(clen).unwrap_or(frame::HEADER_MAX))];
    source.read_at(at, &mut first).map_err(OpenError::Io)?;
    let unpacked = frame::manifest_decoder(&first, Stretch::new(source, at, clen), trailer.manifest_ulen)?;
    let sections = Sections { inner: unpacked, left: trailer.manifest_ulen };
    let (builder, manifest_sha, tags) = if trailer.manifest_ulen < SIDE_BY_SIDE {
        let mut lines = Lines { carry: Vec::new(), builder };
        let read = sections.read(&mut |bytes| lines.take(bytes))?;
        (lines.end()?, read.manifest_sha, read.tags)
    } else {
        side_by_side(sections, builder)?
    };
    let manifest = builder.finish(manifest_sha, trailer.manifest_off)?;
    Ok((manifest, tags))
}

/// Above so many bytes one thread decompresses and hashes while another reads the lines; below, a thread costs more than it saves.
const SIDE_BY_SIDE: u64 = 4 << 20;

/// A fault in a line ends both. Of two faults the one in the lines comes first, as it does where one thread does everything.
fn side_by_side<R: Read + Send>(sections: Sections<R>, builder: Builder) -> Result<(Builder, Sha, TagFiles), OpenError> {
    let (sender, chunks) = mpsc::sync_channel::<Vec<u8>>(8);
    let mut lines = Lines { carry: Vec::new(), builder };
    std::thread::scope(|scope| {
        let stopped = || Finding::new(Fault::Line, "the reader of lines stopped");
        let reading = scope.spawn(move || sections.read(&mut |bytes| sender.send(bytes.to_vec()).map_err(|_| stopped())));
        chunks.into_iter().try_for_each(|chunk| lines.take(&chunk))?;
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((lines.end()?, read.manifest_sha, read.tags))
    })
}

/// Reads and checks the tail frame: signatures, then the end of the archive.
pub(crate) fn signatures(source: &dyn Source, trailer: &Trailer) -> Result<Vec<Signature>, OpenError> {
    let clen = usize::try_from(trailer.tail_clen).ok().filter(|_| trailer.tail_clen <= frame::MAX_CLEN);
    let clen = clen.ok_or_else(|| Finding::new(Fault::Limit, "the tail frame is larger than the format allows"))?;
    let mut stored = vec![0; clen];
    source.read_at(trailer.tail_off, &mut stored).map_err(OpenError::Io)?;
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
        match stretch.read(&mut buffer).map_err(OpenError::Io)? {
            0 => return Ok(sha.finalize().into()),
            got => sha.update(&buffer[..got]),
        }
    }
}

/// The manifest frame's members, one after the other.
struct Sections<R: Read> {
    inner: frame::Unpacked<R>,
    left: u64,
}

/// What stands in the manifest frame besides the lines.
struct Frame {
    manifest_sha: Sha,
    tags: TagFiles,
}

impl<R: Read> Sections<R> {
    /// Reads all of the frame; `take` gets the lines in pieces of any size.
    fn read(mut self, take: &mut dyn FnMut(&[u8]) -> Result<(), Finding>) -> Result<Frame, OpenError> {
        let bagit = self.small(MANIFEST_FRAME[0])?;
        let bag_info = self.small(MANIFEST_FRAME[1])?;
        let payload_sha = self.stream(MANIFEST_FRAME[2], &mut |_| Ok(()))?;
        let manifest_sha = self.stream(MANIFEST_FRAME[3], take)?;
        let tagmanifest = self.small(MANIFEST_FRAME[4])?;
        if self.left != 0 || !self.inner.ends() {
            return Err(Finding::new(Fault::TagFile, "something stands behind the manifest in its frame").into());
        }
        Ok(Frame { manifest_sha, tags: TagFiles { bagit, bag_info, payload_sha, tagmanifest } })
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), OpenError> {
        let len = buffer.len() as u64;
        let short = || Finding::new(Fault::Decode, "the manifest frame ends too early");
        self.left = self.left.checked_sub(len).ok_or_else(short)?;
        self.inner.read_exact(buffer).map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => short().into(),
            _ => OpenError::from(Finding::new(Fault::Decode, format!("the manifest frame cannot be decompressed: {cause}"))),
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

    fn stream(&mut self, name: &str, take: &mut dyn FnMut(&[u8]) -> Result<(), Finding>) -> Result<Sha, OpenError> {
        let size = self.header(name)?;
        let (mut sha, mut buffer, mut left) = (Sha256::new(), vec![0; 64 << 10], size);
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.fill(&mut buffer[..want])?;
            sha.update(&buffer[..want]);
            take(&buffer[..want])?;
            left -= want as u64;
        }
        let padding = usize::try_from(padded(size) - size).unwrap_or(0);
        self.fill(&mut buffer[..padding])?;
        if buffer[..padding].iter().any(|b| *b != 0) {
            return Err(Finding::new(Fault::Padding, format!("the bytes after {name} are not zero")).into());
        }
        Ok(sha.finalize().into())
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

/// Cuts a stream at line feeds.
struct Lines {
    carry: Vec<u8>,
    builder: Builder,
}

impl Lines {
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Finding> {
        while let Some(end) = line_end(bytes) {
            if self.carry.is_empty() {
                self.builder.line(&bytes[..end])?;
            } else {
                self.carry.extend_from_slice(&bytes[..end]);
                let line = std::mem::take(&mut self.carry);
                self.builder.line(&line)?;
            }
            bytes = &bytes[end + 1..];
        }
        self.carry.extend_from_slice(bytes);
        if self.carry.len() > super::json::MAX_LINE {
            return Err(Finding::new(Fault::Limit, "a manifest line is longer than allowed"));
        }
        Ok(())
    }

    fn end(self) -> Result<Builder, Finding> {
        if self.carry.is_empty() {
            Ok(self.builder)
        } else {
            Err(Finding::new(Fault::Line, "the manifest does not end with a line feed"))
        }
    }
}

/// Where the first line feed stands. The standard library looks for it many bytes at a time.
fn line_end(mut bytes: &[u8]) -> Option<usize> {
    let all = bytes;
    let passed = bytes.skip_until(b'\n').unwrap_or(0);
    passed.checked_sub(1).filter(|last| all[*last] == b'\n')
}

//! The end of writing: manifest, signature and trailer, and the look back at what was written.

use super::ledger::Ledger;
use super::lines::{self, MemberParts};
use super::manifest::{FrameLine, HeadLine, KindLine};
use super::name::ROOT;
use super::options::Options;
use super::pack::Plan;
use super::reader::{OpenError, ReadError, Reader};
use super::record::Record;
use super::tags::{self, BAGIT, MANIFEST_FRAME};
use super::tarhead::{head as tar_head, padded};
use super::texts::Texts;
use super::trailer::{MINOR, Trailer};
use super::write_error::WriteError;
use super::{Limits, frame};
use crate::origin::Signer;
use crate::spool::{Blob, Sha, Spool, hex};
use crate::store::{Source, Staged};
use sha2::{Digest, Sha256};
use std::io::{self, Cursor, Read, Write};
use std::path::Path;

/// A small member with its header and padding.
pub(crate) fn whole_member(tar_name: &str, body: &[u8]) -> Vec<u8> {
    let mut raw = tar_head(tar_name, body.len() as u64, 0);
    raw.extend_from_slice(body);
    raw.resize(raw.len().next_multiple_of(512), 0);
    raw
}

/// The file that is being written: counts, and hashes what was really written.
pub(crate) struct Out<'a> {
    staged: &'a mut dyn Staged,
    target: &'a Path,
    level: i32,
    at: u64,
    sha: Sha256,
    frames: Vec<FrameLine>,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.staged.write(bytes)?;
        self.sha.update(&bytes[..written]);
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.staged.flush()
    }
}

impl<'a> Out<'a> {
    pub(crate) fn new(staged: &'a mut dyn Staged, target: &'a Path, level: i32) -> Self {
        Self { staged, target, level, at: 0, sha: Sha256::new(), frames: Vec::new() }
    }

    /// Compresses what is one frame, writes it and notes it.
    pub(crate) fn small_frame(&mut self, raw: &[u8]) -> Result<(), WriteError> {
        self.frame(raw.len() as u64, &frame::compress(raw, self.level).map_err(WriteError::Compress)?)
    }

    /// Writes a compressed data frame and notes it.
    pub(crate) fn frame(&mut self, ulen: u64, stored: &[u8]) -> Result<(), WriteError> {
        let tar = self.frames.last().map_or(0, |last| last.tar + last.ulen);
        let (off, clen) = self.put(stored)?;
        let sha256 = self.digest();
        self.frames.push(FrameLine { off, clen, ulen, tar, sha256 });
        Ok(())
    }

    /// The frames that were noted.
    pub(crate) fn frames(&self) -> &[FrameLine] {
        &self.frames
    }

    /// Writes the manifest frame, the tail frame and the trailer. Returns the size of the file.
    pub(crate) fn tail(
        mut self,
        head: &HeadLine,
        head_text: &[u8],
        files: &Files,
        signature: Option<&[u8]>,
    ) -> Result<u64, WriteError> {
        let sections = sections(head, head_text, files);
        let (manifest_off, manifest_ulen) = (self.at, sections.iter().map(Section::len).sum());
        if manifest_ulen > frame::MAX_MANIFEST {
            return Err(WriteError::Unfit { what: "the manifest".to_owned(), why: "it is larger than 1 GiB".to_owned() });
        }
        self.manifest_frame(sections, manifest_ulen)?;
        let (manifest_clen, manifest_sha) = (self.at - manifest_off, self.digest());
        let mut tail = signature.map_or_else(Vec::new, |text| whole_member(tags::SIGNATURE, text));
        tail.resize(tail.len() + 1024, 0);
        let (tail_off, tail_clen) = self.put(&frame::compress(&tail, self.level).map_err(WriteError::Compress)?)?;
        let tail_sha = self.digest();
        let minor = MINOR;
        let trailer = Trailer { manifest_off, manifest_clen, manifest_ulen, tail_off, tail_clen, manifest_sha, tail_sha, minor };
        self.put(&trailer.bytes())?;
        Ok(self.at)
    }

    fn manifest_frame(&mut self, sections: [Section; 5], ulen: u64) -> Result<(), WriteError> {
        let (target, level) = (self.target, self.level);
        let failed = |cause| WriteError::store("write", target, cause);
        let mut encoder = frame::encoder(&mut *self, ulen, level).map_err(failed)?;
        for mut section in sections {
            encoder.write_all(&section.head).map_err(failed)?;
            io::copy(&mut section.body, &mut encoder).map_err(failed)?;
            encoder.write_all(&vec![0; section.padding]).map_err(failed)?;
        }
        encoder.finish().map(drop).map_err(failed)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(u64, u64), WriteError> {
        let off = self.at;
        self.write_all(bytes).map_err(|cause| WriteError::store("write", self.target, cause))?;
        Ok((off, bytes.len() as u64))
    }

    fn digest(&mut self) -> Sha {
        self.sha.finalize_reset().into()
    }
}

/// One member of the manifest frame.
struct Section {
    head: Vec<u8>,
    body: Box<dyn Read>,
    size: u64,
    padding: usize,
}

impl Section {
    fn new(name: &str, size: u64, body: Box<dyn Read>) -> Self {
        let head = tar_head(&format!("{ROOT}{name}"), size, 0);
        Self { head, body, size, padding: usize::try_from(padded(size) - size).unwrap_or(0) }
    }

    fn len(&self) -> u64 {
        self.head.len() as u64 + padded(self.size)
    }
}

/// The manifest frame: what a bag says of itself around the two large files.
fn sections(head: &HeadLine, head_text: &[u8], files: &Files) -> [Section; 5] {
    let head_sha = Sha256::digest(head_text).into();
    let tagmanifest = tags::tagmanifest(head, &head_sha, files.sums.sha256(), files.manifest.sha256());
    let bag_info = tags::bag_info(head);
    let [bagit_name, info_name, sums_name, manifest_name, tag_name] = MANIFEST_FRAME;
    let small = |name: &str, text: &str| Section::new(name, text.len() as u64, Box::new(Cursor::new(text.as_bytes().to_vec())));
    let big = |name: &str, blob: &Blob| Section::new(name, blob.len(), Box::new(blob.reader()));
    [
        small(bagit_name, BAGIT),
        small(info_name, &bag_info),
        big(sums_name, &files.sums),
        big(manifest_name, &files.manifest),
        small(tag_name, &tagmanifest),
    ]
}

/// The two large files of the manifest frame, spooled.
pub(crate) struct Files {
    pub(crate) sums: Blob,
    pub(crate) manifest: Blob,
}

/// What the manifest holds besides what was given.
pub(crate) struct Others<'a> {
    pub(crate) head_text: &'a [u8],
    pub(crate) frames: &'a [FrameLine],
    pub(crate) kinds: &'a [KindLine],
}

/// Spools `manifest-sha256.txt` and `manifest.jsonl`.
pub(crate) fn manifest_files(spool: &Spool, ledger: &Ledger, plan: &Plan, others: &Others<'_>) -> Result<Files, WriteError> {
    let Ledger { records, texts, gaps, redacted, .. } = ledger;
    let begin = || Ok(io::BufWriter::with_capacity(256 << 10, spool.begin()?));
    let mut sums = begin().map_err(WriteError::Spool)?;
    let mut manifest = begin().map_err(WriteError::Spool)?;
    let mut put = |line: Vec<u8>| manifest.write_all(&line).map_err(WriteError::Spool);
    put(others.head_text.to_vec())?;
    for (index, frame) in others.frames.iter().enumerate() {
        put(fitting(lines::frame(index, frame), "a frame")?)?;
    }
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_unstable_by(|a, b| (&records[*a].path, &records[*a].kind).cmp(&(&records[*b].path, &records[*b].kind)));
    for index in order {
        let record = &records[index];
        put(member_line(record, texts, plan.places[index])?)?;
        sums.write_all(tags::sum_line(record.body.sha256(), &record.name).as_bytes()).map_err(WriteError::Spool)?;
    }
    gaps.iter().try_for_each(|gap| put(fitting(lines::gap(gap), &gap.path)?))?;
    others.kinds.iter().try_for_each(|kind| put(fitting(lines::kind(kind), &kind.kind)?))?;
    redacted.iter().try_for_each(|redacted| put(fitting(lines::redacted(redacted), &redacted.path)?))?;
    let end = |file: io::BufWriter<crate::spool::Incoming>| file.into_inner().map_err(io::IntoInnerError::into_error)?.finish();
    Ok(Files { sums: end(sums).map_err(WriteError::Spool)?, manifest: end(manifest).map_err(WriteError::Spool)? })
}

fn member_line(record: &Record, texts: &Texts, (frame, at): (u32, u32)) -> Result<Vec<u8>, WriteError> {
    let meta = texts.text(record.meta).map_err(WriteError::Spool)?;
    let line = lines::member(&MemberParts {
        path: &record.path,
        kind: &record.kind,
        key: record.key.as_deref(),
        name: &record.name,
        size: record.body.len(),
        sha256: record.body.sha256(),
        frame,
        at,
        degraded: record.degraded.as_deref(),
        meta: &meta,
    });
    fitting(line, &record.path)
}

/// A line, if readers accept it.
pub(crate) fn fitting(line: Result<Vec<u8>, serde_json::Error>, what: &str) -> Result<Vec<u8>, WriteError> {
    let unfit = |why: String| WriteError::Unfit { what: format!("\"{what}\""), why };
    let line = line.map_err(|cause| unfit(cause.to_string()))?;
    if lines::fits(&line) { Ok(line) } else { Err(unfit("its line is longer than 1 MiB".to_owned())) }
}

/// The signature over the manifest. What the signer says with it names the bundle also where it was taken out.
pub(crate) fn sign(signer: &Signer, head: &HeadLine, files: &Files) -> Result<Vec<u8>, WriteError> {
    let comment = format!("lifeboat bundle created:{} manifest-sha256:{}", head.created, hex(files.manifest.sha256()));
    signer.sign(files.manifest.reader(), &comment).map_err(WriteError::Sign)
}

/// Opens what was written and hashes every stored byte; checks the signature, if there is to be one.
pub(crate) fn read_back(source: Box<dyn Source>, options: &Options) -> Result<(), WriteError> {
    let stop = &options.stop;
    let unlimited = Limits { bytes: u64::MAX, ..Limits::default() };
    let reader = Reader::open_lean(source, unlimited).map_err(|cause: OpenError| WriteError::ReadBack(Box::new(cause)))?;
    if let Some(signer) = &options.signer {
        let signed = reader.signed_by(std::slice::from_ref(signer.public()));
        signed.map_err(|cause| WriteError::ReadBack(Box::new(cause)))?.ok_or_else(unsigned)?;
    }
    (0..reader.manifest().frames.len()).try_for_each(|index| {
        stop.check()?;
        reader.stored(index).map(drop).map_err(|cause: ReadError| WriteError::ReadBack(Box::new(cause)))
    })
}

fn unsigned() -> WriteError {
    WriteError::ReadBack("its signature is not good".into())
}

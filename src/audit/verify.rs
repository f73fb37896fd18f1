//! Is this bundle whole and unaltered? What is wrong is a value, with the objects that are hurt; an error means that one
//! could not look.

use crate::bundle::{
    BAGIT, Fault, Finding, HEAD_NAME, HeadLine, KindLine, Limits, Manifest, MemberLine, OpenError, ROOT, ReadError, Reader,
    Sealed, Signature, Source, States, bag_info, member_mtime, padded, sealed, sum_line, tagmanifest, tar_head, tar_peek,
    whole_member,
};
use crate::event::{Event, Observer};
use crate::spool::Sha;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// So many findings that hurt no object are told of one sort: a manifest may hold millions of such lines.
const MOST_ALIKE: usize = 1000;

/// How closely to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Trailer, manifest and the layout of the file: for a store over a slow line.
    Tail,
    /// Every stored byte is hashed, and that is all, unless one is wrong: no flip stays unseen. As fast as the digest of a file.
    Quick,
    /// What [`Depth::Tail`] and [`Depth::Quick`] look at.
    #[default]
    Standard,
    /// The same, and everything is decompressed and compared with what the manifest implies: no lie stays unseen.
    Full,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// How closely it was looked.
    pub depth: Depth,
    /// What is wrong; empty if nothing is.
    pub findings: Vec<Finding>,
    /// Size of the file in bytes.
    pub size: u64,
    /// The bundle's first line, if the manifest is readable.
    pub head: Option<HeadLine>,
    /// SHA-256 of `manifest.jsonl`: the bundle's identity, if the manifest was read and is readable.
    pub manifest_sha256: Option<Sha>,
    /// The account of each kind, if the manifest was read.
    pub kinds: Vec<KindLine>,
    /// The signatures that stand in the tail; this does not say that they are good.
    pub signatures: Vec<Signature>,
}

impl Verdict {
    /// Nothing is wrong with the file.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    /// Every object that was asked for and offered is there, and not degraded.
    pub fn is_complete(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.states.missing == 0 && head.states.degraded == 0)
    }
}

/// Looks at a bundle on disk. Errors: it is no bundle, it needs a newer reader, or it cannot be read.
pub fn verify(path: &Path, depth: Depth, observer: &dyn Observer) -> Result<Verdict, OpenError> {
    let file = std::fs::File::open(path).map_err(OpenError::io)?;
    verify_source(Box::new(file), depth, Limits::default(), observer)
}

/// The same for a bundle in memory.
pub fn verify_bytes(bytes: Vec<u8>, depth: Depth) -> Result<Verdict, OpenError> {
    verify_source(Box::new(bytes), depth, Limits::default(), &crate::event::Silent)
}

/// The same for a bundle that lies elsewhere, or with other limits.
pub fn verify_source(
    source: Box<dyn Source>,
    depth: Depth,
    limits: Limits,
    observer: &dyn Observer,
) -> Result<Verdict, OpenError> {
    observer.event(&Event::Stage("verify"));
    let size = source.size().map_err(OpenError::io)?;
    if depth == Depth::Quick
        && let Ok(Some(sealed)) = sealed(&source, limits)
    {
        return Ok(as_written(sealed, size));
    }
    // If a byte is wrong, the whole manifest is wanted: it says what is hurt.
    let reader = match Reader::open_source(source, limits) {
        Ok(reader) => reader,
        Err(OpenError::Damaged(finding)) => return Ok(unreadable(depth, size, *finding)),
        Err(cause @ OpenError::Truncated { .. }) => {
            return Ok(unreadable(depth, size, Finding::new(Fault::Truncated, cause.to_string())));
        }
        Err(cause) => return Err(cause),
    };
    let manifest = reader.manifest();
    let mut findings = check_sums(manifest);
    if depth != Depth::Tail {
        findings.extend(check_frames(&reader, depth)?);
    }
    if depth == Depth::Full {
        findings.extend(check_tag_files(&reader)?);
    }
    Ok(Verdict {
        depth,
        findings,
        size,
        head: Some(manifest.head.clone()),
        manifest_sha256: Some(manifest.sha256),
        kinds: manifest.kinds.clone(),
        signatures: reader.signatures().to_vec(),
    })
}

fn as_written(sealed: Sealed, size: u64) -> Verdict {
    Verdict {
        depth: Depth::Quick,
        findings: Vec::new(),
        size,
        head: Some(sealed.head),
        manifest_sha256: None,
        kinds: Vec::new(),
        signatures: sealed.signatures,
    }
}

fn unreadable(depth: Depth, size: u64, finding: Finding) -> Verdict {
    let (findings, kinds, signatures) = (vec![finding], Vec::new(), Vec::new());
    Verdict { depth, findings, size, head: None, manifest_sha256: None, kinds, signatures }
}

/// The lines of each kind must add up to what its listing showed, and all kinds to the header.
fn check_sums(manifest: &Manifest) -> Vec<Finding> {
    let mut counted: BTreeMap<&str, States> = BTreeMap::new();
    for member in &manifest.members {
        let states = counted.entry(&member.kind).or_default();
        *(if member.degraded.is_some() { &mut states.degraded } else { &mut states.captured }) += 1;
    }
    for gap in &manifest.gaps {
        counted.entry(&gap.kind).or_default().count_gap(gap.state);
    }
    let mut findings = Vec::new();
    let mut total = States::default();
    for line in &manifest.kinds {
        let states = counted.remove(line.kind.as_str()).unwrap_or_default();
        total.add(&states);
        if line.states() != states || line.listed != states.total() {
            findings.push(Finding::new(Fault::Sums, format!("the account of kind \"{}\" does not add up", line.kind)));
        }
    }
    let stray = counted.keys().map(|kind| Finding::new(Fault::Sums, format!("kind \"{kind}\" has objects and no account")));
    findings.extend(stray);
    if manifest.head.states != total {
        findings.push(Finding::new(Fault::Sums, "the header's states are not the sum of the kinds'"));
    }
    let known = |kind: &str, path: &str| {
        let gap = manifest.gaps.binary_search_by(|gap| (gap.path.as_str(), gap.kind.as_str()).cmp(&(path, kind)));
        manifest.find(kind, path).is_some() || gap.is_ok()
    };
    let lost = manifest.redacted.iter().filter(|line| !known(&line.kind, &line.path)).take(MOST_ALIKE);
    findings.extend(
        lost.map(|line| Finding::new(Fault::Sums, format!("a value was removed from {:?}, which is not listed", line.path))),
    );
    findings
}

fn check_tag_files(reader: &Reader) -> Result<Vec<Finding>, OpenError> {
    let (manifest, tags, payload_sha) = (reader.manifest(), reader.tags(), reader.payload_sha()?);
    let mut sums = Sha256::new();
    manifest.members.iter().for_each(|member| sums.update(sum_line(&member.sha256, &member.name)));
    let head_sha: Sha = Sha256::new().chain_update(&manifest.head_text).chain_update(b"\n").finalize().into();
    let tagmanifest = tagmanifest(&manifest.head, &head_sha, &payload_sha, &manifest.sha256);
    let same = [
        ("bagit.txt", tags.bagit == BAGIT.as_bytes()),
        ("bag-info.txt", tags.bag_info == bag_info(&manifest.head).as_bytes()),
        ("manifest-sha256.txt", payload_sha == <Sha>::from(sums.finalize())),
        ("tagmanifest-sha256.txt", tags.tagmanifest == tagmanifest.as_bytes()),
    ];
    let differs = same.into_iter().filter(|(_, same)| !same);
    Ok(differs.map(|(name, _)| Finding::new(Fault::TagFile, format!("{name} is not what the manifest implies"))).collect())
}

/// Looks at all frames on several threads. Findings come in the order of the file.
fn check_frames(reader: &Reader, depth: Depth) -> Result<Vec<Finding>, OpenError> {
    let groups = groups(reader.manifest());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(groups.len());
    let (next, (sender, results)) = (AtomicUsize::new(0), mpsc::channel());
    let mut seen: Vec<(usize, Result<Vec<Finding>, io::Error>)> = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, groups) = (sender.clone(), &next, &groups);
            scope.spawn(move || {
                let mut buffer = Vec::new();
                while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = sender.send((group.start, check_group(reader, group.clone(), depth, &mut buffer)));
                }
            });
        }
        drop(sender);
        results.into_iter().filter(|(_, result)| !matches!(result, Ok(findings) if findings.is_empty())).collect()
    });
    seen.sort_by_key(|(start, _)| *start);
    let findings: Result<Vec<Vec<Finding>>, io::Error> = seen.into_iter().map(|(_, result)| result).collect();
    Ok(findings.map_err(OpenError::io)?.concat())
}

/// Frames that belong together: one, or all frames of a big member.
fn groups(manifest: &Manifest) -> Vec<Range<usize>> {
    let mut begins: Vec<usize> = manifest.in_place_order().map(|member| member.frame as usize).collect();
    begins.insert(0, 0);
    begins.dedup();
    let ends = begins.iter().skip(1).copied().chain([manifest.frames.len()]);
    begins.iter().copied().zip(ends).map(|(begin, end)| begin..end).collect()
}

fn check_group(reader: &Reader, group: Range<usize>, depth: Depth, buffer: &mut Vec<u8>) -> Result<Vec<Finding>, io::Error> {
    let mut findings = Vec::new();
    if depth != Depth::Full {
        for index in group {
            note(reader.check_stored(index, buffer), &mut findings)?;
        }
        return Ok(findings);
    }
    let begin = group.start;
    let mut walk = Walk { reader, frames: group, raw: Vec::new(), at: 0 };
    if begin == 0 {
        note(check_head(&mut walk, reader.manifest()), &mut findings)?;
        return Ok(findings);
    }
    for member in reader.manifest().members_in(begin) {
        let checked = check_member(&mut walk, member);
        let found = findings.len();
        note(checked, &mut findings)?;
        if findings[found..].iter().any(|finding| !is_of_one_member(finding.fault)) {
            // Where a frame cannot be read, what follows in it could only repeat the finding.
            break;
        }
    }
    for rest in walk.frames {
        note(reader.load(rest).map(drop), &mut findings)?;
    }
    Ok(findings)
}

/// Whether the stream goes on behind the fault: places follow from the manifest, not from what stands there.
fn is_of_one_member(fault: Fault) -> bool {
    matches!(fault, Fault::TarHeader | Fault::TarType | Fault::Padding | Fault::Body)
}

fn note(result: Result<(), ReadError>, findings: &mut Vec<Finding>) -> Result<(), io::Error> {
    match result {
        Ok(()) => Ok(()),
        Err(ReadError::Damaged(finding)) => {
            findings.push(*finding);
            Ok(())
        }
        Err(ReadError::Io(cause) | ReadError::Output(cause)) => Err(cause),
        Err(ReadError::TooLarge { .. }) => Err(io::ErrorKind::OutOfMemory.into()),
    }
}

fn check_head(walk: &mut Walk<'_>, manifest: &Manifest) -> Result<(), ReadError> {
    let expected = whole_member(HEAD_NAME, &[&manifest.head_text[..], b"\n"].concat());
    walk.next_frame()?;
    if walk.raw == expected {
        return Ok(());
    }
    Err(Finding::new(Fault::HeadCopy, "bundle.json is not the manifest's first line").into())
}

/// Compares one member with what the manifest implies: header, body, padding.
fn check_member(walk: &mut Walk<'_>, member: &MemberLine) -> Result<(), ReadError> {
    let fault = |fault, detail: String| -> ReadError { Finding::new(fault, detail).with(vec![member.object()]).into() };
    let header = check_header(walk, member)?;
    let (mut left, mut sha) = (member.size, Sha256::new());
    while left > 0 {
        let piece = walk.take(left)?;
        sha.update(piece);
        left -= piece.len() as u64;
    }
    let padding = walk.take(padded(member.size) - member.size)?;
    if let Some((sort, detail)) = header {
        return Err(fault(sort, detail));
    }
    if padding.iter().any(|byte| *byte != 0) {
        return Err(fault(Fault::Padding, format!("the bytes after {:?} are not zero", member.name)));
    }
    if <Sha>::from(sha.finalize()) != member.sha256 {
        return Err(fault(Fault::Body, format!("the bytes of {:?} do not have the manifest's digest", member.name)));
    }
    Ok(())
}

/// What is wrong with the header of a member, if anything is. The walk goes on behind it.
fn check_header(walk: &mut Walk<'_>, member: &MemberLine) -> Result<Option<(Fault, String)>, ReadError> {
    let expected = tar_head(&format!("{ROOT}{}", member.name), member.size, member_mtime(member));
    let found = walk.take(expected.len() as u64)?;
    if found == expected {
        return Ok(None);
    }
    let (kind, name) = tar_peek(found);
    let sort = if matches!(kind, b'0' | b'x') { Fault::TarHeader } else { Fault::TarType };
    let (member, kind) = (&member.name, char::from(kind));
    Ok(Some((sort, format!("the tar header of {member:?} is not as it must be: it has type {kind:?} and names {name:?}"))))
}

/// The decompressed bytes of a group of frames.
struct Walk<'a> {
    reader: &'a Reader,
    frames: Range<usize>,
    raw: Vec<u8>,
    at: usize,
}

impl Walk<'_> {
    fn next_frame(&mut self) -> Result<(), ReadError> {
        let index = self.frames.next().ok_or_else(|| Finding::new(Fault::Placement, "a member ends behind its frames"))?;
        (self.raw, self.at) = (self.reader.load(index)?, 0);
        Ok(())
    }

    /// At most `len` of the next bytes, at least one unless `len` is 0. Headers and paddings never cross a frame.
    fn take(&mut self, len: u64) -> Result<&[u8], ReadError> {
        if len > 0 && self.at == self.raw.len() {
            self.next_frame()?;
        }
        let left = self.raw.len() - self.at;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(left);
        self.at += len;
        Ok(&self.raw[self.at - len..self.at])
    }
}

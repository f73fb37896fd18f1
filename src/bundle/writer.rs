//! Writes a bundle: takes objects in any order, and at the end gives them their names, packs them, writes, checks what stands
//! on the disk, and only then gives the file its name. Dropped before [`Writer::finish`], nothing is left.

use super::carry::{self, Reused};
use super::finding::ObjectName;
use super::manifest::{Counts, Gap, HeadLine, KindLine, Previous, Redacted, States};
use super::name;
use super::pack::{Group, Plan, compress, groups, plan};
use super::reader::Reader;
use super::seal::{Others, Out, content_id, failed, fitting, give_names, manifest_files, read_back, sign, whole_member};
use super::stop::Stop;
use super::tags::{HEAD_NAME, MAX_HEAD_FRAME};
use super::texts::{Slot, Texts};
use super::trailer::{MAJOR, MINOR};
use super::{frame, json, lines};
use crate::crypt::{Encrypted, Recipients};
use crate::origin::Signer;
use crate::spool::{Blob, Sha, Spool};
use crate::store::{Disk, Staged, Store, folder_of};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest path of an object in bytes, so that its line is one that readers accept.
const MAX_PATH: usize = 16 << 10;
/// Longest meta of an object in bytes, as compact JSON.
const MAX_META: usize = 256 << 10;

/// How to pack.
#[derive(Clone, Debug)]
pub struct Options {
    /// Level of zstd, 1 to 19.
    pub level: i32,
    /// Compressing threads; the bytes do not depend on it.
    pub threads: usize,
    /// Mean length of a frame before compression, in bytes.
    pub mean_frame: u64,
    /// Greatest length of a frame before compression, in bytes: a multiple of 512, at most 4 MiB.
    pub max_frame: u64,
    /// Ends the writing from another thread.
    pub stop: Stop,
    /// Signs the manifest.
    pub signer: Option<Signer>,
    /// For whom the file is encrypted; nothing for everybody to read.
    pub recipients: Option<Recipients>,
    /// The bundle from which [`Writer::carry`] takes, written by the same version of this program.
    pub earlier: Option<Arc<Reader>>,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        Self {
            level: 9,
            threads,
            mean_frame: 1 << 20,
            max_frame: frame::MAX_ULEN,
            stop: Stop::default(),
            signer: None,
            recipients: None,
            earlier: None,
        }
    }
}

/// What the bundle says of the export. Counts and digests are the writer's own business.
#[derive(Clone, Debug)]
pub struct Head {
    /// When the export began; kept in whole seconds.
    pub created: jiff::Timestamp,
    /// Which program writes: [`tool`].
    pub tool: String,
    /// The workspace: `cloud`, `workspace_id`, `host`, `region`, `caller`, `caller_is_admin`, as far as known.
    pub source: Map<String, Value>,
    /// What was asked for, if not everything.
    pub selection: Option<Value>,
    /// The bundle before this one.
    pub previous: Option<Previous>,
    /// Features that a reader must know.
    pub requires: Vec<String>,
}

/// Name and version of this program and of libzstd, as a bundle's head has them.
pub fn tool() -> String {
    format!("lifeboat/{} zstd/{}", env!("CARGO_PKG_VERSION"), zstd::zstd_safe::version_string())
}

/// Size and digest by which an object counts in `content_id`, where its body holds fields that change by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// Size in bytes of the body in canonical JSON, without the volatile fields.
    pub size: u64,
    /// SHA-256 of the same.
    pub sha256: Sha,
}

/// One object to be stored.
#[derive(Clone, Debug)]
pub struct Member<B = Blob> {
    /// Name of the kind.
    pub kind: String,
    /// True object path, or source id; unique within the kind.
    pub path: String,
    /// Natural key, where it differs from the path.
    pub key: Option<String>,
    /// Name below `data/<kind>/`, with extension, not encoded: `Users/a@b.c/etl.notebook.py`, `123.json`.
    pub name: String,
    /// When the object was last changed, in milliseconds since 1970; goes into meta and into the tar header.
    pub modified_at: Option<u64>,
    /// What else is known of the object.
    pub meta: Map<String, Value>,
    /// Why the object is less than it should be, if it is.
    pub degraded: Option<String>,
    /// The bytes, out of [`Writer::spool`]; for [`Writer::carry`], their place in the earlier bundle.
    pub body: B,
    /// How it counts in `content_id`, if not by its body.
    pub canonical: Option<Canonical>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Where the bundle stands.
    pub path: PathBuf,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Stored objects.
    pub members: u64,
    /// Frames: that of `bundle.json` and the data frames.
    pub frames: u64,
    /// Equal for equal workspace state.
    pub content_id: Sha,
    /// SHA-256 of `manifest.jsonl`: the bundle's identity.
    pub manifest_sha256: Sha,
    /// How many objects ended in which state.
    pub states: States,
    /// What came from the earlier bundle.
    pub reused: Reused,
}

/// Why a bundle was not written. Under its name stands nothing, but for [`WriteError::Settle`].
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The name is taken; what stands there was not touched.
    #[error("{} exists already, and a bundle is never overwritten", .path.display())]
    AlreadyExists {
        /// The name.
        path: PathBuf,
    },
    /// The target could not be created, written, synced or published.
    #[error("cannot {doing} {}", .path.display())]
    Store {
        /// What was being done.
        doing: &'static str,
        /// The target.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The whole bundle stands under its name, but the folder could not be synced: a power cut may take it away.
    #[error("the bundle {} is complete, but its folder cannot be synced", .path.display())]
    Settle {
        /// The bundle.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The temporary files failed.
    #[error("cannot use the temporary files beside the bundle")]
    Spool(#[source] io::Error),
    /// zstd failed.
    #[error("cannot compress a frame")]
    Compress(#[source] io::Error),
    /// An object, or the head, cannot be put down in the manifest.
    #[error("cannot put down {what}: {why}")]
    Unfit {
        /// The object or the part.
        what: String,
        /// The rule that it breaks.
        why: String,
    },
    /// The object was given before, as a member or a gap; the first stands, and work may go on.
    #[error("{0} was given twice")]
    Duplicate(ObjectName),
    /// A kind's listing and its objects do not add up.
    #[error("the account of kind \"{kind}\" does not add up: {listed} listed, {found} settled")]
    Sums {
        /// The kind.
        kind: String,
        /// What the caller counted.
        listed: u64,
        /// What was given to the writer.
        found: u64,
    },
    /// The earlier bundle does not give what it holds.
    #[error("cannot read the earlier bundle")]
    Earlier(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The manifest could not be signed.
    #[error("cannot sign the manifest")]
    Sign(#[source] io::Error),
    /// It was stopped from outside.
    #[error("the writing was stopped")]
    Stopped,
    /// What was written could not be read back as it was meant.
    #[error("the written bundle does not read back")]
    ReadBack(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl WriteError {
    pub(crate) fn spool(cause: io::Error) -> Self {
        Self::Spool(cause)
    }
}

/// Where the bytes of a member are.
pub(crate) enum Content {
    /// In the spool.
    Spooled(Blob),
    /// In the earlier bundle: the index of its line there.
    Earlier { index: usize, len: u64, sha256: Sha },
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Spooled(blob) => blob.len(),
            Self::Earlier { len, .. } => *len,
        }
    }

    pub(crate) fn sha256(&self) -> &Sha {
        match self {
            Self::Spooled(blob) => blob.sha256(),
            Self::Earlier { sha256, .. } => sha256,
        }
    }

    /// The bytes in the spool, where they are by the time they are packed.
    pub(crate) fn blob(&self) -> Result<&Blob, WriteError> {
        match self {
            Self::Spooled(blob) => Ok(blob),
            Self::Earlier { .. } => Err(WriteError::Earlier("it was not unpacked".into())),
        }
    }
}

/// What is kept in memory of a member: names, sizes and digests.
pub(crate) struct Record {
    pub(crate) kind: Arc<str>,
    pub(crate) path: Box<str>,
    pub(crate) key: Option<Box<str>>,
    pub(crate) name: Box<str>,
    pub(crate) modified_at: Option<u64>,
    pub(crate) degraded: Option<Box<str>>,
    pub(crate) body: Content,
    pub(crate) meta: Slot,
    pub(crate) canonical: Option<Box<Canonical>>,
}

/// Collects objects and makes a bundle of them.
pub struct Writer {
    store: Arc<dyn Store>,
    staged: Box<dyn Staged>,
    target: PathBuf,
    options: Options,
    spool: Spool,
    texts: Texts,
    words: Vec<Arc<str>>,
    seen: HashSet<u128>,
    records: Vec<Record>,
    gaps: Vec<Gap>,
    redacted: Vec<Redacted>,
    kinds: BTreeMap<String, (u64, u64)>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("target", &self.target).field("members", &self.records.len()).finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins a bundle on the local disk. Errors: the name is taken, the folder is not there or not writable.
    pub fn create(target: &Path, options: Options) -> Result<Self, WriteError> {
        Self::create_in(Arc::new(Disk), target, options)
    }

    /// Begins a bundle in another store. Temporary files stand in the target's folder.
    pub fn create_in(store: Arc<dyn Store>, target: &Path, options: Options) -> Result<Self, WriteError> {
        let sizes = options.max_frame <= frame::MAX_ULEN && options.max_frame >= 4096 && options.max_frame.is_multiple_of(512);
        if !sizes || options.mean_frame == 0 || options.mean_frame > options.max_frame || !(1..=19).contains(&options.level) {
            return Err(WriteError::Unfit {
                what: "the options".to_owned(),
                why: "a frame size or the level is out of range".to_owned(),
            });
        }
        let store = match &options.recipients {
            Some(recipients) => Arc::new(Encrypted::new(store, recipients.clone())),
            None => store,
        };
        let staged = store.stage(target).map_err(|cause| failed("create", target, cause))?;
        let spool = if store.hides() { Spool::hidden(folder_of(target)) } else { Spool::in_folder(folder_of(target)) };
        let spool = spool.map_err(WriteError::Spool)?;
        Ok(Self {
            store,
            staged,
            target: target.to_owned(),
            options,
            texts: Texts::new(spool.clone()),
            spool,
            words: Vec::new(),
            seen: HashSet::new(),
            records: Vec::new(),
            gaps: Vec::new(),
            redacted: Vec::new(),
            kinds: BTreeMap::new(),
        })
    }

    /// Where bodies go before they are given to [`Writer::member`].
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Takes an object. After `Duplicate` or `Unfit` the writer is as before, and the caller may go on.
    pub fn member(&mut self, member: Member) -> Result<(), WriteError> {
        self.take(member, Content::Spooled)
    }

    /// Takes an object whose bytes stand in the earlier bundle, as the member of that kind and path. Errors as for
    /// [`Writer::member`], or the earlier bundle does not hold it.
    pub fn carry(&mut self, member: Member<()>) -> Result<(), WriteError> {
        let held = self.options.earlier.as_ref().and_then(|earlier| earlier.manifest().place(&member.kind, &member.path));
        let (index, line) = held.ok_or_else(|| WriteError::Earlier("it does not hold what is carried over".into()))?;
        let content = Content::Earlier { index, len: line.size, sha256: line.sha256 };
        self.take(member, |()| content)
    }

    fn take<B>(&mut self, member: Member<B>, content: impl FnOnce(B) -> Content) -> Result<(), WriteError> {
        let unfit = |why: String| WriteError::Unfit { what: format!("{} \"{}\"", member.kind, member.path), why };
        check_object(&member.kind, &member.path).map_err(&unfit)?;
        let mut meta = member.meta;
        if let Some(at) = member.modified_at.filter(|at| *at <= json::MAX_INTEGER) {
            meta.insert("modified_at".to_owned(), at.into());
        }
        let meta = Value::Object(json::tame_map(meta, 2).map_err(&unfit)?);
        // The header's time follows from what stands in meta, and from nothing else.
        let modified_at = meta.get("modified_at").and_then(Value::as_u64);
        let text = meta.to_string();
        if text.len() > MAX_META || member.key.as_ref().is_some_and(|key| key.len() > MAX_PATH) {
            return Err(unfit("its meta is too long".to_owned()));
        }
        self.see(&member.kind, &member.path)?;
        let meta = self.texts.keep(&text).map_err(WriteError::Spool)?;
        let kind = self.word(&member.kind);
        self.records.push(Record {
            name: name::encode(&member.kind, &member.name).into(),
            kind,
            path: member.path.into(),
            key: member.key.map(Into::into),
            modified_at,
            degraded: member.degraded.map(Into::into),
            body: content(member.body),
            meta,
            canonical: member.canonical.map(Box::new),
        });
        Ok(())
    }

    /// Takes note of an object that is not stored. After `Duplicate` or `Unfit` the writer is as before.
    pub fn gap(&mut self, gap: Gap) -> Result<(), WriteError> {
        check_object(&gap.kind, &gap.path)
            .map_err(|why| WriteError::Unfit { what: format!("{} \"{}\"", gap.kind, gap.path), why })?;
        self.see(&gap.kind, &gap.path)?;
        self.gaps.push(gap);
        Ok(())
    }

    /// Takes note of a removed value. The object must be given to [`Writer::member`] before or afterwards.
    pub fn redacted(&mut self, redacted: Redacted) -> Result<(), WriteError> {
        let what = || format!("{} \"{}\"", redacted.kind, redacted.path);
        check_object(&redacted.kind, &redacted.path).map_err(|why| WriteError::Unfit { what: what(), why })?;
        if redacted.pointer.len() > MAX_PATH {
            return Err(WriteError::Unfit { what: what(), why: "the pointer is too long".to_owned() });
        }
        self.redacted.push(redacted);
        Ok(())
    }

    /// Takes the account of a kind: `listed` must be what its members and gaps add up to; the states are counted here.
    pub fn kind(&mut self, line: &KindLine) {
        let account = self.kinds.entry(line.kind.clone()).or_default();
        account.0 += line.listed;
        account.1 += line.requests;
    }

    /// Packs, writes, reads back and publishes. Errors leave nothing under the name, but for [`WriteError::Settle`].
    pub fn finish(mut self, head: Head) -> Result<Summary, WriteError> {
        give_names(&mut self.records);
        self.gaps.sort_unstable_by(|a, b| (&a.path, &a.kind).cmp(&(&b.path, &b.kind)));
        self.redacted.sort_unstable();
        self.redacted.dedup_by(|a, b| (&a.path, &a.kind, &a.pointer) == (&b.path, &b.kind, &b.pointer));
        self.check_redacted()?;
        let kinds = self.accounts()?;
        let plan = plan(&self.records, &self.options);
        self.options.stop.check()?;
        let head = self.head_line(head, &plan, &kinds)?;
        let head_text = fitting(lines::head(&head), "the head")?;
        let head_raw = whole_member(HEAD_NAME, &head_text);
        if head_raw.len() as u64 > MAX_HEAD_FRAME {
            return Err(WriteError::Unfit { what: "the head".to_owned(), why: "it is larger than 64 KiB".to_owned() });
        }
        let (groups, reused) = self.groups(&plan)?;
        let mut frames = Vec::with_capacity(plan.frames.len() + 1);
        let level = self.options.level;
        let mut out = Out::new(&mut *self.staged, &self.target);
        out.frame(&mut frames, head_raw.len() as u64, &frame::compress(&head_raw, level).map_err(WriteError::Compress)?)?;
        compress(&self.records, &plan, &groups, &self.options, &mut |ulen, stored| out.frame(&mut frames, ulen, stored))?;
        let others = Others { head_text: &head_text, frames: &frames, gaps: &self.gaps, kinds: &kinds, redacted: &self.redacted };
        let files = manifest_files((&self.spool, &self.texts), &self.records, &plan, &others)?;
        let signature = self.options.signer.as_ref().map(|signer| sign(signer, &head, &files)).transpose()?;
        let bytes = out.tail(&head, &head_text, &files, signature.as_deref(), level)?;
        let (members, manifest_sha256) = (self.records.len() as u64, *files.manifest.sha256());
        // Free what is not needed any more: the look back wants memory of its own.
        drop((std::mem::take(&mut self.records), std::mem::take(&mut self.gaps), frames, plan, files));
        let (frames, content_id, states) = (head.counts.frames, head.content_id, head.states);
        let path = self.publish()?;
        Ok(Summary { path, bytes, members, frames, content_id, manifest_sha256, states, reused })
    }

    /// What is packed together, with the frames that are copied. What of the earlier bundle goes into others is unpacked.
    fn groups(&mut self, plan: &Plan) -> Result<(Vec<Group>, Reused), WriteError> {
        let mut groups = groups(plan);
        let Some(earlier) = &self.options.earlier else { return Ok((groups, Reused::default())) };
        let members = self.records.iter().filter(|record| matches!(record.body, Content::Earlier { .. })).count() as u64;
        let mut reused = Reused { members, ..Reused::default() };
        for group in &mut groups {
            group.earlier = carry::same_frames(group, &self.records, plan, earlier);
            let Some(first) = group.earlier else { continue };
            reused.frames += group.frames.len() as u64;
            let copied = earlier.manifest().frames.iter().skip(first).take(group.frames.len());
            reused.bytes += copied.map(|frame| frame.clen).sum::<u64>();
        }
        carry::unpack(&mut self.records, plan, &groups, earlier, &self.spool)?;
        Ok((groups, reused))
    }

    fn publish(self) -> Result<PathBuf, WriteError> {
        let Self { store, mut staged, target: path, options, .. } = self;
        staged.flush().and_then(|()| staged.sync()).map_err(|cause| failed("sync", &path, cause))?;
        read_back(staged.reopen().map_err(|cause| failed("read back", &path, cause))?, &options)?;
        options.stop.commit()?;
        staged.publish().map_err(|cause| failed("publish", &path, cause))?;
        match store.settle(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(WriteError::Settle { path, source }),
        }
    }

    fn word(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.words.iter().find(|known| ***known == *word) {
            return known.clone();
        }
        let word: Arc<str> = word.into();
        self.words.push(word.clone());
        word
    }

    fn see(&mut self, kind: &str, path: &str) -> Result<(), WriteError> {
        if self.seen.insert(short_digest(kind, path)) {
            return Ok(());
        }
        Err(WriteError::Duplicate(ObjectName { kind: kind.to_owned(), path: path.to_owned() }))
    }

    fn check_redacted(&self) -> Result<(), WriteError> {
        let stray = self.redacted.iter().find(|line| !self.seen.contains(&short_digest(&line.kind, &line.path)));
        stray.map_or(Ok(()), |line| {
            let what = format!("the removed value in {} \"{}\"", line.kind, line.path);
            Err(WriteError::Unfit { what, why: "the object was never given".to_owned() })
        })
    }

    /// One line for each kind of which anything is known.
    fn accounts(&self) -> Result<Vec<KindLine>, WriteError> {
        let mut found: BTreeMap<&str, States> = self.kinds.keys().map(|kind| (kind.as_str(), States::default())).collect();
        for record in &self.records {
            let states = found.entry(&record.kind).or_default();
            *(if record.degraded.is_some() { &mut states.degraded } else { &mut states.captured }) += 1;
        }
        self.gaps.iter().for_each(|gap| found.entry(&gap.kind).or_default().count_gap(gap.state));
        found.into_iter().map(|(kind, states)| self.account(kind, states)).collect()
    }

    fn account(&self, kind: &str, states: States) -> Result<KindLine, WriteError> {
        let found = states.total();
        let (listed, requests) = self.kinds.get(kind).copied().unwrap_or((found, 0));
        if listed != found || !name::is_kind(kind) {
            return Err(WriteError::Sums { kind: kind.to_owned(), listed, found });
        }
        let States { captured, degraded, missing, excluded, unavailable } = states;
        Ok(KindLine { kind: kind.to_owned(), listed, captured, degraded, missing, excluded, unavailable, requests })
    }

    fn head_line(&self, head: Head, plan: &Plan, kinds: &[KindLine]) -> Result<HeadLine, WriteError> {
        let mut states = States::default();
        for line in kinds {
            states.add(&line.states());
        }
        let unfit = |why| WriteError::Unfit { what: "the head".to_owned(), why };
        Ok(HeadLine {
            major: MAJOR,
            minor: MINOR,
            requires: head.requires,
            created: head.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            tool: head.tool.chars().filter(|c| !c.is_control()).collect(),
            source: json::tame_map(head.source, 2).map_err(unfit)?,
            selection: head.selection.map(|selection| json::tame(selection, 2)).transpose().map_err(unfit)?,
            content_id: content_id(&self.records),
            previous: head.previous,
            counts: Counts {
                members: self.records.len() as u64,
                frames: plan.frames.len() as u64 + 1,
                bytes: self.records.iter().map(|record| record.body.len()).sum(),
            },
            states,
        })
    }
}

fn check_object(kind: &str, path: &str) -> Result<(), String> {
    if !name::is_kind(kind) {
        return Err("the name of its kind is not allowed".to_owned());
    }
    if path.len() > MAX_PATH || path.contains('\0') {
        return Err("its path is longer than 16 KiB or holds a NUL".to_owned());
    }
    Ok(())
}

fn short_digest(kind: &str, path: &str) -> u128 {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(format!("{kind}\0{path}").as_bytes())[..16]);
    u128::from_le_bytes(short)
}

//! Writes a bundle: takes objects in any order, and at the end gives them their names, packs them, writes, checks what stands
//! on the disk, and only then gives the file its name. Dropped before [`Writer::finish`], nothing is left.

use super::carry::{self, Reused};
use super::ledger::Ledger;
use super::manifest::{Counts, Gap, HeadLine, KindLine, Previous, Redacted, States};
use super::options::Options;
use super::pack::{Plan, compress, plan};
use super::record::{Content, Member, Record, content_id};
use super::seal::{Others, Out, fitting, manifest_files, read_back, sign, whole_member};
use super::tags::{HEAD_NAME, MAX_HEAD_FRAME};
use super::trailer::{MAJOR, MINOR};
use super::write_error::WriteError;
use super::{json, lines};
use crate::crypt::Encrypted;
use crate::spool::{Sha, Spool};
use crate::store::{Disk, Staged, Store, folder_of};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Collects objects and makes a bundle of them.
pub struct Writer {
    store: Arc<dyn Store>,
    staged: Box<dyn Staged>,
    target: PathBuf,
    options: Options,
    spool: Spool,
    ledger: Ledger,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = self.ledger.records.len();
        f.debug_struct("Writer").field("target", &self.target).field("members", &members).finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins a bundle on the local disk. Errors: the name is taken, the folder is not there or not writable.
    pub fn create(target: &Path, options: Options) -> Result<Self, WriteError> {
        Self::create_in(Arc::new(Disk), target, options)
    }

    /// Begins a bundle in another store. Temporary files stand in the target's folder.
    pub fn create_in(store: Arc<dyn Store>, target: &Path, options: Options) -> Result<Self, WriteError> {
        options.check()?;
        let store = match &options.recipients {
            Some(recipients) => Arc::new(Encrypted::new(store, recipients.clone())),
            None => store,
        };
        let staged = store.stage(target).map_err(|cause| WriteError::store("create", target, cause))?;
        let spool = if store.hides() { Spool::hidden(folder_of(target)) } else { Spool::in_folder(folder_of(target)) };
        let spool = spool.map_err(WriteError::Spool)?;
        Ok(Self { store, staged, target: target.to_owned(), options, ledger: Ledger::new(spool.clone()), spool })
    }

    /// Where bodies go before they are given to [`Writer::member`].
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Takes an object. After `Duplicate` or `Unfit` the writer is as before, and the caller may go on.
    pub fn member(&mut self, member: Member) -> Result<(), WriteError> {
        self.ledger.member(member, Content::Spooled)
    }

    /// Takes an object whose bytes stand in the earlier bundle, as the member of that kind and path. Errors as for
    /// [`Writer::member`], or the earlier bundle does not hold it.
    pub fn carry(&mut self, member: Member<()>) -> Result<(), WriteError> {
        let held = self.options.earlier.as_ref().and_then(|earlier| earlier.manifest().place(&member.kind, &member.path));
        let (index, line) = held.ok_or_else(|| WriteError::Earlier("it does not hold what is carried over".into()))?;
        let content = Content::Earlier { index, len: line.size, sha256: line.sha256 };
        self.ledger.member(member, |()| content)
    }

    /// Takes note of an object that is not stored. After `Duplicate` or `Unfit` the writer is as before.
    pub fn gap(&mut self, gap: Gap) -> Result<(), WriteError> {
        self.ledger.gap(gap)
    }

    /// Takes note of a removed value. The object must be given to [`Writer::member`] before or afterwards.
    pub fn redacted(&mut self, redacted: Redacted) -> Result<(), WriteError> {
        self.ledger.redacted(redacted)
    }

    /// Takes the account of a kind: `listed` must be what its members and gaps add up to; the states are counted here.
    pub fn kind(&mut self, line: &KindLine) {
        self.ledger.kind(line);
    }

    /// Packs, writes, reads back and publishes. Errors leave nothing under the name, but for [`WriteError::Settle`].
    pub fn finish(mut self, head: Head) -> Result<Summary, WriteError> {
        let kinds = self.ledger.close()?;
        let plan = plan(&self.ledger.records, &self.options);
        self.options.stop.check()?;
        let head = head.line(&self.ledger.records, &plan, &kinds)?;
        let head_text = fitting(lines::head(&head), "the head")?;
        let first = head_member(&head_text)?;
        let earlier = self.options.earlier.as_deref();
        let (groups, reused) = carry::groups(&mut self.ledger.records, &plan, earlier, &self.spool)?;
        let mut out = Out::new(&mut *self.staged, &self.target, self.options.level);
        out.small_frame(&first)?;
        compress(&self.ledger.records, &plan, &groups, &self.options, &mut |ulen, stored| out.frame(ulen, stored))?;
        let others = Others { head_text: &head_text, frames: out.frames(), kinds: &kinds };
        let files = manifest_files(&self.spool, &self.ledger, &plan, &others)?;
        let signature = self.options.signer.as_ref().map(|signer| sign(signer, &head, &files)).transpose()?;
        let bytes = out.tail(&head, &head_text, &files, signature.as_deref())?;
        let (members, manifest_sha256) = (self.ledger.records.len() as u64, *files.manifest.sha256());
        let Self { store, staged, target: path, options, ledger, .. } = self;
        // Free what is not needed any more: the look back wants memory of its own.
        drop((ledger, plan, files));
        publish(&*store, staged, &path, &options)?;
        let (frames, content_id, states) = (head.counts.frames, head.content_id, head.states);
        Ok(Summary { path, bytes, members, frames, content_id, manifest_sha256, states, reused })
    }
}

/// Once all is written: onto the disk, looked at there, and only then under its name.
fn publish(store: &dyn Store, mut staged: Box<dyn Staged>, path: &Path, options: &Options) -> Result<(), WriteError> {
    let failed = |doing: &'static str| move |cause| WriteError::store(doing, path, cause);
    staged.flush().and_then(|()| staged.sync()).map_err(failed("sync"))?;
    read_back(staged.reopen().map_err(failed("read back"))?, options)?;
    options.stop.commit()?;
    staged.publish().map_err(failed("publish"))?;
    store.settle(path).map_err(|source| WriteError::Settle { path: path.to_owned(), source })
}

/// `bundle.json`, the first thing in a bundle.
fn head_member(text: &[u8]) -> Result<Vec<u8>, WriteError> {
    let raw = whole_member(HEAD_NAME, text);
    if raw.len() as u64 > MAX_HEAD_FRAME {
        return Err(WriteError::Unfit { what: "the head".to_owned(), why: "it is larger than 64 KiB".to_owned() });
    }
    Ok(raw)
}

impl Head {
    /// With counts and digests.
    fn line(self, records: &[Record], plan: &Plan, kinds: &[KindLine]) -> Result<HeadLine, WriteError> {
        let mut states = States::default();
        for line in kinds {
            states.add(&line.states());
        }
        let unfit = |why| WriteError::Unfit { what: "the head".to_owned(), why };
        Ok(HeadLine {
            major: MAJOR,
            minor: MINOR,
            requires: self.requires,
            created: self.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            tool: self.tool.chars().filter(|c| !c.is_control()).collect(),
            source: json::tame_map(self.source, 2).map_err(unfit)?,
            selection: self.selection.map(|selection| json::tame(selection, 2)).transpose().map_err(unfit)?,
            content_id: content_id(records),
            previous: self.previous,
            counts: Counts {
                members: records.len() as u64,
                frames: plan.frames.len() as u64 + 1,
                bytes: records.iter().map(|record| record.body.len()).sum(),
            },
            states,
        })
    }
}

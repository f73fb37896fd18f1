//! What an import intended and what came of it: append-only lines of JSON, so that a second run goes on where the first
//! stopped, even after a crash between the workspace's answer and the note of it.
//!
//! One file for each target and bundle. An intent is on disk before the call, its outcome after it. A line that a crash
//! cut short is ignored.

mod memory;

pub use memory::memory;

use crate::memory::Wrote;
use crate::object::SourceId;
use memory::Keeper;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: Option<File>,
    path: PathBuf,
    /// What earlier journals know, so that nothing is noted twice.
    book: Book,
    keeper: Option<Keeper>,
}

/// What imports from one source know of one target: objects of the bundle, and what they are there.
pub type Book = BTreeMap<SourceId, Twin>;

/// What stands in the target for an object of the source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    /// Its id there; a path for what has one.
    pub to: String,
    /// Its id in the bundle, if rules gave it another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether an import made or changed it; what it only met is none of its own.
    #[serde(default)]
    pub ours: bool,
    /// What an import, `activate` or `deactivate` switched off there, and none of them switched on since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub off: Vec<Off>,
    /// When that was noted last, in milliseconds since 1970.
    #[serde(default)]
    pub at: u64,
}

/// A place that was switched off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Off {
    /// Exact pointer below the body.
    pub at: String,
    /// What stood there before; absent where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Value>,
    /// What stands there now; absent where it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Line {
    /// An import begins.
    Begin {
        /// Workspace id of the source.
        source: String,
        /// Workspace id of the target.
        target: String,
        /// Digest of the bundle's manifest.
        bundle: String,
    },
    /// A write is about to happen.
    Intent {
        /// For which object of the bundle.
        object: SourceId,
        /// `create`, `update`, …
        action: String,
    },
    /// A write is over.
    Outcome {
        /// For which object of the bundle.
        object: SourceId,
        /// `created`, `failed`, …
        state: String,
        /// The id in the target, where there is one now.
        id: Option<String>,
        /// Its id in the bundle, if rules gave it another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
        /// What was switched off by this write.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        off: Vec<Off>,
        /// What was switched on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        on: Vec<String>,
        /// When, in milliseconds since 1970.
        #[serde(default)]
        at: u64,
    },
    /// The target has an object already, and it was left as it is.
    Met {
        /// Which object of the bundle it is.
        object: SourceId,
        /// Its id in the target.
        id: String,
        /// Its id in the bundle, if rules gave it another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
    },
}

/// The right to change a workspace: one import at a time holds it, from before it plans until it is over.
///
/// It holds among the processes that share a state folder, and ends with the process, however that ends.
#[derive(Debug)]
pub struct Turn {
    _file: File,
    /// Whether this file system knows locks, so that nobody else can have the same turn.
    pub alone: bool,
}

impl Turn {
    /// Takes the right for this target; nothing if somebody else has it. Errors: what the file system says.
    pub fn take(folder: &Path, target: &str) -> io::Result<Option<Self>> {
        private_folder(folder)?;
        let file = private_file(&folder.join(format!("{}.lock", plain(target))))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file, alone: true })),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some shared file systems know no locks: an import there is as safe as it was before there were any.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Some(Self { _file: file, alone: false }))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Journal {
    /// Opens the journal of this bundle and target in a folder, which is made if need be, and notes that an import begins.
    /// Errors: what the file system says.
    pub fn open(folder: &Path, target: &str, source: &str, bundle: &str) -> io::Result<Self> {
        private_folder(folder)?;
        let path = folder.join(file_name(target, bundle));
        let mut file = private_file(&path)?;
        end_torn_line(&path, &mut file)?;
        let book = book(folder, target, source)?;
        let keeper = Some(Keeper::new(folder, target, source));
        let mut journal = Self { file: Some(file), path, book, keeper };
        journal.write(&Line::Begin { source: source.into(), target: target.into(), bundle: bundle.into() })?;
        Ok(journal)
    }

    /// A journal that keeps nothing: for rehearsals, where the target is thrown away.
    pub fn none() -> Self {
        Self { file: None, path: PathBuf::new(), book: Book::new(), keeper: None }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, and hands it to the disk.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_string(line).map_err(io::Error::other)?;
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.flush()
    }

    /// Notes what an object of the bundle is in the target, unless an earlier journal says the same.
    pub fn met(&mut self, object: &SourceId, origin: Option<&str>, id: &str) -> io::Result<()> {
        if self.book.get(object).is_some_and(|twin| twin.to == id && twin.origin.as_deref() == origin) {
            return Ok(());
        }
        self.write(&Line::Met { object: object.clone(), id: id.to_owned(), origin: origin.map(str::to_owned) })
    }

    /// Remembers what was written to an object.
    pub fn wrote(&mut self, wrote: Wrote) -> io::Result<()> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        keeper.wrote(wrote)?;
        keeper.flush()
    }

    /// Remembers what both sides agree on. Should that be lost, the next import finds it again.
    pub fn agreed(&mut self, all: &[Wrote]) -> io::Result<()> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        all.iter().try_for_each(|one| keeper.wrote(one.clone()))?;
        keeper.flush()
    }

    /// Forgets an object that was deleted.
    pub fn gone(&mut self, object: &SourceId) -> io::Result<()> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        keeper.gone(object.clone())?;
        keeper.flush()
    }

    /// Puts everything on the disk for good.
    pub fn sync(&mut self) -> io::Result<()> {
        self.keeper.as_mut().map_or(Ok(()), Keeper::sync)?;
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }
}

/// What earlier imports from this source made in this target, whichever bundle it came from: source object and target id.
/// Later journals win. Errors: what the file system says; a missing folder is an empty one.
pub fn known(folder: &Path, target: &str, source: &str) -> io::Result<BTreeMap<SourceId, String>> {
    let book = book(folder, target, source)?;
    Ok(book.into_iter().filter(|(_, twin)| twin.ours).map(|(object, twin)| (object, twin.to)).collect())
}

/// All that the journals of this folder know of a target and a source. Errors: as [`known`].
pub fn book(folder: &Path, target: &str, source: &str) -> io::Result<Book> {
    let mut book = Book::new();
    for path in files(folder, target)? {
        read(&path, target, |from| from == source, &mut |_, line| note(&mut book, line))?;
    }
    Ok(book)
}

/// What was switched off in a target, whichever bundle it was done with, by kind and id there; the last word counts.
/// Errors: as [`known`].
pub fn switched_off(folder: &Path, target: &str) -> io::Result<Book> {
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    for path in files(folder, target)? {
        read(&path, target, |_| true, &mut |source, line| note(books.entry(source.to_owned()).or_default(), line))?;
    }
    Ok(last_words(books.into_values()))
}

/// The last word on each object of the target, by its id there.
pub fn last_words(books: impl Iterator<Item = Book>) -> Book {
    let mut last = Book::new();
    for (object, twin) in books.flatten().filter(|(_, twin)| twin.at > 0) {
        let there = SourceId { kind: object.kind, id: twin.to.clone() };
        if last.get(&there).is_none_or(|one| one.at <= twin.at) {
            last.insert(there, twin);
        }
    }
    last
}

/// Journals that are about this target, the oldest first.
fn files(folder: &Path, target: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&format!("{}-", plain(target))) && name.strip_suffix(".jsonl").is_some() {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// How imports from one source went in one target, whichever bundle they were of.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// What an import made, and did not find there: object of the bundle, and id in the target.
    pub made: Arc<BTreeMap<SourceId, String>>,
    /// What was begun and never ended, since the import died.
    pub unfinished: HashSet<SourceId>,
    /// Ids in the bundle of what rules gave another.
    pub origins: BTreeMap<SourceId, String>,
}

/// Reads all journals. Later ones win. Errors: as [`known`].
pub fn past(folder: &Path, target: &str, source: &str) -> io::Result<Past> {
    let mut past = Past::default();
    for path in files(folder, target)? {
        read(&path, target, |from| from == source, &mut |_, line| past.learn(line))?;
    }
    Ok(past)
}

impl Past {
    fn learn(&mut self, line: Line) {
        match line {
            Line::Intent { object, .. } => drop(self.unfinished.insert(object)),
            Line::Outcome { object, state, id, origin, .. } => {
                self.unfinished.remove(&object);
                self.origins.extend(origin.map(|origin| (object.clone(), origin)));
                match (state.as_str(), id) {
                    (DELETED, _) => drop(Arc::make_mut(&mut self.made).remove(&object)),
                    (CREATED, Some(id)) => drop(Arc::make_mut(&mut self.made).insert(object, id)),
                    _ => {}
                }
            }
            Line::Begin { .. } | Line::Met { .. } => {}
        }
    }
}

const CREATED: &str = "created";
const DELETED: &str = "deleted";

/// What a line adds to a book.
fn note(book: &mut Book, line: Line) {
    match line {
        Line::Outcome { object, state, .. } if state == DELETED => drop(book.remove(&object)),
        Line::Outcome { object, id: Some(id), origin, off, on, at, .. } => {
            let twin = book.entry(object).or_default();
            (twin.to, twin.origin, twin.ours, twin.at) = (id, origin, true, at.max(twin.at));
            twin.off.retain(|one| !on.contains(&one.at) && !off.iter().any(|new| new.at == one.at));
            twin.off.extend(off);
        }
        Line::Met { object, id, origin } => {
            let twin = book.entry(object).or_default();
            (twin.to, twin.origin) = (id, origin);
        }
        _ => {}
    }
}

/// What tells this state folder from every other: made up once.
pub fn folder_id(folder: &Path) -> io::Result<String> {
    private_folder(folder)?;
    let mut file = private_file(&folder.join("id"))?;
    let mut text = String::new();
    File::open(folder.join("id"))?.read_to_string(&mut text)?;
    if text.is_empty() {
        text = made_up();
        file.write_all(text.as_bytes())?;
    }
    Ok(text)
}

/// A name that nobody had before: 32 hexadecimal digits.
pub fn made_up() -> String {
    let part = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", part(), part())
}

/// Tells of the lines of a journal that are about this target and such a source, each with the source; a torn line is left
/// out.
fn read(path: &Path, target: &str, wanted: impl Fn(&str) -> bool, told: &mut dyn FnMut(&str, Line)) -> io::Result<()> {
    let mut ours: Option<String> = None;
    for text in BufReader::new(File::open(path)?).split(b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(&text?) else { continue };
        if let Line::Begin { source, target: to, .. } = &line {
            ours = (wanted(source) && to == target).then(|| source.clone());
        }
        if let Some(source) = &ours {
            told(source, line);
        }
    }
    Ok(())
}

/// Makes a folder that only its owner may look into; one that is there stays as it is.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Opens a journal that only its owner may read, also where an earlier version made it for all.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// A crash may have cut the last line: the next one begins on its own.
fn end_torn_line(path: &Path, file: &mut File) -> io::Result<()> {
    let bytes = fs::read(path)?;
    if bytes.last().is_some_and(|last| *last != b'\n') { file.write_all(b"\n") } else { Ok(()) }
}

fn file_name(target: &str, bundle: &str) -> String {
    let short: String = plain(bundle).chars().take(16).collect();
    format!("{}-{short}.jsonl", plain(target))
}

/// Workspace ids are digits; whatever else an answer holds must not become a path.
pub(crate) fn plain(text: &str) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: &str) -> SourceId {
        SourceId { kind: "job".into(), id: id.into() }
    }

    fn outcome(id: &str, new: &str) -> Line {
        switched(id, new, &[], &[], 1)
    }

    fn switched(id: &str, new: &str, off: &[&str], on: &[&str], at: u64) -> Line {
        let off = off.iter().map(|place| Off { at: (*place).into(), was: None, now: Some("PAUSED".into()) }).collect();
        let on = on.iter().map(|place| (*place).to_owned()).collect();
        Line::Outcome { object: object(id), state: "created".into(), id: Some(new.into()), origin: None, off, on, at }
    }

    #[test]
    fn what_was_made_is_known_later() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("journals");
        assert!(known(&state, "200", "100").unwrap().is_empty());
        let mut first = Journal::open(&state, "200", "100", "abc").unwrap();
        first.write(&Line::Intent { object: object("1"), action: "create".into() }).unwrap();
        first.write(&outcome("1", "77")).unwrap();
        Journal::open(&state, "200", "other", "def").unwrap().write(&outcome("1", "99")).unwrap();
        Journal::open(&state, "300", "100", "abc").unwrap().write(&outcome("1", "55")).unwrap();
        assert_eq!(known(&state, "200", "100").unwrap(), BTreeMap::from([(object("1"), "77".to_owned())]));
    }

    #[test]
    fn what_was_only_met_is_a_twin_and_none_of_our_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), "200", "100", "abc").unwrap();
        journal.met(&object("1"), None, "77").unwrap();
        let mut again = Journal::open(folder.path(), "200", "100", "abc").unwrap();
        let length = fs::metadata(again.path()).unwrap().len();
        again.met(&object("1"), None, "77").unwrap();
        assert_eq!(fs::metadata(again.path()).unwrap().len(), length, "nothing is noted twice");
        assert!(known(folder.path(), "200", "100").unwrap().is_empty());
        assert_eq!(book(folder.path(), "200", "100").unwrap()[&object("1")].to, "77");
    }

    #[test]
    fn the_last_word_on_what_is_off_counts_whoever_said_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut restored = Journal::open(folder.path(), "200", "100", "abc").unwrap();
        restored.write(&switched("1", "77", &["/a", "/b"], &[], 1)).unwrap();
        restored.write(&switched("1", "77", &[], &["/a"], 2)).unwrap();
        let places = |at: &Path| {
            let off = switched_off(at, "200").unwrap().remove(&object("77")).unwrap().off;
            off.into_iter().map(|one| one.at).collect::<Vec<_>>()
        };
        assert_eq!(places(folder.path()), ["/b"]);
        Journal::open(folder.path(), "200", "200", "def").unwrap().write(&switched("77", "77", &["/c"], &[], 3)).unwrap();
        restored.write(&switched("2", "78", &[], &[], 4)).unwrap();
        assert_eq!(places(folder.path()), ["/c"], "the later word, although the other file is the newer");
    }

    #[test]
    fn a_state_folder_keeps_its_name() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = folder_id(one.path()).unwrap();
        assert_eq!((folder_id(one.path()).unwrap(), id.len()), (id.clone(), 32));
        assert_ne!(folder_id(other.path()).unwrap(), id);
    }

    #[test]
    fn a_torn_line_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), "200", "100", "abc").unwrap();
        journal.write(&outcome("1", "77")).unwrap();
        let path = journal.path().to_owned();
        drop(journal);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"t\":\"outcome\",\"obj").unwrap();
        let mut again = Journal::open(folder.path(), "200", "100", "abc").unwrap();
        again.write(&outcome("2", "78")).unwrap();
        let known = known(folder.path(), "200", "100").unwrap();
        assert_eq!(known.values().collect::<Vec<_>>(), ["77", "78"]);
    }

    #[test]
    fn one_import_at_a_time_changes_a_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let take = |target| Turn::take(folder.path(), target).unwrap();
        let first = take("200");
        assert!(first.is_some() && take("200").is_none() && take("300").is_some());
        drop(first);
        assert!(take("200").is_some());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state").join("lifeboat");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let journal = Journal::open(&state, "200", "100", "abc").unwrap();
        assert_eq!((mode(journal.path()), mode(&state)), (0o600, 0o700));
        fs::set_permissions(journal.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(mode(Journal::open(&state, "200", "100", "abc").unwrap().path()), 0o600);
    }

    #[test]
    fn names_never_leave_the_folder() {
        assert_eq!(file_name("../../etc/x", "a/b"), "______etc_x-a_b.jsonl");
    }
}

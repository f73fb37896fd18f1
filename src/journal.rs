//! What an import intended and what came of it: append-only lines of JSON, so that a second run goes on where the first
//! stopped, even after a crash between the workspace's answer and the note of it.
//!
//! One file for each target and bundle. An intent is on disk before the call, its outcome after it. A line that a crash
//! cut short is ignored.

mod book;
mod folder;
mod memory;

pub use book::{Book, Off, Past, Twin, book, known, last_words, past, switched_off};
pub use folder::{Turn, folder_id, made_up};
pub use memory::memory;

pub(crate) use folder::{plain, private_folder};

use crate::memory::Wrote;
use crate::object::SourceId;
use folder::private_file;
use memory::Keeper;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: Option<File>,
    path: PathBuf,
    /// What earlier journals know, so that nothing is noted twice.
    book: Book,
    keeper: Option<Keeper>,
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

/// A crash may have cut the last line: the next one begins on its own.
fn end_torn_line(path: &Path, file: &mut File) -> io::Result<()> {
    let bytes = fs::read(path)?;
    if bytes.last().is_some_and(|last| *last != b'\n') { file.write_all(b"\n") } else { Ok(()) }
}

fn file_name(target: &str, bundle: &str) -> String {
    let short: String = plain(bundle).chars().take(16).collect();
    format!("{}-{short}.jsonl", plain(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs::OpenOptions;

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

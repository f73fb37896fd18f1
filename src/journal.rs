//! What an import intended and what came of it: append-only lines of JSON, so that a second run goes on where the first
//! stopped, even after a crash between the workspace's answer and the note of it.
//!
//! One file for each target and bundle. An intent is on disk before the call, its outcome after it. A line that a crash
//! cut short is ignored.

use crate::object::SourceId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: Option<File>,
    path: PathBuf,
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
    },
}

/// The right to change a workspace: one import at a time holds it, from before it plans until it is over.
///
/// It holds among the processes that share a state folder, and ends with the process, however that ends.
#[derive(Debug)]
pub struct Turn {
    _file: File,
}

impl Turn {
    /// Takes the right for this target; nothing if somebody else has it. Errors: what the file system says.
    pub fn take(folder: &Path, target: &str) -> io::Result<Option<Self>> {
        private_folder(folder)?;
        let file = private_file(&folder.join(format!("{}.lock", plain(target))))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some shared file systems know no locks: an import there is as safe as it was before there were any.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Some(Self { _file: file })),
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
        let mut journal = Self { file: Some(file), path };
        journal.write(&Line::Begin { source: source.into(), target: target.into(), bundle: bundle.into() })?;
        Ok(journal)
    }

    /// A journal that keeps nothing: for rehearsals, where the target is thrown away.
    pub fn none() -> Self {
        Self { file: None, path: PathBuf::new() }
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

    /// Puts everything on the disk for good.
    pub fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }
}

/// What earlier imports from this source made in this target, whichever bundle it came from: source object and target id.
/// Later journals win. Errors: what the file system says; a missing folder is an empty one.
pub fn known(folder: &Path, target: &str, source: &str) -> io::Result<BTreeMap<SourceId, String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&format!("{}-", plain(target))) && name.strip_suffix(".jsonl").is_some() {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    let mut known = BTreeMap::new();
    for (_, path) in files {
        for line in read(&path, target, source)? {
            if let Line::Outcome { object, id: Some(id), .. } = line {
                known.insert(object, id);
            }
        }
    }
    Ok(known)
}

/// The lines of a journal that is about this target and source; a torn line is left out.
fn read(path: &Path, target: &str, source: &str) -> io::Result<Vec<Line>> {
    let (mut lines, mut ours) = (Vec::new(), false);
    for text in BufReader::new(File::open(path)?).split(b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(&text?) else { continue };
        if let Line::Begin { source: from, target: to, .. } = &line {
            ours = from == source && to == target;
        }
        if ours {
            lines.push(line);
        }
    }
    Ok(lines)
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
        Line::Outcome { object: object(id), state: "created".into(), id: Some(new.into()) }
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

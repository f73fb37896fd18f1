//! What journals say when they are read: which object of a source is which of a target, and how the imports went.

use super::Line;
use super::folder::plain;
use crate::object::SourceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

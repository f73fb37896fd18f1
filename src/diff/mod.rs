//! What changed between two sets of objects: two nights of a workspace, a bundle and the workspace as it is, a workspace and its
//! standby. By object and field, as a person would tell it: what servers change on their own is no change, and neither is an order
//! that means nothing.
//!
//! In one workspace objects go by their ids, so that a new name is a new name and not a loss and a find. Between two workspaces
//! they go by the id map of imports, by the stamp, then by name or path, and ids inside documents by what they stand for. What one
//! side does not know is never called added or removed. [`diff`] is pure: it looks at documents and digests; [`fill`] goes on into
//! the bytes of what differs.

mod access;
mod cells;
mod counts;
mod fields;
mod html;
mod ids;
mod known;
mod labels;
mod lines;
mod moved;
mod pairs;
mod parts;
mod read;
mod tell;
#[cfg(test)]
mod tests;
mod words;

pub use cells::CellChange;
pub use html::page;
pub use ids::{Ids, in_workspace, remembered};
pub use known::{Gap, Side};
pub use lines::{Bytes, fill};
pub use read::{bundles, bytes_in, bytes_of, live, side, sides};
pub use words::{Told, told, value_text};

use crate::object::Selection;
use crate::spool::{Sha, hex};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is asked, and what is known besides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which objects are looked at.
    pub selection: Selection,
    /// Objects of the first side, and what imports made of them in the workspace of the second.
    pub ids: Ids,
}

/// Compares two sides.
pub fn diff(before: &Side, after: &Side, options: &Options) -> Diff {
    tell::diff(before, after, options)
}

/// What changed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Diff {
    /// The side that was first.
    pub before: Party,
    /// The side that was second.
    pub after: Party,
    /// How the two belong together.
    pub link: Link,
    /// The account of each kind that either side has.
    pub kinds: BTreeMap<String, Counts>,
    /// What differs, by kind and name.
    pub changes: Vec<Change>,
    /// What differs as every import makes it, and is no difference: shown apart. Empty unless one side was restored from the other.
    pub expected: Vec<Change>,
    /// What one side does not know, so that nobody can say whether it changed.
    pub unknown: Vec<Unknown>,
}

impl Diff {
    /// Whether nothing differs that can be known.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether either side may hide a difference.
    pub fn is_certain(&self) -> bool {
        self.unknown.is_empty() && self.before.missing + self.after.missing == 0
    }
}

/// One side, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Party {
    /// Id of the workspace; empty where it does not tell.
    pub workspace_id: String,
    /// Its address.
    pub host: String,
    /// When it was read, RFC 3339.
    pub taken: String,
    /// SHA-256 of the bundle's manifest; absent for a live workspace.
    pub bundle: Option<String>,
    /// Objects that were looked at.
    pub objects: u64,
    /// Objects that are there and could not be read.
    pub missing: u64,
    /// Objects that were left out by choice.
    pub excluded: u64,
    /// Objects that are less than they should be.
    pub degraded: u64,
}

/// How two sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// They are one workspace: objects go by id.
    Same,
    /// One was restored from the other, or both from a third: the id map or the stamp of an import tells what became of what.
    Restored,
    /// Two workspaces of which nothing says that they have to do with each other: objects go by name.
    Apart,
}

/// The account of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Objects of the first side.
    pub before: u64,
    /// Objects of the second side.
    pub after: u64,
    /// On both sides, and equal.
    pub equal: u64,
    /// Those that differ, each counted once: as many as are told as changes.
    pub differ: u64,
    /// Only on the second side.
    pub added: u64,
    /// Only on the first side.
    pub removed: u64,
    /// Only on the second side, as is what they hang on: told with that, and not counted as added.
    pub added_along: u64,
    /// Only on the first side, as is what they hang on: told with that, and not counted as removed.
    pub removed_along: u64,
    /// On both sides, with other fields, bytes, access or members.
    pub changed: u64,
    /// On both sides under two names; also counted as changed where more than the name is new.
    pub renamed: u64,
    /// On both sides in two folders; also counted as changed where more than the place is new.
    pub moved: u64,
    /// Moved along with a folder, and not counted as moved.
    pub moved_along: u64,
    /// Under one name, but another object: deleted and made anew.
    pub replaced: u64,
    /// Different as every import makes it.
    pub expected: u64,
    /// Not known to one side.
    pub unknown: u64,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// What became of it.
    pub what: What,
    /// Name of the kind.
    pub kind: String,
    /// What it is on the first side; absent where it was added.
    pub before: Option<Named>,
    /// What it is on the second side; absent where it was removed.
    pub after: Option<Named>,
    /// Of what was added or removed, what it is, in a line: of a job when it starts, as whom it runs and what its tasks do. Absent
    /// where its name says as much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
    /// How the two were found to be one.
    pub matched: Option<Matched>,
    /// It has a new name.
    pub renamed: bool,
    /// It lies in another folder, and no folder took it along.
    pub moved: bool,
    /// It is another object under the same name: deleted and made anew.
    pub replaced: bool,
    /// Objects that moved along with this folder.
    pub along: u64,
    /// Fields that differ.
    pub fields: Vec<FieldChange>,
    /// Access that principals gained or lost on it; on what was added or removed, all that it had of its own.
    pub access: Vec<AccessChange>,
    /// Members that the group gained or lost.
    pub members: Option<Members>,
    /// Bytes that differ.
    pub content: Option<ContentChange>,
    /// Why either side is less than it should be.
    pub degraded: Option<Degraded>,
    /// Why this is no difference, where it stands among the expected.
    pub expected: Option<Expected>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Only the second side has it.
    Added,
    /// Only the first side has it.
    Removed,
    /// Both sides have it, and it differs.
    Changed,
}

/// How two objects were found to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Matched {
    /// The id that the workspace gave.
    Id,
    /// The id map of an import.
    Map,
    /// The stamp that an import left.
    Stamp,
    /// The name or path.
    Name,
    /// The name, which several have: a guess.
    Guess,
    /// The bytes, which no other has.
    Content,
    /// What it hangs on.
    Parent,
}

/// An object on one side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Named {
    /// Its id, or its path.
    pub id: String,
    /// Its name or path.
    pub name: String,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FieldChange {
    /// JSON pointer (RFC 6901) in which elements that have a name of their own (a task, a job cluster) stand by that name. A word
    /// without a slash is a mark beside the document, such as `pinned`.
    pub at: String,
    /// What the first side has; null where nothing stands there. Ids are told as the names that they lead to.
    pub before: Value,
    /// What the second side has.
    pub after: Value,
    /// Why this is no difference.
    pub expected: Option<Expected>,
}

/// Why something that differs between a workspace and what was restored from it is no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// An import makes everything inert: nothing starts, bills or notifies.
    Inert,
    /// Secret values are never in a bundle.
    Withheld,
    /// It refers to what was gone already where it comes from.
    Gone,
    /// A workspace lets whoever makes an object manage or own it.
    Maker,
    /// No import restores this kind.
    NotRestored,
}

/// What one principal gained and lost on an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct AccessChange {
    /// `user`, `group`, `service_principal`, or `principal` where the workspace does not tell which.
    pub sort: String,
    /// Its name.
    pub principal: String,
    /// Permission levels that it did not have.
    pub gained: Vec<String>,
    /// Permission levels that it has no more.
    pub lost: Vec<String>,
    /// It comes from what the object lies in, of which neither side holds the permissions.
    pub inherited: bool,
    /// Why this is no difference.
    pub expected: Option<Expected>,
}

/// Members of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Members {
    /// New members.
    pub gained: Vec<String>,
    /// Members no more.
    pub lost: Vec<String>,
}

/// Bytes that differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ContentChange {
    /// The bytes of the first side.
    pub before: Digest,
    /// The bytes of the second side.
    pub after: Digest,
    /// Whether the bytes were compared; else only length and digest are known.
    pub read: bool,
    /// Why the bytes were not compared, or what of them differs that no line shows.
    pub note: Option<String>,
    /// For a notebook: cells that differ.
    pub cells: Vec<CellChange>,
    /// For a text: the lines that differ, each after `+`, `-` or a space, with two lines around them.
    pub lines: Vec<String>,
}

/// Bytes, known by length and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Digest {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// The format of a notebook.
    pub format: Option<String>,
}

impl Digest {
    fn new(size: u64, sha256: &Sha, format: Option<String>) -> Self {
        Self { size, sha256: hex(sha256), format }
    }
}

/// Why the two sides of an object are less than they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Degraded {
    /// On the first side.
    pub before: Option<String>,
    /// On the second side.
    pub after: Option<String>,
}

/// Objects of one kind of which one side does not say what they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Unknown {
    /// Name of the kind.
    pub kind: String,
    /// The side that does not know.
    pub side: Which,
    /// `missing`, `excluded`, `unavailable`, `degraded`, or `unfit` where its bundle holds something that makes no sense.
    pub state: String,
    /// Why.
    pub reason: String,
    /// The objects, by name.
    pub objects: Vec<String>,
}

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The first.
    Before,
    /// The second.
    After,
}

//! From a bundle and the inventory of a target to a [`Plan`]: a value that can be saved, read, compared and carried out.
//!
//! Promises: pure, so the same input gives the same plan; every object of the bundle ends in exactly one step; nothing is
//! deleted; ambiguity is never guessed; an object that exists is recognised by the map file, the journal, the stamp of an
//! earlier restore, or its natural key, in this order; steps are in an order in which they can be carried out.

mod attached;
mod back;
mod caller;
mod collection;
mod drift;
mod governed;
mod held;
mod homes;
mod index;
mod lacks;
mod matching;
mod notes;
mod order;
mod paths;
mod refs;
mod switch;
mod tell;
mod tree;
mod wanted;

#[cfg(test)]
pub(crate) mod tests;

pub use crate::rules::{Change, Difference, Maps, MapsError};
pub(crate) use crate::rules::{place::carry, remove_exactly};
pub use back::{Back, bases};
pub(crate) use collection::name_of;
pub use drift::{Drift, drift};
pub(crate) use lacks::lacks;
pub(crate) use notes::Todos;
pub use notes::{Todo, What};
pub(crate) use refs::fill_link;
pub use switch::{has_switches, switch};
pub use wanted::wanted;

use crate::kinds::Gone;
use crate::object::{Object, Selection, SourceId};
use crate::rules::Sanitized;
use index::{Bundle, Present};
use matching::Fate;
use refs::Resolved;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the saved form of a plan.
pub const FORMAT: u32 = 1;

/// Where the bundle comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Id of the workspace, as its answers say in `X-Databricks-Org-Id`.
    pub workspace_id: String,
    /// Its address.
    pub host: String,
    /// SHA-256 of the bundle's manifest, in hex: which bundle the plan is for.
    pub digest: String,
}

/// Where the plan leads to, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its address.
    pub host: String,
    /// Id of the workspace.
    pub workspace_id: String,
    /// User name or application id of the caller, to whom everything made belongs at first.
    pub user: String,
    /// Whether the caller is a workspace admin.
    pub is_admin: bool,
}

/// What the target has of all that a bundle would meet there ([`wanted`]).
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Which workspace.
    pub target: Target,
    /// Its objects.
    pub objects: Vec<Object>,
    /// What it does not offer, as [`unavailable`] names it.
    pub unavailable: Vec<String>,
    /// What it has and what could not be read: kind, and id or `*`.
    pub unread: Vec<(String, String)>,
    /// How the caller signs in, in words, if that is certainly not with Microsoft Entra ID.
    pub without_entra: Option<String>,
}

/// How an [`Inventory`] names a kind that a workspace does not offer, or offers for all but one type of object: a workspace
/// may have permissions for folders and none for clusters.
pub fn unavailable(kind: &str, of_type: &str) -> String {
    if of_type.is_empty() { kind.to_owned() } else { format!("{kind}/{of_type}") }
}

/// Choices that a person makes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether missing users, groups and service principals are made. If not, their ACL entries are withheld.
    pub create_principals: bool,
    /// Whether members of the source's `admins` become members of the target's.
    pub restore_admins: bool,
    /// Whether what is made carries the tag that a later import recognises.
    pub stamp: bool,
    /// What earlier imports of this workspace made, from their journals: used if the inventory still shows it.
    pub known: BTreeMap<SourceId, String>,
    /// What the target's own copy of that says, which anybody may have written: used only where the object there bears it out.
    pub told: BTreeMap<SourceId, String>,
    /// What is known of the way on which the bundle's objects came, if they came from the target.
    pub back: Back,
    /// What was asked for: other objects serve to resolve references, and are not told of.
    pub selection: Selection,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create_principals: true,
            restore_admins: false,
            stamp: true,
            known: BTreeMap::new(),
            told: BTreeMap::new(),
            back: Back::default(),
            selection: Selection::default(),
        }
    }
}

/// What will be done, step by step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// Which bundle.
    pub source: Source,
    /// Which workspace: a plan for one is never carried out on another.
    pub target: Target,
    /// The steps; each comes after those that it needs.
    pub steps: Vec<Step>,
    /// What a person has to do, known before anything is written.
    pub todos: Vec<Todo>,
    /// The references among the todos, one by one. Not saved.
    #[serde(skip)]
    pub dangling: Vec<Dangling>,
}

/// A reference that leads nowhere in the target, or a secret that nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dangling {
    /// Who refers.
    pub source: SourceId,
    /// The same as todos name it.
    pub label: String,
    /// Exact place below the body; nothing for what stands inside texts.
    pub at: Option<String>,
    /// Kinds that it may be.
    pub to: Vec<&'static str>,
    /// The id, name or path that stands there.
    pub value: String,
    /// What is done with it.
    pub gone: Gone,
    /// The sentence of the todo.
    pub text: String,
}

/// One step: an object, or the second half of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// The object of the bundle.
    pub source: SourceId,
    /// What people call it.
    pub key: String,
    /// Its id in the bundle, if rules gave it another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What is done.
    pub action: Action,
    /// Places in the body whose value is known only once another step is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// What it hangs on, for attached documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SourceId>,
    /// Steps that must succeed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<usize>,
    /// Steps that must be over first, whatever came of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<usize>,
    /// What the rules changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Yes-or-no marks that are set once the object is there, such as `pinned`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// Whether it still has to be made inert: an import that died made it and did not come to that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settle: bool,
    /// Places whose values the target alone knows, which an update that replaces everything carries over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// What a reader of the report should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What it refers to and neither bundle nor target has: a workspace may refuse it for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<String>,
    /// Made only because something below it needs it; no object of the bundle.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implied: bool,
    /// Not done because rules say so: nothing is missing for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwanted: bool,
}

impl Step {
    /// A step that needs nothing and is needed by nothing.
    pub fn alone(source: SourceId, key: String, action: Action) -> Self {
        Self {
            source,
            key,
            origin: None,
            action,
            links: Vec::new(),
            parent: None,
            needs: Vec::new(),
            after: Vec::new(),
            changes: Vec::new(),
            marks: Vec::new(),
            keep: Vec::new(),
            settle: false,
            notes: Vec::new(),
            dead: Vec::new(),
            implied: false,
            unwanted: false,
        }
    }

    /// The object as the bundle calls it.
    pub fn in_bundle(&self) -> SourceId {
        let id = self.origin.clone().unwrap_or_else(|| self.source.id.clone());
        SourceId { kind: self.source.kind.clone(), id }
    }
}

/// What is done with an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Makes it.
    Create {
        /// Body of the create, under the document's field names.
        body: Map<String, Value>,
    },
    /// Brings an existing object to the wanted state.
    Update {
        /// Which one.
        target: Found,
        /// What is sent: everything, or for SCIM what is added.
        body: Map<String, Value>,
        /// Why.
        differences: Vec<Difference>,
    },
    /// Switches an existing object on or off, and leaves all else in it as it is.
    Switch {
        /// Which one.
        target: Found,
        /// Whether it is active afterwards.
        on: bool,
        /// What is sent: the fields that change, or everything where the API takes nothing less.
        body: Map<String, Value>,
        /// What changes.
        differences: Vec<Difference>,
    },
    /// The second half of what an earlier step made: what refers to things that did not exist yet.
    Complete {
        /// The object, if it was there before.
        target: Option<Found>,
        /// What is sent.
        body: Map<String, Value>,
    },
    /// Writes a document that hangs on another object.
    Attach {
        /// What it hangs on, if that was there before.
        parent: Option<Found>,
        /// The document.
        body: Map<String, Value>,
        /// Why, if the target had another one.
        differences: Vec<Difference>,
    },
    /// Makes a folder.
    Folder,
    /// Writes the bytes of a notebook or file, which stay in the bundle until then.
    Content {
        /// Whether another version is there.
        overwrite: bool,
        /// Length in bytes.
        len: u64,
        /// `SOURCE` or `JUPYTER`, for notebooks.
        format: Option<String>,
        /// `PYTHON`, `SCALA`, `SQL` or `R`, for notebooks.
        language: Option<String>,
    },
    /// A home folder: it comes with its user, and is only looked for.
    Home,
    /// Only marks are missing.
    Mark {
        /// Which object.
        target: Found,
    },
    /// The target has its equal, which an import did not make.
    Adopt {
        /// Which one.
        target: Found,
    },
    /// The target has it already.
    Unchanged {
        /// Which one.
        target: Option<Found>,
    },
    /// Not done.
    Skip {
        /// Why.
        reason: String,
    },
    /// Waits for a person.
    Wait {
        /// For what.
        reason: String,
    },
}

/// An object in the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Its id, in the type that the API uses: text or integer, never a float.
    pub id: Value,
    /// Its natural key.
    pub key: String,
    /// The id that permissions use, for what has a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Value>,
}

/// A place in a body that names another object of the bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Exact pointer below the body; until then the source's value stands there.
    pub at: String,
    /// The object.
    pub to: SourceId,
    /// Whether its natural key stands there, or its id.
    pub key: bool,
    /// What is done if that object does not come to be.
    pub unmet: Unmet,
}

/// What is done with a reference whose object did not come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmet {
    /// The step is not carried out.
    Stop,
    /// The value is sent as it is.
    Keep,
    /// The field is left out.
    Drop,
    /// What holds the field is left out.
    DropParent,
}

impl Action {
    /// Whether something is written to the target.
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::Update { .. }
                | Self::Switch { .. }
                | Self::Complete { .. }
                | Self::Attach { .. }
                | Self::Folder
                | Self::Content { .. }
                | Self::Mark { .. }
        )
    }

    /// The object of the target that it is about, if that was there before.
    pub fn target(&self) -> Option<&Found> {
        match self {
            Self::Update { target, .. } | Self::Switch { target, .. } | Self::Adopt { target } | Self::Mark { target } => {
                Some(target)
            }
            Self::Unchanged { target } | Self::Complete { target, .. } => target.as_ref(),
            _ => None,
        }
    }

    /// The word for a report: `create`, `update`, `unchanged`, …
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } | Self::Folder | Self::Content { overwrite: false, .. } => "create",
            Self::Update { .. } | Self::Mark { .. } | Self::Content { overwrite: true, .. } => "update",
            Self::Switch { on: true, .. } => "activate",
            Self::Switch { on: false, .. } => "deactivate",
            Self::Complete { .. } => "complete",
            Self::Attach { .. } => "attach",
            Self::Home | Self::Unchanged { .. } => "unchanged",
            Self::Adopt { .. } => "adopt",
            Self::Skip { .. } => "skip",
            Self::Wait { .. } => "wait",
        }
    }
}

impl Plan {
    /// How many steps write something.
    pub fn writes(&self) -> usize {
        self.steps.iter().filter(|step| step.action.writes()).count()
    }

    /// How many steps of each kind do what: kind, word, number.
    pub fn summary(&self) -> BTreeMap<&str, BTreeMap<&'static str, u64>> {
        let mut summary: BTreeMap<&str, BTreeMap<&'static str, u64>> = BTreeMap::new();
        for step in &self.steps {
            *summary.entry(&step.source.kind).or_default().entry(step.action.name()).or_default() += 1;
        }
        summary
    }

    /// Reads a saved plan. Errors: it is no plan, or of another version.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        let value: Value = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => serde_json::from_value(value).map_err(PlanError::Unreadable),
            format => Err(PlanError::Version(format.unwrap_or(0))),
        }
    }

    /// The plan as JSON text, for a file.
    pub fn to_json(&self) -> Result<String, PlanError> {
        serde_json::to_string_pretty(self).map_err(PlanError::Unreadable)
    }
}

/// A saved plan that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It is no plan.
    #[error("cannot read the plan")]
    Unreadable(#[source] serde_json::Error),
    /// Another version wrote it.
    #[error("the plan has format {0}, and this version reads format {FORMAT}: plan again")]
    Version(u64),
}

/// Decides what a restore does. `recorded` holds what the bundle has of kinds that are not restored.
pub fn make(
    objects: &[Sanitized],
    recorded: &[Object],
    inventory: &Inventory,
    maps: &Maps,
    source: &Source,
    options: &Options,
) -> Plan {
    let mut planner = Planner::new(objects, recorded, inventory, maps, source, options);
    planner.match_all();
    let drafts = planner.draft_all();
    planner.plan(order::arrange(drafts))
}

/// Everything that deciding needs to see.
struct Planner<'a> {
    bundle: Bundle<'a>,
    present: Present<'a>,
    inventory: &'a Inventory,
    maps: &'a Maps,
    source: &'a Source,
    options: &'a Options,
    /// Whether the bundle goes back to where it came from, so that ids are the same.
    same_workspace: bool,
    /// What becomes of each object of the bundle, by its index.
    fates: Vec<Fate>,
    todos: Todos,
    dangling: Vec<Dangling>,
}

impl<'a> Planner<'a> {
    fn new(
        objects: &'a [Sanitized],
        recorded: &'a [Object],
        inventory: &'a Inventory,
        maps: &'a Maps,
        source: &'a Source,
        options: &'a Options,
    ) -> Self {
        Self {
            bundle: Bundle::new(objects, recorded),
            present: Present::new(&inventory.objects, &source.workspace_id),
            inventory,
            maps,
            source,
            options,
            same_workspace: !source.workspace_id.is_empty() && source.workspace_id == inventory.target.workspace_id,
            fates: Vec::new(),
            todos: Todos::default(),
            dangling: Vec::new(),
        }
    }

    fn plan(mut self, steps: Vec<Step>) -> Plan {
        let (source, target) = (self.source.clone(), self.inventory.target.clone());
        Plan { format: FORMAT, source, target, steps, todos: self.todos.finish(), dangling: self.dangling }
    }
}

/// A step whose needs are still indexes of objects.
#[derive(Debug)]
struct Draft {
    step: Step,
    /// The object's index; nothing for what is implied.
    object: Option<usize>,
    needs: BTreeSet<usize>,
    after: BTreeSet<usize>,
    /// The second half, if there is one.
    second: Option<Box<Draft>>,
}

impl Draft {
    fn new(object: &Sanitized, index: usize, action: Action) -> Self {
        let changes = object.changes().to_vec();
        let origin = object.origin().map(str::to_owned);
        let step = Step { origin, changes, ..Step::alone(object.source(), object.key().to_owned(), action) };
        Self { step, object: Some(index), needs: BTreeSet::new(), after: BTreeSet::new(), second: None }
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.step.notes.push(note.into());
        self
    }
}

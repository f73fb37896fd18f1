//! From a bundle and the inventory of a target to a [`Plan`]: a value that can be saved, read, compared and carried out.
//!
//! Promises: pure, so the same input gives the same plan; every object of the bundle ends in exactly one step; nothing is
//! deleted unless that is asked for, and then only what an import made; ambiguity is never guessed; an object that exists is recognised by the map file, the journal, the stamp of an
//! earlier restore, or its natural key, in this order; steps are in an order in which they can be carried out.

mod attached;
mod back;
mod caller;
mod collection;
mod conflict;
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
mod prune;
mod recipe;
mod refs;
mod saved;
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
pub(crate) use conflict::{SHA, record};
pub use drift::{Drift, drift};
pub(crate) use lacks::lacks;
pub(crate) use notes::Todos;
pub use notes::{Todo, What};
pub use prune::{Pruning, REFERRERS, prunable};
pub use recipe::{Answers, Goal, Prune, Recipe, RecipeError, Text};
pub(crate) use refs::fill_link;
pub use saved::{FORMAT, PlanError};
pub use switch::{has_switches, switch};
pub use wanted::wanted;

use crate::kinds::Gone;
use crate::memory::{Memory, Wrote};
use crate::object::{Object, Selection, SourceId};
use crate::redact::masked;
use crate::rules::{Conflicts, Sanitized};
use index::{Bundle, Present};
use matching::Fate;
use refs::Resolved;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Where the bundle comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Id of the workspace, as its answers say in `X-Databricks-Org-Id`.
    pub workspace_id: String,
    /// Its address.
    pub host: String,
    /// SHA-256 of the bundle's manifest, in hex: which bundle the plan is for.
    pub digest: String,
}

/// Where the plan leads to, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
    pub known: Arc<BTreeMap<SourceId, String>>,
    /// What the target's own copy of that says, which anybody may have written: used only where the object there bears it out.
    pub told: Arc<BTreeMap<SourceId, String>>,
    /// What is known of the way on which the bundle's objects came, if they came from the target.
    pub back: Back,
    /// What was asked for: other objects serve to resolve references, and are not told of.
    pub selection: Selection,
    /// What becomes of what people changed in the target, where no rule says it.
    pub conflicts: Option<Conflicts>,
    /// What was written to each object last.
    pub memory: Memory,
    /// What imports of this machine made, with the ids in the target.
    pub made: Arc<BTreeMap<SourceId, String>>,
    /// What they began and did not end.
    pub unfinished: HashSet<SourceId>,
    /// What may be deleted, if that was asked for.
    pub pruning: Option<Pruning>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create_principals: true,
            restore_admins: false,
            stamp: true,
            known: Arc::default(),
            told: Arc::default(),
            back: Back::default(),
            selection: Selection::default(),
            conflicts: None,
            memory: Memory::default(),
            made: Arc::default(),
            unfinished: HashSet::new(),
            pruning: None,
        }
    }
}

/// What will be done, step by step.
#[derive(Clone, Debug)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// Which bundle.
    pub source: Source,
    /// Which workspace: a plan for one is never carried out on another.
    pub target: Target,
    /// The choices that it was made with, for whoever makes it again.
    pub made_with: Recipe,
    /// The steps; each comes after those that it needs.
    pub steps: Vec<Step>,
    /// What a person has to do, known before anything is written.
    pub todos: Vec<Todo>,
    /// What both sides agree on and no memory knows yet: for the next import, no part of what is saved.
    pub agreed: Vec<Wrote>,
    /// The references among the todos, one by one. Not saved.
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
    /// Fields in which what people did stays, with what the bundle wanted there.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub theirs: Map<String, Value>,
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
            theirs: Map::new(),
            implied: false,
            unwanted: false,
        }
    }

    /// Shows no secret where it tells what changes: neither one of the target, nor one that a rule puts there.
    fn mask(&mut self) {
        self.action.mask();
        self.changes.iter_mut().for_each(|change| hide(&change.at, &mut change.now));
    }

    /// The object as the bundle calls it.
    pub fn in_bundle(&self) -> SourceId {
        let id = self.origin.clone().unwrap_or_else(|| self.source.id.clone());
        SourceId { kind: self.source.kind.clone(), id }
    }
}

fn hide(at: &str, value: &mut Option<Value>) {
    *value = value.take().map(|value| masked(at, &value));
}

/// What is done with an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
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
        /// SHA-256 of the bytes, in hex.
        sha256: String,
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
    /// Deletes what an import made, and the bundle does not hold any more.
    Delete {
        /// Which one.
        target: Found,
        /// Why it may go.
        reason: String,
    },
    /// People changed it in the target, and rules say `ask`: a plan with a question in it is not carried out.
    Ask {
        /// What is done if the bundle wins.
        ours: Box<Action>,
        /// What is done if what people did stays.
        theirs: Box<Theirs>,
        /// What people did.
        question: String,
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

/// What is done if what people did in the target stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Theirs {
    /// What is done.
    pub action: Action,
    /// As in a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// As in a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// Fields in which what people did stays, with what the bundle wanted there.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub theirs: Map<String, Value>,
}

impl Theirs {
    fn just(action: Action) -> Self {
        Self { action, links: Vec::new(), keep: Vec::new(), theirs: Map::new() }
    }

    fn take(self, step: &mut Step) {
        // What is left out because people deleted it is missed by nobody.
        step.unwanted |= matches!(self.action, Action::Skip { .. });
        (step.action, step.links, step.keep, step.theirs) = (self.action, self.links, self.keep, self.theirs);
    }
}

/// An object in the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
                | Self::Delete { .. }
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

    fn mask(&mut self) {
        match self {
            Self::Update { differences, .. } | Self::Switch { differences, .. } | Self::Attach { differences, .. } => {
                for one in differences {
                    hide(&one.at, &mut one.want);
                    hide(&one.at, &mut one.have);
                }
            }
            Self::Ask { ours, theirs, .. } => {
                ours.mask();
                theirs.action.mask();
            }
            _ => {}
        }
    }

    /// What it changes in an object that is there, field by field.
    pub fn differences(&self) -> &[Difference] {
        match self {
            Self::Update { differences, .. } | Self::Switch { differences, .. } | Self::Attach { differences, .. } => differences,
            Self::Ask { ours, .. } => ours.differences(),
            _ => &[],
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
            Self::Delete { .. } => "delete",
            Self::Ask { .. } => "ask",
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

    /// Steps that wait for an answer.
    pub fn questions(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step.action, Action::Ask { .. }))
    }

    /// Answers questions: the bundle wins, or what people did stays; whatever else is said leaves the question open.
    pub fn answer(&mut self, mut said: impl FnMut(&Step) -> Option<Conflicts>) {
        for step in self.steps.iter_mut().filter(|step| matches!(step.action, Action::Ask { .. })) {
            let said = said(step);
            let Action::Ask { ours, theirs, question } = step.action.clone() else { continue };
            match said {
                Some(Conflicts::Ours) => step.action = *ours,
                Some(Conflicts::Theirs) => {
                    step.notes.push(format!("{question}: that stays"));
                    theirs.take(step);
                }
                Some(Conflicts::Ask) | None => {}
            }
        }
    }

    /// How many steps create, update and delete something.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for step in self.steps.iter().filter(|step| step.action.writes()) {
            match &step.action {
                Action::Delete { .. } => tally.delete += 1,
                Action::Attach { differences, .. } if differences.is_empty() => tally.create += 1,
                action if action.name() == "create" => tally.create += 1,
                _ => tally.update += 1,
            }
        }
        tally
    }

    /// How many steps of each kind do what: kind, word, number.
    pub fn summary(&self) -> BTreeMap<&str, BTreeMap<&'static str, u64>> {
        let mut summary: BTreeMap<&str, BTreeMap<&'static str, u64>> = BTreeMap::new();
        for step in &self.steps {
            *summary.entry(&step.source.kind).or_default().entry(step.action.name()).or_default() += 1;
        }
        summary
    }
}

/// What a plan does, in numbers of steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// They make something new.
    pub create: u64,
    /// They change what is there, or complete what another step made.
    pub update: u64,
    /// They delete.
    pub delete: u64,
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
    let mut steps = order::arrange(drafts);
    planner.prune(&mut steps);
    planner.plan(steps)
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
    /// What people deleted here and stays away.
    left: HashSet<usize>,
    todos: Todos,
    dangling: Vec<Dangling>,
    agreed: Vec<Wrote>,
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
            left: HashSet::new(),
            todos: Todos::default(),
            dangling: Vec::new(),
            agreed: Vec::new(),
        }
    }

    fn plan(mut self, steps: Vec<Step>) -> Plan {
        let (source, target) = (self.source.clone(), self.inventory.target.clone());
        let (todos, agreed, dangling) = (self.todos.finish(), self.agreed, self.dangling);
        let mut plan = Plan { format: FORMAT, source, target, made_with: Recipe::default(), steps, todos, agreed, dangling };
        plan.steps.iter_mut().for_each(Step::mask);
        plan
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

//! From a bundle and the inventory of a target to a [`Plan`]: a value that can be saved, read, compared and carried out.
//!
//! Promises: pure, so the same input gives the same plan; every object of the bundle ends in exactly one step; nothing is
//! deleted unless that is asked for, and then only what an import made; ambiguity is never guessed; an object that exists is recognised by the map file, the journal, the stamp of an
//! earlier restore, or its natural key, in this order; steps are in an order in which they can be carried out.

mod attached;
mod back;
mod bodies;
mod caller;
mod collection;
mod conflict;
mod drift;
mod fate;
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
mod step;
mod switch;
mod tell;
mod tree;
mod wanted;

#[cfg(test)]
pub(crate) mod tests;

pub use crate::rules::{Change, Difference, Maps, MapsError};
pub(crate) use crate::rules::{place::carry, remove_exactly};
pub use back::{Back, bases};
pub(crate) use conflict::{SHA, record};
pub use drift::{Drift, drift};
pub(crate) use lacks::lacks;
pub use notes::{Todo, What};
pub(crate) use notes::{Todos, name_of};
pub use prune::{Pruning, REFERRERS, prunable};
pub use recipe::{Answers, Goal, Prune, Recipe, RecipeError, SecretValues, Text};
pub(crate) use refs::fill_link;
pub use saved::{FORMAT, PlanError};
pub use step::{Action, Found, Link, Step, Theirs, Unmet};
pub use switch::{has_switches, switch};
pub use wanted::wanted;

use crate::kinds::Gone;
use crate::memory::{Memory, Wrote};
use crate::object::{Object, Selection, SourceId};
use crate::rules::{Conflicts, Sanitized};
use fate::Fate;
use index::{Bundle, Present};
use refs::Resolved;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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
    /// Which secrets get their values out of the bundle.
    pub secret_values: SecretValues,
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
            secret_values: SecretValues::New,
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

/// All that a plan follows from.
#[derive(Clone, Copy, Debug)]
pub struct Matter<'a> {
    /// What is restored, as rules made it.
    pub objects: &'a [Sanitized],
    /// What the bundle has of kinds that are not restored.
    pub recorded: &'a [Object],
    /// What the target has.
    pub inventory: &'a Inventory,
    /// What stands for what in the target.
    pub maps: &'a Maps,
    /// Where the bundle comes from.
    pub source: &'a Source,
    /// Choices.
    pub options: &'a Options,
}

/// Decides what a restore does.
pub fn make(matter: Matter<'_>) -> Plan {
    let mut planner = Planner::new(matter);
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
    fn new(matter: Matter<'a>) -> Self {
        let Matter { objects, recorded, inventory, maps, source, options } = matter;
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

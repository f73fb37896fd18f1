//! What came of an import, object by object.

use super::Import;
use super::links::text;
use crate::object::SourceId;
use crate::plan::Change;
use crate::plan::{Found, Source, Step, Target, Todo, What};
use serde::Serialize;
use std::collections::BTreeMap;

/// The account of an import: every object of the bundle in exactly one state.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Which bundle.
    pub source: Source,
    /// Which workspace.
    pub target: Target,
    /// Objects in each state, by kind.
    pub counts: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Every object.
    pub items: Vec<Item>,
    /// What a person has to do.
    pub todos: Vec<Todo>,
    /// HTTP requests that were sent, by what they were for.
    pub requests: BTreeMap<&'static str, u64>,
}

/// What became of one object.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// The object of the bundle, under the id that rules gave it.
    #[serde(flatten)]
    pub source: SourceId,
    /// Its id in the bundle, if that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What people call it.
    pub key: String,
    /// Whether rules leave it out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unwanted: bool,
    /// What became of it.
    pub state: State,
    /// Why, where the state needs a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the target calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// What was changed so that it is inert.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What a reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What became of an object. The order is from good to bad: an object in two steps has the worse state of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The target had it already.
    Unchanged,
    /// The target had its equal, which no import made.
    Adopted,
    /// It was brought to the wanted state.
    Updated,
    /// It was made.
    Created,
    /// It was left out, for a reason.
    Skipped,
    /// It waits for something or someone.
    Pending,
    /// It should be there and is not, or not whole.
    Failed,
}

impl State {
    /// The word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Adopted => "adopted",
            Self::Updated => "updated",
            Self::Created => "created",
            Self::Skipped => "skipped",
            Self::Pending => "pending",
            Self::Failed => "failed",
        }
    }

    /// Whether the object is in the target, so that others may refer to it.
    pub fn is_there(self) -> bool {
        self <= Self::Created
    }
}

/// What came of a step.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub state: State,
    pub reason: Option<String>,
    pub target: Option<Found>,
    pub notes: Vec<String>,
    pub todos: Vec<(What, String)>,
    /// A limit was reached: worth another try at the end.
    pub quota: bool,
    /// The workspace stopped letting us in.
    pub locked_out: bool,
}

impl Done {
    pub(super) fn of(state: State) -> Self {
        Self { state, reason: None, target: None, notes: Vec::new(), todos: Vec::new(), quota: false, locked_out: false }
    }

    pub(super) fn there(state: State, target: Found) -> Self {
        Self { target: Some(target), ..Self::of(state) }
    }

    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::of(State::Failed) }
    }

    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::of(State::Skipped) }
    }

    pub(super) fn pending(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::of(State::Pending) }
    }
}

impl Receipt {
    /// How many objects are in this state.
    pub fn count(&self, state: State) -> u64 {
        self.counts.values().filter_map(|counts| counts.get(state.name())).sum()
    }

    /// Whether everything that this version restores is there. Kinds that are only recorded are told among the todos.
    pub fn is_complete(&self) -> bool {
        self.items.iter().all(|item| item.state.is_there() || item.unwanted || is_only_recorded(&item.source.kind))
    }

    /// What became of an object.
    pub fn of(&self, kind: &str, id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.source.kind == kind && item.source.id == id)
    }
}

fn is_only_recorded(kind: &str) -> bool {
    crate::kinds::by_name(kind).is_some_and(|kind| matches!(kind.shape, crate::kinds::Shape::Recorded(_)))
}

impl Import<'_> {
    /// The account, once all steps are over.
    pub(super) fn receipt(mut self, before: &BTreeMap<&'static str, u64>) -> Receipt {
        let mut items: Vec<Item> = Vec::new();
        let mut place: BTreeMap<SourceId, usize> = BTreeMap::new();
        for (step, done) in self.plan.steps.iter().zip(self.done.iter_mut()).filter(|(step, _)| !step.implied) {
            let done = done.take().unwrap_or_else(|| Done::failed("it was never begun"));
            let object = step.in_bundle();
            if let Some(at) = place.get(&object) {
                items[*at].join(step, done);
                continue;
            }
            place.insert(object, items.len());
            items.push(Item::new(step, done));
        }
        let mut counts: BTreeMap<String, BTreeMap<&'static str, u64>> = BTreeMap::new();
        for item in &items {
            *counts.entry(item.source.kind.clone()).or_default().entry(item.state.name()).or_default() += 1;
        }
        let mut requests = self.hands.workspace.requests();
        for (label, count) in &mut requests {
            *count -= before.get(label).copied().unwrap_or(0);
        }
        requests.retain(|_, count| *count > 0);
        let todos = self.todos.finish();
        Receipt { source: self.plan.source.clone(), target: self.plan.target.clone(), counts, items, todos, requests }
    }
}

impl Item {
    fn new(step: &Step, done: Done) -> Self {
        let changes = if step.action.writes() { step.changes.clone() } else { Vec::new() };
        let mut notes = step.notes.clone();
        notes.extend(done.notes);
        let target_id = done.target.map(|target| text(&target.id));
        Self {
            source: step.source.clone(),
            origin: step.origin.clone(),
            key: step.key.clone(),
            unwanted: step.unwanted,
            state: done.state,
            reason: done.reason,
            target_id,
            changes,
            notes,
        }
    }

    /// The second half of an object: what goes wrong there went wrong for the whole; else it is an update of what was there.
    fn join(&mut self, step: &Step, done: Done) {
        if !done.state.is_there() && done.state > self.state {
            (self.state, self.reason) = (done.state, done.reason);
        } else if self.state < State::Updated && done.state == State::Updated {
            self.state = State::Updated;
        }
        self.notes.extend(done.notes);
        self.changes.extend(step.changes.iter().cloned());
    }
}

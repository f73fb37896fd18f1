//! What came of an import, object by object.

use super::links::text;
use super::{Import, ImportError};
use crate::kinds;
use crate::leaks::Leak;
use crate::object::SourceId;
use crate::plan::{Change, Difference, Found, Source, Step, Target, Todo, What, name_of};
use crate::spool::Sha;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The account of an import: every object of the bundle in exactly one state.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Receipt {
    /// Which bundle.
    pub source: Source,
    /// Which workspace.
    pub target: Target,
    /// Objects in each state, by kind.
    pub counts: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Every object.
    pub items: Vec<Item>,
    /// What of the source stands in what was written; empty where nobody looked.
    pub leaks: Vec<Leak>,
    /// What a person has to do.
    pub todos: Vec<Todo>,
    /// HTTP requests that were sent, by what they were for.
    pub requests: BTreeMap<&'static str, u64>,
}

/// What became of one object.
#[derive(Clone, Debug, Serialize, JsonSchema)]
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
    /// What the target showed afterwards, for what was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// What was changed so that it is inert.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What a reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What the target shows of what was written.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// What was meant: a plan that is made now would leave it alone.
    Yes,
    /// Something else, at these places.
    Differs(Vec<Difference>),
    /// Nothing, for as long as we looked.
    Absent,
    /// It could not be read.
    Unread(String),
}

/// What became of an object. The order is from good to bad: an object in two steps has the worse state of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
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
    /// It was deleted, since an import made it and the bundle does not hold it any more.
    Deleted,
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
            Self::Deleted => "deleted",
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
    /// The workspace does not offer this for objects of that kind.
    pub unavailable: bool,
    /// The workspace stopped letting us in.
    pub locked_out: bool,
    /// The step without which this one could not be, however far off.
    pub root: Option<usize>,
    /// What was written, for bytes.
    pub sent: Option<(u64, Sha)>,
    /// What a document was hung on, as the API names it.
    pub hangs_on: Option<Value>,
    /// What of the source stands in the bytes that were sent.
    pub leaks: Vec<Leak>,
}

impl Done {
    pub(super) fn of(state: State) -> Self {
        Self {
            state,
            reason: None,
            target: None,
            notes: Vec::new(),
            todos: Vec::new(),
            quota: false,
            unavailable: false,
            locked_out: false,
            root: None,
            sent: None,
            hangs_on: None,
            leaks: Vec::new(),
        }
    }

    pub(super) fn there(state: State, target: Found) -> Self {
        Self { target: Some(target), ..Self::of(state) }
    }

    /// Whether something was written, be it only in part.
    pub(super) fn target_is_written(&self) -> bool {
        self.state != State::Adopted && (self.target.is_some() || self.hangs_on.is_some())
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

    /// Whether everything that this version restores is there and shows as it was meant. Kinds that are only recorded are told
    /// among the todos.
    pub fn is_complete(&self) -> bool {
        let good = |state: State| state.is_there() || state == State::Deleted;
        let there = |item: &Item| good(item.state) || item.unwanted || is_only_recorded(&item.source.kind);
        self.items.iter().all(there) && self.unverified().next().is_none()
    }

    /// How many objects were read back, and showed as they were meant.
    pub fn verified(&self) -> usize {
        self.items.iter().filter(|item| item.verified == Some(Verified::Yes)).count()
    }

    /// What was written and does not show as it was meant.
    pub fn unverified(&self) -> impl Iterator<Item = (&Item, &Verified)> {
        let pairs = self.items.iter().filter_map(|item| Some((item, item.verified.as_ref()?)));
        pairs.filter(|(_, verified)| **verified != Verified::Yes)
    }

    /// What became of an object.
    pub fn of(&self, kind: &str, id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.source.kind == kind && item.source.id == id)
    }
}

fn is_only_recorded(kind: &str) -> bool {
    crate::kinds::by_name(kind).is_some_and(|kind| matches!(kind.shape, crate::kinds::Shape::Recorded(_)))
}

/// What could not be begun, or not ended, since the import was.
const STOPPED: &str = "the import ended before it came to that: run the same again";

impl Import<'_> {
    /// The account, as far as the steps came.
    pub(super) fn receipt(mut self, before: &BTreeMap<&'static str, u64>, end: Option<&ImportError>) -> Receipt {
        let mut items: Vec<Item> = Vec::new();
        let mut place: BTreeMap<SourceId, usize> = BTreeMap::new();
        let leaks = self.leaks();
        for index in 0..self.plan.steps.len() {
            let step = &self.plan.steps[index];
            // Who was interrupted while looking has not looked long enough to say that something is not there.
            let seen = |one: &Verified| end.is_none() || *one == Verified::Yes;
            let verified = self.verified.remove(&index).filter(seen);
            let mut done = self.done[index].take().unwrap_or_else(|| match end {
                Some(_) => Done::pending(STOPPED),
                None => Done::failed("it was never begun"),
            });
            self.tell(step, &mut done);
            let object = step.in_bundle();
            if step.implied {
                continue;
            }
            if let Some(at) = place.get(&object) {
                items[*at].join(step, done, verified);
                continue;
            }
            place.insert(object, items.len());
            items.push(Item::new(step, done, verified));
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
        if self.options.marks.is_some() {
            self.todos.replace(What::Leak, leaks.iter().map(Leak::told));
        }
        let todos = self.todos.finish();
        Receipt { source: self.plan.source.clone(), target: self.plan.target.clone(), counts, items, leaks, todos, requests }
    }

    /// What a person has to do, now that nothing is tried any more.
    fn tell(&mut self, step: &Step, done: &mut Done) {
        let Some(kind) = kinds::by_name(&step.source.kind) else { return };
        for (what, text) in done.todos.drain(..) {
            self.todos.add(what, text, name_of(kind, &step.key, &step.source.id));
        }
    }
}

impl Item {
    fn new(step: &Step, done: Done, verified: Option<Verified>) -> Self {
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
            verified,
            changes,
            notes,
        }
    }

    /// The second half of an object: what goes wrong there went wrong for the whole; else it is an update of what was there.
    fn join(&mut self, step: &Step, done: Done, verified: Option<Verified>) {
        if !done.state.is_there() && done.state > self.state {
            (self.state, self.reason) = (done.state, done.reason);
        } else if self.state < State::Updated && done.state == State::Updated {
            self.state = State::Updated;
        }
        if self.verified.as_ref().is_none_or(|so_far| *so_far == Verified::Yes) {
            self.verified = verified.or(self.verified.take());
        }
        if !self.state.is_there() {
            self.verified = None;
        }
        self.notes.extend(done.notes);
        self.changes.extend(step.changes.iter().cloned());
    }
}

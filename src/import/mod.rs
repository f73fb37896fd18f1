//! Carries out a [`Plan`], and decides nothing.
//!
//! Promises: one failed step stops no other, only what needs it; a create is never repeated blindly (after an answer that
//! was lost, the workspace is looked at first); what was made is switched off before anything else happens to it; every
//! object ends in exactly one state, in a [`Receipt`]; intents and outcomes are in the journal before and after each write;
//! what was written is read back until the workspace shows it, and nothing else is.

mod attached;
mod bytes;
mod collection;
mod contents;
mod delete;
mod leaks;
mod links;
mod noted;
mod queue;
mod readback;
mod receipt;
mod send;
mod tree;
mod trouble;

pub use contents::{BundleContents, ContentError, Contents};
pub use receipt::{Item, Receipt, State, Verified};

use crate::api::{ApiError, Workspace};
use crate::event::{Event, Observer};
use crate::journal::{Journal, Line};
use crate::kinds::{self, Kind, Shape};
use crate::leaks::Marks;
use crate::plan::{Action, Found, Plan, Step, Todos};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use links::Known;
use queue::Queue;
use receipt::Done;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use trouble::{Trouble, attachment, not_offered};

/// Steps under way at once, over all kinds; the transport has gates of its own.
const WORKERS: usize = 16;

/// Why an import did not take place, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The plan is for another workspace.
    #[error("the plan is for workspace {planned}, and this is workspace {actual}")]
    WrongTarget {
        /// Workspace id in the plan.
        planned: String,
        /// Workspace id of the target.
        actual: String,
    },
    /// The target does not let us in.
    #[error("cannot sign in to the target workspace")]
    Api(#[from] ApiError),
    /// The journal cannot be written, and without it nothing is.
    #[error("cannot write the journal")]
    Journal(#[source] std::io::Error),
    /// Somebody asked to stop.
    #[error("the import was asked to stop")]
    Stopped,
}

/// What an import does beside its plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// What the source is known by, to be looked for in what is written.
    pub marks: Option<&'a Marks>,
    /// Ends the import in order when it is cancelled: nothing more is begun, and what is under way is dropped.
    pub stop: Option<&'a CancellationToken>,
}

/// Carries out a plan, and reads back what it wrote.
///
/// Errors: the target is not the plan's, does not let us in, or the journal cannot be written; whatever goes wrong with an
/// object is in the receipt.
pub async fn run(
    plan: &Plan,
    contents: &dyn Contents,
    workspace: &Workspace,
    journal: &mut Journal,
    observer: &Arc<dyn Observer>,
) -> Result<Receipt, ImportError> {
    let (receipt, end) = run_with(plan, contents, workspace, journal, observer, Options::default()).await?;
    end.map_or(Ok(receipt), Err)
}

/// As [`run`], with what else there is to do. An import that began and did not come to its end has a receipt all the same, as
/// far as it came, and the reason beside it.
///
/// Errors: nothing was begun.
pub async fn run_with(
    plan: &Plan,
    contents: &dyn Contents,
    workspace: &Workspace,
    journal: &mut Journal,
    observer: &Arc<dyn Observer>,
    options: Options<'_>,
) -> Result<(Receipt, Option<ImportError>), ImportError> {
    let actual = workspace.identity().await?.workspace_id.unwrap_or_default();
    if actual != plan.target.workspace_id {
        return Err(ImportError::WrongTarget { planned: plan.target.workspace_id.clone(), actual });
    }
    observer.event(&Event::Stage("apply"));
    let before = workspace.requests();
    let mut import = Import::new(plan, Hands { workspace, contents, marks: options.marks }, journal, observer, options);
    let end = import.all().await.err();
    Ok((import.receipt(&before, end.as_ref()), end))
}

/// What every step works with.
#[derive(Clone, Copy)]
struct Hands<'a> {
    workspace: &'a Workspace,
    contents: &'a dyn Contents,
    marks: Option<&'a Marks>,
}

struct Import<'a> {
    plan: &'a Plan,
    hands: Hands<'a>,
    journal: &'a mut Journal,
    observer: &'a Arc<dyn Observer>,
    known: Known,
    done: Vec<Option<Done>>,
    todos: Todos,
    options: Options<'a>,
    /// What the target showed of each step that wrote something.
    verified: BTreeMap<usize, Verified>,
    /// What the workspace turned out not to offer: documents of this kind, on objects of that one.
    unavailable: BTreeSet<(&'a str, &'a str)>,
    /// Why nothing is begun any more: the workspace stopped letting us in.
    locked_out: Option<String>,
}

/// A step with everything filled in.
struct Ready<'a> {
    step: &'a Step,
    kind: &'static Kind,
    body: Map<String, Value>,
    parent: Option<Found>,
    /// What the object is in the target, for what completes it.
    target: Option<Found>,
    /// Where it lies, for what has a path.
    path: String,
    /// Another name that a home may have: its owner's, as the target spells it.
    other_home: Option<String>,
    notes: Vec<String>,
}

impl<'a> Import<'a> {
    fn new(
        plan: &'a Plan,
        hands: Hands<'a>,
        journal: &'a mut Journal,
        observer: &'a Arc<dyn Observer>,
        options: Options<'a>,
    ) -> Self {
        let done = plan.steps.iter().map(|_| None).collect();
        let (known, todos, verified) = (Known::of(plan), Todos::with(&plan.todos), BTreeMap::new());
        let unavailable = BTreeSet::new();
        Self { plan, hands, journal, observer, known, done, todos, options, verified, unavailable, locked_out: None }
    }

    /// Everything, unless somebody asks to stop.
    async fn all(&mut self) -> Result<(), ImportError> {
        let Some(stop) = self.options.stop else { return self.every_stage().await };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(ImportError::Stopped),
            done = self.every_stage() => done,
        }
    }

    async fn every_stage(&mut self) -> Result<(), ImportError> {
        self.journal.agreed(&self.plan.agreed).map_err(ImportError::Journal)?;
        let plan = self.plan;
        let deletes = |index: &usize| matches!(plan.steps[*index].action, Action::Delete { .. });
        self.work((0..plan.steps.len()).filter(|index| !deletes(index)).collect()).await?;
        // A limit may have been raised, or room made, while the rest went on: once more, and no oftener.
        let again = self.short_of_quota();
        if !again.is_empty() {
            self.work(again).await?;
        }
        // Nothing is deleted before all else is over.
        self.work((0..plan.steps.len()).filter(deletes).collect()).await?;
        self.journal.sync().map_err(ImportError::Journal)?;
        self.read_back().await;
        Ok(())
    }

    /// Carries out these steps, as many at once as may be.
    async fn work(&mut self, steps: BTreeSet<usize>) -> Result<(), ImportError> {
        let mut queue = Queue::new(self.plan, &steps);
        let mut busy = FuturesUnordered::new();
        loop {
            while busy.len() < WORKERS
                && let Some(index) = queue.next()
            {
                match self.ready(index)? {
                    Ok(ready) => {
                        let hands = self.hands;
                        busy.push(async move {
                            let done = hands.carry_out(&ready).await;
                            (index, done, Some(ready.body))
                        });
                    }
                    Err(done) => {
                        self.settle(index, done, None)?;
                        queue.over(index);
                    }
                }
            }
            match busy.next().await {
                Some((index, done, body)) => {
                    self.settle(index, done, body)?;
                    queue.over(index);
                }
                None if queue.is_empty() => return Ok(()),
                None => self.give_up(&mut queue)?,
            }
        }
    }

    /// Steps that wait for each other for ever: a plan made by hand may hold such.
    fn give_up(&mut self, queue: &mut Queue) -> Result<(), ImportError> {
        for index in queue.drain() {
            self.settle(index, Done::failed("waits for a step that waits for it"), None)?;
        }
        Ok(())
    }

    /// Fills a step in, or says at once what becomes of it; an intent is noted before a write.
    fn ready(&mut self, index: usize) -> Result<Result<Ready<'a>, Done>, ImportError> {
        let step = &self.plan.steps[index];
        if let Some(done) = self.decided(step) {
            return Ok(Err(done));
        }
        if let Some(done) = self.held_back(step) {
            return Ok(Err(done));
        }
        let Some(kind) = kinds::by_name(&step.source.kind) else {
            return Ok(Err(Done::failed("the plan names a kind that this version does not know")));
        };
        let filled = match self.known.fill(step) {
            Ok(filled) => filled,
            Err(missing) => return Ok(Err(Done::skipped(format!("needs {missing}, which is not there")))),
        };
        if step.action.writes() {
            let action = step.action.name().to_owned();
            self.journal.write(&Line::Intent { object: step.source.clone(), action }).map_err(ImportError::Journal)?;
        }
        let parent = step.parent.as_ref().and_then(|parent| self.known.get(parent));
        let target = self.known.get(&step.source);
        let (path, other_home) = (self.known.path(&step.key), self.other_home(step));
        Ok(Ok(Ready { step, kind, body: filled.body, parent, target, path, other_home, notes: filled.notes }))
    }

    fn other_home(&self, step: &Step) -> Option<String> {
        let owner = step.needs.iter().map(|need| &self.plan.steps[*need].source).find(|source| source.kind != "directory")?;
        self.known.get(owner).map(|owner| format!("/Users/{}", owner.key))
    }

    /// Steps in which there is nothing to do.
    #[expect(clippy::unused_self, reason = "reads like its siblings, which need it")]
    fn decided(&self, step: &Step) -> Option<Done> {
        let there = |state, target: &Option<Found>| Done { target: target.clone(), ..Done::of(state) };
        match &step.action {
            Action::Adopt { target } => Some(there(State::Adopted, &Some(target.clone()))),
            Action::Unchanged { target } => Some(there(State::Unchanged, target)),
            Action::Skip { reason } => Some(Done::skipped(reason.clone())),
            Action::Wait { reason } => Some(Done::pending(reason.clone())),
            Action::Ask { question, .. } => Some(Done::pending(format!("{question}: nobody said what counts"))),
            _ => None,
        }
    }

    /// What it needs did not come to be: the first cause is told, however far off it is.
    fn held_back(&self, step: &Step) -> Option<Done> {
        if let Some(reason) = &self.locked_out {
            return Some(Done::skipped(reason.clone()));
        }
        if attachment(step).is_some_and(|pair| self.unavailable.contains(&pair)) {
            return Some(not_offered(step));
        }
        let missing = |need: &usize| Some((*need, self.done[*need].as_ref().filter(|done| !done.state.is_there())?));
        let (need, done) = step.needs.iter().find_map(missing)?;
        let root = done.root.unwrap_or(need);
        let name = |index: usize| format!("{}:{}", self.plan.steps[index].source.kind, self.plan.steps[index].key);
        let state = self.done[root].as_ref().unwrap_or(done).state.name();
        let way = if root == need { String::new() } else { format!(" (by way of {})", name(need)) };
        let reason = format!("needs {}, which is {state}{way}", name(root));
        let held = if done.state == State::Pending { Done::pending(reason) } else { Done::skipped(reason) };
        Some(Done { quota: done.quota, root: Some(root), ..held })
    }

    fn short_of_quota(&self) -> BTreeSet<usize> {
        let short = |done: &Option<Done>| done.as_ref().is_some_and(|done| done.quota);
        (0..self.done.len()).filter(|index| short(&self.done[*index])).collect()
    }
}

impl Hands<'_> {
    async fn carry_out(&self, ready: &Ready<'_>) -> Done {
        let done = match (&ready.step.action, &ready.kind.shape) {
            (Action::Delete { target, .. }, _) => self.delete(ready, target).await,
            (Action::Attach { .. }, Shape::Attached(attached)) => self.attach(ready, attached).await,
            (_, Shape::Collection(collection)) => self.collection(ready, collection).await,
            (_, Shape::Tree(tree)) => self.tree(ready, *tree).await,
            _ => Err(Trouble::Plan("the plan asks for something that this kind does not have".into())),
        };
        let mut done = done.unwrap_or_else(|trouble| trouble.done(ready));
        done.notes.splice(0..0, ready.notes.iter().cloned());
        done
    }
}

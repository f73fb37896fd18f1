//! What came of a step: in the journal, in the map of ids, in the memory that later imports compare with, and told to who watches.

use super::receipt::Done;
use super::trouble::attachment;
use super::{Import, ImportError, State, links};
use crate::event::Event;
use crate::journal::{Line, Off};
use crate::kinds::{self, Shape, Update};
use crate::memory::Wrote;
use crate::plan::{Action, Change, Difference, SHA, Step, record};
use serde_json::{Map, Value};

impl Import<'_> {
    /// Notes what came of a step; `body` is what was sent.
    pub(super) fn settle(&mut self, index: usize, done: Done, body: Option<Map<String, Value>>) -> Result<(), ImportError> {
        let step = &self.plan.steps[index];
        if let Some(target) = &done.target {
            self.known.learn(&step.source, target.clone());
        }
        if let Some(wrote) = self.wrote(step, &done, body) {
            self.journal.wrote(wrote).map_err(ImportError::Journal)?;
        }
        self.note(step, &done).map_err(ImportError::Journal)?;
        if done.unavailable {
            self.unavailable.extend(attachment(step));
        }
        if done.state == State::Deleted {
            self.journal.gone(&step.source).map_err(ImportError::Journal)?;
        }
        if done.locked_out {
            self.locked_out = Some("the workspace does not let us in any more".into());
        }
        if let Some(kind) = kinds::by_name(&step.source.kind) {
            let (object, reason) = (step.key.clone(), done.reason.clone());
            self.observer.event(&Event::Settled { kind: kind.name, object, state: done.state.name(), reason });
        }
        self.done[index] = Some(done);
        Ok(())
    }

    /// What came of a step, for later imports and for the way back.
    fn note(&mut self, step: &Step, done: &Done) -> std::io::Result<()> {
        let id = done.target.as_ref().map(|target| links::text(&target.id));
        if step.action.writes() {
            let (object, state, origin) = (step.source.clone(), done.state.name().to_owned(), step.origin.clone());
            let (off, on) = if done.state.is_there() { switched(&step.action, &step.changes) } else { Default::default() };
            let at = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
            return self.journal.write(&Line::Outcome { object, state, id, origin, off, on, at });
        }
        let lasting = kinds::by_name(&step.source.kind).is_some_and(|kind| matches!(kind.shape, Shape::Collection(_)));
        match id.filter(|_| lasting && done.state.is_there()) {
            Some(id) => self.journal.met(&step.source, step.origin.as_deref(), &id),
            None => Ok(()),
        }
    }

    /// What the next import must know to tell what people changed since. People and groups only ever gain: there is nothing to tell.
    fn wrote(&self, step: &Step, done: &Done, body: Option<Map<String, Value>>) -> Option<Wrote> {
        let kind = kinds::by_name(&step.source.kind)?;
        let only_gains = matches!(&kind.shape, Shape::Collection(one) if matches!(one.update, Update::ScimPatch(_)));
        if only_gains || !matches!(done.state, State::Created | State::Updated) {
            return None;
        }
        let mut body = match &step.action {
            Action::Content { sha256, .. } => Map::from_iter([(SHA.to_owned(), Value::from(sha256.as_str()))]),
            Action::Create { .. } | Action::Update { .. } | Action::Complete { .. } | Action::Attach { .. } => body?,
            _ => return None,
        };
        // Where people had their way, what the bundle wanted is remembered: what they did is still theirs tomorrow.
        body.extend(step.theirs.clone());
        let to = done.target.clone().or_else(|| self.known.get(step.parent.as_ref()?))?;
        Wrote::new(step.source.clone(), links::text(&to.id), &record(kind, &body)).ok()
    }
}

/// What a write switches off, with what stood there, and the places that it switches on.
fn switched(action: &Action, changes: &[Change]) -> (Vec<Off>, Vec<String>) {
    match action {
        Action::Create { body } | Action::Update { body, .. } => {
            let body = Value::Object(body.clone());
            let sent = |change: &&Change| change.activation && body.pointer(&change.at) == change.now.as_ref();
            let off = |change: &Change| Off { at: change.at.clone(), was: change.was.clone(), now: change.now.clone() };
            (changes.iter().filter(sent).map(off).collect(), Vec::new())
        }
        Action::Switch { on: true, differences, .. } => (Vec::new(), differences.iter().map(|one| one.at.clone()).collect()),
        Action::Switch { on: false, differences, .. } => {
            let off = |one: &Difference| Off { at: one.at.clone(), was: one.have.clone(), now: one.want.clone() };
            (differences.iter().map(off).collect(), Vec::new())
        }
        _ => (Vec::new(), Vec::new()),
    }
}

//! Activating what a restore left inert, and making it inert again: plans of their own, carried out like every other.
//!
//! Promises: only what was active at the source is switched on, and only where the target still says what the restore
//! left; whatever a person changed since then stays; nothing but the switches themselves is changed. What may start a job
//! comes last when switching on, and first when switching off.

use super::bodies::drop_fixed;
use super::fate::{Fate, How};
use super::index::keep_stamp;
use super::notes::{What, label};
use super::refs::RUN_AS;
use super::{Action, Draft, Found, Matter, Plan, Planner, order, refs};
use crate::kinds::{Class, Collection, Kind, Shape, Update};
use crate::object::Object;
use crate::pointer;
use crate::rules::{Change, Difference, Rules, Sanitized, comparable, equal, sanitize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Decides what is switched on (`on`) or off. The objects are what a restore would make of the bundle: what its rules changed
/// is what was active.
pub fn switch(on: bool, matter: Matter<'_>) -> Plan {
    let mut planner = Planner::new(matter);
    planner.match_all();
    let indexes = 0..planner.bundle.objects.len();
    let mut drafts: Vec<Draft> = indexes.map(|index| planner.draft_switch(index, on)).collect();
    jobs_apart(&mut drafts, on);
    planner.plan(order::arrange(drafts))
}

/// Whether objects of this kind can be active.
pub fn has_switches(kind: &Kind) -> bool {
    kind.fields().any(|(_, class)| matches!(class, Class::Activation(_)))
}

const JOB: &str = "job";

/// What is wanted at a place, and what stands there.
struct Flip {
    at: String,
    want: Option<Value>,
    have: Option<Value>,
}

impl Planner<'_> {
    fn draft_switch(&mut self, index: usize, on: bool) -> Draft {
        let object = self.bundle.objects[index];
        let mut draft = Draft::new(object, index, Action::Unchanged { target: None });
        draft.step.changes.clear();
        match (self.fates[index].clone(), &object.kind().shape) {
            (Fate::There(there, How::Mapped), _) => {
                draft.step.notes.push("named in the map file: left as it is".into());
                draft.step.action = Action::Unchanged { target: Some(there) };
            }
            (Fate::There(there, _), Shape::Collection(collection)) => {
                self.flip(index, on, there, collection, &mut draft);
            }
            (Fate::Coming, _) if on && object.switched_off().next().is_some() => {
                self.skip(&mut draft, object, "it is not in the target: import the bundle first");
            }
            (Fate::Never(reason), _) if on && object.switched_off().next().is_some() => self.skip(&mut draft, object, &reason),
            _ => {}
        }
        draft
    }

    fn skip(&mut self, draft: &mut Draft, object: &Sanitized, reason: &str) {
        self.todos.add(What::Look, reason, label(object));
        draft.step.action = Action::Skip { reason: reason.to_owned() };
    }

    fn flip(&mut self, index: usize, on: bool, there: Found, collection: &Collection, draft: &mut Draft) {
        let object = self.bundle.objects[index];
        draft.step.action = Action::Unchanged { target: Some(there.clone()) };
        let Some(target) = self.present.by_id(object.kind().name, &refs::text(&there.id)) else { return };
        let actual = comparable(target);
        let turns = if on { self.activated(index, &actual, draft) } else { deactivated(target) };
        if turns.is_empty() {
            return;
        }
        if on && let Some(reason) = self.other_identity(index, &actual) {
            return self.skip(draft, object, &reason);
        }
        let mut body = Value::Object(actual);
        for turn in &turns {
            match &turn.want {
                Some(want) => drop(pointer::set(&mut body, &turn.at, want)),
                None => drop(pointer::remove(&mut body, &turn.at)),
            }
        }
        let Value::Object(mut body) = body else { return };
        if in_parts(collection) {
            let top: BTreeSet<&str> = turns.iter().filter_map(|turn| turn.at.split('/').nth(1)).collect();
            body.retain(|name, _| top.contains(name.as_str()));
        } else {
            drop_fixed(object.kind(), &mut body);
            keep_stamp(&mut body, target);
            draft.step.keep = self.kept_secrets(object.kind(), &there);
        }
        let difference = |turn: Flip| Difference { at: turn.at, want: turn.want, have: turn.have, fixed: false };
        let differences = turns.into_iter().map(difference).collect();
        draft.step.action = Action::Switch { target: there, on, body, differences };
    }

    /// A job that runs as somebody else than it did, such as whoever restored it, has other rights: it stays off.
    fn other_identity(&self, index: usize, actual: &Map<String, Value>) -> Option<String> {
        let object = self.bundle.objects[index];
        let mut resolved = self.resolve(index);
        self.keep_unchanged(index, &mut resolved, actual);
        let lost = resolved.dead.iter().any(|dead| dead.at.starts_with(RUN_AS));
        let dropped = object.changes().iter().any(|change| change.at.starts_with(RUN_AS) && change.now.is_none());
        let only = |body: &Map<String, Value>| {
            Map::from_iter(body.get_key_value("run_as").map(|(name, value)| (name.clone(), value.clone())))
        };
        let same = equal(object.kind(), &only(&resolved.body), &only(actual)).is_empty();
        let other = object.kind().name == JOB && (lost || dropped || !same);
        other.then(|| "it would run as somebody else than at the source: set `run_as` first, or switch it by hand".to_owned())
    }

    /// What was active at the source, and still is as the restore left it.
    fn activated(&mut self, index: usize, actual: &Map<String, Value>, draft: &mut Draft) -> Vec<Flip> {
        let object = self.bundle.objects[index];
        let mut resolved = self.resolve(index);
        self.keep_unchanged(index, &mut resolved, actual);
        let wanted = resolved.body;
        let here = Value::Object(actual.clone());
        let mut turns = Vec::new();
        for change in &resolved.off {
            let at = change.at.clone();
            let have = here.pointer(&at).cloned();
            let want = change.was.clone().or_else(|| is_status(&at).then(|| json!("UNPAUSED")));
            let gone = at.rsplit_once('/').is_some_and(|(parent, _)| here.pointer(parent).is_none());
            if !gone && (is_running(&at, have.as_ref(), want.as_ref()) || have == want) {
                continue;
            }
            let trouble = if resolved.lost.contains(&at) {
                Some("refers to what is not in the target")
            } else if gone {
                Some("is gone here")
            } else {
                trouble(object.kind(), change, &wanted, actual, have.as_ref())
            };
            match trouble {
                Some(trouble) => {
                    let text = format!("{at} {trouble}: switch it by hand if it should be active");
                    self.todos.add(What::Look, text.clone(), label(object));
                    draft.step.notes.push(text);
                }
                None => turns.push(Flip { at, want, have }),
            }
        }
        turns
    }
}

/// Whatever is active, whether the bundle knows of it or not.
fn deactivated(target: &Object) -> Vec<Flip> {
    let turn = |change: &Change| Flip { at: change.at.clone(), want: change.now.clone(), have: change.was.clone() };
    sanitize(&Rules::standby(), target).changes().iter().map(turn).collect()
}

/// Why a place is not what the restore left there.
fn trouble(
    kind: &'static Kind,
    change: &Change,
    wanted: &Map<String, Value>,
    actual: &Map<String, Value>,
    have: Option<&Value>,
) -> Option<&'static str> {
    if has_index(&change.at) && !same_list(kind, &change.at, wanted, actual) {
        return Some("was changed here since the restore");
    }
    let inert = have == change.now.as_ref() || (have.is_none() && change.now.as_ref().is_none_or(crate::rules::blank));
    (!inert).then_some("has another value here")
}

fn has_index(at: &str) -> bool {
    at.split('/').any(|segment| !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a list says the same on both sides, but for what is running: only then is its first element the same one.
fn same_list(kind: &'static Kind, at: &str, wanted: &Map<String, Value>, actual: &Map<String, Value>) -> bool {
    let Some(top) = at.split('/').nth(1) else { return false };
    let only = |body: &Map<String, Value>| {
        let mut list = body.get(top).cloned().unwrap_or_default();
        without_status(&mut list);
        Map::from_iter([(top.to_owned(), list)])
    };
    equal(kind, &only(wanted), &only(actual)).is_empty()
}

fn without_status(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| name != STATUS);
            members.values_mut().for_each(without_status);
        }
        Value::Array(items) => items.iter_mut().for_each(without_status),
        _ => {}
    }
}

const STATUS: &str = "pause_status";

fn is_status(at: &str) -> bool {
    at.rsplit('/').next() == Some(STATUS)
}

/// An absent status means that it runs (core reference §10.5).
fn is_running(at: &str, have: Option<&Value>, want: Option<&Value>) -> bool {
    is_status(at) && have.is_none_or(|have| have == "UNPAUSED") && want.is_none_or(|want| want == "UNPAUSED")
}

fn in_parts(collection: &Collection) -> bool {
    matches!(collection.update, Update::Replace { part: Some(_), .. })
}

/// What jobs need is on before they start, and off after they stopped.
fn jobs_apart(drafts: &mut [Draft], on: bool) {
    let writes = |draft: &&Draft| draft.step.action.writes();
    let is_job = |draft: &Draft| draft.step.source.kind == JOB;
    let first: BTreeSet<usize> =
        drafts.iter().filter(writes).filter(|draft| is_job(draft) != on).filter_map(|draft| draft.object).collect();
    drafts.iter_mut().filter(|draft| draft.step.action.writes() && is_job(draft) == on).for_each(|draft| {
        draft.after.clone_from(&first);
    });
}

//! Bodies beside those of the target: what stays as it is there, and what is lacking.

use super::Link;
use crate::kinds::{Class, Kind};
use crate::rules::{Change, canonical};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};

/// An element of a list has no name but its place: one that is otherwise not the same is another one, which stays off.
fn is_same_element(body: &Value, actual: &Value, parent: &str, field: &str) -> bool {
    let is_index = |segment: &&str| segment.parse::<usize>().is_ok();
    let Some(index) = parent.split('/').rfind(is_index) else { return true };
    let end = parent.rfind(&format!("/{index}")).unwrap_or(0) + 1 + index.len();
    let element = |side: &Value| {
        let mut element = side.pointer(&parent[..end]).cloned().unwrap_or_default();
        forget(&mut element, field);
        canonical(&element)
    };
    element(body) == element(actual)
}

/// Takes a member out wherever it stands.
fn forget(value: &mut Value, field: &str) {
    match value {
        Value::Object(members) => {
            members.shift_remove(field);
            members.values_mut().for_each(|member| forget(member, field));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, field)),
        _ => {}
    }
}

/// What a person switched on in the target stays on: an import starts nothing, and stops nothing that it did not make.
pub(super) fn as_active_as<'a>(
    body: &Map<String, Value>,
    changes: impl Iterator<Item = &'a Change>,
    actual: &Map<String, Value>,
) -> Map<String, Value> {
    let actual = Value::Object(actual.clone());
    let mut body = Value::Object(body.clone());
    for change in changes {
        let Some((parent, field)) = change.at.rsplit_once('/') else { continue };
        if !is_same_element(&body, &actual, parent, field) {
            continue;
        }
        // An absent status means that it runs (core reference §10.5).
        let running = |value: Option<&Value>| field == "pause_status" && value.is_none_or(|value| value == "UNPAUSED");
        let there = actual.pointer(&change.at);
        let same = there == change.was.as_ref() || (running(there) && running(change.was.as_ref()));
        match there {
            Some(there) if same => drop(crate::pointer::set(&mut body, &change.at, there)),
            None if same && actual.pointer(parent).is_some() => drop(crate::pointer::remove(&mut body, &change.at)),
            _ => {}
        }
    }
    if let Value::Object(body) = body { body } else { Map::new() }
}

/// Fields that only a creation sets.
pub(super) fn fixed_fields(kind: &'static Kind) -> impl Iterator<Item = &'static str> {
    kind.sent().filter(|(_, class)| *class == Class::FixedAtCreate).map(|(name, _)| name)
}

pub(super) fn drop_fixed(kind: &'static Kind, body: &mut Map<String, Value>) {
    let fixed: HashSet<&str> = fixed_fields(kind).collect();
    body.retain(|name, _| !fixed.contains(name.as_str()));
}

/// Elements that are wanted and not there.
pub(super) fn missing_items(wanted: Option<&Value>, actual: Option<&Value>) -> Vec<Value> {
    let items = |list: Option<&Value>| list.and_then(Value::as_array).cloned().unwrap_or_default();
    let there: BTreeSet<String> = items(actual).iter().map(canonical).collect();
    items(wanted).into_iter().filter(|item| !there.contains(&canonical(item))).collect()
}

/// Whether a place lies in a field of a body.
pub(super) fn below(at: &str, field: &str) -> bool {
    at.strip_prefix('/').and_then(|at| at.strip_prefix(field)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The elements that the target lacks, with their links at their new places.
pub(super) fn new_items(field: &str, value: Value, links: Vec<Link>, actual: Option<&Value>) -> (Value, Vec<Link>) {
    let Value::Array(items) = value else { return (value, links) };
    let there: BTreeSet<String> = actual.and_then(Value::as_array).into_iter().flatten().map(canonical).collect();
    let (mut kept, mut moved) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let old = format!("/{field}/{index}/");
        let link = links.iter().find(|link| link.at.starts_with(&old));
        if link.is_none() && there.contains(&canonical(&item)) {
            continue;
        }
        moved.extend(
            link.map(|link| Link { at: link.at.replacen(&old, &format!("/{field}/{}/", kept.len()), 1), ..link.clone() }),
        );
        kept.push(item);
    }
    (Value::Array(kept), moved)
}

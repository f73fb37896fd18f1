//! The way back: what was restored somewhere and changed there returns to where it came from.
//!
//! For each original there are three bodies: the original as it is, what a restore of it would be (the base), and what the bundle
//! has. Where base and bundle say the same, nobody changed anything, and the original stays, whatever rules and missing
//! principals had made of it; elsewhere the bundle counts.

use super::{Fate, Found, Matter, Planner, Resolved};
use crate::kinds::{Kind, Shape};
use crate::object::{Object, SourceId};
use crate::rules::{Sanitized, blank, canonical, comparable, equal};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of the way on which the bundle's objects came.
#[derive(Clone, Debug, Default)]
pub struct Back {
    /// Objects of the target from which those of the bundle were once restored: certain, whatever they are called now.
    pub originals: BTreeMap<SourceId, String>,
    /// What a restore of the originals would be, by object of the bundle. Empty unless the bundle goes back.
    pub bases: HashMap<SourceId, Map<String, Value>>,
    /// Who restored them there: what a workspace grants the maker of an object by itself was nobody's wish.
    pub maker: String,
    /// Whether an original counts as there although it is gone, so that what refers to it is known to be unchanged.
    pub gone_too: bool,
    /// Ids and names that stand for several objects of the target: kind, and id or name.
    pub unclear: BTreeSet<(String, String)>,
}

/// What a restore of these objects into an inventory makes of those that it has: by object of the inventory, the body with its
/// references leading into the inventory.
pub fn bases(matter: Matter<'_>) -> HashMap<SourceId, Map<String, Value>> {
    let mut planner = Planner::new(matter);
    planner.match_all();
    let indexes = 0..planner.bundle.objects.len();
    indexes.filter_map(|index| planner.base(index)).collect()
}

impl Planner<'_> {
    fn base(&mut self, index: usize) -> Option<(SourceId, Map<String, Value>)> {
        let object = self.bundle.objects[index];
        if object.body().is_content() {
            return None;
        }
        if let Shape::Attached(_) = object.kind().shape {
            let place = self.place_of(object).ok()?;
            let there = self.present.attached(object.kind().name, place.kind, &super::refs::text(&place.there.as_ref()?.id))?;
            return Some((there.source(), self.attached_body(index, &place).0.body));
        }
        let Fate::There(there, _) = &self.fates[index] else { return None };
        let there = self.present.by_id(object.kind().name, &super::refs::text(&there.id))?;
        Some((there.source(), self.resolve(index).body))
    }

    /// Whether the target's object is where the bundle's came from.
    pub(super) fn goes_back(&self, object: &Sanitized) -> bool {
        self.options.back.originals.contains_key(&in_bundle(object))
    }

    /// The object of the target from which one of the bundle was restored, if it is still there.
    pub(super) fn original(&self, object: &Sanitized) -> Option<&Object> {
        let id = self.options.back.originals.get(&in_bundle(object))?;
        self.present.by_id(object.kind().name, id)
    }

    /// Puts the original in the place of whatever nobody changed.
    pub(super) fn keep_unchanged(&self, index: usize, resolved: &mut Resolved, actual: &Map<String, Value>) {
        let object = self.bundle.objects[index];
        let Some(base) = self.options.back.bases.get(&in_bundle(object)) else { return };
        let base = self.resolve_body(object.kind(), base.clone());
        let mut body = std::mem::take(&mut resolved.body);
        forget_maker(&self.options.back.maker, &base.body, &mut body);
        resolved.body = merged(object.kind(), actual, &base.body, body);
        let body = Value::Object(resolved.body.clone());
        resolved.links.retain(|link| body.pointer(&link.at).is_some());
        resolved.dead.retain(|dead| !base.dead.iter().any(|one| (&one.at, &one.value) == (&dead.at, &dead.value)));
    }

    /// What the original is called, where it counts although it is gone.
    pub(super) fn gone_original(&self, object: &Sanitized) -> Option<Found> {
        let id = self.options.back.originals.get(&in_bundle(object)).filter(|_| self.options.back.gone_too)?;
        Some(Found { id: super::matching::typed(object.kind(), id), key: object.key().to_owned(), object_id: None })
    }

    /// Whether something of the bundle stands for several in the target.
    pub(super) fn is_unclear(&self, object: &Sanitized) -> bool {
        let named = |name: &str| self.options.back.unclear.contains(&(object.kind().name.to_owned(), name.to_owned()));
        named(object.id()) || named(object.key())
    }
}

fn in_bundle(object: &Sanitized) -> SourceId {
    let id = object.origin().unwrap_or(object.id()).to_owned();
    SourceId { kind: object.kind().name.to_owned(), id }
}

/// Takes out what the maker of an object was granted by the workspace, unless the original grants it too.
fn forget_maker(maker: &str, base: &Map<String, Value>, body: &mut Map<String, Value>) {
    let is_maker = |entry: &Value| {
        let names = ["user_name", "service_principal_name", "principal"];
        names.iter().any(|name| entry.get(name).and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(maker)))
    };
    for list in ["access_control_list", "items"] {
        let had = base.get(list).and_then(Value::as_array).is_some_and(|entries| entries.iter().any(is_maker));
        if let Some(entries) = body.get_mut(list).and_then(Value::as_array_mut).filter(|_| !had) {
            entries.retain(|entry| !is_maker(entry) || entry.get("permission_level").is_some_and(|level| level == "IS_OWNER"));
        }
    }
}

fn merged(
    kind: &'static Kind,
    original: &Map<String, Value>,
    base: &Map<String, Value>,
    body: Map<String, Value>,
) -> Map<String, Value> {
    if equal(kind, base, &body).is_empty() {
        return original.clone();
    }
    let merged = merge(&Value::Object(original.clone()), &Value::Object(base.clone()), &Value::Object(body.clone()));
    if let Value::Object(merged) = merged { merged } else { body }
}

fn merge(original: &Value, base: &Value, new: &Value) -> Value {
    if same(base, new) {
        return original.clone();
    }
    match (original, base, new) {
        (Value::Object(original), Value::Object(base), Value::Object(new)) => Value::Object(members(original, base, new)),
        (Value::Array(original), Value::Array(base), Value::Array(new)) => elements(original, base, new),
        (Value::String(original), Value::String(base), Value::String(text)) => {
            let read = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
            match (read(original), read(base), read(text)) {
                (Some(original), Some(base), Some(new)) => Value::from(merge(&original, &base, &new).to_string()),
                _ => new.clone(),
            }
        }
        _ => new.clone(),
    }
}

/// Absent, null and empty are one (core reference §0.5).
fn same(one: &Value, other: &Value) -> bool {
    (blank(one) && blank(other)) || canonical(one) == canonical(other)
}

fn members(original: &Map<String, Value>, base: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let names = original.keys().chain(new.keys().filter(|name| !original.contains_key(*name)));
    let member = |name: &String| {
        let at = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
        let value = merge(&at(original), &at(base), &at(new));
        (!value.is_null()).then(|| (name.clone(), value))
    };
    names.filter_map(member).collect()
}

/// Elements go by what they are called; those without a name by their place, where no list is longer than another.
fn elements(original: &[Value], base: &[Value], new: &[Value]) -> Value {
    let named = [original, base, new].iter().all(|side| side.iter().all(|one| name(one).is_some()));
    if !named {
        let alike = original.len() == base.len() && base.len() == new.len();
        let by_place = || original.iter().zip(base).zip(new).map(|((original, base), new)| merge(original, base, new)).collect();
        return if alike { Value::Array(by_place()) } else { Value::Array(new.to_vec()) };
    }
    let find = |side: &[Value], key: &str| side.iter().find(|one| name(one).as_deref() == Some(key)).cloned();
    let mut all: Vec<Value> = Vec::new();
    for one in new {
        let key = name(one).unwrap_or_default();
        let at = |side: &[Value]| find(side, &key).unwrap_or_default();
        all.push(merge(&at(original), &at(base), one));
    }
    // What a restore could not bring along was never there to be deleted.
    let withheld = |one: &&Value| name(one).is_some_and(|key| find(base, &key).is_none() && find(new, &key).is_none());
    all.extend(original.iter().filter(withheld).cloned());
    Value::Array(all)
}

/// What an element of a list is called, with the sort of name that it is.
fn name(element: &Value) -> Option<String> {
    const NAMES: [&str; 9] = [
        "task_key",
        "job_cluster_key",
        "environment_key",
        "environment_variables_key",
        "user_name",
        "group_name",
        "service_principal_name",
        "principal",
        "name",
    ];
    let (field, name) = NAMES.iter().find_map(|field| Some((field, element.get(field)?.as_str()?)))?;
    Some(format!("{field}/{}", name.to_lowercase()))
}

/// The body of an object of the target, as [`Planner::keep_unchanged`] wants it.
pub(super) fn actual(there: Option<&Object>) -> Map<String, Value> {
    there.map(comparable).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_changed_stays_as_the_original_is() {
        let original = json!({"node_type_id": "tiny", "workers": 2, "tags": {"a": 1}, "gone": 1});
        let base = json!({"node_type_id": "big", "workers": 2, "tags": {"a": 1}, "gone": 1});
        let new = json!({"node_type_id": "big", "workers": 3, "tags": {"a": 1, "b": 2}});
        assert_eq!(merge(&original, &base, &new), json!({"node_type_id": "tiny", "workers": 3, "tags": {"a": 1, "b": 2}}));
        let changed = json!({"node_type_id": "huge", "workers": 2, "tags": {"a": 1}, "gone": 1});
        assert_eq!(merge(&original, &base, &changed)["node_type_id"], "huge");
    }

    #[test]
    fn entries_that_could_not_be_restored_are_not_deleted_by_that() {
        let entry = |who: &str, level: &str| json!({"user_name": who, "permission_level": level});
        let original = json!([entry("a", "CAN_RUN"), entry("lost", "CAN_EDIT"), entry("c", "CAN_RUN")]);
        let base = json!([entry("a", "CAN_RUN"), entry("c", "CAN_RUN")]);
        let new = json!([entry("a", "CAN_MANAGE")]);
        assert_eq!(merge(&original, &base, &new), json!([entry("a", "CAN_MANAGE"), entry("lost", "CAN_EDIT")]));
    }

    #[test]
    fn tasks_go_by_their_keys_and_texts_of_json_by_what_they_say() {
        let task = |key: &str, node: &str| json!({"task_key": key, "node": node});
        let original = json!([task("a", "tiny"), task("b", "small")]);
        let base = json!([task("a", "big"), task("b", "big")]);
        let new = json!([task("b", "big"), task("new", "big"), task("a", "vast")]);
        assert_eq!(merge(&original, &base, &new), json!([task("b", "small"), task("new", "big"), task("a", "vast")]));
        let text = |value: Value| Value::from(value.to_string());
        let merged = merge(&text(json!({"a": 1, "b": 1})), &text(json!({"a": 2, "b": 1})), &text(json!({"a": 2, "b": 3})));
        assert_eq!(merged, text(json!({"a": 1, "b": 3})));
    }
}

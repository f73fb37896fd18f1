//! Two documents, field by field.

use super::labels::{Labels, UNKNOWN, is_gone};
use super::{Expected, FieldChange, Link};
use crate::compare::meaning::{is_nothing, meaning, withheld};
use crate::kinds::{Class, Kind, Shape, Tree};
use crate::object::{Object, REDACTED, without_login};
use crate::pointer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What elements of a list are called, by the first of these that they have; lists of such elements are sets.
const NAMES: [&str; 8] =
    ["task_key", "job_cluster_key", "environment_key", "environment_variables_key", "name", "value", "principal", "id"];

/// Marks beside a document that say what an object is.
const MARKS: [&str; 4] = ["pinned", "object_type", "language", "format"];

/// A document as it compares: no more than its owner asked for, names instead of ids, nothing of what the server sets.
pub(super) fn plain(kind: &'static Kind, document: Option<&Value>, labels: &Labels) -> Value {
    let Some(document) = document else { return Value::Null };
    let mut document = document.clone();
    asked_for(kind, &mut document);
    own_values(kind, &mut document);
    let mut document = meaning(kind, &document, labels);
    fill_in(kind, &mut document);
    forget_name(kind, &mut document);
    show_script(kind, &mut document);
    document
}

/// A cluster tells twice what it is: what was asked for counts, not what came of it.
fn asked_for(kind: &Kind, document: &mut Value) {
    if kind.body.len() < 2 || !document.get("spec").is_some_and(Value::is_object) {
        return;
    }
    let Some(members) = document.as_object_mut() else { return };
    let Some(Value::Object(spec)) = members.shift_remove("spec") else { return };
    kind.sent().for_each(|(name, _)| drop(members.shift_remove(name)));
    members.extend(spec);
}

/// Entitlements and roles that come through a group are the group's.
fn own_values(kind: &Kind, document: &mut Value) {
    for (at, _) in kind.unordered.iter().filter(|(_, member)| *member == "value") {
        let Some(items) = document.pointer_mut(at).and_then(Value::as_array_mut) else { continue };
        let own = |item: &Value| item.get("type").is_none_or(|kind| kind == "direct");
        *items = items.iter().filter(|item| own(item)).filter_map(|item| Some(json!({ "value": item.get("value")? }))).collect();
    }
}

/// What a server takes where nothing is said, if that is not nothing: left out or written, it is the same.
fn fill_in(kind: &Kind, document: &mut Value) {
    let root = kind.body.last().copied().unwrap_or_default();
    for (at, default) in kind.server_defaults() {
        let default = default.and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(|value| !is_nothing(value));
        let (Some(default), Some((holder, name))) = (default, at.rsplit_once('/')) else { continue };
        pointer::edit(document, &format!("{root}{holder}"), &mut |_, holder| {
            let Some(members) = holder.as_object_mut() else { return false };
            members.entry(name).or_insert_with(|| default.clone());
            true
        });
    }
}

/// What an object is called is told apart.
fn forget_name(kind: &Kind, document: &mut Value) {
    if matches!(kind.shape, Shape::Tree(_)) {
        pointer::remove(document, "/path");
    } else if !kind.key.at.is_empty() {
        pointer::remove(document, kind.key.at);
    }
}

/// Scripts come in base64.
fn show_script(kind: &Kind, document: &mut Value) {
    if kind.name != "global_init_script" {
        return;
    }
    let text = document.get("script").and_then(Value::as_str).and_then(|script| STANDARD.decode(script).ok());
    if let Some(text) = text.and_then(|bytes| String::from_utf8(bytes).ok()) {
        document["script"] = text.into();
    }
}

/// The fields that differ, by pointer.
pub(super) fn fields(kind: &'static Kind, link: Link, before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut differ = Differ { kind, found: Vec::new() };
    differ.compare(&mut String::new(), before, after);
    let judge = Judge { kind, link, root: kind.body.last().copied().unwrap_or_default() };
    let mut found: Vec<FieldChange> =
        differ.found.into_iter().filter_map(|(at, before, after)| judge.judge(at, before, after)).collect();
    found.sort_by(|one, other| one.at.cmp(&other.at));
    found
}

/// Marks that differ. A Git folder may be of either generation.
pub(super) fn marks(one: &Object, other: &Object) -> Vec<FieldChange> {
    if one.meta == other.meta || matches!(one.kind.shape, Shape::Tree(Tree::Repo)) {
        return Vec::new();
    }
    let (one, other) = (one.meta.members(), other.meta.members());
    let value = |side: &Map<String, Value>, mark: &str| side.get(mark).cloned().unwrap_or_default();
    let pairs = MARKS.iter().map(|mark| (*mark, value(&one, mark), value(&other, mark)));
    let differ = pairs.filter(|(_, one, other)| one != other && !(is_nothing(one) && is_nothing(other)));
    differ.map(|(mark, before, after)| FieldChange { at: mark.to_owned(), before, after, expected: None }).collect()
}

struct Differ {
    kind: &'static Kind,
    found: Vec<(String, Value, Value)>,
}

impl Differ {
    fn compare(&mut self, at: &mut String, before: &Value, after: &Value) {
        if before == after || is_nothing(before) && is_nothing(after) {
            return;
        }
        match (before, after) {
            (Value::Object(one), Value::Object(other)) => {
                let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for name in names {
                    let (one, other) = (one.get(name).unwrap_or(&Value::Null), other.get(name).unwrap_or(&Value::Null));
                    self.below(at, name, one, other);
                }
            }
            (Value::Array(one), Value::Array(other)) => self.lists(at, one, other),
            (Value::Null, Value::Array(other)) => self.lists(at, &[], other),
            (Value::Array(one), Value::Null) => self.lists(at, one, &[]),
            _ => self.found.push((at.clone(), before.clone(), after.clone())),
        }
    }

    fn below(&mut self, at: &mut String, name: &str, before: &Value, after: &Value) {
        let length = at.len();
        at.push('/');
        at.push_str(&pointer::escape(name));
        self.compare(at, before, after);
        at.truncate(length);
    }

    fn lists(&mut self, at: &mut String, before: &[Value], after: &[Value]) {
        if let (Some(one), Some(other)) = (by_name(before), by_name(after)) {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                self.below(
                    at,
                    name,
                    one.get(name).copied().unwrap_or(&Value::Null),
                    other.get(name).copied().unwrap_or(&Value::Null),
                );
            }
        } else if self.is_set(at) || before.iter().chain(after).all(|item| name_of(item).is_some()) {
            self.sets(at, before, after);
        } else if before.len() == after.len() && before.iter().chain(after).all(Value::is_object) {
            for (index, (one, other)) in before.iter().zip(after).enumerate() {
                self.below(at, &index.to_string(), one, other);
            }
        } else {
            let whole = |items: &[Value]| if items.is_empty() { Value::Null } else { items.into() };
            self.found.push((at.clone(), whole(before), whole(after)));
        }
    }

    /// Lists of which the table of kinds says that their order means nothing.
    fn is_set(&self, at: &str) -> bool {
        let root = self.kind.body.last().copied().unwrap_or_default();
        self.kind.unordered.iter().any(|(list, _)| leads(&format!("{root}{list}"), at))
    }

    /// What one list has more often than the other.
    fn sets(&mut self, at: &str, before: &[Value], after: &[Value]) {
        let mut counts: BTreeMap<String, (i64, &Value)> = BTreeMap::new();
        for (item, step) in before.iter().map(|item| (item, -1)).chain(after.iter().map(|item| (item, 1))) {
            counts.entry(canonical(item)).or_insert((0, item)).0 += step;
        }
        let some = |wanted: fn(i64) -> bool| {
            let items: Vec<Value> =
                counts.values().filter(|(count, _)| wanted(*count)).map(|(_, item)| (*item).clone()).collect();
            if items.is_empty() { Value::Null } else { items.into() }
        };
        let (lost, gained) = (some(|count| count < 0), some(|count| count > 0));
        if lost != gained {
            self.found.push((at.to_owned(), lost, gained));
        }
    }
}

/// The elements by their names, if each has one of its own.
fn by_name(items: &[Value]) -> Option<BTreeMap<String, &Value>> {
    let named: Option<BTreeMap<String, &Value>> = items.iter().map(|item| Some((name_of(item)?, item))).collect();
    named.filter(|named| named.len() == items.len())
}

fn name_of(item: &Value) -> Option<String> {
    NAMES.iter().find_map(|name| match item.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// JSON with sorted members: equal values have equal texts.
fn canonical(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

/// Whether an exact pointer is one that a path of the table names; texts that hold JSON were read.
fn leads(path: &str, at: &str) -> bool {
    let mut names = at.split('/').skip(1);
    let fits = path
        .split('/')
        .skip(1)
        .filter(|segment| *segment != "#")
        .all(|segment| names.next().is_some_and(|name| pointer::fits(segment, &pointer::unescape(name))));
    fits && names.next().is_none()
}

/// Decides whether a difference is one.
struct Judge {
    kind: &'static Kind,
    link: Link,
    /// Where the body stands in what was compared.
    root: &'static str,
}

impl Judge {
    fn judge(&self, at: String, before: Value, after: Value) -> Option<FieldChange> {
        if self.is_the_servers(&at, &before, &after) || is_unknown(&before) || is_unknown(&after) {
            return None;
        }
        let restored = self.link == Link::Restored;
        let expected = self.expected(&at, &before, &after).filter(|_| restored);
        Some(FieldChange { at, before, after, expected })
    }

    /// What a server fills in, or tells since it is a newer one. In one workspace, who sets a field to what a server might have
    /// filled in has set it.
    fn is_the_servers(&self, at: &str, before: &Value, after: &Value) -> bool {
        let one_sided = is_nothing(before) != is_nothing(after);
        if !one_sided {
            return false;
        }
        // One that has a value was written on both sides.
        let by_server = |(place, default): (String, Option<&str>)| {
            default.is_none() && self.link != Link::Same && leads(&format!("{}{place}", self.root), at)
        };
        let mut defaults = self.kind.server_defaults();
        let elsewhere =
            || self.link != Link::Same && (at == "/settings/edit_mode" || self.kind.name == "repo" && at == "/branch");
        defaults.any(by_server) || self.is_news(at) || elsewhere()
    }

    /// A member at the top that the table does not know, where the table knows any.
    fn is_news(&self, at: &str) -> bool {
        let lists_fields = !matches!(self.kind.shape, Shape::Recorded(_)) && !self.kind.fields.is_empty();
        let known = || {
            self.kind.fields().any(|(field, _)| {
                let field = field.strip_prefix("/spec").filter(|_| self.kind.body.len() > 1).unwrap_or(&field);
                let top = |path: &str| path.split('/').nth(1).map(str::to_owned);
                top(field) == top(at)
            })
        };
        lists_fields && at.matches('/').count() == 1 && !known()
    }

    fn expected(&self, at: &str, before: &Value, after: &Value) -> Option<Expected> {
        if self.is_inert(at, before, after) {
            return Some(Expected::Inert);
        }
        let left_out = |one: &Value, other: &Value| is_nothing(other) && withheld(one);
        let without = |one: &Value, other: &Value| {
            let (Some(one), Some(other)) = (one.as_str(), other.as_str()) else { return false };
            without_login(one).is_some_and(|clean| clean == other)
        };
        let shorter = |one: &Value, other: &Value| match (one.as_array(), other.as_array()) {
            (Some(one), Some(other)) => one.iter().filter_map(given).eq(other.iter().cloned()),
            _ => false,
        };
        let either = |test: &dyn Fn(&Value, &Value) -> bool| test(before, after) || test(after, before);
        if either(&left_out) || either(&without) || either(&shorter) {
            return Some(Expected::Withheld);
        }
        let gone = |one: &Value, other: &Value| is_nothing(other) && one.as_str().is_some_and(is_gone);
        either(&gone).then_some(Expected::Gone)
    }

    /// One of the two is as an import leaves what would start, bill or notify.
    fn is_inert(&self, at: &str, before: &Value, after: &Value) -> bool {
        self.kind.fields().any(|(field, class)| {
            let Class::Activation(inert) = class else { return false };
            let field = field.strip_prefix("/spec").filter(|_| self.kind.body.len() > 1).unwrap_or(&field).to_owned();
            let wanted: Value = serde_json::from_str(inert).unwrap_or_default();
            let is_inert = |value: &Value| *value == wanted || is_nothing(&wanted) && is_nothing(value);
            leads(&field, at) && (is_inert(before) || is_inert(after))
        })
    }
}

/// An element as it is sent: without the login that was blanked in it, and not at all if anything else was.
fn given(item: &Value) -> Option<Value> {
    match item.as_str().filter(|text| text.contains(REDACTED)) {
        Some(text) => without_login(text).map(Value::from),
        None => Some(item.clone()),
    }
}

fn is_unknown(value: &Value) -> bool {
    value.as_str() == Some(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[expect(clippy::needless_pass_by_value, reason = "a value that is written where it is used")]
    fn job(settings: Value) -> Value {
        json!({ "job_id": 1, "created_time": settings.to_string().len(), "settings": settings })
    }

    fn between(kind: &str, link: Link, before: &Value, after: &Value) -> Vec<(String, Value, Value)> {
        let kind = kinds::by_name(kind).expect("known");
        let labels = Labels::default();
        let found = fields(kind, link, &plain(kind, Some(before), &labels), &plain(kind, Some(after), &labels));
        found.into_iter().map(|one| (one.at, one.before, one.after)).collect()
    }

    #[test]
    fn elements_go_by_their_names_and_their_order_means_nothing() {
        let task = |key: &str, retries: u32, after: &[&str]| {
            let after: Vec<Value> = after.iter().map(|key| json!({ "task_key": key })).collect();
            json!({ "task_key": key, "max_retries": retries, "depends_on": after, "spark_python_task": { "python_file": "/a", "parameters": ["x", "y"] } })
        };
        let before = job(json!({ "name": "n", "tasks": [task("a", 1, &[]), task("b", 1, &["a"]), task("c/d", 1, &["a", "b"])] }));
        let same = job(json!({ "tasks": [task("c/d", 1, &["b", "a"]), task("b", 1, &["a"]), task("a", 1, &[])], "name": "n" }));
        assert_eq!(between("job", Link::Same, &before, &same), []);
        let mut changed = same.clone();
        changed["settings"]["tasks"][0]["max_retries"] = json!(2);
        changed["settings"]["tasks"][1]["spark_python_task"]["parameters"] = json!(["y", "x"]);
        let _ = changed["settings"]["tasks"].as_array_mut().expect("a list").pop();
        let found = between("job", Link::Same, &before, &changed);
        let at: Vec<&str> = found.iter().map(|(at, ..)| at.as_str()).collect();
        assert_eq!(
            at,
            ["/settings/tasks/a", "/settings/tasks/b/spark_python_task/parameters", "/settings/tasks/c~1d/max_retries"]
        );
        assert!(found[0].2.is_null() && found[2].1 == 1 && found[2].2 == 2);
    }

    #[test]
    fn what_servers_do_on_their_own_is_no_change() {
        let cluster = |state: &str, more: Value| {
            let mut document = json!({ "cluster_id": "c", "state": state, "spec": { "cluster_name": "n", "num_workers": 2 }, "num_workers": 2, "cluster_cores": state.len() });
            document["spec"].as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
            document
        };
        assert_eq!(
            between(
                "cluster",
                Link::Same,
                &cluster("RUNNING", json!({})),
                &cluster("TERMINATED", json!({ "autotermination_minutes": 0 }))
            ),
            []
        );
        let mode = cluster("RUNNING", json!({ "data_security_mode": "NONE" }));
        assert_eq!(between("cluster", Link::Same, &cluster("RUNNING", json!({})), &mode).len(), 1, "somebody set it");
        assert_eq!(between("cluster", Link::Restored, &cluster("RUNNING", json!({})), &mode), [], "or a server filled it in");
        let mut news = cluster("RUNNING", json!({}));
        news["brand_new"] = json!("x");
        assert_eq!(between("cluster", Link::Same, &cluster("RUNNING", json!({})), &news), []);
        let user = |list: Value| json!({ "userName": "a@b", "id": "1", "entitlements": list, "groups": [{ "value": list.to_string() }] });
        let one = user(json!([{ "value": "x" }, { "value": "y", "type": "direct" }, { "value": "z", "type": "indirect" }]));
        assert_eq!(between("user", Link::Same, &one, &user(json!([{ "value": "y" }, { "value": "x" }]))), []);
        let active = |active: Value| json!({ "userName": "a@b", "id": "1", "active": active });
        let silent = user(json!([]));
        assert_eq!(between("user", Link::Same, &silent, &active(json!(true))), [], "what a server takes where nothing is said");
        assert_eq!(between("user", Link::Same, &silent, &active(json!(false))).len(), 1);
        assert_eq!(between("user", Link::Same, &active(json!(true)), &active(json!(false))).len(), 1);
    }

    #[test]
    fn texts_of_json_and_scripts_are_read() {
        let policy = |text: &str| json!({ "name": "p", "policy_id": "1", "definition": text });
        let before = policy("{\"a\": {\"type\": \"fixed\", \"value\": 1}, \"b\": {\"type\": \"unlimited\"}}");
        assert_eq!(
            between(
                "cluster_policy",
                Link::Same,
                &before,
                &policy("{\"b\":{\"type\":\"unlimited\"},\"a\":{\"value\":1,\"type\":\"fixed\"}}")
            ),
            []
        );
        let found = between("cluster_policy", Link::Same, &before, &policy("{\"a\": {\"type\": \"fixed\", \"value\": 2}}"));
        assert_eq!(found.iter().map(|(at, ..)| at.as_str()).collect::<Vec<_>>(), ["/definition/a/value", "/definition/b"]);
        let script =
            |text: &str| json!({ "name": "s", "script_id": "1", "script": STANDARD.encode(text), "updated_at": text.len() });
        assert_eq!(between("global_init_script", Link::Same, &script("a\n"), &script("b\n"))[0].1, "a\n");
    }

    #[test]
    fn an_import_makes_inert_and_withholds() {
        let settings = |status: &str, parameters: Value| {
            job(
                json!({ "name": "n", "schedule": { "quartz_cron_expression": "0", "pause_status": status }, "tasks": [{ "task_key": "a", "spark_python_task": { "parameters": parameters } }] }),
            )
        };
        let kind = kinds::by_name("job").expect("known");
        let (before, after) =
            (settings("UNPAUSED", json!(["x", "--token=[redacted by lifeboat]"])), settings("PAUSED", json!(["x"])));
        let labels = Labels::default();
        let (before, after) = (plain(kind, Some(&before), &labels), plain(kind, Some(&after), &labels));
        let expected = |link| fields(kind, link, &before, &after).into_iter().map(|one| one.expected).collect::<Vec<_>>();
        assert_eq!(expected(Link::Restored), [Some(Expected::Inert), Some(Expected::Withheld)]);
        assert_eq!(expected(Link::Same), [None, None]);
    }
}

//! Two workspaces, object by object: is the one what the other was, but for ids, inertness and the stamp?
//!
//! This is the check of a restore, so it shares nothing with the code that plans and restores: it takes whole documents as
//! the two workspaces gave them, and only the table of kinds says what the server sets by itself. Ids on both sides are
//! replaced by what stays the same (a name, a path, the stamp), so that references compare by what they mean.

use crate::kinds::{self, By, Class, Kind, Shape, Tree, Write};
use crate::object::{Body, Object, REDACTED, STAMP, fold};
use crate::pointer;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The account of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Objects of the source.
    pub objects: u64,
    /// Of these, equal in the target.
    pub equal: u64,
    /// Different in the target.
    pub different: u64,
    /// Not in the target.
    pub absent: u64,
    /// Not to be expected in the target: recorded only, or left to a person.
    pub by_hand: u64,
}

/// One difference that nothing explains.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Name of the kind.
    pub kind: &'static str,
    /// Natural key or path.
    pub object: String,
    /// Pointer; empty for the object as a whole.
    pub at: String,
    /// What the source has.
    pub source: Value,
    /// What the target has.
    pub target: Value,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// By kind.
    pub accounts: BTreeMap<&'static str, Account>,
    /// All differences.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Whether all that can be restored is equal.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Compares every object of the source with its image in the target. `restorer` is who made the images: what a workspace
/// gives the maker of an object by itself is no difference.
pub fn compare(source: &[Object], target: &[Object], source_workspace: &str, restorer: &str) -> Comparison {
    let (here, there) = (Names::of(source, source_workspace), Names::of(target, source_workspace));
    let images: HashMap<&str, &Object> = target.iter().filter_map(|object| Some((there.name(object)?, object))).collect();
    let mut comparison = Comparison::default();
    for object in source {
        let image = here.name(object).and_then(|name| images.get(name)).copied();
        let differences = image.map(|image| differences(object, image, &here, &there, restorer));
        comparison.count(object, differences, &here);
    }
    comparison
}

impl Comparison {
    fn count(&mut self, object: &Object, differences: Option<Vec<Difference>>, here: &Names) {
        let account = self.accounts.entry(object.kind.name).or_default();
        account.objects += 1;
        match differences {
            _ if !expected(object) => account.by_hand += 1,
            None if here.is_hopeless(object) || asks_for_nothing(object) => account.by_hand += 1,
            None => {
                account.absent += 1;
                let (kind, object) = (object.kind.name, object.key.clone());
                self.differences.push(Difference {
                    kind,
                    object,
                    at: String::new(),
                    source: "present".into(),
                    target: "absent".into(),
                });
            }
            Some(found) if found.is_empty() => account.equal += 1,
            Some(found) => {
                account.different += 1;
                self.differences.extend(found);
            }
        }
    }
}

/// Whether a restore is to bring the object back.
fn expected(object: &Object) -> bool {
    match &object.kind.shape {
        Shape::Recorded(_) | Shape::Tree(Tree::Other) => false,
        Shape::Attached(attached) => !matches!(attached.write, Write::Never { .. }),
        Shape::Collection(_) | Shape::Tree(_) => true,
    }
}

/// A cluster may have had libraries that are all on their way out: then there is nothing to bring back.
fn asks_for_nothing(object: &Object) -> bool {
    let libraries = object.document().filter(|_| object.kind.name == "cluster_libraries").map(wanted_libraries);
    libraries.is_some_and(|libraries| is_nothing(&libraries))
}

/// The libraries that a cluster is to have, without how each of them fares.
fn wanted_libraries(document: &Value) -> Value {
    let statuses = document.get("library_statuses").and_then(Value::as_array).into_iter().flatten();
    let stays = |status: &&Value| status["status"] != "UNINSTALL_ON_RESTART" && status["is_library_for_all_clusters"] != true;
    statuses.filter(stays).map(|status| status["library"].clone()).collect()
}

/// What objects of one workspace are called, whatever their ids.
struct Names {
    /// Kind and id to name.
    by_id: HashMap<(&'static str, String), String>,
    /// Objects that refer to what is not even in their own workspace: no workspace need accept them.
    hopeless: HashSet<(&'static str, String)>,
}

impl Names {
    fn of(objects: &[Object], source_workspace: &str) -> Self {
        let mut by_id = HashMap::new();
        for object in objects.iter().filter(|object| !matches!(object.kind.shape, Shape::Attached(_))) {
            by_id.insert((object.kind.name, object.id.clone()), own_name(object, source_workspace));
        }
        let attached: Vec<_> = objects.iter().filter_map(|object| Some((object, attached_name(object, &by_id)?))).collect();
        by_id.extend(attached.into_iter().map(|(object, name)| ((object.kind.name, object.id.clone()), name)));
        let mut names = Self { by_id, hopeless: HashSet::new() };
        let hopeless = objects.iter().filter(|object| names.refers_to_nothing(object));
        names.hopeless = hopeless.map(|object| (object.kind.name, object.id.clone())).collect();
        names
    }

    /// Whether the object, or what it hangs on, refers to something that was gone at the source already.
    fn is_hopeless(&self, object: &Object) -> bool {
        let parent =
            object.meta.get("parent").and_then(|parent| Some((parent.get("kind")?.as_str()?, parent.get("id")?.as_str()?)));
        let (kind, id) = parent.unwrap_or((object.kind.name, &object.id));
        kinds::by_name(kind).is_some_and(|kind| self.hopeless.contains(&(kind.name, id.to_owned())))
    }

    fn refers_to_nothing(&self, object: &Object) -> bool {
        let Some(document) = object.document() else { return false };
        let dead = |reference: &kinds::Ref, value: &Value| text(value).is_some_and(|id| self.of_any(reference.to, &id).is_none());
        let by_id = object.kind.references().filter(|(_, reference)| reference.by == By::Id);
        by_id.into_iter().any(|(at, reference)| pointer::find(document, &at).iter().any(|(_, value)| dead(reference, value)))
    }

    fn of_any(&self, to: &[&'static str], id: &str) -> Option<&str> {
        to.iter().find_map(|kind| self.get(kind, id))
    }

    fn name(&self, object: &Object) -> Option<&str> {
        self.get(object.kind.name, &object.id)
    }

    fn get(&self, kind: &'static str, id: &str) -> Option<&str> {
        self.by_id.get(&(kind, id.to_owned())).map(String::as_str)
    }
}

/// Kinds without unique names go by their id at the source, which the stamp holds in the target.
fn own_name(object: &Object, source_workspace: &str) -> String {
    let (kind, key) = (object.kind.name, home_folded(&fold(object.kind, &object.key)));
    if object.kind.key.unique || object.kind.stamp.is_none() {
        return format!("{kind}:{key}");
    }
    let stamp = object.stamp().and_then(|stamp| stamp.strip_prefix(source_workspace)?.strip_prefix('/'));
    format!("{kind}#{}", stamp.unwrap_or(&object.id))
}

/// A home is called as its user is, and user names compare without case.
fn home_folded(path: &str) -> String {
    let Some(rest) = path.strip_prefix("/Users/") else { return path.to_owned() };
    let (owner, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("/Users/{}{below}", owner.to_lowercase())
}

fn attached_name(object: &Object, by_id: &HashMap<(&'static str, String), String>) -> Option<String> {
    let parent = object.meta.get("parent").filter(|_| matches!(object.kind.shape, Shape::Attached(_)))?;
    let kind = kinds::by_name(parent.get("kind")?.as_str()?)?;
    let id = parent.get("id")?.as_str()?;
    let rest = object.id.strip_prefix(id).unwrap_or_default();
    Some(format!("{} of {}{rest}", object.kind.name, by_id.get(&(kind.name, id.to_owned()))?))
}

fn differences(object: &Object, image: &Object, here: &Names, there: &Names, restorer: &str) -> Vec<Difference> {
    let make = |at: String, source: Value, target: Value| Difference {
        kind: object.kind.name,
        object: object.key.clone(),
        at,
        source,
        target,
    };
    match (&object.body, &image.body) {
        (Body::Json(source), Body::Json(target)) => {
            let source = meaning(object.kind, source, here);
            let mut target = meaning(object.kind, target, there);
            forget_restorer(&source, &mut target, restorer);
            forget_default_branch(object.kind, &source, &mut target);
            forget_news(object.kind, &source, &mut target);
            forget_defaults(object.kind, &source, &mut target);
            let mut found = inertness(object.kind, &source, &mut target);
            differ(&source, &target, &mut String::new(), &mut found);
            found.extend(marks(object, image));
            found.into_iter().map(|(at, source, target)| make(at, source, target)).collect()
        }
        (source, target) if source.digest() == target.digest() => {
            marks(object, image).into_iter().map(|(at, source, target)| make(at, source, target)).collect()
        }
        (source, target) => vec![make("bytes".into(), size(source), size(target))],
    }
}

fn size(body: &Body) -> Value {
    body.digest().map_or(Value::Null, |(len, _)| Value::from(format!("{len} bytes")))
}

type Found = (String, Value, Value);

/// What is known beside the body and must come back: pins, types, languages.
///
/// A Git folder may come back as one of the other generation, since the API makes only one.
fn marks(object: &Object, image: &Object) -> Vec<Found> {
    let kept: &[&str] = if object.kind.name == "repo" { &[] } else { &["pinned", "object_type", "language", "format"] };
    let different = |name: &&&str| object.meta.get(**name) != image.meta.get(**name);
    let value = |meta: &Map<String, Value>, name: &str| meta.get(name).cloned().unwrap_or_default();
    kept.iter().filter(different).map(|name| ((*name).to_owned(), value(&object.meta, name), value(&image.meta, name))).collect()
}

/// A document without what the server sets, with names instead of ids, in an order that means nothing.
fn meaning(kind: &'static Kind, document: &Value, names: &Names) -> Value {
    let mut document = document.clone();
    say_run_as(&mut document);
    forget_deployment(&mut document);
    keep_overrides_only(kind, &mut document);
    if kind.name == "cluster_libraries" {
        document = serde_json::json!({ "libraries": wanted_libraries(&document) });
    }
    for (at, class) in kind.fields().filter(|(_, class)| matches!(class, Class::ServerSet | Class::Volatile | Class::WriteOnly)) {
        debug_assert!(class != Class::Secret);
        pointer::remove(&mut document, &at);
    }
    for (at, reference) in kind.references().filter(|(_, reference)| reference.by != By::Secrets) {
        pointer::edit(&mut document, &at, &mut |_, value| rename(value, reference.to, reference.by, names));
    }
    if matches!(kind.shape, Shape::Tree(_)) {
        pointer::edit(&mut document, "/path", &mut |_, value| rename(value, &[], By::Path, names));
    }
    if kind.key.fold {
        pointer::edit(&mut document, kind.key.at, &mut |_, value| rename(value, &[], By::Key, names));
    }
    forget_stamp(kind, &mut document);
    forget_origins(&mut document);
    parse_texts(&mut document);
    sort(&mut document);
    document
}

fn rename(value: &mut Value, to: &[&'static str], by: By, names: &Names) -> bool {
    let Some(text) = text(value) else { return false };
    *value = Value::from(match by {
        By::Id => names.of_any(to, &text).map_or_else(|| format!("{GONE}{text}"), str::to_owned),
        By::Path => home_folded(text.strip_prefix("/Workspace").unwrap_or(&text)),
        By::Key | By::Secrets => text.to_lowercase(),
    });
    true
}

/// A job without `run_as` runs as the user that `run_as_user_name` tells: the restored one says so itself.
fn say_run_as(document: &mut Value) {
    let Some(name) = document.get("run_as_user_name").and_then(Value::as_str).map(str::to_owned) else { return };
    let principal = if name.contains('@') { "user_name" } else { "service_principal_name" };
    if let Some(settings) = document.get_mut("settings").and_then(Value::as_object_mut) {
        settings.entry("run_as").or_insert_with(|| serde_json::json!({ principal: name }));
    }
}

/// A job that an asset bundle deployed is locked against edits; without the deployment the restored one must not be.
fn forget_deployment(document: &mut Value) {
    if document.pointer("/settings/deployment").is_some() {
        pointer::remove(document, "/settings/edit_mode");
    }
}

/// Stands before an id that leads to nothing in its own workspace.
const GONE: &str = "(gone) ";

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Of a policy that every workspace has, only the overrides are the customer's.
fn keep_overrides_only(kind: &Kind, document: &mut Value) {
    if kind.name == "cluster_policy" && document.get("is_default") == Some(&Value::Bool(true)) {
        let kept = ["name", "policy_family_definition_overrides"];
        document.as_object_mut().into_iter().for_each(|members| members.retain(|name, _| kept.contains(&name.as_str())));
    }
}

/// A Git folder at a tag or commit names no branch; the API cannot make such a one, so the image is at the default branch.
fn forget_default_branch(kind: &Kind, source: &Value, target: &mut Value) {
    if kind.name == "repo" && source.get("branch").is_none_or(is_nothing) {
        pointer::remove(target, "/branch");
    }
}

/// Members that nobody documented and that only the newer document has are the server's.
fn forget_news(kind: &Kind, source: &Value, target: &mut Value) {
    let known: HashSet<String> = kind.fields().map(|(at, _)| at).collect();
    if let Some(members) = target.as_object_mut() {
        members.retain(|name, _| source.get(name).is_some() || known.contains(&format!("/{}", pointer::escape(name))));
    }
    if source.pointer("/settings").is_some() && source.pointer("/settings/edit_mode").is_none() {
        pointer::remove(target, "/settings/edit_mode");
    }
}

/// What a server fills in where nothing was said.
fn forget_defaults(kind: &Kind, source: &Value, target: &mut Value) {
    let root = kind.body.iter().find(|root| target.pointer(root).is_some()).copied().unwrap_or_default();
    for (at, default) in kind.server_defaults() {
        let filled_in =
            |value: &Value| default.is_none_or(|text| serde_json::from_str::<Value>(text).is_ok_and(|default| default == *value));
        for (place, value) in pointer::find(target, &format!("{root}{at}")) {
            if source.pointer(&place).is_none() && filled_in(&value) {
                pointer::remove(target, &place);
            }
        }
    }
}

/// A workspace lets whoever makes an object manage or own it.
fn forget_restorer(source: &Value, target: &mut Value, restorer: &str) {
    for list in ["access_control_list", "items"] {
        let named =
            |entry: &Value| ["user_name", "service_principal_name", "principal"].iter().any(|name| entry[*name] == restorer);
        let had = source.get(list).and_then(Value::as_array).is_some_and(|entries| entries.iter().any(named));
        if let Some(entries) = target.get_mut(list).and_then(Value::as_array_mut).filter(|_| !had) {
            entries.retain(|entry| !named(entry));
        }
    }
    let run_as = |document: &Value| document.pointer("/settings/run_as").cloned();
    let is_restorer = |run_as: &Value| run_as["user_name"] == restorer || run_as["service_principal_name"] == restorer;
    if run_as(source).is_none() && run_as(target).is_some_and(|run_as| is_restorer(&run_as)) {
        pointer::remove(target, "/settings/run_as");
    }
}

fn forget_stamp(kind: &Kind, document: &mut Value) {
    let Some(tags) = kind.stamp else { return };
    for root in kind.body.iter().chain(&[""]) {
        pointer::remove(document, &format!("{root}{tags}/{STAMP}"));
        if document.pointer(&format!("{root}{tags}")).and_then(Value::as_object).is_some_and(Map::is_empty) {
            pointer::remove(document, &format!("{root}{tags}"));
        }
    }
}

/// Where an inherited permission comes from is told by id; that it is inherited is told as well, and stays.
fn forget_origins(document: &mut Value) {
    pointer::remove(document, "/access_control_list/*/all_permissions/*/inherited_from_object");
    pointer::edit(document, "/access_control_list/*/all_permissions", &mut |_, all| {
        let Some(entries) = all.as_array_mut() else { return false };
        entries.sort_by_cached_key(Value::to_string);
        entries.dedup();
        true
    });
}

/// JSON inside a string compares as JSON.
fn parse_texts(document: &mut Value) {
    for name in ["definition", "policy_family_definition_overrides"] {
        let Some(text) = document.get(name).and_then(Value::as_str) else { continue };
        if let Ok(inner) = serde_json::from_str::<Value>(text) {
            document[name] = inner;
        }
    }
}

/// Lists of objects in the order of their text: servers keep their own order. Scripts, steps and parameters keep theirs.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            if items.iter().all(is_keyed) {
                items.sort_by_cached_key(Value::to_string);
            }
        }
        Value::Object(members) => {
            members.values_mut().for_each(sort);
            members.sort_keys();
        }
        _ => {}
    }
}

/// Entries that name themselves; a list of those is a set.
fn is_keyed(item: &Value) -> bool {
    let keys = [
        "task_key",
        "job_cluster_key",
        "environment_key",
        "user_name",
        "group_name",
        "service_principal_name",
        "principal",
        "value",
        "permission_level",
    ];
    keys.iter().any(|key| item.get(*key).is_some())
}

/// What starts, bills or notifies must be inert in the target; then it no longer counts as a difference.
fn inertness(kind: &'static Kind, source: &Value, target: &mut Value) -> Vec<Found> {
    let mut wrong = Vec::new();
    for (at, class) in kind.fields() {
        let Class::Activation(inert) = class else { continue };
        let wanted: Value = serde_json::from_str(inert).unwrap_or_default();
        for (place, value) in pointer::find(target, &at) {
            let before = source.pointer(&place).cloned();
            if value != wanted {
                wrong.push((place.clone(), wanted.clone(), value));
            }
            match before {
                Some(before) => drop(pointer::set(target, &place, &before)),
                None => drop(pointer::remove(target, &place)),
            }
        }
        restore_removed(source, target, &at, &wanted);
    }
    wrong
}

/// A field that is left out to be inert, or that a server leaves out at its inert value, is as good as inert.
fn restore_removed(source: &Value, target: &mut Value, at: &str, wanted: &Value) {
    for (place, value) in pointer::find(source, at) {
        let may_be_absent = wanted.is_null() || wanted == 0 || wanted == false;
        if may_be_absent && target.pointer(&place).is_none() {
            pointer::set(target, &place, &value);
        }
    }
}

fn differ(source: &Value, target: &Value, at: &mut String, found: &mut Vec<Found>) {
    match (source, target) {
        (Value::Object(source), Value::Object(target)) => {
            let names = source.keys().chain(target.keys().filter(|name| !source.contains_key(*name)));
            for name in names {
                let (one, other) = (source.get(name).unwrap_or(&Value::Null), target.get(name).unwrap_or(&Value::Null));
                below(at, name, |at| differ(one, other, at, found));
            }
        }
        (Value::Array(source), Value::Array(target)) if source.len() == target.len() => {
            for (index, (one, other)) in source.iter().zip(target).enumerate() {
                below(at, &index.to_string(), |at| differ(one, other, at, found));
            }
        }
        (source, target) if source == target || is_nothing(source) && is_nothing(target) => {}
        (source, target) if (withheld(source) || is_gone(source)) && is_nothing(target) => {}
        (source, target) => found.push((at.clone(), source.clone(), target.clone())),
    }
}

fn below(at: &mut String, name: &str, then: impl FnOnce(&mut String)) {
    let length = at.len();
    at.push('/');
    at.push_str(&pointer::escape(name));
    then(at);
    at.truncate(length);
}

/// A reference that led to nothing at the source may be left out.
fn is_gone(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(GONE))
}

/// Absent, null, empty and zero are one: answers leave out what is zero (core reference §0.5).
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Bool(true) => false,
    }
}

/// A value, or an object that is only of use with a value, that was blanked at export: a person sets it anew.
fn withheld(value: &Value) -> bool {
    match value {
        Value::String(text) => text == REDACTED,
        Value::Object(members) => members.values().any(withheld),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, id: &str, document: Value) -> Object {
        let kind = kinds::by_name(kind).expect("known");
        let key = document.pointer(kind.key.at).and_then(Value::as_str).unwrap_or(id).to_owned();
        Object {
            kind,
            id: id.into(),
            key,
            body: Body::Json(document),
            meta: Map::new(),
            modified_at: None,
            degraded: None,
            redacted: vec![],
        }
    }

    fn cluster(id: &str, name: &str, stamp: Option<&str>) -> Object {
        let tags = stamp.map_or(json!({}), |stamp| json!({ STAMP: stamp }));
        object(
            "cluster",
            id,
            json!({"cluster_id": id, "spec": {"cluster_name": name, "custom_tags": tags}, "cluster_name": name, "state": "RUNNING"}),
        )
    }

    fn job(id: &str, cluster: &str, schedule: &str, stamp: Option<&str>) -> Object {
        let tags = stamp.map_or(json!({}), |stamp| json!({ STAMP: stamp }));
        let settings = json!({"name": "nightly", "tags": tags, "schedule": {"quartz_cron_expression": "0 0 2 * * ?", "pause_status": schedule}, "tasks": [{"task_key": "a", "existing_cluster_id": cluster}]});
        object("job", id, json!({"job_id": id, "settings": settings}))
    }

    #[test]
    fn references_compare_by_what_they_mean() {
        let source = [cluster("c1", "etl", None), cluster("c2", "etl", None), job("1", "c2", "UNPAUSED", None)];
        let image = |cluster_of_job| {
            [
                cluster("x1", "etl", Some("ws/c1")),
                cluster("x2", "etl", Some("ws/c2")),
                job("9", cluster_of_job, "PAUSED", Some("ws/1")),
            ]
        };
        let right = compare(&source, &image("x2"), "ws", "me");
        assert!(right.is_equal(), "{:?}", right.differences);
        let wrong = compare(&source, &image("x1"), "ws", "me");
        assert_eq!(wrong.differences.len(), 1);
        assert_eq!(wrong.differences[0].at, "/settings/tasks/0/existing_cluster_id");
    }

    #[test]
    fn a_job_that_would_start_is_a_difference() {
        let source = [job("1", "dead", "UNPAUSED", None)];
        let live = compare(&source, &[job("9", "dead", "UNPAUSED", Some("ws/1"))], "ws", "me");
        assert_eq!(live.differences[0].at, "/settings/schedule/pause_status");
    }

    #[test]
    fn what_did_not_come_is_a_difference() {
        let lost = compare(&[cluster("c1", "etl", None)], &[], "ws", "me");
        assert_eq!((lost.accounts["cluster"].absent, lost.is_equal()), (1, false));
    }

    #[test]
    fn pins_must_come_back() {
        let mut source = cluster("c1", "etl", None);
        source.meta.insert("pinned".into(), json!(true));
        let lost = compare(&[source], &[cluster("x1", "etl", Some("ws/c1"))], "ws", "me");
        assert_eq!(lost.differences[0].at, "pinned");
    }
}

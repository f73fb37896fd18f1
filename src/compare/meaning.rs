//! A document without what the server sets, with names instead of ids, in an order that means nothing.

use crate::kinds::{By, Class, Kind, Shape};
use crate::object::{REDACTED, STAMP};
use crate::pointer;
use serde_json::{Map, Value};

/// What stands for an id or a name, so that documents of two workspaces, or of two nights, compare.
pub(crate) trait Naming {
    /// What is called so whatever its id; nothing where the id leads nowhere.
    fn by_id(&self, to: &[&'static str], id: &str) -> Option<String>;

    /// What a natural key is as it compares.
    fn by_key(&self, to: &[&'static str], key: &str) -> String {
        let _ = to;
        key.to_lowercase()
    }
}

/// The libraries that a cluster is to have, without how each of them fares.
pub(super) fn wanted_libraries(document: &Value) -> Value {
    let statuses = document.get("library_statuses").and_then(Value::as_array).into_iter().flatten();
    let stays = |status: &&Value| status["status"] != "UNINSTALL_ON_RESTART" && status["is_library_for_all_clusters"] != true;
    statuses.filter(stays).map(|status| status["library"].clone()).collect()
}

/// A document without what the server sets, with names instead of ids, in an order that means nothing.
pub(crate) fn meaning(kind: &'static Kind, document: &Value, names: &dyn Naming) -> Value {
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
    for (at, reference) in kind.references().filter(|(_, reference)| !matches!(reference.by, By::Elsewhere(_))) {
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

pub(super) fn rename(value: &mut Value, to: &[&'static str], by: By, names: &dyn Naming) -> bool {
    let Some(text) = text(value) else { return false };
    *value = Value::from(match by {
        By::Id => names.by_id(to, &text).unwrap_or_else(|| format!("{GONE}{text}")),
        By::Path => home_folded(text.strip_prefix("/Workspace").unwrap_or(&text)),
        By::Key => names.by_key(to, &text),
        By::Elsewhere(_) => text.to_lowercase(),
    });
    true
}

/// A job without `run_as` runs as the user that `run_as_user_name` tells: the restored one says so itself.
pub(super) fn say_run_as(document: &mut Value) {
    let Some(name) = document.get("run_as_user_name").and_then(Value::as_str).map(str::to_owned) else { return };
    let principal = if name.contains('@') { "user_name" } else { "service_principal_name" };
    if let Some(settings) = document.get_mut("settings").and_then(Value::as_object_mut) {
        settings.entry("run_as").or_insert_with(|| serde_json::json!({ principal: name }));
    }
}

/// A job that an asset bundle deployed is locked against edits; without the deployment the restored one must not be.
pub(super) fn forget_deployment(document: &mut Value) {
    if document.pointer("/settings/deployment").is_some() {
        pointer::remove(document, "/settings/edit_mode");
    }
}

/// Stands before an id that leads to nothing in its own workspace.
pub(crate) const GONE: &str = "(gone) ";

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Of a policy that every workspace has, only the overrides are the customer's.
pub(super) fn keep_overrides_only(kind: &Kind, document: &mut Value) {
    if kind.name == "cluster_policy" && document.get("is_default") == Some(&Value::Bool(true)) {
        let kept = ["name", "policy_family_definition_overrides"];
        document.as_object_mut().into_iter().for_each(|members| members.retain(|name, _| kept.contains(&name.as_str())));
    }
}

pub(super) fn forget_stamp(kind: &Kind, document: &mut Value) {
    let Some(tags) = kind.stamp else { return };
    for root in kind.body.iter().chain(&[""]) {
        pointer::remove(document, &format!("{root}{tags}/{STAMP}"));
        if document.pointer(&format!("{root}{tags}")).and_then(Value::as_object).is_some_and(Map::is_empty) {
            pointer::remove(document, &format!("{root}{tags}"));
        }
    }
}

/// Where an inherited permission comes from is told by id; that it is inherited is told as well, and stays.
pub(super) fn forget_origins(document: &mut Value) {
    pointer::remove(document, "/access_control_list/*/all_permissions/*/inherited_from_object");
    pointer::edit(document, "/access_control_list/*/all_permissions", &mut |_, all| {
        let Some(entries) = all.as_array_mut() else { return false };
        entries.sort_by_cached_key(Value::to_string);
        entries.dedup();
        true
    });
}

/// JSON inside a string compares as JSON.
pub(super) fn parse_texts(document: &mut Value) {
    for name in ["definition", "policy_family_definition_overrides"] {
        let Some(text) = document.get(name).and_then(Value::as_str) else { continue };
        if let Ok(inner) = serde_json::from_str::<Value>(text) {
            document[name] = inner;
        }
    }
}

/// Lists of objects in the order of their text: servers keep their own order. Scripts, steps and parameters keep theirs.
pub(super) fn sort(value: &mut Value) {
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
pub(super) fn is_keyed(item: &Value) -> bool {
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

/// A home is called as its user is, and user names compare without case.
pub(crate) fn home_folded(path: &str) -> String {
    let Some(rest) = path.strip_prefix("/Users/") else { return path.to_owned() };
    let (owner, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("/Users/{}{below}", owner.to_lowercase())
}

/// Absent, null, empty and zero are one: answers leave out what is zero (core reference §0.5).
pub(crate) fn is_nothing(value: &Value) -> bool {
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
pub(crate) fn withheld(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().any(blanked),
        value => blanked(value),
    }
}

/// A text, or a list with a text, of which something was blanked.
fn blanked(value: &Value) -> bool {
    let text = |value: &Value| value.as_str().is_some_and(|text| text.contains(REDACTED));
    text(value) || value.as_array().is_some_and(|items| items.iter().any(text))
}

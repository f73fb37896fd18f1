//! A document without what the server sets, with names instead of ids, in an order that means nothing.

use super::names::{Names, home_folded};
use crate::kinds::{By, Class, Kind, Shape};
use crate::object::STAMP;
use crate::pointer;
use serde_json::{Map, Value};

/// The libraries that a cluster is to have, without how each of them fares.
pub(super) fn wanted_libraries(document: &Value) -> Value {
    let statuses = document.get("library_statuses").and_then(Value::as_array).into_iter().flatten();
    let stays = |status: &&Value| status["status"] != "UNINSTALL_ON_RESTART" && status["is_library_for_all_clusters"] != true;
    statuses.filter(stays).map(|status| status["library"].clone()).collect()
}

/// A document without what the server sets, with names instead of ids, in an order that means nothing.
pub(super) fn meaning(kind: &'static Kind, document: &Value, names: &Names) -> Value {
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

pub(super) fn rename(value: &mut Value, to: &[&'static str], by: By, names: &Names) -> bool {
    let Some(text) = text(value) else { return false };
    *value = Value::from(match by {
        By::Id => names.of_any(to, &text).map_or_else(|| format!("{GONE}{text}"), str::to_owned),
        By::Path => home_folded(text.strip_prefix("/Workspace").unwrap_or(&text)),
        By::Key | By::Elsewhere(_) => text.to_lowercase(),
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
pub(super) const GONE: &str = "(gone) ";

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

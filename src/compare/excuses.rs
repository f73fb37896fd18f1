//! Differences that a restore is meant to make, or cannot help: each with its reason.

use super::Found;
use super::meaning::is_nothing;
use crate::kinds::{Class, Kind};
use crate::pointer;
use serde_json::Value;
use std::collections::HashSet;

/// A Git folder at a tag or commit names no branch; the API cannot make such a one, so the image is at the default branch.
pub(super) fn forget_default_branch(kind: &Kind, source: &Value, target: &mut Value) {
    if kind.name == "repo" && source.get("branch").is_none_or(is_nothing) {
        pointer::remove(target, "/branch");
    }
}

/// Members that nobody documented and that only the newer document has are the server's.
pub(super) fn forget_news(kind: &Kind, source: &Value, target: &mut Value) {
    let known: HashSet<String> = kind.fields().map(|(at, _)| at).collect();
    if let Some(members) = target.as_object_mut() {
        members.retain(|name, _| source.get(name).is_some() || known.contains(&format!("/{}", pointer::escape(name))));
    }
    if source.pointer("/settings").is_some() && source.pointer("/settings/edit_mode").is_none() {
        pointer::remove(target, "/settings/edit_mode");
    }
}

/// What a server fills in where nothing was said.
pub(super) fn forget_defaults(kind: &Kind, source: &Value, target: &mut Value) {
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
pub(super) fn forget_restorer(source: &Value, target: &mut Value, restorer: &str) {
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

/// What starts, bills or notifies must be inert in the target; then it no longer counts as a difference.
pub(super) fn inertness(kind: &'static Kind, source: &Value, target: &mut Value) -> Vec<Found> {
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
pub(super) fn restore_removed(source: &Value, target: &mut Value, at: &str, wanted: &Value) {
    for (place, value) in pointer::find(source, at) {
        let may_be_absent = wanted.is_null() || wanted == 0 || wanted == false;
        if may_be_absent && target.pointer(&place).is_none() {
            pointer::set(target, &place, &value);
        }
    }
}

//! What a rule does to the body of an object.

use super::format::{Clamp, Rename, Rule};
use super::project::{name_at, remove_exactly};
use super::words::Place;
use crate::kinds::Kind;
use crate::pointer;
use serde_json::{Map, Value};

/// Does all that a rule says about fields, in the order of the format. Errors: a patch that does not fit.
pub(super) fn run(rule: &Rule, kind: &'static Kind, built_in: bool, body: &mut Value) -> Result<(), String> {
    if !rule.keep.is_empty() {
        keep(&rule.keep, kind, body);
    }
    let gone = rule.drop.iter().flat_map(|place| places(place, body)).collect();
    remove_exactly(body, gone);
    if rule.drop_urls {
        drop_outward(body);
    }
    rule.set.0.iter().for_each(|(place, value)| set(place, value, kind, body));
    if let Some(merged) = &rule.merge {
        json_patch::merge(body, &Value::Object(merged.clone()));
    }
    patch(rule, body)?;
    rule.clamp.0.iter().for_each(|(place, range)| clamp(place, *range, body));
    // What every workspace has is found by its name.
    if let Some(new) = rule.rename.as_ref().filter(|_| !built_in) {
        rename(new, kind, body);
    }
    Ok(())
}

/// The exact pointers of what is there at a place.
fn places(place: &Place, body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match place {
        Place::Pointer(at) => pointer::each(body, at, &mut |at, _| found.push(at.to_owned())),
        Place::Query(query) => {
            found.extend(query.0.query_located(body).locations().map(serde_json_path::NormalizedPath::to_json_pointer));
        }
    }
    found
}

/// The root itself is never a place: an object that is nothing cannot be restored.
fn set(place: &Place, value: &Value, kind: &Kind, body: &mut Value) {
    match place {
        Place::Pointer(at) if !at.rsplit('/').next().unwrap_or_default().contains('*') => put(at, value, kind, body),
        place => {
            for at in places(place, body) {
                pointer::set(body, &at, value);
            }
        }
    }
}

/// Also where the member is not there yet, if what holds it is. Tags are begun where there are none.
fn put(at: &str, value: &Value, kind: &Kind, body: &mut Value) {
    let Some((parent, name)) = at.rsplit_once('/') else { return };
    if let Some(members) = body.as_object_mut().filter(|_| kind.stamp == Some(parent)) {
        members.entry(&parent[1..]).or_insert_with(|| Value::Object(Map::new()));
    }
    let name = name.replace("~1", "/").replace("~0", "~");
    pointer::edit(body, parent, &mut |_, holder| match holder {
        Value::Object(members) => members.insert(name.clone(), value.clone()).as_ref() != Some(value),
        Value::Array(items) => {
            let item = name.parse::<usize>().ok().and_then(|index| items.get_mut(index));
            item.map(|item| *item = value.clone()).is_some()
        }
        _ => false,
    });
}

fn patch(rule: &Rule, body: &mut Value) -> Result<(), String> {
    if rule.patch.is_empty() {
        return Ok(());
    }
    let operations = serde_json::to_value(&rule.patch).and_then(serde_json::from_value::<json_patch::Patch>);
    let operations = operations.map_err(|error| format!("cannot read the patch: {error}"))?;
    json_patch::patch(body, &operations).map_err(|error| format!("the patch does not fit: {error}"))
}

fn clamp(place: &Place, range: Clamp, body: &mut Value) {
    for at in places(place, body) {
        pointer::edit(body, &at, &mut |_, value| {
            let Some(number) = value.as_f64() else { return false };
            let bound = match (range.min, range.max) {
                #[expect(clippy::cast_precision_loss, reason = "bounds are written by people")]
                (Some(min), _) if number < min as f64 => min,
                #[expect(clippy::cast_precision_loss, reason = "bounds are written by people")]
                (_, Some(max)) if number > max as f64 => max,
                _ => return false,
            };
            *value = Value::from(bound);
            true
        });
    }
}

fn rename(new: &Rename, kind: &'static Kind, body: &mut Value) {
    let Some(at) = name_at(kind).filter(|_| super::check::can_be_renamed(kind)) else { return };
    pointer::edit(body, &at, &mut |_, value| {
        let Some(name) = value.as_str().and_then(|old| renamed(new, old)) else { return false };
        *value = Value::from(name);
        true
    });
}

/// The new name, if the old one fits.
fn renamed(new: &Rename, old: &str) -> Option<String> {
    let parts = new.to.split("{name}");
    let Some(pattern) = &new.pattern else { return Some(parts.collect::<Vec<_>>().join(old)) };
    let found = pattern.0.captures(old)?;
    let filled = parts.map(|part| {
        let mut text = String::new();
        found.expand(part, &mut text);
        text
    });
    Some(filled.collect::<Vec<_>>().join(old))
}

/// The name stays whatever is kept: without it nothing could be recognised.
fn keep(kept: &[Place], kind: &'static Kind, body: &mut Value) {
    let mut paths: Vec<String> = kept.iter().flat_map(|place| places(place, body)).collect();
    paths.extend(name_at(kind));
    let paths: Vec<Vec<&str>> = paths.iter().map(|at| at.split('/').skip(1).collect()).collect();
    prune(body, &paths);
}

/// Leaves what lies on the way to one of the paths, or below one.
fn prune(value: &mut Value, paths: &[Vec<&str>]) {
    if paths.iter().any(|path| matches!(path.first(), None | Some(&"#"))) {
        return;
    }
    let inside =
        |name: &str| -> Vec<Vec<&str>> { paths.iter().filter(|path| path[0] == name).map(|path| path[1..].to_vec()).collect() };
    match value {
        Value::Object(members) => members.retain(|name, member| {
            let inside = inside(&pointer::escape(name));
            prune(member, &inside);
            !inside.is_empty()
        }),
        Value::Array(items) => {
            let mut index = 0;
            items.retain_mut(|item| {
                let inside = inside(&index.to_string());
                index += 1;
                prune(item, &inside);
                !inside.is_empty()
            });
        }
        _ => {}
    }
}

/// Leaves out texts that lead outside, then what they leave empty. In a policy the whole attribute goes, as it does without its value.
fn drop_outward(body: &mut Value) {
    if let Value::Object(members) = body {
        members.retain(|_, member| !outward(member));
    }
}

/// Answers whether nothing is left.
fn outward(value: &mut Value) -> bool {
    match value {
        Value::String(text) if text.contains("://") => match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(mut attributes) => {
                attributes.retain(|_, attribute| !attribute.to_string().contains("://"));
                *text = Value::Object(attributes).to_string();
                false
            }
            Err(_) => true,
        },
        Value::Array(items) => emptied(items.len(), |left| {
            items.retain_mut(|item| !outward(item));
            *left = items.len();
        }),
        Value::Object(members) => emptied(members.len(), |left| {
            members.retain(|_, member| !outward(member));
            *left = members.len();
        }),
        _ => false,
    }
}

fn emptied(before: usize, run: impl FnOnce(&mut usize)) -> bool {
    let mut left = before;
    run(&mut left);
    before > 0 && left == 0
}

//! What a plan must know of the target: all that the bundle would meet there.

use super::paths;
use super::{Maps, homes, refs};
use crate::kinds::{self, By, Kind, Place};
use crate::object::{Object, Wanted};
use crate::pointer;
use crate::rules::Sanitized;
use serde_json::Value;

/// Every object of the bundle itself, every principal, scope and path that one refers to, the folders on the way, what is
/// only recorded, and what the map file names.
pub fn wanted(objects: &[Sanitized], recorded: &[Object], maps: &Maps, source_workspace: &str) -> Wanted {
    let mut wanted = Wanted::from_workspace(source_workspace);
    for object in objects {
        wanted.add(object.kind(), object.id(), object.key());
        for path in homes::other_names(object.key(), maps) {
            wanted.add(object.kind(), object.id(), &path);
            add_way(&mut wanted, &path);
        }
        object.key().starts_with('/').then(|| add_way(&mut wanted, object.key()));
        if let Some(body) = object.json() {
            let body = Value::Object(body);
            add_references(&mut wanted, object.kind(), &body, maps);
            pointer::texts(&body, &mut |_, text| add_scopes(&mut wanted, text));
        }
    }
    for object in recorded {
        wanted.add(object.kind, &object.id, &object.key);
    }
    for (kind, _, to) in maps.all() {
        if let Some(kind) = kinds::by_name(kind) {
            wanted.add(kind, to, to);
            wanted.add_id(kind, to);
        }
    }
    wanted
}

/// A path may be taken by something of another kind, and the folders that it lies in may be missing.
fn add_way(wanted: &mut Wanted, path: &str) {
    let others = ["notebook", "file", "repo", "workspace_object"].into_iter().filter_map(kinds::by_name);
    others.for_each(|kind| wanted.add(kind, path, path));
    if let Some(directory) = kinds::by_name("directory") {
        std::iter::once(path).chain(paths::parents(path)).for_each(|folder| wanted.add(directory, folder, folder));
    }
}

fn add_scopes(wanted: &mut Wanted, text: &str) {
    if let Some(kind) = kinds::by_name("secret_scope") {
        kinds::secrets_in(text).iter().for_each(|(scope, _)| wanted.add(kind, scope, scope));
    }
}

fn add_references(wanted: &mut Wanted, kind: &'static Kind, body: &Value, maps: &Maps) {
    for (at, reference) in refs::references(kind) {
        pointer::each(body, at, &mut |_, value| {
            let text = refs::text(value);
            let to = reference.to.iter().filter_map(|to| kinds::by_name(to));
            match (reference.by, kinds::place(&text)) {
                (By::Key, _) => to.for_each(|kind| wanted.add(kind, &text, &text)),
                (By::Path, Place::Workspace(path)) => {
                    homes::other_names(&path, maps).iter().chain([&path]).for_each(|path| add_way(wanted, path));
                }
                // An id of the source says nothing in the target, unless it is the same workspace or a stamp holds it.
                (By::Id, _) => to.for_each(|kind| wanted.add(kind, &text, &text)),
                (By::Path | By::Elsewhere(_), _) => {}
            }
        });
    }
}

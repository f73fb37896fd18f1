//! What objects of a workspace are called, whatever their ids.

use super::meaning::{Naming, home_folded, text};
use crate::kinds::{self, By, Shape};
use crate::object::{Object, fold};
use crate::pointer;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What objects of one workspace are called, whatever their ids.
pub(super) struct Names {
    /// Kind and id to name.
    by_id: HashMap<(&'static str, String), String>,
    /// Objects that refer to what is not even in their own workspace: no workspace need accept them.
    hopeless: HashSet<(&'static str, String)>,
}

impl Names {
    /// `origins` are objects of the other workspace from which one of this may have been restored: it is called after that.
    pub(super) fn of(objects: &[Object], source_workspace: &str, origins: &HashSet<(&'static str, &str)>) -> Self {
        let mut by_id = HashMap::new();
        for object in objects.iter().filter(|object| !matches!(object.kind.shape, Shape::Attached(_))) {
            by_id.insert((object.kind.name, object.id.clone()), own_name(object, source_workspace, origins));
        }
        let attached: Vec<_> = objects.iter().filter_map(|object| Some((object, attached_name(object, &by_id)?))).collect();
        by_id.extend(attached.into_iter().map(|(object, name)| ((object.kind.name, object.id.clone()), name)));
        let mut names = Self { by_id, hopeless: HashSet::new() };
        let hopeless = objects.iter().filter(|object| names.refers_to_nothing(object));
        names.hopeless = hopeless.map(|object| (object.kind.name, object.id.clone())).collect();
        names
    }

    /// Whether the object, or what it hangs on, refers to something that was gone at the source already.
    pub(super) fn is_hopeless(&self, object: &Object) -> bool {
        let (kind, id) = object.meta.parent().unwrap_or_else(|| (object.kind.name.to_owned(), object.id.clone()));
        kinds::by_name(&kind).is_some_and(|kind| self.hopeless.contains(&(kind.name, id)))
    }

    fn refers_to_nothing(&self, object: &Object) -> bool {
        let Some(document) = object.document() else { return false };
        let dead = |reference: &kinds::Ref, value: &Value| text(value).is_some_and(|id| self.of_any(reference.to, &id).is_none());
        let by_id = object.kind.references().filter(|(_, reference)| reference.by == By::Id);
        by_id.into_iter().any(|(at, reference)| pointer::find(&document, &at).iter().any(|(_, value)| dead(reference, value)))
    }

    pub(super) fn of_any(&self, to: &[&'static str], id: &str) -> Option<&str> {
        to.iter().find_map(|kind| self.get(kind, id))
    }

    pub(super) fn name(&self, object: &Object) -> Option<&str> {
        self.get(object.kind.name, &object.id)
    }

    pub(super) fn get(&self, kind: &'static str, id: &str) -> Option<&str> {
        self.by_id.get(&(kind, id.to_owned())).map(String::as_str)
    }
}

impl Naming for Names {
    fn by_id(&self, to: &[&'static str], id: &str) -> Option<String> {
        self.of_any(to, id).map(str::to_owned)
    }
}

/// Kinds without unique names go by their id at the source, which the stamp holds in the target.
fn own_name(object: &Object, source_workspace: &str, origins: &HashSet<(&'static str, &str)>) -> String {
    let (kind, key) = (object.kind.name, home_folded(&fold(object.kind, &object.key)));
    if object.kind.key.unique || object.kind.stamp.is_none() {
        return format!("{kind}:{key}");
    }
    let stamp = object.stamp();
    let stamp = stamp.as_deref();
    let from_there = stamp.and_then(|stamp| stamp.strip_prefix(source_workspace)?.strip_prefix('/'));
    let origin = || stamp?.rsplit_once('/').map(|(_, id)| id).filter(|id| origins.contains(&(kind, *id)));
    format!("{kind}#{}", from_there.or_else(origin).unwrap_or(&object.id))
}

pub(super) fn attached_name(object: &Object, by_id: &HashMap<(&'static str, String), String>) -> Option<String> {
    let (kind, id) = object.meta.parent().filter(|_| matches!(object.kind.shape, Shape::Attached(_)))?;
    let kind = kinds::by_name(&kind)?;
    let rest = object.id.strip_prefix(&id).unwrap_or_default().to_owned();
    Some(format!("{} of {}{rest}", object.kind.name, by_id.get(&(kind.name, id))?))
}

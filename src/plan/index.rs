//! Where an object is, by id, by key, by stamp: in the bundle and in the target.

use super::Found;
use crate::kinds::{Kind, Shape};
use crate::object::{Object, STAMP, fold, parent};
use crate::rules::Sanitized;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

type ByText<T> = HashMap<(&'static str, String), T>;

/// The objects of the bundle.
pub(super) struct Bundle<'a> {
    pub objects: Vec<&'a Sanitized>,
    pub recorded: Vec<&'a Object>,
    by_id: ByText<usize>,
    by_key: ByText<Vec<usize>>,
    recorded_by_id: ByText<usize>,
}

impl<'a> Bundle<'a> {
    /// Objects in the order of the table, folders before what is in them, scripts by position.
    pub(super) fn new(objects: &'a [Sanitized], recorded: &'a [Object]) -> Self {
        let mut objects: Vec<&Sanitized> = objects.iter().collect();
        objects.sort_by_cached_key(|object| (rank(object.kind()), position(object), object.id().to_owned()));
        let mut by_key: ByText<Vec<usize>> = HashMap::new();
        for (index, object) in objects.iter().enumerate() {
            by_key.entry((object.kind().name, fold(object.kind(), object.key()))).or_default().push(index);
        }
        let by_id =
            objects.iter().enumerate().map(|(index, object)| ((object.kind().name, object.id().to_owned()), index)).collect();
        let recorded_by_id = recorded.iter().enumerate().map(|(index, one)| ((one.kind.name, one.id.clone()), index)).collect();
        Self { objects, recorded: recorded.iter().collect(), by_id, by_key, recorded_by_id }
    }

    pub(super) fn by_id(&self, kind: &'static str, id: &str) -> Option<usize> {
        self.by_id.get(&(kind, id.to_owned())).copied()
    }

    pub(super) fn by_key(&self, kind: &Kind, key: &str) -> &[usize] {
        self.by_key.get(&(kind.name, fold(kind, key))).map_or(&[], Vec::as_slice)
    }

    pub(super) fn recorded(&self, kind: &'static str, id: &str) -> Option<&'a Object> {
        self.recorded_by_id.get(&(kind, id.to_owned())).map(|index| self.recorded[*index])
    }
}

fn rank(kind: &Kind) -> usize {
    crate::kinds::all().iter().position(|one| one.name == kind.name).unwrap_or(usize::MAX)
}

fn position(object: &Sanitized) -> i64 {
    object.json().and_then(|body| body.get("position")).and_then(Value::as_i64).unwrap_or(i64::MAX)
}

/// The objects of the target.
pub(super) struct Present<'a> {
    pub objects: Vec<&'a Object>,
    by_id: ByText<usize>,
    by_key: ByText<Vec<usize>>,
    by_stamp: ByText<Vec<usize>>,
    attached: HashMap<(&'static str, String, String), usize>,
}

impl<'a> Present<'a> {
    pub(super) fn new(objects: &'a [Object], source_workspace: &str) -> Self {
        let mut present = Self {
            objects: objects.iter().collect(),
            by_id: HashMap::new(),
            by_key: HashMap::new(),
            by_stamp: HashMap::new(),
            attached: HashMap::new(),
        };
        for (index, object) in objects.iter().enumerate() {
            present.add(index, object, source_workspace);
        }
        present
    }

    fn add(&mut self, index: usize, object: &Object, source_workspace: &str) {
        let kind = object.kind.name;
        if let Some((parent_kind, parent)) = parent(&object.meta) {
            self.attached.entry((kind, parent_kind.to_owned(), parent.to_owned())).or_insert(index);
        }
        self.by_id.insert((kind, object.id.clone()), index);
        self.by_key.entry((kind, fold(object.kind, &object.key))).or_default().push(index);
        if let Some(id) = stamped(object, source_workspace) {
            self.by_stamp.entry((kind, id.to_owned())).or_default().push(index);
        }
    }

    pub(super) fn by_id(&self, kind: &'static str, id: &str) -> Option<&'a Object> {
        self.by_id.get(&(kind, id.to_owned())).map(|index| self.objects[*index])
    }

    pub(super) fn by_key(&self, kind: &Kind, key: &str) -> Vec<&'a Object> {
        self.all(self.by_key.get(&(kind.name, fold(kind, key))))
    }

    /// Those that carry the stamp of this object of the source.
    pub(super) fn by_stamp(&self, kind: &'static str, id: &str) -> Vec<&'a Object> {
        self.all(self.by_stamp.get(&(kind, id.to_owned())))
    }

    /// The document of this kind that hangs on an object of the target.
    pub(super) fn attached(&self, kind: &'static str, parent: &Kind, id: &str) -> Option<&'a Object> {
        self.attached.get(&(kind, parent.name.to_owned(), id.to_owned())).map(|index| self.objects[*index])
    }

    fn all(&self, indexes: Option<&Vec<usize>>) -> Vec<&'a Object> {
        indexes.into_iter().flatten().map(|index| self.objects[*index]).collect()
    }
}

/// The source id in the stamp of an object, if it was restored from this workspace.
pub(super) fn stamped<'a>(object: &'a Object, source_workspace: &str) -> Option<&'a str> {
    object.stamp()?.strip_prefix(source_workspace)?.strip_prefix('/')
}

/// The stamp for an object of the source.
pub(super) fn stamp(body: &mut Map<String, Value>, kind: &Kind, source_workspace: &str, id: &str) -> bool {
    let Some(field) = kind.stamp.and_then(|at| at.strip_prefix('/')) else { return true };
    let tags = body.entry(field).or_insert_with(|| json!({}));
    let Some(tags) = tags.as_object_mut() else { return false };
    // Jobs take 25 tags, clusters and pools 45 (core reference §5, §10.2).
    let room = if kind.name == "job" { 25 } else { 45 };
    if tags.len() >= room {
        return false;
    }
    tags.insert(STAMP.into(), json!(format!("{source_workspace}/{id}")));
    true
}

/// The stamp that an object has stays in a body that replaces it.
pub(super) fn keep_stamp(body: &mut Map<String, Value>, object: &Object) {
    let Some((field, stamp)) = object.kind.stamp.and_then(|at| at.strip_prefix('/')).zip(object.stamp()) else { return };
    if let Some(tags) = body.entry(field).or_insert_with(|| json!({})).as_object_mut() {
        tags.insert(STAMP.into(), json!(stamp));
    }
}

/// An object of the target, as steps name it.
pub(super) fn found(object: &Object) -> Found {
    let at = match &object.kind.shape {
        Shape::Collection(collection) => collection.id,
        Shape::Recorded(recorded) => recorded.id,
        Shape::Tree(_) | Shape::Attached(_) => "",
    };
    let id = object.document().filter(|_| !at.is_empty()).and_then(|document| document.pointer(at)).cloned();
    let id = id.filter(|id| id.is_string() || id.is_i64() || id.is_u64()).unwrap_or_else(|| json!(object.id));
    Found { id, key: object.key.clone(), object_id: object.meta.get("object_id").cloned() }
}

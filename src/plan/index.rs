//! Where an object is, by id, by key, by stamp: in the bundle and in the target.

use super::Found;
use crate::kinds::{Kind, Shape};
use crate::object::{Object, STAMP, fold};
use crate::rules::Sanitized;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

/// By kind and id or key. There may be very many: the texts stay with their objects.
type ByText<'a, T> = HashMap<(&'static str, Cow<'a, str>), T>;

/// The objects of the bundle.
pub(super) struct Bundle<'a> {
    pub objects: Vec<&'a Sanitized>,
    pub recorded: Vec<&'a Object>,
    by_id: ByText<'a, usize>,
    /// Places in `namesakes`.
    by_key: ByText<'a, usize>,
    namesakes: Vec<Vec<usize>>,
    recorded_by_id: ByText<'a, usize>,
}

impl<'a> Bundle<'a> {
    /// Objects in the order of the table, folders before what is in them, scripts by position.
    pub(super) fn new(objects: &'a [Sanitized], recorded: &'a [Object]) -> Self {
        let mut objects: Vec<&Sanitized> = objects.iter().collect();
        objects.sort_by_cached_key(|object| (rank(object.kind()), position(object), object.id()));
        let (mut by_key, mut namesakes) = (ByText::with_capacity(objects.len()), Vec::with_capacity(objects.len()));
        for (index, object) in objects.iter().enumerate() {
            let place = *by_key.entry((object.kind().name, folded(object.kind(), object.key()))).or_insert(namesakes.len());
            match namesakes.get_mut(place) {
                None => namesakes.push(vec![index]),
                Some(all) => all.push(index),
            }
        }
        let named = |(index, object): (usize, &&'a Sanitized)| ((object.kind().name, object.id().into()), index);
        let by_id = objects.iter().enumerate().map(named).collect();
        let recorded_by_id =
            recorded.iter().enumerate().map(|(index, one)| ((one.kind.name, one.id.as_str().into()), index)).collect();
        Self { objects, recorded: recorded.iter().collect(), by_id, by_key, namesakes, recorded_by_id }
    }

    pub(super) fn by_id(&self, kind: &'static str, id: &str) -> Option<usize> {
        self.by_id.get(&(kind, id.into())).copied()
    }

    pub(super) fn by_key(&self, kind: &Kind, key: &str) -> &[usize] {
        let place = self.by_key.get(&(kind.name, folded(kind, key))).copied();
        place.map_or(&[], |place| self.namesakes[place].as_slice())
    }

    pub(super) fn recorded(&self, kind: &'static str, id: &str) -> Option<&'a Object> {
        self.recorded_by_id.get(&(kind, id.into())).map(|index| self.recorded[*index])
    }
}

fn folded<'a>(kind: &Kind, key: &'a str) -> Cow<'a, str> {
    if kind.key.fold { fold(kind, key).into() } else { key.into() }
}

fn rank(kind: &Kind) -> usize {
    crate::kinds::all().iter().position(|one| one.name == kind.name).unwrap_or(usize::MAX)
}

fn position(object: &Sanitized) -> i64 {
    let has_one = object.kind().sent().any(|(field, _)| field == "position");
    let body = has_one.then(|| object.json()).flatten();
    body.and_then(|body| body.get("position")?.as_i64()).unwrap_or(i64::MAX)
}

/// The objects of the target.
pub(super) struct Present<'a> {
    pub objects: Vec<&'a Object>,
    by_id: ByText<'a, usize>,
    by_key: ByText<'a, Vec<usize>>,
    by_stamp: ByText<'a, Vec<usize>>,
    attached: HashMap<(&'static str, &'static str, Cow<'a, str>), usize>,
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

    fn add(&mut self, index: usize, object: &'a Object, source_workspace: &str) {
        let kind = object.kind.name;
        let parent = object.meta.parent().and_then(|(on, id)| Some((crate::kinds::by_name(&on)?.name, id)));
        if let Some((on, id)) = parent {
            self.attached.entry((kind, on, id.into())).or_insert(index);
        }
        self.by_id.insert((kind, object.id.as_str().into()), index);
        self.by_key.entry((kind, folded(object.kind, &object.key))).or_insert_with(|| Vec::with_capacity(1)).push(index);
        if let Some(id) = stamped(object, source_workspace) {
            self.by_stamp.entry((kind, id.into())).or_default().push(index);
        }
    }

    pub(super) fn by_id(&self, kind: &'static str, id: &str) -> Option<&'a Object> {
        self.by_id.get(&(kind, id.into())).map(|index| self.objects[*index])
    }

    pub(super) fn by_key(&self, kind: &Kind, key: &str) -> Vec<&'a Object> {
        self.all(self.by_key.get(&(kind.name, folded(kind, key))))
    }

    /// Those that carry the stamp of this object of the source.
    pub(super) fn by_stamp(&self, kind: &'static str, id: &str) -> Vec<&'a Object> {
        self.all(self.by_stamp.get(&(kind, id.into())))
    }

    /// The document of this kind that hangs on an object of the target.
    pub(super) fn attached(&self, kind: &'static str, parent: &Kind, id: &str) -> Option<&'a Object> {
        self.attached.get(&(kind, parent.name, id.into())).map(|index| self.objects[*index])
    }

    fn all(&self, indexes: Option<&Vec<usize>>) -> Vec<&'a Object> {
        indexes.into_iter().flatten().map(|index| self.objects[*index]).collect()
    }
}

/// The source id in the stamp of an object, if it was restored from this workspace.
pub(super) fn stamped(object: &Object, source_workspace: &str) -> Option<String> {
    object.stamp()?.strip_prefix(source_workspace)?.strip_prefix('/').map(str::to_owned)
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
    let document = if at.is_empty() { None } else { object.document() };
    let id = document.and_then(|document| document.pointer(at).cloned());
    let id = id.filter(|id| id.is_string() || id.is_i64() || id.is_u64()).unwrap_or_else(|| json!(object.id));
    Found { id, key: object.key.clone(), object_id: object.meta.get("object_id") }
}

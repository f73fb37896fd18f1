//! Steps for collections: create, update, adopt, or leave alone.

use super::index::{keep_stamp, stamp};
use super::matching::{Fate, How};
use super::notes::What;
use super::refs::Resolved;
use super::{Action, Draft, Found, Planner};
use crate::kinds::{Class, Collection, Gone, Kind, Shape, Update};
use crate::object::Object;
use crate::rules::{Change, Difference, Sanitized, blank, canonical, comparable, equal};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashSet};

impl Planner<'_> {
    /// One draft for each object, and one for what is recorded only.
    pub(super) fn draft_all(&mut self) -> Vec<Draft> {
        let mut drafts = Vec::with_capacity(self.bundle.objects.len() + self.bundle.recorded.len());
        for index in 0..self.bundle.objects.len() {
            drafts.push(self.draft(index));
            self.tell_redactions(index);
        }
        self.add_implied_folders(&mut drafts);
        drafts.extend(self.draft_recorded());
        drafts
    }

    fn draft(&mut self, index: usize) -> Draft {
        let object = self.bundle.objects[index];
        if let (true, Fate::Never(reason)) = (self.left.contains(&index), &self.fates[index]) {
            let mut draft = Draft::new(object, index, skip(reason));
            draft.step.unwanted = true;
            return draft;
        }
        let mut draft = match &object.kind().shape {
            Shape::Collection(collection) => self.draft_collection(index, collection),
            Shape::Tree(tree) => self.draft_tree(index, *tree),
            Shape::Attached(attached) => self.draft_attached(index, attached),
            Shape::Recorded(recorded) => Draft::new(object, index, skip(recorded.reason)),
        };
        self.ask_deleted(index, &mut draft);
        draft
    }

    fn draft_collection(&mut self, index: usize, collection: &'static Collection) -> Draft {
        let object = self.bundle.objects[index];
        match self.fates[index].clone() {
            Fate::Never(reason) => {
                self.tell_never(object, &reason);
                Draft::new(object, index, Action::Skip { reason })
            }
            Fate::There(there, How::Mapped) => {
                Draft::new(object, index, Action::Adopt { target: there }).note("named in the map file: left as it is")
            }
            Fate::Coming => self.draft_new(index, collection),
            Fate::There(there, how) => self.draft_existing(index, collection, there, how),
        }
    }

    fn draft_new(&mut self, index: usize, collection: &'static Collection) -> Draft {
        let object = self.bundle.objects[index];
        let mut resolved = self.resolve(index);
        self.tell_dead(object, &resolved);
        let (later, links) = split_later(object, &mut resolved, None, self.options.restore_admins);
        let mut draft = Draft::new(object, index, Action::Create { body: Map::new() });
        draft.step.dead = kept_dead(&resolved);
        self.tell_stopped(object, &mut resolved, &mut draft);
        self.tell_namesakes(object, &mut draft);
        self.put_stamp(object, &mut resolved.body, &mut draft);
        draft.step.marks = missing_marks(object, collection, None);
        draft.second = second_half(object, index, later, links, &resolved, None);
        if has_later(object.kind()) {
            resolved.needs.clear();
            resolved.after = self.linked(&resolved.links);
        }
        (draft.needs, draft.after) = (resolved.needs, resolved.after);
        draft.step.links = resolved.links;
        draft.step.action = Action::Create { body: resolved.body };
        draft
    }

    fn tell_namesakes(&mut self, object: &Sanitized, draft: &mut Draft) {
        if !object.kind().key.unique && !self.namesakes(object).is_empty() {
            let note = format!("a {} of that name exists that Lifeboat did not make", object.kind().name);
            self.todos.add(What::Ambiguous, note.clone(), label(object));
            draft.step.notes.push(note);
        }
    }

    fn put_stamp(&self, object: &Sanitized, body: &mut Map<String, Value>, draft: &mut Draft) {
        let wanted = self.options.stamp && !self.source.workspace_id.is_empty();
        if wanted && !stamp(body, object.kind(), &self.source.workspace_id, object.id()) {
            draft.step.notes.push("no room for the tag that a later import would recognise".into());
        }
    }

    fn draft_existing(&mut self, index: usize, collection: &'static Collection, there: Found, how: How) -> Draft {
        let object = self.bundle.objects[index];
        let Some(target) = self.present.by_id(object.kind().name, &super::refs::text(&there.id)) else {
            return Draft::new(object, index, Action::Unchanged { target: Some(there) });
        };
        let mut resolved = self.resolve(index);
        let actual = comparable(target);
        self.keep_unchanged(index, &mut resolved, &actual);
        self.tell_dead(object, &resolved);
        let marks = missing_marks(object, collection, Some(target));
        let mut draft = match &collection.update {
            Update::ScimPatch(_) => self.draft_addition(index, &mut resolved, there, &actual),
            Update::Never(reason) => self.draft_fixed(index, &resolved, there, &actual, reason),
            Update::Replace { .. } | Update::Fields(_) => self.draft_replacement(index, &mut resolved, there, &actual, how),
        };
        draft.step.marks = marks;
        if self.is_unsettled(object, collection, target) {
            draft.step.settle = true;
            draft.step.notes.push("an import that died had made it, and did not come to stop it".into());
        }
        if let (Action::Adopt { target } | Action::Unchanged { target: Some(target) }, true) =
            (&draft.step.action, draft.step.settle || !draft.step.marks.is_empty())
        {
            draft.step.action = Action::Mark { target: target.clone() };
        }
        draft
    }

    /// Whether an import of this very object left it running.
    fn is_unsettled(&self, object: &Sanitized, collection: &Collection, target: &Object) -> bool {
        let ours = super::index::stamped(target, &self.source.workspace_id).is_some_and(|id| id == object.id());
        ours && collection.settle.zip(target.document()).is_some_and(|(settle, document)| (settle.missed)(&document))
    }

    fn draft_replacement(
        &mut self,
        index: usize,
        resolved: &mut Resolved,
        there: Found,
        actual: &Map<String, Value>,
        how: How,
    ) -> Draft {
        let object = self.bundle.objects[index];
        let overrides = "policy_family_definition_overrides";
        if object.built_in() && resolved.body.get(overrides).is_none_or(blank) {
            return Draft::new(object, index, Action::Unchanged { target: Some(there) })
                .note("a default policy without overrides");
        }
        let mut body = as_active_as(&resolved.body, resolved.off.iter().chain(&resolved.stopped), actual);
        let differences = self.differences(object.kind(), &body, actual);
        let (fixed, open): (Vec<Difference>, Vec<Difference>) = differences.into_iter().partition(|one| one.fixed);
        let peoples = self.peoples(index, resolved, &open, actual, &there.id);
        let mut draft = Draft::new(object, index, Action::Unchanged { target: Some(there.clone()) });
        // Not what a person switched on here, knowing who runs it.
        if body == resolved.body {
            self.tell_stopped(object, resolved, &mut draft);
        }
        draft.step.notes.extend(fixed.iter().map(|one| format!("{} differs, which only a creation can set", one.at)));
        if open.is_empty() && resolved.links.is_empty() {
            self.agree(index, &there.id, &resolved.body);
            if how != How::Ours && object.kind().stamp.is_some() {
                draft.step.action = Action::Adopt { target: there };
            }
            return draft;
        }
        if let Some(reason) = self.would_be_refused(index) {
            self.tell_never(object, &reason);
            draft.step.action = Action::Skip { reason };
            return draft;
        }
        drop_fixed(object.kind(), &mut body);
        let goes_back = self.goes_back(object);
        if goes_back || (self.same_workspace && super::refs::text(&there.id) == object.id()) {
            // Where it was restored from, if it was: replacing would forget that.
            let marked = self.present.by_id(object.kind().name, &super::refs::text(&there.id));
            marked.into_iter().for_each(|marked| keep_stamp(&mut body, marked));
        } else {
            self.put_stamp(object, &mut body, &mut draft);
        }
        draft.step.links = std::mem::take(&mut resolved.links);
        draft.step.keep = self.kept_secrets(object.kind(), &there);
        // What the source gave up, or names otherwise by now, is not carried on; a restore never had the secrets of an original.
        draft.step.keep.retain(|place| goes_back || object.redactions().iter().any(|redaction| redaction.place == *place));
        (draft.needs, draft.after) = (resolved.needs.clone(), resolved.after.clone());
        draft.step.action = Action::Update { target: there, body, differences: open };
        self.respect(index, &peoples, actual, &mut draft);
        draft
    }

    /// What cannot be changed is told.
    fn draft_fixed(
        &mut self,
        index: usize,
        resolved: &Resolved,
        there: Found,
        actual: &Map<String, Value>,
        reason: &str,
    ) -> Draft {
        let object = self.bundle.objects[index];
        if equal(object.kind(), &resolved.body, actual).is_empty() {
            return Draft::new(object, index, Action::Unchanged { target: Some(there) });
        }
        let reason = format!("the target has another one of that name: {reason}");
        self.todos.add(What::Look, reason.clone(), label(object));
        Draft::new(object, index, Action::Skip { reason })
    }

    /// Principals only ever gain: entitlements, roles and members are added, never taken, and nobody is switched on or off.
    fn draft_addition(&mut self, index: usize, resolved: &mut Resolved, there: Found, actual: &Map<String, Value>) -> Draft {
        let object = self.bundle.objects[index];
        let (later, links) = split_later(object, resolved, Some(actual), self.options.restore_admins);
        let mut body = Map::new();
        for field in ["entitlements", "roles"] {
            let missing = missing_items(resolved.body.get(field), actual.get(field));
            if !missing.is_empty() {
                body.insert(field.into(), Value::Array(missing));
            }
        }
        let difference = |(field, value): (&String, &Value)| Difference {
            at: format!("/{field}"),
            want: Some(value.clone()),
            have: actual.get(field).cloned(),
            fixed: false,
        };
        let differences: Vec<Difference> = body.iter().map(difference).collect();
        let second = second_half(object, index, later, links, resolved, Some(&there));
        let action = if differences.is_empty() {
            Action::Unchanged { target: Some(there) }
        } else {
            Action::Update { target: there, body, differences }
        };
        let mut draft = Draft::new(object, index, action);
        self.tell_activity(object, resolved, actual, &mut draft);
        draft.after = self.linked(&resolved.links);
        draft.step.links = std::mem::take(&mut resolved.links);
        draft.step.dead = kept_dead(resolved);
        draft.second = second;
        draft
    }

    /// The objects that links lead to: what the first half of an object waits for, where the second has links of its own.
    fn linked(&self, links: &[super::Link]) -> BTreeSet<usize> {
        let index = |link: &super::Link| self.bundle.by_id(crate::kinds::by_name(&link.to.kind)?.name, &link.to.id);
        links.iter().filter_map(index).collect()
    }

    /// What is only recorded is reported: found by its name, or to be made by other means.
    fn draft_recorded(&mut self) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let selection = &self.options.selection;
        let asked = |object: &&Object| selection.wants(object.kind.name, &object.key);
        for object in self.bundle.recorded.iter().copied().filter(asked).collect::<Vec<_>>() {
            let reason = if let Shape::Recorded(recorded) = &object.kind.shape { recorded.reason } else { "not restored" };
            let sanitized = crate::rules::sanitize(&crate::rules::Rules::standby(), object);
            let there = match self.present.by_key(object.kind, &object.key).as_slice() {
                [one] => Some(super::index::found(one)),
                _ => {
                    self.maps.get(object.kind.name, &object.id).map(|to| Found { id: json!(to), key: to.into(), object_id: None })
                }
            };
            let built_in = object.kind.name == "policy_family";
            if there.is_none() && !built_in {
                let text = format!("{}: bring them back by other means ({reason})", object.kind.title);
                self.todos.add(What::NotRestored, text, label(&sanitized));
            }
            let action = match there {
                Some(there) => Action::Unchanged { target: Some(there) },
                None if built_in => Action::Unchanged { target: None },
                None => skip(reason),
            };
            drafts.push(Draft { object: None, ..Draft::new(&sanitized, 0, action) });
        }
        drafts
    }
}

fn skip(reason: &str) -> Action {
    Action::Skip { reason: reason.to_owned() }
}

/// `kind:name`, as todos name objects.
pub(super) fn label(object: &Sanitized) -> String {
    name_of(object.kind(), object.key(), object.id())
}

/// `kind:name`, with the id where names may repeat.
pub(crate) fn name_of(kind: &Kind, key: &str, id: &str) -> String {
    match (key.is_empty(), kind.key.unique || key == id) {
        (true, _) => format!("{}:{id}", kind.name),
        (false, true) => format!("{}:{key}", kind.name),
        (false, false) => format!("{}:{key} ({id})", kind.name),
    }
}

/// An element of a list has no name but its place: one that is otherwise not the same is another one, which stays off.
fn is_same_element(body: &Value, actual: &Value, parent: &str, field: &str) -> bool {
    let is_index = |segment: &&str| segment.parse::<usize>().is_ok();
    let Some(index) = parent.split('/').rfind(is_index) else { return true };
    let end = parent.rfind(&format!("/{index}")).unwrap_or(0) + 1 + index.len();
    let element = |side: &Value| {
        let mut element = side.pointer(&parent[..end]).cloned().unwrap_or_default();
        forget(&mut element, field);
        canonical(&element)
    };
    element(body) == element(actual)
}

/// Takes a member out wherever it stands.
fn forget(value: &mut Value, field: &str) {
    match value {
        Value::Object(members) => {
            members.shift_remove(field);
            members.values_mut().for_each(|member| forget(member, field));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, field)),
        _ => {}
    }
}

/// What a person switched on in the target stays on: an import starts nothing, and stops nothing that it did not make.
pub(super) fn as_active_as<'a>(
    body: &Map<String, Value>,
    changes: impl Iterator<Item = &'a Change>,
    actual: &Map<String, Value>,
) -> Map<String, Value> {
    let actual = Value::Object(actual.clone());
    let mut body = Value::Object(body.clone());
    for change in changes {
        let Some((parent, field)) = change.at.rsplit_once('/') else { continue };
        if !is_same_element(&body, &actual, parent, field) {
            continue;
        }
        // An absent status means that it runs (core reference §10.5).
        let running = |value: Option<&Value>| field == "pause_status" && value.is_none_or(|value| value == "UNPAUSED");
        let there = actual.pointer(&change.at);
        let same = there == change.was.as_ref() || (running(there) && running(change.was.as_ref()));
        match there {
            Some(there) if same => drop(crate::pointer::set(&mut body, &change.at, there)),
            None if same && actual.pointer(parent).is_some() => drop(crate::pointer::remove(&mut body, &change.at)),
            _ => {}
        }
    }
    if let Value::Object(body) = body { body } else { Map::new() }
}

pub(super) fn fixed_fields(kind: &'static Kind) -> impl Iterator<Item = &'static str> {
    kind.sent().filter(|(_, class)| *class == Class::FixedAtCreate).map(|(name, _)| name)
}

pub(super) fn drop_fixed(kind: &'static Kind, body: &mut Map<String, Value>) {
    let fixed: HashSet<&str> = fixed_fields(kind).collect();
    body.retain(|name, _| !fixed.contains(name.as_str()));
}

fn missing_marks(object: &Sanitized, collection: &Collection, there: Option<&Object>) -> Vec<String> {
    let missing = collection.marks.iter().map(|mark| mark.name);
    let wanted = missing.filter(|name| object.meta().has(name) && !there.is_some_and(|there| there.meta.has(name)));
    wanted.map(str::to_owned).collect()
}

/// Elements that are wanted and not there.
pub(super) fn missing_items(wanted: Option<&Value>, actual: Option<&Value>) -> Vec<Value> {
    let items = |list: Option<&Value>| list.and_then(Value::as_array).cloned().unwrap_or_default();
    let there: BTreeSet<String> = items(actual).iter().map(canonical).collect();
    items(wanted).into_iter().filter(|item| !there.contains(&canonical(item))).collect()
}

/// Takes out the fields that wait until everything exists, less what the target has; with the links in them.
fn split_later(
    object: &Sanitized,
    resolved: &mut Resolved,
    actual: Option<&Map<String, Value>>,
    restore_admins: bool,
) -> (Map<String, Value>, Vec<super::Link>) {
    let (mut later, mut moved) = (Map::new(), Vec::new());
    let fields = object.kind().sent().filter(|(_, class)| *class == Class::Later).map(|(name, _)| name);
    for field in fields {
        let Some(value) = resolved.body.shift_remove(field) else { continue };
        let (inside, outside) = std::mem::take(&mut resolved.links).into_iter().partition(|link| below(&link.at, field));
        resolved.links = outside;
        let inside: Vec<super::Link> = inside;
        let admins = object.key() == "admins" && restore_admins;
        if object.built_in() && !admins {
            continue;
        }
        let (kept, links) = new_items(field, value, inside, actual.and_then(|actual| actual.get(field)));
        if !blank(&kept) {
            later.insert(field.to_owned(), kept);
            moved.extend(links);
        }
    }
    (later, moved)
}

fn has_later(kind: &'static Kind) -> bool {
    kind.sent().any(|(_, class)| class == Class::Later)
}

fn below(at: &str, field: &str) -> bool {
    at.strip_prefix('/').and_then(|at| at.strip_prefix(field)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The elements that the target lacks, with their links at their new places.
fn new_items(field: &str, value: Value, links: Vec<super::Link>, actual: Option<&Value>) -> (Value, Vec<super::Link>) {
    let Value::Array(items) = value else { return (value, links) };
    let there: BTreeSet<String> = actual.and_then(Value::as_array).into_iter().flatten().map(canonical).collect();
    let (mut kept, mut moved) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let old = format!("/{field}/{index}/");
        let link = links.iter().find(|link| link.at.starts_with(&old));
        if link.is_none() && there.contains(&canonical(&item)) {
            continue;
        }
        moved.extend(
            link.map(|link| super::Link { at: link.at.replacen(&old, &format!("/{field}/{}/", kept.len()), 1), ..link.clone() }),
        );
        kept.push(item);
    }
    (Value::Array(kept), moved)
}

fn second_half(
    object: &Sanitized,
    index: usize,
    body: Map<String, Value>,
    links: Vec<super::Link>,
    resolved: &Resolved,
    target: Option<&Found>,
) -> Option<Box<Draft>> {
    if body.is_empty() {
        return None;
    }
    let mut draft = Draft::new(object, index, Action::Complete { target: target.cloned(), body });
    draft.step.links = links;
    draft.step.changes.clear();
    (draft.needs, draft.after) = (resolved.needs.clone(), resolved.after.clone());
    Some(Box::new(draft))
}

/// References that lead nowhere and are sent all the same.
fn kept_dead(resolved: &Resolved) -> Vec<String> {
    let kept = resolved.dead.iter().filter(|dead| dead.gone == Gone::Keep);
    let names: BTreeSet<String> = kept.map(|dead| format!("{} \"{}\"", dead.to.join(" or "), dead.value)).collect();
    names.into_iter().collect()
}

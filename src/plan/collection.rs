//! Steps for collections: create, update, adopt, or leave alone.

use super::bodies::{as_active_as, below, drop_fixed, missing_items, new_items};
use super::fate::{Fate, How};
use super::index::{keep_stamp, stamp};
use super::notes::{What, label};
use super::refs::Resolved;
use super::{Action, Draft, Found, Planner};
use crate::kinds::{Class, Collection, Gone, Kind, Shape, Update};
use crate::object::Object;
use crate::rules::{Difference, Sanitized, blank, comparable, equal};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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
        self.keep(object, &there, &mut body, &mut draft);
        draft.step.links = std::mem::take(&mut resolved.links);
        (draft.needs, draft.after) = (resolved.needs.clone(), resolved.after.clone());
        draft.step.action = Action::Update { target: there, body, differences: open };
        self.respect(index, &peoples, actual, &mut draft);
        draft
    }

    /// What stays of the target in what replaces it: its stamp, if it is an original, and secrets that no bundle holds.
    fn keep(&self, object: &Sanitized, there: &Found, body: &mut Map<String, Value>, draft: &mut Draft) {
        let (goes_back, id) = (self.goes_back(object), super::refs::text(&there.id));
        if goes_back || (self.same_workspace && id == object.id()) {
            // Where it was restored from, if it was: replacing would forget that.
            let marked = self.present.by_id(object.kind().name, &id);
            marked.into_iter().for_each(|marked| keep_stamp(body, marked));
        } else {
            self.put_stamp(object, body, draft);
        }
        // What the source gave up, or names otherwise by now, is not carried on; a restore never had the secrets of an original.
        let given_up = |place: &String| !object.redactions().iter().any(|redaction| redaction.place == *place);
        draft.step.keep = self.kept_secrets(object.kind(), there);
        draft.step.keep.retain(|place| goes_back || !given_up(place));
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

fn missing_marks(object: &Sanitized, collection: &Collection, there: Option<&Object>) -> Vec<String> {
    let missing = collection.marks.iter().map(|mark| mark.name);
    let wanted = missing.filter(|name| object.meta().has(name) && !there.is_some_and(|there| there.meta.has(name)));
    wanted.map(str::to_owned).collect()
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

//! Steps for what hangs on other objects: permissions, libraries, the keys and ACLs of secret scopes.

use super::fate::{Fate, How};
use super::notes::{What, label};
use super::refs::Resolved;
use super::{Action, Draft, Found, Planner, SecretValues, paths};
use crate::kinds::{self, Attached, Kind, Shape, Write};
use crate::rules::{Difference, Sanitized, canonical, equal};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Where an attached document will hang.
pub(super) struct Place {
    pub kind: &'static Kind,
    index: usize,
    /// The object in the target, if it is there already.
    pub there: Option<Found>,
}

impl Planner<'_> {
    pub(super) fn draft_attached(&mut self, index: usize, attached: &'static Attached) -> Draft {
        let object = self.bundle.objects[index];
        if let Fate::Never(reason) = self.fates[index].clone() {
            self.todos.add(What::NotRestored, reason.clone(), label(object));
            return Draft::new(object, index, Action::Skip { reason });
        }
        let place = match self.place_of(object) {
            Ok(place) => place,
            Err(action) => {
                let mut draft = Draft::new(object, index, *action);
                draft.step.unwanted = self.hangs_on_what_is_left(object);
                return draft;
            }
        };
        if let Some(reason) = self.not_offered(object.kind(), place.kind) {
            self.todos.add(What::NotRestored, reason.clone(), label(object));
            return Draft::new(object, index, Action::Skip { reason });
        }
        let mut draft = match &attached.write {
            Write::ByValue { value, todo } => self.draft_secret(index, &place, (value, todo)),
            Write::Value { .. } => self.draft_value(index, &place),
            Write::Whole { call, .. } => self.draft_whole(index, &place, call.method == "PUT"),
            Write::Entries { .. } => self.draft_whole(index, &place, false),
        };
        draft.step.parent = Some(self.bundle.objects[place.index].source());
        if draft.step.action.writes() && place.there.is_none() {
            draft.needs.insert(place.index);
        }
        draft
    }

    fn hangs_on_what_is_left(&self, object: &Sanitized) -> bool {
        let parent = object.meta().parent().and_then(|(kind, id)| self.bundle.by_id(kinds::by_name(&kind)?.name, &id));
        parent.is_some_and(|parent| self.left.contains(&parent))
    }

    pub(super) fn place_of(&self, object: &Sanitized) -> Result<Place, Box<Action>> {
        let skip = |reason: String| Box::new(Action::Skip { reason });
        let (kind, id) = object.meta().parent().ok_or_else(|| skip("the bundle does not say what it hangs on".into()))?;
        let kind =
            kinds::by_name(&kind).ok_or_else(|| skip(format!("it hangs on a {kind}, which this version does not know")))?;
        let missing = || skip(format!("{}:{id} is not in the bundle", kind.name));
        let index = self.bundle.by_id(kind.name, &id).ok_or_else(missing)?;
        match &self.fates[index] {
            Fate::Never(_) => {
                let name = label(self.bundle.objects[index]);
                Err(skip(format!("needs {name}, which is not restored")))
            }
            Fate::There(there, How::Mapped) => Err(Box::new(Action::Unchanged { target: Some(there.clone()) })),
            Fate::There(there, _) => Ok(Place { kind, index, there: Some(there.clone()) }),
            Fate::Coming => Ok(Place { kind, index, there: None }),
        }
    }

    /// Why the target takes no document of this kind for its objects of that one, if it told so.
    fn not_offered(&self, kind: &Kind, on: &Kind) -> Option<String> {
        let name = super::unavailable(kind.name, on.permissions.unwrap_or(on.name));
        let missing = self.inventory.unavailable.contains(&name);
        missing.then(|| format!("the target does not offer {} of {}", kind.title, on.title))
    }

    /// A secret: there, the vault's own, made with its value, or a person's to set.
    fn draft_secret(&mut self, index: usize, place: &Place, (value, todo): (&'static str, &str)) -> Draft {
        let object = self.bundle.objects[index];
        let there = self.present.by_key(object.kind(), object.key());
        if let Some(one) = there.first() {
            return Draft::new(object, index, Action::Unchanged { target: Some(super::index::found(one)) });
        }
        let scope = self.bundle.objects[place.index].json();
        if scope.is_some_and(|scope| scope.get("backend_type") == Some(&json!("AZURE_KEYVAULT"))) {
            return Draft::new(object, index, Action::Unchanged { target: None }).note("lives in the key vault");
        }
        if let Some(value) = self.bundle.by_id(value, object.id()).filter(|_| self.options.secret_values != SecretValues::None) {
            let action = Action::Attach { parent: place.there.clone(), body: Map::new(), differences: Vec::new() };
            let mut draft = Draft::new(object, index, action);
            draft.needs.insert(value);
            return draft;
        }
        self.todos.add(What::SecretValue, todo, label(object));
        Draft::new(object, index, Action::Wait { reason: todo.to_owned() })
    }

    /// The value of a secret. One that the target has cannot be read there, so nobody can say whether it is another; and it may be
    /// one that was made for the target.
    fn draft_value(&mut self, index: usize, place: &Place) -> Draft {
        let object = self.bundle.objects[index];
        let skip = |reason: &str| {
            let mut draft = Draft::new(object, index, Action::Skip { reason: reason.to_owned() });
            draft.step.unwanted = true;
            draft
        };
        let secret = kinds::all().iter().find(|kind| holds_value(kind, object.kind()));
        let Some(secret) = secret.filter(|secret| self.bundle.by_id(secret.name, object.id()).is_some()) else {
            return skip("the secret itself is left out");
        };
        let there = self.present.by_key(secret, object.key()).first().map(|one| super::index::found(one));
        let (parent, body) = (place.there.clone(), Map::new());
        match (there, self.options.secret_values) {
            (_, SecretValues::None) => skip("values of secrets are left out"),
            (None, SecretValues::New) if self.is_unread(secret, place) => {
                let reason = "could not read which secrets the target has, and this may be one of them".to_owned();
                Draft::new(object, index, Action::Skip { reason })
            }
            (None, _) => Draft::new(object, index, Action::Attach { parent, body, differences: Vec::new() }),
            (Some(_), SecretValues::All) => {
                let told = |text: &str| Some(json!(text));
                let (want, have) = (told("the value in the bundle"), told("a value that nobody can read"));
                let differences = vec![Difference { at: "/value".to_owned(), want, have, fixed: false }];
                Draft::new(object, index, Action::Attach { parent, body, differences })
            }
            (there, SecretValues::New) => {
                let text = "the target has this secret, and its value stays: `--overwrite-secret-values` sets that of the bundle";
                self.todos.add(What::SecretValue, text, label(object));
                Draft::new(object, index, Action::Unchanged { target: there }).note("there already: its value stays")
            }
        }
    }

    /// Whether the target may have documents of this kind at a place, and did not show them.
    fn is_unread(&self, kind: &Kind, place: &Place) -> bool {
        let there = place.there.as_ref().map(|there| super::refs::text(&there.id));
        let hides = |(unread, id): &(String, String)| match unread.as_str() {
            unread if unread == kind.name => id == "*" || there.as_ref() == Some(id),
            unread => unread == place.kind.name && there.is_none(),
        };
        self.inventory.unread.iter().any(hides)
    }

    fn draft_whole(&mut self, index: usize, place: &Place, replaces: bool) -> Draft {
        let object = self.bundle.objects[index];
        let (mut resolved, note) = self.attached_body(index, place);
        let mut draft = Draft::new(object, index, Action::Unchanged { target: place.there.clone() });
        draft.step.notes.extend(note);
        let there = place
            .there
            .as_ref()
            .and_then(|there| self.present.attached(object.kind().name, place.kind, &super::refs::text(&there.id)));
        let actual = super::back::actual(there);
        self.keep_unchanged(index, &mut resolved, &actual);
        self.tell_dead(object, &resolved);
        if resolved.body.values().all(|list| list.as_array().is_none_or(Vec::is_empty)) {
            return draft.note("nothing of its own");
        }
        if object.kind().name == "permissions" {
            self.keep_caller(place.index, place.there.is_some().then_some(&actual), &mut resolved);
        }
        let differences = if replaces {
            equal(object.kind(), &resolved.body, &actual)
        } else {
            lacking(object.kind(), &resolved.body, &actual)
        };
        let to = place.there.as_ref().map(|there| there.id.clone());
        if differences.is_empty() && resolved.links.is_empty() {
            to.into_iter().for_each(|to| self.agree(index, &to, &resolved.body));
            return draft;
        }
        let peoples = match &to {
            Some(to) if replaces => self.peoples(index, &resolved, &differences, &actual, to),
            _ => super::conflict::Peoples::default(),
        };
        let differences = if there.is_some() { differences } else { Vec::new() };
        draft.step.action = Action::Attach { parent: place.there.clone(), body: resolved.body, differences };
        draft.step.links = resolved.links;
        (draft.needs, draft.after) = (resolved.needs, resolved.after);
        match to {
            Some(_) if replaces => self.respect(index, &peoples, &actual, &mut draft),
            Some(to) => self.respect_entries(index, &to, &|entry| canonical(&folded(object.kind(), entry)), &mut draft),
            None => {}
        }
        draft
    }

    /// The document as it will hang there, and what there is to say of it.
    pub(super) fn attached_body(&mut self, index: usize, place: &Place) -> (Resolved, Option<String>) {
        let object = self.bundle.objects[index];
        let mut resolved = self.resolve(index);
        if object.kind().name != "permissions" {
            return (resolved, None);
        }
        let note = self.leave_to_workspace(place, &mut resolved);
        self.settle_owner(object, place, &mut resolved);
        (resolved, note)
    }

    /// `/Shared` and a person's right to the own home belong to the workspace (core reference §14, rule 5).
    fn leave_to_workspace(&self, place: &Place, resolved: &mut Resolved) -> Option<String> {
        let path = self.bundle.objects[place.index].key();
        if place.kind.name != "directory" {
            return None;
        }
        if paths::always_there(path) {
            resolved.body.clear();
            resolved.links.clear();
            return Some("the workspace sets who may use this folder".into());
        }
        let (owner, place) = (paths::home_of(path)?, self.place(path));
        let here = paths::home_of(&place).unwrap_or(owner);
        let own = |entry: &Value| {
            ["user_name", "service_principal_name"].iter().any(|who| {
                entry
                    .get(who)
                    .and_then(Value::as_str)
                    .is_some_and(|name| [owner, here].iter().any(|own| name.eq_ignore_ascii_case(own)))
            })
        };
        remove_entries(resolved, &own);
        None
    }

    /// A job has exactly one owner, and no group can be one (core reference §14, rule 3).
    fn settle_owner(&mut self, object: &Sanitized, place: &Place, resolved: &mut Resolved) {
        let is_empty =
            |body: Map<String, Value>| body.get("access_control_list").and_then(Value::as_array).is_none_or(Vec::is_empty);
        if place.kind.name != "job" || object.json().is_none_or(is_empty) {
            return;
        }
        let owns = |entry: &Value| entry.get("permission_level").is_some_and(|level| level == "IS_OWNER");
        remove_entries(resolved, &|entry| owns(entry) && entry.get("group_name").is_some());
        let entries = resolved.body.get("access_control_list").and_then(Value::as_array);
        let owners = entries.into_iter().flatten().filter(|entry| owns(entry)).count();
        // An owner who is still to be made may fail to be; then the caller stays the owner, and the call is refused without.
        if owners == 1 {
            return;
        }
        remove_entries(resolved, &owns);
        let (who, caller) = self.caller();
        let same = |entry: &Value| entry.get(who).and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(caller));
        remove_entries(resolved, &same);
        let list = resolved.body.entry("access_control_list").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({ who: caller, "permission_level": "IS_OWNER" }));
        }
        let text = format!("the source's owner cannot own this job in the target: \"{caller}\" owns it now");
        self.todos.add(What::Owner, text, label(self.bundle.objects[place.index]));
    }
}

/// Whether objects of a kind come to be with values of that one.
fn holds_value(kind: &Kind, of: &Kind) -> bool {
    matches!(&kind.shape, Shape::Attached(Attached { write: Write::ByValue { value, .. }, .. }) if *value == of.name)
}

/// Takes entries out of the list, and their links with them; the other links move up.
pub(super) fn remove_entries(resolved: &mut Resolved, gone: &dyn Fn(&Value) -> bool) {
    let Some(list) = resolved.body.get_mut("access_control_list").and_then(Value::as_array_mut) else { return };
    let places: Vec<Option<usize>> = list
        .iter()
        .scan(0, |next, entry| {
            let place = (!gone(entry)).then_some(*next);
            *next += usize::from(place.is_some());
            Some(place)
        })
        .collect();
    list.retain(|entry| !gone(entry));
    resolved.links.retain_mut(|link| {
        let mut parts: Vec<String> = link.at.split('/').map(str::to_owned).collect();
        let old = parts.get(2).and_then(|index| index.parse::<usize>().ok());
        let Some(new) = old.and_then(|old| places.get(old).copied().flatten()) else { return false };
        parts[2] = new.to_string();
        link.at = parts.join("/");
        true
    });
}

/// What adding must add: entries that the target does not have. Others stay.
pub(super) fn lacking(kind: &'static Kind, wanted: &Map<String, Value>, actual: &Map<String, Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (field, list) in wanted {
        let entry = |entry: &Value| canonical(&folded(kind, entry));
        let there: BTreeSet<String> = actual.get(field).and_then(Value::as_array).into_iter().flatten().map(entry).collect();
        let missing = list.as_array().into_iter().flatten().filter(|one| !there.contains(&canonical(&folded(kind, one))));
        found.extend(missing.map(|one| Difference {
            at: format!("/{field}"),
            want: Some(one.clone()),
            have: None,
            fixed: false,
        }));
    }
    found
}

/// Principals compare without case.
fn folded(kind: &Kind, entry: &Value) -> Value {
    let mut entry = entry.clone();
    if kind.key.fold
        && let Some(Value::String(name)) = entry.get_mut("principal")
    {
        *name = name.to_lowercase();
    }
    entry
}

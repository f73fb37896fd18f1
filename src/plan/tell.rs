//! What a person has to know before a plan is carried out: references that lead nowhere, secrets to set.

use super::bodies::fixed_fields;
use super::fate::Fate;
use super::notes::{What, label};
use super::refs::{Resolved, STORAGE};
use super::{Dangling, Draft, Found, Planner};
use crate::kinds::{Gone, Kind, is_principal};
use crate::rules::{Rules, Sanitized, sanitize};
use serde_json::{Map, Value};
use std::collections::HashSet;

impl Planner<'_> {
    pub(super) fn tell_never(&mut self, object: &Sanitized, reason: &str) {
        let name = label(object);
        if is_principal(object.kind().name) {
            self.todos.add(What::Principal, "create or assign this principal in the target, then import again", name);
        } else {
            self.todos.add(What::Look, reason, name);
        }
    }

    pub(super) fn tell_activity(
        &mut self,
        object: &Sanitized,
        resolved: &Resolved,
        actual: &Map<String, Value>,
        draft: &mut Draft,
    ) {
        let active = |body: &Map<String, Value>| body.get("active").and_then(Value::as_bool).unwrap_or(true);
        if active(&resolved.body) != active(actual) {
            let note = if active(actual) { "inactive at the source, active here" } else { "active at the source, inactive here" };
            self.todos.add(What::Principal, format!("{note}: decide by hand"), label(object));
            draft.step.notes.push(note.into());
        }
    }

    /// Tells of what is off only since it would run as somebody else.
    pub(super) fn tell_stopped(&mut self, object: &Sanitized, resolved: &mut Resolved, draft: &mut Draft) {
        if resolved.stopped.is_empty() {
            return;
        }
        let note = "whom it ran as is not in the target, and it would run as somebody else: it arrives switched off";
        self.todos.add(What::Look, note, label(object));
        draft.step.notes.push(note.into());
        draft.step.changes.append(&mut resolved.stopped);
    }

    /// Tells of references that lead nowhere, and of secrets that are named and not known.
    pub(super) fn tell_dead(&mut self, object: &Sanitized, resolved: &Resolved) {
        for dead in &resolved.dead {
            let what = if dead.to.iter().any(|to| is_principal(to)) { What::Principal } else { What::DeadReference };
            let done = match dead.gone {
                Gone::Keep | Gone::Silent => "sent as it is, which the workspace may refuse",
                Gone::Needed => "it is not sent",
                Gone::Drop => "left out",
                Gone::DropParent => "left out with what holds it",
            };
            let why = dead.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            let text = format!(
                "{} refers to {} \"{}\", which is not in the target{why}: {done}",
                dead.at,
                dead.to.join(" or "),
                dead.value
            );
            self.dangling
                .push(Dangling { at: Some(dead.at.clone()), ..dangling(object, dead.to, &dead.value, dead.gone, &text) });
            self.todos.add(what, text, label(object));
        }
        self.tell_elsewhere(object, resolved);
        for secret in &resolved.secrets {
            let text = format!("the secret {secret} is named, and neither the bundle nor the target has it");
            self.dangling.push(dangling(object, &["secret"], secret, Gone::Keep, &text));
            self.todos.add(What::SecretValue, text, label(object));
        }
    }

    /// What lies outside of the workspace may be another one in another workspace, or none.
    fn tell_elsewhere(&mut self, object: &Sanitized, resolved: &Resolved) {
        if self.same_workspace {
            return;
        }
        let unmapped = |one: &&(&str, String)| one.0 != STORAGE || !self.maps.reach(&one.1);
        for (section, name) in resolved.elsewhere.iter().filter(unmapped) {
            let text = if *section == STORAGE {
                format!("see that the target reaches {name}: what lies there is not in the bundle")
            } else {
                let thing = section.replace('_', " ");
                format!("see that the target has the {thing} \"{name}\", which is not in a bundle, or map it (`{section}:`)")
            };
            self.todos.add(What::Look, text, label(object));
        }
    }

    /// Places of an object of the target that hold secrets, which somebody set there.
    fn secrets_of(&self, kind: &'static Kind, there: &Found) -> Vec<String> {
        let target = self.present.by_id(kind.name, &super::refs::text(&there.id));
        let places = target.map(|target| sanitize(&Rules::standby(), target).redactions().to_vec()).unwrap_or_default();
        places.into_iter().map(|redaction| redaction.place).collect()
    }

    /// Those of them that an update would wipe.
    pub(super) fn kept_secrets(&self, kind: &'static Kind, there: &Found) -> Vec<String> {
        let fixed: HashSet<&str> = fixed_fields(kind).collect();
        let mut places = self.secrets_of(kind, there);
        places.retain(|place| !fixed.contains(place.split('/').nth(1).unwrap_or_default()));
        places
    }

    /// A secret that the target has is set, and no work for anybody.
    pub(super) fn tell_redactions(&mut self, index: usize) {
        let object = self.bundle.objects[index];
        let set = match &self.fates[index] {
            Fate::There(there, _) if !object.redactions().is_empty() => self.secrets_of(object.kind(), there),
            _ => Vec::new(),
        };
        for field in object.unknown() {
            let text = format!("`{field}` is newer than this version and was left out: set it by hand");
            self.todos.add(What::NotRestored, text, label(object));
        }
        for redaction in object.redactions().iter().filter(|redaction| !set.contains(&redaction.place)) {
            let text = format!("set {} again: its secret is not in the bundle", redaction.at);
            self.todos.add(What::RedactedField, text, label(object));
        }
    }
}

fn dangling(object: &Sanitized, to: &[&'static str], value: &str, gone: Gone, text: &str) -> Dangling {
    let (label, value, text) = (label(object), value.to_owned(), text.to_owned());
    Dangling { source: object.source(), label, at: None, to: to.to_vec(), value, gone, text }
}

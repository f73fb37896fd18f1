//! What people changed in the target since an import wrote it, and what becomes of that.
//!
//! Three sides are compared: what was written last ([`crate::memory`]), what the target shows now, what the bundle wants. A field
//! in which the target still shows what was written was changed by the source alone. Without memory nobody can tell.

use super::bodies::as_active_as;
use super::fate::Fate;
use super::notes::{What, label};
use super::refs::{Resolved, text};
use super::{Action, Draft, Found, Planner, Theirs};
use crate::kinds::{Kind, Shape};
use crate::memory::Wrote;
use crate::object::SourceId;
use crate::redact;
use crate::rules::{Conflicts, Difference, equal, remove_stamp, without_blanks};
use crate::spool::hex;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What people changed, or may have changed.
#[derive(Debug, Default)]
pub(super) struct Peoples {
    /// Fields at the top of the body.
    fields: BTreeSet<String>,
    /// Whether that is known, or only cannot be ruled out.
    known: bool,
}

impl Peoples {
    fn question(&self) -> String {
        let fields = self.fields.iter().map(|field| format!("/{field}")).collect::<Vec<_>>().join(", ");
        said(&fields, self.known)
    }
}

fn said(what: &str, known: bool) -> String {
    if known {
        format!("people changed {what} here")
    } else {
        format!("{what} differs, and nothing here remembers what was written last")
    }
}

impl Planner<'_> {
    pub(super) fn policy(&self, index: usize) -> Conflicts {
        self.bundle.objects[index].conflicts().or(self.options.conflicts).unwrap_or_default()
    }

    /// Which of these differences are the work of people, where the policy is to respect that.
    pub(super) fn peoples(
        &self,
        index: usize,
        resolved: &Resolved,
        open: &[Difference],
        actual: &Map<String, Value>,
        to: &Value,
    ) -> Peoples {
        if self.policy(index) == Conflicts::Ours || open.is_empty() {
            return Peoples::default();
        }
        let object = self.bundle.objects[index];
        let fields = tops(open);
        match self.options.memory.body(&object.source(), &text(to)) {
            Some(wrote) => {
                let wrote = without_blanks(wrote);
                let wrote = as_active_as(&wrote, resolved.off.iter().chain(&resolved.stopped), actual);
                let changed = tops(&equal(object.kind(), &wrote, actual));
                Peoples { fields: fields.intersection(&changed).cloned().collect(), known: true }
            }
            None if self.is_half_done(index) => Peoples::default(),
            None => Peoples { fields, known: false },
        }
    }

    /// Whether an import of this machine made an object, or what it hangs on, and never came to the end of it.
    fn is_half_done(&self, index: usize) -> bool {
        let object = self.bundle.objects[index];
        let parent = object.meta().parent().map(|(kind, id)| SourceId { kind, id });
        self.options.unfinished.contains(&object.source()) || parent.is_some_and(|parent| self.options.made.contains_key(&parent))
    }

    /// An update, less what people changed.
    pub(super) fn respect(&mut self, index: usize, peoples: &Peoples, actual: &Map<String, Value>, draft: &mut Draft) {
        let (target, body, differences) = match &draft.step.action {
            Action::Update { target, body, differences } => (Some(target.clone()), body, differences),
            Action::Attach { parent, body, differences } => (parent.clone(), body, differences),
            _ => return,
        };
        if peoples.fields.is_empty() {
            return;
        }
        let (wanted, mut body) = (body, body.clone());
        let theirs = peoples.fields.iter().map(|field| (field.clone(), wanted.get(field).cloned().unwrap_or_default())).collect();
        for field in &peoples.fields {
            match actual.get(field) {
                Some(value) => drop(body.insert(field.clone(), value.clone())),
                None => drop(body.shift_remove(field)),
            }
        }
        let is_theirs = |at: &str| peoples.fields.contains(top(at));
        let rest: Vec<Difference> = differences.iter().filter(|one| !is_theirs(&one.at)).cloned().collect();
        let mut links = draft.step.links.clone();
        links.retain(|link| !is_theirs(&link.at));
        let mut keep = draft.step.keep.clone();
        if let Some(target) = &target {
            let kind = self.bundle.objects[index].kind();
            let secrets = self.kept_secrets(kind, target).into_iter().filter(|place| is_theirs(place));
            let more: Vec<String> = secrets.filter(|place| !keep.contains(place)).collect();
            keep.extend(more);
        }
        let action = match (&draft.step.action, rest.is_empty() && links.is_empty()) {
            (_, true) => Action::Unchanged { target },
            (Action::Attach { parent, .. }, false) => Action::Attach { parent: parent.clone(), body, differences: rest },
            (_, false) => Action::Update { target: target.unwrap_or_else(nobody), body, differences: rest },
        };
        self.decide(index, draft, Theirs { action, links, keep, theirs }, peoples.question(), peoples.known);
    }

    /// Entries that are only ever added: those that were written and are gone were taken away by people.
    pub(super) fn respect_entries(&mut self, index: usize, to: &Value, fold: &dyn Fn(&Value) -> String, draft: &mut Draft) {
        if self.policy(index) == Conflicts::Ours {
            return;
        }
        let Action::Attach { parent, body, differences } = &draft.step.action else { return };
        let wrote = self.options.memory.body(&self.bundle.objects[index].source(), &text(to));
        if differences.is_empty() || (wrote.is_none() && self.is_half_done(index)) {
            return;
        }
        let known = wrote.is_some();
        let taken = |field: &str, entry: &Value| match &wrote {
            Some(wrote) => {
                let written = wrote.get(field).and_then(Value::as_array).into_iter().flatten();
                written.map(fold).any(|one| one == fold(entry))
            }
            None => true,
        };
        let is_taken = |one: &Difference| one.want.as_ref().is_some_and(|entry| taken(top(&one.at), entry));
        let (gone, rest): (Vec<Difference>, Vec<Difference>) = differences.iter().cloned().partition(is_taken);
        if gone.is_empty() {
            return;
        }
        let (wanted, mut body) = (body, body.clone());
        let offered =
            tops(&gone).into_iter().map(|field| (field.clone(), wanted.get(&field).cloned().unwrap_or_default())).collect();
        for one in &gone {
            if let (Some(Value::Array(items)), Some(entry)) = (body.get_mut(top(&one.at)), &one.want) {
                items.retain(|item| fold(item) != fold(entry));
            }
        }
        let action = match rest.is_empty() {
            true => Action::Unchanged { target: parent.clone() },
            false => Action::Attach { parent: parent.clone(), body, differences: rest },
        };
        let what = tops(&gone).into_iter().map(|field| format!("entries of /{field}")).collect::<Vec<_>>().join(", ");
        // Links stand at places that may have moved: what is yet to be made cannot have been taken away.
        let theirs = Theirs { theirs: offered, ..Theirs::just(action) };
        self.decide(index, draft, theirs, said(&what, known), known);
    }

    /// Bytes that are not those that were written.
    pub(super) fn respect_bytes(&mut self, index: usize, there: &Found, actual: [u8; 32], draft: &mut Draft) {
        if self.policy(index) == Conflicts::Ours {
            return;
        }
        let object = self.bundle.objects[index];
        let wrote = self.options.memory.body(&object.source(), &text(&there.id));
        let known = wrote.is_some();
        let is_ours = match wrote {
            Some(wrote) => wrote.get(SHA) == Some(&json!(hex(&actual))),
            None => self.is_half_done(index),
        };
        if !is_ours {
            let theirs = Theirs::just(Action::Unchanged { target: Some(there.clone()) });
            self.decide(index, draft, theirs, said("what it holds", known), known);
        }
    }

    fn decide(&mut self, index: usize, draft: &mut Draft, theirs: Theirs, question: String, known: bool) {
        if self.policy(index) == Conflicts::Ask {
            let ours = Box::new(draft.step.action.clone());
            draft.step.action = Action::Ask { ours, theirs: Box::new(theirs), question };
            return;
        }
        if !known {
            let text = format!("{question}: left as it is, as the rules say (`--ours` brings it back)");
            self.todos.add(What::Look, text, label(self.bundle.objects[index]));
        }
        draft.step.notes.push(format!("{question}: that stays"));
        theirs.take(&mut draft.step);
    }

    /// Whether an import made this, and people deleted it since.
    pub(super) fn is_deleted_here(&self, index: usize) -> bool {
        let object = self.bundle.objects[index];
        let kind = object.kind();
        let listed = |name: &str| !self.inventory.unread.iter().any(|(unread, _)| unread == name);
        let shown = match kind.shape {
            Shape::Collection(_) => listed(kind.name),
            Shape::Tree(_) => listed(kind.name) && listed("directory"),
            Shape::Attached(_) | Shape::Recorded(_) => return false,
        };
        let gone = |id: &String| self.present.by_id(kind.name, id).is_none();
        let known = self.options.known.get(&object.source());
        shown && matches!(self.fates[index], Fate::Coming) && known.is_some_and(gone) && !self.is_half_done(index)
    }

    /// What people deleted stays away where the rules say so; what needs it is told.
    pub(super) fn leave_deleted(&mut self) {
        for index in 0..self.bundle.objects.len() {
            if self.policy(index) == Conflicts::Theirs && self.is_deleted_here(index) {
                self.fates[index] = Fate::Never(DELETED.to_owned());
                self.left.insert(index);
            }
        }
    }

    /// Somebody says whether what people deleted is made again.
    pub(super) fn ask_deleted(&self, index: usize, draft: &mut Draft) {
        if draft.step.action.writes() && self.policy(index) == Conflicts::Ask && self.is_deleted_here(index) {
            let ours = Box::new(draft.step.action.clone());
            let theirs = Box::new(Theirs::just(Action::Skip { reason: DELETED.to_owned() }));
            draft.step.action = Action::Ask { ours, theirs, question: "people deleted it here".into() };
        }
    }

    /// Both sides agree: that is what the next import goes by.
    pub(super) fn agree(&mut self, index: usize, to: &Value, body: &Map<String, Value>) {
        let object = self.bundle.objects[index];
        let (source, to) = (object.source(), text(to));
        let known = self.options.memory.text(&source, &to);
        let mut plain = Value::Object(body.clone());
        remove_stamp(object.kind(), &mut plain);
        let same = known.is_some_and(|known| serde_json::to_string(&plain).is_ok_and(|new| new == known));
        if same {
            return;
        }
        let kept = record(object.kind(), body);
        if known.is_none_or(|known| serde_json::to_string(&kept).is_ok_and(|new| new != known)) {
            self.agreed.extend(Wrote::new(source, to, &kept));
        }
    }
}

/// Why something is not there that people deleted.
const DELETED: &str = "people deleted it here, and that stays";

/// Member of a record that holds the digest of bytes.
pub(crate) const SHA: &str = "sha256";

/// What is remembered of a body: all but the stamp and secrets.
pub(crate) fn record(kind: &Kind, body: &Map<String, Value>) -> Map<String, Value> {
    let mut body = Value::Object(body.clone());
    remove_stamp(kind, &mut body);
    redact::blank_body(kind, &mut body);
    if let Value::Object(body) = body { body } else { Map::new() }
}

fn nobody() -> Found {
    Found { id: Value::Null, key: String::new(), object_id: None }
}

fn top(at: &str) -> &str {
    at.split('/').nth(1).unwrap_or_default()
}

fn tops(differences: &[Difference]) -> BTreeSet<String> {
    differences.iter().map(|one| top(&one.at).to_owned()).collect()
}

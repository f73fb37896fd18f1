//! Where a body refers to other objects: what stands there in the target, or what must be done first.

use super::fate::Fate;
use super::index::found;
use super::paths;
use super::{Found, Link, Planner, Unmet, homes};
use crate::kinds::{self, By, Gone, Kind, Place, Ref, is_principal};
use crate::object::SourceId;
use crate::pointer;
use crate::rules::{Change, below_body, remove_exactly, stop};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

/// Whom something runs as.
pub(super) const RUN_AS: &str = "/run_as";

/// A body whose references lead into the target.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub body: Map<String, Value>,
    /// Values that are known only once another object is made.
    pub links: Vec<Link>,
    /// Objects that must be there first.
    pub needs: BTreeSet<usize>,
    /// Objects that come first if they come.
    pub after: BTreeSet<usize>,
    /// References that lead nowhere.
    pub dead: Vec<Dead>,
    /// What rules switched off; what was left out whole, as it would stand in the target.
    pub off: Vec<Change>,
    /// Places of it that cannot be put back: they refer to what the target does not have.
    pub lost: BTreeSet<String>,
    /// What was switched off since it would run as somebody else.
    pub stopped: Vec<Change>,
    /// Secrets that are named, and that neither bundle nor target has: `scope/key`.
    pub secrets: BTreeSet<String>,
    /// What is named and not carried, so that nobody knows whether the target has it: section of the map file, and value.
    pub elsewhere: BTreeSet<(&'static str, String)>,
}

/// A reference that leads nowhere.
#[derive(Debug)]
pub(super) struct Dead {
    pub at: String,
    pub value: String,
    pub to: &'static [&'static str],
    pub gone: Gone,
    pub why: Option<String>,
}

/// Where a reference leads.
pub(super) enum Lead {
    /// It is no reference.
    Nobody,
    /// A path: these objects come first if they come; the text that stands there, if another; the home that may be named
    /// otherwise once it is there.
    Path(Vec<usize>, Option<String>, Option<String>),
    /// This stands there in the target.
    Is(Value),
    /// An object that is not made yet.
    To(usize),
    /// Nothing answers to it; why, if we know.
    Gone(Option<String>),
}

impl Planner<'_> {
    /// Resolves every reference of an object.
    pub(super) fn resolve(&self, index: usize) -> Resolved {
        let object = self.bundle.objects[index];
        let Some(body) = object.json() else { return Resolved::default() };
        let mut resolved = self.resolve_body(object.kind(), body);
        for change in object.switched_off() {
            let change = self.led(object.kind(), change, &mut resolved.lost);
            resolved.off.push(change);
        }
        resolved.after.retain(|one| *one != index && !resolved.needs.contains(one));
        resolved
    }

    /// Resolves every reference of a body.
    pub(super) fn resolve_body(&self, kind: &'static Kind, body: Map<String, Value>) -> Resolved {
        let mut body = Value::Object(body);
        let mut resolved = Resolved::default();
        self.leave_out_dead(kind, &mut body, &mut resolved);
        self.lead_all(kind, &mut body, &mut resolved);
        self.nobody_else(kind, &mut body, &mut resolved);
        pointer::texts(&body, &mut |_, text| self.secrets(text, &mut resolved));
        if let Value::Object(body) = body {
            resolved.body = body;
        }
        resolved
    }

    /// A change with what it left out leading into the target.
    fn led(&self, kind: &'static Kind, change: &Change, lost: &mut BTreeSet<String>) -> Change {
        let Some((was, top)) =
            change.was.as_ref().filter(|was| was.is_object() || was.is_array()).zip(change.at.strip_prefix('/'))
        else {
            return change.clone();
        };
        let (mut body, mut resolved) = (json!({ top: was }), Resolved::default());
        self.leave_out_dead(kind, &mut body, &mut resolved);
        self.lead_all(kind, &mut body, &mut resolved);
        if !(resolved.dead.is_empty() && resolved.links.is_empty()) {
            lost.insert(change.at.clone());
            return change.clone();
        }
        Change { was: body.get(top).cloned(), ..change.clone() }
    }

    /// First the dead ones: what they take along must not count any more.
    fn leave_out_dead(&self, kind: &'static Kind, body: &mut Value, resolved: &mut Resolved) {
        let mut removed = Vec::new();
        for (at, reference) in references(kind) {
            pointer::each(body, at, &mut |place, value| {
                let Lead::Gone(why) = self.lead(reference, value) else { return };
                match reference.gone {
                    Gone::Drop => removed.push(place.to_owned()),
                    Gone::DropParent => removed.extend(place.rsplit_once('/').map(|(parent, _)| parent.to_owned())),
                    Gone::Keep | Gone::Needed | Gone::Silent => {}
                }
                if reference.gone != Gone::Silent {
                    resolved.dead.push(Dead {
                        at: place.to_owned(),
                        value: text(value),
                        to: reference.to,
                        gone: reference.gone,
                        why,
                    });
                }
            });
        }
        remove_exactly(body, removed);
    }

    fn lead_all(&self, kind: &'static Kind, body: &mut Value, resolved: &mut Resolved) {
        let mut values = Vec::new();
        for (at, reference) in references(kind) {
            pointer::each(body, at, &mut |place, value| match self.lead(reference, value) {
                Lead::Path(after, text, home) => {
                    resolved.after.extend(after);
                    values.extend(text.map(|text| (place.to_owned(), json!(text))));
                    resolved.links.extend(home.map(|home| home_link(place, home)));
                }
                Lead::Is(new) => {
                    resolved.after.extend(self.changed_before(kind, reference, value));
                    values.extend((new != *value).then(|| (place.to_owned(), new)));
                }
                Lead::To(index) => self.link(place, reference, index, resolved),
                Lead::Nobody => resolved.elsewhere.extend(elsewhere(reference, value)),
                Lead::Gone(_) => {}
            });
        }
        for (place, value) in values {
            pointer::set(body, &place, &value);
        }
    }

    /// What is there already may have to change first: a policy fills in and refuses what it says at that moment. Of their own
    /// kind, objects may refer to each other in circles.
    fn changed_before(&self, kind: &Kind, reference: &Ref, value: &Value) -> Option<usize> {
        let others = reference.to.iter().filter(|to| reference.by == By::Id && **to != kind.name);
        others.filter_map(|to| kinds::by_name(to)).find_map(|other| self.bundle.by_id(other.name, &text(value)))
    }

    fn link(&self, place: &str, reference: &Ref, index: usize, resolved: &mut Resolved) {
        let unmet = match reference.gone {
            Gone::Keep | Gone::Needed => Unmet::Stop,
            Gone::Silent => Unmet::Keep,
            Gone::Drop => Unmet::Drop,
            Gone::DropParent => Unmet::DropParent,
        };
        let first = if unmet == Unmet::Stop { &mut resolved.needs } else { &mut resolved.after };
        first.insert(index);
        let (to, key) = (self.bundle.objects[index].source(), reference.by == By::Key);
        resolved.links.push(Link { at: place.to_owned(), to, key, unmet });
    }

    pub(super) fn lead(&self, reference: &Ref, value: &Value) -> Lead {
        let name = text(value);
        if name.is_empty() {
            return Lead::Nobody;
        }
        match reference.by {
            By::Id | By::Key => self.lead_to_object(reference, value, &name),
            By::Path => self.lead_to_path(reference, &name),
            // The rules have put there what stands for it; what they did not know is told.
            By::Elsewhere(section) if self.maps.leads_to(section, &name) => Lead::Is(value.clone()),
            By::Elsewhere(_) => Lead::Nobody,
        }
    }

    fn lead_to_object(&self, reference: &Ref, value: &Value, name: &str) -> Lead {
        let by_key = reference.by == By::Key;
        let mut why = None;
        for kind in reference.to.iter().filter_map(|to| kinds::by_name(to)) {
            let in_bundle =
                if by_key { self.bundle.by_key(kind, name).first().copied() } else { self.bundle.by_id(kind.name, name) };
            match in_bundle.map(|index| (index, &self.fates[index])) {
                Some((_, Fate::There(there, _))) => return Lead::Is(fill(value, there, by_key)),
                Some((index, Fate::Coming)) => return Lead::To(index),
                Some((_, Fate::Never(reason))) => why = Some(reason.clone()),
                None => {}
            }
            if let Some(there) = self.outside(kind, name, by_key) {
                return Lead::Is(fill(value, &there, by_key));
            }
            why = why.or_else(|| self.many_of_that_name(kind, name));
        }
        Lead::Gone(why)
    }

    /// What the bundle does not restore: mapped, or in the target already.
    fn outside(&self, kind: &'static Kind, name: &str, by_key: bool) -> Option<Found> {
        if let Some(to) = self.maps.get(kind.name, name) {
            let there = self.present.by_id(kind.name, to).or_else(|| self.present.by_key(kind, to).first().copied());
            let unseen =
                || (by_key || !is_principal(kind.name)).then(|| Found { id: json!(to), key: to.to_owned(), object_id: None });
            return there.map(found).or_else(unseen);
        }
        if by_key {
            return self.present.by_key(kind, name).first().map(|one| found(one));
        }
        if self.same_workspace
            && let Some(one) = self.present.by_id(kind.name, name)
        {
            return Some(found(one));
        }
        match self.present.by_stamp(kind.name, name).as_slice() {
            [one] => Some(found(one)),
            _ => self.same_name(kind, name),
        }
    }

    /// A recorded object of the bundle, and the only one of its name in the target.
    fn same_name(&self, kind: &'static Kind, id: &str) -> Option<Found> {
        let recorded = self.bundle.recorded(kind.name, id)?;
        match self.present.by_key(kind, &recorded.key).as_slice() {
            [one] => Some(found(one)),
            _ => None,
        }
    }

    /// Which of several is meant is for a person to say.
    fn many_of_that_name(&self, kind: &'static Kind, id: &str) -> Option<String> {
        let recorded = self.bundle.recorded(kind.name, id)?;
        let many = self.present.by_key(kind, &recorded.key).len();
        (many > 1).then(|| format!("the target has {many} {} of the name \"{}\"", kind.title, recorded.key))
    }

    fn lead_to_path(&self, reference: &Ref, text: &str) -> Lead {
        let (path, places): (String, &[&'static str]) = match kinds::place(text) {
            Place::Elsewhere => return Lead::Nobody,
            Place::Workspace(path) => (path, &["notebook", "file", "directory", "repo", "workspace_object"]),
            Place::Dbfs(path) => (path, &["dbfs_file"]),
            Place::Volume(path) => (path, &["volume_file"]),
        };
        let at_path: Vec<usize> = places.iter().filter_map(|kind| self.bundle.by_id(kind, &path)).collect();
        let around: Vec<usize> = paths::parents(&path).filter_map(|folder| self.bundle.by_id("repo", folder)).collect();
        let there = places.iter().any(|kind| self.present.by_id(kind, &path).is_some())
            || paths::parents(&path).any(|folder| self.present.by_id("repo", folder).is_some())
            || paths::always_there(&path);
        let moved = self.place(&path);
        let there = there || (moved != path && places.iter().any(|kind| self.present.by_id(kind, &moved).is_some()));
        let text = (moved != path).then(|| homes::rewritten(text, &path, &moved)).flatten();
        // What is not in the bundle may be in storage that nobody asked the target for: only the tree is known.
        let known = places.len() > 1 && reference.gone != Gone::Silent;
        match (at_path.is_empty() && around.is_empty(), there || !known) {
            (true, false) => Lead::Gone(None),
            (true, true) if text.is_none() => Lead::Nobody,
            _ => {
                let home = self.home_may_move(&path).filter(|_| places.len() > 1);
                Lead::Path(at_path.into_iter().chain(around).collect(), text, home)
            }
        }
    }

    /// What has lost whom it ran as would run as whoever restores it, with other rights: it is off, whatever rules say. Where
    /// somebody has yet to come to be, it waits for them.
    fn nobody_else(&self, kind: &'static Kind, body: &mut Value, resolved: &mut Resolved) {
        if resolved.dead.iter().any(|dead| dead.at.starts_with(RUN_AS)) {
            resolved.stopped = stop(kind, body);
        }
        let waits = |link: &Link| link.at.starts_with(RUN_AS) && !stop(kind, &mut body.clone()).is_empty();
        let Some(link) = resolved.links.iter_mut().find(|link| waits(link)) else { return };
        link.unmet = Unmet::Stop;
        let who = kinds::by_name(&link.to.kind).and_then(|to| self.bundle.by_id(to.name, &link.to.id));
        resolved.needs.extend(who);
    }

    fn secrets(&self, text: &str, resolved: &mut Resolved) {
        for (scope, key) in kinds::secrets_in(text) {
            let kind = kinds::by_name("secret_scope");
            let scopes = kind.map_or(&[][..], |kind| self.bundle.by_key(kind, &scope));
            resolved.after.extend(scopes);
            let full = format!("{scope}/{key}");
            let secret = kinds::by_name("secret");
            let known = secret.is_some_and(|secret| {
                !self.bundle.by_key(secret, &full).is_empty() || !self.present.by_key(secret, &full).is_empty()
            });
            if !known {
                resolved.secrets.insert(full);
            }
        }
    }
}

/// What a reference names that no backup holds: a thing of the account or the cloud, storage of one's own.
fn elsewhere(reference: &Ref, value: &Value) -> Option<(&'static str, String)> {
    let name = text(value);
    match reference.by {
        By::Elsewhere(section) if reference.gone != Gone::Silent && !name.is_empty() => Some((section, name)),
        By::Path => kinds::storage(&name).map(|storage| (STORAGE, storage.to_owned())),
        _ => None,
    }
}

/// Storage outside of the workspace.
pub(super) const STORAGE: &str = "storage";

/// The home's own path stands at the beginning of the value, and is replaced by what the home is called in the end.
fn home_link(place: &str, home: String) -> Link {
    Link { at: place.to_owned(), to: SourceId { kind: "directory".into(), id: home }, key: false, unmet: Unmet::Keep }
}

/// Every reference of a kind, with its pointer below the body.
pub(super) fn references(kind: &'static Kind) -> impl Iterator<Item = (&'static str, &'static Ref)> {
    /// Made once: they are asked for again and again, for each object.
    static ALL: LazyLock<HashMap<&'static str, Vec<(String, &'static Ref)>>> = LazyLock::new(|| {
        let of = |kind: &'static Kind| kind.references().filter_map(|(at, reference)| Some((below_body(kind, &at)?, reference)));
        kinds::all().iter().map(|kind| (kind.name, of(kind).collect())).collect()
    });
    ALL.get(kind.name).into_iter().flatten().map(|(at, reference)| (at.as_str(), *reference))
}

/// What a link puts in the place of the source's value.
pub(crate) fn fill_link(like: &Value, link: &Link, there: &Found) -> Value {
    if link.to.kind != "directory" {
        return fill(like, there, link.key);
    }
    let moved = |text: &str| homes::rewritten_home(text, &link.to.id, &self::text(&there.id));
    like.as_str().and_then(moved).map_or_else(|| like.clone(), Value::String)
}

/// An id or key in the JSON type that the source's value has.
fn fill(like: &Value, there: &Found, key: bool) -> Value {
    let new = if key { json!(there.key) } else { there.id.clone() };
    match (like, &new) {
        (Value::Number(_), Value::String(text)) => text.parse::<i64>().map_or(new.clone(), Value::from),
        (Value::String(_), Value::Number(number)) => json!(number.to_string()),
        _ => new,
    }
}

/// A text or number as text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

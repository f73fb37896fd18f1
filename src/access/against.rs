//! What access was gained and lost between two sets of objects: effective access, not entries.

use super::answer::{Incomplete, Principal, Subject};
use super::people::{Closure, Who, folded};
use super::{Access, ObjectId, PrincipalId, Source, subject};
use crate::kinds::{Capability, levels};
use foldhash::HashMap;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Somebody's level before and after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Shift {
    /// Kind of the principal.
    pub kind: &'static str,
    /// User name, application id or group name.
    pub principal: String,
    /// The level before; none where they could do nothing.
    pub before: Option<&'static str>,
    /// The level after.
    pub after: Option<&'static str>,
    /// How they come to the level that is the stronger of the two.
    pub way: String,
}

/// The same shifts on some objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// The objects.
    pub objects: Vec<Subject>,
    /// Who can do more than before.
    pub gained: Vec<Shift>,
    /// Who can do less than before.
    pub lost: Vec<Shift>,
}

/// What became of a principal itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Standing {
    /// Kind of the principal.
    pub kind: &'static str,
    /// User name, application id or group name.
    pub principal: String,
    /// Groups, entitlements, `admin` and `active` that it has now and had not: `group data-eng`, `entitlement allow-cluster-create`.
    pub gained: Vec<String>,
    /// The same that it had and has no more.
    pub lost: Vec<String>,
}

/// One of the two sets of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Taken {
    /// The workspace that it comes from.
    pub workspace_id: Option<String>,
    /// When it was read, RFC 3339.
    pub taken: Option<String>,
    /// SHA-256 of the bundle's manifest.
    pub bundle: Option<String>,
}

/// What access was gained and lost.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Changes {
    /// The first set.
    pub before: Taken,
    /// The second set.
    pub after: Taken,
    /// Principals that are new, gone, switched off, or in other groups.
    pub principals: Vec<Standing>,
    /// Objects on which somebody can do more or less. What admins may anyway is told with the principals.
    pub changes: Vec<Change>,
    /// Objects that are only in the second: what people can do with them is no change of access.
    pub only_after: Vec<Subject>,
    /// Objects that are only in the first.
    pub only_before: Vec<Subject>,
    /// What keeps this from being the whole truth, of the first.
    pub incomplete_before: Incomplete,
    /// The same of the second.
    pub incomplete_after: Incomplete,
}

impl Changes {
    /// Whether nobody gained or lost anything.
    pub fn is_empty(&self) -> bool {
        self.principals.is_empty() && self.changes.is_empty()
    }

    /// Leaves what is asked about.
    pub fn only(&mut self, narrow: &Narrow) {
        let is_one = |kind: &str, name: &str| narrow.principals.iter().any(|one| one.0 == kind && one.1 == folded(kind, name));
        let is_wanted = |kind: &str, name: &str| narrow.principals.is_empty() || is_one(kind, name);
        let about = |object: &Subject| narrow.objects.is_empty() || narrow.objects.contains(object);
        // Who somebody is does not change on an object, and lets nobody do this or that by itself.
        let standing = narrow.objects.is_empty() && narrow.can.is_none();
        self.principals.retain(|one| standing && is_wanted(one.kind, &one.principal));
        for change in &mut self.changes {
            let kind = change.objects.first().map(|one| one.kind).unwrap_or_default();
            let counts = |shift: &Shift| is_wanted(shift.kind, &shift.principal) && shift.crosses(kind, narrow.can);
            change.gained.retain(counts);
            change.lost.retain(counts);
            change.objects.retain(about);
        }
        self.changes.retain(|one| !one.objects.is_empty() && (!one.gained.is_empty() || !one.lost.is_empty()));
        self.only_after.retain(about);
        self.only_before.retain(about);
    }
}

/// What of the changes is asked about; what is empty asks about everything.
#[derive(Clone, Debug, Default)]
pub struct Narrow {
    principals: Vec<(&'static str, String)>,
    objects: Vec<Subject>,
    can: Option<Capability>,
}

impl Narrow {
    /// Only shifts by which somebody comes to be able to do this, or is not any more.
    pub fn to(can: Option<Capability>) -> Self {
        Self { can, ..Self::default() }
    }

    /// This principal.
    #[must_use]
    pub fn principal(mut self, one: &Principal) -> Self {
        self.principals.push((one.kind, folded(one.kind, &one.name)));
        self
    }

    /// This object.
    #[must_use]
    pub fn object(mut self, one: Subject) -> Self {
        self.objects.push(one);
        self
    }
}

impl Shift {
    /// Whether somebody could do it before or can after, and not both.
    fn crosses(&self, kind: &str, what: Option<Capability>) -> bool {
        let can = |name: Option<&str>, what: Capability| {
            levels(kind).iter().any(|level| Some(level.name) == name && level.can.contains(&what))
        };
        what.is_none_or(|what| can(self.before, what) != can(self.after, what))
    }
}

/// A principal in the first and in the second.
#[derive(Default)]
struct Both {
    /// As the second writes it, or else the first.
    name: String,
    then: Option<Who>,
    now: Option<Who>,
}

/// A principal of one of the two, with what it is granted by each list of grants.
struct Seen {
    who: Who,
    closure: Closure,
    granted: Vec<Option<u8>>,
}

/// Objects of one kind that are in both and alike in both, by their numbers; and who can do more or less with them.
struct Alike {
    classes: (u32, u32),
    objects: Vec<(u32, u32)>,
    gained: Vec<Shift>,
    lost: Vec<Shift>,
}

impl Source {
    fn taken(&self) -> Taken {
        Taken { workspace_id: self.workspace_id.clone(), taken: self.taken.clone(), bundle: self.bundle.clone() }
    }
}

impl Access {
    /// What was gained and lost from this to the other. Objects are the same by path or name; in one workspace by id, so that a
    /// new name is no loss.
    pub fn against(&self, after: &Self) -> Changes {
        let same = self.source.workspace_id.is_some() && self.source.workspace_id == after.source.workspace_id;
        let (mut alike, only_before, only_after) = self.paired(after, same);
        let mut standings = Vec::new();
        for ((kind, _), Both { name, then, now }) in self.everybody(after) {
            let (then, now) = (then.map(|who| self.seen(who)), now.map(|who| after.seen(who)));
            alike.iter_mut().for_each(|alike| self.shift(after, (kind, &name), (then.as_ref(), now.as_ref()), alike));
            standings.extend(self.standing(after, (kind, &name), (then.as_ref(), now.as_ref())));
        }
        let mut changes: Vec<Change> = alike.into_iter().filter_map(|alike| change(after, alike)).collect();
        changes.sort_by(|a, b| a.objects.cmp(&b.objects));
        Changes {
            before: self.source.taken(),
            after: after.source.taken(),
            principals: standings,
            changes,
            only_before,
            only_after,
            incomplete_before: self.incomplete(),
            incomplete_after: after.incomplete(),
        }
    }

    /// Objects that are in both, by their classes; those that are only in the first, and only in the second.
    fn paired(&self, after: &Self, by_id: bool) -> (Vec<Alike>, Vec<Subject>, Vec<Subject>) {
        let mut left: HashMap<(&'static str, &str), u32> = HashMap::default();
        for (number, thing) in (0..).zip(&after.grants.things) {
            let name = if by_id { &thing.id } else { &thing.key };
            left.entry((thing.kind, name)).or_insert(number);
        }
        let mut pairs: BTreeMap<(u32, u32), Vec<(u32, u32)>> = BTreeMap::new();
        let mut gone = Vec::new();
        for (number, thing) in (0..).zip(&self.grants.things) {
            let name = if by_id { &thing.id } else { &thing.key };
            match left.remove(&(thing.kind, &**name)) {
                Some(other) => {
                    let classes = (thing.class, after.grants.things[other as usize].class);
                    pairs.entry(classes).or_default().push((number, other));
                }
                None => gone.push(subject(thing)),
            }
        }
        let mut new: Vec<Subject> = left.values().map(|number| subject(&after.grants.things[*number as usize])).collect();
        gone.sort();
        new.sort();
        let alike = |(classes, objects)| Alike { classes, objects, gained: Vec::new(), lost: Vec::new() };
        (pairs.into_iter().map(alike).collect(), gone, new)
    }

    fn everybody(&self, after: &Self) -> BTreeMap<(&'static str, String), Both> {
        let mut all: BTreeMap<(&'static str, String), Both> = BTreeMap::new();
        let key = |access: &Self, who: Who| {
            let one = &access.people.all[who as usize];
            ((one.kind, folded(one.kind, &one.name)), one.name.clone())
        };
        for PrincipalId(who) in self.principals() {
            let (key, name) = key(self, who);
            let both = all.entry(key).or_default();
            (both.name, both.then) = (name, Some(who));
        }
        for PrincipalId(who) in after.principals() {
            let (key, name) = key(after, who);
            let both = all.entry(key).or_default();
            (both.name, both.now) = (name, Some(who));
        }
        all
    }

    /// A principal, and the levels that it has by grants; what admins may anyway does not count.
    fn seen(&self, who: Who) -> Seen {
        let closure = self.people.closure(who);
        let granted = self.granted(&closure, &|who| Some(who) != self.people.admins);
        Seen { who, closure, granted }
    }

    /// Whether somebody gained or lost something on objects that are alike.
    fn shift(
        &self,
        after: &Self,
        (kind, name): (&'static str, &str),
        (then, now): (Option<&Seen>, Option<&Seen>),
        alike: &mut Alike,
    ) {
        let level = |access: &Self, seen: Option<&Seen>, class: u32| {
            seen.and_then(|seen| seen.granted[access.grants.classes[class as usize].set as usize])
        };
        let (before, since) = (level(self, then, alike.classes.0), level(after, now, alike.classes.1));
        let Some(first) = alike.objects.first().filter(|_| before != since) else { return };
        let all = levels(self.grants.things[first.0 as usize].kind);
        let word = |level: Option<u8>| level.map(|level| all[level as usize].name);
        let way = match since > before {
            true => now.and_then(|seen| after.best(&seen.closure, first.1)),
            false => then.and_then(|seen| self.best(&seen.closure, first.0)),
        };
        let shift =
            Shift { kind, principal: name.to_owned(), before: word(before), after: word(since), way: way.unwrap_or_default() };
        (if since > before { &mut alike.gained } else { &mut alike.lost }).push(shift);
    }

    fn best(&self, closure: &Closure, object: u32) -> Option<String> {
        let thing = &self.grants.things[object as usize];
        self.best_of(closure, thing, &|who| Some(who) != self.people.admins).map(|way| way.text)
    }

    fn standing(
        &self,
        after: &Self,
        (kind, name): (&'static str, &str),
        (then, now): (Option<&Seen>, Option<&Seen>),
    ) -> Option<Standing> {
        let had = then.map(|seen| self.marks(seen.who, &seen.closure)).unwrap_or_default();
        let has = now.map(|seen| after.marks(seen.who, &seen.closure)).unwrap_or_default();
        let gained: Vec<String> = has.difference(&had).cloned().collect();
        let lost: Vec<String> = had.difference(&has).cloned().collect();
        (!gained.is_empty() || !lost.is_empty()).then(|| Standing { kind, principal: name.to_owned(), gained, lost })
    }

    /// What a principal is and is in.
    fn marks(&self, who: Who, closure: &Closure) -> BTreeSet<String> {
        let one = &self.people.all[who as usize];
        if !one.there {
            return BTreeSet::new();
        }
        let groups = closure.groups().map(|group| &self.people.all[group as usize].name);
        let mut marks: BTreeSet<String> = groups.map(|group| format!("group {group}")).collect();
        marks.extend(self.entitled_to(who, closure).map(|name| format!("entitlement {name}")));
        marks.insert("listed".to_owned());
        if one.active {
            marks.insert("active".to_owned());
        }
        if self.is_admin(closure) {
            marks.insert("admin".to_owned());
        }
        marks
    }
}

/// What came of objects that are alike, if anything did.
fn change(after: &Access, Alike { objects, gained, lost, .. }: Alike) -> Option<Change> {
    if gained.is_empty() && lost.is_empty() {
        return None;
    }
    let mut objects: Vec<Subject> = objects.iter().map(|(_, number)| after.object(ObjectId(*number))).collect();
    objects.sort();
    Some(Change { objects, gained, lost })
}

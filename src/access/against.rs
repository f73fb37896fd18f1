//! What access was gained and lost between two sets of objects: effective access, not entries.

use super::answer::{Incomplete, Subject};
use super::people::{Closure, Who};
use super::{Access, ObjectId, PrincipalId, subject};
use crate::kinds::levels;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// What access was gained and lost.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Changes {
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
}

/// A principal in the first and in the second.
type Both = (Option<(Who, Closure)>, Option<(Who, Closure)>);

impl Access {
    /// What was gained and lost from this to the other. Objects are the same by path or name; in one workspace by id, so that a
    /// new name is no loss.
    pub fn against(&self, after: &Self) -> Changes {
        let same = self.source.workspace_id.is_some() && self.source.workspace_id == after.source.workspace_id;
        let (pairs, only_before, only_after) = self.paired(after, same);
        let people = self.everybody(after);
        let mut changes: Vec<Change> =
            pairs.into_iter().filter_map(|(classes, objects)| self.change(after, &people, classes, &objects)).collect();
        changes.sort_by(|a, b| a.objects.cmp(&b.objects));
        let standings = people.iter().filter_map(|((kind, name), both)| self.standing(after, kind, name, both)).collect();
        Changes {
            principals: standings,
            changes,
            only_before,
            only_after,
            incomplete_before: self.incomplete(),
            incomplete_after: after.incomplete(),
        }
    }

    /// Objects that are in both, by their classes; those that are only in the first, and only in the second.
    #[expect(clippy::type_complexity, reason = "three lists that only the caller knows")]
    fn paired(&self, after: &Self, by_id: bool) -> (BTreeMap<(u32, u32), Vec<(u32, u32)>>, Vec<Subject>, Vec<Subject>) {
        let mut left: HashMap<(&'static str, &str), u32> = HashMap::new();
        let key = |thing: &'_ super::Thing| (thing.kind, by_id);
        for (number, thing) in (0..).zip(&after.grants.things) {
            let name = if key(thing).1 { &thing.id } else { &thing.key };
            left.entry((thing.kind, name)).or_insert(number);
        }
        let (mut pairs, mut gone): (BTreeMap<_, Vec<_>>, Vec<Subject>) = (BTreeMap::new(), Vec::new());
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
        (pairs, gone, new)
    }

    fn everybody(&self, after: &Self) -> BTreeMap<(&'static str, String), Both> {
        let mut all: BTreeMap<(&'static str, String), Both> = BTreeMap::new();
        let key = |access: &Self, who: Who| {
            let one = &access.people.all[who as usize];
            (one.kind, if one.kind == "group" { one.name.clone() } else { one.name.to_lowercase() })
        };
        for PrincipalId(who) in self.principals() {
            all.entry(key(self, who)).or_default().0 = Some((who, self.people.closure(who)));
        }
        for PrincipalId(who) in after.principals() {
            all.entry(key(after, who)).or_default().1 = Some((who, after.people.closure(who)));
        }
        all
    }

    /// Who gained and who lost on objects that are alike.
    fn change(
        &self,
        after: &Self,
        people: &BTreeMap<(&'static str, String), Both>,
        classes: (u32, u32),
        objects: &[(u32, u32)],
    ) -> Option<Change> {
        let (mut gained, mut lost) = (Vec::new(), Vec::new());
        let first = *objects.first()?;
        let kind = self.grants.things[first.0 as usize].kind;
        for ((sort, name), (then, now)) in people {
            let before = then.as_ref().and_then(|(_, closure)| self.granted(closure, classes.0));
            let since = now.as_ref().and_then(|(_, closure)| after.granted(closure, classes.1));
            if before == since {
                continue;
            }
            let word = |level: Option<u8>| level.map(|level| levels(kind)[level as usize].name);
            let way = match since > before {
                true => now.as_ref().and_then(|(_, closure)| after.best(closure, ObjectId(first.1))),
                false => then.as_ref().and_then(|(_, closure)| self.best(closure, ObjectId(first.0))),
            };
            let shift = Shift {
                kind: sort,
                principal: name.clone(),
                before: word(before),
                after: word(since),
                way: way.unwrap_or_default(),
            };
            (if since > before { &mut gained } else { &mut lost }).push(shift);
        }
        let mut objects: Vec<Subject> = objects.iter().map(|(_, number)| after.object(ObjectId(*number))).collect();
        objects.sort();
        (!gained.is_empty() || !lost.is_empty()).then_some(Change { objects, gained, lost })
    }

    /// The level that somebody has by grants; what admins may anyway does not count.
    fn granted(&self, closure: &Closure, class: u32) -> Option<u8> {
        let admins = self.people.admins;
        let class = &self.grants.classes[class as usize];
        class.grants.iter().filter(|(who, _)| closure.has(*who) && Some(*who) != admins).map(|(_, level)| *level).max()
    }

    fn best(&self, closure: &Closure, object: ObjectId) -> Option<String> {
        let ways = self.ways(closure, &self.grants.things[object.0 as usize]);
        ways.into_iter().find(|way| way.groups.last().is_none_or(|group| group != "admins")).map(|way| way.text)
    }

    fn standing(&self, after: &Self, kind: &'static str, name: &str, (then, now): &Both) -> Option<Standing> {
        let had = then.as_ref().map(|(who, closure)| self.marks(*who, closure)).unwrap_or_default();
        let has = now.as_ref().map(|(who, closure)| after.marks(*who, closure)).unwrap_or_default();
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
        marks.extend(self.entitlements(who, closure).into_iter().map(|one| format!("entitlement {}", one.name)));
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

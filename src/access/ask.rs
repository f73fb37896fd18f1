//! The two questions: who can do what with an object, and what can a principal do.

use super::answer::{ActsFor, Entitlement, Held, Holder, Membership, ObjectAccess, PrincipalAccess};
use super::people::{Closure, Who};
use super::{Access, ObjectId, PrincipalId, can, subject};
use crate::kinds::{Capability, Role, levels};

impl Access {
    /// Who can do what with an object; `able` leaves only those who can do this.
    pub fn of_object(&self, object: ObjectId, able: Option<Capability>) -> ObjectAccess {
        let thing = &self.grants.things[object.0 as usize];
        let mut holders = Vec::new();
        for who in (0..).take(self.people.all.len()) {
            let closure = self.people.closure(who);
            let Some(level) = self.level_of(&closure, thing.class) else { continue };
            let can = can(thing.kind, level);
            if able.is_none_or(|able| can.contains(&able)) {
                let (principal, ways) = (self.shown(who, &closure), self.ways(&closure, thing));
                holders.push((level, Holder { principal, level: levels(thing.kind)[level as usize].name, can, ways }));
            }
        }
        let key = |holder: &Holder| (holder.principal.kind, holder.principal.name.clone());
        holders.sort_by_key(|(level, holder)| (std::cmp::Reverse(*level), key(holder)));
        let runs = self.behind.iter().find(|one| one.role == Role::RunsAs && one.subject == subject(thing));
        ObjectAccess {
            object: subject(thing),
            recorded: thing.recorded,
            holders: holders.into_iter().map(|(_, holder)| holder).collect(),
            runs_as: runs.map(|one| self.principal(PrincipalId(one.who))),
            incomplete: self.incomplete(),
        }
    }

    /// What a principal can do; `able` leaves only the objects with which they can do this.
    pub fn of_principal(&self, principal: PrincipalId, able: Option<Capability>) -> PrincipalAccess {
        let who = principal.0;
        let closure = self.people.closure(who);
        let mut objects = Vec::new();
        for (number, class) in (0..).zip(&self.grants.classes) {
            let Some(level) = self.level_of(&closure, number) else { continue };
            let can = can(class.kind, level);
            if able.is_some_and(|able| !can.contains(&able)) {
                continue;
            }
            for thing in class.things.iter().map(|thing| &self.grants.things[*thing as usize]) {
                let Some(way) = self.ways(&closure, thing).into_iter().next() else { continue };
                let level = levels(class.kind)[level as usize].name;
                objects.push(Held { object: subject(thing), level, can: can.clone(), way });
            }
        }
        objects.sort_by(|a, b| (a.object.kind, &a.object.name, &a.object.id).cmp(&(b.object.kind, &b.object.name, &b.object.id)));
        PrincipalAccess {
            principal: self.shown(who, &closure),
            groups: self.memberships(&closure),
            entitlements: self.entitlements(who, &closure),
            objects,
            runs: self.runs(who),
            acts_for: self.acts_for(who, &closure),
            incomplete: self.incomplete(),
        }
    }

    fn memberships(&self, closure: &Closure) -> Vec<Membership> {
        let mut groups: Vec<Membership> = closure.groups().map(|group| self.membership(closure, group)).collect();
        groups.retain(|one| one.group != "account users" || self.people.all.iter().any(|p| p.there && p.name == one.group));
        groups.sort();
        groups
    }

    fn membership(&self, closure: &Closure, group: Who) -> Membership {
        let mut through: Vec<String> = self.names(&closure.way(group));
        let group = through.pop().unwrap_or_default();
        Membership { group, through }
    }

    fn names(&self, all: &[Who]) -> Vec<String> {
        all.iter().map(|who| self.people.all[*who as usize].name.clone()).collect()
    }

    /// Their own entitlements, and those of the groups that they are in, each by its shortest way.
    pub(super) fn entitlements(&self, who: Who, closure: &Closure) -> Vec<Entitlement> {
        let mut found: Vec<Entitlement> = Vec::new();
        let mut holders: Vec<Vec<Who>> = closure.groups().map(|group| closure.way(group)).collect();
        holders.push(Vec::new());
        holders.sort_by_key(|way| (way.len(), self.names(way)));
        for way in holders {
            let holder = way.last().copied().unwrap_or(who);
            for name in &self.people.all[holder as usize].entitlements {
                if !found.iter().any(|one| one.name == *name) {
                    found.push(Entitlement { name: name.clone(), through: self.names(&way) });
                }
            }
        }
        found.sort();
        found
    }

    fn runs(&self, who: Who) -> Vec<super::Subject> {
        let runs = self.behind.iter().filter(|one| one.role == Role::RunsAs && one.who == who);
        let mut runs: Vec<_> = runs.map(|one| one.subject.clone()).collect();
        runs.sort();
        runs
    }

    /// Whoever can change what runs in another's name can have anything done in that name.
    fn acts_for(&self, who: Who, closure: &Closure) -> Vec<ActsFor> {
        let mut found = Vec::new();
        for one in self.behind.iter().filter(|one| one.role == Role::RunsAs && one.who != who) {
            let Some(thing) = self.grants.find(one.subject.kind, &one.subject.id) else { continue };
            let thing = &self.grants.things[thing as usize];
            let Some(level) = self.level_of(closure, thing.class) else { continue };
            if can(thing.kind, level).contains(&Capability::Edit) {
                let (object, level) = (subject(thing), levels(thing.kind)[level as usize].name);
                found.push(ActsFor { object, level, runs_as: self.principal(PrincipalId(one.who)) });
            }
        }
        found.sort_by(|a, b| a.object.cmp(&b.object));
        found
    }
}

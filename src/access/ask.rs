//! The two questions: who can do what with an object, and what can a principal do.

use super::answer::{ActsFor, Entitlement, Held, Holder, Membership, ObjectAccess, PrincipalAccess};
use super::people::{Closure, Who};
use super::{Access, ObjectId, PrincipalId, can, subject};
use crate::kinds::{Capability, Role, levels};
use std::collections::BTreeMap;

impl Access {
    /// Who can do what with an object; `able` leaves only those who can do this.
    pub fn of_object(&self, object: ObjectId, able: Option<Capability>) -> ObjectAccess {
        let thing = &self.grants.things[object.0 as usize];
        let mut holders = Vec::new();
        let granted = self.grants.sets.named(self.grants.classes[thing.class as usize].set);
        for who in self.people.within(granted.chain(self.people.admins)) {
            let closure = self.people.closure(who);
            let Some(level) = self.level_of(&closure, thing.class) else { continue };
            let can = can(thing.kind, level);
            if able.is_none_or(|able| can.contains(&able)) {
                let (principal, (ways, more_ways)) = (self.shown(who, &closure), self.ways(&closure, thing));
                holders.push((level, Holder { principal, level: levels(thing.kind)[level as usize].name, can, ways, more_ways }));
            }
        }
        holders.sort_by(|(level, one), (other_level, other)| {
            let key = |holder: &'_ Holder| (holder.principal.kind, holder.principal.name.clone());
            other_level.cmp(level).then_with(|| key(one).cmp(&key(other)))
        });
        let runs = self.behind(thing.kind, &thing.id).iter().find(|one| one.role == Role::RunsAs);
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
        for (class, level) in self.grants.classes.iter().zip(self.levels_of(&closure)) {
            let Some(level) = level else { continue };
            let can = can(class.kind, level);
            if able.is_some_and(|able| !can.contains(&able)) {
                continue;
            }
            for thing in class.things.iter().map(|thing| &self.grants.things[*thing as usize]) {
                let Some(way) = self.best_way(&closure, thing) else { continue };
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

    pub(super) fn memberships(&self, closure: &Closure) -> Vec<Membership> {
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

    pub(super) fn names(&self, all: &[Who]) -> Vec<String> {
        all.iter().map(|who| self.people.all[*who as usize].name.clone()).collect()
    }

    /// Their own entitlements, and those of the groups that they are in, each by its shortest way.
    pub(super) fn entitlements(&self, who: Who, closure: &Closure) -> Vec<Entitlement> {
        let gives = |who: &Who| !self.people.all[*who as usize].entitlements.is_empty();
        let mut holders: Vec<Who> = closure.groups().chain([who]).filter(gives).collect();
        let names = |who: Who| closure.way(who).into_iter().map(|who| self.people.all[who as usize].name.as_str());
        holders.sort_by(|a, b| closure.steps(*a).cmp(&closure.steps(*b)).then_with(|| names(*a).cmp(names(*b))));
        let mut found: BTreeMap<&str, Who> = BTreeMap::new();
        for (holder, name) in
            holders.iter().flat_map(|who| self.people.all[*who as usize].entitlements.iter().map(move |name| (who, name)))
        {
            found.entry(name).or_insert(*holder);
        }
        let told = |(name, holder): (&str, Who)| Entitlement { name: name.to_owned(), through: self.names(&closure.way(holder)) };
        found.into_iter().map(told).collect()
    }

    /// The names of all that somebody is entitled to, some of them several times.
    pub(super) fn entitled_to<'a>(&'a self, who: Who, closure: &'a Closure) -> impl Iterator<Item = &'a str> {
        let holders = closure.groups().chain([who]);
        holders.flat_map(|holder| self.people.all[holder as usize].entitlements.iter().map(String::as_str))
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

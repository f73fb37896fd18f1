//! Rights as they were granted: on an object, or on a folder and all that lies in it. Where [`Access::of_principal`] names every
//! object, this names what a right comes from, so that it is as long as there are grants, and not as there are objects.

use super::answer::{ActsFor, Entitlement, Membership, Origin, Subject};
use super::grants::{From, Grant, Thing};
use super::people::{Closure, Who};
use super::{Access, PrincipalId, can, subject};
use crate::kinds::{Capability, Role, levels};
use foldhash::{HashMap, HashMapExt};
use std::collections::BTreeMap;

/// A level that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// On what: an object, or a folder and all that lies in it.
    pub object: Subject,
    /// The level, as the API writes it.
    pub level: &'static str,
    /// To whom.
    pub to: PrincipalId,
    /// The groups through which it came to who was asked about, the nearest first; none where the right is their own.
    pub groups: Vec<String>,
    /// Where it comes from; inherited where the folder or workspace that grants it is not among the objects.
    pub origin: Origin,
    /// What lies in the folder and has the right with it, by kind.
    pub below: BTreeMap<&'static str, u64>,
}

/// What one principal is and may do. Of each list no more than was asked for, and how many more there are.
#[derive(Clone, Debug)]
pub struct About {
    /// The groups that they are in, however deep.
    pub groups: Vec<Membership>,
    /// What they are entitled to.
    pub entitlements: Vec<Entitlement>,
    /// Jobs and pipelines that run as them.
    pub runs: (Vec<Subject>, usize),
    /// Jobs and pipelines that they can change, and that run as somebody else. Of admins, to whom that is everything, none.
    pub acts_for: (Vec<ActsFor>, usize),
    /// What they may do, by what it comes from: the strongest first, none that another one includes. Of what admins may anyway
    /// nothing is told.
    pub rights: (Vec<Right>, usize),
}

/// All rights of one [`Access`], to be asked often.
#[derive(Debug)]
pub struct Rights<'a> {
    access: &'a Access,
    all: Vec<Given>,
    by_who: HashMap<Who, Vec<usize>>,
    /// What lies in folders on which something is granted.
    below: HashMap<u32, BTreeMap<&'static str, u64>>,
    /// Users and service principals of each group, however deep.
    members: HashMap<Who, Vec<PrincipalId>>,
    /// What runs in whose name.
    runners: Vec<(u32, Who)>,
}

/// A grant and where it stands.
#[derive(Clone, Copy, Debug)]
struct Given {
    thing: u32,
    grant: Grant,
}

impl Access {
    /// All rights as they were granted, but for those of the group of admins, which may do everything anyway.
    pub fn rights(&self) -> Rights<'_> {
        let mut all: Vec<Given> = Vec::new();
        for (thing, one) in (0..).zip(&self.grants.things) {
            let tells = |grant: &&Grant| self.people.admins != Some(grant.who) && !self.is_heard(one, grant);
            all.extend(self.grants.of(one).iter().filter(tells).map(|grant| Given { thing, grant: *grant }));
        }
        // Some servers tell one thing twice.
        all.dedup_by(|one, other| one.thing == other.thing && one.grant == other.grant);
        let mut by_who: HashMap<Who, Vec<usize>> = HashMap::new();
        all.iter().enumerate().for_each(|(place, given)| by_who.entry(given.grant.who).or_default().push(place));
        let below = self.below(&all);
        let runs = self.behind.iter().filter(|one| one.role == Role::RunsAs);
        let runners = runs.filter_map(|one| Some((self.grants.find(one.subject.kind, &one.subject.id)?, one.who))).collect();
        Rights { access: self, all, by_who, below, members: self.members(), runners }
    }

    /// Whether an object only repeats what the folder above it says.
    fn is_heard(&self, thing: &Thing, grant: &Grant) -> bool {
        let parent = thing.parent.map(|parent| self.grants.things[parent as usize].class);
        let above =
            parent.and_then(|class| self.grants.sets.level(self.grants.classes[class as usize].set, &|who| who == grant.who));
        matches!(grant.from, From::Listed(_)) && above >= Some(grant.level)
    }

    fn below(&self, all: &[Given]) -> HashMap<u32, BTreeMap<&'static str, u64>> {
        let folder = |thing: u32| matches!(self.grants.things[thing as usize].kind, "directory" | "repo");
        let folders = all.iter().map(|given| given.thing).filter(|thing| folder(*thing));
        let mut below: HashMap<u32, BTreeMap<&'static str, u64>> = folders.map(|thing| (thing, BTreeMap::new())).collect();
        for thing in &self.grants.things {
            let mut above = thing.parent;
            while let Some(folder) = above {
                if let Some(counts) = below.get_mut(&folder) {
                    *counts.entry(thing.kind).or_default() += 1;
                }
                above = self.grants.things[folder as usize].parent;
            }
        }
        below
    }

    fn members(&self) -> HashMap<Who, Vec<PrincipalId>> {
        let mut members: HashMap<Who, Vec<PrincipalId>> = HashMap::new();
        for who in (0..).take(self.people.all.len()) {
            let one = &self.people.all[who as usize];
            if one.kind != "group" && one.there {
                let closure = self.people.closure(who);
                closure.groups().for_each(|group| members.entry(group).or_default().push(PrincipalId(who)));
            }
        }
        members
    }
}

impl Rights<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// All of them as they stand, in the order of objects.
    pub fn all(&self) -> impl Iterator<Item = Right> {
        self.all.iter().map(|given| self.right(given, Vec::new()))
    }

    /// Users and service principals that are in a group, however deep.
    pub fn members(&self, group: PrincipalId) -> &[PrincipalId] {
        self.members.get(&group.0).map_or(&[], Vec::as_slice)
    }

    /// Whether everybody is in it, listed or not.
    pub fn is_everybody(&self, group: PrincipalId) -> bool {
        self.access.people.everybody.contains(&group.0)
    }

    /// What is known of a principal, of each list at most so much.
    pub fn about(&self, principal: PrincipalId, most: usize) -> About {
        let closure = self.access.people.closure(principal.0);
        let granted = self.access.granted(&closure, &|who| Some(who) != self.access.people.admins);
        let levels = Levels { access: self.access, closure: &closure, granted };
        let thing = |thing: u32| &self.access.grants.things[thing as usize];
        let runs = self.runners.iter().filter(|(_, who)| *who == principal.0).map(|(at, _)| subject(thing(*at)));
        About {
            groups: self.access.memberships(&closure),
            entitlements: self.access.entitlements(principal.0, &closure),
            runs: cut(runs.collect(), most),
            acts_for: if self.access.is_admin(&closure) { Default::default() } else { self.acts_for(principal.0, most, &levels) },
            rights: self.of(principal.0, most, &levels),
        }
    }

    fn acts_for(&self, who: Who, most: usize, levels: &Levels<'_>) -> (Vec<ActsFor>, usize) {
        let (mut found, mut left) = (Vec::new(), 0);
        for (at, runs_as) in self.runners.iter().filter(|(_, runs_as)| *runs_as != who) {
            let thing = &self.access.grants.things[*at as usize];
            let Some(level) = levels.on(thing.class).filter(|level| can(thing.kind, *level).contains(&Capability::Edit)) else {
                continue;
            };
            if found.len() == most {
                left += 1;
                continue;
            }
            let level = name_of(thing, level);
            found.push(ActsFor { object: subject(thing), level, runs_as: self.access.principal(PrincipalId(*runs_as)) });
        }
        (found, left)
    }

    fn of(&self, who: Who, most: usize, levels: &Levels<'_>) -> (Vec<Right>, usize) {
        let closure = levels.closure;
        let holders = std::iter::once(who).chain(closure.groups());
        let given = holders.filter_map(|who| self.by_who.get(&who)).flatten().map(|place| &self.all[*place]);
        let mut found: Vec<&Given> = given.filter(|given| self.matters(given, levels)).collect();
        let thing = |given: &Given| &self.access.grants.things[given.thing as usize];
        found.sort_by_key(|given| {
            let weight = can(thing(given).kind, given.grant.level).into_iter().max();
            let way = (closure.way(given.grant.who).len(), matches!(given.grant.from, From::Listed(_)));
            (
                std::cmp::Reverse(weight),
                thing(given).kind,
                given.thing,
                std::cmp::Reverse(given.grant.level),
                way,
                given.grant.who,
            )
        });
        // Of several ways to one level, the shortest.
        found.dedup_by_key(|given| given.thing);
        let (found, left) = cut(found, most);
        let names = |given: &Given| self.access.names(&closure.way(given.grant.who));
        (found.into_iter().map(|given| self.right(given, names(given))).collect(), left)
    }

    /// Whether somebody has no stronger right to the object, and none as strong to a folder above it.
    fn matters(&self, given: &Given, levels: &Levels<'_>) -> bool {
        let thing = &self.access.grants.things[given.thing as usize];
        let above = thing.parent.and_then(|parent| levels.on(self.access.grants.things[parent as usize].class));
        Some(given.grant.level) > above && levels.on(thing.class) == Some(given.grant.level)
    }

    fn right(&self, given: &Given, groups: Vec<String>) -> Right {
        let thing = &self.access.grants.things[given.thing as usize];
        let level = &levels(thing.kind)[given.grant.level as usize];
        Right {
            object: subject(thing),
            level: level.name,
            to: PrincipalId(given.grant.who),
            groups,
            origin: self.access.origin(thing, &given.grant),
            below: self.below.get(&given.thing).cloned().unwrap_or_default(),
        }
    }
}

/// The levels that somebody has by grants on the objects of each class.
struct Levels<'a> {
    access: &'a Access,
    closure: &'a Closure,
    /// By the list of each class.
    granted: Vec<Option<u8>>,
}

impl Levels<'_> {
    fn on(&self, class: u32) -> Option<u8> {
        self.granted[self.access.grants.classes[class as usize].set as usize]
    }
}

fn name_of(thing: &Thing, level: u8) -> &'static str {
    levels(thing.kind)[level as usize].name
}

/// So many, and how many there are besides.
fn cut<T>(mut all: Vec<T>, most: usize) -> (Vec<T>, usize) {
    let left = all.len().saturating_sub(most);
    all.truncate(most);
    (all, left)
}

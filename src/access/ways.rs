//! In which ways somebody comes to a level, and how to say it.

use super::answer::{Disagreement, Origin, Way};
use super::grants::{From, Grant, Thing, manage};
use super::people::{Closure, Who};
use super::{Access, subject};
use crate::kinds::levels;
use foldhash::HashSet;
use std::cmp::Reverse;

/// So many ways to one object are told of one principal, the strongest and shortest.
const TOLD: usize = 100;

/// So many disagreements are told; the others are counted.
const MOST: usize = 1000;

/// A way before it is put into words: nobody needs the words of all of them.
struct Draft<'a> {
    level: u8,
    /// Who it is granted to: the principal, or a group that it is in.
    to: Who,
    from: Source<'a>,
}

/// What a way comes from.
enum Source<'a> {
    /// A grant on the object or, if there is one, on a folder above.
    Grant(&'a Grant, Option<&'a Thing>),
    /// Admins may do everything.
    Admin,
}

impl Access {
    /// Ways to a level on an object, the strongest and shortest first, and how many more there are.
    pub(super) fn ways(&self, closure: &Closure, thing: &Thing) -> (Vec<Way>, u64) {
        let (mut drafts, mut known, mut inherited) = (Vec::new(), HashSet::default(), HashSet::default());
        self.each_way(closure, thing, &mut |draft| {
            let origin = self.origin_of(thing, &draft);
            let alike = (draft.level, draft.to);
            // What a folder says it inherits, the object mostly says as well, and the folder above grants.
            let told = matches!(draft.from, Source::Grant(grant, Some(_)) if matches!(grant.from, From::Listed(_)));
            let repeats = told && inherited.contains(&alike);
            if matches!(origin, Origin::Inherited { .. }) {
                inherited.insert(alike);
            }
            if !repeats && known.insert((alike, origin)) {
                drafts.push(draft);
            }
        });
        drafts.sort_by_key(|draft| (Reverse(draft.level), closure.steps(draft.to)));
        let more = drafts.len().saturating_sub(TOLD) as u64;
        (drafts.iter().take(TOLD).map(|draft| self.way(closure, thing, draft)).collect(), more)
    }

    /// The strongest and shortest of them.
    pub(super) fn best_way(&self, closure: &Closure, thing: &Thing) -> Option<Way> {
        self.best_of(closure, thing, &|_| true)
    }

    /// The same among those that are granted to somebody who counts.
    pub(super) fn best_of(&self, closure: &Closure, thing: &Thing, counts: &dyn Fn(Who) -> bool) -> Option<Way> {
        let mut best: Option<Draft<'_>> = None;
        let rank = |draft: &Draft<'_>| (draft.level, Reverse(closure.steps(draft.to)));
        self.each_way(closure, thing, &mut |draft| {
            if counts(draft.to) && best.as_ref().is_none_or(|best| rank(&draft) > rank(best)) {
                best = Some(draft);
            }
        });
        best.map(|draft| self.way(closure, thing, &draft))
    }

    fn each_way<'a>(&'a self, closure: &Closure, thing: &'a Thing, take: &mut dyn FnMut(Draft<'a>)) {
        let grants = &self.grants;
        let places = std::iter::once((thing, None)).chain(grants.above(thing).map(|folder| (folder, Some(folder))));
        for (place, folder) in places {
            for grant in grants.of(place).iter().filter(|grant| closure.has(grant.who)) {
                take(Draft { level: grant.level, to: grant.who, from: Source::Grant(grant, folder) });
            }
        }
        if let Some(to) = self.people.admins.filter(|admins| closure.has(*admins)) {
            take(Draft { level: manage(thing.kind), to, from: Source::Admin });
        }
    }

    fn origin_of(&self, thing: &Thing, draft: &Draft<'_>) -> Origin {
        match draft.from {
            Source::Admin => Origin::Admin,
            Source::Grant(grant, None) => self.origin(thing, grant),
            Source::Grant(grant, Some(folder)) => self.handed_down(folder, grant),
        }
    }

    pub(super) fn origin(&self, thing: &Thing, grant: &Grant) -> Origin {
        match grant.from {
            From::Own if levels(thing.kind)[grant.level as usize].name == "IS_OWNER" => Origin::Owner,
            From::Own => Origin::Direct,
            From::Listed(name) => Origin::Inherited { from: self.grants.names[name as usize].clone() },
            From::Home => Origin::Home { from: thing.id.to_string() },
            From::Role => Origin::Role,
            From::Owner => Origin::Owner,
        }
    }

    /// What a folder has, what lies in it inherits.
    fn handed_down(&self, folder: &Thing, grant: &Grant) -> Origin {
        match self.origin(folder, grant) {
            Origin::Direct | Origin::Owner => Origin::Inherited { from: folder.id.to_string() },
            other => other,
        }
    }

    fn way(&self, closure: &Closure, thing: &Thing, draft: &Draft<'_>) -> Way {
        let (groups, origin) = (self.names(&closure.way(draft.to)), self.origin_of(thing, draft));
        let level = levels(thing.kind)[draft.level as usize].name;
        let text = told(level, &groups, &origin);
        Way { level, groups, origin, text }
    }

    /// Where a folder and an object in it do not say the same: `CAN_RUN` for somebody stands only with one of them. And how many more
    /// there are: a folder that grants very much, with very much in it that lists nothing, is a line for each of each.
    pub(super) fn disagreements(&self) -> (Vec<Disagreement>, u64) {
        let (mut found, mut more) = (Vec::new(), 0);
        for thing in self.grants.things.iter().filter(|thing| thing.recorded && thing.parent.is_some()) {
            self.disagreeing(thing, &mut |folder, grant, only_in_folder| match found.len() < MOST {
                true => found.push(self.disagreement(thing, folder, grant, only_in_folder)),
                false => more += 1,
            });
        }
        found.sort();
        (found, more)
    }

    /// Folder, grant, and whether it stands only with the folder; each once.
    fn disagreeing(&self, thing: &Thing, tell: &mut dyn FnMut(&str, &Grant, bool)) {
        let grants = &self.grants;
        let is_listed = |grant: &&Grant| matches!(grant.from, From::Listed(_));
        let listed: HashSet<(Who, u8)> = grants.of(thing).iter().filter(is_listed).map(|one| (one.who, one.level)).collect();
        let mut known: HashSet<(Who, u8)> = HashSet::default();
        for folder in grants.above(thing) {
            for one in grants.of(folder).iter().filter(|one| one.from != From::Role) {
                let own = one.from == From::Own && !listed.contains(&(one.who, one.level));
                if known.insert((one.who, one.level)) && own {
                    tell(&folder.id, one, true);
                }
            }
        }
        let mut told = HashSet::default();
        for one in grants.of(thing) {
            let From::Listed(name) = one.from else { continue };
            let folder = &grants.names[name as usize];
            let home = || grants.of(thing).iter().any(|home| home.from == From::Home && home.who == one.who);
            let is_known = || grants.above(thing).any(|above| *above.id == **folder && above.recorded);
            if !known.contains(&(one.who, one.level)) && told.insert((one.who, one.level, name)) && is_known() && !home() {
                tell(folder, one, false);
            }
        }
    }

    fn disagreement(&self, thing: &Thing, folder: &str, grant: &Grant, only_in_folder: bool) -> Disagreement {
        let level = levels(thing.kind)[grant.level as usize].name;
        let principal = self.people.all[grant.who as usize].name.clone();
        Disagreement { object: subject(thing), folder: folder.to_owned(), principal, level, only_in_folder }
    }
}

/// `CAN_MANAGE via group data-eng → nested in platform → inherited from /Shared`
fn told(level: &str, groups: &[String], origin: &Origin) -> String {
    let mut text = level.to_owned();
    for (number, group) in groups.iter().enumerate() {
        text += if number == 0 { " via group " } else { " → nested in " };
        text += group;
    }
    match origin {
        Origin::Direct if groups.is_empty() => text + ", granted directly",
        Origin::Direct => text,
        Origin::Inherited { from } => format!("{text} → inherited from {from}"),
        Origin::Owner => text + ", as its owner",
        Origin::Home { from } => format!("{text}, in the home {from}"),
        Origin::Role => text + ", by a role",
        Origin::Admin => text + ", who may do everything",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_told_in_one_line() {
        let groups = ["data-eng".to_owned(), "platform".to_owned()];
        let from = Origin::Inherited { from: "/Shared".into() };
        assert_eq!(
            told("CAN_MANAGE", &groups, &from),
            "CAN_MANAGE via group data-eng → nested in platform → inherited from /Shared"
        );
        assert_eq!(told("CAN_READ", &[], &Origin::Direct), "CAN_READ, granted directly");
    }
}

//! In which ways somebody comes to a level, and how to say it.

use super::answer::{Disagreement, Origin, Way};
use super::grants::{From, Grant, Thing, manage};
use super::people::{Closure, Who};
use super::{Access, subject};
use crate::kinds::levels;
use std::collections::HashSet;

impl Access {
    /// Every way to a level on an object, the strongest and shortest first.
    pub(super) fn ways(&self, closure: &Closure, thing: &Thing) -> Vec<Way> {
        let grants = &self.grants;
        let mut ways: Vec<Way> = Vec::new();
        let mut add = |grant: &Grant, origin: Origin, told: bool| {
            if !closure.has(grant.who) {
                return;
            }
            let way = self.way(thing.kind, grant.level, closure.way(grant.who), origin);
            let like = |one: &Way| one.level == way.level && one.groups == way.groups;
            // What a folder says it inherits, the object mostly says as well, and the folder above grants.
            let repeats = |one: &Way| *one == way || (told && like(one) && matches!(one.origin, Origin::Inherited { .. }));
            if !ways.iter().any(repeats) {
                ways.push(way);
            }
        };
        for grant in grants.of(thing) {
            add(grant, self.origin(thing, grant), false);
        }
        for folder in grants.above(thing) {
            for grant in grants.of(folder) {
                add(grant, self.handed_down(folder, grant), matches!(grant.from, From::Listed(_)));
            }
        }
        if let Some(admins) = self.people.admins.filter(|admins| closure.has(*admins)) {
            ways.push(self.way(thing.kind, manage(thing.kind), closure.way(admins), Origin::Admin));
        }
        let rank = |way: &Way| levels(thing.kind).iter().position(|level| level.name == way.level);
        ways.sort_by_key(|way| (std::cmp::Reverse(rank(way)), way.groups.len()));
        ways
    }

    fn origin(&self, thing: &Thing, grant: &Grant) -> Origin {
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

    fn way(&self, kind: &str, level: u8, groups: Vec<Who>, origin: Origin) -> Way {
        let groups: Vec<String> = groups.into_iter().map(|who| self.people.all[who as usize].name.clone()).collect();
        let level = levels(kind)[level as usize].name;
        let text = told(level, &groups, &origin);
        Way { level, groups, origin, text }
    }

    /// Where a folder and an object in it do not say the same: `CAN_RUN` for somebody stands only with one of them.
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let grants = &self.grants;
        let mut found = Vec::new();
        for thing in grants.things.iter().filter(|thing| thing.recorded && thing.parent.is_some()) {
            let listed: HashSet<(Who, u8)> = grants
                .of(thing)
                .iter()
                .filter(|one| matches!(one.from, From::Listed(_)))
                .map(|one| (one.who, one.level))
                .collect();
            let mut known: HashSet<(Who, u8)> = HashSet::new();
            for folder in grants.above(thing) {
                for one in grants.of(folder).iter().filter(|one| one.from != From::Role) {
                    let own = one.from == From::Own && !listed.contains(&(one.who, one.level));
                    if known.insert((one.who, one.level)) && own {
                        found.push(self.disagreement(thing, &folder.id, one, true));
                    }
                }
            }
            for one in grants.of(thing) {
                let From::Listed(name) = one.from else { continue };
                let folder = &grants.names[name as usize];
                let told = grants.above(thing).any(|above| *above.id == **folder && above.recorded);
                let home = grants.of(thing).iter().any(|home| home.from == From::Home && home.who == one.who);
                if told && !home && !known.contains(&(one.who, one.level)) {
                    found.push(self.disagreement(thing, folder, one, false));
                }
            }
        }
        found.sort();
        found.dedup();
        found
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

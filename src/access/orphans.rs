//! What belongs to nobody who could answer for it: owners who are switched off or gone, jobs that run as people who left.

use super::answer::{Incomplete, Subject};
use super::grants::{From, Thing, UNRECORDED};
use super::people::Who;
use super::{Access, subject};
use crate::kinds::{Role, levels};
use schemars::JsonSchema;
use serde::Serialize;

/// Why something is an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrphanSort {
    /// It runs as somebody who is switched off.
    RunsAsDisabled,
    /// It runs as somebody who is not there.
    RunsAsMissing,
    /// It has no owner.
    NoOwner,
    /// Its owner is switched off.
    OwnerDisabled,
    /// Its owner is not there.
    OwnerMissing,
    /// The home folder of somebody who is switched off.
    HomeOfDisabled,
    /// The home folder of somebody who is not there.
    HomeOfMissing,
    /// An entry of its access list names somebody who is not there.
    GrantedToMissing,
}

impl OrphanSort {
    /// As a person reads it.
    pub fn words(self) -> &'static str {
        match self {
            Self::RunsAsDisabled => "runs as a disabled principal",
            Self::RunsAsMissing => "runs as a principal that is gone",
            Self::NoOwner => "has no owner",
            Self::OwnerDisabled => "owned by a disabled principal",
            Self::OwnerMissing => "owned by a principal that is gone",
            Self::HomeOfDisabled => "home of a disabled principal",
            Self::HomeOfMissing => "home of a principal that is gone",
            Self::GrantedToMissing => "grants something to a principal that is gone",
        }
    }
}

/// Something that belongs to nobody who could answer for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Orphan {
    /// Why.
    pub sort: OrphanSort,
    /// The object.
    pub object: Subject,
    /// Who it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// `true` where only its maker is known, and not whether somebody else owns it by now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_maker: bool,
}

/// All orphans.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Orphans {
    /// What was found.
    pub found: Vec<Orphan>,
    /// What keeps this from being the whole truth.
    pub incomplete: Incomplete,
}

/// Somebody's absence, as far as one can tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    Disabled,
    Missing,
}

impl Access {
    /// Objects owned by principals that are switched off or gone, jobs that run as people who left, and the like.
    pub fn orphans(&self) -> Orphans {
        let mut found = Vec::new();
        self.grants.things.iter().for_each(|thing| self.orphaned(thing, &mut found));
        for one in &self.behind {
            let maker = one.role == Role::Creator && (one.subject.kind == "cluster" || UNRECORDED.contains(&one.subject.kind));
            let sorts = match one.role {
                Role::RunsAs => (OrphanSort::RunsAsDisabled, OrphanSort::RunsAsMissing),
                Role::Creator if maker => (OrphanSort::OwnerDisabled, OrphanSort::OwnerMissing),
                // Of the others, grants tell the owner.
                Role::Creator | Role::Owner => continue,
            };
            let by_maker = maker && one.subject.kind != "cluster";
            found.extend(self.sorted(sorts, &one.subject, one.who).map(|orphan| Orphan { by_maker, ..orphan }));
        }
        found.sort();
        found.dedup();
        let mut incomplete = self.incomplete();
        if !self.knows_people() {
            incomplete.gaps.push("who there is was not read, so nobody is called gone".to_owned());
        }
        Orphans { found, incomplete }
    }

    fn orphaned(&self, thing: &Thing, found: &mut Vec<Orphan>) {
        let is_owner = |level: u8| levels(thing.kind)[level as usize].name == "IS_OWNER";
        let own = || self.grants.of(thing).iter().filter(|grant| !matches!(grant.from, From::Listed(_) | From::Role));
        for grant in own() {
            let sorts = match grant.from {
                From::Home => (OrphanSort::HomeOfDisabled, OrphanSort::HomeOfMissing),
                From::Owner => (OrphanSort::OwnerDisabled, OrphanSort::OwnerMissing),
                _ if is_owner(grant.level) => (OrphanSort::OwnerDisabled, OrphanSort::OwnerMissing),
                _ if self.gone(grant.who) == Some(Gone::Missing) => (OrphanSort::GrantedToMissing, OrphanSort::GrantedToMissing),
                _ => continue,
            };
            found.extend(self.sorted(sorts, &subject(thing), grant.who));
        }
        let can_own = levels(thing.kind).iter().any(|level| level.name == "IS_OWNER") && !UNRECORDED.contains(&thing.kind);
        if can_own && thing.recorded && !own().any(|grant| is_owner(grant.level)) {
            found.push(Orphan { sort: OrphanSort::NoOwner, object: subject(thing), principal: None, by_maker: false });
        }
    }

    fn sorted(&self, (disabled, missing): (OrphanSort, OrphanSort), object: &Subject, who: Who) -> Option<Orphan> {
        let sort = match self.gone(who)? {
            Gone::Disabled => disabled,
            Gone::Missing => missing,
        };
        let principal = Some(self.people.all[who as usize].name.clone());
        Some(Orphan { sort, object: object.clone(), principal, by_maker: false })
    }

    fn gone(&self, who: Who) -> Option<Gone> {
        let one = &self.people.all[who as usize];
        match (one.there || self.is_built_in(who), one.active) {
            (true, true) => None,
            (true, false) => Some(Gone::Disabled),
            (false, _) => self.knows_people().then_some(Gone::Missing),
        }
    }
}

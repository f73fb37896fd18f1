//! The answers, as programs read them.

use crate::kinds::Capability;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A user, a service principal or a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Principal {
    /// `user`, `service_principal` or `group`.
    pub kind: &'static str,
    /// User name, application id or group name.
    pub name: String,
    /// What people call it, where that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// `false` where it is switched off: it keeps what is granted to it, and cannot sign in to use it.
    pub active: bool,
    /// `false` where only an access list or an object names it.
    pub there: bool,
    /// Whether it is in the group `admins`, which may do everything.
    pub admin: bool,
}

impl Principal {
    /// What people can know it by: an application id tells nobody anything, so what a service principal is called stands before it.
    pub fn label(&self) -> String {
        match self.display.as_ref().filter(|_| self.kind == "service_principal") {
            Some(display) => format!("{display} ({})", self.name),
            None => self.name.clone(),
        }
    }
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Subject {
    /// Name of its kind.
    pub kind: &'static str,
    /// Its id or path.
    pub id: String,
    /// Its name or path.
    pub name: String,
}

/// Where a level comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Origin {
    /// It stands on the object itself.
    Direct,
    /// A folder above grants it; or the workspace does, to all objects of the type.
    Inherited {
        /// Path of the folder, or `the workspace`.
        from: String,
    },
    /// The object is theirs.
    Owner,
    /// The folder, or one above it, is their home.
    Home {
        /// Path of the home.
        from: String,
    },
    /// A role of theirs.
    Role,
    /// Members of the group `admins` may do everything.
    Admin,
}

/// One way in which somebody comes to a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Way {
    /// The level, as the API writes it.
    pub level: &'static str,
    /// The groups on the way, the nearest first; the last one is who the level was granted to.
    pub groups: Vec<String>,
    /// Where it was granted.
    pub origin: Origin,
    /// All of it in words.
    pub text: String,
}

/// Somebody who can do something with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Holder {
    /// Who.
    pub principal: Principal,
    /// Their strongest level.
    pub level: &'static str,
    /// What it lets them do.
    pub can: Vec<Capability>,
    /// Every way to it, the strongest first.
    pub ways: Vec<Way>,
    /// How many more ways there are than are told.
    #[serde(skip_serializing_if = "is_none")]
    pub more_ways: u64,
}

/// Who can do what with one object.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ObjectAccess {
    /// The object.
    pub object: Subject,
    /// Whether its permissions were read.
    pub recorded: bool,
    /// Who, the strongest first.
    pub holders: Vec<Holder>,
    /// Of a job or pipeline: as whom it runs, so that whoever changes it acts in that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_as: Option<Principal>,
    /// What keeps this from being the whole truth.
    pub incomplete: Incomplete,
}

/// An object that somebody can do something with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Held {
    /// The object.
    pub object: Subject,
    /// Their strongest level.
    pub level: &'static str,
    /// What it lets them do.
    pub can: Vec<Capability>,
    /// The best way to it.
    pub way: Way,
}

/// A group that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Membership {
    /// The group.
    pub group: String,
    /// The groups between, the nearest first; none where it is a direct member.
    pub through: Vec<String>,
}

/// Something that somebody is entitled to: `workspace-access`, `databricks-sql-access`, `allow-cluster-create`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Entitlement {
    /// What.
    pub name: String,
    /// The groups that it comes through, the nearest first; none where it is their own.
    pub through: Vec<String>,
}

/// Something that somebody can change or run, and that acts in another's name: they can do what the other can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ActsFor {
    /// The job or pipeline.
    pub object: Subject,
    /// Their level on it.
    pub level: &'static str,
    /// In whose name it runs.
    pub runs_as: Principal,
}

/// What one principal can do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PrincipalAccess {
    /// Who.
    pub principal: Principal,
    /// The groups that they are in, however deep.
    pub groups: Vec<Membership>,
    /// What they are entitled to.
    pub entitlements: Vec<Entitlement>,
    /// Objects that they can do something with.
    pub objects: Vec<Held>,
    /// Jobs and pipelines that run as them.
    pub runs: Vec<Subject>,
    /// Jobs and pipelines that they can change, and that run as somebody else.
    pub acts_for: Vec<ActsFor>,
    /// What keeps this from being the whole truth.
    pub incomplete: Incomplete,
}

/// How many objects somebody can do something with, each counted by the strongest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cell {
    /// Only see.
    pub read: u64,
    /// Run, attach to, use.
    pub run: u64,
    /// Change.
    pub edit: u64,
    /// Everything.
    pub manage: u64,
}

impl Cell {
    pub(super) fn count(&mut self, strongest: Option<Capability>, many: u64) {
        *(match strongest {
            None | Some(Capability::Read) => &mut self.read,
            Some(Capability::Run) => &mut self.run,
            Some(Capability::Edit) => &mut self.edit,
            Some(Capability::Manage) => &mut self.manage,
        }) += many;
    }

    /// Counts another one in.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.run += other.run;
        self.edit += other.edit;
        self.manage += other.manage;
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.read + self.run + self.edit + self.manage
    }
}

/// A line of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Row {
    /// Who.
    pub principal: Principal,
    /// What they are entitled to.
    pub entitlements: Vec<String>,
    /// By kind.
    pub cells: BTreeMap<&'static str, Cell>,
}

impl Row {
    pub(super) fn holds(&self) -> bool {
        self.cells.values().any(|cell| cell.total() > 0)
    }
}

/// Who can do what, in numbers.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Matrix {
    /// How many objects there are, by kind.
    pub objects: BTreeMap<&'static str, u64>,
    /// Everybody.
    pub principals: Vec<Row>,
    /// Where a folder and what lies in it do not say the same.
    pub disagreements: Vec<Disagreement>,
    /// How many more of these there are than are told.
    #[serde(skip_serializing_if = "is_none")]
    pub more_disagreements: u64,
    /// What keeps this from being the whole truth.
    pub incomplete: Incomplete,
}

/// A folder and an object in it do not say the same about what is inherited. Both are believed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Disagreement {
    /// The object.
    pub object: Subject,
    /// The folder.
    pub folder: String,
    /// Who it is about.
    pub principal: String,
    /// The level.
    pub level: &'static str,
    /// `true` where the folder grants it and the object does not list it; `false` the other way round.
    pub only_in_folder: bool,
}

/// What keeps an answer from being the whole truth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Incomplete {
    /// What should be known and is not.
    pub gaps: Vec<String>,
    /// What no bundle of this version knows.
    pub beyond: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(many: &u64) -> bool {
    *many == 0
}

//! Who can do what: effective access, by direct grants, folders, nested groups, ownership, and what admins may anyway.
//!
//! Permission documents say what an object inherits, as their server saw it; the folders say it again. Both are used, and where
//! they disagree, that is told ([`Matrix::disagreements`]). What is not in the objects is told as well: an answer is never "nobody"
//! where nobody looked. Pure.
//!
//! Objects on which the same principals have the same levels share a class, so that who may do what with a hundred thousand
//! objects is asked of a few hundred classes, and the matrix of all principals and all objects is never made.

mod against;
mod answer;
mod ask;
mod grants;
mod orphans;
mod people;
mod rights;
mod sets;
mod ways;

pub use against::{Change, Changes, Narrow, Shift, Standing, Taken};
pub use answer::{
    ActsFor, Cell, Disagreement, Entitlement, Held, Holder, Incomplete, Matrix, Membership, ObjectAccess, Origin, Principal,
    PrincipalAccess, Row, Subject, Way,
};
pub use orphans::{Orphan, OrphanSort, Orphans};
pub use rights::{About, Right, Rights};

use crate::kinds::{self, Capability, Role, levels};
use crate::object::{Absent, Object};
use grants::{Grants, Thing, UNRECORDED, manage};
use people::{Closure, KINDS, People, Who};
use std::collections::{BTreeMap, BTreeSet};

/// What opens doors, too, and stands in no bundle.
const NOT_READ: &str = "personal access tokens (whose they are, how old), IP access lists and audit logs are not read, and neither is \
    what Unity Catalog grants: of these nothing is known here";

/// Whoever writes code writes for whomever it runs as.
const NOT_FOLLOWED: &str = "who can act as somebody is told of whoever can change a job itself; whoever can change the code or the \
    cluster that it uses can do so, too: `lifeboat graph` tells what a job uses";

/// What is known of the set of objects as a whole.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The workspace that they come from.
    pub workspace_id: Option<String>,
    /// When they were read, RFC 3339.
    pub taken: Option<String>,
    /// SHA-256 of the manifest of the bundle that holds them.
    pub bundle: Option<String>,
    /// Who read them.
    pub caller: Option<String>,
    /// Whether that was an admin, who sees everything.
    pub caller_is_admin: Option<bool>,
    /// What listings showed and is not among them.
    pub absent: Vec<Absent>,
}

/// Somebody who stands behind an object.
#[derive(Debug)]
struct Behind {
    subject: Subject,
    role: Role,
    who: Who,
}

/// Access to one set of objects.
#[derive(Debug)]
pub struct Access {
    people: People,
    grants: Grants,
    behind: Vec<Behind>,
    source: Source,
}

/// A principal of one [`Access`], to ask by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalId(Who);

/// An object of one [`Access`], to ask by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(u32);

impl Access {
    /// Reads who there is and what is granted.
    pub fn new(objects: &[&Object], source: Source) -> Self {
        let mut people = People::new(objects);
        let grants = Grants::new(objects, &mut people);
        let mut behind: Vec<Behind> = objects.iter().flat_map(|object| behind(object, &mut people)).collect();
        behind.sort_by(|a, b| a.subject.cmp(&b.subject));
        people.settle();
        Self { people, grants, behind, source }
    }

    /// Who stands behind an object.
    fn behind(&self, kind: &str, id: &str) -> &[Behind] {
        let key = |one: &Behind| (one.subject.kind, one.subject.id.as_str()).cmp(&(kind, id));
        let from = self.behind.partition_point(|one| key(one).is_lt());
        let many = self.behind[from..].partition_point(|one| key(one).is_eq());
        &self.behind[from..from + many]
    }

    /// Principals of this name, application id, display name or id; a kind before a colon narrows it.
    pub fn principals_named(&self, text: &str) -> Vec<PrincipalId> {
        self.people.named(text).into_iter().map(PrincipalId).collect()
    }

    /// Objects of this path, id or name; a kind before a colon narrows it.
    pub fn objects_named(&self, text: &str) -> Vec<ObjectId> {
        let narrowed = text.split_once(':').filter(|(kind, _)| kinds::by_name(kind).is_some());
        let (kind, text) = narrowed.map_or((None, text), |(kind, text)| (Some(kind), text));
        let fits = |thing: &Thing| kind.is_none_or(|kind| thing.kind == kind) && (*thing.id == *text || *thing.key == *text);
        (0..).zip(&self.grants.things).filter(|(_, thing)| fits(thing)).map(|(number, _)| ObjectId(number)).collect()
    }

    /// All users, service principals and groups, those included that only an access list names.
    pub fn principals(&self) -> impl Iterator<Item = PrincipalId> + use<> {
        (0..u32::try_from(self.people.all.len()).unwrap_or(u32::MAX)).map(PrincipalId)
    }

    /// All objects that can be asked for.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> + use<> {
        (0..u32::try_from(self.grants.things.len()).unwrap_or(u32::MAX)).map(ObjectId)
    }

    /// What is known of a principal.
    pub fn principal(&self, id: PrincipalId) -> Principal {
        self.shown(id.0, &self.people.closure(id.0))
    }

    /// What is known of an object.
    pub fn object(&self, id: ObjectId) -> Subject {
        subject(&self.grants.things[id.0 as usize])
    }

    /// The strongest level of a principal on an object, if there is any.
    pub fn level(&self, principal: PrincipalId, object: ObjectId) -> Option<&'static str> {
        let thing = &self.grants.things[object.0 as usize];
        let level = self.level_of(&self.people.closure(principal.0), thing.class)?;
        Some(levels(thing.kind)[level as usize].name)
    }

    /// Who holds what in the whole: the principals, each with how many objects of each kind.
    pub fn matrix(&self) -> Matrix {
        let mut objects: BTreeMap<&'static str, u64> = BTreeMap::new();
        self.grants.things.iter().for_each(|thing| *objects.entry(thing.kind).or_default() += 1);
        let rows = (0..).zip(&self.people.all).map(|(who, _)| self.row(who)).filter(|row| row.principal.there || row.holds());
        let mut principals: Vec<Row> = rows.collect();
        principals.sort_by(|a, b| (a.principal.kind, &a.principal.name).cmp(&(b.principal.kind, &b.principal.name)));
        let (disagreements, more_disagreements) = self.disagreements();
        Matrix { objects, principals, disagreements, more_disagreements, incomplete: self.incomplete() }
    }

    fn row(&self, who: Who) -> Row {
        let closure = self.people.closure(who);
        let mut cells: BTreeMap<&'static str, Cell> = BTreeMap::new();
        for (class, level) in self.grants.classes.iter().zip(self.levels_of(&closure)) {
            if let Some(level) = level {
                let strongest = levels(class.kind)[level as usize].can.iter().max();
                cells.entry(class.kind).or_default().count(strongest.copied(), class.things.len() as u64);
            }
        }
        let entitlements = self.entitled_to(who, &closure).map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect();
        Row { principal: self.shown(who, &closure), entitlements, cells }
    }

    /// The strongest level on the objects of a class.
    fn level_of(&self, closure: &Closure, class: u32) -> Option<u8> {
        let class = &self.grants.classes[class as usize];
        let granted = self.grants.sets.level(class.set, &|who| closure.has(who));
        let admin = self.is_admin(closure).then(|| manage(class.kind));
        granted.max(admin)
    }

    /// The same for every class at once.
    fn levels_of(&self, closure: &Closure) -> impl Iterator<Item = Option<u8>> {
        let (is_admin, granted) = (self.is_admin(closure), self.granted(closure, &|_| true));
        self.grants.classes.iter().map(move |class| granted[class.set as usize].max(is_admin.then(|| manage(class.kind))))
    }

    /// The strongest level of a principal by each list, through those whom `counts` lets count.
    fn granted(&self, closure: &Closure, counts: &dyn Fn(Who) -> bool) -> Vec<Option<u8>> {
        let mut is = vec![false; self.people.all.len()];
        closure.groups().chain([closure.own()]).filter(|who| counts(*who)).for_each(|who| is[who as usize] = true);
        self.grants.sets.levels(&|who| is[who as usize])
    }

    fn is_admin(&self, closure: &Closure) -> bool {
        self.people.admins.is_some_and(|admins| closure.has(admins))
    }

    fn shown(&self, who: Who, closure: &Closure) -> Principal {
        let one = &self.people.all[who as usize];
        Principal {
            kind: one.kind,
            name: one.name.clone(),
            display: Some(one.display.clone()).filter(|display| !display.is_empty() && *display != one.name),
            active: one.active,
            there: one.there || self.is_built_in(who),
            admin: self.is_admin(closure),
        }
    }

    /// Groups that every workspace has, whether they were read or not.
    fn is_built_in(&self, who: Who) -> bool {
        self.people.everybody.contains(&who) || self.people.admins == Some(who)
    }

    /// What keeps these answers from being the whole truth.
    pub fn incomplete(&self) -> Incomplete {
        let mut gaps = Vec::new();
        let caller = self.source.caller.as_deref().unwrap_or("somebody");
        match self.source.caller_is_admin {
            Some(true) => {}
            Some(false) => gaps.push(format!("it was read by {caller}, who is no admin: what they could not see is not in it")),
            None => gaps.push(format!("whether {caller}, who read it, is an admin is not known: an admin sees everything")),
        }
        gaps.extend(KINDS.iter().filter_map(|kind| self.left_out(kind)));
        let kinds = kinds::all().iter().filter(|kind| !levels(kind.name).is_empty() && !UNRECORDED.contains(&kind.name));
        for kind in kinds {
            gaps.extend(self.left_out(kind.name));
            let unread = self.grants.things.iter().filter(|thing| thing.kind == kind.name && !thing.recorded).count();
            if unread > 0 {
                gaps.push(format!("the permissions of {unread} {} were not read: only what folders grant is known", kind.title));
            }
        }
        for (kind, level) in &self.grants.unknown {
            gaps.push(format!("this version does not know the level {level} of a {kind}, and leaves it out"));
        }
        let unrecorded = UNRECORDED.iter().filter_map(|kind| kinds::by_name(kind));
        let here = unrecorded.filter(|kind| self.grants.things.iter().any(|thing| thing.kind == kind.name));
        let here: Vec<&str> = here.map(|kind| kind.title).collect();
        let beyond = (!here.is_empty()).then(|| {
            format!("permissions of {} are in no bundle of this version: of them, admins and owners are known", here.join(", "))
        });
        Incomplete { gaps, beyond: beyond.into_iter().chain([NOT_READ, NOT_FOLLOWED].map(str::to_owned)).collect() }
    }

    fn left_out(&self, kind: &str) -> Option<String> {
        let of_kind = || self.source.absent.iter().filter(|one| one.kind == kind);
        let title = kinds::by_name(kind).map_or(kind, |kind| kind.title);
        if let Some(whole) = of_kind().find(|one| one.path == "*") {
            return Some(format!("no {title} were read ({}: {})", whole.state, whole.reason));
        }
        let missing: Vec<&Absent> = of_kind().filter(|one| one.state == "missing").collect();
        let first = missing.first()?;
        Some(format!("{} of the {title} could not be read, first {}: {}", missing.len(), first.path, first.reason))
    }

    /// Whether it is known who there is: only then is somebody missing who is not there.
    fn knows_people(&self) -> bool {
        let unread = |kind: &&str| self.source.absent.iter().any(|one| one.kind == **kind && one.path == "*");
        !KINDS.iter().any(unread) && self.people.all.iter().any(|one| one.there && one.kind == "user")
    }
}

/// Who stands behind an object. A job of its own says as whom it runs in its settings, too.
fn behind(object: &Object, people: &mut People) -> Vec<Behind> {
    let places = kinds::people(object.kind.name);
    if places.is_empty() {
        return Vec::new();
    }
    let Some(document) = object.document() else { return Vec::new() };
    let name = |at: &str| document.pointer(at).and_then(|value| value.as_str()).filter(|name| !name.is_empty());
    let set = || {
        let fields = ["/settings/run_as/user_name", "/settings/run_as/service_principal_name", "/settings/run_as/group_name"];
        fields.iter().find_map(|at| name(at))
    };
    let found = places.iter().filter_map(|(at, role)| {
        let named = name(at).or_else(|| if *role == Role::RunsAs { set() } else { None });
        Some((named?.to_owned(), *role))
    });
    let found: Vec<(String, Role)> = found.collect();
    let subject = || Subject { kind: object.kind.name, id: object.id.clone(), name: object.key.clone() };
    found.into_iter().map(|(name, role)| Behind { subject: subject(), role, who: people.anybody(&name) }).collect()
}

fn subject(thing: &Thing) -> Subject {
    Subject { kind: thing.kind, id: thing.id.to_string(), name: thing.key.to_string() }
}

/// All that a level lets somebody do.
fn can(kind: &str, level: u8) -> Vec<Capability> {
    levels(kind).get(level as usize).map(|level| level.can.to_vec()).unwrap_or_default()
}

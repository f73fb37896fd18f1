//! What is granted: on each object, and on the folders that it lies in.

use super::people::{People, Who, list};
use super::sets::{Before, Descent, Sets};
use crate::kinds::{self, Role, levels};
use crate::object::Object;
use foldhash::HashMap;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;

/// Kinds whose permissions no bundle holds yet; of some, the owner is known.
pub(super) const UNRECORDED: [&str; 5] = ["warehouse", "query", "alert", "dashboard", "pipeline"];

/// Where a grant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum From {
    /// It stands on the object itself.
    Own,
    /// The object's document says that it is inherited; the number is a name in [`Grants::names`].
    Listed(u32),
    /// A folder that is somebody's home is theirs (core reference §14 rule 5).
    Home,
    /// A role of the principal.
    Role,
    /// The object names its owner.
    Owner,
}

/// Who may do what: on the object where it stands, and on all below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub who: Who,
    /// Place among the levels of the kind.
    pub level: u8,
    pub from: From,
}

/// An object that somebody may do something with.
#[derive(Debug)]
pub(super) struct Thing {
    pub kind: &'static str,
    pub id: Box<str>,
    pub key: Box<str>,
    /// The folder that it lies in.
    pub parent: Option<u32>,
    /// Whether its permissions were read.
    pub recorded: bool,
    grants: Range<u32>,
    /// Objects of the same kind with the same effective grants share a class.
    pub class: u32,
}

/// Objects of one kind on which everybody may do the same.
#[derive(Debug)]
pub(super) struct Class {
    pub kind: &'static str,
    /// The list of who has which level, inherited ones included.
    pub set: u32,
    pub things: Vec<u32>,
}

/// All objects with all grants.
#[derive(Debug, Default)]
pub(super) struct Grants {
    pub things: Vec<Thing>,
    pub classes: Vec<Class>,
    pub sets: Sets,
    by_id: HashMap<(&'static str, Box<str>), u32>,
    all: Vec<Grant>,
    /// Objects as permission documents name them, `/directories/7`, and what they are.
    pub names: Vec<String>,
    /// Levels that this version does not know: kind and level.
    pub unknown: BTreeSet<(&'static str, String)>,
}

impl Grants {
    pub(super) fn new(objects: &[&Object], people: &mut People) -> Self {
        let mut grants = Self::default();
        let mut order: Vec<&&Object> = objects.iter().filter(|object| !levels(object.kind.name).is_empty()).collect();
        // Folders come before what lies in them.
        order.sort_by(|a, b| (&a.id, a.kind.name).cmp(&(&b.id, b.kind.name)));
        let mut documents = Documents::new(objects);
        for object in order {
            grants.thing(object, people, &mut documents);
        }
        grants.inherit();
        grants
    }

    fn thing(&mut self, object: &Object, people: &mut People, documents: &mut Documents<'_>) {
        let kind = object.kind.name;
        let number = u32::try_from(self.things.len()).unwrap_or(u32::MAX);
        let begin = self.count();
        let document = documents.of(kind, &object.id);
        match document.as_ref() {
            Some(document) if kind == "secret_scope" => self.scope(document, people),
            Some(document) => self.listed(kind, document, people, documents),
            None => {}
        }
        self.implied(object, people);
        let parent = kinds::parents(&object.id).next().filter(|_| object.id.starts_with('/'));
        let parent = parent.and_then(|path| ["repo", "directory"].iter().find_map(|kind| self.find(kind, path)));
        self.by_id.entry((kind, object.id.as_str().into())).or_insert(number);
        self.things.push(Thing {
            kind,
            id: object.id.as_str().into(),
            key: object.key.as_str().into(),
            parent,
            recorded: document.is_some() || kind == "instance_profile",
            grants: begin..self.count(),
            class: 0,
        });
    }

    fn count(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn find(&self, kind: &'static str, id: &str) -> Option<u32> {
        self.by_id.get(&(kind, id.into())).copied()
    }

    pub(super) fn of(&self, thing: &Thing) -> &[Grant] {
        &self.all[thing.grants.start as usize..thing.grants.end as usize]
    }

    /// A permission document (core reference §14).
    fn listed(&mut self, kind: &'static str, document: &Value, people: &mut People, documents: &mut Documents<'_>) {
        for entry in list(document, "access_control_list") {
            let named = [("user_name", "user"), ("group_name", "group"), ("service_principal_name", "service_principal")];
            let named = named.iter().find_map(|(field, kind)| Some((*kind, entry.get(*field)?.as_str()?)));
            let Some((sort, name)) = named.filter(|(_, name)| !name.is_empty()) else { continue };
            let who = people.find_or_add(sort, name);
            for one in list(entry, "all_permissions") {
                let from = match one.get("inherited") == Some(&Value::Bool(true)) {
                    true => From::Listed(self.name(list(one, "inherited_from_object"), documents)),
                    false => From::Own,
                };
                self.grant(kind, who, one.get("permission_level"), from);
            }
        }
    }

    /// The list of a secret scope; some answers call it `acls` (core reference §12).
    fn scope(&mut self, document: &Value, people: &mut People) {
        for entry in list(document, "items").iter().chain(list(document, "acls")) {
            let Some(name) = entry.get("principal").and_then(Value::as_str) else { continue };
            let who = people.anybody(name);
            self.grant("secret_scope", who, entry.get("permission"), From::Own);
        }
    }

    /// What nobody had to grant: homes, roles, owners that the object names.
    fn implied(&mut self, object: &Object, people: &mut People) {
        let kind = object.kind.name;
        let strongest = manage(kind);
        if let Some(owner) = kinds::home_of(&object.id).filter(|_| kind == "directory") {
            let who = people.anybody(owner);
            self.push(who, strongest, From::Home);
        }
        if kind == "instance_profile" {
            let holds = |(_, one): &(Who, &super::people::Person)| one.roles.iter().any(|role| **role == *object.id);
            let holders: Vec<Who> = (0..).zip(&people.all).filter(holds).map(|(who, _)| who).collect();
            holders.into_iter().for_each(|who| self.push(who, 0, From::Role));
        }
        if !UNRECORDED.contains(&kind) {
            return;
        }
        let Some(document) = object.document() else { return };
        for (at, _) in kinds::people(kind).iter().filter(|(_, role)| *role == Role::Owner) {
            if let Some(name) = document.pointer(at).and_then(Value::as_str).filter(|name| !name.is_empty()) {
                let who = people.anybody(name);
                self.push(who, strongest, From::Owner);
            }
        }
    }

    fn grant(&mut self, kind: &'static str, who: Who, level: Option<&Value>, from: From) {
        let Some(name) = level.and_then(Value::as_str) else { return };
        match levels(kind).iter().position(|level| level.name == name).and_then(|place| u8::try_from(place).ok()) {
            Some(level) => self.push(who, level, from),
            None => drop(self.unknown.insert((kind, name.to_owned()))),
        }
    }

    /// Some servers tell one thing twice.
    fn push(&mut self, who: Who, level: u8, from: From) {
        self.all.push(Grant { who, level, from });
    }

    /// The number of the object that something is inherited from, the nearest of several.
    fn name(&mut self, from: &[Value], documents: &mut Documents<'_>) -> u32 {
        let text = from.first().and_then(Value::as_str).unwrap_or_default();
        let names = &mut self.names;
        *documents.names.entry(text.to_owned()).or_insert_with(|| {
            names.push(documents.paths.get(text).cloned().unwrap_or_else(|| place_of(text)));
            u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Gives every object its class. What a folder grants goes down to all that lies in it.
    fn inherit(&mut self) {
        let set_of = self.descend();
        let mut known: HashMap<(&'static str, u32), u32> = HashMap::default();
        for (number, (thing, set)) in (0..).zip(self.things.iter_mut().zip(set_of)) {
            let (kind, classes) = (thing.kind, &mut self.classes);
            thing.class = *known.entry((kind, set)).or_insert_with(|| {
                classes.push(Class { kind, set, things: Vec::new() });
                u32::try_from(classes.len() - 1).unwrap_or(u32::MAX)
            });
            classes[thing.class as usize].things.push(number);
        }
    }

    /// The list of each object: down through all folders, and back.
    fn descend(&mut self) -> Vec<u32> {
        enum Step {
            Down(u32),
            Up(Before),
        }
        let mut by_folder: Vec<u32> = (0..).zip(&self.things).map(|(number, _)| number).collect();
        by_folder.sort_by_key(|number| self.things[*number as usize].parent);
        let within = |folder: Option<u32>| {
            let from = by_folder.partition_point(|number| self.things[*number as usize].parent < folder);
            let to = by_folder.partition_point(|number| self.things[*number as usize].parent <= folder);
            by_folder[from..to].iter().rev().map(|number| Step::Down(*number))
        };
        let (mut descent, mut set_of) = (Descent::default(), vec![0; self.things.len()]);
        let mut steps: Vec<Step> = within(None).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Up(before) => descent.up(before),
                Step::Down(number) => {
                    let thing = &self.things[number as usize];
                    let above = thing.parent.map(|parent| set_of[parent as usize]);
                    let own = self.of(thing).iter().map(|grant| (grant.who, grant.level));
                    let (set, before) = descent.down(above, own);
                    set_of[number as usize] = set;
                    steps.push(Step::Up(before));
                    steps.extend(within(Some(number)));
                }
            }
        }
        self.sets = descent.done();
        set_of
    }

    /// The folders that an object lies in, nearest first.
    pub(super) fn above<'a>(&'a self, thing: &'a Thing) -> impl Iterator<Item = &'a Thing> {
        std::iter::successors(thing.parent, |folder| self.things[*folder as usize].parent)
            .map(|folder| &self.things[folder as usize])
    }
}

/// The level at which somebody may do everything with objects of a kind, short of owning them.
pub(super) fn manage(kind: &str) -> u8 {
    let place = levels(kind).iter().position(|level| level.can.contains(&kinds::Capability::Manage));
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
}

/// What a permission document calls the things that no bundle holds: the root of the tree, and whole types.
fn place_of(text: &str) -> String {
    match text {
        "/directories/0" => "/".to_owned(),
        text if text.ends_with('/') || text.is_empty() => "the workspace".to_owned(),
        text => text.to_owned(),
    }
}

/// The documents with permissions, by what they hang on.
struct Documents<'a> {
    by_parent: HashMap<(&'static str, String), &'a Object>,
    /// Folders as permission documents name them, and their paths.
    paths: HashMap<String, String>,
    names: HashMap<String, u32>,
}

impl<'a> Documents<'a> {
    fn new(objects: &[&'a Object]) -> Self {
        let mut documents = Self { by_parent: HashMap::default(), paths: HashMap::default(), names: HashMap::default() };
        for object in objects {
            if matches!(object.kind.name, "permissions" | "secret_acl")
                && let Some((kind, id)) = object.meta.parent()
                && let Some(kind) = kinds::by_name(&kind)
            {
                documents.by_parent.entry((kind.name, id)).or_insert(object);
            }
            if let Some((noun, id)) = folder_id(object) {
                documents.paths.insert(format!("/{noun}/{id}"), object.id.clone());
            }
        }
        documents
    }

    fn of(&self, kind: &'static str, id: &str) -> Option<Value> {
        let document = self.by_parent.get(&(kind, id.to_owned()))?.document()?;
        Some(document.into_owned())
    }
}

/// How permission documents name a folder: its type, and its id in the workspace.
fn folder_id(object: &Object) -> Option<(&'static str, String)> {
    let noun = object.kind.permissions.filter(|_| matches!(object.kind.name, "directory" | "repo"))?;
    let document = object.document()?;
    let id = document.get("object_id").or_else(|| document.get("id"));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some((noun, id.map(text).or_else(|| object.meta.text("object_id"))?))
}

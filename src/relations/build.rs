//! From objects and the texts of notebooks to relations.

use super::code::{LONGEST, Mention, What};
use super::lead::{packages, spots, text};
use super::nodes::{IN_TREE, Nodes, is_folded};
use super::{Computed, Edge, NodeId, Place, Relation, Relations};
use crate::kinds::{self, Kind, Role, Shape};
use crate::object::{Absent, Object};
use crate::pointer;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Ends of the names of files that hold code.
const SCRIPTS: &[&str] = &["py", "scala", "sql", "r", "sh", "ipynb"];

/// Relations while they are gathered: first what the documents say, then, text by text, what the code says. A text is not kept.
#[derive(Debug)]
pub struct Builder {
    nodes: Nodes,
    edges: Vec<Edge>,
    by_ends: HashMap<(NodeId, NodeId, Relation), usize>,
    computed: Vec<Computed>,
    acting: HashSet<NodeId>,
}

impl Builder {
    /// Relates what the documents of these objects say. `absent` tells what else a listing showed.
    pub fn new(objects: &[&Object], absent: Vec<Absent>) -> Self {
        let nodes = Nodes::new(objects, absent);
        let mut builder =
            Self { nodes, edges: Vec::new(), by_ends: HashMap::new(), computed: Vec::new(), acting: HashSet::new() };
        objects.iter().for_each(|object| builder.object(object));
        builder
    }

    /// Whether an object is a notebook, or a file whose name ends as code does, and no longer than either may be: its text is wanted.
    pub fn is_code(kind: &str, id: &str, len: u64) -> bool {
        let script = || id.rsplit_once('.').is_some_and(|(_, end)| SCRIPTS.contains(&end.to_ascii_lowercase().as_str()));
        match kind {
            _ if len > LONGEST => false,
            "notebook" => true,
            "file" | "dbfs_file" | "volume_file" => script(),
            _ => false,
        }
    }

    /// Relates what the text of a notebook or script names. Texts may come in any order.
    pub fn code(&mut self, kind: &str, id: &str, mentions: &[Mention]) {
        let from = kinds::by_name(kind).and_then(|kind| self.nodes.there(kind.name, id));
        let Some(from) = from else { return };
        for mention in mentions {
            self.mention(from, id, mention.line, &mention.what);
        }
    }

    /// All that was told. `code_read` is whether somebody brought every text that [`Self::is_code`] asks for, even if there was none.
    pub fn finish(self, code_read: bool) -> Relations {
        let Self { nodes, mut edges, computed, acting, .. } = self;
        edges.iter_mut().filter(|edge| edge.at.len() > 1).for_each(|edge| once(&mut edge.at));
        edges.sort_by_key(|edge| (edge.from, edge.relation, edge.to));
        let count = nodes.all.len();
        let mut into: Vec<u32> = (0..u32::try_from(edges.len()).unwrap_or(u32::MAX)).collect();
        into.sort_by_key(|index| (edges[*index as usize].to, *index));
        let starts = starts(count, edges.iter().map(|edge| edge.from));
        let into_starts = starts_of(count, &into, &edges);
        Relations {
            nodes: nodes.all,
            by_id: nodes.by_id,
            absent: nodes.absent,
            edges,
            starts,
            into,
            into_starts,
            computed,
            acting,
            code_read,
        }
    }

    fn object(&mut self, object: &Object) {
        let Some((from, document)) = self.place_of(object) else { return };
        self.folder(from, object);
        let Some(value) = object.document() else { return };
        if document.is_none() && acts(object.kind, &value) {
            self.acting.insert(from);
        }
        let at = |pointer: &str| Place { document, pointer: pointer.into(), line: None };
        match object.kind.name {
            "permissions" => self.grants(from, &value, &at),
            _ => self.references(from, object.kind, &value, &at),
        }
        self.people(from, object.kind, &value, &at);
        pointer::texts(&value, &mut |pointer, text| {
            for (scope, key) in kinds::secrets_in(text) {
                self.secret(from, &scope, &key, at(pointer));
            }
        });
    }

    /// The node whose part an object is: its own, or that of what it hangs on.
    fn place_of(&self, object: &Object) -> Option<(NodeId, Option<&'static str>)> {
        if !is_folded(object.kind) {
            return Some((self.nodes.there(object.kind.name, &object.id)?, None));
        }
        let (kind, id) = object.meta.parent()?;
        Some((self.nodes.there(kinds::by_name(&kind)?.name, &id)?, Some(object.kind.name)))
    }

    fn references(&mut self, from: NodeId, kind: &'static Kind, value: &Value, at: &dyn Fn(&str) -> Place) {
        for spot in spots(kind) {
            pointer::each(value, &spot.pointer, &mut |pointer, value| {
                for to in self.nodes.lead(spot, value) {
                    self.edge(from, to, self.kind_of(to, spot.relation), at(pointer));
                }
            });
        }
        for (place, sort) in packages(kind) {
            let relation = if *sort == "package" { Relation::Installs } else { Relation::NeedsOutside };
            pointer::each(value, place, &mut |pointer, value| {
                if let Some(name) = value.as_str().filter(|name| !name.is_empty()) {
                    let to = self.nodes.outside(sort, name);
                    self.edge(from, to, relation, at(pointer));
                }
            });
        }
    }

    /// Storage is needed, whatever stands there.
    fn kind_of(&self, to: NodeId, relation: Relation) -> Relation {
        if self.nodes.all[to as usize].kind == "storage" { Relation::NeedsOutside } else { relation }
    }

    /// Entries of the object itself; what it inherits, the folder grants. The owner stands among them.
    fn grants(&mut self, from: NodeId, value: &Value, at: &dyn Fn(&str) -> Place) {
        let entries = value.get("access_control_list").and_then(Value::as_array);
        for (index, entry) in entries.into_iter().flatten().enumerate() {
            let all = entry.get("all_permissions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let direct: Vec<&Value> = all.iter().filter(|one| one.get("inherited") != Some(&Value::Bool(true))).collect();
            for (field, kind) in [("user_name", "user"), ("group_name", "group"), ("service_principal_name", "service_principal")]
            {
                let name = entry.get(field).map(text).filter(|name| !name.is_empty() && !direct.is_empty());
                let Some((name, kind)) = name.zip(kinds::by_name(kind)) else { continue };
                let to = self.nodes.by_key(kind, &name).unwrap_or_else(|| self.nodes.missing(kind.name, &name));
                let owns = direct.iter().any(|one| one.get("permission_level").is_some_and(|level| level == "IS_OWNER"));
                let relation = if owns { Relation::OwnedBy } else { Relation::Grants };
                self.edge(from, to, relation, at(&format!("/access_control_list/{index}/{field}")));
            }
        }
    }

    fn people(&mut self, from: NodeId, kind: &Kind, value: &Value, at: &dyn Fn(&str) -> Place) {
        for (pointer, role) in kinds::people(kind.name) {
            let Some(name) = value.pointer(pointer).map(text).filter(|name| !name.is_empty()) else { continue };
            let relation = match role {
                Role::Owner => Relation::OwnedBy,
                Role::Creator => Relation::CreatedBy,
                Role::RunsAs => Relation::RunsAs,
            };
            let to = self.nodes.principal(&name);
            self.edge(from, to, relation, at(pointer));
        }
    }

    /// The folder that something lies in, the scope that a secret is in, and whose home a folder is.
    fn folder(&mut self, from: NodeId, object: &Object) {
        let nowhere = Place { document: None, pointer: "".into(), line: None };
        if let Some((kind, id)) = object.meta.parent().filter(|_| !is_folded(object.kind))
            && let Some(to) = kinds::by_name(&kind).and_then(|kind| self.nodes.there(kind.name, &id))
        {
            self.edge(from, to, Relation::PartOf, nowhere.clone());
        }
        if !IN_TREE.contains(&object.kind.name) {
            return;
        }
        let folder = kinds::parents(&object.id).next();
        let folder = folder.and_then(|path| ["repo", "directory"].iter().find_map(|kind| self.nodes.there(kind, path)));
        if let Some(to) = folder {
            self.edge(from, to, Relation::LiesIn, nowhere.clone());
        }
        if let Some(owner) = kinds::home_of(&object.id).filter(|_| object.kind.name == "directory") {
            let to = self.nodes.principal(owner);
            self.edge(from, to, Relation::OwnedBy, nowhere);
        }
    }

    fn secret(&mut self, from: NodeId, scope: &str, key: &str, at: Place) {
        let name = format!("{scope}/{key}");
        let known = kinds::by_name("secret").and_then(|kind| self.nodes.by_key(kind, &name));
        let to = known.unwrap_or_else(|| self.nodes.missing("secret", &name));
        self.edge(from, to, Relation::ReadsSecret, at);
    }

    fn mention(&mut self, from: NodeId, path: &str, line: u32, what: &What) {
        let at = Place { document: None, pointer: "".into(), line: Some(line) };
        match what {
            What::Includes(target) | What::Calls(target) => match included(path, target) {
                Some(target) => {
                    let found = self.included(&target);
                    let to = found.unwrap_or_else(|| self.nodes.missing("notebook", &target));
                    self.edge(from, to, Relation::Includes, at);
                }
                None => self.computed.push(Computed { node: from, line, relation: Relation::Includes }),
            },
            What::Secret(scope, key) => self.secret(from, scope, key, at),
            What::ComputedCall => self.computed.push(Computed { node: from, line, relation: Relation::Includes }),
            What::ComputedSecret => self.computed.push(Computed { node: from, line, relation: Relation::ReadsSecret }),
        }
    }

    /// The notebook or file at a path; the end that a notebook's file has in Git may stand there or not.
    fn included(&self, path: &str) -> Option<NodeId> {
        let without = path.rsplit_once('.').filter(|(_, end)| SCRIPTS.contains(end)).map(|(path, _)| path);
        let code = || ["notebook", "file"].into_iter();
        let whole = code().find_map(|kind| self.nodes.there(kind, path));
        let bare = || without.and_then(|path| self.nodes.there("notebook", path));
        whole.or_else(bare).or_else(|| self.nodes.at_path(code(), path))
    }

    fn edge(&mut self, from: NodeId, to: NodeId, relation: Relation, at: Place) {
        let at = (!at.pointer.is_empty() || at.line.is_some()).then_some(at);
        if let Some(index) = self.by_ends.get(&(from, to, relation)) {
            self.edges[*index].at.extend(at);
            return;
        }
        self.by_ends.insert((from, to, relation), self.edges.len());
        self.edges.push(Edge { from, to, relation, at: at.into_iter().collect() });
    }
}

/// Leaves each place once, in the order in which they came: a text may name one thing a hundred thousand times.
fn once(places: &mut Vec<Place>) {
    let mut known = HashSet::new();
    let is_new: Vec<bool> = places.iter().map(|place| known.insert(place)).collect();
    let mut is_new = is_new.into_iter();
    places.retain(|_| is_new.next().unwrap_or_default());
}

/// Whether an object does something though nobody refers to it: something starts it, or every workspace has it and gives it out.
fn acts(kind: &Kind, document: &Value) -> bool {
    if let Shape::Collection(collection) = &kind.shape
        && collection.built_in.is_some_and(|built_in| built_in(document))
    {
        return true;
    }
    let set = |at: &str| {
        document.pointer(at).is_some_and(|value| !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty()))
    };
    match kind.name {
        "job" => ["/settings/schedule", "/settings/trigger", "/settings/triggers", "/settings/continuous"].into_iter().any(set),
        "group" => ["/entitlements", "/roles"].into_iter().any(set),
        _ => false,
    }
}

/// The path of an included notebook, seen from where it is included; nothing if it depends on something.
fn included(from: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        let kinds::Place::Workspace(path) = kinds::place(target) else { return None };
        return Some(path);
    }
    let mut names: Vec<&str> = from.split('/').filter(|name| !name.is_empty()).collect();
    names.pop();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    Some(format!("/{}", names.join("/"))).filter(|_| !target.contains(['{', '$']))
}

/// Where the items of each node begin, when they are ascending by node.
fn starts(count: usize, items: impl Iterator<Item = NodeId>) -> Vec<u32> {
    let mut starts = vec![0_u32; count + 1];
    items.for_each(|item| starts[item as usize + 1] += 1);
    for index in 1..starts.len() {
        starts[index] += starts[index - 1];
    }
    starts
}

fn starts_of(count: usize, order: &[u32], edges: &[Edge]) -> Vec<u32> {
    starts(count, order.iter().map(|index| edges[*index as usize].to))
}

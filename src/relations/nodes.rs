//! The nodes: objects by id and key, and what is referred to and not there.

use super::{Node, NodeId, NodeState};
use crate::kinds::{self, Kind, Read, Shape};
use crate::object::{Absent, Object, fold};
use std::collections::HashMap;

/// Kinds of things in the workspace tree, which share its paths.
pub(super) const IN_TREE: &[&str] = &["notebook", "file", "directory", "repo", "workspace_object"];

/// Nodes while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub all: Vec<Node>,
    pub by_id: HashMap<(&'static str, Box<str>), NodeId>,
    /// The first of each natural key.
    by_key: HashMap<(&'static str, String), NodeId>,
    pub absent: Vec<Absent>,
    absent_by_id: HashMap<(String, String), usize>,
}

/// Whether an object of this kind is a part of what it hangs on: permissions, libraries. Items of a list are things of their own.
pub(super) fn is_folded(kind: &Kind) -> bool {
    matches!(&kind.shape, Shape::Attached(attached) if !matches!(attached.read, Read::EachItems { .. }))
}

impl Nodes {
    pub(super) fn new(objects: &[&Object], absent: Vec<Absent>) -> Self {
        let absent_by_id = absent.iter().enumerate().map(|(index, one)| ((one.kind.clone(), one.path.clone()), index)).collect();
        let mut nodes = Self { absent, absent_by_id, ..Self::default() };
        for object in objects.iter().filter(|object| !is_folded(object.kind)) {
            let id = nodes.push(object.kind.name, &object.id, &object.key, NodeState::There);
            nodes.by_key.entry((object.kind.name, fold(object.kind, &object.key))).or_insert(id);
        }
        nodes
    }

    fn push(&mut self, kind: &'static str, id: &str, key: &str, state: NodeState) -> NodeId {
        let number = NodeId::try_from(self.all.len()).unwrap_or(NodeId::MAX);
        self.all.push(Node { kind, id: id.into(), key: key.into(), state });
        self.by_id.entry((kind, id.into())).or_insert(number);
        number
    }

    pub(super) fn there(&self, kind: &'static str, id: &str) -> Option<NodeId> {
        let found = self.by_id.get(&(kind, id.into())).copied()?;
        (self.all[found as usize].state == NodeState::There).then_some(found)
    }

    pub(super) fn by_key(&self, kind: &'static Kind, key: &str) -> Option<NodeId> {
        self.by_key.get(&(kind.name, fold(kind, key))).copied()
    }

    /// A thing outside of the workspace.
    pub(super) fn outside(&mut self, kind: &'static str, name: &str) -> NodeId {
        match self.by_id.get(&(kind, name.into())) {
            Some(found) => *found,
            None => self.push(kind, name, name, NodeState::Outside),
        }
    }

    /// Something that is not there, and why.
    pub(super) fn missing(&mut self, kind: &'static str, name: &str) -> NodeId {
        if let Some(found) = self.by_id.get(&(kind, name.into())) {
            return *found;
        }
        let why = self.why(kind, name);
        self.push(kind, name, name, NodeState::Missing(why))
    }

    /// Why nothing of this kind and id is among the objects.
    fn why(&self, kind: &str, id: &str) -> String {
        let kinds: &[&str] = if IN_TREE.contains(&kind) { IN_TREE } else { std::slice::from_ref(&kind) };
        let exact = |path: &str| kinds.iter().find_map(|kind| self.absent_at(kind, path));
        let around = || kinds::parents(id).find_map(|folder| exact(&format!("{folder}/**")));
        if let Some(absent) = exact(id).or_else(around) {
            return format!("{}: {}", absent.state, absent.reason);
        }
        match (self.absent_at(kind, "*"), kinds::by_name(kind)) {
            (Some(whole), Some(kind)) => format!("no {} were read ({}: {})", kind.title, whole.state, whole.reason),
            _ => "not there".to_owned(),
        }
    }

    fn absent_at(&self, kind: &str, path: &str) -> Option<&Absent> {
        self.absent_by_id.get(&(kind.to_owned(), path.to_owned())).map(|index| &self.absent[*index])
    }
}

//! What refers to what, among the objects of one set: a bundle, or a workspace that was read.
//!
//! The references are those of the table of kinds, and what stands beside it: folders and what lies in them, secrets that texts
//! name, members of groups, entries of access lists, owners, and what the code of notebooks runs and reads. A reference that
//! leads nowhere is an edge as well, to a node that says why nothing is there. Pure: whoever asks brings objects and texts.
//!
//! Documents that hang on an object (permissions, libraries) are no nodes: what they refer to, the object refers to.

mod build;
mod code;
mod lead;
mod nodes;
#[cfg(test)]
mod tests;

pub use build::Builder;
pub use code::{Mention, What, mentions};

use crate::object::{Absent, SourceId};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// How one object refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// A task runs it: a notebook, a file, a pipeline, another job, a query.
    Runs,
    /// It runs on it, or is made by its rules: a cluster, a pool, a policy, a warehouse, a profile.
    Uses,
    /// It acts in this principal's name.
    RunsAs,
    /// A library that is installed.
    Installs,
    /// An init script.
    StartsWith,
    /// A secret that is named.
    ReadsSecret,
    /// Code that includes another notebook, or runs it.
    Includes,
    /// It belongs to it: a key to its secret scope.
    PartOf,
    /// Storage, a key, a package, a repository: something that is no object of the workspace.
    NeedsOutside,
    /// Whoever is told of its runs.
    Notifies,
    /// The folder that it lies in.
    LiesIn,
    /// A member of a group.
    HasMember,
    /// Whose it is.
    OwnedBy,
    /// Who made it.
    CreatedBy,
    /// Who may do something with it.
    Grants,
}

impl Relation {
    /// Whether the object does not work without the other.
    pub fn is_need(self) -> bool {
        self <= Self::Notifies
    }

    /// As a person reads it, between the one and the other.
    pub fn words(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Uses => "uses",
            Self::RunsAs => "runs as",
            Self::Installs => "installs",
            Self::StartsWith => "starts with",
            Self::ReadsSecret => "reads secret",
            Self::Includes => "includes",
            Self::PartOf => "part of",
            Self::NeedsOutside => "needs",
            Self::Notifies => "notifies",
            Self::LiesIn => "lies in",
            Self::HasMember => "has member",
            Self::OwnedBy => "owned by",
            Self::CreatedBy => "created by",
            Self::Grants => "grants",
        }
    }
}

/// A thing that refers, or is referred to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name of its kind; of things outside of the workspace, what they are: `storage`, `package`, `kms_key`.
    pub kind: &'static str,
    /// Id or path, or what the referring value says.
    pub id: Box<str>,
    /// What people call it.
    pub key: Box<str>,
    /// Whether it is there.
    pub state: NodeState,
}

/// Whether a thing is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It is among the objects.
    There,
    /// It is no object of a workspace: a backup never holds it.
    Outside,
    /// Something refers to it, and it is not among the objects; why.
    Missing(String),
}

impl Node {
    /// Kind and id.
    pub fn source(&self) -> SourceId {
        SourceId { kind: self.kind.to_owned(), id: self.id.clone().into() }
    }

    /// Whether it is missing.
    pub fn is_missing(&self) -> bool {
        matches!(self.state, NodeState::Missing(_))
    }
}

/// Where a reference stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Place {
    /// The kind of the document that hangs on the object, if it stands there: `permissions`, `cluster_libraries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<&'static str>,
    /// JSON pointer (RFC 6901) in the document; empty in code.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub pointer: Box<str>,
    /// Line in the code, or cell of a Jupyter notebook, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.document) {
            (Some(line), _) => write!(f, "line {line}"),
            (None, Some(document)) => write!(f, "{document}{}", self.pointer),
            (None, None) => f.write_str(&self.pointer),
        }
    }
}

/// A node by its number.
pub type NodeId = u32;

/// One object refers to another, in one or several places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// What refers.
    pub from: NodeId,
    /// What it refers to.
    pub to: NodeId,
    /// How.
    pub relation: Relation,
    /// Where it stands; nowhere for a folder.
    pub at: Vec<Place>,
}

/// A call in code whose target cannot be read off its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The notebook or file.
    pub node: NodeId,
    /// Line or cell.
    pub line: u32,
    /// `Includes` or `ReadsSecret`.
    pub relation: Relation,
}

/// All that refers, and all that is referred to.
#[derive(Debug, Default)]
pub struct Relations {
    nodes: Vec<Node>,
    /// Ascending by `from`, then relation.
    edges: Vec<Edge>,
    /// Where the edges of each node begin.
    starts: Vec<u32>,
    /// Numbers of edges, ascending by `to`.
    into: Vec<u32>,
    into_starts: Vec<u32>,
    by_id: HashMap<(&'static str, Box<str>), NodeId>,
    computed: Vec<Computed>,
    absent: Vec<Absent>,
    acting: HashSet<NodeId>,
    code_read: bool,
}

impl Relations {
    /// All nodes; their place is their number.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// All edges.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// What a node refers to.
    pub fn from(&self, id: NodeId) -> &[Edge] {
        let id = id as usize;
        &self.edges[self.starts[id] as usize..self.starts[id + 1] as usize]
    }

    /// What refers to a node.
    pub fn to(&self, id: NodeId) -> impl Iterator<Item = &Edge> {
        let id = id as usize;
        self.into[self.into_starts[id] as usize..self.into_starts[id + 1] as usize].iter().map(|edge| &self.edges[*edge as usize])
    }

    /// The node of a kind and id.
    pub fn by_id(&self, kind: &str, id: &str) -> Option<NodeId> {
        let kind = crate::kinds::by_name(kind)?.name;
        self.by_id.get(&(kind, id.into())).copied()
    }

    /// Objects of this path, id or name; a kind before a colon narrows it.
    pub fn named(&self, text: &str) -> Vec<NodeId> {
        let narrowed = text.split_once(':').filter(|(kind, _)| crate::kinds::by_name(kind).is_some());
        let fits = |node: &Node, name: &str| *node.id == *name || *node.key == *name;
        let wanted = |node: &&Node| match narrowed {
            Some((kind, name)) => node.kind == kind && fits(node, name),
            None => fits(node, text),
        };
        let ids = (0..).zip(&self.nodes).filter(|(_, node)| node.state == NodeState::There && wanted(node));
        ids.map(|(id, _)| id).collect()
    }

    /// Calls in code that could not be followed.
    pub fn computed(&self) -> &[Computed] {
        &self.computed
    }

    /// What a listing showed and is not among the objects.
    pub fn absent(&self) -> &[Absent] {
        &self.absent
    }

    /// Whether an object does something though nobody refers to it: a job with a schedule, a group that gives entitlements.
    pub fn acts(&self, id: NodeId) -> bool {
        self.acting.contains(&id)
    }

    /// Whether the code of notebooks was looked at.
    pub fn is_code_read(&self) -> bool {
        self.code_read
    }
}

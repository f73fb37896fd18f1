//! What needs what: the part of the relations that answers a question, and its pictures as text, DOT and SVG.

mod dot;
mod findings;
mod layers;
mod svg;
mod tree;
mod walk;

pub use dot::dot;
pub use findings::{Broken, BrokenReferences, Orphan, Orphans, broken, orphans};
pub use svg::{MOST_NODES, TooLarge, svg};
pub use tree::tree;
pub use walk::{dependents, everything, needs};

use crate::kinds;
use crate::object::Absent;
use crate::relations::{Node, NodeState, Place, Relation, Relations};
use schemars::JsonSchema;
use serde::Serialize;

/// Which way was walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From an object to what it needs.
    Needs,
    /// From an object to what depends on it.
    Dependents,
    /// All that needs or is needed.
    Everything,
}

/// Whether a thing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is in the bundle.
    There,
    /// It is no object of a workspace: storage, a package, a repository.
    Outside,
    /// Something refers to it, and it is not in the bundle.
    Missing,
}

/// A thing in a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GraphNode {
    /// Name of its kind; of things outside, what they are.
    pub kind: &'static str,
    /// Id or path, or what the referring value says.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it is there.
    pub presence: Presence,
    /// Why it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many steps from where the walk began.
    pub depth: u32,
}

/// One thing refers to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GraphEdge {
    /// What refers: its place among the nodes.
    pub from: usize,
    /// What it refers to: its place among the nodes.
    pub to: usize,
    /// How.
    pub relation: Relation,
    /// Where it stands; nowhere for a folder.
    pub at: Vec<Place>,
}

/// A call in code whose target is computed, so that it cannot be read off the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ComputedCall {
    /// The notebook or file: its place among the nodes.
    pub node: usize,
    /// Line, or cell of a Jupyter notebook, counted from 1.
    pub line: u32,
    /// `includes` or `reads_secret`.
    pub relation: Relation,
}

/// A part of the relations.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Graph {
    /// Which way was walked.
    pub direction: Direction,
    /// The nodes, where the walk began first.
    pub nodes: Vec<GraphNode>,
    /// What refers to what among them.
    pub edges: Vec<GraphEdge>,
    /// Calls in code that could not be followed.
    pub computed: Vec<ComputedCall>,
    /// Whether more lies beyond the depth that was asked for.
    pub cut: bool,
    /// What keeps this from being the whole truth.
    pub gaps: Vec<String>,
}

/// An object by its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Named {
    /// Name of its kind.
    pub kind: &'static str,
    /// Id or path.
    pub id: String,
    /// What people call it.
    pub name: String,
}

impl Named {
    /// The names of a node.
    pub fn of(node: &Node) -> Self {
        Self { kind: node.kind, id: node.id.to_string(), name: node.key.to_string() }
    }
}

fn shown(node: &Node, depth: u32) -> GraphNode {
    let (presence, why) = match &node.state {
        NodeState::There => (Presence::There, None),
        NodeState::Outside => (Presence::Outside, None),
        NodeState::Missing(why) => (Presence::Missing, Some(why.clone())),
    };
    GraphNode { kind: node.kind, id: node.id.to_string(), name: node.key.to_string(), presence, why, depth }
}

/// What was not read and could refer to something, or be referred to.
fn gaps(relations: &Relations) -> Vec<String> {
    let told = relations.absent().iter().filter(|one| one.path == "*" && one.state != "unavailable");
    let whole = |one: &Absent| {
        let title = kinds::by_name(&one.kind).map_or(one.kind.as_str(), |kind| kind.title);
        format!("no {title} were read ({}: {})", one.state, one.reason)
    };
    let mut gaps: Vec<String> = told.map(whole).collect();
    let lost: Vec<&Absent> = relations.absent().iter().filter(|one| one.state == "missing" && one.path != "*").collect();
    if let Some(first) = lost.first() {
        gaps.push(format!("{} could not be read, first {} {}: {}", count(lost.len()), first.kind, first.path, first.reason));
    }
    if !relations.is_code_read() {
        gaps.push("the code of notebooks was not read: what it runs and which secrets it reads is not known".to_owned());
    }
    gaps
}

fn count(many: usize) -> String {
    if many == 1 { "1 object".to_owned() } else { format!("{many} objects") }
}

/// A kind as people read it.
pub(crate) fn words(kind: &str) -> String {
    kind.replace('_', " ")
}

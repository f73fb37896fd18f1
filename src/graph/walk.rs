//! Walks from an object to what it needs, or to what depends on it. Circles end where they began.

use super::{ComputedCall, Direction, Graph, GraphEdge, gaps, shown};
use crate::kinds::is_principal;
use crate::relations::{Edge, NodeId, Relation, Relations};
use std::collections::{HashMap, VecDeque};

/// What an object needs, directly and by what it needs, at most `depth` steps away. What is in a folder, the folder needs.
pub fn needs(relations: &Relations, root: NodeId, depth: Option<u32>) -> Graph {
    let next = |node: NodeId, _: bool| {
        let own = relations.from(node).iter().filter(|edge| edge.relation.is_need());
        own.chain(contents(relations, node)).map(|edge| (other(edge, node), edge)).collect()
    };
    let worth = |node: NodeId| relations.from(node).iter().any(|edge| edge.relation.is_need());
    Walk::new(relations, Direction::Needs, depth).from(root, &next, &worth)
}

/// What depends on an object, directly and by what it depends on. On a folder depends what depends on anything in it; on a
/// principal, what is theirs, and what is granted to them.
pub fn dependents(relations: &Relations, root: NodeId, depth: Option<u32>) -> Graph {
    let next = |node: NodeId, first: bool| {
        let principal = first && is_principal(relations.node(node).kind);
        let counts = move |edge: &&Edge| {
            edge.relation.is_need()
                || (principal && matches!(edge.relation, Relation::OwnedBy | Relation::Grants | Relation::HasMember))
        };
        let own = relations.to(node).filter(counts);
        own.chain(contents(relations, node)).map(|edge| (edge.from, edge)).collect()
    };
    let worth = |node: NodeId| relations.to(node).any(|edge| edge.relation.is_need());
    Walk::new(relations, Direction::Dependents, depth).from(root, &next, &worth)
}

/// All that needs something or is needed.
pub fn everything(relations: &Relations) -> Graph {
    let mut walk = Walk::new(relations, Direction::Everything, None);
    for edge in relations.edges().iter().filter(|edge| edge.relation.is_need()) {
        walk.node(edge.from, 0);
        walk.node(edge.to, 1);
        walk.edge(edge);
    }
    walk.done()
}

/// What lies in a folder, as edges to the folder.
fn contents(relations: &Relations, node: NodeId) -> impl Iterator<Item = &Edge> {
    let folder = matches!(relations.node(node).kind, "directory" | "repo");
    relations.to(node).filter(move |edge| folder && edge.relation == Relation::LiesIn)
}

fn other(edge: &Edge, node: NodeId) -> NodeId {
    if edge.from == node { edge.to } else { edge.from }
}

type Next<'a> = dyn Fn(NodeId, bool) -> Vec<(NodeId, &'a Edge)> + 'a;

struct Walk<'a> {
    relations: &'a Relations,
    graph: Graph,
    depth: Option<u32>,
    places: HashMap<NodeId, usize>,
}

impl<'a> Walk<'a> {
    fn new(relations: &'a Relations, direction: Direction, depth: Option<u32>) -> Self {
        let (nodes, edges, computed, cut) = (Vec::new(), Vec::new(), Vec::new(), false);
        let graph = Graph { direction, nodes, edges, computed, cut, gaps: gaps(relations) };
        Self { relations, graph, depth, places: HashMap::new() }
    }

    /// Answers whether the node is new.
    fn node(&mut self, id: NodeId, depth: u32) -> bool {
        if self.places.contains_key(&id) {
            return false;
        }
        self.places.insert(id, self.graph.nodes.len());
        self.graph.nodes.push(shown(self.relations.node(id), depth));
        true
    }

    fn edge(&mut self, edge: &Edge) {
        let (from, to) = (self.places[&edge.from], self.places[&edge.to]);
        self.graph.edges.push(GraphEdge { from, to, relation: edge.relation, at: edge.at.clone() });
    }

    fn from(mut self, root: NodeId, next: &Next<'a>, worth: &dyn Fn(NodeId) -> bool) -> Graph {
        self.node(root, 0);
        let mut open = VecDeque::from([(root, 0)]);
        while let Some((node, depth)) = open.pop_front() {
            let steps = next(node, depth == 0);
            let steps = steps.into_iter().filter(|(other, edge)| edge.relation != Relation::LiesIn || self.counts(*other, worth));
            let steps: Vec<_> = steps.collect();
            if self.depth.is_some_and(|most| depth >= most) {
                self.graph.cut |= steps.iter().any(|(other, _)| !self.places.contains_key(other));
                continue;
            }
            for (other, edge) in steps {
                if self.node(other, depth + 1) {
                    open.push_back((other, depth + 1));
                }
                self.edge(edge);
            }
        }
        self.done()
    }

    /// Of what lies in a folder, only what leads further is worth a line.
    fn counts(&self, node: NodeId, worth: &dyn Fn(NodeId) -> bool) -> bool {
        let (mut open, mut seen) = (vec![node], 0);
        while let Some(one) = open.pop() {
            if worth(one) {
                return true;
            }
            seen += 1;
            if seen < MOST_LOOKED_AT {
                open.extend(contents(self.relations, one).map(|edge| edge.from));
            }
        }
        false
    }

    fn done(mut self) -> Graph {
        let computed = self.relations.computed().iter();
        let computed = computed
            .filter_map(|one| Some(ComputedCall { node: *self.places.get(&one.node)?, line: one.line, relation: one.relation }));
        self.graph.computed = computed.collect();
        self.graph
    }
}

/// A folder of more objects is not searched for one that leads further; it is shown.
const MOST_LOOKED_AT: usize = 100_000;

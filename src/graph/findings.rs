//! References that lead nowhere, and objects that nobody needs.

use super::{Named, gaps};
use crate::relations::{NodeId, NodeState, Place, Relation, Relations};
use schemars::JsonSchema;
use serde::Serialize;

/// A reference that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Broken {
    /// What refers.
    pub from: Named,
    /// How.
    pub relation: Relation,
    /// What is not there.
    pub to: Named,
    /// Why it is not there.
    pub why: String,
    /// Where it stands.
    pub at: Vec<Place>,
}

/// All references that lead nowhere.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BrokenReferences {
    /// What was found.
    pub broken: Vec<Broken>,
    /// What keeps this from being the whole truth.
    pub gaps: Vec<String>,
}

/// An object that nobody needs, and that does nothing on its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Orphan {
    /// The object.
    pub object: Named,
    /// What was looked for, and what cannot be known.
    pub note: &'static str,
}

/// All such objects.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Orphans {
    /// What was found.
    pub orphans: Vec<Orphan>,
    /// What keeps this from being the whole truth.
    pub gaps: Vec<String>,
}

/// References that lead nowhere. Who owns something or may do something is a question of access.
pub fn broken(relations: &Relations) -> BrokenReferences {
    let counts = |relation| !matches!(relation, Relation::CreatedBy | Relation::OwnedBy | Relation::Grants);
    let mut broken = Vec::new();
    for edge in relations.edges().iter().filter(|edge| counts(edge.relation)) {
        let (from, to) = (relations.node(edge.from), relations.node(edge.to));
        if let NodeState::Missing(why) = &to.state {
            let (from, to) = (Named::of(from), Named::of(to));
            broken.push(Broken { from, relation: edge.relation, to, why: why.clone(), at: edge.at.clone() });
        }
    }
    broken.sort();
    BrokenReferences { broken, gaps: gaps(relations) }
}

/// Kinds of which one is of no use that nobody needs, with what can be said of such a one. Notebooks, files and queries are there
/// for people to open; whoever reads from storage leaves no trace in a workspace.
const NEEDED: &[(&str, &str)] = &[
    ("cluster", "no job, pipeline or the like names it; people may still attach to it by hand"),
    ("cluster_policy", "no cluster and no job is made by it; people may still choose it for new ones"),
    ("instance_pool", "no cluster, job or policy draws on it"),
    ("instance_profile", "no cluster, policy or principal has it"),
    ("warehouse", "no job, query, alert or dashboard runs on it; people may still choose it by hand"),
    ("notification_destination", "no job tells it anything"),
    ("secret_scope", "none of its secrets is named in a document or in code"),
    ("secret", "neither a document nor code names it"),
    ("group", "nothing is granted to it, it is entitled to nothing, and it is in no other group"),
    ("job", "it has no schedule and no trigger, and no other job runs it: somebody starts it, or nobody"),
];

/// Objects that nobody needs.
pub fn orphans(relations: &Relations) -> Orphans {
    let mut orphans = Vec::new();
    for (id, node) in (0..).zip(relations.nodes()) {
        let kind = NEEDED.iter().find(|(kind, _)| *kind == node.kind && node.state == NodeState::There);
        let Some((_, note)) = kind.filter(|_| !relations.acts(id) && !is_needed(relations, id)) else { continue };
        orphans.push(Orphan { object: Named::of(node), note });
    }
    orphans.sort();
    Orphans { orphans, gaps: gaps(relations) }
}

fn is_needed(relations: &Relations, id: NodeId) -> bool {
    let kind = relations.node(id).kind;
    let mut into = relations.to(id).filter(|edge| edge.from != id);
    match kind {
        // Without code, nobody knows which secrets are read.
        "secret" | "secret_scope" if !relations.is_code_read() => true,
        "secret_scope" => relations.to(id).any(|edge| is_needed(relations, edge.from)),
        // The scope tells it of all its keys.
        "secret" => into.next().is_some() || scope_is_idle(relations, id),
        "group" => into.any(|edge| edge.relation != Relation::CreatedBy),
        _ => into.any(|edge| edge.relation.is_need()),
    }
}

/// Whether no secret of the scope that this one is in is read: then the scope is the orphan.
fn scope_is_idle(relations: &Relations, secret: NodeId) -> bool {
    let scope = relations.from(secret).iter().find(|edge| edge.relation == Relation::PartOf);
    let reads = |of: NodeId| relations.to(of).any(|edge| edge.relation == Relation::ReadsSecret);
    scope.is_some_and(|scope| !relations.to(scope.to).any(|part| reads(part.from)))
}

//! `lifeboat graph`

use super::bundle::Bundle;
use super::private::Private;
use super::whole::{Whole, unknown};
use super::{Advised, Outcome};
use crate::ui::{Form, Ui, words};
use clap::Args;
use lifeboat::graph::{self, Graph, Presence};
use lifeboat::relations::{NodeId, Place, Relation, Relations};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// So many calls and gaps are told one by one; JSON has all.
const SHOWN: usize = 10;

/// Columns of the tree where there is no terminal.
const COLUMNS: usize = 80;

/// What a picture begins with.
const MARK: &str = "<svg ";

/// What needs what: a job and all that it needs, or all that depends on an object.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Dependencies {
    #[command(flatten)]
    bundle: Bundle,
    /// A path or a name, or `kind:path`, `kind:id`, `kind:name`; without one, all of the bundle
    object: Option<String>,
    /// What depends on the object, instead of what it needs
    #[arg(long, requires = "object")]
    reverse: bool,
    /// So many steps from the object, and no further
    #[arg(long, value_name = "N", requires = "object")]
    depth: Option<u32>,
    /// Objects that nobody needs, and that do nothing on their own
    #[arg(long, conflicts_with_all = ["object", "broken", "dot", "svg"])]
    orphans: bool,
    /// References that lead nowhere
    #[arg(long, conflicts_with_all = ["object", "dot", "svg"])]
    broken: bool,
    /// Every secret, and what reads it; with `--json`, one graph for each scope
    #[arg(long, conflicts_with_all = ["object", "orphans", "broken", "dot", "svg", "no_code"])]
    secrets: bool,
    /// The graph as DOT, for Graphviz
    #[arg(long, conflicts_with = "svg")]
    dot: bool,
    /// Draw the graph into this SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Do not read notebooks and scripts: neither `%run` nor the secrets that code reads
    #[arg(long)]
    no_code: bool,
}

/// What an object needs, what depends on it (`--reverse`), or, without an object, all that needs or is needed; where several
/// objects have that name, these (exit code 4).
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Walked<'a> {
    /// The graph.
    Graph(&'a Graph),
    /// Objects of that name.
    OneOf {
        /// Each of them.
        one_of: Vec<graph::Named>,
    },
}

impl Dependencies {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let reader = self.bundle.open()?;
        let relations = Whole::read(&reader)?.relations(&reader, !self.no_code)?;
        if self.orphans {
            return orphans(ui, &relations);
        }
        if self.broken {
            return broken(ui, &relations);
        }
        if self.secrets {
            return secrets(ui, &relations);
        }
        let graph = match &self.object {
            None if !(self.dot || self.svg.is_some() || ui.form() != Form::Text) => return summary(ui, &relations),
            None => graph::everything(&relations),
            Some(object) => match relations.named(object).as_slice() {
                [] => return Err(unknown(&reader, object)),
                [one] if self.reverse => graph::dependents(&relations, *one, self.depth),
                [one] => graph::needs(&relations, *one, self.depth),
                several => return choose(ui, &relations, object, several),
            },
        };
        self.tell(ui, &graph)
    }

    fn tell(&self, ui: &mut Ui, graph: &Graph) -> anyhow::Result<Outcome> {
        let outcome = if graph.gaps.is_empty() || self.no_code { Outcome::Done } else { Outcome::Incomplete };
        if let Some(path) = &self.svg {
            let drawn = graph::svg(graph).map_err(|error| Advised {
                what: error.to_string(),
                hint: "name an object, give `--depth`, or draw it by Graphviz from `--dot`".to_owned(),
            })?;
            Private::create_over(path, MARK)?.write(drawn.trim_end())?;
        }
        if self.dot {
            ui.text(&graph::dot(graph))?;
        }
        ui.value(&Walked::Graph(graph))?;
        ui.row(EDGES)?;
        edges(ui, graph)?;
        if self.dot {
            return Ok(outcome);
        }
        if self.svg.is_none() {
            graph::tree(graph, Ui::columns(COLUMNS)).into_iter().try_for_each(|line| ui.line(line))?;
        }
        notes(ui, graph)?;
        Ok(outcome)
    }
}

/// The graph for spreadsheets, an edge a line.
const EDGES: [&str; 7] = ["from kind", "from", "relation", "to kind", "to", "presence", "at"];

fn edges(ui: &mut Ui, graph: &Graph) -> anyhow::Result<()> {
    for edge in &graph.edges {
        let (from, to) = (&graph.nodes[edge.from], &graph.nodes[edge.to]);
        let presence = match to.presence {
            Presence::There => "there",
            Presence::Outside => "outside",
            Presence::Missing => "missing",
        };
        ui.row([from.kind, &from.id, edge.relation.words(), to.kind, &to.id, presence, &places(&edge.at)])?;
    }
    Ok(())
}

fn places(at: &[Place]) -> String {
    at.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What a tree does not show.
fn notes(ui: &mut Ui, graph: &Graph) -> anyhow::Result<()> {
    if graph.cut {
        ui.line("more lies beyond this depth")?;
    }
    let calls = graph.computed.iter().map(|call| {
        let node = &graph.nodes[call.node];
        unfollowed(node.kind, &node.name, call.line, call.relation)
    });
    computed(ui, &calls.collect::<Vec<_>>())?;
    gaps(ui, &graph.gaps)
}

/// A call that cannot be followed.
fn unfollowed(kind: &str, name: &str, line: u32, relation: Relation) -> String {
    let what = if relation == Relation::Includes { "runs a notebook" } else { "reads a secret" };
    format!("{kind} {name}, line {line}: {what} whose name is computed")
}

fn computed(ui: &mut Ui, calls: &[String]) -> anyhow::Result<()> {
    calls.iter().take(SHOWN).try_for_each(|call| ui.wrapped("  ", call))?;
    if calls.len() > SHOWN {
        ui.line(format!("and {} more such calls", calls.len() - SHOWN))?;
    }
    Ok(())
}

/// All scopes, one after the other, and what reads their secrets. Who reads one whose name is computed is not known: that is told of
/// the whole bundle.
fn secrets(ui: &mut Ui, relations: &Relations) -> anyhow::Result<Outcome> {
    let scopes = (0..).zip(relations.nodes()).filter(|(_, node)| node.kind == "secret_scope");
    let scopes: Vec<NodeId> = scopes.map(|(id, _)| id).collect();
    ui.row(EDGES)?;
    for scope in &scopes {
        let graph = graph::dependents(relations, *scope, None);
        ui.value(&Walked::Graph(&graph))?;
        edges(ui, &graph)?;
        graph::tree(&graph, Ui::columns(COLUMNS)).into_iter().try_for_each(|line| ui.line(line))?;
    }
    ui.line(format!("{}: below each secret, what reads it", words::count(scopes.len() as u64, "secret scope")))?;
    let read = relations.computed().iter().filter(|call| call.relation == Relation::ReadsSecret);
    let read = read.map(|call| {
        let node = relations.node(call.node);
        unfollowed(node.kind, &node.key, call.line, call.relation)
    });
    computed(ui, &read.collect::<Vec<_>>())?;
    let unread = graph::everything(relations).gaps;
    gaps(ui, &unread)?;
    Ok(if unread.is_empty() { Outcome::Done } else { Outcome::Incomplete })
}

fn gaps(ui: &mut Ui, gaps: &[String]) -> anyhow::Result<()> {
    Ok(gaps.iter().try_for_each(|gap| ui.wrapped("  ", &format!("incomplete: {gap}")))?)
}

/// How much refers to how much.
fn summary(ui: &mut Ui, relations: &Relations) -> anyhow::Result<Outcome> {
    let graph = graph::everything(relations);
    let count = |presence: Presence| graph.nodes.iter().filter(|node| node.presence == presence).count();
    let mut rows = Vec::new();
    let mut relation = graph.edges.iter().map(|edge| edge.relation).collect::<Vec<_>>();
    relation.sort();
    relation.dedup();
    for one in relation {
        let edges = || graph.edges.iter().filter(|edge| edge.relation == one);
        let broken = edges().filter(|edge| graph.nodes[edge.to].presence == Presence::Missing).count();
        rows.push(vec![one.words().to_owned(), edges().count().to_string(), broken.to_string()]);
    }
    ui.table(&["relation", "references", "lead nowhere"], rows)?;
    ui.line(format!(
        "{} refer to each other and to {} outside of the workspace; {} not there",
        words::count(count(Presence::There) as u64, "object"),
        words::count(count(Presence::Outside) as u64, "thing"),
        match count(Presence::Missing) {
            1 => "1 is".to_owned(),
            many => format!("{many} are"),
        }
    ))?;
    ui.line("name an object to see what it needs, with `--reverse` what depends on it; `--broken`, `--orphans`, `--dot`, `--svg FILE`")?;
    notes(ui, &graph)?;
    Ok(if graph.gaps.is_empty() { Outcome::Done } else { Outcome::Incomplete })
}

fn orphans(ui: &mut Ui, relations: &Relations) -> anyhow::Result<Outcome> {
    let found = graph::orphans(relations);
    ui.value(&found)?;
    ui.row(["kind", "id", "name", "why"])?;
    found.orphans.iter().try_for_each(|one| ui.row([one.object.kind, &one.object.id, &one.object.name, one.note]))?;
    let mut note = "";
    let mut sorted: Vec<_> = found.orphans.iter().collect();
    sorted.sort_by_key(|one| (one.note, &one.object));
    for one in sorted {
        if one.note != note {
            note = one.note;
            ui.wrapped("  ", &format!("{}: {note}", title(one.object.kind)))?;
        }
        ui.line(format!("    {}", named(&one.object)))?;
    }
    ui.line(format!("{} that nobody needs", words::count(found.orphans.len() as u64, "object")))?;
    gaps(ui, &found.gaps)?;
    Ok(outcome(found.orphans.is_empty(), found.gaps.is_empty()))
}

fn broken(ui: &mut Ui, relations: &Relations) -> anyhow::Result<Outcome> {
    let found = graph::broken(relations);
    ui.value(&found)?;
    ui.row(["from kind", "from", "relation", "to kind", "to", "why", "at"])?;
    for one in &found.broken {
        ui.row([one.from.kind, &one.from.id, one.relation.words(), one.to.kind, &one.to.id, &one.why, &places(&one.at)])?;
        ui.line(format!("{} {}", one.from.kind, named(&one.from)))?;
        ui.wrapped("      ", &format!("    {} {} {}: {}", one.relation.words(), one.to.kind, named(&one.to), one.why))?;
        let places: Vec<String> = one.at.iter().take(SHOWN).map(ToString::to_string).collect();
        ui.wrapped("      ", &format!("    at {}", places.join(", ")))?;
    }
    let many = words::count(found.broken.len() as u64, "reference");
    ui.line(format!("{many} that lead{} nowhere", if found.broken.len() == 1 { "s" } else { "" }))?;
    gaps(ui, &found.gaps)?;
    Ok(outcome(found.broken.is_empty(), found.gaps.is_empty()))
}

fn outcome(nothing: bool, whole: bool) -> Outcome {
    match (nothing, whole) {
        (false, _) => Outcome::Findings,
        (true, true) => Outcome::Done,
        (true, false) => Outcome::Incomplete,
    }
}

/// What people call a kind, in the plural.
fn title(kind: &str) -> &str {
    lifeboat::kinds::by_name(kind).map_or(kind, |kind| kind.title)
}

fn named(object: &graph::Named) -> String {
    if object.id == object.name { object.name.clone() } else { format!("{} [{}]", object.name, object.id) }
}

fn choose(ui: &mut Ui, relations: &Relations, object: &str, found: &[NodeId]) -> anyhow::Result<Outcome> {
    ui.line(format!("{} are called \"{object}\":", words::count(found.len() as u64, "object")))?;
    let one_of: Vec<graph::Named> = found.iter().map(|id| graph::Named::of(relations.node(*id))).collect();
    one_of.iter().try_for_each(|one| ui.line(format!("  {}:{}", one.kind, one.id)))?;
    ui.value(&Walked::OneOf { one_of })?;
    Ok(Outcome::Findings)
}

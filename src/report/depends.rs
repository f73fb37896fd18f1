//! What jobs need, as pictures of those that need most and as a table of all; and references that lead nowhere.

use super::html::{Column, Html, Live, Sort, count, thousands};
use super::names::Names;
use super::{Facts, some, title_of};
use crate::graph::{Graph, Presence, broken, needs, svg};
use crate::page::escaped;
use crate::relations::{NodeId, NodeState};
use serde_json::Value;
use std::io;

/// So many jobs are drawn, none of them with more objects than a person can follow.
const DRAWN: usize = 3;
const BOXES: usize = 45;

/// So many needs of one job are named, so many broken references are told, and so far is walked.
const NAMED: usize = 150;
const BROKEN: usize = 300;
const STEPS: u32 = 8;

const COLUMNS: &[Column] = &[
    Column { title: "job", sort: Sort::Head, width: "" },
    Column { title: "needs", sort: Sort::Number, width: "w1" },
    Column { title: "not there", sort: Sort::Number, width: "w1" },
    Column { title: "what is not there", sort: Sort::Text, width: "w5" },
    Column { title: "all that it needs", sort: Sort::List, width: "" },
];

pub(super) fn write(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let jobs: Vec<NodeId> = (0..)
        .zip(facts.relations.nodes())
        .filter(|(_, node)| node.kind == "job" && node.state == NodeState::There)
        .map(|(id, _)| id)
        .collect();
    if jobs.is_empty() {
        html.paragraph("The bundle holds no jobs.")?;
    } else {
        pictures(facts, names, &jobs, html)?;
        table(facts, names, &jobs, html)?;
    }
    nowhere(facts, names, html)
}

/// Names of what a graph holds beside the object that it is about.
fn labels(names: &Names<'_>, graph: &Graph, wanted: impl Fn(Presence) -> bool) -> Vec<String> {
    let label = |node: &crate::graph::GraphNode| format!("{}:{}", node.kind, names.object(node.kind, &node.id, &node.name));
    graph.nodes.iter().skip(1).filter(|node| wanted(node.presence)).map(label).collect()
}

fn pictures(facts: &Facts<'_>, names: &Names<'_>, jobs: &[NodeId], html: &mut Html<'_>) -> io::Result<()> {
    let mut most: Vec<NodeId> = jobs.to_vec();
    most.sort_by_key(|job| (std::cmp::Reverse(facts.relations.from(*job).len()), *job));
    let graphs = most.into_iter().take(20).map(|job| needs(facts.relations, job, Some(STEPS)));
    let graphs: Vec<Graph> = graphs.filter(|graph| (2..=BOXES).contains(&graph.nodes.len())).take(DRAWN).collect();
    if graphs.is_empty() {
        return Ok(());
    }
    html.paragraph("The jobs that need most, as pictures; of every job the table below has the same in words. What is drawn with a broken line is not there.")?;
    for (number, graph) in graphs.iter().enumerate() {
        let (Ok(picture), Some(root)) = (svg(graph), graph.nodes.first()) else { continue };
        let name = escaped(&names.object(root.kind, &root.id, &root.name));
        let open = if number == 0 { " open" } else { "" };
        html.raw(&format!(
            "<details{open}><summary>{name}: {}</summary>\n<figure class=\"graph scrolled\" tabindex=\"0\" aria-label=\"what {name} needs\">{}</figure></details>\n",
            count(graph.nodes.len() - 1, "object"),
            own_look(&picture, number)
        ))?;
    }
    Ok(())
}

/// A picture without its own style, which the policy of the page would not let in: the page has one like it. Marks of one picture
/// do not have the names of those of another.
fn own_look(picture: &str, number: usize) -> String {
    let plain = match (picture.find("<style>"), picture.find("</style>")) {
        (Some(from), Some(to)) => format!("{}{}", &picture[..from], &picture[to + "</style>".len()..]),
        _ => picture.to_owned(),
    };
    plain
        .replace("id=\"tip\"", &format!("id=\"tip{number}\""))
        .replace("marker-end=\"url(#tip)\"", &format!("marker-end=\"url(#tip{number})\""))
}

fn table(facts: &Facts<'_>, names: &Names<'_>, jobs: &[NodeId], html: &mut Html<'_>) -> io::Result<()> {
    let text = |names: &[String], most| if names.is_empty() { Value::Null } else { some(names, most).into() };
    let row = |job: &NodeId| {
        let graph = needs(facts.relations, *job, Some(STEPS));
        let all = labels(names, &graph, |_| true);
        let gone = labels(names, &graph, |presence| presence == Presence::Missing);
        let node = facts.relations.node(*job);
        let name = names.object(node.kind, &node.id, &node.key);
        let more = all.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("and {more} more: `lifeboat graph BUNDLE job:{}` has all", node.id));
        let needed: Value = all.iter().take(NAMED).cloned().chain(more).collect();
        vec![name.into(), all.len().into(), gone.len().into(), text(&gone, 2), needed]
    };
    let rows: Vec<Vec<Value>> = jobs.iter().map(row).collect();
    let live = Live {
        id: "needs",
        name: "jobs",
        caption: "What each job needs, directly and by what it needs",
        columns: COLUMNS,
        count: rows.len(),
    };
    html.live(&live, &|each| rows.iter().try_for_each(|row| each(row.clone())))
}

fn nowhere(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let found = broken(facts.relations).broken;
    if found.is_empty() {
        return html.paragraph("Every reference leads to something.");
    }
    html.raw(&format!("<h3>References that lead nowhere: {}</h3>\n", thousands(found.len() as u64)))?;
    let named = |one: &crate::graph::Named| names.object(one.kind, &one.id, &one.name);
    let rows = found.iter().take(BROKEN).map(|one| {
        let to = format!("{} {}", one.to.kind.replace('_', " "), named(&one.to));
        vec![named(&one.from), title_of(one.from.kind).to_owned(), one.relation.words().to_owned(), to, one.why.clone()]
    });
    html.table("What refers to something that is not in the bundle", &["object", "kind", "how", "to", "why"], rows)?;
    if found.len() > BROKEN {
        html.paragraph(&format!("and {} more: `lifeboat graph --broken` has all", found.len() - BROKEN))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_bring_no_style_of_their_own_and_share_no_names() {
        let picture = "<svg><title>t</title><style>a{}</style><marker id=\"tip\"/><path marker-end=\"url(#tip)\"/></svg>";
        assert_eq!(own_look(picture, 2), "<svg><title>t</title><marker id=\"tip2\"/><path marker-end=\"url(#tip2)\"/></svg>");
    }
}

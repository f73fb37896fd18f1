//! Which secrets are used, and by what.

use super::html::{Column, Html, Live, Sort};
use super::names::Names;
use super::{Facts, some};
use crate::relations::{NodeState, Relation};
use serde_json::Value;
use std::io;

const COLUMNS: &[Column] = &[
    Column { title: "secret", sort: Sort::Head, width: "" },
    Column { title: "state", sort: Sort::Word, width: "w2" },
    Column { title: "read directly by", sort: Sort::Number, width: "w1" },
    Column { title: "first of them", sort: Sort::Text, width: "w5" },
    Column { title: "all of them", sort: Sort::List, width: "" },
];

/// So many users of one secret are named.
const NAMED: usize = 200;

pub(super) fn count(facts: &Facts<'_>) -> usize {
    facts.relations.nodes().iter().filter(|node| node.kind == "secret").count()
}

pub(super) fn write(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let relations = facts.relations;
    let rows: Vec<Vec<Value>> = (0..)
        .zip(relations.nodes())
        .filter(|(_, node)| node.kind == "secret")
        .map(|(id, node)| {
            let users = relations.to(id).filter(|edge| edge.relation == Relation::ReadsSecret);
            let mut users: Vec<String> = users.map(|edge| names.node(relations.node(edge.from))).collect();
            users.sort();
            users.dedup();
            let state = match &node.state {
                NodeState::There => "exists",
                NodeState::Outside => "elsewhere",
                NodeState::Missing(_) => "does not exist",
            };
            let text = |text: String| if text.is_empty() { Value::Null } else { text.into() };
            let name = if node.key.is_empty() { &node.id } else { &node.key };
            vec![(**name).into(), state.into(), users.len().into(), text(some(&users, 1)), all(&users)]
        })
        .collect();
    if rows.is_empty() {
        return html.paragraph("No secret scope has a key, and nothing names one.");
    }
    html.paragraph(
        "Names of secrets, with what reads them: clusters, jobs, and code by `dbutils.secrets.get`. Their values are not in the bundle. A name that code puts together is not seen. What uses those readers in turn, as a job uses a cluster: `lifeboat graph BUNDLE --secrets`, and Dependencies for each job.",
    )?;
    let live =
        Live { id: "secrets-used", name: "secrets", caption: "Secrets, and what uses them", columns: COLUMNS, count: rows.len() };
    html.live(&live, &|each| rows.iter().try_for_each(|row| each(row.clone())))
}

/// So many of them, each on a line.
fn all(users: &[String]) -> Value {
    let more = users.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more: `lifeboat graph BUNDLE SCOPE --reverse` has all"));
    users.iter().take(NAMED).cloned().chain(more).collect()
}

//! Who may do what: in numbers for everybody, and one by one for what carries rights of its own.

use super::html::{Column, Html, Live, Sort, count, items, thousands};
use super::{Facts, title_of};
use crate::access::{Access, Cell, Holder, ObjectAccess, Origin, Row};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::io;

/// So many principals are lines of the matrix, and so many kinds are columns.
const LINES: usize = 60;
const KINDS: usize = 8;

/// So many rows of rights the page holds, and about so many bytes of them; whoever has more asks `lifeboat access`.
const ROWS: usize = 100_000;
const BYTES: usize = 64 << 20;

/// So many ways to a level are told in a row.
const WAYS: usize = 10;

const COLUMNS: &[Column] = &[
    Column { title: "object", sort: Sort::Head, width: "" },
    Column { title: "kind", sort: Sort::Word, width: "w2 less" },
    Column { title: "who", sort: Sort::Text, width: "w5" },
    Column { title: "level", sort: Sort::Word, width: "w3" },
    Column { title: "how", sort: Sort::Detail, width: "" },
];

pub(super) fn write(facts: &Facts<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let access = facts.access;
    let matrix = access.matrix();
    let admins: Vec<String> = matrix.principals.iter().filter(|row| row.principal.admin).map(name).collect();
    html.paragraph(&format!("Admins may do everything, with every object: {}.", super::some(&admins, 20)))?;
    let gaps: Vec<&String> = matrix.incomplete.gaps.iter().chain(&matrix.incomplete.beyond).collect();
    if !gaps.is_empty() {
        let items = items(gaps.iter().copied());
        html.raw(&format!(
            "<details><summary>What keeps this from being the whole truth: {}</summary><ul>{items}</ul></details>\n",
            count(gaps.len(), "reason")
        ))?;
    }
    numbers(&matrix.principals, html)?;
    orphans(access, html)?;
    one_by_one(facts, html)
}

/// What people know somebody by: an application id tells nobody anything.
fn name(row: &Row) -> String {
    let principal = &row.principal;
    let display = principal.display.as_ref().filter(|_| principal.kind == "service_principal");
    display.unwrap_or(&principal.name).clone()
}

/// Everybody with how much; kinds by how many hold something of them.
fn numbers(rows: &[Row], html: &mut Html<'_>) -> io::Result<()> {
    let mut kinds: BTreeMap<&'static str, u64> = BTreeMap::new();
    for row in rows {
        row.cells.iter().filter(|(_, cell)| cell.total() > 0).for_each(|(kind, _)| *kinds.entry(kind).or_default() += 1);
    }
    let mut kinds: Vec<(&'static str, u64)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, holders)| (std::cmp::Reverse(*holders), *kind));
    kinds.truncate(KINDS);
    let mut most: Vec<&Row> = rows.iter().filter(|row| row.cells.values().any(|cell| cell.total() > 0)).collect();
    let weight =
        |row: &Row| row.cells.values().map(|cell| cell.manage * 4 + cell.edit * 3 + cell.run * 2 + cell.read).sum::<u64>();
    most.sort_by_key(|row| (std::cmp::Reverse(weight(row)), row.principal.name.clone()));
    let titles: Vec<String> = kinds.iter().map(|(kind, _)| format!("={}", title_of(kind))).collect();
    let header: Vec<&str> = ["=who", "=is"].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let line = |row: &&Row| {
        let is = match (row.principal.there, row.principal.active, row.principal.admin) {
            (false, ..) => "gone",
            (_, false, _) => "disabled",
            (.., true) => "admin",
            _ => row.principal.kind,
        };
        let cell = |kind: &str| row.cells.get(kind).map_or_else(|| "·".to_owned(), told);
        let cells = kinds.iter().map(|(kind, _)| cell(kind));
        [name(row), is.replace('_', " ")].into_iter().chain(cells).collect()
    };
    html.table(
        "Who may do what, effectively: with how many objects, each counted by the strongest that they may do with it. M: manage, E: edit, X: run or use, R: read",
        &header,
        most.iter().take(LINES).map(line),
    )?;
    if most.len() > LINES {
        html.paragraph(&format!("and {} more, who hold less: `lifeboat access` has all", most.len() - LINES))?;
    }
    Ok(())
}

/// `M 12, X 3`: in a line for everybody there is no room for words.
fn told(cell: &Cell) -> String {
    let parts = [(cell.manage, 'M'), (cell.edit, 'E'), (cell.run, 'X'), (cell.read, 'R')];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, what)| format!("{what} {}", thousands(*number))).collect();
    if parts.is_empty() { "·".to_owned() } else { parts.join(", ") }
}

fn orphans(access: &Access, html: &mut Html<'_>) -> io::Result<()> {
    let orphans = access.orphans();
    if orphans.found.is_empty() {
        return html.paragraph("Nothing belongs to, or runs as, somebody who is disabled or gone.");
    }
    let rows = orphans.found.iter().take(500).map(|one| {
        let who = one.principal.clone().unwrap_or_default();
        vec![one.object.name.clone(), title_of(one.object.kind).to_owned(), one.sort.words().to_owned(), who]
    });
    html.table("What belongs to nobody who could answer for it", &["object", "kind", "why", "who"], rows)?;
    if orphans.found.len() > 500 {
        html.paragraph(&format!("and {} more: `lifeboat access --orphaned` has all", orphans.found.len() - 500))?;
    }
    Ok(())
}

/// Everybody on each object that carries rights of its own. What lies in a folder has those of the folder.
fn one_by_one(facts: &Facts<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let own = with_own_rights(facts);
    let asked = facts.access.objects().filter(|id| {
        let object = facts.access.object(*id);
        own.contains(&(object.kind.to_owned(), object.id))
    });
    let (mut rows, mut bytes, mut cut) = (Vec::new(), 0, false);
    for id in asked {
        if rows.len() >= ROWS || bytes >= BYTES {
            cut = true;
            break;
        }
        let new = of(&facts.access.of_object(id, None));
        bytes += new.iter().flatten().filter_map(Value::as_str).map(str::len).sum::<usize>();
        rows.extend(new);
    }
    html.raw("<h3>Every right, one by one</h3>\n")?;
    html.paragraph("Of every object that carries rights of its own: who, through groups and folders too. What lies in a folder has the rights of the folder, and admins have all; neither is listed again.")?;
    if cut {
        html.paragraph(&format!("These are the first {}: `lifeboat access` has all.", thousands(rows.len() as u64)))?;
    }
    let live = Live {
        id: "rights",
        name: "rights",
        caption: "Who may do what with objects that carry rights of their own",
        columns: COLUMNS,
        count: rows.len(),
    };
    html.live(&live, &|each| rows.iter().try_for_each(|row| each(row.clone())))
}

fn of(access: &ObjectAccess) -> Vec<Vec<Value>> {
    let listed = |holder: &&Holder| holder.ways.iter().any(|way| way.origin != Origin::Admin);
    let row = |holder: &Holder| {
        let mut ways: Vec<&str> = holder.ways.iter().take(WAYS).map(|way| way.text.as_str()).collect();
        let more = (holder.ways.len() - ways.len()) as u64 + holder.more_ways;
        let more = (more > 0).then(|| format!("and {more} more"));
        ways.extend(more.as_deref());
        vec![
            access.object.name.as_str().into(),
            access.object.kind.into(),
            holder.principal.name.as_str().into(),
            holder.level.into(),
            ways.join("; ").into(),
        ]
    };
    access.holders.iter().filter(listed).map(row).collect()
}

/// Objects whose lists of access hold an entry that is not inherited.
fn with_own_rights(facts: &Facts<'_>) -> HashSet<(String, String)> {
    let lists = facts.contents.objects.iter().filter(|object| matches!(object.kind.name, "permissions" | "secret_acl"));
    let own = |entry: &Value| match entry.get("all_permissions").and_then(Value::as_array) {
        Some(all) => all.iter().any(|one| one.get("inherited") != Some(&Value::Bool(true))),
        None => true,
    };
    lists
        .filter_map(|list| {
            let document = list.document()?;
            let entries = document.get("access_control_list").or_else(|| document.get("items"))?.as_array()?;
            entries.iter().any(own).then(|| list.meta.parent())?
        })
        .collect()
}

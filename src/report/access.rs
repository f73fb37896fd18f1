//! Who may do what: in numbers for everybody, for each principal by what it comes from, and for each object by what is granted on it.
//! Rows are principals and grants, and never all objects for everybody.

use super::html::{Column, Html, Live, Sort, count, items, thousands};
use super::names::Names;
use super::{Facts, some, title_of};
use crate::access::{About, Access, ActsFor, Cell, Origin, PrincipalId, Right, Rights, Row, Subject};
use crate::kinds::{self, Capability, levels};
use crate::object::Object;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;

/// So many principals are lines of the matrix, and so many are told one by one.
const LINES: usize = 60;
const PRINCIPALS: usize = 5_000;

/// So many lines of one list of a principal, and so many names of whom a grant reaches; whoever wants more asks `lifeboat access`.
const LISTED: usize = 60;
const NAMED: usize = 200;

/// So many rows of grants the page holds, and so many orphans and clusters of one principal.
const GRANTS: usize = 200_000;
const ORPHANS: usize = 500;

const PEOPLE: &[Column] = &[
    Column { title: "who", sort: Sort::Head, width: "" },
    Column { title: "is", sort: Sort::Word, width: "w2" },
    Column { title: "may change", sort: Sort::Number, width: "w1" },
    Column { title: "in groups", sort: Sort::Text, width: "w5" },
    Column { title: "members", sort: Sort::List, width: "" },
    Column { title: "is in", sort: Sort::List, width: "" },
    Column { title: "entitled to", sort: Sort::List, width: "" },
    Column { title: "runs as them", sort: Sort::List, width: "" },
    Column { title: "can act as", sort: Sort::List, width: "" },
    Column { title: "may", sort: Sort::List, width: "" },
];

const OBJECTS: &[Column] = &[
    Column { title: "object", sort: Sort::Head, width: "" },
    Column { title: "kind", sort: Sort::Word, width: "w1" },
    Column { title: "level", sort: Sort::Level, width: "w2" },
    Column { title: "granted to", sort: Sort::Text, width: "w3" },
    Column { title: "reaches", sort: Sort::Word, width: "w3" },
    Column { title: "how", sort: Sort::Detail, width: "" },
    Column { title: "goes on to", sort: Sort::Detail, width: "" },
];

/// Kinds with levels, as the columns of the matrix stand.
const KINDS: [&str; 15] = [
    "directory",
    "notebook",
    "file",
    "repo",
    "job",
    "pipeline",
    "cluster",
    "cluster_policy",
    "instance_pool",
    "instance_profile",
    "secret_scope",
    "warehouse",
    "query",
    "alert",
    "dashboard",
];

/// Of every level what people may do with it, from weak to strong.
const LEVELS: &[(&str, &str)] = &[
    ("READ", "secret scopes: read the secrets in it"),
    ("CAN_READ", "notebooks, files, folders: open it, and not run it"),
    ("CAN_VIEW", "jobs, pipelines, warehouses: see it and how it ran"),
    ("CAN_ATTACH_TO", "clusters: run code on it while it is on; pools: make clusters of it"),
    ("CAN_USE", "policies, instance profiles: make clusters with it; warehouses: run queries on it"),
    ("CAN_MONITOR", "warehouses: run queries on it, and see those of others"),
    ("CAN_RESTART", "clusters: the same as CAN_ATTACH_TO, and start, restart and stop it"),
    ("CAN_RUN", "notebooks, files, folders: open and run it; pipelines: start it"),
    ("CAN_MANAGE_RUN", "jobs: start and cancel it, and not change it"),
    ("WRITE", "secret scopes: read the secrets in it, and put others there"),
    ("CAN_EDIT", "notebooks, files, folders: open, run and change it"),
    ("MANAGE", "secret scopes: everything, and say who else may"),
    ("CAN_MANAGE", "everything: change it, delete it, and say who else may"),
    ("IS_OWNER", "everything, as the one whose it is; unless something else is set, a job runs as its owner"),
];

/// How strong a level is: the strongest is first.
pub(super) fn rank(level: &str) -> usize {
    LEVELS.iter().rev().position(|(known, _)| *known == level).unwrap_or(LEVELS.len())
}

pub(super) fn write(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let matrix = facts.access.matrix();
    let rights = facts.access.rights();
    let admins: Vec<String> =
        matrix.principals.iter().filter(|row| row.principal.admin).map(|row| row.principal.label()).collect();
    html.paragraph(&format!("Admins may do everything, with every object: {}.", some(&admins, 20)))?;
    unknown(&matrix.incomplete.gaps, &matrix.incomplete.beyond, html)?;
    let mut rows = matrix.principals;
    let weight =
        |row: &Row| row.cells.values().map(|cell| cell.manage * 4 + cell.edit * 3 + cell.run * 2 + cell.read).sum::<u64>();
    rows.sort_by_cached_key(|row| (std::cmp::Reverse(weight(row)), row.principal.name.clone()));
    numbers(&rows, html)?;
    principals(facts, names, &rights, &rows, html)?;
    objects(facts, names, &rights, html)?;
    dedicated(facts, names, html)?;
    orphans(facts.access, names, html)?;
    legend(html)
}

/// What this section does not know stands where it is read, and not folded up.
fn unknown(gaps: &[String], beyond: &[String], html: &mut Html<'_>) -> io::Result<()> {
    if gaps.is_empty() && beyond.is_empty() {
        return Ok(());
    }
    let items = items(gaps.iter().chain(beyond));
    html.raw(&format!("<p>What is not known here, and may give somebody more than this section says:</p>\n<ul>{items}</ul>\n"))
}

/// Everybody with how much of each kind.
fn numbers(rows: &[Row], html: &mut Html<'_>) -> io::Result<()> {
    let held = |kind: &&'static str| rows.iter().any(|row| row.cells.get(*kind).is_some_and(|cell| cell.total() > 0));
    let (shown, none): (Vec<&'static str>, Vec<&'static str>) = KINDS.iter().copied().partition(held);
    let header: Vec<&str> = ["=who", "=is"].into_iter().chain(shown.iter().map(|kind| title_of(kind))).collect();
    let line = |row: &Row| {
        let cells = shown.iter().map(|kind| row.cells.get(kind).map_or_else(|| "·".to_owned(), told));
        [short(row), is(row)].into_iter().chain(cells).collect()
    };
    html.raw("<h3>In numbers</h3>\n")?;
    html.paragraph("With how many objects of each kind, each counted by the strongest that somebody may do with it. M: manage, E: edit, X: run or use, R: read.")?;
    html.matrix("Who may do what, effectively, in numbers", &header, rows.iter().take(LINES).map(line))?;
    if rows.len() > LINES {
        html.paragraph(&format!("and {} more, who hold less: the next table has them", thousands((rows.len() - LINES) as u64)))?;
    }
    if none.is_empty() {
        return Ok(());
    }
    let none: Vec<String> = none.iter().map(|kind| title_of(kind).to_owned()).collect();
    html.paragraph(&format!(
        "Not in this table, since the bundle has none of which anybody is known to hold something: {}.",
        none.join(", ")
    ))
}

/// In a narrow column: the name that people gave.
fn short(row: &Row) -> String {
    let principal = &row.principal;
    principal.display.as_ref().filter(|_| principal.kind == "service_principal").unwrap_or(&principal.name).clone()
}

fn is(row: &Row) -> String {
    let principal = &row.principal;
    let kind = principal.kind.replace('_', " ");
    match (principal.there, principal.active, principal.admin) {
        (false, ..) => format!("{kind}, gone"),
        (_, false, _) => format!("{kind}, disabled"),
        (.., true) => format!("{kind}, admin"),
        _ => kind,
    }
}

/// `M 12, X 3`: in a line for everybody there is no room for words.
fn told(cell: &Cell) -> String {
    let parts = [(cell.manage, 'M'), (cell.edit, 'E'), (cell.run, 'X'), (cell.read, 'R')];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, what)| format!("{what}\u{a0}{}", thousands(*number))).collect();
    if parts.is_empty() { "·".to_owned() } else { parts.join(", ") }
}

/// Each principal, with all that `lifeboat access --principal` says, by what it comes from.
fn principals(facts: &Facts<'_>, names: &Names<'_>, rights: &Rights<'_>, rows: &[Row], html: &mut Html<'_>) -> io::Result<()> {
    html.raw("<h3>Person by person</h3>\n")?;
    html.paragraph("Choose somebody to see their groups, what runs as them, in whose name they can act, and all that they may do, by the folder or object from which it comes: what is granted on a folder holds for all below it. A weaker right that a stronger one includes is not listed.")?;
    let by_name: BTreeMap<(&str, String), PrincipalId> = facts
        .access
        .principals()
        .map(|id| (facts.access.principal(id), id))
        .map(|(one, id)| ((one.kind, one.name), id))
        .collect();
    let shown = &rows[..rows.len().min(PRINCIPALS)];
    if shown.len() < rows.len() {
        html.paragraph(&format!(
            "These are the {} who hold most, of {}: `lifeboat access BUNDLE --principal NAME` tells of everybody.",
            thousands(shown.len() as u64),
            thousands(rows.len() as u64)
        ))?;
    }
    let live = Live {
        id: "principals",
        name: "people",
        caption: "Users, service principals and groups, and what each may do",
        columns: PEOPLE,
        count: shown.len(),
    };
    html.live(&live, &|each| {
        for row in shown {
            let Some(id) = by_name.get(&(row.principal.kind, row.principal.name.clone())) else { continue };
            each(person(names, rights, facts.access, *id, row))?;
        }
        Ok(())
    })
}

fn person(names: &Names<'_>, rights: &Rights<'_>, access: &Access, id: PrincipalId, row: &Row) -> Vec<Value> {
    let About { groups, entitlements, runs, acts_for, rights: may } = rights.about(id, LISTED);
    let change: u64 = row.cells.values().map(|cell| cell.manage + cell.edit).sum();
    let more = |left: usize| {
        let command =
            format!("and {} more: `lifeboat access BUNDLE --principal '{}'` has all", thousands(left as u64), row.principal.name);
        (left > 0).then(|| Value::from(command))
    };
    let through =
        |groups: &[String]| if groups.is_empty() { String::new() } else { format!(", through {}", groups.join(" → ")) };
    let in_groups: Vec<String> = groups.iter().map(|one| one.group.clone()).collect();
    let object = |one: &Subject| format!("{} {}", noun(one.kind), names.subject(one));
    let mut can: Vec<Value> = may.0.iter().map(|right| Value::from(line(names, right))).chain(more(may.1)).collect();
    if row.principal.admin {
        can.insert(0, "everything, with every object, as an admin; what is granted besides:".into());
    }
    if !row.principal.active {
        can.insert(
            0,
            "nothing while disabled, since they cannot sign in; what they would hold if they were enabled again:".into(),
        );
    }
    let act = |one: &ActsFor| format!("{}, by changing {} ({})", one.runs_as.label(), object(&one.object), one.level);
    let mut acts: Vec<Value> = acts_for.0.iter().map(|one| Value::from(act(one))).chain(more(acts_for.1)).collect();
    if row.principal.admin {
        acts.insert(0, "everybody as whom something runs, as an admin".into());
    }
    let members: Vec<String> = rights.members(id).iter().map(|one| access.principal(*one).label()).collect();
    let listed = |names: Vec<String>, most: usize| -> Vec<Value> {
        let left = names.len().saturating_sub(most);
        names.into_iter().take(most).map(Value::from).chain(more(left)).collect()
    };
    vec![
        row.principal.label().into(),
        is(row).into(),
        change.into(),
        some(&in_groups, 6).into(),
        listed(members, NAMED).into(),
        groups.iter().map(|one| Value::from(format!("{}{}", one.group, through(&one.through)))).collect(),
        entitlements.iter().map(|one| Value::from(format!("{}{}", one.name, through(&one.through)))).collect(),
        runs.0.iter().map(|one| Value::from(object(one))).chain(more(runs.1)).collect(),
        acts.into(),
        can.into(),
    ]
}

/// `CAN_MANAGE: folder /Shared and all below it (24 folders, 6 workspace files), via group users`.
fn line(names: &Names<'_>, right: &Right) -> String {
    let mut text = format!("{}: {} {}", right.level, noun(right.object.kind), names.subject(&right.object));
    if !right.below.is_empty() {
        text.extend([" and all below it (", &below(right), ")"]);
    }
    for (number, group) in right.groups.iter().enumerate() {
        text += if number == 0 { ", via group " } else { " → nested in " };
        text += group;
    }
    text + &how(&right.origin)
}

/// How somebody comes to a right, where a grant on the object is not all.
fn how(origin: &Origin) -> String {
    match origin {
        Origin::Direct | Origin::Admin => String::new(),
        Origin::Inherited { from } => format!(", inherited from {from}"),
        Origin::Owner => ", as its owner".to_owned(),
        Origin::Home { .. } => ", as their home".to_owned(),
        Origin::Role => ", by a role".to_owned(),
    }
}

fn below(right: &Right) -> String {
    let named = |kind: &str, count: u64| if count == 1 { noun(kind) } else { title_of(kind).to_owned() };
    let counts = right.below.iter().map(|(kind, count)| format!("{} {}", thousands(*count), named(kind, *count)));
    counts.collect::<Vec<_>>().join(", ")
}

/// One object of a kind, in words.
fn noun(kind: &str) -> String {
    match kind {
        "directory" => "folder".to_owned(),
        "repo" => "Git folder".to_owned(),
        kind => kind.replace('_', " "),
    }
}

/// Every grant as it stands, with whom it reaches.
fn objects(facts: &Facts<'_>, names: &Names<'_>, rights: &Rights<'_>, html: &mut Html<'_>) -> io::Result<()> {
    html.raw("<h3>Object by object</h3>\n")?;
    html.paragraph("What is granted on which object, and whom it reaches, through groups in groups too. What is granted on a folder holds for all below it, which is not listed again. Besides, every admin may everything with all of it, without a grant.")?;
    let shown = rights.count().min(GRANTS);
    if shown < rights.count() {
        html.paragraph(&format!(
            "These are the first {} of {}: `lifeboat access BUNDLE --object OBJECT` tells of every object.",
            thousands(shown as u64),
            thousands(rights.count() as u64)
        ))?;
    }
    let reached: BTreeMap<PrincipalId, String> =
        facts.access.principals().map(|id| (id, reaches(facts.access, rights, id))).collect();
    let live = Live {
        id: "rights",
        name: "rights",
        caption: "Who may do what with objects on which something is granted",
        columns: OBJECTS,
        count: shown,
    };
    html.live(&live, &|each| {
        rights.all().take(GRANTS).try_for_each(|right| {
            let to = facts.access.principal(right.to);
            let to = if to.kind == "group" { format!("group {}", to.name) } else { to.label() };
            let text = |text: String| if text.is_empty() { Value::Null } else { Value::from(text) };
            let reached = reached.get(&right.to).cloned().unwrap_or_default();
            let (how, below) = (how(&right.origin).trim_start_matches(", ").to_owned(), below(&right));
            let below = if below.is_empty() { below } else { format!("all below it: {below}") };
            let kind = title_of(right.object.kind).into();
            each(vec![
                names.subject(&right.object).into(),
                kind,
                right.level.into(),
                to.into(),
                text(reached),
                text(how),
                text(below),
            ])
        })
    })
}

/// Who has what is granted to a group; of anybody else, whether they can make use of it.
fn reaches(access: &Access, rights: &Rights<'_>, id: PrincipalId) -> String {
    let marked = |id: &PrincipalId| {
        let one = access.principal(*id);
        let mark = if one.active { "" } else { " (disabled)" };
        one.label() + mark
    };
    let one = access.principal(id);
    if one.kind != "group" {
        let nobody = if one.there { "nobody: disabled" } else { "nobody: gone" };
        return if one.there && one.active { String::new() } else { nobody.to_owned() };
    }
    let members: Vec<String> = rights.members(id).iter().map(marked).collect();
    match (rights.is_everybody(id), members.is_empty()) {
        (true, _) => format!("everybody: {}", count(members.len(), "principal")),
        (false, true) => "nobody: no member is known".to_owned(),
        (false, false) => some(&members, NAMED),
    }
}

/// Clusters of one principal: whatever others may do with them, they run no code there.
fn dedicated(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let of = |object: &Object| {
        let document = object.document()?;
        let text = |at: &str| Some(document.get(at)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
        let who = text("single_user_name")?;
        Some(vec![
            names.object("cluster", &object.id, &object.key),
            names.person(&who),
            text("data_security_mode").unwrap_or_default(),
        ])
    };
    let clusters = || facts.contents.objects.iter().filter(|object| object.kind.name == "cluster").filter_map(of);
    let count = clusters().count();
    if count == 0 {
        return Ok(());
    }
    html.raw("<h3>Clusters of one principal</h3>\n")?;
    html.paragraph("On these nobody else runs code, whatever level others hold: who may manage or restart one can still change it, and make it somebody else's.")?;
    html.table("Clusters on which one principal alone runs code", &["cluster", "of", "=access mode"], clusters().take(ORPHANS))?;
    if count > ORPHANS {
        html.paragraph(&format!(
            "and {} more: `lifeboat find BUNDLE --kind cluster --jsonpath '$.single_user_name'` has all",
            count - ORPHANS
        ))?;
    }
    Ok(())
}

fn orphans(access: &Access, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    html.raw("<h3>What belongs to nobody</h3>\n")?;
    let orphans = access.orphans();
    if orphans.found.is_empty() {
        return html.paragraph("Nothing belongs to, or runs as, somebody who is disabled or gone.");
    }
    let rows = orphans.found.iter().take(ORPHANS).map(|one| {
        let who = one.principal.as_deref().map(|who| names.person(who)).unwrap_or_default();
        vec![names.subject(&one.object), title_of(one.object.kind).to_owned(), one.sort.words().to_owned(), who]
    });
    html.table("What belongs to nobody who could answer for it", &["object", "kind", "why", "who"], rows)?;
    if orphans.found.len() > ORPHANS {
        html.paragraph(&format!("and {} more: `lifeboat access BUNDLE --orphaned` has all", orphans.found.len() - ORPHANS))?;
    }
    Ok(())
}

/// What the words of levels mean, the strongest first.
fn legend(html: &mut Html<'_>) -> io::Result<()> {
    html.raw("<h3>What the levels mean</h3>\n")?;
    let strongest = |level: &str| {
        let known = kinds::all().iter().find_map(|kind| levels(kind.name).iter().find(|one| one.name == level));
        known.and_then(|known| known.can.iter().copied().max())
    };
    let rows = LEVELS.iter().rev().map(|(level, means)| {
        let counted = strongest(level).map_or("", Capability::name);
        vec![(*level).to_owned(), counted.to_owned(), (*means).to_owned()]
    });
    html.table("Levels of access, the strongest first", &["=level", "=counts as", "lets people"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_with_levels_has_a_column() {
        let with: std::collections::BTreeSet<&str> =
            kinds::all().iter().map(|kind| kind.name).filter(|kind| !levels(kind).is_empty()).collect();
        assert_eq!(with, KINDS.into_iter().collect());
    }

    #[test]
    fn every_level_is_explained_and_stronger_ones_come_first() {
        for kind in kinds::all() {
            for pair in levels(kind.name).windows(2) {
                let orders = rank(pair[0].name) > rank(pair[1].name);
                assert!(orders || kind.name == "warehouse", "{}: {pair:?}", kind.name);
            }
            assert!(levels(kind.name).iter().all(|level| rank(level.name) < LEVELS.len()), "{}", kind.name);
        }
    }
}

//! What changed since an older bundle, by object; the lines of code that differ are `lifeboat diff`'s to show, since code may hold
//! secrets.

use super::html::{Html, count, items, thousands};
use super::{Facts, title_of};
use crate::diff::{Change, Counts, Diff, Link, told};
use crate::page::escaped;
use std::collections::BTreeMap;
use std::io;

/// So many changes of one kind, and so many lines of one change.
const CHANGES: usize = 200;
const LINES: usize = 12;

pub(super) fn number(facts: &Facts<'_>) -> Option<usize> {
    facts.changes.map(|diff| diff.changes.len())
}

pub(super) fn write(facts: &Facts<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let Some(diff) = facts.changes else {
        return html.paragraph("No older bundle was given to compare with: `lifeboat report … --against OLDER` does.");
    };
    html.paragraph(&since(diff))?;
    if diff.is_empty() && diff.is_certain() {
        return html.paragraph("Nothing changed.");
    }
    counts(diff, html)?;
    let mut kinds: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    diff.changes.iter().for_each(|change| kinds.entry(&change.kind).or_default().push(change));
    for (kind, changes) in kinds {
        of_kind(kind, &changes, html)?;
    }
    if diff.unknown.is_empty() {
        return Ok(());
    }
    html.paragraph(&format!(
        "Of {} one side does not know enough to say: `lifeboat diff` names them.",
        count(diff.unknown.len(), "object")
    ))
}

fn since(diff: &Diff) -> String {
    let before = &diff.before;
    let link = match diff.link {
        Link::Same => "one workspace at two times",
        Link::Restored => "one was restored from the other, or both from a third",
        Link::Apart => "two workspaces that have nothing to do with each other: objects go by name",
    };
    let bundle = before.bundle.as_deref().unwrap_or_default();
    format!("Compared with the bundle of workspace {} taken {} (identity {bundle}): {link}.", before.workspace_id, before.taken)
}

fn counts(diff: &Diff, html: &mut Html<'_>) -> io::Result<()> {
    let differs =
        |counts: &Counts| counts.added + counts.removed + counts.changed + counts.renamed + counts.moved + counts.unknown > 0;
    let number = |number: u64| if number == 0 { "·".to_owned() } else { thousands(number) };
    let rows = diff.kinds.iter().filter(|(_, counts)| differs(counts)).map(|(kind, counts)| {
        let numbers = [counts.added, counts.removed, counts.changed, counts.renamed, counts.moved, counts.equal, counts.unknown];
        std::iter::once(title_of(kind).to_owned()).chain(numbers.map(number)).collect()
    });
    html.table(
        "Objects that differ, by kind",
        &["kind", "#added", "#removed", "#changed", "#renamed", "#moved", "#equal", "#unknown"],
        rows,
    )
}

fn of_kind(kind: &str, changes: &[&Change], html: &mut Html<'_>) -> io::Result<()> {
    html.raw(&format!("<h3>{}: {}</h3>\n<ul class=\"changes\">\n", escaped(title_of(kind)), thousands(changes.len() as u64)))?;
    for change in changes.iter().take(CHANGES) {
        one(change, html)?;
    }
    html.raw("</ul>\n")?;
    if changes.len() > CHANGES {
        html.paragraph(&format!("and {} more: `lifeboat diff` has all", changes.len() - CHANGES))?;
    }
    Ok(())
}

fn one(change: &Change, html: &mut Html<'_>) -> io::Result<()> {
    let told = told(change);
    let (class, word) = match told.sign {
        '+' => ("good", "added"),
        '-' => ("bad", "removed"),
        '>' => ("idle", if change.moved { "moved" } else { "renamed" }),
        _ => ("warn", "changed"),
    };
    html.raw(&format!("<li>{} {}", Html::tag(class, word), escaped(&told.head)))?;
    // Lines of texts begin with two spaces.
    let lines: Vec<&String> = told.lines.iter().filter(|line| !line.starts_with("  ")).collect();
    if !lines.is_empty() {
        let items = items(lines.iter().copied().take(LINES));
        let more = lines.len().saturating_sub(LINES);
        let more = if more > 0 { format!("<li>and {more} more</li>") } else { String::new() };
        html.raw(&format!("<ul>{items}{more}</ul>"))?;
    }
    html.raw("</li>\n")
}

//! A comparison as a page.

use super::words::{Told, told};
use super::{Change, Counts, Diff, Link, Party, Unknown, Which};
use crate::page::{Page, STYLE, escaped, head};
use std::collections::BTreeMap;

/// Changes of one kind that are shown; the JSON has all.
const SHOWN: usize = 2000;
/// Lines of one change that are shown.
const LINES: usize = 400;

const OWN: &str = "\
section h3 { margin-top: 1.4rem; }
details { margin: .2rem 0; border-bottom: 1px solid #8884; }
summary, .one { padding: .2rem 0; overflow-wrap: anywhere; }
pre { margin: .2rem 0 .6rem 1.2rem; font: .85em/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.plus { color: #1b6e2c; }
.minus { color: #b00020; }
@media (prefers-color-scheme: dark) { .plus { color: #80d890; } .minus { color: #ff8a80; } }
";

/// The page: one file without scripts, links or anything from elsewhere.
pub fn page(diff: &Diff) -> String {
    let mut page = Page(head("What changed", &format!("{STYLE}{OWN}"), ""));
    page.raw("<main>\n<h1>What changed</h1>\n");
    let verdict = match (diff.is_empty(), diff.is_certain()) {
        (true, true) => ("good", "nothing differs".to_owned()),
        (true, false) => ("bad", "nothing differs that is known, and not everything is known".to_owned()),
        (false, _) => ("bad", differ(diff.total().differ)),
    };
    page.raw(&format!("<p class=\"state {}\">{}</p>\n", verdict.0, escaped(&verdict.1)));
    parties(&mut page, diff);
    counts(&mut page, diff);
    section(&mut page, "Differences", &diff.changes);
    section(&mut page, "As an import leaves them", &diff.expected);
    unknown(&mut page, &diff.unknown);
    page.raw("</main></body></html>\n");
    page.0
}

fn differ(count: u64) -> String {
    if count == 1 { "1 object differs".to_owned() } else { format!("{count} objects differ") }
}

fn parties(page: &mut Page, diff: &Diff) {
    let row = |name: &str, party: &Party| {
        let bundle = party.bundle.as_ref().map_or_else(|| "live".to_owned(), |digest| format!("bundle {digest}"));
        let less = [(party.missing, "missing"), (party.excluded, "left out"), (party.degraded, "degraded")];
        let less: Vec<String> =
            less.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let cells = [name.to_owned(), party.workspace_id.clone(), party.host.clone(), party.taken.clone(), bundle];
        cells.into_iter().chain([party.objects.to_string(), less.join(", ")]).collect()
    };
    let rows = [row("before", &diff.before), row("after", &diff.after)];
    page.table(&["=side", "=workspace", "address", "=taken", "from", "#objects", "not whole"], rows.into_iter());
    let link = match diff.link {
        Link::Same => "One workspace at two times: objects go by their ids.",
        Link::Restored => {
            "One was restored from the other, or both from a third: objects go by the id map and the stamps of imports, then by name."
        }
        Link::Apart => "Two workspaces: objects go by name and path.",
    };
    page.paragraph(link);
}

type Column = (&'static str, fn(&Counts) -> u64);

/// Columns of the account, and what each counts.
const ACCOUNT: &[Column] = &[
    ("#before", |one| one.before),
    ("#after", |one| one.after),
    ("#equal", |one| one.equal),
    ("#differ", |one| one.differ),
    ("#added", |one| one.added),
    ("#removed", |one| one.removed),
    ("#changed", |one| one.changed),
    ("#renamed", |one| one.renamed),
    ("#moved", |one| one.moved),
    ("#replaced", |one| one.replaced),
    ("#with these", |one| one.added_along + one.removed_along),
    ("#along", |one| one.moved_along),
    ("#expected", |one| one.expected),
    ("#not known", |one| one.unknown),
];

fn counts(page: &mut Page, diff: &Diff) {
    page.heading("By kind");
    let header: Vec<&str> = std::iter::once("=kind").chain(ACCOUNT.iter().map(|(title, _)| *title)).collect();
    let row = |kind: &str, counts: &Counts| -> Vec<String> {
        let number = |number: u64| if number == 0 { "·".to_owned() } else { number.to_string() };
        std::iter::once(kind.to_owned()).chain(ACCOUNT.iter().map(|(_, of)| number(of(counts)))).collect()
    };
    let total = diff.total();
    let rows: Vec<Vec<String>> = diff.kinds.iter().map(|(kind, counts)| row(kind, counts)).chain([row("all", &total)]).collect();
    page.table(&header, rows.into_iter());
    if total.added_along + total.removed_along > 0 {
        page.paragraph(
            "With these: permissions and the like of objects that were added or removed, told with these and not counted again.",
        );
    }
    if total.overlap() {
        page.paragraph(
            "What differs in several ways, such as a new name and new fields, counts under each, and once under differ.",
        );
    }
}

fn section(page: &mut Page, title: &str, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    page.heading(title);
    let mut kinds: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    changes.iter().for_each(|change| kinds.entry(&change.kind).or_default().push(change));
    for (kind, changes) in kinds {
        page.raw(&format!("<section><h3>{}: {}</h3>\n", escaped(kind), changes.len()));
        changes.iter().take(SHOWN).for_each(|change| one(page, &told(change)));
        more(page, changes.len(), SHOWN);
        page.raw("</section>\n");
    }
}

fn one(page: &mut Page, told: &Told) {
    let head = format!("{} {}", told.sign, told.head);
    if told.lines.is_empty() {
        return page.raw(&format!("<p class=\"one\">{}</p>\n", escaped(&head)));
    }
    page.raw(&format!("<details open><summary>{}</summary><pre>", escaped(&head)));
    for line in told.lines.iter().take(LINES) {
        let class = match line.get(..3) {
            Some("  +") => Some("plus"),
            Some("  -") => Some("minus"),
            _ => None,
        };
        match class {
            Some(class) => page.raw(&format!("<span class=\"{class}\">{}</span>\n", escaped(line))),
            None => page.raw(&format!("{}\n", escaped(line))),
        }
    }
    if told.lines.len() > LINES {
        page.raw(&format!("and {} more lines: the JSON has all\n", told.lines.len() - LINES));
    }
    page.raw("</pre></details>\n");
}

fn unknown(page: &mut Page, unknown: &[Unknown]) {
    if unknown.is_empty() {
        return;
    }
    page.heading("Not known to one side");
    let row = |one: &Unknown| {
        let side = if one.side == Which::Before { "before" } else { "after" };
        let named = one.objects.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
        let more = one.objects.len().saturating_sub(20);
        let named = if more > 0 { format!("{named} and {more} more") } else { named };
        vec![side.to_owned(), one.kind.clone(), one.state.clone(), one.objects.len().to_string(), named, one.reason.clone()]
    };
    page.table(&["=side", "=kind", "=state", "#objects", "which", "why"], unknown.iter().map(row));
}

fn more(page: &mut Page, all: usize, shown: usize) {
    if all > shown {
        page.paragraph(&format!("and {} more: the JSON has all", all - shown));
    }
}

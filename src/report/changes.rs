//! What changed since an older bundle: by object, and who can do more or less since. Of lines of code, those that hold what looks
//! like a secret are not shown.

use super::html::{Column, Html, Live, Sort, count, thousands};
use super::names::Names;
use super::{Facts, title_of};
use crate::access::{self, Shift, Standing};
use crate::diff::{Change, Counts, Diff, Link, told};
use crate::page::escaped;
use crate::risk;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;

/// So many changes of one kind, so many lines of one change, and so many gains and losses.
const CHANGES: usize = 200;
const LINES: usize = 60;
const SHIFTS: usize = 20_000;

/// So many objects of one gain or loss are named.
const NAMED: usize = 100;

const COLUMNS: &[Column] = &[
    Column { title: "who", sort: Sort::Head, width: "" },
    Column { title: "what", sort: Sort::Word, width: "w1" },
    Column { title: "before", sort: Sort::Level, width: "w2" },
    Column { title: "after", sort: Sort::Level, width: "w2" },
    Column { title: "on", sort: Sort::Text, width: "w5" },
    Column { title: "objects", sort: Sort::List, width: "" },
    Column { title: "way", sort: Sort::Detail, width: "" },
];

pub(super) fn number(facts: &Facts<'_>) -> Option<usize> {
    facts.changes.map(|(diff, _)| diff.changes.len())
}

pub(super) fn write(facts: &Facts<'_>, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let Some((diff, access)) = facts.changes else {
        return html.paragraph("No older bundle was given to compare with: `lifeboat report … --against OLDER` does.");
    };
    html.paragraph(&since(diff))?;
    if diff.is_empty() && diff.is_certain() && access.is_empty() {
        return html.paragraph("Nothing changed.");
    }
    counts(diff, html)?;
    gained(access, names, html)?;
    let mut kinds: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    diff.changes.iter().for_each(|change| kinds.entry(&change.kind).or_default().push(change));
    for (kind, changes) in kinds {
        of_kind(kind, &changes, names, html)?;
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
    let differs = |counts: &Counts| counts.differ + counts.added_along + counts.removed_along + counts.unknown > 0;
    let number = |number: u64| if number == 0 { "·".to_owned() } else { thousands(number) };
    let rows = diff.kinds.iter().filter(|(_, counts)| differs(counts)).map(|(kind, counts)| {
        let along = counts.added_along + counts.removed_along;
        let numbers = [
            counts.differ,
            counts.added,
            counts.removed,
            counts.changed,
            counts.renamed,
            counts.moved,
            along,
            counts.equal,
            counts.unknown,
        ];
        std::iter::once(title_of(kind).to_owned()).chain(numbers.map(number)).collect()
    });
    html.table(
        "Objects that differ, by kind",
        &["kind", "#differ", "#added", "#removed", "#changed", "#renamed", "#moved", "#with these", "#equal", "#unknown"],
        rows,
    )?;
    html.paragraph("With these: permissions and the like of objects that were added or removed, which are told with them and not counted again. What differs in several ways counts under each, and once under differ.")
}

fn of_kind(kind: &str, changes: &[&Change], names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    html.raw(&format!("<h3>{}: {}</h3>\n<ul class=\"changes\">\n", escaped(title_of(kind)), thousands(changes.len() as u64)))?;
    for change in changes.iter().take(CHANGES) {
        one(change, names, html)?;
    }
    html.raw("</ul>\n")?;
    if changes.len() > CHANGES {
        html.paragraph(&format!("and {} more: `lifeboat diff` has all", changes.len() - CHANGES))?;
    }
    Ok(())
}

fn one(change: &Change, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    let told = told(change);
    let (class, word) = match told.sign {
        '+' => ("good", "added"),
        '-' => ("bad", "removed"),
        '>' => ("idle", if change.moved { "moved" } else { "renamed" }),
        _ => ("warn", "changed"),
    };
    html.raw(&format!("<li>{} {}", Html::tag(class, word), escaped(&told.head)))?;
    if !told.lines.is_empty() {
        html.raw("<ul>")?;
        let shown = &told.lines[..told.lines.len().min(LINES)];
        // Lines of texts begin with two spaces, and follow what they are of.
        for part in shown.chunk_by(|_, next| next.starts_with("  ")) {
            let texts = if part[0].starts_with("  ") { part } else { &part[1..] };
            let head = part.first().filter(|line| !line.starts_with("  ")).map(|line| escaped(&names.sentence(line)));
            html.raw(&format!("<li>{}", head.unwrap_or_default()))?;
            code(texts, html)?;
            html.raw("</li>")?;
        }
        let more = told.lines.len() - shown.len();
        if more > 0 {
            html.raw(&format!("<li>and {} more lines: <code>lifeboat diff --long</code> has all</li>", thousands(more as u64)))?;
        }
        html.raw("</ul>")?;
    }
    html.raw("</li>\n")
}

/// Lines of a text, with what was taken away and put there.
fn code(lines: &[String], html: &mut Html<'_>) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    html.raw("<pre tabindex=\"0\" aria-label=\"lines that differ\">")?;
    for line in lines {
        let line = &line[2..];
        let (class, sign) = match line.chars().next() {
            Some('+') => ("plus", "+"),
            Some('-') => ("minus", "-"),
            _ => ("same", " "),
        };
        if risk::holds_secret(line) {
            html.raw(&format!(
                "<span class=\"{class}\">{sign} (not shown: it holds what looks like a secret in clear text)</span>\n"
            ))?;
        } else {
            html.raw(&format!("<span class=\"{class}\">{}</span>\n", escaped(line)))?;
        }
    }
    html.raw("</pre>")
}

/// Effective access: who can do more or less than before, through groups and folders too.
fn gained(changes: &access::Changes, names: &Names<'_>, html: &mut Html<'_>) -> io::Result<()> {
    html.raw("<h3>Access gained and lost</h3>\n")?;
    if changes.is_empty() {
        return html.paragraph("Nobody can do more or less than before with what is in both bundles.");
    }
    html.paragraph("Effective access, through groups and folders too, with objects that are in both bundles. What admins may anyway is told with the person.")?;
    let standing = |one: &Standing| {
        let words =
            |marks: &[String], signs: [&str; 2]| marks.iter().map(|mark| worded(mark, signs)).collect::<Vec<_>>().join(", ");
        vec![
            names.person(&one.principal),
            one.kind.replace('_', " "),
            words(&one.gained, ["is listed", "is enabled"]),
            words(&one.lost, ["is gone", "was disabled"]),
        ]
    };
    if !changes.principals.is_empty() {
        html.table("People and groups themselves", &["who", "=is", "gained", "lost"], changes.principals.iter().map(standing))?;
    }
    let all = || {
        changes.changes.iter().flat_map(|change| {
            change
                .gained
                .iter()
                .map(move |one| (change, "gained", one))
                .chain(change.lost.iter().map(move |one| (change, "lost", one)))
        })
    };
    let count = all().count();
    if count == 0 {
        return Ok(());
    }
    if count > SHIFTS {
        html.paragraph(&format!(
            "These are the first {} of {}: `lifeboat access OLDER --against NEWER` has all.",
            thousands(SHIFTS as u64),
            thousands(count as u64)
        ))?;
    }
    let caption = "Who can do more, and who less, with which objects";
    let live = Live { id: "shifts", name: "access gained and lost", caption, columns: COLUMNS, count: count.min(SHIFTS) };
    html.live(&live, &|each| all().take(SHIFTS).try_for_each(|(change, what, shift)| each(shifted(change, what, shift, names))))
}

fn worded(mark: &str, [listed, active]: [&str; 2]) -> String {
    match mark {
        "listed" => listed.to_owned(),
        "active" => active.to_owned(),
        mark => mark.to_owned(),
    }
}

fn shifted(change: &access::Change, what: &str, shift: &Shift, names: &Names<'_>) -> Vec<Value> {
    let objects = change.objects.iter().take(NAMED).map(|one| names.subject(one));
    let more = change.objects.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {} more", thousands(more as u64)));
    let objects: Vec<String> = objects.chain(more).collect();
    let first = objects.first().cloned().unwrap_or_default();
    let on = match change.objects.len() {
        1 => first,
        many => format!("{first} and {} more", thousands(many as u64 - 1)),
    };
    let kind = change.objects.first().map(|one| title_of(one.kind)).unwrap_or_default();
    let level = |level: Option<&'static str>| Value::from(level.unwrap_or("nothing"));
    let on = format!("{kind}: {on}");
    vec![
        names.person(&shift.principal).into(),
        what.into(),
        level(shift.before),
        level(shift.after),
        on.into(),
        objects.into(),
        names.sentence(&shift.way).into(),
    ]
}

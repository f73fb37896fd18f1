//! A change in words, for every output that people read.

use super::lines::field_lines;
use super::{CellChange, Change, ContentChange, Expected, FieldChange, Matched, Named, What};
use serde_json::Value;

/// A change as lines. The texts hold names as they are: whoever shows them makes them inert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `+`, `-`, `~`, or `>` where nothing but the name or the place is new.
    pub sign: char,
    /// What it is called; an old and a new name where there are two.
    pub head: String,
    /// What differs; lines of texts begin with two spaces.
    pub lines: Vec<String>,
}

/// Tells of a change.
pub fn told(change: &Change) -> Told {
    let mut lines = Vec::new();
    lines.extend(change.brief.clone());
    lines.extend(notes(change));
    change.fields.iter().for_each(|field| lines.extend(of_field(field)));
    for one in &change.access {
        let words = |verb: &str, levels: &[String]| (!levels.is_empty()).then(|| format!("{verb} {}", levels.join(", ")));
        let both: Vec<String> = words("gained", &one.gained).into_iter().chain(words("lost", &one.lost)).collect();
        let from = if one.inherited { ", inherited" } else { "" };
        let sort = one.sort.replace('_', " ");
        lines.push(format!("{sort} {} {}{from}{}", one.principal, both.join(", "), excuse(one.expected)));
    }
    if let Some(members) = &change.members {
        lines.extend(members.gained.iter().map(|member| format!("gained the member {member}")));
        lines.extend(members.lost.iter().map(|member| format!("lost the member {member}")));
    }
    change.content.iter().for_each(|content| lines.extend(of_content(content)));
    Told { sign: sign(change), head: head(change), lines }
}

fn sign(change: &Change) -> char {
    match change.what {
        What::Added => '+',
        What::Removed => '-',
        What::Changed if change.is_inside() || !(change.renamed || change.moved) => '~',
        What::Changed => '>',
    }
}

fn head(change: &Change) -> String {
    let own = |named: &Named| match named.id == named.name {
        true => named.name.clone(),
        false => format!("{} ({})", named.name, named.id),
    };
    match (&change.before, &change.after) {
        (Some(one), Some(other)) if one.name != other.name && one.id == other.id => {
            format!("{} → {} ({})", one.name, other.name, one.id)
        }
        (Some(one), Some(other)) if one.name != other.name => format!("{} → {}", own(one), own(other)),
        (Some(one), Some(other)) if one.id != other.id && one.id != one.name => {
            format!("{} ({} → {})", one.name, one.id, other.id)
        }
        (one, other) => other.as_ref().or(one.as_ref()).map(own).unwrap_or_default(),
    }
}

fn notes(change: &Change) -> impl Iterator<Item = String> {
    let along = match change.along {
        0 => None,
        1 => Some("1 object moved along with it".to_owned()),
        count => Some(format!("{count} objects moved along with it")),
    };
    let replaced = change.replaced.then(|| "replaced: deleted, and made anew under the same name".to_owned());
    let guess = (change.matched == Some(Matched::Guess)).then(|| "several have this name: which is which is a guess".to_owned());
    let content = (change.matched == Some(Matched::Content)).then(|| "known by its bytes".to_owned());
    let degraded = change.degraded.iter().flat_map(|one| {
        let side = |name: &str, reason: &Option<String>| reason.as_ref().map(|reason| format!("degraded {name}: {reason}"));
        side("before", &one.before).into_iter().chain(side("after", &one.after))
    });
    let degraded: Vec<String> = degraded.collect();
    let expected = change.expected.filter(|_| change.what != What::Changed).map(|why| because(why).to_owned());
    along.into_iter().chain(replaced).chain(guess).chain(content).chain(degraded).chain(expected)
}

fn of_field(field: &FieldChange) -> Vec<String> {
    if let Some(lines) = field_lines(field) {
        let head = format!("{}:{}", field.at, excuse(field.expected));
        return std::iter::once(head).chain(lines.into_iter().map(|line| format!("  {line}"))).collect();
    }
    let (before, after) = (value_text(&field.before), value_text(&field.after));
    vec![format!("{}: {before} → {after}{}", field.at, excuse(field.expected))]
}

fn of_content(content: &ContentChange) -> Vec<String> {
    let mut lines = Vec::new();
    if content.cells.is_empty() && content.lines.is_empty() {
        let note = content.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        let short = |digest: &str| digest.chars().take(12).collect::<String>();
        let (one, other) = (&content.before, &content.after);
        let (old, new) = (short(&one.sha256), short(&other.sha256));
        lines.push(format!("bytes: {} with SHA-256 {old}… → {} with {new}…{note}", one.size, other.size));
    }
    content.cells.iter().for_each(|cell| lines.extend(of_cell(cell)));
    lines.extend(content.lines.iter().map(|line| format!("  {line}")));
    lines
}

fn of_cell(cell: &CellChange) -> Vec<String> {
    let number = |place: Option<usize>| place.map_or_else(String::new, |place| place.to_string());
    let words = match (cell.what, cell.moved) {
        (What::Added, _) => format!("cell {} added:", number(cell.after)),
        (What::Removed, _) => format!("cell {} removed:", number(cell.before)),
        (What::Changed, true) if cell.lines.is_empty() => {
            format!("cell {} moved to {}", number(cell.before), number(cell.after))
        }
        (What::Changed, true) => format!("cell {} moved to {} and changed:", number(cell.before), number(cell.after)),
        (What::Changed, false) => format!("cell {} changed:", number(cell.after)),
    };
    std::iter::once(words).chain(cell.lines.iter().map(|line| format!("  {line}"))).collect()
}

/// A value as people read it.
pub fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn excuse(expected: Option<Expected>) -> String {
    expected.map(|why| format!(" ({})", because(why))).unwrap_or_default()
}

fn because(why: Expected) -> &'static str {
    match why {
        Expected::Inert => "inert by the import",
        Expected::Withheld => "a secret value, which no bundle holds",
        Expected::Gone => "it refers to what was gone already",
        Expected::Maker => "the workspace gives it to whoever makes an object",
        Expected::NotRestored => "no import restores this kind",
    }
}

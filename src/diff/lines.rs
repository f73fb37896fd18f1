//! The bytes of what differs: read only now, one object at a time.

use super::cells::{self, Cell};
use super::{Change, ContentChange, Diff, FieldChange};
use crate::object::{REDACTED, SourceId};
use crate::tokens;
use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};
use std::io;

/// Bytes of a text above which its lines are not compared.
const LARGEST: u64 = 4 << 20;

/// Lines of a text above which they are not compared, since that may take time with their square.
const MOST: usize = 10_000;

/// Lines told around each that differs.
const AROUND: usize = 2;

/// Gives the bytes of an object; nothing where they are not to be had.
pub type Bytes<'a> = dyn FnMut(&SourceId) -> io::Result<Option<Vec<u8>>> + 'a;

/// Adds to what differs in bytes the cells and lines that differ. Errors: bytes cannot be read.
pub fn fill(diff: &mut Diff, before: &mut Bytes<'_>, after: &mut Bytes<'_>) -> io::Result<()> {
    diff.changes.iter_mut().chain(&mut diff.expected).try_for_each(|change| fill_one(change, before, after))
}

fn fill_one(change: &mut Change, before: &mut Bytes<'_>, after: &mut Bytes<'_>) -> io::Result<()> {
    let (Some(one), Some(other), Some(content)) = (&change.before, &change.after, &mut change.content) else { return Ok(()) };
    if content.before.sha256 == content.after.sha256 {
        return Ok(());
    }
    if content.before.size.max(content.after.size) > LARGEST {
        content.note = Some("too large to be compared line by line".to_owned());
        return Ok(());
    }
    let source = |id: &str| SourceId { kind: change.kind.clone(), id: id.to_owned() };
    let (Some(one), Some(other)) = (before(&source(&one.id))?, after(&source(&other.id))?) else {
        content.note = Some("the bytes are not to be had".to_owned());
        return Ok(());
    };
    content.read = true;
    compare(content, change.kind == "notebook", &one, &other);
    Ok(())
}

fn compare(content: &mut ContentChange, is_notebook: bool, one: &[u8], other: &[u8]) {
    if is_notebook && let (Some(one), Some(other)) = (cells::cells(one), cells::cells(other)) {
        if lines_of(&one) > MOST || lines_of(&other) > MOST {
            content.note = Some("too many lines to be compared".to_owned());
            return;
        }
        content.cells = cells::changes(&one, &other);
        if content.cells.is_empty() {
            content.note = Some("the cells are the same: outputs, titles of results or line ends differ".to_owned());
        }
        return;
    }
    match (text(one), text(other)) {
        (Some(one), Some(other)) if one.lines().count().max(other.lines().count()) <= MOST => {
            content.lines = changed_lines(one, other);
            if content.lines.is_empty() {
                content.note = Some("only line ends differ".to_owned());
            }
        }
        (Some(_), Some(_)) => content.note = Some("too many lines to be compared".to_owned()),
        _ => content.note = Some("not a text".to_owned()),
    }
}

fn lines_of(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| cell.source.lines().count()).sum()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// The lines that differ, each after `+`, `-` or a space, with some around them; `…` stands where equal ones are left out. What
/// has the shape of a credential is not told.
pub(super) fn changed_lines(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let groups = group_diff_ops(capture_diff_slices(Algorithm::Myers, &old, &new), AROUND);
    let mut lines = Vec::new();
    for (index, group) in groups.iter().filter(|group| group.iter().any(differs)).enumerate() {
        if index > 0 {
            lines.push("…".to_owned());
        }
        for op in group {
            if differs(op) {
                lines.extend(old[op.old_range()].iter().map(|line| signed('-', line)));
                lines.extend(new[op.new_range()].iter().map(|line| signed('+', line)));
            } else {
                lines.extend(old[op.old_range()].iter().map(|line| signed(' ', line)));
            }
        }
    }
    lines
}

fn differs(op: &DiffOp) -> bool {
    !matches!(op, DiffOp::Equal { .. })
}

/// A line behind its sign.
pub(super) fn signed(sign: char, line: &str) -> String {
    let clean = tokens::without(line, REDACTED);
    format!("{sign}{}", clean.as_deref().unwrap_or(line))
}

/// A field that holds a text of several lines, line by line.
pub(super) fn field_lines(field: &FieldChange) -> Option<Vec<String>> {
    let (before, after) = (field.before.as_str().unwrap_or_default(), field.after.as_str().unwrap_or_default());
    let several = before.contains('\n') || after.contains('\n');
    let few = before.lines().count().max(after.lines().count()) <= MOST;
    (several && few).then(|| changed_lines(before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_with_some_around_them() {
        let text = |changed: &str| {
            (0..20).map(|n| if n == 10 { changed.to_owned() } else { n.to_string() }).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(changed_lines(&text("a"), &text("b")), [" 8", " 9", "-a", "+b", " 11", " 12"]);
        assert!(changed_lines("a\n", "a").is_empty() && changed_lines("", "x") == ["+x"]);
    }

    #[test]
    fn credentials_are_not_told() {
        let secret = format!("token = 'dapi{}'", "0123456789abcdef0123456789abcdef");
        let lines = changed_lines("", &secret);
        assert!(!lines[0].contains("0123456789abcdef") && lines[0].contains(REDACTED), "{lines:?}");
    }
}

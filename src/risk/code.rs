//! Source code by its cells and lines.

use super::{Place, place};
use crate::object::Object;
use memchr::memmem;
use serde_json::Value;
use std::borrow::Cow;

/// The line between the cells of a notebook in its source form, behind the sign of a comment.
const SEPARATOR: &[u8] = b"COMMAND ----------";

/// A text that somebody wrote.
#[derive(Debug)]
pub(super) struct Code<'a> {
    /// The text, and the cell in which it stands, if that is known beforehand.
    pub(super) pieces: Vec<(Cow<'a, str>, Option<u64>)>,
}

/// Bytes as text; nothing for bytes that are none.
pub(super) fn read(bytes: &[u8]) -> Option<Code<'_>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    Some(Code { pieces: cells(text).unwrap_or_else(|| vec![(text.into(), None)]) })
}

/// The cells of a Jupyter notebook: what was written in them, and what they showed.
fn cells(text: &str) -> Option<Vec<(Cow<'_, str>, Option<u64>)>> {
    if !text.trim_start().starts_with('{') || memmem::find(text.as_bytes(), b"\"cells\"").is_none() {
        return None;
    }
    let notebook: Value = serde_json::from_str(text).ok()?;
    let cells = notebook.get("cells")?.as_array()?;
    let mut pieces = Vec::new();
    for (cell, number) in cells.iter().zip(1..) {
        pieces.push((Cow::Owned(joined(cell.get("source").unwrap_or(&Value::Null))), Some(number)));
        let mut shown = String::new();
        cell.get("outputs").into_iter().for_each(|outputs| all_texts(outputs, &mut shown));
        if !shown.is_empty() {
            pieces.push((Cow::Owned(shown), Some(number)));
        }
    }
    Some(pieces)
}

/// A text, or the lines of one.
fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn all_texts(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| all_texts(item, out)),
        Value::Object(members) => members.values().for_each(|member| all_texts(member, out)),
        _ => {}
    }
}

/// Where a byte of a piece stands.
pub(super) fn spot(object: &Object, (text, cell): &(Cow<'_, str>, Option<u64>), at: usize) -> Place {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
    let separators = || memmem::find_iter(text.as_bytes(), SEPARATOR).count();
    let cell = cell.or_else(|| (separators() > 0).then(|| memmem::find_iter(before, SEPARATOR).count() as u64 + 1));
    Place { cell, line: Some(line), ..place(object) }
}

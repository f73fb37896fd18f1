//! Notebooks as people see them: cells, in both formats in which they are stored.

use memchr::memmem;
use serde_json::Value;

/// What stands between cells, behind the sign of a comment.
const BORDER: &str = "COMMAND ----------";

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its number, from 1.
    pub number: u64,
    /// What it is written in, as the magic says it or the notebook: `python`, `sql`, `markdown`, `sh`, `run`, …
    pub language: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// The line of the file in which it begins, from 1; nothing where the file has no such lines.
    pub line: Option<u64>,
    /// Its text, without the signs that only the file needs.
    pub text: String,
}

/// The signs of a comment before ` Databricks notebook source`, and what the notebook is written in.
const SIGNS: [(&str, &str); 3] = [("#", "python"), ("--", "sql"), ("//", "scala")];

/// Whether the bytes are a notebook with cells in JSON; says so at first sight, and may be wrong.
pub(super) fn may_be_jupyter(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{") && memmem::find(bytes, b"\"cells\"").is_some()
}

/// The document of a notebook with cells in JSON.
pub(super) fn jupyter(bytes: &[u8]) -> Option<Value> {
    let document: Value = may_be_jupyter(bytes).then(|| serde_json::from_slice(bytes).ok()).flatten()?;
    document.get("cells")?.is_array().then_some(document)
}

/// The cells of a notebook. `language` is what the workspace says of it. Nothing for bytes that are no notebook.
pub fn cells(bytes: &[u8], language: Option<&str>) -> Option<Vec<Cell>> {
    if let Some(document) = jupyter(bytes) {
        return Some(of_jupyter(&document, language));
    }
    of_source(std::str::from_utf8(bytes).ok()?, language)
}

fn of_jupyter(document: &Value, language: Option<&str>) -> Vec<Cell> {
    let named = document.pointer("/metadata/language_info/name").or_else(|| document.pointer("/metadata/kernelspec/language"));
    let language = named.and_then(Value::as_str).or(language).unwrap_or("python").to_lowercase();
    let cells = document.get("cells").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let cell = |(number, cell): (u64, &Value)| {
        let text = source_of(cell);
        let title = cell.pointer("/metadata/application~1vnd.databricks.v1+cell/title").and_then(Value::as_str);
        let title = title.filter(|title| !title.is_empty()).map(str::to_owned);
        let language = match cell.get("cell_type").and_then(Value::as_str) {
            Some("code") | None => magic(&text).unwrap_or(&language).to_owned(),
            Some(sort) => sort.to_owned(),
        };
        Cell { number, language, title, line: None, text }
    };
    (1..).zip(cells).map(cell).collect()
}

/// The text of a cell: one text, or a list of lines.
pub(super) fn source_of(cell: &Value) -> String {
    match cell.get("source") {
        Some(Value::Array(lines)) => lines.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}

fn of_source(text: &str, language: Option<&str>) -> Option<Vec<Cell>> {
    let first = text.lines().next()?;
    let (sign, named) = SIGNS.into_iter().find(|(sign, _)| is_sign(first, sign, "Databricks notebook source"))?;
    let language = language.map_or_else(|| named.to_owned(), str::to_lowercase);
    let mut cells = vec![Raw { line: 2, lines: Vec::new() }];
    for (number, line) in (2..).zip(text.lines().skip(1)) {
        if is_sign(line, sign, BORDER) {
            cells.push(Raw { line: number + 1, lines: Vec::new() });
        } else if let Some(cell) = cells.last_mut() {
            cell.lines.push(line);
        }
    }
    Some((1..).zip(cells).map(|(number, raw)| raw.cell(number, sign, &language)).collect())
}

/// Whether a line is a comment that says this and nothing else.
fn is_sign(line: &str, sign: &str, says: &str) -> bool {
    line.strip_prefix(sign).is_some_and(|rest| rest.trim() == says)
}

/// How many borders between cells stand in a text.
pub(super) fn borders(text: &[u8]) -> u64 {
    let is_border = |at: &usize| {
        let begin = memchr::memrchr(b'\n', &text[..*at]).map_or(0, |end| end + 1);
        let end = memchr::memchr(b'\n', &text[*at..]).map_or(text.len(), |end| at + end);
        let sign = text[begin..*at].trim_ascii();
        text[*at + BORDER.len()..end].trim_ascii().is_empty() && SIGNS.iter().any(|(known, _)| known.as_bytes() == sign)
    };
    memmem::find_iter(text, BORDER.as_bytes()).filter(is_border).count() as u64
}

/// A cell as it stands in a file.
struct Raw<'a> {
    line: u64,
    lines: Vec<&'a str>,
}

impl Raw<'_> {
    fn cell(self, number: u64, sign: &str, language: &str) -> Cell {
        let is_empty = |line: &&&str| line.trim().is_empty();
        let before = self.lines.iter().take_while(is_empty).count();
        let after = self.lines[before..].iter().rev().take_while(is_empty).count();
        let (mut title, mut text) = (None, Vec::new());
        for line in &self.lines[before..self.lines.len() - after] {
            let mark = line.strip_prefix(sign).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
            match mark {
                Some(mark) if mark.starts_with("DBTITLE ") => title = mark.split_once(',').map(|(_, title)| title.to_owned()),
                Some("MAGIC") => text.push(""),
                Some(mark) if mark.starts_with("MAGIC ") => text.push(&mark["MAGIC ".len()..]),
                _ => text.push(line),
            }
        }
        let text = text.join("\n");
        let language = magic(&text).unwrap_or(language).to_owned();
        Cell { number, language, title, line: Some(self.line + before as u64), text }
    }
}

/// What the first line says of the language: `%sql`, `%md`, `%run`.
fn magic(text: &str) -> Option<&str> {
    let word = text.trim_start().strip_prefix('%')?.split_whitespace().next()?;
    match word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()) {
        "md" | "md-sandbox" => Some("markdown"),
        "" => None,
        word => Some(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "# Databricks notebook source\n# DBTITLE 1,Load\nimport os\nx = 1\n\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC # Title\n# MAGIC\n# MAGIC text\n\n# COMMAND ----------\n\n# MAGIC %sql select 1\n";

    #[test]
    fn cells_of_a_source_file() {
        let cells = cells(SOURCE.as_bytes(), Some("PYTHON")).unwrap();
        let seen: Vec<_> = cells.iter().map(|cell| (cell.number, &*cell.language, cell.line.unwrap(), &*cell.text)).collect();
        let wanted =
            [(1, "python", 2, "import os\nx = 1"), (2, "markdown", 8, "%md\n# Title\n\ntext"), (3, "sql", 15, "%sql select 1")];
        assert_eq!(seen, wanted);
        assert_eq!(cells[0].title.as_deref(), Some("Load"));
        assert_eq!(borders(SOURCE.as_bytes()), 2);
        assert_eq!(borders(b"x = 'COMMAND ----------'\n# COMMAND ---------- not\n"), 0);
    }

    #[test]
    fn cells_of_a_jupyter_file() {
        let text = br##"{"cells":[{"cell_type":"markdown","source":["# A\n","b"]},{"cell_type":"code","source":"%sh ls"},
            {"cell_type":"code","source":"x"}],"metadata":{"language_info":{"name":"R"}}}"##;
        let cells = cells(text, None).unwrap();
        let seen: Vec<_> = cells.iter().map(|cell| (&*cell.language, &*cell.text)).collect();
        assert_eq!(seen, [("markdown", "# A\nb"), ("sh", "%sh ls"), ("r", "x")]);
        assert!(super::cells(b"print(1)", None).is_none() && super::cells(b"{\"cells\": 1}", None).is_none());
    }
}

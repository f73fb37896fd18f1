//! Notebooks by their cells, in both forms in which a workspace stores them. Knows nothing of bundles.
//!
//! The source form (core reference §2): a first line `# Databricks notebook source`, cells between lines `# COMMAND ----------`,
//! and what is written in another language than the notebook behind `# MAGIC `, all of it behind the sign of a comment of the
//! notebook's language: `#` for Python and R, `//` for Scala, `--` for SQL. A border is a line of its own, with nothing before the
//! sign, whatever text it stands in: the service does not read the language either. An import takes a text without the first line,
//! and then any sign counts. `# DBTITLE n,title` is the title of a cell.
//!
//! The form of Jupyter, <https://nbformat.readthedocs.io/en/latest/format_description.html>, where the vendor keeps the language,
//! ids and titles in metadata of its own, `application/vnd.databricks.v1+notebook` and `…+cell`.
//!
//! A mark of UTF-8 before the first byte is passed over, lines may end with CR LF, and blank lines around a cell are the file's. Time
//! is linear in the bytes, whatever they are.

use memchr::memmem;
use serde_json::Value;
use std::borrow::Cow;

/// What stands in the first line, behind the sign.
const HEADER: &[u8] = b"Databricks notebook source";

/// What stands between cells, behind the sign.
const BORDER: &[u8] = b"COMMAND ----------";

/// The signs of a comment, and what a notebook with that sign is written in unless somebody knows better.
const SIGNS: [(&str, &str); 3] = [("#", "python"), ("//", "scala"), ("--", "sql")];

/// The mark of UTF-8 at the beginning of a file.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The signs that count in a text: its own, or all of them where the first line tells none.
#[derive(Clone, Copy, Debug)]
pub struct Signs(&'static [(&'static str, &'static str)]);

impl Signs {
    /// Those of a text, by its first line.
    pub fn of(text: &[u8]) -> Self {
        header(text).map_or(Self(&SIGNS), |(signs, _)| signs)
    }

    /// Without its sign and one space: what a line says, if it begins with a sign.
    fn said(self, line: &[u8]) -> Option<&[u8]> {
        let rest = self.0.iter().find_map(|(sign, _)| line.strip_prefix(sign.as_bytes()))?;
        Some(rest.strip_prefix(b" ").unwrap_or(rest))
    }

    /// The line of a border, with its end, if the words at `at` stand in one. Looks no further than that line.
    fn border(self, text: &[u8], at: usize) -> Option<(usize, usize)> {
        let before = text[..at].strip_suffix(b" ").unwrap_or(&text[..at]);
        let begins = |rest: &&[u8]| matches!(rest.last(), None | Some(b'\n')) || *rest == MARK;
        let before = self.0.iter().find_map(|(sign, _)| before.strip_suffix(sign.as_bytes()).filter(begins))?;
        Some((before.len(), end_of_line(text, at + BORDER.len())?))
    }

    /// The lines of borders in a text, with their ends.
    fn borders(self, text: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
        memmem::find_iter(text, BORDER).filter_map(move |at| self.border(text, at))
    }
}

/// The signs that a first line tells, and where it ends.
fn header(text: &[u8]) -> Option<(Signs, usize)> {
    let rest = text.strip_prefix(MARK).unwrap_or(text);
    SIGNS.chunks(1).find_map(|signs| {
        let behind = Signs(signs).said(rest)?.strip_prefix(HEADER)?;
        Some((Signs(signs), end_of_line(text, text.len() - behind.len())?))
    })
}

/// Where the next line begins, if nothing but white space stands behind a place in this one.
fn end_of_line(text: &[u8], from: usize) -> Option<usize> {
    let rest = &text[from..];
    match rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) {
        None => Some(text.len()),
        Some(at) => (rest[at] == b'\n').then_some(from + at + 1),
    }
}

/// A notebook, or any text, which is one of a single cell.
#[derive(Clone, Debug)]
pub enum Notebook<'a> {
    /// A document with cells.
    Jupyter(Value),
    /// A text.
    Source(&'a str),
}

/// One cell.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its id, where the form gives it one: the vendor's, or Jupyter's.
    pub id: Option<&'a str>,
    /// `code`, `markdown`, `raw` where the form tells it apart from the text.
    pub sort: Option<&'a str>,
    /// The line of the stored text in which it begins, from 1; nothing where there are no such lines.
    pub line: Option<u64>,
    /// Its text as it is stored.
    pub stored: Cow<'a, str>,
    /// What it showed when it ran.
    pub outputs: Option<&'a Value>,
    title: Option<&'a str>,
    signs: Option<Signs>,
}

/// The document of a notebook in the form of Jupyter; nothing for other bytes. Costs little for those.
pub fn jupyter(bytes: &[u8]) -> Option<Value> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let may_be = bytes.trim_ascii_start().starts_with(b"{") && memmem::find(bytes, b"\"cells\"").is_some();
    let document: Value = may_be.then(|| serde_json::from_slice(bytes).ok()).flatten()?;
    document.get("cells")?.is_array().then_some(document)
}

/// The cells of such a document.
pub fn cells_of(document: &Value) -> Vec<Cell<'_>> {
    let cells = document.get("cells").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    (1..).zip(cells).map(|(number, cell)| cell_of(number, cell)).collect()
}

fn cell_of(number: u64, cell: &Value) -> Cell<'_> {
    let own = |name: &str| cell.get("metadata")?.get("application/vnd.databricks.v1+cell")?.get(name)?.as_str();
    let text = |name: &str| cell.get(name).and_then(Value::as_str);
    Cell {
        number,
        id: own("nuid").or_else(|| text("id")),
        sort: text("cell_type"),
        line: None,
        stored: joined(cell.get("source")),
        outputs: cell.get("outputs"),
        title: own("title"),
        signs: None,
    }
}

/// A text, or the lines of one.
fn joined(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        Some(Value::String(text)) => text.into(),
        Some(Value::Array(lines)) => lines.iter().filter_map(Value::as_str).collect(),
        _ => "".into(),
    }
}

impl<'a> Notebook<'a> {
    /// Reads bytes; nothing if they are no text.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        if let Some(document) = jupyter(bytes) {
            return Some(Self::Jupyter(document));
        }
        let text = std::str::from_utf8(bytes).ok()?;
        memchr::memchr(0, bytes).is_none().then_some(Self::Source(text))
    }

    /// Whether the form says that it is a notebook.
    pub fn is_marked(&self) -> bool {
        match self {
            Self::Jupyter(_) => true,
            Self::Source(text) => header(text.as_bytes()).is_some(),
        }
    }

    /// What cells are written in unless they say otherwise, in lower case. `given` is what the workspace says: Python of every
    /// notebook in the form of Jupyter, which knows better itself.
    pub fn language(&self, given: Option<&str>) -> String {
        match self {
            Self::Jupyter(document) => {
                let own =
                    document.get("metadata").and_then(|all| all.get("application/vnd.databricks.v1+notebook")?.get("language"));
                let told = || {
                    document.pointer("/metadata/language_info/name").or_else(|| document.pointer("/metadata/kernelspec/language"))
                };
                own.or_else(told).and_then(Value::as_str).or(given).unwrap_or("python").to_lowercase()
            }
            Self::Source(text) => {
                let (_, told) = Signs::of(text.as_bytes()).0[0];
                given.unwrap_or(told).to_lowercase()
            }
        }
    }

    /// Its cells; at least one of a text.
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let text = match self {
            Self::Jupyter(document) => return cells_of(document),
            Self::Source(text) => *text,
        };
        let (signs, mut from) = header(text.as_bytes()).unwrap_or((Signs(&SIGNS), 0));
        let mut line = 1 + u64::from(from > 0);
        let mut cells = Vec::new();
        for (begin, end) in signs.borders(text.as_bytes()) {
            cells.push(Cell::stored(cells.len(), signs, &text[from..begin], line));
            line += newlines(&text.as_bytes()[from..begin]) + 1;
            from = end;
        }
        cells.push(Cell::stored(cells.len(), signs, &text[from..], line));
        cells
    }
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

impl<'a> Cell<'a> {
    fn stored(before: usize, signs: Signs, text: &'a str, line: u64) -> Self {
        let (begin, end) = (text.len() - text.trim_start().len(), text.trim_end().len());
        let begin = text[..begin].rfind('\n').map_or(0, |at| at + 1);
        let end = text[end..].find('\n').map_or(text.len(), |at| end + at + 1);
        Self {
            number: before as u64 + 1,
            id: None,
            sort: None,
            line: Some(line + newlines(&text.as_bytes()[..begin])),
            stored: text[begin..end.max(begin)].into(),
            outputs: None,
            title: None,
            signs: Some(signs),
        }
    }

    /// Its lines without the signs that only the file needs, each with its number: in the stored text, or in a cell of Jupyter.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &str)> {
        let plain = |line| match self.marked(line) {
            Some(Mark::Title(_)) => None,
            Some(Mark::Magic(magic)) => Some(magic),
            None => Some(line),
        };
        (self.line.unwrap_or(1)..).zip(self.stored.lines()).filter_map(move |(number, line)| Some((number, plain(line)?)))
    }

    /// The same as one text, without blank lines around it.
    pub fn text(&self) -> String {
        let lines: Vec<&str> = self.lines().map(|(_, line)| line).collect();
        let is_blank = |line: &&str| line.trim().is_empty();
        let begin = lines.iter().take_while(|line| is_blank(line)).count();
        let blank = lines[begin..].iter().rev().take_while(|line| is_blank(line)).count();
        lines[begin..lines.len() - blank].join("\n")
    }

    /// Its title, where it has one.
    pub fn title(&self) -> Option<&str> {
        let titled = || {
            self.stored.lines().find_map(|line| match self.marked(line) {
                Some(Mark::Title(title)) => Some(title),
                _ => None,
            })
        };
        self.title.or_else(titled).filter(|title| !title.is_empty())
    }

    /// What it is written in, as the form or its first line says: `markdown`, `sql`, `sh`, `run`, …; else what the notebook is.
    pub fn language<'l>(&'l self, notebook: &'l str) -> &'l str {
        match self.sort {
            Some(sort) if sort != "code" => sort,
            _ => self.lines().map(|(_, line)| line.trim()).find(|line| !line.is_empty()).and_then(magic).unwrap_or(notebook),
        }
    }

    /// All texts that it showed, line by line.
    pub fn shown(&self) -> String {
        let mut shown = String::new();
        self.outputs.into_iter().for_each(|outputs| all_texts(outputs, &mut shown));
        shown
    }

    fn marked<'l>(&self, line: &'l str) -> Option<Mark<'l>> {
        let said = std::str::from_utf8(self.signs?.said(line.as_bytes())?).ok()?;
        if let Some(title) = said.strip_prefix("DBTITLE ") {
            return Some(Mark::Title(title.split_once(',').map_or("", |(_, title)| title)));
        }
        let magic = said.strip_prefix("MAGIC")?;
        if magic.trim().is_empty() { Some(Mark::Magic("")) } else { magic.strip_prefix(' ').map(Mark::Magic) }
    }
}

/// What a line of the source form stands for.
enum Mark<'l> {
    Title(&'l str),
    Magic(&'l str),
}

/// What a line says of the language of its cell: `%sql`, `%md`, `%run`, `%%bash`.
fn magic(line: &str) -> Option<&str> {
    let word = line.strip_prefix('%')?.trim_start_matches('%');
    let word = &word[..word.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(word.len())];
    match word {
        "md" | "md-sandbox" => Some("markdown"),
        word => word.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(word),
    }
}

/// The depth is that of a document, which its reader bounds.
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

/// Lines and cells of places in a text. Of places that come in order, each byte is read once.
#[derive(Debug)]
pub struct Places<'t> {
    text: &'t [u8],
    signs: Signs,
    seen: usize,
    line: u64,
    cell: u64,
}

impl<'t> Places<'t> {
    /// Places in a text.
    pub fn new(text: &'t [u8], signs: Signs) -> Self {
        Self { text, signs, seen: 0, line: 1, cell: 1 }
    }

    /// The line and the cell of a byte, both from 1.
    pub fn of(&mut self, at: usize) -> (u64, u64) {
        let at = at.min(self.text.len());
        if at < self.seen {
            *self = Self::new(self.text, self.signs);
        }
        self.line += newlines(&self.text[self.seen..at]);
        // Words that begin before what was seen end behind it.
        let from = self.seen.saturating_sub(BORDER.len() - 1);
        let words = memmem::find_iter(&self.text[from..at], BORDER);
        self.cell += words.filter(|words| self.signs.border(self.text, from + words).is_some()).count() as u64;
        self.seen = at;
        (self.line, self.cell)
    }

    /// Whether the text has more than one cell.
    pub fn has_cells(&self) -> bool {
        self.signs.borders(self.text).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "# Databricks notebook source\n# DBTITLE 1,Load\nimport os\nx = 1\n\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC # Title\n# MAGIC\n# MAGIC text\n\n# COMMAND ----------\n\n# MAGIC %sql select 1\n";

    /// Number, language, line and text of each cell.
    type Seen = Vec<(u64, String, Option<u64>, String)>;

    fn seen(bytes: &[u8], language: Option<&str>) -> Seen {
        let notebook = Notebook::read(bytes).unwrap();
        let language = notebook.language(language);
        let cell = |cell: &Cell<'_>| (cell.number, cell.language(&language).to_owned(), cell.line, cell.text());
        notebook.cells().iter().map(cell).collect()
    }

    fn wanted(cells: &[(&str, u64, &str)]) -> Seen {
        (1..)
            .zip(cells)
            .map(|(number, (language, line, text))| (number, (*language).to_owned(), Some(*line), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn cells_of_a_source_file() {
        let cells =
            wanted(&[("python", 2, "import os\nx = 1"), ("markdown", 8, "%md\n# Title\n\ntext"), ("sql", 15, "%sql select 1")]);
        assert_eq!(seen(SOURCE.as_bytes(), Some("PYTHON")), cells);
        let notebook = Notebook::read(SOURCE.as_bytes()).unwrap();
        let first = &notebook.cells()[0];
        assert_eq!((first.title(), &*first.stored), (Some("Load"), "# DBTITLE 1,Load\nimport os\nx = 1\n"));
        assert_eq!(first.lines().collect::<Vec<_>>(), [(3, "import os"), (4, "x = 1")]);
        for (sign, language) in SIGNS {
            let text = SOURCE.replace("# ", &format!("{sign} ")).replace("# MAGIC\n", &format!("{sign} MAGIC\n"));
            assert_eq!(seen(text.as_bytes(), None)[0].1, language);
        }
        assert_eq!(seen(SOURCE.as_bytes(), Some("R"))[0].1, "r", "the workspace knows better");
    }

    #[test]
    fn a_mark_of_utf8_and_other_ends_of_lines_change_nothing() {
        let lines = SOURCE.replace('\n', "\r\n");
        assert_eq!(seen(lines.as_bytes(), None), seen(SOURCE.as_bytes(), None));
        let marked = format!("\u{feff}{SOURCE}");
        assert_eq!(seen(marked.as_bytes(), None), seen(SOURCE.as_bytes(), None));
        let marked = "\u{feff}{\"cells\": [{\"cell_type\": \"code\", \"source\": \"x\"}]}";
        assert!(matches!(Notebook::read(marked.as_bytes()), Some(Notebook::Jupyter(_))));
    }

    #[test]
    fn a_border_is_a_line_of_its_own() {
        let cells = |text: &str| Notebook::Source(text).cells().len();
        for none in [
            "x = '# COMMAND ----------'",
            "# COMMAND ---------- not",
            "  # COMMAND ----------",
            "## COMMAND ----------",
            "COMMAND ----------",
        ] {
            assert_eq!(cells(&format!("# Databricks notebook source\n{none}\ny")), 1, "{none}");
        }
        for one in
            ["# COMMAND ----------", "#COMMAND ----------", "# COMMAND ---------- \t\r", "\"\"\"\n# COMMAND ----------\n\"\"\""]
        {
            assert_eq!(cells(&format!("# Databricks notebook source\n{one}\ny")), 2, "{one}");
        }
        let other = "\n-- COMMAND ----------\n";
        assert_eq!(cells(&format!("# Databricks notebook source{other}")), 1, "the sign of another language");
        assert_eq!(cells(other), 2, "an import takes a text without the first line");
        assert_eq!(cells("# COMMAND ----------"), 2);
        assert_eq!(cells(""), 1);
        assert!(!Notebook::Source(other).is_marked() && !Notebook::Source("# Databricks notebook sources").is_marked());
    }

    #[test]
    fn magic_is_told_from_comments() {
        let text = "# Databricks notebook source\n\n# MAGIC\n# MAGIC %md-sandbox\n#MAGIC a\n# MAGICAL\n // MAGIC b\n# DBTITLE 2";
        let cells = seen(text.as_bytes(), None);
        assert_eq!(cells, wanted(&[("markdown", 3, "%md-sandbox\na\n# MAGICAL\n // MAGIC b")]));
        for (line, language) in [
            ("%md", Some("markdown")),
            ("%%bash", Some("bash")),
            ("%sql select", Some("sql")),
            ("%", None),
            ("% md", None),
            ("%-x", None),
        ] {
            assert_eq!(magic(line), language, "{line}");
        }
    }

    #[test]
    fn cells_of_a_jupyter_file() {
        let text = br##"{"cells":[{"cell_type":"markdown","id":"i","source":["# A\n","b"]},{"cell_type":"code","source":"%sh ls"},
            {"source":"\n\nx","metadata":{"application/vnd.databricks.v1+cell":{"nuid":"n","title":"T"}},"id":"j",
            "outputs":[{"text":["1","2"]},{"data":{"text/plain":"3"}}]},{"cell_type":"code"},7],"metadata":{"language_info":{"name":"R"}}}"##;
        let cells = seen(text, None);
        let cells: Vec<(&str, &str)> = cells.iter().map(|(_, language, _, text)| (&**language, &**text)).collect();
        assert_eq!(cells, [("markdown", "# A\nb"), ("sh", "%sh ls"), ("r", "x"), ("r", ""), ("r", "")]);
        let notebook = Notebook::read(text).unwrap();
        let cells = notebook.cells();
        assert_eq!(cells.iter().map(|cell| cell.id).collect::<Vec<_>>(), [Some("i"), None, Some("n"), None, None]);
        assert_eq!((cells[2].title(), &*cells[2].shown(), &*cells[2].stored), (Some("T"), "1\n2\n3\n", "\n\nx"));
        assert_eq!(cells[2].lines().last(), Some((3, "x")));
    }

    #[test]
    fn a_jupyter_file_knows_its_language_better_than_the_workspace() {
        let text = br#"{"cells":[{"cell_type":"code","source":"select 1"}],"metadata":{"language_info":{"name":"python"},
            "application/vnd.databricks.v1+notebook":{"language":"sql"}}}"#;
        assert_eq!(seen(text, Some("PYTHON"))[0].1, "sql");
    }

    #[test]
    fn what_is_no_notebook_is_a_text_or_nothing() {
        for text in ["print(1)", "{\"cells\": 1}", "{\"cells\": [", "", &format!("{{\"cells\": [{}", "[".repeat(1 << 16))] {
            assert!(matches!(Notebook::read(text.as_bytes()), Some(Notebook::Source(read)) if read == text));
        }
        assert!(Notebook::read(b"\xff\xfe").is_none() && Notebook::read(b"# COMMAND ----------\n\0").is_none());
    }

    #[test]
    fn places_are_those_of_the_cells() {
        let mut places = Places::new(SOURCE.as_bytes(), Signs::of(SOURCE.as_bytes()));
        assert!(places.has_cells());
        for word in ["import", "COMMAND", "MAND", "%md", "select", "import"] {
            let at = SOURCE.find(word).unwrap();
            let line = SOURCE[..at].matches('\n').count() as u64 + 1;
            let cell = SOURCE[..at].matches("# COMMAND ----------").count() as u64 + 1;
            assert_eq!(places.of(at), (line, cell), "{word}");
        }
        let every: Vec<(u64, u64)> = (0..=SOURCE.len()).map(|at| places.of(at)).collect();
        let afresh = |at| Places::new(SOURCE.as_bytes(), Signs::of(SOURCE.as_bytes())).of(at);
        assert_eq!(every, (0..=SOURCE.len()).map(afresh).collect::<Vec<_>>(), "however far it goes at once");
    }

    /// With the square of its length, each of these would take minutes.
    #[test]
    fn hostile_texts_take_no_longer_than_others() {
        for part in [
            "COMMAND ----------",
            "# COMMAND ----------",
            "# COMMAND ----------\n",
            "#",
            "\n",
            " ",
            "# MAGIC",
            "# MAGIC %run a\n",
            "# DBTITLE ,",
        ] {
            let text = part.repeat((1 << 20) / part.len());
            for text in [text.clone(), format!("# Databricks notebook source\n{text}")] {
                let notebook = Notebook::Source(&text);
                let lines: usize =
                    notebook.cells().iter().map(|cell| cell.lines().count() + cell.title().map_or(0, str::len)).sum();
                let mut places = Places::new(text.as_bytes(), Signs::of(text.as_bytes()));
                let (line, cell) = (0..text.len()).step_by(64).map(|at| places.of(at)).last().unwrap();
                assert!(lines <= text.len() && line <= text.len() as u64 && cell <= line, "{part:?}");
            }
        }
    }
}

//! What the text of a notebook or script names: other notebooks that it runs, secrets that it reads.
//!
//! Only literals are found. What a program computes while it runs cannot be read off its text: such calls are counted, so that
//! an answer can say what it does not know. Comments and Markdown cells do not count.

use crate::notebook::{Cell, Notebook};
use regex::Regex;
use std::sync::LazyLock;

/// One thing that a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Line in the text as it is stored, counted from 1; of a Jupyter notebook, the cell.
    pub line: u32,
    /// What is named.
    pub what: What,
}

/// What a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `%run PATH`.
    Includes(String),
    /// `dbutils.notebook.run("PATH")`.
    Calls(String),
    /// `dbutils.secrets.get("SCOPE", "KEY")`, or `secret('SCOPE', 'KEY')` of SQL.
    Secret(String, String),
    /// A call of `dbutils.notebook.run` whose path is computed.
    ComputedCall,
    /// A call of `dbutils.secrets.get` whose scope or key is computed.
    ComputedSecret,
}

/// Texts above this length are not looked at: no notebook may be that long (core reference §2, size limits).
pub(super) const LONGEST: u64 = 128 << 20;

/// All that a text names, in its order. Bytes that are no text name nothing.
pub fn mentions(bytes: &[u8]) -> Vec<Mention> {
    let mut found = Vec::new();
    let notebook = (bytes.len() as u64 <= LONGEST && may_name(bytes)).then(|| Notebook::read(bytes)).flatten();
    for cell in notebook.iter().flat_map(Notebook::cells) {
        if matches!(cell.sort, None | Some("code")) && cell.language("") != "markdown" {
            look(&cell, &mut found);
        }
    }
    found
}

/// Most texts name nothing: this must cost no more than a look at the bytes.
fn may_name(bytes: &[u8]) -> bool {
    ["%run", "dbutils", "secret("].iter().any(|word| memchr::memmem::find(bytes, word.as_bytes()).is_some())
}

/// Whether the whole line is a comment, in whatever language.
fn is_comment(line: &str) -> bool {
    ["#", "//", "--"].iter().any(|sign| line.trim_start().starts_with(sign))
}

/// Looks at the lines of one cell.
fn look(cell: &Cell<'_>, found: &mut Vec<Mention>) {
    let mut code = String::new();
    let mut starts = Vec::new();
    let begin = found.len();
    for (number, line) in cell.lines() {
        let number = u32::try_from(cell.line.map_or(cell.number, |_| number)).unwrap_or(u32::MAX);
        if let Some(path) = line.trim_start().strip_prefix("%run").and_then(included) {
            found.push(Mention { line: number, what: What::Includes(path) });
        } else if !is_comment(line) {
            starts.push((code.len(), number));
            code.push_str(line);
            code.push('\n');
        }
    }
    let line_of = |at: usize| starts[..starts.partition_point(|(start, _)| *start <= at)].last().map_or(1, |(_, line)| *line);
    calls(&code, &mut |at, what| found.push(Mention { line: line_of(at), what }));
    found[begin..].sort_by_key(|mention| mention.line);
}

/// The path of a `%run`: quoted, or up to the first parameter (`$name=…`).
fn included(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix([' ', '\t'])?.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| rest.strip_prefix(*quote)?.split_once(*quote)).map(|(path, _)| path);
    let path = quoted.unwrap_or_else(|| rest.split_once(" $").map_or(rest, |(path, _)| path)).trim();
    (!path.is_empty()).then(|| path.to_owned())
}

fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

fn calls(code: &str, tell: &mut dyn FnMut(usize, What)) {
    static RUN: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"\bdbutils\s*\.\s*notebook\s*\.\s*run\s*\("));
    static GET: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"\bdbutils\s*\.\s*secrets\s*\.\s*get(?:Bytes)?\s*\("));
    static SQL: LazyLock<Option<Regex>> =
        LazyLock::new(|| pattern(r"(?:^|[^.\w])(?:try_)?secret\(\s*'([^'\n]+)'\s*,\s*'([^'\n]+)'\s*\)"));
    for call in RUN.iter().flat_map(|run| run.find_iter(code)) {
        let path = arguments(behind(code, call.end())).take("path", 0);
        tell(call.start(), path.map_or(What::ComputedCall, What::Calls));
    }
    for call in GET.iter().flat_map(|get| get.find_iter(code)) {
        let arguments = arguments(behind(code, call.end()));
        let both = arguments.take("scope", 0).zip(arguments.take("key", 1));
        tell(call.start(), both.map_or(What::ComputedSecret, |(scope, key)| What::Secret(scope, key)));
    }
    for call in SQL.iter().flat_map(|sql| sql.captures_iter(code)) {
        tell(call.get(0).map_or(0, |all| all.start()), What::Secret(call[1].to_owned(), call[2].to_owned()));
    }
}

/// The beginning of what stands behind a call: its arguments are no longer, and a text of calls that never end must not be read
/// to its end for each.
fn behind(code: &str, at: usize) -> &str {
    &code[at..code.floor_char_boundary(at + LONGEST_ARGUMENTS)]
}

/// Bytes of arguments that are looked at.
const LONGEST_ARGUMENTS: usize = 2000;

/// The first arguments of a call: name, if it has one, and literal.
struct Arguments(Vec<(Option<String>, Option<String>)>);

impl Arguments {
    /// The argument of this name, or without a name at this place, if it is a literal.
    fn take(&self, name: &str, place: usize) -> Option<String> {
        let named = self.0.iter().find(|(found, _)| found.as_deref() == Some(name));
        let placed = || self.0.get(place).filter(|(found, _)| found.is_none());
        named.or_else(placed)?.1.clone().filter(|text| !text.is_empty())
    }
}

/// Reads at most three arguments: `"text"`, `'text'`, `name = "text"`; whatever else stands there is no literal. Raw strings and
/// interpolated ones (`f"…"`, `s"…"`) are none either: what they come to depends on their values.
fn arguments(text: &str) -> Arguments {
    static ARGUMENT: LazyLock<Option<Regex>> =
        LazyLock::new(|| pattern(r#"^\s*(?:([A-Za-z_]\w*)\s*=\s*)?(?:"([^"\\\n{]*)"|'([^'\\\n{]*)'|([^,)]*?))\s*(,|\))"#));
    let (mut rest, mut found) = (text, Vec::new());
    while found.len() < 3
        && let Some(one) = ARGUMENT.as_ref().and_then(|argument| argument.captures(rest))
    {
        let literal = one.get(2).or_else(|| one.get(3)).map(|text| text.as_str().to_owned());
        found.push((one.get(1).map(|name| name.as_str().to_owned()), literal));
        if &one[5] == ")" {
            break;
        }
        rest = &rest[one[0].len()..];
    }
    Arguments(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<(u32, What)> {
        mentions(text.as_bytes()).into_iter().map(|one| (one.line, one.what)).collect()
    }

    fn includes(path: &str) -> What {
        What::Includes(path.into())
    }

    fn secret(scope: &str, key: &str) -> What {
        What::Secret(scope.into(), key.into())
    }

    #[test]
    fn magic_lines_of_every_language_count() {
        for sign in ["#", "//", "--"] {
            let text = format!(
                "{sign} Databricks notebook source\n{sign} MAGIC %run ./a\n\n{sign} COMMAND ----------\n\n{sign} MAGIC %run \"../b c\" $x=\"1\""
            );
            assert_eq!(named(&text), [(2, includes("./a")), (6, includes("../b c"))], "{text}");
        }
        assert_eq!(named("%run /Shared/with space $day=\"1\""), [(1, includes("/Shared/with space"))]);
        assert_eq!(named("%runner ./a\n%run"), []);
    }

    #[test]
    fn calls_are_read_however_their_arguments_stand() {
        for text in [
            "dbutils.notebook.run('/a', 60)",
            "x = dbutils.notebook.run(\"/a\", 60, {\"k\": v})",
            "dbutils . notebook.run(\n  path = '/a',\n timeout_seconds=1)",
            "dbutils.notebook.run(timeout_seconds=1, path='/a')",
        ] {
            assert_eq!(named(text), [(1, What::Calls("/a".into()))], "{text}");
        }
        for text in
            ["dbutils.notebook.run(path, 60)", "dbutils.notebook.run(f\"/a/{x}\", 1)", "dbutils.notebook.run(\"/a\" + x, 1)"]
        {
            assert_eq!(named(text), [(1, What::ComputedCall)], "{text}");
        }
    }

    #[test]
    fn secrets_are_read_in_every_language() {
        for text in [
            "k = dbutils.secrets.get('s', 'k')",
            "k = dbutils.secrets.get(scope=\"s\", key=\"k\")",
            "k = dbutils.secrets.get(key='k', scope='s')",
            "val k = dbutils.secrets.getBytes(scope = \"s\", key = \"k\")",
            "-- Databricks notebook source\nSELECT secret('s', 'k')",
        ] {
            assert_eq!(named(text).into_iter().map(|(_, what)| what).collect::<Vec<_>>(), [secret("s", "k")], "{text}");
        }
        assert_eq!(named("dbutils.secrets.get(scope, 'k')"), [(1, What::ComputedSecret)]);
        assert_eq!(named("my.secret('s', 'k')"), []);
    }

    #[test]
    fn comments_and_prose_do_not_count() {
        assert_eq!(named("# dbutils.notebook.run('/a', 1)\n// %run ./x\n-- dbutils.secrets.get('s','k')"), []);
        let header = "# Databricks notebook source";
        assert_eq!(named(&format!("{header}\n# MAGIC %md\n# MAGIC %run ./a")), []);
        assert_eq!(named(&format!("{header}\n# DBTITLE 1,T\n\n# MAGIC\n# MAGIC %md\n# MAGIC %run ./a")), []);
        assert_eq!(named(&format!("{header}\n%mdx\n-- COMMAND ----------\n%run ./a")), [(4, includes("./a"))]);
    }

    #[test]
    fn cells_of_jupyter_count_by_number() {
        let text = r##"{"cells":[{"cell_type":"markdown","source":["%run ./no"]},
            {"cell_type":"code","source":["%run ./a\n","# %run ./b\n","dbutils.secrets.get('s', 'k')"]}],"nbformat":4}"##;
        assert_eq!(named(text), [(2, includes("./a")), (2, secret("s", "k"))]);
        let unsorted = r#"{"cells":[{"source":"%run ./a"},{"cell_type":"code","source":"%md\n%run ./b"}]}"#;
        assert_eq!(named(unsorted), [(1, includes("./a"))]);
    }

    #[test]
    fn what_is_no_text_names_nothing() {
        assert_eq!(mentions(&[0xff, b'%', b'r', b'u', b'n', b' ', b'a']), []);
        assert_eq!(named("{\"cells\": 7, \"x\": \"%run ./a\"}"), []);
    }
}

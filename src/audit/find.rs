//! Where a text stands in a bundle, and which values stand at a place of its documents.
//!
//! A match never goes over the end of a line, as in `grep`. Notebooks with cells in JSON are searched by what they mean, and so are
//! documents: text by text, with escapes resolved. Everything else is searched as the bytes that it is.

use super::notebook;
use super::select::{Chosen, document_of};
use super::walk::{self, Piece};
use crate::bundle::{MemberLine, ReadError, Reader};
use regex::bytes::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json_path::JsonPath;
use std::fmt::Write;
use std::ops::Range;

/// Bytes of a line that are told, around the first match: a line may be a whole file.
const LONGEST: usize = 2000;

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, as grep has them")]
pub struct How {
    /// Letters match whatever their case; without this and `exact`, they do where the pattern has no capital.
    pub any_case: bool,
    /// Letters match in their case alone.
    pub exact: bool,
    /// Only whole words.
    pub word: bool,
    /// The pattern is a text, no regular expression.
    pub fixed: bool,
    /// So many lines before and after each match are told.
    pub before: usize,
    /// The same behind it.
    pub after: usize,
}

/// A pattern, read.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    before: usize,
    after: usize,
}

/// A place where the pattern stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hit {
    /// Name of the kind.
    pub kind: String,
    /// True object path, or source id.
    pub path: String,
    /// What people call it: its name where it has an id, else its path.
    pub key: String,
    /// The line, from 1: of the file, of a cell in a Jupyter notebook; absent in documents and in bytes that are no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The cell of a notebook, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<u64>,
    /// JSON pointer of the text in a document (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The line, or a part of it if it is very long; empty for bytes that are no text.
    pub text: String,
    /// Where in `text` the pattern stands: begin and end in bytes.
    pub matches: Vec<(usize, usize)>,
    /// Lines before it, if they are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines after it, if they are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Whether the bytes are no text: then there is one hit, however many there are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub binary: bool,
}

/// How often the pattern stands in an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// Name of the kind.
    pub kind: String,
    /// True object path, or source id.
    pub path: String,
    /// What people call it: its name where it has an id, else its path.
    pub key: String,
    /// Lines in which the pattern stands; of a document, lines of its texts.
    pub count: u64,
}

/// A value that a query found in a document.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Located {
    /// Name of the kind.
    pub kind: String,
    /// True object path, or source id.
    pub path: String,
    /// What people call it: its name where it has an id, else its path.
    pub key: String,
    /// JSON pointer of the value (RFC 6901).
    pub pointer: String,
    /// The value.
    pub value: Value,
}

impl Pattern {
    /// Reads a pattern. Errors: it is no regular expression.
    pub fn new(text: &str, how: How) -> Result<Self, regex::Error> {
        let pattern = if how.fixed { regex::escape(text) } else { text.to_owned() };
        let any_case = how.any_case || !how.exact && !has_capital(text, how.fixed);
        let pattern = if how.word { format!(r"\b{{start-half}}(?:{pattern})\b{{end-half}}") } else { pattern };
        let regex = RegexBuilder::new(&pattern).case_insensitive(any_case).multi_line(true).crlf(true).build()?;
        Ok(Self { regex, before: how.before, after: how.after })
    }

    fn is_in(&self, text: &str) -> bool {
        text.lines().any(|line| self.regex.is_match(line.as_bytes()))
    }

    /// The first line at or behind `from` in which the pattern stands.
    fn next_line(&self, text: &[u8], mut from: usize) -> Option<Range<usize>> {
        loop {
            let found = self.regex.find_at(text, from)?;
            let begin = memchr::memrchr(b'\n', &text[..found.start()]).map_or(0, |at| at + 1);
            let end = memchr::memchr(b'\n', &text[found.start()..]).map_or(text.len(), |at| found.start() + at);
            // What goes over the end of a line may still stand within it, or begin again in a later one.
            if found.end() <= end || self.regex.is_match(&text[begin..end]) {
                return (begin < text.len()).then_some(begin..end);
            }
            from = end + 1;
            if from > text.len() {
                return None;
            }
        }
    }
}

/// Whether a letter of the pattern is a capital; what stands behind a backslash is a class or a sign.
fn has_capital(pattern: &str, fixed: bool) -> bool {
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && !fixed {
            if matches!(letters.next(), Some('p' | 'P')) {
                letters.by_ref().take_while(|c| *c != '}').for_each(drop);
            }
        } else if letter.is_uppercase() {
            return true;
        }
    }
    false
}

/// What is wanted of each hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Hits,
    Counts,
}

/// What was found in an object, or in a piece of one.
#[derive(Debug, Default)]
struct Found {
    hits: Vec<Hit>,
    count: u64,
    /// Lines of the piece, which those of the next one come after; only counted where there is a next one.
    lines: u64,
    borders: u64,
}

/// Tells each place where a pattern stands, in the order of the archive, until `take` says `false`. What is damaged is told to
/// `fault`, which may end the search by `false`.
pub fn find(
    reader: &Reader,
    chosen: &Chosen<'_>,
    pattern: &Pattern,
    take: &mut dyn FnMut(Hit) -> bool,
    fault: &mut dyn FnMut(ReadError) -> bool,
) {
    let (mut of, mut lines, mut borders): (Option<*const MemberLine>, u64, u64) = (None, 0, 0);
    let look = |member: &MemberLine, piece: Piece<'_>| search(member, piece, pattern, Want::Hits);
    let mut told = |member: &MemberLine, found: Found| {
        if of.replace(std::ptr::from_ref(member)) != Some(std::ptr::from_ref(member)) {
            (lines, borders) = (0, 0);
        }
        let goes_on = found.hits.into_iter().all(|hit| {
            let cell = hit.cell.map(|cell| cell + borders);
            take(Hit { line: hit.line.map(|line| line + lines), cell, ..hit })
        });
        (lines, borders) = (lines + found.lines, borders + found.borders);
        goes_on
    };
    walk::each_or(reader, &chosen.members, &look, &mut told, fault);
}

/// Tells how often a pattern stands in each object in which it does.
pub fn count(
    reader: &Reader,
    chosen: &Chosen<'_>,
    pattern: &Pattern,
    take: &mut dyn FnMut(Count) -> bool,
    fault: &mut dyn FnMut(ReadError) -> bool,
) {
    let mut last: Option<Count> = None;
    let look = |member: &MemberLine, piece: Piece<'_>| search(member, piece, pattern, Want::Counts).count;
    let mut told = |member: &MemberLine, count: u64| {
        if count == 0 {
            return true;
        }
        let Hit { kind, path, key, .. } = named(member);
        match &mut last {
            Some(last) if last.kind == kind && last.path == path => last.count += count,
            last => return last.replace(Count { kind, path, key, count }).is_none_or(&mut *take),
        }
        true
    };
    walk::each_or(reader, &chosen.members, &look, &mut told, fault);
    last.map(take);
}

/// Tells each value that a query by `JSONPath` (RFC 9535) finds in a document; with a pattern, only values in which it stands.
pub fn query(
    reader: &Reader,
    chosen: &Chosen<'_>,
    path: &JsonPath,
    pattern: Option<&Pattern>,
    take: &mut dyn FnMut(Located) -> bool,
    fault: &mut dyn FnMut(ReadError) -> bool,
) {
    let documents: Vec<&MemberLine> = chosen.members.iter().copied().filter(|member| document_of(member)).collect();
    let wanted = |value: &Value| match (pattern, value) {
        (None, _) => true,
        (Some(pattern), Value::String(text)) => pattern.is_in(text),
        (Some(pattern), other) => pattern.is_in(&other.to_string()),
    };
    let look = |member: &MemberLine, piece: Piece<'_>| {
        let document: Option<Value> = piece.whole().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let Some(document) = document else { return Vec::new() };
        let nodes = path.query_located(&document);
        let located = nodes.iter().filter(|node| wanted(node.node())).map(|node| {
            let Hit { kind, path, key, .. } = named(member);
            Located { kind, path, key, pointer: node.location().to_json_pointer(), value: node.node().clone() }
        });
        located.collect()
    };
    walk::each_or(reader, &documents, &look, &mut |_, found: Vec<Located>| found.into_iter().all(&mut *take), fault);
}

fn named(member: &MemberLine) -> Hit {
    let (kind, path) = (member.kind.to_string(), member.path.to_string());
    Hit { kind, key: member.key.as_deref().map_or_else(|| path.clone(), str::to_owned), path, ..Hit::default() }
}

fn search(member: &MemberLine, piece: Piece<'_>, pattern: &Pattern, want: Want) -> Found {
    let mut found = Found::default();
    if let Some(bytes) = piece.whole() {
        let is_document = document_of(member);
        let document = is_document.then(|| serde_json::from_slice::<Value>(bytes).ok()).flatten();
        if let Some(document) = document {
            texts(&document, &mut String::new(), &mut |at, text| in_document(member, at, text, pattern, want, &mut found));
            return found;
        }
        if let Some(document) = notebook::jupyter(bytes) {
            in_jupyter(member, &document, pattern, want, &mut found);
            return found;
        }
    }
    in_bytes(member, piece, pattern, want, &mut found);
    found
}

fn in_bytes(member: &MemberLine, piece: Piece<'_>, pattern: &Pattern, want: Want, found: &mut Found) {
    let bytes = piece.bytes;
    if !piece.is_last {
        found.lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        found.borders = notebook::borders(bytes);
    }
    let Some(first) = pattern.next_line(bytes, 0) else { return };
    if memchr::memchr(0, bytes).is_some() {
        found.count = 1;
        found.hits.push(Hit { binary: true, ..named(member) });
        return;
    }
    let is_notebook = &*member.kind == "notebook";
    let (mut line, mut cell, mut seen, mut next) = (1, 1, 0, Some(first));
    while let Some(here) = next {
        found.count += 1;
        if want == Want::Hits {
            line += memchr::memchr_iter(b'\n', &bytes[seen..here.start]).count() as u64;
            cell += if is_notebook { notebook::borders(&bytes[seen..here.start]) } else { 0 };
            seen = here.start;
            let hit = told(bytes, &here, pattern, named(member));
            found.hits.push(Hit { line: Some(line), cell: is_notebook.then_some(cell), ..hit });
        }
        next = if here.end < bytes.len() { pattern.next_line(bytes, here.end + 1) } else { None };
    }
}

fn in_jupyter(member: &MemberLine, document: &Value, pattern: &Pattern, want: Want, found: &mut Found) {
    let cells = document.get("cells").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (number, cell) in (1..).zip(cells) {
        let text = notebook::source_of(cell);
        in_text(&text, pattern, &mut |line, here| {
            found.count += 1;
            if want == Want::Hits {
                let hit = told(text.as_bytes(), &here, pattern, named(member));
                found.hits.push(Hit { line: Some(line), cell: Some(number), ..hit });
            }
        });
    }
    // What cells showed, and what else the file holds, is found by its place.
    texts(document, &mut String::new(), &mut |at, text| {
        let is_source = at.strip_prefix("/cells/").and_then(|rest| rest.split_once('/')).is_some_and(|(_, rest)| is_source(rest));
        if !is_source {
            in_document(member, at, text, pattern, want, found);
        }
    });
}

fn is_source(pointer: &str) -> bool {
    pointer == "source" || pointer.starts_with("source/")
}

/// Each line of a text in which the pattern stands, with its number.
fn in_text(text: &str, pattern: &Pattern, act: &mut dyn FnMut(u64, Range<usize>)) {
    let bytes = text.as_bytes();
    let (mut line, mut seen, mut next) = (1, 0, pattern.next_line(bytes, 0));
    while let Some(here) = next {
        line += memchr::memchr_iter(b'\n', &bytes[seen..here.start]).count() as u64;
        seen = here.start;
        next = if here.end < bytes.len() { pattern.next_line(bytes, here.end + 1) } else { None };
        act(line, here);
    }
}

/// A text of a document, and where it stands; or the name of a member, whose value is told with it.
#[derive(Clone, Copy)]
enum Text<'a> {
    Value(&'a str),
    Name(&'a str, &'a Value),
}

fn in_document(member: &MemberLine, at: &str, text: Text<'_>, pattern: &Pattern, want: Want, found: &mut Found) {
    let mut add = |hit: Hit| {
        found.count += 1;
        if want == Want::Hits {
            found.hits.push(Hit { pointer: Some(at.to_owned()), ..hit });
        }
    };
    match text {
        Text::Value(text) => {
            in_text(text, pattern, &mut |_, here| add(told(text.as_bytes(), &here, pattern, named(member))));
        }
        Text::Name(name, value) if pattern.is_in(name) => {
            let line = match value {
                Value::Object(_) => format!("{name}: {{…}}"),
                Value::Array(_) => format!("{name}: […]"),
                value => format!("{name}: {value}"),
            };
            let matches = pattern.regex.find_iter(name.as_bytes()).map(|found| (found.start(), found.end())).collect();
            add(Hit { text: cut(&line, 0).0.to_owned(), matches, ..named(member) });
        }
        Text::Name(..) => {}
    }
}

/// All texts of a document: strings, numbers, and names of members.
fn texts(value: &Value, at: &mut String, act: &mut dyn FnMut(&str, Text<'_>)) {
    let length = at.len();
    match value {
        Value::String(text) => act(at, Text::Value(text)),
        Value::Number(_) | Value::Bool(_) => act(at, Text::Value(&value.to_string())),
        Value::Null => {}
        Value::Array(all) => all.iter().enumerate().for_each(|(index, one)| {
            let _ = write!(at, "/{index}");
            texts(one, at, act);
            at.truncate(length);
        }),
        Value::Object(members) => members.iter().for_each(|(name, one)| {
            at.push('/');
            at.push_str(&name.replace('~', "~0").replace('/', "~1"));
            act(at, Text::Name(name, one));
            texts(one, at, act);
            at.truncate(length);
        }),
    }
}

/// A line with its matches, and those around it.
fn told(bytes: &[u8], here: &Range<usize>, pattern: &Pattern, hit: Hit) -> Hit {
    let line = bytes[here.clone()].strip_suffix(b"\r").unwrap_or(&bytes[here.clone()]);
    let text = String::from_utf8_lossy(line);
    let found: Vec<Range<usize>> = pattern.regex.find_iter(text.as_bytes()).map(|found| found.range()).collect();
    let (part, from) = cut(&text, found.first().map_or(0, |first| first.start));
    let inside = |range: &Range<usize>| Some((range.start.checked_sub(from)?, range.end.min(from + part.len()) - from));
    let matches = found.iter().filter(|range| range.start < from + part.len()).filter_map(inside).collect();
    let mut before = lines_before(bytes, here.start, pattern.before);
    before.reverse();
    let rest = bytes.get(here.end + 1..).filter(|rest| !rest.is_empty());
    let rest = rest.map(|rest| rest.strip_suffix(b"\n").unwrap_or(rest));
    let after = rest.into_iter().flat_map(|rest| rest.split(|byte| *byte == b'\n')).take(pattern.after).map(plain).collect();
    Hit { text: part.to_owned(), matches, before, after, ..hit }
}

/// Lines before a place, the nearest first.
fn lines_before(bytes: &[u8], mut at: usize, number: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < number && at > 0 {
        let end = at - 1;
        at = memchr::memrchr(b'\n', &bytes[..end]).map_or(0, |found| found + 1);
        lines.push(plain(&bytes[at..end]));
    }
    lines
}

fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
    cut(&text, 0).0.to_owned()
}

/// At most so much of a line as is told, around a place, and where it begins.
fn cut(text: &str, around: usize) -> (&str, usize) {
    if text.len() <= LONGEST {
        return (text, 0);
    }
    let floor = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let from = floor(around.saturating_sub(LONGEST / 4));
    (&text[from..floor((from + LONGEST).min(text.len()))], from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pattern: &str, how: How, text: &str) -> Vec<u64> {
        let pattern = Pattern::new(pattern, how).unwrap();
        let mut lines = Vec::new();
        in_text(text, &pattern, &mut |line, _| lines.push(line));
        lines
    }

    #[test]
    fn matches_stay_in_their_lines() {
        let text = "a b\n\nfoo\r\nb a\nfoo bar";
        let how = How::default();
        assert_eq!(lines("foo", how, text), [3, 5]);
        assert_eq!(lines(r"b\s+foo", how, text), Vec::<u64>::new());
        assert_eq!(lines(r"b[^x]*", how, text), [1, 4, 5]);
        assert_eq!(lines("^foo$", how, text), [3]);
        assert_eq!(lines("o$", how, text), [3]);
        assert_eq!(lines("^", how, "x\ny\n"), [1, 2]);
        assert_eq!(lines("^$", how, "x\n\ny"), [2]);
        assert_eq!(lines("", how, ""), Vec::<u64>::new());
    }

    #[test]
    fn a_capital_makes_letters_exact() {
        let how = How::default();
        assert_eq!(lines("foo", how, "Foo\nfoo"), [1, 2]);
        assert_eq!(lines("Foo", how, "Foo\nfoo"), [1]);
        assert_eq!(lines(r"foo\W", how, "Foo.\nfoo"), [1]);
        assert_eq!(lines(r"\p{Lu}oo", how, "Foo\nfoo").len(), 2);
        assert_eq!(lines("Foo", How { any_case: true, ..how }, "Foo\nfoo"), [1, 2]);
        assert_eq!(lines("foo", How { exact: true, ..how }, "Foo\nfoo"), [2]);
        assert_eq!(lines("a.b", How { fixed: true, ..how }, "a.b\naxb"), [1]);
        assert_eq!(lines("foo", How { word: true, ..how }, "foo\nfoobar\na-foo"), [1, 3]);
        assert!(Pattern::new("(", how).is_err());
    }

    #[test]
    fn a_line_is_told_with_its_matches_and_neighbours() {
        let pattern = Pattern::new("b", How { before: 1, after: 2, ..How::default() }).unwrap();
        let text = b"one\ntwo\nabab\r\nx\n";
        let here = pattern.next_line(text, 0).unwrap();
        let hit = told(text, &here, &pattern, Hit::default());
        assert_eq!((hit.text.as_str(), hit.matches), ("abab", vec![(1, 2), (3, 4)]));
        assert_eq!((hit.before, hit.after), (vec!["two".to_owned()], vec!["x".to_owned()]));
        let long = format!("{}é needle {}", "x".repeat(5000), "y".repeat(5000));
        let pattern = Pattern::new("needle", How::default()).unwrap();
        let hit = told(long.as_bytes(), &(0..long.len()), &pattern, Hit::default());
        assert!(hit.text.len() <= LONGEST && &hit.text[hit.matches[0].0..hit.matches[0].1] == "needle");
    }

    #[test]
    fn texts_of_a_document_have_their_places() {
        let document = serde_json::json!({ "a/b": ["x", { "~": 7 }], "n": null, "t": true });
        let mut seen = Vec::new();
        texts(&document, &mut String::new(), &mut |at, text| {
            if let Text::Value(text) = text {
                assert!(document.pointer(at).is_some());
                seen.push(format!("{at}={text}"));
            }
        });
        assert_eq!(seen, ["/a~1b/0=x", "/a~1b/1/~0=7", "/t=true"]);
    }
}

//! Where a text stands in a bundle, and which values stand at a place of its documents.
//!
//! Notebooks with cells in JSON are searched by what they mean, and so are documents: text by text, with escapes resolved.
//! Everything else is searched as the bytes that it is.

use super::hit::{Count, Hit, Located, cut, named, told};
use super::pattern::Pattern;
use super::select::{Chosen, document_of};
use super::walk::{self, Piece};
use crate::bundle::{MemberLine, ReadError, Reader};
use crate::notebook::{self, Places, Signs};
use serde_json::Value;
use serde_json_path::JsonPath;
use std::fmt::Write;

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
    let (mut of, mut lines): (Option<*const MemberLine>, u64) = (None, 0);
    let look = |member: &MemberLine, piece: Piece<'_>| search(member, piece, pattern, Want::Hits);
    let mut told = |member: &MemberLine, found: Found| {
        if of.replace(std::ptr::from_ref(member)) != Some(std::ptr::from_ref(member)) {
            lines = 0;
        }
        let goes_on = found.hits.into_iter().all(|hit| take(Hit { line: hit.line.map(|line| line + lines), ..hit }));
        lines += found.lines;
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
    }
    let Some(first) = pattern.next_line(bytes, 0) else { return };
    if memchr::memchr(0, bytes).is_some() {
        found.count = 1;
        found.hits.push(Hit { binary: true, ..named(member) });
        return;
    }
    // A notebook is never so large that it comes in pieces.
    let is_notebook = &*member.kind == "notebook" && piece.whole().is_some();
    let mut places = Places::new(bytes, Signs::of(bytes));
    let mut next = Some(first);
    while let Some(here) = next {
        found.count += 1;
        if want == Want::Hits {
            let (line, cell) = places.of(here.start);
            let hit = told(bytes, &here, pattern, named(member));
            found.hits.push(Hit { line: Some(line), cell: is_notebook.then_some(cell), ..hit });
        }
        next = if here.end < bytes.len() { pattern.next_line(bytes, here.end + 1) } else { None };
    }
}

fn in_jupyter(member: &MemberLine, document: &Value, pattern: &Pattern, want: Want, found: &mut Found) {
    for cell in notebook::cells_of(document) {
        pattern.each_line(&cell.stored, &mut |line, here| {
            found.count += 1;
            if want == Want::Hits {
                let hit = told(cell.stored.as_bytes(), &here, pattern, named(member));
                found.hits.push(Hit { line: Some(line), cell: Some(cell.number), ..hit });
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
            pattern.each_line(text, &mut |_, here| add(told(text.as_bytes(), &here, pattern, named(member))));
        }
        Text::Name(name, value) if pattern.is_in(name) => {
            let line = match value {
                Value::Object(_) => format!("{name}: {{…}}"),
                Value::Array(_) => format!("{name}: […]"),
                value => format!("{name}: {value}"),
            };
            let matches = pattern.places(name).map(|range| (range.start, range.end)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

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

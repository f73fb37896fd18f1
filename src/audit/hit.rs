//! What a search tells of a place: the object, where in it, and the line with its neighbours, cut where it is very long.

use super::pattern::Pattern;
use crate::bundle::MemberLine;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::ops::Range;

/// Bytes of a line that are told, around the first match: a line may be a whole file.
const LONGEST: usize = 2000;

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

/// The object of a hit that says nothing yet.
pub(super) fn named(member: &MemberLine) -> Hit {
    let (kind, path) = (member.kind.to_string(), member.path.to_string());
    Hit { kind, key: member.key.as_deref().map_or_else(|| path.clone(), str::to_owned), path, ..Hit::default() }
}

/// A line with its matches, and those around it.
pub(super) fn told(bytes: &[u8], here: &Range<usize>, pattern: &Pattern, hit: Hit) -> Hit {
    let line = bytes[here.clone()].strip_suffix(b"\r").unwrap_or(&bytes[here.clone()]);
    let text = String::from_utf8_lossy(line);
    let found: Vec<Range<usize>> = pattern.places(&text).collect();
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
pub(super) fn cut(text: &str, around: usize) -> (&str, usize) {
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
    use crate::audit::How;

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
}

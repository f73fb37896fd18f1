//! One manifest line, read by itself: an allow-list. A key or a value that the format does not list is refused, unless the
//! bundle says that a newer minor version wrote it. What lines say of each other is [`super::parse`]'s business.
//!
//! Lines as our writer makes them go through [`super::canon`], all others through a slower way that decides what is allowed.

use super::canon;
use super::fields::{Fields, checked_kind, line_fault};
use super::finding::{Fault, Finding};
use super::json::parse_line;
use super::manifest::{FrameLine, Gap, HeadLine, KindLine, MemberLine, Redacted};
use super::name::{Marks, Neighbours, ROOT};
use super::tarhead::head_len;
use crate::spool::Sha;
use serde_json::Value;
use std::sync::Arc;

/// The sorts of lines in their order.
pub(crate) const SORTS: [&str; 6] = ["bundle", "frame", "member", "gap", "kind", "redacted"];

/// Features in `requires` that this reader knows: none in format 1.0.
const KNOWN_FEATURES: [&str; 0] = [];

/// How lines are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// A newer minor version wrote them: keys and sorts that are not known are kept, not refused.
    pub(crate) lenient: bool,
    /// What is known of members besides their places is kept.
    pub(crate) keep_meta: bool,
}

/// One line.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// A first line, unread: it has no place but the first.
    Head,
    /// A frame and the index that it says it has.
    Frame(u64, FrameLine),
    /// Any other member. They are few, and the others should not be moved about in room for them.
    Member(Box<NamedMember>),
    /// A member as our writer wrote it.
    Written(Written),
    Gap(Gap),
    Kind(KindLine),
    Redacted(Redacted),
    /// Of a newer minor version.
    Unknown(Box<str>),
}

/// A member's line, and what follows from its name.
#[derive(Debug, PartialEq)]
pub(crate) struct NamedMember {
    pub(crate) line: MemberLine,
    pub(crate) marks: Marks,
    /// Bytes before its body.
    pub(crate) head_len: u64,
}

/// The same as [`NamedMember`], with texts that are still where they were read.
#[derive(Debug, PartialEq)]
pub(crate) struct Written {
    kind: Arc<str>,
    path: Span,
    key: Option<Span>,
    name: Span,
    size: u64,
    sha256: Sha,
    frame: u32,
    at: u32,
    degraded: Option<Span>,
    meta: Span,
    marks: Marks,
    head_len: u64,
}

/// A text by its place in a block: many threads read, and one makes texts of what they found.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    from: u32,
    len: u32,
}

impl Span {
    /// Where a slice of a text begins and how long it is; a block is far smaller than 4 GiB.
    fn of(part: &str, whole: &str) -> Self {
        let from = part.as_ptr().addr() - whole.as_ptr().addr();
        Self { from: u32::try_from(from).unwrap_or(u32::MAX), len: u32::try_from(part.len()).unwrap_or(u32::MAX) }
    }

    fn text(self, whole: &str) -> Box<str> {
        let from = self.from as usize;
        whole.get(from..from + self.len as usize).unwrap_or_default().into()
    }
}

impl Written {
    /// Makes the line; `text` is what was read.
    pub(crate) fn named(self, text: &str) -> NamedMember {
        let line = MemberLine {
            path: self.path.text(text),
            kind: self.kind,
            key: self.key.map(|key| key.text(text)),
            name: self.name.text(text),
            size: self.size,
            sha256: self.sha256,
            frame: self.frame,
            at: self.at,
            degraded: self.degraded.map(|reason| reason.text(text)),
            meta: self.meta.text(text),
            raw: None,
        };
        NamedMember { line, marks: self.marks, head_len: self.head_len }
    }
}

/// Some lines in their order, as far as they can be read.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) lines: Vec<Line>,
    /// Why the line after them cannot be read.
    pub(crate) fault: Option<Finding>,
}

/// Reads lines, each of which ends with a line feed.
pub(crate) fn piece(text: &[u8], terms: Terms) -> Piece {
    let mut reading = Reading { terms, words: Vec::new(), names: Neighbours::default(), tar_name: String::from(ROOT) };
    let mut piece = Piece { lines: Vec::with_capacity(text.len() / 256), fault: None };
    let mut add = |line: Result<Line, Finding>| match line {
        Ok(line) => {
            piece.lines.push(line);
            true
        }
        Err(fault) => {
            piece.fault = Some(fault);
            false
        }
    };
    match std::str::from_utf8(text) {
        Ok(text) => cut(text).all(|line| add(reading.line(line, text))),
        Err(_) => text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n').all(|line| add(reading.any_line(line))),
    };
    piece
}

/// Cuts a text into its lines.
fn cut(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    memchr::memchr_iter(b'\n', text.as_bytes()).map(move |end| &text[std::mem::replace(&mut from, end + 1)..end])
}

/// Reads the first line, and says how to read the others.
pub(crate) fn head(text: &[u8], newest_minor: u16) -> Result<(HeadLine, Terms), Finding> {
    let mut fields = Fields(parse_line(text).map_err(line_fault)?);
    let sort = fields.text("t")?;
    match SORTS.iter().position(|known| *known == sort) {
        Some(0) => {}
        Some(_) => return Err(misplaced(&sort)),
        None => return Err(unknown(&sort)),
    }
    if fields.text("format")? != "lifeboat" {
        return Err(line_fault("the format is not \"lifeboat\""));
    }
    let (major, minor) = (fields.small("major")?, fields.small("minor")?);
    let lenient = minor > newest_minor;
    let head = HeadLine {
        major,
        minor,
        requires: fields.texts("requires")?,
        created: fields.time("created")?,
        tool: fields.text("tool")?,
        source: fields.map("source")?,
        selection: fields.0.shift_remove("selection"),
        content_id: fields.sha("content_id")?,
        previous: fields.previous(lenient)?,
        counts: fields.counts(lenient)?,
        states: fields.states(lenient)?,
    };
    if head.tool.chars().any(char::is_control) {
        return Err(line_fault("the tool's name has control characters"));
    }
    fields.done(lenient || !foreign(&head).is_empty())?;
    Ok((head, Terms { lenient, keep_meta: true }))
}

/// Features that the bundle requires and this reader does not know.
pub(crate) fn foreign(head: &HeadLine) -> Vec<String> {
    head.requires.iter().filter(|feature| !KNOWN_FEATURES.contains(&feature.as_str())).cloned().collect()
}

/// A line of a known sort where another must stand.
pub(crate) fn misplaced(sort: &str) -> Finding {
    Finding::new(Fault::Order, format!("a line of the sort \"{sort}\" does not belong here"))
}

fn unknown(sort: &str) -> Finding {
    line_fault(format!("the sort \"{sort}\" is unknown"))
}

/// What stays the same from line to line, and what is used again.
struct Reading {
    terms: Terms,
    words: Vec<Arc<str>>,
    names: Neighbours,
    tar_name: String,
}

impl Reading {
    fn line(&mut self, line: &str, whole: &str) -> Result<Line, Finding> {
        match canon::member(line) {
            Some(member) => self.written(&member, whole),
            None => self.any_line(line.as_bytes()),
        }
    }

    /// A member as our writer wrote it, in a text.
    fn written(&mut self, member: &canon::Member<'_>, whole: &str) -> Result<Line, Finding> {
        let kind = self.word(member.kind)?;
        let frame = u32::try_from(member.frame).map_err(|_| Fields::wrong("frame"))?;
        let at = u32::try_from(member.at).map_err(|_| Fields::wrong("at"))?;
        let (marks, head_len) = self.follows(member.name, member.kind, member.size)?;
        let span = |part: &str| Span::of(part, whole);
        Ok(Line::Written(Written {
            kind,
            path: span(member.path),
            key: member.key.map(span),
            name: span(member.name),
            size: member.size,
            sha256: member.sha256,
            frame,
            at,
            degraded: member.degraded.map(span),
            meta: if self.terms.keep_meta { span(member.meta) } else { Span { from: 0, len: 0 } },
            marks,
            head_len,
        }))
    }

    fn any_line(&mut self, text: &[u8]) -> Result<Line, Finding> {
        let mut fields = Fields(parse_line(text).map_err(line_fault)?);
        let sort = fields.text("t")?;
        let line = match SORTS.iter().position(|known| *known == sort) {
            Some(0) => return Ok(Line::Head),
            Some(1) => fields.frame().map(|(index, frame)| Line::Frame(index, frame))?,
            Some(2) => self.member(&mut fields, text)?,
            Some(3) => Line::Gap(fields.gap()?),
            Some(4) => Line::Kind(fields.kind_line()?),
            Some(_) => Line::Redacted(fields.redacted()?),
            None if self.terms.lenient => return Ok(Line::Unknown(String::from_utf8_lossy(text).into())),
            None => return Err(unknown(&sort)),
        };
        fields.done(self.terms.lenient)?;
        Ok(line)
    }

    fn member(&mut self, fields: &mut Fields, text: &[u8]) -> Result<Line, Finding> {
        let mut line = MemberLine {
            path: fields.text("path")?.into(),
            kind: self.word(&fields.text("kind")?)?,
            key: fields.optional_text("key")?.map(Into::into),
            name: fields.text("name")?.into(),
            size: fields.number("size")?,
            sha256: fields.sha("sha256")?,
            frame: fields.small("frame")?,
            at: fields.small("at")?,
            degraded: fields.degraded()?.map(Into::into),
            meta: Box::default(),
            raw: None,
        };
        let meta = fields.map("meta")?;
        if self.terms.keep_meta {
            line.meta = Value::Object(meta).to_string().into();
        }
        if !fields.0.is_empty() {
            line.raw = Some(String::from_utf8_lossy(text).into());
        }
        let (marks, head_len) = self.follows(&line.name, &line.kind, line.size)?;
        Ok(Line::Member(Box::new(NamedMember { line, marks, head_len })))
    }

    /// What follows from a name that is allowed.
    fn follows(&mut self, name: &str, kind: &str, size: u64) -> Result<(Marks, u64), Finding> {
        let marks = self
            .names
            .check(name, kind)
            .map_err(|why| Finding::new(Fault::Name, format!("the name {name:?} is not allowed: {why}")))?;
        self.tar_name.truncate(ROOT.len());
        self.tar_name.push_str(name);
        Ok((marks, head_len(&self.tar_name, size)))
    }

    fn word(&mut self, word: &str) -> Result<Arc<str>, Finding> {
        if let Some(known) = self.words.iter().find(|known| ***known == *word) {
            return Ok(known.clone());
        }
        let word: Arc<str> = checked_kind(word.to_owned())?.into();
        self.words.push(word.clone());
        Ok(word)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::{self, MemberParts};
    use super::*;
    use proptest::prelude::*;

    const TERMS: [Terms; 2] = [Terms { lenient: false, keep_meta: true }, Terms { lenient: true, keep_meta: false }];

    fn reading(terms: Terms) -> Reading {
        Reading { terms, words: Vec::new(), names: Neighbours::default(), tar_name: String::from(ROOT) }
    }

    /// Both ways must come to the same end, good or bad.
    fn both_ways(text: &str) {
        for terms in TERMS {
            let fast = reading(terms).line(text, text).map(|line| match line {
                Line::Written(written) => Line::Member(Box::new(written.named(text))),
                other => other,
            });
            assert_eq!(fast, reading(terms).any_line(text.as_bytes()), "{text}");
        }
    }

    fn written(path: &str, name: &str, degraded: Option<&str>, meta: &Value) -> String {
        let (key, sha256) = (Some(path).filter(|path| path.len() % 2 == 1), &[0xA7; 32]);
        let parts =
            MemberParts { path, kind: "job", key, name, size: 77, sha256, frame: 3, at: 512, degraded, meta: &meta.to_string() };
        String::from_utf8(lines::member(&parts).unwrap()).unwrap().trim_end().to_owned()
    }

    fn sample() -> String {
        let meta =
            serde_json::json!({"a": [1, -2, true, null], "b": {"": "x", "é": []}, "c": {}, "modified_at": 1_700_000_000_000_u64});
        written("/Users/zoë/etl", "data/job/Users/zoë/etl.json", Some("cut"), &meta)
    }

    #[test]
    fn what_our_writer_writes_is_read_the_fast_way() {
        assert!(canon::member(&sample()).is_some());
        both_ways(&sample());
        let escaped = written("a \"quoted\" \\ path", "data/job/1.json", None, &serde_json::json!({}));
        assert!(canon::member(&escaped).is_none());
        both_ways(&escaped);
    }

    #[test]
    fn the_fast_way_takes_nothing_that_the_other_does_not() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let (deepest, deeper) = (deep(14), deep(15));
        let swaps = [
            ("\"size\":77", "\"size\":077"),
            ("\"size\":77", "\"size\":7.7"),
            ("\"size\":77", "\"size\":-77"),
            ("\"size\":77", "\"size\":9007199254740992"),
            ("\"size\":77", "\"size\":9007199254740991"),
            ("\"size\":77", "\"size\":99999999999999999999"),
            ("\"size\":77", "\"size\":77,\"size\":77"),
            ("\"frame\":3", "\"frame\":4294967296"),
            ("-2", "-0"),
            ("-2", "-"),
            ("-2", "- 2"),
            ("-2", "-9007199254740992"),
            ("-2", &deepest),
            ("-2", &deeper),
            ("\"b\":", "\"a\":"),
            ("\"b\":", "\"A\":"),
            ("\"c\":{}", "\"c\":{},"),
            ("\"c\":{}", "\"c\":{,}"),
            ("\"c\":{}", "\"c\":\"\u{7f}\""),
            ("\"c\":{}", "\"c\":\"\t\""),
            ("\"meta\":{", "\"meta\":[{"),
            ("a7a7", "A7a7"),
            ("a7a7", "a7"),
            ("\"kind\":\"job\"", "\"kind\":\"Job\""),
            ("\"state\":\"degraded\",", ""),
            ("data/job", "data/../job"),
            ("}", "} "),
            ("{\"t\"", " {\"t\""),
        ];
        for (from, to) in swaps {
            let text = sample();
            assert!(text.contains(from), "{from}");
            both_ways(&text.replacen(from, to, 1));
        }
        both_ways(&sample().replace('}', "}}"));
    }

    proptest! {
        #[test]
        fn changed_lines_are_read_alike(at in 0usize..400, cut in 0usize..4, put in "[\\]\\[{}\",:0-9a-c\\\\ \t\n-]{0,3}|\"[a-c]\":1,|true|null|é") {
            let text = sample();
            let floor = |mut at: usize| { at = at.min(text.len()); while !text.is_char_boundary(at) { at -= 1 } at };
            let (from, to) = (floor(at), floor(at + cut));
            both_ways(&format!("{}{put}{}", &text[..from], &text[to..]));
        }

        #[test]
        fn written_lines_are_read_alike(path in "\\PC{0,20}", reason in proptest::option::of("\\PC{0,9}"), text in "\\PC{0,9}", number in any::<i64>()) {
            let meta = super::super::json::tame(serde_json::json!({"k": text, &path: number, "list": [number, [text]]}), 2).unwrap();
            both_ways(&written(&path, "data/job/1.json", reason.as_deref(), &meta));
        }
    }
}

//! A pattern, and the lines in which it stands. A match never goes over the end of a line, as in `grep`.

use regex::bytes::{Regex, RegexBuilder};
use std::ops::Range;

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
    pub(super) before: usize,
    pub(super) after: usize,
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

    pub(super) fn is_in(&self, text: &str) -> bool {
        text.lines().any(|line| self.regex.is_match(line.as_bytes()))
    }

    /// The first line at or behind `from` in which the pattern stands.
    pub(super) fn next_line(&self, text: &[u8], mut from: usize) -> Option<Range<usize>> {
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

    /// Each line of a text in which the pattern stands, with its number.
    pub(super) fn each_line(&self, text: &str, act: &mut dyn FnMut(u64, Range<usize>)) {
        let bytes = text.as_bytes();
        let (mut line, mut seen, mut next) = (1, 0, self.next_line(bytes, 0));
        while let Some(here) = next {
            line += memchr::memchr_iter(b'\n', &bytes[seen..here.start]).count() as u64;
            seen = here.start;
            next = if here.end < bytes.len() { self.next_line(bytes, here.end + 1) } else { None };
            act(line, here);
        }
    }

    /// Where the pattern stands in a text.
    pub(super) fn places(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        self.regex.find_iter(text.as_bytes()).map(|found| found.range())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pattern: &str, how: How, text: &str) -> Vec<u64> {
        let pattern = Pattern::new(pattern, how).unwrap();
        let mut lines = Vec::new();
        pattern.each_line(text, &mut |line, _| lines.push(line));
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
}

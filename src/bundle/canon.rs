//! Member lines as our own writer makes them, read without building anything: keys in their order, no white space, no escapes,
//! keys of `meta` ascending. Nearly all lines are like that, and a bundle of 100,000 of them opens several times as fast.
//!
//! Never more lenient than [`super::json`] and [`super::line`], which read all other lines: what is taken here, they take too
//! and understand alike. Where there is any doubt, the answer is nothing, and they decide.

use super::json::{MAX_DEPTH, MAX_INTEGER, MAX_LINE};
use crate::spool::Sha;

/// A member's line; texts are slices of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Member<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) size: u64,
    pub(crate) sha256: Sha,
    pub(crate) frame: u64,
    pub(crate) at: u64,
    pub(crate) degraded: Option<&'a str>,
    /// Compact JSON.
    pub(crate) meta: &'a str,
}

/// Reads a member's line, without its line feed. Nothing if it is another line or needs a closer look.
pub(crate) fn member(line: &str) -> Option<Member<'_>> {
    let mut rest = Cursor { rest: line };
    rest.word("{\"t\":\"member\",\"path\":\"").filter(|()| is_simple(line))?;
    let path = rest.text()?;
    rest.word(",\"kind\":\"")?;
    let kind = rest.text()?;
    let key = match rest.word(",\"key\":\"") {
        Some(()) => Some(rest.text()?),
        None => None,
    };
    rest.word(",\"name\":\"")?;
    let name = rest.text()?;
    rest.word(",\"size\":")?;
    let size = rest.number()?;
    rest.word(",\"sha256\":\"")?;
    let sha256 = unhex(rest.text()?.as_bytes())?;
    rest.word(",\"frame\":")?;
    let frame = rest.number()?;
    rest.word(",\"at\":")?;
    let at = rest.number()?;
    let degraded = match rest.word(",\"state\":\"degraded\",\"reason\":\"") {
        Some(()) => Some(rest.text()?),
        None => None,
    };
    rest.word(",\"meta\":")?;
    let from = rest.rest;
    rest.value(2).filter(|()| from.starts_with('{'))?;
    let meta = &from[..from.len() - rest.rest.len()];
    (rest.rest == "}").then_some(Member { path, kind, key, name, size, sha256, frame, at, degraded, meta })
}

/// A digest as 64 lower-case hex digits.
pub(crate) fn unhex(digits: &[u8]) -> Option<Sha> {
    let mut sha = [0; 32];
    let mut all = 0;
    for (byte, pair) in sha.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        *byte = high << 4 | low & 15;
        all |= high | low;
    }
    (digits.len() == 64 && all < 16).then_some(sha)
}

/// The value of each lower-case hex digit; 255 for all other bytes.
static NIBBLES: [u8; 256] = {
    let (mut table, mut value) = ([255u8; 256], 0u8);
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

/// Not too long, and without backslashes and control characters: then a text ends at the next quotation mark. Looks at every
/// byte, since a loop without an early end is done many bytes at a time.
fn is_simple(line: &str) -> bool {
    let special = |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'\\');
    line.len() <= MAX_LINE && line.bytes().fold(0, |found, byte| found | special(byte)) == 0
}

/// What is left of a simple line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn word(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    /// A text whose opening mark is behind us.
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        let end = memchr::memchr(b'"', self.rest.as_bytes())?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Some(text)
    }

    /// Digits without a needless zero, as far as they are exact everywhere.
    fn number(&mut self) -> Option<u64> {
        let digits = self.rest.bytes().take(17).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        if !(1..=16).contains(&digits) || (digits > 1 && number.starts_with('0')) {
            return None;
        }
        self.rest = rest;
        let number = number.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        (number <= MAX_INTEGER).then_some(number)
    }

    /// A value; an object or an array is at this level, the line itself at the first.
    fn value(&mut self, level: usize) -> Option<()> {
        match self.rest.as_bytes().first()? {
            b'"' => {
                self.word("\"")?;
                self.text().map(drop)
            }
            b'{' => self.object(level),
            b'[' => self.array(level),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' => {
                self.word("-")?;
                self.number().filter(|number| *number > 0).map(drop)
            }
            _ => self.number().map(drop),
        }
    }

    /// Keys must ascend, so that none stands twice.
    fn object(&mut self, level: usize) -> Option<()> {
        self.word("{").filter(|()| level <= MAX_DEPTH)?;
        if self.word("}").is_some() {
            return Some(());
        }
        let mut last = None;
        loop {
            self.word("\"")?;
            let key = self.text()?;
            if last.replace(key).is_some_and(|last| last >= key) {
                return None;
            }
            self.word(":")?;
            self.value(level + 1)?;
            if self.word(",").is_none() {
                return self.word("}");
            }
        }
    }

    fn array(&mut self, level: usize) -> Option<()> {
        self.word("[").filter(|()| level <= MAX_DEPTH)?;
        if self.word("]").is_some() {
            return Some(());
        }
        loop {
            self.value(level + 1)?;
            if self.word(",").is_none() {
                return self.word("]");
            }
        }
    }
}

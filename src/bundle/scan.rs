//! Member lines in the very form in which this program writes them, read without a detour over values: a bundle may hold
//! very many, and every command reads them all.
//!
//! Whatever is not exactly of that form (other keys or another order, an escape in a text, a state, keys of meta that do not
//! ascend) is left to the strict reader, which knows every rule and has every message. So nothing is accepted here that is
//! not accepted there, with the same outcome; the tests hold the two together.

use super::json::{MAX_DEPTH, MAX_INTEGER, MAX_LINE};
use crate::spool::Sha;

/// A member's line, taken apart; texts are slices of the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scanned<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) size: u64,
    pub(crate) sha256: Sha,
    pub(crate) frame: u32,
    pub(crate) at: u32,
    /// Compact JSON, as the strict reader would write it again.
    pub(crate) meta: &'a str,
}

/// Takes a line apart; nothing if it is of any other form.
pub(crate) fn member(line: &[u8]) -> Option<Scanned<'_>> {
    let text = std::str::from_utf8(line).ok().filter(|text| text.len() <= MAX_LINE)?;
    let mut scan = Scan { text, at: 0 };
    let path = scan.after("{\"t\":\"member\",\"path\":\"")?.text()?;
    let kind = scan.after(",\"kind\":\"")?.text()?;
    let key = if scan.sees(",\"key\":\"") { Some(scan.after(",\"key\":\"")?.text()?) } else { None };
    let name = scan.after(",\"name\":\"")?.text()?;
    let size = scan.after(",\"size\":")?.number()?;
    let sha256 = unhex(scan.after(",\"sha256\":\"")?.text()?)?;
    let frame = u32::try_from(scan.after(",\"frame\":")?.number()?).ok()?;
    let at = u32::try_from(scan.after(",\"at\":")?.number()?).ok()?;
    let begin = scan.after(",\"meta\":")?.at;
    scan.object(2)?;
    let meta = text.get(begin..scan.at)?;
    (scan.after("}")?.at == text.len()).then_some(Scanned { path, kind, key, name, size, sha256, frame, at, meta })
}

/// A digest from 64 lower-case hex digits.
pub(crate) fn unhex(text: &str) -> Option<Sha> {
    let (mut sha, mut wrong) = ([0; 32], text.len() != 64);
    for (byte, pair) in sha.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        wrong |= (high | low) > 0xf;
        *byte = high << 4 | low & 0xf;
    }
    (!wrong).then_some(sha)
}

/// What each byte is worth as a lower-case hex digit; 255 if it is none.
const DIGITS: [u8; 256] = {
    let (mut table, mut value) = ([0xff; 256], 0);
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn sees(&self, word: &str) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()))
    }

    fn after(&mut self, word: &str) -> Option<&mut Self> {
        self.sees(word).then(|| {
            self.at += word.len();
            self
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The rest of a text whose quote was read; its end quote is read too. Nothing if it holds an escape or a control character.
    fn text(&mut self) -> Option<&'a str> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let len = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
        let found = self.text.get(self.at..self.at + len).filter(|_| rest[len] == b'"')?;
        self.at += len + 1;
        Some(found)
    }

    /// An integer without sign, needless zeros, fraction or exponent, that is exact everywhere.
    fn number(&mut self) -> Option<u64> {
        let digits = self.text.as_bytes().get(self.at..)?.iter().take(17).take_while(|byte| byte.is_ascii_digit()).count();
        let text = self.text.get(self.at..self.at + digits)?;
        let number: u64 = text.parse().ok().filter(|number| *number <= MAX_INTEGER)?;
        self.at += digits;
        let plain = text.len() == 1 || !text.starts_with('0');
        (plain && !matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(number)
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.after("\"")?.text().map(drop),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b't' => self.after("true").map(drop),
            b'f' => self.after("false").map(drop),
            b'n' => self.after("null").map(drop),
            b'-' => self.after("-")?.number().filter(|number| *number > 0).map(drop),
            _ => self.number().map(drop),
        }
    }

    /// An object without spaces, its keys ascending, so that none stands twice.
    fn object(&mut self, depth: usize) -> Option<()> {
        self.opened("{", depth)?;
        let mut last: Option<&str> = None;
        while !self.sees("}") {
            if last.is_some() {
                self.after(",")?;
            }
            let key = self.after("\"")?.text()?;
            if last.is_some_and(|last| last >= key) {
                return None;
            }
            last = Some(key);
            self.after(":")?.value(depth + 1)?;
        }
        self.after("}").map(drop)
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.opened("[", depth)?;
        let mut first = true;
        while !self.sees("]") {
            if !first {
                self.after(",")?;
            }
            first = false;
            self.value(depth + 1)?;
        }
        self.after("]").map(drop)
    }

    fn opened(&mut self, bracket: &str, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH { None } else { self.after(bracket).map(drop) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::parse_line;
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const SHA: &str = "e50345c5b810cfc79d351ee5c311a2bfebdc3d7516ef6da1aafbc8f80fff2732";

    fn line(meta: &str) -> String {
        format!(
            r#"{{"t":"member","path":"/Größe/a","kind":"job","key":"n","name":"data/job/1.json","size":82,"sha256":"{SHA}","frame":125,"at":512,"meta":{meta}}}"#
        )
    }

    /// What the strict reader says must be what the quick one says, if that says anything.
    fn agrees(line: &[u8]) -> bool {
        let Some(scanned) = member(line) else { return true };
        let Ok(map) = parse_line(line) else { return false };
        let number = |name: &str| map.get(name).and_then(Value::as_u64);
        map.get("path") == Some(&json!(scanned.path))
            && map.get("kind") == Some(&json!(scanned.kind))
            && map.get("key") == scanned.key.map(|key| json!(key)).as_ref()
            && map.get("name") == Some(&json!(scanned.name))
            && map.get("meta").map(Value::to_string).as_deref() == Some(scanned.meta)
            && (number("size"), number("frame"), number("at"))
                == (Some(scanned.size), Some(scanned.frame.into()), Some(scanned.at.into()))
            && map.len() == 9 + usize::from(scanned.key.is_some())
    }

    #[test]
    fn what_we_write_is_read_quickly() {
        for meta in ["{}", r#"{"a":-1,"b":[1,{"c":null}],"d":"é","e":true,"f":{"x":[],"y":{}}}"#, r#"{"n":9007199254740991}"#] {
            let line = line(meta);
            assert_eq!(member(line.as_bytes()).map(|scanned| scanned.meta), Some(meta));
            assert!(agrees(line.as_bytes()));
        }
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_to_the_strict_reader() {
        let nested = format!("{{\"a\":{}{}}}", "[".repeat(14), "]".repeat(14));
        assert!(member(line(&nested).as_bytes()).is_some() && agrees(line(&nested).as_bytes()));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(15), "]".repeat(15));
        let left = [
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":01}"#,
            r#"{"a":-0}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":"\u0061"}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[1,]}"#,
            "[]",
            "1",
            "",
            "{\"a\":\"\t\"}",
            r#"{"a":nul}"#,
            &deep,
        ];
        for meta in left {
            assert_eq!(member(line(meta).as_bytes()), None, "{meta}");
        }
        let good = line("{}");
        for (from, to) in [
            (SHA, &SHA[1..]),
            ("125", "4294967296"),
            ("\"size\":82", "\"size\":082"),
            (",\"at\"", ", \"at\""),
            ("\"key\"", "\"state\""),
        ] {
            assert_eq!(member(good.replace(from, to).as_bytes()), None, "{to}");
        }
        assert_eq!(member(format!("{good} ").as_bytes()), None);
        assert_eq!(member(SHA.to_uppercase().as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_change_of_a_line_makes_them_disagree(at in 0usize..400, byte: u8, insert: bool) {
            let mut line = line(r#"{"a":-12,"b":[1,{"c":null}],"d":"x","e":true}"#).into_bytes();
            let at = at % line.len();
            if insert { line.insert(at, byte) } else { line[at] = byte }
            prop_assert!(agrees(&line), "{}", String::from_utf8_lossy(&line));
        }
    }
}

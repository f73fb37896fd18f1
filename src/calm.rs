//! Texts of others, written so that they steer nothing: no terminal, no reading direction, no line of their own. Whatever is shown
//! goes through here first, and then through what its medium needs besides (HTML, DOT, CSV).
//!
//! What is written out, as `\u{1b}`: controls (line ends and tabs as `\n` and `\t`), all that turns the reading direction, whatever
//! Unicode calls `Default_Ignorable_Code_Point` since it is never seen, other line ends, noncharacters, and combining marks beyond
//! the eighth on one letter. Joiners and variation selectors stay where they do what they are for: behind a letter beyond ASCII.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use unicode_normalization::char::is_combining_mark;

/// So many marks stand on one letter. No language needs more; Unicode Technical Standard 39 (5.4) calls more than four suspicious.
const MARKS: u32 = 8;

/// What of a text stays besides what is harmless.
#[derive(Clone, Copy)]
enum Keep {
    Nothing,
    Tabs,
    Lines,
}

/// A name, or whatever else stands within a line of ours.
pub fn line(text: &str) -> Cow<'_, str> {
    calmed(text, Keep::Nothing)
}

/// A line of code or of a document: its tabs stay.
pub fn code(text: &str) -> Cow<'_, str> {
    calmed(text, Keep::Tabs)
}

/// A text of which every line is ours, or that stands alone: line ends and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    calmed(text, Keep::Lines)
}

/// A value as JSON that steers nothing, and means what any other JSON of it means.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut out = Vec::new();
    write_json(&mut out, value)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The same, as it is made.
pub fn write_json(out: &mut impl io::Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Json))
}

fn calmed(text: &str, keep: Keep) -> Cow<'_, str> {
    let is_kept = |c: char| match keep {
        Keep::Nothing => false,
        Keep::Tabs => c == '\t',
        Keep::Lines => c == '\t' || c == '\n',
    };
    rewritten(text, is_kept, |out, c| match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    })
}

/// A name for other media, in which `write` says what stands for a character that steers.
pub fn with(text: &str, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    rewritten(text, |_| false, write)
}

/// The text with all that steers written otherwise.
fn rewritten(text: &str, is_kept: impl Fn(char) -> bool, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut eye = Eye::default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if eye.steers(c) && !is_kept(c) { write(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Goes along a text and knows what stands before.
#[derive(Default)]
struct Eye {
    /// How many marks stand on the letter.
    marks: u32,
    before: Before,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Before {
    /// Nothing that could be joined, or be varied.
    #[default]
    Other,
    Letter,
    Variant,
}

impl Eye {
    fn steers(&mut self, c: char) -> bool {
        let steers = match c {
            '\u{200c}' | '\u{200d}' => self.before == Before::Other,
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => self.before != Before::Letter,
            c if c.is_ascii() => c.is_control(),
            c if is_combining_mark(c) => self.marks >= MARKS || is_never_shown(c),
            c => c.is_control() || is_never_shown(c),
        };
        self.before = match c {
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' if !steers => Before::Variant,
            '\u{200c}' | '\u{200d}' => Before::Other,
            c if c.is_ascii() || steers => Before::Other,
            _ => Before::Letter,
        };
        self.marks = if is_combining_mark(c) { self.marks + 1 } else { 0 };
        steers
    }
}

/// `Default_Ignorable_Code_Point` of Unicode 17, but for joiners and variation selectors; the separators of lines and paragraphs;
/// interlinear annotation; noncharacters.
fn is_never_shown(c: char) -> bool {
    let code = u32::from(c);
    matches!(code,
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b | 0x200e..=0x200f | 0x2028..=0x202e
        | 0x2060..=0x206f | 0x3164 | 0xfdd0..=0xfdef | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a | 0xe0000..=0xe00ff | 0xe01f0..=0xe0fff)
        || code & 0xfffe == 0xfffe
}

/// Compact JSON whose texts steer nothing: JSON has escapes for all of it.
struct Json;

impl Json {
    fn calm(text: &str) -> Cow<'_, str> {
        rewritten(
            text,
            |c| matches!(c, '\n' | '\r' | '\t'),
            |out, c| {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            },
        )
    }
}

impl Formatter for Json {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        writer.write_all(Self::calm(fragment).as_bytes())
    }

    /// JSON as somebody else wrote it: beyond ASCII there is nothing but texts. Line ends and tabs stand between values.
    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        writer.write_all(Self::calm(fragment).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_steers_is_written_out() {
        assert_eq!(line("a\u{1b}[31mb\u{202e}\u{9b}\u{7f}"), "a\\u{1b}[31mb\\u{202e}\\u{9b}\\u{7f}");
        assert_eq!(line("a\nwhole and unaltered\r\n\t"), "a\\nwhole and unaltered\\u{d}\\n\\t");
        assert_eq!((code("\ta\n"), lines("\ta\n\r")), ("\ta\\n".into(), "\ta\n\\u{d}".into()));
        assert_eq!(line("a\u{200b}\u{ad}\u{e0041}\u{ffff}\u{3164}"), "a\\u{200b}\\u{ad}\\u{e0041}\\u{ffff}\\u{3164}");
        assert!(matches!(line("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn languages_and_pictures_stay_what_they_are() {
        for text in [
            "äöü 日本語",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👨\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "葛\u{e0100}城",
            "e\u{301}\u{323}",
        ] {
            assert_eq!(line(text), text);
        }
        assert_eq!(line("ad\u{200d}min\u{fe0f}"), "ad\\u{200d}min\\u{fe0f}");
        assert_eq!(line("é\u{fe00}\u{fe01}\u{200d}\u{200d}"), "é\u{fe00}\\u{fe01}\\u{200d}\\u{200d}");
    }

    #[test]
    fn no_letter_carries_a_tower() {
        let tower = format!("a{}b", "\u{301}".repeat(100));
        let shown = line(&tower);
        assert!(shown.starts_with(&format!("a{}\\u{{301}}", "\u{301}".repeat(8))) && shown.ends_with('b'));
        assert_eq!(shown.matches('\u{301}').count(), 8);
    }

    proptest! {
        #[test]
        fn json_means_what_it_meant(text in "\\PC{0,12}|.{0,12}|[\u{200b}-\u{206f}\u{80}-\u{9f}\u{fe00}-\u{feff}a\u{301}]{0,12}") {
            let value = serde_json::json!({ &text: [&text, 1] });
            let written = json(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value.clone());
            prop_assert!(!written.contains(|c: char| c.is_control() || is_never_shown(c)), "{}", written);
            let raw = serde_json::value::RawValue::from_string(value.to_string()).unwrap();
            prop_assert_eq!(json(&raw).unwrap(), written);
        }

        #[test]
        fn shown_twice_is_shown_once(text in ".{0,20}") {
            let once = line(&text).into_owned();
            prop_assert_eq!(line(&once), once.clone());
        }
    }
}

//! Names of members: how a path of a workspace becomes a name that is safe and unique on every file system, and the grammar
//! by which a reader allows a name. What the grammar does not list is refused.

use crate::spool::hex;
use foldhash::quality::RandomState;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;
use unicode_normalization::UnicodeNormalization;
use xxhash_rust::xxh64::xxh64;

/// What stands before every name in the tar stream.
pub(crate) const ROOT: &str = "bundle/";
/// Longest name in the tar stream, in bytes.
const MAX_NAME: usize = 1024;
/// Most components of a name in the tar stream.
const MAX_COMPONENTS: usize = 64;
/// Longest component in bytes: the limit of most file systems.
const MAX_COMPONENT: usize = 255;

/// `data/<kind>/<name>`, encoded. A name that would break a limit becomes `data/<kind>/~<32 hex digits><extension>`.
pub(crate) fn encode(kind: &str, name: &str) -> String {
    let parts: Vec<String> = name.trim_start_matches('/').split('/').map(encode_component).collect();
    let encoded = format!("data/{kind}/{}", parts.join("/"));
    if check(&encoded, kind).is_ok() {
        return encoded;
    }
    let digest = hex(&Sha256::digest(format!("{kind}\0{name}").as_bytes()));
    let extension = encode_component(name.rsplit('/').next().unwrap_or_default());
    let extension = extension.find('.').map_or("", |_| last_extensions(&extension));
    format!("data/{kind}/~{}{extension}", &digest[..32])
}

/// A name beside one that is taken: `~` and eight hex digits that depend on the object; at a second try a name of its own.
pub(crate) fn beside(name: &str, kind: &str, path: &str, attempt: u32) -> String {
    let digest = hex(&Sha256::digest(format!("{kind}\0{path}\0{attempt}").as_bytes()));
    let beside = format!("{name}~{}", &digest[..8]);
    match check(&beside, kind) {
        Ok(()) if attempt == 0 => beside,
        _ => format!("data/{kind}/~{}", &digest[..32]),
    }
}

/// Extension of a name's last component, without the dot; empty if there is none.
pub(crate) fn extension(name: &str) -> &str {
    basename(name).rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Last component of a name.
pub(crate) fn basename(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// Whether a word may be the name of a kind: 1 to 64 of `a-z 0-9 _ -`.
pub(crate) fn is_kind(kind: &str) -> bool {
    (1..=64).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// Checks a name against the grammar. The error says which rule it breaks.
pub(crate) fn check(name: &str, kind: &str) -> Result<(), &'static str> {
    let rest = name.strip_prefix("data/").and_then(|rest| rest.strip_prefix(kind)).and_then(|rest| rest.strip_prefix('/'));
    let Some(rest) = rest.filter(|_| is_kind(kind)) else {
        return Err("it does not stand in the folder of its kind");
    };
    if ROOT.len() + name.len() > MAX_NAME {
        return Err("it is longer than 1,024 bytes");
    }
    if name.split('/').count() + 1 > MAX_COMPONENTS {
        return Err("it has more than 64 components");
    }
    rest.split('/').try_for_each(check_component)
}

/// A name as file systems that ignore case and composition see it.
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    caseless::default_case_fold_str(&name.nfc().collect::<String>()).nfc().collect()
}

/// Digests of a folded name and of the folder that it stands in: what [`Taken`] compares. Equal names have equal marks always;
/// that others have too is an accident of 1 in 2^128, or somebody's work, and costs no more than a name or a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    file: Mark,
    folder: Mark,
}

type Mark = (u64, u64);

/// The mark of the folder above all names.
const TOP: Mark = (0, 1);

impl Marks {
    /// The marks of a name.
    pub(crate) fn of(name: &str) -> Self {
        let mut all = marks_of(name);
        Self { file: all.pop().unwrap_or(TOP), folder: all.pop().unwrap_or(TOP) }
    }
}

/// Checks names and makes their marks. Names that come in order share the work for the folder that they stand in.
#[derive(Default)]
pub(crate) struct Neighbours {
    kind: String,
    folder: String,
    mark: Mark,
}

impl Neighbours {
    /// As [`check`] and [`Marks::of`].
    pub(crate) fn check(&mut self, name: &str, kind: &str) -> Result<Marks, &'static str> {
        let (folder, base) = name.rsplit_once('/').unwrap_or(("", name));
        let is_near = !folder.is_empty() && folder == self.folder && kind == self.kind && ROOT.len() + name.len() <= MAX_NAME;
        if is_near {
            check_component(base)?;
        } else {
            check(name, kind)?;
            self.mark = Marks::of(name).folder;
            folder.clone_into(&mut self.folder);
            kind.clone_into(&mut self.kind);
        }
        Ok(Marks { file: mark_in(self.mark, base), folder: self.mark })
    }
}

/// The names that are taken, as marks, and the folders above them.
///
/// Marks have no key, so whoever makes a bundle can choose them; the sets have one, drawn by each process, so that nobody can
/// choose what falls together in them.
#[derive(Default)]
pub(crate) struct Taken {
    files: HashSet<Mark, RandomState>,
    folders: HashSet<Mark, RandomState>,
    last_folder: Option<Mark>,
}

impl Taken {
    /// Takes the folders above a name, so that no file gets their names. Before the first file is taken.
    pub(crate) fn reserve_folders(&mut self, name: &str) {
        self.folders.extend(folders_of(name));
    }

    /// Makes room for so many names.
    pub(crate) fn reserve(&mut self, names: usize) {
        self.files.reserve(names);
    }

    /// Takes a name, unless it or one of its folders is another file, or it is a folder already.
    pub(crate) fn take(&mut self, name: &str) -> bool {
        self.take_marked(name, Marks::of(name))
    }

    /// The same where the marks are known. A folder that is there already was compared with the files when it came, as were
    /// those above it, and no file has come since that has its name.
    pub(crate) fn take_marked(&mut self, name: &str, marks: Marks) -> bool {
        let is_old = self.last_folder == Some(marks.folder) || self.folders.contains(&marks.folder);
        let fresh = if is_old { Vec::new() } else { folders_of(name) };
        let hurt = self.folders.contains(&marks.file) || fresh.iter().any(|folder| self.files.contains(folder));
        if hurt || !self.files.insert(marks.file) {
            return false;
        }
        self.folders.extend(fresh);
        self.last_folder = Some(marks.folder);
        true
    }
}

/// Marks of the folders above a name.
fn folders_of(name: &str) -> Vec<Mark> {
    let mut all = marks_of(name);
    all.pop();
    all
}

/// Marks of all folders above a name, the topmost first, then the name's own.
fn marks_of(name: &str) -> Vec<Mark> {
    let components = name.split('/');
    let marks = components.scan(TOP, |above, component| {
        *above = mark_in(*above, component);
        Some(*above)
    });
    marks.collect()
}

/// The mark of a component in a folder: two hashes with two seeds, fast, and enough where a false alarm is the worst that can
/// happen. Folding never reaches over a slash.
fn mark_in(folder: Mark, component: &str) -> Mark {
    let is_folded = component.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
    let folded = if is_folded { Cow::Borrowed(component) } else { Cow::Owned(fold(component)) };
    (xxh64(folded.as_bytes(), folder.0), xxh64(folded.as_bytes(), folder.1))
}

/// The last two extensions of a component if they are short and harmless, with their dots.
fn last_extensions(component: &str) -> &str {
    let mut dots: Vec<usize> = component.match_indices('.').map(|(at, _)| at).collect();
    let keep = dots.split_off(dots.len().saturating_sub(2));
    let harmless = |tail: &&str| tail.len() <= 32 && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    keep.into_iter().map(|at| &component[at..]).find(harmless).unwrap_or_default()
}

/// A component as it may stand in a name: what a file system does not take becomes `%` and two hex digits.
pub(crate) fn encode_component(component: &str) -> String {
    if component.is_empty() {
        return "%2F".to_owned();
    }
    let kept = component.trim_end_matches(['.', ' ']).len();
    let device = is_device(component);
    let mut encoded = String::with_capacity(component.len());
    for (at, c) in component.char_indices() {
        if is_forbidden(c) || c == '%' || (at >= kept && at + 1 == component.len()) || (device && at == 0) {
            let _ = write!(encoded, "%{:02X}", u32::from(c));
        } else {
            encoded.push(c);
        }
    }
    encoded
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\u{0}'..='\u{1f}' | '\u{7f}')
}

fn check_component(component: &str) -> Result<(), &'static str> {
    if is_plain(component) {
        return if is_device(component) { Err("a component is the name of a device") } else { Ok(()) };
    }
    if component.is_empty() {
        return Err("it has an empty component");
    }
    if component.len() > MAX_COMPONENT {
        return Err("it has a component longer than 255 bytes");
    }
    if component.ends_with(['.', ' ']) {
        return Err("a component ends in a dot or a space");
    }
    if component.chars().any(is_forbidden) {
        return Err("it has a character that is not allowed");
    }
    if is_device(component) {
        return Err("a component is the name of a device");
    }
    let escapes = component.match_indices('%').map(|(at, _)| component.as_bytes().get(at + 1..at + 3));
    let upper_hex = |b: &u8| b.is_ascii_digit() || (b'A'..=b'F').contains(b);
    if escapes.into_iter().any(|digits| digits.is_none_or(|digits| !digits.iter().all(upper_hex))) {
        return Err("a percent sign does not begin an escape");
    }
    Ok(())
}

/// Whether a component, as nearly all do, breaks no rule at first sight: of what it is made, and how it ends.
fn is_plain(component: &str) -> bool {
    let harmless = |byte: &u8| HARMLESS[usize::from(*byte)];
    component.len() <= MAX_COMPONENT
        && component.bytes().next_back().is_some_and(|last| !matches!(last, b'.' | b' '))
        && component.as_bytes().iter().all(harmless)
}

/// Printable ASCII but what is forbidden, `%` and `/`.
static HARMLESS: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0x20u8);
    while byte < 0x7f {
        table[byte as usize] = !matches!(byte, b'\\' | b':' | b'*' | b'?' | b'"' | b'<' | b'>' | b'|' | b'%' | b'/');
        byte += 1;
    }
    table
};

/// Names that Windows gives to devices, whatever their case and extension.
fn is_device(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or_default().trim_end_matches(' ');
    // No device has a longer name, and upper case never has fewer characters.
    if stem.chars().nth(7).is_some() {
        return false;
    }
    let stem = stem.to_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let digit = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    digit.is_some_and(|digit| digit.chars().count() == 1 && digit.chars().all(|c| matches!(c, '0'..='9' | '¹' | '²' | '³')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoded_name_is_allowed() {
        let long = "x".repeat(300) + ".notebook.py";
        let deep = "d/".repeat(100) + "a.json";
        let cases = [
            ("Users/a@b.c/etl.notebook.py", "data/notebook/Users/a@b.c/etl.notebook.py"),
            ("100%/a:b", "data/notebook/100%25/a%3Ab"),
            ("../../etc/passwd", "data/notebook/.%2E/.%2E/etc/passwd"),
            ("./.", "data/notebook/%2E/%2E"),
            ("/abs//b", "data/notebook/abs/%2F/b"),
            ("con.txt/LPT1/nul", "data/notebook/%63on.txt/%4CPT1/%6Eul"),
            ("a /b.", "data/notebook/a%20/b%2E"),
            ("tab\there\u{7f}", "data/notebook/tab%09here%7F"),
            ("back\\slash|*?\"<>", "data/notebook/back%5Cslash%7C%2A%3F%22%3C%3E"),
            ("Zoë/名", "data/notebook/Zoë/名"),
        ];
        for (name, wanted) in cases {
            assert_eq!(encode("notebook", name), wanted);
        }
        for name in
            cases.map(|(name, _)| name).into_iter().chain([long.as_str(), deep.as_str(), "", "/", "é ", "CON .a", "%", "COM¹"])
        {
            let encoded = encode("notebook", name);
            assert_eq!(check(&encoded, "notebook"), Ok(()), "{name:?} became {encoded:?}");
        }
        assert!(encode("notebook", &long).ends_with(".notebook.py"));
    }

    #[test]
    fn names_that_one_file_system_would_mix_up() {
        let mut taken = Taken::default();
        assert!(taken.take("data/x/Straße/a.py"));
        for name in ["data/x/STRASSE/A.PY", "data/x/strasse", "data/x", "data/x/Straße/a.py/b"] {
            assert!(!taken.take(name), "{name}");
        }
        assert!(taken.take("data/x/e\u{301}.py") && !taken.take("data/x/É.py"));
        assert!(taken.take("data/x/Straße/b.py"));
    }

    #[test]
    fn a_name_that_looks_plain_obeys_the_whole_grammar() {
        for byte in 0..=0x7fu8 {
            let component = format!("a{}b", char::from(byte));
            let slow = component.contains(is_forbidden) || matches!(byte, b'%' | b'/');
            assert_eq!(is_plain(&component), !slow, "{component:?}");
        }
        for component in ["", "a.", "a ", "é", &"x".repeat(256)] {
            assert!(!is_plain(component), "{component:?}");
        }
        assert!(is_device("conin$ .txt") && is_device("Con\u{131}n$") && is_device("nul  ") && !is_device("notebook 7"));
    }

    proptest::proptest! {
        #[test]
        fn folding_never_reaches_over_a_slash(a in "\\PC{0,8}", b in "[\u{300}-\u{345}\u{338}]?\\PC{0,8}") {
            proptest::prop_assert_eq!(fold(&format!("{a}/{b}")), format!("{}/{}", fold(&a), fold(&b)));
        }

        #[test]
        fn neighbours_are_checked_like_strangers(names in proptest::collection::vec("data/[xy]/([Aab.]/){0,2}[aAé .%]{0,3}", 1..9)) {
            let mut neighbours = Neighbours::default();
            for name in &names {
                for kind in ["x", "y"] {
                    proptest::prop_assert_eq!(neighbours.check(name, kind), check(name, kind).map(|()| Marks::of(name)));
                }
            }
        }
    }

    #[test]
    fn what_the_grammar_does_not_list_is_refused() {
        let bad = [
            "data/x/..",
            "data/x/a/../b",
            "data/x//a",
            "/data/x/a",
            "data/x/",
            "data/x",
            "data/y/a",
            "data/x/a\\b",
            "data/x/C:",
            "data/x/aux.py",
        ];
        for name in bad.into_iter().chain(["data/x/a%2f", "data/x/a%", "data/x/a%4", "data/x/a\0", "data/x/a.", "data/x/a "]) {
            assert!(check(name, "x").is_err(), "{name:?}");
        }
        assert!(check(&format!("data/x/{}", "a".repeat(256)), "x").is_err());
        assert!(check(&format!("data/x/{}a", "a/".repeat(61)), "x").is_err());
        assert!(check(&format!("data/x/{}a", "a/".repeat(60)), "x").is_ok());
    }
}

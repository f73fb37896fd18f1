//! Puts what stands for something in its place: whole values of known fields, and words inside texts.
//!
//! All maps are carried out in one pass from left to right, the longest word first, so that `{a: b, b: a}` swaps. A word counts
//! only where it stands by itself: `lake` is not found in `lakehouse`.

use super::check::{Space, space};
use super::maps::{CATALOGS, Maps, NAMED_IN_TEXTS, TEXTS, is_of_values};
use regex::{Regex, RegexBuilder};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maps and moves, ready to be carried out.
pub(super) struct Swaps {
    maps: Maps,
    /// Catalogs and `catalog.schema`s.
    names: HashMap<String, String>,
    /// The longest first.
    words: Vec<Word>,
    finder: Option<Regex>,
    /// Entries that were of use: section, source.
    used: Mutex<BTreeSet<(String, String)>>,
}

/// A word inside texts.
#[derive(Debug)]
struct Word {
    section: &'static str,
    /// As reports name it: `maps:storage`, or the rule that moves.
    rule: String,
    /// The entry that it comes from.
    entry: String,
    from: String,
    to: String,
    sort: Sort,
}

/// What a word is, which says where it may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A host, an address, or any other word.
    Plain,
    /// Like a host, which also ends the names of Spark's settings.
    Storage,
    /// A person or program: paths and references to them are the plan's business.
    Principal,
    /// The beginning of a path.
    Path,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a field that refers to something by path.
    Path,
    /// In any other field, or in source code.
    Text,
    /// In source code that is JSON, where a letter may be part of an escape.
    Json,
    /// The name of a member.
    Name,
}

/// One swap that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Swap {
    pub rule: String,
    pub from: String,
    pub to: String,
}

impl Swaps {
    /// `moves` are rule, from and to.
    pub(super) fn new(maps: &Maps, moves: &[(String, String, String)]) -> Self {
        let mut words: Vec<Word> = TEXTS.iter().flat_map(|(section, _)| plain(maps, section)).collect();
        words.extend(NAMED_IN_TEXTS.iter().flat_map(|section| principals(maps, section)));
        words.extend(["catalog", "schema"].into_iter().flat_map(|section| volumes(maps, section)));
        words.extend(moves.iter().flat_map(|(rule, from, to)| paths(rule, from, to)));
        words.sort_by(|one, other| other.from.len().cmp(&one.from.len()).then_with(|| one.from.cmp(&other.from)));
        let pattern = words.iter().map(|word| regex::escape(&word.from)).collect::<Vec<_>>().join("|");
        // A pattern of nothing but words is refused for its size alone, and then there is none that is large enough.
        let finder = if words.is_empty() { None } else { RegexBuilder::new(&pattern).size_limit(usize::MAX).build().ok() };
        let names = ["catalog", "schema"].into_iter().flat_map(|section| maps.section(section));
        let names = names.map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
        Self { maps: maps.clone(), names, words, finder, used: Mutex::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.maps.all().next().is_none() && self.words.is_empty()
    }

    /// What stands for a value of a section.
    pub(super) fn value(&self, section: &str, value: &str) -> Option<Swap> {
        let to = self.maps.get(section, value)?.to_owned();
        self.use_up(section, value);
        Some(Swap { rule: format!("maps:{section}"), from: value.to_owned(), to })
    }

    /// What stands for the whole value of a field that holds the name of a catalog, or one that begins with it.
    pub(super) fn whole(&self, field: &str, value: &str) -> Option<Swap> {
        CATALOGS.contains(&field.rsplit('.').next().unwrap_or(field)).then(|| self.dotted(value)).flatten()
    }

    /// A catalog, or a name that begins with one: `catalog.schema.table`.
    fn dotted(&self, value: &str) -> Option<Swap> {
        let ends = value.match_indices('.').map(|(at, _)| at).chain([value.len()]).collect::<Vec<_>>();
        let (end, to) = ends.into_iter().rev().find_map(|end| Some((end, self.names.get(&value[..end])?)))?;
        let section = if value[..end].contains('.') { "schema" } else { "catalog" };
        self.use_up(section, &value[..end]);
        Some(Swap { rule: format!("maps:{section}"), from: value.to_owned(), to: format!("{to}{}", &value[end..]) })
    }

    /// What stands for a schema whose catalog is named beside it: catalog and schema.
    pub(super) fn schema(&self, catalog: &str, schema: &str) -> Option<(String, String)> {
        let from = format!("{catalog}.{schema}");
        let (catalog, schema) = self.names.get(&from)?.split_once('.')?;
        self.use_up("schema", &from);
        Some((catalog.to_owned(), schema.to_owned()))
    }

    /// A text with every word in it swapped; nothing if there is none.
    pub(super) fn text(&self, text: &str, place: Place) -> Option<(String, Vec<Swap>)> {
        let finder = self.finder.as_ref()?;
        let (mut new, mut made, mut copied, mut from) = (String::new(), Vec::new(), 0, 0);
        while let Some(found) = finder.find_at(text, from) {
            let at = found.start();
            let Some(word) = self.words.iter().find(|word| word.stands(text, at, place)) else {
                from = at + text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            self.use_up(word.section, &word.entry);
            new.push_str(&text[copied..at]);
            new.push_str(&word.to);
            made.push(Swap { rule: word.rule.clone(), from: word.from.clone(), to: word.to.clone() });
            copied = at + word.from.len();
            from = copied;
        }
        new.push_str(&text[copied..]);
        (!made.is_empty() && new != text).then_some((new, made))
    }

    /// Source code with every word in it swapped. In a notebook of JSON, words are written as JSON writes them.
    pub(super) fn code(&self, code: &str, json: bool) -> Option<(String, Vec<Swap>)> {
        let (new, made) = self.text(code, if json { Place::Json } else { Place::Text })?;
        let escaped = |text: &str| text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'));
        // A word that JSON would write otherwise was put there as it is: rather none than a notebook that cannot be read.
        if json && made.iter().any(|swap| escaped(&swap.to)) { None } else { Some((new, made)) }
    }

    /// The path of an object that is moved, with what moves it.
    pub(super) fn path(&self, path: &str, space: Space) -> Option<Swap> {
        let written = if space == Space::Dbfs { format!("dbfs:{path}") } else { path.to_owned() };
        let word = self.words.iter().find(|word| word.sort == Sort::Path && word.stands(&written, 0, Place::Path))?;
        self.use_up(word.section, &word.entry);
        let to = format!("{}{}", word.to, &written[word.from.len()..]);
        let to = if space == Space::Dbfs { to.strip_prefix("dbfs:").unwrap_or(&to).to_owned() } else { to };
        (to != path).then(|| Swap { rule: word.rule.clone(), from: path.to_owned(), to })
    }

    fn locked(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries that were of use: section, source.
    pub(super) fn used(&self) -> BTreeSet<(String, String)> {
        self.locked().clone()
    }

    /// Counts what was of use elsewhere.
    pub(super) fn learn(&self, used: &BTreeSet<(String, String)>) {
        self.locked().extend(used.iter().cloned());
    }

    fn use_up(&self, section: &str, entry: &str) {
        self.locked().insert((section.to_owned(), entry.to_owned()));
    }

    /// Whether anything below a path was moved.
    pub(super) fn moved_something(&self, rule: &str) -> bool {
        let used = self.locked();
        self.words.iter().any(|word| word.rule == rule && used.contains(&(word.section.to_owned(), word.entry.clone())))
    }

    /// Entries of value sections that nothing in the bundle answered to.
    pub(super) fn unused(&self, maps: &Maps) -> Vec<(String, String)> {
        let used = self.locked();
        let all = maps.all().filter(|(section, ..)| is_of_values(section));
        let unused = all.filter(|(section, from, _)| !used.contains(&((*section).to_owned(), (*from).to_owned())));
        unused.map(|(section, from, _)| (section.to_owned(), from.to_owned())).collect()
    }
}

impl Word {
    /// Whether the word stands here by itself.
    fn stands(&self, text: &str, at: usize, place: Place) -> bool {
        let Some(rest) = text[at..].strip_prefix(self.from.as_str()) else { return false };
        let escape = |at: usize| place == Place::Json && is_escaped(text, at);
        if escape(at) {
            return false;
        }
        let before = text[..at].chars().next_back();
        let before = before.filter(|before| !(matches!(before, 'n' | 't' | 'r' | 'f' | 'b') && escape(at - 1)));
        let elsewhere = match place {
            Place::Path => self.sort == Sort::Principal,
            Place::Name => self.sort != Sort::Storage,
            Place::Text | Place::Json => false,
        };
        !elsewhere && self.may_follow(before) && self.may_precede(rest, at)
    }

    fn may_follow(&self, before: Option<char>) -> bool {
        let Some(before) = before else { return true };
        match self.sort {
            Sort::Storage => !is_name(before),
            Sort::Plain | Sort::Principal => !is_name(before) && !matches!(before, '.' | '+' | '%'),
            Sort::Path => !is_name(before) && !matches!(before, '.' | '/' | ':' | '}' | '~' | '*'),
        }
    }

    /// A dot ends a sentence, or goes on with the name.
    fn may_precede(&self, rest: &str, at: usize) -> bool {
        if self.sort == Sort::Path && at == 0 {
            return rest.is_empty() || rest.starts_with('/');
        }
        if self.from.ends_with(['/', '@', ':']) {
            return true;
        }
        let mut rest = rest.chars();
        match rest.next() {
            None => true,
            Some('.') => rest.next().is_none_or(|next| !next.is_alphanumeric()),
            Some(next) => !is_name(next),
        }
    }
}

/// Whether the character here belongs to a backslash.
fn is_escaped(text: &str, at: usize) -> bool {
    text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-')
}

fn plain(maps: &Maps, section: &'static str) -> Vec<Word> {
    if matches!(section, "schema" | "catalog") {
        return Vec::new();
    }
    let sort = if section == "storage" { Sort::Storage } else { Sort::Plain };
    maps.section(section).filter(|(from, _)| !from.is_empty()).map(|(from, to)| word(section, sort, from, from, to)).collect()
}

fn word(section: &'static str, sort: Sort, entry: &str, from: &str, to: &str) -> Word {
    Word { section, rule: format!("maps:{section}"), entry: entry.to_owned(), from: from.to_owned(), to: to.to_owned(), sort }
}

/// Only names that mean nothing else: mail addresses and application ids.
fn principals(maps: &Maps, section: &'static str) -> Vec<Word> {
    let telling = |name: &str| name.contains('@') || (name.len() == 36 && name.split('-').map(str::len).eq([8, 4, 4, 4, 12]));
    let pairs = maps.section(section).filter(|(from, to)| telling(from) && telling(to));
    pairs.map(|(from, to)| word(section, Sort::Principal, from, from, to)).collect()
}

/// A catalog or schema is also the beginning of the paths of its volumes.
fn volumes(maps: &Maps, section: &'static str) -> Vec<Word> {
    let at = |name: &str| format!("/Volumes/{}", name.replace('.', "/"));
    let pair = |(entry, to): (&str, &str)| {
        let (from, to) = (at(entry), at(to));
        let dbfs = word(section, Sort::Path, entry, &format!("dbfs:{from}"), &format!("dbfs:{to}"));
        [word(section, Sort::Path, entry, &from, &to), dbfs]
    };
    maps.section(section).flat_map(pair).collect()
}

/// Every way to write a path that is moved.
fn paths(rule: &str, from: &str, to: &str) -> Vec<Word> {
    let alias = match space(from) {
        Space::Workspace => [format!("/Workspace{from}"), format!("/Workspace{to}")],
        Space::Volume => [format!("dbfs:{from}"), format!("dbfs:{to}")],
        Space::Dbfs => [from, to].map(|path| path.replacen("dbfs:", "/dbfs", 1)),
    };
    let one = |from: &str, to: &str| Word { rule: rule.to_owned(), ..word("move", Sort::Path, from, from, to) };
    let [from_alias, to_alias] = alias;
    vec![one(from, to), Word { entry: from.to_owned(), ..one(&from_alias, &to_alias) }]
}

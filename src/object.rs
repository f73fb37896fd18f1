//! One thing of one kind, as the workspace said it; and which things are asked for.

use crate::kinds::{self, Kind};
use crate::packed::{Meta, Packed};
use crate::spool::{Blob, Sha};
use globset::{GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io;

/// One object, as the workspace said it, less its secrets.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it is.
    pub kind: &'static Kind,
    /// What the workspace calls it: an id, or the path for what has one.
    pub id: String,
    /// What stays the same in another workspace: a name, a user name, a path.
    pub key: String,
    /// What it holds.
    pub body: Body,
    /// What is known beside the body: object id, language, format, marks such as `pinned`, the parent of what is attached.
    pub meta: Meta,
    /// When it was changed last, in milliseconds since 1970, where the API says so.
    pub modified_at: Option<u64>,
    /// Why it is less than it should be, if it is.
    pub degraded: Option<String>,
    /// Places that were blanked: pointer and reason.
    pub redacted: Vec<(String, &'static str)>,
}

/// What an object holds.
#[derive(Clone, Debug)]
pub enum Body {
    /// The answer of the API.
    Json(Value),
    /// The same, while it waits to be looked at.
    Packed(Packed),
    /// Bytes of a notebook or file, on disk.
    Bytes(Blob),
    /// Bytes that lie elsewhere, known by length and digest.
    Stored {
        /// Length in bytes.
        len: u64,
        /// SHA-256 of the bytes.
        sha256: Sha,
    },
    /// The value of a secret, which stays in the bundle until it is sent: whoever goes through objects holds none, nor what would
    /// tell one from another.
    Withheld,
}

impl Body {
    /// Whether it is a document, and neither bytes nor withheld.
    pub fn is_document(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Packed(_))
    }

    /// Length and SHA-256 of bytes; nothing for a document, and for what is withheld.
    pub fn digest(&self) -> Option<(u64, Sha)> {
        match self {
            Self::Json(_) | Self::Packed(_) | Self::Withheld => None,
            Self::Bytes(blob) => Some((blob.len(), *blob.sha256())),
            Self::Stored { len, sha256 } => Some((*len, *sha256)),
        }
    }
}

/// The objects of a target that an import needs to know: those that the bundle would meet there.
///
/// Found by natural key (a path, a name) or by the stamp that an earlier import left.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    source_workspace: String,
    keys: HashMap<&'static str, HashSet<String>>,
    sources: HashMap<&'static str, HashSet<String>>,
    ids: HashMap<&'static str, HashSet<String>>,
    folders: HashSet<String>,
    every_stamped: bool,
}

/// Name of the tag that holds the stamp.
pub const STAMP: &str = "lifeboat_source";

impl Wanted {
    /// Nothing yet. `source_workspace` is the workspace id that stamps name.
    pub fn from_workspace(source_workspace: &str) -> Self {
        Self { source_workspace: source_workspace.to_owned(), ..Self::default() }
    }

    /// Asks for what carries this natural key, or was made from this id.
    pub fn add(&mut self, kind: &'static Kind, id: &str, key: &str) {
        self.keys.entry(kind.name).or_default().insert(fold(kind, key));
        self.sources.entry(kind.name).or_default().insert(id.to_owned());
        self.folders.extend(with_parents(key).skip(1).map(str::to_owned));
    }

    /// Asks for what the target calls by this id, whatever its name is now.
    pub fn add_id(&mut self, kind: &'static Kind, id: &str) {
        self.ids.entry(kind.name).or_default().insert(id.to_owned());
        self.keys.entry(kind.name).or_default();
    }

    /// Asks for everything that bears the stamp of an import from this workspace, of the kinds that bear one.
    pub fn add_stamped(&mut self) {
        self.every_stamped = !self.source_workspace.is_empty();
        for kind in kinds::all().iter().filter(|kind| kind.stamp.is_some()) {
            self.keys.entry(kind.name).or_default();
        }
    }

    /// Whether the object of this id in the target is asked for.
    pub fn wants_id(&self, kind: &'static Kind, id: &str) -> bool {
        self.ids.get(kind.name).is_some_and(|ids| ids.contains(id))
    }

    /// Whether something below this folder is asked for.
    pub fn wants_folder(&self, path: &str) -> bool {
        self.folders.contains(path)
    }

    /// The natural keys of a kind, sorted.
    pub fn keys(&self, kind: &str) -> Vec<&str> {
        let mut keys: Vec<&str> = self.keys.get(kind).into_iter().flatten().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    /// Whether anything of the kind is asked for.
    pub fn wants_kind(&self, kind: &str) -> bool {
        self.keys.contains_key(kind)
    }

    /// Whether this object is asked for; `stamp` is the value of its tag.
    pub fn wants(&self, kind: &'static Kind, key: &str, stamp: Option<&str>) -> bool {
        let by_key = self.keys.get(kind.name).is_some_and(|keys| keys.contains(&fold(kind, key)));
        let known = |id: &str| self.every_stamped || self.sources.get(kind.name).is_some_and(|ids| ids.contains(id));
        by_key || stamp.and_then(|stamp| self.stamped(stamp)).is_some_and(known)
    }

    /// The source id in a stamp of the workspace that this is about.
    pub fn stamped<'a>(&self, stamp: &'a str) -> Option<&'a str> {
        stamp.strip_prefix(self.source_workspace.as_str())?.strip_prefix('/')
    }
}

/// A natural key as it compares: without case where the API compares so.
pub fn fold(kind: &Kind, key: &str) -> String {
    if kind.key.fold { key.to_lowercase() } else { key.to_owned() }
}

impl Object {
    /// The document, for kinds that are one.
    pub fn document(&self) -> Option<Cow<'_, Value>> {
        match &self.body {
            Body::Json(value) => Some(Cow::Borrowed(value)),
            Body::Packed(packed) => Some(Cow::Owned(packed.value())),
            Body::Bytes(_) | Body::Stored { .. } | Body::Withheld => None,
        }
    }

    /// The stamp that an import left, if any.
    pub fn stamp(&self) -> Option<String> {
        let at = self.kind.stamp?;
        let document = self.document()?;
        self.kind.body_of(&document)?.pointer(at)?.get(STAMP)?.as_str().map(str::to_owned)
    }

    /// The same in little room, for who keeps many. Bytes are known by their digest.
    #[must_use]
    pub fn packed(self) -> Self {
        let body = match self.body {
            Body::Json(document) => Body::Packed(Packed::of(&document)),
            Body::Bytes(blob) => Body::Stored { len: blob.len(), sha256: *blob.sha256() },
            body => body,
        };
        Self { body, ..self }
    }

    /// Kind and id: what tells objects of one workspace apart.
    pub fn source(&self) -> SourceId {
        SourceId { kind: self.kind.name.to_owned(), id: self.id.clone() }
    }
}

/// Kind and id of an object in the workspace where it was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SourceId {
    /// Name of the kind.
    pub kind: String,
    /// Id or path.
    pub id: String,
}

/// What becomes of an object's bytes on their way, if they do not stay as they are. It reads them only if it must.
pub type Edit<'a> = dyn Fn(&SourceId, &dyn Fn() -> io::Result<Vec<u8>>) -> io::Result<Option<Vec<u8>>> + Send + Sync + 'a;

impl std::fmt::Display for SourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// Something that a listing showed, and that is not among the objects of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Absent {
    /// Name of its kind.
    pub kind: String,
    /// Its path or id; `*` for a whole kind, a folder with `/**` for all below it, a type with `/*` for what hangs on all of it.
    pub path: String,
    /// `missing`, `excluded` or `unavailable`.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// The text that stands where a secret was blanked.
pub const REDACTED: &str = "[redacted by lifeboat]";

/// An address without the login that was blanked in it; nothing if something else was blanked, or nothing at all.
pub fn without_login(text: &str) -> Option<String> {
    let mark = text.find(REDACTED)?;
    let login = text[..mark].rfind("://")? + 3;
    let host = mark + text[mark..].find('@')? + 1;
    let clean = (!text[login..host].contains('/')).then(|| format!("{}{}", &text[..login], &text[host..]))?;
    if clean.contains(REDACTED) { without_login(&clean) } else { Some(clean) }
}

/// Which objects are asked for: `--include` and `--exclude` over `kind:pattern`.
///
/// A pattern is a glob over the path, or over the name for kinds without a path; `*` stays within one path segment, `**`
/// does not. A kind alone means all of it; a pattern for a folder covers what is below. Without an include, everything is
/// asked for. What hangs on an object (permissions, libraries) goes with the object.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    kind: GlobMatcher,
    name: Option<GlobMatcher>,
    /// The part of a path pattern before its first wildcard, so that whole folders are left unread.
    fixed: String,
}

/// A pattern that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the pattern \"{text}\" ({why})")]
pub struct PatternError {
    text: String,
    why: String,
    #[source]
    source: Option<globset::Error>,
}

impl PatternError {
    /// A kind that nobody knows would ask for nothing, without a word.
    fn unknown(text: &str, kind: &str) -> Self {
        let names: Vec<&str> = kinds::all().iter().map(|kind| kind.name).collect();
        let why = format!("there is no kind \"{kind}\"; there are {}, or `*` for all", names.join(", "));
        Self { text: text.to_owned(), why, source: None }
    }
}

impl Selection {
    /// Reads patterns as they stand on the command line.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        let read = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>, _>>();
        Ok(Self { include: read(include)?, exclude: read(exclude)? })
    }

    /// Whether some object of the kind may be asked for: if not, no call is made for it.
    pub fn wants_kind(&self, kind: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|pattern| pattern.kind.is_match(kind));
        included && !self.exclude.iter().any(|pattern| pattern.name.is_none() && pattern.kind.is_match(kind))
    }

    /// Whether documents of this kind are asked for where the object that they hang on is: unless the kind is excluded.
    pub fn wants_attached(&self, kind: &str) -> bool {
        !self.exclude.iter().any(|pattern| pattern.name.is_none() && pattern.kind.is_match(kind))
    }

    /// Whether the object is asked for. `name` is its path, or its natural key.
    pub fn wants(&self, kind: &str, name: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|pattern| pattern.covers(kind, name));
        included && !self.exclude.iter().any(|pattern| pattern.covers(kind, name))
    }

    /// Whether something below this folder may be asked for: if not, the folder is not listed.
    pub fn may_want_below(&self, folder: &str) -> bool {
        let inside = |pattern: &Pattern| pattern.name.is_none() || reaches(&pattern.fixed, folder);
        let included = self.include.is_empty() || self.include.iter().any(inside);
        let everything = |pattern: &Pattern| pattern.kind.glob().glob() == "*" && pattern.covers_all_below(folder);
        included && !self.exclude.iter().any(everything)
    }

    /// Whether nothing was left out by choice.
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// The names that are asked for, none of which has been met yet.
    pub fn unmet(&self) -> Unmet {
        Unmet(self.include.iter().filter(|pattern| pattern.name.is_some()).cloned().collect())
    }

    /// For the manifest.
    pub fn to_json(&self) -> Value {
        let texts = |patterns: &[Pattern]| patterns.iter().map(|pattern| Value::from(pattern.text.clone())).collect::<Vec<_>>();
        serde_json::json!({ "include": texts(&self.include), "exclude": texts(&self.exclude) })
    }
}

/// Names that were asked for and not met so far: one that meets nothing may be a slip of the pen, and must not pass for a backup.
#[derive(Clone, Debug, Default)]
pub struct Unmet(Vec<Pattern>);

impl Unmet {
    /// An object, or the gap of one. That a kind could not be listed (`*`) says nothing of names.
    pub fn meet(&mut self, kind: &str, name: &str) {
        if name != "*" {
            self.0.retain(|pattern| !pattern.covers(kind, name));
        }
    }

    /// The patterns that met nothing, as they were written.
    pub fn into_texts(self) -> Vec<String> {
        self.0.into_iter().map(|pattern| pattern.text).collect()
    }
}

/// Whether a folder lies on the way to, or below, the fixed part of a pattern.
fn reaches(fixed: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    fixed.starts_with(folder) || folder.starts_with(fixed.trim_end_matches('/'))
}

impl Pattern {
    fn new(text: &str) -> Result<Self, PatternError> {
        let why = "expected `kind` or `kind:pattern`, for example `notebook:/Users/**`";
        let error = |source| PatternError { text: text.to_owned(), why: why.to_owned(), source };
        let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
        if kind.is_empty() || name == Some("") {
            return Err(error(None));
        }
        if !kind.contains(['*', '?', '[', '{']) && kinds::by_name(kind).is_none() {
            return Err(PatternError::unknown(text, kind));
        }
        let glob = |glob: &str| GlobBuilder::new(glob).literal_separator(true).build().map(|glob| glob.compile_matcher());
        let fixed = name.unwrap_or_default().split(['*', '?', '[', '{']).next().unwrap_or_default().to_owned();
        Ok(Self {
            text: text.to_owned(),
            kind: glob(kind).map_err(|source| error(Some(source)))?,
            name: name.map(glob).transpose().map_err(|source| error(Some(source)))?,
            fixed,
        })
    }

    fn covers(&self, kind: &str, name: &str) -> bool {
        self.kind.is_match(kind) && self.name.as_ref().is_none_or(|glob| with_parents(name).any(|name| glob.is_match(name)))
    }

    fn covers_all_below(&self, folder: &str) -> bool {
        self.name.as_ref().is_none_or(|glob| with_parents(folder).any(|name| glob.is_match(name)))
    }
}

/// A path and the folders that it lies in; a plain name alone.
fn with_parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty()))
        .take(if name.starts_with('/') { usize::MAX } else { 1 })
}

#[cfg(test)]
pub(crate) mod made {
    //! Objects for tests.

    use super::{Body, Object};
    use crate::kinds::by_name;
    use serde_json::Value;

    /// An object of which no more is known than this.
    pub(crate) fn object(kind: &str, id: &str, key: &str, document: Value) -> Object {
        Object {
            kind: by_name(kind).expect("kind exists"),
            id: id.into(),
            key: key.into(),
            body: Body::Json(document),
            meta: crate::packed::Meta::default(),
            modified_at: None,
            degraded: None,
            redacted: vec![],
        }
    }

    /// The same as a survey gives it: its key is read from the document where the kind says so.
    pub(crate) fn surveyed(kind: &str, id: &str, document: Value) -> Object {
        let at = by_name(kind).expect("kind exists").key.at;
        let key = document.pointer(at).and_then(Value::as_str).unwrap_or(id).to_owned();
        object(kind, id, &key, document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        Selection::new(&texts(include), &texts(exclude)).expect("patterns are good")
    }

    #[test]
    fn without_patterns_everything_is_asked_for() {
        assert!(selection(&[], &[]).wants("job", "nightly") && selection(&[], &[]).may_want_below("/Users"));
    }

    #[test]
    fn a_folder_covers_what_is_below() {
        let one = selection(&["*:/Users/ada@x.com"], &[]);
        assert!(one.wants("notebook", "/Users/ada@x.com/deep/er") && !one.wants("notebook", "/Users/bob@x.com/a"));
        assert!(one.may_want_below("/Users") && one.may_want_below("/Users/ada@x.com/deep") && !one.may_want_below("/Shared"));
    }

    #[test]
    fn excluded_kinds_cost_no_call() {
        let one = selection(&[], &["job", "*:/Users/**/tmp"]);
        assert!(!one.wants_kind("job") && one.wants_kind("notebook"));
        assert!(!one.may_want_below("/Users/a/tmp") && !one.wants("file", "/Users/a/tmp/x") && one.wants("file", "/Users/a/x"));
    }

    #[test]
    fn what_hangs_on_an_object_goes_with_it() {
        assert!(selection(&["job:nightly"], &[]).wants_attached("permissions"));
        assert!(!selection(&["job:nightly"], &["permissions"]).wants_attached("permissions"));
    }

    #[test]
    fn a_star_stays_in_its_segment() {
        let one = selection(&["notebook:/Shared/*"], &[]);
        assert!(
            one.wants("notebook", "/Shared/a") && one.wants("notebook", "/Shared/a/b"),
            "a matched folder covers what is below"
        );
        assert!(!selection(&["notebook:/Shared/*/x"], &[]).wants("notebook", "/Shared/a/b/x"));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Selection::new(&["jobs".into()], &[]).is_err(), "a kind that nobody knows");
        assert!(Selection::new(&[":x".into()], &[]).is_err() && Selection::new(&["job:[".into()], &[]).is_err());
    }
}

//! Which objects of a bundle are meant: by kind, path, name, owner, tag, time, size, state.
//!
//! What the manifest says decides first, without reading a single object. Only owners and tags stand in documents, and only the
//! documents of what is left by then are read.

use super::walk::{self, Piece};
use crate::bundle::{Gap, GapState, Manifest, MemberLine, ReadError, Reader};
use crate::kinds::{self, Kind};
use crate::object::{PatternError, Selection};
use globset::{GlobBuilder, GlobMatcher};
use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Members that name who made or owns an object, at the top of its document, kind by kind as the API calls them.
const OWNERS: &[&str] =
    &["creator_user_name", "creator_name", "created_by", "owner_user_name", "owner_name", "last_modifier_user_name"];

/// Where tags stand, below the body.
const TAGS: &[&str] = &["/tags", "/custom_tags", "/default_tags", "/tags/custom_tags", "/spec/tags"];

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Whole in the bundle.
    Captured,
    /// In the bundle, but less than it should be.
    Degraded,
    /// Not in the bundle, for this reason.
    Absent(GapState),
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Captured,
        Self::Degraded,
        Self::Absent(GapState::Missing),
        Self::Absent(GapState::Excluded),
        Self::Absent(GapState::Unavailable),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Degraded => "degraded",
            Self::Absent(gap) => gap.as_str(),
        }
    }

    /// What became of a stored object.
    pub fn of(member: &MemberLine) -> Self {
        if member.degraded.is_some() { Self::Degraded } else { Self::Captured }
    }
}

/// What is asked for, as it stands on the command line. An object must meet every sort of demand that is made, and of each sort one.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// `kind` or `kind:glob` over paths and names, as [`Selection`] reads them.
    pub include: Vec<String>,
    /// The same for what is left out.
    pub exclude: Vec<String>,
    /// Kinds.
    pub kinds: Vec<String>,
    /// Globs over paths; a folder stands for all below it.
    pub paths: Vec<String>,
    /// Globs over names: the last part of a path, the name of what has none.
    pub names: Vec<String>,
    /// Globs over who made or owns it.
    pub owners: Vec<String>,
    /// `key` or `key=value`, both globs.
    pub tags: Vec<String>,
    /// Changed at this time or later: RFC 3339, a day, or a span before the bundle was made, as `7d`.
    pub modified_after: Option<String>,
    /// Changed before this time.
    pub modified_before: Option<String>,
    /// At least so many bytes.
    pub larger: Option<u64>,
    /// At most so many bytes.
    pub smaller: Option<u64>,
    /// What became of it.
    pub states: Vec<State>,
}

/// A demand that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DemandError {
    /// A pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A glob.
    #[error("cannot read the pattern \"{text}\"")]
    Glob {
        /// The pattern.
        text: String,
        /// Why.
        source: globset::Error,
    },
    /// A time.
    #[error(
        "\"{0}\" is no time: give a day as `2026-03-01`, a time as `2026-03-01T02:00:00Z`, or how long before the bundle, as `7d`"
    )]
    Time(String),
}

/// Demands, read.
#[derive(Clone, Debug)]
pub struct Filter {
    selection: Selection,
    kinds: Selection,
    paths: Option<Selection>,
    names: Vec<GlobMatcher>,
    owners: Vec<GlobMatcher>,
    tags: Vec<(GlobMatcher, Option<GlobMatcher>)>,
    after: Option<u64>,
    before: Option<u64>,
    sizes: (Option<u64>, Option<u64>),
    states: Vec<State>,
}

impl Filter {
    /// Reads demands. `created` is when the bundle was made: spans of time lead back from there.
    pub fn new(demands: &Demands, created: &str) -> Result<Self, DemandError> {
        let time = |text: &Option<String>| text.as_deref().map(|text| time(text, created)).transpose();
        let paths: Vec<String> = demands.paths.iter().map(|path| format!("*:{path}")).collect();
        Ok(Self {
            selection: Selection::new(&demands.include, &demands.exclude)?,
            kinds: Selection::new(&demands.kinds, &[])?,
            paths: (!paths.is_empty()).then(|| Selection::new(&paths, &[])).transpose()?,
            names: globs(&demands.names)?,
            owners: globs(&demands.owners)?,
            tags: demands.tags.iter().map(|tag| tag_of(tag)).collect::<Result<_, _>>()?,
            after: time(&demands.modified_after)?,
            before: time(&demands.modified_before)?,
            sizes: (demands.larger, demands.smaller),
            states: demands.states.clone(),
        })
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        let by_name = self.selection.is_everything() && self.kinds.is_everything() && self.paths.is_none();
        by_name && self.names.is_empty() && self.states.is_empty() && !self.knows_more() && !self.reads()
    }

    /// Whether it asks for what is known of stored objects alone.
    fn knows_more(&self) -> bool {
        self.after.is_some() || self.before.is_some() || self.sizes != (None, None)
    }

    /// Whether documents must be read.
    fn reads(&self) -> bool {
        !self.owners.is_empty() || !self.tags.is_empty()
    }

    fn named(&self, kind: &str, key: &str, state: State) -> bool {
        let name = || key.rsplit('/').next().unwrap_or(key);
        self.selection.wants(kind, key)
            && self.kinds.wants(kind, key)
            && self.paths.as_ref().is_none_or(|paths| key.starts_with('/') && paths.wants(kind, key))
            && (self.names.is_empty() || self.names.iter().any(|glob| glob.is_match(name()) || glob.is_match(key)))
            && (self.states.is_empty() || self.states.contains(&state))
    }

    /// Whether the manifest says nothing against a stored object.
    fn may_want(&self, member: &MemberLine) -> bool {
        let (larger, smaller) = self.sizes;
        self.named(&member.kind, member.key.as_deref().unwrap_or(&member.path), State::of(member))
            && larger.is_none_or(|least| member.size >= least)
            && smaller.is_none_or(|most| member.size <= most)
            && (self.after.is_none() && self.before.is_none() || self.is_of_the_time(member))
    }

    /// What has no time of a change is of none.
    fn is_of_the_time(&self, member: &MemberLine) -> bool {
        let Some(time) = member.modified_at() else { return false };
        self.after.is_none_or(|after| time >= after) && self.before.is_none_or(|before| time < before)
    }

    /// Whether the manifest says nothing against an object of this kind and path, in the bundle or not.
    pub fn wants_by_name(&self, manifest: &Manifest, kind: &str, path: &str) -> bool {
        let at = || manifest.gaps.binary_search_by(|gap| (gap.path.as_str(), gap.kind.as_str()).cmp(&(path, kind))).ok();
        let gap = || manifest.gaps.get(at()?);
        match manifest.find(kind, path) {
            Some(member) => self.may_want(member),
            None => gap().is_some_and(|gap| self.wants_gap(gap)),
        }
    }

    /// Whether what is not in the bundle is asked for: of it nothing is known but its name.
    fn wants_gap(&self, gap: &Gap) -> bool {
        !self.reads() && !self.knows_more() && self.named(&gap.kind, &gap.path, State::Absent(gap.state))
    }
}

/// What is meant.
#[derive(Debug, Default)]
pub struct Chosen<'a> {
    /// Stored objects, ascending by path, then kind.
    pub members: Vec<&'a MemberLine>,
    /// Objects that are not stored, in the same order.
    pub gaps: Vec<&'a Gap>,
}

/// The objects of a bundle that a filter means. Errors: documents that must be read cannot be read.
pub fn choose<'a>(reader: &'a Reader, filter: &Filter) -> Result<Chosen<'a>, ReadError> {
    let manifest = reader.manifest();
    let mut members: Vec<&MemberLine> = manifest.members.iter().filter(|member| filter.may_want(member)).collect();
    if filter.reads() {
        members = by_documents(reader, filter, members)?;
    }
    Ok(Chosen { members, gaps: manifest.gaps.iter().filter(|gap| filter.wants_gap(gap)).collect() })
}

fn by_documents<'a>(reader: &'a Reader, filter: &Filter, members: Vec<&'a MemberLine>) -> Result<Vec<&'a MemberLine>, ReadError> {
    let acls = if filter.owners.is_empty() { HashMap::new() } else { acl_owners(reader)? };
    let mut chosen: HashSet<*const MemberLine> = HashSet::new();
    let look = |member: &MemberLine, piece: Piece<'_>| {
        let document = document_of(member).then(|| piece.whole()).flatten().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let owned = filter.owners.is_empty() || {
            let acl = acls.get(&(member.kind.to_string(), member.path.to_string()));
            let owners = owners(member, document.as_ref()).into_iter().chain(acl.into_iter().flatten().cloned());
            owners.into_iter().any(|owner| filter.owners.iter().any(|glob| glob.is_match(&owner)))
        };
        owned && (filter.tags.is_empty() || tags(member, document.as_ref()).iter().any(|tag| is_tagged(&filter.tags, tag)))
    };
    walk::each(reader, &members, &look, &mut |member, wanted| {
        if wanted {
            chosen.insert(std::ptr::from_ref(member));
        }
        true
    })?;
    Ok(members.into_iter().filter(|member| chosen.contains(&std::ptr::from_ref(*member))).collect())
}

/// Whether an object is a document, and no bytes of somebody's.
pub(super) fn document_of(member: &MemberLine) -> bool {
    use kinds::{Shape, Tree};
    let bytes = |kind: &Kind| matches!(kind.shape, Shape::Tree(Tree::Notebook | Tree::File | Tree::Dbfs | Tree::Volume));
    kinds::by_name(&member.kind).is_some_and(|kind| !bytes(kind))
}

/// Objects by kind and id, with who their permissions say owns them.
type Owned = HashMap<(String, String), Vec<String>>;

fn acl_owners(reader: &Reader) -> Result<Owned, ReadError> {
    let members: Vec<&MemberLine> = reader.manifest().members.iter().filter(|member| &*member.kind == "permissions").collect();
    let mut owned = Owned::new();
    let look = |member: &MemberLine, piece: Piece<'_>| {
        let document: Value = serde_json::from_slice(piece.whole()?).ok()?;
        let meta = member.meta();
        let of = |name: &str| meta.get("parent")?.get(name)?.as_str().map(str::to_owned);
        Some(((of("kind")?, of("id")?), listed_owners(&document)))
    };
    walk::each(reader, &members, &look, &mut |_, found| {
        owned.extend(found.filter(|(_, owners)| !owners.is_empty()));
        true
    })?;
    Ok(owned)
}

/// Principals of an access control list that own the object.
fn listed_owners(document: &Value) -> Vec<String> {
    let entries = document.get("access_control_list").and_then(Value::as_array).into_iter().flatten();
    let owns = |entry: &&Value| {
        let levels = entry.get("all_permissions").and_then(Value::as_array).into_iter().flatten();
        levels.filter_map(|one| one.get("permission_level")).any(|level| level == "IS_OWNER")
    };
    let name = |entry: &Value| {
        let names = ["user_name", "service_principal_name", "group_name"];
        names.iter().find_map(|name| entry.get(name)?.as_str()).map(str::to_owned)
    };
    entries.filter(owns).filter_map(name).collect()
}

/// Who made or owns an object: as its document says, and whose home it lies in.
fn owners(member: &MemberLine, document: Option<&Value>) -> Vec<String> {
    let said = document.into_iter().flat_map(|document| OWNERS.iter().filter_map(|name| document.get(name)?.as_str()));
    let home = member.path.strip_prefix("/Users/").and_then(|rest| rest.split('/').next());
    said.chain(home).map(str::to_owned).collect()
}

/// Tags of an object: an object of texts, a list of `{key, value}`, or a list of words.
fn tags(member: &MemberLine, document: Option<&Value>) -> Vec<(String, String)> {
    let Some((kind, document)) = kinds::by_name(&member.kind).zip(document) else { return Vec::new() };
    let body = kind.body_of(document).unwrap_or(document);
    let mut tags = Vec::new();
    for found in TAGS.iter().filter_map(|at| body.pointer(at)) {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match found {
            Value::Object(all) => {
                tags.extend(all.iter().filter(|(_, value)| !value.is_array()).map(|(key, value)| (key.clone(), text(value))));
            }
            Value::Array(all) => tags.extend(all.iter().map(|one| match (one.get("key"), one.get("value")) {
                (Some(key), value) => (text(key), value.map(text).unwrap_or_default()),
                _ => (text(one), String::new()),
            })),
            _ => {}
        }
    }
    tags
}

fn is_tagged(wanted: &[(GlobMatcher, Option<GlobMatcher>)], (key, value): &(String, String)) -> bool {
    wanted.iter().any(|(name, said)| name.is_match(key) && said.as_ref().is_none_or(|said| said.is_match(value)))
}

fn glob(text: &str) -> Result<GlobMatcher, DemandError> {
    let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|source| DemandError::Glob { text: text.to_owned(), source })
}

fn globs(texts: &[String]) -> Result<Vec<GlobMatcher>, DemandError> {
    texts.iter().map(|text| glob(text)).collect()
}

fn tag_of(text: &str) -> Result<(GlobMatcher, Option<GlobMatcher>), DemandError> {
    match text.split_once('=') {
        Some((key, value)) => Ok((glob(key)?, Some(glob(value)?))),
        None => Ok((glob(text)?, None)),
    }
}

/// Milliseconds since 1970: of a time, in UTC unless it says otherwise, of the beginning of a day, or of so long before the bundle was made.
fn time(text: &str, created: &str) -> Result<u64, DemandError> {
    let wrong = || DemandError::Time(text.to_owned());
    let day = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let back = || {
        let span: Span = text.parse().ok()?;
        let made: Timestamp = created.parse().ok()?;
        made.to_zoned(TimeZone::UTC).checked_sub(span.abs()).ok().map(|time| time.timestamp())
    };
    let time = text.parse::<Timestamp>().ok().or_else(day).or_else(back).ok_or_else(wrong)?;
    u64::try_from(time.as_millisecond()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_absolute_or_lead_back_from_the_bundle() {
        let of = |text: &str| {
            time(text, "2026-03-11T02:00:00Z")
                .map(|ms| Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap().to_string())
        };
        for (text, wanted) in [
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T02:00:00+01:00", "2026-03-01T01:00:00Z"),
            ("2026-03-01T02:00", "2026-03-01T02:00:00Z"),
            ("7d", "2026-03-04T02:00:00Z"),
            ("36h", "2026-03-09T14:00:00Z"),
            ("1mo", "2026-02-11T02:00:00Z"),
        ] {
            assert_eq!(of(text).unwrap(), wanted, "{text}");
        }
        assert!(of("yesterday").is_err() && of("").is_err());
    }

    #[test]
    fn owners_of_an_access_control_list() {
        let level = |level: &str| json!([{ "permission_level": level }]);
        let document = json!({ "access_control_list": [
            { "user_name": "a@x", "all_permissions": level("IS_OWNER") },
            { "group_name": "admins", "all_permissions": level("CAN_MANAGE") },
        ] });
        assert_eq!(listed_owners(&document), ["a@x"]);
    }
}

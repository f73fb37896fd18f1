//! What is in a bundle: one row for each object, and one object with its body.

use crate::bundle::{Gap, Manifest, MemberLine, ObjectName, ReadError, Reader, Redacted};

/// One object of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Name of the kind.
    pub kind: &'a str,
    /// True object path, or source id.
    pub path: &'a str,
    /// Natural key, where it differs from the path.
    pub key: Option<&'a str>,
    /// `captured`, `degraded`, `missing`, `excluded` or `unavailable`.
    pub state: &'static str,
    /// Why, where the state needs a reason.
    pub reason: Option<&'a str>,
    /// Size of the body in bytes, if it is stored.
    pub size: Option<u64>,
}

/// All objects, stored or not, ascending by kind, then path.
pub fn list(manifest: &Manifest) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = manifest.members.iter().map(stored).chain(manifest.gaps.iter().map(lacking)).collect();
    rows.sort_by(|a, b| (a.kind, a.path).cmp(&(b.kind, b.path)));
    rows
}

fn stored(member: &MemberLine) -> Row<'_> {
    let reason = member.degraded.as_deref();
    let state = if reason.is_some() { "degraded" } else { "captured" };
    Row { kind: &member.kind, path: &member.path, key: member.key.as_deref(), state, reason, size: Some(member.size) }
}

fn lacking(gap: &Gap) -> Row<'_> {
    Row { kind: &gap.kind, path: &gap.path, key: None, state: gap.state.as_str(), reason: Some(&gap.reason), size: None }
}

/// One stored object.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// Its line.
    pub member: &'a MemberLine,
    /// Its bytes.
    pub body: Vec<u8>,
    /// Values that were removed from it.
    pub redacted: Vec<&'a Redacted>,
}

/// Why an object cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// Nothing goes by that name.
    #[error("nothing in the bundle goes by \"{0}\"")]
    NotFound(String),
    /// The object was listed and is not stored.
    #[error("{} \"{}\" is {} in the bundle: {}", .0.kind, .0.path, .0.state.as_str(), .0.reason)]
    Gap(Box<Gap>),
    /// Several objects go by that name.
    #[error("{} objects go by that name, the first is {}", .0.len(), .0[0])]
    Ambiguous(Vec<ObjectName>),
    /// It is there and cannot be read.
    #[error("cannot read the object")]
    Read(#[from] ReadError),
}

/// Finds one object by `kind/path`, by its path or id, by its natural key or by its name in the archive, in this order.
pub fn show<'a>(reader: &'a Reader, wanted: &str) -> Result<Shown<'a>, ShowError> {
    let manifest = reader.manifest();
    let member = match find(manifest, wanted).as_slice() {
        [only] => *only,
        [] => return Err(absent(manifest, wanted)),
        many => return Err(ShowError::Ambiguous(many.iter().map(|member| member.object()).collect())),
    };
    let body = reader.read(member)?;
    let of_member = |line: &&Redacted| *line.path == *member.path && *line.kind == *member.kind;
    Ok(Shown { member, body, redacted: manifest.redacted.iter().filter(of_member).collect() })
}

fn find<'a>(manifest: &'a Manifest, wanted: &str) -> Vec<&'a MemberLine> {
    let (kind, path) = wanted.split_once('/').unwrap_or_default();
    let exact = manifest.find(kind, path).or_else(|| manifest.find(kind, &format!("/{path}")));
    if let Some(member) = exact {
        return vec![member];
    }
    let ways: [&dyn Fn(&MemberLine) -> bool; 3] =
        [&|m| *m.path == *wanted, &|m| m.key.as_deref() == Some(wanted), &|m| *m.name == *wanted];
    let found = ways.into_iter().map(|way| manifest.members.iter().filter(|m| way(m)).collect::<Vec<_>>());
    found.into_iter().find(|members| !members.is_empty()).unwrap_or_default()
}

fn absent(manifest: &Manifest, wanted: &str) -> ShowError {
    let (kind, path) = wanted.split_once('/').unwrap_or_default();
    let is_it =
        |gap: &&Gap| gap.path == wanted || (gap.kind == kind && gap.path.trim_start_matches('/') == path.trim_start_matches('/'));
    match manifest.gaps.iter().find(is_it) {
        Some(gap) => ShowError::Gap(Box::new(gap.clone())),
        None => ShowError::NotFound(wanted.to_owned()),
    }
}

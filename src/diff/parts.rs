//! What a change is made of.

use super::labels::UNKNOWN;
use super::{Change, ContentChange, Digest, FieldChange, Members, Named, What};
use crate::object::{Body, Object};
use serde_json::Value;
use std::collections::BTreeSet;

/// A change of which nothing is said yet.
pub(super) fn blank(what: What, one: Option<&Object>, other: Option<&Object>) -> Change {
    let named = |object: &Object| Named { id: object.id.clone(), name: object.key.clone() };
    Change {
        what,
        kind: one.or(other).map(|object| object.kind.name.to_owned()).unwrap_or_default(),
        before: one.map(named),
        after: other.map(named),
        brief: None,
        matched: None,
        renamed: false,
        moved: false,
        replaced: false,
        along: 0,
        fields: Vec::<FieldChange>::new(),
        access: Vec::new(),
        members: None,
        content: None,
        degraded: None,
        expected: None,
    }
}

/// Whether two bodies are the same without a look into them.
pub(super) fn is_same(one: &Body, other: &Body) -> bool {
    match (one, other) {
        (Body::Packed(one), Body::Packed(other)) => one == other,
        _ => one.digest().is_some() && one.digest() == other.digest(),
    }
}

pub(super) fn content(one: &Object, other: &Object) -> Option<ContentChange> {
    let digest =
        |object: &Object| object.body.digest().map(|(size, sha256)| Digest::new(size, &sha256, object.meta.text("format")));
    let (before, after) = (digest(one)?, digest(other)?);
    Some(ContentChange { before, after, read: false, note: None, cells: Vec::new(), lines: Vec::new() })
}

/// Takes the members out of two groups, and says who came and who went.
pub(super) fn members(before: &mut Value, after: &mut Value) -> Option<Members> {
    let take = |group: &mut Value| -> BTreeSet<String> {
        let list = group.as_object_mut().and_then(|group| group.shift_remove("members"));
        let list = list.as_ref().and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|member| Some(member.get("value")?.as_str()?.to_owned())).collect()
    };
    let (had, has) = (take(before), take(after));
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| these.difference(those).cloned().collect::<Vec<_>>();
    if had.iter().chain(&has).any(|member| member == UNKNOWN) {
        return None;
    }
    let members = Members { gained: only(&has, &had), lost: only(&had, &has) };
    (members != Members::default()).then_some(members)
}

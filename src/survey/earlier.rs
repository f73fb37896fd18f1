//! What an earlier export read, and this one need not read again: a listing says when an object was changed last, and all that it
//! says besides is what it said then.
//!
//! A time is not trusted alone: the id, the language, the size must be the same too. And what was changed around the earlier export
//! is read again, since it may have changed once more within the same tick of the workspace's clock.

use super::Survey;
use crate::kinds::{Kind, Shape, Tree};
use crate::object::{Body, Object};
use crate::spool::Sha;
use serde_json::{Map, Value};

/// Name in `meta` under which a carried object says where it was read.
pub const CARRIED: &str = "carried";

/// An earlier export of the same workspace.
pub trait Earlier: Send + Sync + std::fmt::Debug {
    /// What it says of an object that is whole in it, if it is.
    fn find(&self, kind: &Kind, id: &str) -> Option<Known>;

    /// The document of such an object.
    fn document(&self, kind: &Kind, id: &str) -> Option<Value>;

    /// The last time, in milliseconds since 1970, at which a change was surely seen by it.
    fn seen_until(&self) -> u64;
}

/// What an earlier export says of an object.
#[derive(Clone, Debug)]
pub struct Known {
    /// What was known beside the body.
    pub meta: Map<String, Value>,
    /// When it had been changed last, in milliseconds since 1970.
    pub modified_at: Option<u64>,
    /// Length of the body in bytes.
    pub len: u64,
    /// SHA-256 of the body.
    pub sha256: Sha,
    /// Where it was read: goes into `meta` under [`CARRIED`].
    pub origin: Value,
}

impl Survey {
    /// A notebook or file as the earlier export read it, if nothing in its listing says otherwise.
    pub(super) fn unchanged_leaf(&self, kind: &'static Kind, path: &str, info: &Value) -> Option<Object> {
        let (mut known, at) = self.unchanged(kind, path, info)?;
        let sized = matches!(kind.shape, Shape::Tree(Tree::File));
        if sized && info.get("size").and_then(Value::as_u64) != Some(known.len) {
            return None;
        }
        let body = Body::Stored { len: known.len, sha256: known.sha256 };
        let mut object = self.listed_object(kind, path, info, body);
        // What only a reading tells.
        let format = known.meta.remove("format");
        if !is_same(&object.meta.members(), &known.meta) || known.modified_at != Some(at) {
            return None;
        }
        let read = format.map(|format| ("format", format)).into_iter().chain([(CARRIED, known.origin)]);
        read.for_each(|(name, value)| object.meta.insert(name, value));
        Some(object)
    }

    /// A file of DBFS as the earlier export read it.
    pub(super) fn unchanged_file(&self, kind: &'static Kind, path: &str, size: u64, at: Option<u64>) -> Option<Object> {
        let known = self.scope.earlier.as_ref().filter(|earlier| at.is_some_and(|at| at <= earlier.seen_until()));
        let known = known?.find(kind, path).filter(|known| known.len == size && known.modified_at == at)?;
        let body = Body::Stored { len: known.len, sha256: known.sha256 };
        let meta = Map::from_iter([(CARRIED.to_owned(), known.origin)]).into();
        let (id, key) = (path.to_owned(), path.to_owned());
        Some(Object { kind, id, key, body, meta, modified_at: at, degraded: None, redacted: Vec::new() })
    }

    /// The document of a listed item as the earlier export read it: all that the item says must stand in it.
    pub(super) fn unchanged_document(&self, kind: &'static Kind, id: &str, item: &Value) -> Option<(Value, Value)> {
        let (known, _) = self.unchanged(kind, id, item)?;
        let document = self.scope.earlier.as_ref()?.document(kind, id)?;
        let said = item.as_object()?.iter().all(|(name, value)| document.get(name) == Some(value));
        said.then_some((document, known.origin))
    }

    /// What the earlier export knows of something whose listing says that it was not changed since, and when it was.
    fn unchanged(&self, kind: &'static Kind, id: &str, item: &Value) -> Option<(Known, u64)> {
        let earlier = self.scope.earlier.as_ref()?;
        let at = item.pointer(kind.changed?)?.as_u64().filter(|at| *at <= earlier.seen_until())?;
        let mut known = earlier.find(kind, id)?;
        known.meta.remove(CARRIED);
        known.meta.remove("modified_at");
        Some((known, at))
    }
}

/// Whether two descriptions say the same. A number that a bundle cannot hold exactly is a text there.
fn is_same(listed: &Map<String, Value>, kept: &Map<String, Value>) -> bool {
    let same = |one: &Value, other: &Value| match (one, other) {
        (Value::Number(number), Value::String(text)) => number.to_string() == *text,
        (one, other) => one == other,
    };
    listed.len() == kept.len() && listed.iter().all(|(name, value)| kept.get(name).is_some_and(|kept| same(value, kept)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn descriptions_are_the_same_or_not() {
        let same = |one: Value, other: Value| is_same(one.as_object().unwrap(), other.as_object().unwrap());
        let listed = json!({"object_id": 9_706_113_254_741_112_u64, "language": "PYTHON"});
        assert!(same(listed.clone(), json!({"language": "PYTHON", "object_id": "9706113254741112"})));
        for other in [
            json!({"object_id": "9706113254741113", "language": "PYTHON"}),
            json!({"object_id": "9706113254741112", "language": "SQL"}),
            json!({"object_id": "9706113254741112"}),
            json!({"object_id": "9706113254741112", "language": "PYTHON", "resource_id": "1"}),
        ] {
            assert!(!same(listed.clone(), other.clone()), "{other}");
        }
    }
}

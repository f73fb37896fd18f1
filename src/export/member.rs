//! An object as a member of a bundle: its name, its bytes, and how it counts in `content_id`.

use crate::bundle::{Canonical, Member, Redacted, WriteError, Writer};
use crate::kinds::{Class, Kind, Shape, Tree};
use crate::object::{Body, Object};
use crate::pointer;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Writes an object down, with a line for each value that was blanked.
pub(super) fn write(writer: &mut Writer, mut object: Object) -> Result<(), WriteError> {
    let meta = object.meta.members();
    let name = name_of(object.kind, &object.id, &meta);
    let redacted = std::mem::take(&mut object.redacted).into_iter().map(|(pointer, reason)| Redacted {
        kind: object.kind.name.to_owned(),
        path: object.id.clone(),
        pointer: within(pointer),
        reason: reason.to_owned(),
    });
    let redacted: Vec<Redacted> = redacted.collect();
    let canonical = object.document().map(|document| canonical(object.kind, &document));
    match std::mem::replace(&mut object.body, Body::Json(Value::Null)) {
        Body::Bytes(blob) => {
            let canonical = object.kind.is_secret_value().then(uncounted);
            writer.member(member(object, name, meta, blob, canonical))?;
        }
        Body::Packed(document) => written(writer, object, name, meta, &document.value(), canonical)?,
        Body::Json(document) => written(writer, object, name, meta, &document, canonical)?,
        Body::Stored { .. } => writer.carry(member(object, name, meta, (), None))?,
        Body::Withheld => {
            let what = object.source().to_string();
            return Err(WriteError::Unfit { what, why: "its value is not at hand".to_owned() });
        }
    }
    redacted.into_iter().try_for_each(|line| writer.redacted(line))
}

fn written(
    writer: &mut Writer,
    object: Object,
    name: String,
    meta: Map<String, Value>,
    document: &Value,
    canonical: Option<Canonical>,
) -> Result<(), WriteError> {
    let blob = writer.spool().keep(document.to_string().as_bytes()).map_err(WriteError::Spool)?;
    writer.member(member(object, name, meta, blob, canonical))
}

fn member<B>(object: Object, name: String, meta: Map<String, Value>, body: B, canonical: Option<Canonical>) -> Member<B> {
    let key = Some(object.key).filter(|key| *key != object.id);
    Member {
        kind: object.kind.name.to_owned(),
        path: object.id,
        key,
        name,
        modified_at: object.modified_at,
        meta,
        degraded: object.degraded,
        body,
        canonical,
    }
}

/// A pointer, or what it begins with: names of members may be longer than a line of the manifest.
fn within(mut pointer: String) -> String {
    const MOST: usize = 8 << 10;
    while pointer.len() > MOST {
        let parent = pointer.rfind('/').unwrap_or_default();
        pointer.truncate(parent);
    }
    pointer
}

/// Name below the kind's folder: a path keeps its shape and says what it is; all else is an id and `.json`.
pub fn name_of(kind: &Kind, id: &str, meta: &Map<String, Value>) -> String {
    let Shape::Tree(tree) = kind.shape else { return format!("{id}.json") };
    let path = id.trim_start_matches('/');
    match tree {
        Tree::Notebook => format!("{path}.notebook.{}", notebook_extension(meta)),
        Tree::File | Tree::Dbfs | Tree::Volume => format!("{path}.file"),
        Tree::Directory => format!("{path}.directory.json"),
        Tree::Repo => format!("{path}.repo.json"),
        Tree::Other => format!("{path}.object.json"),
    }
}

fn notebook_extension(meta: &Map<String, Value>) -> &'static str {
    let text = |name: &str| meta.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("format"), text("language")) {
        ("JUPYTER", _) => "ipynb",
        (_, "SCALA") => "scala",
        (_, "SQL") => "sql",
        (_, "R") => "r",
        (_, _) => "py",
    }
}

/// Digest of the document in canonical JSON (members sorted, no spaces), less what changes by itself.
fn canonical(kind: &Kind, document: &Value) -> Canonical {
    let mut document = document.clone();
    for (at, class) in kind.fields() {
        if class == Class::Volatile {
            pointer::remove(&mut document, &at);
        }
    }
    document.sort_all_objects();
    let text = document.to_string();
    Canonical { size: text.len() as u64, sha256: Sha256::digest(text.as_bytes()).into() }
}

/// What counts of the value of a secret: nothing but that it is there. An identity of contents is told to everybody, and must not
/// bear out a guess; a workspace says by the time of its last change that a secret is another.
fn uncounted() -> Canonical {
    Canonical { size: 2, sha256: Sha256::digest(b"{}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use serde_json::json;

    #[test]
    fn names_say_what_a_member_is() {
        let name = |kind: &str, id: &str, meta: Value| {
            name_of(kinds::by_name(kind).expect("known"), id, meta.as_object().expect("an object"))
        };
        assert_eq!(
            name("notebook", "/Users/a@b.c/etl", json!({"language": "SQL", "format": "SOURCE"})),
            "Users/a@b.c/etl.notebook.sql"
        );
        assert_eq!(name("notebook", "/x", json!({"language": "PYTHON", "format": "JUPYTER"})), "x.notebook.ipynb");
        assert_eq!(name("file", "/x/a.py", json!({})), "x/a.py.file");
        assert_eq!(name("permissions", "jobs/12", json!({})), "jobs/12.json");
    }

    #[test]
    fn what_changes_by_itself_does_not_count() {
        let kind = kinds::by_name("cluster").expect("known");
        let (tonight, tomorrow) =
            (json!({"cluster_id": "a", "state": "RUNNING"}), json!({"state": "TERMINATED", "cluster_id": "a"}));
        assert_eq!(canonical(kind, &tonight), canonical(kind, &tomorrow));
    }
}

//! Rule files over small bundles: each action, each map, what is refused, and what holds for all rules.

mod actions;
mod blanks;
mod carried;
mod messages;
mod properties;
mod swaps;

use super::{Applied, Code, RuleSet, Sanitized};
use crate::object::made::surveyed as object;
use crate::object::{Body, Object};
use serde_json::{Value, json};

#[expect(clippy::needless_pass_by_value, reason = "what is given is made on the spot")]
pub(super) fn job(id: &str, settings: Value) -> Object {
    object("job", id, json!({ "job_id": id, "settings": settings }))
}

#[expect(clippy::needless_pass_by_value, reason = "what is given is made on the spot")]
pub(super) fn cluster(id: &str, spec: Value) -> Object {
    object("cluster", id, json!({ "cluster_id": id, "spec": spec, "cluster_name": spec["cluster_name"] }))
}

pub(super) fn content(kind: &str, path: &str, bytes: &[u8]) -> Object {
    let sha256 = <sha2::Sha256 as sha2::Digest>::digest(bytes).into();
    Object { body: Body::Stored { len: bytes.len() as u64, sha256 }, ..object(kind, path, Value::Null) }
}

pub(super) fn hanging(kind: &str, id: &str, on: (&str, &str), document: Value) -> Object {
    let mut object = object(kind, id, document);
    object.meta.insert("parent", json!({"kind": on.0, "id": on.1}));
    object
}

pub(super) fn rules(text: &str) -> RuleSet {
    RuleSet::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(super) fn apply(text: &str, objects: &[Object]) -> Applied {
    let applied = rules(text).apply(objects, &Code::default());
    assert!(applied.problems.is_empty(), "{:?}", applied.problems);
    applied
}

impl Applied {
    pub(super) fn of(&self, kind: &str, id: &str) -> &Sanitized {
        self.objects
            .iter()
            .find(|one| one.kind().name == kind && one.id() == id)
            .unwrap_or_else(|| panic!("no {kind}:{id}: {self:#?}"))
    }

    pub(super) fn body(&self, kind: &str, id: &str) -> Value {
        Value::Object(self.of(kind, id).json().expect("a document"))
    }

    pub(super) fn problem(text: &str, objects: &[Object]) -> String {
        let applied = rules(text).apply(objects, &Code::default());
        applied.problems.first().map_or_else(|| panic!("no problem: {text}"), ToString::to_string)
    }
}

//! Plans for small bundles, each with one difficulty.

mod identity;
mod jobs;
mod others;
mod rights;
mod switch;
mod tree;

use super::{Action, Inventory, Maps, Matter, Options, Plan, Source, Step, Target, make, switch as switched};
use crate::kinds::{self, Shape};
use crate::object::{Body, Object, made};
use crate::rules::{Code, RuleSet};
use serde_json::{Value, json};

pub(super) const ME: &str = "restorer@x.com";

/// An object as a survey gives it: id and key are read from the document where the kind says so.
pub(crate) fn object(kind: &str, id: &str, document: Value) -> Object {
    let mut object = made::surveyed(kind, id, document);
    if let Body::Json(document) = &mut object.body {
        put_id(object.kind, id, document);
    }
    object
}

fn put_id(kind: &kinds::Kind, id: &str, document: &mut Value) {
    let at = match &kind.shape {
        Shape::Collection(collection) => collection.id,
        Shape::Recorded(recorded) => recorded.id,
        Shape::Tree(_) | Shape::Attached(_) => return,
    };
    let id = if kind.name == "job" { json!(id.parse::<i64>().expect("a number")) } else { json!(id) };
    if let Some(members) = document.as_object_mut() {
        members.insert(at.trim_start_matches('/').into(), id);
    }
}

pub(crate) fn content(kind: &str, path: &str, bytes: &[u8], meta: &Value) -> Object {
    let sha256 = <sha2::Sha256 as sha2::Digest>::digest(bytes).into();
    let body = Body::Stored { len: bytes.len() as u64, sha256 };
    Object { body, ..folder(kind, path).with(meta) }
}

pub(crate) fn folder(kind: &str, path: &str) -> Object {
    object(kind, path, json!({ "path": path }))
}

pub(crate) trait With {
    fn with(self, meta: &Value) -> Self;
}

impl With for Object {
    fn with(mut self, meta: &Value) -> Self {
        self.meta = meta.as_object().cloned().expect("an object").into();
        self
    }
}

pub(crate) fn hanging(kind: &str, id: &str, on: (&str, &str), document: Value) -> Object {
    object(kind, id, document).with(&json!({"parent": {"kind": on.0, "id": on.1}}))
}

pub(crate) fn acl(entries: &[(&str, &str, &str)]) -> Value {
    let entry = |(who, name, level): &(&str, &str, &str)| json!({*who: name, "all_permissions": [{"permission_level": level, "inherited": false}]});
    json!({"access_control_list": entries.iter().map(entry).collect::<Vec<_>>()})
}

/// Bundle and target of a test.
#[derive(Default)]
pub(super) struct Case {
    pub bundle: Vec<Object>,
    pub recorded: Vec<Object>,
    pub target: Vec<Object>,
    pub maps: &'static str,
    pub rules: &'static str,
    pub options: Options,
    pub unavailable: Vec<String>,
    pub unread: Vec<(String, String)>,
    pub without_entra: Option<String>,
    pub target_workspace: &'static str,
    pub no_admin: bool,
}

impl Case {
    pub(super) fn plan(&self) -> Plan {
        self.made_by(make)
    }

    /// What is switched on or off, once what the bundle holds is there.
    pub(super) fn switch(&self, on: bool) -> Plan {
        self.made_by(|matter| switched(on, matter))
    }

    fn made_by(&self, make: impl Fn(Matter<'_>) -> Plan) -> Plan {
        let maps = Maps::parse(self.maps).expect("maps are good");
        let objects =
            RuleSet::parse(self.rules).expect("rules are good").with_maps(&maps).apply(&self.bundle, &Code::default()).objects;
        let workspace_id = if self.target_workspace.is_empty() { "200" } else { self.target_workspace }.to_owned();
        let target = Target { host: "https://target".into(), workspace_id, user: ME.into(), is_admin: !self.no_admin };
        let inventory = Inventory {
            target,
            objects: self.target.clone(),
            unavailable: self.unavailable.clone(),
            unread: self.unread.clone(),
            without_entra: self.without_entra.clone(),
        };
        let source = Source { workspace_id: "100".into(), host: "https://source".into(), digest: "d".into() };
        let plan = make(Matter {
            objects: &objects,
            recorded: &self.recorded,
            inventory: &inventory,
            maps: &maps,
            source: &source,
            options: &self.options,
        });
        check(&plan);
        plan
    }
}

/// What holds for every plan: needs come before, it can be saved, and no secret text survives.
fn check(plan: &Plan) {
    for (index, step) in plan.steps.iter().enumerate() {
        assert!(step.needs.iter().chain(&step.after).all(|one| *one < index), "{index}: {step:?}");
    }
    let text = plan.to_json().expect("a plan is JSON");
    assert!(!text.contains(crate::object::REDACTED));
    let again = Plan::from_json(&text).expect("a saved plan is read");
    assert_eq!(again.to_json().expect("a plan is JSON"), text);
}

impl Plan {
    pub(super) fn of(&self, kind: &str, id: &str) -> &Step {
        let is = |step: &&Step| step.source.kind == kind && step.source.id == id;
        self.steps.iter().find(is).unwrap_or_else(|| panic!("no step for {kind}:{id} in {:#?}", self.steps))
    }

    pub(super) fn second_of(&self, kind: &str, id: &str) -> Option<&Step> {
        let is =
            |step: &&Step| step.source.kind == kind && step.source.id == id && matches!(step.action, Action::Complete { .. });
        self.steps.iter().find(is)
    }

    pub(super) fn body_of(&self, kind: &str, id: &str) -> Value {
        body(self.of(kind, id))
    }

    pub(super) fn why_not(&self, kind: &str, id: &str) -> &str {
        match &self.of(kind, id).action {
            Action::Skip { reason } => reason,
            other => panic!("{other:?} is not skipped"),
        }
    }

    pub(super) fn says(&self, words: &str) -> bool {
        self.todos.iter().any(|todo| todo.text.contains(words))
    }
}

pub(super) fn body(step: &Step) -> Value {
    match &step.action {
        Action::Create { body }
        | Action::Update { body, .. }
        | Action::Switch { body, .. }
        | Action::Complete { body, .. }
        | Action::Attach { body, .. } => Value::Object(body.clone()),
        other => panic!("{other:?} sends no body"),
    }
}

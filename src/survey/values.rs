//! Values of secrets, where a person names sources for them. They come last: only once all names are known can be told which of
//! them would get the same value by mistake, and which scopes are not there at all.

use super::attached::attached_key;
use super::{GapState, Parent, Survey, Task, template};
use crate::api::{ApiError, ErrorKind, Purpose};
use crate::kinds::{self, Kind, Read, Shape};
use crate::object::{Body, Object};
use crate::values::{Got, LARGEST, Name, SecretValue, seal};
use secrecy::zeroize::Zeroize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of scopes and keys on the way.
#[derive(Default)]
pub(super) struct Secrets {
    /// Scopes by name, with their keys.
    scopes: BTreeMap<String, Parent>,
    /// Why the values of a scope are not in the workspace.
    elsewhere: BTreeMap<String, &'static str>,
    names: BTreeSet<Name>,
}

/// A value that is not had, and the HTTP status of the answer if there was one.
type Lack = (String, Option<u16>);

impl Survey {
    /// Remembers a scope, or a key whose value is asked for.
    pub(super) fn note_secret(&self, object: &Object) {
        let Some((kind, of, elsewhere)) = given().filter(|_| !self.scope.values.is_empty()) else { return };
        match object.meta.parent() {
            None if hangs_on(kind, object.kind) => {
                let why = object.document().and_then(|document| elsewhere(&document));
                let id = object.id.clone();
                let parent = Parent { kind: object.kind, api_id: id.clone(), id: id.clone(), key: object.key.clone() };
                self.locked(|shared| {
                    shared.secrets.elsewhere.extend(why.map(|why| (id.clone(), why)));
                    shared.secrets.scopes.insert(id, parent);
                });
            }
            Some((_, scope)) if object.kind.name == of && self.scope.values.want(&scope) => {
                let key = object.id.strip_prefix(&scope).and_then(|key| key.strip_prefix('/')).unwrap_or(&object.id).to_owned();
                self.locked(|shared| shared.secrets.names.insert((scope, key)));
            }
            _ => {}
        }
    }

    /// Pushes a task for each value that is asked for.
    pub(super) async fn begin_values(&self) {
        let Some((kind, ..)) = given().filter(|(kind, ..)| self.asks_for_attached(kind)) else { return };
        let Secrets { scopes, elsewhere, names } = self.locked(|shared| std::mem::take(&mut shared.secrets));
        let seen: Vec<&str> = scopes.keys().map(String::as_str).collect();
        for pattern in self.scope.values.unanswered(&seen) {
            let reason = "a source of values is named for it, and the workspace shows no such scope";
            self.gap(kind, GapState::Missing, pattern, reason, None).await;
        }
        let clashes = self.scope.values.clashes(&names);
        for (scope, key) in names {
            let Some(parent) = scopes.get(&scope) else { continue };
            let id = format!("{scope}/{key}");
            if let Some(why) = elsewhere.get(&scope) {
                self.gap(kind, GapState::Excluded, &id, why, None).await;
                continue;
            }
            self.listed(kind, 1);
            match clashes.get(&(scope, key.clone())) {
                Some(why) => self.without_value(kind, &id, (why.clone(), None)).await,
                None => self.crew.push(Task::Value { kind, parent: parent.clone(), key }),
            }
        }
    }

    /// One value. That it cannot be had is no reason to leave anything else.
    pub(super) async fn value(&self, kind: &'static Kind, parent: Parent, key: &str) -> Result<(), ApiError> {
        let id = format!("{}/{key}", parent.id);
        let got = match self.scope.values.value(&parent.id, key).await {
            Got::Value(value) => Ok(value),
            Got::Nothing(why) => Err((why, None)),
            Got::AskWorkspace => self.ask_value(kind, &parent, key).await?,
        };
        match got {
            Err(lack) => self.without_value(kind, &id, lack).await,
            Ok(value) if value.bytes().len() > LARGEST => {
                let why = format!("it has {} bytes, and a secret holds {LARGEST} at most", value.bytes().len());
                self.without_value(kind, &id, (why, None)).await;
            }
            Ok(value) => {
                let document = seal(key, &value).and_then(|document| self.spool.keep(&document));
                let blob = document.map_err(|error| ApiError::local(&id, "cannot keep the value of a secret on disk", &error))?;
                self.hold(kind, id, &parent, Body::Bytes(blob)).await;
            }
        }
        Ok(())
    }

    /// What the workspace answers. It is free to refuse: the API is meant for notebooks (core reference §12).
    async fn ask_value(&self, kind: &'static Kind, parent: &Parent, key: &str) -> Result<Result<SecretValue, Lack>, ApiError> {
        let Some(Read::Given { path, .. }) = read_of(kind) else { return Ok(Err(("nobody gives it".to_owned(), None))) };
        let request = template::get(kind.name, path, &[("parent", &parent.id), ("key", key)]).purpose(Purpose::Unmarked);
        match self.workspace.call(&request).await {
            Ok(mut answer) => Ok(taken(&mut answer).ok_or_else(|| ("the answer holds no value".to_owned(), None))),
            Err(error) if matches!(error.kind, ErrorKind::Local) => Err(error),
            Err(error) => Ok(Err((error.to_string(), error.status))),
        }
    }

    /// Whatever the reason is: a value that was asked for and did not come is missing, also where no workspace would give it.
    async fn without_value(&self, kind: &'static Kind, id: &str, (why, http): Lack) {
        self.lost(kind, GapState::Missing, id, &format!("value not had: {why}"), http).await;
    }

    async fn hold(&self, kind: &'static Kind, id: String, parent: &Parent, body: Body) {
        let meta = Map::from_iter([("parent".to_owned(), json!({ "kind": parent.kind.name, "id": parent.id }))]).into();
        let key = attached_key(kind, &id, parent);
        let object = Object { kind, key, body, meta, modified_at: None, degraded: None, redacted: Vec::new(), id: id.clone() };
        self.object(object, &id).await;
    }
}

/// Why values are not in a workspace, by the document of a scope.
type Elsewhere = fn(&Value) -> Option<&'static str>;

/// The kind of values, and of what.
fn given() -> Option<(&'static Kind, &'static str, Elsewhere)> {
    let of = |kind: &'static Kind| match read_of(kind) {
        Some(Read::Given { of, elsewhere, .. }) => Some((kind, *of, *elsewhere)),
        _ => None,
    };
    kinds::all().iter().copied().find_map(of)
}

fn read_of(kind: &'static Kind) -> Option<&'static Read> {
    if let Shape::Attached(attached) = &kind.shape { Some(&attached.read) } else { None }
}

fn hangs_on(kind: &Kind, on: &Kind) -> bool {
    matches!(&kind.shape, Shape::Attached(attached) if attached.to.contains(&on.name))
}

/// The value in an answer, which is wiped.
fn taken(answer: &mut Value) -> Option<SecretValue> {
    let Some(Value::String(text)) = answer.get_mut("value") else { return None };
    let value = SecretValue::decoded(text);
    text.zeroize();
    value
}

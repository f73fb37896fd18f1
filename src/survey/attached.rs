//! What hangs on other objects: permissions, libraries, the keys and ACLs of secret scopes.

use super::collection::is_id;
use super::{GapState, Parent, Survey, Task, template, text_at};
use crate::api::{ApiError, Purpose, an_object};
use crate::kinds::{self, Attached, Kind, Read, Shape};
use crate::object::{Body, Object};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

impl Survey {
    /// Pushes a task for each document that hangs on an object.
    pub(super) fn push_attached(&self, object: &Object, api_id: &str) {
        for kind in kinds::all() {
            let Shape::Attached(attached) = &kind.shape else { continue };
            let one_by_one = matches!(attached.read, Read::Each(_) | Read::EachItems { .. });
            if hangs_on(attached, object.kind) && one_by_one && self.asks_for_attached(kind) {
                let parent =
                    Parent { kind: object.kind, api_id: api_id.to_owned(), id: object.id.clone(), key: object.key.clone() };
                self.crew.push(Task::Attached { kind, parent });
            }
        }
    }

    pub(super) async fn attached(&self, kind: &'static Kind, parent: Parent) -> Result<(), ApiError> {
        let Shape::Attached(attached) = &kind.shape else { return Ok(()) };
        let (path, items) = match &attached.read {
            Read::Each(path) => (*path, None),
            Read::EachItems { path, items, id } => (*path, Some((*items, *id))),
            Read::Together { .. } | Read::Given { .. } => return Ok(()),
        };
        if self.known_unavailable(kind, &parent) {
            return Ok(());
        }
        if !is_id(&parent.api_id) {
            let path = attached_id(kind, &Parent { api_id: parent.id.clone(), ..parent.clone() });
            self.gap(kind, GapState::Missing, &path, "the workspace gives no id to ask by", None).await;
            return Ok(());
        }
        let request =
            template::get(kind.name, path, &[("type", parent.kind.permissions.unwrap_or("")), ("parent", &parent.api_id)]);
        let request = if items.is_none() { request.purpose(Purpose::Unmarked) } else { request };
        let answer = self.workspace.call(&request).await;
        // What hangs on all kinds is a document that names its object; the rest are lists, which may be empty and so left out.
        let answer = if attached.to.is_empty() { answer.and_then(|document| an_object(&request, document)) } else { answer };
        match (answer, items) {
            (Ok(document), None) => self.document(kind, &parent, document).await,
            (Ok(document), Some((items, id))) => self.entries(kind, &parent, &document, items, id).await,
            (Err(error), _) if error.is_unavailable() => self.unavailable(kind, &parent, &error).await,
            (Err(error), _) => {
                self.listed(kind, 1);
                return self.failed(kind, &attached_id(kind, &parent), error).await;
            }
        }
        Ok(())
    }

    /// One call that says "not here" speaks for all objects of that type: a workspace without ACLs is asked once a type.
    fn known_unavailable(&self, kind: &Kind, parent: &Parent) -> bool {
        self.locked(|shared| shared.unavailable.contains(&unavailable_key(kind, parent)))
    }

    async fn unavailable(&self, kind: &'static Kind, parent: &Parent, error: &ApiError) {
        let first = self.locked(|shared| shared.unavailable.insert(unavailable_key(kind, parent)));
        if first {
            let path = format!("{}/*", parent.kind.permissions.unwrap_or(parent.kind.name));
            self.gap(kind, GapState::Unavailable, &path, &error.to_string(), error.status).await;
        }
    }

    async fn document(&self, kind: &'static Kind, parent: &Parent, document: Value) {
        self.listed(kind, 1);
        let id = attached_id(kind, parent);
        self.hang(kind, id, parent, document).await;
    }

    async fn entries(&self, kind: &'static Kind, parent: &Parent, document: &Value, items: &str, id: &str) {
        for item in document.get(items).and_then(Value::as_array).into_iter().flatten() {
            self.listed(kind, 1);
            let name = text_at(item, id).unwrap_or_default();
            self.hang(kind, format!("{}/{name}", parent.id), parent, item.clone()).await;
        }
    }

    pub(super) async fn together(&self, kind: &'static Kind, parents: HashMap<String, String>) -> Result<(), ApiError> {
        let Shape::Attached(Attached { read: Read::Together { list, parent }, to, .. }) = &kind.shape else { return Ok(()) };
        let items = match self.items(kind, list).await {
            Ok(items) => items,
            Err(error) => {
                self.listed(kind, 1);
                return self.failed(kind, "*", error).await;
            }
        };
        let on = to.first().and_then(|name| kinds::by_name(name)).unwrap_or(kind);
        self.listed(kind, items.len() as u64);
        for item in items {
            let id = text_at(&item, parent).unwrap_or_default();
            match parents.get(&id) {
                Some(key) => {
                    let parent = Parent { kind: on, api_id: id.clone(), id: id.clone(), key: key.clone() };
                    self.hang(kind, id, &parent, item).await;
                }
                None if self.scope.only.is_none() => {
                    self.lost(kind, GapState::Excluded, &id, "belongs to an object that is not backed up", None).await;
                }
                None => {}
            }
        }
        Ok(())
    }

    async fn hang(&self, kind: &'static Kind, id: String, parent: &Parent, document: Value) {
        let meta = Map::from_iter([("parent".to_owned(), json!({ "kind": parent.kind.name, "id": parent.id }))]).into();
        let key = attached_key(kind, &id, parent);
        let object = Object {
            kind,
            key,
            body: Body::Json(document),
            meta,
            modified_at: None,
            degraded: None,
            redacted: Vec::new(),
            id: id.clone(),
        };
        self.object(object, &id).await;
    }
}

fn hangs_on(attached: &Attached, kind: &Kind) -> bool {
    if attached.to.is_empty() { kind.permissions.is_some() } else { attached.to.contains(&kind.name) }
}

/// Permissions are named by type and id, as the API names them; the rest by the parent's id.
pub(super) fn attached_id(kind: &Kind, parent: &Parent) -> String {
    match (&kind.shape, parent.kind.permissions) {
        (Shape::Attached(attached), Some(object_type)) if attached.to.is_empty() => format!("{object_type}/{}", parent.api_id),
        _ => parent.id.clone(),
    }
}

/// What a person calls it, the same in every workspace: the parent's name or path, with its kind where all kinds may be one.
pub(super) fn attached_key(kind: &Kind, id: &str, parent: &Parent) -> String {
    match &kind.shape {
        Shape::Attached(attached) if attached.to.is_empty() => format!("{}:{}", parent.kind.name, parent.key),
        _ => id.strip_prefix(&parent.id).map_or_else(|| id.to_owned(), |rest| format!("{}{rest}", parent.key)),
    }
}

fn unavailable_key(kind: &Kind, parent: &Parent) -> String {
    format!("{}/{}", kind.name, parent.kind.name)
}

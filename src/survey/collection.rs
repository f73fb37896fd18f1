//! Collections: list, leave out what is none of ours, read each.

use super::earlier::CARRIED;
use super::{GapState, Survey, Task, key_of, template, text_at};
use crate::api::{self, ApiError, Purpose};
use crate::event::Event;
use crate::kinds::{self, Attached, Collection, Kind, List, Paging, Read, Shape};
use crate::object::{Body, Object, STAMP};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// SCIM answers with at most so many; asking for more than a server gives does no harm.
const SCIM_PAGE: u32 = 1000;

impl Survey {
    pub(super) async fn list(&self, kind: &'static Kind) -> Result<(), ApiError> {
        let items = match &kind.shape {
            Shape::Collection(collection) => self.items(kind, &collection.list).await,
            Shape::Recorded(recorded) => self.items(kind, &recorded.list).await,
            Shape::Tree(_) | Shape::Attached(_) => return Ok(()),
        };
        match items {
            Ok(items) => self.take_items(kind, items).await,
            Err(error) => {
                self.listed(kind, 1);
                self.failed(kind, "*", error).await
            }
        }
    }

    /// All items of a listing.
    pub(super) async fn items(&self, kind: &'static Kind, list: &List) -> Result<Vec<Value>, ApiError> {
        let paging = match list.paging {
            Paging::None => api::Paging::None,
            Paging::Token(query, answer) => api::Paging::Token { query, answer },
            Paging::Scim => api::Paging::Scim { count: SCIM_PAGE },
        };
        let mut items = Vec::new();
        self.workspace.pages(&template::get(kind.name, list.path, &[]), paging, list.items, |item| items.push(item)).await?;
        Ok(items)
    }

    async fn take_items(&self, kind: &'static Kind, items: Vec<Value>) -> Result<(), ApiError> {
        self.listed(kind, items.len() as u64);
        self.observer.event(&Event::Listed { kind: kind.name, count: items.len() as u64 });
        let marks = if items.is_empty() { Vec::new() } else { self.marked(kind).await? };
        let mut parents = HashMap::new();
        for item in items {
            if let Some((id, key)) = self.take_item(kind, item, &marks).await {
                parents.insert(id, key);
            }
        }
        for attached in attached_together(kind).filter(|attached| self.asks_for_attached(attached) && !parents.is_empty()) {
            self.crew.push(Task::Together { kind: attached, parents: parents.clone() });
        }
        Ok(())
    }

    /// The ids that each second listing marks.
    pub(super) async fn marked(&self, kind: &'static Kind) -> Result<Vec<(&'static str, HashSet<String>)>, ApiError> {
        let Shape::Collection(collection) = &kind.shape else { return Ok(Vec::new()) };
        let mut marked = Vec::new();
        for mark in collection.marks {
            match self.items(kind, &mark.list).await {
                Ok(items) => marked.push((mark.name, items.iter().filter_map(|item| text_at(item, collection.id)).collect())),
                Err(error) => {
                    self.listed(kind, 1);
                    self.failed(kind, &format!("* ({})", mark.name), error).await?;
                }
            }
        }
        Ok(marked)
    }

    /// Decides what a listed item is: left out, read further, or complete. Answers id and key of what is kept.
    async fn take_item(
        &self,
        kind: &'static Kind,
        item: Value,
        marks: &[(&'static str, HashSet<String>)],
    ) -> Option<(String, String)> {
        let Some(id) = id_of(kind, &item).filter(|id| is_id(id)) else {
            self.lost(kind, GapState::Missing, "*", "an item of the listing has no id, or none that can be one", None).await;
            return None;
        };
        let key = key_of(kind, &item, &id);
        if !self.wants_item(kind, &item, &id, &key) {
            let reason = if self.scope.only.is_none() { "not asked for" } else { "" };
            self.leave(kind, &id, reason).await;
            return None;
        }
        if let Some(reason) = left_out(kind, &item) {
            self.leave(kind, &id, reason).await;
            return None;
        }
        let marks: Vec<&'static str> = marks.iter().filter(|(_, ids)| ids.contains(&id)).map(|(name, _)| *name).collect();
        if let Some((document, origin)) = self.unchanged_document(kind, &id, &item) {
            let mut object = json(kind, id.clone(), document, &marks);
            object.meta.insert(CARRIED, origin);
            self.object(object, &id).await;
            return Some((id, key));
        }
        match &kind.shape {
            Shape::Collection(Collection { get: Some(_), .. }) => self.crew.push(Task::Get { kind, id: id.clone(), marks }),
            _ => self.json_object(kind, id.clone(), item, &marks).await,
        }
        Some((id, key))
    }

    fn wants_item(&self, kind: &'static Kind, item: &Value, id: &str, key: &str) -> bool {
        let Some(only) = &self.scope.only else { return self.scope.selection.wants(kind.name, key) };
        only.wants_id(kind, id) || only.wants(kind, key, stamp_of(kind, item).as_deref())
    }

    async fn leave(&self, kind: &'static Kind, id: &str, reason: &str) {
        if self.scope.only.is_none() {
            self.lost(kind, GapState::Excluded, id, reason, None).await;
        }
    }

    pub(super) async fn get(&self, kind: &'static Kind, id: String, marks: Vec<&'static str>) -> Result<(), ApiError> {
        let Shape::Collection(Collection { get: Some(get), .. }) = &kind.shape else { return Ok(()) };
        let purpose = if kind.changed.is_some() { Purpose::Contents } else { Purpose::Unmarked };
        let request = template::get(kind.name, get.path, &[("id", &id)]).purpose(purpose);
        match self.workspace.whole(&request, get.arrays).await {
            Ok(document) => self.json_object(kind, id, document, &marks).await,
            Err(error) => return self.failed(kind, &id, error).await,
        }
        Ok(())
    }

    async fn json_object(&self, kind: &'static Kind, id: String, document: Value, marks: &[&'static str]) {
        let object = json(kind, id.clone(), document, marks);
        self.object(object, &id).await;
    }

    pub(super) fn asks_for_attached(&self, kind: &Kind) -> bool {
        self.scope.attached && self.could_read(kind) && self.scope.selection.wants_attached(kind.name)
    }

    /// Values of secrets need a source: without one, nothing is left out.
    pub(super) fn could_read(&self, kind: &Kind) -> bool {
        !kind.is_secret_value() || !self.scope.values.is_empty()
    }
}

fn json(kind: &'static Kind, id: String, document: Value, marks: &[&'static str]) -> Object {
    let meta: Map<String, Value> = marks.iter().map(|mark| ((*mark).to_owned(), json!(true))).collect();
    let key = key_of(kind, &document, &id);
    let (body, degraded, redacted) = (Body::Json(document), None, Vec::new());
    Object { kind, id, key, body, meta: meta.into(), modified_at: None, degraded, redacted }
}

fn id_of(kind: &Kind, item: &Value) -> Option<String> {
    match &kind.shape {
        Shape::Collection(collection) => text_at(item, collection.id),
        Shape::Recorded(recorded) => text_at(item, recorded.id),
        Shape::Tree(_) | Shape::Attached(_) => None,
    }
}

/// Whether a text can be an id or a name that serves as one: not empty, not longer than any name may be, and no step to
/// another folder, since ids stand in addresses.
pub(super) fn is_id(id: &str) -> bool {
    (1..=1024).contains(&id.len()) && !matches!(id, "." | "..")
}

fn left_out(kind: &Kind, item: &Value) -> Option<&'static str> {
    let Shape::Collection(collection) = &kind.shape else { return None };
    collection.leave.iter().find(|leave| (leave.when)(item)).map(|leave| leave.reason)
}

/// The stamp in a listed item, which may hold the tags at the top or in the body.
fn stamp_of(kind: &Kind, item: &Value) -> Option<String> {
    let tags = kind.stamp?;
    let places = kind.body.iter().chain(&[""]);
    places.into_iter().find_map(|root| text_at(item, &format!("{root}{tags}/{STAMP}")))
}

fn attached_together(kind: &'static Kind) -> impl Iterator<Item = &'static Kind> {
    let fits = |attached: &Attached, to: &Kind| attached.to.contains(&to.name) && matches!(attached.read, Read::Together { .. });
    kinds::all().iter().copied().filter(move |one| matches!(&one.shape, Shape::Attached(attached) if fits(attached, kind)))
}

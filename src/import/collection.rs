//! Makes and changes objects of collections. A create is never repeated blindly.

use super::links::text;
use super::receipt::{Done, State};
use super::send::{get, is_ambiguous, put, renamed, request, scim_patch};
use super::{Hands, Ready, Trouble};
use crate::api::{ApiError, ErrorKind};
use crate::kinds::{Collection, Kind, Settle, Update};
use crate::object::{STAMP, fold};
use crate::plan::{Action, Found, What, carry};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How often a create is tried when its answers get lost.
pub(super) const TRIES: u32 = 6;

/// A workspace may need a moment until a listing shows what was made.
pub(super) const MOMENT: Duration = Duration::from_millis(300);

/// Members that one change of a group may carry.
const MEMBERS_AT_ONCE: usize = 100;

impl Hands<'_> {
    pub(super) async fn collection(&self, ready: &Ready<'_>, collection: &'static Collection) -> Result<Done, Trouble> {
        let mut done = match &ready.step.action {
            Action::Create { .. } => self.create(ready, collection).await?,
            Action::Update { target, .. } => {
                self.settle_again(ready, collection, target).await?;
                self.update(ready, collection, target).await?
            }
            Action::Switch { target, .. } => self.switch(ready, collection, target).await?,
            Action::Complete { .. } => {
                let target = ready.target.clone().ok_or_else(|| Trouble::Plan("there is nothing to complete".into()))?;
                self.update(ready, collection, &target).await?
            }
            Action::Mark { target } => {
                self.settle_again(ready, collection, target).await?;
                Done::there(State::Updated, target.clone())
            }
            _ => return Err(Trouble::Plan("the plan asks for something that this kind does not have".into())),
        };
        if let Some(target) = done.target.clone() {
            self.mark(ready, collection, &target, &mut done).await;
        }
        Ok(done)
    }

    async fn create(&self, ready: &Ready<'_>, collection: &'static Collection) -> Result<Done, Trouble> {
        let sent = Value::Object(renamed(ready.kind, &ready.body));
        let call = request(ready.kind, &collection.create.call, &[], Some(sent));
        let mut trouble = None;
        for attempt in 0..TRIES {
            match self.workspace.call(&call).await {
                Ok(answer) => match made(ready, collection, &answer) {
                    Some(target) => return self.made_inert(ready, collection, Done::there(State::Created, target)).await,
                    None => trouble = Some(Trouble::Plan("the answer to the create names no id".into())),
                },
                Err(error) if is_ambiguous(&error) && !is_recognisable(ready) => {
                    let text = "the answer to its create was lost: see whether it was made before you import again";
                    return Err(Trouble::Person(What::Look, text.into(), Box::new(error.into())));
                }
                Err(error) if look_first(&error) => {
                    let lost = is_ambiguous(&error);
                    trouble = Some(Trouble::Api(error));
                    if !lost {
                        // It was there before us, or an earlier try made it: either way it is not made again.
                        return self.adopt(ready, collection, State::Adopted, trouble).await;
                    }
                }
                Err(error) => return Err(refused(ready, error)),
            }
            tokio::time::sleep(MOMENT * (attempt + 1)).await;
            if let Some(target) = self.look(ready, collection).await? {
                return self.made_inert(ready, collection, found_again(target)).await;
            }
        }
        Err(trouble.unwrap_or_else(|| Trouble::Plan("it was not tried".into())))
    }

    async fn adopt(
        &self,
        ready: &Ready<'_>,
        collection: &'static Collection,
        state: State,
        trouble: Option<Trouble>,
    ) -> Result<Done, Trouble> {
        match self.look(ready, collection).await? {
            Some(target) => {
                let mut done = Done::there(state, target);
                done.notes.push("it was there already when it was to be made".into());
                Ok(done)
            }
            None => Err(trouble.unwrap_or_else(|| Trouble::Plan("it is there, and cannot be found".into()))),
        }
    }

    /// Looks for what a lost answer may have made: by the stamp, else by a name that cannot be there twice, else by content.
    async fn look(&self, ready: &Ready<'_>, collection: &'static Collection) -> Result<Option<Found>, ApiError> {
        let items = self.items(ready.kind, &collection.list).await?;
        let stamp = stamp_in(ready.kind, &ready.body);
        for item in items {
            let id = item.pointer(collection.id).cloned();
            let key = key_of(ready.kind, &item);
            let same_key = key.as_deref().is_some_and(|key| fold(ready.kind, key) == fold(ready.kind, &ready.step.key));
            let same = match &stamp {
                Some(stamp) => stamp_of(ready.kind, &item).as_ref() == Some(stamp) || (ready.kind.key.unique && same_key),
                None if ready.kind.key.unique => same_key,
                None => same_key && self.has_same_bytes(ready, collection, &item).await?,
            };
            if let (true, Some(id)) = (same, id) {
                let key = key.unwrap_or_else(|| ready.step.key.clone());
                return Ok(Some(Found { id, key, object_id: None }));
            }
        }
        Ok(None)
    }

    /// Scripts have no place for a stamp: name and bytes together tell, as [`is_recognisable`] promises.
    async fn has_same_bytes(&self, ready: &Ready<'_>, collection: &'static Collection, item: &Value) -> Result<bool, ApiError> {
        let Some(id) = item.pointer(collection.id).map(text) else { return Ok(false) };
        let whole = match &collection.get {
            Some(one) => self.workspace.call(&get(ready.kind, one.path, &[("id", &id)])).await?,
            None => item.clone(),
        };
        let body = ready.kind.body_of(&whole);
        let script = ready.body.get("script");
        Ok(script.is_some() && body.and_then(|body| body.get("script")) == script)
    }

    /// What was made is switched off at once; if that fails, the report must say so.
    async fn made_inert(&self, ready: &Ready<'_>, collection: &'static Collection, done: Done) -> Result<Done, Trouble> {
        if let Some((settle, target)) = collection.settle.zip(done.target.as_ref()) {
            self.settle(ready, settle, target).await?;
        }
        Ok(done)
    }

    async fn settle(&self, ready: &Ready<'_>, settle: &'static Settle, target: &Found) -> Result<(), Trouble> {
        let answer = self.workspace.call(&request(ready.kind, &settle.call, &[("id", &text(&target.id))], None)).await;
        answer.map(drop).map_err(|error| {
            let text = "it was made and may be running: stop it";
            Trouble::Half(target.clone(), Box::new(Trouble::Person(What::Look, text.into(), Box::new(error.into()))))
        })
    }

    /// What an import that died had made and not switched off is switched off now.
    async fn settle_again(&self, ready: &Ready<'_>, collection: &'static Collection, target: &Found) -> Result<(), Trouble> {
        match collection.settle {
            Some(settle) if ready.step.settle => self.settle(ready, settle, target).await,
            _ => Ok(()),
        }
    }

    /// A mark that cannot be set (a hundred clusters are pinned already) is told; the object is there all the same.
    async fn mark(&self, ready: &Ready<'_>, collection: &'static Collection, target: &Found, done: &mut Done) {
        let id = text(&target.id);
        for mark in collection.marks.iter().filter(|mark| ready.step.marks.iter().any(|name| name == mark.name)) {
            if let Err(error) = self.workspace.call(&request(ready.kind, &mark.set, &[("id", &id)], None)).await {
                done.notes.push(format!("not {}: {error}", mark.name));
                done.todos.push((What::Quota, format!("it was {} at the source, and could not be here", mark.name)));
            }
        }
    }

    /// Sends only the fields that are switched, where the API takes them alone.
    async fn switch(&self, ready: &Ready<'_>, collection: &'static Collection, target: &Found) -> Result<Done, Trouble> {
        let Update::Replace { part: Some(call), id: at, under, .. } = &collection.update else {
            return self.update(ready, collection, target).await;
        };
        let body = replacement(Value::Object(renamed(ready.kind, &ready.body)), *at, *under, &target.id);
        self.workspace.call(&request(ready.kind, call, &[("id", &text(&target.id))], Some(body))).await?;
        Ok(Done::there(State::Updated, target.clone()))
    }

    async fn update(&self, ready: &Ready<'_>, collection: &'static Collection, target: &Found) -> Result<Done, Trouble> {
        let id = text(&target.id);
        let mut done = Done::there(State::Updated, target.clone());
        let body = Value::Object(renamed(ready.kind, &self.with_secrets(ready, collection, &id, &mut done).await?));
        match &collection.update {
            Update::Replace { call, id: at, under, .. } => {
                let body = replacement(body, *at, *under, &target.id);
                self.workspace.call(&request(ready.kind, call, &[("id", &id)], Some(body))).await?;
            }
            Update::ScimPatch(call) => {
                for (field, values) in batches(&ready.body) {
                    let patch = scim_patch(&field, &values);
                    self.workspace.call(&request(ready.kind, call, &[("id", &id)], Some(patch))).await?;
                }
            }
            Update::Fields(call) => {
                self.workspace.call(&request(ready.kind, call, &[("id", &id)], Some(body))).await?;
            }
            Update::Never(reason) => return Err(Trouble::Plan((*reason).to_owned())),
        }
        Ok(done)
    }

    /// The body, with the secrets that the target has: what replaces everything would wipe what somebody set there. They are
    /// read only now, and nothing but this body ever holds them.
    async fn with_secrets(
        &self,
        ready: &Ready<'_>,
        collection: &'static Collection,
        id: &str,
        done: &mut Done,
    ) -> Result<Map<String, Value>, Trouble> {
        let mut body = ready.body.clone();
        if ready.step.keep.is_empty() {
            return Ok(body);
        }
        let there = self.whole(ready, collection, id).await?;
        let there = there.as_ref().and_then(|there| ready.kind.body_of(there)).unwrap_or(&Value::Null);
        let lost = carry(there, &mut body, &ready.step.keep);
        let text = |place: &str| format!("set {place} again: its secret could not be carried over");
        done.todos.extend(lost.into_iter().map(|place| (What::RedactedField, text(place))));
        Ok(body)
    }

    /// An object as the target has it; nothing if it is gone.
    async fn whole(&self, ready: &Ready<'_>, collection: &'static Collection, id: &str) -> Result<Option<Value>, ApiError> {
        if let Some(one) = &collection.get {
            return self.workspace.whole(&get(ready.kind, one.path, &[("id", id)]), one.arrays).await.map(Some);
        }
        let items = self.items(ready.kind, &collection.list).await?;
        Ok(items.into_iter().find(|item| item.pointer(collection.id).map(text).as_deref() == Some(id)))
    }
}

fn found_again(target: Found) -> Done {
    let mut done = Done::there(State::Created, target);
    done.notes.push("the answer to the create was lost; found again".into());
    done
}

/// What the answer to a create says: the new id, or the natural key where that is the id.
fn made(ready: &Ready<'_>, collection: &Collection, answer: &Value) -> Option<Found> {
    let key = key_of(ready.kind, answer).unwrap_or_else(|| ready.step.key.clone());
    let id = match collection.create.id {
        Some(at) => answer.pointer(at).filter(|id| id.is_string() || id.is_i64() || id.is_u64()).cloned()?,
        None => json!(key),
    };
    Some(Found { id, key, object_id: None })
}

fn key_of(kind: &Kind, document: &Value) -> Option<String> {
    document.pointer(kind.key.at).filter(|_| !kind.key.at.is_empty()).and_then(Value::as_str).map(str::to_owned)
}

/// The stamp that is sent.
fn stamp_in(kind: &Kind, body: &Map<String, Value>) -> Option<String> {
    let tags = body.get(kind.stamp?.trim_start_matches('/'))?;
    tags.get(STAMP)?.as_str().map(str::to_owned)
}

/// Whether what a lost answer made would be known again. Without a stamp, what may share its name would not.
fn is_recognisable(ready: &Ready<'_>) -> bool {
    ready.kind.key.unique || stamp_in(ready.kind, &ready.body).is_some() || ready.body.contains_key("script")
}

/// The stamp that a listed item shows; tags stand at the top or in the body.
fn stamp_of(kind: &Kind, item: &Value) -> Option<String> {
    let tags = kind.stamp?;
    let mut places = kind.body.iter().chain(&[""]);
    places.find_map(|root| item.pointer(&format!("{root}{tags}/{STAMP}"))?.as_str().map(str::to_owned))
}

/// Whether to look before anything else: it may have been made, or was there.
fn look_first(error: &ApiError) -> bool {
    let taken = error.message.to_lowercase();
    let said = taken.contains("already exists") || taken.contains("already in use") || taken.contains("must be unique");
    matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::AlreadyExists) || (error.kind == ErrorKind::Invalid && said)
}

/// A vault's scope wants a person who is signed in to Entra ID (core reference §12).
fn refused(ready: &Ready<'_>, error: ApiError) -> Trouble {
    let vault = ready.body.get("backend_type") == Some(&json!("AZURE_KEYVAULT"));
    if vault && matches!(error.kind, ErrorKind::Invalid | ErrorKind::Denied) {
        let todo = "create this Key Vault scope while signed in to Entra ID, with the vault of this region".to_owned();
        return Trouble::Person(What::Look, todo, Box::new(error.into()));
    }
    error.into()
}

/// `{"job_id": 1, "new_settings": {…}}`, as the table says.
fn replacement(body: Value, at: Option<&str>, under: Option<&str>, id: &Value) -> Value {
    let mut whole = match under {
        Some(under) => json!({ under.trim_start_matches('/'): body }),
        None => body,
    };
    if let Some(at) = at {
        put(&mut whole, at, id);
    }
    whole
}

/// Additions in portions that a server takes at once.
fn batches(body: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut batches = Vec::new();
    for (field, values) in body {
        match values.as_array() {
            Some(items) => batches.extend(items.chunks(MEMBERS_AT_ONCE).map(|chunk| (field.clone(), json!(chunk)))),
            None => batches.push((field.clone(), values.clone())),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_added_a_hundred_at_a_time() {
        let members: Vec<Value> = (0..250).map(|n| json!({ "value": n.to_string() })).collect();
        let body = Map::from_iter([("members".to_owned(), json!(members))]);
        let sizes: Vec<usize> = batches(&body).iter().map(|(_, values)| values.as_array().unwrap().len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
    }

    #[test]
    fn a_job_is_reset_whole() {
        let body = replacement(json!({"name": "n"}), Some("/job_id"), Some("/new_settings"), &json!(9_007_199_254_740_993_i64));
        assert_eq!(body.to_string(), r#"{"new_settings":{"name":"n"},"job_id":9007199254740993}"#);
    }
}

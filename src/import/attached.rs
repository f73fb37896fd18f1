//! Writes what hangs on other objects: permissions, libraries, values of secrets, ACLs of their scopes.

use super::links::text;
use super::receipt::{Done, State};
use super::send::{put, request};
use super::{ContentError, Hands, Ready, Trouble};
use crate::kinds::{self, Attached, Kind, Shape, Write};
use crate::plan::Action;
use crate::values::unseal;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};

impl Hands<'_> {
    pub(super) async fn attach(&self, ready: &Ready<'_>, attached: &'static Attached) -> Result<Done, Trouble> {
        let (kind, parent) = self.parent_of(ready).await?;
        let id = text(&parent);
        let values = [("type", kind.permissions.unwrap_or("")), ("parent", id.as_str())];
        let mut body = Value::Object(ready.body.clone());
        match &attached.write {
            Write::Whole { call, parent: at } => {
                if let Some(at) = at {
                    put(&mut body, at, &parent);
                }
                self.workspace.call(&request(ready.kind, call, &values, Some(body))).await?;
            }
            Write::Entries { at, call, parent: name } => {
                for entry in body.pointer(at).and_then(Value::as_array).into_iter().flatten() {
                    let mut entry = entry.clone();
                    put(&mut entry, name, &parent);
                    self.workspace.call(&request(ready.kind, call, &values, Some(entry))).await?;
                }
            }
            // What holds its value made it: here is only seen that the workspace shows it.
            Write::ByValue { .. } => {}
            Write::Value { call, parent: name } => self.put_value(ready, call, name, &parent).await?,
        }
        Ok(Done { hangs_on: Some(parent), ..Done::of(state_of(&ready.step.action)) })
    }

    /// Sets the value of a secret. As bytes: what was a text and what was none look alike in the bundle, and in the workspace too.
    async fn put_value(&self, ready: &Ready<'_>, call: &kinds::Call, at: &str, scope: &Value) -> Result<(), Trouble> {
        let source = ready.step.in_bundle();
        let wrong = |why: &str| ContentError::new(&source, why);
        let blob = self.contents.content(&source)?;
        let document = Zeroizing::new(blob.bytes().map_err(|error| ContentError::new(&source, error))?);
        let opened = unseal(&document).ok_or_else(|| wrong("it is no value of a secret"))?;
        let scope_in_plan = ready.step.parent.as_ref().map(|parent| parent.id.as_str()).unwrap_or_default();
        if !opened.is_of(scope_in_plan, &ready.step.source.id) {
            return Err(wrong("it is the value of another secret than its name says").into());
        }
        let mut body = json!({ "key": opened.key, "bytes_value": opened.value.expose_secret() });
        put(&mut body, at, scope);
        self.workspace.call(&request(ready.kind, call, &[], Some(body))).await?;
        Ok(())
    }

    /// Kind of the parent, and the id that this API wants: for what has a path, the number behind it.
    async fn parent_of(&self, ready: &Ready<'_>) -> Result<(&'static Kind, Value), Trouble> {
        let missing = || Trouble::Plan("the plan does not say what it hangs on".into());
        let source = ready.step.parent.as_ref().ok_or_else(missing)?;
        let kind = kinds::by_name(&source.kind).ok_or_else(missing)?;
        let parent = ready.parent.clone().ok_or_else(missing)?;
        if !matches!(kind.shape, Shape::Tree(_)) {
            return Ok((kind, parent.id));
        }
        if let Some(id) = parent.object_id {
            return Ok((kind, id));
        }
        let path = text(&parent.id);
        let status = self.status(ready, &path).await?;
        let id = status.and_then(|status| status.get("object_id").cloned());
        id.map(|id| (kind, id)).ok_or_else(|| Trouble::Plan(format!("{path} is not there any more")))
    }
}

/// The document of a new object is new with it; where the target had one, it was changed.
fn state_of(action: &Action) -> State {
    match action {
        Action::Attach { parent: Some(_), differences, .. } if !differences.is_empty() => State::Updated,
        _ => State::Created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    #[test]
    fn what_was_there_is_updated() {
        let fresh = Action::Attach { parent: None, body: Map::new(), differences: vec![] };
        assert_eq!(state_of(&fresh), State::Created);
        let difference = crate::plan::Difference { at: "/a".into(), want: Some(json!(1)), have: None, fixed: false };
        let found = crate::plan::Found { id: json!(1), key: "k".into(), object_id: None };
        assert_eq!(
            state_of(&Action::Attach { parent: Some(found), body: Map::new(), differences: vec![difference] }),
            State::Updated
        );
    }
}

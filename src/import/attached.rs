//! Writes what hangs on other objects: permissions, libraries, ACLs of secret scopes.

use super::links::text;
use super::receipt::{Done, State};
use super::send::{put, request};
use super::{Hands, Ready, Trouble};
use crate::kinds::{self, Attached, Kind, Shape, Write};
use crate::plan::Action;
use serde_json::Value;

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
            Write::Never { todo } => return Err(Trouble::Plan((*todo).to_owned())),
        }
        Ok(Done { hangs_on: Some(parent), ..Done::of(state_of(&ready.step.action)) })
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
    use serde_json::{Map, json};

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

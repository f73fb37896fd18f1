//! What is known of the target while an import goes on, and how it gets into bodies.

use crate::object::SourceId;
use crate::plan::{Action, Found, Plan, Step, Unmet, fill_link, remove_exactly};
use crate::pointer;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Which object of the target each object of the bundle is.
pub(super) struct Known(HashMap<SourceId, Found>);

/// A body with its links filled in.
pub(super) struct Filled {
    pub body: Map<String, Value>,
    pub notes: Vec<String>,
}

impl Known {
    /// What the plan knows.
    pub(super) fn of(plan: &Plan) -> Self {
        let parent = |step: &Step| match (&step.action, &step.parent) {
            (Action::Attach { parent: Some(there), .. }, Some(parent)) => Some((parent.clone(), there.clone())),
            _ => None,
        };
        let own = plan.steps.iter().filter_map(|step| Some((step.source.clone(), step.action.target()?.clone())));
        let mut known: HashMap<SourceId, Found> = plan.steps.iter().filter_map(parent).collect();
        known.extend(own);
        Self(known)
    }

    pub(super) fn get(&self, source: &SourceId) -> Option<Found> {
        self.0.get(source).cloned()
    }

    /// Where a path of the plan lies, now that the home that it lies in has its name.
    pub(super) fn path(&self, path: &str) -> String {
        let Some(below) = path.strip_prefix("/Users/") else { return path.to_owned() };
        let owner = below.split('/').next().unwrap_or_default();
        let (home, rest) = path.split_at("/Users/".len() + owner.len());
        let actual = self.0.get(&SourceId { kind: "directory".into(), id: home.to_owned() });
        actual.map_or_else(|| path.to_owned(), |actual| format!("{}{rest}", text(&actual.id)))
    }

    pub(super) fn learn(&mut self, source: &SourceId, there: Found) {
        self.0.insert(source.clone(), there);
    }

    /// The body of a step with every link filled in. Errors: the name of an object without which it cannot be sent.
    pub(super) fn fill(&self, step: &Step) -> Result<Filled, String> {
        let mut body = Value::Object(body(&step.action).cloned().unwrap_or_default());
        let (mut gone, mut notes) = (Vec::new(), Vec::new());
        for link in &step.links {
            match (self.0.get(&link.to), link.unmet) {
                (Some(there), _) => drop(pointer::edit(&mut body, &link.at, &mut |_, value| {
                    let new = fill_link(value, link, there);
                    let changed = new != *value;
                    *value = new;
                    changed
                })),
                (None, Unmet::Stop) => return Err(link.to.to_string()),
                (None, Unmet::Keep) => {}
                (None, Unmet::Drop) => gone.push(link.at.clone()),
                (None, Unmet::DropParent) => gone.extend(link.at.rsplit_once('/').map(|(parent, _)| parent.to_owned())),
            }
            if !self.0.contains_key(&link.to) && link.to.kind != "directory" {
                notes.push(format!("{} referred to {}, which did not come to be", link.at, link.to));
            }
        }
        remove_exactly(&mut body, gone);
        Ok(Filled { body: if let Value::Object(body) = body { body } else { Map::new() }, notes })
    }
}

fn body(action: &Action) -> Option<&Map<String, Value>> {
    match action {
        Action::Create { body }
        | Action::Update { body, .. }
        | Action::Switch { body, .. }
        | Action::Complete { body, .. }
        | Action::Attach { body, .. } => Some(body),
        _ => None,
    }
}

/// An id as text.
pub(super) fn text(id: &Value) -> String {
    match id {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

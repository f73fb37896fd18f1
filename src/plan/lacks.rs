//! What of a step the target does not show: by the same equality that calls an object unchanged, so that nothing is lacking
//! exactly where a plan that is made now would leave the object alone.

use super::attached::lacking;
use super::bodies::missing_items;
use super::tree::git_address;
use super::{Action, Step};
use crate::kinds::{Attached, Collection, Kind, Shape, Tree, Update, Write};
use crate::object::{Object, STAMP};
use crate::rules::{Difference, comparable, equal};
use serde_json::{Map, Value, json};

/// Places where `there` is not what the step meant to write; `body` is the step's, with its links filled in. Bytes are the
/// caller's to compare.
pub(crate) fn lacks(kind: &'static Kind, step: &Step, body: &Map<String, Value>, there: &Object) -> Vec<Difference> {
    match &kind.shape {
        Shape::Collection(collection) => lacks_of_collection(kind, collection, step, body, there),
        Shape::Attached(attached) => lacks_of_attached(kind, attached, body, there),
        Shape::Tree(Tree::Repo) => lacks_of_repo(body, there),
        Shape::Tree(Tree::Notebook) => lacks_of_notebook(step, there),
        Shape::Tree(_) | Shape::Recorded(_) => Vec::new(),
    }
}

fn lacks_of_collection(
    kind: &'static Kind,
    collection: &Collection,
    step: &Step,
    body: &Map<String, Value>,
    there: &Object,
) -> Vec<Difference> {
    let actual = comparable(there);
    let mut found = match (&step.action, &collection.update) {
        (Action::Mark { .. }, _) => Vec::new(),
        (_, Update::ScimPatch(_)) => body.iter().filter_map(|(field, value)| unadded(field, value, &actual)).collect(),
        (Action::Switch { .. }, _) => {
            let only = actual.iter().filter(|(name, _)| body.contains_key(*name));
            equal(kind, body, &only.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        _ => equal(kind, body, &actual),
    };
    // Only a create can set what is fixed at creation.
    found.retain(|one| !one.fixed || matches!(step.action, Action::Create { .. }));
    found.extend(unstamped(kind, body, there));
    found.extend(step.marks.iter().filter(|mark| !there.meta.has(mark)).map(|mark| unmarked(mark)));
    found.extend(collection.settle.filter(|_| is_settled(step)).and_then(|settle| {
        let document = there.document()?;
        (settle.missed)(&document).then(|| lacking_at("state", json!("stopped"), document.get("state")))
    }));
    found
}

fn is_settled(step: &Step) -> bool {
    matches!(step.action, Action::Create { .. }) || step.settle
}

/// Principals only ever gain: what was added must be there.
fn unadded(field: &str, value: &Value, actual: &Map<String, Value>) -> Option<Difference> {
    let missing = value.is_array().then(|| missing_items(Some(value), actual.get(field)))?;
    (!missing.is_empty()).then(|| lacking_at(field, Value::Array(missing), None))
}

/// Without its stamp a later import does not know it again.
fn unstamped(kind: &Kind, body: &Map<String, Value>, there: &Object) -> Option<Difference> {
    let field = kind.stamp?.trim_start_matches('/');
    let stamp = body.get(field)?.get(STAMP)?.as_str()?;
    let have = there.stamp();
    let have = have.as_deref();
    let lost = || lacking_at(&format!("{field}/{STAMP}"), json!(stamp), have.map(Value::from).as_ref());
    (have != Some(stamp)).then(lost)
}

fn unmarked(mark: &str) -> Difference {
    lacking_at(mark, json!(true), None)
}

fn lacking_at(place: &str, want: Value, have: Option<&Value>) -> Difference {
    Difference { at: format!("/{place}"), want: Some(want), have: have.cloned(), fixed: false }
}

fn lacks_of_attached(kind: &'static Kind, attached: &Attached, body: &Map<String, Value>, there: &Object) -> Vec<Difference> {
    let actual = comparable(there);
    match &attached.write {
        Write::Whole { call, .. } if call.method == "PUT" => equal(kind, body, &actual),
        _ => lacking(kind, body, &actual),
    }
}

fn lacks_of_repo(body: &Map<String, Value>, there: &Object) -> Vec<Difference> {
    let actual = comparable(there);
    let mut found = Vec::new();
    for (field, want) in body.iter().filter(|(field, want)| ["url", "branch"].contains(&field.as_str()) && !want.is_null()) {
        let have = actual.get(field);
        let same = if field == "url" { git_address(Some(want)) == git_address(have) } else { Some(want) == have };
        if !same {
            found.push(lacking_at(field, want.clone(), have));
        }
    }
    found
}

/// A file stays a file and a notebook keeps its language, whatever its first line says.
fn lacks_of_notebook(step: &Step, there: &Object) -> Vec<Difference> {
    let Action::Content { format, language, .. } = &step.action else { return Vec::new() };
    let wanted = [("format", format), ("language", language)];
    let other = |(name, want): (&str, &Option<String>)| {
        let have = there.meta.get(name);
        let same = want.is_none() || have.as_ref().and_then(Value::as_str) == want.as_deref();
        (!same).then(|| lacking_at(name, json!(want), have.as_ref()))
    };
    wanted.into_iter().filter_map(other).collect()
}

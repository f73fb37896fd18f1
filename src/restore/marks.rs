//! What the source is known by: gathered from a bundle, looked for in what a plan would write.

use super::{Options, RestoreError};
use crate::audit;
use crate::bundle::Reader;
use crate::kinds;
use crate::leaks::{Leak, Marks};
use crate::object::Selection;
use crate::plan::{Action, Maps, Plan, Step, Todo, What};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Sections of the maps whose targets may be storage or a vault.
const PLACES: &[&str] = &["storage", "key_vault", "host", "text"];

/// What the source is known by, less what the target or the maps know as their own. Errors: the bundle cannot be read.
pub fn marks(reader: &Reader, options: &Options, plan: &Plan) -> Result<Marks, RestoreError> {
    of(reader, &options.selection, options.in_force().maps(), plan)
}

/// Ids come from the whole bundle, since a text may name what is not restored.
pub(super) fn of(reader: &Reader, selection: &Selection, maps: &Maps, plan: &Plan) -> Result<Marks, RestoreError> {
    if plan.source.workspace_id == plan.target.workspace_id && !plan.source.workspace_id.is_empty() {
        return Ok(Marks::default());
    }
    let mut marks = Marks::of_workspace(&plan.source.host, &plan.source.workspace_id);
    for member in &reader.manifest().members {
        let Some(kind) = kinds::by_name(&member.kind) else { continue };
        marks.add(kind, &member.path);
    }
    audit::each(reader, selection, &mut |object| {
        object.document().into_iter().for_each(|document| marks.add_places(&document));
        let number = object.meta.get("object_id").map(|id| id.to_string());
        number.into_iter().for_each(|number| marks.add_number(object.kind, number.trim_matches('"')));
    })?;
    let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    plan.steps.iter().filter_map(|step| step.action.target()).for_each(|there| marks.forget(&text(&there.id)));
    marks.forget_mapped(maps.all().filter(|(section, _, _)| PLACES.contains(section)).map(|(_, _, to)| to));
    maps.all().for_each(|(_, _, to)| marks.forget(to));
    Ok(marks)
}

/// Tells what of the source would be written: bodies only, since bytes are looked through when they are sent.
pub(super) fn tell(marks: &Marks, plan: &mut Plan) {
    let mut lines: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for leak in plan.steps.iter().flat_map(|step| would_leak(marks, step)) {
        let (text, object) = leak.told();
        lines.entry(text).or_default().insert(object);
    }
    let todo =
        |(text, objects): (String, BTreeSet<String>)| Todo { what: What::Leak, text, objects: objects.into_iter().collect() };
    plan.todos.extend(lines.into_iter().map(todo));
}

fn would_leak(marks: &Marks, step: &Step) -> Vec<Leak> {
    let nothing = Map::new();
    let body: &Map<String, Value> = match &step.action {
        Action::Create { body }
        | Action::Update { body, .. }
        | Action::Switch { body, .. }
        | Action::Complete { body, .. }
        | Action::Attach { body, .. } => body,
        _ => &nothing,
    };
    let Some(kind) = kinds::by_name(&step.source.kind).filter(|_| !body.is_empty()) else { return Vec::new() };
    marks.in_body(kind, &step.source, &step.key, body, &|at| step.links.iter().any(|link| link.at == at))
}

//! Who may do what with an object, as a table.

use super::Subject;
use crate::ui::Ui;
use serde_json::Value;

pub(super) fn tell(ui: &mut Ui, subject: &Subject<'_>, document: &Value) -> std::io::Result<bool> {
    let mut rows = if let Some(entries) = document.get("access_control_list").and_then(Value::as_array) {
        entries.iter().flat_map(|entry| rows(subject, entry)).collect()
    } else if let Some(items) = document.get("items").and_then(Value::as_array) {
        items.iter().map(of_scope).collect::<Vec<_>>()
    } else {
        return Ok(false);
    };
    // Workspaces may list one entry several times.
    rows.dedup();
    ui.table(&["principal", "is a", "may", "from"], rows)?;
    Ok(true)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// One row for each level that a principal has.
fn rows(subject: &Subject<'_>, entry: &Value) -> Vec<Vec<String>> {
    let sorts = [("user_name", "user"), ("group_name", "group"), ("service_principal_name", "service principal")];
    let found = sorts.into_iter().find_map(|(name, sort)| Some((entry.get(name)?.as_str()?, sort)));
    let (name, sort) = found.unwrap_or(("?", "?"));
    let display = entry.get("display_name").and_then(Value::as_str).filter(|display| *display != name);
    let principal = display.map_or_else(|| name.to_owned(), |display| format!("{name} ({display})"));
    let levels = entry.get("all_permissions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let row = |level| vec![principal.clone(), sort.to_owned(), text(level, "permission_level"), origin(subject, level)];
    levels.iter().map(row).collect()
}

fn origin(subject: &Subject<'_>, level: &Value) -> String {
    if level.get("inherited") != Some(&Value::Bool(true)) {
        return "here".to_owned();
    }
    let from = level.get("inherited_from_object").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let from: Vec<String> = from.map(|from| holder(subject, from)).collect();
    if from.is_empty() { "inherited".to_owned() } else { from.join(", ") }
}

/// The path of the folder that `/directories/ID` means, if the bundle has its permissions; `/jobs/` and the like are all of a sort.
fn holder(subject: &Subject<'_>, from: &str) -> String {
    if from == "/directories/0" {
        return "/".to_owned();
    }
    let found = subject.reader.find("permissions", from.trim_start_matches('/'));
    let path = found.and_then(|member| member.key.as_deref()?.strip_prefix("directory:"));
    path.unwrap_or(from).to_owned()
}

/// Scopes of secrets do not say what sort of principal it is.
fn of_scope(item: &Value) -> Vec<String> {
    vec![text(item, "principal"), String::new(), text(item, "permission"), "here".to_owned()]
}

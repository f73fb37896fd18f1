//! The parts of a job.

use super::{NameOf, inline};
use serde_json::Value;

/// What starts a job, as its settings call it.
pub const STARTERS: [&str; 3] = ["schedule", "trigger", "continuous"];

/// So many tasks are told in a line.
const TASKS: usize = 5;

/// When it starts, as whom it runs, what its tasks do.
pub(super) fn line(document: &Value, name_of: &NameOf<'_>) -> Option<String> {
    let settings = document.get("settings")?;
    let starters = STARTERS.iter().filter_map(|what| Some(format!("{what} {}", timing(settings.get(what)?))));
    let mut parts: Vec<String> = starters.collect();
    if parts.is_empty() {
        parts.push("no schedule or trigger".to_owned());
    }
    parts.extend(runs_as(document, settings).map(|who| format!("runs as {who}")));
    parts.push(tasks(settings, name_of));
    Some(parts.join("; "))
}

fn tasks(settings: &Value, name_of: &NameOf<'_>) -> String {
    let tasks = settings.get("tasks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let key = |task: &Value| text(task, "task_key").unwrap_or_else(|| "?".to_owned());
    let told = tasks.iter().take(TASKS).map(|one| format!("{}: {}", key(one), task(name_of, one)));
    let told = told.collect::<Vec<_>>().join(", ");
    match tasks.len() {
        // The API before tasks had one, at the top.
        0 if settings.as_object().is_some_and(|all| all.keys().any(|name| name.ends_with("_task"))) => {
            format!("one task: {}", task(name_of, settings))
        }
        0 => "no tasks".to_owned(),
        1 => format!("task {told}"),
        many if many > TASKS => format!("tasks {told}, and {} more tasks", many - TASKS),
        _ => format!("tasks {told}"),
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// As whom it runs.
pub fn runs_as(document: &Value, settings: &Value) -> Option<String> {
    let named =
        settings.get("run_as").and_then(|run_as| text(run_as, "user_name").or_else(|| text(run_as, "service_principal_name")));
    named.or_else(|| text(document, "run_as_user_name"))
}

/// A schedule in its own words, with whether it is on.
pub fn timing(value: &Value) -> String {
    let Some(members) = value.as_object() else { return inline(value) };
    let known = ["quartz_cron_expression", "timezone_id", "pause_status"];
    let parts = members.iter().map(
        |(name, one)| {
            if known.contains(&name.as_str()) { inline(one) } else { format!("{name}={}", inline(one)) }
        },
    );
    parts.collect::<Vec<_>>().join(" ")
}

/// What a task does, and on what.
pub fn task(name_of: &NameOf<'_>, task: &Value) -> String {
    let sort = task.as_object().into_iter().flatten().find(|(name, one)| name.ends_with("_task") && one.is_object());
    let what = sort
        .map_or_else(|| "?".to_owned(), |(name, one)| format!("{} {}", name.trim_end_matches("_task"), does(name_of, name, one)));
    match on(name_of, task) {
        Some(on) => format!("{what} on {on}"),
        None => what,
    }
}

fn does(name_of: &NameOf<'_>, name: &str, one: &Value) -> String {
    let by_id = |at: &str, kind: &str| one.pointer(at).map(|id| name_of(kind, &inline(id)));
    let said = ["notebook_path", "python_file", "main_class_name", "jar_uri", "entry_point", "project_directory", "file/path"];
    let said = said.iter().find_map(|at| one.pointer(&format!("/{at}")).map(inline));
    match name {
        "run_job_task" => by_id("/job_id", "job"),
        "pipeline_task" => by_id("/pipeline_id", "pipeline"),
        "sql_task" => by_id("/query/query_id", "query").or_else(|| by_id("/alert/alert_id", "alert")).or(said),
        "for_each_task" => one.get("inputs").map(|inputs| format!("over {}", inline(inputs))),
        _ => said,
    }
    .unwrap_or_default()
}

fn on(name_of: &NameOf<'_>, task: &Value) -> Option<String> {
    let existing = text(task, "existing_cluster_id").map(|id| format!("cluster {}", name_of("cluster", &id)));
    let warehouse =
        || task.pointer("/sql_task/warehouse_id").map(|id| format!("warehouse {}", name_of("warehouse", &inline(id))));
    let shared = || text(task, "job_cluster_key").map(|key| format!("job cluster {key}"));
    let own = || task.get("new_cluster").map(|_| "a cluster of its own".to_owned());
    existing.or_else(shared).or_else(own).or_else(warehouse)
}

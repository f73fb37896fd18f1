//! What a job may be: which keys, which references must exist, and what the backend fills in.

use super::call::{Fields, Problem};
use super::cluster_rules;
use super::world::World;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const SETTINGS: &[&str] = &[
    "budget_policy_id",
    "continuous",
    "deployment",
    "description",
    "duration_target",
    "edit_mode",
    "email_notifications",
    "environment_variables",
    "environments",
    "git_source",
    "health",
    "job_clusters",
    "max_concurrent_runs",
    "name",
    "notification_settings",
    "parameters",
    "parent_path",
    "performance_target",
    "queue",
    "run_as",
    "schedule",
    "tags",
    "tasks",
    "timeout_seconds",
    "trigger",
    "triggers",
    "usage_policy_id",
    "webhook_notifications",
];

/// What belongs to a task rather than to its job.
pub(super) fn is_task_field(key: &str) -> bool {
    key.ends_with("_task")
        || matches!(
            key,
            "existing_cluster_id"
                | "new_cluster"
                | "libraries"
                | "max_retries"
                | "min_retry_interval_millis"
                | "retry_on_timeout"
                | "timeout_seconds"
                | "email_notifications"
        )
}

/// Keeps what a job has, refuses what cannot be, fills in what was left out.
pub(super) fn checked(world: &World, body: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let mut job: Map<String, Value> =
        body.into_iter().filter(|(key, value)| SETTINGS.contains(&key.as_str()) && !value.is_null()).collect();
    check_head(world, &job)?;
    check_activation(&job)?;
    let mut clusters = BTreeSet::new();
    for entry in job.get_mut("job_clusters").and_then(Value::as_array_mut).into_iter().flatten() {
        let key = entry["job_cluster_key"].as_str().ok_or_else(|| Problem::invalid("Missing required field: job_cluster_key"))?;
        if !clusters.insert(key.to_owned()) {
            return Err(Problem::invalid(format!("Duplicate job_cluster_key: {key}")));
        }
        check_cluster(world, entry)?;
    }
    let tasks = job.get_mut("tasks").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    let tasks = check_tasks(world, tasks, &clusters, &job)?;
    if tasks.is_empty() {
        job.remove("tasks");
    } else {
        job.insert("tasks".into(), Value::Array(tasks));
    }
    fill(&mut job);
    Ok(job)
}

fn check_head(world: &World, job: &Map<String, Value>) -> Result<(), Problem> {
    if job.text("name").is_some_and(|name| name.len() > 4096) {
        return Err(Problem::invalid("The job name is longer than 4096 bytes"));
    }
    if job.get("tags").and_then(Value::as_object).is_some_and(|tags| tags.len() > 25) {
        return Err(Problem::invalid("A job can have at most 25 tags"));
    }
    if job.int("max_concurrent_runs").is_some_and(|runs| !(0..=1000).contains(&runs)) {
        return Err(Problem::invalid("max_concurrent_runs must be between 0 and 1000"));
    }
    if job.text("performance_target") == Some("COST_OPTIMIZED") && job.text("duration_target").is_none() {
        return Err(Problem::invalid("duration_target is required when performance_target is COST_OPTIMIZED"));
    }
    if let Some(git) = job.get("git_source") {
        for key in ["git_url", "git_provider"] {
            if git[key].as_str().is_none_or(str::is_empty) {
                return Err(Problem::invalid(format!("Missing required field: git_source.{key}")));
            }
        }
    }
    if let Some(run_as) = job.get("run_as").and_then(Value::as_object) {
        let [(field, who)] = run_as.iter().collect::<Vec<_>>()[..] else {
            return Err(Problem::invalid(
                "Exactly one of user_name, service_principal_name and group_name must be set in run_as",
            ));
        };
        let who = who.as_str().unwrap_or_default();
        world.granted(field, who).ok_or_else(|| Problem::invalid(format!("The principal {who} in run_as does not exist")))?;
    }
    let mut hooks = job
        .get("webhook_notifications")
        .into_iter()
        .chain(job.list("tasks").iter().filter_map(|task| task.get("webhook_notifications")));
    hooks.try_for_each(|hooks| check_hooks(world, hooks))
}

/// Each id must be a notification destination.
fn check_hooks(world: &World, hooks: &Value) -> Result<(), Problem> {
    let known = world.shown.get("notification-destinations").map_or(&[][..], Vec::as_slice);
    for hook in hooks.as_object().into_iter().flatten().filter_map(|(_, list)| list.as_array()).flatten() {
        if !known.iter().any(|one| one["id"] == hook["id"]) {
            return Err(Problem::invalid(format!("The notification destination {} does not exist", hook["id"])));
        }
    }
    Ok(())
}

/// What starts runs: one way only, unless the new list of triggers is used.
fn check_activation(job: &Map<String, Value>) -> Result<(), Problem> {
    let ways: Vec<_> =
        ["schedule", "trigger", "continuous", "triggers"].into_iter().filter(|key| job.contains_key(*key)).collect();
    if ways.len() > 1 {
        return Err(Problem::invalid(format!("Only one of {} can be set", ways.join(", "))));
    }
    if job.contains_key("continuous") && job.int("max_concurrent_runs").is_some_and(|runs| runs > 1) {
        return Err(Problem::invalid("A continuous job cannot have more than one concurrent run"));
    }
    for pausable in ways.iter().flat_map(|way| pausable(&job[*way])) {
        if pausable.get("pause_status").is_some_and(|status| status != "PAUSED" && status != "UNPAUSED") {
            return Err(Problem::invalid(format!("Unknown pause_status {}", pausable["pause_status"])));
        }
    }
    if let Some(schedule) = job.get("schedule") {
        let fields = schedule["quartz_cron_expression"].as_str().unwrap_or_default().split_whitespace().count();
        if !(6..=7).contains(&fields) || schedule["timezone_id"].as_str().is_none_or(str::is_empty) {
            return Err(Problem::invalid("The schedule needs a quartz_cron_expression of 6 or 7 fields and a timezone_id"));
        }
    }
    Ok(())
}

/// The objects that carry a `pause_status`: the way itself, or each entry of `triggers`.
fn pausable(way: &Value) -> Vec<&Value> {
    way.as_array().map_or_else(|| vec![way], |list| list.iter().collect())
}

fn check_tasks(
    world: &World,
    mut tasks: Vec<Value>,
    clusters: &BTreeSet<String>,
    job: &Map<String, Value>,
) -> Result<Vec<Value>, Problem> {
    if tasks.len() > 1000 {
        return Err(Problem::invalid("A job can have at most 1000 tasks"));
    }
    let mut keys = BTreeSet::new();
    for task in &tasks {
        let key = task["task_key"].as_str().ok_or_else(|| Problem::invalid("Missing required field: task_key"))?;
        if !keys.insert(key.to_owned()) {
            return Err(Problem::invalid(format!("Duplicate task_key: {key}")));
        }
    }
    for task in &mut tasks {
        let needs: Vec<_> =
            task["depends_on"].as_array().into_iter().flatten().filter_map(|need| need["task_key"].as_str()).collect();
        if let Some(need) = needs.into_iter().find(|need| !keys.contains(*need)) {
            return Err(Problem::invalid(format!("Task {} depends on the unknown task {need}", task["task_key"])));
        }
        check_task(world, task, clusters, job)?;
    }
    Ok(tasks)
}

fn check_task(world: &World, task: &mut Value, clusters: &BTreeSet<String>, job: &Map<String, Value>) -> Result<(), Problem> {
    let name = task["task_key"].clone();
    if let Some(key) = task["job_cluster_key"].as_str().filter(|key| !clusters.contains(*key)) {
        return Err(Problem::invalid(format!("Task {name} refers to the unknown job cluster {key}")));
    }
    let environments = job.list("environments");
    if let Some(key) =
        task["environment_key"].as_str().filter(|key| !environments.iter().any(|one| one["environment_key"] == *key))
    {
        return Err(Problem::invalid(format!("Task {name} refers to the unknown environment {key}")));
    }
    if let Some(id) = task["existing_cluster_id"].as_str().filter(|id| !world.clusters.contains_key(*id)) {
        return Err(Problem::invalid(format!("Task {name}: Cluster {id} does not exist")));
    }
    if let Some(id) = task["run_job_task"]["job_id"].as_i64().filter(|id| !world.jobs.contains_key(id)) {
        return Err(Problem::invalid(format!("Task {name}: Job {id} does not exist.")));
    }
    for (field, list, key) in [("pipeline_task", "pipelines", "pipeline_id"), ("", "sql/warehouses", "warehouse_id")] {
        check_listed(world, task, field, list, key)?;
    }
    check_cluster(world, task)?;
    if task["for_each_task"]["task"].is_object() {
        check_task(world, &mut task["for_each_task"]["task"], clusters, job)?;
    }
    fill_task(task, job.contains_key("git_source"));
    Ok(())
}

/// An id that a task names, in one field or in any, must be in a list.
fn check_listed(world: &World, task: &Value, field: &str, list: &str, key: &str) -> Result<(), Problem> {
    let known = world.shown.get(list).map_or(&[][..], Vec::as_slice);
    let own = |one: &Value, id: &str| one["id"] == id || one[key] == id;
    for (name, value) in task.as_object().into_iter().flatten().filter(|(name, _)| field.is_empty() || name.as_str() == field) {
        if let Some(id) = value[key].as_str().filter(|id| !known.iter().any(|one| own(one, id))) {
            return Err(Problem::invalid(format!("Task {}: the {key} {id} of {name} does not exist", task["task_key"])));
        }
    }
    Ok(())
}

/// A cluster inside a job obeys the rules of clusters.
fn check_cluster(world: &World, holder: &mut Value) -> Result<(), Problem> {
    if let Some(asked) = holder.get("new_cluster").and_then(Value::as_object) {
        holder["new_cluster"] = Value::Object(cluster_rules::checked(world, asked)?);
    }
    Ok(())
}

/// Settings as they are shown: the clusters inside carry the backend's defaults, as clusters of their own do.
pub(super) fn with_backend(world: &World, settings: &mut Map<String, Value>) {
    for list in ["job_clusters", "tasks"] {
        for holder in settings.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            fill_cluster(world, holder);
            if holder["for_each_task"]["task"].is_object() {
                fill_cluster(world, &mut holder["for_each_task"]["task"]);
            }
        }
    }
}

fn fill_cluster(world: &World, holder: &mut Value) {
    if let Some(cluster) = holder.get("new_cluster").and_then(Value::as_object) {
        holder["new_cluster"] = Value::Object(cluster_rules::with_defaults(world, cluster));
    }
}

fn fill_task(task: &mut Value, git: bool) {
    let source = if git { "GIT" } else { "WORKSPACE" };
    for (kind, key) in [("notebook_task", "notebook_path"), ("dbt_task", "commands")] {
        if task[kind].get(key).is_some() && task[kind].get("source").is_none() {
            task[kind]["source"] = json!(source);
        }
    }
    if task["sql_task"]["file"].is_object() && task["sql_task"]["file"].get("source").is_none() {
        task["sql_task"]["file"]["source"] = json!(source);
    }
    if let Some(task) = task.as_object_mut() {
        for (key, value) in [("run_if", json!("ALL_SUCCESS")), ("timeout_seconds", json!(0)), ("email_notifications", json!({}))]
        {
            task.entry(key).or_insert(value);
        }
        // Indexing made empty places; they were never asked for.
        task.retain(|_, value| !value.is_null());
    }
}

/// The defaults of the job itself. What starts runs is live unless someone said otherwise.
fn fill(job: &mut Map<String, Value>) {
    for (key, value) in [
        ("name", json!("Untitled")),
        ("email_notifications", json!({})),
        ("webhook_notifications", json!({})),
        ("notification_settings", json!({ "no_alert_for_skipped_runs": false, "no_alert_for_canceled_runs": false })),
        ("timeout_seconds", json!(0)),
        ("max_concurrent_runs", json!(1)),
        ("edit_mode", json!("EDITABLE")),
    ] {
        job.entry(key).or_insert(value);
    }
    if job.contains_key("environments") {
        job.entry("performance_target").or_insert(json!("PERFORMANCE_OPTIMIZED"));
    }
    job.insert("format".into(), json!("MULTI_TASK"));
    for way in ["schedule", "trigger", "continuous", "triggers"] {
        match job.get_mut(way) {
            Some(Value::Array(list)) => list.iter_mut().for_each(live),
            Some(one) => live(one),
            None => {}
        }
    }
}

fn live(way: &mut Value) {
    if let Some(way) = way.as_object_mut() {
        way.entry("pause_status").or_insert(json!("UNPAUSED"));
    }
}

/// Gives settings that were not made by a call what the backend would have filled in.
pub(super) fn as_stored(settings: &mut Map<String, Value>) {
    let git = settings.contains_key("git_source");
    for task in settings.get_mut("tasks").and_then(Value::as_array_mut).into_iter().flatten() {
        if task["for_each_task"]["task"].is_object() {
            fill_task(&mut task["for_each_task"]["task"], git);
        }
        fill_task(task, git);
    }
    settings.retain(|key, value| key != "tasks" || *value != json!([]));
    fill(settings);
}

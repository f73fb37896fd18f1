//! `/api/2.0/jobs`, 2.1 and 2.2: one store, three ways to look at it.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::job_rules;
use super::world::{Job, World, page_of, page_reply};
use serde_json::{Map, Value, json};

/// Arrays that 2.2 pages, and how many of each come at once.
const PAGED: [&str; 4] = ["tasks", "job_clusters", "environments", "parameters"];
const AT_ONCE: usize = 100;

pub(super) fn answer(world: &mut World, call: &Call, version: &str, name: &str) -> Answer {
    match (call.method.as_str(), name) {
        ("GET", "list") => list(world, call, version),
        ("GET", "get") => get(world, call, version),
        ("POST", name) => {
            let body = call.json()?;
            match name {
                "create" => create(world, call, version, body),
                "reset" => reset(world, version, &body),
                "update" => update(world, version, &body),
                "delete" => {
                    let id = job_id(&body)?;
                    world.jobs.remove(&id).ok_or_else(|| missing(id))?;
                    world.grants.remove(&format!("/jobs/{id}"));
                    Reply::done()
                }
                _ => Err(Problem::no_endpoint(call)),
            }
        }
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn missing(id: i64) -> Problem {
    Problem::invalid(format!("Job {id} does not exist."))
}

fn job_id(body: &Map<String, Value>) -> Result<i64, Problem> {
    body.int("job_id").ok_or_else(|| Problem::invalid("Missing required field: job_id"))
}

fn create(world: &mut World, call: &Call, version: &str, mut body: Map<String, Value>) -> Answer {
    let grants = body.remove("access_control_list");
    let settings = job_rules::checked(world, incoming(version, body))?;
    let (id, created) = (world.number(), world.now());
    world.jobs.insert(id, Job { creator: call.caller.clone(), created, settings });
    world.grant_maker(format!("/jobs/{id}"), &call.caller, "IS_OWNER");
    if let Some(grants) = grants {
        let body = json!({ "access_control_list": grants }).to_string().into();
        let patch = Call {
            method: "PATCH".into(),
            path: call.path.clone(),
            query: Vec::new(),
            headers: call.headers.clone(),
            body,
            form: Vec::new(),
            caller: call.caller.clone(),
        };
        let granted = super::permissions::answer(world, &patch, &["jobs", &id.to_string()]);
        granted.inspect_err(|_| drop(world.jobs.remove(&id)))?;
    }
    Reply::json(json!({ "job_id": id }))
}

/// 2.0 has the single task at the top level; inside, it is the only one of a list.
fn incoming(version: &str, mut body: Map<String, Value>) -> Map<String, Value> {
    if version != "2.0" || body.contains_key("tasks") {
        return body;
    }
    let of_task =
        |key: &String| job_rules::is_task_field(key) && !matches!(key.as_str(), "timeout_seconds" | "email_notifications");
    let keys: Vec<_> = body.keys().filter(|key| of_task(key)).cloned().collect();
    let mut task = Map::from_iter([("task_key".to_owned(), json!("main"))]);
    for key in keys {
        if let Some(value) = body.remove(&key) {
            task.insert(key, value);
        }
    }
    body.insert("tasks".into(), json!([task]));
    body
}

/// The other way round, for a job that has one task only; of others 2.0 does not show the tasks.
fn outgoing(version: &str, mut settings: Map<String, Value>) -> Map<String, Value> {
    if version != "2.0" {
        return settings;
    }
    let tasks = settings.remove("tasks");
    if let Some([Value::Object(task)]) = tasks.as_ref().and_then(Value::as_array).map(Vec::as_slice) {
        for (key, value) in task.iter().filter(|(key, _)| !matches!(key.as_str(), "task_key" | "run_if")) {
            settings.entry(key.clone()).or_insert(value.clone());
        }
    }
    settings
}

fn new_settings(body: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let missing = || Problem::invalid("Missing required field: new_settings");
    body.get("new_settings").and_then(Value::as_object).cloned().ok_or_else(missing)
}

/// Replaces all settings; only an identity that was set stays where the new ones name none.
fn reset(world: &mut World, version: &str, body: &Map<String, Value>) -> Answer {
    let id = job_id(body)?;
    let old = world.jobs.get(&id).ok_or_else(|| missing(id))?;
    let mut new = incoming(version, new_settings(body)?);
    if let Some(run_as) = old.settings.get("run_as").filter(|_| !new.contains_key("run_as")) {
        new.insert("run_as".into(), run_as.clone());
    }
    store(world, id, new)
}

/// Lays settings over the old ones: arrays whose entries have a key are merged by it, all else is replaced.
fn update(world: &mut World, version: &str, body: &Map<String, Value>) -> Answer {
    let id = job_id(body)?;
    let mut settings = world.jobs.get(&id).ok_or_else(|| missing(id))?.settings.clone();
    for field in body.list("fields_to_remove").iter().filter_map(Value::as_str) {
        remove(&mut settings, field);
    }
    if body.contains_key("new_settings") {
        for (name, value) in incoming(version, new_settings(body)?) {
            let key = match name.as_str() {
                "tasks" => Some("task_key"),
                "job_clusters" => Some("job_cluster_key"),
                "environments" => Some("environment_key"),
                _ => None,
            };
            let old = settings.get(&name).and_then(Value::as_array);
            let value = match (key, old, value.as_array()) {
                (Some(key), Some(old), Some(new)) => merged(key, old, new),
                _ => value,
            };
            settings.insert(name, value);
        }
    }
    store(world, id, settings)
}

fn merged(key: &str, old: &[Value], new: &[Value]) -> Value {
    let mut all = old.to_vec();
    for entry in new {
        match all.iter_mut().find(|known| known[key] == entry[key]) {
            Some(known) => *known = entry.clone(),
            None => all.push(entry.clone()),
        }
    }
    Value::Array(all)
}

/// Removes `schedule`, or one entry by its key: `tasks/load`.
fn remove(settings: &mut Map<String, Value>, field: &str) {
    match field.split_once('/') {
        None => drop(settings.remove(field)),
        Some((list, key)) => {
            let named = |entry: &Value| ["task_key", "job_cluster_key", "environment_key"].iter().any(|name| entry[*name] == key);
            if let Some(list) = settings.get_mut(list).and_then(Value::as_array_mut) {
                list.retain(|entry| !named(entry));
            }
        }
    }
}

fn store(world: &mut World, id: i64, settings: Map<String, Value>) -> Answer {
    let settings = job_rules::checked(world, settings)?;
    if let Some(job) = world.jobs.get_mut(&id) {
        job.settings = settings;
    }
    Reply::done()
}

fn shown(world: &World, id: i64, job: &Job, mut settings: Map<String, Value>) -> Map<String, Value> {
    job_rules::with_backend(world, &mut settings);
    let run_as = job.settings.get("run_as");
    let chosen = run_as
        .and_then(|who| who["user_name"].as_str().or(who["service_principal_name"].as_str()).or(who["group_name"].as_str()));
    let mut shown = Map::new();
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    put("job_id", json!(id));
    if !job.creator.is_empty() {
        put("creator_user_name", json!(job.creator));
        put("run_as_user_name", json!(chosen.unwrap_or(&job.creator)));
    }
    put("run_as_owner", json!(run_as.is_none()));
    put("created_time", json!(job.created));
    put("settings", Value::Object(settings));
    shown
}

fn get(world: &World, call: &Call, version: &str) -> Answer {
    let id = call.number("job_id")?.ok_or_else(|| Problem::invalid("Missing required field: job_id"))?;
    let job = world.jobs.get(&id).ok_or_else(|| missing(id))?;
    if version == "2.0" {
        return Reply::json(Value::Object(shown(world, id, job, outgoing(version, job.settings.clone()))));
    }
    let wrong = |_| Problem::invalid("Invalid page token");
    let start = match call.query("page_token").filter(|_| version == "2.2") {
        None => 0,
        Some(token) => token.trim_start_matches("part-").parse::<usize>().map_err(wrong)?,
    };
    let (settings, more) = cut(&job.settings, start);
    let mut shown = shown(world, id, job, settings);
    // 2.1 shows no more than the first hundred of each and has no way to ask for the rest.
    if more && version == "2.2" {
        shown.insert("next_page_token".into(), json!(format!("part-{}", start + AT_ONCE)));
    }
    Reply::json(Value::Object(shown))
}

/// The settings with a hundred entries of each long array from `start` on; arrays that ended earlier are left out.
fn cut(settings: &Map<String, Value>, start: usize) -> (Map<String, Value>, bool) {
    let (mut part, mut more) = (settings.clone(), false);
    for name in PAGED {
        let Some(all) = settings.get(name).and_then(Value::as_array) else { continue };
        more |= all.len() > start + AT_ONCE;
        let page: Vec<_> = all.iter().skip(start).take(AT_ONCE).cloned().collect();
        if page.is_empty() && start > 0 {
            part.remove(name);
        } else {
            part.insert(name.to_owned(), Value::Array(page));
        }
    }
    (part, more)
}

fn list(world: &World, call: &Call, version: &str) -> Answer {
    let named = |job: &Job| {
        let name = job.settings.text("name").unwrap_or_default();
        call.query("name").is_none_or(|wanted| wanted.to_lowercase() == name.to_lowercase())
    };
    // The newest first.
    let jobs: Vec<_> = world.jobs.iter().rev().filter(|(_, job)| named(job)).collect();
    let entry = |(id, job): &(&i64, &Job)| Value::Object(listed(world, **id, job, call, version));
    if version == "2.0" {
        return Reply::list("jobs", jobs.iter().map(entry).collect());
    }
    let limit = call.number("limit")?;
    if limit.is_some_and(|limit| !(1..=100).contains(&limit)) {
        return Err(Problem::invalid("Invalid limit: it must be between 1 and 100"));
    }
    let size = world.page(limit, 20, 100);
    if let Some(offset) = call.number("offset")?.and_then(|offset| usize::try_from(offset).ok()) {
        let page: Vec<_> = jobs.iter().skip(offset).take(size).map(entry).collect();
        return Reply::json(json!({ "jobs": page, "has_more": offset + size < jobs.len() }));
    }
    let places: Vec<Value> = (0..jobs.len()).map(|place| json!(place)).collect();
    let (page, next) = page_of(&places, call.query("page_token"), size)?;
    let page = page.iter().filter_map(|place| jobs.get(usize::try_from(place.as_u64()?).ok()?)).map(entry).collect();
    let more = next.is_some();
    let mut answer = page_reply("jobs", (page, next));
    answer.insert("has_more".into(), json!(more));
    Reply::json(Value::Object(answer))
}

/// A job as lists show it: without the long arrays, unless they are asked for, and even then cut.
fn listed(world: &World, id: i64, job: &Job, call: &Call, version: &str) -> Map<String, Value> {
    if version == "2.0" {
        return shown(world, id, job, outgoing(version, job.settings.clone()));
    }
    let (mut settings, more) = cut(&job.settings, 0);
    if !call.flag("expand_tasks") {
        for name in ["tasks", "job_clusters", "environments"] {
            settings.remove(name);
        }
    }
    let mut shown = shown(world, id, job, settings);
    if more {
        shown.insert("has_more".into(), json!(true));
    }
    shown
}

//! `/api/2.1/clusters` and the older 2.0: making one starts it; states move on as one looks at them.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::cluster_rules;
use super::region;
use super::world::{Cluster, World, merge, page_of, page_reply};
use serde_json::{Map, Value, json};

pub(super) fn answer(world: &mut World, call: &Call, version: &str, name: &str) -> Answer {
    match (call.method.as_str(), name) {
        ("GET", "list") => list(world, call, version),
        ("GET", "get") => get(world, call),
        ("GET", name) => region::answer(world.region, name).unwrap_or_else(|| Err(Problem::no_endpoint(call))),
        ("POST", name) => change(world, call, name),
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn change(world: &mut World, call: &Call, name: &str) -> Answer {
    let body = call.json()?;
    match name {
        "create" => return create(world, call, &body),
        "list" | "get" | "list-node-types" | "spark-versions" | "list-zones" => return Err(Problem::no_endpoint(call)),
        "events" => return Reply::json(json!({ "events": [], "total_count": 0 })),
        _ => {}
    }
    let id = body.need("cluster_id")?.to_owned();
    if !world.clusters.contains_key(&id) {
        return Err(missing(&id));
    }
    match name {
        "edit" => edit(world, &id, &body)?,
        "update" => update(world, &id, &body)?,
        "delete" => terminate(world, &id),
        "permanent-delete" => purge(world, &id)?,
        "start" | "restart" => start(world, &id, name)?,
        "resize" => resize(world, &id, &body)?,
        "pin" => pin(world, &id, Some(call.caller.clone()))?,
        "unpin" => pin(world, &id, None)?,
        "change-owner" => change_owner(world, &id, &body)?,
        _ => return Err(Problem::no_endpoint(call)),
    }
    Reply::done()
}

fn missing(id: &str) -> Problem {
    Problem::invalid(format!("Cluster {id} does not exist"))
}

fn cluster<'a>(world: &'a mut World, id: &str) -> Result<&'a mut Cluster, Problem> {
    world.clusters.get_mut(id).ok_or_else(|| missing(id))
}

fn create(world: &mut World, call: &Call, body: &Map<String, Value>) -> Answer {
    let token = body.text("idempotency_token").map(str::to_owned);
    if let Some((id, _)) = world.clusters.iter().find(|(_, cluster)| token.is_some() && cluster.token == token) {
        return Reply::json(json!({ "cluster_id": id }));
    }
    let mut spec = cluster_rules::checked(world, body)?;
    spec.entry("cluster_name").or_insert(json!(""));
    check_user(world, &spec)?;
    let (id, started) = (world.dated(), world.now());
    let creator = call.caller.clone();
    let cluster =
        Cluster { spec, state: "PENDING".into(), source: "API".into(), creator, started, looks: 2, token, ..Cluster::default() };
    world.clusters.insert(id.clone(), cluster);
    world.grant_maker(format!("/clusters/{id}"), &call.caller, "CAN_MANAGE");
    Reply::json(json!({ "cluster_id": id }))
}

fn check_user(world: &World, spec: &Map<String, Value>) -> Result<(), Problem> {
    let Some(name) = spec.text("single_user_name") else { return Ok(()) };
    let known =
        ["user_name", "service_principal_name", "group_name"].into_iter().any(|field| world.granted(field, name).is_some());
    if known { Ok(()) } else { Err(Problem::invalid(format!("User {name} does not exist"))) }
}

/// A cluster of the API; one look brings it closer to its next state.
fn get(world: &mut World, call: &Call) -> Answer {
    let id = call.need("cluster_id")?;
    let known = cluster(world, id)?;
    let seen = known.clone();
    look(known);
    let mut shown = details(world, id, &seen);
    shown.insert("spec".into(), Value::Object(seen.spec.clone()));
    Reply::json(Value::Object(shown))
}

fn look(cluster: &mut Cluster) {
    cluster.looks = cluster.looks.saturating_sub(1);
    if cluster.looks == 0 {
        match cluster.state.as_str() {
            "PENDING" | "RESTARTING" | "RESIZING" => cluster.state = "RUNNING".into(),
            "TERMINATING" => cluster.state = "TERMINATED".into(),
            _ => {}
        }
    }
}

/// The top level of a cluster: what was asked for with the backend's defaults, and all that only it knows.
fn details(world: &World, id: &str, cluster: &Cluster) -> Map<String, Value> {
    let mut shown = cluster_rules::with_defaults(world, &cluster.spec);
    shown.entry("autotermination_minutes").or_insert(json!(0));
    shown.entry("enable_local_disk_encryption").or_insert(json!(false));
    shown.entry("data_security_mode").or_insert(json!("NONE"));
    if shown["data_security_mode"] == "SINGLE_USER" {
        shown.entry("single_user_name").or_insert(json!(cluster.creator));
    }
    if let Some(scale) = cluster.spec.get("autoscale") {
        shown.insert("num_workers".into(), scale["min_workers"].clone());
    }
    let name = cluster.spec.get("cluster_name").cloned().unwrap_or(json!(""));
    merge(
        &mut shown,
        json!({
            "cluster_id": id, "state": cluster.state, "state_message": "", "cluster_source": cluster.source,
            "creator_user_name": cluster.creator, "spark_context_id": 6_342_110_022_990_111_222_i64, "start_time": cluster.started,
            "last_state_loss_time": 0, "default_tags": {
                "Vendor": "Databricks", "Creator": cluster.creator, "ClusterName": name, "ClusterId": id,
            },
            "disk_spec": {}, "init_scripts_safe_mode": false, "effective_spark_version": cluster.spec.get("spark_version"),
        }),
    );
    if let Some(who) = &cluster.pinned_by {
        shown.insert("pinned_by_user_name".into(), json!(who));
    }
    if let Some(time) = cluster.restarted {
        shown.insert("last_restarted_time".into(), json!(time));
    }
    if let Some(time) = cluster.terminated {
        shown.insert("terminated_time".into(), json!(time));
        let reason = json!({ "code": "USER_REQUEST", "type": "SUCCESS", "parameters": { "username": cluster.creator } });
        shown.insert("termination_reason".into(), reason);
    }
    if cluster.state == "RUNNING" {
        merge(
            &mut shown,
            json!({ "jdbc_port": 10000, "cluster_cores": 8.0, "cluster_memory_mb": 28672, "driver": { "private_ip": "10.0.0.4" } }),
        );
    }
    shown
}

fn list(world: &World, call: &Call, version: &str) -> Answer {
    let fits = |cluster: &Cluster| {
        let any = |name: &str, value: &str| {
            let mut wanted = call.query.iter().filter(|(key, _)| key == name).peekable();
            wanted.peek().is_none() || wanted.any(|(_, text)| text == value)
        };
        let pinned =
            call.query("filter_by.is_pinned").is_none_or(|_| call.flag("filter_by.is_pinned") == cluster.pinned_by.is_some());
        let policy = cluster.spec.text("policy_id").unwrap_or_default();
        pinned
            && any("filter_by.cluster_sources", &cluster.source)
            && any("filter_by.cluster_states", &cluster.state)
            && any("filter_by.policy_id", policy)
    };
    let all = world.clusters.iter().filter(|(_, cluster)| fits(cluster));
    let all: Vec<_> = all.map(|(id, cluster)| Value::Object(details(world, id, cluster))).collect();
    if version == "2.0" {
        return Reply::list("clusters", all);
    }
    let page = page_of(&all, call.query("page_token"), world.page(call.number("page_size")?, 20, 100))?;
    let mut page = page_reply("clusters", page);
    // The end is told by an empty token here, elsewhere by none.
    page.entry("next_page_token").or_insert(json!(""));
    page.entry("prev_page_token").or_insert(json!(""));
    Reply::json(Value::Object(page))
}

fn edit(world: &mut World, id: &str, body: &Map<String, Value>) -> Result<(), Problem> {
    let old = cluster(world, id)?.clone();
    if old.source == "JOB" {
        return Err(Problem::state(format!("Cluster {id} is owned by a job and cannot be edited")));
    }
    if !matches!(old.state.as_str(), "RUNNING" | "TERMINATED") {
        return Err(Problem::state(format!("Cluster {id} is in unexpected state {}.", old.state)));
    }
    let spec = cluster_rules::checked(world, body)?;
    check_user(world, &spec)?;
    let known = cluster(world, id)?;
    known.spec = spec;
    if known.state == "RUNNING" {
        (known.state, known.looks) = ("RESTARTING".into(), 2);
    }
    Ok(())
}

/// Changes the fields of a mask.
fn update(world: &mut World, id: &str, body: &Map<String, Value>) -> Result<(), Problem> {
    let mut spec = cluster(world, id)?.spec.clone();
    let new = body.get("cluster").cloned().unwrap_or_default();
    for field in body.need("update_mask")?.split(',').map(|field| field.trim().split('.').next().unwrap_or_default()) {
        match new.get(field) {
            Some(value) => spec.insert(field.to_owned(), value.clone()),
            None => spec.remove(field),
        };
    }
    edit(world, id, &spec)
}

fn terminate(world: &mut World, id: &str) {
    let now = world.now();
    if let Some(cluster) = world.clusters.get_mut(id).filter(|cluster| !cluster.state.starts_with("TERMINAT")) {
        (cluster.state, cluster.looks, cluster.terminated) = ("TERMINATING".into(), 1, Some(now));
    }
}

fn purge(world: &mut World, id: &str) -> Result<(), Problem> {
    if cluster(world, id)?.pinned_by.is_some() {
        return Err(Problem::state(format!("Cannot permanently delete cluster {id}: unpin the cluster first")));
    }
    world.clusters.remove(id);
    world.libraries.remove(id);
    world.grants.remove(&format!("/clusters/{id}"));
    Ok(())
}

fn start(world: &mut World, id: &str, name: &str) -> Result<(), Problem> {
    let now = world.now();
    let cluster = cluster(world, id)?;
    match (name, cluster.state.as_str()) {
        ("start", "TERMINATED") => (cluster.state, cluster.looks) = ("PENDING".into(), 2),
        ("restart", "RUNNING") => (cluster.state, cluster.looks) = ("RESTARTING".into(), 2),
        (_, state) => return Err(Problem::state(format!("Cluster {id} is in unexpected state {state}."))),
    }
    (cluster.restarted, cluster.terminated) = (Some(now), None);
    if let Some(list) = world.libraries.get_mut(id) {
        list.retain(|one| one["status"] != "UNINSTALL_ON_RESTART");
    }
    Ok(())
}

fn resize(world: &mut World, id: &str, body: &Map<String, Value>) -> Result<(), Problem> {
    let cluster = cluster(world, id)?;
    if cluster.state != "RUNNING" {
        return Err(Problem::state(format!("Cluster {id} is in unexpected state {}.", cluster.state)));
    }
    for key in ["num_workers", "autoscale"] {
        cluster.spec.remove(key);
        if let Some(value) = body.get(key) {
            cluster.spec.insert(key.to_owned(), value.clone());
        }
    }
    Ok(())
}

fn pin(world: &mut World, id: &str, who: Option<String>) -> Result<(), Problem> {
    let pinned = world.clusters.values().filter(|cluster| cluster.pinned_by.is_some()).count();
    if who.is_some() && pinned >= 100 {
        return Err(Problem::new(400, "RESOURCE_LIMIT_EXCEEDED", "The limit of 100 pinned clusters has been reached."));
    }
    cluster(world, id)?.pinned_by = who;
    Ok(())
}

fn change_owner(world: &mut World, id: &str, body: &Map<String, Value>) -> Result<(), Problem> {
    let owner = body.need("owner_username")?;
    let known = ["user_name", "service_principal_name"].into_iter().find_map(|field| world.granted(field, owner));
    let owner =
        known.map(|one| one.grant_name().to_owned()).ok_or_else(|| Problem::invalid(format!("User {owner} does not exist")))?;
    let cluster = cluster(world, id)?;
    if cluster.state != "TERMINATED" {
        return Err(Problem::state(format!("Cluster {id} must be terminated before its owner can be changed")));
    }
    cluster.creator = owner;
    Ok(())
}

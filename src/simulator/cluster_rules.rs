//! What a cluster may be: the rules for a new one, standing alone or inside a job, and what a policy makes of it.

use super::call::{Fields, Problem};
use super::world::World;
use serde_json::{Map, Value, json};

/// All fields that a cluster's maker may set (`CreateCluster` of the API); the rest of a body is dropped without a word.
pub(super) const SETTABLE: &[&str] = &[
    "apply_policy_default_values",
    "autoscale",
    "autotermination_minutes",
    "aws_attributes",
    "azure_attributes",
    "cluster_log_conf",
    "cluster_name",
    "custom_tags",
    "data_security_mode",
    "dependency_mode",
    "docker_image",
    "driver_instance_pool_id",
    "driver_node_type_flexibility",
    "driver_node_type_id",
    "enable_elastic_disk",
    "enable_local_disk_encryption",
    "gcp_attributes",
    "init_scripts",
    "instance_pool_id",
    "is_single_node",
    "kind",
    "node_type_id",
    "num_workers",
    "policy_id",
    "remote_disk_throughput",
    "runtime_engine",
    "single_user_name",
    "spark_conf",
    "spark_env_vars",
    "spark_version",
    "ssh_public_keys",
    "total_initial_remote_disk_size",
    "use_ml_runtime",
    "worker_node_type_flexibility",
    "workload_type",
];

/// Keeps what may be set, lets the policy fill in, and refuses what cannot be.
pub(super) fn checked(world: &World, body: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let mut spec = Map::new();
    for key in SETTABLE {
        if let Some(value) = body.get(*key).filter(|value| !value.is_null()) {
            spec.insert((*key).to_owned(), value.clone());
        }
    }
    apply_policy(world, &mut spec)?;
    check_machines(world, &spec)?;
    check_size(&spec)?;
    check_runtime(world, &spec)?;
    Ok(spec)
}

fn check_machines(world: &World, spec: &Map<String, Value>) -> Result<(), Problem> {
    for key in ["instance_pool_id", "driver_instance_pool_id"] {
        if let Some(id) = spec.text(key).filter(|id| !world.pools.contains_key(*id)) {
            return Err(Problem::invalid(format!("Can't find an instance pool with id: {id}.")));
        }
    }
    if spec.contains_key("instance_pool_id") {
        let forbidden = ["node_type_id", "driver_node_type_id", "enable_elastic_disk", "azure_attributes"];
        let found = forbidden.into_iter().find(|key| spec.contains_key(*key));
        let told = |key| Problem::invalid(format!("The field '{key}' cannot be supplied when an instance pool ID is provided."));
        return found.map_or(Ok(()), |key| Err(told(key)));
    }
    if spec.contains_key("driver_instance_pool_id") {
        return Err(Problem::invalid("driver_instance_pool_id can be set only together with instance_pool_id"));
    }
    if spec.text("node_type_id").is_none() && !spec.contains_key("kind") {
        return Err(Problem::invalid("Missing required field: node_type_id"));
    }
    for key in ["node_type_id", "driver_node_type_id"] {
        if let Some(name) = spec.text(key).filter(|name| !world.region.has_machine(name)) {
            let names = world.region.machine_names();
            return Err(Problem::invalid(format!("Node type {name} is not supported. Supported node types: {names}")));
        }
    }
    Ok(())
}

fn check_size(spec: &Map<String, Value>) -> Result<(), Problem> {
    let single = spec.yes("is_single_node");
    match (spec.int("num_workers"), spec.get("autoscale")) {
        (Some(_), Some(_)) => Err(Problem::invalid("Only one of num_workers and autoscale can be given")),
        (None, None) if !single => Err(Problem::invalid("Missing required field: size")),
        (Some(count), None) if count < 0 => Err(Problem::invalid("num_workers must not be negative")),
        (None, Some(scale)) if scale["min_workers"].as_i64() > scale["max_workers"].as_i64() => {
            Err(Problem::invalid("max_workers must not be smaller than min_workers"))
        }
        _ => Ok(()),
    }
}

fn check_runtime(world: &World, spec: &Map<String, Value>) -> Result<(), Problem> {
    let version = spec.text("spark_version").ok_or_else(|| Problem::invalid("Missing required field: spark_version"))?;
    let known = world.region.has_runtime(version);
    if !known && !version.starts_with("auto:") && !version.starts_with("custom:") {
        return Err(Problem::invalid(format!("Invalid spark version {version}.")));
    }
    if version.contains("-photon-") && spec.contains_key("runtime_engine") {
        return Err(Problem::invalid("runtime_engine cannot be combined with a Photon runtime in spark_version"));
    }
    if spec.contains_key("is_single_node") && !spec.contains_key("kind") {
        return Err(Problem::invalid("is_single_node can be set only together with kind"));
    }
    if let Some(minutes) = spec.int("autotermination_minutes").filter(|minutes| *minutes != 0 && !(10..=10_000).contains(minutes))
    {
        return Err(Problem::invalid(format!("autotermination_minutes {minutes} must be 0 or between 10 and 10000")));
    }
    let len = |key: &str| {
        spec.get(key).map_or(0, |value| value.as_array().map_or_else(|| value.as_object().map_or(0, Map::len), Vec::len))
    };
    for (key, most) in [("custom_tags", 45), ("ssh_public_keys", 10), ("init_scripts", 10)] {
        if len(key) > most {
            return Err(Problem::invalid(format!("At most {most} {key} are allowed")));
        }
    }
    Ok(())
}

/// Fixed values are filled in, defaults too where that is asked for; what contradicts the policy is refused.
fn apply_policy(world: &World, spec: &mut Map<String, Value>) -> Result<(), Problem> {
    let Some(id) = spec.text("policy_id").map(str::to_owned) else { return Ok(()) };
    let policy =
        world.policies.get(&id).ok_or_else(|| Problem::invalid(format!("Can't find a cluster policy with id: {id}.")))?;
    let rules: Map<String, Value> = serde_json::from_str(&super::policies::definition(policy)).unwrap_or_default();
    let defaults = spec.yes("apply_policy_default_values");
    for (path, rule) in &rules {
        let Some(parts) = place(path) else { continue };
        let have = look(spec, &parts).cloned();
        let rule_kind = rule["type"].as_str().unwrap_or_default();
        match (rule_kind, have) {
            ("fixed", None) => set(spec, &parts, rule["value"].clone()),
            (_, None) if defaults && !rule["defaultValue"].is_null() => set(spec, &parts, rule["defaultValue"].clone()),
            (_, None) => {}
            (_, Some(have)) if allowed(rule_kind, rule, &have) => {}
            (_, Some(have)) => {
                let message = format!(
                    "Validation failed: The attribute {path} with the value {have} does not satisfy the policy '{}'",
                    policy["name"]
                );
                return Err(Problem::invalid(message));
            }
        }
    }
    Ok(())
}

fn allowed(kind: &str, rule: &Value, have: &Value) -> bool {
    let same = |one: &Value, two: &Value| {
        one == two || one.as_f64().zip(two.as_f64()).is_some_and(|(one, two)| (one - two).abs() < 1e-9)
    };
    match kind {
        "fixed" => same(&rule["value"], have),
        "forbidden" => false,
        "allowlist" => rule["values"].as_array().is_some_and(|values| values.iter().any(|value| same(value, have))),
        "blocklist" => !rule["values"].as_array().is_some_and(|values| values.iter().any(|value| same(value, have))),
        "range" => {
            let (low, high) = (rule["minValue"].as_f64(), rule["maxValue"].as_f64());
            have.as_f64().is_none_or(|have| low.is_none_or(|low| have >= low) && high.is_none_or(|high| have <= high))
        }
        _ => true,
    }
}

/// A policy's path as steps in a cluster; `None` for paths that are about no single field.
fn place(path: &str) -> Option<Vec<String>> {
    for map in ["spark_conf.", "spark_env_vars.", "custom_tags."] {
        if let Some(key) = path.strip_prefix(map) {
            return Some(vec![map.trim_end_matches('.').to_owned(), key.to_owned()]);
        }
    }
    let parts: Vec<_> = path.split('.').map(str::to_owned).collect();
    let plain =
        SETTABLE.contains(&parts[0].as_str()) && !matches!(parts[0].as_str(), "init_scripts" | "docker_image" | "policy_id");
    (plain && parts.len() <= 2).then_some(parts)
}

fn look<'a>(spec: &'a Map<String, Value>, parts: &[String]) -> Option<&'a Value> {
    let (first, rest) = parts.split_first()?;
    rest.iter().try_fold(spec.get(first)?, |value, part| value.get(part))
}

fn set(spec: &mut Map<String, Value>, parts: &[String], value: Value) {
    match parts {
        [one] => {
            spec.insert(one.clone(), value);
        }
        [one, two] => {
            let inner = spec.entry(one.clone()).or_insert_with(|| json!({}));
            inner[two.as_str()] = value;
        }
        _ => {}
    }
}

/// What the backend fills in where the maker said nothing: seen at the top level of a cluster and inside jobs.
pub(super) fn with_defaults(world: &World, spec: &Map<String, Value>) -> Map<String, Value> {
    let mut full = spec.clone();
    full.remove("apply_policy_default_values");
    let mut or_else = |key: &str, value: Value| {
        full.entry(key.to_owned()).or_insert(value);
    };
    let machine = json!(world.region.usual_machine());
    if let Some(pool) = spec.text("instance_pool_id").and_then(|id| world.pools.get(id)) {
        or_else("driver_instance_pool_id", spec["instance_pool_id"].clone());
        or_else("driver_node_type_id", pool["node_type_id"].clone());
        or_else("node_type_id", pool["node_type_id"].clone());
    } else {
        let worker = spec.get("node_type_id").unwrap_or(&machine);
        or_else("node_type_id", worker.clone());
        or_else("driver_node_type_id", worker.clone());
    }
    or_else("azure_attributes", json!({ "first_on_demand": 1, "availability": "ON_DEMAND_AZURE", "spot_bid_max_price": -1.0 }));
    or_else("enable_elastic_disk", json!(true));
    full
}

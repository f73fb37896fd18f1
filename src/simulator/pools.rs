//! `/api/2.0/instance-pools` and `/api/2.0/instance-profiles`.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::world::{World, merge};
use serde_json::{Map, Value, json};

const SETTABLE: &[&str] = &[
    "instance_pool_name",
    "node_type_id",
    "aws_attributes",
    "azure_attributes",
    "gcp_attributes",
    "custom_tags",
    "disk_spec",
    "enable_auto_alternate_node_types",
    "enable_elastic_disk",
    "idle_instance_autotermination_minutes",
    "max_capacity",
    "min_idle_instances",
    "node_type_flexibility",
    "preloaded_docker_images",
    "preloaded_spark_versions",
    "remote_disk_throughput",
    "total_initial_remote_disk_size",
];
/// Most of a pool is fixed at its creation; an edit takes only these.
const EDITABLE: &[&str] = &[
    "instance_pool_name",
    "custom_tags",
    "enable_auto_alternate_node_types",
    "idle_instance_autotermination_minutes",
    "max_capacity",
    "min_idle_instances",
    "remote_disk_throughput",
    "total_initial_remote_disk_size",
];

pub(super) fn answer(world: &mut World, call: &Call, name: &str) -> Answer {
    match (call.method.as_str(), name) {
        ("GET", "list") => Reply::list("instance_pools", world.pools.iter().map(|(id, pool)| shown(id, pool)).collect()),
        ("GET", "get") => {
            let id = call.need("instance_pool_id")?;
            Reply::json(shown(id, world.pools.get(id).ok_or_else(|| missing(id))?))
        }
        ("POST", "create") => create(world, call),
        ("POST", "edit") => edit(world, call),
        ("POST", "delete") => {
            let body = call.json()?;
            let id = body.need("instance_pool_id")?;
            world.pools.remove(id).ok_or_else(|| missing(id))?;
            world.grants.remove(&format!("/instance-pools/{id}"));
            Reply::done()
        }
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn missing(id: &str) -> Problem {
    Problem::missing(format!("Instance pool {id} does not exist."))
}

fn shown(id: &str, pool: &Map<String, Value>) -> Value {
    let mut shown = pool.clone();
    let idle = pool.get("min_idle_instances").cloned().unwrap_or(json!(0));
    merge(
        &mut shown,
        json!({
            "instance_pool_id": id, "state": "ACTIVE", "status": {},
            "default_tags": { "Vendor": "Databricks", "DatabricksInstancePoolId": id },
            "stats": { "used_count": 0, "idle_count": idle, "pending_used_count": 0, "pending_idle_count": 0 },
            "undocumented_generation": 2,
        }),
    );
    Value::Object(shown)
}

fn check_name(world: &World, name: &str, own: Option<&str>) -> Result<(), Problem> {
    let taken = world.pools.iter().any(|(id, pool)| pool.text("instance_pool_name") == Some(name) && own != Some(id));
    match taken {
        _ if name.is_empty() || name.chars().count() > 100 => {
            Err(Problem::invalid("The pool name must have 1 to 100 characters"))
        }
        true => Err(Problem::invalid(format!("Instance pool name {name} already exists."))),
        false => Ok(()),
    }
}

fn create(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    check_name(world, body.need("instance_pool_name")?, None)?;
    let node = body.need("node_type_id")?;
    if !world.region.has_machine(node) {
        return Err(Problem::invalid(format!("Node type {node} is not supported.")));
    }
    if body.contains_key("node_type_flexibility") && body.contains_key("enable_auto_alternate_node_types") {
        return Err(Problem::invalid("enable_auto_alternate_node_types cannot be combined with node_type_flexibility"));
    }
    if body.list("preloaded_spark_versions").len() > 1 {
        return Err(Problem::invalid("At most one Spark version can be preloaded"));
    }
    let mut pool: Map<String, Value> =
        SETTABLE.iter().filter_map(|key| Some(((*key).to_owned(), body.get(*key)?.clone()))).collect();
    pool.entry("idle_instance_autotermination_minutes").or_insert(json!(60));
    pool.entry("enable_elastic_disk").or_insert(json!(true));
    pool.entry("azure_attributes").or_insert(json!({ "availability": "ON_DEMAND_AZURE", "spot_bid_max_price": -1.0 }));
    let id = format!("{}-pool-{}", world.dated(), &world.hex()[..8]);
    world.pools.insert(id.clone(), pool);
    world.grant_maker(format!("/instance-pools/{id}"), &call.caller, "CAN_MANAGE");
    Reply::json(json!({ "instance_pool_id": id }))
}

fn edit(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    let id = body.need("instance_pool_id")?;
    let old = world.pools.get(id).ok_or_else(|| missing(id))?;
    check_name(world, body.need("instance_pool_name")?, Some(id))?;
    if body.need("node_type_id")? != old["node_type_id"] {
        return Err(Problem::invalid("The node type of a pool cannot be changed"));
    }
    let pool = world.pools.get_mut(id).ok_or_else(|| missing(id))?;
    for key in EDITABLE {
        match body.get(*key) {
            Some(value) => pool.insert((*key).to_owned(), value.clone()),
            None => pool.remove(*key),
        };
    }
    Reply::done()
}

/// Instance profiles exist on AWS; this workspace keeps whatever it is given, without a trial launch.
pub(super) fn profiles(world: &mut World, call: &Call, name: &str) -> Answer {
    let body = call.json()?;
    match (call.method.as_str(), name) {
        ("GET", "list") => Reply::list("instance_profiles", world.profiles.values().cloned().collect()),
        ("POST", "add" | "edit") => {
            let arn = body.need("instance_profile_arn")?;
            match (name, world.profiles.contains_key(arn)) {
                ("add", true) => return Err(Problem::exists(format!("Instance profile {arn} already exists."))),
                ("edit", false) => return Err(Problem::missing(format!("Instance profile {arn} does not exist."))),
                _ => {}
            }
            let keys = ["instance_profile_arn", "iam_role_arn", "is_meta_instance_profile"];
            let kept: Map<_, _> = keys.into_iter().filter_map(|key| Some((key.to_owned(), body.get(key)?.clone()))).collect();
            world.profiles.insert(arn.to_owned(), Value::Object(kept));
            Reply::done()
        }
        ("POST", "remove") => {
            world.profiles.remove(body.need("instance_profile_arn")?);
            Reply::done()
        }
        _ => Err(Problem::no_endpoint(call)),
    }
}

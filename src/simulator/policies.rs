//! `/api/2.0/policies/clusters` and `/api/2.0/policy-families`: families are built in, each has its default policy.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::world::{World, page_of, page_reply};
use serde_json::{Map, Value, json};

/// Id, name, description and definition of the families.
fn families() -> Vec<Value> {
    let family = |id: &str, name: &str, description: &str, definition: Value| json!({ "policy_family_id": id, "name": name, "description": description, "definition": definition.to_string() });
    let fixed = |value: Value| json!({ "type": "fixed", "value": value });
    vec![
        family(
            "personal-vm",
            "Personal Compute",
            "Use with small-to-medium data or libraries like pandas and scikit-learn. Spark runs in local mode.",
            json!({
                "node_type_id": { "type": "allowlist", "values": ["Standard_DS3_v2", "Standard_DS4_v2"], "defaultValue": "Standard_DS3_v2" },
                "spark_version": { "type": "unlimited", "defaultValue": "auto:latest-ml" },
                "num_workers": fixed(json!(0)), "data_security_mode": fixed(json!("SINGLE_USER")),
                "autotermination_minutes": { "type": "unlimited", "defaultValue": 4320, "isOptional": true },
            }),
        ),
        family(
            "power-user",
            "Power User Compute",
            "Use for larger machine-learning or complex workloads. Spark runs in a cluster with multiple nodes.",
            json!({ "cluster_type": fixed(json!("all-purpose")), "data_security_mode": fixed(json!("SINGLE_USER")), "autotermination_minutes": { "type": "range", "maxValue": 10000, "defaultValue": 120 } }),
        ),
        family(
            "shared-compute",
            "Shared Compute",
            "Share data, compute resources, and libraries across users. Up to 20 users can share.",
            json!({ "cluster_type": fixed(json!("all-purpose")), "data_security_mode": fixed(json!("USER_ISOLATION")), "autotermination_minutes": { "type": "range", "maxValue": 10000, "defaultValue": 120 } }),
        ),
        family(
            "job-cluster",
            "Job Compute",
            "Use for running general-purpose jobs.",
            json!({ "cluster_type": fixed(json!("job")) }),
        ),
    ]
}

/// The default policies of a new workspace. Their ids differ from workspace to workspace.
pub(super) fn add_defaults(world: &mut World) {
    for family in families() {
        let (id, now) = (world.hex().to_uppercase(), world.now());
        let policy = json!({
            "name": family["name"], "policy_family_id": family["policy_family_id"], "is_default": true,
            "created_at_timestamp": now, "description": family["description"],
        });
        world.policies.insert(id, policy.as_object().cloned().unwrap_or_default());
    }
}

pub(super) fn answer(world: &mut World, call: &Call, name: &str) -> Answer {
    match (call.method.as_str(), name) {
        ("GET", "list") => {
            let mut all: Vec<_> = world.policies.iter().map(|(id, policy)| shown(id, policy)).collect();
            let by = if call.query("sort_column") == Some("POLICY_NAME") { "name" } else { "created_at_timestamp" };
            all.sort_by_key(|one| (one[by].as_i64(), one[by].as_str().map(str::to_owned)));
            if call.query("sort_order") == Some("DESC") {
                all.reverse();
            }
            Reply::list("policies", all)
        }
        ("GET", "get") => {
            let id = call.need("policy_id")?;
            Reply::json(shown(id, world.policies.get(id).ok_or_else(|| missing(id))?))
        }
        ("POST", "create") => create(world, call),
        ("POST", "edit") => edit(world, call),
        ("POST", "delete") => delete(world, call),
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn missing(id: &str) -> Problem {
    Problem::missing(format!("Cluster policy {id} does not exist."))
}

fn shown(id: &str, policy: &Map<String, Value>) -> Value {
    let mut shown = policy.clone();
    shown.insert("policy_id".into(), json!(id));
    shown.insert("definition".into(), json!(definition(policy)));
    shown.entry("is_default").or_insert(json!(false));
    shown.insert("undocumented_compliance".into(), json!({ "checked": false }));
    Value::Object(shown)
}

/// The definition in force: of a policy with a family, the family's with the overrides laid over it.
pub(super) fn definition(policy: &Map<String, Value>) -> String {
    let Some(family) = policy.text("policy_family_id") else {
        return policy.text("definition").unwrap_or("{}").to_owned();
    };
    let parsed = |text: Option<&str>| serde_json::from_str::<Map<String, Value>>(text.unwrap_or("{}")).unwrap_or_default();
    let base = families().into_iter().find(|one| one["policy_family_id"] == family).unwrap_or_default();
    let mut rules = parsed(base["definition"].as_str());
    rules.extend(parsed(policy.text("policy_family_definition_overrides")));
    Value::Object(rules).to_string()
}

/// What may be written, checked.
fn written(world: &World, body: &Map<String, Value>, own: Option<&str>) -> Result<Map<String, Value>, Problem> {
    let name = body.need("name")?;
    if name.chars().count() > 100 {
        return Err(Problem::invalid("The policy name must have 1 to 100 characters"));
    }
    if world.policies.iter().any(|(id, policy)| policy.text("name") == Some(name) && own != Some(id)) {
        return Err(Problem::invalid(format!("Policy with name {name} already exists.")));
    }
    match (body.text("definition"), body.text("policy_family_id")) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid("Both definition and policy_family_id are set: only one of them is allowed"));
        }
        (None, None) => return Err(Problem::invalid("Missing required field: definition")),
        (None, Some(family)) if !families().iter().any(|one| one["policy_family_id"] == family) => {
            return Err(Problem::missing(format!("Policy family {family} does not exist.")));
        }
        (Some(_), None) if body.contains_key("policy_family_definition_overrides") => {
            return Err(Problem::invalid("policy_family_definition_overrides needs policy_family_id"));
        }
        _ => {}
    }
    for key in ["definition", "policy_family_definition_overrides"] {
        check_rules(body.text(key))?;
    }
    let keys = [
        "name",
        "definition",
        "description",
        "libraries",
        "max_clusters_per_user",
        "policy_family_id",
        "policy_family_definition_overrides",
        "auto_enforcement_config",
    ];
    Ok(keys.into_iter().filter_map(|key| Some((key.to_owned(), body.get(key)?.clone()))).collect())
}

/// A definition is a JSON object, in a string, of rules that have a type.
fn check_rules(text: Option<&str>) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    let rules: Map<String, Value> =
        serde_json::from_str(text).map_err(|cause| Problem::invalid(format!("Invalid policy definition: {cause}")))?;
    match rules.iter().find(|(_, rule)| !rule["type"].is_string()) {
        Some((path, _)) => Err(Problem::invalid(format!("Invalid policy definition: {path} has no type"))),
        None => Ok(()),
    }
}

fn create(world: &mut World, call: &Call) -> Answer {
    let mut policy = written(world, &call.json()?, None)?;
    policy.insert("creator_user_name".into(), json!(call.caller));
    policy.insert("created_at_timestamp".into(), json!(world.now()));
    let id = world.hex().to_uppercase();
    world.policies.insert(id.clone(), policy);
    Reply::json(json!({ "policy_id": id }))
}

/// Replaces all that may be written; the family stays what it was.
fn edit(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    let id = body.need("policy_id")?;
    let old = world.policies.get(id).ok_or_else(|| missing(id))?.clone();
    let mut new = written(world, &body, Some(id))?;
    if old.get("policy_family_id") != new.get("policy_family_id") {
        return Err(Problem::invalid("The family of a policy cannot be changed"));
    }
    if old.get("is_default").is_some_and(|default| default == true) && old.get("name") != new.get("name") {
        return Err(Problem::invalid("A default policy cannot be renamed"));
    }
    for key in ["creator_user_name", "created_at_timestamp", "is_default"] {
        if let Some(value) = old.get(key) {
            new.insert(key.to_owned(), value.clone());
        }
    }
    world.policies.insert(id.to_owned(), new);
    Reply::done()
}

fn delete(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    let id = body.need("policy_id")?;
    let policy = world.policies.get(id).ok_or_else(|| missing(id))?;
    if policy.get("is_default").is_some_and(|default| default == true) {
        return Err(Problem::invalid("A default policy cannot be deleted"));
    }
    world.policies.remove(id);
    world.grants.remove(&format!("/cluster-policies/{id}"));
    Reply::done()
}

pub(super) fn family(world: &World, call: &Call, id: Option<&str>) -> Answer {
    let all = families();
    let Some(id) = id else {
        let page = page_of(&all, call.query("page_token"), world.page(call.number("max_results")?, 20, 100))?;
        return Reply::json(Value::Object(page_reply("policy_families", page)));
    };
    let found = all.into_iter().find(|one| one["policy_family_id"] == id);
    found.map_or_else(|| Err(Problem::missing(format!("Policy family {id} does not exist."))), Reply::json)
}

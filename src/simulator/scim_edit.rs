//! Changing principals: PUT replaces, PATCH takes operations (RFC 7644 section 3.5.2).

use super::call::{Answer, Call, Fields, Problem};
use super::scim::{self, Kind, Principal};
use super::world::World;
use serde_json::{Map, Value};

/// Replaces all that may change: what the body leaves out is gone.
pub(super) fn put(world: &mut World, call: &Call, kind: Kind, id: &str) -> Answer {
    let old = world.principal(kind, id)?.clone();
    let mut new =
        Principal { entitlements: vec![], roles: vec![], members: vec![], external_id: None, active: true, ..old.clone() };
    overlay(world, &mut new, &call.json()?)?;
    store(world, &old, new)?;
    shown(world, call, kind, id)
}

pub(super) fn patch(world: &mut World, call: &Call, kind: Kind, id: &str) -> Answer {
    let old = world.principal(kind, id)?.clone();
    let body = call.json()?;
    let mut new = old.clone();
    for operation in body.list("Operations").iter().filter_map(Value::as_object) {
        apply(world, &mut new, operation)?;
    }
    if body.list("Operations").is_empty() {
        return Err(Problem::scim(400, "invalidSyntax", "Operations are missing"));
    }
    store(world, &old, new)?;
    shown(world, call, kind, id)
}

fn shown(world: &mut World, call: &Call, kind: Kind, id: &str) -> Answer {
    let get = Call {
        method: "GET".into(),
        path: String::new(),
        query: vec![],
        headers: call.headers.clone(),
        body: bytes::Bytes::new(),
        form: vec![],
        caller: call.caller.clone(),
    };
    scim::answer(world, &get, &[kind.noun(), id])
}

fn store(world: &mut World, old: &Principal, new: Principal) -> Result<(), Problem> {
    if old.display_name == "users" && old.kind == Kind::Group && old.members != new.members {
        return Err(Problem::scim(403, "", "Cannot change the members of the built-in group users"));
    }
    world.principals.insert(new.id.clone(), new);
    Ok(())
}

fn apply(world: &World, one: &mut Principal, operation: &Map<String, Value>) -> Result<(), Problem> {
    let verb = operation.need("op").map_err(|_| bad_path("op"))?.to_lowercase();
    let null = Value::Null;
    let value = operation.get("value").unwrap_or(&null);
    match operation.text("path") {
        None => {
            // Without a path the value is an object of attributes; adding a list adds to what is there.
            for (name, value) in value.as_object().into_iter().flatten() {
                attribute(world, one, &verb, name, value)?;
            }
            Ok(())
        }
        Some(path) => match selector(path) {
            Some((name, wanted)) if verb == "remove" => {
                list_mut(one, name).ok_or_else(|| bad_path(name))?.retain(|have| *have != wanted);
                Ok(())
            }
            _ => attribute(world, one, &verb, path, value),
        },
    }
}

/// `members[value eq "12"]` → `members`, `12`.
fn selector(path: &str) -> Option<(&str, String)> {
    let (name, rest) = path.split_once('[')?;
    let wanted = rest.strip_suffix(']')?.trim().strip_prefix("value")?.trim().strip_prefix("eq")?.trim();
    Some((name, wanted.trim_matches('"').to_owned()))
}

fn bad_path(name: &str) -> Problem {
    Problem::scim(400, "invalidPath", format!("No such attribute with the name : {name} in the current resource"))
}

fn list_mut<'a>(one: &'a mut Principal, name: &str) -> Option<&'a mut Vec<String>> {
    match name {
        "members" if one.kind == Kind::Group => Some(&mut one.members),
        "entitlements" => Some(&mut one.entitlements),
        "roles" => Some(&mut one.roles),
        _ => None,
    }
}

fn attribute(world: &World, one: &mut Principal, verb: &str, name: &str, value: &Value) -> Result<(), Problem> {
    let Some(list) = list_mut(one, name) else { return single(one, verb, name, value) };
    let values = values(value);
    match verb {
        "replace" => *list = values.into_iter().filter(|value| !value.is_empty()).collect(),
        "add" => {
            for value in values.into_iter().filter(|value| !value.is_empty()) {
                if !list.contains(&value) {
                    list.push(value);
                }
            }
        }
        "remove" if value.is_null() => list.clear(),
        "remove" if list.is_empty() && name != "members" => return Err(bad_path(name)),
        "remove" => list.retain(|have| !values.contains(have)),
        _ => return Err(Problem::scim(400, "invalidSyntax", format!("Unknown operation {verb}"))),
    }
    check(world, one)
}

fn single(one: &mut Principal, verb: &str, name: &str, value: &Value) -> Result<(), Problem> {
    let text = || value.as_str().or_else(|| value[0]["value"].as_str()).unwrap_or_default().to_owned();
    match (name, verb) {
        // Neither the name of a user nor the address can be changed; asking for it is silently ignored.
        ("userName" | "emails" | "schemas" | "id" | "groups" | "applicationId", _) => {}
        ("active", "replace" | "add") => one.active = value == true || text() == "true",
        ("displayName", "remove") => one.display_name.clear(),
        ("displayName", _) if one.built_in() => return Err(Problem::scim(403, "", "Cannot rename a built-in group")),
        ("displayName", _) => one.display_name = text(),
        ("externalId", "remove") => one.external_id = None,
        ("externalId", _) => one.external_id = Some(text()),
        ("name.givenName", _) => one.given_name = text(),
        ("name.familyName", _) => one.family_name = text(),
        ("name", _) => name_of(one, value),
        _ => return Err(bad_path(name)),
    }
    Ok(())
}

fn name_of(one: &mut Principal, name: &Value) {
    let part = |key: &str| name[key].as_str().unwrap_or_default().to_owned();
    (one.given_name, one.family_name) = (part("givenName"), part("familyName"));
}

/// `[{"value": "x"}]`, `["x"]`, `{"value": "x"}` or `"x"` → `x`.
fn values(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().or_else(|| value["value"].as_str()).map(str::to_owned);
    match value {
        Value::Array(list) => list.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// Lays a whole resource over a principal.
pub(super) fn overlay(world: &World, one: &mut Principal, body: &Map<String, Value>) -> Result<(), Problem> {
    if let Some(name) = body.text("displayName").filter(|_| !one.built_in()) {
        name.clone_into(&mut one.display_name);
    }
    if let Some(active) = body.get("active") {
        one.active = active != false;
    }
    if let Some(external) = body.text("externalId") {
        one.external_id = Some(external.to_owned());
    }
    if let Some(name) = body.get("name") {
        name_of(one, name);
    }
    for key in ["entitlements", "roles", "members"] {
        if let (Some(value), Some(list)) = (body.get(key), list_mut(one, key)) {
            *list = values(value).into_iter().filter(|value| !value.is_empty()).collect();
        }
    }
    check(world, one)
}

/// Members must exist; entitlements must be known ones.
fn check(world: &World, one: &Principal) -> Result<(), Problem> {
    if let Some(id) = one.members.iter().find(|id| !world.principals.contains_key(*id)) {
        return Err(Problem::scim(404, "", format!("Principal with id {id} not found.")));
    }
    let known =
        ["workspace-access", "databricks-sql-access", "allow-cluster-create", "allow-instance-pool-create", "workspace-consume"];
    match one.entitlements.iter().find(|right| !known.contains(&right.as_str())) {
        Some(right) => Err(Problem::scim(400, "invalidValue", format!("Unsupported entitlement: {right}"))),
        None => Ok(()),
    }
}

//! `/api/2.0/secrets`: scopes, keys, who may read them; values only where the workspace was told to give them out.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::world::{Scope, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub(super) fn answer(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", ["scopes", "list"]) => Reply::list("scopes", world.scopes.values().map(shown).collect()),
        ("GET", ["list"]) => keys(world, call),
        ("GET", ["get"]) => get(world, call),
        ("GET", ["acls", "list"]) => acls(world, call),
        ("GET", ["acls", "get"]) => acl(world, call),
        ("POST", rest) => change(world, call, rest),
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn change(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    let body = call.json()?;
    match rest {
        ["scopes", "create"] => create(world, call, &body),
        ["scopes", "delete"] => {
            let key = scope_key(body.need("scope")?);
            world.scopes.remove(&key).ok_or_else(|| no_scope(&key))?;
            Reply::done()
        }
        ["put"] => put(world, &body),
        ["delete"] => delete(world, &body),
        ["acls", "put"] => put_acl(world, &body),
        ["acls", "delete"] => delete_acl(world, &body),
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn scope_key(name: &str) -> String {
    name.to_lowercase()
}

fn no_scope(name: &str) -> Problem {
    Problem::missing(format!("Scope {name} does not exist!"))
}

fn scope<'a>(world: &'a World, name: &str) -> Result<&'a Scope, Problem> {
    world.scopes.get(&scope_key(name)).ok_or_else(|| no_scope(name))
}

fn scope_mut<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Scope, Problem> {
    world.scopes.get_mut(&scope_key(name)).ok_or_else(|| no_scope(name))
}

fn shown(scope: &Scope) -> Value {
    let mut shown = json!({ "name": scope.name, "backend_type": "DATABRICKS", "undocumented_owner": "system" });
    if let Some(vault) = &scope.vault {
        shown["backend_type"] = json!("AZURE_KEYVAULT");
        shown["keyvault_metadata"] = vault.clone();
    }
    shown
}

/// Letters, digits and `-_.@/`, at most 128.
fn check_name(name: &str) -> Result<(), Problem> {
    let good = name.len() <= 128 && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.@/".contains(letter));
    if good { Ok(()) } else { Err(Problem::invalid(format!("The name '{name}' has characters that are not allowed"))) }
}

fn create(world: &mut World, call: &Call, body: &Map<String, Value>) -> Answer {
    let name = body.need("scope")?;
    check_name(name)?;
    if world.scopes.contains_key(&scope_key(name)) {
        return Err(Problem::exists(format!("Scope {name} already exists!")));
    }
    if world.scopes.len() >= 1000 {
        return Err(Problem::new(400, "RESOURCE_LIMIT_EXCEEDED", "Too many scopes: at most 1000 are allowed"));
    }
    let vault = vault(call, body)?;
    let manager = match body.text("initial_manage_principal") {
        None => call.caller.clone(),
        Some("users") => "users".to_owned(),
        Some(_) => return Err(Problem::invalid("The only allowed value of initial_manage_principal is users")),
    };
    let scope = Scope { name: name.to_owned(), vault, acls: [(manager, "MANAGE".to_owned())].into(), ..Scope::default() };
    world.scopes.insert(scope_key(name), scope);
    Reply::done()
}

/// A vault can be tied only with a token of Entra ID, which is a JWT; a personal access token is refused.
fn vault(call: &Call, body: &Map<String, Value>) -> Result<Option<Value>, Problem> {
    match body.text("scope_backend_type").unwrap_or("DATABRICKS") {
        "DATABRICKS" => Ok(None),
        "AZURE_KEYVAULT" => {
            let token = call.header("authorization").unwrap_or_default();
            if !token.starts_with("Bearer eyJ") && !token.starts_with("Bearer oauth-") {
                return Err(Problem::invalid("Scope with Azure KeyVault must have userAADToken defined!"));
            }
            let vault = body
                .get("backend_azure_keyvault")
                .filter(|vault| vault["resource_id"].is_string() && vault["dns_name"].is_string());
            vault.cloned().map(Some).ok_or_else(|| Problem::invalid("backend_azure_keyvault needs resource_id and dns_name"))
        }
        other => Err(Problem::invalid(format!("Unknown scope backend type {other}"))),
    }
}

fn keys(world: &World, call: &Call) -> Answer {
    let scope = scope(world, call.need("scope")?)?;
    let shown = |(key, (_, time)): (&String, &(String, i64))| json!({ "key": key, "last_updated_timestamp": time });
    Reply::list("secrets", scope.secrets.iter().map(shown).collect())
}

/// Only a notebook may read a value, unless the workspace is one of those that answer others too. Of a vault the value is its own.
fn get(world: &World, call: &Call) -> Answer {
    let (scope, key) = (scope(world, call.need("scope")?)?, call.need("key")?);
    let (value, _) = scope
        .secrets
        .get(key)
        .ok_or_else(|| Problem::missing(format!("Secret does not exist with scope: {} and key: {key}", scope.name)))?;
    if world.readable_secrets {
        return Reply::json(json!({ "key": key, "value": value }));
    }
    Err(Problem::bad("The secret value can be read only with the Databricks utilities inside a notebook."))
}

fn read_only(scope: &Scope) -> Result<(), Problem> {
    match scope.vault {
        Some(_) => Err(Problem::bad("Cannot write secrets to an Azure KeyVault-backed scope. Use the vault itself.")),
        None => Ok(()),
    }
}

fn put(world: &mut World, body: &Map<String, Value>) -> Answer {
    let key = body.need("key")?.to_owned();
    check_name(&key)?;
    let value = match (body.get("string_value").and_then(Value::as_str), body.get("bytes_value").and_then(Value::as_str)) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(coded)) => STANDARD.decode(coded).map_err(|_| Problem::invalid("bytes_value is not valid base64"))?,
        _ => return Err(Problem::invalid("Exactly one of string_value and bytes_value must be given")),
    };
    if value.len() > 128 * 1024 {
        return Err(Problem::invalid("The secret value is larger than 128 KB"));
    }
    let now = world.now();
    let scope = scope_mut(world, body.need("scope")?)?;
    read_only(scope)?;
    if scope.secrets.len() >= 1000 && !scope.secrets.contains_key(&key) {
        return Err(Problem::new(400, "RESOURCE_LIMIT_EXCEEDED", "Too many secrets: at most 1000 are allowed in a scope"));
    }
    scope.secrets.insert(key, (STANDARD.encode(value), now));
    Reply::done()
}

fn delete(world: &mut World, body: &Map<String, Value>) -> Answer {
    let key = body.need("key")?;
    let scope = scope_mut(world, body.need("scope")?)?;
    read_only(scope)?;
    let missing = || Problem::missing(format!("Secret does not exist with scope: {} and key: {key}", scope.name));
    scope.secrets.remove(key).map(|_| ()).ok_or_else(missing)?;
    Reply::done()
}

fn acls(world: &World, call: &Call) -> Answer {
    let scope = scope(world, call.need("scope")?)?;
    let shown = |(who, level): (&String, &String)| json!({ "principal": who, "permission": level });
    Reply::list("items", scope.acls.iter().map(shown).collect())
}

fn acl(world: &World, call: &Call) -> Answer {
    let (scope, who) = (scope(world, call.need("scope")?)?, call.need("principal")?);
    let missing = || Problem::missing(format!("Principal {who} has no permission on scope {}", scope.name));
    let level = scope.acls.get(who).ok_or_else(missing)?;
    Reply::json(json!({ "principal": who, "permission": level }))
}

fn put_acl(world: &mut World, body: &Map<String, Value>) -> Answer {
    let (who, level) = (body.need("principal")?, body.need("permission")?);
    if !matches!(level, "READ" | "WRITE" | "MANAGE") {
        return Err(Problem::invalid(format!("Unknown permission {level}")));
    }
    let known =
        ["user_name", "group_name", "service_principal_name"].into_iter().any(|field| world.granted(field, who).is_some());
    if !known {
        return Err(Problem::missing(format!("Principal {who} does not exist")));
    }
    scope_mut(world, body.need("scope")?)?.acls.insert(who.to_owned(), level.to_owned());
    Reply::done()
}

fn delete_acl(world: &mut World, body: &Map<String, Value>) -> Answer {
    let who = body.need("principal")?;
    let missing = || Problem::missing(format!("Principal {who} has no permission on the scope"));
    scope_mut(world, body.need("scope")?)?.acls.remove(who).ok_or_else(missing)?;
    Reply::done()
}

//! `/api/2.0/permissions`: direct grants, what is inherited along folders, and the rules of who must and must not stand there.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::paths;
use super::scim::Kind;
use super::tree::Node;
use super::world::{Grant, World};
use serde_json::{Map, Value, json};

/// A type of object that has grants.
struct Type {
    /// Word in the URL.
    noun: &'static str,
    /// `object_type` of the answer.
    shown: &'static str,
    /// From weak to strong.
    levels: &'static [&'static str],
}

const TREE: &[&str] = &["CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"];
const TYPES: &[Type] = &[
    Type { noun: "clusters", shown: "cluster", levels: &["CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE"] },
    Type { noun: "cluster-policies", shown: "cluster-policy", levels: &["CAN_USE"] },
    Type { noun: "instance-pools", shown: "instance-pool", levels: &["CAN_ATTACH_TO", "CAN_MANAGE"] },
    Type { noun: "jobs", shown: "job", levels: &["CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER"] },
    Type { noun: "pipelines", shown: "pipelines", levels: &["CAN_VIEW", "CAN_RUN", "CAN_MANAGE", "IS_OWNER"] },
    Type { noun: "notebooks", shown: "notebook", levels: TREE },
    Type { noun: "directories", shown: "directory", levels: TREE },
    Type { noun: "files", shown: "file", levels: TREE },
    Type { noun: "repos", shown: "repo", levels: TREE },
    Type {
        noun: "sql/warehouses",
        shown: "warehouses",
        levels: &["CAN_VIEW", "CAN_MONITOR", "CAN_USE", "CAN_MANAGE", "IS_OWNER"],
    },
    Type { noun: "dashboards", shown: "dashboard", levels: TREE },
    Type { noun: "sql/queries", shown: "query", levels: TREE },
    Type { noun: "sql/alerts", shown: "alert", levels: TREE },
    Type { noun: "experiments", shown: "mlflowExperiment", levels: &["CAN_READ", "CAN_EDIT", "CAN_MANAGE"] },
    Type { noun: "authorization/tokens", shown: "tokens", levels: &["CAN_USE", "CAN_MANAGE"] },
    Type { noun: "authorization/passwords", shown: "passwords", levels: &["CAN_USE"] },
];

/// An object with grants: its type, and its key in [`World::grants`].
struct Object {
    kind: &'static Type,
    key: String,
    /// Path in the workspace tree, for what lies there.
    path: Option<String>,
}

pub(super) fn answer(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    let (rest, levels) = match rest {
        [rest @ .., "permissionLevels"] => (rest, true),
        rest => (rest, false),
    };
    let object = object(world, call, rest)?;
    match (call.method.as_str(), levels) {
        ("GET", true) => {
            Reply::json(json!({ "permission_levels": object.kind.levels.iter().map(described).collect::<Vec<_>>() }))
        }
        ("GET", false) => Reply::json(shown(world, &object)),
        ("PUT" | "POST", false) => {
            let grants = asked(world, call, &object)?;
            check_all(&object, &grants)?;
            world.grants.insert(object.key.clone(), grants);
            Reply::json(shown(world, &object))
        }
        ("PATCH", false) => {
            let grants = asked(world, call, &object)?;
            raise(world, &object, grants)?;
            Reply::json(shown(world, &object))
        }
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn described(level: &&'static str) -> Value {
    json!({ "permission_level": level, "description": format!("Holder has the permission {level}.") })
}

fn object(world: &World, call: &Call, rest: &[&str]) -> Result<Object, Problem> {
    let (id, noun) = rest.split_last().ok_or_else(|| Problem::no_endpoint(call))?;
    let noun = match noun.join("/").as_str() {
        "warehouses" => "sql/warehouses".to_owned(),
        "queries" => "sql/queries".to_owned(),
        "alerts" => "sql/alerts".to_owned(),
        "authorization" => format!("authorization/{id}"),
        other => other.to_owned(),
    };
    let kind = TYPES.iter().find(|kind| kind.noun == noun);
    let kind = kind.ok_or_else(|| Problem::new(400, "BAD_REQUEST", format!("'{noun}' is not a supported object type")))?;
    let path = exists(world, kind.noun, id)?;
    let key = if kind.noun.starts_with("authorization/") { format!("/{}", kind.noun) } else { format!("/{}/{id}", kind.noun) };
    Ok(Object { kind, key, path })
}

/// Whether the object is there; answers its path where it lies in the tree.
fn exists(world: &World, noun: &str, id: &str) -> Result<Option<String>, Problem> {
    let missing = || Problem::missing(format!("{noun} {id} does not exist."));
    let listed = |list: &str, field: &str| world.shown.get(list).is_some_and(|all| all.iter().any(|one| one[field] == id));
    let there = match noun {
        "clusters" if !world.clusters.contains_key(id) => return Err(Problem::invalid(format!("Cannot access cluster {id}"))),
        "cluster-policies" => world.policies.contains_key(id),
        "instance-pools" => world.pools.contains_key(id),
        "jobs" => id.parse().is_ok_and(|id| world.jobs.contains_key(&id)),
        "pipelines" => listed("pipelines", "pipeline_id"),
        "sql/warehouses" => listed("sql/warehouses", "id"),
        "dashboards" => listed("lakeview/dashboards", "dashboard_id"),
        "sql/queries" => listed("sql/queries", "id"),
        "sql/alerts" => listed("sql/alerts", "id"),
        "clusters" | "authorization/tokens" | "authorization/passwords" => true,
        tree => return in_tree(world, tree, id).map(Some).ok_or_else(missing),
    };
    if there { Ok(None) } else { Err(missing()) }
}

fn in_tree(world: &World, noun: &str, id: &str) -> Option<String> {
    if (noun, id) == ("directories", "0") {
        return Some("/".to_owned());
    }
    let path = world.tree.path_of(id.parse().ok()?)?;
    let node = world.tree.get(path)?;
    (node_noun(node) == noun || (noun == "directories" && node.git_folder)).then(|| path.to_owned())
}

/// The URL's word for an object of the tree.
fn node_noun(node: &Node) -> &'static str {
    match node.kind.as_str() {
        "NOTEBOOK" => "notebooks",
        "FILE" => "files",
        "MLFLOW_EXPERIMENT" => "experiments",
        _ if node.is_git() => "repos",
        "DIRECTORY" => "directories",
        _ => "none",
    }
}

/// Under which key the grants of a node are kept.
pub(super) fn node_key(node: &Node) -> String {
    format!("/{}/{}", node_noun(node), node.id)
}

fn shown(world: &World, object: &Object) -> Value {
    let mut rows: Vec<(Grant, Vec<Value>)> = Vec::new();
    let mut add = |grant: Grant, from: Option<String>| {
        let entry = match from {
            Some(from) => json!({ "permission_level": grant.level, "inherited": true, "inherited_from_object": [from] }),
            None => json!({ "permission_level": grant.level, "inherited": false }),
        };
        match rows.iter_mut().find(|(row, _)| row.field == grant.field && row.who == grant.who) {
            Some((_, entries)) => entries.push(entry),
            None => rows.push((grant, vec![entry])),
        }
    };
    // What is inherited stands before what is direct: readers that look at the first entry only lose the direct grant.
    for (grant, from) in inherited(world, object) {
        add(grant, Some(from));
    }
    for grant in world.grants.get(&object.key).into_iter().flatten() {
        add(grant.clone(), None);
    }
    let row = |(grant, entries): (Grant, Vec<Value>)| {
        let known = world.granted(&grant.field, &grant.who).map(|one| one.display_name.clone()).filter(|name| !name.is_empty());
        json!({ grant.field: grant.who, "display_name": known.unwrap_or(grant.who.clone()), "all_permissions": entries })
    };
    let list: Vec<_> = rows.into_iter().map(row).collect();
    json!({ "object_id": object.key, "object_type": object.kind.shown, "access_control_list": list })
}

fn group(who: &str, level: &str) -> Grant {
    Grant { field: "group_name".into(), who: who.into(), level: level.into() }
}

/// Admins manage everything; the tree hands down what its folders grant; people manage their homes.
fn inherited(world: &World, object: &Object) -> Vec<(Grant, String)> {
    let root = format!("/{}/", object.kind.noun);
    let strongest = if object.kind.levels.contains(&"CAN_MANAGE") { "CAN_MANAGE" } else { "CAN_USE" };
    let Some(path) = object.path.as_deref() else {
        let direct = world.grants.get(&object.key).into_iter().flatten().any(|grant| grant.who == "admins");
        return if direct { Vec::new() } else { vec![(group("admins", strongest), root)] };
    };
    let mut found = Vec::new();
    if path != "/" {
        found.push((group("admins", "CAN_MANAGE"), "/directories/0".to_owned()));
    }
    for folder in paths::ancestors(path).into_iter().rev() {
        let key = world.tree.get(folder).map_or("/directories/0".to_owned(), node_key);
        found.extend(implied(world, folder).map(|grant| (grant, key.clone())));
        let direct =
            world.grants.get(&key).into_iter().flatten().filter(|grant| object.kind.levels.contains(&grant.level.as_str()));
        found.extend(direct.map(|grant| (grant.clone(), key.clone())));
    }
    let own =
        implied(world, path).map(|grant| (grant, world.tree.get(paths::parent(path)).map_or("/directories/0".into(), node_key)));
    found.extend(own);
    found
}

/// What a folder grants by its nature: a home to its owner, `/Shared` to everyone.
fn implied(world: &World, folder: &str) -> Option<Grant> {
    if folder == "/Shared" {
        return Some(group("users", "CAN_MANAGE"));
    }
    let owner = folder.strip_prefix("/Users/").filter(|owner| !owner.contains('/'))?;
    let field = if world.granted("user_name", owner).is_some() { "user_name" } else { "service_principal_name" };
    let who = world.granted(field, owner)?.grant_name().to_owned();
    Some(Grant { field: field.into(), who, level: "CAN_MANAGE".into() })
}

/// The grants of a request, the last of each principal only; refuses what the service refuses.
fn asked(world: &World, call: &Call, object: &Object) -> Result<Vec<Grant>, Problem> {
    if object.path.as_deref() == Some("/Shared") {
        let id = object.key.trim_start_matches("/directories/");
        return Err(Problem::bad(format!("Cannot modify permissions of directory {id}")));
    }
    let mut grants: Vec<Grant> = Vec::new();
    for entry in call.json()?.list("access_control_list").iter().filter_map(Value::as_object) {
        let grant = one(world, entry, object)?;
        grants.retain(|old| old.field != grant.field || old.who != grant.who);
        grants.push(grant);
    }
    // Naming the admins with what they have anyway changes nothing.
    let keeps_admins = must_name_admins(object);
    grants.retain(|grant| keeps_admins || grant.who != "admins" || grant.field != "group_name");
    Ok(grants)
}

fn one(world: &World, entry: &Map<String, Value>, object: &Object) -> Result<Grant, Problem> {
    let fields =
        ["user_name", "group_name", "service_principal_name"].into_iter().filter_map(|field| Some((field, entry.text(field)?)));
    let fields: Vec<_> = fields.collect();
    let [(field, who)] = fields.as_slice() else {
        return Err(Problem::invalid("Exactly one of user_name, group_name and service_principal_name must be given"));
    };
    let level = entry.need("permission_level")?;
    if !object.kind.levels.contains(&level) {
        return Err(Problem::invalid(format!("Permission level {level} is not supported for {}", object.kind.shown)));
    }
    let noun = match *field {
        "user_name" => "UserName",
        "group_name" => "GroupName",
        _ => "ServicePrincipalName",
    };
    let known = world.granted(field, who).ok_or_else(|| Problem::missing(format!("Principal: {noun}({who}) does not exist")))?;
    if level == "IS_OWNER" && known.kind == Kind::Group {
        return Err(Problem::invalid("A group cannot be the owner"));
    }
    let lowers =
        known.kind == Kind::Group && *who == "admins" && object.kind.levels.contains(&"CAN_MANAGE") && level != "CAN_MANAGE";
    if lowers {
        return Err(Problem::invalid(format!("Cannot change permissions for group 'admins' to {level}.")));
    }
    Ok(Grant { field: (*field).to_owned(), who: known.grant_name().to_owned(), level: level.to_owned() })
}

fn must_name_admins(object: &Object) -> bool {
    object.key == "/directories/0" || object.key == "/authorization/tokens"
}

/// What a full replacement must hold.
fn check_all(object: &Object, grants: &[Grant]) -> Result<(), Problem> {
    if must_name_admins(object) && !grants.iter().any(|grant| grant.who == "admins" && grant.level == "CAN_MANAGE") {
        let id = object.key.rsplit('/').next().unwrap_or_default();
        return Err(Problem::invalid(format!("Cannot remove admins's CAN_MANAGE permission on {id}")));
    }
    let owned = object.kind.levels.contains(&"IS_OWNER");
    let owners = grants.iter().filter(|grant| grant.level == "IS_OWNER").count();
    if owned && owners != 1 {
        return Err(Problem::invalid(format!("The {} must have exactly one owner.", object.kind.shown.trim_end_matches('s'))));
    }
    Ok(())
}

/// Lays grants over those that are there. A new owner takes the place of the old one.
fn raise(world: &mut World, object: &Object, grants: Vec<Grant>) -> Result<(), Problem> {
    let mut all = world.grants.get(&object.key).cloned().unwrap_or_default();
    for grant in grants {
        if grant.level == "IS_OWNER" {
            all.retain(|old| old.level != "IS_OWNER");
        }
        if all.iter().any(|old| old.level == "IS_OWNER" && old.field == grant.field && old.who == grant.who) {
            return Err(Problem::invalid("The job must have exactly one owner."));
        }
        all.retain(|old| old.field != grant.field || old.who != grant.who);
        all.push(grant);
    }
    world.grants.insert(object.key.clone(), all);
    Ok(())
}

impl World {
    /// Grants something to whoever makes an object.
    pub(super) fn grant_maker(&mut self, key: String, caller: &str, level: &str) {
        let field = if self.user(caller).is_some() { "user_name" } else { "service_principal_name" };
        self.grants.insert(key, vec![Grant { field: field.into(), who: caller.into(), level: level.into() }]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_words_and_levels_of_its_own() {
        for (number, kind) in TYPES.iter().enumerate() {
            assert!(!kind.levels.is_empty());
            assert!(TYPES[..number].iter().all(|other| other.noun != kind.noun), "{}", kind.noun);
        }
    }
}

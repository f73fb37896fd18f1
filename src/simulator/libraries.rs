//! `/api/2.0/libraries`: what is installed on which cluster, in the order of its installation.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::world::World;
use serde_json::{Map, Value, json};

pub(super) fn answer(world: &mut World, call: &Call, name: &str) -> Answer {
    match (call.method.as_str(), name) {
        ("GET", "all-cluster-statuses") => {
            let with_any = world.libraries.iter().filter(|(_, list)| !list.is_empty());
            let shown = |(id, list): (&String, &Vec<Value>)| json!({ "cluster_id": id, "library_statuses": list });
            Reply::list("statuses", with_any.map(shown).collect())
        }
        ("GET", "cluster-status") => {
            let id = call.need("cluster_id")?;
            exists(world, id)?;
            let list = world.libraries.get(id).filter(|list| !list.is_empty());
            let mut answer = json!({ "cluster_id": id });
            if let Some(list) = list {
                answer["library_statuses"] = json!(list);
            }
            Reply::json(answer)
        }
        ("POST", "install") => install(world, call),
        ("POST", "uninstall") => uninstall(world, call),
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn exists(world: &World, id: &str) -> Result<String, Problem> {
    let cluster = world.clusters.get(id).ok_or_else(|| Problem::invalid(format!("Cluster {id} does not exist")))?;
    Ok(cluster.state.clone())
}

/// The libraries of a request, each of exactly one kind.
fn asked(body: &Map<String, Value>) -> Result<Vec<Value>, Problem> {
    let kinds = ["jar", "egg", "whl", "requirements", "pypi", "maven", "cran"];
    for library in body.list("libraries") {
        let named = library.as_object().map_or(0, |one| one.keys().filter(|key| kinds.contains(&key.as_str())).count());
        if named != 1 {
            return Err(Problem::invalid(format!("Library must have exactly one of {}: {library}", kinds.join(", "))));
        }
    }
    Ok(body.list("libraries").to_vec())
}

/// On a cluster that is not running a library waits for its next start. What is there already stays as it is.
fn install(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    let id = body.need("cluster_id")?;
    let status = if exists(world, id)? == "RUNNING" { "INSTALLED" } else { "PENDING" };
    let wanted = asked(&body)?;
    let list = world.libraries.entry(id.to_owned()).or_default();
    for library in wanted {
        match list.iter_mut().find(|one| one["library"] == library) {
            Some(one) if one["status"] == "UNINSTALL_ON_RESTART" => one["status"] = json!(status),
            Some(_) => {}
            None => list.push(json!({ "library": library, "status": status, "is_library_for_all_clusters": false })),
        }
    }
    Reply::done()
}

fn uninstall(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    let id = body.need("cluster_id")?;
    let stopped = exists(world, id)? == "TERMINATED";
    let wanted = asked(&body)?;
    let list = world.libraries.entry(id.to_owned()).or_default();
    for one in list.iter_mut().filter(|one| wanted.contains(&one["library"])) {
        one["status"] = json!("UNINSTALL_ON_RESTART");
    }
    if stopped {
        list.retain(|one| one["status"] != "UNINSTALL_ON_RESTART");
    }
    Reply::done()
}

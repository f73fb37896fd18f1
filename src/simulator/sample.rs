//! The sample workspace: an energy company's data platform with every kind of object and all the awkward cases.
//!
//! Its JSON files stand as the workspace keeps them, so that states can be shown that no API call could make today:
//! a cluster whose policy is gone, a job without an owner, a user name in mixed case.

use super::SimulatorError;
use super::body::Body;
use super::call::Fields;
use super::scim::Principal;
use super::tree::Node;
use super::world::{Cluster, Grant, Job, World};
use super::{dbfs, job_rules, permissions, repos, sample_files, volumes};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct People {
    principals: Vec<Principal>,
    admins: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    #[serde(default)]
    file: Option<String>,
    #[serde(flatten)]
    node: Node,
}

#[derive(Deserialize)]
struct Place {
    path: String,
    file: String,
}

#[derive(Deserialize)]
struct Places {
    dbfs: Vec<Place>,
    volumes: Vec<Place>,
}

#[derive(Deserialize)]
struct Git {
    repos: Vec<Map<String, Value>>,
    git_credentials: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Computers {
    clusters: BTreeMap<String, Cluster>,
    libraries: BTreeMap<String, Vec<Value>>,
}

/// Fills a new workspace with the sample.
pub(super) fn fill(world: &mut World) -> Result<(), SimulatorError> {
    fill_people(world)?;
    fill_tree(world)?;
    fill_files(world)?;
    let Computers { clusters, libraries } = json_of("clusters.json")?;
    (world.clusters, world.libraries) = (clusters, libraries);
    world.pools = json_of("pools.json")?;
    world.policies = json_of("policies.json")?;
    world.scripts = json_of("init_scripts.json")?;
    world.scopes = json_of("secrets.json")?;
    world.shown = json_of("shown.json")?;
    fill_jobs(world)?;
    fill_grants(world)
}

/// Fills a new workspace as the target of a restore finds it: empty, but with what cannot be restored (warehouses,
/// pipelines, queries, alerts, dashboards, notification destinations, volumes) under the same names and other ids.
pub(super) fn prepare(world: &mut World) -> Result<(), SimulatorError> {
    let Places { volumes, .. } = json_of("files.json")?;
    let paths: Vec<String> = volumes.into_iter().map(|place| place.path).collect();
    furnish(world, &json_of("shown.json")?, &paths)
}

/// The same with what another workspace has: lists by their path below `/api/2.0/`, and files whose volumes must be there.
pub(super) fn furnish(world: &mut World, lists: &BTreeMap<String, Vec<Value>>, files: &[String]) -> Result<(), SimulatorError> {
    let source = |source| SimulatorError::State { place: "what a workspace is furnished with".to_owned(), source };
    let mut text = serde_json::to_string(lists).map_err(source)?;
    for one in lists.values().flatten() {
        let own = ["id", "pipeline_id", "dashboard_id"].into_iter().find_map(|key| one[key].as_str());
        if let Some(old) = own.filter(|old| old.len() >= 16) {
            let new = if old.contains('-') { world.uuid() } else { [world.hex(), world.hex()].concat()[..16].to_owned() };
            text = text.replace(old, &new);
        }
    }
    world.shown = serde_json::from_str(&text).map_err(source)?;
    for file in files {
        let volume: Vec<_> = file.split('/').take(5).collect();
        volumes::make_folder(world, &volume.join("/"));
    }
    Ok(())
}

fn text_of(name: &str) -> &'static str {
    std::str::from_utf8(sample_files::bytes(name)).unwrap_or_default()
}

fn json_of<T: DeserializeOwned>(name: &str) -> Result<T, SimulatorError> {
    parsed(name, text_of(name))
}

fn parsed<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, SimulatorError> {
    serde_json::from_str(text).map_err(|source| SimulatorError::State { place: format!("the sample's {name}"), source })
}

fn body(file: &str) -> Body {
    Body::Here(bytes::Bytes::from_static(sample_files::bytes(&format!("content/{file}"))))
}

fn fill_people(world: &mut World) -> Result<(), SimulatorError> {
    let People { principals, admins } = json_of("principals.json")?;
    let caller = world.admin.clone();
    // The caller stands in for the sample's operator, whatever name it goes by.
    if let Some(first) =
        world.user(&caller).map(|user| user.id.clone()).filter(|_| principals.iter().any(|one| one.user_name == caller))
    {
        world.principals.remove(&first);
        for group in world.principals.values_mut() {
            group.members.retain(|member| *member != first);
        }
    }
    for principal in principals {
        world.add_principal(principal);
    }
    world.add_caller();
    if let Some(group) = world.group_mut("admins") {
        group.members.extend(admins);
        group.members.sort();
        group.members.dedup();
    }
    Ok(())
}

fn fill_tree(world: &mut World) -> Result<(), SimulatorError> {
    for Entry { path, file, mut node } in json_of::<Vec<Entry>>("tree.json")? {
        if let Some(file) = file {
            node.body = body(&file);
        }
        world.make_folder(super::paths::parent(&path));
        world.add_node(&path, node);
    }
    let Git { repos, git_credentials } = json_of("repos.json")?;
    for repo in repos {
        add_repo(world, repo);
    }
    for mut credential in git_credentials {
        // Known to the workspace, never told to anyone.
        credential.remove("personal_access_token");
        world.git_credentials.push(Value::Object(credential));
    }
    Ok(())
}

fn add_repo(world: &mut World, mut repo: Map<String, Value>) {
    let path = repo.text("path").unwrap_or_default().to_owned();
    let classic = repo.remove("classic") == Some(Value::Bool(true));
    world.make_folder(super::paths::parent(&path));
    let kind = if classic { "REPO" } else { "DIRECTORY" };
    let id = world.add_node(&path, Node { kind: kind.into(), git_folder: !classic, ..Node::default() });
    repo.insert("id".into(), json!(id));
    let (url, branch) = (repo.text("url").unwrap_or_default(), repo.text("branch").unwrap_or("v1.0"));
    let commit = repos::commit(url, branch);
    repo.insert("head_commit_id".into(), json!(commit));
    if !classic {
        repo.insert("git_cli_enabled".into(), json!(true));
    }
    repos::add_files(world, &path, super::paths::name(&path));
    world.repos.insert(id, repo);
}

fn fill_files(world: &mut World) -> Result<(), SimulatorError> {
    let Places { dbfs, volumes } = json_of("files.json")?;
    for Place { path, file } in dbfs {
        dbfs::store(world, &path, body(&file));
    }
    for Place { path, file } in volumes {
        volumes::store(world, &path, body(&file));
    }
    Ok(())
}

fn fill_jobs(world: &mut World) -> Result<(), SimulatorError> {
    let mut jobs: BTreeMap<i64, Job> = json_of("jobs.json")?;
    for job in jobs.values_mut() {
        job_rules::as_stored(&mut job.settings);
    }
    world.jobs = jobs;
    Ok(())
}

/// Grants on what lies in the tree are keyed by path there, since its ids are made here.
fn fill_grants(world: &mut World) -> Result<(), SimulatorError> {
    for (key, grants) in json_of::<BTreeMap<String, Vec<Grant>>>("grants.json")? {
        let key = match key.strip_prefix("path:") {
            None => key,
            Some(path) => world.tree.get(path).map_or("/directories/0".to_owned(), permissions::node_key),
        };
        world.grants.insert(key, grants);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Options;
    use crate::simulator::paths;
    use base64::Engine as _;
    use std::collections::BTreeSet;

    fn world() -> World {
        let mut world = World::new(&Options::default());
        fill(&mut world).unwrap();
        world
    }

    #[test]
    fn everything_named_is_there() {
        let world = world();
        for (path, _) in world.tree.iter() {
            assert!(world.tree.is_folder(paths::parent(&path)), "{path}");
        }
        for (key, grants) in &world.grants {
            for grant in grants {
                assert!(world.granted(&grant.field, &grant.who).is_some(), "{key}: {}", grant.who);
            }
        }
        for group in world.principals.values() {
            assert!(group.members.iter().all(|id| world.principals.contains_key(id)), "{}", group.display_name);
        }
        assert_eq!(
            world.grants.keys().filter(|key| key.as_str() == "/directories/0").count(),
            1,
            "a path of the grants is unknown"
        );
    }

    #[test]
    fn the_planted_secrets_are_those_of_the_list() {
        let listed: BTreeSet<_> = text_of("canaries.txt").lines().map(str::to_owned).collect();
        let mut planted: String =
            ["clusters.json", "jobs.json", "policies.json", "pools.json", "repos.json"].map(text_of).join(" ");
        for (coded, _) in world().scopes.values().flat_map(|scope| scope.secrets.values()) {
            let bytes = base64::engine::general_purpose::STANDARD.decode(coded).unwrap();
            planted = [planted, String::from_utf8_lossy(&bytes).into_owned()].join(" ");
        }
        let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        let name = |rest: &str| format!("CANARY{}", rest.split(|letter| !letters(letter)).next().unwrap_or_default());
        assert_eq!(planted.split("CANARY").skip(1).map(name).collect::<BTreeSet<_>>(), listed);
    }

    #[test]
    fn every_file_is_used() {
        let text: String = ["tree.json", "files.json"].map(text_of).concat();
        for name in sample_files::names().filter_map(|name| name.strip_prefix("content/")) {
            assert!(text.contains(&format!("\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn a_prepared_target_has_the_names_and_other_ids() {
        let (sample, mut target) = (world(), World::new(&Options::default()));
        prepare(&mut target).unwrap();
        let names = |world: &World| world.shown["sql/warehouses"].iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
        assert_eq!(names(&sample), names(&target));
        assert_ne!(sample.shown["sql/warehouses"][0]["id"], target.shown["sql/warehouses"][0]["id"]);
        assert_eq!(target.shown["sql/alerts"][0]["query_id"], target.shown["sql/queries"][1]["id"]);
        assert!(target.volumes.contains("/Volumes/energy/ops/libs") && target.jobs.is_empty());
    }
}

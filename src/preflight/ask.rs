//! Asks a target what it offers. Only reads; what it does not answer is kept as the reason why not.

use super::{Facts, files, people};
use crate::api::{ApiError, ErrorKind, Identity, Paging, Request, Workspace, encode_path};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An answer, or why there is none.
pub(super) type Answer<T> = Result<T, String>;

/// Counts of requests are kept under this name.
const LABEL: &str = "check";

/// Paths that are looked for at once; the pace of each API holds all the same.
const AT_ONCE: usize = 8;

/// Switches that a restore depends on ([`super::features`]).
pub(super) const SWITCHES: &[&str] =
    &["enableProjectTypeInWorkspace", "enableWorkspaceFilesystem", "enableProjectsAllowList", "projectsAllowList"];

/// What a target offers, beside the objects that it has.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// Who asks.
    pub(super) caller: Answer<Caller>,
    /// Node types.
    pub(super) machines: Answer<Vec<Machine>>,
    /// Runtimes.
    pub(super) runtimes: Answer<Vec<Runtime>>,
    /// Zones.
    pub(super) zones: Answer<Zones>,
    /// Switches that were set to something, by name.
    pub(super) switches: Answer<BTreeMap<String, String>>,
    /// Whether objects have permissions here.
    pub(super) permissions: Answer<bool>,
    /// Git providers for which the caller has a credential, in lower case.
    pub(super) git: Answer<BTreeSet<String>>,
    /// Users, groups and service principals; empty where nobody asked.
    pub(super) people: Answer<Vec<Person>>,
    /// Whether files and folders of DBFS and volumes are there, by path.
    pub(super) paths: BTreeMap<String, Answer<bool>>,
}

/// The caller's rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Caller {
    /// Whether it is a workspace admin.
    pub(super) is_admin: bool,
    /// Its entitlements, those of its groups not among them.
    pub(super) entitlements: BTreeSet<String>,
}

/// A node type that is offered.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Machine {
    /// Its name.
    pub(super) node_type_id: String,
    /// Cores.
    pub(super) num_cores: f64,
    /// Memory in MiB.
    pub(super) memory_mb: f64,
    /// Graphics processors.
    pub(super) num_gpus: Option<u64>,
    /// Whether it is on its way out.
    pub(super) is_deprecated: Option<bool>,
    /// Whether people are not to see it.
    pub(super) is_hidden: Option<bool>,
    /// Whether it has an ARM processor.
    pub(super) is_graviton: Option<bool>,
    /// What the cloud says of it here.
    pub(super) node_info: Option<NodeInfo>,
}

/// What the cloud says of a node type in a region.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct NodeInfo {
    /// Reasons why it cannot be had: `NotAvailableInRegion`, `NotEnabledOnSubscription`.
    pub(super) status: Vec<String>,
    /// Cores that may still be used.
    pub(super) available_core_quota: Option<f64>,
}

impl Machine {
    /// Why it cannot be had though it is shown.
    pub(super) fn missing(&self) -> Option<&str> {
        self.node_info.as_ref()?.status.first().map(String::as_str)
    }

    pub(super) fn quota(&self) -> Option<f64> {
        self.node_info.as_ref()?.available_core_quota
    }
}

/// A runtime that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Runtime {
    /// What a cluster asks for.
    pub(super) key: String,
    /// What people call it; says `LTS` where that is so.
    #[serde(default)]
    pub(super) name: String,
}

/// Zones of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Zones {
    /// All of them.
    pub(super) zones: Vec<String>,
    /// The usual one.
    pub(super) default_zone: Option<String>,
}

/// Somebody in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// `user`, `group` or `service_principal`.
    pub(super) kind: &'static str,
    /// The natural key.
    pub(super) key: String,
    /// What people see.
    pub(super) display: String,
}

/// What has to be asked, by what a plan meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) people: bool,
    /// Files and folders.
    pub(super) paths: BTreeSet<String>,
}

pub(super) fn needs(facts: &Facts<'_>) -> Needs {
    let mut paths: BTreeSet<String> = files::unknown(facts).into_keys().collect();
    paths.extend(files::volumes_needed(facts).into_keys());
    Needs { people: people::sought(facts).next().is_some(), paths }
}

/// Asks. Errors: the workspace does not let us in; all else is part of the answer.
pub(super) async fn ask(workspace: &Workspace, identity: &Identity, needs: &Needs) -> Result<Offer, ApiError> {
    let clusters = |name: &str| Request::get(LABEL, format!("/api/2.1/clusters/{name}"));
    Ok(Offer {
        caller: told(caller(workspace, identity).await)?,
        machines: told(list(workspace, &clusters("list-node-types"), "node_types").await)?,
        runtimes: told(list(workspace, &clusters("spark-versions"), "versions").await)?,
        zones: told(workspace.call(&clusters("list-zones")).await.map(|zones| read(zones).unwrap_or_default()))?,
        switches: told(switches(workspace).await)?,
        permissions: told(permissions(workspace).await)?,
        git: told(git(workspace).await)?,
        people: if needs.people { told(everybody(workspace).await)? } else { Ok(Vec::new()) },
        paths: paths(workspace, &needs.paths).await?,
    })
}

/// Keeps the reason, unless nobody is let in or this machine failed.
fn told<T>(answer: Result<T, ApiError>) -> Result<Answer<T>, ApiError> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(error) if matches!(error.kind, ErrorKind::Unauthenticated | ErrorKind::Login | ErrorKind::Local) => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

/// The items of a listing without pages. One that cannot be read is none of use.
async fn list<T: for<'de> Deserialize<'de>>(workspace: &Workspace, request: &Request, items: &str) -> Result<Vec<T>, ApiError> {
    let mut all = Vec::new();
    workspace.pages(request, Paging::None, items, |item| all.extend(read(item))).await?;
    if all.is_empty() { Err(ApiError::protocol(request, &format!("the answer names no {items}"))) } else { Ok(all) }
}

async fn caller(workspace: &Workspace, identity: &Identity) -> Result<Caller, ApiError> {
    if identity.is_admin {
        return Ok(Caller { is_admin: true, ..Caller::default() });
    }
    let me = workspace.call(&Request::get(LABEL, "/api/2.0/preview/scim/v2/Me")).await?;
    let entitlements = me["entitlements"].as_array().into_iter().flatten().filter_map(|one| one["value"].as_str());
    Ok(Caller { is_admin: false, entitlements: entitlements.map(str::to_owned).collect() })
}

/// One unknown key fails the whole call, which names it (more, §9.2): then it is asked for no longer.
async fn switches(workspace: &Workspace) -> Result<BTreeMap<String, String>, ApiError> {
    let mut keys = SWITCHES.to_vec();
    loop {
        let request = Request::get(LABEL, "/api/2.0/workspace-conf").query("keys", keys.join(","));
        match workspace.call(&request).await {
            Ok(answer) => {
                let set = answer.as_object().into_iter().flatten();
                let set = set
                    .filter_map(|(key, value)| Some((key.clone(), value.as_str().filter(|text| !text.is_empty())?.to_owned())));
                return Ok(set.filter(|(key, _)| keys.contains(&key.as_str())).collect());
            }
            Err(error) => {
                let left = without_unknown(&keys, &error.message);
                if left.is_empty() || left.len() == keys.len() {
                    return Err(error);
                }
                keys = left;
            }
        }
    }
}

fn without_unknown(keys: &[&'static str], message: &str) -> Vec<&'static str> {
    let list = message.split_once("Invalid keys: ").map(|(_, list)| list.trim());
    let unknown: Vec<String> = list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    keys.iter().copied().filter(|key| !unknown.iter().any(|unknown| unknown == key)).collect()
}

/// The root folder always has permissions, unless the whole workspace has none (core reference §14, rule 10).
async fn permissions(workspace: &Workspace) -> Result<bool, ApiError> {
    match workspace.call(&Request::get(LABEL, "/api/2.0/permissions/directories/0")).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_unavailable() && error.code.as_deref() != Some("ENDPOINT_NOT_FOUND") => Ok(false),
        Err(error) => Err(error),
    }
}

async fn git(workspace: &Workspace) -> Result<BTreeSet<String>, ApiError> {
    let mut providers = BTreeSet::new();
    let request = Request::get(LABEL, "/api/2.0/git-credentials");
    let take = |one: Value| providers.extend(one["git_provider"].as_str().map(str::to_lowercase));
    workspace.pages(&request, Paging::None, "credentials", take).await?;
    Ok(providers)
}

/// Listings of people: path, kind, natural key.
const PEOPLE: &[(&str, &str, &str)] = &[
    ("Users", "user", "userName"),
    ("Groups", "group", "displayName"),
    ("ServicePrincipals", "service_principal", "applicationId"),
];

async fn everybody(workspace: &Workspace) -> Result<Vec<Person>, ApiError> {
    let mut all = Vec::new();
    for (noun, kind, key) in PEOPLE {
        let request = Request::get(LABEL, format!("/api/2.0/preview/scim/v2/{noun}"));
        let attributes = if *key == "displayName" { "id,displayName".to_owned() } else { format!("id,{key},displayName") };
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let take = |one: Value| all.push(Person { kind, key: text(&one, key), display: text(&one, "displayName") });
        workspace.pages(&request.query("attributes", attributes), Paging::Scim { count: 1000 }, "Resources", take).await?;
    }
    Ok(all)
}

async fn paths(workspace: &Workspace, wanted: &BTreeSet<String>) -> Result<BTreeMap<String, Answer<bool>>, ApiError> {
    let asked = stream::iter(wanted).map(|path| async move { (path, told(is_there(workspace, path).await)) });
    let answers: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    answers.into_iter().map(|(path, answer)| Ok((path.clone(), answer?))).collect()
}

/// Whether a file or folder is there. `dbfs:/x` is in DBFS, all else in a volume.
async fn is_there(workspace: &Workspace, path: &str) -> Result<bool, ApiError> {
    if let Some(path) = path.strip_prefix("dbfs:") {
        return known(workspace.call(&Request::get(LABEL, "/api/2.0/dbfs/get-status").query("path", path)).await);
    }
    let head = |family: &str| Request::head(LABEL, format!("/api/2.0/fs/{family}{}", encode_path(path)));
    Ok(known(workspace.call(&head("files")).await)? || known(workspace.call(&head("directories")).await)?)
}

fn known(answer: Result<Value, ApiError>) -> Result<bool, ApiError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_switch_is_asked_for_no_longer() {
        let message = r#"Invalid keys: ["enableProjectsAllowList","projectsAllowList"]"#;
        assert_eq!(without_unknown(SWITCHES, message), ["enableProjectTypeInWorkspace", "enableWorkspaceFilesystem"]);
        assert_eq!(without_unknown(SWITCHES, "no"), SWITCHES);
    }
}

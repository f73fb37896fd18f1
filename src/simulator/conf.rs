//! `/api/2.0/workspace-conf`: switches of a workspace. Nobody can list them; one unknown key fails the whole call.

use super::call::{Answer, Call, Problem, Reply};
use super::world::World;
use serde_json::{Map, Value, json};

const KEYS: &[&str] = &[
    "customerApprovedWSLoginExpirationTime",
    "enable-X-Content-Type-Options",
    "enable-X-Frame-Options",
    "enable-X-XSS-Protection",
    "enableDbfsFileBrowser",
    "enableDeprecatedClusterNamedInitScripts",
    "enableDeprecatedGlobalInitScripts",
    "enableExportNotebook",
    "enableIpAccessLists",
    "enableJobViewAcls",
    "enableNotebookTableClipboard",
    "enableProjectTypeInWorkspace",
    "enableProjectsAllowList",
    "enableResultsDownloading",
    "enableTokensConfig",
    "enableUploadDataUis",
    "enableVerboseAuditLogs",
    "enableWebTerminal",
    "enableWorkspaceFilesystem",
    "enforceClusterViewAcls",
    "enforceUserIsolation",
    "enforceWorkspaceViewAcls",
    "maxTokenLifetimeDays",
    "maxUserInactiveDays",
    "projectsAllowList",
    "storeInteractiveNotebookResultsInCustomerAccount",
];

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match call.method.as_str() {
        "GET" => {
            let keys: Vec<&str> = call.need("keys")?.split(',').collect();
            check(keys.iter().copied())?;
            let value = |key: &str| world.conf.get(key).map_or(Value::Null, |value| json!(value));
            Reply::json(Value::Object(keys.into_iter().map(|key| (key.to_owned(), value(key))).collect::<Map<_, _>>()))
        }
        "PATCH" => {
            let body = call.json()?;
            check(body.keys().map(String::as_str))?;
            for (key, value) in body {
                let Value::String(value) = value else {
                    return Err(Problem::new(400, "BAD_REQUEST", format!("Some values are not allowed: {{{key}: {value}}}")));
                };
                world.conf.insert(key, value);
            }
            Reply::status(204)
        }
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn check<'a>(keys: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
    let unknown: Vec<&str> = keys.filter(|key| !KEYS.contains(key)).collect();
    if unknown.is_empty() { Ok(()) } else { Err(Problem::new(400, "BAD_REQUEST", format!("Invalid keys: {}", json!(unknown)))) }
}

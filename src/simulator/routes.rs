//! Which handler answers which path.

use super::call::{Answer, Call, Problem};
use super::world::World;
use super::{
    clusters, conf, dbfs, jobs, libraries, permissions, policies, pools, repos, scim, scripts, secrets, shown, volumes, workspace,
};

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let unknown = || Problem::no_endpoint(call);
    let path = call.path.strip_prefix("/api/").ok_or_else(unknown)?;
    let (version, path) = path.split_once('/').ok_or_else(unknown)?;
    let parts: Vec<&str> = path.split('/').collect();
    match (version, parts.as_slice()) {
        ("2.0" | "2.1" | "2.2", ["jobs", name]) => jobs::answer(world, call, version, name),
        ("2.0" | "2.1", ["clusters", name]) => clusters::answer(world, call, version, name),
        ("2.0", parts) => older(world, call, parts, path),
        _ => Err(unknown()),
    }
}

/// The families that have stayed at 2.0.
fn older(world: &mut World, call: &Call, parts: &[&str], path: &str) -> Answer {
    match parts {
        ["workspace", name] => workspace::answer(world, call, name),
        ["workspace-files", ..] => {
            workspace::files(world, call, path.trim_start_matches("workspace-files").trim_start_matches('/'))
        }
        ["preview", "scim", "v2", rest @ ..] => scim::answer(world, call, rest),
        ["dbfs", name] => dbfs::answer(world, call, name),
        ["fs", ..] => volumes::answer(world, call, path.trim_start_matches("fs/")),
        ["libraries", name] => libraries::answer(world, call, name),
        ["instance-pools", name] => pools::answer(world, call, name),
        ["instance-profiles", name] => pools::profiles(world, call, name),
        ["policies", "clusters", name] => policies::answer(world, call, name),
        ["policy-families", rest @ ..] if rest.len() < 2 => policies::family(world, call, rest.first().copied()),
        ["global-init-scripts", rest @ ..] if rest.len() < 2 => scripts::answer(world, call, rest.first().copied()),
        ["secrets", rest @ ..] => secrets::answer(world, call, rest),
        ["workspace-conf"] => conf::answer(world, call),
        ["permissions", rest @ ..] => permissions::answer(world, call, rest),
        ["repos", rest @ ..] if rest.len() < 2 => repos::answer(world, call, rest.first().copied()),
        ["git-credentials", rest @ ..] if rest.len() < 2 => repos::credentials(world, call, rest.first().copied()),
        _ => shown::answer(world, call, path).unwrap_or_else(|| Err(Problem::no_endpoint(call))),
    }
}

//! Which handler answers which path.

use super::call::{Answer, Call, Problem};
use super::world::World;
use super::{scim, workspace};

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    let unknown = || Problem::no_endpoint(call);
    let path = call.path.strip_prefix("/api/").ok_or_else(unknown)?;
    let (version, path) = path.split_once('/').ok_or_else(unknown)?;
    let parts: Vec<&str> = path.split('/').collect();
    match (version, parts.as_slice()) {
        ("2.0", ["workspace", name]) => workspace::answer(world, call, name),
        ("2.0", ["workspace-files", ..]) => workspace::files(world, call, &path["workspace-files/".len()..]),
        ("2.0", ["preview", "scim", "v2", rest @ ..]) => scim::answer(world, call, rest),
        _ => Err(unknown()),
    }
}

//! The simulator's own endpoints, for tests in other languages: `/_simulator/{health,faults,requests,activations,reset}`.

use super::call::{Answer, Call, Problem, Reply};
use super::faults::Fault;
use super::http::{Hub, Log};
use super::persist;
use serde_json::json;

pub(super) fn answer(hub: &Hub, call: &Call) -> Answer {
    let name = call.path.trim_start_matches("/_simulator/");
    match (call.method.as_str(), name) {
        ("GET", "health") => Reply::json(json!({ "status": "ok", "workspace_id": hub.options.workspace_id })),
        ("POST", "faults") => add_fault(hub, call),
        ("DELETE", "faults") => {
            hub.faults.clear();
            Reply::done()
        }
        ("GET", "requests") => requests(hub),
        ("DELETE", "requests") => {
            *hub.log() = Log::default();
            Reply::done()
        }
        ("GET", "activations") => Reply::json(json!({ "activations": hub.world().activity.log })),
        ("POST", "reset") => reset(hub),
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn add_fault(hub: &Hub, call: &Call) -> Answer {
    let wrong = |cause: serde_json::Error| Problem::invalid(format!("Not a fault: {cause}"));
    hub.faults.add(serde_json::from_slice::<Fault>(&call.body).map_err(wrong)?);
    Reply::done()
}

fn requests(hub: &Hub) -> Answer {
    let log = hub.log();
    Reply::json(json!({ "requests": log.recorded, "writes": log.writes, "struck": hub.faults.struck() }))
}

/// Back to the seed: state, faults and log.
fn reset(hub: &Hub) -> Answer {
    let failed = |cause: super::SimulatorError| Problem::new(500, "INTERNAL_ERROR", cause.to_string());
    *hub.world() = persist::seeded(&hub.options).map_err(failed)?;
    hub.faults.clear();
    *hub.log() = Log::default();
    Reply::done()
}

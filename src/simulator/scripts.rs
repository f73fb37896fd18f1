//! `/api/2.0/global-init-scripts`: an ordered list; a new one pushes the others down.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::world::World;
use base64::Engine as _;
use serde_json::{Map, Value, json};

pub(super) fn answer(world: &mut World, call: &Call, id: Option<&str>) -> Answer {
    match (call.method.as_str(), id) {
        ("GET", None) => {
            let without = |(at, script): (usize, &Map<String, Value>)| {
                let mut script = shown(at, script);
                script.remove("script");
                Value::Object(script)
            };
            Reply::list("scripts", world.scripts.iter().enumerate().map(without).collect())
        }
        ("GET", Some(id)) => {
            let at = find(world, id)?;
            Reply::json(Value::Object(shown(at, &world.scripts[at])))
        }
        ("POST", None) => create(world, call),
        ("PATCH", Some(id)) => update(world, call, id),
        ("DELETE", Some(id)) => {
            let at = find(world, id)?;
            world.scripts.remove(at);
            Reply::done()
        }
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn find(world: &World, id: &str) -> Result<usize, Problem> {
    let missing = || Problem::missing(format!("The global init script with ID {id} does not exist."));
    world.scripts.iter().position(|script| script.text("script_id") == Some(id)).ok_or_else(missing)
}

fn shown(at: usize, script: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = script.clone();
    shown.insert("position".into(), json!(at));
    shown.entry("enabled").or_insert(json!(false));
    shown.insert("undocumented_checksum_kind".into(), json!("md5"));
    shown
}

fn check(body: &Map<String, Value>) -> Result<(), Problem> {
    let name = body.need("name")?;
    let good = name.len() <= 100 && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_. ".contains(letter));
    if !good {
        return Err(Problem::invalid(format!("The script name '{name}' has characters that are not allowed")));
    }
    let coded = body.get("script").and_then(Value::as_str).ok_or_else(|| Problem::invalid("Missing required field: script"))?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(coded)
        .map_err(|_| Problem::invalid("The script is not valid base64"))?;
    if bytes.len() > 64 * 1024 {
        return Err(Problem::invalid("The script is larger than 64 KB"));
    }
    Ok(())
}

fn create(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    check(&body)?;
    let (id, now) = (world.hex().to_uppercase(), world.now());
    let script = json!({
        "script_id": id, "name": body["name"], "script": body["script"], "enabled": body.yes("enabled"),
        "created_at": now, "created_by": call.caller, "updated_at": now, "updated_by": call.caller,
    });
    place(world, script.as_object().cloned().unwrap_or_default(), body.int("position"));
    Reply::json(json!({ "script_id": id }))
}

/// Inserts at a position; none, or one past the end, means the end.
fn place(world: &mut World, script: Map<String, Value>, position: Option<i64>) {
    let end = world.scripts.len();
    let at = position.map_or(end, |position| usize::try_from(position).unwrap_or(0).min(end));
    world.scripts.insert(at, script);
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let body = call.json()?;
    check(&body)?;
    let at = find(world, id)?;
    let mut script = world.scripts.remove(at);
    for key in ["name", "script", "enabled"] {
        if let Some(value) = body.get(key) {
            script.insert(key.to_owned(), value.clone());
        }
    }
    script.insert("updated_at".into(), json!(world.now()));
    script.insert("updated_by".into(), json!(call.caller));
    place(world, script, body.int("position").or_else(|| i64::try_from(at).ok()));
    Reply::done()
}

//! What this workspace only shows, since other kinds refer to it: warehouses, pipelines, queries, alerts, dashboards,
//! notification destinations. Lists are short of fields, as the real ones are; a single object is whole.

use super::call::{Answer, Call, Problem, Reply};
use super::world::{World, page_of, page_reply};
use serde_json::{Map, Value};

struct List {
    /// Path under `/api/2.0/`.
    path: &'static str,
    /// Key of the list in its answer.
    key: &'static str,
    id: &'static str,
    /// Name of the query parameter for the size of a page.
    size: &'static str,
    usual: usize,
    /// Fields that only the single object has.
    hidden: &'static [&'static str],
}

const LISTS: &[List] = &[
    List { path: "sql/warehouses", key: "warehouses", id: "id", size: "page_size", usual: 100, hidden: &[] },
    List {
        path: "pipelines",
        key: "statuses",
        id: "pipeline_id",
        size: "max_results",
        usual: 25,
        hidden: &["spec", "run_as", "parameters"],
    },
    List { path: "notification-destinations", key: "results", id: "id", size: "page_size", usual: 100, hidden: &["config"] },
    List { path: "sql/queries", key: "results", id: "id", size: "page_size", usual: 20, hidden: &["parent_path"] },
    List { path: "sql/alerts", key: "results", id: "id", size: "page_size", usual: 20, hidden: &["parent_path"] },
    List {
        path: "lakeview/dashboards",
        key: "dashboards",
        id: "dashboard_id",
        size: "page_size",
        usual: 20,
        hidden: &["etag", "parent_path", "path", "serialized_dashboard", "update_time"],
    },
];

/// Answers where the path is one of these lists.
pub(super) fn answer(world: &World, call: &Call, path: &str) -> Option<Answer> {
    let path = path.strip_prefix("preview/").filter(|path| path.starts_with("notification")).unwrap_or(path);
    let (list, rest) = LISTS.iter().find_map(|list| Some((list, path.strip_prefix(list.path)?)))?;
    match (call.method.as_str(), rest.strip_prefix('/')) {
        ("GET", None) if rest.is_empty() => Some(page(world, call, list)),
        ("GET", Some(id)) if !id.contains('/') => Some(one(world, list, id)),
        _ => None,
    }
}

fn all<'a>(world: &'a World, list: &List) -> &'a [Value] {
    world.shown.get(list.path).map_or(&[], Vec::as_slice)
}

fn page(world: &World, call: &Call, list: &List) -> Answer {
    let brief = |one: &Value| {
        let fields = one.as_object().into_iter().flatten().filter(|(key, _)| !list.hidden.contains(&key.as_str()));
        Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>())
    };
    let all: Vec<_> = all(world, list).iter().map(brief).collect();
    let page = page_of(&all, call.query("page_token"), world.page(call.number(list.size)?, list.usual, 1000))?;
    Reply::json(Value::Object(page_reply(list.key, page)))
}

fn one(world: &World, list: &List, id: &str) -> Answer {
    let found = all(world, list).iter().find(|one| one[list.id] == id);
    found.cloned().map_or_else(|| Err(Problem::missing(format!("{} {id} was not found.", list.path))), Reply::json)
}

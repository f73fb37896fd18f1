//! What people look for first in an object, as a table of fields by kind: for whoever shows one, and for a line about it. Pure.

pub mod job;

use serde_json::Value;

/// A field: its label, where it may stand below the body, and the kind whose id it is, if it is one.
type Entry = (&'static str, &'static [&'static str], Option<&'static str>);

const CLUSTER: &[Entry] = &[
    ("runtime", &["/spark_version"], None),
    ("node type", &["/node_type_id"], None),
    ("driver", &["/driver_node_type_id"], None),
    ("workers", &["/num_workers"], None),
    ("workers, least", &["/autoscale/min_workers"], None),
    ("workers, most", &["/autoscale/max_workers"], None),
    ("pool", &["/instance_pool_id"], Some("instance_pool")),
    ("driver's pool", &["/driver_instance_pool_id"], Some("instance_pool")),
    ("policy", &["/policy_id"], Some("cluster_policy")),
    ("idle minutes, most", &["/autotermination_minutes"], None),
    ("access mode", &["/data_security_mode"], None),
    ("for", &["/single_user_name"], None),
    ("made by", &["/creator_user_name"], None),
    ("state", &["/state"], None),
    ("init scripts", &["/init_scripts"], None),
    ("Spark", &["/spark_conf"], None),
    ("environment", &["/spark_env_vars"], None),
    ("tags", &["/custom_tags"], None),
];

const POOL: &[Entry] = &[
    ("node type", &["/node_type_id"], None),
    ("idle, least", &["/min_idle_instances"], None),
    ("most", &["/max_capacity"], None),
    ("idle minutes, most", &["/idle_instance_autotermination_minutes"], None),
    ("runtimes ready", &["/preloaded_spark_versions"], None),
    ("tags", &["/custom_tags"], None),
];

const POLICY: &[Entry] = &[
    ("made by", &["/creator_user_name"], None),
    ("family", &["/policy_family_id"], Some("policy_family")),
    ("most per user", &["/max_clusters_per_user"], None),
    ("libraries", &["/libraries"], None),
    ("definition", &["/definition"], None),
    ("over the family", &["/policy_family_definition_overrides"], None),
];

const WAREHOUSE: &[Entry] = &[
    ("size", &["/cluster_size"], None),
    ("clusters, least", &["/min_num_clusters"], None),
    ("clusters, most", &["/max_num_clusters"], None),
    ("idle minutes, most", &["/auto_stop_mins"], None),
    ("sort", &["/warehouse_type"], None),
    ("serverless", &["/enable_serverless_compute"], None),
    ("made by", &["/creator_name"], None),
    ("tags", &["/tags/custom_tags"], None),
];

const REPO: &[Entry] = &[
    ("from", &["/url"], None),
    ("host", &["/provider"], None),
    ("branch", &["/branch"], None),
    ("commit", &["/head_commit_id"], None),
];

const LIBRARIES: &[Entry] = &[("libraries", &["/libraries", "/library_statuses"], None)];

const SCOPE: &[Entry] = &[
    ("backend", &["/backend_type"], None),
    ("vault", &["/keyvault_metadata/dns_name"], None),
    ("resource", &["/keyvault_metadata/resource_id"], None),
];

const PIPELINE: &[Entry] =
    &[("runs as", &["/run_as_user_name"], None), ("made by", &["/creator_user_name"], None), ("state", &["/state"], None)];

const KINDS: &[(&str, &[Entry])] = &[
    ("cluster", CLUSTER),
    ("instance_pool", POOL),
    ("cluster_policy", POLICY),
    ("warehouse", WAREHOUSE),
    ("repo", REPO),
    ("cluster_libraries", LIBRARIES),
    ("secret_scope", SCOPE),
    ("pipeline", PIPELINE),
];

/// A field of one object.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// What people call it.
    pub label: &'static str,
    /// What stands there.
    pub value: &'a Value,
    /// The kind whose id the value is, if it is one.
    pub to: Option<&'static str>,
}

/// What people call the object of this kind with this id.
pub type NameOf<'a> = dyn Fn(&str, &str) -> String + 'a;

/// The fields of an object that people look for first; nothing of kinds that the table does not know.
pub fn fields<'a>(kind: &str, document: &'a Value) -> Option<Vec<Field<'a>>> {
    let (name, entries) = KINDS.iter().find(|(name, _)| *name == kind)?;
    let body = crate::kinds::by_name(name).and_then(|kind| kind.body_of(document)).unwrap_or(document);
    let found = entries.iter().filter_map(|(label, at, to)| {
        let value = at.iter().find_map(|at| body.pointer(at).or_else(|| document.pointer(at)));
        Some(Field { label, value: value.filter(|value| !value.is_null())?, to: *to })
    });
    Some(found.collect())
}

/// What an object is, in a line: of a job when it starts, as whom it runs and what its tasks do; of others what is said in a word.
pub fn line(kind: &str, document: &Value, name_of: &NameOf<'_>) -> Option<String> {
    if kind == "job" {
        return job::line(document, name_of);
    }
    let word = |field: &Field<'_>| match (field.value, field.to) {
        (Value::Array(_) | Value::Object(_), _) => None,
        (Value::String(text), _) if text.is_empty() || text.starts_with('{') => None,
        (Value::String(id), Some(kind)) => Some(format!("{}: {}", field.label, name_of(kind, id))),
        (value, _) => Some(format!("{}: {}", field.label, inline(value))),
    };
    let words: Vec<String> = fields(kind, document)?.iter().filter_map(word).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// A value in a line: a text as it is, anything else as JSON.
pub fn inline(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(kind: &str, document: &Value) -> Option<String> {
        line(kind, document, &|kind, id| format!("the {kind} {id}"))
    }

    #[test]
    fn an_object_is_told_in_a_line() {
        let task = json!({ "task_key": "t", "notebook_task": { "notebook_path": "/n" }, "existing_cluster_id": "c" });
        let schedule = json!({ "quartz_cron_expression": "0 15 1 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED" });
        let job = json!({ "run_as_user_name": "a@x", "settings": { "schedule": schedule, "tasks": [task] } });
        let said = "schedule 0 15 1 * * ? UTC UNPAUSED; runs as a@x; task t: notebook /n on cluster the cluster c";
        assert_eq!(told("job", &job).as_deref(), Some(said));
        let cluster =
            json!({ "spark_version": "15.4.x", "policy_id": "p", "spark_env_vars": { "A": "secret" }, "num_workers": 2 });
        assert_eq!(told("cluster", &cluster).as_deref(), Some("runtime: 15.4.x; workers: 2; policy: the cluster_policy p"));
        assert_eq!(told("job", &json!({ "settings": {} })).as_deref(), Some("no schedule or trigger; no tasks"));
        let old = json!({ "settings": { "spark_python_task": { "python_file": "/p.py" } } });
        assert_eq!(told("job", &old).as_deref(), Some("no schedule or trigger; one task: spark_python /p.py"));
        assert_eq!((told("notebook", &json!({})), told("cluster", &json!({}))), (None, None));
    }

    #[test]
    fn many_tasks_are_counted() {
        let tasks: Vec<Value> = (0..9).map(|at| json!({ "task_key": format!("t{at}") })).collect();
        let said = told("job", &json!({ "settings": { "tasks": tasks } })).unwrap_or_default();
        assert!(said.ends_with("t4: ?, and 4 more tasks"), "{said}");
    }
}

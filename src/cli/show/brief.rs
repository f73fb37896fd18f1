//! What people look for first in an object, as a table of fields by kind. Kinds without an entry are shown whole.

use super::{Subject, inline};
use crate::ui::Ui;
use serde_json::Value;

/// A field: its label, where it may stand below the body, and the kind whose id it is, if it is one.
type Field = (&'static str, &'static [&'static str], Option<&'static str>);

const CLUSTER: &[Field] = &[
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

const POOL: &[Field] = &[
    ("node type", &["/node_type_id"], None),
    ("idle, least", &["/min_idle_instances"], None),
    ("most", &["/max_capacity"], None),
    ("idle minutes, most", &["/idle_instance_autotermination_minutes"], None),
    ("runtimes ready", &["/preloaded_spark_versions"], None),
    ("tags", &["/custom_tags"], None),
];

const POLICY: &[Field] = &[
    ("made by", &["/creator_user_name"], None),
    ("family", &["/policy_family_id"], Some("policy_family")),
    ("most per user", &["/max_clusters_per_user"], None),
    ("libraries", &["/libraries"], None),
    ("definition", &["/definition"], None),
    ("over the family", &["/policy_family_definition_overrides"], None),
];

const WAREHOUSE: &[Field] = &[
    ("size", &["/cluster_size"], None),
    ("clusters, least", &["/min_num_clusters"], None),
    ("clusters, most", &["/max_num_clusters"], None),
    ("idle minutes, most", &["/auto_stop_mins"], None),
    ("sort", &["/warehouse_type"], None),
    ("serverless", &["/enable_serverless_compute"], None),
    ("made by", &["/creator_name"], None),
    ("tags", &["/tags/custom_tags"], None),
];

const REPO: &[Field] = &[
    ("from", &["/url"], None),
    ("host", &["/provider"], None),
    ("branch", &["/branch"], None),
    ("commit", &["/head_commit_id"], None),
];

const LIBRARIES: &[Field] = &[("libraries", &["/libraries", "/library_statuses"], None)];

const SCOPE: &[Field] = &[
    ("backend", &["/backend_type"], None),
    ("vault", &["/keyvault_metadata/dns_name"], None),
    ("resource", &["/keyvault_metadata/resource_id"], None),
];

const KINDS: &[(&str, &[Field])] = &[
    ("cluster", CLUSTER),
    ("instance_pool", POOL),
    ("cluster_policy", POLICY),
    ("warehouse", WAREHOUSE),
    ("repo", REPO),
    ("cluster_libraries", LIBRARIES),
    ("secret_scope", SCOPE),
];

pub(super) fn tell(ui: &mut Ui, subject: &Subject<'_>, document: &Value) -> std::io::Result<bool> {
    let Some((name, fields)) = KINDS.iter().find(|(kind, _)| **kind == *subject.member.kind) else { return Ok(false) };
    let body = lifeboat::kinds::by_name(name).and_then(|kind| kind.body_of(document)).unwrap_or(document);
    let found = fields.iter().filter_map(|(label, at, kind)| {
        let value = at.iter().find_map(|at| body.pointer(at).or_else(|| document.pointer(at)));
        Some((label, value.filter(|value| !value.is_null())?, kind))
    });
    let mut any = false;
    for (label, value, kind) in found {
        any = true;
        field(ui, subject, label, value, *kind)?;
    }
    let scope = format!("{}/", subject.member.path);
    for (index, key) in subject.below("secret").iter().enumerate() {
        line(ui, if index == 0 { "keys" } else { "" }, key.path.strip_prefix(&scope).unwrap_or(&key.path))?;
    }
    Ok(any)
}

fn line(ui: &mut Ui, label: &str, text: &str) -> std::io::Result<()> {
    ui.line(format!("{label:<18} {text}"))
}

/// Lists and objects take a line for each of their parts; JSON in a text is laid out.
fn field(ui: &mut Ui, subject: &Subject<'_>, label: &str, value: &Value, kind: Option<&str>) -> std::io::Result<()> {
    let parts: Vec<String> = match value {
        Value::Array(all) => all.iter().map(inline).collect(),
        Value::Object(members) => members.iter().map(|(name, one)| format!("{name} = {}", inline(one))).collect(),
        Value::String(text) if text.starts_with('{') => {
            let laid_out = serde_json::from_str::<Value>(text).map_or_else(|_| text.clone(), |inner| format!("{inner:#}"));
            laid_out.lines().map(str::to_owned).collect()
        }
        Value::String(id) => vec![kind.map_or_else(|| id.clone(), |kind| subject.name_of(kind, id))],
        other => vec![inline(other)],
    };
    for (index, part) in parts.iter().enumerate() {
        line(ui, if index == 0 { label } else { "" }, part)?;
    }
    Ok(())
}

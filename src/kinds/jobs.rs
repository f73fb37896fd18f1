//! Jobs, with every task type. Core reference §10; the references are its §10.3 and §10.4.

use super::compute::{CLUSTER_DEFAULTS, CLUSTER_FIELDS, CLUSTER_REFS, CLUSTER_SHAPING, LIBRARY_REFS};
use super::path::looks_like_uuid;
use super::spec::*;
use serde_json::{Map, Value, json};

/// Where a task stands: in the job, and inside a `for_each_task`.
const TASKS: &[&str] = &["/settings/tasks/*", "/settings/tasks/*/for_each_task/task"];

/// Where a cluster specification stands.
const CLUSTERS: &[&str] = &[
    "/settings/job_clusters/*/new_cluster",
    "/settings/tasks/*/new_cluster",
    "/settings/tasks/*/for_each_task/task/new_cluster",
];

/// Where notifications go out, from the job and from its tasks.
const NOTIFIERS: &[&str] = &["/settings", "/settings/tasks/*", "/settings/tasks/*/for_each_task/task"];

/// Where something starts a job.
const STARTERS: &[&str] = &["/settings/schedule", "/settings/trigger", "/settings/triggers/*"];

const JOB_FIELDS: &[(&str, Class)] = &[
    ("/budget_policy_id", Class::EnvironmentBound),
    ("/continuous", Class::Sent),
    ("/continuous/pause_status", Class::Activation("\"PAUSED\"")),
    ("/description", Class::Sent),
    ("/duration_target", Class::Sent),
    ("/edit_mode", Class::Sent),
    ("/email_notifications", Class::Sent),
    ("/environment_variables", Class::Sent),
    ("/environment_variables/*/spec/variables/*TOKEN*", Class::Secret),
    ("/environment_variables/*/spec/variables/*SECRET*", Class::Secret),
    ("/environment_variables/*/spec/variables/*PASSWORD*", Class::Secret),
    ("/environment_variables/*/spec/variables/*_KEY", Class::Secret),
    ("/environment_variables/*/spec/variables/*PASSWD*", Class::Secret),
    ("/environment_variables/*/spec/variables/*APIKEY*", Class::Secret),
    ("/environment_variables/*/spec/variables/*CREDENTIAL*", Class::Secret),
    ("/environments", Class::Sent),
    ("/git_source", Class::Sent),
    ("/git_source/git_snapshot", Class::ServerSet),
    ("/health", Class::Sent),
    ("/job_clusters", Class::Sent),
    ("/max_concurrent_runs", Class::Sent),
    ("/name", Class::Sent),
    ("/notification_settings", Class::Sent),
    ("/parameters", Class::Sent),
    ("/parent_path", Class::Sent),
    ("/performance_target", Class::Sent),
    ("/queue", Class::Sent),
    ("/run_as", Class::Sent),
    ("/schedule", Class::Sent),
    ("/schedule/pause_status", Class::Activation("\"PAUSED\"")),
    ("/tags", Class::Sent),
    ("/tasks", Class::Sent),
    ("/timeout_seconds", Class::Sent),
    ("/trigger", Class::Sent),
    ("/trigger/pause_status", Class::Activation("\"PAUSED\"")),
    ("/triggers", Class::Sent),
    ("/triggers/*/pause_status", Class::Activation("\"PAUSED\"")),
    ("/usage_policy_id", Class::EnvironmentBound),
    ("/webhook_notifications", Class::Sent),
    ("/format", Class::ServerSet),
    ("/deployment", Class::ServerSet),
];

const NOTIFY_REFS: &[Ref] = &[
    Ref { at: "/webhook_notifications/*/*/id", to: &["notification_destination"], by: By::Id, gone: Gone::DropParent },
    Ref { at: "/email_notifications/*/*", to: &["user"], by: By::Key, gone: Gone::Silent },
];

const WAREHOUSE: &[&str] = &["warehouse"];

const TASK_REFS: &[Ref] = &[
    Ref { at: "/existing_cluster_id", to: &["cluster"], by: By::Id, gone: Gone::Needed },
    Ref { at: "/notebook_task/notebook_path", to: &["notebook"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/notebook_task/warehouse_id", to: WAREHOUSE, by: By::Id, gone: Gone::Needed },
    Ref { at: "/spark_jar_task/jar_uri", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
    Ref {
        at: "/spark_python_task/python_file",
        to: &["file", "dbfs_file", "volume_file", "notebook"],
        by: By::Path,
        gone: Gone::Keep,
    },
    Ref { at: "/spark_submit_task/parameters/*", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Silent },
    Ref { at: "/pipeline_task/pipeline_id", to: &["pipeline"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/run_job_task/job_id", to: &["job"], by: By::Id, gone: Gone::Needed },
    Ref { at: "/sql_task/warehouse_id", to: WAREHOUSE, by: By::Id, gone: Gone::Needed },
    Ref { at: "/sql_task/query/query_id", to: &["query"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/sql_task/alert/alert_id", to: &["alert"], by: By::Id, gone: Gone::Keep },
    Ref {
        at: "/sql_task/alert/subscriptions/*/destination_id",
        to: &["notification_destination"],
        by: By::Id,
        gone: Gone::DropParent,
    },
    Ref { at: "/sql_task/alert/subscriptions/*/user_name", to: &["user"], by: By::Key, gone: Gone::Silent },
    Ref { at: "/sql_task/dashboard/dashboard_id", to: &["dashboard"], by: By::Id, gone: Gone::Keep },
    Ref {
        at: "/sql_task/dashboard/subscriptions/*/destination_id",
        to: &["notification_destination"],
        by: By::Id,
        gone: Gone::DropParent,
    },
    Ref { at: "/sql_task/dashboard/subscriptions/*/user_name", to: &["user"], by: By::Key, gone: Gone::Silent },
    Ref { at: "/sql_task/file/path", to: &["file", "notebook"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/alert_task/alert_id", to: &["alert"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/alert_task/workspace_path", to: &["workspace_object", "file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/alert_task/warehouse_id", to: WAREHOUSE, by: By::Id, gone: Gone::Needed },
    Ref { at: "/alert_task/subscribers/*/destination_id", to: &["notification_destination"], by: By::Id, gone: Gone::DropParent },
    Ref { at: "/alert_task/subscribers/*/user_name", to: &["user"], by: By::Key, gone: Gone::Silent },
    Ref { at: "/dashboard_task/dashboard_id", to: &["dashboard"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/dashboard_task/warehouse_id", to: WAREHOUSE, by: By::Id, gone: Gone::Needed },
    Ref {
        at: "/dashboard_task/subscription/subscribers/*/destination_id",
        to: &["notification_destination"],
        by: By::Id,
        gone: Gone::DropParent,
    },
    Ref { at: "/dashboard_task/subscription/subscribers/*/user_name", to: &["user"], by: By::Key, gone: Gone::Silent },
    Ref { at: "/dbt_task/warehouse_id", to: WAREHOUSE, by: By::Id, gone: Gone::Needed },
    Ref { at: "/dbt_task/project_directory", to: &["directory", "repo"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/dbt_task/profiles_directory", to: &["directory", "repo"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/power_bi_task/warehouse_id", to: WAREHOUSE, by: By::Id, gone: Gone::Needed },
    Ref { at: "/gen_ai_compute_task/training_script_path", to: &["file", "volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/gen_ai_compute_task/code_source_tar_path", to: &["file", "volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/gen_ai_compute_task/requirements_yaml_path", to: &["file", "volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/gen_ai_compute_task/yaml_parameters_file_path", to: &["file", "volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/ai_runtime_task/code_source_path", to: &["file", "directory", "volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/ai_runtime_task/deployments/*/command_path", to: &["file", "volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/python_operator_task/main", to: &["file"], by: By::Path, gone: Gone::Silent },
    Ref { at: "/ai_runtime_task/mlflow_experiment_directory", to: &["directory", "repo"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/ai_runtime_task/mlflow_artifact_location", to: &[], by: By::Path, gone: Gone::Silent },
    Ref {
        at: "/ai_runtime_task/deployments/*/compute/provisioned_capacity_id",
        to: &[],
        by: By::Elsewhere("accelerator_capacity"),
        gone: Gone::Keep,
    },
    Ref { at: "/gen_ai_compute_task/mlflow_experiment_name", to: &["workspace_object"], by: By::Path, gone: Gone::Silent },
    Ref {
        at: "/gen_ai_compute_task/compute/gpu_node_pool_id",
        to: &[],
        by: By::Elsewhere("accelerator_capacity"),
        gone: Gone::Keep,
    },
    Ref { at: "/clean_rooms_notebook_task/clean_room_name", to: &[], by: By::Elsewhere("clean_room"), gone: Gone::Keep },
    Ref { at: "/power_bi_task/connection_resource_name", to: &[], by: CONNECTION, gone: Gone::Keep },
    Ref { at: "/dbt_cloud_task/connection_resource_name", to: &[], by: CONNECTION, gone: Gone::Keep },
    Ref { at: "/dbt_platform_task/connection_resource_name", to: &[], by: CONNECTION, gone: Gone::Keep },
    Ref { at: "/dbt_cloud_task/dbt_cloud_job_id", to: &[], by: By::Elsewhere("dbt_job"), gone: Gone::Silent },
    Ref { at: "/dbt_platform_task/dbt_platform_job_id", to: &[], by: By::Elsewhere("dbt_job"), gone: Gone::Silent },
    Ref { at: "/genie_task/configuration_id", to: &[], by: By::Elsewhere("genie_configuration"), gone: Gone::Keep },
    Ref { at: "/agentic_task/supervisor_agent/agent_id", to: &[], by: By::Elsewhere("supervisor_agent"), gone: Gone::Keep },
    Ref { at: "/agentic_task/trace_destination/experiment_id", to: &[], by: By::Elsewhere("experiment"), gone: Gone::Keep },
];

/// A connection of Unity Catalog.
const CONNECTION: By = By::Elsewhere("connection");

const JOB_REFS: &[Ref] = &[
    Ref { at: "/run_as/user_name", to: &["user"], by: By::Key, gone: Gone::DropParent },
    Ref { at: "/run_as/service_principal_name", to: &["service_principal"], by: By::Key, gone: Gone::DropParent },
    Ref { at: "/run_as/group_name", to: &["group"], by: By::Key, gone: Gone::DropParent },
    Ref { at: "/budget_policy_id", to: &[], by: By::Elsewhere("budget_policy"), gone: Gone::Keep },
    Ref { at: "/usage_policy_id", to: &[], by: By::Elsewhere("usage_policy"), gone: Gone::Keep },
    Ref { at: "/job_clusters/*/serverless_compute_id", to: &[], by: By::Elsewhere("serverless_compute"), gone: Gone::Keep },
    Ref { at: "/environments/*/spec/project_environment", to: &["file", "volume_file"], by: By::Path, gone: Gone::Silent },
    Ref { at: "/environments/*/spec/base_environment", to: &["file", "volume_file"], by: By::Path, gone: Gone::Silent },
    Ref {
        at: "/environments/*/spec/dependencies/*",
        to: &["file", "volume_file", "dbfs_file"],
        by: By::Path,
        gone: Gone::Silent,
    },
    Ref {
        at: "/environments/*/spec/java_dependencies/*",
        to: &["file", "volume_file", "dbfs_file"],
        by: By::Path,
        gone: Gone::Silent,
    },
    Ref { at: "/environment_variables/*/spec/files/*", to: &["file", "volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/parent_path", to: &["directory", "repo"], by: By::Path, gone: Gone::Keep },
];

const STARTER_REFS: &[Ref] = &[
    Ref { at: "/sql_condition/sql_query_id", to: &["query"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/sql_condition/warehouse_id", to: WAREHOUSE, by: By::Id, gone: Gone::Needed },
    Ref { at: "/file_arrival/url", to: &[], by: By::Path, gone: Gone::Silent },
];

/// A job without `run_as` runs as its creator, and a restored job's creator is whoever restores (core reference §10.5).
fn explicit_run_as(document: &Value, body: &mut Map<String, Value>) {
    let Some(name) = document.get("run_as_user_name").and_then(Value::as_str).filter(|name| !name.is_empty()) else { return };
    if body.get("run_as").is_none_or(Value::is_null) {
        let principal = if looks_like_uuid(name) { "service_principal_name" } else { "user_name" };
        body.insert("run_as".into(), json!({ principal: name }));
    }
}

/// A bundle that deployed the job is not there to deploy it again: the restored job must be open to edits (core §10.5).
fn leave_deployment(document: &Value, body: &mut Map<String, Value>) {
    if document.pointer("/settings/deployment").is_some() {
        body.insert("edit_mode".into(), json!("EDITABLE"));
    }
}

fn system_managed(job: &Value) -> bool {
    job.pointer("/settings/deployment/kind").is_some_and(|kind| kind == "SYSTEM_MANAGED")
}

/// Some old jobs answer without a provider, which a create demands (core reference §10.5).
fn name_git_provider(_: &Value, body: &mut Map<String, Value>) {
    let Some(source) = body.get_mut("git_source").and_then(Value::as_object_mut) else { return };
    if source.get("git_provider").and_then(Value::as_str).is_none_or(str::is_empty) {
        let url = source.get("git_url").and_then(Value::as_str).unwrap_or_default();
        let provider = provider_of(url);
        source.insert("git_provider".into(), json!(provider));
    }
}

fn provider_of(url: &str) -> &'static str {
    let hosts = [
        ("gitlab", "gitLab"),
        ("bitbucket", "bitbucketCloud"),
        ("dev.azure", "azureDevOpsServices"),
        ("visualstudio", "azureDevOpsServices"),
    ];
    hosts.iter().find(|(host, _)| url.contains(host)).map_or("gitHub", |(_, provider)| provider)
}

pub(super) static JOB: Kind = Kind {
    name: "job",
    title: "jobs",
    shape: Shape::Collection(Collection {
        list: List {
            path: "/api/2.2/jobs/list?limit=100",
            items: "jobs",
            paging: Paging::Token("page_token", "next_page_token"),
        },
        id: "/job_id",
        get: Some(Get {
            path: "/api/2.2/jobs/get?job_id={id}",
            arrays: &["/settings/tasks", "/settings/job_clusters", "/settings/environments", "/settings/parameters"],
        }),
        create: Create {
            call: Call { method: "POST", path: "/api/2.2/jobs/create", body: "", idempotent: false },
            id: Some("/job_id"),
        },
        update: Update::Replace {
            call: Call { method: "POST", path: "/api/2.2/jobs/reset", body: "", idempotent: true },
            id: Some("/job_id"),
            under: Some("/new_settings"),
            part: Some(Call { method: "POST", path: "/api/2.2/jobs/update", body: "", idempotent: true }),
        },
        delete: Some(&Call { method: "POST", path: "/api/2.2/jobs/delete", body: "", idempotent: true }),
        settle: None,
        marks: &[],
        leave: &[Leave { when: system_managed, reason: "owned by another feature of the workspace, which makes it again" }],
        built_in: None,
    }),
    key: Key { at: "/settings/name", unique: false, fold: false },
    body: &["/settings"],
    fields: &[
        Fields { at: &["/settings"], fields: JOB_FIELDS },
        Fields { at: TASKS, fields: &[("/clean_rooms_notebook_task/etag", Class::ServerSet)] },
        Fields { at: CLUSTERS, fields: CLUSTER_FIELDS },
        Fields {
            at: &[""],
            fields: &[
                ("/job_id", Class::ServerSet),
                ("/created_time", Class::ServerSet),
                ("/creator_user_name", Class::ServerSet),
                ("/run_as_user_name", Class::ServerSet),
                ("/run_as_owner", Class::ServerSet),
                ("/effective_budget_policy_id", Class::ServerSet),
                ("/effective_usage_policy_id", Class::ServerSet),
                ("/trigger_state", Class::Volatile),
                ("/trigger_details", Class::Volatile),
                ("/has_more", Class::Volatile),
                ("/next_page_token", Class::Volatile),
            ],
        },
    ],
    refs: &[
        Refs { at: &["/settings"], refs: JOB_REFS },
        Refs { at: STARTERS, refs: STARTER_REFS },
        Refs { at: NOTIFIERS, refs: NOTIFY_REFS },
        Refs { at: TASKS, refs: TASK_REFS },
        Refs { at: &["/settings/tasks/*/libraries", "/settings/tasks/*/for_each_task/task/libraries"], refs: LIBRARY_REFS },
        Refs { at: CLUSTERS, refs: CLUSTER_REFS },
    ],
    after: &[],
    permissions: Some("jobs"),
    unordered: &[
        ("/tasks", "task_key"),
        ("/tasks/*/depends_on", "task_key"),
        ("/job_clusters", "job_cluster_key"),
        ("/environments", "environment_key"),
        ("/parameters", "name"),
        ("/email_notifications/*", ""),
        ("/webhook_notifications/*", "id"),
        ("/tasks/*/email_notifications/*", ""),
        ("/tasks/*/webhook_notifications/*", "id"),
        ("/tasks/*/for_each_task/task/email_notifications/*", ""),
        ("/tasks/*/for_each_task/task/webhook_notifications/*", "id"),
    ],
    defaults: &[
        Defaults {
            at: &[""],
            values: &[
                ("/email_notifications", Some("{}")),
                ("/email_notifications/no_alert_for_skipped_runs", Some("false")),
                ("/webhook_notifications", Some("{}")),
                ("/notification_settings", None),
                ("/timeout_seconds", Some("0")),
                ("/max_concurrent_runs", Some("1")),
                ("/performance_target", None),
                ("/edit_mode", None),
                ("/format", None),
                ("/run_as", None),
                ("/queue", None),
                ("/tasks/*/run_if", Some("\"ALL_SUCCESS\"")),
                ("/tasks/*/timeout_seconds", Some("0")),
                ("/tasks/*/email_notifications", Some("{}")),
                ("/tasks/*/webhook_notifications", Some("{}")),
                ("/tasks/*/notebook_task/source", Some("\"WORKSPACE\"")),
                ("/tasks/*/spark_python_task/source", Some("\"WORKSPACE\"")),
                ("/tasks/*/for_each_task/task/run_if", Some("\"ALL_SUCCESS\"")),
                ("/tasks/*/for_each_task/task/timeout_seconds", Some("0")),
                ("/tasks/*/for_each_task/task/email_notifications", Some("{}")),
                ("/tasks/*/for_each_task/task/notebook_task/source", Some("\"WORKSPACE\"")),
            ],
        },
        Defaults {
            at: &["/job_clusters/*/new_cluster", "/tasks/*/new_cluster", "/tasks/*/for_each_task/task/new_cluster"],
            values: CLUSTER_DEFAULTS,
        },
    ],
    shaping: &[
        Shaping { at: &[""], reason: "without it the job would run as whoever restores it", run: explicit_run_as },
        Shaping { at: &[""], reason: "the bundle that deployed it is not there", run: leave_deployment },
        Shaping { at: &[""], reason: "a create demands the Git provider", run: name_git_provider },
        Shaping {
            at: &["/job_clusters/*/new_cluster", "/tasks/*/new_cluster", "/tasks/*/for_each_task/task/new_cluster"],
            reason: "what the server fills in for pools and sizes, it refuses on a create",
            run: CLUSTER_SHAPING,
        },
    ],
    stamp: Some("/tags"),
    lanes: 8,
    changed: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_implicit_run_as_becomes_explicit() {
        let mut body = Map::new();
        explicit_run_as(&json!({"run_as_user_name": "12345678-1234-1234-1234-123456789abc"}), &mut body);
        assert_eq!(body["run_as"], json!({"service_principal_name": "12345678-1234-1234-1234-123456789abc"}));
        explicit_run_as(&json!({"run_as_user_name": "other@example.com"}), &mut body);
        assert_eq!(body["run_as"].get("user_name"), None);
    }

    #[test]
    fn only_paused_or_gone_survives_of_what_starts_a_job() {
        let starters = JOB_FIELDS.iter().filter(|(_, class)| matches!(class, Class::Activation(_)));
        assert_eq!(starters.count(), 4);
    }
}

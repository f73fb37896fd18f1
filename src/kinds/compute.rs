//! Compute: instance profiles, pools, clusters, their libraries, global init scripts. Core reference §5, §6, §8, §9.

use super::spec::*;
use serde_json::{Map, Value, json};

/// Where a cluster document holds what the user asked for, and what is in effect (core reference §5).
const CLUSTER_AT: &[&str] = &["/spec", ""];

/// The fields that a cluster create and a cluster inside a job have in common (core reference §5, computed from the SDK).
pub(super) const CLUSTER_FIELDS: &[(&str, Class)] = &[
    ("/apply_policy_default_values", Class::Sent),
    ("/autoscale", Class::Sent),
    ("/autotermination_minutes", Class::Sent),
    ("/aws_attributes", Class::EnvironmentBound),
    ("/azure_attributes", Class::EnvironmentBound),
    ("/azure_attributes/log_analytics_info/log_analytics_primary_key", Class::Secret),
    ("/cluster_log_conf", Class::Sent),
    ("/cluster_name", Class::Sent),
    ("/custom_tags", Class::Sent),
    ("/data_security_mode", Class::Sent),
    ("/dependency_mode", Class::Sent),
    ("/docker_image", Class::Sent),
    ("/docker_image/basic_auth/password", Class::Secret),
    ("/driver_instance_pool_id", Class::Sent),
    ("/driver_node_type_flexibility", Class::EnvironmentBound),
    ("/driver_node_type_id", Class::EnvironmentBound),
    ("/enable_elastic_disk", Class::Sent),
    ("/enable_local_disk_encryption", Class::Sent),
    ("/gcp_attributes", Class::EnvironmentBound),
    ("/init_scripts", Class::Sent),
    ("/instance_pool_id", Class::Sent),
    ("/is_single_node", Class::Sent),
    ("/kind", Class::Sent),
    ("/node_type_id", Class::EnvironmentBound),
    ("/num_workers", Class::Sent),
    ("/policy_id", Class::Sent),
    ("/remote_disk_throughput", Class::Sent),
    ("/runtime_engine", Class::Sent),
    ("/single_user_name", Class::Sent),
    ("/spark_conf", Class::Sent),
    ("/spark_conf/*fs.azure.account.key*", Class::Secret),
    ("/spark_conf/*fs.azure.sas*", Class::Secret),
    ("/spark_conf/*password*", Class::Secret),
    ("/spark_conf/*secret*", Class::Secret),
    ("/spark_conf/*access.key*", Class::Secret),
    ("/spark_conf/*token", Class::Secret),
    ("/spark_env_vars", Class::Sent),
    ("/spark_env_vars/*TOKEN*", Class::Secret),
    ("/spark_env_vars/*SECRET*", Class::Secret),
    ("/spark_env_vars/*PASSWORD*", Class::Secret),
    ("/spark_env_vars/*PASSWD*", Class::Secret),
    ("/spark_env_vars/*_KEY", Class::Secret),
    ("/spark_env_vars/*APIKEY*", Class::Secret),
    ("/spark_env_vars/*CREDENTIAL*", Class::Secret),
    ("/spark_version", Class::EnvironmentBound),
    ("/ssh_public_keys", Class::Sent),
    ("/total_initial_remote_disk_size", Class::Sent),
    ("/use_ml_runtime", Class::Sent),
    ("/worker_node_type_flexibility", Class::EnvironmentBound),
    ("/workload_type", Class::Sent),
];

/// What a cluster specification refers to, wherever one stands (core reference §5 REF).
pub(super) const CLUSTER_REFS: &[Ref] = &[
    Ref { at: "/policy_id", to: &["cluster_policy"], by: By::Id, gone: Gone::Drop },
    Ref { at: "/instance_pool_id", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/driver_instance_pool_id", to: &["instance_pool"], by: By::Id, gone: Gone::Drop },
    Ref { at: "/aws_attributes/instance_profile_arn", to: &["instance_profile"], by: By::Key, gone: Gone::Keep },
    Ref { at: "/init_scripts/*/workspace/destination", to: &["file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts/*/volumes/destination", to: &["volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts/*/dbfs/destination", to: &["dbfs_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts/*/abfss/destination", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/init_scripts/*/s3/destination", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/init_scripts/*/s3/kms_key", to: &[], by: By::Elsewhere("kms_key"), gone: Gone::Keep },
    Ref { at: "/init_scripts/*/gcs/destination", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/cluster_log_conf/*/destination", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/cluster_log_conf/s3/kms_key", to: &[], by: By::Elsewhere("kms_key"), gone: Gone::Keep },
    Ref { at: "/single_user_name", to: &["user", "service_principal", "group"], by: By::Key, gone: Gone::Drop },
    Ref { at: "/node_type_id", to: &[], by: NODE_TYPE, gone: Gone::Silent },
    Ref { at: "/driver_node_type_id", to: &[], by: NODE_TYPE, gone: Gone::Silent },
    Ref { at: "/worker_node_type_flexibility/alternate_node_type_ids/*", to: &[], by: NODE_TYPE, gone: Gone::Silent },
    Ref { at: "/driver_node_type_flexibility/alternate_node_type_ids/*", to: &[], by: NODE_TYPE, gone: Gone::Silent },
    Ref { at: "/worker_node_type_flexibility/aws_context_id", to: &[], by: AWS_CONTEXT, gone: Gone::Keep },
    Ref { at: "/driver_node_type_flexibility/aws_context_id", to: &[], by: AWS_CONTEXT, gone: Gone::Keep },
    Ref { at: "/spark_version", to: &[], by: SPARK_VERSION, gone: Gone::Silent },
    Ref { at: "/aws_attributes/zone_id", to: &[], by: ZONE, gone: Gone::Silent },
    Ref { at: "/gcp_attributes/zone_id", to: &[], by: ZONE, gone: Gone::Silent },
    Ref { at: "/gcp_attributes/google_service_account", to: &[], by: GOOGLE_ACCOUNT, gone: Gone::Keep },
    Ref { at: "/azure_attributes/capacity_reservation_group", to: &[], by: CAPACITY, gone: Gone::Keep },
    Ref {
        at: "/azure_attributes/log_analytics_info/log_analytics_workspace_id",
        to: &[],
        by: By::Elsewhere("log_analytics_workspace"),
        gone: Gone::Keep,
    },
];

/// What is bound to a cloud, a region or a tenant (core reference §16).
pub(super) const NODE_TYPE: By = By::Elsewhere("node_type");
pub(super) const SPARK_VERSION: By = By::Elsewhere("spark_version");
pub(super) const ZONE: By = By::Elsewhere("zone");
pub(super) const GOOGLE_ACCOUNT: By = By::Elsewhere("google_service_account");
const CAPACITY: By = By::Elsewhere("capacity_reservation");
const AWS_CONTEXT: By = By::Elsewhere("aws_context");

/// What a list of libraries refers to (core reference §5.1).
pub(super) const LIBRARY_REFS: &[Ref] = &[
    Ref { at: "/*/jar", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/*/egg", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/*/whl", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/*/requirements", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
];

/// Values that a cluster gets from the server, below the specification (core reference §5, Equal).
pub(super) const CLUSTER_DEFAULTS: &[(&str, Option<&str>)] = &[
    ("/aws_attributes", None),
    ("/azure_attributes", None),
    ("/gcp_attributes", None),
    ("/enable_elastic_disk", None),
    ("/enable_local_disk_encryption", None),
    ("/node_type_id", None),
    ("/driver_node_type_id", None),
    ("/driver_instance_pool_id", None),
    ("/single_user_name", None),
    ("/data_security_mode", None),
    ("/runtime_engine", None),
    ("/apply_policy_default_values", None),
    ("/spark_conf/spark.databricks.delta.preview.enabled", None),
    ("/spark_env_vars/PYSPARK_PYTHON", None),
    ("/num_workers", None),
];

pub(super) const CLUSTER_SHAPING: fn(&Value, &mut Map<String, Value>) = shape_cluster;

/// The server fills in the pool's node types and refuses them on a create; sizes are a number or a range, never both
/// (core reference §5, body rules 1–3).
fn shape_cluster(_: &Value, body: &mut Map<String, Value>) {
    match body.contains_key("instance_pool_id") {
        true => follow_pool(body),
        false => drop(body.remove("driver_instance_pool_id")),
    }
    match body.contains_key("autoscale") {
        true => drop(body.remove("num_workers")),
        false => drop(body.entry("num_workers").or_insert(json!(0))),
    }
}

fn follow_pool(body: &mut Map<String, Value>) {
    for field in ["node_type_id", "driver_node_type_id", "enable_elastic_disk", "azure_attributes"] {
        body.remove(field);
    }
    for (cloud, kept) in [("aws_attributes", "instance_profile_arn"), ("gcp_attributes", "google_service_account")] {
        let value = body.remove(cloud).and_then(|block| block.get(kept).cloned());
        value.and_then(|value| body.insert(cloud.into(), json!({ kept: value })));
    }
}

const REAL_SOURCES: &[&str] = &["UI", "API"];

fn not_all_purpose(cluster: &Value) -> bool {
    cluster.get("cluster_source").and_then(Value::as_str).is_some_and(|source| !REAL_SOURCES.contains(&source))
}

/// Whether a cluster still has its first run, which began with its create: nobody has stopped it yet, nor started it again.
fn never_stopped(cluster: &Value) -> bool {
    let time = |name: &str| cluster.get(name).and_then(Value::as_i64).unwrap_or(0);
    let state = cluster.get("state").and_then(Value::as_str);
    let first = time("last_restarted_time") < time("start_time") + LONGEST_START;
    matches!(state, Some("PENDING" | "RUNNING" | "RESIZING")) && time("terminated_time") == 0 && first
}

/// Milliseconds within which a new cluster is up; its first start counts as a restart as well.
const LONGEST_START: i64 = 15 * 60 * 1000;

pub(super) static CLUSTER: Kind = Kind {
    name: "cluster",
    title: "all-purpose clusters",
    shape: Shape::Collection(Collection {
        list: List {
            path: "/api/2.1/clusters/list?page_size=100",
            items: "clusters",
            paging: Paging::Token("page_token", "next_page_token"),
        },
        id: "/cluster_id",
        get: Some(Get { path: "/api/2.1/clusters/get?cluster_id={id}", arrays: &[] }),
        create: Create {
            call: Call { method: "POST", path: "/api/2.1/clusters/create", body: "", idempotent: false },
            id: Some("/cluster_id"),
        },
        update: Update::Replace {
            call: Call { method: "POST", path: "/api/2.1/clusters/edit", body: "", idempotent: true },
            id: Some("/cluster_id"),
            under: None,
            part: None,
        },
        delete: Some(&Call {
            method: "POST",
            path: "/api/2.1/clusters/permanent-delete",
            body: r#"{"cluster_id":"{id}"}"#,
            idempotent: true,
        }),
        settle: Some(&Settle {
            call: Call { method: "POST", path: "/api/2.1/clusters/delete", body: r#"{"cluster_id":"{id}"}"#, idempotent: true },
            missed: never_stopped,
        }),
        marks: &[Mark {
            name: "pinned",
            list: List {
                path: "/api/2.1/clusters/list?page_size=100&filter_by.is_pinned=true",
                items: "clusters",
                paging: Paging::Token("page_token", "next_page_token"),
            },
            set: Call { method: "POST", path: "/api/2.1/clusters/pin", body: r#"{"cluster_id":"{id}"}"#, idempotent: true },
            clear: Call { method: "POST", path: "/api/2.1/clusters/unpin", body: r#"{"cluster_id":"{id}"}"#, idempotent: true },
        }],
        leave: &[Leave { when: not_all_purpose, reason: "not an all-purpose cluster: whatever needs it makes it again" }],
        built_in: None,
    }),
    key: Key { at: "/cluster_name", unique: false, fold: false },
    body: CLUSTER_AT,
    fields: &[
        Fields { at: CLUSTER_AT, fields: CLUSTER_FIELDS },
        Fields {
            at: &[""],
            fields: &[
                ("/cluster_id", Class::ServerSet),
                ("/cluster_source", Class::ServerSet),
                ("/pinned_by_user_name", Class::ServerSet),
                ("/creator_user_name", Class::ServerSet),
                ("/default_tags", Class::ServerSet),
                ("/cluster_cores", Class::Volatile),
                ("/cluster_memory_mb", Class::Volatile),
                ("/cluster_log_status", Class::Volatile),
                ("/driver", Class::Volatile),
                ("/executors", Class::Volatile),
                ("/jdbc_port", Class::Volatile),
                ("/last_activity_time", Class::Volatile),
                ("/last_restarted_time", Class::Volatile),
                ("/last_state_loss_time", Class::Volatile),
                ("/spark_context_id", Class::Volatile),
                ("/start_time", Class::Volatile),
                ("/state", Class::Volatile),
                ("/state_message", Class::Volatile),
                ("/terminated_time", Class::Volatile),
                ("/termination_reason", Class::Volatile),
            ],
        },
    ],
    refs: &[Refs { at: CLUSTER_AT, refs: CLUSTER_REFS }],
    after: &[("global_init_script", "a cluster that starts runs them")],
    permissions: Some("clusters"),
    unordered: &[],
    defaults: &[Defaults { at: &[""], values: CLUSTER_DEFAULTS }],
    shaping: &[Shaping {
        at: &[""],
        reason: "what the server fills in for pools and sizes, it refuses on a create",
        run: shape_cluster,
    }],
    stamp: Some("/custom_tags"),
    lanes: 2,
    changed: None,
};

pub(super) static CLUSTER_LIBRARIES: Kind = Kind {
    name: "cluster_libraries",
    title: "cluster libraries",
    shape: Shape::Attached(Attached {
        to: &["cluster"],
        read: Read::Together {
            list: List { path: "/api/2.0/libraries/all-cluster-statuses", items: "statuses", paging: Paging::None },
            parent: "/cluster_id",
        },
        write: Write::Whole {
            call: Call { method: "POST", path: "/api/2.0/libraries/install", body: "", idempotent: true },
            parent: Some("/cluster_id"),
        },
    }),
    key: Key { at: "", unique: true, fold: false },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/libraries", Class::Sent),
            ("/cluster_id", Class::ServerSet),
            ("/library_statuses", Class::ServerSet),
            ("/library_statuses/*/status", Class::Volatile),
            ("/library_statuses/*/messages", Class::Volatile),
        ],
    }],
    refs: &[
        Refs { at: &["/libraries"], refs: LIBRARY_REFS },
        Refs {
            at: &["/library_statuses/*"],
            refs: &[
                Ref { at: "/library/jar", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
                Ref { at: "/library/egg", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
                Ref { at: "/library/whl", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
                Ref { at: "/library/requirements", to: &["dbfs_file", "volume_file", "file"], by: By::Path, gone: Gone::Keep },
            ],
        },
    ],
    after: &[],
    permissions: None,
    unordered: &[("/libraries", "")],
    defaults: &[],
    shaping: &[Shaping {
        at: &[""],
        reason: "the statuses say what is installed; an install wants the list of libraries",
        run: wanted_libraries,
    }],
    stamp: None,
    lanes: 4,
    changed: None,
};

/// Libraries on their way out, and those that an old setting puts on every cluster, are not the cluster's own (core §5.1).
fn wanted_libraries(document: &Value, body: &mut Map<String, Value>) {
    let statuses = document.get("library_statuses").and_then(Value::as_array);
    let stays = |status: &&Value| {
        status.get("status") != Some(&json!("UNINSTALL_ON_RESTART"))
            && status.get("is_library_for_all_clusters") != Some(&json!(true))
    };
    let libraries: Vec<Value> =
        statuses.into_iter().flatten().filter(stays).filter_map(|status| status.get("library").cloned()).collect();
    body.insert("libraries".into(), json!(libraries));
}

pub(super) static INSTANCE_POOL: Kind = Kind {
    name: "instance_pool",
    title: "instance pools",
    shape: Shape::Collection(Collection {
        list: List { path: "/api/2.0/instance-pools/list", items: "instance_pools", paging: Paging::None },
        id: "/instance_pool_id",
        get: Some(Get { path: "/api/2.0/instance-pools/get?instance_pool_id={id}", arrays: &[] }),
        create: Create {
            call: Call { method: "POST", path: "/api/2.0/instance-pools/create", body: "", idempotent: false },
            id: Some("/instance_pool_id"),
        },
        update: Update::Replace {
            call: Call { method: "POST", path: "/api/2.0/instance-pools/edit", body: "", idempotent: true },
            id: Some("/instance_pool_id"),
            under: None,
            part: None,
        },
        delete: Some(&Call {
            method: "POST",
            path: "/api/2.0/instance-pools/delete",
            body: r#"{"instance_pool_id":"{id}"}"#,
            idempotent: true,
        }),
        settle: None,
        marks: &[],
        leave: &[Leave { when: |pool| pool.get("state") == Some(&json!("DELETED")), reason: "deleted at the source" }],
        built_in: None,
    }),
    key: Key { at: "/instance_pool_name", unique: true, fold: false },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/instance_pool_name", Class::Sent),
            ("/node_type_id", Class::EnvironmentBound),
            ("/aws_attributes", Class::FixedAtCreate),
            ("/azure_attributes", Class::FixedAtCreate),
            ("/gcp_attributes", Class::FixedAtCreate),
            ("/custom_tags", Class::Sent),
            ("/disk_spec", Class::FixedAtCreate),
            ("/enable_auto_alternate_node_types", Class::Sent),
            ("/enable_elastic_disk", Class::FixedAtCreate),
            ("/idle_instance_autotermination_minutes", Class::Sent),
            ("/instance_pool_fleet_attributes", Class::FixedAtCreate),
            ("/max_capacity", Class::Sent),
            ("/min_idle_instances", Class::Activation("0")),
            ("/node_type_flexibility", Class::FixedAtCreate),
            ("/preloaded_docker_images", Class::FixedAtCreate),
            ("/preloaded_docker_images/*/basic_auth/password", Class::Secret),
            ("/preloaded_spark_versions", Class::FixedAtCreate),
            ("/remote_disk_throughput", Class::Sent),
            ("/total_initial_remote_disk_size", Class::Sent),
            ("/instance_pool_id", Class::ServerSet),
            ("/default_tags", Class::ServerSet),
            ("/state", Class::Volatile),
            ("/stats", Class::Volatile),
            ("/status", Class::Volatile),
        ],
    }],
    refs: &[Refs {
        at: &[""],
        refs: &[
            Ref { at: "/aws_attributes/instance_profile_arn", to: &["instance_profile"], by: By::Key, gone: Gone::Keep },
            Ref { at: "/node_type_id", to: &[], by: NODE_TYPE, gone: Gone::Silent },
            Ref { at: "/node_type_flexibility/alternate_node_type_ids/*", to: &[], by: NODE_TYPE, gone: Gone::Silent },
            Ref { at: "/node_type_flexibility/aws_context_id", to: &[], by: AWS_CONTEXT, gone: Gone::Keep },
            Ref { at: "/preloaded_spark_versions/*", to: &[], by: SPARK_VERSION, gone: Gone::Silent },
            Ref { at: "/aws_attributes/zone_id", to: &[], by: ZONE, gone: Gone::Silent },
            Ref { at: "/gcp_attributes/zone_id", to: &[], by: ZONE, gone: Gone::Silent },
            Ref { at: "/azure_attributes/capacity_reservation_group", to: &[], by: CAPACITY, gone: Gone::Keep },
        ],
    }],
    after: &[],
    permissions: Some("instance-pools"),
    unordered: &[],
    defaults: &[Defaults {
        at: &[""],
        values: &[
            ("/aws_attributes", None),
            ("/azure_attributes", None),
            ("/gcp_attributes", None),
            ("/enable_elastic_disk", None),
            ("/disk_spec", None),
            ("/idle_instance_autotermination_minutes", Some("60")),
            ("/max_capacity", Some("1000")),
        ],
    }],
    shaping: &[Shaping {
        at: &[""],
        reason: "the API refuses both ways to name alternate node types at once",
        run: |_, body| {
            if body.contains_key("node_type_flexibility") {
                body.remove("enable_auto_alternate_node_types");
            }
        },
    }],
    stamp: Some("/custom_tags"),
    lanes: 4,
    changed: None,
};

pub(super) static INSTANCE_PROFILE: Kind = Kind {
    name: "instance_profile",
    title: "instance profiles (AWS)",
    shape: Shape::Collection(Collection {
        list: List { path: "/api/2.0/instance-profiles/list", items: "instance_profiles", paging: Paging::None },
        id: "/instance_profile_arn",
        get: None,
        create: Create {
            call: Call { method: "POST", path: "/api/2.0/instance-profiles/add", body: "", idempotent: false },
            id: None,
        },
        update: Update::Replace {
            call: Call { method: "POST", path: "/api/2.0/instance-profiles/edit", body: "", idempotent: true },
            id: None,
            under: None,
            part: None,
        },
        delete: None,
        settle: None,
        marks: &[],
        leave: &[],
        built_in: None,
    }),
    key: Key { at: "/instance_profile_arn", unique: true, fold: false },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/instance_profile_arn", Class::EnvironmentBound),
            ("/iam_role_arn", Class::EnvironmentBound),
            ("/is_meta_instance_profile", Class::Sent),
            ("/skip_validation", Class::WriteOnly),
        ],
    }],
    refs: &[],
    after: &[],
    permissions: None,
    unordered: &[],
    defaults: &[Defaults { at: &[""], values: &[("/is_meta_instance_profile", Some("false"))] }],
    shaping: &[Shaping {
        at: &[""],
        reason: "the check would launch an instance",
        run: |_, body| drop(body.insert("skip_validation".into(), json!(true))),
    }],
    stamp: None,
    lanes: 2,
    changed: None,
};

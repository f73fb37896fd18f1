//! Cluster policies and the families that they may stand on. Core reference §7.

use super::compute::{GOOGLE_ACCOUNT, LIBRARY_REFS, NODE_TYPE, SPARK_VERSION, ZONE};
use super::spec::*;
use serde_json::json;

pub(super) static POLICY_FAMILY: Kind = Kind {
    name: "policy_family",
    title: "policy families",
    shape: Shape::Recorded(Recorded {
        list: List {
            path: "/api/2.0/policy-families?max_results=100",
            items: "policy_families",
            paging: Paging::Token("page_token", "next_page_token"),
        },
        id: "/policy_family_id",
        reason: "built in: every workspace has the same families",
    }),
    key: Key { at: "/policy_family_id", unique: true, fold: false },
    body: &[""],
    fields: &[],
    refs: &[],
    after: &[],
    permissions: None,
    unordered: &[],
    defaults: &[],
    shaping: &[],
    stamp: None,
    lanes: 1,
    changed: None,
};

/// References inside a policy's JSON text (core reference §7): an attribute is an object with `value`, `defaultValue` or
/// `values`.
const POLICY_REFS: &[Ref] = &[
    Ref { at: "/instance_pool_id/*value", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/instance_pool_id/values/*", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/driver_instance_pool_id/*value", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/driver_instance_pool_id/values/*", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/aws_attributes.instance_profile_arn/*value", to: &["instance_profile"], by: By::Key, gone: Gone::Keep },
    Ref { at: "/aws_attributes.instance_profile_arn/values/*", to: &["instance_profile"], by: By::Key, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.workspace.destination/*value", to: &["file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.workspace.destination/values/*", to: &["file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.volumes.destination/*value", to: &["volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.volumes.destination/values/*", to: &["volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.dbfs.destination/*value", to: &["dbfs_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.dbfs.destination/values/*", to: &["dbfs_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.abfss.destination/*value", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/init_scripts.*.abfss.destination/values/*", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/init_scripts.*.s3.destination/*value", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/init_scripts.*.s3.destination/values/*", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/init_scripts.*.gcs.destination/*value", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/init_scripts.*.gcs.destination/values/*", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/cluster_log_conf.path/*value", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/cluster_log_conf.path/values/*", to: &[], by: By::Path, gone: Gone::Silent },
    Ref { at: "/single_user_name/*value", to: &["user", "service_principal", "group"], by: By::Key, gone: Gone::Silent },
    Ref { at: "/single_user_name/values/*", to: &["user", "service_principal", "group"], by: By::Key, gone: Gone::Silent },
    Ref { at: "/node_type_id/*value", to: &[], by: NODE_TYPE, gone: Gone::Silent },
    Ref { at: "/node_type_id/values/*", to: &[], by: NODE_TYPE, gone: Gone::Silent },
    Ref { at: "/driver_node_type_id/*value", to: &[], by: NODE_TYPE, gone: Gone::Silent },
    Ref { at: "/driver_node_type_id/values/*", to: &[], by: NODE_TYPE, gone: Gone::Silent },
    Ref { at: "/spark_version/*value", to: &[], by: SPARK_VERSION, gone: Gone::Silent },
    Ref { at: "/spark_version/values/*", to: &[], by: SPARK_VERSION, gone: Gone::Silent },
    Ref { at: "/aws_attributes.zone_id/*value", to: &[], by: ZONE, gone: Gone::Silent },
    Ref { at: "/aws_attributes.zone_id/values/*", to: &[], by: ZONE, gone: Gone::Silent },
    Ref { at: "/gcp_attributes.zone_id/*value", to: &[], by: ZONE, gone: Gone::Silent },
    Ref { at: "/gcp_attributes.zone_id/values/*", to: &[], by: ZONE, gone: Gone::Silent },
    Ref { at: "/gcp_attributes.google_service_account/*value", to: &[], by: GOOGLE_ACCOUNT, gone: Gone::Keep },
    Ref { at: "/gcp_attributes.google_service_account/values/*", to: &[], by: GOOGLE_ACCOUNT, gone: Gone::Keep },
];

/// Secrets in clear inside a policy's JSON text, as in a cluster.
const POLICY_SECRETS: &[(&str, Class)] = &[
    ("/spark_conf.*fs.azure.account.key*/*value", Class::Secret),
    ("/spark_conf.*fs.azure.account.key*/values/*", Class::Secret),
    ("/spark_conf.*fs.azure.sas*/*value", Class::Secret),
    ("/spark_conf.*fs.azure.sas*/values/*", Class::Secret),
    ("/spark_conf.*secret*/*value", Class::Secret),
    ("/spark_conf.*secret*/values/*", Class::Secret),
    ("/spark_conf.*password*/*value", Class::Secret),
    ("/spark_conf.*password*/values/*", Class::Secret),
    ("/spark_conf.*access.key*/*value", Class::Secret),
    ("/spark_conf.*access.key*/values/*", Class::Secret),
    ("/spark_conf.*token/*value", Class::Secret),
    ("/spark_conf.*token/values/*", Class::Secret),
    ("/spark_env_vars.*TOKEN*/*value", Class::Secret),
    ("/spark_env_vars.*TOKEN*/values/*", Class::Secret),
    ("/spark_env_vars.*SECRET*/*value", Class::Secret),
    ("/spark_env_vars.*SECRET*/values/*", Class::Secret),
    ("/spark_env_vars.*PASSWORD*/*value", Class::Secret),
    ("/spark_env_vars.*PASSWORD*/values/*", Class::Secret),
    ("/spark_env_vars.*PASSWD*/*value", Class::Secret),
    ("/spark_env_vars.*PASSWD*/values/*", Class::Secret),
    ("/spark_env_vars.*_KEY/*value", Class::Secret),
    ("/spark_env_vars.*_KEY/values/*", Class::Secret),
    ("/spark_env_vars.*APIKEY*/*value", Class::Secret),
    ("/spark_env_vars.*APIKEY*/values/*", Class::Secret),
    ("/spark_env_vars.*CREDENTIAL*/*value", Class::Secret),
    ("/spark_env_vars.*CREDENTIAL*/values/*", Class::Secret),
    ("/docker_image.basic_auth.password/*value", Class::Secret),
    ("/docker_image.basic_auth.password/values/*", Class::Secret),
    ("/azure_attributes.log_analytics_info.log_analytics_primary_key/*value", Class::Secret),
    ("/azure_attributes.log_analytics_info.log_analytics_primary_key/values/*", Class::Secret),
];

pub(super) static CLUSTER_POLICY: Kind = Kind {
    name: "cluster_policy",
    title: "cluster policies",
    shape: Shape::Collection(Collection {
        list: List { path: "/api/2.0/policies/clusters/list", items: "policies", paging: Paging::None },
        id: "/policy_id",
        get: None,
        create: Create {
            call: Call { method: "POST", path: "/api/2.0/policies/clusters/create", body: "", idempotent: false },
            id: Some("/policy_id"),
        },
        update: Update::Replace {
            call: Call { method: "POST", path: "/api/2.0/policies/clusters/edit", body: "", idempotent: true },
            id: Some("/policy_id"),
            under: None,
            part: None,
        },
        delete: Some(&Call {
            method: "POST",
            path: "/api/2.0/policies/clusters/delete",
            body: r#"{"policy_id":"{id}"}"#,
            idempotent: true,
        }),
        settle: None,
        marks: &[],
        leave: &[],
        built_in: Some(|policy| policy.get("is_default") == Some(&json!(true))),
    }),
    key: Key { at: "/name", unique: true, fold: false },
    body: &[""],
    fields: &[
        Fields {
            at: &[""],
            fields: &[
                ("/name", Class::Sent),
                ("/definition", Class::Sent),
                ("/description", Class::Sent),
                ("/libraries", Class::Sent),
                ("/max_clusters_per_user", Class::Sent),
                ("/policy_family_id", Class::Sent),
                ("/policy_family_definition_overrides", Class::Sent),
                ("/auto_enforcement_config", Class::Activation("")),
                ("/policy_id", Class::ServerSet),
                ("/created_at_timestamp", Class::ServerSet),
                ("/creator_user_name", Class::ServerSet),
                ("/is_default", Class::ServerSet),
                ("/background_enforcement", Class::ServerSet),
            ],
        },
        Fields { at: &["/definition/#", "/policy_family_definition_overrides/#"], fields: POLICY_SECRETS },
    ],
    refs: &[
        Refs { at: &["/definition/#", "/policy_family_definition_overrides/#"], refs: POLICY_REFS },
        Refs { at: &["/libraries"], refs: LIBRARY_REFS },
    ],
    after: &[("policy_family", "a policy may stand on a family")],
    permissions: Some("cluster-policies"),
    unordered: &[("/libraries", "")],
    defaults: &[],
    shaping: &[Shaping {
        at: &[""],
        reason: "the server answers with the merged definition, and refuses it beside a family",
        run: |_, body| {
            if body.get("policy_family_id").is_some_and(|family| !family.is_null()) {
                body.remove("definition");
            }
        },
    }],
    stamp: None,
    lanes: 4,
    changed: None,
};

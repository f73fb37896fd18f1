//! Cluster policies and the families that they may stand on. Core reference §7.

use super::compute::LIBRARY_REFS;
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
};

/// References inside a policy's JSON text (core reference §7): an attribute is an object with one of four values.
const POLICY_REFS: &[Ref] = &[
    Ref { at: "/instance_pool_id/value", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/instance_pool_id/defaultValue", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/instance_pool_id/values/*", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/driver_instance_pool_id/value", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/driver_instance_pool_id/defaultValue", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/driver_instance_pool_id/values/*", to: &["instance_pool"], by: By::Id, gone: Gone::Keep },
    Ref { at: "/aws_attributes.instance_profile_arn/value", to: &["instance_profile"], by: By::Key, gone: Gone::Keep },
    Ref { at: "/aws_attributes.instance_profile_arn/defaultValue", to: &["instance_profile"], by: By::Key, gone: Gone::Keep },
    Ref { at: "/aws_attributes.instance_profile_arn/values/*", to: &["instance_profile"], by: By::Key, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.workspace.destination/value", to: &["file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.workspace.destination/defaultValue", to: &["file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.volumes.destination/value", to: &["volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.volumes.destination/defaultValue", to: &["volume_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.dbfs.destination/value", to: &["dbfs_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/init_scripts.*.dbfs.destination/defaultValue", to: &["dbfs_file"], by: By::Path, gone: Gone::Keep },
    Ref { at: "/spark_conf.*/value", to: &["secret"], by: By::Secrets, gone: Gone::Keep },
    Ref { at: "/spark_conf.*/defaultValue", to: &["secret"], by: By::Secrets, gone: Gone::Keep },
    Ref { at: "/spark_env_vars.*/value", to: &["secret"], by: By::Secrets, gone: Gone::Keep },
    Ref { at: "/spark_env_vars.*/defaultValue", to: &["secret"], by: By::Secrets, gone: Gone::Keep },
    Ref { at: "/single_user_name/value", to: &["user", "service_principal", "group"], by: By::Key, gone: Gone::Silent },
    Ref { at: "/single_user_name/defaultValue", to: &["user", "service_principal", "group"], by: By::Key, gone: Gone::Silent },
];

/// Secrets in clear inside a policy's JSON text, as in a cluster.
const POLICY_SECRETS: &[(&str, Class)] = &[
    ("/spark_conf.fs.azure.account.key*/value", Class::Secret),
    ("/spark_conf.fs.azure.account.key*/defaultValue", Class::Secret),
    ("/spark_conf.*secret*/value", Class::Secret),
    ("/spark_conf.*secret*/defaultValue", Class::Secret),
    ("/spark_conf.*password*/value", Class::Secret),
    ("/spark_conf.*password*/defaultValue", Class::Secret),
    ("/spark_env_vars.*TOKEN*/value", Class::Secret),
    ("/spark_env_vars.*TOKEN*/defaultValue", Class::Secret),
    ("/spark_env_vars.*SECRET*/value", Class::Secret),
    ("/spark_env_vars.*SECRET*/defaultValue", Class::Secret),
    ("/spark_env_vars.*PASSWORD*/value", Class::Secret),
    ("/spark_env_vars.*PASSWORD*/defaultValue", Class::Secret),
    ("/spark_conf.fs.azure.sas*/value", Class::Secret),
    ("/spark_conf.fs.azure.sas*/defaultValue", Class::Secret),
    ("/spark_conf.*access.key*/value", Class::Secret),
    ("/spark_conf.*access.key*/defaultValue", Class::Secret),
    ("/spark_conf.*token/value", Class::Secret),
    ("/spark_conf.*token/defaultValue", Class::Secret),
    ("/spark_env_vars.*PASSWD*/value", Class::Secret),
    ("/spark_env_vars.*PASSWD*/defaultValue", Class::Secret),
    ("/spark_env_vars.*_KEY/value", Class::Secret),
    ("/spark_env_vars.*_KEY/defaultValue", Class::Secret),
    ("/spark_env_vars.*APIKEY*/value", Class::Secret),
    ("/spark_env_vars.*APIKEY*/defaultValue", Class::Secret),
    ("/spark_env_vars.*CREDENTIAL*/value", Class::Secret),
    ("/spark_env_vars.*CREDENTIAL*/defaultValue", Class::Secret),
    ("/docker_image.basic_auth.password/value", Class::Secret),
    ("/docker_image.basic_auth.password/defaultValue", Class::Secret),
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
        settle: &[],
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
};

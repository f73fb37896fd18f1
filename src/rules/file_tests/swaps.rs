//! Maps: whole values, words inside texts, policies, source code.

use super::super::{Code, RuleSet};
use super::{apply, cluster, content, job, object, rules};
use crate::object::SourceId;
use serde_json::json;

#[test]
fn regions_differ_in_machines() {
    let text =
        "maps:\n  node_type: {Standard_DS3_v2: m5.xlarge}\n  spark_version: {13.3.x: 14.3.x}\n  zone: {us-east-1a: auto}\n";
    let definition = json!({"node_type_id": {"type": "allowlist", "values": ["Standard_DS3_v2", "x"], "defaultValue": "Standard_DS3_v2"},
        "aws_attributes.zone_id": {"type": "fixed", "value": "us-east-1a"}, "note": {"value": "Standard_DS3_v2"}});
    let spec = json!({"cluster_name": "Standard_DS3_v2", "node_type_id": "Standard_DS3_v2", "spark_version": "13.3.x",
        "worker_node_type_flexibility": {"alternate_node_type_ids": ["Standard_DS3_v2"]}, "aws_attributes": {"zone_id": "us-east-1a"}});
    let objects = [
        cluster("c", spec),
        job(
            "1",
            json!({"name": "n", "job_clusters": [{"job_cluster_key": "k", "new_cluster": {"node_type_id": "Standard_DS3_v2"}}]}),
        ),
        object("instance_pool", "p", json!({"instance_pool_name": "p", "preloaded_spark_versions": ["13.3.x"]})),
        object("cluster_policy", "q", json!({"name": "q", "definition": definition.to_string()})),
    ];
    let applied = apply(text, &objects);
    let spec = applied.body("cluster", "c");
    assert_eq!(
        (&spec["node_type_id"], &spec["spark_version"], &spec["cluster_name"]),
        (&json!("m5.xlarge"), &json!("14.3.x"), &json!("Standard_DS3_v2"))
    );
    assert_eq!(spec["worker_node_type_flexibility"]["alternate_node_type_ids"], json!(["m5.xlarge"]));
    assert_eq!(spec["aws_attributes"]["zone_id"], "auto");
    assert_eq!(applied.body("job", "1")["job_clusters"][0]["new_cluster"]["node_type_id"], "m5.xlarge");
    assert_eq!(applied.body("instance_pool", "p")["preloaded_spark_versions"], json!(["14.3.x"]));
    let policy = applied.body("cluster_policy", "q");
    let policy: serde_json::Value = serde_json::from_str(policy["definition"].as_str().expect("text")).expect("JSON");
    assert_eq!(policy["node_type_id"], json!({"type": "allowlist", "values": ["m5.xlarge", "x"], "defaultValue": "m5.xlarge"}));
    assert_eq!(
        (&policy["aws_attributes.zone_id"]["value"], &policy["note"]["value"]),
        (&json!("auto"), &json!("Standard_DS3_v2"))
    );
    let change = applied.of("cluster_policy", "q").changes().iter().find(|change| change.at.ends_with("zone_id/value"));
    assert_eq!(change.map(|change| change.rule.as_str()), Some("maps:zone"));
}

#[test]
fn storage_is_found_inside_texts_and_names_of_settings() {
    let text = "maps:\n  storage:\n    lake.dfs.core.windows.net: lakewest.dfs.core.windows.net\n    s3://raw: s3://raw-west\n";
    let spec = json!({"cluster_name": "c", "spark_conf": {"fs.azure.account.auth.type.lake.dfs.core.windows.net": "OAuth",
        "a": "abfss://c@lake.dfs.core.windows.net/x,s3://raw/y", "b": "s3://rawer/x", "c": "abfss://c@datalake.dfs.core.windows.net/x"}});
    let applied = apply(text, &[cluster("c", spec)]);
    assert_eq!(
        applied.body("cluster", "c")["spark_conf"],
        json!({"a": "abfss://c@lakewest.dfs.core.windows.net/x,s3://raw-west/y", "b": "s3://rawer/x",
            "c": "abfss://c@datalake.dfs.core.windows.net/x", "fs.azure.account.auth.type.lakewest.dfs.core.windows.net": "OAuth"})
    );
}

#[test]
fn words_swap_once_and_only_by_themselves() {
    let text = "maps:\n  text: {blue: green, green: blue}\n  user: {ada@old.com: ada@new.com, team: crew}\n  git_host: {github.com: ghe.corp}\n";
    let job = job(
        "1",
        json!({"name": "blue", "description": "blue green bluegreen blue-ish team ada@old.com ada@old.com.au",
        "git_source": {"git_url": "https://github.com/a/b"}, "run_as": {"user_name": "ada@old.com"},
        "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/Users/ada@old.com/x", "base_parameters": {"p": "/Users/ada@old.com/y"}}}]}),
    );
    let body = apply(text, &[job]).body("job", "1");
    assert_eq!(body["description"], "green blue bluegreen blue-ish team ada@new.com ada@old.com.au");
    assert_eq!((&body["name"], &body["git_source"]["git_url"]), (&json!("blue"), &json!("https://ghe.corp/a/b")));
    assert_eq!(body["run_as"]["user_name"], "ada@old.com", "references to people are the plan's business");
    let task = &body["tasks"][0]["notebook_task"];
    assert_eq!(
        (&task["notebook_path"], &task["base_parameters"]["p"]),
        (&json!("/Users/ada@old.com/x"), &json!("/Users/ada@new.com/y"))
    );
}

#[test]
fn catalogs_and_schemas_are_found_in_names_and_volumes() {
    let text = "maps:\n  catalog: {main: main_west}\n  schema: {main.ops: west.operations}\n";
    let job = job(
        "1",
        json!({"name": "n", "tasks": [{"task_key": "a", "dbt_task": {"catalog": "main", "schema": "ops"}},
            {"task_key": "b", "dbt_task": {"catalog": "main", "schema": "other"},
             "libraries": [{"jar": "/Volumes/main/ops/v/a.jar"}, {"whl": "dbfs:/Volumes/main/x/v/a.whl"}]}],
        "trigger": {"table_update": {"table_names": ["main.ops.t", "main.x.t", "maine.x.t"]}, "pause_status": "PAUSED"}}),
    );
    let applied = apply(text, &[job, content("volume_file", "/Volumes/main/ops/v/a.jar", b"1")]);
    let body = applied.body("job", "1");
    assert_eq!(body["tasks"][0]["dbt_task"], json!({"catalog": "west", "schema": "operations"}));
    assert_eq!(body["tasks"][1]["dbt_task"], json!({"catalog": "main_west", "schema": "other"}));
    assert_eq!(
        body["tasks"][1]["libraries"],
        json!([{"jar": "/Volumes/west/operations/v/a.jar"}, {"whl": "dbfs:/Volumes/main_west/x/v/a.whl"}])
    );
    assert_eq!(body["trigger"]["table_update"]["table_names"], json!(["west.operations.t", "main_west.x.t", "maine.x.t"]));
    assert_eq!(applied.of("volume_file", "/Volumes/west/operations/v/a.jar").origin(), Some("/Volumes/main/ops/v/a.jar"));
}

#[test]
fn vaults_and_registries() {
    let text = "maps:\n  key_vault: {\"https://a.vault.azure.net/\": \"https://b.vault.azure.net/\"}\n  docker_registry: {acr.azurecr.io: west.azurecr.io}\n  budget_policy: {p1: p2}\n";
    let objects = [
        object(
            "secret_scope",
            "kv",
            json!({"name": "kv", "backend_type": "AZURE_KEYVAULT", "keyvault_metadata": {"dns_name": "https://a.vault.azure.net/"}}),
        ),
        cluster("c", json!({"cluster_name": "c", "docker_image": {"url": "acr.azurecr.io/x:1"}})),
        job("1", json!({"name": "n", "budget_policy_id": "p1"})),
    ];
    let applied = apply(text, &objects);
    assert_eq!(applied.body("secret_scope", "kv")["keyvault_metadata"]["dns_name"], "https://b.vault.azure.net/");
    assert_eq!(applied.body("cluster", "c")["docker_image"]["url"], "west.azurecr.io/x:1");
    assert_eq!(applied.body("job", "1")["budget_policy_id"], "p2");
}

#[test]
fn source_code_is_changed_on_request_alone() {
    let source = b"# Databricks notebook source\n# MAGIC %run /Shared/etl/util\nspark.read.load('s3://raw/x')\n";
    let text = "maps: {storage: {\"s3://raw\": \"s3://west\"}}\nrules: [{name: m, move: {/Shared/etl: /Shared/dr}}]\n";
    assert!(rules(text).rewriter().rewrite("notebook", source, Some("SOURCE")).is_none(), "nobody asked");
    let set = rules(&format!("inside: [notebook, global_init_script]\n{text}"));
    let rewriter = set.rewriter();
    let new = rewriter.rewrite("notebook", source, Some("SOURCE")).expect("changed");
    let wanted = "# Databricks notebook source\n# MAGIC %run /Shared/dr/util\nspark.read.load('s3://west/x')\n";
    assert_eq!(String::from_utf8_lossy(&new.bytes), wanted);
    assert!(rewriter.rewrite("file", source, None).is_none() && rewriter.rewrite("notebook", &[0xff, b'a'], None).is_none());
    let notebook = content("notebook", "/Shared/etl/n", source);
    let code = rewriter.code([(SourceId { kind: "notebook".into(), id: "/Shared/etl/n".into() }, new.into())].into());
    let applied = set.apply(&[notebook], &code);
    assert!(applied.warnings.is_empty(), "what is found in source code alone is found: {:?}", applied.warnings);
    let one = applied.of("notebook", "/Shared/dr/n");
    assert!(
        one.changes().iter().any(|change| change.rule == "maps:storage" && change.now == Some(json!("s3://west"))),
        "{:?}",
        one.changes()
    );
    assert!(matches!(one.body(), super::super::Body::Content { len, .. } if *len == wanted.len() as u64));
    let script = object("global_init_script", "s", json!({"name": "s", "script": "ZWNobyBzMzovL3Jhdy94"}));
    assert_eq!(set.apply(&[script], &Code::default()).body("global_init_script", "s")["script"], "ZWNobyBzMzovL3dlc3QveA==");
}

#[test]
fn an_escape_of_json_is_no_letter_of_a_word() {
    let set = rules("inside: [notebook, file]\nmaps: {storage: {lake.example.net: west.example.net}, text: {node: knot}}\n");
    let swapped = |kind: &str, source: &str, format: Option<&str>| {
        let new = set.rewriter().rewrite(kind, source.as_bytes(), format);
        new.map(|new| String::from_utf8(new.bytes).expect("text"))
    };
    let source = r#"{"cells": [{"source": ["a\nlake.example.net", "\tnode\n", "\\nlake.example.net", "\node"]}]}"#;
    let wanted = r#"{"cells": [{"source": ["a\nwest.example.net", "\tknot\n", "\\nlake.example.net", "\node"]}]}"#;
    assert_eq!(swapped("notebook", source, Some("JUPYTER")).as_deref(), Some(wanted));
    assert_eq!(swapped("file", source, None).as_deref(), Some(wanted), "a file that is JSON is read alike");
    assert_eq!(swapped("file", r"a\nlake.example.net", None), None);
}

#[test]
fn later_maps_count() {
    let more = super::super::Maps::parse("zone: {a: c}").expect("good");
    let set = RuleSet::parse("maps: {zone: {a: b}}\n").expect("good").with_maps(&more);
    let body = set.apply(&[cluster("c", json!({"cluster_name": "c", "gcp_attributes": {"zone_id": "a"}}))], &Code::default());
    assert_eq!(body.body("cluster", "c")["gcp_attributes"]["zone_id"], "c");
}

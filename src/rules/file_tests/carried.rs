//! New names and paths, and what refers to them.

use super::super::Applied;
use super::{apply, cluster, content, hanging, job, object};
use serde_json::{Value, json};

const MOVE: &str =
    "rules:\n  - name: archive\n    move:\n      /Shared/etl: /Archive/2026/etl\n      dbfs:/jars: dbfs:/west/jars\n";

#[test]
fn a_moved_path_is_followed_by_whatever_names_it() {
    let objects = [
        object("directory", "/Shared/etl", json!({"path": "/Shared/etl"})),
        content("notebook", "/Shared/etl/load", b"1"),
        content("notebook", "/Shared/etl2/load", b"1"),
        content("dbfs_file", "/jars/a.jar", b"1"),
        object("repo", "/Shared/etl/git", json!({"path": "/Shared/etl/git", "url": "https://g/x"})),
        hanging("permissions", "notebooks/7", ("notebook", "/Shared/etl/load"), json!({"access_control_list": []})),
        hanging("permissions", "directories/8", ("directory", "/Shared/etl"), json!({"access_control_list": []})),
        job(
            "1",
            json!({"name": "/Shared/etl", "tasks": [
            {"task_key": "a", "notebook_task": {"notebook_path": "/Workspace/Shared/etl/load", "base_parameters": {"conf": "x=/Shared/etl/c.json"}}},
            {"task_key": "b", "notebook_task": {"notebook_path": "/Shared/etl2/load"}, "libraries": [{"jar": "dbfs:/jars/a.jar"}]},
            {"task_key": "c", "spark_python_task": {"python_file": "/dbfs/jars/a.jar", "parameters": ["/Shared/etl"]}}]}),
        ),
    ];
    let applied = apply(MOVE, &objects);
    let note = applied.of("notebook", "/Archive/2026/etl/load");
    assert_eq!((note.key(), note.origin()), ("/Archive/2026/etl/load", Some("/Shared/etl/load")));
    assert_eq!((note.changes()[0].rule.as_str(), note.changes()[0].at.as_str()), ("archive", ""));
    assert_eq!(applied.of("notebook", "/Shared/etl2/load").origin(), None);
    assert_eq!(applied.of("dbfs_file", "/west/jars/a.jar").origin(), Some("/jars/a.jar"));
    assert_eq!(applied.body("repo", "/Archive/2026/etl/git")["path"], "/Archive/2026/etl/git");
    let acl = applied.of("permissions", "notebooks/7");
    assert_eq!(
        (acl.key(), acl.meta().parent().expect("a parent").1.as_str()),
        ("notebook:/Archive/2026/etl/load", "/Archive/2026/etl/load")
    );
    let body = applied.body("job", "1");
    assert_eq!(body["name"], "/Shared/etl", "a name is no path");
    assert_eq!(body["tasks"][0]["notebook_task"]["notebook_path"], "/Workspace/Archive/2026/etl/load");
    assert_eq!(body["tasks"][0]["notebook_task"]["base_parameters"]["conf"], "x=/Archive/2026/etl/c.json");
    assert_eq!(
        (&body["tasks"][1]["notebook_task"]["notebook_path"], &body["tasks"][1]["libraries"][0]["jar"]),
        (&json!("/Shared/etl2/load"), &json!("dbfs:/west/jars/a.jar"))
    );
    assert_eq!(
        (&body["tasks"][2]["spark_python_task"]["python_file"], &body["tasks"][2]["spark_python_task"]["parameters"][0]),
        (&json!("/dbfs/west/jars/a.jar"), &json!("/Archive/2026/etl"))
    );
    assert_eq!(applied.tally[0].objects, 5, "permissions only follow");
}

#[test]
fn the_longest_prefix_counts() {
    let text = "rules: [{name: a, move: {/A: /B, /A/x: /C}}]\n";
    let applied = apply(text, &[content("file", "/A/x/f", b"1"), content("file", "/A/y", b"1"), content("file", "/A", b"1")]);
    let ids: Vec<&str> = applied.objects.iter().map(super::super::Sanitized::id).collect();
    assert_eq!(ids, ["/C/f", "/B/y", "/B"]);
}

#[test]
fn folders_become_one_and_files_do_not() {
    let folder = |path: &str| object("directory", path, json!({ "path": path }));
    let text = "rules: [{name: m, move: {/A: /B}}]\n";
    let acl = hanging("permissions", "directories/1", ("directory", "/A"), json!({"access_control_list": []}));
    let applied = apply(text, &[folder("/A"), folder("/B"), acl, content("file", "/A/f", b"1")]);
    let left: Vec<_> = applied.left_out.iter().map(|one| one.object.to_string()).collect();
    assert_eq!(left, ["directory:/A", "permissions:directories/1"]);
    let said = Applied::problem(text, &[content("file", "/A/f", b"1"), content("notebook", "/B/f", b"1")]);
    assert_eq!(said, "line 1: rule \"m\": notebook:/B/f and file:/A/f would both be called \"/B/f\"");
}

#[test]
fn new_names_are_carried_to_references_by_name() {
    let text = "rules:\n  - name: dr\n    for: {kind: [group, secret_scope, cluster_policy]}\n    rename: {to: \"{name}-dr\"}\n";
    let entry = json!({"access_control_list": [{"group_name": "grid", "permission_level": "CAN_RUN"}, {"group_name": "other", "permission_level": "CAN_RUN"}]});
    let objects = [
        object("group", "g1", json!({"id": "g1", "displayName": "grid", "members": []})),
        object("secret_scope", "ops", json!({"name": "ops", "backend_type": "DATABRICKS"})),
        hanging("secret", "ops/key", ("secret_scope", "ops"), json!({"key": "key"})),
        hanging("secret_acl", "ops", ("secret_scope", "ops"), json!({"items": [{"principal": "grid", "permission": "READ"}]})),
        object(
            "cluster_policy",
            "p1",
            json!({"name": "small", "definition": "{\"spark_conf.x\":{\"type\":\"fixed\",\"value\":\"{{secrets/ops/key}}\"}}"}),
        ),
        cluster("c1", json!({"cluster_name": "c", "policy_id": "p1", "spark_env_vars": {"A": "{{secrets/ops/key}}"}})),
        hanging("permissions", "clusters/c1", ("cluster", "c1"), entry),
    ];
    let applied = apply(text, &objects);
    assert_eq!(applied.of("group", "g1").key(), "grid-dr");
    let scope = applied.of("secret_scope", "ops-dr");
    assert_eq!((scope.key(), scope.origin()), ("ops-dr", Some("ops")));
    assert_eq!(applied.of("secret", "ops-dr/key").meta().parent().expect("a parent").1, "ops-dr");
    assert_eq!(applied.body("secret_acl", "ops-dr")["items"][0]["principal"], "grid-dr");
    let list = applied.body("permissions", "clusters/c1");
    let names: Vec<&Value> =
        list["access_control_list"].as_array().expect("a list").iter().map(|one| &one["group_name"]).collect();
    assert_eq!(names, ["grid-dr", "other"]);
    assert_eq!(applied.body("cluster", "c1")["spark_env_vars"]["A"], "{{secrets/ops-dr/key}}");
    assert!(
        applied.body("cluster_policy", "p1")["definition"].as_str().is_some_and(|text| text.contains("{{secrets/ops-dr/key}}"))
    );
}

#[test]
fn what_every_workspace_has_keeps_its_name() {
    let text = "rules: [{name: r, rename: {to: \"{name}-dr\"}}]\n";
    let objects = [
        object("group", "1", json!({"id": "1", "displayName": "admins"})),
        object("group", "2", json!({"id": "2", "displayName": "grid"})),
        object("user", "3", json!({"id": "3", "userName": "ada@x.com"})),
        object(
            "cluster_policy",
            "4",
            json!({"policy_id": "4", "name": "Personal Compute", "is_default": true, "policy_family_id": "personal-vm"}),
        ),
    ];
    let names: Vec<String> = apply(text, &objects).objects.iter().map(|one| one.key().to_owned()).collect();
    assert_eq!(names, ["admins", "grid-dr", "ada@x.com", "Personal Compute"]);
}

#[test]
fn two_objects_never_get_one_name() {
    let pool = |id: &str, name: &str| object("instance_pool", id, json!({ "instance_pool_name": name }));
    let text = "rules:\n  - name: one\n    for: {kind: instance_pool}\n    rename: {to: pool}\n";
    assert!(Applied::problem(text, &[pool("1", "a"), pool("2", "b")]).contains("would both be called \"pool\""));
    let nameless = "rules:\n  - name: one\n    for: {kind: instance_pool}\n    drop: [/instance_pool_name]\n";
    assert!(Applied::problem(nameless, &[pool("1", "a")]).contains("leaves it without a name"));
}

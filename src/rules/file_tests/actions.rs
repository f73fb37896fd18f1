//! Each action, on a body that has what it is about.

use super::super::{Applied, Code, RuleSet};
use super::{apply, cluster, content, hanging, job, object, rules};
use serde_json::{Value, json};

fn settings() -> Value {
    json!({"name": "nightly", "max_concurrent_runs": 7, "tags": {"team": "grid", "tier": "1"}, "timeout_seconds": 60,
        "schedule": {"quartz_cron_expression": "0 0 2 * * ?", "pause_status": "UNPAUSED"},
        "email_notifications": {"on_failure": ["a@x.com"]},
        "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/Shared/a"}, "new_cluster": {"num_workers": 9, "spark_version": "13"}},
                  {"task_key": "b", "existing_cluster_id": "c1", "email_notifications": {"on_start": ["b@x.com"]}}]})
}

/// What one rule with these actions makes of the job.
fn made(actions: &str) -> Value {
    apply(&format!("rules:\n  - name: r\n{actions}"), &[job("1", settings())]).body("job", "1")
}

#[test]
fn drop_takes_out_by_pointer_and_by_path() {
    let body = made("    drop: [/timeout_seconds, \"/tasks/*/new_cluster\", \"$..email_notifications\"]\n");
    assert_eq!((body.get("timeout_seconds"), body.get("email_notifications")), (None, None));
    assert_eq!(body["tasks"][0], json!({"task_key": "a", "notebook_task": {"notebook_path": "/Shared/a"}}));
    assert_eq!(body["tasks"][1], json!({"task_key": "b", "existing_cluster_id": "c1"}));
    let elements = made("    drop: [\"$.tasks[?@.task_key == 'a']\"]\n");
    assert_eq!(elements["tasks"].as_array().map(Vec::len), Some(1));
}

#[test]
fn keep_leaves_only_what_it_names_and_the_name() {
    let body = made("    keep: [/tags/team, \"/tasks/*/task_key\", \"$.tasks[0].new_cluster.num_workers\"]\n");
    let tasks = json!([{"task_key": "a", "new_cluster": {"num_workers": 9}}, {"task_key": "b"}]);
    assert_eq!(body, json!({"name": "nightly", "tags": {"team": "grid"}, "tasks": tasks}));
}

#[test]
fn set_puts_a_value_where_its_holder_is() {
    let body = made(
        "    set: {/timeout_seconds: 5, /tags/new: [1], \"/tasks/*/new_cluster/num_workers\": 1, /trigger/x: 1, \"$..spark_version\": \"14\"}\n",
    );
    assert_eq!((&body["timeout_seconds"], &body["tags"]["new"]), (&json!(5), &json!([1])));
    assert_eq!(body["tasks"][0]["new_cluster"], json!({"num_workers": 1, "spark_version": "14"}));
    assert_eq!((body["tasks"][1].get("new_cluster"), body.get("trigger")), (None, None), "nothing is made up");
    let tags = apply("rules: [{name: r, set: {/tags/x: y}}]\n", &[job("2", json!({"name": "n"}))]);
    assert_eq!(tags.body("job", "2")["tags"], json!({"x": "y"}), "tags are begun");
    let element = made("    set: {/tasks/1/task_key: z, \"/tasks/*/task_key\": y, \"/tags/*\": all}\n");
    assert_eq!((&element["tasks"][1]["task_key"], &element["tags"]["tier"]), (&json!("y"), &json!("all")));
}

#[test]
fn merge_is_rfc_7396() {
    let body = made("    merge: {tags: {team: null, new: x}, tasks: [], description: d}\n");
    assert_eq!(body["tags"], json!({"tier": "1", "new": "x"}));
    assert_eq!((&body["tasks"], &body["description"]), (&json!([]), &json!("d")));
}

#[test]
fn patch_is_rfc_6902() {
    let operations = "    patch:\n      - {op: test, path: /name, value: nightly}\n      - {op: add, path: /tags/x, value: null}\n      \
        - {op: move, from: /tags/team, path: /tags/crew}\n      - {op: remove, path: /tasks/0}\n";
    let body = made(operations);
    assert_eq!(body["tags"], json!({"tier": "1", "x": null, "crew": "grid"}));
    assert_eq!(body["tasks"][0]["task_key"], "b");
    let failing = "rules:\n  - name: r\n    for: {kind: job}\n    patch: [{op: test, path: /name, value: other}]\n";
    let said = Applied::problem(failing, &[job("1", settings())]);
    assert!(said.starts_with("line 2: rule \"r\": job:nightly: the patch does not fit"), "{said}");
}

#[test]
fn clamp_touches_only_numbers_outside_the_range() {
    let body =
        made("    clamp: {/max_concurrent_runs: {max: 1}, /timeout_seconds: {min: 10, max: 90}, \"$..num_workers\": {max: 2}}\n");
    assert_eq!((&body["max_concurrent_runs"], &body["timeout_seconds"]), (&json!(1), &json!(60)));
    assert_eq!(body["tasks"][0]["new_cluster"]["num_workers"], 2);
    assert_eq!(made("    clamp: {/timeout_seconds: {min: 100}, /name: {max: 1}}\n")["timeout_seconds"], 100);
}

#[test]
fn rename_changes_the_name_and_the_key() {
    let applied = apply("rules:\n  - name: r\n    rename: {to: \"{name} (dr)\"}\n", &[job("1", settings())]);
    assert_eq!((applied.of("job", "1").key(), applied.body("job", "1")["name"].as_str()), ("nightly (dr)", Some("nightly (dr)")));
    let cluster = apply("rules:\n  - name: r\n    rename: {to: x}\n", &[cluster("c", json!({"cluster_name": "c"}))]);
    assert_eq!((cluster.of("cluster", "c").key(), &cluster.body("cluster", "c")["cluster_name"]), ("x", &json!("x")));
    let some = "rules:\n  - name: r\n    rename: {pattern: \"^prod-(.*)$\", to: \"dr-$1\"}\n";
    let two = apply(some, &[job("1", json!({"name": "prod-a"})), job("2", json!({"name": "b"}))]);
    assert_eq!((two.of("job", "1").key(), two.of("job", "2").key()), ("dr-a", "b"));
}

#[test]
fn urls_go_with_what_makes_no_sense_without_them() {
    let definition =
        json!({"spark_conf.url": {"type": "fixed", "value": "https://x"}, "num_workers": {"type": "fixed", "value": 1}});
    let objects = [
        cluster(
            "c",
            json!({"cluster_name": "c", "docker_image": {"url": "https://r/x"}, "spark_conf": {"a": "abfss://c@a/x", "b": "1"},
            "init_scripts": [{"workspace": {"destination": "/a"}}, {"s3": {"destination": "s3://x"}}]}),
        ),
        object("cluster_policy", "p", json!({"name": "p", "definition": definition.to_string()})),
    ];
    let applied = apply("rules:\n  - name: r\n    drop_urls: true\n", &objects);
    let spec = applied.body("cluster", "c");
    assert_eq!((spec.get("docker_image"), &spec["spark_conf"]), (None, &json!({"b": "1"})));
    assert_eq!(spec["init_scripts"], json!([{"workspace": {"destination": "/a"}}]));
    assert_eq!(applied.body("cluster_policy", "p")["definition"], r#"{"num_workers":{"type":"fixed","value":1}}"#);
}

#[test]
fn activations_are_paused_stripped_or_kept() {
    let job = [job("1", settings())];
    assert_eq!(apply("", &job).body("job", "1")["schedule"]["pause_status"], "PAUSED");
    let stripped = apply("activations: strip\n", &job);
    assert_eq!(stripped.body("job", "1").get("schedule"), None);
    assert!(
        stripped
            .of("job", "1")
            .changes()
            .iter()
            .any(|change| change.activation && change.at == "/schedule" && change.was.is_some())
    );
    let kept = "extends: clone\nrules:\n  - name: live\n    for: {tag: {team: grid}}\n    activations: keep\n";
    assert_eq!(apply(kept, &job).body("job", "1")["schedule"]["pause_status"], "UNPAUSED");
    assert!(rules(kept).may_run() && !rules("extends: clone\n").may_run());
    assert_eq!(apply("extends: clone\n", &job).body("job", "1")["schedule"]["pause_status"], "PAUSED", "unless asked");
}

#[test]
fn nothing_is_switched_on_by_the_way() {
    for actions in [
        "set: {/schedule/pause_status: UNPAUSED}",
        "merge: {trigger: {periodic: {interval: 1, unit: DAYS}}}",
        "patch: [{op: add, path: /continuous, value: {}}]",
        "merge: {new_thing: {}}",
    ] {
        let text = format!("rules:\n  - name: r\n    for: {{kind: job}}\n    {actions}\n");
        let paused = json!({"name": "j", "schedule": {"quartz_cron_expression": "x", "pause_status": "PAUSED"}});
        match RuleSet::parse(&text) {
            Ok(_) => {
                let said = Applied::problem(&text, &[job("1", paused)]);
                assert!(said.contains("would switch on `/"), "{said}");
            }
            Err(error) => assert!(error.text.contains("have no field `/new_thing`"), "{error}"),
        }
    }
    let idle = "rules:\n  - name: r\n    for: {kind: instance_pool}\n    set: {/min_idle_instances: 3}\n";
    assert!(Applied::problem(idle, &[object("instance_pool", "p", json!({"instance_pool_name": "p"}))]).contains("switch on"));
    let more = "rules:\n  - name: r\n    for: {kind: instance_pool}\n    set: {/min_idle_instances: 3}\n";
    let pool = apply_anyway(more, json!({"instance_pool_name": "p", "min_idle_instances": 5}));
    assert_eq!(pool, json!(0), "what ran at the source is off all the same");
}

fn apply_anyway(text: &str, pool: Value) -> Value {
    let applied = rules(text).apply(&[object("instance_pool", "p", pool)], &Code::default());
    applied.body("instance_pool", "p")["min_idle_instances"].clone()
}

#[test]
fn skip_takes_along_what_hangs_on_it() {
    let acl = json!({"access_control_list": []});
    let objects = [job("1", settings()), job("2", json!({"name": "other"})), hanging("permissions", "jobs/1", ("job", "1"), acl)];
    let applied =
        apply("rules:\n  - name: no-nightly\n    why: not here\n    for: {kind: job, name: night*}\n    skip: true\n", &objects);
    let reasons: Vec<_> = applied.left_out.iter().map(|one| (one.object.kind.as_str(), one.reason.as_str())).collect();
    let reason = "left out by rule \"no-nightly\": not here";
    assert_eq!(reasons, [("job", reason), ("permissions", reason)]);
    assert_eq!(applied.objects.len(), 1);
}

#[test]
fn objects_are_picked_by_all_that_is_said() {
    let objects = [
        job("1", settings()),
        job("2", json!({"name": "weekly", "tags": {"team": "lake"}, "max_concurrent_runs": 1})),
        cluster("c1", json!({"cluster_name": "nightly"})),
        content("notebook", "/Users/a@x.com/etl/load", b"1"),
        content("notebook", "/Shared/load", b"1"),
        hanging("permissions", "notebooks/7", ("notebook", "/Shared/load"), json!({})),
    ];
    let picked = |pick: &str| {
        let applied = apply(&format!("rules:\n  - name: r\n    for: {pick}\n    skip: true\n"), &objects);
        applied.left_out.iter().map(|one| one.object.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(picked("{name: nightly}"), ["job:1", "cluster:c1"]);
    assert_eq!(picked("{kind: job, name: [\"week*\", x]}"), ["job:2"]);
    assert_eq!(picked("{tag: {team: \"g*\"}}"), ["job:1"]);
    assert_eq!(picked("{where: \"$[?$.max_concurrent_runs > 1]\"}"), ["job:1"]);
    assert_eq!(picked("{where: \"$.tasks[?@.existing_cluster_id]\"}"), ["job:1"]);
    assert_eq!(picked("{path: /Users/*/etl}"), ["notebook:/Users/a@x.com/etl/load"]);
    assert_eq!(picked("{name: load, except: {path: \"/Users/**\"}}"), ["notebook:/Shared/load", "permissions:notebooks/7"]);
    assert_eq!(picked("{kind: permissions, path: /Shared}"), ["permissions:notebooks/7"]);
    assert_eq!(picked("{kind: [job, cluster], except: {kind: job}}"), ["cluster:c1"]);
}

#[test]
fn every_change_names_its_rule_and_what_was_there() {
    let text = "rules:\n  - name: small\n    why: quota\n    for: {kind: job}\n    clamp: {/max_concurrent_runs: {max: 1}}\n";
    let applied = apply(text, &[job("1", settings())]);
    let change = &applied.of("job", "1").changes()[0];
    assert_eq!((change.at.as_str(), &change.was, &change.now), ("/max_concurrent_runs", &Some(json!(7)), &Some(json!(1))));
    assert_eq!((change.rule.as_str(), change.reason.as_str(), change.activation), ("small", "quota", false));
    assert_eq!((applied.tally[0].objects, applied.tally[0].changes, applied.tally[0].line), (1, 1, Some(2)));
}

#[test]
fn what_matched_nothing_is_a_warning() {
    let text = "maps: {node_type: {m5: m6}, user: {a@x: b@x}}\nrules:\n  - name: none\n    for: {name: nobody}\n    skip: true\n  - name: still\n    move: {/Nowhere: /Somewhere}\n";
    let said: Vec<String> = apply(text, &[job("1", settings())]).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 3: rule \"none\": it matched nothing",
            "line 6: rule \"still\": it matched nothing",
            "rule \"maps:node_type\": \"m5\" matched nothing"
        ]
    );
}

#[test]
fn a_stamp_of_ones_own_is_never_sent() {
    let applied =
        apply("rules:\n  - name: r\n    for: {kind: job}\n    merge: {tags: {lifeboat_source: 1/2}}\n", &[job("1", settings())]);
    assert_eq!(applied.body("job", "1")["tags"], json!({"team": "grid", "tier": "1"}));
}

//! What holds for every rule file: what comes out is inert, the same each time, and at rest.

use super::super::{Code, RuleSet, Rules, sanitize};
use super::{cluster, job, object, rules};
use crate::object::Object;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Actions that a person may combine; each has the same effect the second time.
const ACTIONS: &[&str] = &[
    "drop: [\"$..email_notifications\"]",
    "drop: [/tags, /spark_conf]",
    "keep: [/schedule, /trigger, /tasks, /num_workers]",
    "set: {/tags/team: dr, /spark_conf/a: b}",
    "set: {\"$..num_workers\": 1}",
    "merge: {tags: {x: null, y: z}}",
    "clamp: {/max_concurrent_runs: {max: 2}, \"$..num_workers\": {min: 1, max: 3}}",
    "drop_urls: true",
    "activations: strip",
    "activations: pause",
    "rename: {pattern: \"^n$\", to: renamed}",
];

fn status() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![Just(None), Just(Some("PAUSED")), Just(Some("UNPAUSED"))]
}

prop_compose! {
    fn any_job()(schedule in status(), trigger in status(), runs in 0..9_i64, tag in "[a-c]{0,2}", address in any::<bool>()) -> Object {
        let starter = |status: Option<&str>| status.map_or(json!({"x": 1}), |status| json!({"pause_status": status}));
        let parameter = if address { "https://x/y" } else { "plain" };
        job("1", json!({"name": "n", "schedule": starter(schedule), "trigger": starter(trigger), "max_concurrent_runs": runs,
            "tags": {"x": tag}, "email_notifications": {"on_start": ["a@x"]},
            "tasks": [{"task_key": "a", "new_cluster": {"num_workers": runs}, "notebook_task": {"notebook_path": "/a", "base_parameters": {"p": parameter}}}]}))
    }
}

/// Rules with these actions.
fn written(picked: &[usize]) -> String {
    let rules = picked.iter().enumerate().map(|(at, action)| format!("  - {{name: r{at}, {}}}", ACTIONS[*action]));
    rules.collect::<Vec<_>>().join("\n") + "\n"
}

fn again(kind: &str, body: &Value) -> Object {
    match kind {
        "job" => job("1", body.clone()),
        _ => cluster("c", body.clone()),
    }
}

proptest! {
    #[test]
    fn rules_come_to_rest(job in any_job(), workers in 0..9_i64, picked in proptest::collection::vec(0..ACTIONS.len(), 1..5)) {
        let text = written(&picked);
        let set = rules(&format!("maps: {{storage: {{\"https://x\": \"https://z\"}}}}\nrules:\n{text}"));
        let cluster = cluster("c", json!({"cluster_name": "n", "num_workers": workers, "spark_conf": {"a": "1"}}));
        let first = set.apply(&[job, cluster], &Code::default());
        let same = set.apply(&first.objects.iter().map(|one| again(one.kind().name, &Value::Object(one.json().unwrap_or_default()))).collect::<Vec<_>>(), &Code::default());
        for (one, other) in first.objects.iter().zip(&same.objects) {
            prop_assert_eq!(one.json(), other.json(), "{}", text);
            prop_assert_eq!(one.key(), other.key());
        }
    }

    #[test]
    fn whatever_rules_say_it_is_inert(job in any_job(), picked in proptest::collection::vec(0..ACTIONS.len(), 0..5), set in 0..3_usize) {
        let base = ["standby", "clone", "audit-sandbox"][set];
        let text = written(&picked);
        let rules = rules(&format!("extends: {base}\nrules:\n{}", if picked.is_empty() { "  []\n" } else { &text }));
        let applied = rules.apply(&[job], &Code::default());
        let body = Value::Object(applied.objects[0].json().unwrap_or_default());
        for starter in ["/schedule", "/trigger"] {
            prop_assert!(body.pointer(starter).is_none_or(|starter| starter["pause_status"] == "PAUSED"), "{} {}", text, body);
        }
    }
}

#[test]
fn no_rules_are_the_standby_rules() {
    let objects = [
        job("1", json!({"name": "n", "schedule": {"x": 1}, "tasks": [{"task_key": "a"}]})),
        object("instance_pool", "p", json!({"instance_pool_name": "p", "min_idle_instances": 3})),
    ];
    let applied = RuleSet::default().apply(&objects, &Code::default());
    for (object, one) in objects.iter().zip(&applied.objects) {
        let alone = sanitize(&Rules::standby(), object);
        assert_eq!((one.json(), one.changes(), one.source()), (alone.json(), alone.changes(), alone.source()));
    }
}

#[test]
fn built_in_sets_are_good_and_strict() {
    for (name, text) in super::super::BUILT_IN {
        assert!(RuleSet::built_in(name).expect("good").is_some(), "{name}");
        assert!(RuleSet::parse(text).is_ok() && RuleSet::parse(&format!("extends: {name}\n")).is_ok());
        assert_eq!(RuleSet::parse(&format!("extends: {name}\nactivations: keep\n")).is_ok(), *name == "clone");
    }
    assert!(RuleSet::built_in("mine").expect("no error").is_none());
}

#[test]
fn the_schema_knows_what_the_reader_knows() {
    let schema = RuleSet::schema();
    assert_eq!(schema["additionalProperties"], false);
    let kinds = schema["$defs"]["Kind"]["enum"].as_array().expect("kinds");
    assert_eq!(kinds.len(), crate::kinds::all().len());
    let rule = schema["$defs"]["Rule"]["properties"].as_object().expect("a rule");
    assert!(["for", "move", "set", "clamp", "drop_urls"].iter().all(|name| rule.contains_key(*name)));
    assert_eq!(schema["$defs"]["Rule"]["required"], json!(["name"]));
}

//! What was blanked at export, and still needs a person after rules.

use super::{apply, cluster, job};
use crate::object::{Object, REDACTED};
use serde_json::json;

fn left(rules: &str, object: Object) -> Vec<String> {
    let (kind, id) = (object.kind.name, object.id.clone());
    apply(rules, &[object]).of(kind, &id).redactions().iter().map(|one| one.at.clone()).collect()
}

fn with_parameter() -> Object {
    let python = json!({"parameters": ["--db-password", REDACTED, "--verbose"]});
    let tasks = json!([{"task_key": "a", "spark_python_task": python}, {"task_key": "b", "spark_jar_task": {}}]);
    job("1", json!({"name": "j", "tasks": tasks}))
}

const PARAMETER: &str = "/tasks/0/spark_python_task/parameters/1";

#[test]
fn an_element_that_takes_the_place_of_a_blank_does_not_fill_it() {
    assert_eq!(left("", with_parameter()), [PARAMETER]);
    let rule = |act: &str| format!("rules:\n  - name: r\n    for: {{kind: job}}\n    {act}\n");
    let at = "/tasks/0/spark_python_task/parameters";
    for kept in [format!("set: {{{at}/1: --quiet}}"), format!("drop: [{at}/1]"), "drop: [/tasks/1]".into()] {
        assert_eq!(left(&rule(&kept), with_parameter()), [PARAMETER], "{kept}");
    }
    for filled in [
        format!("set: {{{at}: [--db-password, \"{{{{secrets/a/b}}}}\", -v]}}"),
        format!("drop: [{at}]"),
        "drop: [/tasks/0]".into(),
    ] {
        assert!(left(&rule(&filled), with_parameter()).is_empty(), "{filled}");
    }
}

#[test]
fn an_address_without_its_login_needs_one() {
    let index = format!("https://me:{REDACTED}@old.example/simple");
    let whole = || {
        job(
            "1",
            json!({"name": "j", "git_source": {"git_url": format!("https://{REDACTED}@old.example/x"), "git_provider": "gitLab"},
            "environments": [{"environment_key": "e", "spec": {"dependencies": [format!("--index-url {index}")]}}],
            "tasks": [{"task_key": "a", "libraries": [{"pypi": {"package": "x", "repo": index}}]}]}),
        )
    };
    let all = ["/environments/0/spec/dependencies/0", "/git_source/git_url", "/tasks/0/libraries/0/pypi/repo"];
    assert_eq!(left("", whole()), all);
    assert_eq!(left("maps: {git_host: {old.example: new.example}}\n", whole()), all, "another host is no login");
    let set = "rules:\n  - name: r\n    set: {/git_source/git_url: \"https://git.invalid/x\"}\n    drop: [$..libraries]\n";
    assert_eq!(left(set, whole()), [all[0]]);
}

#[test]
fn what_a_rule_fills_or_leaves_out_needs_nobody() {
    let whole = || cluster("c", json!({"cluster_name": "c", "spark_env_vars": {"A_TOKEN": REDACTED}}));
    let rule = |act: &str| format!("rules:\n  - name: r\n    {act}\n");
    assert_eq!(left(&rule("set: {/spark_conf: {}}"), whole()), ["/spark_env_vars/A_TOKEN"]);
    assert!(left(&rule("set: {/spark_env_vars/A_TOKEN: \"{{secrets/a/b}}\"}"), whole()).is_empty());
    assert!(left(&rule("drop: [/spark_env_vars]"), whole()).is_empty(), "empty and absent are one");
}

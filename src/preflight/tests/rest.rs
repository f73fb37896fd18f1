//! What a table cannot say: rules of policies one by one, suggestions, the offline half, and what could not be asked.

use super::super::ask::Person;
use super::super::*;
use super::{World, cluster};
use crate::plan::tests::{acl, folder, hanging, object};
use crate::rules::RuleSet;
use serde_json::{Value, json};

/// What the policy check says of a cluster under a policy with one rule.
fn verdicts(rule: &Value, more: Value) -> Vec<(Severity, String)> {
    let mut more = more;
    more["policy_id"] = json!("p");
    let policy = object("cluster_policy", "p", json!({"name": "p", "definition": rule.to_string()}));
    let findings = World::of(vec![policy, cluster("c", more)]).report().findings;
    findings.into_iter().filter(|one| one.check == Check::Policy).map(|one| (one.severity, one.text)).collect()
}

#[test]
fn policies_are_kept_rule_by_rule() {
    let range = |low: i64, high: i64| json!({"num_workers": {"type": "range", "minValue": low, "maxValue": high}});
    let kept: &[(Value, Value)] = &[
        (json!({"num_workers": {"type": "fixed", "value": "1"}}), json!({})),
        (range(1, 4), json!({})),
        (json!({"spark_conf.a.b": {"type": "regex", "pattern": "x|y+"}}), json!({"spark_conf": {"a.b": "yy"}})),
        (json!({"spark_conf.a": {"type": "forbidden"}}), json!({})),
        (json!({"cluster_type": {"type": "fixed", "value": "all-purpose"}}), json!({})),
        (json!({"autoscale.max_workers": {"type": "range", "maxValue": 4, "isOptional": true}}), json!({})),
        (json!({"custom_tags.team": {"type": "fixed", "value": "x"}}), json!({})),
        (json!({"node_type_id": {"type": "unlimited", "defaultValue": "x"}}), json!({})),
        (
            json!({"cluster_log_conf.type": {"type": "fixed", "value": "DBFS"}}),
            json!({"cluster_log_conf": {"dbfs": {"destination": "dbfs:/logs"}}}),
        ),
        (
            json!({"init_scripts.*.s3.destination": {"type": "forbidden"}}),
            json!({"init_scripts": [{"workspace": {"destination": "/Users/x"}}]}),
        ),
    ];
    for (rule, more) in kept {
        assert_eq!(verdicts(rule, more.clone()), [], "{rule}");
    }
    let broken: &[(Value, Value, &str)] = &[
        (range(2, 4), json!({}), "out of its range"),
        (json!({"spark_conf.a.b": {"type": "regex", "pattern": "x|y"}}), json!({"spark_conf": {"a.b": "xy"}}), "does not fit"),
        (json!({"cluster_type": {"type": "fixed", "value": "job"}}), json!({}), "fixes `cluster_type`"),
        (
            json!({"data_security_mode": {"type": "blocklist", "values": ["NONE"]}}),
            json!({"data_security_mode": "NONE"}),
            "forbids \"NONE\"",
        ),
        (json!({"node_type_id": {"type": "allowlist", "values": ["Standard_D8ds_v5"]}}), json!({}), "does not allow"),
        (
            json!({"init_scripts.*.s3.destination": {"type": "forbidden"}}),
            json!({"init_scripts": [{"s3": {"destination": "s3://b/x"}}]}),
            "forbids",
        ),
        (
            json!({"cluster_log_conf.path": {"type": "regex", "pattern": "dbfs:/logs.*"}}),
            json!({"cluster_log_conf": {"dbfs": {"destination": "dbfs:/x"}}}),
            "does not fit",
        ),
    ];
    for (rule, more, words) in broken {
        let found = verdicts(rule, more.clone());
        assert!(matches!(found.as_slice(), [(Severity::Blocker, text)] if text.contains(words)), "{rule}: {found:?}");
    }
    let unknown: &[Value] = &[
        json!({"dbus_per_hour": {"type": "range", "maxValue": 4}}),
        json!({"spark_version": {"type": "regex", "pattern": "(?=x)"}}),
        json!({"spark_version": {"type": "conjecture"}}),
        json!({"data_security_mode": {"type": "allowlist", "values": ["SINGLE_USER"]}}),
    ];
    for rule in unknown {
        assert!(matches!(verdicts(rule, json!({})).as_slice(), [(Severity::Note, _)]), "{rule}: never a silent pass");
    }
}

#[test]
fn a_family_is_laid_under_its_overrides() {
    let family = object(
        "policy_family",
        "f",
        json!({"policy_family_id": "f", "definition": r#"{"num_workers": {"type": "fixed", "value": 5}}"#}),
    );
    let policy = |overrides: Value| {
        object(
            "cluster_policy",
            "p",
            json!({"name": "p", "policy_family_id": "f", "policy_family_definition_overrides": overrides.to_string()}),
        )
    };
    let found = |overrides: Value| {
        let mut world = World::of(vec![policy(overrides), cluster("c", json!({"policy_id": "p"}))]);
        world.recorded = vec![family.clone()];
        world.report().findings.iter().filter(|one| one.check == Check::Policy).count()
    };
    assert_eq!((found(json!({})), found(json!({"num_workers": {"type": "fixed", "value": 1}}))), (1, 0));
}

#[test]
fn a_job_cluster_stands_under_its_policy_too() {
    let policy = object(
        "cluster_policy",
        "p",
        json!({"name": "p", "definition": r#"{"cluster_type": {"type": "fixed", "value": "all-purpose"}}"#}),
    );
    let job = json!({"settings": {"name": "j", "job_clusters": [{"job_cluster_key": "a", "new_cluster":
        {"policy_id": "p", "node_type_id": "Standard_D4ds_v5", "spark_version": "15.4.x-scala2.12", "num_workers": 1}}]}});
    let report = World::of(vec![policy, object("job", "1", job)]).report();
    let found: Vec<_> = report.findings.iter().filter(|one| one.check == Check::Policy).collect();
    assert!(matches!(found.as_slice(), [one] if one.objects == ["job:j (1) /job_clusters/0/new_cluster"]), "{found:#?}");
}

#[test]
fn suggestions_are_rules_that_make_their_findings_vanish() {
    let list = acl(&[("user_name", "me@x.com", "IS_OWNER"), ("user_name", "Ada@old.example", "CAN_VIEW")]);
    let mut world = World::of(vec![
        cluster(
            "c",
            json!({"node_type_id": "Standard_DS4_v2", "spark_version": "14.3.x-scala2.12", "aws_attributes": {"zone_id": "us-west-2a"}}),
        ),
        object("job", "1", json!({"settings": {"name": "j"}})),
        hanging("permissions", "jobs/1", ("job", "1"), list),
    ]);
    world.offer().people = Ok(vec![Person { kind: "user", key: "ada@new.example".into(), display: "Ada".into() }]);
    let report = world.report();
    assert_eq!(report.count(Severity::Blocker), 3, "{report:#?}");
    let text = snippet(&report.maps, "standby").expect("suggestions");
    let rules = RuleSet::parse(&text).expect("they are rules");
    assert_eq!(
        rules.maps().all().collect::<Vec<_>>(),
        [
            ("node_type", "Standard_DS4_v2", "Standard_D8ds_v5"),
            ("spark_version", "14.3.x-scala2.12", "15.4.x-scala2.12"),
            ("user", "Ada@old.example", "ada@new.example"),
            ("zone", "us-west-2a", "auto"),
        ]
    );
    world.rules = Box::leak(text.into_boxed_str());
    world.target.push(object("user", "7", json!({"userName": "ada@new.example"})));
    let mended = world.report();
    assert_eq!((mended.count(Severity::Blocker), mended.count(Severity::Warning), mended.maps.len()), (0, 0, 0), "{mended:#?}");
}

#[test]
fn what_could_not_be_asked_is_told_and_only_where_it_matters() {
    let no = || "GET /x answered 404".to_owned();
    let silent = Offer {
        caller: Err(no()),
        machines: Err(no()),
        runtimes: Err(no()),
        zones: Err(no()),
        switches: Err(no()),
        permissions: Err(no()),
        git: Err(no()),
        people: Err(no()),
        paths: BTreeMap::from([("dbfs:/a.jar".to_owned(), Err(no())), ("/Volumes/c/s/v".to_owned(), Err(no()))]),
    };
    let list = acl(&[("user_name", "me@x.com", "IS_OWNER"), ("group_name", "users", "CAN_VIEW")]);
    let everything = vec![
        cluster("c", json!({"aws_attributes": {"zone_id": "us-west-2a"}})),
        object(
            "job",
            "1",
            json!({"settings": {"name": "j", "tasks": [{"task_key": "t", "libraries": [{"jar": "dbfs:/a.jar"}]}]}}),
        ),
        hanging("permissions", "jobs/1", ("job", "1"), list),
        object("user", "1", json!({"userName": "new@x.com"})),
        object("repo", "/Repos/team/a", json!({"path": "/Repos/team/a", "url": "https://github.com/a/b", "provider": "gitHub"})),
        folder("directory", "/Repos/team"),
        crate::plan::tests::content("volume_file", "/Volumes/c/s/v/x", b"x", &json!({})),
    ];
    let mut world = World::of(everything);
    world.target.push(object("group", "g", json!({"displayName": "users"})));
    world.offer = Some(silent.clone());
    let report = world.report();
    let untold: Vec<&str> =
        report.findings.iter().filter(|one| one.check == Check::Unchecked).map(|one| one.text.as_str()).collect();
    for words in [
        "caller may do",
        "node types",
        "runtimes",
        "zones",
        "features",
        "permissions",
        "Git credentials",
        "who is in",
        "dbfs:/a.jar",
        "the volume",
    ] {
        assert_eq!(untold.iter().filter(|text| text.contains(words)).count(), 1, "{words}: {untold:#?}");
    }
    assert_eq!((untold.len(), report.is_whole()), (10, false));
    let mut small = World::of(vec![]);
    small.offer = Some(silent);
    let untold = small.report().findings.iter().filter(|one| one.check == Check::Unchecked).count();
    assert_eq!(untold, 2, "who asks and what is switched on are always asked");
}

#[test]
fn offline_only_what_would_dangle_anywhere_is_told() {
    let sql = json!({"settings": {"name": "j", "tasks": [
        {"task_key": "a", "sql_task": {"warehouse_id": "w"}}, {"task_key": "b", "sql_task": {"query": {"query_id": "gone"}}},
        {"task_key": "c", "libraries": [{"jar": "dbfs:/a.jar"}]}]}});
    let mut world = World::of(vec![
        object("job", "1", sql),
        cluster("c", json!({"node_type_id": "whatever", "policy_id": "d"})),
        object("cluster_policy", "d", json!({"name": "Job Compute", "is_default": true, "policy_family_id": "f"})),
        object("user", "1", json!({"userName": "ada@x.com"})),
    ]);
    world.recorded = vec![
        object("warehouse", "w", json!({"name": "reporting"})),
        object("policy_family", "f", json!({"policy_family_id": "f", "definition": "{}"})),
    ];
    world.offer = None;
    let report = world.report();
    let told: Vec<_> = report.findings.iter().map(|one| (one.severity, one.check, one.text.as_str())).collect();
    assert_eq!(
        told,
        [
            (Severity::Blocker, Check::Reference, "query \"gone\" is referred to, and the bundle does not have it"),
            (Severity::Warning, Check::File, "dbfs:/a.jar is not in the bundle"),
        ]
    );
    assert!(report.target.is_none() && report.is_whole());
}

//! What is found in objects that could do harm, break or be missed, and what is left alone.

use super::*;
use crate::object::{Body, made};
use serde_json::{Value, json};

struct Held(Vec<(&'static str, &'static str)>);

impl Texts for Held {
    fn each(&self, objects: &[&Object], visit: &Visit<'_>) -> io::Result<Vec<(SourceId, String)>> {
        let mut unread = Vec::new();
        for object in objects {
            match self.0.iter().find(|(id, _)| *id == object.id) {
                Some((_, text)) => visit(object, text.as_bytes()),
                None => unread.push((object.source(), "it is damaged".to_owned())),
            }
        }
        Ok(unread)
    }
}

fn object(kind: &str, id: &str, key: &str, document: Value) -> Object {
    let len = document.as_u64();
    let object = made::object(kind, id, key, document);
    len.map_or(object.clone(), |len| Object { body: Body::Stored { len, sha256: [0; 32] }, ..object })
}

fn found(objects: &[Object], texts: &Held) -> Report {
    let at = "2026-11-26T14:00:00Z".parse().expect("a time");
    let access = Access::new(&objects.iter().collect::<Vec<_>>(), crate::access::Source::default());
    look(&Facts { objects, recorded: &[], access: &access, blanked: &[], texts, at }).expect("texts in memory")
}

fn told(report: &Report) -> Vec<String> {
    report.findings.iter().map(|one| format!("{} {}: {}", one.severity.name(), one.check, one.text)).collect()
}

#[test]
fn a_secret_is_told_by_its_place_and_never_repeated() {
    let token = format!("dapi{}", "0123456789abcdef".repeat(2));
    let source: &'static str =
        format!("# Databricks notebook source\nx = 1\n# COMMAND ----------\nt = \"{token}\"\npassword = 'hunter2!'\n").leak();
    let jupyter: &'static str =
        json!({"cells": [{"source": ["a\n"]}, {"source": ["b\n", format!("t = '{token}'")], "outputs": [{"text": ["x"]}]}]})
            .to_string()
            .leak();
    let objects = [
        object("notebook", "/a", "/a", json!(9)),
        object("notebook", "/b", "/b", json!(9)),
        object(
            "cluster",
            "1-2-c",
            "c",
            json!({"autotermination_minutes": 9, "spark_env_vars": {"X": token, "MY_PASSWORD": "hunter2!"}}),
        ),
        object("file", "/gone", "/gone", json!(9)),
        object("file", "/long", "/long", json!(LONGEST + 1)),
    ];
    let report = found(&objects, &Held(vec![("/a", source), ("/b", jupyter)]));
    assert_eq!(
        told(&report),
        [
            "high clear_secret: a Databricks token stands in clear text",
            "high clear_secret: a value under the name of a secret stands in clear text",
            "medium unread: it could not be looked into: it is damaged",
            "low unread: it is longer than 16 MiB, and was not looked into",
        ]
    );
    let places: Vec<String> =
        report.findings[0].places.iter().chain(&report.findings[1].places).map(ToString::to_string).collect();
    assert_eq!(
        places,
        [
            "cluster:c at /spark_env_vars/X",
            "notebook:/a at cell 2, line 4",
            "notebook:/b at cell 2, line 2",
            "cluster:c at /spark_env_vars/MY_PASSWORD",
            "notebook:/a at cell 2, line 5",
        ]
    );
    let all = format!("{report:?}{}", serde_json::to_string(&report).expect("JSON"));
    assert!(!all.contains("dapi") && !all.contains("hunter"), "{all}");
}

#[test]
fn owners_who_left_and_what_runs_as_them() {
    let list = |job: &str, entries: Value| {
        let mut list = object("permissions", &format!("jobs/{job}"), "", json!({"access_control_list": entries}));
        list.meta.insert("parent", json!({"kind": "job", "id": job}));
        list
    };
    let owner = |name: &str| json!([{"user_name": name, "all_permissions": [{"permission_level": "IS_OWNER"}]}]);
    let objects = [
        object("user", "1", "Ada@x", json!({"id": "1", "userName": "Ada@x", "active": true})),
        object("user", "2", "emil@x", json!({"id": "2", "userName": "emil@x", "active": false})),
        object("job", "1", "good", json!({"run_as_user_name": "ADA@x", "settings": {}})),
        object("job", "2", "left", json!({"settings": {"run_as": {"user_name": "emil@x"}}})),
        object("job", "3", "gone", json!({"run_as_user_name": "nobody@x", "settings": {}})),
        object("job", "4", "free", json!({"run_as_user_name": "ada@x", "settings": {}})),
        list("1", owner("ada@x")),
        list("2", owner("emil@x")),
        list("3", owner("nobody@x")),
        list("4", json!([{"group_name": "users", "all_permissions": [{"permission_level": "CAN_VIEW"}]}])),
    ];
    let report = found(&objects, &Held(vec![]));
    assert_eq!(
        told(&report),
        [
            "high owner: the owner emil@x is disabled",
            "high owner: the owner nobody@x is gone",
            "high run_as: runs as emil@x, who is disabled",
            "high run_as: runs as nobody@x, who is gone",
            "medium owner: it has no owner",
        ]
    );
    assert_eq!(report.findings[4].objects, ["job:free"]);
}

#[test]
fn clusters_jobs_and_policies_by_what_they_run_on() {
    let policy = json!({"spark_version": {"type": "fixed", "value": "14.3.x-scala2.12"}}).to_string();
    let objects = [
        object(
            "cluster",
            "a",
            "old",
            json!({"spark_version": "13.3.x-scala2.12", "autotermination_minutes": 0,
            "init_scripts": [{"dbfs": {"destination": "dbfs:/x.sh"}}, {"volumes": {"destination": "/Volumes/a/b/c/x.sh"}}]}),
        ),
        object("cluster_policy", "b", "soon", json!({"definition": policy})),
        object(
            "job",
            "7",
            "j",
            json!({"settings": {"job_clusters": [{"new_cluster": {"spark_version": "10.3.x-scala2.12"}}],
            "tasks": [{"spark_python_task": {"python_file": "dbfs:/mnt/code/x.py"}}]}}),
        ),
    ];
    let report = found(&objects, &Held(vec![]));
    assert_eq!(
        told(&report),
        [
            "high runtime: the runtime 10.3.x-scala2.12 was removed: no cluster starts with it",
            "high init_script: an init script lies in DBFS, from where new clusters do not run any",
            "medium runtime: support of the runtime 13.3.x-scala2.12 ended on 2026-08-22",
            "medium mount: the mount /mnt/code is used",
            "medium always_on: the cluster does not end by itself when nobody uses it",
            "low runtime: support of the runtime 14.3.x-scala2.12 ends on 2027-02-01",
        ]
    );
    assert_eq!(report.findings[5].places[0].pointer.as_deref(), Some("/definition/#/spark_version/value"));
}

#[test]
fn what_starts_by_itself_and_when() {
    let job = |settings: Value| json!({"run_as_user_name": "ada@x", "settings": settings});
    let cron = |expression: &str, zone: &str, status: &str| json!({"quartz_cron_expression": expression, "timezone_id": zone, "pause_status": status});
    let objects = [
        object("job", "1", "a", job(json!({"schedule": cron("0 30 2 * * ?", "Europe/Berlin", "UNPAUSED")}))),
        object("job", "2", "b", job(json!({"schedule": cron("0 0 * * * ?", "UTC", "PAUSED")}))),
        object(
            "job",
            "3",
            "c",
            job(
                json!({"triggers": [{"pause_status": "PAUSED", "file_arrival": {"url": "/x"}}, {"schedule": cron("0 0/30 * * * ?", "Asia/Kolkata", "UNPAUSED")}]}),
            ),
        ),
        object(
            "job",
            "4",
            "d",
            job(json!({"continuous": {"pause_status": "UNPAUSED"}, "trigger": {"periodic": {"interval": 6, "unit": "HOURS"}}})),
        ),
        object("job", "5", "e", job(json!({"schedule": cron("whenever", "UTC", "UNPAUSED")}))),
        object("job", "6", "f", job(json!({"schedule": cron("0 0 1 * * ?", "Mars/Olympus", "UNPAUSED")}))),
    ];
    let report = found(&objects, &Held(vec![]));
    let line = |one: &Schedule| {
        let first = one.runs.first().map(|run| format!("{} {}", run.at, run.local)).unwrap_or_default();
        format!("{} {} {} {:?} {first}", one.object, one.starter.name(), one.paused, one.count)
    };
    assert_eq!(
        report.schedules.iter().map(line).collect::<Vec<_>>(),
        [
            "job:a cron false Some(1) 2026-11-27T01:30:00Z 2026-11-27T02:30:00+01:00",
            "job:b cron true Some(0) ",
            "job:c event true None ",
            "job:c cron false Some(48) 2026-11-26T14:00:00Z 2026-11-26T19:30:00+05:30",
            "job:d continuous false None ",
            "job:d periodic false None ",
            "job:e cron false None ",
            "job:f cron false None ",
        ]
    );
    assert_eq!(told(&report).len(), 2, "{:?}", told(&report));
    assert_eq!(report.schedules[0].run_as.as_deref(), Some("ada@x"));
}

#[test]
fn a_cell_is_told_where_there_are_several() {
    let objects = [object("file", "/a", "/a", json!(9)), object("file", "/b", "/b", json!(9))];
    let quoted = "x = 'COMMAND ----------'\nfs.mount(1)";
    let cells = "-- Databricks notebook source\n# COMMAND ----------\nfs.mount(1)\n-- COMMAND ----------\nfs.mount(2)";
    let report = found(&objects, &Held(vec![("/a", quoted), ("/b", cells)]));
    let places: Vec<String> = report.findings.iter().flat_map(|one| &one.places).map(ToString::to_string).collect();
    assert_eq!(places, ["file:/a at line 2", "file:/b at cell 1, line 3", "file:/b at cell 2, line 5"]);
}

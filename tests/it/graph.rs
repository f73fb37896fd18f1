//! What needs what, as a person asks it of a bundle of the sample.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::cli::{Stage, code, err, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap()
}

/// Asks the bundle.
fn ask(stage: &Stage, bundle: &Path, arguments: &[&str]) -> Output {
    stage.run(&stage.source, &[&["graph", text(bundle)], arguments].concat())
}

/// The nodes of an answer as `kind:name`.
fn nodes(value: &Value) -> BTreeSet<String> {
    let text = |node: &Value, field: &str| node[field].as_str().unwrap().to_owned();
    value["nodes"].as_array().unwrap().iter().map(|node| format!("{}:{}", text(node, "kind"), text(node, "name"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_needs_what_its_cluster_and_its_notebooks_need() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let asked = ask(&stage, &bundle, &["job:nightly settlement"]);
    code(&asked, 0);
    let tree = out(&asked);
    for line in [
        "├─ uses cluster shared autoscale  [0612-090001-abcd1111]",
        "│  ├─ uses cluster policy etl autoscale  [B2000000000000B2]",
        "│  └─ includes notebook /Shared/Reporting/finance/accruals",
    ] {
        assert!(tree.contains(line), "{tree}");
    }
    assert!(tree.lines().all(|line| line.chars().count() <= 80), "{tree}");
    assert!(tree.contains("UNAVAILABLE: not there at the source; referred to by") && !tree.contains("MISSING"), "{tree}");
    let near = json(&ask(&stage, &bundle, &["job:nightly settlement", "--depth", "1", "--json"]));
    assert!(near["cut"] == true && !nodes(&near).contains("notebook:/Shared/Reporting/finance/accruals"), "{near}");
    let without = nodes(&json(&ask(&stage, &bundle, &["job:nightly settlement", "--no-code", "--json"])));
    assert!(
        without.contains("notebook:/Shared/Reporting/board_pack")
            && !without.contains("notebook:/Shared/Reporting/finance/accruals")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_depends_on_a_thing_is_found_through_what_lies_between() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let reverse = |object: &str| nodes(&json(&ask(&stage, &bundle, &[object, "--reverse", "--json"])));
    let scope = reverse("secret_scope:platform");
    for expected in [
        "cluster:lake keys",
        "job:stream readings",
        "notebook:/Shared/Ingest/Wetter & Klima/dwd_forecast",
        "job:weather every 6 hours",
    ] {
        assert!(scope.contains(expected), "{scope:?}");
    }
    let folder = reverse("directory:/Shared/Ingest");
    assert!(folder.contains("notebook:/Shared/Ingest/Smart meters/replay_gaps"), "by `%run ./load_readings`: {folder:?}");
    assert!(folder.contains("job:nightly settlement") && !folder.contains("directory:/Shared/Ingest/empty landing"));
    let person = reverse("user:emil.novak@northwind.example");
    assert!(person.contains("job:on a cluster that is gone"), "{person:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_secret_is_told_with_what_reads_it() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let asked = ask(&stage, &bundle, &["--secrets"]);
    code(&asked, 0);
    let asked = out(&asked);
    let scopes = stage.run(&stage.source, &["list", text(&bundle), "--kind", "secret_scope", "--json"]);
    let scopes: Vec<Value> = out(&scopes).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(scopes.len() > 2);
    for scope in &scopes {
        let name = scope["key"].as_str().unwrap();
        assert!(asked.lines().any(|line| line.starts_with(&format!("secret scope {name}"))), "{name}\n{asked}");
        let alone = out(&ask(&stage, &bundle, &[&format!("secret_scope:{name}"), "--reverse"]));
        assert!(alone.lines().filter(|line| line.contains('─')).all(|line| asked.contains(line)), "{alone}\n{asked}");
    }
    let graphs = out(&ask(&stage, &bundle, &["--secrets", "--json"]));
    assert_eq!(graphs.lines().count(), scopes.len());
    code(&ask(&stage, &bundle, &["job:settle", "--secrets"]), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_references_and_orphans_are_findings() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let broken = ask(&stage, &bundle, &["--broken", "--json"]);
    code(&broken, 4);
    let broken = json(&broken);
    let ends: Vec<(&str, &str)> = broken["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["from"]["name"].as_str().unwrap(), one["to"]["id"].as_str().unwrap()))
        .collect();
    assert_eq!(
        ends,
        [
            ("shared autoscale", "/Volumes/energy/ops/libs/gone.jar"),
            ("etl", "/FileStore/eggs/old.egg"),
            ("orphan of a policy", "DEAD00000000BEEF"),
            ("on a cluster that is gone", "0101-000000-gone0000"),
            ("sql checks", "d0000000-0000-4000-8000-00000000dead"),
        ]
    );
    assert_eq!(broken["broken"][2]["at"], serde_json::json!([{ "pointer": "/spec/policy_id" }, { "pointer": "/policy_id" }]));
    let orphans = ask(&stage, &bundle, &["--orphans"]);
    code(&orphans, 4);
    let orphans = out(&orphans);
    for expected in
        ["georg's single node [0612-090004-abcd4444]", "    vault reader [", "    empty-scope\n", "kv-northwind/sql-password"]
    {
        assert!(orphans.contains(expected), "{orphans}");
    }
    for busy in ["shared autoscale", "Personal Compute", "kv-northwind/api-key", "nightly settlement"] {
        assert!(!orphans.contains(busy), "{orphans}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_hold_nothing_but_the_picture_and_are_for_their_owner() {
    let stage = Stage::set().await;
    let (bundle, file) = (stage.bundle(), stage.path("picture.svg"));
    code(&ask(&stage, &bundle, &["--svg", text(&file)]), 0);
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg xmlns=") && svg.trim_end().ends_with("</svg>"));
    for foreign in ["<script", "http://", "href", "@import", "onload"] {
        let count = svg.matches(foreign).count();
        assert_eq!(count, usize::from(foreign == "http://"), "{foreign}: only the namespace has an address");
    }
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
    code(&ask(&stage, &bundle, &["--svg", text(&bundle)]), 5);
    let dot = out(&ask(&stage, &bundle, &["job:nightly settlement", "--dot"]));
    assert!(dot.starts_with("digraph lifeboat {") && dot.contains("[label=\"runs as\"]"), "{dot}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_several_or_of_none_is_told() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let several = ask(&stage, &bundle, &["cluster:etl"]);
    code(&several, 4);
    assert!(out(&several).contains("cluster:0612-090003-abcd3333"));
    let none = ask(&stage, &bundle, &["job:nightly"]);
    code(&none, 1);
    assert!(err(&none).contains("the bundle holds no object \"job:nightly\""), "{}", err(&none));
    let part = stage.path("jobs.tar.zst");
    code(&stage.run(&stage.source, &["export", "--unlimited", "-q", "--include", "job", "-o", text(&part)]), 0);
    let half = ask(&stage, &part, &["job:nightly settlement"]);
    code(&half, 3);
    assert!(out(&half).contains("incomplete: no all-purpose clusters were read (excluded: not asked for)"), "{}", out(&half));
}

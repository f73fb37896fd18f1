//! What the sample's bundle shows of risks, and what no answer ever shows.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::forge::{Forge, object};
use crate::import::bundle_of;
use lifeboat::simulator::Seed;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn lifeboat(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lifeboat")).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The secrets that were planted in the sample.
pub(crate) fn canaries() -> Vec<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sample/canaries.txt");
    std::fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_risks_of_the_sample_are_found_and_no_secret_is_told() {
    let bundled = bundle_of(Seed::Sample).await;
    let json = lifeboat(&["risk", text(&bundled.path), "--json"]);
    assert_eq!(json.status.code(), Some(4), "{json:?}");
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let has = |check: &str, part: &str, object: &str| {
        findings.iter().any(|one| {
            one["check"] == check
                && one["text"].as_str().unwrap().contains(part)
                && one["objects"].as_array().unwrap().iter().any(|name| name.as_str().unwrap().contains(object))
        })
    };
    assert!(has("runtime", "13.3.x-scala2.12 ended on 2026-08-22", "orphan of a policy"), "{findings:#?}");
    assert!(has("init_script", "lies in DBFS", "shared autoscale"), "{findings:#?}");
    assert!(has("always_on", "cluster does not end", "container"), "{findings:#?}");
    assert!(has("owner", "emil.novak@northwind.example is disabled", "on a cluster that is gone"), "{findings:#?}");
    assert!(has("owner", "it has no owner", "nobody's job"), "{findings:#?}");
    assert!(has("clear_secret", "blanked", "shared autoscale"), "{findings:#?}");
    assert!(has("elsewhere", "", "") || findings.iter().any(|one| one["check"] == "reference"), "the offline half of check");
    let runs = |name: &str| {
        let schedules = report["schedules"].as_array().unwrap();
        schedules.iter().find(|one| one["object"] == name).map(|one| one["count"].clone())
    };
    assert_eq!(runs("job:nightly settlement"), Some(1.into()));
    assert_eq!(runs("job:sql checks"), Some(48.into()));
    let plain = lifeboat(&["risk", text(&bundled.path)]);
    let said = [json.stdout, plain.stdout, plain.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    for secret in canaries() {
        assert!(!said.contains(&secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_for_what_was_asked() {
    let bundled = bundle_of(Seed::Sample).await;
    let code = |arguments: &[&str]| lifeboat(&[&["risk", text(&bundled.path)], arguments].concat()).status.code();
    assert_eq!(code(&["--fail", "never"]), Some(0));
    assert_eq!(code(&["--include", "job:settle", "--without-check"]), Some(0));
    assert_eq!(code(&["--include", "cluster:orphan of a policy", "--without-check"]), Some(0));
    assert_eq!(code(&["--include", "cluster:orphan of a policy", "--without-check", "--fail", "medium"]), Some(4));
    let early = lifeboat(&["risk", text(&bundled.path), "--json", "--at", "2025-11-26T14:00:00Z"]);
    let early: Value = serde_json::from_slice(&early.stdout).unwrap();
    let ended = early["findings"].as_array().unwrap().iter().any(|one| one["check"] == "runtime" && one["severity"] == "medium");
    assert!(!ended, "support had not ended then");
    assert_eq!(code(&["--at", "yesterday"]), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_check_is_told_whole_and_two_of_a_name_apart() {
    let bundled = bundle_of(Seed::Sample).await;
    let ask = |arguments: &[&str]| lifeboat(&[&["risk", text(&bundled.path)], arguments].concat());
    let said = |output: Output| String::from_utf8(output.stdout).unwrap();
    let secrets = ask(&["--check", "clear_secret", "--long"]);
    assert_eq!(secrets.status.code(), Some(4));
    let secrets = said(secrets);
    let report: Value = serde_json::from_str(&said(ask(&["--check", "clear_secret", "--json"]))).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(!findings.is_empty() && findings.iter().all(|one| one["check"] == "clear_secret"), "{findings:?}");
    let places = findings.iter().flat_map(|one| one["places"].as_array().unwrap());
    for place in places.clone() {
        let spot = format!("{} at {}", place["object"].as_str().unwrap(), place["pointer"].as_str().unwrap());
        assert!(secrets.contains(&spot), "{spot}\n{secrets}");
    }
    assert!(!secrets.contains(" more") && !secrets.contains("in the 24 hours"), "{secrets}");
    let sheet = said(ask(&["--check", "clear_secret", "--csv"]));
    assert_eq!(sheet.lines().count(), 1 + places.count(), "{sheet}");
    assert!(sheet.starts_with("weight,check,finding,object,id,pointer,cell,line,advice\r\nhigh,clear_secret,"), "{sheet}");
    let starts = said(ask(&["--check", "schedule"]));
    for job in ["job:settle [9007199254743006]", "job:settle [9007199254744019]"] {
        let whole = said(ask(&["--json"]));
        assert!(whole.contains(job), "two jobs are called so: {job}");
    }
    assert!(starts.starts_with("in the 24 hours") && starts.ends_with("findings: 0 high, 0 medium, 0 low\n"), "{starts}");
    assert_eq!(ask(&["--include", "job:settle", "--without-check", "--fail", "never", "--json"]).status.code(), Some(0));
    let settle: Value = serde_json::from_str(&said(ask(&["--include", "job:settle", "--json"]))).unwrap();
    assert_eq!(settle["schedules"].as_array().unwrap().len(), 2, "found by the name alone");
    assert_eq!(ask(&["--check", "nonsense"]).status.code(), Some(2));
}

#[test]
fn secrets_in_notebooks_are_found_frame_by_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.tar.zst");
    let token = format!("dapi{}", "0123456789abcdef".repeat(2));
    let notebook = |number: usize| {
        let secret = if number.is_multiple_of(10) { format!("t = '{token}'\n") } else { String::new() };
        let (path, name) = (format!("/n{number:03}"), format!("n{number:03}.notebook.py"));
        object("notebook", &path, &name, &format!("# Databricks notebook source\nx = {number}\n{secret}"))
    };
    let frames = (0..10).map(|frame| (0..10).map(|at| notebook(frame * 10 + at)).collect()).collect();
    std::fs::write(&path, Forge { frames, ..Forge::default() }.build()).unwrap();
    let found = lifeboat(&["risk", text(&path), "--json", "--without-check"]);
    let report: Value = serde_json::from_slice(&found.stdout).unwrap_or_else(|_| panic!("{found:?}"));
    assert_eq!(report["findings"][0]["objects"].as_array().unwrap().len(), 10);
    assert_eq!(report["findings"][0]["places"][9]["line"], 3);
    assert!(!String::from_utf8_lossy(&found.stdout).contains("dapi"));
}

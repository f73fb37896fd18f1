//! The program as people and scripts meet it: exit codes, streams, files.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use lifeboat::simulator::{Options, Seed, Server};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An embedded source and target, and a folder to work in.
pub(super) struct Stage {
    pub(super) source: Server,
    pub(super) target: Server,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let server =
            async |seed, id: &str| Server::start(Options { seed, workspace_id: id.into(), ..Options::default() }).await.unwrap();
        let (source, target) = (server(Seed::Sample, "1000000000000001").await, server(Seed::Prepared, "2000000000000002").await);
        Self { source, target, folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn run(&self, server: &Server, arguments: &[&str]) -> Output {
        let mut command = program(self.folder.path(), arguments);
        command.env("DATABRICKS_HOST", server.url()).env("DATABRICKS_TOKEN", server.token()).output().unwrap()
    }

    /// A bundle of the sample.
    pub(super) fn bundle(&self) -> PathBuf {
        let path = self.path("sample.tar.zst");
        code(&self.run(&self.source, &["export", "--unlimited", "-q", "-o", text(&path)]), 3);
        path
    }
}

fn program(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(arguments).env_clear().env("HOME", home).stdin(Stdio::null());
    command
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
pub(super) fn code(output: &Output, expected: i32) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(expected), "stdout: {out}\nstderr: {err}");
}

pub(super) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn wrong_usage_is_two() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["frobnicate"][..], &["export", "--include", ":x"], &["export", "--level", "99"], &["verify"]] {
        code(&program(home.path(), arguments).env("DATABRICKS_HOST", "http://127.0.0.1:9").output().unwrap(), 2);
    }
}

#[test]
fn a_bundle_that_holds_more_than_is_taken_is_told_from_a_damaged_one() {
    let home = tempfile::tempdir().unwrap();
    let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/bundles/v1/small.tar.zst");
    for command in ["list", "import"] {
        let output = program(home.path(), &[command, bundle, "--max-gib", "0"]).output().unwrap();
        code(&output, if command == "list" { 1 } else { 5 });
        assert!(err(&output).contains("give `--max-gib`"), "{}", err(&output));
    }
    code(&program(home.path(), &["list", bundle, "--max-gib", "1000000"]).output().unwrap(), 0);
}

#[test]
fn without_a_workspace_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let output = program(home.path(), &["export"]).output().unwrap();
    code(&output, 1);
    assert!(err(&output).contains("hint: name a profile"), "{}", err(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn every_command_tells_its_exit_codes() {
    let home = tempfile::tempdir().unwrap();
    for command in
        ["export", "import", "check", "activate", "deactivate", "verify", "list", "show", "extract", "drill", "simulate"]
    {
        let output = program(home.path(), &[command, "--help"]).output().unwrap();
        code(&output, 0);
        assert!(String::from_utf8_lossy(&output.stdout).contains("5  refused"), "{command}");
    }
}

#[test]
fn a_table_is_offered_where_there_is_one() {
    let home = tempfile::tempdir().unwrap();
    let help = |command: &str| {
        let output = program(home.path(), &[command, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for command in ["list", "risk", "diff", "access"] {
        assert!(help(command).contains("--csv"), "{command}");
    }
    for command in ["verify", "show", "report", "export"] {
        assert!(!help(command).contains("--csv"), "{command}");
    }
    for arguments in [["verify", "x", "--csv"], ["--csv", "verify", "x"]] {
        let refused = program(home.path(), &arguments).output().unwrap();
        code(&refused, 2);
        assert!(err(&refused).contains("answers no table"), "{}", err(&refused));
    }
    code(&program(home.path(), &["list", "x", "--csv", "--json"]).output().unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_leaves_nothing() {
    let options = Options { token: Some("right".into()), ..Options::default() };
    let server = Server::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.tar.zst");
    let mut command = program(folder.path(), &["export", "-o", text(&target)]);
    let output = command.env("DATABRICKS_HOST", server.url()).env("DATABRICKS_TOKEN", "wrong-token-of-mine").output().unwrap();
    code(&output, 1);
    assert!(err(&output).contains("hint:") && !err(&output).contains("wrong-token-of-mine"), "{}", err(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_refused() {
    let stage = Stage::set().await;
    let path = stage.path("taken.tar.zst");
    std::fs::write(&path, "mine").unwrap();
    code(&stage.run(&stage.source, &["export", "-q", "-o", text(&path)]), 5);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_a_finding_and_no_restore() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    code(&stage.run(&stage.source, &["verify", text(&bundle)]), 3);
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[20_000] ^= 1;
    let damaged = stage.path("damaged.tar.zst");
    std::fs::write(&damaged, bytes).unwrap();
    code(&stage.run(&stage.source, &["verify", text(&damaged)]), 4);
    code(&stage.run(&stage.target, &["import", "--yes", "-q", text(&damaged)]), 5);
    assert_eq!(stage.target.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_without_a_yes() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    code(&stage.run(&stage.target, &["import", "--unlimited", "-q", text(&bundle)]), 5);
    code(&stage.run(&stage.target, &["import", "--unlimited", "-q", "--plan-only", text(&bundle)]), 0);
    code(&stage.run(&stage.source, &["import", "--unlimited", "-q", "--yes", text(&bundle)]), 5);
    assert_eq!((stage.source.writes(), stage.target.writes()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_import_from_a_machine_without_memory_writes_nothing() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let (report, here, there) = (stage.path("report.json"), stage.path("here"), stage.path("there"));
    let first = ["import", "--unlimited", "-q", "--yes", "--report", text(&report), "--state", text(&here), text(&bundle)];
    code(&stage.run(&stage.target, &first), 3);
    let receipt: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert!(receipt["todos"].as_array().is_some_and(|todos| !todos.is_empty()) && receipt["items"].is_array());
    let before = stage.target.writes();
    code(&stage.run(&stage.target, &["import", "--unlimited", "-q", "--yes", "--state", text(&there), text(&bundle)]), 3);
    assert_eq!(stage.target.writes(), before, "what was there stayed as it was, and nothing else is even tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_one_value_a_line() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    for arguments in
        [&["list", "--json"][..], &["list", "--json", "--long"], &["verify", "--json"], &["list", "--json", "--redacted"]]
    {
        let output = stage.run(&stage.source, &[arguments, &[text(&bundle)]].concat());
        let lines = String::from_utf8(output.stdout).unwrap();
        assert!(
            !lines.is_empty() && lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()),
            "{arguments:?}: {lines}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_has_a_line_for_all_that_was_listed() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let list =
        |arguments: &[&str]| String::from_utf8(stage.run(&stage.source, &[arguments, &[text(&bundle)]].concat()).stdout).unwrap();
    let whole: Value = serde_json::from_str(&list(&["list", "--json"])).unwrap();
    let listed: u64 = whole["kinds"].as_array().unwrap().iter().filter_map(|kind| kind["listed"].as_u64()).sum();
    let long = list(&["list", "--long"]);
    assert_eq!(long.lines().count() as u64, listed);
    assert!(
        long.contains("/Shared/libs/old-udfs.jar  (degraded)")
            && long.contains("-  /Volumes/energy/ops/libs/gone.jar  (unavailable: ")
    );
    assert_eq!(list(&["list", "--long", "--include", "volume_file:/Volumes/**/gone.jar"]).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_or_plan_replaces_only_its_like() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let before = std::fs::read(&bundle).unwrap();
    for flag in ["--report", "-o"] {
        let output = stage.run(&stage.target, &["import", "--unlimited", "-q", "--yes", flag, text(&bundle), text(&bundle)]);
        code(&output, 5);
        assert!(err(&output).contains("hint: give another name"), "{}", err(&output));
    }
    assert!(std::fs::read(&bundle).unwrap() == before && stage.target.writes() == 0);
    let plan = stage.path("plan.json");
    for _ in 0..2 {
        code(&stage.run(&stage.target, &["import", "--unlimited", "-q", "--plan-only", "-o", text(&plan), text(&bundle)]), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_matches_nothing_is_no_backup() {
    let stage = Stage::set().await;
    let path = stage.path("none.tar.zst");
    let output =
        stage.run(&stage.source, &["export", "-q", "-o", text(&path), "--include", "job:nightyl*", "--include", "alert"]);
    code(&output, 3);
    assert!(err(&output).contains("nothing in the bundle matches `--include job:nightyl*`"), "{}", err(&output));
    let bundle = stage.path("some.tar.zst");
    let output = stage.run(&stage.source, &["export", "-q", "-o", text(&bundle), "--include", "job:nightly*"]);
    code(&output, 0);
    let list = String::from_utf8(stage.run(&stage.source, &["list", text(&bundle)]).stdout).unwrap();
    assert!(list.contains("asked for: --include 'job:nightly*'"), "{list}");
    assert!(list.contains("not asked for: 24 job") && list.contains("all of alert, cluster"), "{list}");
    assert!(!list.contains("excluded job "), "what was left out by choice is counted: {list}");
    let output = stage.run(&stage.target, &["import", "-q", "--yes", text(&bundle), "--include", "job:daily"]);
    code(&output, 3);
    assert_eq!(stage.target.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_tells_of_what_was_asked_for() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let arguments = ["import", "--unlimited", "-q", "--plan-only", "--include", "group", text(&bundle)];
    let plan = String::from_utf8(stage.run(&stage.target, &arguments).stdout).unwrap();
    assert!(!plan.contains("git_credential") && !plan.contains("warehouse"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_a_plan_add_up() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let output = stage.run(&stage.target, &["import", "--unlimited", "-q", "--plan-only", text(&bundle)]);
    let plan = String::from_utf8(output.stdout).unwrap();
    let table = plan.lines().skip_while(|line| !line.starts_with("kind ")).skip(1);
    let rows = table.take_while(|line| !line.starts_with("Plan: ")).collect::<Vec<_>>();
    let numbers = |line: &str| -> u64 { line.split_whitespace().filter_map(|cell| cell.parse::<u64>().ok()).sum() };
    let sum: u64 = rows.iter().map(|row| numbers(row)).sum();
    let total = plan.lines().find(|line| line.starts_with("Plan: ")).unwrap();
    assert_eq!(numbers(total), sum, "{plan}");
    assert!(sum > 300 && total.contains(" to update, 0 to delete; "), "{total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_is_shown_or_what_comes_near_it() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let show = |object: &str, flags: &[&str]| stage.run(&stage.source, &[&["show", text(&bundle), object], flags].concat());
    let bytes = show("/Production/config/every byte.bin", &["--raw"]).stdout;
    let told: Value = serde_json::from_slice(&show("/Production/config/every byte.bin", &["--json"]).stdout).unwrap();
    let decoded = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, told["base64"].as_str().unwrap()).unwrap();
    assert!(decoded == bytes && bytes.len() == 256);
    let shown = |object: &str| String::from_utf8(show(object, &[]).stdout).unwrap();
    let scope = shown("secret_scope:platform");
    assert!(scope.contains("backend            DATABRICKS\n") && scope.contains(" blob@2026/binary\n"), "{scope}");
    assert!(scope.lines().any(|line| line.starts_with("data-engineers ") && line.contains(" READ ")), "{scope}");
    let notebook = shown("/Shared/Ingest/Wetter & Klima/dwd_forecast");
    let inherits = |line: &&str| line.starts_with("admins ") && line.ends_with(" /");
    assert_eq!(notebook.lines().filter(inherits).count(), 1, "{notebook}");
    assert!(notebook.contains("CAN_READ   /Shared/Ingest\n"), "{notebook}");
    for name in ["sp-nightly-loader", "service_principal:SP-nightly-loader"] {
        assert!(shown(name).starts_with("service_principal 5b0f5e02-7c1d-4e8a-9a36-1f2f0c7a4d11\n"), "by what people call it");
    }
    let near = show("job:Nightly", &[]);
    code(&near, 1);
    assert!(err(&near).contains("hint: there are \"job:nightly settlement\""), "{}", err(&near));
    let gone = show("/FileStore/eggs/old.egg", &[]);
    code(&gone, 1);
    assert!(err(&gone).contains("unavailable in the bundle: not there at the source"), "{}", err(&gone));
}

#[test]
fn a_drill_makes_the_folder_that_keeps_its_bundle() {
    let home = tempfile::tempdir().unwrap();
    let keep = home.path().join("new/folder");
    code(&program(home.path(), &["drill", "-q", "--seed", "empty", "--keep", text(&keep)]).output().unwrap(), 0);
    assert!(keep.join("drill.tar.zst").is_file());
    let absent = program(home.path(), &["verify", "no/such/bundle"]).output().unwrap();
    code(&absent, 1);
    assert!(err(&absent).contains("no/such/bundle") && err(&absent).contains("hint: check the path"), "{}", err(&absent));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_shown_tested_and_used() {
    let stage = Stage::set().await;
    let bundle = stage.bundle();
    let file = stage.path("rules.yaml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let out = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let test = |arguments: &[&str]| stage.run(&stage.source, &[&["rules", "test"], arguments].concat());

    let shown = stage.run(&stage.source, &["rules"]);
    code(&shown, 0);
    assert!(out(&shown).contains("knows clone and audit-sandbox") && out(&shown).contains("/schedule/pause_status"));
    assert!(out(&stage.run(&stage.source, &["rules", "show", "audit-sandbox"])).contains("name: no-principals"));
    assert!(serde_json::from_str::<Value>(&out(&stage.run(&stage.source, &["rules", "schema"]))).is_ok());

    write(
        "rules:\n  - name: one\n    for: {kind: job, name: nightly*}\n    clamp: {/max_concurrent_runs: {max: 1}, /timeout_seconds: {max: 9}}\n  - name: none\n    for: {name: nobody}\n    skip: true\n",
    );
    let tested = test(&[text(&file), text(&bundle)]);
    code(&tested, 0);
    assert!(out(&tested).contains("~ job:nightly settlement\n    /timeout_seconds: 14400 → 9  # one\n"), "{}", out(&tested));
    assert!(out(&tested).contains("warning: line 5: rule \"none\": it matched nothing"), "{}", out(&tested));
    let lines = out(&test(&["--json", text(&file), text(&bundle)]));
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");

    write(
        "rules:\n  - name: on\n    for: {kind: job, name: weekly*}\n    merge: {continuous: {pause_status: UNPAUSED}}\n  - name: live\n    for: {kind: instance_pool}\n    set: {/min_idle_instances: 50}\n",
    );
    code(&test(&[text(&file), text(&bundle)]), 4);
    let refused = stage.run(&stage.target, &["import", "--unlimited", "-q", "--yes", "--rules", text(&file), text(&bundle)]);
    code(&refused, 2);
    assert!(
        err(&refused).contains("line 5: rule \"live\": instance_pool:memory: this would switch on `/min_idle_instances`"),
        "{}",
        err(&refused)
    );
    assert!(err(&refused).contains("hint: `lifeboat rules test"), "{}", err(&refused));

    write("rules:\n  - name: a\n    for: {knd: job}\n    skip: true\n");
    let wrong = stage.run(&stage.target, &["import", "--unlimited", "-q", "--yes", "--rules", text(&file), text(&bundle)]);
    code(&wrong, 2);
    let said = format!(
        "error: in {}: line 3, column 11: unknown field `knd`, expected one of kind, name, path, tag, where, except\n",
        text(&file)
    );
    assert_eq!(err(&wrong), said);
    code(&stage.run(&stage.target, &["import", "-q", "--yes", "--rules", "standbi", text(&bundle)]), 1);
    assert_eq!(stage.target.writes(), 0);
}

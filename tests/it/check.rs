//! The check before a restore, against embedded workspaces and against servers that know little.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::api::mock::{Mock, Reply, Seen, json, no};
use crate::import::{Bundled, SOURCE, TARGET, apply, bundle_of, connect, expected_trouble, options, prepare, silent, start};
use lifeboat::api::{Config, Options, Workspace};
use lifeboat::bundle::Reader;
use lifeboat::import::State;
use lifeboat::journal::Journal;
use lifeboat::preflight::{self, Check, Report, Severity};
use lifeboat::restore;
use lifeboat::rules::RuleSet;
use lifeboat::simulator::{self, Region, Seed, Server};
use serde_json::{Value, json as value};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

async fn check(bundled: &Bundled, target: &Server, options: &restore::Options) -> Report {
    let reader = Reader::open(&bundled.path).unwrap();
    preflight::run(&reader, Some(&connect(target)), options, &silent()).await.unwrap()
}

async fn west() -> Server {
    let options = simulator::Options {
        seed: Seed::Prepared,
        workspace_id: TARGET.into(),
        region: Region::West,
        ..simulator::Options::default()
    };
    Server::start(options).await.unwrap()
}

fn texts(report: &Report, check: Check) -> Vec<&str> {
    report.findings.iter().filter(|one| one.check == check).map(|one| one.text.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suggested_lets_a_restore_into_another_region_pass() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = west().await;
    let first = check(&bundled, &target, &options()).await;
    assert_eq!(texts(&first, Check::SparkVersion).len(), 2);
    assert!(first.count(Severity::Blocker) > 4 && first.is_whole(), "{first:#?}");
    assert!(texts(&first, Check::Leak).iter().any(|text| text.contains("0612-090001-abcd1111")), "{first:#?}");
    assert_eq!((target.writes(), target.requests().iter().any(|one| one.status >= 500)), (0, false), "nothing was written");
    let rules = RuleSet::parse(&preflight::snippet(&first.maps, "standby").unwrap()).unwrap();
    let mapped = restore::Options { rules, ..options() };
    let second = check(&bundled, &target, &mapped).await;
    for gone in [Check::NodeType, Check::SparkVersion, Check::Policy, Check::Clash] {
        assert_eq!(texts(&second, gone), [""; 0]);
    }
    assert!(second.maps.is_empty());
    let plan = prepare(&bundled, &target, &mapped).await;
    let receipt = apply(&bundled, &plan, &target, &mut Journal::none()).await;
    let surprises: Vec<_> = receipt.items.iter().filter(|item| !item.state.is_there() && !expected_trouble(item)).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_blocks_is_what_a_restore_is_refused_for() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = west().await;
    let report = check(&bundled, &target, &options()).await;
    let plan = prepare(&bundled, &target, &options()).await;
    let receipt = apply(&bundled, &plan, &target, &mut Journal::none()).await;
    let blocked: Vec<&str> = report
        .findings
        .iter()
        .filter(|one| one.severity == Severity::Blocker)
        .flat_map(|one| one.objects.iter().map(String::as_str))
        .collect();
    let refused = receipt.items.iter().filter(|item| matches!(item.state, State::Failed | State::Pending));
    let refused = refused.filter(|item| ["cluster", "instance_pool", "job"].contains(&item.source.kind.as_str()));
    let mut count = 0;
    for item in refused.filter(|item| item.reason.as_deref().unwrap_or_default().contains("answered 400")) {
        count += 1;
        assert!(
            blocked.iter().any(|name| name.contains(&item.key)),
            "{}:{} was refused: {:?}",
            item.source.kind,
            item.key,
            item.reason
        );
    }
    assert!(count > 4, "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_import_everything_is_ours() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let plan = prepare(&bundled, &target, &options()).await;
    apply(&bundled, &plan, &target, &mut Journal::none()).await;
    let writes = target.writes();
    let report = check(&bundled, &target, &options()).await;
    assert_eq!(target.writes(), writes);
    let summary = texts(&report, Check::Present);
    assert!(matches!(summary.as_slice(), [one] if one.contains("change 0 and")), "{summary:?}");
    assert_eq!(texts(&report, Check::NodeType), [""; 0]);
    let same = check(
        &bundled,
        &target,
        &restore::Options { plan: lifeboat::plan::Options { create_principals: false, ..Default::default() }, ..options() },
    )
    .await;
    assert_eq!(texts(&same, Check::Principal).iter().filter(|text| text.contains("not to be created")).count(), 0);
}

/// A server that knows who we are and has no other route.
fn knows_only_me(seen: &Seen) -> Reply {
    match seen.path() {
        "/api/2.0/preview/scim/v2/Me" => json(200, value!({"userName": "me@x.com", "groups": [{"display": "admins"}]})),
        _ => json(404, value!({"detail": "Not Found"})),
    }
}

async fn against(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Report, Vec<Seen>) {
    let bundled = bundle_of(Seed::Sample).await;
    let mock = Mock::start(move |seen, _| handler(seen)).await;
    let quick =
        Options { pause: Duration::from_millis(2), retry_budget: Duration::from_millis(50), ..Options::default().lift_rates() };
    let workspace = Workspace::new(Config::with_host_and_token(&mock.url, "t"), quick, silent()).unwrap();
    let reader = Reader::open(&bundled.path).unwrap();
    let report = preflight::run(&reader, Some(&workspace), &options(), &silent()).await.unwrap();
    (report, mock.seen())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_routes_is_no_pass() {
    let (report, seen) = against(knows_only_me).await;
    let untold = texts(&report, Check::Unchecked);
    for words in [
        "node types",
        "runtimes",
        "features are switched on",
        "Git credentials",
        "has permissions",
        "all-purpose clusters of the target",
        "jobs of the target",
    ] {
        assert!(untold.iter().any(|text| text.contains(words)), "{words}: {untold:#?}");
    }
    assert!(!report.is_whole());
    assert!(seen.iter().all(|one| matches!(one.method.as_str(), "GET" | "HEAD")), "only reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_workspace_has_switched_off_is_told() {
    let (report, _) = against(|seen| match seen.path() {
        "/api/2.2/jobs/list" | "/api/2.0/permissions/directories/0" => no(403, "FEATURE_DISABLED", "off"),
        _ => knows_only_me(seen),
    })
    .await;
    let told = texts(&report, Check::Feature);
    assert!(told.iter().any(|text| text.contains("does not offer jobs")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("has no permissions")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_make_no_sense_are_no_pass() {
    for nonsense in [value!([]), value!({"node_types": {"a": 1}, "versions": 7, "zones": "no"}), value!("text"), value!({})] {
        let (report, _) = against(move |seen| match seen.path() {
            path if path.starts_with("/api/2.1/clusters/list-") || path.ends_with("spark-versions") => {
                json(200, nonsense.clone())
            }
            "/api/2.0/workspace-conf" => json(200, value!({"enableProjectTypeInWorkspace": {"a": false}})),
            _ => knows_only_me(seen),
        })
        .await;
        let untold = texts(&report, Check::Unchecked);
        assert!(["node types", "runtimes"].iter().all(|what| untold.iter().any(|text| text.contains(what))), "{untold:#?}");
    }
}

fn program(home: &Path, server: Option<&Server>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(arguments).env_clear().env("HOME", home);
    if let Some(server) = server {
        command.env("DATABRICKS_HOST", server.url()).env("DATABRICKS_TOKEN", server.token());
    }
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_what_blocks_and_how_it_ends() {
    let bundled = bundle_of(Seed::Sample).await;
    let (home, target) = (tempfile::tempdir().unwrap(), west().await);
    let bundle = bundled.path.to_str().unwrap();
    let run = |server, more: &[&str]| {
        let output = program(home.path(), server, &[&["check", bundle, "--unlimited", "-q"], more].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text, String::from_utf8(output.stderr).unwrap())
    };
    let offline = run(None, &[]);
    assert!(offline.0 == 4 && offline.1.contains("no target was looked at"), "{offline:?}");
    let broken =
        ["--exclude", "job:on a cluster that is gone", "--exclude", "job:sql checks", "--exclude", "secret_scope:kv-northwind"];
    assert_eq!(run(Some(&target), &[&broken[..], &["--offline"]].concat()).0, 0);
    assert_eq!(target.requests().len(), 0, "offline nobody is asked");

    let rules = home.path().join("west.yaml");
    let suggest = ["--suggest", rules.to_str().unwrap()];
    let online = run(Some(&target), &[&broken[..], &suggest].concat());
    assert!(online.0 == 4 && online.1.contains("      Standard_DS3_v2: Standard_D4ds_v5  # "), "{online:?}");
    let tested = program(home.path(), None, &["rules", "test", rules.to_str().unwrap(), bundle]);
    assert_eq!(tested.status.code(), Some(0), "{tested:?}");
    let mended = run(Some(&target), &[&broken[..], &["--rules", rules.to_str().unwrap()]].concat());
    assert!(mended.0 == 0 && !mended.1.contains("BLOCKER"), "{mended:?}");
    target.faults().on("GET /api/2.1/clusters/spark-versions").times(0).status(403);
    let untold = run(Some(&target), &[&broken[..], &["--rules", rules.to_str().unwrap()]].concat());
    assert!(untold.0 == 3 && untold.1.contains("could not check runtimes"), "{untold:?}");
    target.faults().clear();
    assert_eq!(run(Some(&target), &[&broken[..], &suggest].concat()).0, 4, "an older suggestion is replaced");
    std::fs::write(&rules, "extends: standby\n").unwrap();
    assert_eq!(run(Some(&target), &[&broken[..], &suggest].concat()).0, 5, "rules that somebody wrote are not");
    assert_eq!(std::fs::read_to_string(&rules).unwrap(), "extends: standby\n");

    let json: Value = serde_json::from_str(&run(Some(&target), &["--json"]).1).unwrap();
    assert_eq!(json["target"]["workspace_id"], TARGET);
    assert!(json["counts"]["blocker"].as_u64().unwrap() > 4 && json["rules"].as_str().unwrap().starts_with("extends: standby\n"));
    let finding = &json["findings"][0];
    assert!(["severity", "check", "text", "hint"].iter().all(|name| finding[name].is_string()) && finding["objects"].is_array());

    assert_eq!(target.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_is_told_and_its_originals_may_be_asked_for() {
    let source = start(Seed::Sample, SOURCE).await;
    let bundled = crate::import::bundle_from(&source).await;
    let report = check(&bundled, &source, &options()).await;
    assert_eq!(texts(&report, Check::Workspace), ["the bundle comes from this very workspace"]);
    let allowed = check(&bundled, &source, &restore::Options { allow_same_workspace: true, ..options() }).await;
    assert_eq!(texts(&allowed, Check::Workspace), [""; 0]);
    assert_eq!(source.writes(), 0);
}

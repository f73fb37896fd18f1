//! What changed: between a workspace and what was restored from it, between two nights, between a bundle and a live workspace.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::again::{call, named, notebook, post, reset};
use crate::cli::code;
use crate::import::{SOURCE, TARGET, bundle_from, everything, options, silent, start};
use crate::process::stage;
use lifeboat::api::{Config, Method, Options as Connection, Workspace};
use lifeboat::bundle::{Limits, Reader};
use lifeboat::diff::{self, Change, Diff, Link, Options, told};
use lifeboat::import::{self, BundleContents};
use lifeboat::journal::Journal;
use lifeboat::restore;
use lifeboat::simulator::{Seed, Server};
use lifeboat::spool::Spool;
use lifeboat::store::Source;
use lifeboat::survey::Scope;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What differs, one line each.
fn lines(changes: &[Change]) -> Vec<String> {
    let one = |change: &Change| {
        let told = told(change);
        let head = format!("{} {} {}", told.sign, change.kind, told.head);
        std::iter::once(head).chain(told.lines).collect::<Vec<_>>().join("; ")
    };
    changes.iter().map(one).collect()
}

/// A key vault cannot be tied to a scope with a personal access token.
fn by_oauth(server: &Server) -> Workspace {
    let url = server.url();
    let environment = |name: &str| match name {
        "DATABRICKS_HOST" => Some(url.clone()),
        "DATABRICKS_CLIENT_ID" | "DATABRICKS_CLIENT_SECRET" => Some("operator@northwind.example".to_owned()),
        _ => None,
    };
    let config = Config::resolve(None, &environment, None).unwrap();
    Workspace::new(config, Connection::default().lift_rates(), silent()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_workspace_does_not_differ_but_for_what_imports_do() {
    let source = start(Seed::Sample, SOURCE).await;
    let bundled = bundle_from(&source).await;
    source.stop().await;
    let target = start(Seed::Prepared, TARGET).await;
    let reader = Reader::open(&bundled.path).unwrap();
    let to = by_oauth(&target);
    let choices = restore::Options { plan: lifeboat::plan::Options { restore_admins: true, ..options().plan }, ..options() };
    let plan = restore::plan(&reader, &to, &choices, &silent()).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(state.path(), TARGET, SOURCE, &plan.source.digest).unwrap();
    let contents = BundleContents::new(&reader, Spool::in_temp().unwrap());
    import::run(&plan, &contents, &to, &mut journal, &silent()).await.unwrap();
    let image = bundle_from(&target).await;
    let image = Reader::open(&image.path).unwrap();
    let ids = diff::remembered(state.path(), SOURCE, TARGET).unwrap();
    assert!(ids.len() > 150);
    let there = diff::bundles(&reader, &image, &Options { ids, ..Options::default() }).unwrap();
    let ids = diff::remembered(state.path(), TARGET, SOURCE).unwrap();
    let back = diff::bundles(&image, &reader, &Options { ids, ..Options::default() }).unwrap();
    for found in [there, back] {
        assert_eq!((found.link, lines(&found.changes)), (Link::Restored, Vec::<String>::new()));
        assert!(found.kinds["job"].expected > 5 && found.kinds["notebook"].equal > 20, "{:?}", found.kinds);
        assert!(found.expected.iter().all(|change| change.expected.is_some()));
    }
    // The stamps and names alone tell as much of what has either.
    let stamped = diff::bundles(&reader, &image, &Options::default()).unwrap();
    assert_eq!((stamped.link, lines(&stamped.changes)), (Link::Restored, Vec::<String>::new()));
    // As drift shows: one thing changed by hand in the standby.
    let jobs = everything(&target).await;
    let job = named(&jobs, "job", "per region");
    post(&target, "/api/2.2/jobs/reset", reset(job, |settings| settings["max_concurrent_runs"] = json!(7))).await;
    let live = diff::live(&to, &Scope::default(), &silent()).await.unwrap();
    let ids = diff::remembered(state.path(), SOURCE, TARGET).unwrap();
    let drift = diff::diff(&diff::side(&reader).unwrap(), &live, &Options { ids, ..Options::default() });
    assert_eq!(drift.changes.len(), 1, "{:?}", lines(&drift.changes));
    let mut by_hand = drift.changes[0].fields.iter().filter(|field| field.expected.is_none());
    assert_eq!(by_hand.next().unwrap().at, "/settings/max_concurrent_runs");
    assert!(by_hand.next().is_none());
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nights_and_the_day_after() {
    let stage = stage(Seed::Sample, "1111", 0).await;
    let server = &stage.server;
    let export =
        |name: &str| assert!(matches!(stage.run(&["export", "--unlimited", "-q", "-o", name]).status.code(), Some(0 | 3)));
    export("a.tar.zst");
    let before = everything(server).await;
    post(server, "/api/2.0/workspace/import", notebook("/Shared/new <script>alert(1)<script>", "a = 1\n")).await;
    post(server, "/api/2.0/workspace/delete", json!({ "path": "/Shared/ML/anomalies" })).await;
    let job = named(&before, "job", "pong");
    post(
        server,
        "/api/2.2/jobs/reset",
        reset(job, |settings| {
            settings["name"] = json!("pong\u{1b}[31m");
            settings["timeout_seconds"] = json!(77);
            settings["tasks"].as_array_mut().unwrap().reverse();
        }),
    )
    .await;
    let acl =
        json!({ "access_control_list": [{ "user_name": "hana.ito@northwind.example", "permission_level": "CAN_MANAGE_RUN" }] });
    let id = named(&before, "job", "dbt gold").id.clone();
    call(server, Method::Patch, &format!("/api/2.0/permissions/jobs/{id}"), acl).await;
    export("b.tar.zst");

    let same = stage.run(&["diff", "a.tar.zst", "a.tar.zst", "--json"]);
    let found: Value = serde_json::from_slice(&same.stdout).unwrap();
    assert!(found["changes"] == json!([]) && found["link"] == "same", "{found}");
    let text = stage.run(&["diff", "a.tar.zst", "b.tar.zst", "--html", "d.html"]);
    code(&text, 4);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(!text.contains('\u{1b}') && text.lines().skip(2).all(|line| line.chars().count() <= 110), "{text}");
    for told in [
        "+ /Shared/new <script>",
        "- /Shared/ML/anomalies",
        "pong → pong\\u{1b}[31m (",
        "/settings/timeout_seconds: ",
        "user hana.ito@northwind.example gained CAN_MANAGE_RUN",
        "4 objects differ: 1 added, 1 removed, 2 changed, 1 renamed (what differs in several ways counts under each)\nbesides: 2 that hang on what was added or removed, ",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let sheet = stage.run(&["diff", "a.tar.zst", "b.tar.zst", "--csv"]);
    code(&sheet, 4);
    let sheet = String::from_utf8(sheet.stdout).unwrap();
    assert_eq!(sheet.lines().count(), 1 + 4, "a row for each that differs: {sheet}");
    assert!(sheet.contains("notebook,removed,/Shared/ML/anomalies,/Shared/ML/anomalies,,,"), "{sheet}");
    let back = stage.run(&["diff", "b.tar.zst", "a.tar.zst", "--csv"]);
    code(&back, 4);
    let page = std::fs::read_to_string(stage.path("d.html")).unwrap();
    assert!(page.contains("4 objects differ") && page.contains("counts under each"));
    assert!(page.contains("Content-Security-Policy") && page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"));
    let modes = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(stage.path("d.html")).unwrap().permissions());
    assert_eq!(modes & 0o777, 0o600);
    let both = |other: &[&str]| {
        let output = stage.run(&[&["diff", "a.tar.zst"], other, &["--json"]].concat());
        code(&output, 4);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["changes"].clone()
    };
    assert_eq!(both(&["b.tar.zst"]), both(&[]), "the workspace as it is now is what the second night says");
    let chosen = both(&["b.tar.zst", "--include", "job:pong*"]);
    assert!(chosen.as_array().unwrap().len() == 1 && chosen[0]["fields"][0]["before"] != 77 && chosen[0]["renamed"] == true);
    // Nobody can say what became of what the second night left out.
    assert!(matches!(
        stage.run(&["export", "--unlimited", "-q", "--exclude", "job", "-o", "c.tar.zst"]).status.code(),
        Some(0 | 3)
    ));
    let partial = stage.run(&["diff", "a.tar.zst", "c.tar.zst", "--include", "job", "--json"]);
    code(&partial, 3);
    let partial: Value = serde_json::from_slice(&partial.stdout).unwrap();
    assert!(partial["changes"] == json!([]) && partial["unknown"][0]["objects"].as_array().unwrap().len() > 20, "{partial}");
    code(&stage.run(&["diff", "a.tar.zst", "b.tar.zst", "--profile", "x"]), 2);
    code(&stage.run(&["diff", "a.tar.zst", "nowhere.tar.zst"]), 1);
    stage.server.stop().await;
}

/// A file that counts what is read of it.
struct Counted(std::fs::File, Arc<AtomicU64>);

impl Source for Counted {
    fn size(&self) -> std::io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.0.read_at(at, buffer)
    }
}

fn counted(path: &Path) -> (Reader, Arc<AtomicU64>) {
    let read = Arc::new(AtomicU64::new(0));
    let source = Counted(std::fs::File::open(path).unwrap(), read.clone());
    let reader = Reader::open_source(Box::new(source), Limits::default()).unwrap();
    (reader, read)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_equal_only_the_manifest_is_read() {
    let server = start(Seed::Generated { notebooks: 900, folders: 20, jobs: 40, seed: 3 }, SOURCE).await;
    let lines_of: Vec<String> = (0..40_000_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let big = lines_of.join("\n");
    for n in 0..6 {
        post(&server, "/api/2.0/workspace/import", notebook(&format!("/Shared/big {n}"), &format!("{n}\n{big}"))).await;
    }
    let first = bundle_from(&server).await;
    let objects = everything(&server).await;
    let changed = objects.iter().find(|object| object.kind.name == "notebook" && object.id.len() > 12).unwrap();
    post(&server, "/api/2.0/workspace/import", notebook(&changed.id, "print('changed')\n")).await;
    let second = bundle_from(&server).await;
    server.stop().await;
    let ((one, read), (other, _)) = (counted(&first.path), counted(&second.path));
    let manifest = read.load(Ordering::Relaxed);
    let found: Diff = diff::bundles(&one, &other, &Options::default()).unwrap();
    assert_eq!(found.changes.len(), 1, "{:?}", lines(&found.changes));
    assert!(!found.changes[0].content.as_ref().unwrap().cells.is_empty());
    let more = read.load(Ordering::Relaxed) - manifest;
    assert!(more * 5 < one.size(), "{more} bytes of {} besides the manifest's {manifest}", one.size());
}

//! Exports from a workspace that is broken, or hostile: each ends, in a bundle that is whole and says what is wrong.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::api::mock::{Mock, Reply, Seen, json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lifeboat::api::{Config, Options, Workspace};
use lifeboat::audit::{Depth, verify};
use lifeboat::bundle::{GapState, Reader};
use lifeboat::event::{Event, Observer, Silent};
use lifeboat::export::{self, ExportError, Exported};
use lifeboat::survey::Scope;
use serde_json::{Value, json as value};
use std::sync::Arc;
use std::time::Duration;

/// 24 MiB of JSON in 24 KiB of gzip.
const BOMB: &[u8] = include_bytes!("api/bomb.json.gz");

/// A workspace in which only the answers that are told are out of the ordinary.
struct Bad {
    answer: Box<Answers>,
}

/// The answer to a request, where it is out of the ordinary.
type Answers = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

/// Keeps every event as text.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<String>>);

impl Observer for Heard {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

/// What came of it.
struct Outcome {
    events: Vec<String>,
    _folder: tempfile::TempDir,
    reader: Reader,
    exported: Exported,
}

impl Outcome {
    fn gaps(&self) -> Vec<(String, String, String)> {
        let missing = self.exported.gaps.iter().filter(|gap| gap.state == GapState::Missing);
        missing.map(|gap| (gap.kind.clone(), gap.path.clone(), gap.reason.clone())).collect()
    }

    /// The one thing that is missing: kind, path, and words of the reason.
    fn misses(&self, kind: &str, path: &str, words: &str) {
        let gaps = self.gaps();
        let found = gaps.iter().any(|(k, p, reason)| k == kind && p == path && reason.contains(words));
        assert!(found, "{kind} {path} ({words}) is not among {gaps:#?}");
    }

    fn paths(&self, kind: &str) -> Vec<String> {
        let members = self.reader.manifest().members.iter().filter(|member| *member.kind == *kind);
        members.map(|member| member.path.to_string()).collect()
    }
}

fn bad(answer: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Bad {
    Bad { answer: Box::new(answer) }
}

fn usual(seen: &Seen) -> Reply {
    match seen.path() {
        "/api/2.0/preview/scim/v2/Me" => Reply::Whole(
            200,
            vec![("content-type", "application/scim+json".into()), ("x-databricks-org-id", "77".into())],
            value!({"id": "1", "userName": "op@x", "groups": [{"display": "admins"}]}).to_string().into_bytes(),
        ),
        path if path.starts_with("/api/2.0/permissions/") => json(200, value!({"object_id": "x", "access_control_list": []})),
        _ => json(200, value!({})),
    }
}

impl Bad {
    async fn try_export(self) -> (Result<Exported, ExportError>, tempfile::TempDir, Vec<String>) {
        let answer = self.answer;
        let mock = Mock::start(move |seen, _| answer(seen).unwrap_or_else(|| usual(seen))).await;
        let options = Options {
            pause: Duration::from_millis(2),
            retry_budget: Duration::from_millis(50),
            idle_timeout: Duration::from_secs(2),
            largest_answer: 4 << 20,
            ..Options::default().lift_rates()
        };
        let heard = Arc::new(Heard::default());
        let observer: Arc<dyn Observer> = heard.clone();
        let workspace = Workspace::new(Config::with_host_and_token(&mock.url, "t"), options, observer.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let scope = Scope { max_file: 8 << 20, ..Scope::default() };
        let target = folder.path().join("b.tar.zst");
        let options = export::Options {
            target,
            scope,
            packing: lifeboat::bundle::Options::default(),
            created: None,
            since: None,
            accept: export::Accept::default(),
        };
        let work = tokio::time::timeout(Duration::from_mins(1), export::run(&workspace, options, observer));
        let exported = work.await.expect("an export ends, whatever the workspace does");
        let events = heard.0.lock().unwrap().clone();
        (exported, folder, events)
    }

    /// Exports, and checks that the bundle is whole to its last byte.
    async fn export(self) -> Outcome {
        let (exported, folder, events) = self.try_export().await;
        let exported = exported.unwrap();
        let verdict = verify(&exported.summary.path, Depth::Full, &Silent).unwrap();
        assert!(verdict.is_whole(), "{:?}", verdict.findings);
        Outcome { reader: Reader::open(&exported.summary.path).unwrap(), exported, events, _folder: folder }
    }
}

/// The query's path, decoded.
fn path_of(seen: &Seen) -> String {
    percent_encoding::percent_decode_str(seen.query("path").unwrap_or_default()).decode_utf8_lossy().into_owned()
}

fn listing(objects: impl Into<Value>) -> Reply {
    json(200, value!({"objects": objects.into()}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_holds_itself_ends() {
    let outcome = bad(|seen| match seen.path() {
        "/api/2.0/workspace/list" => Some(listing(value!([
            {"path": "/a", "object_type": "DIRECTORY", "object_id": 1},
            {"path": "/a/b", "object_type": "DIRECTORY", "object_id": 2},
            {"path": "/", "object_type": "DIRECTORY", "object_id": 3},
            {"path": "relative", "object_type": "DIRECTORY", "object_id": 4},
            {"path": "/a/..", "object_type": "NOTEBOOK", "object_id": 5, "language": "PYTHON"},
            {"object_type": "NOTEBOOK", "object_id": 6},
            {"path": "/a/no-id", "object_type": "DIRECTORY"},
        ]))),
        _ => None,
    })
    .export()
    .await;
    assert_eq!(outcome.paths("directory"), ["/a", "/a/b", "/a/no-id"]);
    outcome.misses("directory", "/ (listed in /)", "does not lie there");
    outcome.misses("directory", "/a (listed in /a/b)", "does not lie there");
    outcome.misses("directory", "relative (listed in /a)", "does not lie there");
    outcome.misses("notebook", "/a/.. (listed in /a)", "does not lie there");
    outcome.misses("notebook", "*", "no path");
    outcome.misses("permissions", "directories//a/no-id", "no id");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_in_folders_for_ever_end() {
    let deeper = |folder: &str, path: &str| {
        let below = format!("{}/{}", path.trim_end_matches('/'), "x".repeat(400));
        value!({"files": [{"path": below, "is_dir": true, "file_size": 0}], "objects": [{"path": below, "object_type": folder}]})
    };
    let outcome = bad(move |seen| match seen.path() {
        "/api/2.0/workspace/list" => Some(json(200, deeper("DIRECTORY", &path_of(seen)))),
        "/api/2.0/dbfs/list" if path_of(seen).starts_with("/FileStore") => Some(json(200, deeper("", &path_of(seen)))),
        _ => None,
    })
    .export()
    .await;
    for kind in ["directory", "dbfs_file"] {
        let gaps = outcome.gaps();
        let cut = gaps.iter().any(|(k, path, reason)| k == kind && path.ends_with("/**") && reason.contains("too deep"));
        assert!(cut, "{kind}: {gaps:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_without_an_end_are_cut() {
    let count = std::sync::atomic::AtomicU64::new(0);
    let outcome = bad(move |seen| {
        let turn = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match seen.path() {
            "/api/2.2/jobs/list" if seen.target.contains("page_token") => {
                Some(json(200, value!({"jobs": [], "next_page_token": format!("t{turn}")})))
            }
            "/api/2.2/jobs/list" => Some(json(200, value!({"jobs": [{"job_id": 1}], "next_page_token": "t"}))),
            "/api/2.0/pipelines" => {
                Some(json(200, value!({"statuses": [{"pipeline_id": "p"}], "next_page_token": format!("t{turn}")})))
            }
            "/api/2.0/sql/warehouses" => Some(json(200, value!({"warehouses": {"0": 1}}))),
            "/api/2.1/clusters/list" => Some(json(200, value!([1, 2]))),
            _ => None,
        }
    })
    .export()
    .await;
    outcome.misses("job", "*", "has no end");
    outcome.misses("pipeline", "*", "circles");
    outcome.misses("warehouse", "*", "no list");
    outcome.misses("cluster", "*", "no list");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_pages_go_in_circles_is_missing() {
    let outcome = bad(|seen| match seen.path() {
        "/api/2.2/jobs/list" => Some(json(200, value!({"jobs": [{"job_id": 1, "settings": {"name": "round"}}, {"job_id": 2}]}))),
        "/api/2.2/jobs/get" if seen.query("job_id") == Some("1") => Some(json(
            200,
            value!({"job_id": 1, "settings": {"name": "round", "tasks": [{"task_key": "a"}]}, "next_page_token": "again"}),
        )),
        "/api/2.2/jobs/get" => Some(json(200, value!({"job_id": 2, "settings": {"name": "good", "tasks": []}}))),
        _ => None,
    })
    .export()
    .await;
    outcome.misses("job", "1", "circles");
    assert_eq!(outcome.paths("job"), ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_mean_something_else_are_never_asked_for() {
    let strange = ["..", ".", "", "a/b", "a\"b", "x\ny", "%2e%2e", "ü?#&=", "\u{0}"];
    let long = "L".repeat(3000);
    let outcome = bad(move |seen| {
        assert!(!seen.path().contains("/../") && !seen.path().ends_with(".."), "{}", seen.target);
        match seen.path() {
            "/api/2.2/jobs/list" => {
                let ids = strange.iter().copied().chain([long.as_str()]);
                Some(json(200, value!({"jobs": ids.map(|id| value!({"job_id": id})).collect::<Vec<_>>()})))
            }
            "/api/2.2/jobs/get" => Some(json(200, value!({"settings": {"name": "n".repeat(20_000)}}))),
            path if path.starts_with("/api/2.0/global-init-scripts/") => Some(json(200, value!({"name": "s"}))),
            "/api/2.0/global-init-scripts" => Some(json(200, value!({"scripts": strange.map(|id| value!({"script_id": id}))}))),
            _ => None,
        }
    })
    .export()
    .await;
    outcome.misses("job", "*", "no id");
    // Names of 20 KB have no place in a manifest; an id with a NUL neither.
    let unfit = outcome.gaps().into_iter().filter(|(kind, _, reason)| kind == "job" && reason.contains("cannot hold it"));
    assert_eq!(unfit.count(), 6, "{:#?}", outcome.gaps());
    assert!(outcome.paths("global_init_script").contains(&"a/b".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_larger_than_memory_are_not_read_to_their_end() {
    let outcome = bad(|seen| match seen.path() {
        "/api/2.0/workspace/list" if path_of(seen) == "/" => Some(listing(value!([
            {"path": "/big", "object_type": "NOTEBOOK", "object_id": 1, "language": "PYTHON"},
            {"path": "/file", "object_type": "FILE", "object_id": 2, "size": 3},
        ]))),
        "/api/2.2/jobs/list" => {
            let body = format!("{{\"jobs\": [{}]}}", " ".repeat(5 << 20));
            Some(Reply::Whole(200, vec![("content-type", "application/json".into())], body.into_bytes()))
        }
        "/api/2.0/pipelines" => {
            let headers = vec![("content-type", "application/json".into()), ("content-encoding", "gzip".into())];
            Some(Reply::Whole(200, headers, BOMB.to_vec()))
        }
        "/api/2.0/workspace/export" if seen.target.contains("%2Ffile") => {
            let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
            Some(Reply::Raw((head + &chunk.repeat(12)).into_bytes()))
        }
        "/api/2.0/workspace-files/file" => {
            Some(Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\nxx".to_vec()))
        }
        "/api/2.0/workspace/export" => Some(Reply::Whole(500, vec![], vec![b'x'; 3 << 20])),
        _ => None,
    })
    .export()
    .await;
    outcome.misses("job", "*", "larger than 4 MiB");
    outcome.misses("pipeline", "*", "larger than 4 MiB");
    outcome.misses("file", "/file", "limit for this file");
    outcome.misses("notebook", "/big", "500");
}

#[tokio::test(flavor = "multi_thread")]
async fn dbfs_sizes_and_chunks_that_lie_are_noticed() {
    let chunk = |bytes: &[u8]| Some(json(200, value!({"bytes_read": bytes.len(), "data": STANDARD.encode(bytes)})));
    let outcome = bad(move |seen| match (seen.path(), path_of(seen).as_str()) {
        ("/api/2.0/dbfs/list", "/FileStore") => Some(json(
            200,
            value!({"files": [
                {"path": "/FileStore/empty", "is_dir": false, "file_size": 7},
                {"path": "/FileStore/endless", "is_dir": false, "file_size": 0},
                {"path": "/FileStore/fat", "is_dir": false, "file_size": 5},
                {"path": "/FileStore/garbage", "is_dir": false, "file_size": 5},
                {"path": "/FileStore/huge", "is_dir": false, "file_size": 9_007_199_254_740_993_u64},
                {"path": "/FileStore/other", "is_dir": false, "file_size": 5},
                {"path": "/elsewhere", "is_dir": true, "file_size": 0},
                {"is_dir": true},
            ]}),
        )),
        ("/api/2.0/dbfs/read", "/FileStore/empty") => chunk(b""),
        ("/api/2.0/dbfs/read", "/FileStore/endless") => chunk(&vec![7; 1 << 20]),
        ("/api/2.0/dbfs/read", "/FileStore/fat") => chunk(&vec![7; (1 << 20) + 1]),
        ("/api/2.0/dbfs/read", "/FileStore/garbage") => Some(json(200, value!({"bytes_read": 5, "data": "§§§"}))),
        ("/api/2.0/dbfs/read", "/FileStore/other") => {
            Some(json(200, value!({"bytes_read": 9, "data": STANDARD.encode(b"12345")})))
        }
        _ => None,
    })
    .export()
    .await;
    outcome.misses("dbfs_file", "/FileStore/endless", "goes on");
    outcome.misses("dbfs_file", "/FileStore/fat", "longer than asked for");
    outcome.misses("dbfs_file", "/FileStore/garbage", "base64");
    outcome.misses("dbfs_file", "/FileStore/huge", "limit");
    outcome.misses("dbfs_file", "/FileStore/other", "not as long as it says");
    outcome.misses("dbfs_file", "/elsewhere (listed in /FileStore)", "does not lie there");
    outcome.misses("dbfs_file", " (listed in /FileStore)", "does not lie there");
    let degraded = outcome.exported.degraded.iter().map(|(_, path, _)| path.as_str()).collect::<Vec<_>>();
    assert_eq!(degraded, ["/FileStore/empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_that_are_no_exports_are_missing() {
    let outcome = bad(|seen| match (seen.path(), path_of(seen).as_str()) {
        ("/api/2.0/workspace/list", "/") => {
            let notebook = |name: &str| value!({"path": format!("/{name}"), "object_type": "NOTEBOOK", "language": "PYTHON", "object_id": 4});
            Some(listing(Value::from(["empty", "html", "list", "number", "redirect", "text"].map(notebook).to_vec())))
        }
        ("/api/2.0/workspace/export", "/empty") => Some(json(200, value!({}))),
        ("/api/2.0/workspace/export", "/html") => {
            Some(Reply::Whole(502, vec![("content-type", "text/html".into())], b"<html><title>Bad \x1b[31mGateway</title>".to_vec()))
        }
        ("/api/2.0/workspace/export", "/list") => Some(json(200, value!(["content"]))),
        ("/api/2.0/workspace/export", "/number") => Some(json(200, value!({"content": "a"}))),
        ("/api/2.0/workspace/export", "/redirect") => Some(Reply::Whole(307, vec![("location", "https://elsewhere.example/x".into())], vec![])),
        ("/api/2.0/workspace/export", "/text") => Some(Reply::Whole(200, vec![("content-type", "text/plain".into())], b"print(1)".to_vec())),
        _ => None,
    })
    .export()
    .await;
    assert_eq!(outcome.paths("notebook"), [""; 0]);
    for (name, words) in [
        ("empty", "without content"),
        ("html", "502"),
        ("list", "without content"),
        ("number", "without content"),
        ("redirect", "elsewhere"),
        ("text", "not JSON"),
    ] {
        outcome.misses("notebook", &format!("/{name}"), words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_yet_survives() {
    let settings = value!({"name": "new", "hologram": {"mode": "QUANTUM", "depth": [1, 2.5, null, {"é": "ü"}]}, "tasks": [{"task_key": "t", "teleport_task": {"to": "Mars"}}]});
    let kept = settings.clone();
    let outcome = bad(move |seen| match seen.path() {
        "/api/2.2/jobs/list" => Some(json(200, value!({"jobs": [{"job_id": 9_007_199_254_740_993_u64}]}))),
        "/api/2.2/jobs/get" => {
            Some(json(200, value!({"job_id": 9_007_199_254_740_993_u64, "created_by": "NEW_ENUM", "settings": settings})))
        }
        _ => None,
    })
    .export()
    .await;
    let member = outcome.reader.find("job", "9007199254740993").unwrap();
    let body: Value = serde_json::from_slice(&outcome.reader.read(member).unwrap()).unwrap();
    assert_eq!(body, value!({"job_id": 9_007_199_254_740_993_u64, "created_by": "NEW_ENUM", "settings": kept}));
}

/// Credentials of every recognisable form; each holds a word of its own that must not come back.
fn planted() -> Vec<String> {
    let hex = "0123456789abcdef".repeat(2);
    let long = "aB3dE6gH9".repeat(12);
    let mut all: Vec<String> = ["dapi", "dose", "dkea"].iter().map(|start| format!("{start}{hex}")).collect();
    all.extend([
        format!("ghp_{}", &long[..36]),
        format!("{}==", &long[..86]),
        format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}", &long[..30]),
        format!("https://hooks.slack.com/services/T1/B1/{}", &long[..24]),
        "https://robot:hunter2@git.example.com/r.git".into(),
        "jdbc:sqlserver://h;user=a;password=hunter2;x=1".into(),
        format!("https://x.blob.core.windows.net/c?sv=1&sig={}", &long[..44]),
    ]);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_reaches_a_bundle_or_a_listener() {
    let secrets = planted();
    let all = secrets.join(" ");
    let everywhere =
        value!({"name": &all, "display_name": &all, "displayName": &all, "description": &all, "x": {&secrets[0]: [&all]}});
    let spark = value!({"FS.Azure.Account.Key.x": "hunter2", "Spark.My.PassWord": "hunter2", "spark.ssl.keyPassword": 77_110_077, "plain": &all});
    let cluster = value!({"cluster_id": "c", "cluster_name": &all, "cluster_source": "UI", "spark_conf": spark, "custom_tags": {"note": &all},
        "spark_env_vars": {"GIT_TOKEN": "hunter2", "Db_Passwd": "hunter2"}, "docker_image": {"url": "x", "basic_auth": {"username": "u", "password": "hunter2"}},
        "init_scripts": [{"s3": {"destination": secrets[9]}}], "default_tags": {"k": &all}});
    let job = value!({"job_id": 5, "settings": {"name": &all, "git_source": {"git_url": secrets[7]}, "tags": {"a": &all},
        "parameters": [{"name": "db_password", "default": "hunter2"}, {"name": "x", "default": &all}],
        "webhook_notifications": {"on_failure": [{"id": &all, "url": secrets[6]}]},
        "tasks": [{"task_key": "t", "libraries": [{"pypi": {"package": "p", "repo": secrets[7]}}, {"maven": {"repo": secrets[7]}}],
            "spark_python_task": {"parameters": ["--key", &all]}, "notebook_task": {"base_parameters": {"client_secret": "hunter2"}}, "new_task": &everywhere}]}});
    let definition = value!({"spark_conf.x.password": {"type": "fixed", "value": "hunter2"}, "spark_conf.plain": {"type": "fixed", "value": &all}}).to_string();
    let answers = value!({
        "/api/2.1/clusters/list": {"clusters": [cluster]}, "/api/2.1/clusters/get": cluster,
        "/api/2.2/jobs/list": {"jobs": [{"job_id": 5, "settings": {"name": &all}}]}, "/api/2.2/jobs/get": job,
        "/api/2.0/policies/clusters/list": {"policies": [{"policy_id": "p", "name": &all, "definition": definition}]},
        "/api/2.0/notification-destinations": {"results": [{"id": "n", "display_name": &all, "config": {"slack": {"url": "https://hunter2"}, "generic_webhook": {"url": "https://hunter2", "password": "hunter2"}, "pagerduty": {"integration_key": "hunter2"}}}]},
        "/api/2.0/git-credentials": {"credentials": [{"credential_id": 3, "git_provider": "x", "git_username": "u", "personal_access_token": "hunter2", "note": &all}]},
        "/api/2.0/pipelines": {"statuses": [{"pipeline_id": "q", "name": &all, "spec": everywhere}]},
        "/api/2.0/preview/scim/v2/Groups": {"Resources": [{"id": "9", "displayName": &all}], "totalResults": 1},
        "/api/2.0/preview/scim/v2/Groups/9": {"id": "9", "displayName": &all},
    });
    let refusal = value!({"error_code": "BAD", "message": &all, "details": [{"reason": &secrets[0]}]});
    let refused = refusal.clone();
    let outcome = bad(move |seen| match answers.get(seen.path()) {
        Some(answer) if !seen.target.contains("startIndex=2") => Some(json(200, answer.clone())),
        _ if seen.path().starts_with("/api/2.0/permissions/") || seen.path() == "/api/2.0/sql/warehouses" => {
            Some(json(400, refused.clone()))
        }
        _ => None,
    })
    .export()
    .await;
    let mut texts = vec![format!("{:?} {:?}", outcome.exported.gaps, outcome.exported.degraded)];
    assert!(outcome.events.len() > 20);
    texts.extend(outcome.events.iter().cloned());
    let manifest = outcome.reader.manifest();
    texts.push(format!("{manifest:?}"));
    for member in &manifest.members {
        texts.push(String::from_utf8(outcome.reader.read(member).unwrap()).unwrap());
        texts.push(format!("{:?} {:?} {:?}", member.key, member.path, member.meta()));
    }
    let kinds: std::collections::BTreeSet<&str> = manifest.members.iter().map(|member| &*member.kind).collect();
    assert!(kinds.len() >= 7, "what holds the secrets came: {kinds:?}");
    let long = "aB3dE6gH9".repeat(3);
    for text in texts {
        for canary in ["hunter2", "77110077", "0123456789abcdef0123", &long[..20]] {
            let at = text.find(canary);
            assert!(
                at.is_none(),
                "{canary} in …{}…",
                &text[at.unwrap_or(0).saturating_sub(200)..][..260.min(text.len() - at.unwrap_or(0).saturating_sub(200))]
            );
        }
    }
    assert!(manifest.redacted.len() > 30, "{}", manifest.redacted.len());
}

/// Half a backup that looks whole is worse than none: an answer without a field is no job, no ACL, no Git folder.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_hold_nothing_are_no_objects() {
    let outcome = bad(|seen| match seen.path() {
        "/api/2.0/workspace/list" if path_of(seen) == "/" => {
            Some(listing(value!([{"object_type": "REPO", "object_id": 7, "path": "/r"}, {"object_type": "DIRECTORY", "object_id": 8, "path": "/d"}])))
        }
        "/api/2.2/jobs/list" => Some(json(200, value!({"jobs": [{"job_id": 1, "settings": {"name": "hollow"}}]}))),
        "/api/2.0/instance-pools/list" => Some(json(200, value!({"instance_pools": [{"instance_pool_id": "p"}]}))),
        "/api/2.0/instance-pools/get" => Some(json(200, value!(["p"]))),
        "/api/2.0/permissions/directories/8" => Some(json(200, value!({}))),
        _ => None,
    })
    .export()
    .await;
    for (kind, id) in [("job", "1"), ("instance_pool", "p"), ("repo", "/r"), ("permissions", "directories/8")] {
        assert!(!outcome.paths(kind).contains(&id.to_owned()), "{kind}");
        outcome.misses(kind, id, "no object");
    }
}

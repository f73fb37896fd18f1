//! Imports of bundles that are whole, to their last digest, and nonsense: nothing panics, nothing is sent that the plan does
//! not say, and every object is accounted for.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::forge::{Forge, Object, object};
use lifeboat::api::{Config, Options, Workspace};
use lifeboat::bundle::Reader;
use lifeboat::event::{Observer, Silent};
use lifeboat::import::{self, BundleContents, Receipt, State};
use lifeboat::journal::Journal;
use lifeboat::kinds::{self, Kind, Shape};
use lifeboat::plan::Plan;
use lifeboat::restore;
use lifeboat::simulator::{self, Seed, Server};
use lifeboat::spool::Spool;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Entries of one access list.
const CROWD: usize = 30_000;

/// One member: kind, path, meta, body.
type Lie = (String, String, Value, String);

fn lie(kind: &str, path: &str, meta: Value, body: &(impl ToString + ?Sized)) -> Lie {
    (kind.to_owned(), path.to_owned(), meta, body.to_string())
}

/// A bundle of such members, each kind in a frame of its own.
fn bundle(lies: &[Lie]) -> (tempfile::TempDir, Reader) {
    let mut frames: BTreeMap<&str, Vec<Object>> = BTreeMap::new();
    for (index, (kind, path, _, body)) in lies.iter().enumerate() {
        frames.entry(kind).or_default().push(object(kind, path, &format!("{index:05}.json"), body));
    }
    let metas: BTreeMap<(String, String), Value> =
        lies.iter().map(|(kind, path, meta, _)| ((kind.clone(), path.clone()), meta.clone())).collect();
    let lines = move |lines: &mut Vec<Value>| {
        for line in lines.iter_mut().filter(|line| line["t"] == "member") {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            let mut meta = metas[&(text("kind"), text("path"))].clone();
            if let Some(key) = meta.as_object_mut().and_then(|meta| meta.remove("~key")) {
                // The key stands between name and size; order does not matter to a reader.
                line["key"] = key;
            }
            meta["modified_at"] = json!(1_700_000_000_000_u64);
            line["meta"] = meta;
        }
    };
    let head = |head: &mut Value| head["source"] = json!({"cloud": "azure", "workspace_id": "4242", "host": "https://x"});
    let forge =
        Forge { frames: frames.into_values().collect(), lines: Box::new(lines), head: Box::new(head), ..Forge::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.tar.zst");
    std::fs::write(&path, forge.build()).unwrap();
    let reader = Reader::open(&path).unwrap();
    (folder, reader)
}

/// What an import makes of it.
struct Made {
    plan: Plan,
    receipt: Receipt,
    /// The same once more: what a second plan would still write.
    again: usize,
}

async fn import(lies: &[Lie]) -> Made {
    let (_folder, reader) = bundle(lies);
    let options = simulator::Options { seed: Seed::Empty, workspace_id: "9999".into(), ..simulator::Options::default() };
    let server = Server::start(options).await.unwrap();
    let config = Config::with_host_and_token(&server.url(), server.token());
    let hasty =
        Options { pause: Duration::from_millis(2), retry_budget: Duration::from_millis(20), ..Options::default().lift_rates() };
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let workspace = Workspace::new(config, hasty, observer.clone()).unwrap();
    let options = restore::Options { workers: 8, ..restore::Options::default() };
    let plan = restore::plan(&reader, &workspace, &options, &observer).await.unwrap();
    let contents = BundleContents::new(&reader, Spool::in_temp().unwrap());
    let receipt = import::run(&plan, &contents, &workspace, &mut Journal::none(), &observer).await.unwrap();
    let again = restore::plan(&reader, &workspace, &options, &observer).await.unwrap().writes();
    server.stop().await;
    accounted(lies, &receipt);
    Made { plan, receipt, again }
}

/// Every member is in exactly one state, but for what is only recorded.
fn accounted(lies: &[Lie], receipt: &Receipt) {
    let expected: BTreeSet<(String, String)> = lies
        .iter()
        .filter(|(kind, ..)| kinds::by_name(kind).is_none_or(|kind| !matches!(kind.shape, Shape::Recorded(_))))
        .map(|(kind, path, ..)| (kind.clone(), path.clone()))
        .collect();
    let items: Vec<(String, String)> =
        receipt.items.iter().map(|item| (item.source.kind.clone(), item.source.id.clone())).collect();
    let found: BTreeSet<(String, String)> = items.iter().cloned().collect();
    assert_eq!(found.len(), items.len(), "nothing is told twice");
    let lost: Vec<_> = expected.difference(&found).collect();
    assert!(lost.is_empty(), "nothing became of {lost:?}");
}

fn reason(made: &Made, kind: &str, id: &str) -> (State, String) {
    let item = made.receipt.of(kind, id).unwrap_or_else(|| panic!("{kind} {id} is not told"));
    (item.state, item.reason.clone().unwrap_or_default())
}

/// Path and meta of an object of each kind, as a well-behaved bundle would have them.
fn place(kind: &Kind, number: usize) -> (String, Value) {
    match &kind.shape {
        Shape::Tree(_) if kind.name == "volume_file" => (format!("/Volumes/a/b/c/{number}"), json!({})),
        Shape::Tree(_) => (format!("/{}/{number}", kind.name), json!({"object_id": number, "language": "PYTHON"})),
        Shape::Attached(attached) if attached.to.is_empty() => {
            (format!("jobs/{number}"), json!({"parent": {"kind": "job", "id": number.to_string()}}))
        }
        Shape::Attached(attached) => {
            (format!("{number}/x"), json!({"parent": {"kind": attached.to[0], "id": number.to_string()}}))
        }
        _ => (number.to_string(), json!({})),
    }
}

/// A document in which everything that the table knows of a kind holds the same odd value.
fn odd(kind: &Kind, value: &Value) -> Value {
    let mut document = json!({});
    let pointers = kind.fields().map(|(at, _)| at).chain(kind.references().map(|(at, _)| at));
    for at in pointers.chain([kind.key.at.to_owned()]).filter(|at| !at.is_empty()) {
        let mut here = &mut document;
        let segments: Vec<String> = at.split('/').skip(1).map(|segment| segment.replace('*', "star")).collect();
        for (depth, segment) in segments.iter().enumerate() {
            let last = depth + 1 == segments.len();
            if !here.is_object() {
                break;
            }
            let members = here.as_object_mut().unwrap();
            here = members.entry(segment.clone()).or_insert_with(|| if last { value.clone() } else { Value::Object(Map::new()) });
        }
    }
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_every_kind_may_be_nonsense() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let texts = [
        "{}".to_owned(),
        "null".into(),
        "[]".into(),
        "\"text\"".into(),
        "1e999".into(),
        "not json".into(),
        String::new(),
        format!("{{\"settings\":{}}}", deep(120)),
        deep(100_000),
        "{\"settings\":1,\"settings\":{\"name\":2}}".into(),
        "{\"settings\":[{}],\"spec\":\"x\",\"definition\":\"{\\\"a\\\":\"}".into(),
        "{\"name\":\"\u{0}\\u0000\\ud83d\\ude00\\u202e\\u001b[31m=cmd()\"}".into(),
    ];
    for body in texts {
        let lies: Vec<Lie> =
            kinds::all().iter().map(|kind| (kind.name.to_owned(), place(kind, 1).0, place(kind, 1).1, body.clone())).collect();
        import(&lies).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_known_place_may_hold_something_else() {
    let values = [
        json!(1),
        json!("x"),
        json!([]),
        json!({}),
        json!([[[1, null]], {"a": [1]}]),
        json!(null),
        json!(-1.5),
        json!("{{secrets/a/b}}"),
        json!("/../.."),
    ];
    let mut lies: Vec<Lie> = Vec::new();
    for (number, value) in values.iter().enumerate() {
        for kind in kinds::all() {
            let (path, meta) = place(kind, number + 1);
            lies.push((kind.name.to_owned(), path, meta, odd(kind, value).to_string()));
        }
    }
    import(&lies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_may_lie() {
    let acl = json!({"access_control_list": [{"user_name": "x@y", "all_permissions": [{"permission_level": "IS_OWNER", "inherited": false}]}]});
    let on = |kind: &str, id: &str| json!({"parent": {"kind": kind, "id": id}});
    let job = json!({"job_id": 1, "settings": {"name": "a"}});
    let lies = [
        lie("job", "1", json!({}), &job),
        lie("permissions", "jobs/1", on("job", "1"), &acl),
        lie("permissions", "jobs/2", on("job", "1"), &acl),
        lie("permissions", "clusters/1", on("job", "1"), &acl),
        lie("permissions", "jobs/3", on("secret_scope", "1"), &acl),
        lie("permissions", "jobs/4", on("hologram", "1"), &acl),
        lie("permissions", "jobs/5", json!({}), &acl),
        lie("permissions", "jobs/6", json!({"parent": "job/1"}), &acl),
        lie("permissions", "jobs/404", on("job", "404"), &acl),
        lie("secret_acl", "s/x", on("job", "1"), &json!({"principal": "x", "permission": "MANAGE"})),
        lie("hologram", "1", json!({}), &json!({"name": "later"})),
        lie("notebook", "/a/../../b", json!({"language": "PYTHON"}), &"print(1)"),
        lie("notebook", "relative", json!({"language": "PYTHON"}), &"print(1)"),
        lie("notebook", "/shown", json!({"language": "PYTHON", "~key": "/Users/other/place"}), &"print(1)"),
        lie("notebook", "/good", json!({"language": "KLINGON", "format": "EVIL"}), &"print(1)"),
        lie("volume_file", "/../../2.0/secrets/acls/put", json!({}), &"{\"scope\":\"x\"}"),
        lie("volume_file", "/Volumes/../api", json!({}), &"x"),
        lie("volume_file", "/api/2.0/token", json!({}), &"x"),
        lie("dbfs_file", "/x/../../etc", json!({}), &"x"),
        lie("user", "7", json!({"~key": "a\u{0}b"}), &json!({"userName": "a"})),
    ];
    let made = import(&lies).await;
    for (kind, id, words) in [
        ("permissions", "jobs/2", "two things"),
        ("permissions", "clusters/1", "two things"),
        ("permissions", "jobs/3", "no permissions"),
        ("permissions", "jobs/4", "unknown kind"),
        ("permissions", "jobs/5", "does not say"),
        ("permissions", "jobs/6", "does not say"),
        ("secret_acl", "s/x", "wrong kind"),
        ("hologram", "1", "no such kind"),
        ("notebook", "/a/../../b", "path"),
        ("notebook", "relative", "path"),
        ("notebook", "/shown", "not its path"),
        ("volume_file", "/../../2.0/secrets/acls/put", "path"),
        ("volume_file", "/Volumes/../api", "path"),
        ("volume_file", "/api/2.0/token", "volume"),
        ("dbfs_file", "/x/../../etc", "path"),
        ("user", "7", "NUL"),
    ] {
        let (state, said) = reason(&made, kind, id);
        assert!(state == State::Skipped && said.contains(words), "{kind} {id}: {state:?} {said}");
    }
    assert_eq!(reason(&made, "job", "1").0, State::Created);
    assert!(!made.receipt.is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn circles_come_to_an_end() {
    let runs = |id: u64, other: u64| json!({"job_id": id, "settings": {"name": format!("job {id}"), "tasks": [{"task_key": "t", "run_job_task": {"job_id": other}}]}});
    let mut lies: Vec<Lie> = (1..=300).map(|id| lie("job", &id.to_string(), json!({}), &runs(id, id % 300 + 1))).collect();
    lies.push(lie("job", "1000", json!({}), &runs(1000, 1000)));
    let nested = |n: usize| (0..n).fold("\"x\"".to_owned(), |text, _| serde_json::to_string(&text).unwrap());
    lies.push(lie("cluster_policy", "P", json!({}), &json!({"policy_id": "P", "name": "p", "definition": nested(12)})));
    let member = json!({"value": "5", "$ref": "Groups/5", "display": "g5"});
    lies.push(lie("group", "5", json!({}), &json!({"id": "5", "displayName": "g5", "members": [member]})));
    let made = import(&lies).await;
    let created = (1..=300).filter(|id: &u64| reason(&made, "job", &id.to_string()).0 == State::Created).count();
    assert_eq!(created, 300, "a circle is made bare first, and completed");
    assert!(made.plan.steps.len() >= lies.len());
    assert!(made.again < 10, "most of it is there: {}", made.again);
}

#[tokio::test(flavor = "multi_thread")]
async fn crowds_come_to_an_end() {
    let crowd: Vec<Value> = (0..CROWD).map(|n| json!({"user_name": format!("u{n}@x"), "permission_level": "CAN_VIEW"})).collect();
    let lies = [
        lie("job", "1", json!({}), &json!({"job_id": 1, "settings": {"name": "j"}})),
        lie("permissions", "jobs/1", json!({"parent": {"kind": "job", "id": "1"}}), &json!({"access_control_list": crowd})),
    ];
    let started = std::time::Instant::now();
    let made = import(&lies).await;
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
    assert_eq!(reason(&made, "job", "1").0, State::Created);
}

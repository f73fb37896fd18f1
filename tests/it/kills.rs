//! An import dies at any request, before or after the workspace did what was asked, and is run again: with the journal of
//! the first, or from another machine that knows nothing of it. In the end all is as if nothing had happened, and inert.
//!
//! A few requests, always the same, spread evenly, unless [`crate::sweep`] asks for more: `each` kills at every request, and
//! `all` at every request in all four ways.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::import::{Bundled, SOURCE, TARGET, apply, bundle_of, connect, everything, ids, options, prepare, silent, start};
use crate::sweep;
use lifeboat::bundle::Reader;
use lifeboat::compare;
use lifeboat::import::{self, BundleContents};
use lifeboat::journal::Journal;
use lifeboat::object::{Object, SourceId};
use lifeboat::simulator::{Action, Fault, Recorded, RetryAfter, Seed, Server};
use lifeboat::spool::Spool;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What an import that nobody disturbed leaves behind, and how many requests it needs.
pub(super) struct Calm {
    pub(super) source: Vec<Object>,
    pub(super) left: Left,
    requests: u64,
}

/// A target as far as two imports must leave the same: names with their numbers, differences from the source, what is active.
pub(super) struct Left {
    names: BTreeMap<&'static str, BTreeMap<String, u64>>,
    differences: Vec<(String, String)>,
    active: Vec<String>,
}

impl Left {
    /// What is not as after an import that nobody disturbed.
    pub(super) fn faults(&self, calm: &Self) -> Vec<String> {
        let names = calm.names.keys().filter(|kind| self.names[*kind] != calm.names[*kind]);
        let names = names.map(|kind| format!("{kind}: {:?} for {:?}", self.names[kind], calm.names[kind]));
        let more = self.differences.iter().filter(|one| !calm.differences.contains(one)).map(|one| format!("{one:?}"));
        names.chain(more).chain(self.active.iter().map(|one| format!("{one} is active"))).collect()
    }
}

pub(super) async fn left(source: &[Object], target: &Server) -> Left {
    // A second look, since what is stopped takes a moment.
    everything(target).await;
    let objects = everything(target).await;
    let active = objects.iter().filter(|object| is_active(object));
    let active = active.map(|object| format!("{}:{}", object.kind.name, object.key)).collect();
    let names = lifeboat::kinds::all().iter().map(|kind| (kind.name, ids(&objects, kind.name))).collect();
    let found = compare::compare(source, &objects, SOURCE, "operator@northwind.example").differences;
    let mut differences: Vec<_> = found.iter().map(|one| (format!("{}:{}", one.kind, one.object), one.at.clone())).collect();
    differences.sort();
    Left { names, differences, active }
}

/// Whether something runs, waits to run, or costs.
fn is_active(object: &Object) -> bool {
    let Some(document) = object.document() else { return false };
    let active = match object.kind.name {
        "cluster" => document["state"] != "TERMINATED",
        "global_init_script" => document["enabled"] != false,
        "instance_pool" => document["min_idle_instances"].as_i64().unwrap_or(0) != 0,
        _ => false,
    };
    active || document.to_string().contains("UNPAUSED")
}

pub(super) async fn calm(bundled: &Bundled) -> Calm {
    let source = everything(&start(Seed::Sample, SOURCE).await).await;
    let target = start(Seed::Prepared, TARGET).await;
    let planned = prepare(bundled, &target, &options()).await;
    let before = target.requests().len();
    apply(bundled, &planned, &target, &mut Journal::none()).await;
    let requests = (target.requests().len() - before) as u64;
    let left = left(&source, &target).await;
    Calm { source, left, requests }
}

/// Lets the n-th request from now on be the last one: done or not, its answer never comes, nor does any after it.
fn silence(target: &Server, nth: u64, done: bool) {
    let fault = |nth, times, after, action| Fault {
        method: "*".into(),
        path: "/api/*".into(),
        containing: None,
        nth,
        times,
        percent: 100,
        draw: 0,
        after,
        action,
    };
    target.faults().add(fault(nth, 1, done, if done { Action::Close } else { Action::Delay(3_600_000) }));
    target.faults().add(fault(nth + 1, 0, false, Action::Delay(3_600_000)));
}

async fn die_at(bundled: &Bundled, target: &Server, point: Point, state: &Path) {
    let planned = prepare(bundled, target, &options()).await;
    let mut journal = Journal::open(state, TARGET, SOURCE, &planned.source.digest).unwrap();
    silence(target, point.request, point.done);
    let (workspace, bundle) = (connect(target), bundled.path.clone());
    let running = tokio::spawn(async move {
        let reader = Reader::open(&bundle).unwrap();
        let contents = BundleContents::new(&reader, Spool::in_temp().unwrap());
        import::run(&planned, &contents, &workspace, &mut journal, &silent()).await.unwrap();
    });
    while target.faults().struck() == 0 && !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.abort();
    let _ = running.await;
    target.faults().clear();
}

/// What is wrong after an import that died at this request, and the one that went on.
async fn dies_and_goes_on(calm: &Calm, bundled: &Bundled, point: Point) -> Vec<String> {
    let target = start(Seed::Prepared, TARGET).await;
    let state = tempfile::tempdir().unwrap();
    die_at(bundled, &target, point, state.path()).await;
    let journals: Option<PathBuf> = point.journal.then(|| state.path().to_owned());
    let options = lifeboat::restore::Options { journals, ..options() };
    let planned = prepare(bundled, &target, &options).await;
    let receipt = apply(bundled, &planned, &target, &mut Journal::none()).await;
    let mut faults = left(&calm.source, &target).await.faults(&calm.left);
    let again = prepare(bundled, &target, &options).await;
    let there = |source: &SourceId| receipt.items.iter().any(|item| item.source == *source && item.state.is_there());
    let writes = again.steps.iter().filter(|step| step.action.writes() && there(&step.source));
    faults.extend(writes.map(|step| format!("written again: {} {}", step.source, step.key)));
    faults
}

/// A request, whether it is still done, and whether the journal is there afterwards.
#[derive(Clone, Copy, Debug)]
struct Point {
    request: u64,
    done: bool,
    journal: bool,
}

/// A few of each way, or as is asked.
fn points(requests: u64) -> Vec<Point> {
    let ways = [(true, true), (true, false), (false, true), (false, false)];
    let point = |request, (done, journal)| Point { request, done, journal };
    if sweep::asked() == "all" {
        return (1..=requests).flat_map(|request| ways.map(|way| point(request, way))).collect();
    }
    let wanted = sweep::count(8, requests);
    (0..wanted).zip(ways.into_iter().cycle()).map(|(at, way)| point(1 + at * requests / wanted, way)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_dies_at_any_request_goes_on_and_leaves_nothing_running() {
    let bundled = Arc::new(bundle_of(Seed::Sample).await);
    let calm = Arc::new(calm(&bundled).await);
    assert!(calm.left.active.is_empty(), "{:?}", calm.left.active);
    sweep::run(points(calm.requests), |point| {
        let (calm, bundled) = (calm.clone(), bundled.clone());
        async move { dies_and_goes_on(&calm, &bundled, point).await }
    })
    .await;
}

/// What becomes of a request on a bad line: done and the answer lost, or turned away with a word about when to come again.
fn mishap(number: u64) -> (bool, Action) {
    let turned_away = |status, wait| Action::Status { status, retry_after: Some(wait) };
    match number % 6 {
        0 => (true, Action::Close),
        1 => (true, Action::Status { status: 500, retry_after: None }),
        2 => (false, turned_away(429, RetryAfter::Seconds(0))),
        3 => (true, Action::Status { status: 504, retry_after: None }),
        4 => (false, turned_away(503, RetryAfter::DateIn(1))),
        _ => (true, Action::CutBody),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_doubles_nothing_and_the_next_import_mends_what_it_broke() {
    let bundled = bundle_of(Seed::Sample).await;
    let calm = calm(&bundled).await;
    let target = start(Seed::Prepared, TARGET).await;
    let planned = prepare(&bundled, &target, &options()).await;
    for (method, number) in ["POST", "PUT", "PATCH"].into_iter().flat_map(|method| (0..90).map(move |number| (method, number))) {
        let (after, action) = mishap(number);
        let path = "/api/*".to_owned();
        target.faults().add(Fault {
            method: method.into(),
            path,
            containing: None,
            nth: 2 + 5 * number,
            times: 1,
            percent: 100,
            draw: 0,
            after,
            action,
        });
    }
    let receipt = apply(&bundled, &planned, &target, &mut Journal::none()).await;
    assert!(target.faults().struck() > 50, "{}", target.faults().struck());
    target.faults().clear();
    // A file of many blocks is begun again only so often: then it is told, and written over.
    let told = |object: &String| receipt.items.iter().any(|item| !item.state.is_there() && object.contains(&item.key));
    let faults = left(&calm.source, &target).await.faults(&calm.left);
    assert!(faults.iter().all(told), "{faults:#?}");
    let planned = prepare(&bundled, &target, &options()).await;
    apply(&bundled, &planned, &target, &mut Journal::none()).await;
    assert_eq!(left(&calm.source, &target).await.faults(&calm.left), [""; 0]);
}

/// What in a body would start, bill or notify as soon as the workspace has read it.
fn starters(value: &Value, name: &str) -> Vec<String> {
    let starts = match name {
        "schedule" | "trigger" | "continuous" | "an entry of triggers" => value["pause_status"] != "PAUSED",
        "pause_status" => value != "PAUSED",
        "min_idle_instances" => value.as_i64() != Some(0),
        _ => false,
    };
    let inside: Vec<String> = match value {
        // Below an entry of `triggers` nothing has a status of its own.
        Value::Object(_) if name == "an entry of triggers" => Vec::new(),
        Value::Array(items) if name == "triggers" => {
            items.iter().flat_map(|item| starters(item, "an entry of triggers")).collect()
        }
        Value::Object(members) => members.iter().flat_map(|(name, member)| starters(member, name)).collect(),
        Value::Array(items) => items.iter().flat_map(|item| starters(item, "")).collect(),
        _ => Vec::new(),
    };
    starts.then(|| format!("{name}: {value}")).into_iter().chain(inside).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_active_for_a_moment() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let planned = prepare(&bundled, &target, &options()).await;
    assert_eq!(target.writes(), 0, "a plan writes nothing");
    apply(&bundled, &planned, &target, &mut Journal::none()).await;
    let sent = target.requests();
    let to = |end: &str| sent.iter().filter(|one| one.path.ends_with(end)).collect::<Vec<_>>();
    for one in sent.iter().filter(|one| one.method != "GET") {
        let found = one.body.as_ref().map(|body| starters(body, "")).unwrap_or_default();
        assert!(found.is_empty(), "{} {}: {found:?}", one.method, one.path);
        assert!(!one.path.contains("global-init-scripts") || one.body.as_ref().unwrap()["enabled"] != true, "{:?}", one.body);
    }
    let made = to("/api/2.1/clusters/create").iter().filter(|one| one.status == 200).count();
    assert!(made > 3, "{made}");
    assert_eq!(to("/api/2.1/clusters/delete").len(), made);
    let at = |wanted: &dyn Fn(&Recorded) -> bool| sent.iter().position(wanted);
    for stop in to("/api/2.1/clusters/delete") {
        let id = &stop.body.as_ref().unwrap()["cluster_id"];
        let first =
            at(&|one| one.path.contains(id.as_str().unwrap()) || one.body.as_ref().is_some_and(|body| body["cluster_id"] == *id));
        assert_eq!(first, at(&|one| std::ptr::eq(one, stop)), "{id} is stopped before anything else happens to it");
    }
    assert!(to("/jobs/create").len() > 20);
}

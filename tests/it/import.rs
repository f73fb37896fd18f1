//! Imports into the embedded workspace: whole, a second time, and with answers that get lost.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use lifeboat::api::{Config, Options, Workspace};
use lifeboat::bundle::{self, Reader};
use lifeboat::event::{Event, Observer, Silent};
use lifeboat::export;
use lifeboat::import::{self, BundleContents, ImportError, Receipt, State};
use lifeboat::journal::{self, Journal};
use lifeboat::object::Object;
use lifeboat::plan::{Plan, Step, What};
use lifeboat::restore;
use lifeboat::simulator::{self, Seed, Server};
use lifeboat::spool::{Sha, Spool};
use lifeboat::survey::Scope;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) const SOURCE: &str = "1111111111111111";
pub(super) const TARGET: &str = "2222222222222222";

pub(super) fn silent() -> Arc<dyn Observer> {
    Arc::new(Silent)
}

pub(super) fn connect(server: &Server) -> Workspace {
    let config = Config::with_host_and_token(&server.url(), server.token());
    let options = Options { pause: Duration::from_millis(20), ..Options::default().lift_rates() };
    Workspace::new(config, options, silent()).unwrap()
}

pub(super) async fn start(seed: Seed, workspace_id: &str) -> Server {
    let options = simulator::Options { seed, workspace_id: workspace_id.into(), ..simulator::Options::default() };
    Server::start(options).await.unwrap()
}

/// A bundle of a workspace, in a folder of its own.
pub(super) struct Bundled {
    _folder: tempfile::TempDir,
    pub(super) path: PathBuf,
}

pub(super) async fn bundle_of(seed: Seed) -> Bundled {
    let server = start(seed, SOURCE).await;
    let bundled = bundle_from(&server).await;
    server.stop().await;
    bundled
}

pub(super) async fn bundle_from(server: &Server) -> Bundled {
    bundle_within(server, Scope::default()).await
}

pub(super) async fn bundle_within(server: &Server, scope: Scope) -> Bundled {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.tar.zst");
    let options = export::Options {
        target: path.clone(),
        scope,
        packing: bundle::Options::default(),
        created: None,
        since: None,
        accept: export::Accept::default(),
    };
    export::run(&connect(server), options, silent()).await.unwrap();
    Bundled { _folder: folder, path }
}

pub(super) fn options() -> restore::Options {
    restore::Options { workers: 8, ..restore::Options::default() }
}

pub(super) async fn prepare(bundled: &Bundled, target: &Server, options: &restore::Options) -> Plan {
    let reader = Reader::open(&bundled.path).unwrap();
    restore::plan(&reader, &connect(target), options, &silent()).await.unwrap()
}

pub(super) async fn apply(bundled: &Bundled, plan: &Plan, target: &Server, journal: &mut Journal) -> Receipt {
    let reader = Reader::open(&bundled.path).unwrap();
    let contents = BundleContents::new(&reader, Spool::in_temp().unwrap());
    import::run(plan, &contents, &connect(target), journal, &silent()).await.unwrap()
}

/// Tells when so many objects were made.
struct Watch {
    left: AtomicU64,
    over: tokio::sync::Notify,
}

impl Observer for Watch {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Settled { state: "created", .. }) && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.over.notify_one();
        }
    }
}

/// All that a workspace holds, as documents.
pub(super) async fn everything(server: &Server) -> Vec<Object> {
    restore::gather(&connect(server), &Scope::default(), &silent()).await.unwrap().objects
}

pub(super) fn ids(objects: &[Object], kind: &str) -> BTreeMap<String, u64> {
    let mut count = BTreeMap::new();
    for object in objects.iter().filter(|object| object.kind.name == kind) {
        *count.entry(object.key.clone()).or_default() += 1;
    }
    count
}

/// What the sample holds that no import can bring into the prepared target, by kind and reason.
pub(super) fn expected_trouble(item: &import::Item) -> bool {
    let reason = item.reason.as_deref().unwrap_or_default();
    match item.source.kind.as_str() {
        "secret" if item.key.starts_with("kv-northwind/") => item.state == State::Skipped,
        "secret" => item.state == State::Pending,
        "secret_scope" | "secret_acl" => item.key == "kv-northwind" && item.state == State::Skipped,
        "workspace_object" | "git_credential" => item.state == State::Skipped,
        "job" => item.key == "on a cluster that is gone" && reason.contains("neither in the target"),
        "permissions" => item.key.ends_with("on a cluster that is gone"),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_is_restored_and_a_second_import_writes_nothing() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let first = prepare(&bundled, &target, &options()).await;
    let receipt = apply(&bundled, &first, &target, &mut Journal::none()).await;
    let surprises: Vec<_> = receipt.items.iter().filter(|item| !item.state.is_there() && !expected_trouble(item)).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert!(receipt.count(State::Created) > 150 && receipt.requests["job"] > 0);

    let second = prepare(&bundled, &target, &options()).await;
    let there = |step: &&Step| receipt.items.iter().any(|item| item.source == step.source && item.state.is_there());
    let again: Vec<_> = second.steps.iter().filter(|step| step.action.writes()).filter(there).collect();
    assert!(again.is_empty(), "{again:#?}");
    let writes = target.writes();
    let receipt = apply(&bundled, &second, &target, &mut Journal::none()).await;
    assert!(
        receipt.items.iter().all(|item| item.state != State::Created && item.state != State::Updated),
        "{:?}",
        receipt.counts
    );
    assert_eq!(target.writes() - writes, 0, "what would be refused again is not tried");
    let open = |item: &&import::Item| expected_trouble(item) && ["job", "secret_scope"].contains(&item.source.kind.as_str());
    assert_eq!(receipt.items.iter().filter(open).count(), 2, "and it is still told");
    assert!(!receipt.is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_is_inert_and_means_the_same() {
    let bundled = bundle_of(Seed::Sample).await;
    let source = start(Seed::Sample, SOURCE).await;
    let target = start(Seed::Prepared, TARGET).await;
    let planned = prepare(&bundled, &target, &options()).await;
    apply(&bundled, &planned, &target, &mut Journal::none()).await;
    let objects = everything(&target).await;
    for object in objects.iter().filter(|object| object.stamp().is_some()) {
        let text = object.document().map(|document| document.to_string()).unwrap_or_default();
        assert!(!text.contains("UNPAUSED"), "{} is active", object.key);
        let state = object.document().and_then(|document| document.get("state")?.as_str().map(str::to_owned));
        assert!(matches!(state.as_deref(), None | Some("TERMINATED" | "TERMINATING" | "ACTIVE")), "{} is {state:?}", object.key);
    }
    let scripts = objects.iter().filter(|object| object.kind.name == "global_init_script");
    assert!(scripts.filter_map(Object::document).all(|script| script["enabled"] == false));
    let wanted = bytes(&everything(&source).await);
    assert!(wanted.len() > 50);
    assert_eq!(bytes(&objects), wanted, "every notebook and file, byte for byte");
}

/// Length and digest of everything that has bytes, by kind and path.
fn bytes(objects: &[Object]) -> BTreeMap<String, (u64, Sha)> {
    let named = |object: &Object| Some((format!("{}:{}", object.kind.name, homely(&object.key)), object.body.digest()?));
    objects.iter().filter_map(named).collect()
}

/// A path whose home is spelled as a new workspace spells it.
pub(super) fn homely(path: &str) -> String {
    let owner = path.strip_prefix("/Users/").and_then(|below| below.split('/').next());
    owner.map_or_else(|| path.to_owned(), |owner| path.replacen(owner, &owner.to_lowercase(), 1))
}

/// Every create is done and its answer lost, in one way or another: nothing is made twice.
async fn without_duplicates(lose: impl Fn(&Server)) {
    let bundled = bundle_of(Seed::Sample).await;
    let calm = start(Seed::Prepared, TARGET).await;
    let planned = prepare(&bundled, &calm, &options()).await;
    apply(&bundled, &planned, &calm, &mut Journal::none()).await;
    let rough = start(Seed::Prepared, TARGET).await;
    lose(&rough);
    let planned = prepare(&bundled, &rough, &options()).await;
    let receipt = apply(&bundled, &planned, &rough, &mut Journal::none()).await;
    assert!(rough.faults().struck() > 10, "the faults struck {} times", rough.faults().struck());
    rough.faults().clear();
    let surprises: Vec<_> = receipt.items.iter().filter(|item| !item.state.is_there() && !expected_trouble(item)).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    let (wanted, actual) = (everything(&calm).await, everything(&rough).await);
    for kind in lifeboat::kinds::all() {
        assert_eq!(ids(&actual, kind.name), ids(&wanted, kind.name), "{}", kind.name);
    }
}

const CREATES: &[&str] = &[
    "POST /api/2.2/jobs/create",
    "POST /api/2.1/clusters/create",
    "POST /api/2.0/instance-pools/create",
    "POST /api/2.0/policies/clusters/create",
    "POST /api/2.0/global-init-scripts",
    "POST /api/2.0/preview/scim/v2/Users",
    "POST /api/2.0/preview/scim/v2/Groups",
    "POST /api/2.0/preview/scim/v2/ServicePrincipals",
    "POST /api/2.0/secrets/scopes/create",
    "POST /api/2.0/repos",
    "POST /api/2.0/workspace/import",
    "POST /api/2.0/dbfs/add-block",
    "POST /api/2.0/dbfs/close",
];

#[tokio::test(flavor = "multi_thread")]
async fn done_and_then_500_makes_no_twin() {
    without_duplicates(|server| CREATES.iter().for_each(|call| server.faults().on(call).times(2).after_handler().status(500)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn done_and_then_silence_makes_no_twin() {
    without_duplicates(|server| CREATES.iter().for_each(|call| server.faults().on(call).times(2).after_handler().close())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_done_and_500_is_tried_again() {
    without_duplicates(|server| CREATES.iter().for_each(|call| server.faults().on(call).times(2).status(504))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bears_no_stamp_is_not_made_twice_either() {
    let bundled = bundle_of(Seed::Sample).await;
    let mut unstamped = options();
    unstamped.plan.stamp = false;
    let calm = start(Seed::Prepared, TARGET).await;
    let planned = prepare(&bundled, &calm, &unstamped).await;
    apply(&bundled, &planned, &calm, &mut Journal::none()).await;
    let rough = start(Seed::Prepared, TARGET).await;
    for call in ["POST /api/2.2/jobs/create", "POST /api/2.1/clusters/create"] {
        rough.faults().on(call).times(2).after_handler().close();
    }
    let planned = prepare(&bundled, &rough, &unstamped).await;
    let receipt = apply(&bundled, &planned, &rough, &mut Journal::none()).await;
    assert_eq!(rough.faults().struck(), 4);
    let lost = receipt.todos.iter().find(|todo| todo.what == What::Look && todo.text.contains("was lost")).unwrap();
    assert_eq!(lost.objects.len(), 4, "{lost:?}");
    let (most, found) = (everything(&calm).await, everything(&rough).await);
    for kind in ["job", "cluster"] {
        let most = ids(&most, kind);
        assert!(ids(&found, kind).iter().all(|(name, count)| *count <= most[name]), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_cut_off_goes_on_where_it_stopped() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let state = tempfile::tempdir().unwrap();
    let planned = prepare(&bundled, &target, &options()).await;
    let mut journal = Journal::open(state.path(), TARGET, SOURCE, &planned.source.digest).unwrap();
    let watch = Arc::new(Watch { left: AtomicU64::new(60), over: tokio::sync::Notify::new() });
    {
        let reader = Reader::open(&bundled.path).unwrap();
        let contents = BundleContents::new(&reader, Spool::in_temp().unwrap());
        let (workspace, observer) = (connect(&target), watch.clone() as Arc<dyn Observer>);
        tokio::select! {
            () = watch.over.notified() => {}
            done = import::run(&planned, &contents, &workspace, &mut journal, &observer) => panic!("was to be cut off: {done:?}"),
        }
    }
    assert!(!journal::known(state.path(), TARGET, SOURCE).unwrap().is_empty());
    drop(journal);
    let mut again = options();
    again.journals = Some(state.path().to_owned());
    let planned = prepare(&bundled, &target, &again).await;
    let mut journal = Journal::open(state.path(), TARGET, SOURCE, &planned.source.digest).unwrap();
    let receipt = apply(&bundled, &planned, &target, &mut journal).await;
    let surprises: Vec<_> = receipt.items.iter().filter(|item| !item.state.is_there() && !expected_trouble(item)).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    let calm = start(Seed::Prepared, TARGET).await;
    let fresh = prepare(&bundled, &calm, &options()).await;
    apply(&bundled, &fresh, &calm, &mut Journal::none()).await;
    let (wanted, actual) = (everything(&calm).await, everything(&target).await);
    for kind in lifeboat::kinds::all() {
        assert_eq!(ids(&actual, kind.name), ids(&wanted, kind.name), "{}", kind.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_leaves_the_rest_alone_and_is_tried_again_at_the_end() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let call = "POST /api/2.1/clusters/create";
    target.faults().on(call).times(0).error(400, "QUOTA_EXCEEDED", "no cores are left in this region");
    let planned = prepare(&bundled, &target, &options()).await;
    let receipt = apply(&bundled, &planned, &target, &mut Journal::none()).await;
    let clusters: Vec<_> = receipt.items.iter().filter(|item| item.source.kind == "cluster").collect();
    assert!(clusters.iter().all(|item| item.state == State::Pending), "{clusters:#?}");
    assert_eq!(target.faults().struck(), 2 * clusters.len() as u64, "once, and once more at the end");
    assert!(receipt.todos.iter().any(|todo| todo.what == What::Quota && todo.objects.len() == clusters.len()));
    assert!(receipt.counts["notebook"]["created"] > 30);
    target.faults().clear();
    let planned = prepare(&bundled, &target, &options()).await;
    let receipt = apply(&bundled, &planned, &target, &mut Journal::none()).await;
    assert_eq!(receipt.counts["cluster"].keys().copied().collect::<Vec<_>>(), ["created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_stops_only_what_needs_it() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    target.faults().on("POST /api/2.0/instance-pools/create").times(0).error(403, "PERMISSION_DENIED", "not you");
    let planned = prepare(&bundled, &target, &options()).await;
    let receipt = apply(&bundled, &planned, &target, &mut Journal::none()).await;
    let counts = &receipt.counts;
    assert_eq!(counts["instance_pool"].keys().copied().collect::<Vec<_>>(), ["failed"]);
    let needs_pool = receipt.items.iter().filter(|item| item.state == State::Skipped);
    assert!(
        needs_pool.clone().any(|item| item.reason.as_deref().is_some_and(|reason| reason.starts_with("needs instance_pool:")))
    );
    assert!(counts["notebook"]["created"] > 30 && counts["job"]["created"] > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_for_one_workspace_and_can_wait_in_a_file() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let planned = prepare(&bundled, &target, &options()).await;
    let plan = Plan::from_json(&planned.to_json().unwrap()).unwrap();
    let saved = plan;
    let other = start(Seed::Empty, "3333333333333333").await;
    let reader = Reader::open(&bundled.path).unwrap();
    let contents = BundleContents::new(&reader, Spool::in_temp().unwrap());
    let refused = import::run(&saved, &contents, &connect(&other), &mut Journal::none(), &silent()).await;
    assert!(matches!(refused, Err(ImportError::WrongTarget { .. })));
    assert_eq!(other.writes(), 0);
    let receipt = apply(&bundled, &saved, &target, &mut Journal::none()).await;
    assert!(receipt.count(State::Created) > 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn service_principals_may_get_new_application_ids() {
    let bundled = bundle_of(Seed::Sample).await;
    let options_of = |keep| simulator::Options {
        seed: Seed::Prepared,
        workspace_id: TARGET.into(),
        keep_application_ids: keep,
        ..simulator::Options::default()
    };
    let target = Server::start(options_of(false)).await.unwrap();
    let planned = prepare(&bundled, &target, &options()).await;
    let state = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(state.path(), TARGET, SOURCE, "d").unwrap();
    let receipt = apply(&bundled, &planned, &target, &mut journal).await;
    let surprises: Vec<_> = receipt.items.iter().filter(|item| !item.state.is_there() && !expected_trouble(item)).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    let old: Vec<String> =
        planned.steps.iter().filter(|step| step.source.kind == "service_principal").map(|step| step.key.clone()).collect();
    for object in everything(&target).await.iter().filter(|object| object.kind.name == "job" || object.kind.name == "permissions")
    {
        let text = object.document().map(|document| document.to_string()).unwrap_or_default();
        assert!(old.iter().all(|id| !text.contains(id.as_str())), "{} names an old application id", object.key);
    }
    let mut again = options();
    again.journals = Some(state.path().to_owned());
    let second = prepare(&bundled, &target, &again).await;
    assert!(second.steps.iter().filter(|step| step.source.kind == "service_principal").all(|step| !step.action.writes()));
}

/// Imports the sample with faults on the way.
async fn under(strike: impl Fn(&Server)) -> Receipt {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let planned = prepare(&bundled, &target, &options()).await;
    strike(&target);
    apply(&bundled, &planned, &target, &mut Journal::none()).await
}

fn states<'a>(receipt: &'a Receipt, kind: &str) -> Vec<&'a str> {
    receipt.counts.get(kind).map(|counts| counts.keys().copied().collect()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_git_folder_without_a_sign_in_waits_for_a_person() {
    let receipt =
        under(|target| target.faults().on("POST /api/2.0/repos").times(0).error(403, "PERMISSION_DENIED", "no credential")).await;
    assert_eq!(states(&receipt, "repo"), ["pending"]);
    assert!(receipt.todos.iter().any(|todo| todo.what == What::GitToken && todo.objects.len() == 5), "{:#?}", receipt.todos);
    let branch = under(|target| {
        target.faults().on("PATCH /api/2.0/repos/*").times(0).error(400, "INVALID_PARAMETER_VALUE", "no such branch");
    })
    .await;
    let half = branch.items.iter().find(|item| item.source.kind == "repo" && item.state == State::Pending).unwrap();
    assert!(half.target_id.is_some() && half.reason.as_deref().is_some_and(|reason| reason.starts_with("it is there, but")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_stopped_is_told() {
    let receipt =
        under(|target| target.faults().on("POST /api/2.1/clusters/delete").times(0).error(403, "PERMISSION_DENIED", "not you"))
            .await;
    assert_eq!(states(&receipt, "cluster"), ["pending"]);
    assert!(receipt.todos.iter().any(|todo| todo.text.contains("may be running")), "{:#?}", receipt.todos);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_without_forms_takes_files_another_way() {
    let refuse = |target: &Server| {
        target.faults().on("POST /api/2.0/workspace/import").times(3).error(415, "BAD_REQUEST", "multipart is not supported");
    };
    let receipt = under(refuse).await;
    assert_eq!((states(&receipt, "file"), states(&receipt, "notebook")), (vec!["created"], vec!["created"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_ends_the_import_and_loses_nothing() {
    let receipt = under(|target| {
        target.faults().on("POST /api/2.0/workspace/mkdirs").nth(5).times(0).error(
            401,
            "UNAUTHENTICATED",
            "the token has expired",
        );
    })
    .await;
    assert_eq!(receipt.items.iter().filter(|item| item.state == State::Failed).count(), 1);
    let reason = receipt.of("job", "9007199254741993").and_then(|item| item.reason.clone());
    assert_eq!(reason.as_deref(), Some("the workspace does not let us in any more"));
    assert!(receipt.count(State::Created) > 10, "users came before");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_for_someone_who_did_not_come_is_withheld() {
    let receipt = under(|target| {
        target.faults().on("POST /api/2.0/preview/scim/v2/Users").times(0).error(403, "PERMISSION_DENIED", "not you");
    })
    .await;
    let written: Vec<_> =
        receipt.items.iter().filter(|item| item.source.kind == "permissions" && item.state == State::Created).collect();
    assert!(!written.is_empty());
    assert!(written.iter().any(|item| item.notes.iter().any(|note| note.contains("did not come to be"))), "{written:#?}");
}

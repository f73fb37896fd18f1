//! What was written is read back and compared; limits are waited for; causes are told; what of the source remains is found.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use super::import::{Bundled, SOURCE, TARGET};
use super::import::{apply, bundle_from, bundle_of, connect, options, prepare, silent, start};
use lifeboat::bundle::Reader;
use lifeboat::import::{self, BundleContents, Item, Receipt, State, Verified};
use lifeboat::journal::Journal;
use lifeboat::plan::What;
use lifeboat::restore;
use lifeboat::simulator::{Action, Seed, Server};
use lifeboat::spool::Spool;
use std::collections::BTreeMap;

fn item<'a>(receipt: &'a Receipt, kind: &str, key: &str) -> &'a Item {
    receipt.items.iter().find(|item| item.source.kind == kind && item.key == key).unwrap()
}

async fn sample_into(target: &Server) -> Receipt {
    let bundled = bundle_of(Seed::Sample).await;
    let plan = prepare(&bundled, target, &options()).await;
    apply(&bundled, &plan, target, &mut Journal::none()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_written_is_read_back_once_and_shows_as_meant() {
    let target = start(Seed::Prepared, TARGET).await;
    let bundled = bundle_of(Seed::Sample).await;
    let plan = prepare(&bundled, &target, &options()).await;
    let before = target.requests().len();
    let receipt = apply(&bundled, &plan, &target, &mut Journal::none()).await;
    let odd: Vec<_> = receipt.unverified().map(|(item, verified)| (&item.source, verified)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    let written = |item: &&Item| matches!(item.state, State::Created | State::Updated);
    assert_eq!(receipt.verified(), receipt.items.iter().filter(written).count());
    assert!(receipt.verified() > 150);
    let mut reads: BTreeMap<String, u64> = BTreeMap::new();
    for call in target.requests().iter().skip(before).filter(|call| call.method == "GET") {
        *reads.entry(format!("{}?{:?}", call.path, call.query)).or_default() += 1;
    }
    let twice: Vec<_> = reads.iter().filter(|(_, times)| **times > 2).collect();
    assert!(twice.is_empty(), "nothing is read again and again: {twice:#?}");

    let plan = prepare(&bundled, &target, &options()).await;
    let receipt = apply(&bundled, &plan, &target, &mut Journal::none()).await;
    assert_eq!(receipt.verified(), 0, "what is unchanged is not read again");
    assert_eq!(receipt.unverified().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_the_workspace_loses_is_told() {
    let target = start(Seed::Prepared, TARGET).await;
    let lose =
        |call: &str, text: &str, at: &str| target.faults().on(call).containing(text).times(0).action(Action::Lose(at.into()));
    lose("POST /api/2.2/jobs/create", "nightly settlement", "/timeout_seconds");
    lose("POST /api/2.0/instance-pools/create", "", "/custom_tags");
    lose("POST /api/2.0/preview/scim/v2/Groups", "", "/entitlements");
    let receipt = sample_into(&target).await;
    assert!(!receipt.is_complete());
    let Some(Verified::Differs(job)) = &item(&receipt, "job", "nightly settlement").verified else {
        panic!("the job is as meant")
    };
    assert_eq!(job.iter().map(|one| one.at.as_str()).collect::<Vec<_>>(), ["/timeout_seconds"]);
    let lost: Vec<&str> = receipt.unverified().map(|(item, _)| item.source.kind.as_str()).collect();
    assert!(lost.contains(&"instance_pool") && lost.contains(&"group"), "{lost:?}");
    let pools = receipt.unverified().filter(|(item, _)| item.source.kind == "instance_pool");
    for (item, verified) in pools {
        let Verified::Differs(found) = verified else { panic!("{verified:?}") };
        assert!(found.iter().any(|one| one.at == "/custom_tags/lifeboat_source"), "{} has no stamp: {found:?}", item.key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shows_late_is_waited_for_and_what_never_shows_is_told() {
    let target = start(Seed::Prepared, TARGET).await;
    let hide = |text: &str, times| {
        let call = target.faults().on("GET /api/2.0/preview/scim/v2/Users").containing("attributes=").times(times).nth(2);
        call.action(Action::Hide(text.into()));
    };
    hide("ada@northwind.example", 2);
    let late = |times: u64| target.faults().on("GET /api/2.2/jobs/get").times(times);
    late(30).error(400, "INVALID_PARAMETER_VALUE", "Job 1 does not exist.");
    let receipt = sample_into(&target).await;
    let odd: Vec<_> = receipt.unverified().map(|(item, verified)| (&item.source, verified)).collect();
    assert!(target.faults().struck() > 10 && odd.is_empty(), "{odd:#?}");

    let target = start(Seed::Prepared, TARGET).await;
    target.faults().on("GET /api/2.0/instance-pools/get").times(0).error(404, "RESOURCE_DOES_NOT_EXIST", "not here");
    target.faults().on("GET /api/2.0/permissions/jobs/*").times(0).error(403, "PERMISSION_DENIED", "no");
    let receipt = sample_into(&target).await;
    let of = |kind: &str| {
        receipt.items.iter().filter(|item| item.source.kind == kind).filter_map(|item| item.verified.clone()).collect::<Vec<_>>()
    };
    assert!(of("instance_pool").iter().all(|one| *one == Verified::Absent), "{:?}", of("instance_pool"));
    assert!(of("permissions").iter().any(|one| matches!(one, Verified::Unread(why) if why.contains("PERMISSION_DENIED"))));
    assert!(!receipt.is_complete() && receipt.count(State::Failed) == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_something_that_failed_names_the_first_cause() {
    let target = start(Seed::Prepared, TARGET).await;
    target.faults().on("POST /api/2.0/instance-pools/create").times(0).error(400, "INVALID_PARAMETER_VALUE", "no such node type");
    let receipt = sample_into(&target).await;
    let reasons: Vec<&str> = receipt.items.iter().filter_map(|item| item.reason.as_deref()).collect();
    let far = reasons.iter().find(|reason| reason.starts_with("needs instance_pool:") && reason.contains("(by way of cluster"));
    assert!(far.is_some_and(|reason| reason.contains("which is failed")), "{reasons:#?}");
    let skipped = receipt.items.iter().filter(|item| item.state == State::Skipped);
    assert!(skipped.filter(|item| item.reason.as_deref().is_some_and(|why| why.starts_with("needs instance_pool:"))).count() > 1);
    assert!(receipt.count(State::Created) > 100, "the others are there all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_tried_again_at_the_end_and_then_told() {
    let target = start(Seed::Prepared, TARGET).await;
    let strike = |call: &str, times| {
        target.faults().on(call).times(times).error(
            400,
            "INVALID_PARAMETER_VALUE",
            "You have reached the maximum number of them (100).",
        );
    };
    strike("POST /api/2.0/instance-pools/create", 1);
    strike("POST /api/2.0/global-init-scripts", 0);
    let receipt = sample_into(&target).await;
    let pools: Vec<_> = receipt.items.iter().filter(|item| item.source.kind == "instance_pool").collect();
    assert!(pools.iter().all(|item| item.state == State::Created && item.verified == Some(Verified::Yes)), "{pools:#?}");
    let scripts: Vec<_> = receipt.items.iter().filter(|item| item.source.kind == "global_init_script").collect();
    assert!(scripts.iter().all(|item| item.state == State::Pending), "{scripts:#?}");
    let todo: Vec<_> =
        receipt.todos.iter().filter(|todo| todo.what == What::Quota && todo.text.contains("raise the limit")).collect();
    let [todo] = todo.as_slice() else { panic!("{:#?}", receipt.todos) };
    assert_eq!(todo.objects.len(), scripts.len(), "what came in the end is no work for anybody: {todo:?}");
    assert!(!receipt.is_complete());
}

/// An import that looks for what of the source remains.
async fn marked(bundled: &Bundled, target: &Server, options: &restore::Options) -> Receipt {
    let plan = prepare(bundled, target, options).await;
    let reader = Reader::open(&bundled.path).unwrap();
    let marks = restore::marks(&reader, options, &plan).unwrap();
    let contents = BundleContents::new(&reader, Spool::in_temp().unwrap()).editing(restore::editor(&reader, options));
    let choices = import::Options { marks: Some(&marks), ..import::Options::default() };
    let outcome = import::run_with(&plan, &contents, &connect(target), &mut Journal::none(), &silent(), choices).await;
    outcome.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_the_source_remains_is_found_where_it_stands() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let receipt = marked(&bundled, &target, &options()).await;
    let leaks: Vec<_> =
        receipt.leaks.iter().map(|leak| (leak.object.kind.as_str(), leak.what.as_str(), leak.value.as_str())).collect();
    assert!(leaks.contains(&("job", "cluster id", "0612-090001-abcd1111")), "{leaks:#?}");
    assert!(leaks.contains(&("notebook", "storage", "northwindlake.dfs.core.windows.net")), "{leaks:#?}");
    let text = serde_json::to_string(&receipt.leaks).unwrap();
    assert!(!text.contains("CANARY") && !text.contains("lifeboat_source"), "{text}");
    let told = receipt.todos.iter().filter(|todo| todo.what == What::Leak).flat_map(|todo| &todo.objects).count();
    assert_eq!(told, receipt.leaks.len(), "each is told once");

    let rules = "maps:\n  storage: {northwindlake.dfs.core.windows.net: west.dfs.core.windows.net}\n  key_vault: {kv-northwind: kv-west}\n  text: {0612-090001-abcd1111: 0612-090001-west1111}\ninside: [notebook, file, global_init_script]\n";
    let options = restore::Options { rules: lifeboat::rules::RuleSet::parse(rules).unwrap(), ..options() };
    let target = start(Seed::Prepared, TARGET).await;
    let receipt = marked(&bundled, &target, &options).await;
    let left: Vec<_> =
        receipt.leaks.iter().filter(|leak| leak.value.contains("northwindlake") || leak.value.contains("0612-090001")).collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn back_in_the_source_nothing_is_a_leak() {
    let source = start(Seed::Sample, SOURCE).await;
    let bundled = bundle_from(&source).await;
    let options = restore::Options { allow_same_workspace: true, ..options() };
    let receipt = marked(&bundled, &source, &options).await;
    assert!(receipt.leaks.is_empty(), "{:?}", receipt.leaks);
}

//! What a workspace does not offer, or has no room for.

use super::*;
use lifeboat::import::State;
use lifeboat::plan::{Todo, What};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_of_the_standard_tier_broke_the_run() {
    let pair = pair().await;
    for number in 0..40 {
        make_job(&pair.source, job(&format!("nightly {number}"))).await;
    }
    make_cluster(&pair.source, json!({ "cluster_name": "shared" })).await;
    pair.target.faults().on("* /api/2.0/permissions/*").times(0).error(
        500,
        "FEATURE_DISABLED",
        "ACLs are disabled or not available in this tier",
    );
    let receipt = pair.restore().await;
    let objects = everything(&pair.target).await;
    one(&objects, "job", "nightly 39");
    one(&objects, "cluster", "shared");
    for key in ["job:nightly 7", "cluster:shared"] {
        let permissions = item(&receipt, "permissions", key);
        assert_eq!(permissions.state, State::Skipped, "{permissions:#?}");
        assert!(permissions.reason.as_deref().unwrap().starts_with("the target does not offer permissions of "));
        let told = |todo: &Todo| todo.what == What::NotRestored && todo.objects.iter().any(|object| object.contains(key));
        assert!(receipt.todos.iter().any(told), "{:#?}", receipt.todos);
    }
    assert_eq!(receipt.count(State::Failed), 0);
    let sent = pair.target.requests();
    let tries = sent.iter().filter(|one| one.method != "GET" && one.path.contains("/permissions/jobs/")).count();
    assert!((1..=8).contains(&tries), "those that were under way, and no more: {tries}");

    // What is there now tells an import that plans that it need not try.
    let before = pair.target.writes();
    let again = pair.restore().await;
    assert_eq!((again.count(State::Failed), pair.target.writes() - before), (0, 0));
    assert_eq!(item(&again, "permissions", "job:nightly 7").state, State::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_the_standard_tier_had_nothing_to_restore() {
    let pair = pair().await;
    make_job(&pair.source, job("nightly")).await;
    pair.source.faults().on("* /api/2.0/permissions/*").times(0).error(
        500,
        "FEATURE_DISABLED",
        "ACLs are disabled or not available in this tier",
    );
    let receipt = pair.restore_whole().await;
    assert!(receipt.items.iter().all(|item| item.source.kind != "permissions"));
    one(&everything(&pair.target).await, "job", "nightly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_error_deleted_the_cluster_and_stopped_the_rest() {
    let pair = pair().await;
    for name in ["first", "second"] {
        let cluster = make_cluster(&pair.source, json!({ "cluster_name": name })).await;
        let task = json!({ "task_key": "main", "existing_cluster_id": cluster, "spark_jar_task": { "main_class_name": "M" } });
        make_job(&pair.source, json!({ "name": format!("on {name}"), "tasks": [task] })).await;
    }
    make_job(&pair.source, job("on its own")).await;
    let call = "POST /api/2.1/clusters/create";
    pair.target.faults().on(call).containing("\"second\"").times(0).error(
        400,
        "QUOTA_EXCEEDED",
        "no cores are left in this region",
    );
    let receipt = pair.restore().await;
    assert_eq!(item(&receipt, "cluster", "second").state, State::Pending);
    assert_eq!(item(&receipt, "job", "on second").state, State::Pending, "it waits with its cluster");
    for (kind, key) in [("cluster", "first"), ("job", "on first"), ("job", "on its own")] {
        assert_eq!(item(&receipt, kind, key).state, State::Created, "{kind} {key} is not affected");
    }
    assert!(receipt.todos.iter().any(|todo| todo.what == What::Quota), "{:#?}", receipt.todos);
    assert!(pair.target.faults().struck() >= 2, "tried again at the end");
    assert!(pair.target.requests().iter().all(|one| !one.path.ends_with("permanent-delete")));

    pair.target.faults().clear();
    let later = pair.restore_whole().await;
    let made: BTreeSet<&str> =
        later.items.iter().filter(|item| item.state == State::Created).map(|item| item.key.as_str()).collect();
    assert!(made.contains("second") && made.contains("on second") && !made.contains("first"), "{made:?}");
}

//! What starts by itself, who owns it, and how much of it arrives.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use super::*;
use crate::activate::active;
use lifeboat::import::State;
use lifeboat::plan::What;
use lifeboat::restore::Goal;
use lifeboat::rules::RuleSet;
use lifeboat::simulator::Action;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_250_tasks_was_cut_off_after_the_first_page() {
    let pair = pair().await;
    let tasks: Vec<Value> = (0..250).map(|number| task(&format!("step_{number:03}"))).collect();
    make_job(&pair.source, json!({ "name": "wide", "tasks": tasks })).await;
    pair.restore_whole().await;
    let id = get(&pair.target, "/api/2.2/jobs/list", &[]).await["jobs"][0]["job_id"].to_string();
    let (mut found, mut pages, mut token) = (BTreeSet::new(), 0, String::new());
    loop {
        let query: [(&str, &str); 2] = [("job_id", &id), ("page_token", &token)];
        let page = get(&pair.target, "/api/2.2/jobs/get", &query[..=usize::from(pages > 0)]).await;
        found.extend(page["settings"]["tasks"].as_array().unwrap().iter().map(|task| text(&task["task_key"])));
        pages += 1;
        match page["next_page_token"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!((found.len(), pages), (250, 3));
}

/// Everything that starts a job, with the status that it is given; no status means that it runs.
fn starters(status: Option<&str>) -> Vec<(&'static str, Value)> {
    let status = status.map_or_else(|| json!({}), |status| json!({ "pause_status": status }));
    let url = "/Volumes/energy/raw/landing/";
    vec![
        ("files", json!({ "trigger": with(json!({ "file_arrival": { "url": url } }), &status) })),
        ("tables", json!({ "trigger": with(json!({ "table_update": { "table_names": ["energy.raw.readings"] } }), &status) })),
        ("periodic", json!({ "trigger": with(json!({ "periodic": { "interval": 1, "unit": "DAYS" } }), &status) })),
        ("stream", json!({ "continuous": status.clone() })),
        ("cron", json!({ "schedule": with(json!({ "quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC" }), &status) })),
    ]
}

fn live_pipeline() -> Seed {
    let spec = json!({ "name": "live grid", "continuous": true, "libraries": [] });
    let pipeline =
        json!({ "pipeline_id": "7d3f0a11-5c2b-4b0d-9d58-0e6f2a9c1b02", "name": "live grid", "state": "RUNNING", "spec": spec });
    Seed::Furnished { lists: BTreeMap::from([("pipelines".to_owned(), vec![pipeline])]), files: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_stayed_live_and_the_cutover_woke_what_had_been_asleep() {
    let pair = pair_of(live_pipeline(), Seed::Empty).await;
    for (state, status) in [("on", Some("UNPAUSED")), ("off", Some("PAUSED")), ("implied", None)] {
        for (name, starter) in starters(status) {
            make_job(&pair.source, with(job(&format!("{name} {state}")), &starter)).await;
        }
    }
    let receipt = pair.restore().await;
    assert_eq!(active(&pair.target).await, BTreeSet::new(), "all passive");
    let pipeline = item(&receipt, "pipeline", "live grid");
    assert!(pipeline.state == State::Skipped && pipeline.reason.is_some(), "a continuous pipeline is told, not started");
    assert!(pair.target.requests().iter().all(|one| one.method == "GET" || !one.path.contains("pipelines")));

    let on = restore::Options { goal: Goal::Activate, ..options() };
    pair.restore_with(&on).await;
    let jobs =
        |active: BTreeSet<(String, String, String)>| active.into_iter().filter(|one| one.0 == "job").collect::<BTreeSet<_>>();
    let (source, target) = (jobs(active(&pair.source).await), jobs(active(&pair.target).await));
    assert_eq!(source.len(), 10, "{source:?}");
    assert_eq!(target.iter().map(|one| &one.1).collect::<Vec<_>>(), source.iter().map(|one| &one.1).collect::<Vec<_>>());
}

/// The job of the source whose ACL the workspace shows like this, whatever the API would let anybody write today.
async fn owned_like_this(acl: Value, rules: &str, prepare: impl AsyncFnOnce(&Pair)) -> (Pair, Receipt) {
    let pair = pair().await;
    let id = make_job(&pair.source, job("orphan")).await;
    let shown = json!({ "object_id": format!("/jobs/{id}"), "object_type": "job", "access_control_list": acl });
    let call = format!("GET /api/2.0/permissions/jobs/{id}");
    prepare(&pair).await;
    pair.source.faults().on(&call).times(0).action(Action::Json { status: 200, body: shown });
    let mut options = restore::Options { rules: RuleSet::parse(rules).unwrap(), ..options() };
    options.plan.create_principals = false;
    let receipt = pair.restore_with(&options).await;
    (pair, receipt)
}

fn entry(field: &str, who: &str, level: &str) -> Value {
    json!({ field: who, "all_permissions": [{ "permission_level": level, "inherited": false }] })
}

async fn make_user(server: &Server, name: &str) {
    let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name });
    post(server, &format!("{SCIM}/Users"), body).await;
}

async fn make_group(server: &Server, name: &str) -> String {
    let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name });
    text(&post(server, &format!("{SCIM}/Groups"), body).await["id"])
}

async fn owners(pair: &Pair) -> Vec<(String, String)> {
    let objects = everything(&pair.target).await;
    grants(&pair.target, &format!("jobs/{}", one(&objects, "job", "orphan")["job_id"])).await
}

fn told_of_owner(receipt: &Receipt) -> bool {
    receipt.todos.iter().any(|todo| todo.what == What::Owner && todo.objects.iter().any(|one| one.contains("orphan")))
}

const CALLER: &str = "operator@northwind.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_an_owner_was_dropped() {
    let acl = json!([entry("group_name", "users", "CAN_VIEW")]);
    let (pair, receipt) = owned_like_this(acl, "", async |_| {}).await;
    let wanted = [(CALLER.to_owned(), "IS_OWNER".to_owned()), ("users".to_owned(), "CAN_VIEW".to_owned())];
    assert_eq!(owners(&pair).await, wanted);
    assert!(told_of_owner(&receipt), "{:#?}", receipt.todos);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_service_principal_that_is_gone_stopped_the_run() {
    let gone = "0f3f7d52-1f0e-4b4e-9a55-8d2f4c5a6b70";
    let acl = json!([entry("service_principal_name", gone, "IS_OWNER"), entry("group_name", "users", "CAN_VIEW")]);
    let (pair, receipt) = owned_like_this(acl.clone(), "", async |_| {}).await;
    assert_eq!(owners(&pair).await[0], (CALLER.to_owned(), "IS_OWNER".to_owned()));
    assert!(told_of_owner(&receipt), "{:#?}", receipt.todos);

    let rules = format!("maps: {{service_principal: {{{gone}: 1c2d3e4f-0000-4000-8000-00000000abcd}}}}\n");
    let heir = async |pair: &Pair| {
        let body = json!({ "applicationId": "1c2d3e4f-0000-4000-8000-00000000abcd", "displayName": "heir" });
        post(&pair.target, &format!("{SCIM}/ServicePrincipals"), body).await;
    };
    let (pair, receipt) = owned_like_this(acl, &rules, heir).await;
    assert_eq!(owners(&pair).await[0], ("1c2d3e4f-0000-4000-8000-00000000abcd".to_owned(), "IS_OWNER".to_owned()));
    assert!(!told_of_owner(&receipt), "the rules named one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_group_was_refused() {
    let acl = json!([entry("group_name", "platform", "IS_OWNER"), entry("group_name", "users", "CAN_VIEW")]);
    let platform = async |pair: &Pair| {
        for server in [&pair.source, &pair.target] {
            make_group(server, "platform").await;
        }
    };
    let (pair, receipt) = owned_like_this(acl, "", platform).await;
    assert_eq!(owners(&pair).await[0], (CALLER.to_owned(), "IS_OWNER".to_owned()));
    assert!(told_of_owner(&receipt), "{:#?}", receipt.todos);
    assert_eq!(item(&receipt, "permissions", "job:orphan").state, State::Created);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_cycle_lost_the_service_principal() {
    let pair = pair().await;
    make_user(&pair.source, "ada@northwind.example").await;
    let body = json!({ "applicationId": "2d3e4f50-0000-4000-8000-00000000abcd", "displayName": "robot" });
    let robot = text(&post(&pair.source, &format!("{SCIM}/ServicePrincipals"), body).await["id"]);
    let mut groups = Vec::new();
    for level in 0..10 {
        groups.push(make_group(&pair.source, &format!("level {level}")).await);
    }
    for (level, id) in groups.iter().enumerate() {
        let members = json!([{ "value": groups[(level + 1) % groups.len()] }, { "value": robot }]);
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "add", "path": "members", "value": members }] });
        call(&pair.source, Method::Patch, &format!("{SCIM}/Groups/{id}"), body).await;
    }
    pair.restore_whole().await;
    let (wanted, found) = (members(&pair.source).await, members(&pair.target).await);
    assert_eq!(found, wanted);
    assert!(
        (0..10)
            .all(|level| found[&format!("level {level}")]
                == BTreeSet::from([format!("level {}", (level + 1) % 10), "robot".into()]))
    );
}

/// The members of each group, by name.
async fn members(server: &Server) -> BTreeMap<String, BTreeSet<String>> {
    let list = get(server, &format!("{SCIM}/Groups"), &[]).await;
    let mut found = BTreeMap::new();
    for group in list["Resources"].as_array().unwrap() {
        let whole = get(server, &format!("{SCIM}/Groups/{}", text(&group["id"])), &[]).await;
        let names = whole["members"].as_array().into_iter().flatten().map(|member| text(&member["display"]));
        found.insert(text(&group["displayName"]), names.collect());
    }
    found
}

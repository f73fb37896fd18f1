//! Activating and deactivating: only what was active, only where a person changed nothing, and nothing else.

use super::*;

fn job(id: &str, settings: impl Into<Value>) -> Object {
    object("job", id, json!({"job_id": id, "settings": settings.into()}))
}

const CRON: &str = "0 0 * * * ?";

fn scheduled(status: &str, stamp: &str) -> Value {
    json!({"name": "n", "tags": {"lifeboat_source": stamp, "team": "a"},
        "schedule": {"quartz_cron_expression": CRON, "timezone_id": "UTC", "pause_status": status}})
}

/// A schedule of the source, and what a restore made of it, changed by a test.
fn restored(source: &str, target: &str) -> Case {
    let mut original = scheduled(source, "");
    original.as_object_mut().map(|settings| settings.remove("tags"));
    Case { bundle: vec![job("1", original)], target: vec![job("7", scheduled(target, "100/1"))], ..Case::default() }
}

#[test]
fn what_ran_at_the_source_runs_again_and_nothing_else_is_sent() {
    let plan = restored("UNPAUSED", "PAUSED").switch(true);
    let schedule = json!({"quartz_cron_expression": CRON, "timezone_id": "UTC", "pause_status": "UNPAUSED"});
    assert_eq!(plan.body_of("job", "1"), json!({ "schedule": schedule }));
    assert!(matches!(&plan.of("job", "1").action, Action::Switch { on: true, target, .. } if target.id == json!(7)));
    assert_eq!(restored("UNPAUSED", "UNPAUSED").switch(true).writes(), 0, "a second time there is nothing to do");
    assert_eq!(restored("PAUSED", "PAUSED").switch(true).writes(), 0, "it was paused at the source");
}

#[test]
fn an_absent_status_was_running() {
    let mut case = restored("UNPAUSED", "PAUSED");
    case.bundle = vec![job("1", json!({"name": "n", "schedule": {"quartz_cron_expression": CRON, "timezone_id": "UTC"}}))];
    assert_eq!(case.switch(true).body_of("job", "1")["schedule"]["pause_status"], "UNPAUSED");
}

#[test]
fn switching_off_takes_whatever_runs() {
    let plan = restored("PAUSED", "UNPAUSED").switch(false);
    assert_eq!(plan.body_of("job", "1")["schedule"]["pause_status"], "PAUSED", "also what a person switched on");
    assert_eq!(restored("UNPAUSED", "PAUSED").switch(false).writes(), 0);
    let absent = Case { target: vec![], ..restored("UNPAUSED", "PAUSED") };
    assert_eq!(absent.switch(false).writes(), 0);
    let home = Case { target_workspace: "100", target: vec![job("1", scheduled("UNPAUSED", ""))], ..restored("UNPAUSED", "") };
    assert_eq!(home.switch(false).writes(), 1, "the source itself may be switched off");
}

#[test]
fn what_is_not_there_is_told() {
    let plan = Case { target: vec![], ..restored("UNPAUSED", "PAUSED") }.switch(true);
    assert!(matches!(&plan.of("job", "1").action, Action::Skip { reason } if reason.contains("import the bundle first")));
    assert_eq!(plan.todos.len(), 1);
    let mut gone = restored("UNPAUSED", "PAUSED");
    gone.target = vec![job("7", json!({"name": "n", "tags": {"lifeboat_source": "100/1"}}))];
    let plan = gone.switch(true);
    assert!(plan.writes() == 0 && plan.says("is gone here"));
}

#[test]
fn an_element_of_a_changed_list_is_not_guessed() {
    let triggers = |status: &str, url: &str| {
        json!({"name": "n", "tags": {"lifeboat_source": "100/1"}, "triggers": [
        {"pause_status": status, "file_arrival": {"url": url}}, {"pause_status": "PAUSED", "periodic": {"interval": 1}}]})
    };
    let case = |url: &str| Case {
        bundle: vec![job("1", triggers("UNPAUSED", "/Volumes/a/b/c"))],
        target: vec![job("7", triggers("PAUSED", url))],
        ..Case::default()
    };
    let body = case("/Volumes/a/b/c").switch(true).body_of("job", "1");
    assert_eq!(
        (&body["triggers"][0]["pause_status"], &body["triggers"][1]["pause_status"]),
        (&json!("UNPAUSED"), &json!("PAUSED"))
    );
    let changed = case("/Volumes/x/y/z").switch(true);
    assert!(changed.writes() == 0 && changed.says("was changed here since the restore"));
}

#[test]
fn pools_and_scripts_keep_what_a_person_chose_and_their_mark() {
    let pool = |idle: u64, tags: Value| json!({"instance_pool_name": "p", "node_type_id": "n", "min_idle_instances": idle, "custom_tags": tags});
    let case = |idle: u64| Case {
        bundle: vec![object("instance_pool", "p1", pool(3, json!({})))],
        target: vec![object("instance_pool", "p9", pool(idle, json!({"lifeboat_source": "100/p1"})))],
        ..Case::default()
    };
    let body = case(0).switch(true).body_of("instance_pool", "p1");
    assert_eq!((&body["min_idle_instances"], &body["custom_tags"]["lifeboat_source"]), (&json!(3), &json!("100/p1")));
    let chosen = case(1).switch(true);
    assert!(chosen.writes() == 0 && chosen.says("has another value here"));
    assert_eq!(case(2).switch(false).body_of("instance_pool", "p1")["min_idle_instances"], 0);
}

#[test]
fn jobs_start_last_and_stop_first() {
    let mut case = restored("UNPAUSED", "PAUSED");
    let script =
        |on: bool| object("global_init_script", "s", json!({"name": "s", "script": "YQ==", "enabled": on, "position": 0}));
    case.bundle.push(script(true));
    case.target.push(script(false));
    let kinds = |plan: &Plan| plan.steps.iter().map(|step| step.source.kind.clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&case.switch(true)), ["global_init_script", "job"]);
    let mut live = restored("UNPAUSED", "UNPAUSED");
    live.bundle.push(script(true));
    live.target.push(script(true));
    assert_eq!(kinds(&live.switch(false)), ["job", "global_init_script"]);
}

#[test]
fn a_secret_of_the_target_is_not_lost_by_a_switch() {
    let policy = |enforced: bool| {
        let definition = json!({"spark_conf.my.secret": {"type": "fixed", "value": crate::object::REDACTED}}).to_string();
        let mut policy = json!({"name": "p", "definition": definition});
        if enforced {
            policy["auto_enforcement_config"] = json!({"enforce_mode": "ENFORCE"});
        }
        policy
    };
    let case = Case {
        bundle: vec![object("cluster_policy", "1", policy(true))],
        target: vec![object("cluster_policy", "9", policy(false))],
        ..Case::default()
    };
    let plan = case.switch(true);
    assert_eq!(plan.of("cluster_policy", "1").keep, ["/definition/#/spark_conf.my.secret"]);
}

#[test]
fn a_job_that_would_run_as_somebody_else_stays_off() {
    let mut case = restored("UNPAUSED", "PAUSED");
    let mut original = scheduled("UNPAUSED", "");
    original["run_as"] = json!({"user_name": "gone@x.com"});
    case.bundle = vec![job("1", original)];
    let refused = |case: &Case| {
        let plan = case.switch(true);
        plan.writes() == 0 && plan.says("it would run as somebody else")
    };
    assert!(refused(&case), "nobody of that name is there");
    case.target.push(object("user", "5", json!({"userName": "gone@x.com"})));
    assert!(refused(&case), "he came, but the job still runs as whoever restored it");
    let mut theirs = scheduled("PAUSED", "100/1");
    theirs["run_as"] = json!({"user_name": "Gone@x.com"});
    case.target[0] = job("7", theirs);
    assert_eq!(case.switch(true).writes(), 1);
}

#[test]
fn a_trigger_that_was_left_out_leads_into_the_target_or_stays_out() {
    let condition = |query: &str, warehouse: &str| json!({"sql_condition": {"sql_query_id": query, "warehouse_id": warehouse}});
    let mut made = job("7", json!({"name": "n", "tags": {"lifeboat_source": "100/1"}}));
    let mut case = Case {
        bundle: vec![job("1", json!({"name": "n", "trigger": condition("q", "w")}))],
        target: vec![made.clone()],
        rules: "activations: strip\n",
        ..Case::default()
    };
    let plan = case.switch(true);
    assert!(plan.writes() == 0 && plan.says("/trigger refers to what is not in the target"), "{:?}", plan.todos);
    case.maps = "query: {q: q2}\nwarehouse: {w: w2}\n";
    let there = case.switch(true).body_of("job", "1")["trigger"].clone();
    assert_eq!(there, condition("q2", "w2"));
    made.body =
        Body::Json(json!({"job_id": 7, "settings": {"name": "n", "tags": {"lifeboat_source": "100/1"}, "trigger": there}}));
    case.target = vec![made];
    assert_eq!((case.switch(true).writes(), case.plan().writes()), (0, 0), "what was switched on stays");
}

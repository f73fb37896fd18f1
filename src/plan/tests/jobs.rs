//! Jobs, and the compute that they run on.

use super::{Case, ME, acl, body, content, hanging, object};
use crate::plan::{Action, Options, Unmet, What};
use serde_json::{Value, json};

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn job(id: &str, settings: Value) -> crate::object::Object {
    let name = settings["name"].as_str().expect("a name").to_owned();
    crate::object::Object { key: name, ..object("job", id, json!({ "settings": settings })) }
}

fn cluster(id: &str, spec: Value) -> crate::object::Object {
    let name = spec["cluster_name"].as_str().expect("a name").to_owned();
    let mut document = spec.clone();
    document["spec"] = spec;
    crate::object::Object { key: name, ..object("cluster", id, document) }
}

#[test]
fn namesakes_are_both_made_and_referred_to_exactly() {
    let case = Case {
        bundle: vec![
            cluster("c1", json!({"cluster_name": "etl", "num_workers": 1})),
            cluster("c2", json!({"cluster_name": "etl", "num_workers": 2})),
            job("1", json!({"name": "n", "tasks": [{"task_key": "a", "existing_cluster_id": "c1"}]})),
            job("2", json!({"name": "n", "tasks": [{"task_key": "a", "existing_cluster_id": "c2"}]})),
        ],
        target: vec![cluster("t", json!({"cluster_name": "etl", "num_workers": 1}))],
        ..Case::default()
    };
    let plan = case.plan();
    assert!(matches!(plan.of("cluster", "c1").action, Action::Create { .. }), "two at the source: which is meant is not guessed");
    for (id, cluster) in [("1", "c1"), ("2", "c2")] {
        let link = &plan.of("job", id).links[0];
        assert_eq!((link.to.id.as_str(), link.unmet), (cluster, Unmet::Stop));
    }
    assert!(plan.of("cluster", "c1").notes[0].contains("that Lifeboat did not make"));
}

#[test]
fn the_only_one_of_a_name_is_adopted_if_equal() {
    let here = || vec![cluster("c1", json!({"cluster_name": "etl", "num_workers": 1}))];
    let with = |workers: u64| Case {
        bundle: here(),
        target: vec![cluster("t", json!({"cluster_name": "etl", "num_workers": workers}))],
        ..Case::default()
    };
    let plan = with(1).plan();
    let Action::Adopt { target } = &plan.of("cluster", "c1").action else { panic!("{:?}", plan.steps) };
    assert_eq!(target.id, json!("t"));
    assert!(matches!(with(3).plan().of("cluster", "c1").action, Action::Create { .. }));
}

#[test]
fn a_stamp_is_recognised_and_a_second_import_writes_nothing() {
    let stamped = json!({"name": "renamed meanwhile?", "tags": {"lifeboat_source": "100/1"}});
    let case = Case { bundle: vec![job("1", json!({"name": "n"}))], target: vec![job("77", stamped)], ..Case::default() };
    assert!(matches!(&case.plan().of("job", "1").action, Action::Update { target, .. } if target.id == json!(77)));
    let same = json!({"name": "n", "tags": {"lifeboat_source": "100/1"}, "format": "MULTI_TASK", "max_concurrent_runs": 1});
    let case = Case { bundle: vec![job("1", json!({"name": "n"}))], target: vec![job("77", same)], ..Case::default() };
    let plan = case.plan();
    assert_eq!(plan.writes(), 0);
    assert!(matches!(plan.of("job", "1").action, Action::Unchanged { .. }));
}

#[test]
fn a_stamp_that_two_objects_carry_is_not_guessed() {
    let stamped = |name: &str| json!({"name": name, "tags": {"lifeboat_source": "100/1"}});
    let bundle = || vec![job("1", json!({"name": "n"}))];
    let clone =
        Case { bundle: bundle(), target: vec![job("7", stamped("n")), job("8", stamped("Clone of n"))], ..Case::default() };
    assert!(matches!(&clone.plan().of("job", "1").action, Action::Unchanged { target: Some(one) } if one.id == json!(7)));
    let twins = Case { bundle: bundle(), target: vec![job("7", stamped("n")), job("8", stamped("n"))], ..Case::default() };
    let plan = twins.plan();
    assert!(matches!(plan.of("job", "1").action, Action::Skip { .. }) && plan.todos[0].what == What::Ambiguous);
    let ids = [(plan.of("job", "1").source.clone(), "8".into())].into();
    let known = Options { known: std::sync::Arc::new(ids), ..Options::default() };
    let journal = Case { options: known, ..twins };
    assert!(matches!(&journal.plan().of("job", "1").action, Action::Unchanged { target: Some(one) } if one.id == json!(8)));
}

#[test]
fn jobs_that_run_each_other_are_made_bare_and_then_completed() {
    let runs = |id: i64| json!([{"task_key": "a", "for_each_task": {"inputs": "[]", "task": {"task_key": "b", "run_job_task": {"job_id": id}}}}]);
    let huge = 9_007_199_254_740_993_i64;
    let case = Case {
        bundle: vec![
            job("1", json!({"name": "a", "tasks": runs(huge), "schedule": {"quartz_cron_expression": "0 0 * * * ?"}})),
            job("9007199254740993", json!({"name": "b", "tasks": runs(1)})),
            job("3", json!({"name": "c", "tasks": runs(1)})),
        ],
        ..Case::default()
    };
    let plan = case.plan();
    for id in ["1", "9007199254740993"] {
        let bare = plan.body_of("job", id);
        assert!(
            bare.get("tasks").is_none()
                && bare.get("schedule").is_none()
                && bare["tags"]["lifeboat_source"] == json!(format!("100/{id}"))
        );
        let second = plan.second_of("job", id).expect("a second half");
        assert_eq!(second.links[0].at, "/tasks/0/for_each_task/task/run_job_task/job_id");
        assert_eq!(second.needs.len(), 2, "itself and the other one");
    }
    assert_eq!(body(plan.second_of("job", "1").expect("a second half"))["schedule"]["pause_status"], "PAUSED");
    assert!(plan.second_of("job", "3").is_none(), "what only points into the circle is made whole");
    let id =
        &body(plan.second_of("job", "1").expect("a second half"))["tasks"][0]["for_each_task"]["task"]["run_job_task"]["job_id"];
    assert_eq!(id.as_i64(), Some(huge), "no digit is lost");
}

#[test]
fn a_job_of_250_tasks_keeps_them() {
    let tasks: Vec<Value> =
        (0..250).map(|n| json!({"task_key": format!("t{n}"), "notebook_task": {"notebook_path": "/Shared/x"}})).collect();
    let case = Case {
        bundle: vec![content("notebook", "/Shared/x", b"x", &json!({})), job("1", json!({"name": "n", "tasks": tasks}))],
        ..Case::default()
    };
    let plan = case.plan();
    assert_eq!(plan.body_of("job", "1")["tasks"].as_array().map(Vec::len), Some(250));
    assert_eq!(plan.of("job", "1").after.len(), 1, "the notebook comes first");
}

#[test]
fn everything_that_starts_a_job_is_paused_and_what_a_person_started_stays() {
    let settings = json!({"name": "n", "trigger": {"file_arrival": {"url": "u"}, "pause_status": "UNPAUSED"}, "continuous": {"pause_status": "PAUSED"}});
    let plan = Case { bundle: vec![job("1", settings.clone())], ..Case::default() }.plan();
    assert_eq!(plan.body_of("job", "1")["trigger"]["pause_status"], "PAUSED");
    assert_eq!(plan.of("job", "1").changes.len(), 1);
    let mut active = settings.clone();
    active["tags"] = json!({"lifeboat_source": "100/1"});
    let again = Case { bundle: vec![job("1", settings)], target: vec![job("5", active)], ..Case::default() }.plan();
    assert_eq!(again.writes(), 0, "activated since: an import does not switch it off");
}

#[test]
fn what_was_started_in_a_list_stays_and_starts_nothing_else_in_its_place() {
    let trigger = |cron: &str, status: &str| json!({"schedule": {"quartz_cron_expression": cron, "timezone_id": "UTC"}, "pause_status": status});
    let settings = |triggers: &[Value]| json!({"name": "n", "triggers": triggers});
    let mut active = settings(&[trigger("a", "UNPAUSED"), trigger("b", "PAUSED")]);
    active["tags"] = json!({"lifeboat_source": "100/1"});
    let plan = |triggers: &[Value]| {
        Case { bundle: vec![job("1", settings(triggers))], target: vec![job("5", active.clone())], ..Case::default() }.plan()
    };
    assert_eq!(plan(&[trigger("a", "UNPAUSED"), trigger("b", "UNPAUSED")]).writes(), 0);
    let swapped = plan(&[trigger("b", "UNPAUSED"), trigger("a", "UNPAUSED")]);
    assert!(!body(swapped.of("job", "1")).to_string().contains("UNPAUSED"), "{:?}", swapped.of("job", "1"));
}

#[test]
fn references_follow_recorded_names_and_maps() {
    let tasks = |warehouse: &str| json!([{"task_key": "a", "sql_task": {"warehouse_id": warehouse}}, {"task_key": "b", "notebook_task": {"notebook_path": "/Shared/gone"}}]);
    let settings =
        json!({"name": "n", "tasks": tasks("w1"), "webhook_notifications": {"on_failure": [{"id": "hook"}, {"id": "lost"}]}});
    let case = Case {
        bundle: vec![job("1", settings), job("2", json!({"name": "m", "tasks": tasks("w9")}))],
        recorded: vec![
            object("warehouse", "w1", json!({"name": "shared"})),
            object("notification_destination", "hook", json!({"display_name": "ops"})),
        ],
        target: vec![
            object("warehouse", "w2", json!({"name": "shared"})),
            object("notification_destination", "h2", json!({"display_name": "ops"})),
        ],
        maps: "warehouse: {w9: w3}",
        ..Case::default()
    };
    let plan = case.plan();
    let one = plan.body_of("job", "1");
    assert_eq!(one["tasks"][0]["sql_task"]["warehouse_id"], "w2");
    assert_eq!(one["webhook_notifications"], json!({"on_failure": [{"id": "h2"}]}), "a dead webhook is left out whole");
    assert_eq!(plan.body_of("job", "2")["tasks"][0]["sql_task"]["warehouse_id"], "w3");
    assert!(plan.says("refers to notification_destination \"lost\"") && plan.says("\"/Shared/gone\""));
    assert!(matches!(plan.of("warehouse", "w1").action, Action::Unchanged { .. }));
}

#[test]
fn an_ambiguous_name_is_nobodys_guess() {
    let settings = json!({"name": "n", "tasks": [{"task_key": "a", "sql_task": {"warehouse_id": "w1"}}]});
    let warehouse = |id: &str| object("warehouse", id, json!({"name": "shared"}));
    let case = Case {
        bundle: vec![job("1", settings)],
        recorded: vec![warehouse("w1")],
        target: vec![warehouse("w2"), warehouse("w3")],
        ..Case::default()
    };
    let plan = case.plan();
    assert!(plan.why_not("job", "1").contains("the target has 2 SQL warehouses of the name \"shared\""));
    assert!(plan.says("\"w1\"") && matches!(plan.of("warehouse", "w1").action, Action::Skip { .. }));
}

#[test]
fn pools_policies_and_secrets_are_remapped_inside_texts() {
    let definition = json!({"instance_pool_id": {"type": "allowlist", "values": ["p1", "p2"], "defaultValue": "p1"},
        "spark_conf.fs": {"type": "fixed", "value": "{{secrets/vault/key}}"}});
    let case = Case {
        bundle: vec![
            object("instance_pool", "p1", json!({"instance_pool_name": "one", "node_type_id": "n"})),
            object("instance_pool", "p2", json!({"instance_pool_name": "two", "node_type_id": "n"})),
            object("cluster_policy", "x", json!({"name": "small", "definition": definition.to_string()})),
            cluster(
                "c",
                json!({"cluster_name": "c", "policy_id": "x", "instance_pool_id": "p1", "driver_instance_pool_id": "p2", "num_workers": 1}),
            ),
        ],
        target: vec![object(
            "instance_pool",
            "t1",
            json!({"instance_pool_name": "one", "node_type_id": "n", "min_idle_instances": 0}),
        )],
        ..Case::default()
    };
    let plan = case.plan();
    let text = plan.body_of("cluster_policy", "x")["definition"].as_str().expect("text").to_owned();
    assert!(text.contains(r#"["t1","p2"]"#) && text.contains(r#""defaultValue":"t1""#), "{text}");
    assert_eq!(plan.of("cluster_policy", "x").links[0].at, "/definition/#/instance_pool_id/values/1");
    assert!(plan.says("secret vault/key"));
    assert_eq!(plan.body_of("cluster", "c")["instance_pool_id"], "t1");
    let links: Vec<_> =
        plan.of("cluster", "c").links.iter().map(|link| (link.at.as_str(), link.to.id.as_str(), link.unmet)).collect();
    assert_eq!(links, [("/policy_id", "x", Unmet::Drop), ("/driver_instance_pool_id", "p2", Unmet::Drop)]);
}

#[test]
fn a_pool_that_differs_is_edited_without_what_is_fixed() {
    let pool = |id: &str, max: u64, disk: u64| {
        object(
            "instance_pool",
            id,
            json!({"instance_pool_name": "one", "node_type_id": "n", "max_capacity": max, "disk_spec": {"disk_count": disk}}),
        )
    };
    let plan = Case { bundle: vec![pool("a", 5, 1)], target: vec![pool("t", 6, 2)], ..Case::default() }.plan();
    let body = plan.body_of("instance_pool", "a");
    assert!(body.get("disk_spec").is_none() && body["max_capacity"] == json!(5) && body["min_idle_instances"] == json!(0));
    assert!(plan.of("instance_pool", "a").notes[0].contains("/disk_spec"));
}

#[test]
fn a_missing_pin_is_one_call() {
    let spec = json!({"cluster_name": "c", "num_workers": 1});
    let pinned = || super::With::with(cluster("c", spec.clone()), &json!({"pinned": true}));
    let mut there = spec.clone();
    there["custom_tags"] = json!({"lifeboat_source": "100/c"});
    let plan = Case { bundle: vec![pinned()], target: vec![cluster("t", there.clone())], ..Case::default() }.plan();
    assert!(matches!(plan.of("cluster", "c").action, Action::Mark { .. }) && plan.of("cluster", "c").marks == ["pinned"]);
    let there = super::With::with(cluster("t", there), &json!({"pinned": true}));
    assert_eq!(Case { bundle: vec![pinned()], target: vec![there], ..Case::default() }.plan().writes(), 0);
}

#[test]
fn an_owner_is_exactly_one_person() {
    let user = object("user", "u", json!({"userName": "ada@x.com"}));
    let group = object("group", "g", json!({"displayName": "team"}));
    let case = |entries: &[(&str, &str, &str)]| Case {
        bundle: vec![
            user.clone(),
            group.clone(),
            job("1", json!({"name": "n"})),
            hanging("permissions", "jobs/1", ("job", "1"), acl(entries)),
        ],
        ..Case::default()
    };
    let owned = case(&[("user_name", "ada@x.com", "IS_OWNER"), ("group_name", "team", "CAN_RUN")]).plan();
    assert_eq!(body(owned.of("permissions", "jobs/1"))["access_control_list"][0]["user_name"], "ada@x.com");
    for (entries, why) in [
        (&[("user_name", "gone@x.com", "IS_OWNER"), ("group_name", "team", "CAN_RUN")][..], "the owner is not there"),
        (&[("group_name", "team", "IS_OWNER"), ("user_name", "ada@x.com", "CAN_RUN")][..], "a group cannot own a job"),
        (&[("user_name", "ada@x.com", "CAN_MANAGE")][..], "there was no owner"),
    ] {
        let plan = case(entries).plan();
        let list = body(plan.of("permissions", "jobs/1"))["access_control_list"].as_array().cloned().expect("a list");
        let owners: Vec<_> = list.iter().filter(|entry| entry["permission_level"] == "IS_OWNER").collect();
        assert_eq!(owners, [&json!({"user_name": ME, "permission_level": "IS_OWNER"})], "{why}");
        assert!(plan.todos.iter().any(|todo| todo.what == What::Owner), "{why}");
        assert!(list.len() > 1 || why != "there was no owner", "the other entries stay");
    }
}

#[test]
fn only_direct_entries_are_written_and_inherited_ones_are_not() {
    let inherited = json!({"access_control_list": [{"group_name": "team", "all_permissions": [{"permission_level": "CAN_RUN", "inherited": true}]}]});
    let case = Case {
        bundle: vec![job("1", json!({"name": "n"})), hanging("permissions", "jobs/1", ("job", "1"), inherited)],
        ..Case::default()
    };
    assert!(matches!(case.plan().of("permissions", "jobs/1").action, Action::Unchanged { .. }));
}

#[test]
fn a_mapped_object_is_used_as_it_is() {
    let case = Case {
        bundle: vec![
            cluster("c1", json!({"cluster_name": "etl", "num_workers": 1})),
            hanging("permissions", "clusters/c1", ("cluster", "c1"), acl(&[("user_name", ME, "CAN_MANAGE")])),
            job("1", json!({"name": "n", "tasks": [{"task_key": "a", "existing_cluster_id": "c1"}]})),
        ],
        maps: "cluster:\n  etl: 0101-shared\nnode_type: {}\n",
        ..Case::default()
    };
    let plan = case.plan();
    assert_eq!(plan.body_of("job", "1")["tasks"][0]["existing_cluster_id"], "0101-shared");
    assert!(matches!(plan.of("cluster", "c1").action, Action::Adopt { .. }));
    assert!(!plan.of("permissions", "clusters/c1").action.writes());
}

#[test]
fn regions_differ_in_machines() {
    let spec = json!({"cluster_name": "c", "node_type_id": "Standard_DS3_v2", "spark_version": "13.3.x", "num_workers": 1});
    let settings = json!({"name": "n", "job_clusters": [{"job_cluster_key": "k", "new_cluster": {"node_type_id": "Standard_DS3_v2", "num_workers": 1}}]});
    let case = Case {
        bundle: vec![cluster("c", spec), job("1", settings)],
        maps: "node_type: {Standard_DS3_v2: m5.xlarge}",
        ..Case::default()
    };
    let plan = case.plan();
    assert_eq!(plan.body_of("cluster", "c")["node_type_id"], "m5.xlarge");
    assert_eq!(plan.body_of("job", "1")["job_clusters"][0]["new_cluster"]["node_type_id"], "m5.xlarge");
}

#[test]
fn machines_are_mapped_wherever_they_are_named() {
    let definition = json!({"node_type_id": {"type": "allowlist", "values": ["a", "b"], "defaultValue": "a"},
        "spark_version": {"type": "fixed", "value": "13.x"}, "aws_attributes.zone_id": {"type": "fixed", "value": "eu-1a"}});
    let pool = json!({"instance_pool_name": "p", "node_type_id": "a", "preloaded_spark_versions": ["13.x"],
        "node_type_flexibility": {"alternate_node_type_ids": ["b", "a"]}});
    let case = Case {
        bundle: vec![
            object("cluster_policy", "P", json!({"name": "p", "definition": definition.to_string()})),
            object("instance_pool", "p", pool),
        ],
        maps: "node_type: {a: A}\nspark_version: {13.x: 16.x}\nzone: {eu-1a: auto}\n",
        ..Case::default()
    };
    let plan = case.plan();
    let definition = plan.body_of("cluster_policy", "P")["definition"].as_str().expect("text").to_owned();
    let definition: Value = serde_json::from_str(&definition).expect("JSON");
    assert_eq!(definition["node_type_id"], json!({"type": "allowlist", "values": ["A", "b"], "defaultValue": "A"}));
    assert_eq!(
        (&definition["spark_version"]["value"], &definition["aws_attributes.zone_id"]["value"]),
        (&json!("16.x"), &json!("auto"))
    );
    let pool = plan.body_of("instance_pool", "p");
    assert_eq!((&pool["node_type_id"], &pool["preloaded_spark_versions"]), (&json!("A"), &json!(["16.x"])));
    assert_eq!(pool["node_type_flexibility"]["alternate_node_type_ids"], json!(["b", "A"]));
}

#[test]
fn what_no_bundle_holds_is_mapped_or_told() {
    let settings = json!({"name": "n", "budget_policy_id": "b-1", "job_clusters": [
            {"job_cluster_key": "k", "serverless_compute_id": "s-1", "new_cluster": {"num_workers": 1,
                "init_scripts": [{"abfss": {"destination": "abfss://c@a.dfs.core.windows.net/x.sh"}}]}}],
        "trigger": {"file_arrival": {"url": "s3://landing/in/"}},
        "tasks": [{"task_key": "a", "for_each_task": {"task": {"task_key": "b", "dbt_cloud_task": {"connection_resource_name": "dbt", "dbt_cloud_job_id": 7}}}}]});
    let case = Case { bundle: vec![job("1", settings)], maps: "connection: {dbt: dbt2}\ndbt_job: {7: 8}\n", ..Case::default() };
    let plan = case.plan();
    let body = plan.body_of("job", "1");
    let task = &body["tasks"][0]["for_each_task"]["task"]["dbt_cloud_task"];
    assert_eq!(task, &json!({"connection_resource_name": "dbt2", "dbt_cloud_job_id": 8}));
    assert_eq!(body["budget_policy_id"], "b-1", "within one account it stays valid");
    for said in ["budget policy \"b-1\"", "serverless compute \"s-1\"", "abfss://c@a.dfs.core.windows.net:", "s3://landing:"] {
        assert!(plan.says(said), "{said}: {:#?}", plan.todos);
    }
    assert!(!plan.says("connection"), "{:#?}", plan.todos);
    let same = Case { target_workspace: "100", maps: "", ..case }.plan();
    assert!(!same.says("see that the target"), "{:#?}", same.todos);
}

#[test]
fn settings_of_a_later_version_are_told() {
    let case = Case {
        bundle: vec![
            job(
                "1",
                json!({"name": "n", "performance_target": "COST_OPTIMIZED", "duration_target": "4h", "orbit": {"height": 3}, "format": "MULTI_TASK"}),
            ),
            object("cluster", "c", json!({"spec": {"cluster_name": "c", "num_workers": 1, "gravity": 9}, "cluster_name": "c"})),
        ],
        ..Case::default()
    };
    let plan = case.plan();
    assert_eq!(plan.body_of("job", "1")["duration_target"], "4h");
    assert!(plan.says("`orbit`") && plan.says("`gravity`") && !plan.says("`format`"), "{:#?}", plan.todos);
}

#[test]
fn a_secret_is_looked_for_in_every_text() {
    let settings = json!({"name": "n", "tasks": [{"task_key": "a", "hologram_task": {"with": ["{{secrets/gone/key}}"]}}]});
    assert!(Case { bundle: vec![job("1", settings)], ..Case::default() }.plan().says("gone/key"));
}

#[test]
fn back_into_the_same_workspace_ids_are_the_same() {
    let case = Case {
        bundle: vec![job("1", json!({"name": "old name"}))],
        target: vec![job("1", json!({"name": "new name"})), job("2", json!({"name": "old name"}))],
        target_workspace: "100",
        ..Case::default()
    };
    let plan = case.plan();
    let Action::Update { target, body, .. } = &plan.of("job", "1").action else { panic!("{:?}", plan.steps) };
    assert_eq!((&target.id, body.get("tags")), (&json!(1), None));
}

#[test]
fn an_update_in_place_keeps_the_mark_of_an_earlier_restore() {
    let marked = |name: &str| json!({"name": name, "tags": {"lifeboat_source": "77/5"}});
    let case = Case {
        bundle: vec![job("1", marked("old name"))],
        target: vec![job("1", marked("new name"))],
        target_workspace: "100",
        ..Case::default()
    };
    let plan = case.plan();
    assert_eq!(plan.body_of("job", "1")["tags"], json!({"lifeboat_source": "77/5"}));
    let case = Case { target: vec![job("1", marked("old name"))], ..case };
    assert!(matches!(case.plan().of("job", "1").action, Action::Unchanged { .. }));
}

#[test]
fn an_id_that_was_given_anew_does_not_lead_to_another_job() {
    let made_of = |id: &str, name: &str| json!({"name": name, "tags": {"lifeboat_source": format!("100/{id}")}});
    let case = Case {
        bundle: vec![job("1", json!({"name": "a"})), job("2", json!({"name": "b"}))],
        target: vec![job("1", made_of("2", "b")), job("2", made_of("1", "a"))],
        target_workspace: "100",
        ..Case::default()
    };
    let plan = case.plan();
    for (source, there) in [("1", 2), ("2", 1)] {
        let Action::Unchanged { target: Some(found) } = &plan.of("job", source).action else { panic!("{:?}", plan.steps) };
        assert_eq!(found.id, json!(there));
    }
    // A restored job that was itself exported later is the same job, whatever it once was made of.
    let case = Case {
        bundle: vec![job("9", made_of("5", "a"))],
        target: vec![job("9", made_of("5", "a"))],
        target_workspace: "100",
        ..Case::default()
    };
    assert!(matches!(&case.plan().of("job", "9").action, Action::Unchanged { target: Some(found) } if found.id == json!(9)));
}

#[test]
fn what_could_not_be_read_may_be_the_very_job() {
    let case = Case {
        bundle: vec![
            job("1", json!({"name": "n"})),
            object("instance_pool", "p", json!({"instance_pool_name": "p", "node_type_id": "n"})),
        ],
        unread: vec![("job".into(), "77".into()), ("instance_pool".into(), "x".into())],
        ..Case::default()
    };
    let plan = case.plan();
    assert!(matches!(&plan.of("job", "1").action, Action::Skip { reason } if reason.contains("77")));
    assert!(
        matches!(plan.of("instance_pool", "p").action, Action::Create { .. }),
        "a second pool of that name is refused by itself"
    );
}

#[test]
fn what_a_workspace_would_refuse_is_not_sent() {
    let on = |id: &str, task: Value| job(id, json!({"name": id, "tasks": [task]}));
    let case = |target_workspace| Case {
        bundle: vec![
            on("1", json!({"task_key": "a", "existing_cluster_id": "gone"})),
            on("2", json!({"task_key": "a", "run_job_task": {"job_id": 1}})),
            on("3", json!({"task_key": "a", "notebook_task": {"notebook_path": "/Shared/gone"}})),
            hanging("permissions", "/jobs/1", ("job", "1"), acl(&[("user_name", ME, "CAN_VIEW")])),
        ],
        target_workspace,
        ..Case::default()
    };
    let plan = case("").plan();
    assert!(
        plan.why_not("job", "1").starts_with("refers to cluster \"gone\", which is neither in the target nor restored with it")
    );
    assert!(plan.why_not("job", "2").starts_with("refers to job \"1\", which is not restored (refers to cluster"));
    assert!(plan.why_not("permissions", "/jobs/1").starts_with("needs job:1, which is not restored"));
    assert!(matches!(plan.of("job", "3").action, Action::Create { .. }), "notebooks are not looked for at create");
    assert!(matches!(case("100").plan().of("job", "1").action, Action::Create { .. }), "there, the id may be good");
}

#[test]
fn an_update_to_what_would_be_refused_is_not_sent() {
    let settings = |tasks: Value, more: i64| json!({"name": "n", "timeout_seconds": more, "tasks": tasks});
    let mut there = job("9", settings(json!([{"task_key": "a", "existing_cluster_id": "good"}]), 0));
    there.body = crate::object::Body::Json(
        json!({"job_id": 9, "settings": {"name": "n", "tags": {"lifeboat_source": "100/1"}, "tasks": [{"task_key": "a", "existing_cluster_id": "good"}]}}),
    );
    let case = Case {
        bundle: vec![job("1", settings(json!([{"task_key": "a", "existing_cluster_id": "gone"}]), 7))],
        target: vec![there],
        ..Case::default()
    };
    assert!(case.plan().why_not("job", "1").contains("\"gone\""));
}

//! Users, groups, service principals.

use super::{Case, ME, acl, body, folder, hanging, object};
use crate::plan::{Action, Options, Unmet, What};
use serde_json::{Value, json};

fn user(id: &str, name: &str) -> crate::object::Object {
    object("user", id, json!({"userName": name, "entitlements": [{"value": "workspace-access"}]}))
}

fn group(id: &str, name: &str, members: &[&str]) -> crate::object::Object {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id, "display": "x", "$ref": "y"})).collect();
    object("group", id, json!({"displayName": name, "members": members}))
}

#[test]
fn people_are_matched_whatever_the_case() {
    let case =
        Case { bundle: vec![user("1", "Ada.Lovelace@X.com")], target: vec![user("9", "ada.lovelace@x.com")], ..Case::default() };
    let plan = case.plan();
    assert_eq!(plan.writes(), 0);
    assert!(matches!(&plan.of("user", "1").action, Action::Unchanged { target: Some(one) } if one.id == json!("9")));
}

#[test]
fn groups_in_groups_in_a_circle_keep_all_members() {
    let sp =
        object("service_principal", "s", json!({"applicationId": "12345678-1234-1234-1234-123456789abc", "displayName": "etl"}));
    let mut bundle = vec![user("u", "ada@x.com"), sp];
    bundle.extend((0..10).map(|n| group(&format!("g{n}"), &format!("group {n}"), &["u", "s", &format!("g{}", (n + 1) % 10)])));
    let plan = Case { bundle, ..Case::default() }.plan();
    for n in 0..10 {
        let id = format!("g{n}");
        assert!(plan.body_of("group", &id).get("members").is_none(), "made without members");
        let second = plan.second_of("group", &id).expect("members come after");
        let to: Vec<_> = second.links.iter().map(|link| (link.at.as_str(), link.to.id.clone())).collect();
        let next = format!("g{}", (n + 1) % 10);
        assert_eq!(to, [("/members/0/value", "u".to_owned()), ("/members/1/value", "s".into()), ("/members/2/value", next)]);
    }
}

#[test]
fn members_are_added_and_never_taken() {
    let case = Case {
        bundle: vec![user("u", "ada@x.com"), user("v", "bob@x.com"), group("g", "team", &["u", "v", "unknown"])],
        target: vec![user("1", "ada@x.com"), user("3", "eve@x.com"), group("t", "team", &["1", "3"])],
        ..Case::default()
    };
    let plan = case.plan();
    let second = plan.second_of("group", "g").expect("one is missing");
    assert_eq!(body(second)["members"], json!([{"value": "v"}]));
    assert_eq!((second.links[0].at.as_str(), second.links[0].to.id.as_str()), ("/members/0/value", "v"));
    assert!(plan.says("\"unknown\""));
    assert!(matches!(plan.of("group", "g").action, Action::Unchanged { .. }));
}

#[test]
fn built_in_groups_are_matched_and_left_alone() {
    let bundle = || vec![user("u", "ada@x.com"), group("a", "admins", &["u"]), group("b", "users", &["u"])];
    let target = || vec![user("1", "ada@x.com"), group("2", "admins", &[]), group("3", "users", &[])];
    let plan = Case { bundle: bundle(), target: target(), ..Case::default() }.plan();
    assert_eq!(plan.writes(), 0);
    let asked = Case {
        bundle: bundle(),
        target: target(),
        options: Options { restore_admins: true, ..Options::default() },
        ..Case::default()
    };
    let plan = asked.plan();
    assert_eq!(body(plan.second_of("group", "a").expect("asked for"))["members"], json!([{"value": "1"}]));
    assert!(plan.second_of("group", "b").is_none());
    let nowhere = Case { bundle: vec![group("a", "admins", &[])], ..Case::default() }.plan();
    assert!(matches!(nowhere.of("group", "a").action, Action::Skip { .. }), "never made");
}

#[test]
fn an_inactive_person_is_made_inactive_and_nobody_is_switched() {
    let mut inactive = user("u", "ada@x.com");
    if let crate::object::Body::Json(document) = &mut inactive.body {
        document["active"] = json!(false);
    }
    assert_eq!(Case { bundle: vec![inactive.clone()], ..Case::default() }.plan().body_of("user", "u")["active"], json!(false));
    let plan = Case { bundle: vec![inactive], target: vec![user("1", "ada@x.com")], ..Case::default() }.plan();
    assert_eq!(plan.writes(), 0);
    assert!(plan.says("inactive at the source"));
}

#[test]
fn without_leave_to_create_nobody_gets_rights() {
    let case = Case {
        bundle: vec![
            user("u", "ada@x.com"),
            user("v", "bob@x.com"),
            folder("directory", "/Shared/x"),
            hanging(
                "permissions",
                "directories/5",
                ("directory", "/Shared/x"),
                acl(&[("user_name", "ada@x.com", "CAN_RUN"), ("user_name", "bob@x.com", "CAN_MANAGE")]),
            ),
        ],
        target: vec![user("1", "bob@x.com")],
        options: Options { create_principals: false, ..Options::default() },
        ..Case::default()
    };
    let plan = case.plan();
    assert!(matches!(plan.of("user", "u").action, Action::Skip { .. }));
    let entries = &plan.body_of("permissions", "directories/5")["access_control_list"];
    assert_eq!(entries, &json!([{"user_name": "bob@x.com", "permission_level": "CAN_MANAGE"}]));
    assert!(plan.todos.iter().any(|todo| todo.what == What::Principal && todo.objects == ["user:ada@x.com"]));
}

#[test]
fn a_new_application_id_goes_wherever_the_old_one_stood() {
    let old = "12345678-1234-1234-1234-123456789abc";
    let case = Case {
        bundle: vec![
            object("service_principal", "s", json!({"applicationId": old, "displayName": "etl"})),
            object("job", "1", json!({"settings": {"name": "n"}, "run_as_user_name": old})),
        ],
        ..Case::default()
    };
    let plan = case.plan();
    let link = &plan.of("job", "1").links[0];
    assert_eq!((link.at.as_str(), link.to.id.as_str(), link.key), ("/run_as/service_principal_name", "s", true));
    let mapped = Case {
        target: vec![object("service_principal", "t", json!({"applicationId": "99999999-1234-1234-1234-123456789abc"}))],
        maps: "service_principal:\n  12345678-1234-1234-1234-123456789abc: 99999999-1234-1234-1234-123456789abc\n",
        ..case
    };
    assert_eq!(mapped.plan().body_of("job", "1")["run_as"]["service_principal_name"], "99999999-1234-1234-1234-123456789abc");
}

#[test]
fn thousands_of_people_are_matched() {
    let people = |prefix: &str, upper: bool| -> Vec<crate::object::Object> {
        let name = |n: u32| format!("user{n}@x.com");
        (0..4_000).map(|n| user(&format!("{prefix}{n}"), &if upper { name(n).to_uppercase() } else { name(n) })).collect()
    };
    let plan = Case { bundle: people("s", true), target: people("t", false), ..Case::default() }.plan();
    assert_eq!((plan.steps.len(), plan.writes()), (4_000, 0));
}

#[test]
fn a_job_whose_identity_is_gone_is_off_whatever_the_rules_say() {
    let live = |id: &str, name: &str| {
        let run_as = json!({"user_name": name});
        let schedule = json!({"quartz_cron_expression": "0 0 1 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"});
        object("job", id, json!({"settings": {"name": "n", "run_as": run_as, "schedule": schedule}}))
    };
    let rules = "extends: clone\nactivations: keep\n";
    let mut case = Case { bundle: vec![live("1", "gone@x.com")], rules, ..Case::default() };
    let plan = case.plan();
    let sent = plan.body_of("job", "1");
    assert_eq!((sent.get("run_as"), sent.pointer("/schedule/pause_status")), (None, Some(&json!("PAUSED"))));
    assert!(plan.says("it would run as somebody else"), "{:?}", plan.todos);
    assert!(plan.of("job", "1").changes.iter().any(|change| change.at == "/schedule/pause_status"));

    // What an earlier import made is not switched on either, and what a person switched on since stays.
    let made = |status: &str| {
        let mut made = live("7", ME);
        let crate::object::Body::Json(document) = &mut made.body else { panic!("a document") };
        document["settings"]["schedule"]["pause_status"] = json!(status);
        document["settings"]["tags"] = json!({"lifeboat_source": "100/1"});
        made
    };
    for status in ["PAUSED", "UNPAUSED"] {
        case.target = vec![made(status)];
        let plan = case.plan();
        match &plan.of("job", "1").action {
            Action::Update { body, .. } => assert_eq!(body["schedule"]["pause_status"], json!(status)),
            other => assert!(matches!(other, Action::Unchanged { .. }), "{other:?}"),
        }
        assert_eq!(plan.says("it would run as somebody else"), status == "PAUSED");
    }

    // Somebody who is yet to come is waited for: without them there is no job.
    case.target.clear();
    case.bundle.push(object("user", "5", json!({"userName": "gone@x.com"})));
    let plan = case.plan();
    let step = plan.of("job", "1");
    assert_eq!(body(step)["schedule"]["pause_status"], json!("UNPAUSED"));
    assert!(step.links.iter().all(|link| link.unmet == Unmet::Stop) && step.needs.len() == 1, "{step:?}");
}

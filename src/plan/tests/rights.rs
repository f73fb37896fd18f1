//! Who may do what afterwards.

use super::{Case, ME, acl, body, hanging, object};
use crate::plan::Plan;
use serde_json::json;

#[test]
fn a_caller_who_is_no_admin_is_not_locked_out() {
    let bundle = || {
        let job = object("job", "1", json!({ "settings": {"name": "n"} }));
        vec![
            crate::object::Object { key: "n".into(), ..job },
            hanging(
                "permissions",
                "jobs/1",
                ("job", "1"),
                acl(&[("user_name", "ada@x.com", "IS_OWNER"), ("group_name", "team", "CAN_VIEW")]),
            ),
            object("instance_pool", "p", json!({"instance_pool_name": "p"})),
            hanging("permissions", "instance-pools/p", ("instance_pool", "p"), acl(&[("user_name", ME, "CAN_ATTACH_TO")])),
            object("user", "u", json!({"userName": "ada@x.com"})),
            object("group", "g", json!({"displayName": "team"})),
        ]
    };
    let there = || vec![object("user", "7", json!({"userName": ME})), object("user", "8", json!({"userName": "ada@x.com"}))];
    let case = |no_admin| Case { bundle: bundle(), target: there(), no_admin, ..Case::default() };
    let of = |plan: &Plan, id: &str| body(plan.of("permissions", id))["access_control_list"].clone();
    let plan = case(true).plan();
    let job = of(&plan, "jobs/1");
    assert_eq!(job[0], json!({"user_name": "ada@x.com", "permission_level": "CAN_MANAGE"}));
    assert_eq!(job[2], json!({"user_name": ME, "permission_level": "IS_OWNER"}));
    assert_eq!(of(&plan, "instance-pools/p"), json!([{"user_name": ME, "permission_level": "CAN_MANAGE"}]));
    assert!(plan.says("who is no admin and restores this, less than IS_OWNER"));
    let plan = case(false).plan();
    assert_eq!(of(&plan, "jobs/1")[0]["permission_level"], "IS_OWNER", "an admin needs no right of its own");
    assert_eq!(of(&plan, "instance-pools/p"), json!([{"user_name": ME, "permission_level": "CAN_ATTACH_TO"}]));
    assert!(!plan.says("who is no admin"));
}

#[test]
fn what_a_caller_has_not_is_not_given_to_it() {
    let pool =
        |id: &str| object("instance_pool", id, json!({"instance_pool_name": "p", "custom_tags": {"lifeboat_source": "100/p"}}));
    let rights = |of: &str, level: &str| {
        hanging("permissions", &format!("instance-pools/{of}"), ("instance_pool", of), acl(&[("user_name", ME, level)]))
    };
    let plan = |have: &str| {
        let target = vec![pool("t"), rights("t", have), object("user", "7", json!({"userName": ME}))];
        Case { bundle: vec![pool("p"), rights("p", "CAN_ATTACH_TO")], target, no_admin: true, ..Case::default() }.plan()
    };
    assert!(!plan("CAN_ATTACH_TO").of("permissions", "instance-pools/p").action.writes());
    assert!(!plan("CAN_MANAGE").of("permissions", "instance-pools/p").action.writes(), "and what it has stays");
}

//! Secrets, policies, libraries, scripts, and what a target does not offer.

use super::{Case, acl, body, hanging, object};
use crate::object::{Object, REDACTED};
use crate::plan::{Action, Options, Plan, PlanError, SecretValues, What, wanted};
use crate::rules::{Rules, sanitize};
use serde_json::{Value, json};

fn scope(name: &str, more: &Value) -> Object {
    let mut document = json!({"name": name, "backend_type": "DATABRICKS"});
    more.as_object().into_iter().flatten().for_each(|(name, value)| document[name] = value.clone());
    object("secret_scope", name, document)
}

fn secret(scope: &str, key: &str) -> Object {
    hanging("secret", &format!("{scope}/{key}"), ("secret_scope", scope), json!({ "key": key }))
}

/// The value of a secret, as a bundle gives it.
fn value(scope: &str, key: &str) -> Object {
    let id = format!("{scope}/{key}");
    Object { body: crate::object::Body::Withheld, ..hanging("secret_value", &id, ("secret_scope", scope), json!({})) }
}

fn with_values(secret_values: SecretValues) -> Case {
    let keys = ["new", "there"];
    let bundle = keys.iter().flat_map(|key| [secret("a", key), value("a", key)]).chain([scope("a", &json!({}))]).collect();
    let target = vec![scope("a", &json!({})), secret("a", "There")];
    Case { bundle, target, options: Options { secret_values, ..Options::default() }, ..Case::default() }
}

#[test]
fn values_are_set_where_the_secret_is_new() {
    let plan = with_values(SecretValues::New).plan();
    assert_eq!(plan.writes(), 2, "a secret, and its value");
    let (secret, value) = (plan.of("secret", "a/new"), plan.of("secret_value", "a/new"));
    assert!(matches!(&secret.action, Action::Attach { body, .. } if body.is_empty()));
    assert!(matches!(&value.action, Action::Attach { differences, .. } if differences.is_empty()));
    assert_eq!(plan.steps[secret.needs[0]].source, value.source, "the value makes it");
    assert!(matches!(plan.of("secret_value", "a/there").action, Action::Unchanged { .. }));
    let told: Vec<_> = plan.todos.iter().filter(|todo| todo.what == What::SecretValue).collect();
    assert!(told.len() == 1 && told[0].objects == ["secret_value:a/there"], "{told:?}");
}

#[test]
fn values_are_set_everywhere_or_nowhere_if_that_is_said() {
    let all = with_values(SecretValues::All).plan();
    assert!(matches!(&all.of("secret_value", "a/there").action, Action::Attach { differences, .. } if differences.len() == 1));
    assert_eq!((all.writes(), all.tally().update, all.todos.len()), (3, 1, 0));
    let none = with_values(SecretValues::None).plan();
    assert_eq!(none.writes(), 0);
    assert!(none.of("secret_value", "a/new").unwanted && matches!(none.of("secret", "a/new").action, Action::Wait { .. }));
}

#[test]
fn a_value_without_its_secret_is_not_set() {
    let plan = Case { bundle: vec![scope("a", &json!({})), value("a", "k")], ..Case::default() }.plan();
    assert!(matches!(plan.of("secret_value", "a/k").action, Action::Skip { .. }));
}

#[test]
fn what_may_be_there_unseen_is_not_overwritten() {
    for (kind, id) in [("secret", "a"), ("secret", "*")] {
        let mut case = with_values(SecretValues::New);
        case.target.pop();
        case.unread = vec![(kind.into(), id.into())];
        let plan = case.plan();
        let step = plan.of("secret_value", "a/new");
        assert!(matches!(step.action, Action::Skip { .. }) && !step.unwanted, "{kind}:{id}");
    }
    let mut case = with_values(SecretValues::New);
    case.unread = vec![("secret".into(), "other".into()), ("secret_scope".into(), "*".into())];
    assert_eq!(case.plan().writes(), 2, "this scope showed its secrets");
    case.target.clear();
    assert!(matches!(case.plan().of("secret_value", "a/new").action, Action::Skip { .. }), "nobody knows what there is");
}

#[test]
fn values_of_secrets_wait_for_a_person() {
    let case = Case {
        bundle: vec![scope("a", &json!({})), secret("a", "k1"), secret("a", "k2")],
        target: vec![scope("a", &json!({})), secret("a", "k2")],
        ..Case::default()
    };
    let plan = case.plan();
    assert!(matches!(plan.of("secret", "a/k1").action, Action::Wait { .. }));
    assert!(matches!(plan.of("secret", "a/k2").action, Action::Unchanged { .. }));
    let todo = plan.todos.iter().find(|todo| todo.what == What::SecretValue).expect("a todo");
    assert_eq!(todo.objects, ["secret:a/k1"]);
}

#[test]
fn a_key_vault_scope_stays_one() {
    let vault =
        json!({"backend_type": "AZURE_KEYVAULT", "keyvault_metadata": {"resource_id": "/old", "dns_name": "https://old"}});
    let case = Case {
        bundle: vec![scope("kv", &vault), secret("kv", "k")],
        maps: "key_vault: {/old: /new, https://old: https://new}",
        ..Case::default()
    };
    let plan = case.plan();
    let body = plan.body_of("secret_scope", "kv");
    assert_eq!((&body["backend_type"], &body["keyvault_metadata"]["resource_id"]), (&json!("AZURE_KEYVAULT"), &json!("/new")));
    assert!(matches!(plan.of("secret", "kv/k").action, Action::Unchanged { .. }), "its values live in the vault");
    let databricks = Case { bundle: vec![scope("kv", &vault)], target: vec![scope("KV", &json!({}))], ..Case::default() }.plan();
    assert!(matches!(&databricks.of("secret_scope", "kv").action, Action::Skip { reason } if reason.contains("backend")));
}

#[test]
fn scope_acls_are_added() {
    let acls = |items: &[(&str, &str)]| {
        let item = |(who, what): &(&str, &str)| json!({"principal": who, "permission": what});
        json!({"items": items.iter().map(item).collect::<Vec<_>>()})
    };
    let on = |items: &[(&str, &str)]| hanging("secret_acl", "a", ("secret_scope", "a"), acls(items));
    let user = |id: &str| object("user", id, json!({"userName": "Ada@x.com"}));
    let bundle = || vec![user("1"), scope("a", &json!({})), on(&[("Ada@x.com", "READ"), ("gone@x.com", "READ")])];
    let same = Case {
        bundle: bundle(),
        target: vec![user("2"), scope("a", &json!({})), on(&[("ada@x.com", "READ"), (super::ME, "MANAGE")])],
        ..Case::default()
    };
    assert_eq!(same.plan().writes(), 0, "the restorer's own entry may stay");
    let plan = Case { bundle: bundle(), ..Case::default() }.plan();
    assert_eq!(body(plan.of("secret_acl", "a"))["items"].as_array().map(Vec::len), Some(1));
    assert!(plan.says("gone@x.com"));
}

#[test]
fn default_policies_are_matched_and_only_overridden() {
    let policy = |id: &str, overrides: Option<&str>| {
        let mut document =
            json!({"name": "Personal Compute", "policy_family_id": "personal-vm", "is_default": true, "definition": "{\"a\":1}"});
        if let Some(text) = overrides {
            document["policy_family_definition_overrides"] = json!(text);
        }
        object("cluster_policy", id, document)
    };
    let case =
        |overrides| Case { bundle: vec![policy("s", overrides)], target: vec![policy("t", None)], ..Case::default() }.plan();
    assert_eq!(case(None).writes(), 0);
    let plan = case(Some(r#"{"b":{"type":"fixed","value":1}}"#));
    let body = plan.body_of("cluster_policy", "s");
    assert!(body.get("definition").is_none() && body["policy_family_definition_overrides"].is_string());
    assert!(matches!(
        Case { bundle: vec![policy("s", None)], ..Case::default() }.plan().of("cluster_policy", "s").action,
        Action::Skip { .. }
    ));
}

#[test]
fn libraries_follow_their_cluster_and_are_only_added() {
    let cluster = |id: &str, tags: Value| {
        let spec = json!({"cluster_name": "c", "num_workers": 1, "custom_tags": tags});
        Object { key: "c".into(), ..object("cluster", id, json!({ "spec": spec })) }
    };
    let libraries = |id: &str, names: &[&str]| {
        let status = |name: &&str| json!({"library": {"pypi": {"package": name}}, "status": "INSTALLED"});
        hanging(
            "cluster_libraries",
            id,
            ("cluster", id),
            json!({"cluster_id": id, "library_statuses": names.iter().map(status).collect::<Vec<_>>()}),
        )
    };
    let plan = Case { bundle: vec![cluster("s", json!({})), libraries("s", &["a", "b"])], ..Case::default() }.plan();
    assert_eq!(body(plan.of("cluster_libraries", "s"))["libraries"].as_array().map(Vec::len), Some(2));
    assert_eq!(plan.of("cluster_libraries", "s").needs.len(), 1);
    let target = vec![cluster("t", json!({"lifeboat_source": "100/s"})), libraries("t", &["c", "b", "a"])];
    assert_eq!(
        Case { bundle: vec![cluster("s", json!({})), libraries("s", &["a", "b"])], target, ..Case::default() }.plan().writes(),
        0
    );
}

#[test]
fn scripts_are_made_in_their_order_and_switched_off() {
    let script = |id: &str, name: &str, position: u64| {
        object("global_init_script", id, json!({"name": name, "script": "ZWNobw==", "enabled": true, "position": position}))
    };
    let plan = Case { bundle: vec![script("a", "second", 1), script("z", "first", 0)], ..Case::default() }.plan();
    let order: Vec<_> = plan.steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(order, ["first", "second"]);
    assert_eq!(plan.body_of("global_init_script", "a")["enabled"], json!(false));
    let mut off = script("t", "first", 0);
    if let crate::object::Body::Json(document) = &mut off.body {
        document["enabled"] = json!(false);
    }
    let again = Case { bundle: vec![script("z", "first", 0)], target: vec![off], ..Case::default() }.plan();
    assert_eq!(again.writes(), 0, "same name and same bytes");
}

#[test]
fn what_the_target_does_not_offer_is_told() {
    let bundle = vec![
        object("instance_pool", "p", json!({"instance_pool_name": "p", "node_type_id": "n"})),
        hanging("permissions", "instance-pools/p", ("instance_pool", "p"), acl(&[("user_name", super::ME, "CAN_MANAGE")])),
    ];
    let plan = Case { bundle, unavailable: vec!["permissions".into()], ..Case::default() }.plan();
    assert!(matches!(plan.of("permissions", "instance-pools/p").action, Action::Skip { .. }));
    assert!(matches!(plan.of("instance_pool", "p").action, Action::Create { .. }));
}

#[test]
fn what_was_blanked_is_a_todo_and_not_sent() {
    let spec = json!({"cluster_name": "c", "num_workers": 1, "spark_conf": {"fs.azure.account.key.x": REDACTED, "a": "b"}});
    let cluster = Object { key: "c".into(), ..object("cluster", "c", json!({ "spec": spec })) };
    let plan = Case { bundle: vec![cluster], ..Case::default() }.plan();
    assert!(
        plan.todos
            .iter()
            .any(|todo| todo.what == What::RedactedField && todo.text.contains("/spark_conf/fs.azure.account.key.x"))
    );
}

#[test]
fn what_is_only_recorded_is_told() {
    let plan = Case {
        recorded: vec![object("pipeline", "p", json!({"name": "dlt"})), object("policy_family", "f", json!({}))],
        ..Case::default()
    }
    .plan();
    assert!(matches!(plan.of("pipeline", "p").action, Action::Skip { .. }));
    assert!(!matches!(plan.of("policy_family", "f").action, Action::Skip { .. }));
    assert!(plan.todos.iter().any(|todo| todo.what == What::NotRestored && todo.objects == ["pipeline:dlt (p)"]));
}

#[test]
fn a_plan_of_another_version_is_refused() {
    let text = Case::default().plan().to_json().expect("JSON").replace("\"format\": 2", "\"format\": 1");
    assert!(matches!(Plan::from_json(&text), Err(PlanError::Version(1))));
    assert!(matches!(Plan::from_json("{"), Err(PlanError::Unreadable(_))));
}

#[test]
fn the_inventory_is_asked_for_what_is_referred_to() {
    let job = object(
        "job",
        "1",
        json!({"run_as_user_name": "ada@x.com", "settings": {"name": "n", "tasks": [
        {"task_key": "a", "spark_python_task": {"python_file": "/Workspace/Shared/lib/x.py"},
         "new_cluster": {"spark_conf": {"k": "{{secrets/vault/key}}"}}}]}}),
    );
    let objects = [sanitize(&Rules::standby(), &Object { key: "n".into(), ..job })];
    let wanted = wanted(&objects, &[], &crate::plan::Maps::parse("cluster: {a: b}").expect("good"), "100");
    for (kind, key) in [
        ("job", "n"),
        ("user", "ADA@x.com"),
        ("file", "/Shared/lib/x.py"),
        ("directory", "/Shared/lib"),
        ("secret_scope", "vault"),
        ("cluster", "b"),
    ] {
        assert!(wanted.wants(crate::kinds::by_name(kind).expect("known"), key, None), "{kind} {key}");
    }
    assert!(wanted.wants(crate::kinds::by_name("job").expect("known"), "other", Some("100/1")));
    assert!(!wanted.wants(crate::kinds::by_name("job").expect("known"), "other", Some("101/1")));
}

/// A cluster of the target that an earlier import made, with what the server says of its run.
fn made_before(run: &Value) -> Object {
    let mut document = json!({"spec": {"cluster_name": "c", "num_workers": 1, "custom_tags": {"lifeboat_source": "100/c1"}},
        "cluster_name": "c", "start_time": 1_000_000});
    document.as_object_mut().unwrap().extend(run.as_object().cloned().unwrap());
    Object { key: "c".into(), ..object("cluster", "t1", document) }
}

#[test]
fn what_an_import_left_running_is_stopped_and_what_a_person_started_is_not() {
    let cluster = object("cluster", "c1", json!({"spec": {"cluster_name": "c", "num_workers": 1}, "cluster_name": "c"}));
    for (run, stops) in [
        (json!({"state": "PENDING"}), true),
        (json!({"state": "RUNNING", "last_restarted_time": 1_200_000}), true),
        (json!({"state": "RUNNING", "last_restarted_time": 9_000_000}), false),
        (json!({"state": "RUNNING", "terminated_time": 1_001_000}), false),
        (json!({"state": "TERMINATED", "terminated_time": 1_001_000}), false),
    ] {
        let case = Case { bundle: vec![cluster.clone()], target: vec![made_before(&run)], ..Case::default() };
        let plan = case.plan();
        let step = plan.of("cluster", "c1");
        assert_eq!((step.settle, matches!(step.action, Action::Mark { .. })), (stops, stops), "{run}: {step:?}");
    }
    let itself = Case {
        target_workspace: "100",
        bundle: vec![cluster.clone()],
        target: vec![Object { id: "c1".into(), ..cluster }],
        ..Case::default()
    };
    assert!(!itself.plan().of("cluster", "c1").settle, "the source's own cluster runs on");
}

#[test]
fn a_key_vault_waits_for_a_sign_in_that_may_tie_it() {
    let case = |without_entra: Option<&str>| Case {
        bundle: vec![
            object("secret_scope", "kv", json!({"name": "kv", "backend_type": "AZURE_KEYVAULT", "keyvault_metadata": {}})),
            object("secret_scope", "own", json!({"name": "own"})),
            hanging("secret_acl", "kv", ("secret_scope", "kv"), json!({"items": [{"principal": "users", "permission": "READ"}]})),
        ],
        without_entra: without_entra.map(str::to_owned),
        ..Case::default()
    };
    let plan = case(Some("profile \"dr\" uses a personal access token")).plan();
    assert!(plan.why_not("secret_scope", "kv").contains("needs a sign-in to Entra ID, and profile \"dr\" uses"));
    assert!(plan.why_not("secret_acl", "kv").starts_with("needs secret_scope:kv"));
    assert!(matches!(plan.of("secret_scope", "own").action, Action::Create { .. }));
    assert!(matches!(case(None).plan().of("secret_scope", "kv").action, Action::Create { .. }), "nobody knows, so it is tried");
}

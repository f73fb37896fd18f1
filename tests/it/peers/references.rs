//! What names something else: jobs each other, policies pools and secrets, clusters pools and policies, scopes a vault.

use super::*;
use crate::import::SOURCE;
use lifeboat::import::State;
use lifeboat::plan::What;
use lifeboat::rules::RuleSet;

/// A task that runs a job inside of a loop.
fn loop_over(job: i64) -> Value {
    let inner = json!({ "task_key": "one", "run_job_task": { "job_id": job } });
    json!({ "task_key": "each", "for_each_task": { "inputs": "[1, 2]", "task": inner } })
}

fn runs(objects: &[Object], name: &str) -> Value {
    one(objects, "job", name)["settings"]["tasks"][0]["for_each_task"]["task"]["run_job_task"]["job_id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_run_each_other_in_a_loop_kept_the_ids_of_the_source() {
    let pair = pair().await;
    let ping = make_job(&pair.source, job("ping")).await;
    let pong = make_job(&pair.source, json!({ "name": "pong", "tasks": [loop_over(ping)] })).await;
    let tasks = json!({ "job_id": ping, "new_settings": { "name": "ping", "tasks": [loop_over(pong)] } });
    post(&pair.source, "/api/2.2/jobs/reset", tasks).await;
    pair.restore_whole().await;
    let objects = everything(&pair.target).await;
    assert_eq!(runs(&objects, "ping"), one(&objects, "job", "pong")["job_id"]);
    assert_eq!(runs(&objects, "pong"), one(&objects, "job", "ping")["job_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_inherited_first_and_direct_second_was_dropped() {
    let pair = pair().await;
    for (path, level) in [("/Shared/team", "CAN_READ"), ("/Shared/team/inner", "CAN_MANAGE")] {
        post(&pair.source, "/api/2.0/workspace/mkdirs", json!({ "path": path })).await;
        let acl = json!({ "access_control_list": [{ "group_name": "users", "permission_level": level }] });
        call(&pair.source, Method::Put, &format!("/api/2.0/permissions/directories/{}", number(&pair.source, path).await), acl)
            .await;
    }
    pair.restore_whole().await;
    let id = number(&pair.target, "/Shared/team/inner").await;
    assert_eq!(grants(&pair.target, &format!("directories/{id}")).await, [("users".to_owned(), "CAN_MANAGE".to_owned())]);
}

async fn number(server: &Server, path: &str) -> Value {
    get(server, "/api/2.0/workspace/get-status", &[("path", path)]).await["object_id"].clone()
}

fn vault(name: &str) -> Value {
    let id = format!("/subscriptions/s/resourceGroups/r/providers/Microsoft.KeyVault/vaults/{name}");
    json!({ "resource_id": id, "dns_name": format!("https://{name}.vault.azure.net/") })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_of_a_key_vault_became_one_of_the_workspace() {
    let pair = pair().await;
    let body = json!({ "scope": "kv", "scope_backend_type": "AZURE_KEYVAULT", "backend_azure_keyvault": vault("kv-north") });
    post(&pair.source, "/api/2.0/secrets/scopes/create", body).await;
    let (id, to) = (text(&vault("kv-north")["resource_id"]), text(&vault("kv-west")["resource_id"]));
    let rules =
        format!("maps:\n  key_vault:\n    {id}: {to}\n    https://kv-north.vault.azure.net/: https://kv-west.vault.azure.net/\n");
    let receipt = pair.restore_with(&restore::Options { rules: RuleSet::parse(&rules).unwrap(), ..options() }).await;
    assert_eq!(item(&receipt, "secret_scope", "kv").state, State::Created);
    let scope = get(&pair.target, "/api/2.0/secrets/scopes/list", &[]).await["scopes"][0].clone();
    assert_eq!((&scope["backend_type"], &scope["keyvault_metadata"]), (&json!("AZURE_KEYVAULT"), &vault("kv-west")));
    for server in [&pair.source, &pair.target] {
        let asked = server.requests();
        assert!(
            asked.iter().all(|one| !one.path.ends_with("/secrets/get") && !one.path.ends_with("/secrets/put")),
            "no value is read or written"
        );
    }
}

/// Bytes that are no text, and more than a request usually holds.
fn values() -> [(&'static str, Value); 4] {
    let binary: Vec<u8> = (0..=255).collect();
    let coded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, binary);
    [
        ("plain", json!({ "string_value": "CANARY-plain" })),
        ("umlaut", json!({ "string_value": "CANARY-größe-日本" })),
        ("binary", json!({ "bytes_value": coded })),
        ("large", json!({ "string_value": "CANARY-large-".repeat(10_000) })),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_no_ascii_text_stopped_everything() {
    let pair = pair().await;
    post(&pair.source, "/api/2.0/secrets/scopes/create", json!({ "scope": "odd" })).await;
    for (key, value) in values() {
        post(&pair.source, "/api/2.0/secrets/put", with(json!({ "scope": "odd", "key": key }), &value)).await;
    }
    let receipt = pair.restore().await;
    let waiting: Vec<&str> = receipt
        .items
        .iter()
        .filter(|item| item.source.kind == "secret" && item.state == State::Pending)
        .map(|item| item.key.as_str())
        .collect();
    assert_eq!(waiting, ["odd/binary", "odd/large", "odd/plain", "odd/umlaut"], "every key is known");
    let todo = receipt.todos.iter().find(|todo| todo.what == What::SecretValue).unwrap();
    assert_eq!(todo.objects.len(), 4, "and a person is told of each: {todo:?}");
    assert!(!serde_json::to_string(&receipt).unwrap().contains("CANARY"));
    post(&pair.target, "/api/2.0/secrets/put", with(json!({ "scope": "odd", "key": "binary" }), &values()[2].1)).await;
    let later = pair.restore().await;
    assert_eq!(
        (later.counts["secret"]["unchanged"], later.counts["secret"]["pending"]),
        (1, 3),
        "what is set is nobody's work any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_secrets_may_hold_any_letters() {
    let pair = pair().await;
    post(&pair.source, "/api/2.0/secrets/scopes/create", json!({ "scope": "odd" })).await;
    let listed = json!({ "secrets": [{ "key": "schlüssel-日本", "last_updated_timestamp": 1 }, { "key": "a b/c%20", "last_updated_timestamp": 1 }] });
    pair.source
        .faults()
        .on("GET /api/2.0/secrets/list")
        .times(0)
        .action(lifeboat::simulator::Action::Json { status: 200, body: listed });
    let receipt = pair.restore().await;
    for key in ["odd/schlüssel-日本", "odd/a b/c%20"] {
        assert_eq!(item(&receipt, "secret", key).state, State::Pending, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_pools_and_names_of_secrets_inside_a_policy_stayed_those_of_the_source() {
    let pair = pair().await;
    let (work, drive) = (make_pool(&pair.source, "work").await, make_pool(&pair.source, "drive").await);
    let other = make_pool(&pair.source, "other").await;
    let definition = json!({
        "instance_pool_id": { "type": "allowlist", "values": [work, other], "defaultValue": work },
        "driver_instance_pool_id": { "type": "fixed", "value": drive },
        "spark_conf.fs.azure.account.key": { "type": "fixed", "value": "{{secrets/lake/key}}" },
    });
    post(&pair.source, "/api/2.0/secrets/scopes/create", json!({ "scope": "lake" })).await;
    make_policy(&pair.source, "pooled", &definition).await;
    let rules = "rules: [{name: r, for: {kind: secret_scope}, rename: {to: \"{name}-dr\"}}]\n";
    pair.restore_with(&restore::Options { rules: RuleSet::parse(rules).unwrap(), ..options() }).await;
    let objects = everything(&pair.target).await;
    let id = |name| one(&objects, "instance_pool", name)["instance_pool_id"].clone();
    let there: Value = serde_json::from_str(one(&objects, "cluster_policy", "pooled")["definition"].as_str().unwrap()).unwrap();
    assert_eq!(
        there,
        json!({
            "instance_pool_id": { "type": "allowlist", "values": [id("work"), id("other")], "defaultValue": id("work") },
            "driver_instance_pool_id": { "type": "fixed", "value": id("drive") },
            "spark_conf.fs.azure.account.key": { "type": "fixed", "value": "{{secrets/lake-dr/key}}" },
        })
    );
    for object in &objects {
        let text = object.document().map(|document| document.to_string()).unwrap_or_default();
        let text = text.replace(object.stamp().as_deref().unwrap_or("-"), "");
        assert!(
            [&work, &drive, &other].iter().all(|old| !text.contains(*old)),
            "{} {} leaks: {text}",
            object.kind.name,
            object.key
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_pool_of_a_cluster_was_taken_for_its_policy() {
    let pair = pair().await;
    let (work, drive) = (make_pool(&pair.source, "work").await, make_pool(&pair.source, "drive").await);
    let policy = make_policy(&pair.source, "pooled", &json!({ "instance_pool_id": { "type": "fixed", "value": work } })).await;
    make_cluster(
        &pair.source,
        json!({ "cluster_name": "c", "instance_pool_id": work, "driver_instance_pool_id": drive, "policy_id": policy }),
    )
    .await;
    pair.restore_whole().await;
    let objects = everything(&pair.target).await;
    let cluster = one(&objects, "cluster", "c");
    assert_eq!(cluster["instance_pool_id"], one(&objects, "instance_pool", "work")["instance_pool_id"]);
    assert_eq!(cluster["driver_instance_pool_id"], one(&objects, "instance_pool", "drive")["instance_pool_id"]);
    assert_eq!(cluster["policy_id"], one(&objects, "cluster_policy", "pooled")["policy_id"]);
    let sent = pair.target.requests();
    let at = |end: &str| sent.iter().position(|one| one.path.ends_with(end)).unwrap();
    assert!(
        at("instance-pools/create") < at("policies/clusters/create")
            && at("policies/clusters/create") < at("2.1/clusters/create")
    );
    assert!(sent.iter().all(|one| one.body.as_ref().is_none_or(|body| !body.to_string().replace(SOURCE, "").contains(&policy))));
}

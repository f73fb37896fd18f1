//! What people do in a workspace by hand: they delete things, and change a field here and there.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use super::{Dice, grants};
use crate::import::connect;
use lifeboat::api::{ContentType, Method, Request, Workspace};
use lifeboat::kinds::Kind;
use lifeboat::object::Object;
use lifeboat::simulator::Server;
use serde_json::{Map, Value, json};

pub(super) struct Hands {
    workspace: Workspace,
}

const SCIM: &str = "/api/2.0/preview/scim/v2";

/// Deleting people takes their homes along, which would say nothing of the rest.
pub(super) fn can_delete(kind: &Kind) -> bool {
    [
        "secret_scope",
        "notebook",
        "file",
        "repo",
        "dbfs_file",
        "global_init_script",
        "instance_pool",
        "cluster_policy",
        "cluster",
        "job",
    ]
    .contains(&kind.name)
}

pub(super) fn can_change(kind: &Kind) -> bool {
    let more = ["user", "group", "service_principal", "permissions"];
    kind.name != "secret_scope" && kind.name != "repo" && (can_delete(kind) || more.contains(&kind.name))
}

/// Fields of a job that people change. Those that a server fills in by itself where nobody asked (`queue`, `run_as`, …) are not
/// among them: there a plan cannot tell people from servers.
fn of_a_job() -> Vec<(&'static str, Value)> {
    vec![
        ("/timeout_seconds", json!(4321)),
        ("/description", json!("changed by hand")),
        ("/tags/changed", json!("by hand")),
        ("/schedule/quartz_cron_expression", json!("0 7 7 * * ?")),
        ("/schedule/timezone_id", json!("Europe/Paris")),
        ("/trigger/periodic/interval", json!(23)),
        ("/email_notifications/on_failure", json!(["changed@northwind.example"])),
        ("/job_clusters/0/new_cluster/spark_conf", json!({ "changed.by": "hand" })),
        ("/job_clusters/0/new_cluster/custom_tags", json!({ "changed": "by hand" })),
        ("/tasks/0/max_retries", json!(7)),
        ("/tasks/0/timeout_seconds", json!(77)),
        ("/tasks/0/description", json!("changed by hand")),
        ("/tasks/0/notebook_task/base_parameters", json!({ "changed": "by hand" })),
        ("/parameters/0/default", json!("changed by hand")),
        ("/health", json!({ "rules": [{ "metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": 99 }] })),
    ]
}

fn of_a_cluster() -> Vec<(&'static str, Value)> {
    vec![
        ("/autotermination_minutes", json!(77)),
        ("/num_workers", json!(6)),
        ("/autoscale/max_workers", json!(9)),
        ("/custom_tags/changed", json!("by hand")),
        ("/spark_conf/changed.by", json!("hand")),
        ("/spark_env_vars/CHANGED", json!("by hand")),
        ("/spark_version", json!("14.3.x-scala2.12")),
        ("/node_type_id", json!("Standard_DS5_v2")),
    ]
}

fn of_a_pool() -> Vec<(&'static str, Value)> {
    vec![
        ("/max_capacity", json!(33)),
        ("/idle_instance_autotermination_minutes", json!(44)),
        ("/custom_tags/changed", json!("by hand")),
    ]
}

fn of_a_policy() -> Vec<(&'static str, Value)> {
    let definition = json!({ "autotermination_minutes": { "type": "fixed", "value": 77 } }).to_string();
    vec![("/description", json!("changed by hand")), ("/max_clusters_per_user", json!(5)), ("/definition", json!(definition))]
}

impl Hands {
    pub(super) fn of(server: &Server) -> Self {
        Self { workspace: connect(server) }
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> bool {
        let request = Request { body: Some(body), ..Request::new(method, "test", path) };
        let request = if path.starts_with(SCIM) { Request { content_type: ContentType::Scim, ..request } } else { request };
        self.workspace.call(&request).await.is_ok()
    }

    pub(super) async fn delete(&self, object: &Object) {
        let id = object.id.as_str();
        let done = match object.kind.name {
            "secret_scope" => self.send(Method::Post, "/api/2.0/secrets/scopes/delete", json!({ "scope": id })).await,
            "notebook" | "file" => self.send(Method::Post, "/api/2.0/workspace/delete", json!({ "path": id })).await,
            "dbfs_file" => self.send(Method::Post, "/api/2.0/dbfs/delete", json!({ "path": id })).await,
            "repo" => self.send(Method::Delete, &format!("/api/2.0/repos/{}", object.document().unwrap()["id"]), json!({})).await,
            "global_init_script" => self.send(Method::Delete, &format!("/api/2.0/global-init-scripts/{id}"), json!({})).await,
            "instance_pool" => self.send(Method::Post, "/api/2.0/instance-pools/delete", json!({ "instance_pool_id": id })).await,
            "cluster_policy" => self.send(Method::Post, "/api/2.0/policies/clusters/delete", json!({ "policy_id": id })).await,
            "cluster" => {
                self.send(Method::Post, "/api/2.1/clusters/unpin", json!({ "cluster_id": id })).await;
                self.send(Method::Post, "/api/2.1/clusters/permanent-delete", json!({ "cluster_id": id })).await
            }
            "job" => self.send(Method::Post, "/api/2.2/jobs/delete", json!({ "job_id": number(id) })).await,
            other => panic!("nobody deletes a {other} here"),
        };
        assert!(done, "cannot delete {} {id}", object.kind.name);
    }

    /// Changes one field, if the workspace lets people change one.
    pub(super) async fn change(&self, object: &Object, dice: &mut Dice) -> bool {
        let table = match object.kind.name {
            "job" => of_a_job(),
            "cluster" => of_a_cluster(),
            "instance_pool" => of_a_pool(),
            "cluster_policy" => of_a_policy(),
            _ => return self.change_whole(object, dice).await,
        };
        let first = dice.below(table.len());
        for number in 0..table.len() {
            let (at, value) = &table[(first + number) % table.len()];
            if self.set(object, at, value).await {
                return true;
            }
        }
        false
    }

    /// Puts a value where something of that name can stand; the workspace may refuse it.
    async fn set(&self, object: &Object, at: &str, value: &Value) -> bool {
        let (parent, field) = at.rsplit_once('/').unwrap();
        let mut body = object.kind.body_of(&object.document().unwrap()).unwrap().clone();
        let tags = ["/custom_tags", "/tags", "/spark_conf", "/spark_env_vars"].contains(&parent);
        if tags && body.pointer(parent).is_none() {
            body[&parent[1..]] = json!({});
        }
        let Some(Value::Object(members)) = body.pointer_mut(parent) else { return false };
        members.insert(field.to_owned(), value.clone());
        let id = object.id.as_str();
        match object.kind.name {
            "job" => self.send(Method::Post, "/api/2.2/jobs/reset", json!({ "job_id": number(id), "new_settings": body })).await,
            "cluster" => self.send(Method::Post, "/api/2.1/clusters/edit", with(body, "cluster_id", id)).await,
            "instance_pool" => self.send(Method::Post, "/api/2.0/instance-pools/edit", with(body, "instance_pool_id", id)).await,
            _ if body["policy_family_id"].is_string() && at == "/definition" => false,
            _ => self.send(Method::Post, "/api/2.0/policies/clusters/edit", policy(body, id)).await,
        }
    }

    async fn change_whole(&self, object: &Object, dice: &mut Dice) -> bool {
        let (id, coded) =
            (object.id.as_str(), |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text));
        match object.kind.name {
            "notebook" => {
                let language = object.meta.get("language").unwrap();
                let sign = match language.as_str() {
                    Some("SQL") => "--",
                    Some("SCALA") => "//",
                    _ => "#",
                };
                let body = json!({ "path": id, "format": "SOURCE", "language": language, "overwrite": true, "content": coded(&format!("{sign} Databricks notebook source\n{sign} changed by hand\n")) });
                self.send(Method::Post, "/api/2.0/workspace/import", body).await
            }
            "file" => {
                self.send(
                    Method::Post,
                    "/api/2.0/workspace/import",
                    json!({ "path": id, "format": "RAW", "overwrite": true, "content": coded("changed by hand") }),
                )
                .await
            }
            "dbfs_file" => {
                self.send(
                    Method::Post,
                    "/api/2.0/dbfs/put",
                    json!({ "path": id, "overwrite": true, "contents": coded("changed by hand") }),
                )
                .await
            }
            "global_init_script" => {
                let script = object.document().unwrap();
                let body = json!({ "name": script["name"], "script": coded("#!/bin/sh\necho changed by hand\n"), "enabled": script["enabled"], "position": script["position"] });
                self.send(Method::Patch, &format!("/api/2.0/global-init-scripts/{id}"), body).await
            }
            "permissions" => self.grant(object, dice).await,
            "user" => self.take(object, "Users", "entitlements").await,
            "service_principal" => self.take(object, "ServicePrincipals", "entitlements").await,
            "group" => self.take(object, "Groups", "members").await,
            other => panic!("nobody changes a {other} here"),
        }
    }

    /// Takes the first entry of a list away.
    async fn take(&self, object: &Object, noun: &str, list: &str) -> bool {
        let first = object.document().unwrap()[list][0]["value"].clone();
        let Some(first) = first.as_str() else { return false };
        let operation = json!({ "op": "remove", "path": format!("{list}[value eq \"{first}\"]") });
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
        self.send(Method::Patch, &format!("{SCIM}/{noun}/{}", object.id), body).await
    }

    /// Lets everybody see something more, or takes an entry away.
    async fn grant(&self, object: &Object, dice: &mut Dice) -> bool {
        let path = format!("/api/2.0/permissions/{}", object.id);
        let mut entries = grants(&object.document().unwrap());
        let last = entries.iter().rposition(|entry| entry["permission_level"] != "IS_OWNER" && entry["group_name"] != "admins");
        match (dice.below(2), last) {
            (0, Some(last)) if entries.len() > 1 => drop(entries.remove(last)),
            _ => {
                let levels = ["CAN_VIEW", "CAN_READ", "CAN_ATTACH_TO", "CAN_USE"];
                for level in levels {
                    let more = json!({ "access_control_list": [{ "group_name": "users", "permission_level": level }] });
                    if self.send(Method::Patch, &path, more).await {
                        return true;
                    }
                }
                return false;
            }
        }
        self.send(Method::Put, &path, json!({ "access_control_list": entries })).await
    }
}

fn number(id: &str) -> i64 {
    id.parse().unwrap()
}

fn with(mut body: Value, name: &str, id: &str) -> Value {
    body[name] = json!(id);
    body
}

/// A policy shows its definition also where it has a family, which an edit does not take.
fn policy(mut body: Value, id: &str) -> Value {
    if body["policy_family_id"].is_string() {
        body.as_object_mut().map(|members: &mut Map<String, Value>| members.shift_remove("definition"));
    }
    with(body, "policy_id", id)
}

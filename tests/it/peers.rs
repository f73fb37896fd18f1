//! What other tools for the same task did wrong on an import, each defect with a test of its name.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

mod identity;
mod limits;
mod passive;
mod references;

use crate::import::{Bundled, SOURCE, TARGET, apply, bundle_from, connect, everything, options, prepare};
use lifeboat::api::{Method, Request};
use lifeboat::import::{Item, Receipt};
use lifeboat::journal::Journal;
use lifeboat::object::Object;
use lifeboat::restore;
use lifeboat::simulator::{Options, Seed, Server};
use serde_json::{Value, json};
use std::borrow::Cow;

const SCIM: &str = "/api/2.0/preview/scim/v2";

/// A workspace that is backed up, and another one into which it is restored.
struct Pair {
    source: Server,
    target: Server,
}

/// A token of Entra ID by its looks, since only such a one may tie a vault to a scope.
const TOKEN: &str = "eyJ-simulator";

async fn workspace(seed: Seed, id: &str) -> Server {
    let options = Options { seed, workspace_id: id.into(), token: Some(TOKEN.into()), ..Options::default() };
    Server::start(options).await.unwrap()
}

/// Both on their first day.
async fn pair() -> Pair {
    pair_of(Seed::Empty, Seed::Empty).await
}

async fn pair_of(source: Seed, target: Seed) -> Pair {
    Pair { source: workspace(source, SOURCE).await, target: workspace(target, TARGET).await }
}

impl Pair {
    async fn restore(&self) -> Receipt {
        self.restore_with(&options()).await
    }

    async fn restore_with(&self, options: &restore::Options) -> Receipt {
        restore(&bundle_from(&self.source).await, &self.target, options).await
    }

    /// Restores, and sees that all is there and that another import has nothing to write.
    async fn restore_whole(&self) -> Receipt {
        let receipt = self.restore().await;
        let missing: Vec<_> = receipt.items.iter().filter(|item| !item.state.is_there()).collect();
        assert!(missing.is_empty(), "{missing:#?}");
        self.comes_to_rest().await;
        receipt
    }

    async fn comes_to_rest(&self) {
        let plan = prepare(&bundle_from(&self.source).await, &self.target, &options()).await;
        let writes: Vec<_> = plan.steps.iter().filter(|step| step.action.writes()).collect();
        assert!(writes.is_empty(), "a second import would write {writes:#?}");
    }
}

async fn restore(bundled: &Bundled, target: &Server, options: &restore::Options) -> Receipt {
    let plan = prepare(bundled, target, options).await;
    apply(bundled, &plan, target, &mut Journal::none()).await
}

async fn call(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let request = Request { body: Some(body), ..Request::new(method, "test", path) };
    connect(server).call(&request).await.unwrap()
}

/// Makes something; gives what the workspace answers.
async fn post(server: &Server, path: &str, body: Value) -> Value {
    call(server, Method::Post, path, body).await
}

async fn get(server: &Server, path: &str, query: &[(&str, &str)]) -> Value {
    let asked = query.iter().fold(Request::get("test", path), |request, (name, value)| request.query(*name, *value));
    connect(server).call(&asked).await.unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn make_cluster(server: &Server, spec: Value) -> String {
    let mut whole = json!({ "spark_version": "15.4.x-scala2.12", "num_workers": 1 });
    if spec["instance_pool_id"].is_null() {
        whole["node_type_id"] = json!("Standard_DS3_v2");
    }
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    text(&post(server, "/api/2.1/clusters/create", whole).await["cluster_id"])
}

async fn make_pool(server: &Server, name: &str) -> String {
    let body = json!({ "instance_pool_name": name, "node_type_id": "Standard_DS3_v2" });
    text(&post(server, "/api/2.0/instance-pools/create", body).await["instance_pool_id"])
}

async fn make_policy(server: &Server, name: &str, definition: &Value) -> String {
    let body = json!({ "name": name, "definition": definition.to_string() });
    text(&post(server, "/api/2.0/policies/clusters/create", body).await["policy_id"])
}

async fn make_job(server: &Server, settings: Value) -> i64 {
    post(server, "/api/2.2/jobs/create", settings).await["job_id"].as_i64().unwrap()
}

/// A task that needs nothing of the workspace.
fn task(key: &str) -> Value {
    let cluster = json!({ "spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1 });
    json!({ "task_key": key, "new_cluster": cluster, "spark_jar_task": { "main_class_name": "org.example.Main" } })
}

fn job(name: &str) -> Value {
    json!({ "name": name, "tasks": [task("main")] })
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn all<'a>(objects: &'a [Object], kind: &str, key: &str) -> Vec<Cow<'a, Value>> {
    let fits = |object: &&Object| object.kind.name == kind && object.key == key;
    objects.iter().filter(fits).filter_map(Object::document).collect()
}

/// The one object of this name.
fn one(objects: &[Object], kind: &str, key: &str) -> Value {
    match all(objects, kind, key).as_slice() {
        [one] => one.clone().into_owned(),
        found => panic!("{kind} \"{key}\" is there {} times", found.len()),
    }
}

fn item<'a>(receipt: &'a Receipt, kind: &str, key: &str) -> &'a Item {
    receipt.items.iter().find(|item| item.source.kind == kind && item.key == key).unwrap()
}

/// The direct entries of a permissions document: who has what.
async fn grants(server: &Server, object: &str) -> Vec<(String, String)> {
    let document = get(server, &format!("/api/2.0/permissions/{object}"), &[]).await;
    let mut found = Vec::new();
    for row in document["access_control_list"].as_array().unwrap() {
        let who = ["user_name", "group_name", "service_principal_name"].iter().find_map(|field| row[*field].as_str()).unwrap();
        let direct = row["all_permissions"].as_array().unwrap().iter().filter(|one| one["inherited"] != true);
        found.extend(direct.map(|one| (who.to_owned(), text(&one["permission_level"]))));
    }
    found.sort();
    found
}

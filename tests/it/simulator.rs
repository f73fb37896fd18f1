//! The embedded workspace, asked over HTTP as a client would ask it.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lifeboat::simulator::{Action, ErrorShape, Options, Region, RetryAfter, Seed, Server};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::sync::Once;
use std::time::{Duration, Instant};

struct Guest {
    server: Server,
    client: Client,
}

impl Guest {
    async fn of(options: Options) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let server = Server::start(options).await.unwrap();
        Self { server, client: Client::builder().no_proxy().build().unwrap() }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.server.url())).bearer_auth(self.server.token());
        let request = if let Some(body) = body { request.json(&body) } else { request };
        request.send().await.unwrap()
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.send(method, path, body).await;
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, Some(body.clone())).await;
        assert!(status < 300, "POST {path} {body}: {answer}");
        answer
    }

    async fn refused(&self, path: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.call(Method::POST, path, Some(body)).await;
        assert!(status >= 400, "{answer}");
        (status, answer["error_code"].as_str().unwrap_or_default().to_owned())
    }
}

fn ids(value: &Value, list: &str, key: &str) -> Vec<String> {
    value[list].as_array().into_iter().flatten().map(|one| one[key].to_string().trim_matches('"').to_owned()).collect()
}

#[tokio::test]
async fn a_first_day_knows_its_caller_and_its_folders() {
    let guest = Guest::of(Options::default()).await;
    let me = guest.get("/api/2.0/preview/scim/v2/Me").await;
    assert_eq!(me["userName"], "operator@northwind.example");
    assert!(me["groups"].as_array().unwrap().iter().any(|group| group["display"] == "admins"));
    let root = guest.get("/api/2.0/workspace/list?path=/").await;
    let paths: Vec<_> = root["objects"].as_array().unwrap().iter().map(|object| object["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/Repos", "/Shared", "/Users"]);
    let empty = guest.get("/api/2.0/workspace/list?path=/Shared").await;
    assert_eq!(empty, json!({}));
    assert_eq!(guest.server.writes(), 0);
    assert_eq!(guest.server.requests().len(), 3);
}

#[tokio::test]
async fn a_region_has_machines_and_runtimes_of_its_own() {
    let north = Guest::of(Options::default()).await;
    let west = Guest::of(Options { region: Region::West, ..Options::default() }).await;
    let machines = |answer: &Value| ids(answer, "node_types", "node_type_id");
    let path = "/api/2.1/clusters/list-node-types";
    let (here, there) = (north.get(path).await, west.get(path).await);
    assert!(machines(&here).contains(&"Standard_DS3_v2".into()) && !machines(&there).contains(&"Standard_DS3_v2".into()));
    let shown = there["node_types"].as_array().unwrap().iter().find(|one| one["node_type_id"] == "Standard_F8s_v2").unwrap();
    assert_eq!(shown["node_info"]["status"], json!(["NotAvailableInRegion"]), "shown, and not to be had");
    assert!(!ids(&west.get("/api/2.1/clusters/spark-versions").await, "versions", "key").contains(&"13.3.x-scala2.12".into()));
    assert_eq!(west.get("/api/2.1/clusters/list-zones").await["default_zone"], "1");
    let cluster = |node: &str, version: &str| json!({"cluster_name": "a", "num_workers": 0, "node_type_id": node, "spark_version": version});
    let create = "/api/2.1/clusters/create";
    for (node, version) in [
        ("Standard_DS3_v2", "15.4.x-scala2.12"),
        ("Standard_F8s_v2", "15.4.x-scala2.12"),
        ("Standard_D4ds_v5", "13.3.x-scala2.12"),
    ] {
        assert_eq!(west.refused(create, cluster(node, version)).await.1, "INVALID_PARAMETER_VALUE");
    }
    west.post(create, cluster("Standard_D4ds_v5", "15.4.x-scala2.12")).await;
    north.post(create, cluster("Standard_DS3_v2", "13.3.x-scala2.12")).await;
}

#[tokio::test]
async fn one_unknown_switch_fails_the_whole_call() {
    let guest = Guest::of(Options::default()).await;
    let (status, body) = guest.call(Method::GET, "/api/2.0/workspace-conf?keys=enableTokensConfig,enableMagic", None).await;
    assert_eq!((status, body["message"].as_str()), (400, Some("Invalid keys: [\"enableMagic\"]")));
    let path = "/api/2.0/workspace-conf";
    assert_eq!(guest.get(&format!("{path}?keys=enableTokensConfig")).await["enableTokensConfig"], Value::Null);
    let set = |value: Value| guest.call(Method::PATCH, path, Some(json!({"enableTokensConfig": value})));
    assert_eq!((set(json!(false)).await.0, set(json!("false")).await.0), (400, 204), "values are texts");
    assert_eq!(guest.get(&format!("{path}?keys=enableTokensConfig")).await["enableTokensConfig"], "false");
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let guest = Guest::of(Options { token: Some("right".into()), ..Options::default() }).await;
    let url = format!("{}/api/2.0/workspace/list?path=/", guest.server.url());
    let status = |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    assert_eq!(status(guest.client.get(&url)).await, 401);
    assert_eq!(status(guest.client.get(&url).bearer_auth("wrong")).await, 401);
    let response = guest.send(Method::GET, "/api/2.0/workspace/list?path=/", None).await;
    assert_eq!(response.headers()["x-databricks-org-id"], "1111111111111111");
    let (status, body) = guest.call(Method::GET, "/api/2.0/serving-endpoints", None).await;
    assert_eq!((status, body["error_code"].as_str()), (404, Some("ENDPOINT_NOT_FOUND")));
}

#[tokio::test]
async fn oauth_tokens_live_as_long_as_they_say() {
    let options = Options {
        token: Some("right".into()),
        client: Some(("id".into(), "secret".into())),
        token_lifetime: Duration::from_millis(150),
        ..Options::default()
    };
    let guest = Guest::of(options).await;
    let known: Value = guest
        .client
        .get(format!("{}/oidc/.well-known/oauth-authorization-server", guest.server.url()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let ask = |secret: &'static str| {
        let form = [("grant_type", "client_credentials"), ("scope", "all-apis")];
        guest.client.post(known["token_endpoint"].as_str().unwrap()).basic_auth("id", Some(secret)).form(&form).send()
    };
    assert_eq!(ask("guess").await.unwrap().status(), 401);
    let token: Value = ask("secret").await.unwrap().json().await.unwrap();
    let url = format!("{}/api/2.0/clusters/list", guest.server.url());
    let with_token = || guest.client.get(&url).bearer_auth(token["access_token"].as_str().unwrap()).send();
    assert_eq!(with_token().await.unwrap().status(), 200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(with_token().await.unwrap().status(), 401);
}

#[tokio::test]
async fn notebooks_and_files_keep_apart() {
    let guest = Guest::of(Options { seed: Seed::Sample, ..Options::default() }).await;
    let twins = guest.get("/api/2.0/workspace/list?path=/Shared/twins").await;
    let seen: Vec<_> = ids(&twins, "objects", "path").into_iter().zip(ids(&twins, "objects", "object_type")).collect();
    let pair = |path: &str, kind: &str| (format!("/Shared/twins/{path}"), kind.to_owned());
    assert_eq!(
        seen,
        [pair("A", "NOTEBOOK"), pair("A.py", "FILE"), pair("a", "NOTEBOOK"), pair("looks_like_a_notebook.py", "FILE")]
    );
    let put = |path: &str, format: &str, text: &str| json!({ "path": path, "format": format, "language": "PYTHON", "content": BASE64.encode(text), "overwrite": true });
    let import = "/api/2.0/workspace/import";
    assert_eq!(guest.refused(import, put("/Shared/twins/A", "RAW", "x")).await, (400, "INVALID_PARAMETER_VALUE".into()));
    assert_eq!(guest.refused(import, put("/Shared/none/x", "RAW", "x")).await, (404, "RESOURCE_DOES_NOT_EXIST".into()));
    guest.post(import, put("/Shared/twins/sniffed.py", "AUTO", "# Databricks notebook source\nprint(1)\n")).await;
    let sniffed = guest.get("/api/2.0/workspace/get-status?path=/Workspace/Shared/twins/sniffed&return_export_info=true").await;
    assert_eq!((sniffed["object_type"].as_str(), sniffed["repos_export_format"].as_str()), (Some("NOTEBOOK"), Some("SOURCE")));
    let source = guest
        .send(Method::GET, "/api/2.0/workspace/export?path=/Shared/twins/sniffed&format=SOURCE&direct_download=true", None)
        .await;
    assert_eq!(source.bytes().await.unwrap(), "# Databricks notebook source\nprint(1)");
}

#[tokio::test]
async fn large_files_need_the_direct_way() {
    let guest = Guest::of(Options::default()).await;
    let bytes = vec![7_u8; 10_485_761];
    let form = reqwest::multipart::Form::new()
        .text("path", "/Shared/big.bin")
        .text("format", "RAW")
        .text("overwrite", "true")
        .part("content", reqwest::multipart::Part::bytes(bytes.clone()));
    let url = format!("{}/api/2.0/workspace/import", guest.server.url());
    let response = guest.client.post(url).bearer_auth("any").multipart(form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let export = "/api/2.0/workspace/export?path=/Shared/big.bin";
    let (status, body) = guest.call(Method::GET, export, None).await;
    assert_eq!((status, body["error_code"].as_str()), (400, Some("MAX_NOTEBOOK_SIZE_EXCEEDED")));
    assert_eq!(guest.send(Method::GET, &format!("{export}&direct_download=true"), None).await.status(), 400);
    let direct = guest.send(Method::GET, &format!("{export}&direct_download=true&format=AUTO"), None).await;
    assert_eq!(direct.bytes().await.unwrap().len(), bytes.len());
}

#[tokio::test]
async fn dbfs_has_blocks_and_both_spellings() {
    let guest = Guest::of(Options::default()).await;
    let handle =
        guest.post("/api/2.0/dbfs/create", json!({ "path": "dbfs:/FileStore/a.jar", "overwrite": true })).await["handle"].clone();
    for block in ["one", "two"] {
        guest.post("/api/2.0/dbfs/add-block", json!({ "handle": handle, "data": BASE64.encode(block) })).await;
    }
    let too_big = json!({ "handle": handle, "data": BASE64.encode(vec![0; (1 << 20) + 1]) });
    assert_eq!(guest.refused("/api/2.0/dbfs/add-block", too_big).await.1, "MAX_BLOCK_SIZE_EXCEEDED");
    guest.post("/api/2.0/dbfs/close", json!({ "handle": handle })).await;
    let read = guest.get("/api/2.0/dbfs/read?path=/FileStore/a.jar&offset=2&length=1000").await;
    assert_eq!((read["bytes_read"].as_i64(), read["data"].as_str()), (Some(4), Some(BASE64.encode("etwo").as_str())));
    assert_eq!(guest.get("/api/2.0/dbfs/read?path=dbfs:/FileStore/a.jar&offset=6").await["bytes_read"], 0);
    assert_eq!(
        guest.call(Method::GET, "/api/2.0/dbfs/read?path=/FileStore/a.jar&length=1048577", None).await.1["error_code"],
        "MAX_READ_SIZE_EXCEEDED"
    );
    assert_eq!(ids(&guest.get("/api/2.0/dbfs/list?path=dbfs:/").await, "files", "path"), ["/FileStore"]);
}

#[tokio::test]
async fn jobs_come_in_pages_and_parts() {
    let guest = Guest::of(Options { seed: Seed::Sample, ..Options::default() }).await;
    let (mut jobs, mut pages, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = guest.get(&format!("/api/2.2/jobs/list?limit=10&page_token={token}")).await;
        pages.push(ids(&page, "jobs", "job_id").len());
        jobs.extend(ids(&page, "jobs", "job_id"));
        match page["next_page_token"].as_str() {
            Some(next) if !next.is_empty() => next.clone_into(&mut token),
            _ => break,
        }
    }
    assert_eq!((jobs.len(), pages), (25, vec![10, 0, 10, 5]));
    let wide = ids(&guest.get("/api/2.2/jobs/list?name=TWO%20hundred%20and%20fifty%20meters").await, "jobs", "job_id").remove(0);
    let (mut tasks, mut token) = (0, String::new());
    loop {
        let part = guest.get(&format!("/api/2.2/jobs/get?job_id={wide}&page_token={token}")).await;
        tasks += part["settings"]["tasks"].as_array().map_or(0, Vec::len);
        let Some(next) = part["next_page_token"].as_str() else { break };
        next.clone_into(&mut token);
    }
    assert_eq!(tasks, 250);
}

#[tokio::test]
async fn what_starts_a_job_is_live_unless_someone_says_otherwise() {
    let guest = Guest::of(Options::default()).await;
    let trigger = json!({ "periodic": { "interval": 1, "unit": "DAYS" } });
    let made = guest.post("/api/2.2/jobs/create", json!({ "name": "j", "trigger": trigger })).await;
    assert!(made["job_id"].as_i64().unwrap() > 1 << 53);
    let job = guest.get(&format!("/api/2.2/jobs/get?job_id={}", made["job_id"])).await;
    assert_eq!(job["settings"]["trigger"]["pause_status"], "UNPAUSED");
    assert_eq!(job["run_as_user_name"], "operator@northwind.example");
    let both = json!({ "trigger": trigger, "continuous": {} });
    assert_eq!(guest.refused("/api/2.2/jobs/create", both).await, (400, "INVALID_PARAMETER_VALUE".into()));
    let dead = json!({ "tasks": [{ "task_key": "a", "existing_cluster_id": "none" }] });
    assert_eq!(guest.refused("/api/2.2/jobs/create", dead).await, (400, "INVALID_PARAMETER_VALUE".into()));
}

#[tokio::test]
async fn clusters_start_when_made_and_obey_their_rules() {
    let guest = Guest::of(Options { seed: Seed::Sample, ..Options::default() }).await;
    let spec =
        json!({ "cluster_name": "n", "spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1 });
    let id = guest.post("/api/2.1/clusters/create", spec.clone()).await["cluster_id"].clone();
    let mut edit = spec.clone();
    edit["cluster_id"] = id.clone();
    assert_eq!(guest.refused("/api/2.1/clusters/edit", edit.clone()).await, (400, "INVALID_STATE".into()));
    guest.post("/api/2.1/clusters/delete", json!({ "cluster_id": id })).await;
    let get = format!("/api/2.1/clusters/get?cluster_id={}", id.as_str().unwrap());
    assert_eq!(guest.get(&get).await["state"], "TERMINATING");
    assert_eq!(guest.get(&get).await["state"], "TERMINATED");
    guest.post("/api/2.1/clusters/edit", edit).await;
    let pool = ids(&guest.get("/api/2.0/instance-pools/list").await, "instance_pools", "instance_pool_id").remove(0);
    let mut pooled = spec.clone();
    pooled["instance_pool_id"] = json!(pool);
    assert_eq!(guest.refused("/api/2.1/clusters/create", pooled.clone()).await, (400, "INVALID_PARAMETER_VALUE".into()));
    pooled.as_object_mut().unwrap().remove("node_type_id");
    guest.post("/api/2.1/clusters/create", pooled).await;
    let mut lost = spec;
    lost["policy_id"] = json!("DEAD00000000BEEF");
    assert_eq!(guest.refused("/api/2.1/clusters/create", lost).await, (400, "INVALID_PARAMETER_VALUE".into()));
    let pinned = guest.get("/api/2.1/clusters/list?filter_by.is_pinned=true&filter_by.cluster_sources=UI").await;
    assert_eq!(ids(&pinned, "clusters", "cluster_id").len(), 3);
}

#[tokio::test]
async fn grants_inherit_and_jobs_have_one_owner() {
    let guest = Guest::of(Options { seed: Seed::Sample, ..Options::default() }).await;
    let status = guest.get("/api/2.0/workspace/get-status?path=/Shared/Ingest/Smart%20meters/load_readings").await;
    let grants = guest.get(&format!("/api/2.0/permissions/notebooks/{}", status["object_id"])).await;
    let rows = grants["access_control_list"].as_array().unwrap();
    let analysts = &rows.iter().find(|row| row["group_name"] == "analysts").unwrap()["all_permissions"];
    let inherited: Vec<_> = analysts.as_array().unwrap().iter().map(|entry| entry["inherited"].as_bool().unwrap()).collect();
    assert_eq!(inherited, [true, true, false], "what is inherited comes first");
    let job = ids(&guest.get("/api/2.2/jobs/list?name=pooled").await, "jobs", "job_id").remove(0);
    let url = format!("/api/2.0/permissions/jobs/{job}");
    let put = |list: Value| guest.call(Method::PUT, &url, Some(json!({ "access_control_list": list })));
    let (status, body) = put(json!([{ "group_name": "analysts", "permission_level": "CAN_VIEW" }])).await;
    assert_eq!((status, body["message"].as_str()), (400, Some("The job must have exactly one owner.")));
    let owner = json!({ "user_name": "ADA.lind@northwind.example", "permission_level": "IS_OWNER" });
    assert_eq!(put(json!([owner])).await.0, 200);
    let (status, body) = put(json!([owner, { "user_name": "nobody@x", "permission_level": "CAN_VIEW" }])).await;
    assert_eq!((status, body["message"].as_str()), (404, Some("Principal: UserName(nobody@x) does not exist")));
    let shared = guest.get("/api/2.0/workspace/get-status?path=/Shared").await;
    let url = format!("/api/2.0/permissions/directories/{}", shared["object_id"]);
    assert_eq!(guest.call(Method::PUT, &url, Some(json!({}))).await.0, 400);
}

#[tokio::test]
async fn faults_strike_before_and_after_the_work() {
    let guest = Guest::of(Options::default()).await;
    let faults = guest.server.faults();
    faults.on("POST /api/2.2/jobs/create").after_handler().close();
    let url = format!("{}/api/2.2/jobs/create", guest.server.url());
    let lost = guest.client.post(&url).bearer_auth("any").json(&json!({ "name": "once" })).send().await;
    assert!(lost.is_err(), "no answer comes");
    assert_eq!(ids(&guest.get("/api/2.2/jobs/list?name=once").await, "jobs", "job_id").len(), 1, "and yet the work is done");
    faults.on("GET /api/*/jobs/list").throttle(RetryAfter::Seconds(7));
    let slow = guest.send(Method::GET, "/api/2.2/jobs/list", None).await;
    assert_eq!((slow.status().as_u16(), slow.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    faults.on("GET /api/2.2/jobs/list").action(Action::CutBody);
    assert!(guest.send(Method::GET, "/api/2.2/jobs/list", None).await.bytes().await.is_err(), "half a body is an error");
    faults.on("* *").action(Action::LoginPage);
    let login = guest.send(Method::GET, "/api/2.2/jobs/list", None).await;
    assert_eq!((login.status().as_u16(), login.headers()["content-type"].to_str().unwrap()), (200, "text/html;charset=utf-8"));
    assert_eq!(faults.struck(), 4);
    let statuses: Vec<_> = guest.server.requests().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [0, 200, 429, 200, 200]);
}

#[tokio::test]
async fn errors_come_in_every_shape() {
    use ErrorShape::{Empty, Html, MessageOnly, NumericCode, Old, Scim, Standard, Text};
    let guest = Guest::of(Options::default()).await;
    for shape in [Standard, NumericCode, MessageOnly, Old, Scim, Text, Html, Empty] {
        let (code, message) = ("INTERNAL_ERROR".to_owned(), "broken".to_owned());
        guest.server.faults().on("GET *").action(Action::Error { status: 500, code, message, shape });
        let response = guest.send(Method::GET, "/api/2.0/clusters/list", None).await;
        assert_eq!(response.status(), 500);
        let text = response.text().await.unwrap();
        assert_eq!(text.contains("broken"), shape != Empty, "{shape:?}: {text}");
    }
}

#[tokio::test]
async fn other_languages_can_steer_it() {
    let guest = Guest::of(Options::default()).await;
    let fault = json!({ "path": "/api/2.0/clusters/list", "action": { "status": { "status": 503 } } });
    guest.post("/_simulator/faults", fault).await;
    assert_eq!(guest.send(Method::GET, "/api/2.0/clusters/list", None).await.status(), 503);
    guest.post("/api/2.0/workspace/mkdirs", json!({ "path": "/Shared/x" })).await;
    let seen = guest.get("/_simulator/requests").await;
    assert_eq!((seen["writes"].as_u64(), seen["requests"].as_array().unwrap().len()), (Some(1), 2));
    guest.post("/_simulator/reset", json!({})).await;
    assert_eq!(guest.get("/api/2.0/workspace/list?path=/Shared").await, json!({}));
}

#[tokio::test]
async fn a_folder_keeps_the_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { seed: Seed::Sample, folder: Some(folder.path().to_owned()), ..Options::default() };
    let guest = Guest::of(options()).await;
    guest.post("/api/2.0/workspace/mkdirs", json!({ "path": "/Shared/kept" })).await;
    let before = guest.get("/api/2.0/workspace/list?path=/Shared").await;
    guest.server.stop().await;
    let again = Guest::of(options()).await;
    assert_eq!(again.get("/api/2.0/workspace/list?path=/Shared").await, before);
    let wheel =
        "/api/2.0/workspace/export?path=/Shared/libs/northwind_meters-1.4.2-py3-none-any.whl&format=AUTO&direct_download=true";
    let bytes = again.send(Method::GET, wheel, None).await.bytes().await.unwrap();
    assert_eq!(bytes, include_bytes!("../../fixtures/sample/content/northwind_meters.whl.bin").as_slice());
}

#[tokio::test]
async fn a_large_workspace_starts_at_once_and_is_the_same_each_time() {
    let seed = || Seed::Generated { notebooks: 10_000, folders: 2_000, jobs: 500, seed: 7 };
    let began = Instant::now();
    let guest = Guest::of(Options { seed: seed(), ..Options::default() }).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?} in a build without optimisation");
    let other = Guest::of(Options { seed: seed(), ..Options::default() }).await;
    let list = "/api/2.0/workspace/list?path=/Shared";
    assert_eq!(guest.get(list).await, other.get(list).await);
}

#[tokio::test]
async fn users_are_known_in_any_case_and_get_a_home() {
    let guest = Guest::of(Options { page_cap: 3, seed: Seed::Sample, ..Options::default() }).await;
    let scim = "/api/2.0/preview/scim/v2/Users";
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = guest.get(&format!("{scim}?startIndex={}&count=100", seen.len() + 1)).await;
        let Some(users) = page["Resources"].as_array() else { break };
        sizes.push(users.len());
        seen.extend(users.iter().map(|user| user["userName"].as_str().unwrap().to_owned()));
    }
    assert_eq!((seen.len(), sizes), (12, vec![2, 2, 2, 2, 2, 2]));
    let found = guest.get(&format!("{scim}?filter=userName%20eq%20%22grace.okafor@northwind.example%22")).await;
    assert_eq!(found["totalResults"], 1);
    let (status, twin) = guest.call(Method::POST, scim, Some(json!({ "userName": "GRACE.okafor@northwind.example" }))).await;
    assert_eq!((status, twin["error_code"].is_null(), twin["status"].as_str()), (409, true, Some("409")));
    let (status, made) = guest.call(Method::POST, scim, Some(json!({ "userName": "New.Person@X.example" }))).await;
    assert_eq!((status, made["userName"].as_str()), (201, Some("new.person@x.example")));
    guest.get("/api/2.0/workspace/get-status?path=/Users/new.person@x.example").await;
    let patch = json!({ "Operations": [{ "op": "replace", "path": "active", "value": [{ "value": "false" }] }] });
    let url = format!("{scim}/{}", made["id"].as_str().unwrap());
    assert_eq!(guest.call(Method::PATCH, &url, Some(patch)).await.1["active"], false);
}

/// Serves the sample until it is killed, for witnesses in other languages: `cargo test --test it serve_the_sample -- --ignored`.
#[tokio::test]
#[ignore = "serves until it is killed"]
async fn serve_the_sample() {
    let address = std::env::var("LIFEBOAT_SIMULATOR_ADDRESS").unwrap_or_else(|_| "127.0.0.1:8765".to_owned());
    let _server =
        Server::start(Options { seed: Seed::Sample, address: address.parse().unwrap(), ..Options::default() }).await.unwrap();
    std::future::pending::<()>().await;
}

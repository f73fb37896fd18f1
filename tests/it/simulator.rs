//! The embedded workspace, asked over HTTP as a client would ask it.

use lifeboat::simulator::{Options, Server};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::sync::Once;

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

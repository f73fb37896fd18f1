//! Credentials over a long run: renewed ahead, once, and never by two at a time.

use super::mock::{Mock, Reply, Seen, json, no};
use super::{all_texts, hasty, opened, workspace};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lifeboat::api::{Config, ErrorKind, Request, Workspace};
use serde_json::json as value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TOKEN: &str = "/oidc/v1/token";
const DISCOVERY: &str = "/oidc/.well-known/oauth-authorization-server";
const LIST: &str = "/api/2.2/jobs/list";

/// Gives tokens `t1`, `t2`, … of a lifetime in seconds, and takes what `accepts` takes.
async fn server(lifetime: u64, accepts: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Mock {
    let given = AtomicUsize::new(0);
    Mock::start(move |seen, _| match seen.path() {
        DISCOVERY => no(404, "ENDPOINT_NOT_FOUND", "none"),
        TOKEN => {
            let token = format!("t{}", given.fetch_add(1, Ordering::SeqCst) + 1);
            json(200, value!({"access_token": token, "token_type": "Bearer", "expires_in": lifetime}))
        }
        _ if accepts(seen) => json(200, value!({})),
        _ => no(401, "UNAUTHENTICATED", "token expired"),
    })
    .await
}

fn principal(mock: &Mock) -> Workspace {
    let url = mock.url.clone();
    let env = move |name: &str| match name {
        "DATABRICKS_HOST" => Some(url.clone()),
        "DATABRICKS_CLIENT_ID" => Some("robot".to_owned()),
        "DATABRICKS_CLIENT_SECRET" => Some("canary-secret".to_owned()),
        _ => None,
    };
    opened(Config::resolve(None, &env, None).unwrap(), hasty()).0
}

async fn list(workspace: &Workspace) -> Result<(), ErrorKind> {
    workspace.call(&Request::get("job", LIST)).await.map(|_| ()).map_err(|error| error.kind)
}

#[tokio::test]
async fn the_token_is_asked_for_as_the_standard_says() {
    let mock = server(3600, |seen| seen.header("authorization") == "Bearer t1").await;
    assert_eq!(list(&principal(&mock)).await, Ok(()));
    let asked = mock.seen().into_iter().find(|seen| seen.path() == TOKEN).unwrap();
    assert_eq!(asked.body, b"grant_type=client_credentials&scope=all-apis");
    assert_eq!(asked.header("authorization"), format!("Basic {}", STANDARD.encode("robot:canary-secret")));
}

#[tokio::test]
async fn many_workers_share_one_token() {
    let mock = server(3600, |_| true).await;
    let workspace = principal(&mock);
    let calls = (0..20).map(|_| list(&workspace));
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!((mock.count(TOKEN), mock.count(LIST)), (1, 20));
}

#[tokio::test]
async fn a_long_run_outlives_its_token_without_a_refusal() {
    // 42 s of life, of which the last 40 do not count: dead after two seconds, stale after none.
    let mock = server(42, |_| true).await;
    let workspace = principal(&mock);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        list(&workspace).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let tokens: Vec<_> =
        mock.seen().iter().filter(|seen| seen.path() == LIST).map(|seen| seen.header("authorization").to_owned()).collect();
    assert!(mock.count(TOKEN) >= 2 && tokens.first() != tokens.last(), "{tokens:?}");
    assert!(mock.count(TOKEN) <= 3, "a token is not asked for at every call");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_made_again() {
    let mock = server(3600, |seen| seen.header("authorization") != "Bearer t1").await;
    let create = Request::post("job", "/api/2.2/jobs/create", value!({}));
    principal(&mock).call(&create).await.unwrap();
    assert_eq!((mock.count(TOKEN), mock.count("/api/2.2/jobs/create")), (2, 2));
}

#[tokio::test]
async fn a_principal_who_is_never_accepted_is_told_after_two_tries() {
    let mock = server(3600, |_| false).await;
    let error = principal(&mock).call(&Request::get("job", LIST)).await.unwrap_err();
    assert_eq!((error.kind, error.tries, mock.count(LIST)), (ErrorKind::Unauthenticated, 2, 2));
}

#[tokio::test]
async fn a_plain_token_is_not_tried_twice() {
    let mock = Mock::start(|_, _| no(401, "UNAUTHENTICATED", "invalid token dapi-canary")).await;
    let error = workspace(&mock).call(&Request::get("job", LIST)).await.unwrap_err();
    assert_eq!((error.kind, mock.seen().len()), (ErrorKind::Unauthenticated, 1));
    assert!(error.hint().unwrap().contains("token from the caller"), "the hint says where it came from: {:?}", error.hint());
}

#[tokio::test]
async fn a_refused_secret_is_one_clear_sentence() {
    let mock = Mock::start(|seen, _| match seen.path() {
        TOKEN => json(401, value!({"error": "invalid_client", "error_description": "canary-secret is wrong"})),
        _ => json(200, value!({})),
    })
    .await;
    let error = principal(&mock).call(&Request::get("job", LIST)).await.unwrap_err();
    assert_eq!((error.kind, error.tries, mock.count(TOKEN)), (ErrorKind::Unauthenticated, 0, 1));
    assert!(error.to_string().contains("cannot sign in by oauth-m2m") && error.to_string().contains("invalid_client"), "{error}");
    assert!(!all_texts(&error).contains("canary"), "{}", all_texts(&error));
}

#[tokio::test]
async fn a_busy_token_endpoint_is_asked_again() {
    let mock = Mock::start(|seen, _| match seen.path() {
        DISCOVERY => no(404, "", ""),
        TOKEN if seen.header("x").is_empty() => Reply::Close,
        _ => json(200, value!({})),
    })
    .await;
    let options = lifeboat::api::Options { retry_budget: Duration::from_millis(100), ..hasty() };
    let url = mock.url.clone();
    let env = move |name: &str| match name {
        "DATABRICKS_HOST" => Some(url.clone()),
        "DATABRICKS_CLIENT_ID" | "DATABRICKS_CLIENT_SECRET" => Some("x-canary".to_owned()),
        _ => None,
    };
    let (workspace, _) = opened(Config::resolve(None, &env, None).unwrap(), options);
    let error = workspace.call(&Request::post("job", "/api/2.2/jobs/create", value!({}))).await.unwrap_err();
    assert_eq!((error.kind, mock.count("/api/2.2/jobs/create")), (ErrorKind::Network, 0), "nothing was sent: no doubt about it");
    assert!(mock.count(TOKEN) > 1);
}

#[tokio::test]
async fn a_discovered_endpoint_without_tls_does_not_get_the_secret() {
    let mock = Mock::start(|seen, _| match seen.path() {
        DISCOVERY => json(200, value!({"token_endpoint": "http://elsewhere.example/token"})),
        TOKEN => json(200, value!({"access_token": "t1", "expires_in": 3600})),
        _ => json(200, value!({})),
    })
    .await;
    assert_eq!(list(&principal(&mock)).await, Ok(()));
    assert_eq!(mock.count(TOKEN), 1, "the usual endpoint is taken");
}

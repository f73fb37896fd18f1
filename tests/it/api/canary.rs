//! Secrets are planted everywhere; every text that a person could get to read is searched for them.

use super::mock::{Mock, Reply, Seen, json};
use super::{all_texts, hasty, opened};
use lifeboat::api::{Config, Options, Request, Upload};
use lifeboat::spool::Spool;
use serde_json::{Value, json as value};
use std::time::Duration;

const CANARY: &str = "canary";

/// Repeats all that it was sent, as careless servers do.
fn echo(seen: &Seen, status: u16) -> Reply {
    let said = format!("{} {:?} {}", seen.target, seen.headers, String::from_utf8_lossy(&seen.body));
    json(status, value!({"error_code": "SOME_CODE", "message": said, "details": [{"reason": "X"}]}))
}

fn secrets() -> Value {
    value!({"scope": "s", "string_value": "canary-value", "nested": [{"personal_access_token": "canary-token", "password": "canary-password"}]})
}

fn settings(url: &str, pat: bool) -> impl Fn(&str) -> Option<String> + use<> {
    let url = url.to_owned();
    move |name| match name {
        "DATABRICKS_HOST" => Some(url.clone()),
        "DATABRICKS_TOKEN" if pat => Some("canary-pat".to_owned()),
        "DATABRICKS_CLIENT_ID" if !pat => Some("robot".to_owned()),
        "DATABRICKS_CLIENT_SECRET" if !pat => Some("canary-client-secret".to_owned()),
        _ => None,
    }
}

#[tokio::test]
async fn no_text_ever_holds_a_secret() {
    let mut texts = Vec::new();
    for pat in [true, false] {
        for failure in 0..7 {
            texts.push(misfortune(pat, failure).await);
        }
    }
    for text in &texts {
        assert!(!text.to_lowercase().contains(CANARY), "{text}");
    }
    assert!(texts.iter().any(|text| text.contains("[redacted]")), "the servers did repeat the secrets");
    assert!(texts.iter().any(|text| text.contains("Retried")), "events were searched as well");
}

/// All texts that come of one sort of trouble.
async fn misfortune(pat: bool, failure: u16) -> String {
    let mock = Mock::start(move |seen, _| match (seen.path(), failure) {
        ("/oidc/v1/token", 0) => echo(seen, 400),
        ("/oidc/v1/token", _) => json(200, value!({"access_token": "canary-access", "expires_in": 3600})),
        (_, 1) => echo(seen, 500),
        (_, 2) => echo(seen, 429),
        (_, 3) => Reply::Close,
        (_, 4) => Reply::Whole(200, vec![], format!("<html>{:?}", seen.headers).into_bytes()),
        (_, 5) => Reply::Whole(302, vec![("location", "https://x/login.html?t=canary".into())], vec![]),
        _ => echo(seen, 403),
    })
    .await;
    let config = Config::resolve(None, &settings(&mock.url, pat), None).unwrap();
    let options = Options { retry_budget: Duration::from_millis(30), ..hasty() };
    let mut texts = vec![format!("{config:?} {}", config.origin())];
    let (workspace, notes) = opened(config, options);
    let post = Request::post("secret", "/api/2.0/secrets/put", secrets());
    for request in [post.clone(), post.safe()] {
        texts.push(format!("{request:?} {}", all_texts(&workspace.call(&request).await.unwrap_err())));
    }
    let blob = Spool::in_temp().unwrap().keep(b"no secret").unwrap();
    let put = Request::new(lifeboat::api::Method::Put, "secret", "/api/2.0/fs/files/x");
    texts.push(all_texts(&workspace.upload(&put, Upload::Raw(blob)).await.unwrap_err()));
    texts.push(format!("{workspace:?} {}", notes.text()));
    texts.join("\n")
}

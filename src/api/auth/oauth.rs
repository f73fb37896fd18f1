//! OAuth client credentials of a service principal, at the workspace's own token endpoint (RFC 6749 §4.4).

use super::{SignInError, Token};
use crate::api::config::{Config, is_loopback};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::time::{Duration, SystemTime};

/// Asks for tokens with an id and a secret.
pub(super) struct ClientCredentials {
    host: String,
    id: String,
    secret: SecretString,
    scopes: String,
    http: Client,
}

#[derive(Deserialize)]
struct Metadata {
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
}

const PATIENCE: Duration = Duration::from_mins(1);

impl ClientCredentials {
    pub(super) fn new(config: &Config, host: &str, http: &Client) -> Self {
        Self {
            host: host.to_owned(),
            id: config.get("client_id").unwrap_or_default(),
            secret: config.secret("client_secret").cloned().unwrap_or_default(),
            scopes: config.get("scopes").unwrap_or_else(|| "all-apis".to_owned()),
            http: http.clone(),
        }
    }

    /// A new token.
    pub(super) async fn token(&self) -> Result<Token, SignInError> {
        let endpoint = self.endpoint().await;
        let form = [("grant_type", "client_credentials"), ("scope", self.scopes.as_str())];
        let request = self.http.post(endpoint).basic_auth(&self.id, Some(self.secret.expose_secret())).form(&form);
        let answer = request.timeout(PATIENCE).send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        if !status.is_success() {
            return Err(refused(status.as_u16(), &body));
        }
        let granted: Granted = serde_json::from_slice(&body).map_err(|_| SignInError::new("the token endpoint gave no token"))?;
        let expires = granted.expires_in.and_then(|seconds| SystemTime::now().checked_add(Duration::from_secs(seconds)));
        Ok(Token { access: granted.access_token.into(), expires })
    }

    /// The token endpoint that the workspace names, else the usual one. The secret goes nowhere without TLS.
    async fn endpoint(&self) -> String {
        let usual = format!("{}/oidc/v1/token", self.host);
        self.discover().await.filter(|named| is_safe(named)).unwrap_or(usual)
    }

    async fn discover(&self) -> Option<String> {
        let url = format!("{}/oidc/.well-known/oauth-authorization-server", self.host);
        let answer = self.http.get(url).timeout(PATIENCE).send().await.ok()?.error_for_status().ok()?;
        Some(answer.json::<Metadata>().await.ok()?.token_endpoint)
    }
}

fn is_safe(endpoint: &str) -> bool {
    Url::parse(endpoint).is_ok_and(|url| url.scheme() == "https" || url.host_str().is_some_and(is_loopback))
}

fn unreachable(error: reqwest::Error) -> SignInError {
    SignInError::new("the token endpoint of the workspace cannot be reached").transient(true).source(error.without_url())
}

fn refused(status: u16, body: &[u8]) -> SignInError {
    let said: Refused = serde_json::from_slice(body).unwrap_or_default();
    let words = [said.error, said.error_description].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ");
    let words = if words.is_empty() { "no reason was given".to_owned() } else { words };
    SignInError::new(format!("the token endpoint of the workspace answered {status}: {words}"))
        .transient(status == 429 || status >= 500)
        .advice("check client_id and client_secret, and that the service principal belongs to this workspace")
}

//! Keeps credentials fresh: every request gets headers that are good now, however long an export runs.
//!
//! - A token is renewed ahead of its end, at min(lifetime / 2, 20 min) before it, and counts as dead 40 s early,
//!   because Azure refuses tokens with 30 s left.
//! - One renewal at a time. While the old token still works, nobody waits for the new one.
//! - A token that the workspace refused is renewed once; one that cannot be renewed is the caller's to know about.

mod azure;
mod cli;
mod oauth;

use super::auth_type::AuthType;
use super::config::Config;
use super::options::Options;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

pub(super) use azure::{Entra, host_of_resource};

/// A token with its end, if it has one that we know.
pub(super) struct Token {
    pub(super) access: SecretString,
    pub(super) expires: Option<SystemTime>,
}

/// Why there are no credentials. Never holds one.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct SignInError {
    message: String,
    /// Whether trying again may help.
    pub(super) transient: bool,
    /// What a person can do.
    pub(super) advice: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SignInError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), transient: false, advice: None, source: None }
    }

    fn transient(mut self, transient: bool) -> Self {
        self.transient = transient;
        self
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// Headers that prove who we are, until they expire.
pub(super) struct Grant {
    headers: Vec<(HeaderName, SecretString)>,
    taken: SystemTime,
    expires: Option<SystemTime>,
}

impl Grant {
    fn bearer(token: &Token) -> Self {
        Self { headers: vec![(AUTHORIZATION, bearer(&token.access))], taken: SystemTime::now(), expires: token.expires }
    }

    fn and(mut self, name: &'static str, value: SecretString, expires: Option<SystemTime>) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self.expires = [self.expires, expires].into_iter().flatten().min();
        self
    }

    /// The headers, marked so that they show in no log.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.headers.iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose_secret()).ok()?;
            value.set_sensitive(true);
            Some((name.clone(), value))
        })
    }

    /// The secret values, to be taken out of texts.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let is_secret = |(name, _): &&(HeaderName, SecretString)| name == AUTHORIZATION || name.as_str().ends_with("-token");
        self.headers
            .iter()
            .filter(is_secret)
            .map(|(_, value)| value.expose_secret())
            .map(|value| value.strip_prefix("Bearer ").unwrap_or(value))
    }

    fn is_alive(&self, now: SystemTime) -> bool {
        const MARGIN: Duration = Duration::from_secs(40);
        self.expires.is_none_or(|end| now + MARGIN < end)
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        const AHEAD: Duration = Duration::from_mins(20);
        self.expires.is_none_or(|end| {
            let lifetime = end.duration_since(self.taken).unwrap_or_default();
            self.is_alive(now) && now + AHEAD.min(lifetime / 2) < end
        })
    }
}

fn bearer(token: &SecretString) -> SecretString {
    SecretString::from(format!("Bearer {}", token.expose_secret()))
}

enum Source {
    Fixed(SecretString),
    Oauth(oauth::ClientCredentials),
    Azure(azure::Entra),
    DatabricksCli(cli::DatabricksCli),
    Ambient(Vec<(&'static str, Source)>),
}

impl Source {
    async fn fetch(&self) -> Result<Grant, SignInError> {
        match self {
            Self::Fixed(token) => Ok(Grant::bearer(&Token { access: token.clone(), expires: None })),
            Self::Oauth(client) => client.token().await.map(|token| Grant::bearer(&token)),
            Self::Azure(entra) => entra.grant().await,
            Self::DatabricksCli(cli) => cli.token().await.map(|token| Grant::bearer(&token)),
            Self::Ambient(sources) => Box::pin(first(sources)).await,
        }
    }
}

async fn first(sources: &[(&'static str, Source)]) -> Result<Grant, SignInError> {
    let mut failures = Vec::new();
    for (name, source) in sources {
        match source.fetch().await {
            Ok(grant) => return Ok(grant),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    let advice = "set DATABRICKS_TOKEN, name a profile, or sign in with `az login` or `databricks auth login`";
    Err(SignInError::new(format!("no credentials were found ({})", failures.join("; "))).advice(advice))
}

/// The credentials of one workspace.
pub(super) struct Auth {
    source: Source,
    current: RwLock<Option<Arc<Grant>>>,
    renewing: tokio::sync::Mutex<()>,
}

impl Auth {
    /// Sets up the way to sign in that the configuration chose. Asks nobody yet.
    pub(super) fn new(config: &Config, host: &str, options: &Options, http: &Client) -> Self {
        Self::from_source(source(config, host, options, http))
    }

    fn from_source(source: Source) -> Self {
        Self { source, current: RwLock::new(None), renewing: tokio::sync::Mutex::new(()) }
    }

    /// Headers that are good now, renewed if need be.
    pub(super) async fn grant(&self) -> Result<Arc<Grant>, SignInError> {
        let now = SystemTime::now();
        let old = self.current().filter(|grant| grant.is_alive(now));
        match old {
            Some(grant) if grant.is_fresh(now) => Ok(grant),
            Some(grant) => match self.renewing.try_lock() {
                Ok(_guard) => Ok(self.renew().await.unwrap_or(grant)),
                Err(_) => Ok(grant),
            },
            None => {
                let _guard = self.renewing.lock().await;
                match self.current().filter(|grant| grant.is_alive(SystemTime::now())) {
                    Some(grant) => Ok(grant),
                    None => self.renew().await,
                }
            }
        }
    }

    /// The workspace refused this grant: forget it, unless somebody renewed it already. Says whether another can be had.
    pub(super) fn refused(&self, grant: &Arc<Grant>) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, grant)) {
            *current = None;
        }
        !matches!(self.source, Source::Fixed(_))
    }

    fn current(&self) -> Option<Arc<Grant>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn renew(&self) -> Result<Arc<Grant>, SignInError> {
        let grant = Arc::new(self.source.fetch().await?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(grant.clone());
        Ok(grant)
    }
}

fn source(config: &Config, host: &str, options: &Options, http: &Client) -> Source {
    let fixed = || Source::Fixed(config.secret("token").cloned().unwrap_or_default());
    let azure = || Source::Azure(azure::Entra::new(config, host, options, http));
    let databricks = || Source::DatabricksCli(cli::DatabricksCli::new(config, host));
    match config.auth_type() {
        AuthType::Pat => fixed(),
        AuthType::OauthM2m => Source::Oauth(oauth::ClientCredentials::new(config, host, http)),
        AuthType::AzureClientSecret | AuthType::AzureCli | AuthType::AzureMsi => azure(),
        AuthType::DatabricksCli => databricks(),
        AuthType::Ambient if super::identity::cloud_of(host) == super::identity::Cloud::Azure => {
            Source::Ambient(vec![("azure-cli", azure()), ("databricks-cli", databricks())])
        }
        AuthType::Ambient => Source::Ambient(vec![("databricks-cli", databricks())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(age: u64, left: u64) -> Grant {
        let now = SystemTime::now();
        let expires = Some(now + Duration::from_secs(left));
        Grant { headers: Vec::new(), taken: now - Duration::from_secs(age), expires }
    }

    #[test]
    fn tokens_are_renewed_ahead_and_die_early() {
        let now = SystemTime::now();
        for (age, left, fresh, alive) in [
            (0, 3600, true, true),
            (2400 - 5, 1205, true, true), // an hour's token: 20 minutes ahead
            (2400 + 5, 1195, false, true),
            (295, 305, true, true), // ten minutes' token: at half its life
            (305, 295, false, true),
            (3561, 39, false, false), // 40 s before the end it is dead
        ] {
            let grant = grant(age, left);
            assert_eq!((grant.is_fresh(now), grant.is_alive(now)), (fresh, alive), "age {age}, left {left}");
        }
    }

    #[test]
    fn headers_hide_their_values() {
        let grant = Grant::bearer(&Token { access: SecretString::from("canary"), expires: None });
        let shown: Vec<_> = grant.headers().collect();
        assert!(!format!("{shown:?}").contains("canary"));
        assert_eq!(grant.secrets().collect::<Vec<_>>(), ["canary"]);
    }
}

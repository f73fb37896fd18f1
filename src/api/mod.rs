//! One workspace over HTTP: who we are, how fast we may ask, what to do when it says no.
//!
//! A [`Workspace`] takes [`Request`]s and gives JSON, streams bodies into and out of the spool, and walks pages. It promises:
//!
//! - A call ends: in its value, or in an [`ApiError`] that says what was asked, how often, and what came of it.
//! - A write that may have happened is never repeated blindly: that is [`ErrorKind::Ambiguous`].
//! - A body that was cut never passes for a whole one.
//! - No credential, and no secret field of a body, shows in an error, an event or a `Debug` text; and none is sent to
//!   another host, since redirects are never followed.
//!
//! It does not know what the answers are for.

mod answer;
mod auth;
mod auth_type;
mod config;
mod config_error;
mod error;
mod http;
mod identity;
mod options;
mod pace;
mod pages;
mod profile;
mod redact;
mod request;
mod retry;
mod send;
mod transfer;
mod whole;

pub use auth_type::AuthType;
pub use config::Config;
pub use config_error::ConfigError;
pub use error::{ApiError, Cause, ErrorKind, Facts};
pub use identity::{Cloud, Identity};
pub use options::Options;
pub use pace::{Family, LIMITS, Limit};
pub use request::{ContentType, Method, Paging, Purpose, Repeat, Request, Upload, encode_path, encode_segment};
pub use reqwest::header::HeaderMap;
pub use whole::an_object;

use crate::event::Observer;
use auth::Auth;
use pace::Pacer;
use redact::Redactor;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A connection to one workspace. Clones share credentials, pace and counters.
#[derive(Clone)]
pub struct Workspace {
    inner: Arc<Inner>,
}

struct Inner {
    host: String,
    workspace_id: Option<String>,
    http: reqwest::Client,
    auth: Auth,
    config: Config,
    pacer: Pacer,
    options: Options,
    observer: Arc<dyn Observer>,
    sent: Mutex<BTreeMap<(&'static str, Purpose), u64>>,
    reached: AtomicBool,
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Workspace {
    /// Sets up a connection; asks nobody yet. Errors: a certificate file that cannot be read, a host that is no
    /// address, and a configuration that knows only the Azure resource id, for which [`Workspace::connect`] is there.
    pub fn new(config: Config, options: Options, observer: Arc<dyn Observer>) -> Result<Self, ApiError> {
        let options = configured(&config, options);
        let no_host = || ApiError::setup(ErrorKind::Invalid, "the address of the workspace is not known");
        let host = config.host().ok_or_else(no_host)?.to_owned();
        config::check_host(&host).map_err(|error| ApiError::setup(ErrorKind::Invalid, error.to_string()))?;
        let http = client(&config, &options)?;
        let auth = Auth::new(&config, &host, &options, &http);
        let pacer = Pacer::new(&options.limits, options.max_in_flight, config.number("rate_limit"));
        let workspace_id = config.get("workspace_id").filter(|id| id != "none");
        let (sent, reached) = (Mutex::default(), AtomicBool::new(false));
        let inner = Inner { host, workspace_id, http, auth, config, pacer, options, observer, sent, reached };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// As [`Workspace::new`], and asks Azure for the host first where only the workspace's resource id is configured.
    pub async fn connect(mut config: Config, options: Options, observer: Arc<dyn Observer>) -> Result<Self, ApiError> {
        if config.host().is_none() {
            let http = client(&config, &options)?;
            let entra = auth::Entra::new(&config, "", &options, &http);
            let host = auth::host_of_resource(&entra).await.map_err(|error| send::no_credentials(&config, &error))?;
            let bad = |error: ConfigError| ApiError::setup(ErrorKind::Protocol, error.to_string());
            config.set_host(&host).map_err(bad)?;
        }
        Self::new(config, options, observer)
    }

    /// `https://…`, without a path.
    pub fn host(&self) -> &str {
        &self.inner.host
    }

    /// The first pause before something is tried again.
    pub fn pause(&self) -> Duration {
        self.inner.options.pause
    }

    /// Sends JSON, gives JSON; `null` for a success without a body.
    pub async fn call(&self, request: &Request) -> Result<Value, ApiError> {
        self.call_with_headers(request).await.map(|(value, _)| value)
    }

    /// As [`Workspace::call`], with the headers of the answer: `last-modified`, `x-databricks-org-id`, …
    pub async fn call_with_headers(&self, request: &Request) -> Result<(Value, HeaderMap), ApiError> {
        let effort = self.effort(request);
        self.persist(request, &effort, || self.inner.ask(request, &effort)).await
    }

    /// HTTP requests really sent so far, repeats included, by [`Request::label`]. Sign-in is not counted.
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.sent(|(label, _)| label)
    }

    /// The same by what they were sent for.
    pub fn purposes(&self) -> BTreeMap<Purpose, u64> {
        self.sent(|(_, purpose)| purpose)
    }

    fn sent<K: Ord>(&self, by: impl Fn((&'static str, Purpose)) -> K) -> BTreeMap<K, u64> {
        let mut counts = BTreeMap::new();
        for (what, count) in &*self.inner.sent.lock().unwrap_or_else(PoisonError::into_inner) {
            *counts.entry(by(*what)).or_default() += count;
        }
        counts
    }

    /// The sum of [`Workspace::requests`].
    pub fn total_requests(&self) -> u64 {
        self.requests().values().sum()
    }
}

impl Inner {
    fn redactor(&self, request: &Request) -> Redactor {
        let mut redactor = Redactor::default();
        self.config.secrets().for_each(|secret| redactor.hide(secret));
        request.body.iter().for_each(|body| redactor.hide_fields(body));
        redactor
    }
}

/// What the profile says about patience; a caller's own choice stays.
fn configured(config: &Config, mut options: Options) -> Options {
    let (seconds, usual) = (|key| config.number(key).map(|seconds| Duration::from_secs(seconds.into())), Options::default());
    if let Some(timeout) = seconds("http_timeout_seconds").filter(|_| options.idle_timeout == usual.idle_timeout) {
        options.idle_timeout = timeout;
    }
    if let Some(budget) = seconds("retry_timeout_seconds").filter(|_| options.retry_budget == usual.retry_budget) {
        options.retry_budget = budget;
    }
    options
}

/// A client for an address that is no workspace: no credentials, no retries, a minute for all of it. Errors: TLS cannot be set up.
pub fn outside_client(ca_bundle: Option<std::path::PathBuf>) -> Result<reqwest::Client, ApiError> {
    let options = Options { ca_bundle, idle_timeout: Duration::from_mins(1), ..Options::default() };
    http::http_client(&options, &http::user_agent(&options.user_agent, "none"), false)
}

fn client(config: &Config, options: &Options) -> Result<reqwest::Client, ApiError> {
    http::http_client(options, &http::user_agent(&options.user_agent, config.auth_type().name()), config.is_loopback())
}

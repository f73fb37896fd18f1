//! One try of one call: credentials, pace, the wire, and what its failure means.

use super::answer::Answer;
use super::auth::{Grant, SignInError};
use super::config::Config;
use super::error::{ApiError, ErrorKind};
use super::pace::{Family, Permit};
use super::request::{Method, Request};
use super::retry::{Effort, Failure};
use super::{HeaderMap, Inner};
use crate::event::Event;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Response, Url};
use serde_json::Value;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// An answer whose head has come, and the leave under which it was asked for.
pub(super) struct Head<'a> {
    pub(super) response: Response,
    pub(super) permit: Permit<'a>,
}

impl Inner {
    /// One try of a JSON call.
    pub(super) async fn ask(&self, request: &Request, effort: &Effort) -> Result<(Value, HeaderMap), Failure> {
        let body = body_of(request)?;
        let patience = self.options.idle_timeout + upload_time(body.as_ref().map_or(0, Vec::len));
        let make = |builder: reqwest::RequestBuilder| match &body {
            Some(body) => builder.header(CONTENT_TYPE, request.content_type.as_str()).body(body.clone()),
            None if matches!(request.method, Method::Post | Method::Put | Method::Patch) => builder.header(CONTENT_LENGTH, 0),
            None => builder,
        };
        let head = self.head(request, effort, make, |sending| timeout(patience, sending)).await?;
        let answer = self.rest(request, effort, head).await?;
        let headers = answer.headers.clone();
        let value = answer.into_value(request).map_err(Failure::refusal)?;
        Ok((value, headers))
    }

    /// Sends, and waits for the head of the answer. Renews refused credentials once; refusals come as failures.
    pub(super) async fn head<'a, B, W, F, E>(
        &'a self,
        request: &Request,
        effort: &Effort,
        make: B,
        watch: W,
    ) -> Result<Head<'a>, Failure>
    where
        B: Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
        W: Fn(Sending) -> F,
        F: Future<Output = Result<Result<Response, reqwest::Error>, E>>,
    {
        loop {
            let grant = self.sign_in(request, effort).await?;
            let builder = make(self.builder(request, &grant).map_err(Failure::before_work)?);
            let permit = self.pacer.enter(Family::of(request)).await;
            self.count(request, effort);
            let start = Instant::now();
            let outcome = watch(Box::pin(builder.send())).await;
            effort.spend(start.elapsed());
            let response = outcome.map_err(|_| self.silence(request))?.map_err(|error| self.broken(request, &error))?;
            self.reached.store(true, Ordering::Relaxed);
            let head = Head { response, permit };
            match head.response.status().as_u16() {
                200..=299 => return Ok(head),
                401 if effort.may_renew() && self.auth.refused(&grant) => drop(head),
                _ => return Err(self.refusal(request, effort, head).await),
            }
        }
    }

    async fn sign_in(&self, request: &Request, effort: &Effort) -> Result<Arc<Grant>, Failure> {
        let start = Instant::now();
        let grant = self.auth.grant().await;
        effort.spend(start.elapsed());
        let grant = grant.map_err(|error| {
            let mut told = no_credentials(&self.config, &error);
            told.method = request.method;
            told.path.clone_from(&request.path);
            Failure::before_work(told)
        })?;
        grant.secrets().for_each(|secret| effort.redactor().hide(secret));
        Ok(grant)
    }

    fn builder(&self, request: &Request, grant: &Grant) -> Result<reqwest::RequestBuilder, ApiError> {
        let method = reqwest::Method::from_bytes(request.method.as_str().as_bytes()).unwrap_or(reqwest::Method::GET);
        let mut builder = self.http.request(method, url(&self.host, request)?);
        for (name, value) in grant.headers() {
            builder = builder.header(name, value);
        }
        match self.workspace_id.as_deref().map(HeaderValue::from_str) {
            Some(Ok(id)) => Ok(builder.header("x-databricks-workspace-id", id)),
            _ => Ok(builder),
        }
    }

    fn count(&self, request: &Request, effort: &Effort) {
        effort.count();
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner).entry((request.label, request.purpose)).or_default() += 1;
    }

    /// Reads a refusal to its end, and narrows the gate after a 429.
    async fn refusal(&self, request: &Request, effort: &Effort, head: Head<'_>) -> Failure {
        let answer = match self.rest(request, effort, head).await {
            Ok(answer) => answer,
            Err(failure) => return failure,
        };
        let unexpected = || ApiError::new(request.method, &request.path, ErrorKind::Protocol, "an answer without meaning");
        let mut error = answer.refusal(request).unwrap_or_else(unexpected);
        if error.status == Some(429) {
            self.slow_down(request, &error);
        }
        if error.kind == ErrorKind::Unauthenticated {
            error = error.with_advice(who(&self.config));
        }
        Failure::refusal(error)
    }

    fn slow_down(&self, request: &Request, error: &ApiError) {
        let wait = error.retry_after.unwrap_or(self.options.pause).min(self.options.longest_pause);
        let family = Family::of(request);
        if self.pacer.throttled(family, wait) {
            self.observer.event(&Event::Throttled { family: self.pacer.name(family), wait });
        }
    }

    /// The whole body in memory: JSON and refusals. Of a refusal, the beginning is enough.
    pub(super) async fn rest(&self, request: &Request, effort: &Effort, head: Head<'_>) -> Result<Answer, Failure> {
        const REFUSAL: usize = 1 << 20;
        let Head { mut response, permit } = head;
        let (status, headers, start) = (response.status().as_u16(), response.headers().clone(), Instant::now());
        let most = if status < 300 { self.options.largest_answer } else { REFUSAL.min(self.options.largest_answer) };
        let mut body = Vec::new();
        let outcome = loop {
            match timeout(self.patience(start, body.len() as u64), response.chunk()).await {
                Ok(Ok(Some(chunk))) if body.len() + chunk.len() > most && status < 300 => {
                    break Err(too_large(request, status, most));
                }
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk[..chunk.len().min(most - body.len())]),
                Ok(Ok(None)) => break Ok(Answer { status, headers, body }),
                Ok(Err(error)) => break Err(self.broken(request, &error)),
                Err(_) => break Err(self.silence(request)),
            }
            if body.len() == most && status >= 300 {
                break Ok(Answer { status, headers, body });
            }
        };
        effort.spend(start.elapsed());
        drop(permit);
        if outcome.is_ok() && status < 300 {
            self.pacer.succeeded(Family::of(request));
        }
        outcome.map_err(|failure| Failure { no_work: (300..500).contains(&status), ..failure })
    }

    /// How long to wait for the next bytes of a body that began at `start`: the idle timeout, or less if so far it only trickled.
    pub(super) fn patience(&self, start: Instant, got: u64) -> Duration {
        let earned = Duration::from_secs(got / self.options.slowest.max(1)) + 2 * self.options.idle_timeout;
        earned.saturating_sub(start.elapsed()).min(self.options.idle_timeout)
    }

    /// The connection failed: before anything was sent, or nobody knows when.
    pub(super) fn broken(&self, request: &Request, error: &reqwest::Error) -> Failure {
        let message = match error {
            error if error.is_connect() => format!("cannot connect to {}", self.host),
            error if error.is_body() || error.is_decode() => "the answer was cut".to_owned(),
            error if error.is_timeout() => "no answer in time".to_owned(),
            error if error.is_builder() => "the request cannot be made".to_owned(),
            _ => "the connection broke before the answer came".to_owned(),
        };
        let redactor = self.redactor(request);
        let kind = if error.is_builder() { ErrorKind::Invalid } else { ErrorKind::Network };
        let told = ApiError::new(request.method, &request.path, kind, message);
        // The client's own first line repeats the address and with it the query; its causes say what happened.
        let told = match std::error::Error::source(error) {
            Some(source) => told.with_cause(source, &|text| redactor.clean(text)),
            None => told,
        };
        if error.is_connect() || error.is_builder() { Failure::before_work(told) } else { Failure::unknown(told) }
    }

    pub(super) fn silence(&self, request: &Request) -> Failure {
        let message = format!("no answer, or only a trickle, for {} s", self.options.idle_timeout.as_secs());
        Failure::unknown(ApiError::new(request.method, &request.path, ErrorKind::Network, message))
    }
}

/// More than memory is meant for.
fn too_large(request: &Request, status: u16, most: usize) -> Failure {
    let message = format!("the answer is larger than {} MiB", most >> 20);
    let mut error = ApiError::new(request.method, &request.path, ErrorKind::TooLarge, message);
    error.status = Some(status);
    Failure::unknown(error)
}

/// A request on its way.
pub(super) type Sending = std::pin::Pin<Box<dyn Future<Output = Result<Response, reqwest::Error>> + Send>>;

/// Nobody let us in: why, and where the credentials came from.
pub(super) fn no_credentials(config: &Config, error: &SignInError) -> ApiError {
    let mut redactor = super::Redactor::default();
    config.secrets().for_each(|secret| redactor.hide(secret));
    let kind = if error.transient { ErrorKind::Network } else { ErrorKind::Unauthenticated };
    let message = redactor.clean(&format!("cannot sign in by {}: {error}", config.auth_type().name()));
    let advice = error.advice.clone().unwrap_or_else(|| who(config));
    let told = ApiError::setup(kind, message).with_advice(advice);
    match std::error::Error::source(error) {
        Some(source) => told.with_cause(source, &|text| redactor.clean(text)),
        None => told,
    }
}

fn who(config: &Config) -> String {
    format!("the credentials were not accepted ({}): sign in again, or check that they belong to this workspace", config.origin())
}

/// The address, provided that it is the one the path says: `..` in a name must not lead to another API.
fn url(host: &str, request: &Request) -> Result<Url, ApiError> {
    let invalid = |message: &str| ApiError::new(request.method, &request.path, ErrorKind::Invalid, message);
    let path = request.path.as_str();
    if !path.starts_with('/') || path.contains(['?', '#', '\\']) || path.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(invalid("the path is not encoded"));
    }
    let plain = |segment: &str| percent_encoding::percent_decode_str(segment).collect::<Vec<u8>>();
    if path.split('/').any(|segment| matches!(plain(segment).as_slice(), b"." | b"..")) {
        return Err(invalid("the path holds a step to another folder"));
    }
    let mut url = Url::parse(&format!("{host}{path}"))
        .map_err(|error| invalid("the address is not valid").with_cause(&error, &str::to_owned))?;
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    Ok(url)
}

fn body_of(request: &Request) -> Result<Option<Vec<u8>>, Failure> {
    let invalid = |_| {
        let message = "the body cannot be written as JSON";
        Failure::before_work(ApiError::new(request.method, &request.path, ErrorKind::Invalid, message))
    };
    request.body.as_ref().map(serde_json::to_vec).transpose().map_err(invalid)
}

/// What a body in memory may take on a slow line of 50 kB/s.
fn upload_time(bytes: usize) -> Duration {
    Duration::from_secs(bytes as u64 / 50_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_lead_elsewhere() {
        for path in ["/api/2.0/fs/files/Volumes/../../token", "/a/%2e%2E/b", "/a/./b", "/a?b", "/a#b", "a", "/a b", "/a\\b"] {
            assert!(url("https://x", &Request::get("file", path)).is_err(), "{path}");
        }
        let request = Request::get("file", "/a/%2525/...").query("path", "/a b&c=1").query("flag", "true");
        assert_eq!(url("https://x", &request).unwrap().as_str(), "https://x/a/%2525/...?path=%2Fa+b%26c%3D1&flag=true");
    }
}

//! What can go wrong with a call, told so that callers branch on [`ErrorKind`] and people read one sentence.
//!
//! The sentence says what we were doing and what came of it; the cause is `source`; advice is [`ApiError::hint`]. No
//! part of it ever holds a credential or a secret field of the body that was sent.

use super::request::{Method, Request};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// What sort of failure it is. The workspace's `error_code` decides first, the HTTP status second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Who are you? 401, or no credentials could be had.
    Unauthenticated,
    /// You may not: 403.
    Denied,
    /// There is no such thing, or the caller may not see it.
    NotFound,
    /// The name or path is taken.
    AlreadyExists,
    /// This workspace does not offer the feature: `FEATURE_DISABLED`, `ENDPOINT_NOT_FOUND`, no metastore, …
    Unavailable,
    /// Too many requests, for longer than the retry budget lasts.
    Throttled,
    /// A limit on how many things may exist, or be made per hour.
    Quota,
    /// A limit on the size of one thing.
    TooLarge,
    /// The request is wrong in itself.
    Invalid,
    /// The state of the thing forbids it now: 409, `INVALID_STATE`, a folder that is not empty.
    Conflict,
    /// The workspace failed: 5xx.
    Server,
    /// No answer, or half of one.
    Network,
    /// A login page, or a redirect to one, instead of an answer.
    Login,
    /// A write that may or may not have happened: look before trying again.
    Ambiguous,
    /// An answer that no workspace should give.
    Protocol,
    /// This machine failed: a full disk, a certificate file that cannot be read.
    Local,
}

/// The cause of an [`ApiError`], as text that is free of secrets, with causes of its own.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Cause {
    message: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    /// Copies an error and its causes, cleaning every text.
    pub(super) fn of(error: &(dyn std::error::Error + 'static), clean: &dyn Fn(&str) -> String) -> Self {
        let source = error.source().map(|source| Box::new(Self::of(source, clean)));
        Self { message: clean(&error.to_string()), source }
    }
}

/// A call that did not succeed. Boxed, since results are moved about; its fields are those of [`Facts`].
#[derive(Clone, Debug)]
pub struct ApiError(Box<Facts>);

/// What an [`ApiError`] knows.
#[derive(Clone, Debug)]
pub struct Facts {
    /// How it was asked.
    pub method: Method,
    /// What was asked, without query.
    pub path: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// `error_code` of the answer, or `SCIM_404` and the like.
    pub code: Option<String>,
    /// What the workspace said, or what we saw; secrets taken out.
    pub message: String,
    /// How often it was sent.
    pub tries: u32,
    /// From the first try to the last answer, pauses included.
    pub elapsed: Duration,
    /// The sort of failure.
    pub kind: ErrorKind,
    /// How long the workspace asks to wait, where it says so.
    pub retry_after: Option<Duration>,
    /// Reasons in `details[].reason`, such as `WORKSPACE_OBJECT_TYPE_MISMATCH`.
    pub reasons: Vec<String>,
    pub(super) advice: Option<String>,
    pub(super) cause: Option<Box<Cause>>,
}

impl Deref for ApiError {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl DerefMut for ApiError {
    fn deref_mut(&mut self) -> &mut Facts {
        &mut self.0
    }
}

impl ApiError {
    /// A failure before any call: the connection could not even be set up.
    pub(super) fn setup(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(Method::Get, "", kind, message)
    }

    pub(super) fn new(method: Method, path: &str, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            method,
            path: path.to_owned(),
            status: None,
            code: None,
            message: message.into(),
            tries: 0,
            elapsed: Duration::ZERO,
            kind,
            retry_after: None,
            reasons: Vec::new(),
            advice: None,
            cause: None,
        }))
    }

    /// An answer that does not hold what it should.
    pub fn protocol(request: &Request, message: &str) -> Self {
        let mut error = Self::new(request.method, &request.path, ErrorKind::Protocol, message);
        (error.status, error.tries) = (Some(200), 1);
        error
    }

    /// Something on this side of the wire that kept a call from being of use: a full disk.
    pub fn local(path: &str, message: &str, error: &std::io::Error) -> Self {
        Self::new(Method::Get, path, ErrorKind::Local, message).with_cause(error, &str::to_owned)
    }

    pub(super) fn with_cause(mut self, error: &(dyn std::error::Error + 'static), clean: &dyn Fn(&str) -> String) -> Self {
        self.cause = Some(Box::new(Cause::of(error, clean)));
        self
    }

    pub(super) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What a person can do about it, where we know.
    pub fn hint(&self) -> Option<String> {
        self.advice.clone().or_else(|| general_advice(self).map(str::to_owned))
    }

    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Whether the feature does not exist in this workspace.
    pub fn is_unavailable(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }
}

fn general_advice(error: &ApiError) -> Option<&'static str> {
    Some(match error.kind {
        ErrorKind::Unauthenticated => "the credentials were not accepted: sign in again, or check token, profile and host",
        ErrorKind::Denied if error.message.contains("IP a") || error.message.contains("IP A") => {
            "an IP access list may refuse this machine; a workspace admin can look into it"
        }
        ErrorKind::Denied => {
            "the user or service principal needs the right for this; to export or import everything takes a workspace admin"
        }
        ErrorKind::Throttled => "the workspace is busy: run again later, or with fewer requests in flight",
        ErrorKind::Quota => "a limit of the workspace is reached: raise it, or make room",
        ErrorKind::Network => "check the host, the network, `HTTPS_PROXY` and, behind an inspecting proxy, `--ca-bundle`",
        ErrorKind::Login if error.message.contains("private-link") => {
            "the workspace is reachable only through its private endpoint: run this inside that network"
        }
        ErrorKind::Login => "this is a login page or a proxy's page, not the API: check host, token and proxy",
        ErrorKind::Ambiguous => "the workspace may have done it nevertheless: look before you try again",
        ErrorKind::Server => "the workspace failed at this; run again, and report it to Databricks if it stays so",
        _ => return None,
    })
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{} {} ", self.method, self.path)?;
        match self.status {
            Some(status) => write!(f, "answered {status}")?,
            None => f.write_str("failed")?,
        }
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        let plural = if self.tries == 1 { "try" } else { "tries" };
        write!(f, " ({} {plural}, {:.1} s)", self.tries, self.elapsed.as_secs_f64())
    }
}

impl std::error::Error for ApiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sentence_that_names_call_code_and_effort() {
        let mut error =
            ApiError::new(Method::Post, "/api/2.2/jobs/create", ErrorKind::Denied, "no right to use policy \"small\"");
        error.status = Some(403);
        error.code = Some("PERMISSION_DENIED".into());
        error.tries = 1;
        error.elapsed = Duration::from_millis(420);
        assert_eq!(
            error.to_string(),
            "POST /api/2.2/jobs/create answered 403 PERMISSION_DENIED: no right to use policy \"small\" (1 try, 0.4 s)"
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("right")));
    }

    #[test]
    fn causes_are_cleaned_all_the_way_down() {
        let inner = std::io::Error::other("token canary");
        let outer = std::io::Error::other(inner);
        let cause = Cause::of(&outer, &|text| text.replace("canary", "…"));
        assert!(!format!("{cause:?}").contains("canary"), "{cause:?}");
    }
}

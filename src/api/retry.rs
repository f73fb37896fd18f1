//! When a call is made again, and when that would be reckless.
//!
//! What may be repeated safely is repeated after anything that may pass. A create is repeated only if the first try certainly
//! did no work; otherwise the caller gets [`ErrorKind::Ambiguous`] and looks.

use super::answer::told;
use super::error::{ApiError, ErrorKind};
use super::pace::Family;
use super::redact::Redactor;
use super::request::{Repeat, Request};
use super::{Inner, Workspace};
use crate::event::Event;
use backon::{ExponentialBuilder, Retryable};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How one try failed.
pub(super) struct Failure {
    pub(super) error: ApiError,
    /// The workspace certainly did not begin with the work.
    pub(super) no_work: bool,
    /// Nothing but a new start from the caller helps: half a body has been handed on.
    pub(super) spoilt: bool,
}

impl Failure {
    /// A failure after which nobody knows what the workspace did.
    pub(super) fn unknown(error: ApiError) -> Self {
        Self { error, no_work: false, spoilt: false }
    }

    /// A failure before the workspace could begin.
    pub(super) fn before_work(error: ApiError) -> Self {
        Self { error, no_work: true, spoilt: false }
    }

    /// A refusal: what it says about work done depends on its status and words.
    pub(super) fn refusal(error: ApiError) -> Self {
        let no_work = match (error.status, transient(&error)) {
            (Some(429), _) => true,
            (_, Some(before_work)) => before_work,
            (Some(503), None) => error.retry_after.is_some(),
            (Some(status @ 300..=499), None) => !matches!(status, 408 | 499),
            _ => false,
        };
        Self { error, no_work, spoilt: false }
    }

    /// Whether it is a trouble that may pass, be it sensible to repeat the call or not.
    fn is_passing(&self) -> bool {
        let error = &self.error;
        // A limit on how many things there may be does not pass while one waits, whatever its status.
        if error.kind == ErrorKind::Quota {
            return false;
        }
        error.status == Some(429)
            || matches!(error.kind, ErrorKind::Server | ErrorKind::Network | ErrorKind::Throttled)
            || transient(error).is_some()
    }

    fn may_repeat(&self, request: &Request) -> bool {
        self.is_passing() && !self.spoilt && (self.no_work || request.repeat == Repeat::Safe)
    }
}

/// Messages that stand for a passing trouble, whatever the status; `true` where the work cannot have begun. Source: the
/// retry rules of the official SDK for Python (`_base_client.py`).
const TRANSIENT: [(&str, bool); 8] = [
    ("UnknownWorkerEnvironmentException", true),
    ("does not have any associated worker environments", true),
    ("There is no worker environment with id", true),
    ("Unknown worker environment", true),
    ("ClusterNotReadyException", true),
    ("RPC token bucket limit has been exceeded", true),
    ("Unexpected error", false),
    ("Please try again later or try a faster operation.", false),
];

/// More of them for `workspace/list` of huge folders. Source: the Terraform provider.
const TRANSIENT_LIST: [&str; 4] = ["deadline exceeded", "Error handling request", "Timed out after", "Operation timed out"];

fn transient(error: &ApiError) -> Option<bool> {
    let listing = error.path.ends_with("/workspace/list") && TRANSIENT_LIST.iter().any(|words| error.message.contains(words));
    let known = TRANSIENT.iter().find(|(words, _)| error.message.contains(words)).map(|(_, before)| *before);
    known.or(listing.then_some(false))
}

/// What one call has cost so far, over all its tries.
pub(super) struct Effort {
    started: Instant,
    tries: AtomicU32,
    spent: Mutex<Duration>,
    renewed: AtomicBool,
    redactor: Mutex<Redactor>,
}

impl Effort {
    fn new(redactor: Redactor) -> Self {
        Self {
            started: Instant::now(),
            tries: AtomicU32::new(0),
            spent: Mutex::new(Duration::ZERO),
            renewed: AtomicBool::new(false),
            redactor: Mutex::new(redactor),
        }
    }

    /// Counts a request that goes out.
    pub(super) fn count(&self) {
        self.tries.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds time spent on the wire or in a pause; waiting at our own gates costs nothing.
    pub(super) fn spend(&self, time: Duration) {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    /// Whether credentials may be renewed: once per call.
    pub(super) fn may_renew(&self) -> bool {
        !self.renewed.swap(true, Ordering::Relaxed)
    }

    /// What must not show in any text of this call.
    pub(super) fn redactor(&self) -> MutexGuard<'_, Redactor> {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self, budget: Duration) -> Duration {
        budget.saturating_sub(*self.spent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Workspace {
    /// The beginnings of a call.
    pub(super) fn effort(&self, request: &Request) -> Effort {
        Effort::new(self.inner.redactor(request))
    }

    /// Makes a call until it succeeds, cannot, or has used up its budget.
    pub(super) async fn persist<T, F>(&self, request: &Request, effort: &Effort, attempt: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let inner = &*self.inner;
        let (family, patience) = (Family::of(request), inner.options.retry_budget);
        let careful = || async {
            if inner.pacer.is_lost(family, patience) && !inner.pacer.may_look(family, patience) {
                return Err(inner.lost(request));
            }
            let outcome = attempt().await;
            inner.pacer.tried(family, outcome.as_ref().is_err_and(Failure::is_passing), patience);
            outcome
        };
        let outcome = careful
            .retry(backoff(inner))
            .when(|failure: &Failure| failure.may_repeat(request) && !inner.pacer.is_lost(family, patience))
            .adjust(|failure, pause| inner.pause(effort, failure, pause?))
            .notify(|failure, wait| inner.tell_retry(request, effort, failure, wait))
            .await;
        outcome.map_err(|failure| conclude(request, effort, failure))
    }
}

fn backoff(inner: &Inner) -> ExponentialBuilder {
    let (first, most) = (inner.options.pause, inner.options.longest_pause.min(Duration::from_secs(30)));
    ExponentialBuilder::default().with_min_delay(first).with_max_delay(most.max(first)).with_jitter().without_max_times()
}

impl Inner {
    /// The pause before the next try; `None` when the budget does not reach that far.
    fn pause(&self, effort: &Effort, failure: &Failure, pause: Duration) -> Option<Duration> {
        let wait = match failure.error.retry_after {
            // The fraction of the pause is random: workers that were refused together do not come back together.
            Some(asked) => asked.min(self.options.longest_pause).max(self.options.pause) + fraction(pause),
            None => pause,
        };
        (wait < effort.left(self.budget(failure))).then_some(wait)
    }

    /// A host that never answered yet is likely a wrong one: people should not wait five minutes for a typing error.
    fn budget(&self, failure: &Failure) -> Duration {
        const STRANGER: Duration = Duration::from_secs(10);
        let stranger = failure.error.status.is_none() && failure.no_work && !self.reached.load(Ordering::Relaxed);
        if stranger { self.options.retry_budget.min(STRANGER) } else { self.options.retry_budget }
    }

    /// A call that is not made.
    fn lost(&self, request: &Request) -> Failure {
        let (name, minutes) = (self.pacer.name(Family::of(request)), 3 * self.options.retry_budget.as_secs() / 60);
        let message = format!("not asked, since all calls of the family \"{name}\" have failed for {minutes} min");
        Failure::before_work(ApiError::new(request.method, &request.path, ErrorKind::Network, message))
    }

    fn tell_retry(&self, request: &Request, effort: &Effort, failure: &Failure, wait: Duration) {
        effort.spend(wait);
        let error = &failure.error;
        let words = [error.status.map(|status| status.to_string()), error.code.clone(), Some(error.message.clone())];
        let cause = effort.redactor().clean(&words.into_iter().flatten().collect::<Vec<_>>().join(" "));
        let cause = told(&cause);
        self.observer.event(&Event::Retried { call: format!("{} {}", request.method, request.path), cause, wait });
    }
}

fn fraction(pause: Duration) -> Duration {
    Duration::from_nanos(pause.subsec_nanos().into())
}

/// The last word on a call: efforts counted, secrets taken out, doubts named.
fn conclude(request: &Request, effort: &Effort, failure: Failure) -> ApiError {
    let Failure { mut error, no_work, .. } = failure;
    error.tries = effort.tries.load(Ordering::Relaxed);
    error.elapsed = effort.started.elapsed();
    let redactor = effort.redactor();
    error.message = told(&redactor.clean(&error.message));
    error.code = error.code.as_deref().map(|code| redactor.clean(code));
    error.reasons = error.reasons.iter().map(|reason| redactor.clean(reason)).collect();
    drop(redactor);
    let failed =
        matches!(error.kind, ErrorKind::Server | ErrorKind::Network | ErrorKind::Protocol) || transient(&error).is_some();
    if failed && !no_work && request.repeat == Repeat::Never && !request.method.reads() {
        error.kind = ErrorKind::Ambiguous;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::super::request::Method;
    use super::*;

    fn failure(status: u16, message: &str, retry_after: Option<u64>) -> Failure {
        let kind = match status {
            429 => ErrorKind::Throttled,
            500.. => ErrorKind::Server,
            _ => ErrorKind::Invalid,
        };
        let mut error = ApiError::new(Method::Post, "/api/2.2/jobs/create", kind, message);
        error.status = Some(status);
        error.retry_after = retry_after.map(Duration::from_secs);
        Failure::refusal(error)
    }

    #[test]
    fn a_create_is_repeated_only_where_no_work_was_done() {
        let never = Request::post("job", "/api/2.2/jobs/create", serde_json::json!({}));
        let safe = never.clone().safe();
        let cases = [
            (429, "", None, true, true),
            (503, "", Some(1), true, true),
            (503, "", None, false, true),
            (500, "", None, false, true),
            (502, "", None, false, true),
            (504, "", None, false, true),
            (400, "There is no worker environment with id 7", None, true, true),
            (400, "Unexpected error", None, false, true),
            (500, "Please try again later or try a faster operation.", None, false, true),
            (400, "bad", None, false, false),
            (403, "", None, false, false),
            (409, "", None, false, false),
        ];
        for (status, message, after, once, twice) in cases {
            let failure = failure(status, message, after);
            assert_eq!((failure.may_repeat(&never), failure.may_repeat(&safe)), (once, twice), "{status} {message}");
        }
    }

    #[test]
    fn nobody_waits_for_a_quota() {
        let mut full = failure(429, "The quota for the number of jobs has been reached.", Some(1));
        assert!(full.may_repeat(&Request::get("job", "/x")));
        full.error.kind = ErrorKind::Quota;
        assert!(!full.may_repeat(&Request::get("job", "/x")));
    }

    #[test]
    fn a_secret_at_the_end_of_a_long_message_is_not_cut_in_two() {
        let said = format!("{}dapi{}", "x ".repeat(295), "0123456789abcdef".repeat(2));
        let error = conclude(&Request::get("job", "/x"), &Effort::new(Redactor::default()), failure(400, &said, None));
        assert!(!error.message.contains("dapi") && error.message.len() < 700, "{error}");
    }

    #[test]
    fn doubt_is_named_for_writes_alone() {
        let never = Request::post("job", "/x", serde_json::json!({}));
        let kind = |request: &Request, failure| conclude(request, &Effort::new(Redactor::default()), failure).kind;
        assert_eq!(kind(&never, failure(500, "", None)), ErrorKind::Ambiguous);
        assert_eq!(kind(&never.clone().safe(), failure(500, "", None)), ErrorKind::Server);
        assert_eq!(kind(&Request::get("job", "/x"), failure(500, "", None)), ErrorKind::Server);
        assert_eq!(kind(&never, failure(503, "", Some(1))), ErrorKind::Server, "it certainly did nothing");
        assert_eq!(kind(&never, failure(400, "", None)), ErrorKind::Invalid);
        assert_eq!(kind(&never, failure(400, "Unexpected error", None)), ErrorKind::Ambiguous);
    }
}

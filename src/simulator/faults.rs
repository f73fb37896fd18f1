//! What can go wrong on the way, on request: which call, how often, before or after the workspace did its work.

mod due;

pub(super) use due::Due;

use super::call::Call;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh64::xxh64;

/// The faults of one workspace. The first fault that fits a call and is due strikes.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Mutex<Vec<Planned>>,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    seen: u64,
    struck: u64,
    /// How often each call came, by its hash; only where chance decides.
    came: HashMap<u64, u64>,
}

/// One fault: what it strikes and how. In JSON, as `POST /_simulator/faults` takes it, only `action` is required.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// The HTTP method, or `*`.
    #[serde(default = "any")]
    pub method: String,
    /// The path, without query, still percent-encoded; `*` stands for any run of characters.
    #[serde(default = "any")]
    pub path: String,
    /// Text that the call must hold: in its query, as `key=value` without encoding, or in its body.
    #[serde(default)]
    pub containing: Option<String>,
    /// The first call that is struck, counted from 1 among those that fit.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many calls are struck from then on; 0 means all.
    #[serde(default = "one")]
    pub times: u64,
    /// Strikes only so many in a hundred of those calls, as `draw` decides; 100 means all.
    #[serde(default = "hundred")]
    pub percent: u64,
    /// The number from which it follows which calls are struck: the same call is struck at the same of its tries.
    #[serde(default)]
    pub draw: u64,
    /// Whether the workspace does its work before the fault strikes.
    #[serde(default)]
    pub after: bool,
    /// What the client sees.
    pub action: Action,
}

/// What the client of a struck call sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// A status with the service's usual error body; 429 and 503 may say how long to wait.
    Status {
        /// HTTP status.
        status: u16,
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// An error in one of the shapes in which errors are seen.
    Error {
        /// HTTP status; 200 is possible too.
        status: u16,
        /// `error_code`, where the shape has one.
        code: String,
        /// The text.
        message: String,
        /// The shape of the body.
        shape: ErrorShape,
    },
    /// The connection is closed and no answer ever comes.
    Close,
    /// The right answer, but only half of its bytes; then the connection breaks.
    CutBody,
    /// A page for people, with status 200: the sign of a proxy or of a session that ended.
    LoginPage,
    /// A redirect to `/login.html`, as private links answer.
    LoginRedirect,
    /// Status 200 and not a byte.
    Empty,
    /// Any JSON at all: an export without its content, a listing without its objects.
    Json {
        /// HTTP status.
        status: u16,
        /// The body.
        body: Value,
    },
    /// The right answer, late by so many milliseconds; the work is done at once only where the fault comes after it.
    Delay(u64),
    /// The right answer without the listed things that hold this text: what was made a moment ago does not show yet.
    Hide(String),
    /// The workspace loses this field of what is sent, and says nothing: a pointer (RFC 6901) into the body, `*` for every
    /// element of a list.
    Lose(String),
}

/// How long a client is told to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date (RFC 9110 section 10.2.3) so many seconds from now.
    DateIn(u64),
}

/// The shapes of error bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorShape {
    /// `{"error_code", "message", "details"}`.
    Standard,
    /// The same with a number for `error_code`.
    NumericCode,
    /// `{"message"}` alone.
    MessageOnly,
    /// `{"error"}`, of API 1.2 and some gateways.
    Old,
    /// SCIM's, without `error_code`.
    Scim,
    /// `CODE: message` as plain text.
    Text,
    /// HTML with a `<pre>`.
    Html,
    /// Nothing at all.
    Empty,
}

fn any() -> String {
    "*".to_owned()
}

fn one() -> u64 {
    1
}

fn hundred() -> u64 {
    100
}

impl Faults {
    /// Begins a fault for calls like `POST /api/2.2/jobs/create`; `*` stands for any method, and inside the path for anything.
    pub fn on(&self, call: &str) -> FaultBuilder<'_> {
        let (method, path) = call.split_once(' ').unwrap_or(("*", call));
        let fault = Fault {
            method: method.into(),
            path: path.into(),
            containing: None,
            nth: 1,
            times: 1,
            percent: 100,
            draw: 0,
            after: false,
            action: Action::Empty,
        };
        FaultBuilder { faults: self, fault }
    }

    /// Adds a fault.
    pub fn add(&self, fault: Fault) {
        self.planned().push(Planned { fault, seen: 0, struck: 0, came: HashMap::new() });
    }

    /// Forgets all faults.
    pub fn clear(&self) {
        self.planned().clear();
    }

    /// How many calls were struck so far by the faults that are still known.
    pub fn struck(&self) -> u64 {
        self.planned().iter().map(|planned| planned.struck).sum()
    }

    fn planned(&self) -> MutexGuard<'_, Vec<Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call; says which fault strikes it.
    pub(super) fn due(&self, call: &Call) -> Option<Due> {
        let mut due = None;
        for planned in self.planned().iter_mut().filter(|planned| planned.fault.fits(call)) {
            if !planned.is_drawn(call) {
                continue;
            }
            planned.seen += 1;
            let Fault { nth, times, .. } = planned.fault;
            if due.is_none() && planned.seen >= nth && (times == 0 || planned.seen - nth < times) {
                planned.struck += 1;
                due = Some(Due { action: planned.fault.action.clone(), after: planned.fault.after });
            }
        }
        due
    }
}

impl Planned {
    /// Whether chance lets a call be struck.
    fn is_drawn(&mut self, call: &Call) -> bool {
        let Fault { percent, draw, .. } = self.fault;
        if percent >= 100 {
            return true;
        }
        let hash = hash(call);
        let came = self.came.entry(hash).or_default();
        *came += 1;
        xxh64(&[hash.to_le_bytes(), came.to_le_bytes()].concat(), draw) % 100 < percent
    }
}

fn hash(call: &Call) -> u64 {
    let text = format!("{} {} {:?}", call.method, call.path, call.query);
    xxh64(&call.body, xxh64(text.as_bytes(), 0))
}

impl Fault {
    fn fits(&self, call: &Call) -> bool {
        let method = self.method == "*" || self.method.eq_ignore_ascii_case(&call.method);
        method && like(&self.path, &call.path) && self.containing.as_deref().is_none_or(|text| holds(call, text))
    }
}

fn holds(call: &Call, text: &str) -> bool {
    let asked = call.query.iter().any(|(key, value)| format!("{key}={value}").contains(text));
    asked || String::from_utf8_lossy(&call.body).contains(text)
}

/// Whether a text fits a pattern in which `*` stands for any run of characters.
fn like(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|cut| rest.is_char_boundary(*cut)).any(|cut| like(tail, &rest[cut..]))
}

/// A [`Fault`] in the making; ends with one of the methods that name what the client sees.
#[derive(Debug)]
#[must_use = "a fault strikes only when its action is named"]
pub struct FaultBuilder<'a> {
    faults: &'a Faults,
    fault: Fault,
}

impl FaultBuilder<'_> {
    /// Strikes from the n-th fitting call on, counted from 1.
    pub fn nth(mut self, nth: u64) -> Self {
        self.fault.nth = nth;
        self
    }

    /// Strikes so many calls instead of one; 0 means all.
    pub fn times(mut self, times: u64) -> Self {
        self.fault.times = times;
        self
    }

    /// Strikes only calls that hold this text: in the query, as `key=value` without encoding, or in the body.
    pub fn containing(mut self, text: &str) -> Self {
        self.fault.containing = Some(text.to_owned());
        self
    }

    /// Strikes all the time, but only so many in a hundred calls; which, follows from a number.
    pub fn percent(mut self, percent: u64, draw: u64) -> Self {
        (self.fault.percent, self.fault.draw, self.fault.times) = (percent, draw, 0);
        self
    }

    /// Lets the workspace do its work first.
    pub fn after_handler(mut self) -> Self {
        self.fault.after = true;
        self
    }

    /// Answers with this status.
    pub fn status(self, status: u16) {
        self.action(Action::Status { status, retry_after: None });
    }

    /// Answers 429 with this `Retry-After`.
    pub fn throttle(self, retry_after: RetryAfter) {
        self.action(Action::Status { status: 429, retry_after: Some(retry_after) });
    }

    /// Answers with a standard error body.
    pub fn error(self, status: u16, code: &str, message: &str) {
        self.action(Action::Error { status, code: code.into(), message: message.into(), shape: ErrorShape::Standard });
    }

    /// Closes the connection without an answer.
    pub fn close(self) {
        self.action(Action::Close);
    }

    /// Does any [`Action`].
    pub fn action(mut self, action: Action) {
        self.fault.action = action;
        self.faults.add(self.fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn patterns_fit_as_they_read() {
        assert!(like("/api/2.2/jobs/create", "/api/2.2/jobs/create"));
        assert!(like("/api/*/jobs/*", "/api/2.1/jobs/get"));
        assert!(like("*", ""));
        assert!(!like("/api/*/jobs", "/api/2.1/jobs/get"));
    }

    fn call(method: &str) -> Call {
        Call {
            method: method.into(),
            path: "/ab".into(),
            query: vec![("path".into(), "/x y".into())],
            headers: axum::http::HeaderMap::new(),
            body: Bytes::new(),
            form: Vec::new(),
            caller: String::new(),
        }
    }

    #[test]
    fn chance_strikes_its_share_and_the_same_calls_again() {
        let struck = |draw| {
            let faults = Faults::default();
            faults.on("*").percent(10, draw).status(503);
            (0..1000).map(|_| faults.due(&call("GET")).is_some()).collect::<Vec<_>>()
        };
        let count = struck(1).iter().filter(|struck| **struck).count();
        assert!((60..140).contains(&count), "{count}");
        assert!(struck(1) == struck(1) && struck(1) != struck(2));
    }

    #[test]
    fn strikes_the_second_and_third_call_only() {
        let faults = Faults::default();
        faults.on("GET /a*").containing("path=/x y").nth(2).times(2).status(503);
        let struck: Vec<_> = (0..5).map(|_| faults.due(&call("GET")).is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert!(faults.due(&call("POST")).is_none());
        assert_eq!(faults.struck(), 2);
    }
}

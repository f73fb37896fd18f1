//! Reads what a workspace answers: a value, or one of the seven shapes in which it says no.

use super::error::{ApiError, ErrorKind};
use super::request::{Method, Request};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Status, headers and body of an answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What an error body says, whatever its shape.
#[derive(Debug, Default, PartialEq)]
struct Said {
    code: Option<String>,
    message: String,
    reasons: Vec<String>,
    retry_after: Option<Duration>,
}

impl Answer {
    /// The JSON value of a success, `null` for an empty body; else the error that the answer stands for. A read without a body
    /// is no success: even an empty folder is `{}`, and what lost its body on the way must not pass for nothing at all.
    pub(super) fn into_value(self, request: &Request) -> Result<Value, ApiError> {
        if let Some(error) = self.refusal(request) {
            return Err(error);
        }
        if self.body.iter().all(u8::is_ascii_whitespace) {
            let lost = request.method == Method::Get;
            return if lost { Err(self.error(request, ErrorKind::Network, "the answer is empty")) } else { Ok(Value::Null) };
        }
        if self.is_html() {
            return Err(self.error(request, ErrorKind::Login, "an HTML page came instead of an answer"));
        }
        let value: Value = serde_json::from_slice(&self.body).map_err(|error| {
            self.error(request, ErrorKind::Protocol, "the answer is not JSON").with_cause(&error, &str::to_owned)
        })?;
        if is_error_in_disguise(&value) { Err(self.denial(request)) } else { Ok(value) }
    }

    /// The error that status and headers stand for; `None` for a 2xx.
    pub(super) fn refusal(&self, request: &Request) -> Option<ApiError> {
        match self.status {
            200..=299 => None,
            300..=399 => Some(self.redirect(request)),
            _ => Some(self.denial(request)),
        }
    }

    fn redirect(&self, request: &Request) -> ApiError {
        let target = self.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let place = target.split('?').next().unwrap_or_default();
        if target.contains("private-link-validation-error") {
            return self.error(
                request,
                ErrorKind::Login,
                "the workspace admits only its private endpoint (private-link-validation-error)",
            );
        }
        let page = place.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let kind = if page.starts_with("login") || place.contains("/oauth2/") || place.contains("/oidc/") {
            ErrorKind::Login
        } else {
            ErrorKind::Protocol
        };
        let message =
            if place.is_empty() { "a redirect to nowhere".to_owned() } else { shorten(&format!("a redirect to {place}")) };
        self.error(request, kind, &message)
    }

    fn denial(&self, request: &Request) -> ApiError {
        let said = self.said();
        let kind = classify(request, self.status, &said);
        let mut error = self.error(request, kind, &said.message);
        if self.is_html() && matches!(self.status, 401 | 403 | 407) {
            error.advice = Some(PAGE.to_owned());
        }
        error.retry_after = error.retry_after.or(said.retry_after);
        error.code = said.code;
        error.reasons = said.reasons;
        error
    }

    fn error(&self, request: &Request, kind: ErrorKind, message: &str) -> ApiError {
        let mut error = ApiError::new(request.method, &request.path, kind, message);
        error.status = Some(self.status);
        error.retry_after = self.headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now()));
        error
    }

    fn is_html(&self) -> bool {
        let declared = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        declared.starts_with("text/html") || self.body.trim_ascii_start().starts_with(b"<")
    }

    fn said(&self) -> Said {
        let text = String::from_utf8_lossy(&self.body);
        let text = text.trim();
        if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
            return from_json(&Value::Object(fields), self.status);
        }
        if text.is_empty() {
            return Said { message: "no reason was given".to_owned(), ..Said::default() };
        }
        if self.is_html() { from_html(text) } else { from_text(text) }
    }
}

/// 200 with nothing but an error inside.
fn is_error_in_disguise(value: &Value) -> bool {
    const PARTS: [&str; 6] = ["error_code", "message", "details", "error", "request_id", "stack_trace"];
    value.as_object().is_some_and(|fields| {
        fields.get("error_code").is_some_and(|code| !code.is_null()) && fields.keys().all(|key| PARTS.contains(&key.as_str()))
    })
}

/// The standard shape, API 1.2's `error`, and SCIM's `detail`.
fn from_json(value: &Value, status: u16) -> Said {
    let text = |key: &str| value[key].as_str().filter(|text| !text.is_empty());
    let code = match &value["error_code"] {
        Value::String(code) if !code.is_empty() => Some(shortened(code, MOST_CODE)),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    };
    let details = value["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reason = |detail: &Value| detail["reason"].as_str().map(|reason| shortened(reason, MOST_CODE));
    let reasons = details.iter().filter_map(reason).take(MOST_REASONS).collect();
    let retry_after = details.iter().find_map(|detail| seconds(detail["retry_delay"].as_str()?.strip_suffix('s')?));
    if let (None, Some(detail)) = (&code, text("detail")) {
        let message = [text("scimType"), Some(detail)].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let status = text("status").map_or_else(|| status.to_string(), |status| shortened(status, MOST_CODE));
        return Said { code: Some(format!("SCIM_{status}")), message: shorten(&message), reasons, retry_after };
    }
    let message =
        text("message").or_else(|| text("error")).or_else(|| text("error_description")).unwrap_or("no reason was given");
    Said { code, message: shorten(message), reasons, retry_after }
}

/// `CODE: message`, or text without a code.
fn from_text(text: &str) -> Said {
    let code = text.split_once(':').filter(|(code, _)| is_code(code));
    let (code, message) = code.map_or((None, text), |(code, message)| (Some(code.to_owned()), message.trim()));
    Said { code, message: shorten(message), ..Said::default() }
}

fn is_code(text: &str) -> bool {
    (3..=MOST_CODE).contains(&text.len()) && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// A gateway's page: the text of `<pre>`, else of `<title>`.
fn from_html(text: &str) -> Said {
    let inside = between(text, "<pre>", "</pre>").or_else(|| between(text, "<title>", "</title>"));
    let message = inside.map_or_else(|| "an HTML page".to_owned(), |inside| shorten(inside.trim()));
    Said { message, ..Said::default() }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let from = text.find(start)? + start.len();
    let to = text[from..].find(end)? + from;
    Some(&text[from..to]).filter(|inside| !inside.trim().is_empty())
}

/// The API refuses in JSON.
const PAGE: &str = "an HTML page refused this, so perhaps a proxy and not the workspace: check `HTTPS_PROXY`, host and token";

/// Characters of a code or reason that are kept; real ones have less than half of it.
const MOST_CODE: usize = 120;

/// Reasons of one answer that are kept.
const MOST_REASONS: usize = 8;

/// Much of a message is kept until secrets are taken out of it: one that was cut in two could not be known any more.
fn shorten(message: &str) -> String {
    shortened(message, 8192)
}

/// Messages carry whole stack traces at times; a person needs the first lines. Only for texts without secrets.
pub(super) fn told(message: &str) -> String {
    shortened(message, 600)
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Sorts a refusal: by `error_code`, then by words that stand for one, then by status.
fn classify(request: &Request, status: u16, said: &Said) -> ErrorKind {
    let code = said.code.as_deref().unwrap_or_default();
    let message = said.message.as_str();
    if is_not_found_in_disguise(request, code, message) {
        return ErrorKind::NotFound;
    }
    if ["FEATURE_DISABLED", "No metastore assigned", "No API found for"].iter().any(|words| message.contains(words)) {
        return ErrorKind::Unavailable;
    }
    if (400..500).contains(&status) && !matches!(status, 401 | 429) && is_limit(code, message) {
        return ErrorKind::Quota;
    }
    by_code(code, status)
        .or_else(|| (matches!(status, 400 | 409) && message.contains("already exists")).then_some(ErrorKind::AlreadyExists))
        .unwrap_or_else(|| by_status(status))
}

/// Limits on how many things there may be are often told in words alone.
fn is_limit(code: &str, message: &str) -> bool {
    let vague = matches!(code, "" | "INVALID_PARAMETER_VALUE" | "INVALID_STATE" | "BAD_REQUEST" | "PERMISSION_DENIED");
    let message = message.to_lowercase();
    let quota = message.contains("quota") && ["exceed", "reached", "exhausted"].iter().any(|word| message.contains(word));
    let most = ["reached the maximum number", "exceeds the maximum number", "exceeded the maximum number", "maximum number of"];
    let full = message.contains("limit") && message.contains("reached");
    vague && (quota || full || most.iter().any(|words| message.contains(words)))
}

fn by_code(code: &str, status: u16) -> Option<ErrorKind> {
    Some(match code {
        "UNAUTHENTICATED" | "CUSTOMER_UNAUTHORIZED" => ErrorKind::Unauthenticated,
        "PERMISSION_DENIED" => ErrorKind::Denied,
        "RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND" => ErrorKind::NotFound,
        "RESOURCE_ALREADY_EXISTS" | "ALREADY_EXISTS" | "SCIM_409" => ErrorKind::AlreadyExists,
        "FEATURE_DISABLED" | "ENDPOINT_NOT_FOUND" | "NOT_IMPLEMENTED" | "METASTORE_DOES_NOT_EXIST" => ErrorKind::Unavailable,
        "RESOURCE_EXHAUSTED" | "REQUEST_LIMIT_EXCEEDED" if status == 429 => ErrorKind::Throttled,
        "QUOTA_EXCEEDED"
        | "RESOURCE_LIMIT_EXCEEDED"
        | "RESOURCE_EXHAUSTED"
        | "REQUEST_LIMIT_EXCEEDED"
        | "MAX_CHILD_NODE_SIZE_EXCEEDED" => ErrorKind::Quota,
        "MAX_NOTEBOOK_SIZE_EXCEEDED" | "MAX_READ_SIZE_EXCEEDED" | "MAX_BLOCK_SIZE_EXCEEDED" => ErrorKind::TooLarge,
        "RESOURCE_CONFLICT" | "ABORTED" | "INVALID_STATE" | "DIRECTORY_NOT_EMPTY" => ErrorKind::Conflict,
        "INVALID_PARAMETER_VALUE" | "MALFORMED_REQUEST" => ErrorKind::Invalid,
        "INTERNAL_ERROR" | "TEMPORARILY_UNAVAILABLE" | "DEADLINE_EXCEEDED" => ErrorKind::Server,
        _ => return None,
    })
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthenticated,
        403 | 407 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        409 | 412 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::Throttled,
        501 => ErrorKind::Unavailable,
        408 | 499 | 500.. => ErrorKind::Server,
        400..=498 => ErrorKind::Invalid,
        _ => ErrorKind::Protocol,
    }
}

/// Clusters, jobs, runs and permissions say "not found" with a 400. A create that names a missing thing is another matter.
fn is_not_found_in_disguise(request: &Request, code: &str, message: &str) -> bool {
    let last = request.path.rsplit('/').next().unwrap_or_default();
    let asks_for_one = request.method.reads() || matches!(last, "delete" | "permanent-delete");
    asks_for_one
        && match code {
            "INVALID_PARAMETER_VALUE" => message.contains("does not exist"),
            "INVALID_STATE" => request.path.contains("/clusters/") && message.contains("Cluster"),
            _ => false,
        }
        || request.path.contains("/permissions/clusters/") && message.contains("Cannot access cluster")
}

/// `Retry-After` as seconds or as an HTTP date (RFC 9110 §10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    seconds(value.trim()).or_else(|| {
        let date = httpdate::parse_http_date(value.trim()).ok()?;
        Some(date.duration_since(now).unwrap_or(Duration::ZERO))
    })
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    fn check(request: &Request, answer: Answer, kind: ErrorKind, code: Option<&str>, message: &str) {
        let error = answer.into_value(request).unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (kind, code), "{error}");
        assert!(error.message.contains(message), "{error}");
    }

    #[test]
    fn all_seven_shapes_are_read() {
        let get = Request::get("job", "/api/2.2/jobs/get");
        let standard = r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no","details":[{"reason":"WHY"}]}"#;
        check(&get, answer(404, &[], standard), ErrorKind::NotFound, Some("RESOURCE_DOES_NOT_EXIST"), "no");
        check(&get, answer(400, &[], r#"{"error_code":1234,"message":"odd"}"#), ErrorKind::Invalid, Some("1234"), "odd");
        check(&get, answer(500, &[], r#"{"error":"old"}"#), ErrorKind::Server, None, "old");
        let scim = r#"{"schemas":["…Error"],"detail":"exists","status":"409","scimType":"uniqueness"}"#;
        check(&get, answer(409, &[], scim), ErrorKind::AlreadyExists, Some("SCIM_409"), "uniqueness exists");
        check(&get, answer(400, &[], "MALFORMED_REQUEST: bad"), ErrorKind::Invalid, Some("MALFORMED_REQUEST"), "bad");
        check(&get, answer(502, &[], "<html><pre>upstream</pre></html>"), ErrorKind::Server, None, "upstream");
        check(&get, answer(502, &[], "<html><title>Bad</title></html>"), ErrorKind::Server, None, "Bad");
        check(&get, answer(403, &[], ""), ErrorKind::Denied, None, "no reason");
        let login = &[("location", "https://x/login.html?error=private-link-validation-error")];
        check(&get, answer(302, login, ""), ErrorKind::Login, None, "private");
        check(&get, answer(303, &[("location", "/login.html")], ""), ErrorKind::Login, None, "login.html");
        check(&get, answer(301, &[("location", "https://other/")], ""), ErrorKind::Protocol, None, "other");
        check(&get, answer(200, &[("content-type", "text/html")], "<html>"), ErrorKind::Login, None, "HTML");
        check(
            &get,
            answer(200, &[], r#"{"error_code":"FEATURE_DISABLED","message":"off"}"#),
            ErrorKind::Unavailable,
            Some("FEATURE_DISABLED"),
            "off",
        );
        check(&get, answer(200, &[], "{\"cut"), ErrorKind::Protocol, None, "not JSON");
    }

    #[test]
    fn a_page_that_refuses_may_be_a_proxy_s() {
        let get = Request::get("job", "/x");
        for (status, body, proxy) in [(403, "<html><h1>Blocked</h1></html>", true), (407, "<p>", true), (403, "{}", false)] {
            let hint = answer(status, &[], body).into_value(&get).unwrap_err().hint().unwrap_or_default();
            assert_eq!(hint.contains("a proxy"), proxy, "{status} {body}: {hint}");
        }
    }

    #[test]
    fn the_code_decides_before_the_status() {
        let create = Request::post("cluster", "/api/2.1/clusters/create", json!({}));
        let cases = [
            (400, "RESOURCE_ALREADY_EXISTS", "", ErrorKind::AlreadyExists),
            (409, "ALREADY_EXISTS", "", ErrorKind::AlreadyExists),
            (409, "RESOURCE_CONFLICT", "", ErrorKind::Conflict),
            (400, "", "User with username x already exists.", ErrorKind::AlreadyExists),
            (400, "QUOTA_EXCEEDED", "", ErrorKind::Quota),
            (400, "RESOURCE_LIMIT_EXCEEDED", "", ErrorKind::Quota),
            (429, "RESOURCE_EXHAUSTED", "", ErrorKind::Throttled),
            (400, "RESOURCE_EXHAUSTED", "", ErrorKind::Quota),
            (429, "QUOTA_EXCEEDED", "The quota for the number of jobs has been reached.", ErrorKind::Quota),
            (400, "INVALID_PARAMETER_VALUE", "You have reached the maximum number of instance pools (100).", ErrorKind::Quota),
            (403, "PERMISSION_DENIED", "The workspace quota of clusters is exceeded", ErrorKind::Quota),
            (400, "", "The limit of 1000 job tags was reached", ErrorKind::Quota),
            (400, "INVALID_PARAMETER_VALUE", "max_concurrent_runs must not exceed 1000", ErrorKind::Invalid),
            (403, "FEATURE_DISABLED", "", ErrorKind::Unavailable),
            (404, "ENDPOINT_NOT_FOUND", "No API found for 'GET /x'", ErrorKind::Unavailable),
            (500, "INTERNAL_ERROR", "com.x: FEATURE_DISABLED: off", ErrorKind::Unavailable),
            (404, "", "No metastore assigned for the current workspace", ErrorKind::Unavailable),
            (400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "", ErrorKind::TooLarge),
            (400, "DIRECTORY_NOT_EMPTY", "", ErrorKind::Conflict),
            (400, "INVALID_PARAMETER_VALUE", "Cluster 1 does not exist", ErrorKind::Invalid),
            (400, "SOME_NEW_CODE", "", ErrorKind::Invalid),
            (404, "SOME_NEW_CODE", "", ErrorKind::NotFound),
        ];
        for (status, code, message, kind) in cases {
            let body = json!({"error_code": code, "message": message}).to_string();
            assert_eq!(answer(status, &[], &body).into_value(&create).unwrap_err().kind, kind, "{status} {code} {message}");
        }
    }

    #[test]
    fn not_found_in_disguise_counts_for_reads_and_deletes_only() {
        let body = r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"Job 7 does not exist."}"#;
        for request in [Request::get("job", "/api/2.2/jobs/get"), Request::post("job", "/api/2.2/jobs/delete", json!({}))] {
            check(&request, answer(400, &[], body), ErrorKind::NotFound, Some("INVALID_PARAMETER_VALUE"), "Job 7");
        }
        let reset = Request::post("job", "/api/2.2/jobs/create", json!({}));
        check(&reset, answer(400, &[], body), ErrorKind::Invalid, Some("INVALID_PARAMETER_VALUE"), "Job 7");
    }

    #[test]
    fn success_is_a_value_and_a_write_may_have_none() {
        let (get, delete) = (Request::get("job", "/x"), Request::delete("job", "/x"));
        assert_eq!(answer(200, &[], "").into_value(&delete).unwrap(), Value::Null);
        assert_eq!(answer(204, &[], " \n").into_value(&delete).unwrap(), Value::Null);
        assert_eq!(answer(200, &[], " \n").into_value(&get).unwrap_err().kind, ErrorKind::Network);
        let run = json!({"error_code": "X", "message": "m", "run_id": 1});
        assert_eq!(
            answer(200, &[], &run.to_string()).into_value(&get).unwrap(),
            run,
            "a payload that mentions an error is a payload"
        );
    }

    #[test]
    fn what_is_told_is_short_however_much_is_said() {
        let long = "LONG_".repeat(1 << 14);
        let get = Request::get("job", "/x");
        let bodies = [
            json!({"error_code": &long, "message": &long, "details": vec![json!({"reason": &long[..5000]}); 50]}).to_string(),
            json!({"detail": &long, "status": &long, "scimType": &long}).to_string(),
            format!("{long}: {long}"),
            format!("<html><pre>{long}</pre></html>"),
        ];
        for body in bodies {
            let error = answer(400, &[], &body).into_value(&get).unwrap_err();
            let told = format!("{error} {:?} {:?}", error.code, error.reasons);
            assert!(told.len() < 16_000, "{}", told.len());
        }
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 10:00:00 GMT").unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 22 Nov 2026 10:00:09 GMT", now), Some(Duration::from_secs(9)));
        assert_eq!(retry_after("Sun, 22 Nov 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}

//! One call as the handlers see it, and what they may answer.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: String,
    /// As sent, percent-encoding and all.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The fields of a multipart body.
    pub(super) form: Vec<(String, Bytes)>,
    /// User name or application id of the caller; set once the token is known.
    pub(super) caller: String,
}

impl Call {
    /// A query parameter that is there and not empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name)?;
        Some(found.1.as_str()).filter(|text| !text.is_empty())
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Problem> {
        self.query(name).ok_or_else(|| Problem::invalid(format!("Missing required field: {name}")))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.query(name) else { return Ok(None) };
        let wrong = |_| Problem::invalid(format!("Invalid value for parameter {name}: '{text}'"));
        text.parse().map(Some).map_err(wrong)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as a JSON object, whatever content type the client claims; no body is an empty object.
    pub(super) fn json(&self) -> Result<Map<String, Value>, Problem> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        let wrong = |what: String| Problem::new(400, "MALFORMED_REQUEST", format!("Could not parse request object: {what}"));
        match serde_json::from_slice(&self.body).map_err(|cause| wrong(cause.to_string()))? {
            Value::Object(object) => Ok(object),
            _ => Err(wrong("Expected 'START_OBJECT'".to_owned())),
        }
    }
}

/// Reading fields out of a request's object, with the service's own complaints.
pub(super) trait Fields {
    fn text(&self, name: &str) -> Option<&str>;
    fn need(&self, name: &str) -> Result<&str, Problem>;
    fn yes(&self, name: &str) -> bool;
    fn int(&self, name: &str) -> Option<i64>;
    fn list(&self, name: &str) -> &[Value];
}

impl Fields for Map<String, Value> {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn need(&self, name: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| Problem::invalid(format!("Missing required field: {name}")))
    }

    fn yes(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == true || value == "true")
    }

    fn int(&self, name: &str) -> Option<i64> {
        let value = self.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// What a handler comes to.
pub(super) type Answer = Result<Reply, Problem>;

/// A good answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content: Content,
    pub(super) headers: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub(super) enum Content {
    Json(Value),
    Scim(Value),
    Bytes(Bytes),
    Html(String),
    Text(String),
    Empty,
}

impl Reply {
    pub(super) fn new(status: u16, content: Content) -> Self {
        Self { status, content, headers: Vec::new() }
    }

    #[expect(clippy::unnecessary_wraps, reason = "handlers end in it")]
    pub(super) fn json(value: Value) -> Answer {
        Ok(Self::new(200, Content::Json(value)))
    }

    /// The `{}` of calls that have nothing to say.
    pub(super) fn done() -> Answer {
        Self::json(json!({}))
    }

    #[expect(clippy::unnecessary_wraps, reason = "handlers end in it")]
    pub(super) fn status(status: u16) -> Answer {
        Ok(Self::new(status, Content::Empty))
    }

    /// A list under its key; an empty one is left out, as the service does.
    pub(super) fn list(key: &str, items: Vec<Value>) -> Answer {
        let mut object = Map::new();
        if !items.is_empty() {
            object.insert(key.to_owned(), Value::Array(items));
        }
        Self::json(Value::Object(object))
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let (kind, bytes) = match self.content {
            Content::Json(value) => ("application/json", Bytes::from(extra(value).to_string())),
            Content::Scim(value) => ("application/scim+json", Bytes::from(value.to_string())),
            Content::Bytes(bytes) => ("application/octet-stream", bytes),
            Content::Html(text) => ("text/html;charset=utf-8", Bytes::from(text)),
            Content::Text(text) => ("text/plain", Bytes::from(text)),
            Content::Empty => ("", Bytes::new()),
        };
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let own = self.headers.into_iter().chain((!kind.is_empty()).then(|| ("content-type", kind.to_owned())));
        for (name, value) in own {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().entry(HeaderName::from_static(name)).or_insert(value);
            }
        }
        response
    }
}

/// Real answers carry fields that no document names; so does every answer here that says anything at all.
fn extra(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut().filter(|object| !object.is_empty() && !object.contains_key("error_code")) {
        object.insert("undocumented_note".to_owned(), json!({ "since": "2026-06", "level": 3 }));
    }
    value
}

/// A refusal.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) details: Vec<Value>,
    /// SCIM has an error body of its own, without `error_code`.
    pub(super) scim: bool,
}

impl Problem {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), details: Vec::new(), scim: false }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_PARAMETER_VALUE", message)
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BAD_REQUEST", message)
    }

    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "RESOURCE_DOES_NOT_EXIST", message)
    }

    pub(super) fn exists(message: impl Into<String>) -> Self {
        Self::new(400, "RESOURCE_ALREADY_EXISTS", message)
    }

    pub(super) fn state(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_STATE", message)
    }

    pub(super) fn scim(status: u16, kind: &str, detail: impl Into<String>) -> Self {
        Self { scim: true, ..Self::new(status, kind, detail) }
    }

    pub(super) fn no_endpoint(call: &Call) -> Self {
        let path = call.path.strip_prefix("/api").unwrap_or(&call.path);
        Self::new(404, "ENDPOINT_NOT_FOUND", format!("No API found for '{} {path}'", call.method))
    }

    pub(super) fn into_reply(self) -> Reply {
        if self.scim {
            let schema = "urn:ietf:params:scim:api:messages:2.0:Error";
            let mut body = json!({ "schemas": [schema], "detail": self.message, "status": self.status.to_string() });
            if !self.code.is_empty() {
                body["scimType"] = json!(self.code);
            }
            return Reply::new(self.status, Content::Scim(body));
        }
        let mut details = self.details;
        details.push(
            json!({ "@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": "8a4f2c1e-0000", "serving_data": "" }),
        );
        let body = json!({ "error_code": self.code, "message": self.message, "details": details });
        Reply::new(self.status, Content::Json(body))
    }
}

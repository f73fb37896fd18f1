//! What a fault makes of a call and of its answer.

use super::{Action, ErrorShape, RetryAfter};
use crate::simulator::call::{Call, Content, Reply};
use crate::simulator::line::Switch;
use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// A fault that strikes a call now.
#[derive(Debug)]
pub(in crate::simulator) struct Due {
    pub(super) action: Action,
    pub(super) after: bool,
}

impl Due {
    pub(in crate::simulator) fn delay(&self) -> Option<Duration> {
        if let Action::Delay(milliseconds) = self.action { Some(Duration::from_millis(milliseconds)) } else { None }
    }

    /// Takes out of what is sent what gets lost on the way in.
    pub(in crate::simulator) fn spoil_call(&self, call: &mut Call) {
        let Action::Lose(at) = &self.action else { return };
        let Ok(mut body) = serde_json::from_slice::<Value>(&call.body) else { return };
        let segments: Vec<&str> = at.split('/').skip(1).collect();
        lose(&mut body, &segments);
        call.body = Bytes::from(body.to_string());
    }

    /// Whether the workspace does its work before anything else, even before a delay.
    pub(in crate::simulator) fn runs_handler_first(&self) -> bool {
        self.after
    }

    pub(in crate::simulator) fn runs_handler(&self) -> bool {
        self.after || matches!(self.action, Action::Delay(_) | Action::CutBody | Action::Hide(_) | Action::Lose(_))
    }

    /// Turns the right answer, where there is one, into what the client sees.
    pub(in crate::simulator) fn spoil(self, reply: Option<Reply>, switch: &Switch) -> Response<Body> {
        match self.action {
            Action::Status { status, retry_after } => limited(status, retry_after).into_response(),
            Action::Error { status, code, message, shape } => shaped(status, &code, &message, shape).into_response(),
            Action::Close => {
                switch.cut();
                nothing().into_response()
            }
            Action::CutBody => halved(reply.unwrap_or_else(nothing).into_response()),
            Action::LoginPage => Reply::new(200, Content::Html(LOGIN.to_owned())).into_response(),
            Action::LoginRedirect => {
                let place = "/login.html?error=private-link-validation-error";
                Reply::new(303, Content::Empty).with("location", place).into_response()
            }
            Action::Empty => nothing().into_response(),
            Action::Json { status, body } => Reply::new(status, Content::Json(body)).into_response(),
            Action::Delay(_) | Action::Lose(_) => reply.unwrap_or_else(nothing).into_response(),
            Action::Hide(text) => hidden(reply.unwrap_or_else(nothing), &text).into_response(),
        }
    }
}

const LOGIN: &str =
    "<!DOCTYPE html><html><head><title>Sign in - Databricks</title></head><body><form>Sign in</form></body></html>";

fn nothing() -> Reply {
    Reply::new(200, Content::Empty)
}

fn limited(status: u16, retry_after: Option<RetryAfter>) -> Reply {
    let (code, message) = match status {
        429 => ("REQUEST_LIMIT_EXCEEDED", "Too many requests. Please wait a moment and try again."),
        503 => ("TEMPORARILY_UNAVAILABLE", "The service at this path is taking too long to process your request."),
        504 => ("DEADLINE_EXCEEDED", "Operation timed out after 60 seconds."),
        403 => ("PERMISSION_DENIED", "The caller lacks permission for this operation."),
        _ => ("INTERNAL_ERROR", "An internal error occurred while processing the request."),
    };
    let reply = shaped(status, code, message, ErrorShape::Standard);
    match retry_after {
        None => reply,
        Some(RetryAfter::Seconds(seconds)) => reply.with("retry-after", seconds.to_string()),
        Some(RetryAfter::DateIn(seconds)) => {
            reply.with("retry-after", httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds)))
        }
    }
}

fn shaped(status: u16, code: &str, message: &str, shape: ErrorShape) -> Reply {
    let content = match shape {
        ErrorShape::Standard => Content::Json(json!({ "error_code": code, "message": message })),
        ErrorShape::NumericCode => Content::Json(json!({ "error_code": status, "message": message })),
        ErrorShape::MessageOnly => Content::Json(json!({ "message": message })),
        ErrorShape::Old => Content::Json(json!({ "error": message })),
        ErrorShape::Scim => {
            let schema = "urn:ietf:params:scim:api:messages:2.0:Error";
            Content::Scim(json!({ "schemas": [schema], "detail": message, "status": status.to_string(), "scimType": code }))
        }
        ErrorShape::Text => Content::Text(format!("{code}: {message}")),
        ErrorShape::Html => {
            Content::Html(format!("<html><head><title>Error</title></head><body><pre>{message}</pre></body></html>"))
        }
        ErrorShape::Empty => Content::Empty,
    };
    Reply::new(status, content)
}

/// Takes a field out; the last segment names it.
fn lose(value: &mut Value, segments: &[&str]) {
    match (segments, value) {
        ([name], Value::Object(members)) => drop(members.shift_remove(&name.replace("~1", "/").replace("~0", "~"))),
        (["*", rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|item| lose(item, rest)),
        ([name, rest @ ..], Value::Object(members)) => {
            members.get_mut(&name.replace("~1", "/").replace("~0", "~")).into_iter().for_each(|member| lose(member, rest));
        }
        _ => {}
    }
}

/// An answer whose lists lack what holds this text.
fn hidden(mut reply: Reply, text: &str) -> Reply {
    if let Content::Json(Value::Object(members)) | Content::Scim(Value::Object(members)) = &mut reply.content {
        for items in members.values_mut().filter_map(Value::as_array_mut) {
            items.retain(|item| !item.to_string().contains(text));
        }
    }
    reply
}

/// Promises the whole body and breaks the connection in the middle of it.
fn halved(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::HttpBody::size_hint(&body).exact().unwrap_or(0);
    parts.headers.insert("content-length", whole.into());
    let half = futures_util::stream::once(async move {
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        Ok(bytes.slice(..bytes.len() / 2))
    });
    // The pause lets the first half reach the client before the line breaks.
    let end = futures_util::stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    Response::from_parts(parts, Body::from_stream(half.chain(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_get_lost_and_things_hide() {
        let mut body = json!({"a": {"b/c": 1, "d": 2}, "list": [{"x": 1, "y": 2}, {"x": 3}]});
        lose(&mut body, &["a", "b~1c"]);
        lose(&mut body, &["list", "*", "x"]);
        lose(&mut body, &["none", "y"]);
        assert_eq!(body, json!({"a": {"d": 2}, "list": [{"y": 2}, {}]}));
        let listing = Reply::new(200, Content::Json(json!({"jobs": [{"n": "old"}, {"n": "new"}], "has_more": false})));
        let Content::Json(shown) = hidden(listing, "new").content else { panic!("JSON stays JSON") };
        assert_eq!(shown, json!({"jobs": [{"n": "old"}], "has_more": false}));
    }
}

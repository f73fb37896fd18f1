//! What is asked of a workspace, as data: a [`Request`] says by itself whether it may be sent twice.

use crate::spool::Blob;
use serde_json::Value;
use std::fmt;

/// HTTP methods that the Databricks REST API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates and acts; never repeated unless the request says that it may be.
    Post,
    /// Replaces.
    Put,
    /// Changes in part.
    Patch,
    /// Removes.
    Delete,
    /// Reads headers alone (Files API).
    Head,
}

impl Method {
    /// The method as HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }

    /// Whether the method by itself changes nothing (RFC 9110 §9.2.1).
    pub fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a request may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Sending it twice has the effect of sending it once: reads, `mkdirs`, `secrets/put`, `import` with overwrite, …
    Safe,
    /// Sending it twice may make two things. It is repeated only where it certainly did no work.
    Never,
}

/// Media type of a JSON body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`
    #[default]
    Json,
    /// `application/scim+json`, which the SCIM endpoints want.
    Scim,
}

impl ContentType {
    /// The media type as a header value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Scim => "application/scim+json",
        }
    }
}

/// One request to the REST API. The host, the credentials and the pace are the workspace's business.
#[derive(Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Path from the host on, such as `/api/2.2/jobs/list`, percent-encoded where names stand in it: see [`encode_path`].
    pub path: String,
    /// Query in the order given, not yet encoded. Arrays repeat the key, nested fields are joined by dots.
    pub query: Vec<(String, String)>,
    /// JSON body.
    pub body: Option<Value>,
    /// Media type of the JSON body.
    pub content_type: ContentType,
    /// Whether it may be sent again after an answer was lost.
    pub repeat: Repeat,
    /// Under which name it is counted: the kind of object that it serves.
    pub label: &'static str,
    /// Bytes that a download may bring at most.
    pub most: u64,
    /// What it is sent for.
    pub purpose: Purpose,
}

/// What a request is sent for: what an export of a workspace that did not change has to ask again, and what not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Listings, and whatever else is asked once for many objects.
    #[default]
    Listing,
    /// One object, where no listing says when it was changed.
    Unmarked,
    /// The contents of one object, where a listing says when it was changed.
    Contents,
}

impl Purpose {
    /// As it stands in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listing => "listings",
            Self::Unmarked => "unmarked",
            Self::Contents => "contents",
        }
    }
}

/// Says what is asked, never the body: bodies hold secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, for {}, {:?})", self.method, self.path, self.label, self.repeat)
    }
}

impl Request {
    /// A request without query or body; reads are safe to repeat, all else is not until [`Request::safe`] says so.
    pub fn new(method: Method, label: &'static str, path: impl Into<String>) -> Self {
        let repeat = if method.reads() { Repeat::Safe } else { Repeat::Never };
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            content_type: ContentType::Json,
            repeat,
            label,
            most: u64::MAX,
            purpose: Purpose::default(),
        }
    }

    /// Says what it is sent for, if it is no listing.
    #[must_use]
    pub fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Reads.
    pub fn get(label: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::Get, label, path)
    }

    /// Reads headers alone.
    pub fn head(label: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::Head, label, path)
    }

    /// Creates or acts; not repeated blindly.
    pub fn post(label: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::Post, label, path).body(body)
    }

    /// Replaces; not repeated blindly.
    pub fn put(label: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::Put, label, path).body(body)
    }

    /// Changes in part; not repeated blindly.
    pub fn patch(label: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::Patch, label, path).body(body)
    }

    /// Removes; not repeated blindly.
    pub fn delete(label: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::Delete, label, path)
    }

    /// Adds one pair to the query.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets the JSON body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends the body as `application/scim+json`.
    #[must_use]
    pub fn scim(mut self) -> Self {
        self.content_type = ContentType::Scim;
        self
    }

    /// Says that sending it twice does what sending it once does.
    #[must_use]
    pub fn safe(mut self) -> Self {
        self.repeat = Repeat::Safe;
        self
    }

    /// Takes so many bytes of a download at most; what is larger is [`super::ErrorKind::TooLarge`].
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.most = bytes;
        self
    }

    /// The value of a query parameter, where it is set.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A body that is streamed from a [`Blob`], and read from its start again when the request is repeated.
#[derive(Clone, Debug)]
pub enum Upload {
    /// The bytes as they are, as `application/octet-stream` (Files API).
    Raw(Blob),
    /// `multipart/form-data` with text fields and the file in the part `content` (`workspace/import`).
    Multipart {
        /// Text fields in the order in which they are sent.
        fields: Vec<(String, String)>,
        /// The bytes of the part `content`; may be empty, is always sent.
        file: Blob,
    },
}

impl Upload {
    /// The bytes to be sent, without what multipart adds.
    pub fn blob(&self) -> &Blob {
        match self {
            Self::Raw(blob) | Self::Multipart { file: blob, .. } => blob,
        }
    }
}

/// How a listing is split into pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// The answer is the whole list.
    None,
    /// The answer names the next page. An absent, null or empty token ends the list; an empty page does not.
    Token {
        /// Query parameter that takes the token: `page_token`.
        query: &'static str,
        /// Field of the answer that holds it: `next_page_token`.
        answer: &'static str,
    },
    /// SCIM: `startIndex` counts from 1 and grows by what really came; only an empty page ends the list (RFC 7644 §3.4.2.4).
    Scim {
        /// Asked for per page; a server may give fewer.
        count: u32,
    },
    /// `/preview/sql/*`: `page` counts from 1, the answer says `count` for the whole list.
    Numbered {
        /// Asked for per page.
        page_size: u32,
    },
}

impl Paging {
    /// The style of most lists: `page_token` and `next_page_token`.
    pub const TOKEN: Self = Self::Token { query: "page_token", answer: "next_page_token" };
}

/// Percent-encodes a path of names and keeps its slashes: `/Volumes/main/a b` becomes `/Volumes/main/a%20b`.
pub fn encode_path(path: &str) -> String {
    path.split('/').map(encode_segment).collect::<Vec<_>>().join("/")
}

/// Percent-encodes one name for use between two slashes of a path.
pub fn encode_segment(segment: &str) -> String {
    percent_encoding::utf8_percent_encode(segment, PLAIN).to_string()
}

/// All but the unreserved characters of RFC 3986 §2.3.
const PLAIN: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_reads_are_safe_by_themselves() {
        assert_eq!(Request::get("job", "/x").repeat, Repeat::Safe);
        assert_eq!(Request::head("job", "/x").repeat, Repeat::Safe);
        assert_eq!(Request::post("job", "/x", json!({})).repeat, Repeat::Never);
        assert_eq!(Request::put("job", "/x", json!({})).repeat, Repeat::Never);
        assert_eq!(Request::delete("job", "/x").repeat, Repeat::Never);
        assert_eq!(Request::delete("job", "/x").safe().repeat, Repeat::Safe);
    }

    #[test]
    fn paths_keep_slashes_and_nothing_else_that_means_something() {
        assert_eq!(encode_path("/Volumes/a b/50%?#é:.csv"), "/Volumes/a%20b/50%25%3F%23%C3%A9%3A.csv");
    }

    #[test]
    fn debug_never_shows_the_body() {
        let request = Request::post("secret", "/api/2.0/secrets/put", json!({"string_value": "canary"}));
        assert!(!format!("{request:?}").contains("canary"));
    }
}

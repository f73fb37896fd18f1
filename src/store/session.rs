//! Uploads to Google Cloud Storage, by its JSON interface: what the store crate sends knows a condition only in one request, which
//! must fit into memory. A session is made under the condition that the name is free, takes pieces in their order, tells how far it
//! has come when an answer was lost, and makes the object once all is there and has the digest that the session was told.

use super::client::Client;
use super::error::{StoreError, StoreErrorKind};
use super::source::Source;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use md5::{Digest, Md5};
use object_store::HeaderValue;
use object_store::client::{HttpConnector, HttpRequest, HttpResponse, ReqwestConnector};
use reqwest::Url;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sent at once, in bytes: a multiple of 256 KiB, as the service demands.
const PIECE: u64 = 8 << 20;
/// A service that does not answer is given up after so long.
const PATIENCE: Duration = Duration::from_mins(5);

/// Puts an object under a name that is free. Errors: `Taken`, or what the store says.
pub(super) async fn put(client: &Client, file: &Arc<File>, size: u64) -> Result<(), StoreError> {
    let hashed = file.clone();
    let md5 = tokio::task::spawn_blocking(move || digest(&hashed, size)).await;
    let md5 = md5.map_err(io::Error::other).flatten().map_err(|error| local(&error))?;
    let session = begin(client, &md5).await?;
    let (mut at, mut since, mut pause) = (0, Instant::now(), Duration::from_millis(200));
    loop {
        match piece(client, &session, file, at, size).await {
            Ok(Step::Done) => return Ok(()),
            Ok(Step::At(next)) if next > at => (at, since, pause) = (next, Instant::now(), Duration::from_millis(200)),
            Err(error) if error.kind() != StoreErrorKind::Silent || since.elapsed() > PATIENCE => return Err(error),
            Ok(Step::At(_)) if since.elapsed() > PATIENCE => {
                return Err(StoreError::new(StoreErrorKind::Silent, "the store takes no more of the bundle"));
            }
            _ => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(15));
                match ask(client, &session, Bytes::new(), "bytes */*").await {
                    Ok(Step::Done) => return Ok(()),
                    Ok(Step::At(there)) => at = there,
                    // It did not answer this either: the next turn asks again.
                    Err(error) if error.kind() == StoreErrorKind::Silent => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// Puts a small object, in one request.
pub(super) async fn put_small(client: &Client, bytes: Vec<u8>, replace: bool) -> Result<(), StoreError> {
    let mut request = request(client, "media", !replace, Bytes::from(bytes)).await?;
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    let answer = execute(client, request).await?;
    if answer.status().is_success() { Ok(()) } else { Err(refused(&answer)) }
}

enum Step {
    Done,
    /// So many bytes are there.
    At(u64),
}

async fn begin(client: &Client, md5: &str) -> Result<String, StoreError> {
    let body = serde_json::json!({ "md5Hash": md5, "contentType": "application/octet-stream" }).to_string();
    let mut request = request(client, "resumable", true, Bytes::from(body)).await?;
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    let answer = execute(client, request).await?;
    if !answer.status().is_success() {
        return Err(refused(&answer));
    }
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
    location
        .map(str::to_owned)
        .ok_or_else(|| StoreError::new(StoreErrorKind::Other, "the store begins an upload and does not say where"))
}

async fn piece(client: &Client, session: &str, file: &Arc<File>, at: u64, size: u64) -> Result<Step, StoreError> {
    let end = size.min(at + PIECE);
    let mut bytes = vec![0; usize::try_from(end - at).unwrap_or_default()];
    file.read_at(at, &mut bytes).map_err(|error| local(&error))?;
    let range = if size == 0 { "bytes */0".to_owned() } else { format!("bytes {at}-{}/{size}", end - 1) };
    ask(client, session, bytes.into(), &range).await
}

async fn ask(client: &Client, session: &str, bytes: Bytes, range: &str) -> Result<Step, StoreError> {
    let mut request = HttpRequest::new(bytes.into());
    *request.method_mut() = "PUT".parse().map_err(wrong)?;
    *request.uri_mut() = session.parse().map_err(wrong)?;
    request.headers_mut().insert("content-range", HeaderValue::try_from(range).map_err(wrong)?);
    let answer = execute(client, request).await?;
    match answer.status().as_u16() {
        308 => {
            let there =
                answer.headers().get("range").and_then(|value| value.to_str().ok()?.rsplit_once('-')?.1.parse::<u64>().ok());
            Ok(Step::At(there.map_or(0, |last| last + 1)))
        }
        200 | 201 => Ok(Step::Done),
        _ => Err(refused(&answer)),
    }
}

async fn request(client: &Client, kind: &str, only_new: bool, body: Bytes) -> Result<HttpRequest, StoreError> {
    let gcs = client.google.as_ref().ok_or_else(|| wrong("it is no bucket of Google Cloud"))?;
    let mut url = Url::parse(&gcs.base).map_err(wrong)?;
    url.path_segments_mut().map_err(|()| wrong("it has no address"))?.pop_if_empty().extend([
        "upload",
        "storage",
        "v1",
        "b",
        &client.remote.container,
        "o",
    ]);
    url.query_pairs_mut().append_pair("uploadType", kind).append_pair("name", client.remote.key.as_ref());
    if only_new {
        url.query_pairs_mut().append_pair("ifGenerationMatch", "0");
    }
    let mut request = HttpRequest::new(body.into());
    *request.method_mut() = "POST".parse().map_err(wrong)?;
    *request.uri_mut() = url.as_str().parse().map_err(wrong)?;
    let credential = gcs.store.credentials().get_credential().await?;
    if !credential.bearer.is_empty() {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", credential.bearer)).map_err(|_| wrong("a token is none"))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert("authorization", bearer);
    }
    Ok(request)
}

async fn execute(client: &Client, request: HttpRequest) -> Result<HttpResponse, StoreError> {
    let sent = ReqwestConnector::default().connect(client.options())?.execute(request).await;
    sent.map_err(|_| StoreError::new(StoreErrorKind::Silent, "the store does not answer (the connection broke)"))
}

fn refused(answer: &HttpResponse) -> StoreError {
    let status = answer.status().as_u16();
    match status {
        412 => StoreError::new(StoreErrorKind::Taken, "the name is taken, and a bundle is never overwritten"),
        // What had a wrong digest is thrown away.
        404 => StoreError::new(StoreErrorKind::NoContainer, "there is no such bucket, or the upload was given up"),
        _ => StoreError::answered(status, ""),
    }
}

fn digest(file: &File, size: u64) -> io::Result<String> {
    let (mut md5, mut buffer, mut at) = (Md5::new(), vec![0; 1 << 20], 0);
    while at < size {
        let want = usize::try_from((size - at).min(1 << 20)).unwrap_or_default();
        file.read_at(at, &mut buffer[..want])?;
        md5.update(&buffer[..want]);
        at += want as u64;
    }
    Ok(BASE64_STANDARD.encode(md5.finalize()))
}

fn local(error: &io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Other, format!("cannot read the bundle that is to be sent: {error}"))
}

fn wrong(error: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Other, error.to_string())
}

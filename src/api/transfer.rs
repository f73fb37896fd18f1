//! Bodies that do not belong in memory: downloads into the spool, uploads out of it.
//!
//! - A body shorter than announced is an error, never data. A body of unknown length must at least have an end that HTTP can
//!   tell from a cut; downloads therefore ask for bytes as they are, without compression.
//! - A cut download from the Files API goes on where it stopped, if the file has not changed; any other starts again.
//! - Time is limited by silence alone, 60 s without a byte (`idle_timeout`), and by a trickle that would never end (`slowest`);
//!   size by what the request allows ([`Request::most`]).

use super::error::{ApiError, ErrorKind};
use super::pace::Family;
use super::request::{Request, Upload};
use super::retry::{Effort, Failure};
use super::send::{Head, Sending};
use super::{Inner, Workspace};
use crate::spool::{Blob, BlobReader, Incoming, Spool};
use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE, TRANSFER_ENCODING,
};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder, Response, StatusCode, Version};
use serde_json::Value;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::time::timeout;

/// What a first answer said about the file, so that a second can be fitted to it.
#[derive(Default)]
struct Known {
    modified: Option<String>,
    total: Option<u64>,
}

/// A download on its way.
struct Arrival<'a> {
    into: &'a mut Incoming,
    start: u64,
    known: Known,
}

impl Arrival<'_> {
    fn got(&self) -> u64 {
        self.into.written() - self.start
    }
}

impl Workspace {
    /// Streams a body to the end of `into`; gives its length in bytes.
    ///
    /// Errors: after [`ErrorKind::Network`] half a body may stand in `into`, which is then good for nothing.
    /// [`Workspace::download_blob`] starts again by itself. [`ErrorKind::Local`] is a full disk.
    pub async fn download(&self, request: &Request, into: &mut Incoming) -> Result<u64, ApiError> {
        let start = into.written();
        let arrival = tokio::sync::Mutex::new(Arrival { into, start, known: Known::default() });
        let effort = self.effort(request);
        self.persist(request, &effort, || async {
            let mut arrival = arrival.lock().await;
            let outcome = self.inner.fetch(request, &effort, &mut arrival).await;
            let stuck = arrival.got() > 0 && !can_resume(request, &arrival.known);
            outcome.map_err(|failure| Failure { spoilt: failure.spoilt || stuck, ..failure })
        })
        .await?;
        let arrival = arrival.into_inner();
        Ok(arrival.got())
    }

    /// Streams a body into a blob of its own, as often as it takes to get it whole.
    pub async fn download_blob(&self, request: &Request, spool: &Spool) -> Result<Blob, ApiError> {
        let disk = |error| Failure { spoilt: true, ..Failure::before_work(disk_error(request, &error)) };
        let held: tokio::sync::Mutex<Option<(Incoming, Known)>> = tokio::sync::Mutex::default();
        let effort = self.effort(request);
        self.persist(request, &effort, || async {
            let mut held = held.lock().await;
            let (mut incoming, known) = match held.take() {
                Some((incoming, known)) if can_resume(request, &known) => (incoming, known),
                _ => (spool.begin().map_err(disk)?, Known::default()),
            };
            let mut arrival = Arrival { into: &mut incoming, start: 0, known };
            let outcome = self.inner.fetch(request, &effort, &mut arrival).await;
            let known = arrival.known;
            match outcome {
                Ok(()) => incoming.finish().map_err(disk),
                Err(failure) if failure.spoilt => Err(Failure { spoilt: failure.error.kind != ErrorKind::Network, ..failure }),
                Err(failure) => {
                    *held = Some((incoming, known));
                    Err(failure)
                }
            }
        })
        .await
    }

    /// Streams a body out of the spool, from its start again for every try; gives the JSON answer.
    pub async fn upload(&self, request: &Request, body: Upload) -> Result<Value, ApiError> {
        let effort = self.effort(request);
        self.persist(request, &effort, || self.inner.push(request, &effort, &body)).await
    }
}

impl Inner {
    /// One try: the whole body, or what is left of it.
    async fn fetch(&self, request: &Request, effort: &Effort, arrival: &mut Arrival<'_>) -> Result<(), Failure> {
        let (from, modified) = (arrival.got(), arrival.known.modified.clone());
        let make = |builder: RequestBuilder| {
            let builder = builder.header(ACCEPT_ENCODING, "identity");
            match (&modified, from) {
                (Some(modified), 1..) => builder.header(RANGE, format!("bytes={from}-")).header(IF_UNMODIFIED_SINCE, modified),
                _ => builder,
            }
        };
        let Head { mut response, permit } =
            self.head(request, effort, make, |sending| timeout(self.options.idle_timeout, sending)).await.map_err(changed)?;
        check_head(request, &response, arrival)?;
        let start = Instant::now();
        let outcome = self.drain(request, &mut response, arrival, start).await;
        effort.spend(start.elapsed());
        drop(permit);
        outcome?;
        self.pacer.succeeded(Family::of(request));
        Ok(())
    }

    async fn drain(
        &self,
        request: &Request,
        response: &mut Response,
        arrival: &mut Arrival<'_>,
        start: Instant,
    ) -> Result<(), Failure> {
        let before = arrival.got();
        loop {
            match timeout(self.patience(start, arrival.got() - before), response.chunk()).await {
                Ok(Ok(Some(chunk))) if arrival.got() + chunk.len() as u64 > request.most => {
                    return Err(endless(request, response));
                }
                Ok(Ok(Some(chunk))) => arrival
                    .into
                    .write_all(&chunk)
                    .map_err(|error| Failure { spoilt: true, ..Failure::before_work(disk_error(request, &error)) })?,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(cut(self.broken(request, &error), arrival)),
                Err(_) => return Err(cut(self.silence(request), arrival)),
            }
        }
        match arrival.known.total {
            Some(total) if total != arrival.got() => {
                let error = ApiError::new(request.method, &request.path, ErrorKind::Network, "");
                Err(cut(Failure::unknown(error), arrival))
            }
            _ => Ok(()),
        }
    }

    /// One try of an upload.
    async fn push(&self, request: &Request, effort: &Effort, body: &Upload) -> Result<Value, Failure> {
        let progress = Progress::default();
        let make = |builder: RequestBuilder| {
            progress.made();
            attach(builder, body, &progress)
        };
        let head = self.head(request, effort, make, |sending| progress.watch(sending, self.options.idle_timeout)).await?;
        self.rest(request, effort, head).await?.into_value(request).map_err(Failure::refusal)
    }
}

/// Refuses an answer that is no file, or not the rest of the file that we hold.
fn check_head(request: &Request, response: &Response, arrival: &mut Arrival<'_>) -> Result<(), Failure> {
    let spoilt = |kind, message: &str| {
        let mut error = ApiError::new(request.method, &request.path, kind, message);
        error.status = Some(response.status().as_u16());
        Failure { error, no_work: true, spoilt: true }
    };
    if is_page(request, response) {
        return Err(spoilt(ErrorKind::Login, "an HTML page came instead of a file"));
    }
    if !has_visible_end(response) {
        return Err(spoilt(ErrorKind::Protocol, "the answer does not say how long it is, so that a cut could not be seen"));
    }
    let length = response.content_length();
    if length.is_some_and(|length| arrival.got().saturating_add(length) > request.most) {
        return Err(endless(request, response));
    }
    if arrival.got() == 0 {
        arrival.known = Known { modified: header(response, LAST_MODIFIED.as_str()), total: length };
        return Ok(());
    }
    let expected = arrival.known.total.map(|total| format!("bytes {}-{}/{total}", arrival.got(), total.saturating_sub(1)));
    if response.status() == StatusCode::PARTIAL_CONTENT && header(response, CONTENT_RANGE.as_str()) == expected {
        return Ok(());
    }
    Err(spoilt(ErrorKind::Network, "the body was cut, and the rest that came does not fit"))
}

/// A body that goes on and on is no file; it must not fill the disk.
fn endless(request: &Request, response: &Response) -> Failure {
    let message = format!("more than {} bytes came, which is the limit for this file", request.most);
    let mut error = ApiError::new(request.method, &request.path, ErrorKind::TooLarge, message);
    error.status = Some(response.status().as_u16());
    Failure { error, no_work: true, spoilt: true }
}

fn can_resume(request: &Request, known: &Known) -> bool {
    request.path.starts_with("/api/2.0/fs/files/") && known.modified.is_some() && known.total.is_some()
}

/// 412 is the answer to our own `If-Unmodified-Since`: the rest would belong to another file.
fn changed(mut failure: Failure) -> Failure {
    if failure.error.status == Some(412) {
        failure.error.kind = ErrorKind::Network;
        "the file was changed while it was read".clone_into(&mut failure.error.message);
        failure.spoilt = true;
    }
    failure
}

fn cut(failure: Failure, arrival: &Arrival<'_>) -> Failure {
    let mut failure = failure;
    let of = arrival.known.total.map(|total| format!(" of {total}")).unwrap_or_default();
    failure.error.message = format!("the body was cut after {}{of} bytes", arrival.got());
    failure
}

fn disk_error(request: &Request, error: &std::io::Error) -> ApiError {
    ApiError::new(request.method, &request.path, ErrorKind::Local, "cannot keep the body in a temporary file")
        .with_cause(error, &str::to_owned)
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// A page for people: HTML that nobody asked for and that is not offered as a file.
fn is_page(request: &Request, response: &Response) -> bool {
    let html = header(response, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html"));
    html && request.query_value("format") != Some("HTML") && !response.headers().contains_key(CONTENT_DISPOSITION)
}

/// Whether a cut can be told from the end: by a length, by chunks, or by HTTP/2's own end of stream. A body that ends
/// with the connection (RFC 9112 §6.3, case 8) has no end that can be trusted. A server that compresses unasked hides its
/// length from us; there the checksum of gzip shows a cut.
fn has_visible_end(response: &Response) -> bool {
    let closes = || header(response, CONNECTION.as_str()).is_some_and(|value| value.eq_ignore_ascii_case("close"));
    response.version() >= Version::HTTP_2
        || response.content_length().is_some()
        || response.headers().contains_key(TRANSFER_ENCODING)
        || response.version() == Version::HTTP_11 && !closes()
}

/// When an upload last moved on.
#[derive(Clone, Default)]
struct Progress(Arc<Mutex<Option<Instant>>>);

/// An upload stood still.
struct Stalled;

impl Progress {
    fn made(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn rest(&self, patience: std::time::Duration) -> std::time::Duration {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        patience.saturating_sub(last.map(|last| last.elapsed()).unwrap_or_default())
    }

    /// Waits for the answer for as long as bytes leave, and one patience more.
    async fn watch(
        &self,
        mut sending: Sending,
        patience: std::time::Duration,
    ) -> Result<Result<Response, reqwest::Error>, Stalled> {
        loop {
            let rest = self.rest(patience);
            if rest.is_zero() {
                return Err(Stalled);
            }
            if let Ok(outcome) = timeout(rest, &mut sending).await {
                return Ok(outcome);
            }
        }
    }
}

fn attach(builder: RequestBuilder, body: &Upload, progress: &Progress) -> RequestBuilder {
    let stream = |blob: &Blob| Body::wrap_stream(read(blob.reader(), progress.clone()));
    match body {
        Upload::Raw(blob) => {
            let builder = builder.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, blob.len());
            builder.body(stream(blob))
        }
        Upload::Multipart { fields, file } => {
            let part = Part::stream_with_length(stream(file), file.len()).file_name("content");
            let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(name.clone(), value.clone()));
            builder.multipart(form.part("content", part))
        }
    }
}

/// The blob in pieces, read off the async threads.
fn read(reader: BlobReader, progress: Progress) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold((reader, progress), |(reader, progress)| async {
        progress.made();
        let (piece, reader) = tokio::task::spawn_blocking(move || next_piece(reader)).await.map_err(std::io::Error::other)??;
        Ok(piece.map(|piece| (piece, (reader, progress))))
    })
}

fn next_piece(mut reader: BlobReader) -> std::io::Result<(Option<Bytes>, BlobReader)> {
    const PIECE: usize = 256 * 1024;
    let mut piece = vec![0; PIECE];
    let got = reader.read(&mut piece)?;
    piece.truncate(got);
    Ok(((got > 0).then(|| Bytes::from(piece)), reader))
}

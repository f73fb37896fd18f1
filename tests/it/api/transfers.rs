//! Bodies in and out: whole or not at all, and the same bytes for every try.

use super::mock::{Mock, Reply, file, json, no};
use super::{hasty, opened, workspace};
use lifeboat::api::{Config, ErrorKind, Options, Request, Upload};
use lifeboat::spool::Spool;
use serde_json::json as value;
use std::io::Write;
use std::time::Duration;

const EXPORT: &str = "/api/2.0/workspace/export";
const VOLUME: &str = "/api/2.0/fs/files/Volumes/a/b/c/d.bin";
const WHOLE: &[u8] = b"0123456789abcdef";

fn export() -> Request {
    Request::get("notebook", EXPORT).query("path", "/x").query("direct_download", "true")
}

fn cut(headers: &str) -> Reply {
    Reply::Raw([b"HTTP/1.1 200 X\r\n", headers.as_bytes(), b"\r\n\r\n0123456"].concat())
}

#[tokio::test]
async fn a_body_arrives_as_it_is() {
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let sent = big.clone();
    let mock = Mock::start(move |_, _| file(&sent)).await;
    let spool = Spool::in_temp().unwrap();
    let mut incoming = spool.begin().unwrap();
    assert_eq!(workspace(&mock).download(&export(), &mut incoming).await.unwrap(), 3_000_000);
    assert_eq!(incoming.finish().unwrap().bytes().unwrap(), big);
    assert_eq!(mock.seen()[0].header("accept-encoding"), "identity");
    let empty = Mock::start(|_, _| file(b"")).await;
    assert!(workspace(&empty).download_blob(&export(), &spool).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cut_body_is_an_error_and_never_data() {
    let chunked = "transfer-encoding: chunked\r\n\r\n20";
    for headers in ["content-length: 16", chunked] {
        let mock = Mock::start(move |_, _| cut(headers)).await;
        let mut incoming = Spool::in_temp().unwrap().begin().unwrap();
        let error = workspace(&mock).download(&export(), &mut incoming).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Network, "{error}");
        assert!(error.message.contains("cut"), "{error}");
        assert_eq!(mock.seen().len(), 1, "half a body stands in the caller's file: only the caller can start again");
    }
}

#[tokio::test]
async fn a_blob_is_asked_for_until_it_is_whole() {
    let mock = Mock::start(|_, before| match before {
        0 => cut("content-length: 16"),
        1 => Reply::Close,
        2 => no(503, "", "later"),
        _ => file(WHOLE),
    })
    .await;
    let blob = workspace(&mock).download_blob(&export(), &Spool::in_temp().unwrap()).await.unwrap();
    assert_eq!((blob.bytes().unwrap(), mock.seen().len()), (WHOLE.to_vec(), 4));
}

#[tokio::test]
async fn a_body_without_a_visible_end_is_refused() {
    for head in ["HTTP/1.1 200 X\r\nconnection: close\r\n\r\n", "HTTP/1.0 200 X\r\n\r\n"] {
        let mock = Mock::start(move |_, _| Reply::Raw([head.as_bytes(), WHOLE].concat())).await;
        let error = workspace(&mock).download_blob(&export(), &Spool::in_temp().unwrap()).await.unwrap_err();
        assert_eq!((error.kind, mock.seen().len()), (ErrorKind::Protocol, 1), "{error}");
    }
}

#[tokio::test]
async fn a_trickle_is_silence() {
    const HEAD: &[u8] = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    let mock = Mock::start(|_, _| Reply::Trickle(HEAD, Duration::from_millis(100))).await;
    let options = Options { retry_budget: Duration::from_millis(50), idle_timeout: Duration::from_millis(400), ..hasty() };
    let workspace = opened(Config::with_host_and_token(&mock.url, "t"), options).0;
    let started = std::time::Instant::now();
    let error = workspace.call(&Request::get("job", "/api/2.2/jobs/list")).await.unwrap_err();
    assert!(error.kind == ErrorKind::Network && error.message.contains("trickle"), "{error}");
    let error = workspace.download_blob(&export(), &Spool::in_temp().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn silence_in_the_middle_is_a_cut() {
    let mock = Mock::start(|_, _| Reply::Late(Duration::from_millis(1600), Box::new(file(WHOLE)))).await;
    let request = Request::post("notebook", EXPORT, value!({}));
    let mut incoming = Spool::in_temp().unwrap().begin().unwrap();
    let error = workspace(&mock).download(&request, &mut incoming).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous, "{error}");
    assert_eq!(incoming.written(), 0);
}

/// A volume's file that breaks off once; what is asked for next is judged by `rest`.
async fn broken_volume(rest: impl Fn() -> Reply + Send + Sync + 'static) -> (Result<Vec<u8>, ErrorKind>, Mock) {
    let mock = Mock::start(move |_, before| match before {
        0 => cut("content-length: 16\r\nlast-modified: Sun, 22 Nov 2026 10:00:00 GMT"),
        _ => rest(),
    })
    .await;
    let spool = Spool::in_temp().unwrap();
    let mut incoming = spool.begin().unwrap();
    let outcome = workspace(&mock).download(&Request::get("volume_file", VOLUME), &mut incoming).await;
    (outcome.map(|_| incoming.finish().unwrap().bytes().unwrap()).map_err(|error| error.kind), mock)
}

#[tokio::test]
async fn a_volume_goes_on_where_it_stopped() {
    let rest = || Reply::Whole(206, vec![("content-range", "bytes 7-15/16".into())], WHOLE[7..].to_vec());
    let (outcome, mock) = broken_volume(rest).await;
    assert_eq!(outcome, Ok(WHOLE.to_vec()));
    let second = &mock.seen()[1];
    assert_eq!((second.header("range"), second.header("if-unmodified-since")), ("bytes=7-", "Sun, 22 Nov 2026 10:00:00 GMT"));
}

#[tokio::test]
async fn a_rest_that_does_not_fit_is_refused() {
    let other = || Reply::Whole(206, vec![("content-range", "bytes 6-15/16".into())], WHOLE[6..].to_vec());
    assert_eq!(broken_volume(other).await.0, Err(ErrorKind::Network));
    assert_eq!(broken_volume(|| file(WHOLE)).await.0, Err(ErrorKind::Network), "the whole again is not the rest");
    assert_eq!(broken_volume(|| no(412, "", "modified")).await.0, Err(ErrorKind::Network), "the file has changed");
}

#[tokio::test]
async fn a_blob_goes_on_too_and_starts_again_where_it_cannot() {
    let first = || cut("content-length: 16\r\nlast-modified: Sun, 22 Nov 2026 10:00:00 GMT");
    let mock = Mock::start(move |seen, before| match (before, seen.header("range")) {
        (0 | 2, "") => first(),
        (1, "bytes=7-") => no(412, "", "modified"),
        (3, "bytes=7-") => Reply::Whole(206, vec![("content-range", "bytes 7-15/16".into())], WHOLE[7..].to_vec()),
        _ => no(400, "", "unexpected"),
    })
    .await;
    let blob = workspace(&mock).download_blob(&Request::get("volume_file", VOLUME), &Spool::in_temp().unwrap()).await.unwrap();
    assert_eq!((blob.bytes().unwrap(), mock.seen().len()), (WHOLE.to_vec(), 4));
}

#[tokio::test]
async fn a_page_is_no_file_unless_html_was_asked_for() {
    let page = || Reply::Whole(200, vec![("content-type", "text/html".into())], b"<html>Sign in</html>".to_vec());
    let mock = Mock::start(move |_, _| page()).await;
    let spool = Spool::in_temp().unwrap();
    assert_eq!(workspace(&mock).download_blob(&export(), &spool).await.unwrap_err().kind, ErrorKind::Login);
    assert_eq!(workspace(&mock).download_blob(&export().query("format", "HTML"), &spool).await.unwrap().len(), 20);
}

#[tokio::test]
async fn refusals_of_a_download_are_read_like_any_other() {
    let mock = Mock::start(|_, _| no(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "too big")).await;
    let error = workspace(&mock).download_blob(&export(), &Spool::in_temp().unwrap()).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::TooLarge, "too big"));
}

#[tokio::test]
async fn an_upload_is_sent_again_from_its_start() {
    let mock = Mock::start(|_, before| if before == 0 { no(503, "", "later") } else { Reply::Whole(204, vec![], vec![]) }).await;
    let spool = Spool::in_temp().unwrap();
    let big: Vec<u8> = (0..1_000_000_u32).map(|n| u8::try_from(n % 253).unwrap()).collect();
    let mut incoming = spool.begin().unwrap();
    incoming.write_all(&big).unwrap();
    let put = Request::new(lifeboat::api::Method::Put, "volume_file", VOLUME).query("overwrite", "true").safe();
    workspace(&mock).upload(&put, Upload::Raw(incoming.finish().unwrap())).await.unwrap();
    let seen = mock.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.body == big && seen.header("content-type") == "application/octet-stream"));
}

#[tokio::test]
async fn an_upload_that_may_have_happened_is_not_sent_again() {
    let mock = Mock::start(|_, _| Reply::Close).await;
    let blob = Spool::in_temp().unwrap().keep(b"x").unwrap();
    let put = Request::new(lifeboat::api::Method::Put, "volume_file", VOLUME);
    let error = workspace(&mock).upload(&put, Upload::Raw(blob)).await.unwrap_err();
    assert_eq!((error.kind, mock.seen().len()), (ErrorKind::Ambiguous, 1));
}

#[tokio::test]
async fn multipart_carries_fields_and_file_even_an_empty_one() {
    for content in [&b"print(1)"[..], b""] {
        let mock = Mock::start(|_, _| json(200, value!({"object_id": 7}))).await;
        let file = Spool::in_temp().unwrap().keep(content).unwrap();
        let fields = vec![("path".to_owned(), "/Shared/é \"x\"".to_owned()), ("overwrite".to_owned(), "true".to_owned())];
        let import = Request::new(lifeboat::api::Method::Post, "notebook", "/api/2.0/workspace/import").safe();
        let answer = workspace(&mock).upload(&import, Upload::Multipart { fields, file }).await.unwrap();
        assert_eq!(answer["object_id"], 7);
        let (seen, text) = (mock.seen()[0].clone(), String::from_utf8(mock.seen()[0].body.clone()).unwrap());
        assert!(seen.header("content-type").starts_with("multipart/form-data; boundary="));
        let parts = [
            "name=\"path\"\r\n\r\n/Shared/é \"x\"\r\n",
            "name=\"overwrite\"\r\n\r\ntrue\r\n",
            "name=\"content\"; filename=\"content\"\r\n",
        ];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(text.contains(&format!("\r\n\r\n{}\r\n--", String::from_utf8_lossy(content))), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_stops_reading_is_given_up() {
    let mock = Mock::start(|_, _| Reply::Hang).await;
    let blob = Spool::in_temp().unwrap().keep(&vec![7; 200_000]).unwrap();
    let put = Request::new(lifeboat::api::Method::Put, "volume_file", VOLUME);
    let error = workspace(&mock).upload(&put, Upload::Raw(blob)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert!(error.elapsed < Duration::from_secs(5), "{error}");
}

//! What is tried again, what is not, and how twenty workers behave when told to slow down.

use super::mock::{Mock, Reply, json, no, with};
use super::{Notes, hasty, opened, workspace};
use lifeboat::api::{Config, ErrorKind, Options, Request};
use lifeboat::event::Event;
use serde_json::json as value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

const LIST: &str = "/api/2.2/jobs/list";
const CREATE: &str = "/api/2.2/jobs/create";

fn get() -> Request {
    Request::get("job", LIST)
}

fn create() -> Request {
    Request::post("job", CREATE, value!({"name": "nightly"}))
}

/// Fails once in the given way, then succeeds: says how often the server was asked and what came of it.
async fn once(request: Request, reply: impl Fn() -> Reply + Send + Sync + 'static) -> (usize, Result<(), ErrorKind>) {
    let mock = Mock::start(move |_, before| if before == 0 { reply() } else { json(200, value!({"job_id": 1})) }).await;
    let outcome = workspace(&mock).call(&request).await;
    (mock.seen().len(), outcome.map(|_| ()).map_err(|error| error.kind))
}

#[tokio::test]
async fn what_is_safe_is_repeated_after_anything_that_passes() {
    for status in [429, 500, 502, 503, 504] {
        assert_eq!(once(get(), move || no(status, "", "later")).await, (2, Ok(())), "{status}");
        assert_eq!(once(create().safe(), move || no(status, "", "later")).await, (2, Ok(())), "{status}");
    }
    assert_eq!(once(get(), || Reply::Close).await, (2, Ok(())), "a lost answer");
    assert_eq!(once(get(), || Reply::Hang).await, (2, Ok(())), "silence");
    assert_eq!(
        once(get(), || Reply::Raw(b"HTTP/1.1 200 X\r\ncontent-length: 50\r\n\r\n{\"a\"".to_vec())).await,
        (2, Ok(())),
        "half an answer"
    );
    let transient = || no(400, "BAD_REQUEST", "There is no worker environment with id 7");
    assert_eq!(once(get(), transient).await, (2, Ok(())));
}

#[tokio::test]
async fn a_create_is_never_repeated_blindly() {
    for status in [500, 502, 503, 504] {
        assert_eq!(once(create(), move || no(status, "", "failed")).await, (1, Err(ErrorKind::Ambiguous)), "{status}");
    }
    assert_eq!(once(create(), || Reply::Close).await, (1, Err(ErrorKind::Ambiguous)), "the answer was lost after the act");
    assert_eq!(once(create(), || Reply::Hang).await, (1, Err(ErrorKind::Ambiguous)), "silence");
    let half = || Reply::Raw(b"HTTP/1.1 200 X\r\ncontent-length: 50\r\n\r\n{\"job_id\"".to_vec());
    assert_eq!(once(create(), half).await, (1, Err(ErrorKind::Ambiguous)), "half an answer");
}

#[tokio::test]
async fn a_create_is_repeated_where_it_certainly_did_nothing() {
    assert_eq!(once(create(), || no(429, "RESOURCE_EXHAUSTED", "slow down")).await, (2, Ok(())));
    assert_eq!(once(create(), || with(503, &[("retry-after", "0")], value!({}))).await, (2, Ok(())));
    let unsent = || no(400, "BAD_REQUEST", "RPC token bucket limit has been exceeded");
    assert_eq!(once(create(), unsent).await, (2, Ok(())));
}

#[tokio::test]
async fn what_no_repeat_can_cure_is_not_repeated() {
    for status in [400, 401, 403, 404, 409, 413, 501] {
        assert_eq!(once(get(), move || no(status, "", "no")).await.0, 1, "{status}");
    }
}

#[tokio::test]
async fn nobody_at_home_is_a_network_error_even_for_a_create() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = Options { retry_budget: Duration::from_millis(50), ..hasty() };
    let (workspace, notes) = opened(Config::with_host_and_token(&format!("http://{closed}"), "t"), options);
    let error = workspace.call(&create()).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Network, None), "{error}");
    assert!(error.tries > 1 && error.to_string().contains("cannot connect to"), "{error}");
    assert!(std::error::Error::source(&error).is_some(), "the cause is told apart");
    assert!(notes.count(|event| matches!(event, Event::Retried { .. })) > 0);
}

async fn waited(status: u16, retry_after: impl Fn() -> String + Send + Sync + 'static) -> (Duration, Arc<Notes>) {
    let mock = Mock::start(move |_, before| match before {
        0 => with(status, &[("retry-after", &retry_after())], value!({})),
        _ => json(200, value!({})),
    })
    .await;
    let (workspace, notes) = opened(Config::with_host_and_token(&mock.url, "t"), hasty());
    let start = Instant::now();
    workspace.call(&get()).await.unwrap();
    (start.elapsed(), notes)
}

#[tokio::test]
async fn retry_after_is_obeyed_in_both_forms() {
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    let (by_seconds, by_date, unavailable) =
        tokio::join!(waited(429, || "1".to_owned()), waited(429, date), waited(503, || "1".to_owned()));
    for ((waited, notes), rests) in [(by_seconds, 1), (by_date, 1), (unavailable, 0)] {
        assert!(waited >= Duration::from_millis(900) && waited < Duration::from_secs(5), "{waited:?}");
        assert_eq!(notes.count(|event| matches!(event, Event::Throttled { family: "jobs", .. })), rests);
        assert_eq!(notes.count(|event| matches!(event, Event::Retried { .. })), 1);
    }
}

#[tokio::test]
async fn retry_after_is_capped_and_bounded_by_the_budget() {
    let mock = Mock::start(|_, _| {
        with(429, &[("retry-after", "86400")], value!({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "x"}))
    })
    .await;
    let options = Options { longest_pause: Duration::from_millis(20), retry_budget: Duration::from_millis(200), ..hasty() };
    let (workspace, _) = opened(Config::with_host_and_token(&mock.url, "t"), options);
    let error = workspace.call(&get()).await.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (ErrorKind::Throttled, Some(Duration::from_hours(24))));
    assert!((2..=11).contains(&error.tries) && error.elapsed < Duration::from_secs(2), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_workers_get_all_through_a_workspace_that_throttles() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    let mock = Mock::start(|_, before| {
        // Every seventh request is refused, and whenever more than three are at work at once.
        let busy = NOW.fetch_add(1, Ordering::SeqCst) >= 3;
        std::thread::sleep(Duration::from_millis(1));
        NOW.fetch_sub(1, Ordering::SeqCst);
        if busy || before % 7 == 0 { with(429, &[("retry-after", "0")], value!({})) } else { json(200, value!({"ok": true})) }
    })
    .await;
    let (workspace, notes) = opened(Config::with_host_and_token(&mock.url, "t"), hasty());
    let workers: Vec<_> = (0..20)
        .map(|_| {
            let workspace = workspace.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    workspace.call(&get()).await?;
                }
                Ok::<_, lifeboat::api::ApiError>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap().unwrap();
    }
    let sent = workspace.requests()["job"];
    assert_eq!(sent, mock.seen().len() as u64, "every request is counted, repeats included");
    assert!(sent > 200 && notes.count(|event| matches!(event, Event::Throttled { .. })) > 0);
}

#[tokio::test]
async fn one_families_rest_does_not_hold_up_another() {
    let mock = Mock::start(|seen, _| match seen.path() {
        LIST => with(429, &[("retry-after", "2")], value!({})),
        _ => json(200, value!({})),
    })
    .await;
    let workspace = workspace(&mock);
    let resting = tokio::spawn({
        let workspace = workspace.clone();
        async move { workspace.call(&get()).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    workspace.call(&Request::get("cluster", "/api/2.1/clusters/list")).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(1500));
    resting.abort();
}

/// Without an end to it, each of a hundred thousand objects would wait five minutes for itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_family_that_only_fails_is_given_up_and_found_again() {
    let well = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let server = well.clone();
    let mock = Mock::start(move |seen, _| {
        let fails = seen.path() == LIST && !server.load(Ordering::SeqCst);
        if fails { no(503, "TEMPORARILY_UNAVAILABLE", "down") } else { json(200, value!({"id": 1})) }
    })
    .await;
    let options = Options { retry_budget: Duration::from_millis(300), pause: Duration::from_millis(20), ..hasty() };
    let (workspace, _) = opened(Config::with_host_and_token(&mock.url, "dapi-canary"), options);
    let start = Instant::now();
    let mut last = String::new();
    for _ in 0..300 {
        last = workspace.call(&get()).await.unwrap_err().to_string();
    }
    assert!(start.elapsed() < Duration::from_secs(10), "300 objects at 0.3 s each, in {:?}", start.elapsed());
    assert!(last.contains("not asked") && last.contains("\"jobs\""), "{last}");
    workspace.call(&Request::get("cluster", "/api/2.1/clusters/list")).await.expect("another family is not to blame");
    well.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(50)).await;
    workspace.call(&get()).await.expect("somebody looks whether it is back");
    workspace.call(&get()).await.expect("and then it is");
}

#[tokio::test]
async fn an_answer_that_lost_its_body_is_asked_for_again() {
    let empty = || Reply::Whole(200, vec![("content-type", "application/json".into())], Vec::new());
    assert_eq!(once(get(), empty).await, (2, Ok(())));
    assert_eq!(once(create(), empty).await, (1, Ok(())), "a write may have nothing to say");
}

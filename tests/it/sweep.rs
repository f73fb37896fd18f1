//! Cases by the hundred: some of them every time, all of them on request.
//!
//! `LIFEBOAT_SWEEP` says how many of each sort, or `each` for every one; `all` takes every one in all ways in which it may go.
//! `cargo test --release --test it kills storm meddled` with it is the whole sweep, on all processors.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use std::future::Future;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What was asked for.
pub(super) fn asked() -> String {
    std::env::var("LIFEBOAT_SWEEP").unwrap_or_default()
}

/// How many cases: few, unless more are asked for.
pub(super) fn count(few: u64, all: u64) -> u64 {
    match asked().as_str() {
        "all" | "each" => all,
        other => other.parse().unwrap_or(few).clamp(1, all),
    }
}

/// Runs all cases, one on each processor, and fails with all that is wrong in any.
pub(super) async fn run<T, F>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) -> F)
where
    F: Future<Output = Vec<String>> + Send + 'static,
    T: std::fmt::Debug,
{
    let room = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));
    let mut under_way = JoinSet::new();
    for case in cases {
        let (name, room) = (format!("{case:?}"), room.clone());
        let checked = check(case);
        under_way.spawn(async move {
            let _turn = room.acquire().await.unwrap();
            (name, checked.await)
        });
    }
    let mut wrong = Vec::new();
    while let Some(done) = under_way.join_next().await {
        let (name, faults) = done.unwrap();
        wrong.extend((!faults.is_empty()).then(|| format!("{name}: {}", faults.join("\n"))));
    }
    assert!(wrong.is_empty(), "{} cases are wrong\n{}", wrong.len(), wrong.join("\n"));
}

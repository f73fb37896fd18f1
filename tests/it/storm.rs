//! An import through bad weather: of all answers one in ten is lost after the workspace did what was asked, and others are
//! turned away, cut off or cut short. The end is as without it: nothing is there twice, nothing is missing, nothing is active.
//!
//! Some draws, always the same, unless `LIFEBOAT_SWEEP` says how many; `LIFEBOAT_SWEEP=all` takes a hundred.

use crate::import::{TARGET, apply, bundle_of, expected_trouble, options, prepare, start};
use crate::kills::{Calm, calm, left};
use lifeboat::journal::Journal;
use lifeboat::simulator::{Action, RetryAfter, Seed, Server};

/// All that may happen to a call, and to how many in a hundred.
fn storm(target: &Server, draw: u64) {
    let on = |percent, number: u64| target.faults().on("* /api/*").percent(percent, draw * 10 + number);
    on(10, 1).after_handler().close();
    on(5, 2).throttle(RetryAfter::Seconds(0));
    on(3, 3).status(503);
    on(2, 4).close();
    on(2, 5).action(Action::CutBody);
}

/// What is wrong after an import through such a storm.
async fn weathered(calm: &Calm, bundled: &crate::import::Bundled, draw: u64) -> Vec<String> {
    let target = start(Seed::Prepared, TARGET).await;
    storm(&target, draw);
    let planned = prepare(bundled, &target, &options()).await;
    let receipt = apply(bundled, &planned, &target, &mut Journal::none()).await;
    let (struck, asked) = (target.faults().struck(), target.requests().len() as u64);
    target.faults().clear();
    let share = (15 * asked..30 * asked).contains(&(100 * struck));
    let mut faults = left(&calm.source, &target).await.faults(&calm.left);
    faults.extend((!share).then(|| format!("struck {struck} of {asked}")));
    let surprises = receipt.items.iter().filter(|item| !item.state.is_there() && !expected_trouble(item));
    faults.extend(surprises.map(|item| format!("{} {}: {:?}", item.source, item.key, item.reason)));
    faults
}

fn draws() -> u64 {
    match std::env::var("LIFEBOAT_SWEEP").as_deref() {
        Ok("all") => 100,
        wanted => wanted.unwrap_or_default().parse().unwrap_or(3),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_weather_changes_nothing_in_the_end() {
    let bundled = bundle_of(Seed::Sample).await;
    let calm = calm(&bundled).await;
    let mut wrong = Vec::new();
    for draw in 0..draws() {
        let faults = weathered(&calm, &bundled, draw).await;
        wrong.extend((!faults.is_empty()).then(|| format!("draw {draw}: {faults:#?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

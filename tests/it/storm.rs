//! An import through bad weather: of all answers one in ten is lost after the workspace did what was asked, and others are
//! turned away, cut off or cut short. The end is as without it: nothing is there twice, nothing is missing, nothing is active.
//!
//! Some draws, always the same, unless [`crate::sweep`] asks for more: of a hundred.

use crate::import::{Bundled, TARGET, apply, bundle_of, expected_trouble, options, prepare, start};
use crate::kills::{Calm, calm, left};
use crate::sweep;
use lifeboat::journal::Journal;
use lifeboat::simulator::{Action, RetryAfter, Seed, Server};
use std::sync::Arc;

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
async fn weathered(calm: &Calm, bundled: &Bundled, draw: u64) -> Vec<String> {
    let target = start(Seed::Prepared, TARGET).await;
    storm(&target, draw);
    let planned = prepare(bundled, &target, &options()).await;
    let receipt = apply(bundled, &planned, &target, &mut Journal::none()).await;
    let (struck, asked) = (target.faults().struck(), target.requests().len() as u64);
    target.faults().clear();
    let share = (10 * asked..35 * asked).contains(&(100 * struck));
    let mut faults = left(&calm.source, &target).await.faults(&calm.left);
    faults.extend((!share).then(|| format!("struck {struck} of {asked}")));
    let surprises = receipt.items.iter().filter(|item| !item.state.is_there() && !expected_trouble(item));
    faults.extend(surprises.map(|item| format!("{} {}: {:?}", item.source, item.key, item.reason)));
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_weather_changes_nothing_in_the_end() {
    let bundled = Arc::new(bundle_of(Seed::Sample).await);
    let calm = Arc::new(calm(&bundled).await);
    sweep::run(0..sweep::count(3, 100), |draw| {
        let (calm, bundled) = (calm.clone(), bundled.clone());
        async move { weathered(&calm, &bundled, draw).await }
    })
    .await;
}

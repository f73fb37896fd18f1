//! The way back to work after a restore: what was active at the source is switched on, and off again on either side.

use super::import::{Bundled, SOURCE, TARGET, apply, bundle_of, everything, options, prepare, start};
use lifeboat::import::{Receipt, State};
use lifeboat::journal::Journal;
use lifeboat::object::Selection;
use lifeboat::restore::{self, Goal};
use lifeboat::rules::{Rules, sanitize};
use lifeboat::simulator::{Seed, Server};
use std::collections::BTreeSet;

/// Every place in a workspace that starts or bills something: kind, name, pointer.
pub(super) async fn active(server: &Server) -> BTreeSet<(String, String, String)> {
    let mut active = BTreeSet::new();
    for object in everything(server).await {
        for change in sanitize(&Rules::standby(), &object).changes() {
            active.insert((object.kind.name.to_owned(), object.key.clone(), change.at.clone()));
        }
    }
    active
}

async fn switch(bundled: &Bundled, target: &Server, goal: Goal, selection: Selection) -> Receipt {
    let asked = restore::Options { goal, selection, ..options() };
    let plan = prepare(bundled, target, &asked).await;
    let writes = target.writes();
    let receipt = apply(bundled, &plan, target, &mut Journal::none()).await;
    assert_eq!(target.writes() - writes, plan.writes() as u64, "each switch is one request, and nothing else is written");
    assert!(receipt.items.iter().all(|item| item.state != State::Failed), "{:#?}", receipt.items);
    receipt
}

async fn everywhere(bundled: &Bundled, target: &Server, goal: Goal) -> u64 {
    switch(bundled, target, goal, Selection::default()).await.count(State::Updated)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_active_is_active_again_and_can_be_switched_off_on_either_side() {
    let bundled = bundle_of(Seed::Sample).await;
    let (source, target) = (start(Seed::Sample, SOURCE).await, start(Seed::Prepared, TARGET).await);
    let plan = prepare(&bundled, &target, &options()).await;
    apply(&bundled, &plan, &target, &mut Journal::none()).await;
    assert_eq!(active(&target).await, BTreeSet::new(), "a restore is inert");

    let originals = active(&source).await;
    assert!(originals.len() > 10, "{originals:?}");
    assert!(everywhere(&bundled, &source, Goal::Deactivate).await > 5);
    assert_eq!(active(&source).await, BTreeSet::new(), "nothing runs on both sides");
    assert!(everywhere(&bundled, &target, Goal::Activate).await > 5);
    assert_eq!(active(&target).await, originals);
    assert_eq!(everywhere(&bundled, &target, Goal::Activate).await, 0, "a second time there is nothing to do");

    let one = originals.iter().find(|(kind, ..)| kind == "job").unwrap().clone();
    let only = Selection::new(&[format!("job:{}", one.1)], &[]).unwrap();
    switch(&bundled, &target, Goal::Deactivate, only).await;
    let left: BTreeSet<_> = originals.iter().filter(|(kind, key, _)| (kind, key) != (&one.0, &one.1)).cloned().collect();
    assert_eq!(active(&target).await, left, "only what was asked for");

    everywhere(&bundled, &target, Goal::Deactivate).await;
    assert_eq!(active(&target).await, BTreeSet::new());
    everywhere(&bundled, &source, Goal::Activate).await;
    assert_eq!(active(&source).await, originals, "and back at the source");
}

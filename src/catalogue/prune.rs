//! Retention in a place: which of its bundles go, and their removal.
//!
//! Times and completeness are those that the bundles themselves tell, not those of records beside them, which anybody who may
//! write there could forge so that good bundles go; of an encrypted bundle there is nothing but the record. That one was verified is
//! believed only of the manifest that stands in it. What cannot be read is never removed.

use super::{Known, RECORD, Record, Shelved, VERIFIED, among, bundles};
use crate::retention::{self, Candidate, Policy, Reason};
use crate::store::{self, Place, Say, StoreError};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The bundles of a place, and what becomes of each.
#[derive(Debug)]
pub struct Shelf {
    /// Each with the reasons why it is kept, by workspace, newest first; without a reason it goes.
    pub decided: Vec<(Shelved, Vec<Reason>)>,
    /// Those of which nothing is known.
    pub unknown: Vec<Shelved>,
}

impl Shelf {
    /// Those that go.
    pub fn goes(&self) -> impl Iterator<Item = &Shelved> {
        self.decided.iter().filter(|(_, reasons)| reasons.is_empty()).map(|(shelved, _)| shelved)
    }
}

/// Looks at every bundle of a place, and decides. Nothing is changed.
pub async fn decide(place: &Place, policy: &Policy, now: Timestamp, say: &Say) -> Result<Shelf, StoreError> {
    Ok(decided(bundles(place, true, say).await?, policy, now))
}

/// The same for the bundles of one workspace, by its id or its host, in the folder itself; all others are as if they were not there.
/// What somebody put into a deeper folder was put out of the way.
pub async fn decide_of(workspace: &str, place: &Place, policy: &Policy, now: Timestamp, say: &Say) -> Result<Shelf, StoreError> {
    let mut shelved = among(store::list_folder(place, say).await?, true, say).await;
    shelved.retain(|one| one.known.record().and_then(workspace_of).as_deref() == Some(workspace));
    Ok(decided(shelved, policy, now))
}

fn workspace_of(record: &Record) -> Option<String> {
    record.workspace_id.clone().or_else(|| record.host.clone())
}

fn decided(shelved: Vec<Shelved>, policy: &Policy, now: Timestamp) -> Shelf {
    let mut by_name = BTreeMap::new();
    let mut shelf = Shelf { decided: Vec::new(), unknown: Vec::new() };
    let mut candidates = Vec::new();
    for one in shelved {
        match candidate(&one) {
            Some(candidate) => {
                candidates.push(candidate);
                by_name.insert(one.entry.name.clone(), one);
            }
            None => shelf.unknown.push(one),
        }
    }
    for decision in retention::decide(policy, candidates, now) {
        if let Some(one) = by_name.remove(&decision.bundle.name) {
            shelf.decided.push((one, decision.reasons));
        }
    }
    shelf
}

/// What retention asks of a bundle. A part of a workspace is no substitute for the whole, so parts are decided by themselves.
fn candidate(one: &Shelved) -> Option<Candidate> {
    let record = match &one.known {
        Known::Recorded(record) | Known::Opened(record) => record,
        Known::Encrypted | Known::Unreadable(_) => return None,
    };
    let workspace = workspace_of(record)?;
    let part = if record.is_part { " (a part)" } else { "" };
    Some(Candidate {
        name: one.entry.name.clone(),
        workspace: format!("{workspace}{part}"),
        created: record.created.parse().ok()?,
        complete: record.is_complete(),
        verified: one.verified.is_some(),
        locked_until: None,
    })
}

/// Removes what goes, oldest first, and what lies beside it. Gives what came of each: a store may refuse, since the bundle is locked.
pub async fn remove<'a>(shelf: &'a Shelf, place: &Place, say: &Say) -> Vec<(&'a Shelved, Result<(), StoreError>)> {
    let mut going: Vec<&Shelved> = shelf.goes().collect();
    going.sort_by_key(|one| one.time());
    let beside = store::list(place, say).await.unwrap_or_default();
    let mut removed = Vec::new();
    for one in going {
        let done = store::remove(&one.entry.place).await;
        if done.is_ok() {
            let ours = |name: &str| {
                let rest = name.strip_prefix(&*one.entry.name).unwrap_or_default();
                rest == RECORD || rest.starts_with(VERIFIED)
            };
            for entry in beside.iter().filter(|entry| ours(&entry.name)) {
                // A note about a bundle that is gone harms nobody.
                let _ = store::remove(&entry.place).await;
            }
        }
        removed.push((one, done));
    }
    removed
}

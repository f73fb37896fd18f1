//! The bundle before this one.

use super::bundle::Bundle;
use super::trust::{Trust, unsigned};
use super::unlock::Unlock;
use crate::ui;
use anyhow::Context;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use lifeboat::audit::Depth;
use lifeboat::backup;
use lifeboat::bundle::Reader;
use lifeboat::event::{Event, Observer};
use lifeboat::export;
use lifeboat::origin::PublicKey;
use lifeboat::store::{self, Entry, Place, Say, is_bundle_name};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The word for the newest bundle beside the new one.
const LATEST: &str = "latest";

/// The word for no bundle.
const NONE: &str = "none";

/// Where to carry over from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Incremental")]
pub struct Since {
    /// Do not read again what the listings show unchanged since this bundle, but carry it over; `latest` is the newest one of the
    /// workspace in the folder of the new one, `none` is as good as nothing
    #[arg(long, value_name = "BUNDLE")]
    since: Option<String>,
    /// Read everything again once the last time is so long ago, as `7d` or `48h`
    #[arg(long, value_name = "TIME", requires = "since", value_parser = backup::duration)]
    full_every: Option<SignedDuration>,
}

/// What else decides whether a bundle serves.
pub struct Wanted {
    /// Where the new bundle goes.
    pub targets: Vec<Place>,
    /// The workspace.
    pub host: String,
    /// Whose bundles are taken.
    pub trust: Trust,
    /// What opens encrypted ones.
    pub unlock: Unlock,
    /// The key that signs the new bundle: what it has not signed before, it must not sign now unread.
    pub signer: Option<PublicKey>,
}

impl Since {
    /// The earlier bundle, if there is one that serves. One that does not is told and passed by; if none does, everything is read.
    /// May be dropped at any time, also while a bundle is fetched or verified.
    pub async fn find(&self, wanted: Wanted, observer: &Arc<dyn Observer>) -> anyhow::Result<Option<export::Since>> {
        let Some(word) = self.since.as_ref().filter(|word| *word != NONE) else { return Ok(None) };
        let warn = |why: String| observer.event(&Event::Warning(why));
        let is_latest = word == LATEST;
        let places = if is_latest { newest_first(&wanted.targets, &warn).await } else { vec![there(Path::new(word)).await?] };
        let wanted = Arc::new(wanted);
        for place in places {
            let (wanted, at, observer) = (wanted.clone(), place.clone(), observer.clone());
            match apart(move || wanted.serves(at, is_latest, &*observer)).await {
                Ok(Some(reader)) => {
                    let full_every = self.full_every.map(SignedDuration::unsigned_abs);
                    return Ok(Some(export::Since { bundle: Arc::new(reader), full_every }));
                }
                Ok(None) => {}
                Err(error) => warn(format!("the earlier bundle {} cannot be used: {}", place, told(&error))),
            }
        }
        warn("everything is read: there is no earlier bundle of this workspace that can be used".to_owned());
        Ok(None)
    }
}

/// Does work that blocks on a thread of its own, which nobody waits for who does not want its answer any more: a runtime waits for
/// its threads when it ends, and a deadline or a signal would come in vain.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    let (done, answer) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("since".to_owned()).spawn(move || done.send(work()).map_err(drop))?;
    answer.await.context("the thread that looked at it ended early")?
}

impl Wanted {
    /// The bundle, if all of it is whole, and whoever signed it may be trusted with what goes into the new one. Nothing if it is
    /// one of many, and not of the workspace. One in a store is fetched before it is looked at closely, since it is read again.
    fn serves(&self, place: Place, one_of_many: bool, observer: &dyn Observer) -> anyhow::Result<Option<Reader>> {
        let bundle = Bundle::earlier(place, self.unlock.clone());
        if one_of_many && !self.is_of(&bundle.untrusted()?) {
            return Ok(None);
        }
        bundle.fetch()?;
        let verdict = bundle.verify(Depth::Full, observer)?;
        if let Some(finding) = verdict.findings.first() {
            anyhow::bail!("it is damaged or was altered: {finding}");
        }
        let reader = bundle.untrusted()?;
        let keys = self.trust.keys()?.or_else(|| self.signer.clone().map(|key| vec![key]));
        if let Some(keys) = keys
            && reader.signed_by(&keys)?.is_none()
        {
            anyhow::bail!("{}", unsigned(&reader));
        }
        Ok(Some(reader))
    }

    fn is_of(&self, reader: &Reader) -> bool {
        reader.manifest().head.source.get("host").and_then(Value::as_str) == Some(&*self.host)
    }
}

/// The bundle at an address that a person gave.
async fn there(path: &Path) -> anyhow::Result<Place> {
    let place = Place::parse(path)?;
    store::entry(&place).await.with_context(|| format!("cannot read the earlier bundle {place}"))?;
    Ok(place)
}

/// What may be bundles in the folders that the new one goes to, the newest first; of one that lies on disk and in a store, the near
/// one first. A folder that cannot be listed is told.
async fn newest_first(targets: &[Place], warn: &impl Fn(String)) -> Vec<Place> {
    let say: Say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
    let mut found: Vec<Entry> = Vec::new();
    for folder in targets.iter().map(Place::folder) {
        match store::list_folder(&folder, &say).await {
            Ok(entries) => found.extend(entries),
            Err(error) => warn(format!("cannot look for earlier bundles in {folder}: {}", told(&error.into()))),
        }
    }
    found.retain(|entry| is_bundle_name(&entry.name) && !entry.name.starts_with('.'));
    by_age(found).into_iter().map(|entry| entry.place).collect()
}

/// A bundle that went to several places was written at several times, and is as old as the newest.
fn by_age(mut found: Vec<Entry>) -> Vec<Entry> {
    let mut written: HashMap<String, Option<Timestamp>> = HashMap::new();
    for Entry { name, modified, .. } in &found {
        let newest = written.entry(name.clone()).or_default();
        *newest = (*newest).max(*modified);
    }
    found.sort_by_cached_key(|one| {
        (Reverse(written[&one.name]), Reverse(one.name.clone()), matches!(one.place, Place::Remote(_)))
    });
    found
}

fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_of_two_copies_the_near_one() {
        let entry = |address: &str, second: i64| Entry {
            place: Place::parse(Path::new(address)).unwrap(),
            name: address.rsplit('/').next().unwrap().to_owned(),
            size: 1,
            tag: None,
            modified: Timestamp::from_second(second).ok(),
        };
        let found = vec![
            entry("/b/2.tar.zst", 21),
            entry("/b/1.tar.zst", 10),
            entry("az://acct/c/3.tar.zst", 30),
            entry("az://acct/c/2.tar.zst", 29),
            entry("az://acct/c/1.tar.zst", 9),
        ];
        let places: Vec<String> = by_age(found).iter().map(|one| one.place.to_string()).collect();
        let wanted = ["az://acct/c/3.tar.zst", "/b/2.tar.zst", "az://acct/c/2.tar.zst", "/b/1.tar.zst", "az://acct/c/1.tar.zst"];
        assert_eq!(places, wanted);
    }
}

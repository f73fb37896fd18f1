//! The bundle before this one.

use super::bundle::Bundle;
use super::trust::{Trust, unsigned};
use super::unlock::Unlock;
use crate::ui;
use anyhow::Context;
use clap::Args;
use lifeboat::audit::Depth;
use lifeboat::bundle::Reader;
use lifeboat::event::{Event, Observer};
use lifeboat::export;
use lifeboat::origin::PublicKey;
use lifeboat::store::{self, Entry, Place, Say, is_bundle_name};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
    #[arg(long, value_name = "TIME", requires = "since", value_parser = duration)]
    full_every: Option<Duration>,
}

/// What else decides whether a bundle serves.
pub struct Wanted<'a> {
    /// Where the new bundle goes.
    pub targets: Vec<Place>,
    /// The workspace.
    pub host: &'a str,
    /// Whose bundles are taken.
    pub trust: &'a Trust,
    /// What opens encrypted ones.
    pub unlock: &'a Unlock,
    /// The key that signs the new bundle: what it has not signed before, it must not sign now unread.
    pub signer: Option<&'a PublicKey>,
}

impl Since {
    /// The earlier bundle, if there is one that serves. One that does not is told and passed by; if none does, everything is read.
    pub async fn find(&self, wanted: &Wanted<'_>, observer: &dyn Observer) -> anyhow::Result<Option<export::Since>> {
        let Some(word) = self.since.as_ref().filter(|word| *word != NONE) else { return Ok(None) };
        let warn = |why: String| observer.event(&Event::Warning(why));
        let places = match word.as_str() {
            LATEST => newest_first(&wanted.targets).await,
            path => vec![there(Path::new(path)).await?],
        };
        for place in places {
            let bundle = Bundle::earlier(place.clone(), wanted.unlock.clone());
            match wanted.serves(&bundle, word == LATEST, observer) {
                Ok(Some(reader)) => {
                    return Ok(Some(export::Since { bundle: Arc::new(reader), full_every: self.full_every }));
                }
                Ok(None) => {}
                Err(error) => warn(format!("the earlier bundle {} cannot be used: {}", place, told(&error))),
            }
        }
        warn("everything is read: there is no earlier bundle of this workspace that can be used".to_owned());
        Ok(None)
    }
}

impl Wanted<'_> {
    /// The bundle, if all of it is whole, and whoever signed it may be trusted with what goes into the new one. Nothing if it is
    /// one of many, and not of the workspace.
    fn serves(&self, bundle: &Bundle, one_of_many: bool, observer: &dyn Observer) -> anyhow::Result<Option<Reader>> {
        if one_of_many && !self.is_of(&bundle.untrusted()?) {
            return Ok(None);
        }
        let verdict = bundle.verify(Depth::Full, observer)?;
        if let Some(finding) = verdict.findings.first() {
            anyhow::bail!("it is damaged or was altered: {finding}");
        }
        let reader = bundle.untrusted()?;
        let keys = self.trust.keys()?.or_else(|| self.signer.map(|key| vec![key.clone()]));
        if let Some(keys) = keys
            && reader.signed_by(&keys)?.is_none()
        {
            anyhow::bail!("{}", unsigned(&reader));
        }
        Ok(Some(reader))
    }

    fn is_of(&self, reader: &Reader) -> bool {
        reader.manifest().head.source.get("host").and_then(Value::as_str) == Some(self.host)
    }
}

/// The bundle at an address that a person gave.
async fn there(path: &Path) -> anyhow::Result<Place> {
    let place = Place::parse(path)?;
    store::entry(&place).await.with_context(|| format!("cannot read the earlier bundle {place}"))?;
    Ok(place)
}

/// What may be bundles in the folders that the new one goes to, the newest first. A place that cannot be listed is passed by: what
/// is wrong with it, the delivery says.
async fn newest_first(targets: &[Place]) -> Vec<Place> {
    let say: Say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
    let mut found: Vec<Entry> = Vec::new();
    for target in targets {
        found.extend(store::list(&target.folder(), &say).await.unwrap_or_default());
    }
    found.retain(|entry| is_bundle_name(&entry.name) && !entry.name.starts_with('.'));
    found.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
    found.into_iter().map(|entry| entry.place).collect()
}

fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time as `7d` or `48h`".to_owned();
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let long = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(long).map_err(|_| wrong())
}

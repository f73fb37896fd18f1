//! `lifeboat prune`

use super::{Outcome, Refusal, block_on};
use crate::ui::{self, Ui, words};
use anyhow::Context;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use lifeboat::backup;
use lifeboat::catalogue::{self, Shelf, Shelved};
use lifeboat::retention::{Policy, Reason};
use lifeboat::store::{Place, Say, StoreError};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Remove bundles that are not to be kept any more.
#[derive(Debug, Args)]
pub struct Prune {
    /// A folder, or an address in a store as `az://ACCOUNT/CONTAINER/FOLDER`
    place: PathBuf,
    /// Show what would be removed, and remove nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
    #[command(flatten)]
    keep: Retention,
}

/// How many of which to keep.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is kept, of each workspace")]
struct Retention {
    /// The newest ones
    #[arg(long = "keep-last", value_name = "N", default_value_t = 0, hide_default_value = true)]
    last: u32,
    /// The newest of a day (UTC), for so many days that have one
    #[arg(long = "keep-daily", value_name = "N", default_value_t = 0, hide_default_value = true)]
    daily: u32,
    /// The newest of a week
    #[arg(long = "keep-weekly", value_name = "N", default_value_t = 0, hide_default_value = true)]
    weekly: u32,
    /// The newest of a month
    #[arg(long = "keep-monthly", value_name = "N", default_value_t = 0, hide_default_value = true)]
    monthly: u32,
    /// The newest of a year
    #[arg(long = "keep-yearly", value_name = "N", default_value_t = 0, hide_default_value = true)]
    yearly: u32,
    /// All that were made in so long a time before the newest, as `48h` or `14d`
    #[arg(long = "keep-within", value_name = "TIME", value_parser = backup::duration)]
    within: Option<SignedDuration>,
}

impl Retention {
    fn policy(&self) -> anyhow::Result<Policy> {
        let &Self { last, daily, weekly, monthly, yearly, within } = self;
        let policy = Policy { last, daily, weekly, monthly, yearly, within };
        if policy.is_empty() {
            let hint = "for example `--keep-daily 7 --keep-weekly 5 --keep-monthly 12`";
            return Err(Refusal::new("nothing says what is to be kept", hint).into());
        }
        Ok(policy)
    }
}

impl Prune {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let (place, policy) = (Place::parse(&self.place)?, self.keep.policy()?);
        let say: Say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
        let shelf = block_on(async {
            catalogue::decide(&place, &policy, Timestamp::now(), &say).await.with_context(|| format!("cannot look into {place}"))
        })?;
        tell(ui, &shelf)?;
        if self.dry_run || shelf.goes().next().is_none() {
            ui.value(&Pruned::of(&place, &shelf, &[]))?;
            return Ok(Outcome::Done);
        }
        ui.flush()?;
        self.ask(&shelf)?;
        let removed = block_on(async { Ok(catalogue::remove(&shelf, &place, &say).await) })?;
        ui.value(&Pruned::of(&place, &shelf, &removed))?;
        let mut all = true;
        for (one, done) in &removed {
            if let Err(error) = done {
                all = false;
                ui.line(format!("NOT removed: {}: {error}", one.entry.name))?;
            }
        }
        Ok(if all { Outcome::Done } else { Outcome::Incomplete })
    }

    fn ask(&self, shelf: &Shelf) -> anyhow::Result<()> {
        let count = words::count(shelf.goes().count() as u64, "bundle");
        let answer = if self.yes { Some(true) } else { ui::ask(&format!("Remove {count} for good?")) };
        match answer {
            Some(true) => Ok(()),
            Some(false) => Err(Refusal::new("nothing was removed", "the plan above stays a plan").into()),
            None => Err(Refusal::new("nobody is there to say yes", "give `--yes`, or look first with `--dry-run`").into()),
        }
    }
}

fn tell(ui: &mut Ui, shelf: &Shelf) -> anyhow::Result<()> {
    let header = ["", "bundle", "made", "size", "why"];
    let rows = shelf.decided.iter().map(|(one, reasons)| row(one, reasons));
    ui.table(&header, rows)?;
    for one in &shelf.unknown {
        ui.line(format!("keep    {}: nothing is known of it, and what is not known is never removed", one.entry.name))?;
    }
    let (count, bytes) = shelf.goes().fold((0, 0), |(count, bytes), one| (count + 1, bytes + one.entry.size));
    let kept = shelf.decided.len() + shelf.unknown.len() - count;
    Ok(ui.line(format!("{kept} to keep, {count} to remove ({})", words::size(bytes)))?)
}

fn row(one: &Shelved, reasons: &[Reason]) -> Vec<String> {
    let made = one.time().map_or_else(|| "?".to_owned(), |time| time.strftime("%FT%TZ").to_string());
    let why: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    let word = if reasons.is_empty() { "remove" } else { "keep" };
    vec![word.to_owned(), one.entry.name.clone(), made, words::size(one.entry.size), why.join(", ")]
}

/// What came of the removal of each bundle.
type Removed<'a> = [(&'a Shelved, Result<(), StoreError>)];

/// What is kept at a place, and what goes.
#[derive(Serialize, JsonSchema)]
pub struct Pruned {
    /// The folder or store.
    place: String,
    /// Its bundles.
    bundles: Vec<Decided>,
}

/// What becomes of a bundle.
#[derive(Serialize, JsonSchema)]
struct Decided {
    /// Its name.
    name: String,
    /// Its size in bytes.
    bytes: u64,
    /// Whether it stays.
    keep: bool,
    /// Why it stays: `last`, `daily`, …; `unknown` where nothing is known of it.
    reasons: Vec<&'static str>,
    /// Whether it is gone.
    removed: bool,
    /// Why it could not be removed.
    error: Option<String>,
}

impl Pruned {
    fn of(place: &Place, shelf: &Shelf, removed: &Removed<'_>) -> Self {
        let outcome = |one: &Shelved| removed.iter().find(|(gone, _)| gone.entry.name == one.entry.name);
        let decided = shelf.decided.iter().map(|(one, reasons)| {
            let done = outcome(one).map(|(_, done)| done);
            let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
            let error = done.and_then(|done| done.as_ref().err()).map(ToString::to_string);
            Decided { keep: !reasons.is_empty(), removed: done.is_some_and(Result::is_ok), error, ..Decided::kept(one, reasons) }
        });
        let unknown = shelf.unknown.iter().map(|one| Decided::kept(one, vec!["unknown"]));
        Self { place: place.to_string(), bundles: decided.chain(unknown).collect() }
    }
}

impl Decided {
    fn kept(one: &Shelved, reasons: Vec<&'static str>) -> Self {
        let (name, bytes) = (one.entry.name.clone(), one.entry.size);
        Self { name, bytes, keep: true, reasons, removed: false, error: None }
    }
}

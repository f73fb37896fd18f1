//! `lifeboat copy`

use super::bundle::{Bundle, DAMAGED};
use super::signals::interruptible;
use super::targets::{Closely, Delivery, Landing, Places};
use super::{Outcome, Refusal, block_on};
use crate::ui::{self, Progress, Ui, words};
use anyhow::Context;
use clap::Args;
use lifeboat::audit::Depth;
use lifeboat::bundle::OpenError;
use lifeboat::catalogue::{self, Record};
use lifeboat::store::Source;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

const INTERRUPTED: &str = "the copy was interrupted; no place has a part of the bundle";

/// Bring a bundle, checked, to other places.
#[derive(Debug, Args)]
pub struct Copy {
    #[command(flatten)]
    bundle: Bundle,
    /// Where it goes: a file, a folder with a slash at its end, in which it keeps its name, or an address in a store
    #[arg(required = true, value_name = "PLACE")]
    to: Vec<PathBuf>,
    #[command(flatten)]
    closely: Closely,
}

/// A bundle that was copied, and what came of each place.
#[derive(Serialize, JsonSchema)]
pub struct Copied {
    /// Where it came from.
    bundle: String,
    /// Its size in bytes, as it is stored.
    bytes: u64,
    /// Whether every stored byte was hashed before it was sent; an encrypted bundle is not looked into without a key.
    checked: bool,
    /// Seconds that it took to send it.
    seconds: f64,
    /// What came of each place.
    destinations: Vec<Delivery>,
}

impl Copy {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let from = self.bundle.place()?;
        let mut places = Places::parse(&self.to, &self.closely)?;
        places.name(&from.name().context("the address names no bundle")?);
        block_on(async { places.check_for_copy().await })?;
        let progress = Progress::new(quiet);
        let copied = self.copied(places, &progress);
        progress.end();
        let (landing, bytes, seconds, checked) = copied?;
        ui.value(&Copied { bundle: from.to_string(), bytes, checked, seconds, destinations: landing.to_json() })?;
        landing.tell(ui)?;
        let outcome = landing.settle(Outcome::Done);
        ui.line(format!("{} of {from}, {}", words::size(bytes), if checked { "checked" } else { "encrypted, not looked into" }))?;
        if outcome == Outcome::Incomplete {
            ui.line("NOT EVERYWHERE: one place lacks the bundle, see above")?;
        }
        Ok(outcome)
    }

    /// Also gives the size, the seconds of the upload, and whether it was looked into.
    fn copied(&self, places: Places, progress: &Progress) -> anyhow::Result<(Landing, u64, f64, bool)> {
        let (file, is_open) = self.bundle.file()?;
        let bytes = file.size()?;
        let record = if is_open {
            Some(self.checked(progress)?)
        } else {
            ui::note("warning: the bundle is encrypted and no key was given: it is copied as it is, and not looked into");
            let place = self.bundle.place()?;
            block_on(async { Ok(catalogue::recorded(&place).await) })?
        };
        let started = Instant::now();
        let landing = block_on(async { interruptible(INTERRUPTED, places.copy(file, record.as_ref(), progress)).await? })?;
        Ok((landing, bytes, started.elapsed().as_secs_f64(), is_open))
    }

    /// What is damaged is not spread.
    fn checked(&self, progress: &Progress) -> anyhow::Result<Record> {
        let refuse = |what: String| Refusal::new(format!("the bundle is damaged or was altered: {what}"), DAMAGED);
        let verdict = self.bundle.verify(Depth::Standard, progress).map_err(|error| match error.downcast::<OpenError>() {
            Ok(error @ (OpenError::Truncated { .. } | OpenError::NotABundle(_) | OpenError::Damaged(_))) => {
                refuse(error.to_string()).into()
            }
            Ok(error) => error.into(),
            Err(error) => error,
        })?;
        if let Some(finding) = verdict.findings.first() {
            return Err(refuse(finding.to_string()).into());
        }
        Ok(Record::of(&self.bundle.open()?, None))
    }
}

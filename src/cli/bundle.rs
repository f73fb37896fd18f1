//! A bundle on the command line, and how much of it a reader is ready to take.

use super::Refusal;
use super::apply::unfit;
use anyhow::Context;
use clap::Args;
use lifeboat::audit::{Depth, Verdict, verify_source};
use lifeboat::bundle::{Fault, Limits, OpenError, Reader};
use lifeboat::event::Observer;
use lifeboat::store::Source;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What helps against damage.
pub const DAMAGED: &str = "`lifeboat verify --full` says all that is wrong; use another copy";

/// What helps where a bundle is larger than what is taken.
pub const LIMITED: &str = "give `--max-gib` if the bundle may be that large";

/// Which bundle.
#[derive(Debug, Args)]
pub struct Bundle {
    /// The bundle
    bundle: PathBuf,
    /// Contents that are taken at most, in GiB: a small file may claim to hold much
    #[arg(long, value_name = "GIB", default_value_t = Limits::default().bytes >> 30, help_heading = "Limits")]
    max_gib: u64,
}

impl Bundle {
    /// One that this program just wrote, however large.
    pub fn ours(bundle: PathBuf) -> Self {
        Self { bundle, max_gib: u64::MAX }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.bundle
    }

    /// Opens it, and says which one if that fails.
    pub fn open(&self) -> anyhow::Result<Reader> {
        self.opened(Reader::open_source)
    }

    /// The same without the `meta` of members.
    pub fn open_lean(&self) -> anyhow::Result<Reader> {
        self.opened(Reader::open_lean)
    }

    fn opened(&self, open: fn(Box<dyn Source>, Limits) -> Result<Reader, OpenError>) -> anyhow::Result<Reader> {
        let opened = self.file().and_then(|file| open(Box::new(file), self.limits()));
        opened.with_context(|| format!("cannot open {}", self.bundle.display()))
    }

    /// Looks at all of it, or less.
    pub fn verify(&self, depth: Depth, observer: &dyn Observer) -> Result<Verdict, OpenError> {
        verify_source(Box::new(self.file()?), depth, self.limits(), observer)
    }

    /// Opens a bundle that is whole; anything else is refused before a single call is made.
    pub fn whole(&self, observer: &dyn Observer) -> anyhow::Result<Reader> {
        let verdict = self.verify(Depth::Full, observer).map_err(|error| unfit(error, &self.bundle))?;
        if let Some(finding) = verdict.findings.first() {
            let hint = if finding.fault == Fault::Limit { LIMITED } else { DAMAGED };
            return Err(Refusal::new(format!("the bundle is damaged or was altered: {finding}"), hint).into());
        }
        self.open()
    }

    fn file(&self) -> Result<File, OpenError> {
        File::open(&self.bundle).map_err(OpenError::Io)
    }

    fn limits(&self) -> Limits {
        Limits { bytes: self.max_gib.saturating_mul(1 << 30), ..Limits::default() }
    }
}

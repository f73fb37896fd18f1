//! A bundle on the command line, and how much of it a reader is ready to take.

use super::apply::unfit;
use super::{Refusal, block_on};
use crate::ui;
use anyhow::Context;
use clap::Args;
use lifeboat::audit::{Depth, Verdict, verify_source};
use lifeboat::bundle::{Fault, Limits, OpenError, Reader};
use lifeboat::catalogue;
use lifeboat::event::Observer;
use lifeboat::store::{Place, PlaceError, Ranged, Remote, Source, StoreError, without_signatures};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What helps against damage.
pub const DAMAGED: &str = "`lifeboat verify --full` says all that is wrong; use another copy";

/// What helps where a bundle is larger than what is taken.
pub const LIMITED: &str = "give `--max-gib` if the bundle may be that large";

/// Which bundle.
#[derive(Debug, Args)]
pub struct Bundle {
    /// The bundle: a path, or an address in a store as `az://ACCOUNT/CONTAINER/NAME`, `https://…`, `s3://…`, `gs://…`
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

    /// Where it lies, without what signs in.
    pub fn shown(&self) -> String {
        self.place().map_or_else(|_| without_signatures(&self.bundle.to_string_lossy()), |place| place.to_string())
    }

    fn place(&self) -> Result<Place, PlaceError> {
        Place::parse(&self.bundle)
    }

    /// Opens it, and says which one if that fails. Of one in a store, what is needed is fetched when it is needed.
    pub fn open(&self) -> anyhow::Result<Reader> {
        self.opened(Reader::open_source)
    }

    /// The same without the `meta` of members.
    pub fn open_lean(&self) -> anyhow::Result<Reader> {
        self.opened(Reader::open_lean)
    }

    fn opened(&self, open: fn(Box<dyn Source>, Limits) -> Result<Reader, OpenError>) -> anyhow::Result<Reader> {
        let place = self.place()?;
        far(&place).and_then(|source| open(source, self.limits())).with_context(|| format!("cannot open {place}"))
    }

    /// Looks at all of it, or less.
    pub fn verify(&self, depth: Depth, observer: &dyn Observer) -> anyhow::Result<Result<Verdict, OpenError>> {
        let place = self.place()?;
        Ok(far(&place).and_then(|source| verify_source(source, depth, self.limits(), observer)))
    }

    /// Opens a bundle that is whole; anything else is refused before a single call is made.
    pub fn whole(&self, observer: &dyn Observer) -> anyhow::Result<Reader> {
        let place = self.place()?;
        let unfit = |error| unfit(error, &place);
        let source = near(&place).map_err(unfit)?;
        let verdict = verify_source(Box::new(source.clone()), Depth::Full, self.limits(), observer).map_err(unfit)?;
        if let Some(finding) = verdict.findings.first() {
            let hint = if finding.fault == Fault::Limit { LIMITED } else { DAMAGED };
            return Err(Refusal::new(format!("the bundle is damaged or was altered: {finding}"), hint).into());
        }
        Reader::open_source(Box::new(source), self.limits()).with_context(|| format!("cannot open {place}"))
    }

    /// Notes beside it that it was found whole.
    pub fn note_verified(&self, manifest: &[u8; 32], full: bool) -> anyhow::Result<()> {
        let place = self.place()?;
        let depth = if full { "full" } else { "standard" };
        let noted = block_on(async { Ok(catalogue::note_verified(&place, jiff::Timestamp::now(), manifest, depth).await?) });
        noted.with_context(|| format!("cannot note beside {place} that it was verified"))
    }

    /// A path to it: its own, or that of a copy in this folder.
    pub fn on_disk(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let remote = match self.place()? {
            Place::Disk(path) => return Ok(path),
            Place::Remote(remote) => remote,
        };
        let copy = folder.join("fetched.tar.zst");
        let fetched = File::create_new(&copy).map_err(anyhow::Error::from).and_then(|file| Ok(ranged(&remote)?.fetch(&file)?));
        fetched.with_context(|| format!("cannot fetch {remote}"))?;
        Ok(copy)
    }

    fn limits(&self) -> Limits {
        Limits { bytes: self.max_gib.saturating_mul(1 << 30), ..Limits::default() }
    }
}

/// The bundle where it lies.
fn far(place: &Place) -> Result<Box<dyn Source>, OpenError> {
    match place {
        Place::Disk(path) => Ok(Box::new(File::open(path).map_err(OpenError::Io)?)),
        Place::Remote(remote) => Ok(Box::new(ranged(remote).map_err(|error| OpenError::Io(error.into()))?)),
    }
}

/// The bundle on this machine, for whoever reads all of it twice: what was checked is then what is used, and a store that goes
/// away in between stops nothing.
fn near(place: &Place) -> Result<Arc<dyn Source>, OpenError> {
    match place {
        Place::Disk(path) => Ok(Arc::new(File::open(path).map_err(OpenError::Io)?)),
        Place::Remote(remote) => {
            let object = ranged(remote).map_err(|error| OpenError::Io(error.into()))?;
            let file = tempfile::tempfile().map_err(OpenError::Io)?;
            object.fetch(&file).map_err(OpenError::Io)?;
            Ok(Arc::new(file))
        }
    }
}

fn ranged(remote: &Remote) -> Result<Ranged, StoreError> {
    Ranged::open(remote, Arc::new(|text: &str| ui::note(format!("warning: {text}"))))
}

//! A bundle on the command line, and how much of it a reader is ready to take.

use super::trust::Trust;
use super::unlock::Unlock;
use super::{Refusal, block_on};
use crate::ui;
use anyhow::Context;
use clap::Args;
use lifeboat::audit::{Depth, Verdict, verify_source};
use lifeboat::bundle::{Fault, Limits, OpenError, Reader, hex};
use lifeboat::catalogue;
use lifeboat::event::{Observer, causes};
use lifeboat::store::{Place, PlaceError, Ranged, Remote, Source, without_signatures};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// What helps against damage.
pub const DAMAGED: &str = "`lifeboat verify --full` says all that is wrong; use another copy";

/// What helps where a bundle is larger than what is taken.
pub const LIMITED: &str = "give `--max-gib` if the bundle may be that large";

type Open = fn(Box<dyn Source>, Limits) -> Result<Reader, OpenError>;

/// Which bundle.
#[derive(Debug, Args)]
pub struct Bundle {
    /// The bundle: a path, or an address in a store as `az://ACCOUNT/CONTAINER/NAME`, `https://…`, `s3://…`, `gs://…`
    #[arg(id = "bundle", value_name = "BUNDLE")]
    path: PathBuf,
    /// Contents that are taken at most, in GiB: a small file may claim to hold much
    #[arg(long, value_name = "GIB", default_value_t = Limits::default().bytes >> 30, help_heading = "Limits")]
    max_gib: u64,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    unlock: Unlock,
    /// The place, where the program found it by itself.
    #[arg(skip)]
    found: Option<Place>,
    /// Its bytes, once it was opened: nobody types a passphrase twice.
    #[arg(skip)]
    bytes: OnceLock<Bytes>,
}

/// What an opened bundle is read from.
#[derive(Debug)]
struct Bytes {
    source: Arc<dyn Source>,
    encrypted: bool,
    /// The object in a store that is behind it.
    object: Option<Arc<Object>>,
}

impl Bundle {
    /// However large, but not whoever made it.
    pub fn trusted(path: PathBuf, trust: Trust, unlock: Unlock) -> Self {
        Self { path, max_gib: u64::MAX, trust, unlock, found: None, bytes: OnceLock::new() }
    }

    /// The one before another, whoever made it: as large as any may be.
    pub fn earlier(place: Place, unlock: Unlock) -> Self {
        let max_gib = Limits::default().bytes >> 30;
        Self { max_gib, found: Some(place), ..Self::trusted(PathBuf::new(), Trust::default(), unlock) }
    }

    /// Another one, of the same makers, opened with the same keys.
    pub fn another(&self, path: PathBuf) -> Self {
        Self { max_gib: self.max_gib, ..Self::trusted(path, self.trust.clone(), self.unlock.clone()) }
    }

    /// Where it lies, without what signs in.
    pub fn shown(&self) -> String {
        self.place().map_or_else(|_| without_signatures(&self.path.to_string_lossy()), |place| place.to_string())
    }

    /// The place. Errors: the address is none.
    pub fn place(&self) -> Result<Place, PlaceError> {
        self.found.clone().map_or_else(|| Place::parse(&self.path), Ok)
    }

    /// Opens it, and says which one if that fails. Of one in a store, what is needed is fetched when it is needed.
    pub fn open(&self) -> anyhow::Result<Reader> {
        self.trusted_by(Reader::open_source)
    }

    /// The same without the `meta` of members.
    pub fn open_lean(&self) -> anyhow::Result<Reader> {
        self.trusted_by(Reader::open_lean)
    }

    fn trusted_by(&self, open: Open) -> anyhow::Result<Reader> {
        let reader = self.opened(open)?;
        self.trust.demand(&reader)?;
        Ok(reader)
    }

    /// The same, whoever made it.
    pub fn untrusted(&self) -> anyhow::Result<Reader> {
        self.opened(Reader::open_source)
    }

    fn opened(&self, open: Open) -> anyhow::Result<Reader> {
        let opened = self.source().and_then(|source| Ok(open(Box::new(source), self.limits())?));
        opened.with_context(|| format!("cannot open {}", self.shown()))
    }

    /// Whose bundles are taken.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Looks at all of it, or less.
    pub fn verify(&self, depth: Depth, observer: &dyn Observer) -> anyhow::Result<Verdict> {
        Ok(verify_source(Box::new(self.source()?), depth, self.limits(), observer)?)
    }

    /// Opens a bundle that is whole; anything else is refused before a single call is made.
    pub fn whole(&self, observer: &dyn Observer) -> anyhow::Result<Reader> {
        let verdict = self.fetch().and_then(|()| self.verify(Depth::Full, observer)).map_err(|error| self.unfit(error))?;
        if let Some(finding) = verdict.findings.first() {
            let hint = if finding.fault == Fault::Limit { LIMITED } else { DAMAGED };
            return Err(Refusal::new(format!("the bundle is damaged or was altered: {finding}"), hint).into());
        }
        let reader = self.untrusted()?;
        self.trust.demand_or_warn(&reader, observer)?;
        Ok(reader)
    }

    fn unfit(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<OpenError>() {
            Ok(error) => unfit(error, &self.shown()),
            Err(error) => error.context(format!("cannot open {}", self.shown())),
        }
    }

    /// Its bytes, decrypted if they are encrypted.
    pub fn source(&self) -> anyhow::Result<Arc<dyn Source>> {
        Ok(self.bytes()?.source.clone())
    }

    /// The file as it is stored, brought to this machine; what is asked of the bundle afterwards is asked of this file. An
    /// encrypted one that nobody opens stays closed.
    pub fn file(&self) -> anyhow::Result<(Arc<File>, bool)> {
        let file = Arc::new(near_file(&self.place()?).with_context(|| format!("cannot open {}", self.shown()))?);
        let raw: Arc<dyn Source> = file.clone();
        let opened = self.unlock.if_there_is_a_key(raw.clone())?;
        let is_open = opened.is_some();
        let source = opened.unwrap_or(raw.clone());
        let encrypted = !is_open || !Arc::ptr_eq(&raw, &source);
        self.bytes.get_or_init(|| Bytes { source, encrypted, object: None });
        Ok((file, is_open))
    }

    /// Brings it to this machine, if it lies in a store, for whoever reads all of it twice: what was checked is then what is used,
    /// and a store that goes away in between stops nothing.
    pub fn fetch(&self) -> anyhow::Result<()> {
        match &self.bytes()?.object {
            Some(object) => Ok(object.fetch().map_err(OpenError::Io)?),
            None => Ok(()),
        }
    }

    fn bytes(&self) -> anyhow::Result<&Bytes> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(bytes);
        }
        let (raw, object) = raw(&self.place()?)?;
        let source = self.unlock.unlock(raw.clone())?;
        let encrypted = !Arc::ptr_eq(&raw, &source);
        Ok(self.bytes.get_or_init(|| Bytes { source, encrypted, object }))
    }

    /// Whether it is encrypted; known once it was opened.
    pub fn is_encrypted(&self) -> bool {
        self.bytes.get().is_some_and(|bytes| bytes.encrypted)
    }

    /// Notes beside it that it was found whole.
    pub fn note_verified(&self, manifest: &[u8; 32], full: bool) -> anyhow::Result<()> {
        let place = self.place()?;
        let depth = if full { "full" } else { "standard" };
        let noted =
            block_on(async { Ok(catalogue::note_verified(&place, jiff::Timestamp::now(), &hex(manifest), depth).await?) });
        noted.with_context(|| format!("cannot note beside {place} that it was verified"))
    }

    fn limits(&self) -> Limits {
        Limits { bytes: self.max_gib.saturating_mul(1 << 30), ..Limits::default() }
    }
}

/// What helps against a file that is no good bundle.
pub fn advice(error: &OpenError) -> Option<&'static str> {
    match error {
        OpenError::Io(_) => None,
        OpenError::NeedsVersion { .. } => Some("use a newer version of lifeboat"),
        OpenError::NotABundle(_) => Some("check the path: a bundle is what `lifeboat export` wrote"),
        OpenError::Damaged(finding) if finding.fault == Fault::Limit => Some(LIMITED),
        OpenError::Truncated { .. } | OpenError::Damaged(_) => Some(DAMAGED),
    }
}

/// A bundle that cannot be trusted is refused; one that cannot be read from disk is an ordinary failure.
fn unfit(error: OpenError, place: &str) -> anyhow::Error {
    let Some(hint) = advice(&error) else {
        return anyhow::Error::new(error).context(format!("cannot open {place}"));
    };
    Refusal::new(causes(&error), hint).into()
}

/// Bytes as they lie there, and the object in a store that is behind them.
type Raw = (Arc<dyn Source>, Option<Arc<Object>>);

/// The bundle where it lies.
fn raw(place: &Place) -> Result<Raw, OpenError> {
    match place {
        Place::Disk(path) => Ok((Arc::new(File::open(path).map_err(OpenError::Io)?), None)),
        Place::Remote(remote) => {
            let object = Arc::new(Object { far: ranged(remote)?, near: OnceLock::new() });
            Ok((object.clone(), Some(object)))
        }
    }
}

/// The bundle as a file of this machine.
fn near_file(place: &Place) -> Result<File, OpenError> {
    let remote = match place {
        Place::Disk(path) => return File::open(path).map_err(OpenError::Io),
        Place::Remote(remote) => remote,
    };
    let object = ranged(remote)?;
    let file = tempfile::tempfile().map_err(OpenError::Io)?;
    object.fetch(&file).map_err(OpenError::Io)?;
    Ok(file)
}

fn ranged(remote: &Remote) -> Result<Ranged, OpenError> {
    let say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
    Ranged::open(remote, say).map_err(|error| OpenError::Io(error.into()))
}

/// An object of a store: read there, and on this machine once all of it was fetched.
struct Object {
    far: Ranged,
    near: OnceLock<File>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("near", &self.near).finish_non_exhaustive()
    }
}

impl Object {
    fn fetch(&self) -> io::Result<()> {
        if self.near.get().is_none() {
            let file = tempfile::tempfile()?;
            self.far.fetch(&file)?;
            self.near.get_or_init(|| file);
        }
        Ok(())
    }
}

impl Source for Object {
    fn size(&self) -> io::Result<u64> {
        self.far.size()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self.near.get() {
            Some(file) => file.read_at(at, buffer),
            None => self.far.read_at(at, buffer),
        }
    }

    fn will_read(&self, range: Range<u64>) {
        if self.near.get().is_none() {
            self.far.will_read(range);
        }
    }
}

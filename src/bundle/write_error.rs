//! Why a bundle was not written.

use super::finding::ObjectName;
use std::io;
use std::path::{Path, PathBuf};

/// Why a bundle was not written. Under its name stands nothing, but for [`WriteError::Settle`].
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The name is taken; what stands there was not touched.
    #[error("{} exists already, and a bundle is never overwritten", .path.display())]
    AlreadyExists {
        /// The name.
        path: PathBuf,
    },
    /// The target could not be created, written, synced or published.
    #[error("cannot {doing} {}", .path.display())]
    Store {
        /// What was being done.
        doing: &'static str,
        /// The target.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The whole bundle stands under its name, but the folder could not be synced: a power cut may take it away.
    #[error("the bundle {} is complete, but its folder cannot be synced", .path.display())]
    Settle {
        /// The bundle.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The temporary files failed.
    #[error("cannot use the temporary files beside the bundle")]
    Spool(#[source] io::Error),
    /// zstd failed.
    #[error("cannot compress a frame")]
    Compress(#[source] io::Error),
    /// An object, or the head, cannot be put down in the manifest.
    #[error("cannot put down {what}: {why}")]
    Unfit {
        /// The object or the part.
        what: String,
        /// The rule that it breaks.
        why: String,
    },
    /// The object was given before, as a member or a gap; the first stands, and work may go on.
    #[error("{0} was given twice")]
    Duplicate(ObjectName),
    /// A kind's listing and its objects do not add up.
    #[error("the account of kind \"{kind}\" does not add up: {listed} listed, {found} settled")]
    Sums {
        /// The kind.
        kind: String,
        /// What the caller counted.
        listed: u64,
        /// What was given to the writer.
        found: u64,
    },
    /// The earlier bundle does not give what it holds.
    #[error("cannot read the earlier bundle")]
    Earlier(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The manifest could not be signed.
    #[error("cannot sign the manifest")]
    Sign(#[source] io::Error),
    /// It was stopped from outside.
    #[error("the writing was stopped")]
    Stopped,
    /// What was written could not be read back as it was meant.
    #[error("the written bundle does not read back")]
    ReadBack(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl WriteError {
    /// What came of an act of the store.
    pub(crate) fn store(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if matches!(doing, "create" | "publish") && source.kind() == io::ErrorKind::AlreadyExists {
            return Self::AlreadyExists { path };
        }
        Self::Store { doing, path, source }
    }
}

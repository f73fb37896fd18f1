//! Where the bytes of notebooks and files come from.

use crate::bundle::Reader;
use crate::object::SourceId;
use crate::spool::{Blob, Spool};
use std::io::{self, Write};

/// Gives the bytes of an object.
pub trait Contents: Sync {
    /// The bytes, whole and checked, as something that can be read again for every try.
    fn content(&self, source: &SourceId) -> Result<Blob, ContentError>;
}

/// Bytes that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {object} out of the bundle")]
pub struct ContentError {
    object: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl ContentError {
    /// Says which object, and why.
    pub fn new(source: &SourceId, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { object: source.to_string(), source: cause.into() }
    }
}

/// A bundle as a source of bytes; they pass through a spool, so that memory stays flat.
pub struct BundleContents<'a> {
    reader: &'a Reader,
    spool: Spool,
}

impl<'a> BundleContents<'a> {
    /// Takes the bytes out of this bundle, by way of this spool.
    pub fn new(reader: &'a Reader, spool: Spool) -> Self {
        Self { reader, spool }
    }
}

impl Contents for BundleContents<'_> {
    fn content(&self, source: &SourceId) -> Result<Blob, ContentError> {
        let wrong = |error: io::Error| ContentError::new(source, error);
        let member = self.reader.find(&source.kind, &source.id);
        let member = member.ok_or_else(|| ContentError::new(source, "it is not in the bundle"))?;
        let mut incoming = self.spool.begin().map_err(wrong)?;
        self.reader.copy(member, &mut incoming).map_err(|error| ContentError::new(source, error))?;
        incoming.flush().map_err(wrong)?;
        incoming.finish().map_err(wrong)
    }
}

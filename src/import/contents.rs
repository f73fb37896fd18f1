//! Where the bytes of notebooks and files come from.

use crate::bundle::Reader;
use crate::object::{Edit, SourceId};
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
    edit: Option<Box<Edit<'a>>>,
}

impl<'a> BundleContents<'a> {
    /// Takes the bytes out of this bundle, by way of this spool.
    pub fn new(reader: &'a Reader, spool: Spool) -> Self {
        Self { reader, spool, edit: None }
    }

    /// The same, with bytes changed on the way.
    #[must_use]
    pub fn editing(self, edit: Box<Edit<'a>>) -> Self {
        Self { edit: Some(edit), ..self }
    }

    fn edited(&self, source: &SourceId, blob: Blob) -> io::Result<Blob> {
        let Some(edit) = &self.edit else { return Ok(blob) };
        let Some(new) = edit(source, &|| blob.bytes())? else { return Ok(blob) };
        let mut incoming = self.spool.begin()?;
        incoming.write_all(&new)?;
        incoming.finish()
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
        incoming.finish().and_then(|blob| self.edited(source, blob)).map_err(wrong)
    }
}

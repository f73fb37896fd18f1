//! The bytes of objects that get another path in the target.

use super::SourceId;
use crate::import::{BundleContents, ContentError, Contents};
use crate::spool::Blob;
use std::collections::HashMap;

/// Contents of a bundle, asked for by the path in the target.
pub struct Moved<'a> {
    inner: BundleContents<'a>,
    origins: &'a HashMap<SourceId, SourceId>,
}

impl<'a> Moved<'a> {
    /// `origins` says for each path in the target which one it is in the bundle.
    pub fn new(inner: BundleContents<'a>, origins: &'a HashMap<SourceId, SourceId>) -> Self {
        Self { inner, origins }
    }
}

impl Contents for Moved<'_> {
    fn content(&self, source: &SourceId) -> Result<Blob, ContentError> {
        self.inner.content(self.origins.get(source).unwrap_or(source))
    }
}
